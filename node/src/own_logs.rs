//! The logs whose secret keys are here, and whether they may be written: marks, doubts, claims of peers, and how a recovery ends.
//!
//! Nothing is written while any of them is *recovering*. That begins where the fence, or a note in the folder, says so at the
//! start, or at any time, when a peer has an entry that is not held here; it ends by itself by the rule of [`Recovery`], or by
//! the operator's override.
//!
//! Own entries are never taken back. A mark is advanced before anything is spoken and the store only appends, so nothing tells what
//! nobody has seen; whatever is held here goes out with the next sync.

use std::collections::BTreeSet;

use proto::fork::Fork;
use proto::frontier::{Claim, Frontier};
use proto::key::PublicKey;
use proto::log::Run;
use proto::replica::{Effect, Input, Record, Replica};
use proto::schema;
use proto::schema::sync_message::Message;
use proto::session::Peer;
use thiserror::Error;

use crate::claims::Claims;
use crate::conduct::uptime_ms;
use crate::fence::{Doubt, Fence, FenceError, Verdict};
use crate::phone_book::PhoneBook;
use crate::recovery::Recovery;
use crate::rows::StoreError;
use crate::store::Store;

/// Why own logs cannot be looked after. The node stops.
#[derive(Debug, Error)]
pub enum OwnLogsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A mark failed.
    #[error(transparent)]
    Fence(#[from] FenceError),
}

/// All of them.
pub struct OwnLogs {
    fence: Fence,
    /// The member whose they are; none on a replica.
    member: Option<String>,
    logs: BTreeSet<PublicKey>,
    recovery: Recovery,
    recovered: Vec<String>,
    claims: Claims,
    has_compared: bool,
}

/// From whom an input came, and whether it is an answer on a sync of ours.
#[derive(Clone)]
pub struct Source {
    peer: Option<Peer>,
    is_answer: bool,
}

impl Source {
    /// Of an input.
    pub fn of(input: &Input) -> Source {
        match input {
            Input::Answered(peer, _) => Source { peer: Some(peer.clone()), is_answer: true },
            Input::Gossip { from, .. } => Source { peer: Some(from.clone()), is_answer: false },
            _ => Source { peer: None, is_answer: false },
        }
    }
}

impl OwnLogs {
    /// None yet, of a member.
    pub fn new(fence: Fence, member: Option<String>) -> OwnLogs {
        OwnLogs {
            fence,
            member,
            logs: BTreeSet::new(),
            recovery: Recovery::default(),
            recovered: Vec::new(),
            claims: Claims::default(),
            has_compared: false,
        }
    }

    /// A log whose secret key is here.
    pub fn add(&mut self, log: PublicKey) {
        self.logs.insert(log);
    }

    /// Whether its secret key is here.
    pub fn has(&self, log: &PublicKey) -> bool {
        self.logs.contains(log)
    }

    /// Whether any of them may not be written for a doubt that only a recovery ends.
    pub fn are_recovering(&self) -> bool {
        !self.recovery.is_over()
    }

    /// The logs.
    pub fn logs(&self) -> impl Iterator<Item = PublicKey> {
        self.logs.iter().copied()
    }

    /// Why one of them may not be written, `None` where it may.
    pub fn why(&self, log: &PublicKey) -> Option<String> {
        self.recovery.words_of(log)
    }

    /// Which may not be written, why, and what is waited for.
    pub fn words(&self, replica: &Replica) -> Vec<String> {
        let words = |log: &PublicKey| self.contested(log, replica).or_else(|| self.recovery.words_of(log));
        self.logs.iter().filter_map(words).collect()
    }

    /// That one of them is contested and what settles it, which is no confirmation and no override; `None` where it is not.
    pub fn contested(&self, log: &PublicKey, replica: &Replica) -> Option<String> {
        let fork = replica.standing().forks().get(log).filter(|_| self.has(log) && replica.row(log).contested)?;
        Some(format!(
            "log {log} is contested: two branches of it exist from entry {} on, and something else than this folder wrote one of them. \
             `comity recover` settles which branch stands",
            fork.at()
        ))
    }

    /// How recoveries ended since the start.
    pub fn recovered(&self) -> &[String] {
        &self.recovered
    }

    /// Whether a sync with a peer came to its end since the start.
    pub fn have_been_compared(&self) -> bool {
        self.has_compared
    }

    /// What a peer says about them that has to be looked into before anything is written.
    pub fn claim(&self, replica: &Replica) -> Option<String> {
        self.claims.holding_up(uptime_ms(), |peer| is_syncing(replica, peer))
    }

    /// Compares them with their marks at a start.
    pub fn check(
        &mut self,
        replica: &Replica,
        store: &mut Store,
        now_ms: u64,
        override_fence: bool,
    ) -> Result<(), OwnLogsError> {
        let noted = self.fence.doubt()?;
        let written: Vec<PublicKey> = self.logs.iter().filter(|log| self.is_written(log, replica)).copied().collect();
        for log in written {
            let size = held(replica, &log);
            let verdict = self.fence.judge(&log, size, |size| store.root_at(&log, size))?;
            let why = match (&noted, verdict) {
                (Some(words), _) => words.clone(),
                (None, Verdict::Recovering(doubt)) => doubt.to_string(),
                (None, Verdict::Sound) => continue,
                (None, Verdict::Advance) => {
                    self.advance(&log, replica)?;
                    continue;
                }
            };
            if !override_fence {
                tracing::info!("log {log} may not be written: {why}");
                self.recovery.doubt(log, size, &why);
                continue;
            }
            let words = format!("the operator overrode the fence of log {log} at {size} entries: {why}");
            tracing::warn!("{words}");
            store.note_local(now_ms, &words)?;
            self.advance(&log, replica)?;
        }
        // Only then: who opens the folder without its keys has no log to be in doubt about, and must not take the note away.
        if override_fence { Ok(self.fence.forget_doubt()?) } else { Ok(()) }
    }

    /// Advances the marks of those that were written or reached further: what they cover may be spoken from now on.
    pub fn mark(&self, records: &[Record], replica: &Replica) -> Result<(), OwnLogsError> {
        let runs = records.iter().filter_map(|record| match record {
            Record::Run(run) => Some(*run.log()),
            _ => None,
        });
        let grown: BTreeSet<PublicKey> = runs.filter(|log| self.logs.contains(log)).collect();
        for log in grown.iter().filter(|log| !self.recovery.is_recovering(log)) {
            self.advance(log, replica)?;
        }
        Ok(())
    }

    /// Hears what a peer says and shows of them. `frontier` is what is durable here.
    pub fn hear(&mut self, input: &Input, replica: &Replica, store: &Store, frontier: &Frontier) {
        match input {
            Input::Told(peer, wire) => self.hear_claims(peer, wire, replica),
            Input::Answered(peer, Message::Frontier(wire)) => {
                self.hear_claims(peer, wire, replica);
                let theirs = Claim::from_wire(wire);
                let fits = theirs.map_or_else(BTreeSet::new, |theirs| self.fitting(&theirs, store, frontier));
                self.recovery.shows(peer, fits);
            }
            Input::Answered(peer, Message::Hello(hello))
                if (!self.recovery.is_over() || !self.has_compared)
                    && hello.frontier == frontier.digest().as_bytes() =>
            {
                self.recovery.shows(peer, self.recovery.logs().into_iter().collect());
            }
            Input::Ended(peer, _) | Input::Gone(peer) => {
                self.recovery.ends(peer, false);
            }
            _ => {}
        }
    }

    /// Follows how syncs begin and end, and looks at what is to be kept: `effects` are those of one input.
    pub fn follow(&mut self, source: &Source, effects: &[Effect], replica: &Replica) -> Result<(), OwnLogsError> {
        let is_done = source.is_answer && !effects.iter().any(|effect| matches!(effect, Effect::Penalize { .. }));
        for effect in effects {
            match effect {
                Effect::Open(peer, _) => self.recovery.asks(peer),
                Effect::Close(peer) => self.has_compared |= self.recovery.ends(peer, is_done),
                Effect::Keep(Record::Run(run)) => {
                    if let Some(peer) = source.peer.as_ref().filter(|_| self.is_written(run.log(), replica)) {
                        self.find_foreign(run, peer)?;
                    }
                }
                Effect::Keep(Record::Fork(fork)) if self.is_written(fork.log(), replica) => {
                    self.find_fork(fork, replica)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Claims whose sync is over. Only our own key can have signed what was claimed, so who showed none of it made it up.
    pub fn settle_claims(&mut self, replica: &Replica) -> Vec<Effect> {
        let faults = self.claims.settle(|peer| is_syncing(replica, peer), |log| held(replica, log));
        faults.into_iter().map(|(peer, fault)| Effect::Penalize { peer, fault }).collect()
    }

    /// Ends the recovery of every log that reached its mark, is uncontested, and was confirmed by enough other members. Whether
    /// that was the last one.
    pub fn end_recovery(
        &mut self,
        replica: &Replica,
        store: &mut Store,
        now_ms: u64,
        frontier: &Frontier,
        book: &PhoneBook,
    ) -> Result<bool, OwnLogsError> {
        if self.recovery.is_over() || self.claim(replica).is_some() || !self.recovery.take_news() {
            return Ok(false);
        }
        let mut members = book.members();
        members.retain(|code, _| self.member.as_ref() != Some(code));
        self.recovery.forget_strangers(&members);
        for log in self.recovery.logs() {
            if replica.cut(&log).is_some() {
                let words =
                    format!("log {log} was cut; it is not written any more, and what was in doubt about it is settled");
                store.note_local(now_ms, &words)?;
                self.recovery.drop(&log);
                self.recovered.push(words);
                continue;
            }
            if frontier.rows.get(&log).is_some_and(|row| row.contested) {
                continue; // only its member ends that, and is told how
            }
            let unmet = self.fence.unmet(&log, held(replica, &log), |size| store.root_at(&log, size))?;
            let unconfirmed = self.recovery.unconfirmed(&log, &members);
            let unmet = unmet.map(|doubt| match doubt {
                Doubt::MarkAhead { mark, held } => format!("{held} of the {mark} entries that its mark names are here"),
                other => other.to_string(),
            });
            let waits_for: Vec<String> = unmet.into_iter().chain(unconfirmed).collect();
            if !waits_for.is_empty() {
                self.recovery.waits_for(&log, waits_for.join("; "));
                continue;
            }
            let words = self.recovery.end(&log, &members).unwrap_or_default();
            tracing::info!("{words}");
            store.note_local(now_ms, &words)?;
            // The mark names this folder from now on. A crash before it leaves the doubt, and the log is asked for once more.
            self.advance(&log, replica)?;
            self.recovered.push(words);
        }
        if self.recovery.is_over() {
            self.fence.forget_doubt()?;
        }
        Ok(self.recovery.is_over())
    }

    /// An own log's entries that a peer had: something else wrote them, and nothing more is written from here.
    fn find_foreign(&mut self, run: &Run, peer: &Peer) -> Result<(), FenceError> {
        let (log, from) = (run.log(), run.from());
        let why = self.recovery.why(log).map(str::to_owned).unwrap_or_else(|| {
            let why = format!("entries from {from} on came from a peer; another copy of this folder wrote them");
            tracing::error!("log {log} may not be written: {why}");
            why
        });
        // Noted before they are kept, and not sooner: until then the mark tells the same at every start, and who only looks into
        // a folder as another user, who has no marks, puts no doubt into it.
        self.fence.note_doubt(&why)?;
        self.recovery.doubt(*log, from, &why);
        self.recovery.grew(log, run.after().size(), peer);
        Ok(())
    }

    /// Two branches of an own log: something else wrote one of them, and nothing more is written from here before it is settled.
    fn find_fork(&mut self, fork: &Fork, replica: &Replica) -> Result<(), FenceError> {
        let (log, at) = (fork.log(), fork.at());
        let why = format!("two branches of it exist from entry {at} on; another copy of this folder wrote one of them");
        tracing::error!("log {log} may not be written: {why}");
        self.fence.note_doubt(&why)?;
        self.recovery.doubt(*log, held(replica, log), &why);
        Ok(())
    }

    /// Whether it is an own log, and none that a cut has ended: of that nothing is to be written any more, whoever wrote what.
    fn is_written(&self, log: &PublicKey, replica: &Replica) -> bool {
        self.logs.contains(log) && replica.cut(log).is_none()
    }

    fn advance(&self, log: &PublicKey, replica: &Replica) -> Result<(), FenceError> {
        let Some(state) = replica.log(log) else { return Ok(()) };
        self.fence.advance(log, state.size(), &state.tree().root())
    }

    /// A peer that says it holds more than is here is asked for it; until it has answered nothing is written.
    fn hear_claims(&mut self, peer: &Peer, wire: &schema::Frontier, replica: &Replica) {
        for log in self.logs.iter().filter(|log| replica.cut(log).is_none()) {
            let rows = wire.rows.iter().filter(|row| row.log == log.as_bytes());
            if let Some(size) = rows.map(|row| row.size).max() {
                self.claims.hear(uptime_ms(), peer, *log, size, held(replica, log));
            }
        }
    }

    /// The recovering logs of which a peer has what is durable here, or a beginning of it, and nothing else.
    fn fitting(&self, theirs: &Claim, store: &Store, ours: &Frontier) -> BTreeSet<PublicKey> {
        let fits = |log: &PublicKey| match theirs.row(log) {
            Some(row) => !row.contested && store.root_at(log, row.size) == Some(row.root),
            None => !ours.rows.contains_key(log), // no record made the key known to either
        };
        self.recovery.logs().into_iter().filter(fits).collect()
    }
}

fn held(replica: &Replica, log: &PublicKey) -> u64 {
    replica.log(log).map_or(0, |log| log.size())
}

fn is_syncing(replica: &Replica, peer: &Peer) -> bool {
    replica.peers().get(peer).is_some_and(|state| state.syncing)
}
