//! What one operator decides for one node. It is applied last, after everything that all replicas agree on, never told to a
//! peer, and changes nothing for anyone else: entries, roots and proofs are those of the federation.
//!
//! The replica is given it and asks for no more than it allows. Hiding is no concern of the protocol and not here.

use std::collections::{BTreeMap, BTreeSet};

use crate::body;
use crate::key::PublicKey;

/// What is denied, and how much of a member is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Whose bodies are neither kept nor wanted.
    pub denied: Selection,
    /// Of a member's publication logs together at most so much is taken.
    pub quotas: BTreeMap<String, Quota>,
}

/// Members, works and logs, named one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Codes of members.
    pub members: BTreeSet<String>,
    /// `CODE/slug`.
    pub works: BTreeSet<String>,
    /// Keys of publication logs.
    pub logs: BTreeSet<PublicKey>,
}

/// How much of one member is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Entries.
    pub entries: u64,
    /// Bytes of uncompressed bodies. What is under way when they are reached is still taken: at most a chunk of one log.
    pub bytes: u64,
}

impl Selection {
    /// Whether it names nothing.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.works.is_empty() && self.logs.is_empty()
    }

    /// Whether it names a whole log, or the member whose log it is.
    pub fn names_log(&self, member: &str, log: &PublicKey) -> bool {
        self.members.contains(member) || self.logs.contains(log)
    }

    /// Whether it names a work, its log or its member; `work` is `CODE/slug`.
    pub fn names(&self, member: &str, log: &PublicKey, work: &str) -> bool {
        self.names_log(member, log) || self.works.contains(work)
    }

    /// Whether it names what a body of a member's log says. Without the body only log and member can tell.
    pub fn names_body(&self, member: &str, log: &PublicKey, body: Option<&[u8]>) -> bool {
        let work = || {
            let (publication, _) = body::publication(body?)?;
            Some(self.works.contains(&format!("{member}/{}", publication.slug)))
        };
        self.names_log(member, log) || (!self.works.is_empty() && work().unwrap_or(false))
    }
}
