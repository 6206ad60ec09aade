//! How the engine's rows are laid out: the tables, their keys and their values. Big-endian integers, small values.
//!
//! Everything here can be rebuilt from the segments; a change of layout is a new [`SCHEMA`].

pub(crate) mod cited;

use prost::Message;
use proto::body::Open;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::key::PublicKey;
use proto::log::Closing;
use proto::schema;
use proto::tree::Compact;
use proto::work;
use thiserror::Error;

use crate::content;
use crate::engine::{Batch, EngineError};
use crate::segments::{Location, SegmentError};

/// Version of the engine's layout. Another one is rebuilt from the segments; a newer one is refused.
pub(crate) const SCHEMA: u32 = 8;
/// Leaves of one row: sled's cost is by the row, and a row must stay far below what it keeps in one piece.
pub(crate) const LEAVES_PER_ROW: u64 = 32;
/// Bytes of a leaf: its digest and two locations.
pub(crate) const LEAF_BYTES: usize = 56;

/// Why the store cannot go on. The node stops; after its cause is removed, a start finds a sound state.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The segments cannot be read or written.
    #[error(transparent)]
    Segments(#[from] SegmentError),
    /// The engine cannot be read or written.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A newer Comity wrote the store.
    #[error(
        "the store is of schema {found}, this program knows up to {SCHEMA}; start the newer program that wrote it, or an empty folder"
    )]
    Newer {
        /// The schema found.
        found: u32,
    },
    /// The engine cannot be believed and is rebuilt.
    #[error("{0}")]
    Doubt(String),
    /// A value of the engine is not what was written.
    #[error("the engine's table {0} is damaged; start again to rebuild it from the segments")]
    Damaged(u8),
}

/// The engine's tables. Integers in keys are big-endian; `n` is a log's local number (u32).
pub(crate) mod table {
    /// Name -> value: `schema`, `cursor`, `arrival`, `documents`, `entries`, `erased`.
    pub const META: u8 = 0;
    /// Log key -> n.
    pub const LOGS: u8 = 1;
    /// n -> the head: see `LogHead`.
    pub const HEADS: u8 = 2;
    /// n, index / 32 -> of each of those leaves: see `Leaf`.
    pub const LEAVES: u8 = 3;
    /// n, level (8, 16 ..), index -> hash of a complete subtree.
    pub const NODES: u8 = 4;
    /// First arrival -> n, index, and how many arrived one after the other.
    pub const ARRIVALS: u8 = 5;
    /// `CODE/slug`, 0, 1 (version) or 2 (withdrawal), digest -> see `WorkRow`.
    pub const WORKS: u8 = 6;
    /// n, digest of a peer id, index -> body of an address entry.
    pub const ADDRESSES: u8 = 8;
    /// n, index: a body that is wanted.
    pub const WANTS: u8 = 7;
    /// Log key, index, digest of an entry whose body was erased or is denied -> where the record of that is.
    pub const ERASED: u8 = 9;
    /// n, index: a withdrawal that erases.
    pub const ERASING: u8 = 10;
    /// Number and digest of an edition -> where its note is.
    pub const EDITIONS: u8 = 11;
    /// Log key -> where the proof of its fork is that has the smallest index.
    pub const FORKS: u8 = 12;
    /// Log key, index, digest of an entry that was set aside -> see `Leaf`.
    pub const ASIDE: u8 = 13;
    /// Arrival, `CODE/slug` -> when: each work once, where it last changed.
    pub const NEWS: u8 = 14;
    /// `CODE/slug` -> the arrival at which something else than an entry of it last changed what is shown of it.
    pub const TOUCHED: u8 = 15;
    /// `CODE/slug`, 0, n, index: an entry that names this work -> its digest. Where another entry is there by now, the row says
    /// nothing; so entries that were set aside need not be looked for here.
    pub const CITED: u8 = 16;
}

/// A log's head as the engine keeps it.
#[derive(Clone, Debug)]
pub(crate) struct LogHead {
    pub(crate) number: u32,
    pub(crate) tree: Compact,
    pub(crate) closing: Closing,
    pub(crate) open: Open,
    pub(crate) body_bytes: u64,
}

/// A version or a withdrawal of a work, and where it stands.
#[derive(Clone, Debug)]
pub struct WorkRow {
    /// The log.
    pub log: u32,
    /// The entry.
    pub index: u64,
    /// Its digest.
    pub digest: Digest,
    /// The arrival with which it became known here what it says.
    pub arrival: u64,
    /// What it says about the work.
    pub says: Says,
    /// The digest of what a version says, as an import asks for it. None of a withdrawal, nor where the text was erased: this digest
    /// has no salt, so whoever has it could try out what the text was. What the engine had before an erasure is in its files until
    /// it writes over them.
    pub content: Option<Digest>,
}

/// What an entry says about a work.
#[derive(Clone, Debug)]
pub enum Says {
    /// A version, of a kind.
    Version(work::Version, u32),
    /// A withdrawal.
    Withdrawal(work::Withdrawal),
}

impl LogHead {
    pub(crate) fn to_bytes(&self, log: &PublicKey) -> Vec<u8> {
        let mut bytes = self.number.to_be_bytes().to_vec();
        bytes.extend_from_slice(log.as_bytes());
        bytes.extend_from_slice(&self.body_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.tree.size().to_be_bytes());
        for peak in self.tree.peaks() {
            bytes.extend_from_slice(peak.as_bytes());
        }
        for part in [self.open.to_body([0; 16]), self.closing.to_wire().encode_to_vec()] {
            bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
            bytes.extend_from_slice(&part);
        }
        bytes
    }

    pub(crate) fn read(federation: &Digest, bytes: &[u8]) -> Option<(PublicKey, LogHead)> {
        let number = u32::from_be_bytes(array(bytes, 0)?);
        let log = PublicKey::from_bytes(bytes.get(4..36)?).ok()?;
        let (body_bytes, size) = (u64::from_be_bytes(array(bytes, 36)?), u64::from_be_bytes(array(bytes, 44)?));
        let end = 52 + size.count_ones() as usize * 32;
        let peaks =
            bytes.get(52..end)?.chunks_exact(32).map(|peak| Digest::try_from(peak).ok()).collect::<Option<_>>()?;
        let (open, rest) = part(bytes.get(end..)?)?;
        let (closing, _) = part(rest)?;
        let closing = Closing::from_wire(federation, &schema::Closing::decode(closing).ok()?).ok()?;
        let tree = Compact::from_parts(size, peaks)?;
        Some((log, LogHead { number, tree, closing, open: Open::parse(open)?, body_bytes }))
    }
}

/// Whose log it is, without the signature that verifies its end.
#[derive(Clone, Debug)]
pub struct Owner {
    /// The log's key.
    pub log: PublicKey,
    /// What its entry 0 says.
    pub open: Open,
    /// Entries held.
    pub size: u64,
}

impl Owner {
    pub(crate) fn read(bytes: &[u8]) -> Option<Owner> {
        let log = PublicKey::from_bytes(bytes.get(4..36)?).ok()?;
        let size = u64::from_be_bytes(array(bytes, 44)?);
        let (open, _) = part(bytes.get(52 + size.count_ones() as usize * 32..)?)?;
        Some(Owner { log, open: Open::parse(open)?, size })
    }
}

impl WorkRow {
    pub(crate) fn of(
        log: u32,
        entry: &Entry,
        arrival: u64,
        publication: &schema::Publication,
        body: &[u8],
    ) -> Option<WorkRow> {
        let digests =
            |list: &[Vec<u8>]| list.iter().filter_map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect();
        let (digest, index) = (entry.digest(), entry.index());
        let (says, content) = if entry.kind() == schema::Kind::Withdrawal as u32 {
            let notice = publication.withdrawal.as_ref()?;
            let (versions, reason) = (digests(&notice.versions), notice.reason.clone());
            (Says::Withdrawal(work::Withdrawal { versions, reason }), None)
        } else {
            let supersedes = digests(&publication.supersedes);
            let version = work::Version { digest, number: publication.version, supersedes };
            (Says::Version(version, entry.kind()), content::digest_of_body(entry.kind(), body))
        };
        Some(WorkRow { log, index, digest, arrival, says, content })
    }

    pub(crate) fn key(&self, name: &str) -> Vec<u8> {
        let tag = match self.says {
            Says::Version(..) => 1,
            Says::Withdrawal(_) => 2,
        };
        [&prefix(name), [tag].as_slice(), self.digest.as_bytes()].concat()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let (number, kind, digests, reason) = match &self.says {
            Says::Version(version, kind) => (version.number, *kind, &version.supersedes, ""),
            Says::Withdrawal(notice) => (0, 0, &notice.versions, notice.reason.as_str()),
        };
        let mut bytes = leaf_key(self.log, self.index).to_vec();
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&self.arrival.to_be_bytes());
        bytes.extend_from_slice(&(digests.len() as u32).to_be_bytes());
        digests.iter().for_each(|digest| bytes.extend_from_slice(digest.as_bytes()));
        bytes.extend_from_slice(reason.as_bytes());
        self.content.iter().for_each(|digest| bytes.extend_from_slice(digest.as_bytes()));
        bytes
    }

    pub(crate) fn read(key: &[u8], value: &[u8]) -> Option<WorkRow> {
        let (tag, digest) = key.get(key.len().checked_sub(33)?..)?.split_first()?;
        let digest = Digest::try_from(digest).ok()?;
        let (log, index) = (u32::from_be_bytes(array(value, 0)?), u64::from_be_bytes(array(value, 4)?));
        let (number, kind) = (u32::from_be_bytes(array(value, 12)?), u32::from_be_bytes(array(value, 16)?));
        let arrival = u64::from_be_bytes(array(value, 20)?);
        let end = 32 + u32::from_be_bytes(array(value, 28)?) as usize * 32;
        let list =
            value.get(32..end)?.chunks_exact(32).map(|bytes| Digest::try_from(bytes).ok()).collect::<Option<_>>()?;
        let rest = value.get(end..)?;
        let (says, content) = if *tag == 1 {
            (Says::Version(work::Version { digest, number, supersedes: list }, kind), Digest::try_from(rest).ok())
        } else {
            let reason = String::from_utf8_lossy(rest).into_owned();
            (Says::Withdrawal(work::Withdrawal { versions: list, reason }), None)
        };
        Some(WorkRow { log, index, digest, arrival, says, content })
    }
}

/// Whether the rows of one work leave a version that is not withdrawn.
pub(crate) fn stands(rows: &[WorkRow]) -> bool {
    let state = fold(rows);
    !state.current.is_empty() && state.withdrawn.is_none()
}

/// What the rows of one work come to.
pub fn fold(rows: &[WorkRow]) -> work::State {
    let (mut versions, mut withdrawals) = (Vec::new(), Vec::new());
    for row in rows {
        match &row.says {
            Says::Version(version, _) => versions.push(version.clone()),
            Says::Withdrawal(withdrawal) => withdrawals.push(withdrawal.clone()),
        }
    }
    work::state(&versions, &withdrawals)
}

pub(crate) fn prefix(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

pub(crate) fn leaf_key(log: u32, index: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&log.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn node_key(log: u32, level: u8, index: u64) -> [u8; 13] {
    let mut key = [0; 13];
    key[..4].copy_from_slice(&log.to_be_bytes());
    key[4] = level;
    key[5..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Of one entry, on whichever branch of its log.
pub(crate) fn entry_key(log: &PublicKey, index: u64, digest: &Digest) -> Vec<u8> {
    [log.as_bytes().as_slice(), &index.to_be_bytes(), digest.as_bytes()].concat()
}

/// Where a node's place is, as an entry of a log says.
pub(crate) fn address_key(log: u32, peer: &str, index: u64) -> Vec<u8> {
    [log.to_be_bytes().as_slice(), Digest::of(peer.as_bytes()).as_bytes(), &index.to_be_bytes()].concat()
}

/// Where a work stands among what is new.
pub(crate) fn news_key(arrival: u64, name: &str) -> Vec<u8> {
    [arrival.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// Where a leaf's row is.
pub(crate) fn leaves_key(log: u32, index: u64) -> [u8; 12] {
    leaf_key(log, index / LEAVES_PER_ROW)
}

/// A leaf in its row: its hash, and where its records are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leaf {
    pub(crate) digest: Digest,
    pub(crate) entry: Location,
    pub(crate) body: Option<Location>,
}

impl Leaf {
    /// The leaf of an index out of its row.
    pub(crate) fn of(row: &[u8], index: u64) -> Option<Leaf> {
        let at = (index % LEAVES_PER_ROW) as usize * LEAF_BYTES;
        let bytes = row.get(at..at + LEAF_BYTES)?;
        let body = bytes.get(44..).filter(|bytes| bytes.iter().any(|byte| *byte != 0));
        Some(Leaf {
            digest: Digest::try_from(bytes.get(..32)?).ok()?,
            entry: Location::from_bytes(bytes.get(32..44)?)?,
            body: body.and_then(Location::from_bytes),
        })
    }

    /// Puts it in its place of a row that holds all leaves before it. What a crash left after it goes.
    pub(crate) fn append(&self, row: &mut Vec<u8>, index: u64) {
        row.resize((index % LEAVES_PER_ROW) as usize * LEAF_BYTES, 0);
        row.extend_from_slice(&self.to_bytes());
    }

    /// Puts it in place of the one that is there.
    pub(crate) fn replace(&self, row: &mut [u8], index: u64) {
        let at = (index % LEAVES_PER_ROW) as usize * LEAF_BYTES;
        if let Some(place) = row.get_mut(at..at + LEAF_BYTES) {
            place.copy_from_slice(&self.to_bytes());
        }
    }

    /// By itself, as it is kept of an entry that was set aside.
    pub(crate) fn read(bytes: &[u8]) -> Option<Leaf> {
        Leaf::of(bytes, 0)
    }

    pub(crate) fn to_bytes(self) -> [u8; LEAF_BYTES] {
        let mut bytes = [0; LEAF_BYTES];
        bytes[..32].copy_from_slice(self.digest.as_bytes());
        bytes[32..44].copy_from_slice(&self.entry.to_bytes());
        if let Some(body) = self.body {
            bytes[44..].copy_from_slice(&body.to_bytes());
        }
        bytes
    }
}

/// Entries of one log that arrived one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrivals {
    pub(crate) first: u64,
    pub(crate) log: u32,
    pub(crate) index: u64,
    pub(crate) count: u32,
}

impl Arrivals {
    pub(crate) fn read((key, value): &(Vec<u8>, Vec<u8>)) -> Option<Arrivals> {
        Some(Arrivals {
            first: u64::from_be_bytes(array(key, 0)?),
            log: u32::from_be_bytes(array(value, 0)?),
            index: u64::from_be_bytes(array(value, 4)?),
            count: u32::from_be_bytes(array(value, 12)?),
        })
    }

    pub(crate) fn put(&self, batch: &mut Batch) {
        let value = [leaf_key(self.log, self.index).as_slice(), &self.count.to_be_bytes()].concat();
        batch.put(table::ARRIVALS, &self.first.to_be_bytes(), &value);
    }

    /// Each of them: arrival, log, index.
    pub(crate) fn each(self) -> impl DoubleEndedIterator<Item = (u64, u32, u64)> {
        (0..u64::from(self.count)).map(move |at| (self.first + at, self.log, self.index + at))
    }
}

pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = u32::from_be_bytes(array(bytes, 0)?) as usize;
    Some((bytes.get(4..4 + len)?, bytes.get(4 + len..)?))
}
