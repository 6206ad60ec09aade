//! Who may speak: a fold over the charter and the governance logs, with no clock and no arrival order.
//!
//! A key becomes *known* by a line of the charter (an identity key) or by a delegation (a desk key); its log is taken only
//! once its entry 0 agrees with one of those ([`Standing::admits`]). So two members that delegate the same key do not race:
//! the key itself says whose it is. A log ends at its *cut*; a delegation while 16 desks are unrevoked, in governance order
//! alone, is void for good, and so is one of a key that the same log ever cut.
//!
//! Editions after the charter and rotation are read and forwarded, and have no effect yet: rules for them belong here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::body::{Act, Cut, Open, Purpose};
use crate::charter::Charter;
use crate::key::PublicKey;
use crate::limits;

/// The fold: what the records held so far make of every key.
#[derive(Clone, Debug)]
pub struct Standing {
    charter: Arc<Charter>,
    governance: BTreeMap<PublicKey, Governance>,
    delegations: BTreeMap<PublicKey, BTreeMap<PublicKey, Delegation>>,
}

/// What one governance log has said, as far as this version can read it.
#[derive(Clone, Debug, Default)]
struct Governance {
    unrevoked: BTreeSet<PublicKey>,
    cut: BTreeSet<PublicKey>,
    newer: bool,
}

/// One desk as one governance log made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// What the desk is called: "Library".
    pub desk: String,
    /// The entry of the governance log that delegates.
    pub index: u64,
    /// Where its log ends, once revoked.
    pub cut: Option<Cut>,
}

impl Standing {
    /// What the charter alone says.
    pub fn new(charter: Arc<Charter>) -> Standing {
        let governance = charter.members().iter().map(|member| (member.identity_key, Governance::default())).collect();
        Standing { charter, governance, delegations: BTreeMap::new() }
    }

    /// The charter it began with.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// Whether a log of this key may be held, were its entry 0 to agree.
    pub fn knows(&self, key: &PublicKey) -> bool {
        self.governance.contains_key(key) || self.delegations.contains_key(key)
    }

    /// Every key a frontier has a row for.
    pub fn known(&self) -> BTreeSet<PublicKey> {
        self.governance.keys().chain(self.delegations.keys()).copied().collect()
    }

    /// What the log of `key` would be for: a listed key's is its governance log.
    pub fn purpose(&self, key: &PublicKey) -> Option<Purpose> {
        match (self.governance.contains_key(key), self.delegations.contains_key(key)) {
            (true, _) => Some(Purpose::Governance),
            (false, true) => Some(Purpose::Publication),
            (false, false) => None,
        }
    }

    /// Whether entry 0 of `key`'s log agrees with what made the key known.
    pub fn admits(&self, key: &PublicKey, open: &Open) -> bool {
        let Some(member) = self.charter.member(&open.member) else { return false };
        if member.identity_key != open.identity_key {
            return false;
        }
        match open.purpose {
            Purpose::Governance => {
                *key == member.identity_key
                    && open.successor_digest == Some(member.successor_digest)
                    && open.predecessor.is_none()
            }
            Purpose::Publication => {
                !self.governance.contains_key(key) && self.delegation(key, &open.identity_key).is_some()
            }
        }
    }

    /// The delegation of a desk by an identity key.
    pub fn delegation(&self, desk_key: &PublicKey, identity_key: &PublicKey) -> Option<&Delegation> {
        self.delegations.get(desk_key)?.get(identity_key)
    }

    /// Where the log that `open` opened ends, if it was cut.
    pub fn cut(&self, key: &PublicKey, open: &Open) -> Option<&Cut> {
        match open.purpose {
            Purpose::Governance => None,
            Purpose::Publication => self.delegation(key, &open.identity_key)?.cut.as_ref(),
        }
    }

    /// Whether a governance log holds an entry that this version cannot read.
    pub fn is_newer(&self, key: &PublicKey) -> bool {
        self.governance.get(key).is_some_and(|log| log.newer)
    }

    /// Takes the next entry of a governance log, in the order of that log.
    pub fn on_governance(&mut self, log: &PublicKey, index: u64, kind: u32, body: &[u8]) {
        let Some(governance) = self.governance.get_mut(log) else { return };
        if governance.newer {
            return;
        }
        match Act::parse(kind, body) {
            None => governance.newer = true,
            Some(Act::Open(_) | Act::Edition) => {}
            Some(Act::Delegate { desk_key, desk }) => {
                let void = governance.unrevoked.len() >= limits::DESKS_MAX
                    || governance.unrevoked.contains(&desk_key)
                    || governance.cut.contains(&desk_key);
                if !void {
                    governance.unrevoked.insert(desk_key);
                    let made = Delegation { desk, index, cut: None };
                    self.delegations.entry(desk_key).or_default().insert(*log, made);
                }
            }
            Some(Act::Revoke { cut, .. }) => {
                if governance.unrevoked.remove(&cut.log) {
                    governance.cut.insert(cut.log);
                    let desk = self.delegations.get_mut(&cut.log).and_then(|by| by.get_mut(log));
                    if let Some(delegation) = desk {
                        delegation.cut = Some(cut);
                    }
                }
            }
        }
    }
}
