//! What a replica does without: bodies that were erased or are denied, and entries over a quota.

use std::sync::Arc;

use super::{Effect, Record, Replica};
use crate::body::{Open, Purpose};
use crate::entry::Entry;
use crate::erasure::{Cause, Erasure, demanded, is_erasable, reaches, work_of};
use crate::key::PublicKey;
use crate::log::{Body, Log, Run};
use crate::policy::Policy;
use crate::session::Session;

/// What an operator and pages read beside a body that is denied.
const DENIED: &str = "denied here by local policy";

/// A log of which no more is taken here, because its member is over its quota. Waiting is not a fork.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverQuota {
    /// The log.
    pub log: PublicKey,
    /// Its member's code.
    pub member: String,
    /// Entries held.
    pub held: u64,
    /// Entries there are, as a peer says.
    pub claimed: u64,
}

impl Replica {
    /// Gives it what the operator of this node decides. Before any input.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Takes up an erasure that this node recorded of an entry that it does not hold: it may come again.
    pub fn resume_erasure(&mut self, erasure: Erasure) {
        self.awaited.add(None, erasure);
    }

    /// Takes up a withdrawal as the store kept it, once all logs are: what it erases among the entries that are held. Other
    /// places are awaited. One that does not stand erases nothing more; what it erased before stays erased.
    pub fn resume_withdrawal(&mut self, entry: &Entry, body: &[u8]) -> Vec<Erasure> {
        if !self.stands(entry) {
            return Vec::new();
        }
        let owner = self.logs.get(entry.log()).and_then(Log::open).map(|open| open.member.clone());
        let Some(member) = owner else { return Vec::new() };
        demanded(entry, body).into_iter().filter_map(|erasure| self.demand(&member, erasure)).collect()
    }

    /// Logs that wait because their member is over its quota.
    pub fn over_quota(&self) -> Vec<OverQuota> {
        let waits = |(key, claimed): (&PublicKey, &u64)| {
            let log = self.logs.get(key)?;
            let (held, member) = (log.size(), log.open()?.member.clone());
            let is_over = *claimed > held && self.allowance(key, log) <= held;
            is_over.then_some(OverQuota { log: *key, member, held, claimed: *claimed })
        };
        self.over.iter().filter_map(waits).collect()
    }

    /// Bodies that the operator no longer wants; those that go.
    pub(super) fn on_erase(&mut self, erasures: Vec<Erasure>, effects: &mut Vec<Effect>) {
        for erasure in erasures {
            let Some(log) = self.logs.get_mut(&erasure.log) else { continue };
            let is_here = log.purpose() == Purpose::Publication && erasure.index > 0 && erasure.index < log.size();
            if is_here && wants_no_more(log, &erasure) {
                effects.push(Effect::Keep(Record::Erasure(erasure)));
            }
        }
    }

    /// The run as it is kept, and the bodies that go with it: its own, and those that a withdrawal in it erases elsewhere.
    pub(super) fn forgo_of(&mut self, run: &Arc<Run>) -> (Arc<Run>, Vec<Erasure>) {
        let opening = run.leaves().first().filter(|leaf| leaf.entry.index() == 0).and_then(|leaf| leaf.body.as_ref());
        let held = self.logs.get(run.log()).and_then(Log::open).cloned();
        let open = held.or_else(|| opening.and_then(|body| Open::parse(&body.bytes)));
        let Some(open) = open.filter(|open| open.purpose == Purpose::Publication) else {
            return (run.clone(), Vec::new());
        };
        let mut gone = Vec::new();
        // All of a run stands when it is taken: `Log::join` lets none beyond a cut, nor one that ends there on another branch.
        for leaf in run.leaves() {
            let erased = leaf.body.as_ref().map(|body| demanded(&leaf.entry, &body.bytes)).unwrap_or_default();
            // What is erased of this very run is not held yet, so it is awaited, and found below.
            gone.extend(erased.into_iter().filter_map(|erasure| self.demand(&open.member, erasure)));
        }
        let elsewhere = gone.len();
        if !self.awaited.is_empty() || !self.policy.denied.is_empty() {
            for leaf in run.leaves() {
                let erased = self.awaited.take(&open.member, &leaf.entry);
                let erased = erased.or_else(|| self.denied(&open.member, &leaf.entry, leaf.body.as_ref()));
                let work = leaf.body.as_ref().and_then(|body| work_of(&leaf.entry, &body.bytes));
                gone.extend(erased.map(|erasure| Erasure { work: work.or(erasure.work), ..erasure }));
            }
        }
        let own = gone.get(elsewhere..).unwrap_or_default();
        if own.is_empty() {
            return (run.clone(), gone);
        }
        let kept = run.without_bodies(|index| own.iter().any(|erasure| erasure.index == index));
        (Arc::new(kept), gone)
    }

    /// Takes a body that was wanted, with its entry: it may be denied, and it may be a withdrawal that erases others.
    pub(super) fn take_body(&mut self, entry: Option<&Entry>, body: Body, effects: &mut Vec<Effect>) {
        let Some(entry) = entry else { return };
        let owner = self.logs.get(entry.log()).and_then(Log::open).map(|open| open.member.clone());
        let member = owner.unwrap_or_default();
        let demanded = if self.stands(entry) { demanded(entry, &body.bytes) } else { Vec::new() };
        let gone = demanded.into_iter().filter_map(|erasure| self.demand(&member, erasure)).collect::<Vec<_>>();
        let record = match self.denied(&member, entry, Some(&body)) {
            Some(erasure) => Record::Erasure(erasure),
            None => Record::Body { log: *entry.log(), index: entry.index(), body },
        };
        effects.push(Effect::Keep(record));
        effects.extend(gone.into_iter().map(|erasure| Effect::Keep(Record::Erasure(erasure))));
    }

    /// The erasure of a body that came, where it is denied here.
    fn denied(&self, member: &str, entry: &Entry, body: Option<&Body>) -> Option<Erasure> {
        let (log, index) = (*entry.log(), entry.index());
        let is_denied = is_erasable(index, entry.kind())
            && self.policy.denied.names_body(member, &log, body.map(|body| body.bytes.as_slice()));
        is_denied.then(|| Erasure {
            log,
            index,
            entry: entry.digest(),
            cause: Cause::Denial,
            reason: DENIED.into(),
            work: body.and_then(|body| work_of(entry, &body.bytes)),
        })
    }

    /// Entries that may be held of a log here: `u64::MAX` without a quota. Entry 0 is never over one; until it is held nobody
    /// knows whose quota counts.
    pub(super) fn allowance(&self, key: &PublicKey, log: &Log) -> u64 {
        if self.policy.quotas.is_empty() || log.purpose() == Purpose::Governance || self.keys.contains_key(key) {
            return u64::MAX;
        }
        let Some(open) = log.open() else { return 1 };
        let Some(quota) = self.policy.quotas.get(&open.member) else { return u64::MAX };
        let is_theirs = |log: &&Log| {
            log.open().is_some_and(|other| other.member == open.member && other.purpose == Purpose::Publication)
        };
        let (mut entries, mut bytes) = (0, 0);
        for log in self.logs.values().filter(is_theirs) {
            (entries, bytes) = (entries + log.size(), bytes + log.body_bytes());
        }
        let more = if bytes >= quota.bytes { 0 } else { quota.entries.saturating_sub(entries) };
        log.size().saturating_add(more).max(1)
    }

    /// Notes what a peer has and a quota keeps out, for the operator.
    pub(super) fn note_over(&mut self, session: &Session) {
        let Some(theirs) = &session.theirs else { return };
        if self.policy.quotas.is_empty() {
            return;
        }
        for (key, log) in &self.logs {
            let claimed = theirs.row(key).map_or(0, |row| row.size.min(self.end(key, log)));
            if claimed > log.size() && self.allowance(key, log) <= log.size() {
                self.over.insert(*key, claimed);
            }
        }
    }

    /// Whether an entry that is held stands, as far as is known here.
    fn stands(&self, entry: &Entry) -> bool {
        entry.index() < self.row(entry.log()).size
    }

    /// An erasure as its author wants it: gives it back where its entry is held, and awaits it otherwise. Into the log of
    /// another member it does not reach.
    fn demand(&mut self, member: &str, erasure: Erasure) -> Option<Erasure> {
        let held = self.logs.get_mut(&erasure.log).filter(|log| erasure.index < log.size());
        let Some(log) = held else {
            self.awaited.add(Some(member), erasure);
            return None;
        };
        let owner = log.open().map(|open| open.member.clone()).unwrap_or_default();
        (reaches(member, log.purpose(), &owner) && wants_no_more(log, &erasure)).then_some(erasure)
    }
}

/// Ends the want for a body, if there is one. `false` where the entry there is another. Of an entry whose body is held, the
/// store tells.
fn wants_no_more(log: &mut Log, erasure: &Erasure) -> bool {
    match log.missing().get(&erasure.index) {
        Some(entry) if !erasure.means(entry) => false,
        Some(_) => {
            log.forgo(erasure.index);
            true
        }
        None => true,
    }
}
