//! Erasing: what the operator takes from this node, and what a start still owes to what was recorded.

use std::sync::Arc;

use proto::digest::Digest;
use proto::erasure::{Cause, Erasure};
use proto::limits;
use proto::replica::{Effect, Input, Record};
use proto::schema;

use super::{Keeper, KeeperError, PublishError, failed, now_ms};
use crate::rows::{Says, WorkRow};

impl Keeper {
    /// Erases the bodies of a work here, or of those of its versions that `is_meant` says by number and digest, for good. Entries
    /// and proofs stay. Gives their numbers; those that were erased before are not among them.
    pub fn erase(
        &mut self,
        work: &str,
        is_meant: impl Fn(u32, &str) -> bool,
        reason: &str,
    ) -> Result<(Vec<u32>, Vec<Effect>), PublishError> {
        let reason: Arc<str> = reason.chars().take(limits::REASON_CHARS_MAX).collect::<String>().into();
        let (mut erasures, mut numbers, mut known) = (Vec::new(), Vec::new(), false);
        for row in self.store.reader().work(work).map_err(failed)? {
            let Says::Version(version, _) = &row.says else { continue };
            if !is_meant(version.number, &row.digest.to_string()) {
                continue;
            }
            known = true;
            if let Some(erasure) = self.erasure_of(&row, Cause::Operator, &reason)? {
                numbers.push(version.number);
                erasures.push(erasure);
            }
        }
        if !known {
            return Err(PublishError::NotHeld(work.to_owned()));
        }
        let (effects, _) = self.turn(vec![Input::Erase(erasures)]).map_err(failed)?;
        Ok((numbers, effects))
    }

    /// Versions of a work by their digests, and the places to name where their author has them erased; not those that are already.
    pub(super) fn places(&self, rows: &[WorkRow]) -> Result<Vec<(Digest, schema::Erase)>, PublishError> {
        let mut places = Vec::new();
        for row in rows.iter().filter(|row| matches!(row.says, Says::Version(..))) {
            if let Some(erasure) = self.erasure_of(row, Cause::Author, &"".into())? {
                let (log, entry) = (erasure.log.as_bytes().to_vec(), erasure.entry.as_bytes().to_vec());
                places.push((row.digest, schema::Erase { log, index: erasure.index, entry }));
            }
        }
        Ok(places)
    }

    /// The erasure of a version, unless it is recorded already for a cause that has the last word.
    fn erasure_of(&self, row: &WorkRow, cause: Cause, reason: &Arc<str>) -> Result<Option<Erasure>, PublishError> {
        let reader = self.store.reader();
        let Some(owner) = reader.owner(row.log).map_err(failed)? else { return Ok(None) };
        let before = reader.erased(&owner.log, row.index).map_err(failed)?;
        let is_erased = before.is_some_and(|erased| erased.record.erasure.cause >= cause);
        let erasure =
            Erasure { log: owner.log, index: row.index, entry: row.digest, cause, reason: reason.clone(), work: None };
        Ok((!is_erased).then_some(erasure))
    }

    /// Does what the records owe: a crash may have come between a withdrawal that erases and the erasing, and damage may have
    /// taken an entry whose body was erased and is not to come again.
    pub(super) fn settle_erasures(&mut self) -> Result<(), KeeperError> {
        for erasure in self.store.erased_beyond()? {
            self.replica.resume_erasure(erasure);
        }
        let mut owed = Vec::new();
        for (entry, body) in self.store.erasing()? {
            owed.extend(self.replica.resume_withdrawal(&entry, &body).into_iter().map(Record::Erasure));
        }
        if owed.is_empty() { Ok(()) } else { self.keep(now_ms(), &owed) }
    }
}
