//! One node with its disk, its keys and the marks that are kept outside its folder; honest, or a thief's.

use std::collections::{BTreeMap, BTreeSet};

use proto::digest::Digest;
use proto::key::{PublicKey, SecretKey};
use proto::log::Log;
use proto::replica::Replica;

use crate::world::{Forest, Memory, Parliament};

/// How far each own log had come when it was last written from here.
pub type Marks = BTreeMap<PublicKey, (u64, Digest)>;

/// `replica` is gone while it is down; `memory` never is, but may go back to what it was.
pub struct Station {
    /// Whose it is, with the keys in use.
    pub parliament: Parliament,
    /// Every secret key that is on it.
    pub keys: Vec<SecretKey>,
    pub is_thief: bool,
    pub replica: Option<Replica>,
    pub memory: Memory,
    pub marks: Marks,
    /// A backup: of the folder, and with the marks of the whole machine.
    pub backup: Option<(Memory, Marks)>,
    /// Why it does not write: it is recovering.
    pub doubt: Option<Doubt>,
    /// Own keys that somebody else wrote with, until that is settled.
    pub stolen: BTreeSet<PublicKey>,
    pub desks: u64,
}

/// What a recovering node waits for.
pub struct Doubt {
    pub since_ms: u64,
    /// Nodes that there were: one that came later is no witness of what was before.
    pub witnesses: usize,
    /// Nodes with whom a sync came to its end since.
    pub heard: BTreeSet<usize>,
    /// How many of those there have to be.
    pub need: usize,
}

/// Milliseconds after which nothing is under way any more that was said before: gossip takes four seconds.
const QUIET_MS: u64 = 5_000;

impl Doubt {
    /// A sync with a node came to its end that was begun then: it counts once nothing said before can arrive there any more.
    pub fn hear(&mut self, station: usize, began_ms: u64) {
        if station < self.witnesses && began_ms >= self.since_ms + QUIET_MS {
            self.heard.insert(station);
        }
    }
}

impl Station {
    pub fn new(parliament: Parliament) -> Station {
        Station {
            keys: vec![parliament.identity.clone(), parliament.desk.clone()],
            parliament,
            is_thief: false,
            replica: None,
            memory: Memory::default(),
            marks: Marks::new(),
            backup: None,
            doubt: None,
            stolen: BTreeSet::new(),
            desks: 0,
        }
    }

    pub fn size(&self, key: &SecretKey) -> u64 {
        self.replica.as_ref().and_then(|replica| replica.log(&key.public())).map_or(0, Log::size)
    }

    /// Holds another key, now and after every start.
    pub fn hold(&mut self, key: SecretKey) {
        self.keys.push(key.clone());
        if let Some(replica) = &mut self.replica {
            replica.hold_key(key);
        }
    }

    /// Whether its own logs hold all that was ever written here, as far as its marks say.
    pub fn has_reached_its_marks(&self) -> bool {
        self.marks.keys().all(|log| self.has_reached_its_mark(log))
    }

    /// The same of one log: not by its size alone, for a thief's branch may be as long.
    pub fn has_reached_its_mark(&self, log: &PublicKey) -> bool {
        let Some((size, root)) = self.marks.get(log) else { return true };
        let kept = self.memory.logs.get(log);
        let leaves = kept.and_then(|kept| kept.leaves.get(..*size as usize)).unwrap_or_default();
        let digests: Vec<Digest> = leaves.iter().map(|leaf| leaf.entry.digest()).collect();
        Forest::over(&digests).compact.root() == *root
    }

    /// Whether it has the identity key that counts, its own log is begun and nobody contests it.
    pub fn may_act(&self) -> bool {
        let Some(replica) = &self.replica else { return false };
        let identity = self.parliament.identity.public();
        let is_current = replica.standing().identity_key(self.parliament.code) == Some(identity);
        is_current && self.size(&self.parliament.identity) > 0 && !replica.row(&identity).contested
    }
}
