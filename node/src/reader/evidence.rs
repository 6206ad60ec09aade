//! What is kept of logs beyond what stands of them: proofs of forks, entries that were set aside, and what would be said there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::digest::Digest;
use proto::entry::Entry;
use proto::erasure;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::schema;

use super::Reader;
use crate::ends::Ends;
use crate::erasure::Record;
use crate::frame::{self, unplace};
use crate::rows::{Leaf, StoreError, entry_key, stands, table};
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
        for (_, leaf) in self.engine.scan_prefix(table::ASIDE, log.as_bytes(), usize::MAX)? {
            aside.extend(self.read_aside(&leaf)?);
        }
        Ok(aside)
    }

    /// The same of the documents of a work, `CODE/slug`.
    pub fn aside_of(&self, work: &str) -> Result<Vec<Aside>, StoreError> {
        let (member, slug) = work.split_once('/').unwrap_or((work, ""));
        let mut documents = Vec::new();
        for log in self.logs_aside(member)? {
            let is_it = |aside: &Aside| {
                let said = erasure::work_of(&aside.entry, &aside.body);
                said.is_some_and(|said| said.slug == slug)
            };
            documents.extend(self.aside(&log)?.into_iter().filter(is_it));
        }
        Ok(documents)
    }

    /// Slugs of the documents of a log whose bodies were erased, set aside or not.
    pub fn erased_of(&self, log: &PublicKey) -> Result<BTreeSet<String>, StoreError> {
        let mut slugs = BTreeSet::new();
        for (_, at) in self.engine.scan_prefix(table::ERASED, log.as_bytes(), usize::MAX)? {
            let at = Location::from_bytes(&at).ok_or(StoreError::Damaged(table::ERASED))?;
            let record = Record::read(&self.frame(&at)?).ok_or(StoreError::Damaged(table::ERASED))?;
            slugs.extend(record.erasure.work.map(|work| work.slug));
        }
        Ok(slugs)
    }

    /// Publication logs of a member of which entries were set aside.
    pub fn logs_aside(&self, member: &str) -> Result<Vec<PublicKey>, StoreError> {
        let mut logs = Vec::new();
        for log in self.aside_counts()?.into_keys() {
            let is_theirs = |open: &Open| open.member == member && open.purpose == Purpose::Publication;
            logs.extend(self.opened_aside(&log)?.filter(is_theirs).map(|_| log));
        }
        Ok(logs)
    }

    /// Whose log it is, as the branch that was set aside says, which may begin with entry 0.
    fn opened_aside(&self, log: &PublicKey) -> Result<Option<Open>, StoreError> {
        for (_, leaf) in self.engine.scan_prefix(table::ASIDE, log.as_bytes(), 1)? {
            if let Some(first) = self.read_aside(&leaf)?.filter(|first| first.entry.index() == 0) {
                return Ok(Open::parse(&first.body));
            }
        }
        Ok(self.number(log)?.map(|number| self.owner(number)).transpose()?.flatten().map(|owner| owner.open))
    }

    /// `None`: its body was not held, or was erased or damaged since, so that nothing can be shown of it.
    fn read_aside(&self, leaf: &[u8]) -> Result<Option<Aside>, StoreError> {
        let Leaf { entry, body, .. } = Leaf::read(leaf).ok_or(StoreError::Damaged(table::ASIDE))?;
        let Some(body) = body else { return Ok(None) };
        let (Ok(entry), Ok(body)) = (self.segments.read_frame(&entry), self.segments.read_frame(&body)) else {
            return Ok(None);
        };
        let Ok(entry) = Entry::parse_anywhere(&entry.payload) else { return Ok(None) };
        let packed = unplace(&body.payload).filter(|_| body.kind != frame::ERASED);
        let body = packed.and_then(|(_, _, packed)| body::unpack(packed, &entry).ok());
        Ok(body.map(|body| Aside { entry, body }))
    }

    /// Where the records of an entry are that was set aside.
    pub(crate) fn leaf_aside(&self, log: &PublicKey, index: u64, entry: &Digest) -> Result<Option<Leaf>, StoreError> {
        let row = self.engine.get(table::ASIDE, &entry_key(log, index, entry))?;
        row.map(|row| Leaf::read(&row).ok_or(StoreError::Damaged(table::ASIDE))).transpose()
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
        let owner = number.map(|number| self.owner(number)).transpose()?.flatten();
        if let (Some(number), Some(owner)) = (number, owner) {
            for name in self.works(&owner.open.member, usize::MAX)? {
                if self.work(&name)?.iter().any(|row| row.log == number && row.index >= from) {
                    works.insert(name);
                }
            }
        }
        let Some(Open { member, .. }) = self.opened_aside(log)? else { return Ok(works) };
        for aside in self.aside(log)? {
            let slug = body::publication(&aside.body).map(|(publication, _)| publication.slug);
            works.extend(slug.map(|slug| format!("{member}/{slug}")));
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
