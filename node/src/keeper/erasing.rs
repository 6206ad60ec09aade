//! Erasing: what the operator takes from this node, what an author's withdrawal takes of branches that were set aside, and what a start
//! still owes to what was recorded.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::body;
use proto::digest::Digest;
use proto::erasure::{Cause, Erasure, erased_work, work_of};
use proto::limits;
use proto::replica::{Effect, Input, Record};
use proto::schema::{self, Kind};

use super::{Keeper, KeeperError, PublishError, failed, now_ms};
use crate::reader::Aside;
use crate::rows::{Says, StoreError, WorkRow};

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
        // Of a branch that was set aside the replica knows nothing any more.
        let mut aside = Vec::new();
        for document in self.store.reader().aside_of(work).map_err(failed)? {
            let number = work_of(&document.entry, &document.body).map_or(0, |work| work.number);
            if is_meant(number, &document.entry.digest().to_string()) {
                known = true;
                numbers.push(number);
                aside.push(Record::Erasure(aside_erasure(&document, Cause::Operator, &reason)));
            }
        }
        if !known {
            return Err(PublishError::NotHeld(work.to_owned()));
        }
        numbers.sort_unstable();
        numbers.dedup();
        if !aside.is_empty() {
            self.keep(now_ms(), &aside).map_err(failed)?;
        }
        let (effects, _) = self.turn(vec![Input::Erase(erasures)]).map_err(failed)?;
        Ok((numbers, effects))
    }

    /// Versions of a work by their digests, whether they stand or not, and the places to name where their author has them erased; not
    /// those that are already.
    pub(super) fn places(&self, work: &str) -> Result<Vec<(Digest, schema::Erase)>, PublishError> {
        let (reader, reason) = (self.store.reader(), Arc::from(""));
        let mut erasures = Vec::new();
        for row in reader.work(work).map_err(failed)? {
            if matches!(row.says, Says::Version(..)) {
                erasures.extend(self.erasure_of(&row, Cause::Author, &reason)?);
            }
        }
        let aside = reader.aside_of(work).map_err(failed)?;
        erasures.extend(aside.iter().map(|document| aside_erasure(document, Cause::Author, &reason)));
        let place = |erasure: Erasure| {
            let (log, entry) = (erasure.log.as_bytes().to_vec(), erasure.entry.as_bytes().to_vec());
            (erasure.entry, schema::Erase { log, index: erasure.index, entry })
        };
        Ok(erasures.into_iter().map(place).collect())
    }

    /// The erasure of a version, unless it is recorded already for a cause that has the last word.
    fn erasure_of(&self, row: &WorkRow, cause: Cause, reason: &Arc<str>) -> Result<Option<Erasure>, PublishError> {
        let reader = self.store.reader();
        let Some(owner) = reader.owner(row.log).map_err(failed)? else { return Ok(None) };
        let before = reader.erased(&owner.log, row.index, &row.digest).map_err(failed)?;
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
        owed.extend(self.owed_aside()?);
        if owed.is_empty() { Ok(()) } else { self.keep(now_ms(), &owed) }
    }

    /// Texts on branches that were set aside, of works that their author withdrew and had erased. Nothing is owed twice: of what was
    /// erased no text is found.
    pub(super) fn owed_aside(&self) -> Result<Vec<Record>, StoreError> {
        if !self.store.has_aside() {
            return Ok(Vec::new());
        }
        let reader = self.store.reader();
        let mut works: BTreeMap<String, Arc<str>> = BTreeMap::new();
        for (entry, body) in self.store.erasing()? {
            let stands = self.frontier.rows.get(entry.log()).is_some_and(|row| entry.index() < row.size);
            let owner = reader.number(entry.log())?.map(|number| reader.owner(number)).transpose()?.flatten();
            if let Some((owner, (slug, reason))) = owner.zip(erased_work(&entry, &body)).filter(|_| stands) {
                works.insert(format!("{}/{slug}", owner.open.member), reason);
            }
        }
        let mut owed = Vec::new();
        for (work, reason) in works {
            let erased = |document| Record::Erasure(aside_erasure(document, Cause::Author, &reason));
            owed.extend(reader.aside_of(&work)?.iter().map(erased));
        }
        Ok(owed)
    }
}

/// Whether a record may bring texts that were set aside and withdrawn together.
pub(super) fn reaches_aside(record: &Record) -> bool {
    let is_withdrawal = |kind: u32| kind == Kind::Withdrawal as u32;
    match record {
        Record::Run(run) => run.leaves().iter().any(|leaf| is_withdrawal(leaf.entry.kind())),
        Record::Body { body, .. } => {
            body::publication(&body.bytes).is_some_and(|(publication, _)| publication.withdrawal.is_some())
        }
        Record::Rewind(_) => true,
        Record::Erasure(_) | Record::Edition(_) | Record::Fork(_) => false,
    }
}

/// The erasure of a document that was set aside.
fn aside_erasure(document: &Aside, cause: Cause, reason: &Arc<str>) -> Erasure {
    let (entry, reason) = (&document.entry, reason.clone());
    Erasure { log: *entry.log(), index: entry.index(), entry: entry.digest(), cause, reason, work: None }
}
