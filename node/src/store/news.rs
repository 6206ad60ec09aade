//! What is new: every work once, at the arrival of whatever last changed what is shown of it. Feeds and harvests walk these rows
//! in order, and one that stands at an arrival misses nothing: a work that changes goes to the end, ahead of it.
//!
//! Mostly that is an entry of the work itself. Where something else changes what is shown of it (its text is erased, a cut
//! ends its log, the operator hides it), a record of that takes an arrival of its own, so that a rebuild gives the same order.

use std::collections::BTreeSet;

use super::{Appended, Filed, Store};
use crate::engine::Batch;
use crate::frame;
use crate::rows::{StoreError, WorkRow, array, news_key, prefix, table};
use crate::segments::Location;
use crate::shown::Shown;

/// Works noted before they are made visible: bounds the memory that takes.
const TOUCHES_AT_ONCE: usize = 4_096;

impl Store {
    /// What was shown when that was last noted. Where the note is damaged, everything counts as noted never.
    pub fn shown(&self) -> Result<Shown, StoreError> {
        let at = self.reader.engine.get(table::META, b"shown")?.and_then(|bytes| Location::from_bytes(&bytes));
        let payload = at.and_then(|at| self.reader.segments.read(&at).ok());
        Ok(payload.map(|payload| Shown::read(&payload)).unwrap_or_default())
    }

    /// Notes what is shown from now on, and the works of which that is something else than before.
    pub fn note_shown(&mut self, now_ms: u64, shown: &Shown, works: &BTreeSet<String>) -> Result<(), StoreError> {
        self.clock_ms = self.clock_ms.max(now_ms);
        let mut records = Vec::new();
        for work in works {
            self.arrival += 1;
            self.put(frame::TOUCH, work.as_bytes())?;
            records.push(Filed::Touch { work: work.clone(), arrival: self.arrival });
            if records.len() == TOUCHES_AT_ONCE {
                self.file(std::mem::take(&mut records))?;
            }
        }
        // Last: a crash before it has the next start note all of them again.
        let at = self.put(frame::SHOWN, &shown.to_bytes())?;
        records.push(Filed::Shown(at));
        self.file(records)
    }

    fn file(&mut self, records: Vec<Filed>) -> Result<(), StoreError> {
        self.segments.sync()?;
        self.apply(Appended { records, end: self.segments.end(), bytes: 0 })
    }

    pub(super) fn take_shown(&self, at: Location) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.put(table::META, b"shown", &at.to_bytes());
        Ok(self.reader.engine.apply(batch)?)
    }

    pub(super) fn take_touch(&self, work: &str, arrival: u64) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        self.touch(&mut batch, work, &self.reader.work(work)?, arrival)?;
        Ok(self.reader.engine.apply(batch)?)
    }

    /// Something else than an entry of it changed what is shown of a work of which these rows are known.
    pub(super) fn touch(
        &self,
        batch: &mut Batch,
        name: &str,
        rows: &[WorkRow],
        arrival: u64,
    ) -> Result<(), StoreError> {
        self.renew(batch, name, rows, arrival)?;
        batch.put(table::TOUCHED, name.as_bytes(), &arrival.to_be_bytes());
        Ok(())
    }

    /// A correction is shown beside the work that it is about, so that changes too. Of one that is not held it will be told when
    /// that comes.
    pub(super) fn touch_corrected(&self, batch: &mut Batch, name: &str, arrival: u64) -> Result<(), StoreError> {
        let mut rows = self.reader.work(name)?;
        rows.extend(batch.pending(table::WORKS, &prefix(name)).filter_map(|(key, value)| WorkRow::read(key, value)));
        if rows.is_empty() { Ok(()) } else { self.touch(batch, name, &rows, arrival) }
    }

    /// Puts a work at the end of what is new. `rows` are those known before.
    pub(super) fn renew(
        &self,
        batch: &mut Batch,
        name: &str,
        rows: &[WorkRow],
        arrival: u64,
    ) -> Result<(), StoreError> {
        if let Some(last) = self.last(batch, name, rows)? {
            if last > arrival {
                return Ok(()); // read again at a start, and what came after it was taken before
            }
            batch.remove(table::NEWS, &news_key(last, name));
        }
        batch.put(table::NEWS, &news_key(arrival, name), &self.clock_ms.to_be_bytes());
        Ok(())
    }

    /// Rows of a work go: its place among what is new stays, until it is noted that something else is shown of it.
    pub(super) fn keep_place(&self, batch: &mut Batch, name: &str, gone: &[WorkRow]) -> Result<(), StoreError> {
        let last = self.last(batch, name, gone)?;
        if let Some(last) = last {
            batch.put(table::TOUCHED, name.as_bytes(), &last.to_be_bytes());
        }
        Ok(())
    }

    fn last(&self, batch: &Batch, name: &str, rows: &[WorkRow]) -> Result<Option<u64>, StoreError> {
        let touched = self.reader.engine.get(table::TOUCHED, name.as_bytes())?;
        let pending = batch.pending(table::TOUCHED, name.as_bytes()).filter(|(key, _)| *key == name.as_bytes());
        let touched = touched.as_deref().into_iter().chain(pending.map(|(_, value)| value));
        let touched = touched.filter_map(|bytes| array(bytes, 0)).map(u64::from_be_bytes);
        Ok(rows.iter().map(|row| row.arrival).chain(touched).max())
    }
}
