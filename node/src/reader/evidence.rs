//! What is kept of logs beyond what stands of them: proofs of forks, entries that were set aside, and what would be said there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;
use proto::body::{self, Open};
use proto::digest::Digest;
use proto::entry::Entry;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::schema;

use super::Reader;
use crate::ends::Ends;
use crate::frame::{self, unplace};
use crate::rows::{StoreError, stands, table};
use crate::segments::Location;

/// An entry that was set aside, with its uncompressed body.
#[derive(Clone, Debug)]
pub struct Aside {
    /// The entry, at its place on the branch that was set aside.
    pub entry: Entry,
    /// Its body.
    pub body: Vec<u8>,
}

impl Reader {
    /// The proof of a log's fork that has the smallest index.
    pub fn fork(&self, federation: &Digest, log: &PublicKey) -> Result<Option<Arc<Fork>>, StoreError> {
        let Some(bytes) = self.engine.get(table::FORKS, log.as_bytes())? else { return Ok(None) };
        let damaged = || StoreError::Damaged(table::FORKS);
        let frame = self.frame(&Location::from_bytes(&bytes).ok_or_else(damaged)?)?;
        let wire = schema::Fork::decode(frame.payload.as_slice()).map_err(|_| damaged())?;
        Ok(Some(Arc::new(Fork::from_wire(federation, &wire).map_err(|_| damaged())?)))
    }

    /// Entries of a log that were set aside and whose bodies can be read, in order.
    pub fn aside(&self, log: &PublicKey) -> Result<Vec<Aside>, StoreError> {
        let mut aside = Vec::new();
        for (_, places) in self.engine.scan_prefix(table::ASIDE, log.as_bytes(), usize::MAX)? {
            let place = |range| places.get(range).and_then(Location::from_bytes);
            let (Some(entry), Some(body)) = (place(0..12), place(12..24)) else {
                return Err(StoreError::Damaged(table::ASIDE));
            };
            // Erased or damaged since: there is nothing to be shown of it any more.
            let (Ok(entry), Ok(body)) = (self.segments.read_frame(&entry), self.segments.read_frame(&body)) else {
                continue;
            };
            let Ok(entry) = Entry::parse_anywhere(&entry.payload) else { continue };
            let packed = unplace(&body.payload).filter(|_| body.kind != frame::ERASED);
            let body = packed.and_then(|(_, _, packed)| body::unpack(packed, &entry).ok());
            aside.extend(body.map(|body| Aside { entry, body }));
        }
        Ok(aside)
    }

    /// How many entries were set aside, of each log of which any were.
    pub(crate) fn aside_counts(&self) -> Result<BTreeMap<PublicKey, u64>, StoreError> {
        let mut counts = BTreeMap::new();
        for (key, _) in self.engine.scan(table::ASIDE, &[], None, usize::MAX)? {
            let log = key.get(..32).and_then(|log| PublicKey::from_bytes(log).ok());
            *counts.entry(log.ok_or(StoreError::Damaged(table::ASIDE))?).or_default() += 1;
        }
        Ok(counts)
    }

    /// Works of which entries of a log from `from` on speak, those that were set aside included.
    pub fn works_from(&self, log: &PublicKey, from: u64) -> Result<BTreeSet<String>, StoreError> {
        let (number, mut works) = (self.number(log)?, BTreeSet::new());
        let mut member = number.map(|number| self.owner(number)).transpose()?.flatten().map(|owner| owner.open.member);
        if let (Some(number), Some(member)) = (number, &member) {
            for name in self.works(member, usize::MAX)? {
                if self.work(&name)?.iter().any(|row| row.log == number && row.index >= from) {
                    works.insert(name);
                }
            }
        }
        for aside in self.aside(log)? {
            if aside.entry.index() == 0 {
                member = member.or_else(|| Open::parse(&aside.body).map(|open| open.member));
            }
            let slug = body::publication(&aside.body).map(|(publication, _)| publication.slug);
            works.extend(member.as_ref().zip(slug).map(|(member, slug)| format!("{member}/{slug}")));
        }
        Ok(works)
    }

    /// By how much the works that stand are fewer than those of which something is held, or more: beyond an end there may be a
    /// first version, or a withdrawal.
    pub fn beyond(&self, ends: &Ends) -> Result<i64, StoreError> {
        let (mut members, mut beyond) = (BTreeSet::new(), 0);
        for log in ends.logs() {
            let number = self.number(log)?;
            members
                .extend(number.map(|number| self.owner(number)).transpose()?.flatten().map(|owner| owner.open.member));
        }
        for name in members.iter().map(|member| self.works(member, usize::MAX)).collect::<Result<Vec<_>, _>>()?.concat()
        {
            let rows = self.work(&name)?;
            let held = stands(&rows);
            beyond += i64::from(held) - i64::from(stands(&self.standing(rows, ends)?));
        }
        Ok(beyond)
    }
}
