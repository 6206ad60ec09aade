//! Entries that name a work: what amends, translates, corrects or answers it.

use proto::body;
use proto::digest::Digest;
use proto::key::PublicKey;
use proto::schema;

use super::Reader;
use crate::ends::Ends;
use crate::rows::{StoreError, array, leaf_key, prefix, table};

/// Entries of one log that are shown as naming one work, newest first: no desk can crowd out the others.
pub const NAMING_MAX: usize = 64;

/// An entry that names a work.
#[derive(Clone, Debug)]
pub struct Naming {
    /// Its log.
    pub log: PublicKey,
    /// The log's member.
    pub member: String,
    /// The entry's digest.
    pub digest: Digest,
    /// Its kind.
    pub kind: u32,
    /// What it says.
    pub publication: schema::Publication,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
}

impl Reader {
    /// Entries that stand, are held with their bodies, and name a work: of each log the newest.
    pub fn naming(&self, work: &str, ends: &Ends) -> Result<Vec<Naming>, StoreError> {
        let start = prefix(work);
        let log_of = |key: &[u8]| Some(u32::from_be_bytes(array(key.strip_prefix(start.as_slice())?, 0)?));
        let mut naming = Vec::new();
        let mut from = start.clone();
        // From log to log: a thousand rows of one desk are not read.
        while let Some((key, _)) = self.engine.scan(table::CITED, &from, None, 1)?.first() {
            let Some(log) = log_of(key) else { break };
            let end = log.checked_add(1).map(|next| [start.as_slice(), &next.to_be_bytes()].concat());
            let last = [start.as_slice(), &leaf_key(log, u64::MAX)].concat();
            let rows = self.engine.scan_back(table::CITED, Some(end.as_deref().unwrap_or(&last)), NAMING_MAX)?;
            let owner = self.owner(log)?;
            for (key, digest) in rows {
                if log_of(&key) != Some(log) {
                    break;
                }
                let Some(index) = key.get(start.len()..).and_then(|place| array(place, 4)).map(u64::from_be_bytes)
                else {
                    return Err(StoreError::Damaged(table::CITED));
                };
                let Some(owner) = owner.as_ref().filter(|owner| ends.covers(&owner.log, index)) else { continue };
                let Some(kept) = self.entry(log, index)? else { continue };
                // Of an entry that was set aside the row is still there, and another entry in its place.
                if kept.entry.digest().as_bytes().as_slice() != digest {
                    continue;
                }
                let Some((publication, _)) = kept.body.as_deref().and_then(body::publication) else { continue };
                naming.push(Naming {
                    log: owner.log,
                    member: owner.open.member.clone(),
                    digest: kept.entry.digest(),
                    kind: kept.entry.kind(),
                    publication,
                    arrived_ms: kept.arrived_ms,
                });
            }
            match end {
                Some(next) => from = next,
                None => break,
            }
        }
        Ok(naming)
    }
}
