//! What a node keeps: the segments are the truth, and the engine (sled) answers questions about them.
//!
//! Order of every turn, each step after the one before is durable: [`Store::append`] writes verified records to the segments
//! and fsyncs; the caller advances its fence marks; [`Store::apply`] makes the records visible to every [`Reader`]. A crash
//! between any two is an ordinary start: [`Store::open`] reads the segments again from the engine's cursor, takes each record as
//! [`Store::apply`] does, and where the engine is damaged, sets it aside and takes everything again.
//!
//! Nothing here judges. Only verified runs and bodies come in; what stands is asked of `proto::standing` and `proto::work`.

mod erasing;
mod news;
mod rewinding;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::digest::Digest;
use proto::edition::Edition;
use proto::entry::Entry;
use proto::erasure::Cause;
use proto::fork::Fork;
use proto::frontier::Frontier;
use proto::key::PublicKey;
use proto::log::{Closing, Log, Run};
use proto::replica::Record;
use proto::rewind::Rewind;
use proto::schema;
use proto::tree::Compact;

use crate::ends::Ends;
use crate::engine::{Batch, Engine, Health};
use crate::erasure;
use crate::frame::{self, Damage, place, unplace};
use crate::reader::Reader;
use crate::rows::{
    Arrivals, LEAVES_PER_ROW, Leaf, LogHead, SCHEMA, StoreError, WorkRow, address_key, array, cited, leaf_key,
    leaves_key, node_key, prefix, stands, table,
};
use crate::segments::{Cursor, FRAME_HEADER, Frame, Location, Replayed, SEGMENT_BYTES_MAX, SegmentError, Segments};

/// Bytes of page cache sled may take; its own reckoning is a hint, and a node has to live in 1 GB beside an index.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;
/// Entries of a run that go into one engine batch: larger ones made sled slower and its file bigger.
const BATCH_ENTRIES: usize = 64;
/// Bytes of segments after which the engine is flushed, so that a start replays at most this much.
const FLUSH_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of an address entry's body that the phone book takes: eight addresses, and what protobuf adds.
const ADDRESS_BODY_BYTES_MAX: usize = 3 * 1024;
/// File that says the engine failed while it was in use.
const SUSPECT: &str = "sled.suspect";

/// What opening found, for the operator.
#[derive(Debug, Default)]
pub struct Opened {
    /// What was mended, in words.
    pub notes: Vec<String>,
    /// Frames replayed from the segments.
    pub replayed: u64,
}

/// The one writer.
pub struct Store {
    dir: PathBuf,
    segments: Segments,
    reader: Reader,
    heads: BTreeMap<PublicKey, LogHead>,
    /// How many entries of a log were set aside, where any were.
    aside: BTreeMap<PublicKey, u64>,
    next_log: u32,
    arrival: u64,
    clock_ms: u64,
    counts: Counts,
    open_run: Vec<Placed>,
    unflushed: u64,
}

/// Numbers a status shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Works that stand and are not withdrawn.
    pub documents: u64,
    /// Entries of all logs.
    pub entries: u64,
    /// Bodies that were erased or are denied here.
    pub erased: u64,
    /// The number of the last arrival.
    pub arrival: u64,
    /// Times the segments were made durable since the start.
    pub syncs: u64,
}

/// Records that are durable in the segments and not yet visible.
pub struct Appended {
    records: Vec<Filed>,
    end: Cursor,
    bytes: u64,
}

/// A record with its places in the segments: written just now, or read again at a start.
enum Filed {
    /// A run and what closes it.
    Run { log: PublicKey, size: u64, run: Vec<Placed>, closing: Closing },
    /// A body that came later than its entry.
    Body { log: PublicKey, index: u64, at: Location, arrival: u64, packed: Vec<u8> },
    /// A body goes.
    Erasure { at: Location, arrival: u64, record: Box<erasure::Record> },
    /// An edition that became valid.
    Edition { number: u64, digest: Digest, at: Location },
    /// The proof of a fork.
    Fork { log: PublicKey, index: u64, at: Location },
    /// Entries are set aside.
    Rewind(Box<Rewind>),
    /// What is shown of a work changed.
    Touch { work: String, arrival: u64 },
    /// What is shown.
    Shown(Location),
}

/// An entry of a run, with its places in the segments.
struct Placed {
    entry: Entry,
    at: Location,
    arrival: u64,
    body: Option<(Location, Vec<u8>)>,
}

impl Store {
    /// Opens or creates the store in `dir`, whatever state a crash left it in.
    pub fn open(dir: &Path, federation: &Digest) -> Result<(Store, Opened), StoreError> {
        let mut opened = Opened::default();
        let (segments, found) = Segments::open(&dir.join("segments"), frame::is_boundary)?;
        if found.cut_bytes > 0 {
            let bytes = found.cut_bytes;
            opened.notes.push(format!("{bytes} bytes of an unfinished write were cut off the last segment"));
        }
        let (engine, health) = Engine::open(&dir.join("sled"), CACHE_BYTES)?;
        match health {
            Health::Sound => {}
            Health::SnapshotsDropped => opened.notes.push("damaged snapshots of sled were dropped".to_owned()),
            Health::SetAside { path, reason } => opened.notes.push(set_aside_words(&path, &reason)),
        }
        let reader = Reader::new(engine, segments.reader(), dir.join(SUSPECT));
        let mut store = Store {
            dir: dir.to_owned(),
            segments,
            reader,
            heads: BTreeMap::new(),
            aside: BTreeMap::new(),
            next_log: 0,
            arrival: 0,
            clock_ms: 0,
            counts: Counts::default(),
            open_run: Vec::new(),
            unflushed: 0,
        };
        let first = match store.doubt() {
            Ok(None) => store.load(federation).and_then(|()| store.replay(federation, &mut opened)),
            Ok(Some(reason)) => Err(StoreError::Doubt(reason)),
            Err(error) => Err(error),
        };
        match first.and_then(|()| store.logs().map(drop)) {
            Ok(()) => {}
            Err(StoreError::Segments(SegmentError::Damaged { segment, offset })) => {
                let why = format!("segment {segment} is damaged at offset {offset}");
                store.rebuild(federation, &why, &mut opened)?;
            }
            Err(error @ (StoreError::Newer { .. } | StoreError::Segments(_))) => return Err(error),
            Err(error) => store.rebuild(federation, &error.to_string(), &mut opened)?,
        }
        let _ = fs::remove_file(dir.join(SUSPECT));
        store.mark_clean(false)?;
        Ok((store, opened))
    }

    /// Makes everything durable and notes that the engine was closed in order.
    pub fn close(mut self) -> Result<(), StoreError> {
        self.mark_clean(true)?;
        self.flush()
    }

    /// Notes for the next start that the engine failed while in use: it will not be believed.
    pub fn suspect(dir: &Path) {
        // Best effort: where even this fails, the disk is the operator's first concern, and a full check still follows.
        let _ = File::create(dir.join(SUSPECT));
    }

    /// How a log stood when it held so many entries; `None` where it never did.
    pub fn root_at(&self, log: &PublicKey, size: u64) -> Option<Digest> {
        let held = self.heads.get(log).map_or(0, |head| head.tree.size());
        let hashes = self.reader.hashes(log).ok()?;
        (size <= held).then(|| proto::tree::root_at(&hashes, size)).flatten()
    }

    /// The latest time that was noted here, Unix milliseconds; arrivals never go back behind it.
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// Where the next record will be written: what is before it can be checked at any time.
    pub fn end(&self) -> Cursor {
        self.segments.end()
    }

    /// A read handle.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Numbers for a status.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Where logs end before what is held of them, by what stands.
    pub fn ends(&self, frontier: &Frontier) -> Ends {
        let aside = |log| self.aside.get(log).copied().unwrap_or(0);
        let held = self.heads.iter().map(|(log, head)| (*log, head.tree.size(), aside(log)));
        let gone = self.aside.iter().filter(|(log, _)| !self.heads.contains_key(*log));
        Ends::of(frontier, held.chain(gone.map(|(log, aside)| (*log, 0, *aside))))
    }

    /// Whether entries of any log were set aside.
    pub fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// Every edition that was kept, by number: none before the one it follows.
    pub fn editions(&self) -> Result<Vec<schema::EditionNote>, StoreError> {
        let damaged = || StoreError::Damaged(table::EDITIONS);
        let rows = self.reader.engine.scan(table::EDITIONS, &[], None, usize::MAX)?;
        let note = |(_, value): &(Vec<u8>, Vec<u8>)| {
            let at = Location::from_bytes(value).ok_or_else(damaged)?;
            let payload = self.reader.segments.read(&at)?;
            schema::EditionNote::decode(payload.as_slice()).map_err(|_| damaged())
        };
        rows.iter().map(note).collect()
    }

    /// What a replica needs to take up every log again: governance logs first, each with kinds and bodies of its entries.
    pub fn logs(&self) -> Result<Vec<(PublicKey, Log, GovernanceBodies)>, StoreError> {
        let mut logs = Vec::new();
        for (key, head) in &self.heads {
            let mut missing = BTreeMap::new();
            for (at, _) in self.reader.engine.scan_prefix(table::WANTS, &head.number.to_be_bytes(), usize::MAX)? {
                let index = u64::from_be_bytes(array(&at, 4).ok_or(StoreError::Damaged(table::WANTS))?);
                if let Some(kept) = self.reader.entry(head.number, index)? {
                    missing.insert(index, kept.entry);
                }
            }
            let mut bodies = Vec::new();
            if head.open.purpose == Purpose::Governance {
                for index in 0..head.tree.size() {
                    let kept = self.reader.entry(head.number, index)?.ok_or(StoreError::Damaged(table::LEAVES))?;
                    bodies.push((kept.entry.kind(), kept.body.ok_or(StoreError::Damaged(table::LEAVES))?));
                }
            }
            let (open, tree, closing) = (head.open.clone(), head.tree.clone(), head.closing.clone());
            logs.push((*key, Log::resume(*key, open, tree, closing, missing, head.body_bytes), bodies));
        }
        logs.sort_by_key(|(_, log, _)| log.purpose());
        Ok(logs)
    }

    /// Makes records durable. From its return on they survive a power cut; no reader sees them before [`Store::apply`]. An
    /// erasure is looked up among what was applied, so it does not come together with what it erases.
    pub fn append(&mut self, now_ms: u64, records: &[Record]) -> Result<Appended, StoreError> {
        // A clock set back must not make arrivals run backwards: feeds and harvests sort by them.
        self.clock_ms = self.clock_ms.max(now_ms);
        let before = self.segments.bytes();
        let mut kept = Vec::with_capacity(records.len());
        for record in records {
            kept.push(match record {
                Record::Run(run) => self.append_run(run)?,
                Record::Body { log, index, body } => {
                    self.arrival += 1;
                    let at = self.put(frame::LATE_BODY, &place(log, *index, &body.frame))?;
                    Filed::Body { log: *log, index: *index, at, arrival: self.arrival, packed: body.frame.clone() }
                }
                Record::Erasure(erasure) => match self.append_erasure(erasure, &kept)? {
                    Some(filed) => filed,
                    None => continue,
                },
                Record::Edition(edition) => {
                    let at = self.put(frame::EDITION, &edition.to_wire().encode_to_vec())?;
                    Filed::Edition { number: edition.number(), digest: edition.digest(), at }
                }
                Record::Fork(fork) => {
                    let at = self.put(frame::FORK, &fork.to_wire().encode_to_vec())?;
                    Filed::Fork { log: *fork.log(), index: fork.at(), at }
                }
                Record::Rewind(rewind) => {
                    self.put(frame::REWIND, &rewind.to_wire().encode_to_vec())?;
                    Filed::Rewind(Box::new(rewind.as_ref().clone()))
                }
            });
        }
        self.segments.sync()?;
        self.counts.syncs += 1;
        Ok(Appended { records: kept, end: self.segments.end(), bytes: self.segments.bytes() - before })
    }

    fn append_run(&mut self, run: &Run) -> Result<Filed, StoreError> {
        let log = *run.log();
        let mut placed = Vec::with_capacity(run.leaves().len());
        for leaf in run.leaves() {
            self.arrival += 1;
            let entry = leaf.entry.clone();
            let at = self.put(frame::ENTRY, entry.as_bytes())?;
            let body = match &leaf.body {
                None => None,
                Some(body) => {
                    let at = self.put(frame::BODY, &place(&log, entry.index(), &body.frame))?;
                    Some((at, body.bytes.clone()))
                }
            };
            placed.push(Placed { entry, at, arrival: self.arrival, body });
        }
        let (size, closing) = (run.after().size(), run.closing().clone());
        self.put(frame::CLOSING, &place(&log, size, &closing.to_wire().encode_to_vec()))?;
        Ok(Filed::Run { log, size, run: placed, closing })
    }

    /// Makes what was appended visible to readers.
    pub fn apply(&mut self, appended: Appended) -> Result<(), StoreError> {
        // Only what the operator erases is looked for everywhere at once: others may erase as often as they like.
        let mut erased = Vec::new();
        for record in appended.records {
            if let Filed::Erasure { record, .. } = &record
                && record.erasure.cause == Cause::Operator
            {
                erased.push(record.as_ref().clone());
            }
            self.take(record)?;
        }
        self.blank_copies(&erased)?;
        self.segments.sync_overwritten()?;
        self.settle(appended.end)?;
        self.unflushed += appended.bytes;
        if self.unflushed >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Records a decision of the operator for good.
    pub fn note_local(&mut self, now_ms: u64, words: &str) -> Result<(), StoreError> {
        self.clock_ms = self.clock_ms.max(now_ms);
        self.segments.append(frame::LOCAL, self.arrival, self.clock_ms, words.as_bytes())?;
        self.segments.sync()?;
        self.settle(self.segments.end())
    }

    /// Makes the engine durable, so that the next start has nothing to replay.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.reader.engine.flush()?;
        self.unflushed = 0;
        Ok(())
    }

    fn put(&mut self, kind: u8, payload: &[u8]) -> Result<Location, StoreError> {
        Ok(self.segments.append(kind, self.arrival, self.clock_ms, payload)?)
    }

    // ------------------------------------------------------------------------------------------- one path

    fn replay(&mut self, federation: &Digest, opened: &mut Opened) -> Result<(), StoreError> {
        let from = self.cursor()?;
        let reader = self.reader.segments.clone();
        let mut end = from;
        let (mut damages, mut seen) = (Vec::new(), Vec::new());
        let mut erasures = Vec::new();
        for item in reader.replay(from, None) {
            match item? {
                Replayed::Frame(frame) => {
                    end = frame.next;
                    let boundary = frame::is_boundary(frame.kind);
                    if frame.kind == frame::LOCAL {
                        seen.extend(Damage::read(&frame.payload));
                    }
                    erasures.extend(erasure::Record::read(&frame));
                    if let Some(record) = self.read(federation, &frame) {
                        self.take(record)?;
                    }
                    opened.replayed += 1;
                    if boundary {
                        self.segments.sync_overwritten()?;
                        self.settle(end)?;
                    }
                }
                Replayed::Damaged { bytes, from, .. } => {
                    damages.push(Damage { segment: from.segment, offset: from.offset, bytes });
                }
            }
        }
        self.blank_copies(&erasures)?;
        self.segments.sync_overwritten()?;
        if opened.replayed > 0 {
            self.settle(end)?;
            self.flush()?;
        }
        // An overwriting that a crash tore: it was done again just now.
        damages.retain(|damage| !erasures.iter().any(|record| record.explains(damage)));
        for damage in damages.into_iter().filter(|damage| !seen.contains(damage)) {
            opened.notes.push(format!(
                "{} bytes are damaged at segment {}, offset {}; what was there is fetched again",
                damage.bytes, damage.segment, damage.offset
            ));
            // Seen by the node, and so no finding of the audit once everything came again.
            self.note_local(0, &damage.to_note())?;
        }
        Ok(())
    }

    /// Reads the next frame of the segments; the last one of a record gives the record. Behind damage a frame may be one that
    /// a member wrote into a body of its own, so nothing is taken that its log's key did not sign, and no number that so many
    /// bytes cannot have.
    fn read(&mut self, federation: &Digest, frame: &Frame) -> Option<Filed> {
        if frame.arrival > arrivals_max(&frame.next) {
            return None;
        }
        // Both never go backwards, so that the last frame has the last word, and a false one before it none.
        (self.arrival, self.clock_ms) = (frame.arrival, frame.arrived_ms);
        match frame.kind {
            frame::ENTRY => {
                let entry = Entry::parse_anywhere(&frame.payload).ok()?;
                let follows =
                    |last: &Placed| last.entry.log() == entry.log() && last.entry.index() + 1 == entry.index();
                if !self.open_run.last().is_some_and(follows) {
                    self.open_run.clear(); // a crash left a run unclosed at the end of the segment before
                }
                self.open_run.push(Placed { entry, at: frame.at, arrival: frame.arrival, body: None });
                None
            }
            frame::BODY => {
                let (log, index, packed) = unplace(&frame.payload)?;
                let is = |last: &&mut Placed| *last.entry.log() == log && last.entry.index() == index;
                let last = self.open_run.last_mut().filter(is)?;
                last.body = body::unpack(packed, &last.entry).ok().map(|bytes| (frame.at, bytes));
                None
            }
            frame::CLOSING => {
                let run = std::mem::take(&mut self.open_run);
                let (log, size, wire) = unplace(&frame.payload)?;
                let mut after = self.heads.get(&log).map_or_else(Compact::new, |head| head.tree.clone());
                let held = after.size();
                for placed in run.iter().filter(|placed| placed.entry.index() >= held) {
                    after.push(placed.entry.digest(), |_, _, _| {});
                }
                let wire = schema::Closing::decode(wire).ok()?;
                let closing = Closing::verify(federation, &wire, &log, &after).ok()?;
                Some(Filed::Run { log, size, run, closing })
            }
            frame::LATE_BODY => {
                let (log, index, packed) = unplace(&frame.payload)?;
                let packed = packed.to_vec();
                Some(Filed::Body { log, index, at: frame.at, arrival: frame.arrival, packed })
            }
            frame::ERASURE => {
                let record = Box::new(erasure::Record::read(frame)?);
                Some(Filed::Erasure { at: frame.at, arrival: frame.arrival, record })
            }
            frame::EDITION => {
                let wire = schema::EditionNote::decode(frame.payload.as_slice()).ok()?;
                let edition = Edition::from_wire(&wire).ok()?;
                Some(Filed::Edition { number: edition.number(), digest: edition.digest(), at: frame.at })
            }
            frame::FORK => {
                let wire = schema::Fork::decode(frame.payload.as_slice()).ok()?;
                let fork = Fork::from_wire(federation, &wire).ok()?;
                Some(Filed::Fork { log: *fork.log(), index: fork.at(), at: frame.at })
            }
            frame::REWIND => {
                let wire = schema::Rewind::decode(frame.payload.as_slice()).ok()?;
                Some(Filed::Rewind(Box::new(Rewind::from_wire(federation, &wire).ok()?)))
            }
            frame::TOUCH => {
                Some(Filed::Touch { work: String::from_utf8(frame.payload.clone()).ok()?, arrival: frame.arrival })
            }
            frame::SHOWN => Some(Filed::Shown(frame.at)),
            _ => None,
        }
    }

    /// Takes a record, just written or read again. Taking one twice changes nothing.
    fn take(&mut self, record: Filed) -> Result<(), StoreError> {
        match record {
            Filed::Run { log, size, run, closing } => self.take_run(log, size, run, closing),
            Filed::Body { log, index, at, arrival, packed } => self.take_body(&log, index, at, arrival, &packed),
            Filed::Erasure { at, arrival, record } => self.take_erasure(at, arrival, &record),
            Filed::Edition { number, digest, at } => {
                let mut batch = Batch::default();
                let key = [number.to_be_bytes().as_slice(), digest.as_bytes()].concat();
                batch.put(table::EDITIONS, &key, &at.to_bytes());
                Ok(self.reader.engine.apply(batch)?)
            }
            Filed::Fork { log, index, at } => self.take_fork(&log, index, at),
            Filed::Rewind(rewind) => self.take_rewind(&rewind),
            Filed::Touch { work, arrival } => self.take_touch(&work, arrival),
            Filed::Shown(at) => self.take_shown(at),
        }
    }

    fn take_run(&mut self, log: PublicKey, size: u64, run: Vec<Placed>, closing: Closing) -> Result<(), StoreError> {
        let held = self.heads.get(&log).map_or(0, |head| head.tree.size());
        let run: Vec<Placed> = run.into_iter().filter(|placed| placed.entry.index() >= held).collect();
        let follows =
            run.iter().zip(held..).all(|(placed, index)| *placed.entry.log() == log && placed.entry.index() == index);
        if run.is_empty() || !follows || held + run.len() as u64 != size {
            return Ok(()); // a frame before it was damaged, or it was taken already: sync fetches what is missing
        }
        let head = match self.heads.get(&log) {
            Some(head) => LogHead { closing, ..head.clone() },
            None => {
                let opening =
                    run.first().and_then(|first| first.body.as_ref()).and_then(|(_, bytes)| Open::parse(bytes));
                let Some(open) = opening else { return Ok(()) };
                LogHead { number: self.next_log, tree: Compact::new(), closing, open, body_bytes: 0 }
            }
        };
        if head.open.purpose == Purpose::Governance && run.iter().any(|placed| placed.body.is_none()) {
            return Ok(()); // a governance entry without its body does not exist; sync fetches both
        }
        self.index_run(log, head, &run)
    }

    fn index_run(&mut self, log: PublicKey, mut head: LogHead, run: &[Placed]) -> Result<(), StoreError> {
        let number = head.number;
        let mut row = match head.tree.size() % LEAVES_PER_ROW {
            0 => Vec::new(),
            _ => self.reader.engine.get(table::LEAVES, &leaves_key(number, head.tree.size()))?.unwrap_or_default(),
        };
        let mut arrived: Vec<Arrivals> = Vec::new();
        for part in run.chunks(BATCH_ENTRIES) {
            let mut batch = Batch::default();
            for placed in part {
                let (entry, index) = (&placed.entry, placed.entry.index());
                let digest = entry.digest();
                head.tree.push(digest, |level, index, hash| {
                    if level > 0 && level.is_multiple_of(8) {
                        batch.put(table::NODES, &node_key(number, level, index), hash.as_bytes());
                    }
                });
                head.body_bytes += u64::from(entry.body_size());
                let body = placed.body.as_ref().map(|(at, _)| *at);
                Leaf { digest, entry: placed.at, body }.append(&mut row, index);
                if (index + 1).is_multiple_of(LEAVES_PER_ROW) {
                    batch.put(table::LEAVES, &leaves_key(number, index), &row);
                }
                match arrived.last_mut() {
                    Some(last) if last.first + u64::from(last.count) == placed.arrival => last.count += 1,
                    _ => arrived.push(Arrivals { first: placed.arrival, log: number, index, count: 1 }),
                }
                match &placed.body {
                    None => match self.reader.erased(&log, index, &digest)?.map(|erased| erased.record.erasure) {
                        // Damage took the entry, and it came again.
                        Some(erasure) => {
                            let place = (number, placed.arrival);
                            self.catalogue_erased(&mut batch, place, &head.open.member, entry, &erasure)?;
                        }
                        None => batch.put(table::WANTS, &leaf_key(number, index), &[]),
                    },
                    Some((_, bytes)) => {
                        self.catalogue(&mut batch, (number, placed.arrival), &head.open, entry, bytes)?;
                    }
                }
            }
            if let Some(last) = part.last().filter(|last| !(last.entry.index() + 1).is_multiple_of(LEAVES_PER_ROW)) {
                batch.put(table::LEAVES, &leaves_key(number, last.entry.index()), &row);
            }
            self.counts.entries += part.len() as u64;
            self.put_counts(&mut batch);
            // Leaves before heads: a crash in between leaves leaves that nobody counts, and the replay writes them again.
            self.reader.engine.apply(batch)?;
        }
        let mut batch = Batch::default();
        batch.put(table::LOGS, log.as_bytes(), &number.to_be_bytes());
        batch.put(table::HEADS, &number.to_be_bytes(), &head.to_bytes(&log));
        // Together with the head: whoever follows the arrivals finds whose log it is.
        arrived.iter().for_each(|arrived| arrived.put(&mut batch));
        self.reader.engine.apply(batch)?;
        self.next_log = self.next_log.max(number + 1);
        self.heads.insert(log, head);
        Ok(())
    }

    fn take_body(
        &mut self,
        log: &PublicKey,
        index: u64,
        at: Location,
        arrival: u64,
        packed: &[u8],
    ) -> Result<(), StoreError> {
        let Some(head) = self.heads.get(log) else { return Ok(()) };
        let (number, open) = (head.number, head.open.clone());
        let Some(kept) = self.reader.entry(number, index)? else { return Ok(()) };
        let Ok(bytes) = body::unpack(packed, &kept.entry) else { return Ok(()) };
        let key = leaves_key(number, index);
        let mut row = self.reader.engine.get(table::LEAVES, &key)?.ok_or(StoreError::Damaged(table::LEAVES))?;
        let leaf = Leaf::of(&row, index).ok_or(StoreError::Damaged(table::LEAVES))?;
        Leaf { body: Some(at), ..leaf }.replace(&mut row, index);
        let mut batch = Batch::default();
        if !self.comes_again(&mut batch, log, index, &leaf.digest)? {
            return Ok(());
        }
        batch.put(table::LEAVES, &key, &row);
        batch.remove(table::WANTS, &leaf_key(number, index));
        Arrivals { first: arrival, log: number, index, count: 1 }.put(&mut batch);
        self.catalogue(&mut batch, (number, arrival), &open, &kept.entry, &bytes)?;
        self.put_counts(&mut batch);
        self.reader.engine.apply(batch)?;
        Ok(())
    }

    /// Notes what a publication says about a work, and what that does to the number of works that stand.
    fn catalogue(
        &mut self,
        batch: &mut Batch,
        (log, arrival): (u32, u64),
        open: &Open,
        entry: &Entry,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if open.purpose != Purpose::Publication {
            return Ok(());
        }
        if entry.kind() == schema::Kind::Address as u32 {
            if let Ok(address) = schema::Address::decode(bytes)
                && bytes.len() <= ADDRESS_BODY_BYTES_MAX
            {
                batch.put(table::ADDRESSES, &address_key(log, &address.peer, entry.index()), bytes);
            }
            return Ok(());
        }
        if entry.kind() < schema::Kind::LawSummary as u32 {
            return Ok(());
        }
        let Ok(publication) = schema::Publication::decode(bytes) else { return Ok(()) };
        let name = format!("{}/{}", open.member, publication.slug);
        if publication.withdrawal.as_ref().is_some_and(|notice| !notice.erase.is_empty())
            && entry.kind() == schema::Kind::Withdrawal as u32
        {
            batch.put(table::ERASING, &leaf_key(log, entry.index()), &[]);
        }
        for target in cited::targets(&publication) {
            batch.put(table::CITED, &cited::key(&target, log, entry.index()), entry.digest().as_bytes());
        }
        if let Some(about) = publication.about.as_ref().filter(|_| entry.kind() == schema::Kind::Correction as u32) {
            self.touch_corrected(batch, &about.work, arrival)?;
        }
        match WorkRow::of(log, entry, arrival, &publication, bytes) {
            Some(row) => self.catalogue_row(batch, &name, row),
            None => Ok(()),
        }
    }

    fn catalogue_row(&mut self, batch: &mut Batch, name: &str, row: WorkRow) -> Result<(), StoreError> {
        let key = row.key(name);
        let mut rows = self.reader.work(name)?;
        // Rows of this very batch are not in the engine yet.
        rows.extend(batch.pending(table::WORKS, &prefix(name)).filter_map(|(key, value)| WorkRow::read(key, value)));
        if rows.iter().any(|known| known.key(name) == key) {
            return self.touch(batch, name, &rows, row.arrival); // its text comes again, or goes
        }
        self.renew(batch, name, &rows, row.arrival)?;
        let stood = stands(&rows);
        batch.put(table::WORKS, &key, &row.to_bytes());
        rows.push(row);
        match (stood, stands(&rows)) {
            (false, true) => self.counts.documents += 1,
            (true, false) => self.counts.documents = self.counts.documents.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn put_counts(&mut self, batch: &mut Batch) {
        self.counts.arrival = self.arrival;
        batch.put(table::META, b"documents", &self.counts.documents.to_be_bytes());
        batch.put(table::META, b"erased", &self.counts.erased.to_be_bytes());
        batch.put(table::META, b"arrival", &self.arrival.to_be_bytes());
        batch.put(table::META, b"clock", &self.clock_ms.to_be_bytes());
    }

    fn settle(&mut self, end: Cursor) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.counts.entries = self.heads.values().map(|head| head.tree.size()).sum();
        self.put_counts(&mut batch);
        batch.put(table::META, b"schema", &SCHEMA.to_be_bytes());
        batch.put(table::META, b"cursor", &end.to_bytes());
        Ok(self.reader.engine.apply(batch)?)
    }

    /// Why the engine is not to be believed, `None` where it is.
    fn doubt(&self) -> Result<Option<String>, StoreError> {
        let engine = &self.reader.engine;
        if let Ok(why) = fs::read_to_string(self.dir.join(SUSPECT)) {
            return Ok(Some(if why.is_empty() { "it failed while in use".to_owned() } else { why }));
        }
        let schema = engine.get(table::META, b"schema")?.and_then(|bytes| array(&bytes, 0)).map(u32::from_be_bytes);
        match schema {
            Some(found) if found > SCHEMA => return Err(StoreError::Newer { found }),
            Some(found) if found < SCHEMA => return Ok(Some(format!("it is of schema {found}"))),
            _ => {}
        }
        let cursor = engine.get(table::META, b"cursor")?.map(|bytes| Cursor::from_bytes(&bytes));
        match cursor {
            Some(None) => return Ok(Some("its cursor is damaged".to_owned())),
            Some(Some(cursor)) if cursor > self.segments.end() => {
                return Ok(Some("it is ahead of the segments".to_owned()));
            }
            _ => {}
        }
        // A kill between the batch of a record and that of the cursor, and then a disk that lost the record: the cursor alone
        // does not tell.
        if self.reader.newest_place()?.is_some_and(|place| place >= self.segments.end()) {
            return Ok(Some("it is ahead of the segments".to_owned()));
        }
        if engine.get(table::META, b"clean")?.is_none_or(|value| value != [1]) {
            // After a crash every page is read once, because damage shows only then; an error here ends in a rebuild.
            engine.check()?;
            // And every record: a crash in the middle of a rebuild may have left damage behind that nobody noted.
            if let Some(damage) = self.reader.unknown_damage(self.segments.end())? {
                return Ok(Some(format!("segment {} is damaged at offset {}", damage.segment, damage.offset)));
            }
        }
        Ok(None)
    }

    fn rebuild(&mut self, federation: &Digest, reason: &str, opened: &mut Opened) -> Result<(), StoreError> {
        let (engine, aside) = self.reader.engine.clone().set_aside()?;
        self.reader = Reader::new(engine, self.segments.reader(), self.dir.join(SUSPECT));
        opened.notes.push(set_aside_words(&aside, reason));
        self.open_run.clear();
        self.load(federation)?;
        self.replay(federation, opened)
    }

    fn mark_clean(&mut self, clean: bool) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(table::META, b"schema", &SCHEMA.to_be_bytes());
        batch.put(table::META, b"clean", &[u8::from(clean)]);
        self.reader.engine.apply(batch)?;
        // The mark must not outlive its truth: taken back before anything else is written.
        self.reader.engine.flush().map_err(StoreError::from)
    }

    fn cursor(&self) -> Result<Cursor, StoreError> {
        let bytes = self.reader.engine.get(table::META, b"cursor")?;
        Ok(bytes.and_then(|bytes| Cursor::from_bytes(&bytes)).unwrap_or_default())
    }

    fn load(&mut self, federation: &Digest) -> Result<(), StoreError> {
        let number = |name: &[u8]| -> Result<u64, StoreError> {
            let bytes = self.reader.engine.get(table::META, name)?;
            Ok(bytes.and_then(|bytes| array(&bytes, 0)).map_or(0, u64::from_be_bytes))
        };
        let (documents, erased) = (number(b"documents")?, number(b"erased")?);
        (self.arrival, self.clock_ms) = (number(b"arrival")?, number(b"clock")?);
        self.heads.clear();
        self.aside = self.reader.aside_counts()?;
        self.next_log = 0;
        for (_, bytes) in self.reader.engine.scan(table::HEADS, &[], None, usize::MAX)? {
            let (key, head) = LogHead::read(federation, &bytes).ok_or(StoreError::Damaged(table::HEADS))?;
            self.next_log = self.next_log.max(head.number + 1);
            self.heads.insert(key, head);
        }
        let entries = self.heads.values().map(|head| head.tree.size()).sum();
        self.counts = Counts { documents, entries, erased, arrival: self.arrival, ..self.counts };
        Ok(())
    }
}

/// Kinds and uncompressed bodies of a governance log, in order; empty for a publication log.
pub type GovernanceBodies = Vec<(u32, Vec<u8>)>;

/// Records that can have arrived when the segments reach so far: each took a frame.
fn arrivals_max(end: &Cursor) -> u64 {
    (u64::from(end.segment) + 1) * SEGMENT_BYTES_MAX / FRAME_HEADER as u64
}

fn set_aside_words(path: &Path, reason: &str) -> String {
    format!("sled was set aside as {} ({reason}) and is rebuilt from the segments", path.display())
}
