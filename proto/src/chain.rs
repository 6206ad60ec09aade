//! One member's keys through time, as one line of editions and the governance logs that are held make them.
//!
//! A member has a chain of identity keys. Editions list some; each key may be succeeded by the one key whose SHA-256 it has
//! committed to, either in an edition or by *rotation*: entry 0 of the successor's governance log, which names the predecessor and
//! where it ends. A re-key begins anew with a key that others vouch for, a removal ends the chain. Along it, in the order of the
//! keys and of the entries of each log, desks are delegated and revoked.
//!
//! Where a governance log ends is found from the last key to the first, because a rotation cuts only if its own log stands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::body::{Act, Cut, Open, Purpose};
use crate::digest::Digest;
use crate::edition::Edition;
use crate::key::PublicKey;
use crate::limits;
use crate::member::Member;
use crate::tree::Compact;

/// What one governance log has said of desks, as far as this version can read it.
#[derive(Clone, Debug)]
pub struct GovernanceLog {
    /// Entry 0.
    pub open: Open,
    /// Delegations and revocations with their indexes.
    pub acts: Vec<(u64, Act)>,
    /// The first entry that this version cannot read; nothing after it has an effect here.
    pub newer: Option<u64>,
}

/// Every governance log that is held, by its key and by the digest that commits to it.
#[derive(Clone, Debug, Default)]
pub struct GovernanceLogs {
    by_key: BTreeMap<PublicKey, Arc<GovernanceLog>>,
    by_digest: BTreeMap<Digest, PublicKey>,
    /// The smallest index at which a fork of a log is proven.
    forked: BTreeMap<PublicKey, u64>,
    /// Roots over the first entries of what is held, where a cut made them matter.
    roots: BTreeMap<(PublicKey, u64), Digest>,
}

/// What an edition did to a member.
#[derive(Clone, Debug)]
pub enum Step {
    /// Listed it, for the first time or after a removal.
    Added(Member),
    /// Listed the key it had committed to.
    Succeeded(Member, Arc<Edition>),
    /// Listed another key.
    Rekeyed(Member, Arc<Edition>),
    /// Listed it no more.
    Removed(Arc<Edition>),
}

/// One identity key of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The key.
    pub key: PublicKey,
    /// Whether an edition lists it; else it took over by rotation.
    pub listed: bool,
    /// The key it succeeds, where it had been committed to.
    pub before: Option<PublicKey>,
    /// SHA-256 of the key that may succeed it.
    pub successor_digest: Digest,
    /// Where its governance log ends.
    pub cut: Option<Cut>,
}

/// One desk of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// What the desk is called: "Library".
    pub desk: String,
    /// The identity key that delegated it.
    pub identity_key: PublicKey,
    /// The entry of that key's governance log.
    pub index: u64,
    /// Where its log ends, once revoked or removed with its member.
    pub cut: Option<Cut>,
}

/// One member's identity keys and desks.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
    desks: BTreeMap<PublicKey, Delegation>,
    unrevoked: BTreeSet<PublicKey>,
    awaiting: Vec<Link>,
    is_member: bool,
}

/// Keys that follow each other by commitment, from a line of an edition to a re-key or removal.
struct Segment {
    listed: Vec<(PublicKey, Digest)>,
    /// Editions that listed a successor, with the number of links before it.
    succeeded: Vec<(usize, Arc<Edition>)>,
    closed: Option<Arc<Edition>>,
    removed: bool,
}

impl GovernanceLogs {
    /// The log of a key.
    pub fn get(&self, key: &PublicKey) -> Option<&GovernanceLog> {
        self.by_key.get(key).map(Arc::as_ref)
    }

    /// Takes entry 0 of a log.
    pub fn open(&mut self, key: PublicKey, open: Open) {
        self.by_digest.insert(Digest::of(key.as_bytes()), key);
        self.by_key.insert(key, Arc::new(GovernanceLog { open, acts: Vec::new(), newer: None }));
    }

    /// Notes where a fork of a log is proven.
    pub fn note_fork(&mut self, key: PublicKey, at: u64) {
        self.forked.insert(key, at);
    }

    /// Notes the root over the first `size` entries of what is held of a log; whether it is news.
    pub fn note_root(&mut self, key: PublicKey, size: u64, root: Digest) -> bool {
        self.roots.insert((key, size), root) != Some(root)
    }

    /// Takes back the entries of a log from `at` on: they are not on the branch of its cut.
    pub fn rewind(&mut self, key: &PublicKey, at: u64) {
        self.roots.retain(|(log, _), _| log != key);
        if at == 0 {
            self.by_key.remove(key);
            self.by_digest.remove(&Digest::of(key.as_bytes()));
        } else if let Some(log) = self.get_mut(key) {
            log.acts.retain(|(index, _)| *index < at);
            log.newer = log.newer.filter(|index| *index < at);
        }
    }

    /// Entries of a log that have an effect: those before its cut, of another branch those that it is proven to share with the
    /// cut's, and of a log without a cut those before its fork.
    pub fn end(&self, key: &PublicKey, cut: Option<&Cut>) -> u64 {
        let root_at = |size: u64| self.roots.get(&(*key, size)).copied();
        match cut {
            Some(cut) if root_at(cut.size).is_some_and(|root| root != cut.root) => {
                cut.shared(root_at).map_or(0, |(size, _)| size)
            }
            Some(cut) => cut.size,
            None => self.forked.get(key).copied().unwrap_or(u64::MAX),
        }
    }

    /// The log of a key, to be added to.
    pub fn get_mut(&mut self, key: &PublicKey) -> Option<&mut GovernanceLog> {
        self.by_key.get_mut(key).map(Arc::make_mut)
    }

    /// Whether nothing of a log stands, whichever branch of it is held.
    fn is_void(&self, key: &PublicKey, cut: Option<&Cut>) -> bool {
        cut.map_or_else(|| self.forked.get(key) == Some(&0), |cut| cut.size == 0)
    }

    /// The key that a digest commits to, and its entry 0, once held.
    fn committed(&self, digest: &Digest) -> Option<(PublicKey, &Open)> {
        let key = self.by_digest.get(digest)?;
        Some((*key, &self.by_key.get(key)?.open))
    }
}

impl Chain {
    /// The chain of the member `code`, to whom editions did `steps`.
    pub fn new(code: &str, steps: &[Step], logs: &GovernanceLogs) -> Chain {
        let mut chain = Chain::default();
        for segment in Segment::split(steps) {
            let (mut links, fallen) = segment.links(code, logs, &chain.links);
            let last = links.last().filter(|last| segment.awaits(last)).cloned();
            let is_had = |digest| chain.links.iter().chain(&links).any(|had| Digest::of(had.key.as_bytes()) == digest);
            chain.awaiting.extend(fallen.into_iter().chain(last).filter(|link| !is_had(link.successor_digest)));
            // No key has a second life, not even by an edition that could not know of its first.
            links.retain(|link| chain.link(&link.key).is_none());
            for link in &links {
                let Some(log) = logs.get(&link.key).filter(|log| link.agrees(code, &log.open)) else { continue };
                let end = logs.end(&link.key, link.cut.as_ref());
                for (index, act) in log.acts.iter().filter(|(index, _)| *index < end) {
                    chain.apply(&link.key, *index, act);
                }
            }
            chain.links.extend(links);
            chain.is_member = segment.closed.is_none();
            if let Some(edition) = segment.closed.filter(|_| segment.removed) {
                for desk in std::mem::take(&mut chain.unrevoked) {
                    if let Some(delegation) = chain.desks.get_mut(&desk) {
                        delegation.cut = Some(edition.cuts().get(&desk).cloned().unwrap_or(nothing(desk)));
                    }
                }
            }
        }
        chain
    }

    /// Its identity keys, in order.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// One of its identity keys.
    pub fn link(&self, key: &PublicKey) -> Option<&Link> {
        self.links.iter().find(|link| link.key == *key)
    }

    /// The identity key in use, while it is a member.
    pub fn current(&self) -> Option<&Link> {
        self.links.last().filter(|link| self.is_member && link.cut.is_none())
    }

    /// The last key of each segment whose successor may yet take over.
    pub fn awaiting(&self) -> &[Link] {
        &self.awaiting
    }

    /// Its desks, ever, by key.
    pub fn desks(&self) -> &BTreeMap<PublicKey, Delegation> {
        &self.desks
    }

    /// Every key of it that a log may be held of.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.links.iter().map(|link| &link.key).chain(self.desks.keys())
    }

    /// Whether an act at the end of that log may be applied as it is: it agrees, and nothing in the chain comes after it.
    pub fn ends_in(&self, code: &str, log: &PublicKey, open: &Open) -> bool {
        self.current().is_some_and(|link| link.key == *log && link.agrees(code, open))
    }

    /// The next delegation or revocation in the order of the chain.
    pub fn apply(&mut self, log: &PublicKey, index: u64, act: &Act) {
        match act {
            Act::Delegate { desk_key, desk } => {
                // A desk that is held already was delegated before: unrevoked, or cut and never to be used again.
                let void = self.unrevoked.len() >= limits::DESKS_MAX || self.desks.contains_key(desk_key);
                if !void {
                    let made = Delegation { desk: desk.clone(), identity_key: *log, index, cut: None };
                    self.desks.insert(*desk_key, made);
                    self.unrevoked.insert(*desk_key);
                }
            }
            Act::Revoke { cut, .. } => {
                if self.unrevoked.remove(&cut.log)
                    && let Some(delegation) = self.desks.get_mut(&cut.log)
                {
                    delegation.cut = Some(cut.clone());
                }
            }
            Act::Open(_) | Act::Draft { .. } | Act::Signature { .. } => {}
        }
    }

    /// The place of an identity key, if entry 0 of its log agrees with it.
    pub fn agreeing(&self, code: &str, key: &PublicKey, open: &Open) -> Option<&Link> {
        self.link(key).filter(|link| link.agrees(code, open))
    }

    /// Whether a log would give its key a place by rotation. An edition may have listed that key later, with a place in which its
    /// log does not agree; who lacks the log knows no other.
    pub fn awaits(&self, code: &str, key: &PublicKey, open: &Open) -> bool {
        open.member == code && self.awaiting.iter().any(|last| last.is_succeeded(*key, open))
    }
}

impl Link {
    /// Whether entry 0 of its log agrees with its place.
    fn agrees(&self, code: &str, open: &Open) -> bool {
        open.purpose == Purpose::Governance
            && open.member == code
            && open.identity_key == self.key
            && open.predecessor.as_ref().map(|cut| cut.log) == self.before
    }

    /// Whether a governance log whose entry 0 is `open` takes over from it by rotation. Where no edition lists this key at least
    /// entry 0 must go on standing, for it alone holds the digest in force.
    fn is_succeeded(&self, key: PublicKey, open: &Open) -> bool {
        open.purpose == Purpose::Governance
            && open.identity_key == key
            && Digest::of(key.as_bytes()) == self.successor_digest
            && open.predecessor.as_ref().is_some_and(|cut| cut.log == self.key && (self.listed || cut.size > 0))
    }
}

impl Segment {
    fn split(steps: &[Step]) -> Vec<Segment> {
        let mut segments: Vec<Segment> = Vec::new();
        for step in steps {
            match step {
                Step::Added(member) => segments.push(Segment::new(member)),
                Step::Succeeded(member, edition) => {
                    let Some(last) = segments.last_mut() else { continue };
                    last.succeeded.push((last.listed.len(), edition.clone()));
                    last.listed.push((member.identity_key, member.successor_digest));
                }
                Step::Rekeyed(member, edition) => {
                    segments.last_mut().iter_mut().for_each(|last| last.closed = Some(edition.clone()));
                    segments.push(Segment::new(member));
                }
                Step::Removed(edition) => {
                    let Some(last) = segments.last_mut() else { continue };
                    (last.closed, last.removed) = (Some(edition.clone()), true);
                }
            }
        }
        segments
    }

    fn new(member: &Member) -> Segment {
        let listed = vec![(member.identity_key, member.successor_digest)];
        Segment { listed, succeeded: Vec::new(), closed: None, removed: false }
    }

    /// Whether the successor of its last key may yet take over: once it is closed, only where the closing edition lets it stand.
    fn awaits(&self, last: &Link) -> bool {
        let is_let = |cut: &Cut| cut.size > 0 && Digest::of(cut.log.as_bytes()) == last.successor_digest;
        self.closed.as_ref().is_none_or(|edition| edition.cuts().values().any(is_let))
    }

    /// Listed keys, then those that took over by rotation, each with its cut; none takes over that the chain has. And the keys that
    /// would have, but that a fork undoes: their successor may yet cut it.
    fn links(&self, code: &str, logs: &GovernanceLogs, earlier: &[Link]) -> (Vec<Link>, Vec<Link>) {
        let (mut links, mut fallen): (Vec<Link>, Vec<Link>) = (Vec::new(), Vec::new());
        for (key, successor_digest) in &self.listed {
            let before = links.last().map(|link| link.key);
            let successor_digest = *successor_digest;
            links.push(Link { key: *key, listed: true, before, successor_digest, cut: None });
        }
        while let Some(last) = links.last()
            && let Some((key, open)) = logs.committed(&last.successor_digest)
            && open.member == code
            && earlier.iter().chain(&links).all(|link| link.key != key)
            && last.is_succeeded(key, open)
            && let Some(successor_digest) = open.successor_digest
        {
            links.push(Link { key, listed: false, before: Some(last.key), successor_digest, cut: None });
        }
        loop {
            self.cut(code, &mut links, logs);
            // A rotation whose own log does not stand never was, and nothing that rests on it.
            let void = links.iter().position(|link| !link.listed && logs.is_void(&link.key, link.cut.as_ref()));
            let Some(at) = void else { return (links, fallen) };
            fallen.extend(links.drain(at..).next().filter(|link| link.cut.is_none()));
        }
    }

    /// An edition's cut comes before the rotation's; what neither names ends at 0 where the segment is closed.
    fn cut(&self, code: &str, links: &mut [Link], logs: &GovernanceLogs) {
        let mut rotation: Option<Cut> = None;
        for (at, link) in links.iter_mut().enumerate().rev() {
            let mut editions = self.succeeded.iter().filter(|(before, _)| at < *before).map(|(_, edition)| edition);
            let named = editions.find_map(|edition| edition.cuts().get(&link.key));
            let named = named.or_else(|| self.closed.as_ref()?.cuts().get(&link.key)).cloned();
            link.cut = named.or(rotation).or_else(|| self.closed.as_ref().map(|_| nothing(link.key)));
            let stands = logs.end(&link.key, link.cut.as_ref()) > 0;
            let opened = logs.get(&link.key).filter(|log| stands && link.agrees(code, &log.open));
            rotation = opened.and_then(|log| log.open.predecessor.clone());
        }
    }
}

fn nothing(log: PublicKey) -> Cut {
    Cut::new(log, 0, Compact::new().root())
}
