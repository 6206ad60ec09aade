//! How the store erases: the order is told in `erasure.rs`.

use std::collections::BTreeSet;

use proto::body;
use proto::entry::Entry;
use proto::erasure::{Cause, Erasure, Work, work_of};
use proto::key::PublicKey;
use proto::work;

use super::{Filed, Store};
use crate::engine::Batch;
use crate::erasure::{self, Held, Record};
use crate::frame::{self, unplace};
use crate::rows::{Arrivals, Leaf, Says, StoreError, WorkRow, array, erased_key, leaf_key, leaves_key, table};
use crate::segments::{Cursor, FRAME_HEADER, Frame, Location, Replayed};

impl Store {
    /// Erasures recorded of entries that are not held: damage may have taken those, and they come again.
    pub fn erased_beyond(&self) -> Result<Vec<Erasure>, StoreError> {
        let mut beyond = Vec::new();
        for (key, _) in self.reader.engine.scan(table::ERASED, &[], None, usize::MAX)? {
            let (log, index) = place_of(&key).ok_or(StoreError::Damaged(table::ERASED))?;
            if self.heads.get(&log).is_none_or(|head| head.tree.size() <= index) {
                beyond.extend(self.reader.erased(&log, index)?.map(|erased| erased.record.erasure));
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

    /// Writes the record of an erasure. `None`: the entry at that place is another, or its body was erased before.
    pub(super) fn append_erasure(&mut self, erasure: &Erasure, kept: &[Filed]) -> Result<Option<Filed>, StoreError> {
        let (log, index) = (erasure.log, erasure.index);
        let is_it = |filed: &Filed| matches!(filed, Filed::Erasure { record, .. } if record.erasure.log == log && record.erasure.index == index);
        let before = self.reader.erased(&log, index)?;
        let is_known = before.as_ref().is_some_and(|erased| erased.record.erasure.cause >= erasure.cause);
        if is_known || kept.iter().any(is_it) {
            return Ok(None);
        }
        let Some(leaf) = self.held_leaf(&log, index)? else { return Ok(None) };
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
        if self.reader.engine.get(table::ERASED, &erased_key(&log, index))?.is_none() {
            self.counts.erased += 1;
        }
        batch.put(table::ERASED, &erased_key(&log, index), &at.to_bytes());
        let mut blanked: Vec<Held> = held.iter().copied().collect();
        let head = self.heads.get(&log).map(|head| (head.number, head.open.member.clone()));
        let leaf = self.held_leaf(&log, index)?.filter(|leaf| leaf.digest == erasure.entry);
        if let Some(((number, member), leaf)) = head.zip(leaf) {
            if let Some(other) = leaf.body {
                if held.is_none_or(|held| held.at != other)
                    && let Ok(frame) = self.reader.segments.read_frame(&other)
                {
                    blanked.push(Held { at: other, arrival: frame.arrival, arrived_ms: frame.arrived_ms });
                }
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
                self.catalogue_erased(&mut batch, number, &member, &entry, erasure)?;
            }
        }
        self.put_counts(&mut batch);
        self.reader.engine.apply(batch)?;
        for held in blanked {
            self.blank(&log, index, &held)?;
        }
        Ok(())
    }

    /// Notes which version of which work an erased body was, as far as its record still tells.
    pub(super) fn catalogue_erased(
        &mut self,
        batch: &mut Batch,
        log: u32,
        member: &str,
        entry: &Entry,
        erasure: &Erasure,
    ) -> Result<(), StoreError> {
        let Some(Work { slug, number, supersedes }) = erasure.work.clone() else { return Ok(()) };
        let (digest, index) = (entry.digest(), entry.index());
        let says = Says::Version(work::Version { digest, number, supersedes }, entry.kind());
        self.catalogue_row(batch, &format!("{member}/{slug}"), WorkRow { log, index, digest, says })
    }

    /// Overwrites every copy of erased bodies: after damage the same body may have come a second time, and a run that a crash cut
    /// off may have left one. Reads all records once.
    pub(super) fn blank_copies(&mut self, erasures: &[Record]) -> Result<(), StoreError> {
        let mut places = BTreeSet::new();
        for Record { erasure, .. } in erasures {
            if self.reader.erased(&erasure.log, erasure.index)?.is_some() {
                places.insert((erasure.log, erasure.index));
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let reader = self.reader.segments.clone();
        for item in reader.replay(Cursor::default(), Some(self.segments.end())) {
            let Replayed::Frame(Frame { kind, arrival, arrived_ms, payload, at, .. }) = item? else { continue };
            let place = unplace(&payload).filter(|_| matches!(kind, frame::BODY | frame::LATE_BODY));
            if let Some((log, index, _)) = place.filter(|(log, index, _)| places.contains(&(*log, *index))) {
                self.blank(&log, index, &Held { at, arrival, arrived_ms })?;
            }
        }
        Ok(())
    }

    /// Whether a body that came is to be kept: not one that was erased. One that was only denied is, where it is wanted again.
    pub(super) fn comes_again(&mut self, batch: &mut Batch, log: &PublicKey, index: u64) -> Result<bool, StoreError> {
        let Some(erased) = self.reader.erased(log, index)? else { return Ok(true) };
        if erased.record.erasure.cause != Cause::Denial {
            return Ok(false);
        }
        self.counts.erased = self.counts.erased.saturating_sub(1);
        batch.remove(table::ERASED, &erased_key(log, index));
        Ok(true)
    }

    /// Wants bodies again that were denied and, as `is_denied` says, are no more. Gives how many. Nothing is recorded: whoever
    /// replays the denial comes here again.
    pub fn lift_denials(&mut self, is_denied: impl Fn(&str, &Record) -> bool) -> Result<u64, StoreError> {
        let mut batch = Batch::default();
        let mut lifted = 0;
        for (key, _) in self.reader.engine.scan(table::ERASED, &[], None, usize::MAX)? {
            let (log, index) = place_of(&key).ok_or(StoreError::Damaged(table::ERASED))?;
            let Some(erased) = self.reader.erased(&log, index)? else { continue };
            let Some(head) = self.heads.get(&log).filter(|head| index < head.tree.size()) else { continue };
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

fn place_of(key: &[u8]) -> Option<(PublicKey, u64)> {
    Some((PublicKey::from_bytes(key.get(..32)?).ok()?, u64::from_be_bytes(array(key, 32)?)))
}
