//! How the store keeps forks, and sets aside entries that are not on the branch of their log's cut: they go from every table and
//! stay in the segments; where they are remains known, so that their author can publish them again or have them erased.

use std::collections::BTreeSet;
use std::sync::Arc;

use prost::Message;
use proto::body;
use proto::digest::Digest;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::rewind::Rewind;
use proto::schema::{self, Kind};
use proto::tree;

use super::Store;
use crate::engine::Batch;
use crate::rows::{
    Arrivals, LEAF_BYTES, LEAVES_PER_ROW, LogHead, StoreError, address_key, entry_key, leaf_key, leaves_key, node_key,
    stands, table,
};
use crate::segments::Location;

impl Store {
    /// Of each forked log the proof with the smallest index.
    pub fn forks(&self, federation: &Digest) -> Result<Vec<Arc<Fork>>, StoreError> {
        let mut forks = Vec::new();
        for (key, _) in self.reader.engine.scan(table::FORKS, &[], None, usize::MAX)? {
            let log = PublicKey::from_bytes(&key).map_err(|_| StoreError::Damaged(table::FORKS))?;
            forks.extend(self.reader.fork(federation, &log)?);
        }
        Ok(forks)
    }

    pub(super) fn take_fork(&mut self, log: &PublicKey, index: u64, at: Location) -> Result<(), StoreError> {
        if let Some(bytes) = self.reader.engine.get(table::FORKS, log.as_bytes())?
            && let Some(known) = Location::from_bytes(&bytes)
            && let Ok(frame) = self.reader.segments.read_frame(&known)
            && schema::Fork::decode(frame.payload.as_slice()).is_ok_and(|known| known.at <= index)
        {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(table::FORKS, log.as_bytes(), &at.to_bytes());
        Ok(self.reader.engine.apply(batch)?)
    }

    /// Takes the record of entries that were set aside, as a replay meets it too: then everything after it is replayed as well.
    pub(super) fn take_rewind(&mut self, rewind: &Rewind) -> Result<(), StoreError> {
        let (log, at) = (rewind.cut.log, rewind.at);
        let Some(head) = self.heads.get(&log).filter(|head| head.tree.size() > at).cloned() else { return Ok(()) };
        let Some(edge) = tree::compact_at(&self.reader.hashes(&log)?, at) else { return Ok(()) };
        if rewind.verify(&edge.root()).is_err() {
            return Ok(()); // a frame before it was damaged; sync brings both branches again
        }
        let (number, held) = (head.number, head.tree.size());
        let mut batch = Batch::default();
        let mut body_bytes = head.body_bytes;
        let (mut names, mut aside) = (BTreeSet::new(), 0);
        for index in at..held {
            let kept = self.reader.entry(number, index)?.ok_or(StoreError::Damaged(table::LEAVES))?;
            body_bytes -= u64::from(kept.entry.body_size());
            let digest = kept.entry.digest();
            let erased = self.reader.erased(&log, index, &digest)?;
            let slug = kept.body.as_deref().and_then(body::publication).map(|(publication, _)| publication.slug);
            let slug = slug.or_else(|| Some(erased.as_ref()?.record.erasure.work.as_ref()?.slug.clone()));
            names.extend(slug.map(|slug| format!("{}/{slug}", head.open.member)));
            let leaf = self.reader.leaf(number, index)?;
            let leaf = leaf.ok_or(StoreError::Damaged(table::LEAVES))?;
            batch.put(table::ASIDE, &entry_key(&log, index, &digest), &leaf.to_bytes());
            aside += 1;
            if erased.is_some() {
                // Its record still tells that it is gone; counted is what is held.
                self.counts.erased = self.counts.erased.saturating_sub(1);
            }
            if kept.entry.kind() == Kind::Address as u32
                && let Some(address) = kept.body.and_then(|body| schema::Address::decode(body.as_slice()).ok())
            {
                batch.remove(table::ADDRESSES, &address_key(number, &address.peer, index));
            }
            batch.remove(table::WANTS, &leaf_key(number, index));
            batch.remove(table::ERASING, &leaf_key(number, index));
        }
        for name in &names {
            self.forget_rows(&mut batch, name, number, at)?;
        }
        self.forget_leaves(&mut batch, number, at, held)?;
        self.forget_arrivals(&mut batch, number, at)?;
        match &rewind.closing {
            Some(closing) => {
                let head = LogHead { tree: edge, closing: closing.clone(), body_bytes, ..head };
                batch.put(table::HEADS, &number.to_be_bytes(), &head.to_bytes(&log));
                self.heads.insert(log, head);
            }
            None => {
                batch.remove(table::LOGS, log.as_bytes());
                batch.remove(table::HEADS, &number.to_be_bytes());
                self.heads.remove(&log);
            }
        }
        *self.aside.entry(log).or_default() += aside;
        self.put_counts(&mut batch);
        Ok(self.reader.engine.apply(batch)?)
    }

    /// What entries of a log from `at` on say about a work.
    fn forget_rows(&mut self, batch: &mut Batch, name: &str, log: u32, at: u64) -> Result<(), StoreError> {
        let rows = self.reader.work(name)?;
        let stood = stands(&rows);
        let (gone, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.log == log && row.index >= at);
        gone.iter().for_each(|row| batch.remove(table::WORKS, &row.key(name)));
        self.keep_place(batch, name, &gone)?;
        match (stood, stands(&rest)) {
            (true, false) => self.counts.documents = self.counts.documents.saturating_sub(1),
            (false, true) => self.counts.documents += 1,
            _ => {}
        }
        Ok(())
    }

    fn forget_leaves(&self, batch: &mut Batch, log: u32, at: u64, held: u64) -> Result<(), StoreError> {
        let mut first = at;
        if !at.is_multiple_of(LEAVES_PER_ROW) {
            let key = leaves_key(log, at);
            let row = self.reader.engine.get(table::LEAVES, &key)?.ok_or(StoreError::Damaged(table::LEAVES))?;
            let kept = (at % LEAVES_PER_ROW) as usize * LEAF_BYTES;
            batch.put(table::LEAVES, &key, row.get(..kept).ok_or(StoreError::Damaged(table::LEAVES))?);
            first = at.next_multiple_of(LEAVES_PER_ROW);
        }
        for index in (first..held).step_by(LEAVES_PER_ROW as usize) {
            batch.remove(table::LEAVES, &leaves_key(log, index));
        }
        for level in (8..64u8).step_by(8) {
            for index in at >> level..held >> level {
                batch.remove(table::NODES, &node_key(log, level, index));
            }
        }
        Ok(())
    }

    /// Runs of arrivals are few, and rewinds are fewer: all are read once.
    fn forget_arrivals(&self, batch: &mut Batch, log: u32, at: u64) -> Result<(), StoreError> {
        for row in self.reader.engine.scan(table::ARRIVALS, &[], None, usize::MAX)? {
            let arrived = Arrivals::read(&row).ok_or(StoreError::Damaged(table::ARRIVALS))?;
            if arrived.log != log || arrived.index + u64::from(arrived.count) <= at {
                continue;
            }
            match u32::try_from(at.saturating_sub(arrived.index)).unwrap_or(u32::MAX) {
                0 => batch.remove(table::ARRIVALS, &row.0),
                count => Arrivals { count, ..arrived }.put(batch),
            }
        }
        Ok(())
    }
}
