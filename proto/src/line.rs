//! One line of editions, from the charter on, and the chains that it and the governance logs make of every member.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::body::{Cut, Open, Purpose};
use crate::chain::{Chain, Delegation, GovernanceLogs, Step};
use crate::digest::Digest;
use crate::edition::{Change, Edition};
use crate::key::PublicKey;
use crate::log::Admission;
use crate::member::Member;

/// Editions that follow each other, and what they come to.
#[derive(Clone, Debug)]
pub struct Line {
    editions: Vec<Arc<Edition>>,
    steps: BTreeMap<String, Vec<Step>>,
    chains: BTreeMap<String, Chain>,
    /// Whose chains a key is in: a desk key that two members delegate says itself whose it is.
    owners: BTreeMap<PublicKey, BTreeSet<String>>,
    /// Digests of the keys that may take over by rotation, and from whom.
    heirs: BTreeSet<(Digest, String)>,
}

impl Line {
    /// A line over `editions`, the charter first.
    pub fn new(editions: Vec<Arc<Edition>>, logs: &GovernanceLogs) -> Line {
        let (steps, chains, owners) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut line = Line { editions: Vec::new(), steps, chains, owners, heirs: BTreeSet::new() };
        let mut codes = BTreeSet::new();
        editions.into_iter().for_each(|edition| codes.extend(line.step(edition)));
        codes.iter().for_each(|code| line.remake(code, logs));
        line
    }

    /// The editions, the charter first.
    pub fn editions(&self) -> &[Arc<Edition>] {
        &self.editions
    }

    /// Goes on with the next edition. Gives every key whose place may have changed.
    pub fn extend(&mut self, edition: Arc<Edition>, logs: &GovernanceLogs) -> Vec<PublicKey> {
        let codes = self.step(edition);
        codes.iter().flat_map(|code| self.review(code, logs)).collect()
    }

    /// Makes the chain of a member anew. Gives every key that it had or has.
    pub fn review(&mut self, code: &str, logs: &GovernanceLogs) -> Vec<PublicKey> {
        let mut keys = self.chain(code).map_or_else(Vec::new, |chain| chain.keys().copied().collect());
        self.remake(code, logs);
        keys.extend(self.chain(code).into_iter().flat_map(Chain::keys));
        keys
    }

    /// Takes the last act of a governance log of the member `code`. Gives every key whose place may have changed.
    pub fn on_act(&mut self, code: &str, log: &PublicKey, logs: &GovernanceLogs) -> Vec<PublicKey> {
        let Some(chain) = self.chains.get_mut(code).filter(|chain| chain.link(log).is_some()) else {
            return Vec::new();
        };
        let Some(governance) = logs.get(log) else { return Vec::new() };
        if !chain.ends_in(code, log, &governance.open) {
            return self.review(code, logs);
        }
        let Some((index, act)) = governance.acts.last() else { return Vec::new() };
        chain.apply(log, *index, act);
        let desk = act.desk().copied();
        if let Some(desk) = desk.filter(|desk| chain.desks().contains_key(desk)) {
            self.owners.entry(desk).or_default().insert(code.to_owned());
        }
        desk.into_iter().collect()
    }

    /// The chain of a member, also of one that was removed.
    pub fn chain(&self, code: &str) -> Option<&Chain> {
        self.chains.get(code)
    }

    /// The chains of all who ever were members, by code.
    pub fn chains(&self) -> &BTreeMap<String, Chain> {
        &self.chains
    }

    /// The line of a member in the last edition that lists it.
    pub fn member(&self, code: &str) -> Option<&Member> {
        self.editions.iter().rev().find_map(|edition| edition.member(code))
    }

    /// Every key that a log may be held of.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.owners.keys()
    }

    /// Whether a log of this key may be held, were its entry 0 to agree.
    pub fn knows(&self, key: &PublicKey) -> bool {
        self.owners.contains_key(key)
    }

    /// The code of the member in whose chain alone a key is.
    pub fn owner(&self, key: &PublicKey) -> Option<&str> {
        let codes = self.owners.get(key).filter(|codes| codes.len() == 1)?;
        codes.first().map(String::as_str)
    }

    /// Whether the key is an identity key of somebody.
    pub fn governs(&self, key: &PublicKey) -> bool {
        self.chains_of(key).any(|(_, chain)| chain.link(key).is_some())
    }

    /// Whether a digest is that of a key which may take over by rotation.
    pub fn awaits(&self, digest: &Digest) -> bool {
        self.heirs.range((*digest, String::new())..).next().is_some_and(|(heir, _)| heir == digest)
    }

    /// What becomes of a log whose entry 0 is `open`.
    pub fn admission(&self, key: &PublicKey, open: &Open) -> Admission<'_> {
        let Some(chain) = self.chains.get(&open.member) else { return Admission::Refused };
        let cut = match open.purpose {
            Purpose::Governance => match chain.agreeing(&open.member, key, open) {
                Some(link) => link.cut.as_ref(),
                None if chain.awaits(&open.member, key, open) => None,
                None => return Admission::Refused,
            },
            Purpose::Publication if !self.governs(key) => {
                let made = chain.desks().get(key).filter(|desk| desk.identity_key == open.identity_key);
                let Some(made) = made else { return Admission::Refused };
                made.cut.as_ref()
            }
            _ => return Admission::Refused,
        };
        cut.map_or(Admission::Whole, Admission::Until)
    }

    /// Where the log of this key ends, whoever's it will say it is.
    pub fn cuts(&self, key: &PublicKey) -> impl Iterator<Item = &Cut> {
        self.chains_of(key).filter_map(|(_, chain)| match chain.link(key) {
            Some(link) => link.cut.as_ref(),
            None => chain.desks().get(key)?.cut.as_ref(),
        })
    }

    /// The delegations of a desk, one of each member who delegates it.
    pub fn delegations(&self, desk_key: &PublicKey) -> impl Iterator<Item = &Delegation> {
        self.chains_of(desk_key).filter_map(|(_, chain)| chain.desks().get(desk_key))
    }

    fn chains_of(&self, key: &PublicKey) -> impl Iterator<Item = (&String, &Chain)> {
        let codes = self.owners.get(key).into_iter().flatten();
        codes.filter_map(|code| self.chains.get_key_value(code))
    }

    /// Notes what an edition does to every member. Gives the codes of those to whom it does something.
    fn step(&mut self, edition: Arc<Edition>) -> Vec<String> {
        let changes: BTreeMap<String, Change> = match self.editions.last() {
            Some(before) => edition.changes(before),
            None => edition.members().iter().map(|member| (member.code.clone(), Change::Added)).collect(),
        };
        let mut changed = Vec::new();
        for (code, change) in changes {
            let step = match (change, edition.member(&code)) {
                (Change::Carried, _) => continue,
                (Change::Added, Some(member)) => Step::Added(member.clone()),
                (Change::Succeeded, Some(member)) => Step::Succeeded(member.clone(), edition.clone()),
                (Change::Rekeyed, Some(member)) => Step::Rekeyed(member.clone(), edition.clone()),
                (Change::Removed, _) | (_, None) => Step::Removed(edition.clone()),
            };
            self.steps.entry(code.clone()).or_default().push(step);
            changed.push(code);
        }
        self.editions.push(edition);
        changed
    }

    fn remake(&mut self, code: &str, logs: &GovernanceLogs) {
        // Whom no edition of this line lists has no chain in it, and weakens nothing that another line allows.
        let Some(steps) = self.steps.get(code) else { return };
        let chain = Chain::new(code, steps, logs);
        if let Some(old) = self.chains.remove(code) {
            for key in old.keys() {
                if let Some(codes) = self.owners.get_mut(key) {
                    codes.remove(code);
                    if codes.is_empty() {
                        self.owners.remove(key);
                    }
                }
            }
            for link in old.awaiting() {
                self.heirs.remove(&(link.successor_digest, code.to_owned()));
            }
        }
        for key in chain.keys() {
            self.owners.entry(*key).or_default().insert(code.to_owned());
        }
        for link in chain.awaiting() {
            self.heirs.insert((link.successor_digest, code.to_owned()));
        }
        self.chains.insert(code.to_owned(), chain);
    }
}
