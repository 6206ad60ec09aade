//! Who may speak: a function of the charter, the editions and the governance logs, with no clock and no arrival order.
//!
//! A key becomes *known* by a line of an edition, by rotation (identity keys), or by a delegation (desk keys); its log is taken
//! only once its entry 0 agrees with one of those ([`Standing::admission`]). So two members that delegate the same key do not
//! race: the key itself says whose it is, and one that says two things is nobody's. A log ends at its *cut*.
//!
//! Where two valid editions rival, each is a [`Line`] of its own, and a log stands as far as the most generous of them allows,
//! until the operator pins one. Chains of keys are in [`crate::chain`], the tree of editions in [`crate::editions`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::body::{Act, Cut, Open, Purpose};
use crate::chain::{Delegation, GovernanceLogs};
use crate::charter::Charter;
use crate::digest::Digest;
use crate::edition::{Edition, EditionError};
use crate::editions::Editions;
use crate::fork::Fork;
use crate::key::PublicKey;
use crate::line::Line;
use crate::log::Admission;
use crate::member::Member;

/// What the records held so far make of every key.
#[derive(Clone, Debug)]
pub struct Standing {
    charter: Arc<Charter>,
    editions: Editions,
    pin: Option<Digest>,
    logs: GovernanceLogs,
    /// Of each forked log the proof with the smallest index.
    forks: BTreeMap<PublicKey, Arc<Fork>>,
    /// One, or one for each rival.
    lines: Vec<Line>,
}

/// What one record changed.
#[derive(Debug, Default)]
pub struct Changed {
    /// Keys whose place may be another now: known or not, cut or not.
    pub keys: Vec<PublicKey>,
    /// Editions that became valid; each is a record of its own.
    pub editions: Vec<Arc<Edition>>,
}

impl Standing {
    /// What the charter alone says. `pin`: the digest of the edition by which the operator chooses between rivals.
    pub fn new(charter: Arc<Charter>, pin: Option<Digest>) -> Standing {
        let editions = Editions::new(&charter);
        let logs = GovernanceLogs::default();
        let mut standing = Standing { charter, editions, pin, logs, forks: BTreeMap::new(), lines: Vec::new() };
        standing.draw_lines();
        standing
    }

    /// The charter it began with.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// All editions and drafts.
    pub fn editions(&self) -> &Editions {
        &self.editions
    }

    /// The line of editions that counts, or one for each rival while none is pinned.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The edition in force: while two rival, the one that both follow.
    pub fn in_force(&self) -> Option<&Arc<Edition>> {
        let editions = self.lines.first()?.editions();
        editions.get(editions.len().checked_sub(if self.lines.len() > 1 { 2 } else { 1 })?)
    }

    /// A member as last listed, by whichever line; also one that was removed.
    pub fn member(&self, code: &str) -> Option<&Member> {
        self.lines.iter().find_map(|line| line.member(code))
    }

    /// Codes of all who ever were members.
    pub fn codes(&self) -> BTreeSet<&str> {
        self.lines.iter().flat_map(|line| line.chains().keys().map(String::as_str)).collect()
    }

    /// Whether the member is listed in the last edition of a line.
    pub fn is_member(&self, code: &str) -> bool {
        self.lines.iter().any(|line| line.editions().last().is_some_and(|edition| edition.member(code).is_some()))
    }

    /// The identity key by which a member speaks now: the last of its chain.
    pub fn identity_key(&self, code: &str) -> Option<PublicKey> {
        self.lines.iter().find_map(|line| line.chain(code)?.current()).map(|link| link.key)
    }

    /// The code of the member whose identity key it is, or whose desk where only one delegates it.
    pub fn owner(&self, key: &PublicKey) -> Option<&str> {
        self.lines.iter().find_map(|line| line.owner(key))
    }

    /// Whether a log of this key may be held, were its entry 0 to agree.
    pub fn knows(&self, key: &PublicKey) -> bool {
        self.lines.iter().any(|line| line.knows(key))
    }

    /// Whether these bytes are a key that may take over from a member's identity key by rotation.
    pub fn awaits(&self, key: &[u8; 32]) -> bool {
        let digest = Digest::of(key);
        self.lines.iter().any(|line| line.awaits(&digest))
    }

    /// Every key a frontier has a row for.
    pub fn known(&self) -> BTreeSet<PublicKey> {
        self.lines.iter().flat_map(Line::keys).copied().collect()
    }

    /// What the log of `key` would be for: an identity key's is its governance log.
    pub fn purpose(&self, key: &PublicKey) -> Option<Purpose> {
        if self.lines.iter().any(|line| line.governs(key)) {
            return Some(Purpose::Governance);
        }
        self.knows(key).then_some(Purpose::Publication)
    }

    /// What becomes of a log whose entry 0 is `open`, by the most generous line.
    pub fn admission(&self, key: &PublicKey, open: &Open) -> Admission<'_> {
        let admissions = self.lines.iter().map(|line| line.admission(key, open));
        match admissions.max_by(|a, b| a.rank().cmp(&b.rank())).unwrap_or(Admission::Refused) {
            Admission::Until(_) if self.is_nobodys(key) => Admission::Whole,
            admission => admission,
        }
    }

    /// Whether a desk that two identity keys delegate has opened two logs. No cut settles that: which of the two cuts counted would
    /// depend on the log that a replica heard of first. It ends when all but one of the delegations fall.
    pub fn is_nobodys(&self, key: &PublicKey) -> bool {
        let has_two_openings = self.forks.get(key).is_some_and(|fork| fork.at() == 0);
        let by = || self.lines.iter().flat_map(|line| line.delegations(key)).map(|desk| &desk.identity_key);
        has_two_openings && by().collect::<BTreeSet<_>>().len() > 1 && !self.lines.iter().any(|line| line.governs(key))
    }

    /// Where the log of this key ends, by whichever line and whoever's its entry 0 will say it is.
    pub fn cuts(&self, key: &PublicKey) -> impl Iterator<Item = &Cut> {
        let is_nobodys = self.is_nobodys(key);
        self.lines.iter().filter(move |_| !is_nobodys).flat_map(|line| line.cuts(key))
    }

    /// Whether a cut ends the log of this key, by every line that knows it.
    pub fn is_cut(&self, key: &PublicKey) -> bool {
        let mut knowing = self.lines.iter().filter(|line| line.knows(key)).peekable();
        knowing.peek().is_some() && knowing.all(|line| line.cuts(key).next().is_some()) && !self.is_nobodys(key)
    }

    /// The delegation of a desk by an identity key.
    pub fn delegation(&self, desk_key: &PublicKey, identity_key: &PublicKey) -> Option<&Delegation> {
        let mut made = self.lines.iter().flat_map(|line| line.delegations(desk_key));
        made.find(|desk| desk.identity_key == *identity_key)
    }

    /// Whether a governance log holds an entry that this version cannot read.
    pub fn is_newer(&self, key: &PublicKey) -> bool {
        self.logs.get(key).is_some_and(|log| log.newer.is_some())
    }

    /// Of each forked log the proof with the smallest index, also where a cut has settled it.
    pub fn forks(&self) -> &BTreeMap<PublicKey, Arc<Fork>> {
        &self.forks
    }

    /// Takes the proof of a fork. Only the smallest index of a log counts; `None` where that is known.
    pub fn take_fork(&mut self, fork: Arc<Fork>) -> Option<Changed> {
        let (log, at) = (*fork.log(), fork.at());
        if self.forks.get(&log).is_some_and(|known| known.at() <= at) {
            return None;
        }
        self.forks.insert(log, fork);
        self.logs.note_fork(log, at);
        Some(self.review(&log))
    }

    /// Takes the root over the first `size` entries of what is held of a governance log: it tells whether they are on the branch
    /// of its cut. `None` where that is known.
    pub fn take_root(&mut self, log: &PublicKey, size: u64, root: Digest) -> Option<Changed> {
        self.logs.note_root(*log, size, root).then(|| self.review(log))
    }

    /// Takes back the entries of a governance log from `at` on. Drafts and signatures in them go on counting.
    pub fn rewind(&mut self, log: &PublicKey, at: u64) -> Changed {
        let member = self.logs.get(log).map(|log| log.open.member.clone());
        self.logs.rewind(log, at);
        member.map_or_else(Changed::default, |member| self.review_member(&member))
    }

    fn review(&mut self, log: &PublicKey) -> Changed {
        let member = self.logs.get(log).map(|log| log.open.member.clone());
        let mut changed = member.map_or_else(Changed::default, |member| self.review_member(&member));
        changed.keys.push(*log);
        changed
    }

    fn review_member(&mut self, member: &str) -> Changed {
        let logs = &self.logs;
        let keys = self.lines.iter_mut().flat_map(|line| line.review(member, logs)).collect();
        Changed { keys, editions: Vec::new() }
    }

    /// Takes the next entry of a governance log, in the order of that log.
    pub fn on_governance(&mut self, log: &PublicKey, index: u64, kind: u32, body: &[u8]) -> Changed {
        let act = Act::parse(kind, body);
        if let (0, Some(Act::Open(open))) = (index, &act) {
            let member = open.member.clone();
            self.logs.open(*log, open.clone());
            return self.review_member(&member);
        }
        let is_contested = self.forks.get(log).is_some_and(|fork| fork.at() <= index);
        let Some(governance) = self.logs.get_mut(log).filter(|log| log.newer.is_none()) else {
            return Changed::default();
        };
        match act {
            None => {
                governance.newer = Some(index);
                Changed::default()
            }
            Some(Act::Open(_)) => Changed::default(),
            Some(act @ (Act::Delegate { .. } | Act::Revoke { .. })) => {
                governance.acts.push((index, act));
                if is_contested {
                    return self.review(log); // without effect, unless a cut has settled the fork
                }
                let (member, logs) = (governance.open.member.clone(), &self.logs);
                let keys = self.lines.iter_mut().flat_map(|line| line.on_act(&member, log, logs)).collect();
                Changed { keys, editions: Vec::new() }
            }
            Some(Act::Draft { text }) => {
                let editions = self.editions.hear_draft(&text);
                self.on_valid(editions)
            }
            Some(Act::Signature { draft, line, successor }) => {
                let editions = self.editions.hear_signature(draft, line, successor);
                self.on_valid(editions)
            }
        }
    }

    /// Takes a finished note of an edition, once it is shown that enough have signed it.
    pub fn take_edition(&mut self, edition: Edition) -> Result<Changed, EditionError> {
        let editions = self.editions.take(edition)?;
        Ok(self.on_valid(editions))
    }

    /// Goes on with editions that just became valid.
    fn on_valid(&mut self, editions: Vec<Arc<Edition>>) -> Changed {
        let mut keys = Vec::new();
        for edition in &editions {
            let tip = match self.lines.as_mut_slice() {
                [only] if only.editions().last().map(|last| last.digest()) == edition.before().copied() => Some(only),
                _ => None,
            };
            match tip {
                Some(line) => keys.extend(line.extend(edition.clone(), &self.logs)),
                None => {
                    keys.extend(self.known());
                    self.draw_lines();
                    keys.extend(self.known());
                }
            }
        }
        Changed { keys, editions }
    }

    fn draw_lines(&mut self) {
        let lines = self.editions.lines(self.pin.as_ref());
        self.lines = lines.into_iter().map(|editions| Line::new(editions, &self.logs)).collect();
    }
}
