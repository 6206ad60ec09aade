//! The record of an erasure in the segments, and the frame that takes the body's place there.
//!
//! Order: the record is written and fsynced; no reader is shown the body any more; then the frame that held the body is
//! overwritten in place, by a sound frame of the same length whose payload is its place in the log and zeros, and fsynced; only
//! then the cursor passes the record. The record says where that frame was and what its header noted. So a crash anywhere between
//! is redone by reading the record again, also where the overwriting was torn, and nobody takes the torn frame for damage.
//!
//! The body's text is gone; what must stay readable about it stays in the record: which version of which work it was.
//!
//! Nobody signs a record of this node, and behind damage a frame may be one that a member wrote into a body of its own. So the
//! record names the place where it stands itself, which no author can know: elsewhere it is none.

use std::collections::{BTreeMap, BTreeSet};

use proto::body;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::erasure::{Cause, Erasure, Work};
use proto::key::PublicKey;

use crate::frame::{BODY, Damage, ENTRY, ERASURE, LATE_BODY, place, unplace};
use crate::rows::array;
use crate::segments::{Cursor, FRAME_HEADER, Frame, Location};

/// The frame that held an erased body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Where it is.
    pub at: Location,
    /// Its local arrival number, which stays.
    pub arrival: u64,
    /// Its time, which stays, Unix milliseconds.
    pub arrived_ms: u64,
}

/// What the record of an erasure says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What was erased, and why.
    pub erasure: Erasure,
    /// The frame to overwrite; `None` where the body was not held.
    pub held: Option<Held>,
}

impl Record {
    /// As the payload of a frame that is to stand `here`.
    pub fn to_payload(&self, here: Cursor) -> Vec<u8> {
        let Record { erasure, held } = self;
        let mut bytes = here.to_bytes().to_vec();
        bytes.extend_from_slice(erasure.entry.as_bytes());
        bytes.push(match erasure.cause {
            Cause::Operator => 1,
            Cause::Author => 2,
            Cause::Denial => 3,
        });
        let held = held.unwrap_or(Held { at: Location { segment: 0, offset: 0, len: 0 }, arrival: 0, arrived_ms: 0 });
        bytes.extend_from_slice(&held.at.to_bytes());
        bytes.extend_from_slice(&held.arrival.to_be_bytes());
        bytes.extend_from_slice(&held.arrived_ms.to_be_bytes());
        let none = Work { slug: String::new(), number: 0, supersedes: Vec::new() };
        let work = erasure.work.as_ref().unwrap_or(&none);
        bytes.extend_from_slice(&work.number.to_be_bytes());
        bytes.extend_from_slice(&(work.supersedes.len() as u32).to_be_bytes());
        work.supersedes.iter().for_each(|digest| bytes.extend_from_slice(digest.as_bytes()));
        bytes.extend_from_slice(&(work.slug.len() as u32).to_be_bytes());
        bytes.extend_from_slice(work.slug.as_bytes());
        bytes.extend_from_slice(erasure.reason.as_bytes());
        place(&erasure.log, erasure.index, &bytes)
    }

    /// How long that payload is.
    pub fn payload_len(&self) -> usize {
        self.to_payload(Cursor::default()).len()
    }

    /// From a frame, where it is one.
    pub fn read(frame: &Frame) -> Option<Record> {
        let (log, index, bytes) = unplace(&frame.payload)?;
        let here = Cursor { segment: frame.at.segment, offset: frame.at.offset };
        let bytes = bytes.strip_prefix(here.to_bytes().as_slice()).filter(|_| frame.kind == ERASURE)?;
        let entry = Digest::try_from(bytes.get(..32)?).ok()?;
        let cause = match bytes.get(32)? {
            1 => Cause::Operator,
            2 => Cause::Author,
            3 => Cause::Denial,
            _ => return None,
        };
        let at = Location::from_bytes(bytes.get(33..45)?)?;
        let held = Held {
            at,
            arrival: u64::from_be_bytes(array(bytes, 45)?),
            arrived_ms: u64::from_be_bytes(array(bytes, 53)?),
        };
        let number = u32::from_be_bytes(array(bytes, 61)?);
        let end = 69 + u32::from_be_bytes(array(bytes, 65)?) as usize * 32;
        let digests = bytes.get(69..end)?.chunks_exact(32);
        let supersedes = digests.map(|bytes| Digest::try_from(bytes).ok()).collect::<Option<Vec<_>>>()?;
        let words = end + 4 + u32::from_be_bytes(array(bytes, end)?) as usize;
        let slug = std::str::from_utf8(bytes.get(end + 4..words)?).ok()?.to_owned();
        let reason = std::str::from_utf8(bytes.get(words..)?).ok()?.into();
        let work = Some(Work { slug, number, supersedes }).filter(|work| !work.slug.is_empty());
        Some(Record {
            erasure: Erasure { log, index, entry, cause, reason, work },
            held: Some(held).filter(|held| held.at.segment > 0),
        })
    }

    /// Whether bytes that are no record lie within the frame to overwrite: an overwriting that a crash tore, which is redone.
    pub fn explains(&self, damage: &Damage) -> bool {
        let Some(Held { at, .. }) = self.held else { return false };
        let (from, end) = (u64::from(at.offset), u64::from(at.offset) + (FRAME_HEADER as u64) + u64::from(at.len));
        let offset = u64::from(damage.offset);
        at.segment == damage.segment && offset >= from && offset + damage.bytes <= end
    }
}

/// Finds erased bodies that are on the disk all the same, frame by frame in their order. At one place there may be two entries, on
/// two branches of a log, and only its bytes tell of which a body is; one that is of no other entry is taken for the erased.
#[derive(Default)]
pub struct Remains {
    erased: BTreeMap<(PublicKey, u64), BTreeSet<Digest>>,
    others: BTreeMap<(PublicKey, u64), BTreeMap<Digest, Entry>>,
}

impl Remains {
    /// Looks for what an erasure means, too.
    pub fn seek(&mut self, erasure: &Erasure) {
        self.erased.entry((erasure.log, erasure.index)).or_default().insert(erasure.entry);
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.erased.is_empty()
    }

    /// The place that a frame has the erased body of.
    pub fn find(&mut self, frame: &Frame) -> Option<(PublicKey, u64)> {
        if frame.kind == ENTRY {
            let entry = Entry::parse_anywhere(&frame.payload).ok()?;
            let (place, digest) = ((*entry.log(), entry.index()), entry.digest());
            if self.erased.get(&place).is_some_and(|erased| !erased.contains(&digest)) {
                self.others.entry(place).or_default().insert(digest, entry);
            }
            return None;
        }
        let (log, index, packed) = unplace(&frame.payload).filter(|_| matches!(frame.kind, BODY | LATE_BODY))?;
        let place = Some((log, index)).filter(|place| self.erased.contains_key(place))?;
        let mut others = self.others.get(&place).into_iter().flat_map(BTreeMap::values);
        (!others.any(|entry| body::unpack(packed, entry).is_ok())).then_some(place)
    }
}

/// The payload that takes the place of a body's: where it belongs, and as many zeros as it had bytes.
pub fn blank(log: &PublicKey, index: u64, len: u32) -> Vec<u8> {
    let mut payload = place(log, index, &[]);
    payload.resize((len as usize).max(payload.len()), 0);
    payload
}
