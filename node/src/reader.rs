//! The read side of the store: what is visible, asked from any thread, while one writer goes on.

mod evidence;
mod naming;
mod news;

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use prost::Message;
use proto::archive::{Archive, Head, StoredLeaf};
use proto::body;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::schema;
use proto::tree::{Compact, Hashes};

use crate::ends::Ends;
use crate::engine::Engine;
use crate::erasure;
use crate::frame::{self, Damage, unplace};
use crate::rows::{
    Arrivals, LEAVES_PER_ROW, Leaf, LogHead, Owner, StoreError, WorkRow, array, entry_key, leaves_key, node_key,
    prefix, table,
};
use crate::segments::{Cursor, Frame, Location, Replayed, SegmentError, SegmentReader};

pub use evidence::Aside;
pub use naming::Naming;
pub use news::News;

/// Nodes of one desk that the phone book lists, so that no desk can crowd out the others.
const NODES_OF_A_DESK: usize = 16;
/// Nodes of one desk that are looked at for it: those that only entries name which do not stand come in between.
const NODES_NAMED_MAX: usize = 1024;

/// A read handle; cheap to clone.
#[derive(Clone)]
pub struct Reader {
    pub(crate) engine: Engine,
    pub(crate) segments: SegmentReader,
    damage: Arc<DamageSeen>,
}

/// Damage that a read came upon. The first is written down, so that the next start replays everything and fetches what is lost.
struct DamageSeen {
    suspect: PathBuf,
    words: OnceLock<String>,
}

/// One entry as it was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The entry.
    pub entry: Entry,
    /// Its uncompressed body, where held.
    pub body: Option<Vec<u8>>,
    /// Which arrival it was here.
    pub arrival: u64,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
}

/// An erasure as it was recorded.
#[derive(Clone, Debug)]
pub struct Erased {
    /// What the record says.
    pub record: erasure::Record,
    /// When it was recorded here, Unix milliseconds.
    pub at_ms: u64,
}

impl Reader {
    /// `suspect` is the file that makes the next start disbelieve the engine.
    pub(crate) fn new(engine: Engine, segments: SegmentReader, suspect: PathBuf) -> Reader {
        Reader { engine, segments, damage: Arc::new(DamageSeen { suspect, words: OnceLock::new() }) }
    }

    /// What a read came upon that a new start has to mend, in words.
    pub fn damage(&self) -> Option<&String> {
        self.damage.words.get()
    }

    /// Reads every record on disk up to `end` once, and gives the first damage that no note tells of.
    pub(crate) fn unknown_damage(&self, end: Cursor) -> Result<Option<Damage>, SegmentError> {
        let (mut found, mut known, mut erasures) = (Vec::new(), Vec::new(), Vec::new());
        for item in self.segments.replay(Cursor::default(), Some(end)) {
            match item? {
                Replayed::Frame(frame) if frame.kind == frame::LOCAL => known.extend(Damage::read(&frame.payload)),
                Replayed::Frame(frame) => erasures.extend(erasure::Record::read(&frame)),
                Replayed::Damaged { from, bytes, .. } => {
                    found.push(Damage { segment: from.segment, offset: from.offset, bytes });
                }
            }
        }
        found.retain(|damage| !known.contains(damage) && !erasures.iter().any(|record| record.explains(damage)));
        for damage in found {
            let from = Cursor { segment: damage.segment, offset: damage.offset };
            if self.segments.is_damaged(from, damage.bytes)? {
                return Ok(Some(damage));
            }
        }
        Ok(None)
    }

    /// The same beside a running node, after a start that had no reason to do it: rot is found before a reader comes upon it.
    pub fn check(&self, end: Cursor) {
        match self.unknown_damage(end) {
            Ok(None) => tracing::info!("every record on disk was read again and is sound"),
            Ok(Some(damage)) => self.saw(&SegmentError::Damaged { segment: damage.segment, offset: damage.offset }),
            Err(error) => tracing::error!("the records on disk could not be checked: {error}"),
        }
    }

    fn saw(&self, error: &SegmentError) {
        if matches!(error, SegmentError::Damaged { .. }) && self.damage.words.set(error.to_string()).is_ok() {
            tracing::error!("{error}");
            // Best effort: where even this cannot be written, the next start after a crash checks everything anyway.
            let _ = fs::write(&self.damage.suspect, "a record in the segments is damaged");
        }
    }

    /// The zstd frame of a body, where it is held. One damaged on disk reads as one that is not, until a new start fetches it.
    fn packed(&self, log: u32, index: u64, at: &Location) -> Option<Vec<u8>> {
        let read = self.segments.read_frame(at);
        if let Err(error) = &read {
            // It may have been erased since its place was looked up: then nothing is damaged.
            let is_there = self.leaf(log, index).ok().flatten().is_some_and(|leaf| leaf.body == Some(*at));
            if is_there {
                self.saw(error);
            }
        }
        let frame = read.ok().filter(|frame| matches!(frame.kind, frame::BODY | frame::LATE_BODY))?;
        unplace(&frame.payload).map(|(_, _, packed)| packed.to_vec())
    }

    /// The erasure of an entry's body, where it was erased or is denied here.
    pub fn erased(&self, log: &PublicKey, index: u64, entry: &Digest) -> Result<Option<Erased>, StoreError> {
        let Some(bytes) = self.engine.get(table::ERASED, &entry_key(log, index, entry))? else { return Ok(None) };
        let at = Location::from_bytes(&bytes).ok_or(StoreError::Damaged(table::ERASED))?;
        let frame = self.frame(&at)?;
        let record = erasure::Record::read(&frame).ok_or(StoreError::Damaged(table::ERASED))?;
        Ok(Some(Erased { record, at_ms: frame.arrived_ms }))
    }

    fn frame(&self, at: &Location) -> Result<Frame, SegmentError> {
        self.segments.read_frame(at).inspect_err(|error| self.saw(error))
    }

    /// Every log held: its key and local number.
    pub fn log_numbers(&self) -> Result<Vec<(PublicKey, u32)>, StoreError> {
        let rows = self.engine.scan(table::LOGS, &[], None, usize::MAX)?;
        let read = |(key, number): (Vec<u8>, Vec<u8>)| {
            Some((PublicKey::from_bytes(&key).ok()?, u32::from_be_bytes(array(&number, 0)?)))
        };
        rows.into_iter().map(|row| read(row).ok_or(StoreError::Damaged(table::LOGS))).collect()
    }

    /// Where the records of one entry are.
    pub(crate) fn leaf(&self, log: u32, index: u64) -> Result<Option<Leaf>, StoreError> {
        let row = self.engine.get(table::LEAVES, &leaves_key(log, index))?;
        Ok(row.and_then(|row| Leaf::of(&row, index)))
    }

    /// Index and digest of the entries whose bodies are held, of the first `size` of a log.
    pub(crate) fn held_bodies(&self, log: u32, size: u64) -> Result<Vec<(u64, Digest)>, StoreError> {
        let mut held = Vec::new();
        for first in (0..size).step_by(LEAVES_PER_ROW as usize) {
            let row = self.engine.get(table::LEAVES, &leaves_key(log, first))?;
            let row = row.ok_or(StoreError::Damaged(table::LEAVES))?;
            for index in first..size.min(first + LEAVES_PER_ROW) {
                let leaf = Leaf::of(&row, index).ok_or(StoreError::Damaged(table::LEAVES))?;
                held.extend(leaf.body.map(|_| (index, leaf.digest)));
            }
        }
        Ok(held)
    }

    /// One entry with its body, by the log's local number.
    pub fn entry(&self, log: u32, index: u64) -> Result<Option<Kept>, StoreError> {
        let Some(leaf) = self.leaf(log, index)? else { return Ok(None) };
        let frame = self.frame(&leaf.entry)?;
        let entry = Entry::parse_anywhere(&frame.payload).map_err(|_| StoreError::Damaged(table::LEAVES))?;
        let packed = leaf.body.and_then(|at| self.packed(log, index, &at));
        let body = packed.and_then(|packed| body::unpack(&packed, &entry).ok());
        Ok(Some(Kept { entry, body, arrival: frame.arrival, arrived_ms: frame.arrived_ms }))
    }

    /// The local number of a log.
    pub fn number(&self, log: &PublicKey) -> Result<Option<u32>, StoreError> {
        let bytes = self.engine.get(table::LOGS, log.as_bytes())?;
        Ok(bytes.and_then(|bytes| array(&bytes, 0)).map(u32::from_be_bytes))
    }

    /// How many entries of a log are held.
    pub fn size(&self, log: &PublicKey) -> Result<u64, StoreError> {
        let owner = self.number(log)?.map(|number| self.owner(number)).transpose()?.flatten();
        Ok(owner.map_or(0, |owner| owner.size))
    }

    /// Whose log it is.
    pub fn owner(&self, log: u32) -> Result<Option<Owner>, StoreError> {
        let Some(bytes) = self.engine.get(table::HEADS, &log.to_be_bytes())? else { return Ok(None) };
        Owner::read(&bytes).map(Some).ok_or(StoreError::Damaged(table::HEADS))
    }

    /// Names of the works of one member, `CODE/slug` each once, at most `limit`.
    pub fn works(&self, member: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let start = format!("{member}/");
        let mut names = Vec::new();
        let mut from = start.clone().into_bytes();
        // From name to name: the rows of one work are never read for it.
        while names.len() < limit {
            let rows = self.engine.scan(table::WORKS, &from, None, 1)?;
            let name = rows.first().and_then(|(key, _)| key.split(|byte| *byte == 0).next()).map(<[u8]>::to_vec);
            let Some(name) = name.filter(|name| name.starts_with(start.as_bytes())) else { break };
            from = [name.as_slice(), &[1]].concat();
            names.push(String::from_utf8_lossy(&name).into_owned());
        }
        Ok(names)
    }

    /// Versions and withdrawals of a work.
    pub fn work(&self, name: &str) -> Result<Vec<WorkRow>, StoreError> {
        let rows = self.engine.scan_prefix(table::WORKS, &prefix(name), usize::MAX)?;
        rows.iter().map(|(key, value)| WorkRow::read(key, value).ok_or(StoreError::Damaged(table::WORKS))).collect()
    }

    /// What entries that stand say about a work: of a log that ends, only what is before its end.
    pub fn standing_work(&self, name: &str, ends: &Ends) -> Result<Vec<WorkRow>, StoreError> {
        let rows = self.work(name)?;
        if ends.is_empty() { Ok(rows) } else { self.standing(rows, ends) }
    }

    fn standing(&self, rows: Vec<WorkRow>, ends: &Ends) -> Result<Vec<WorkRow>, StoreError> {
        let mut standing = Vec::new();
        for row in rows {
            let owner = self.owner(row.log)?;
            standing.extend(Some(row).filter(|row| owner.is_some_and(|owner| ends.covers(&owner.log, row.index))));
        }
        Ok(standing)
    }

    /// Places of the entries that arrived after `cursor`, in order of arrival: arrival, log, index.
    pub fn arrivals(&self, cursor: u64, limit: usize) -> Result<Vec<(u64, u32, u64)>, StoreError> {
        // The row that the cursor is in began before it.
        let before = self.engine.scan_back(table::ARRIVALS, Some(&(cursor + 1).to_be_bytes()), 1)?;
        let after = self.engine.scan(table::ARRIVALS, &(cursor + 1).to_be_bytes(), None, limit)?;
        let mut places = Vec::new();
        for row in before.iter().chain(&after) {
            let row = Arrivals::read(row).ok_or(StoreError::Damaged(table::ARRIVALS))?;
            places.extend(row.each().filter(|(arrival, ..)| *arrival > cursor));
            if places.len() >= limit {
                break;
            }
        }
        places.truncate(limit);
        Ok(places)
    }

    /// Places of the newest entries before arrival `below`, newest first.
    pub fn newest(&self, below: Option<u64>, limit: usize) -> Result<Vec<(u64, u32, u64)>, StoreError> {
        let end = below.map(u64::to_be_bytes);
        let rows = self.engine.scan_back(table::ARRIVALS, end.as_ref().map(|key| key.as_slice()), limit)?;
        let mut places = Vec::new();
        for row in &rows {
            let row = Arrivals::read(row).ok_or(StoreError::Damaged(table::ARRIVALS))?;
            places.extend(row.each().rev().filter(|(arrival, ..)| below.is_none_or(|below| *arrival < below)));
        }
        places.truncate(limit);
        Ok(places)
    }

    /// Where the newest record begins that the engine knows of.
    pub(crate) fn newest_place(&self) -> Result<Option<Cursor>, StoreError> {
        let Some((_, log, index)) = self.newest(None, 1)?.first().copied() else { return Ok(None) };
        let leaf = self.leaf(log, index)?.ok_or(StoreError::Damaged(table::LEAVES))?;
        let places = [Some(leaf.entry), leaf.body];
        Ok(places.into_iter().flatten().map(|at| Cursor { segment: at.segment, offset: at.offset }).max())
    }

    pub(crate) fn log_head(&self, federation: &Digest, log: &PublicKey) -> Result<Option<LogHead>, StoreError> {
        let Some(number) = self.number(log)? else { return Ok(None) };
        let Some(bytes) = self.engine.get(table::HEADS, &number.to_be_bytes())? else { return Ok(None) };
        LogHead::read(federation, &bytes).map(|(_, head)| Some(head)).ok_or(StoreError::Damaged(table::HEADS))
    }

    /// Of each node that a log names, the newest of its address entries before `end`.
    pub fn addresses(&self, log: u32, end: u64) -> Result<Vec<schema::Address>, StoreError> {
        let (mut newest, mut from) = (Vec::new(), log.to_be_bytes().to_vec());
        // From node to node: older entries of one are never read.
        for _ in 0..NODES_NAMED_MAX {
            let rows = self.engine.scan(table::ADDRESSES, &from, None, 1)?;
            let node =
                rows.first().and_then(|(key, _)| key.get(..36)).filter(|node| node.starts_with(&log.to_be_bytes()));
            let Some(node) = node.filter(|_| newest.len() < NODES_OF_A_DESK).map(<[u8]>::to_vec) else { break };
            from = [node.as_slice(), &end.to_be_bytes()].concat();
            let before = self.engine.scan_back(table::ADDRESSES, Some(&from), 1)?;
            if let Some((_, body)) = before.first().filter(|(key, _)| key.starts_with(&node)) {
                let address = schema::Address::decode(body.as_slice());
                newest.push(address.map_err(|_| StoreError::Damaged(table::ADDRESSES))?);
            }
            from = [node.as_slice(), &[u8::MAX; 9]].concat();
        }
        Ok(newest)
    }

    /// The hashes of a log.
    pub fn hashes(&self, log: &PublicKey) -> Result<LogHashes, StoreError> {
        Ok(LogHashes { engine: self.engine.clone(), number: self.number(log)? })
    }

    /// The records of one federation, for the called side of a sync.
    pub fn archive(&self, federation: Digest) -> Records {
        Records { reader: self.clone(), federation: Arc::new(federation) }
    }
}

/// The store as the protocol asks it.
#[derive(Clone)]
pub struct Records {
    reader: Reader,
    federation: Arc<Digest>,
}

impl Archive for Records {
    type Error = StoreError;
    type Hashes<'a> = LogHashes;

    fn head(&self, log: &PublicKey) -> Result<Option<Head>, StoreError> {
        let head = self.reader.log_head(&self.federation, log)?;
        Ok(head.map(|head| Head { purpose: head.open.purpose, size: head.tree.size(), closing: head.closing }))
    }

    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, StoreError> {
        let Some(number) = self.reader.number(log)? else { return Ok(None) };
        let Some(leaf) = self.reader.leaf(number, index)? else { return Ok(None) };
        let Ok(entry) = self.reader.frame(&leaf.entry) else { return Ok(None) };
        let body = leaf.body.and_then(|at| self.reader.packed(number, index, &at));
        Ok(Some((entry.payload, body)))
    }

    fn fork(&self, log: &PublicKey) -> Result<Option<Arc<Fork>>, StoreError> {
        self.reader.fork(&self.federation, log)
    }

    fn hashes(&self, log: &PublicKey) -> LogHashes {
        let none = LogHashes { engine: self.reader.engine.clone(), number: None };
        self.reader.hashes(log).unwrap_or(none)
    }
}

/// The hashes of one log: leaves and every eighth level are kept, the levels between are computed.
pub struct LogHashes {
    engine: Engine,
    number: Option<u32>,
}

impl Hashes for LogHashes {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        let number = self.number?;
        let kept = level - level % 8;
        let count = 1usize << (level - kept);
        let first = index << (level - kept);
        let mut tree = Compact::new();
        if kept == 0 {
            let last = first + count as u64 - 1;
            let (from, until) = (leaves_key(number, first), leaves_key(number, last + LEAVES_PER_ROW));
            let mut rows = self.engine.scan(table::LEAVES, &from, Some(&until), count + 1).ok()?.into_iter();
            let mut row = rows.next()?.1;
            for index in first..=last {
                if index > first && index.is_multiple_of(LEAVES_PER_ROW) {
                    row = rows.next()?.1;
                }
                tree.push(Leaf::of(&row, index)?.digest, |_, _, _| {});
            }
        } else {
            let (from, until) = (node_key(number, kept, first), node_key(number, kept, first + count as u64));
            for (_, value) in self.engine.scan(table::NODES, &from, Some(&until), count).ok()? {
                tree.push(Digest::try_from(value.get(..32)?).ok()?, |_, _, _| {});
            }
        }
        (tree.size() == count as u64).then(|| tree.root())
    }
}
