//! The branches of an own log that is contested: every peer is asked which one it holds and how long that is, so that the member
//! can cut the log where all of one branch stands. Nothing is believed but what the log's key has signed.

use std::collections::BTreeMap;

use super::calling::Next;
use super::{Effect, Replica};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::fork::Branch;
use crate::key::PublicKey;
use crate::limits;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::session::{Session, Stage};

/// The longest seen of each branch of one log, by the leaf where they part.
#[derive(Clone, Debug, Default)]
pub(super) struct Branches {
    at: u64,
    longest: BTreeMap<Digest, Branch>,
}

impl Branches {
    fn take(&mut self, branch: Branch) {
        let at = branch.entry.index();
        if at != self.at {
            *self = Branches { at, longest: BTreeMap::new() };
        }
        let leaf = branch.entry.digest();
        let is_longer = self.longest.get(&leaf).is_none_or(|known| known.checkpoint.size() < branch.checkpoint.size());
        if is_longer && (self.longest.contains_key(&leaf) || self.longest.len() < limits::BRANCHES_MAX) {
            self.longest.insert(leaf, branch);
        }
    }
}

impl Replica {
    /// The branches of a contested log that peers were heard to hold since the start: each as far as it is longest, by the digest
    /// of its first entry that others do not have. What only the proof names may be on nobody's disk any more.
    pub fn branches(&self, log: &PublicKey) -> BTreeMap<Digest, Branch> {
        let Some(fork) = self.contested(log) else { return BTreeMap::new() };
        let told = self.branches.get(log).filter(|told| told.at == fork.at());
        told.map(|told| told.longest.clone()).unwrap_or_default()
    }

    /// Asks the peer for its branch of the next own log that is contested, each once in a session.
    pub(super) fn ask_own_branch(&self, session: &mut Session, effects: &mut Vec<Effect>) -> bool {
        let fork = |key: &PublicKey| self.contested(key).map(|fork| (*key, fork.at()));
        let mut own = self.keys.keys().filter_map(fork);
        let Some((log, at)) = own.find(|(key, _)| !session.surveyed.contains(key)) else { return false };
        session.surveyed.insert(log);
        session.stage = Stage::Survey(log);
        let want = schema::WantBranch { log: log.as_bytes().to_vec(), at, size: 0 };
        effects.push(Effect::Ask(session.peer.clone(), Message::WantBranch(want)));
        true
    }

    pub(super) fn on_own_branch(
        &mut self,
        session: &mut Session,
        log: &PublicKey,
        wire: &schema::Branch,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        // Settled or proven earlier since it was asked for: then it says nothing about the fork that counts.
        if let Some(fork) = self.contested(log).filter(|fork| wire_is_at(wire, log, fork.at())).cloned() {
            let branch = Branch::from_wire(&self.federation, log, fork.at(), wire);
            let branch = branch.map_err(|error| format!("sent a false branch of log {log}: {error}"))?;
            // A third branch that parts earlier is no fault: the search finds where, and then that is asked about.
            if branch.verify(log, fork.at(), fork.root()).is_ok() {
                self.branches.entry(*log).or_default().take(branch);
            }
        }
        Ok(self.ask_bodies(session, effects))
    }
}

fn wire_is_at(wire: &schema::Branch, log: &PublicKey, at: u64) -> bool {
    Entry::parse(&wire.entry, log, at).is_ok()
}
