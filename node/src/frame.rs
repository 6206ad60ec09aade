//! What the frames of the segments hold: the kinds of record, and how a payload names its place.
//!
//! The numbers and the shapes are on disk for good; a bundle or a backup is read by the same rules.

use proto::key::PublicKey;

/// An entry's exact bytes.
pub const ENTRY: u8 = 1;
/// Log key, index, and the zstd frame of the body of the entry before it.
pub const BODY: u8 = 2;
/// Log key, the size it closes, and the closing: the end of a run.
pub const CLOSING: u8 = 3;
/// As `BODY`, of a body that came later than its entry.
pub const LATE_BODY: u8 = 4;
/// A decision of this node's operator, in words.
pub const LOCAL: u8 = 5;
/// A body is erased: see `erasure::Record`.
pub const ERASURE: u8 = 6;
/// What took the place of an erased body: log key, index, and zeros. Its header is that of the body's frame.
pub const ERASED: u8 = 7;

/// An edition's finished note, with the keys of signers who used those that they had committed to: an `EditionNote`.
pub const EDITION: u8 = 8;
/// The proof of a fork: a `Fork`.
pub const FORK: u8 = 9;
/// Entries are set aside, because the cut of their log is on another branch: a `Rewind`.
pub const REWIND: u8 = 10;
/// Something else than an arrival changed what is shown here of a work: its name, `CODE/slug`.
pub const TOUCH: u8 = 11;
/// What was shown here when the works before it were noted: see `shown::Shown`.
pub const SHOWN: u8 = 12;

/// Whether a torn tail may end after a frame of this kind.
pub fn is_boundary(kind: u8) -> bool {
    matches!(kind, CLOSING | LATE_BODY | LOCAL | ERASURE | EDITION | FORK | REWIND | TOUCH | SHOWN)
}

/// The payload of a record that belongs to a place in a log: log key, index (or size, for a closing), and its bytes.
pub fn place(log: &PublicKey, index: u64, bytes: &[u8]) -> Vec<u8> {
    [log.as_bytes().as_slice(), &index.to_be_bytes(), bytes].concat()
}

/// Log, index (or size) and the rest of a frame's payload.
pub fn unplace(payload: &[u8]) -> Option<(PublicKey, u64, &[u8])> {
    let log = PublicKey::from_bytes(payload.get(..32)?).ok()?;
    Some((log, u64::from_be_bytes(payload.get(32..40)?.try_into().ok()?), payload.get(40..)?))
}

/// Damage that a node has seen: noted in the segments themselves, so that an audit knows it from damage nobody knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The segment's number.
    pub segment: u32,
    /// Where it begins.
    pub offset: u32,
    /// How many bytes are no record.
    pub bytes: u64,
}

impl Damage {
    /// The payload of the note.
    pub fn to_note(self) -> String {
        format!("damaged {} {} {}", self.segment, self.offset, self.bytes)
    }

    /// From the payload of a note, where it is one of damage.
    pub fn read(note: &[u8]) -> Option<Damage> {
        let mut words = std::str::from_utf8(note).ok()?.strip_prefix("damaged ")?.split(' ');
        let segment = words.next()?.parse().ok()?;
        let offset = words.next()?.parse().ok()?;
        Some(Damage { segment, offset, bytes: words.next()?.parse().ok()? })
    }
}
