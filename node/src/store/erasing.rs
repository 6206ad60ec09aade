//! How the store erases: the order is told in `erasure.rs`.

use proto::body;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::erasure::{Cause, Erasure, Work, work_of};
use proto::key::PublicKey;
use proto::work;

use super::{Filed, Store};
use crate::engine::Batch;
use crate::erasure::{self, Held, Record, Remains};
use crate::frame::{self, unplace};
use crate::rows::{Arrivals, Leaf, Says, StoreError, WorkRow, array, entry_key, leaf_key, leaves_key, table};
use crate::segments::{Cursor, FRAME_HEADER, Frame, Location, Replayed};

impl Store {
    /// Erasures recorded of entries that are not held: damage may have taken those, and they come again.
    pub fn erased_beyond(&self) -> Result<Vec<Erasure>, StoreError> {
        let mut beyond = Vec::new();
        for (key, _) in self.reader.engine.scan(table::ERASED, &[], None, usize::MAX)? {
            let (log, index, entry) = entry_of(&key).ok_or(StoreError::Damaged(table::ERASED))?;
            if self.heads.get(&log).is_none_or(|head| head.tree.size() <= index) {
                beyond.extend(self.reader.erased(&log, index, &entry)?.map(|erased| erased.record.erasure));
            }
        }
        Ok(beyond)
    }

    /// Withdrawals that erase, with their bodies.
    pub fn erasing(&self) -> Result<Vec<(Entry, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for (key, _) in self.reader.engine.scan(table::ERASING, &[], None, usize::MAX)? {
            let (log, index) = array(&key, 0)
                .map(u32::from_be_bytes)
                .zip(array(&key, 4).map(u64::from_be_bytes))
                .ok_or(StoreError::Damaged(table::ERASING))?;
            let kept = self.reader.entry(log, index)?;
            found.extend(kept.and_then(|kept| Some((kept.entry, kept.body?))));
        }
        Ok(found)
    }

    /// Writes the record of an erasure. `None`: no such entry is held or was set aside, or its body was erased before.
    pub(super) fn append_erasure(&mut self, erasure: &Erasure, kept: &[Filed]) -> Result<Option<Filed>, StoreError> {
        let (log, index) = (erasure.log, erasure.index);
        let is_it =
            |filed: &Filed| matches!(filed, Filed::Erasure { record, .. } if record.erasure.entry == erasure.entry);
        let before = self.reader.erased(&log, index, &erasure.entry)?;
        let is_known = before.as_ref().is_some_and(|erased| erased.record.erasure.cause >= erasure.cause);
        if is_known || kept.iter().any(is_it) {
            return Ok(None);
        }
        let held = self.held_leaf(&log, index)?.filter(|leaf| leaf.digest == erasure.entry);
        let leaf = held.map_or_else(|| self.reader.leaf_aside(&log, index, &erasure.entry), |leaf| Ok(Some(leaf)))?;
        let Some(leaf) = leaf else { return Ok(None) };
        let entered = self.reader.segments.read_frame(&leaf.entry)?;
        let Some(entry) = Entry::parse_anywhere(&entered.payload).ok().filter(|entry| erasure.means(entry)) else {
            return Ok(None);
        };
        let mut record = Record { erasure: erasure.clone(), held: None };
        record.erasure.work = record.erasure.work.or_else(|| before?.record.erasure.work);
        if let Some(at) = leaf.body {
            record.held = Some(Held { at, arrival: entered.arrival, arrived_ms: entered.arrived_ms });
            // A body that is damaged cannot say what it was; it goes all the same.
            if let Ok(frame) = self.reader.segments.read_frame(&at) {
                record.held = Some(Held { at, arrival: frame.arrival, arrived_ms: frame.arrived_ms });
                let body = unplace(&frame.payload).and_then(|(_, _, packed)| body::unpack(packed, &entry).ok());
                record.erasure.work = body.and_then(|body| work_of(&entry, &body));
            }
        }
        self.arrival += 1;
        let payload = record.to_payload(self.segments.next(FRAME_HEADER + record.payload_len()));
        let at = self.put(frame::ERASURE, &payload)?;
        Ok(Some(Filed::Erasure { at, arrival: self.arrival, record: Box::new(record) }))
    }

    /// Takes a body out of what readers see, then off the disk. Doing it twice changes nothing.
    pub(super) fn take_erasure(&mut self, at: Location, arrival: u64, record: &Record) -> Result<(), StoreError> {
        let Record { erasure, held } = record;
        let (log, index) = (erasure.log, erasure.index);
        let mut batch = Batch::default();
        let key = entry_key(&log, index, &erasure.entry);
        let aside = self.reader.leaf_aside(&log, index, &erasure.entry)?;
        let leaf = self.held_leaf(&log, index)?.filter(|leaf| leaf.digest == erasure.entry);
        // One that damage took comes again; one that was set aside does not, and is counted nowhere.
        if (leaf.is_some() || aside.is_none()) && self.reader.engine.get(table::ERASED, &key)?.is_none() {
            self.counts.erased += 1;
        }
        batch.put(table::ERASED, &key, &at.to_bytes());
        let mut blanked: Vec<Held> = held.iter().copied().collect();
        if let Some(leaf) = aside {
            self.also_blank(&mut blanked, leaf.body);
            batch.put(table::ASIDE, &key, &Leaf { body: None, ..leaf }.to_bytes());
        }
        let head = self.heads.get(&log).map(|head| (head.number, head.open.member.clone()));
        if let Some(((number, member), leaf)) = head.zip(leaf) {
            self.also_blank(&mut blanked, leaf.body);
            if leaf.body.is_some() {
                let key = leaves_key(number, index);
                let row = self.reader.engine.get(table::LEAVES, &key)?;
                let mut row = row.ok_or(StoreError::Damaged(table::LEAVES))?;
                Leaf { body: None, ..leaf }.replace(&mut row, index);
                batch.put(table::LEAVES, &key, &row);
            }
            batch.remove(table::WANTS, &leaf_key(number, index));
            Arrivals { first: arrival, log: number, index, count: 1 }.put(&mut batch);
            let entered = self.reader.segments.read_frame(&leaf.entry)?;
            if let Ok(entry) = Entry::parse_anywhere(&entered.payload) {
                self.catalogue_erased(&mut batch, (number, arrival), &member, &entry, erasure)?;
            }
        }
        self.put_counts(&mut batch);
        self.reader.engine.apply(batch)?;
        for held in blanked {
            self.blank(&log, index, &held)?;
        }
        Ok(())
    }

    /// Adds a body to those that are to be overwritten, unless it is among them.
    fn also_blank(&self, blanked: &mut Vec<Held>, body: Option<Location>) {
        if let Some(at) = body.filter(|at| blanked.iter().all(|held| held.at != *at))
            && let Ok(frame) = self.reader.segments.read_frame(&at)
        {
            blanked.push(Held { at, arrival: frame.arrival, arrived_ms: frame.arrived_ms });
        }
    }

    /// Notes which version of which work an erased body was, as far as its record still tells.
    pub(super) fn catalogue_erased(
        &mut self,
        batch: &mut Batch,
        (log, arrival): (u32, u64),
        member: &str,
        entry: &Entry,
        erasure: &Erasure,
    ) -> Result<(), StoreError> {
        let Some(Work { slug, number, supersedes }) = erasure.work.clone() else { return Ok(()) };
        let (digest, index) = (entry.digest(), entry.index());
        let says = Says::Version(work::Version { digest, number, supersedes }, entry.kind());
        let row = WorkRow { log, index, digest, arrival, says, content: None };
        self.catalogue_row(batch, &format!("{member}/{slug}"), row)
    }

    /// Overwrites every copy of erased bodies: after damage the same body may have come a second time, and a run that a crash cut
    /// off may have left one. Reads all records once.
    pub(super) fn blank_copies(&mut self, erasures: &[Record]) -> Result<(), StoreError> {
        let mut remains = Remains::default();
        for Record { erasure, .. } in erasures {
            if self.reader.erased(&erasure.log, erasure.index, &erasure.entry)?.is_some() {
                remains.seek(erasure);
            }
        }
        if remains.is_empty() {
            return Ok(());
        }
        let reader = self.reader.segments.clone();
        for item in reader.replay(Cursor::default(), Some(self.segments.end())) {
            let Replayed::Frame(frame) = item? else { continue };
            if let Some((log, index)) = remains.find(&frame) {
                let Frame { at, arrival, arrived_ms, .. } = frame;
                self.blank(&log, index, &Held { at, arrival, arrived_ms })?;
            }
        }
        Ok(())
    }

    /// Whether a body that came is to be kept: not one that was erased. One that was only denied is, where it is wanted again.
    pub(super) fn comes_again(
        &mut self,
        batch: &mut Batch,
        log: &PublicKey,
        index: u64,
        entry: &Digest,
    ) -> Result<bool, StoreError> {
        let Some(erased) = self.reader.erased(log, index, entry)? else { return Ok(true) };
        if erased.record.erasure.cause != Cause::Denial {
            return Ok(false);
        }
        self.counts.erased = self.counts.erased.saturating_sub(1);
        batch.remove(table::ERASED, &entry_key(log, index, entry));
        Ok(true)
    }

    /// Wants bodies again that were denied and, as `is_denied` says, are no more. Gives how many. Nothing is recorded: whoever
    /// replays the denial comes here again.
    pub fn lift_denials(&mut self, is_denied: impl Fn(&str, &Record) -> bool) -> Result<u64, StoreError> {
        let mut batch = Batch::default();
        let mut lifted = 0;
        for (key, _) in self.reader.engine.scan(table::ERASED, &[], None, usize::MAX)? {
            let (log, index, entry) = entry_of(&key).ok_or(StoreError::Damaged(table::ERASED))?;
            let Some(erased) = self.reader.erased(&log, index, &entry)? else { continue };
            let Some(head) = self.heads.get(&log).filter(|head| index < head.tree.size()) else { continue };
            if self.held_leaf(&log, index)?.is_none_or(|leaf| leaf.digest != entry) {
                continue; // set aside: nobody has it to give any more
            }
            if erased.record.erasure.cause == Cause::Denial && !is_denied(&head.open.member, &erased.record) {
                batch.remove(table::ERASED, &key);
                batch.put(table::WANTS, &leaf_key(head.number, index), &[]);
                lifted += 1;
            }
        }
        self.counts.erased = self.counts.erased.saturating_sub(lifted);
        self.put_counts(&mut batch);
        self.reader.engine.apply(batch)?;
        Ok(lifted)
    }

    /// A leaf of what is held; rows may hold more that a crash left.
    fn held_leaf(&self, log: &PublicKey, index: u64) -> Result<Option<Leaf>, StoreError> {
        match self.heads.get(log).filter(|head| index < head.tree.size()) {
            Some(head) => self.reader.leaf(head.number, index),
            None => Ok(None),
        }
    }

    /// Overwrites a body's frame. It is durable after [`crate::segments::Segments::sync_overwritten`].
    fn blank(&mut self, log: &PublicKey, index: u64, held: &Held) -> Result<(), StoreError> {
        let Held { at, arrival, arrived_ms } = *held;
        let (payload, next) = (erasure::blank(log, index, at.len), Cursor::default());
        let frame = Frame { kind: frame::ERASED, arrival, arrived_ms, payload, at, next };
        let is_body = |kind: u8, payload: &[u8]| {
            matches!(kind, frame::BODY | frame::LATE_BODY)
                && unplace(payload).is_some_and(|(of, place, _)| of == *log && place == index)
        };
        Ok(self.segments.overwrite(&frame, is_body)?)
    }
}

fn entry_of(key: &[u8]) -> Option<(PublicKey, u64, Digest)> {
    let (log, digest) = (PublicKey::from_bytes(key.get(..32)?).ok()?, Digest::try_from(key.get(40..)?).ok()?);
    Some((log, u64::from_be_bytes(array(key, 32)?), digest))
}
