//! What a replica makes of two branches of one log: it finds where they part, proves that to everybody, and where a cut is on the
//! other one, sets its own aside.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::calling::Next;
use super::{ASKED_MAX, Effect, Record, Replica, Verdict};
use crate::body::{Cut, Purpose};
use crate::digest::Digest;
use crate::fork::{Branch, Fork, Side};
use crate::frontier::{Claim, Row};
use crate::key::PublicKey;
use crate::log::{Admission, Log};
use crate::look::{Look, Sight};
use crate::message;
use crate::rewind::{CutBranch, Rewind};
use crate::schema;
use crate::schema::sync_message::Message;
use crate::session::{Peer, Session, Splitting, Stage};
use crate::split::{Search, Step};
use crate::tile::WIDTH;

impl Replica {
    // ------------------------------------------------------------------------------------------------ forks

    /// A key of which the fork at `at` would be news.
    pub(super) fn fork_is_new(&self, key: &[u8; 32], at: u64) -> Option<PublicKey> {
        let (key, _) = self.logs.get_key_value(key)?;
        self.standing.forks().get(key).is_none_or(|known| at < known.at()).then_some(*key)
    }

    pub(super) fn on_gossiped_fork(
        &mut self,
        now_ms: u64,
        from: &Peer,
        wire: &schema::Fork,
        effects: &mut Vec<Effect>,
    ) -> Verdict {
        let Ok(fork) = Fork::from_wire(&self.federation, wire) else { return Verdict::Reject };
        if !self.standing.knows(fork.log()) {
            self.begin(now_ms, from, effects);
            return Verdict::Ignore;
        }
        if self.take_fork(fork, effects).is_some() { Verdict::Accept } else { Verdict::Ignore }
    }

    /// Asks for the fork of a log that the peer says is forked earlier than is known here.
    pub(super) fn ask_fork(&self, session: &mut Session, effects: &mut Vec<Effect>) -> bool {
        let Some(theirs) = &session.theirs else { return false };
        let is_new = |(key, at): (&[u8; 32], &u64)| self.fork_is_new(key, *at);
        let mut news = theirs.forks.iter().filter_map(is_new);
        let Some(log) = news.find(|key| !session.forks.contains(key)) else { return false };
        session.forks.insert(log);
        session.stage = Stage::Forks(log);
        let want = schema::WantFork { log: log.as_bytes().to_vec() };
        effects.push(Effect::Ask(session.peer.clone(), Message::WantFork(want)));
        true
    }

    pub(super) fn on_fork(
        &mut self,
        session: &mut Session,
        log: &PublicKey,
        wire: &schema::Fork,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let fork = Fork::from_wire(&self.federation, wire).map_err(|error| format!("sent a false fork: {error}"))?;
        if fork.log() != log {
            return Err("sent another fork than was asked for".to_owned());
        }
        self.take_fork(fork, effects);
        Ok(self.ask_runs(session, effects))
    }

    /// Takes a proof; `None` where it is no news.
    fn take_fork(&mut self, fork: Fork, effects: &mut Vec<Effect>) -> Option<Arc<Fork>> {
        self.fork_is_new(fork.log().as_bytes(), fork.at())?;
        let fork = Arc::new(fork);
        let changed = self.standing.take_fork(fork.clone())?;
        effects.push(Effect::Keep(Record::Fork(fork.clone())));
        self.follow(changed, effects);
        Some(fork)
    }

    // -------------------------------------------------------------------------------------------- searching

    /// Begins the next search: for a root that is not ours at our size, for a run that does not follow ours, for the branch of a cut
    /// that ours is not on, and where nothing of ours counts any more and the peer has something that does.
    pub(super) fn ask_split(&self, session: &mut Session, effects: &mut Vec<Effect>) -> bool {
        let Some(theirs) = &session.theirs else { return false };
        let parts = |(key, log): (&PublicKey, &Log)| {
            let row = theirs.row(key).filter(|row| row.size > 0 && log.size() > 0)?;
            let own = self.row(key);
            let is_other = own.size == row.size && own.root != row.root;
            let is_off = self.cut_at(key, row).is_some() && own.size < row.size && log.size() >= row.size;
            let is_parted = is_other || is_off || self.is_refused(key, log) || session.parted.contains(key);
            (is_parted && !session.searched.contains(key)).then_some((*key, row.size.min(log.size())))
        };
        let Some((log, within)) = self.logs.iter().find_map(parts) else { return false };
        session.searched.insert(log);
        session.stage = Stage::Split;
        ask_tile(session, Search::new(log, within), effects);
        true
    }

    /// Logs that the peer has less of, as far as it says: that may be the beginning of ours, or another branch.
    pub(super) fn behind(&self, theirs: &Claim) -> BTreeSet<(PublicKey, u64)> {
        let held = self.logs.keys().filter_map(|key| Some((*key, theirs.row(key)?.size)));
        held.filter(|(key, size)| *size > 0 && *size < self.row(key).size).take(ASKED_MAX).collect()
    }

    pub(super) fn on_tile(
        &self,
        session: &mut Session,
        tile: &schema::Tile,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let Some(Splitting::Tile { search, theirs: theirs @ None }) = &mut session.splitting else {
            return Err("sent a tile that was not asked for".to_owned());
        };
        let hash = |bytes: &Vec<u8>| Digest::try_from(bytes.as_slice()).ok();
        let hashes: Option<Vec<Digest>> = tile.hashes.iter().take(WIDTH as usize).map(hash).collect();
        *theirs = Some(hashes.ok_or("sent a tile that is none")?);
        effects.push(Effect::Look(Look::Tile(*search)));
        Ok(Next::Await)
    }

    pub(super) fn on_branch(
        &self,
        session: &mut Session,
        wire: &schema::Branch,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let Some(Splitting::Branch { log, at, theirs, cut }) = &mut session.splitting else {
            return Err("sent a branch that was not asked for".to_owned());
        };
        let none = || "sent a branch that is none".to_owned();
        let next = match (&theirs, cut) {
            (None, cut) => {
                *theirs = Some(Box::new(Branch::from_wire(&self.federation, log, *at, wire).map_err(|_| none())?));
                cut.as_ref().map(|(cut, _)| cut.size)
            }
            (Some(_), Some((_, of_cut @ None))) => {
                *of_cut = Some(Box::new(CutBranch::from_wire(log, *at, wire).ok_or_else(none)?));
                None
            }
            _ => return Err("sent a branch that was not asked for".to_owned()),
        };
        effects.push(match next {
            Some(size) => {
                let want = schema::WantBranch { log: log.as_bytes().to_vec(), at: *at, size };
                Effect::Ask(session.peer.clone(), Message::WantBranch(want))
            }
            None => Effect::Look(Look::Side { log: *log, at: *at }),
        });
        Ok(Next::Await)
    }

    /// What is in the archive here: a root is noted, and every search that waits for the rest goes on.
    pub(super) fn on_seen(&mut self, now_ms: u64, look: Look, sight: &Sight, effects: &mut Vec<Effect>) {
        if let Look::Root { log, size } = look {
            return self.on_root(now_ms, log, size, sight, effects);
        }
        let waits = |session: &&Session| match (&session.splitting, look) {
            (Some(Splitting::Tile { search, theirs: Some(_) }), Look::Tile(of)) => *search == of,
            (Some(Splitting::Branch { log, at, theirs: Some(_), cut }), Look::Side { log: key, at: index }) => {
                *log == key && *at == index && cut.as_ref().is_none_or(|(_, branch)| branch.is_some())
            }
            _ => false,
        };
        let waiting: Vec<Peer> = self.sessions.values().filter(waits).map(|session| session.peer.clone()).collect();
        for peer in waiting {
            let Some(mut session) = self.sessions.remove(&peer) else { continue };
            let outcome = match (session.splitting.take(), sight) {
                (Some(Splitting::Tile { search, theirs: Some(theirs) }), Sight::Tile(ours)) => {
                    self.on_compared(&mut session, search, ours, &theirs, effects)
                }
                (Some(Splitting::Branch { theirs: Some(theirs), cut, .. }), Sight::Side(side)) => {
                    self.on_parted(&mut session, *theirs, cut, side, effects)
                }
                // Damaged here, or set aside by another search meanwhile: the next sync tells.
                _ => Ok(self.ask_runs(&mut session, effects)),
            };
            self.go_on(now_ms, session, outcome, effects);
        }
    }

    /// A root over the first entries of a log: it shows who holds another branch, and whether ours is that of a cut.
    fn on_root(&mut self, now_ms: u64, key: PublicKey, size: u64, sight: &Sight, effects: &mut Vec<Effect>) {
        if let Sight::Root(root) = *sight {
            for session in self.sessions.values_mut().filter(|session| session.behind.contains(&(key, size))) {
                if session.theirs.as_ref().and_then(|theirs| theirs.row(&key)).is_some_and(|row| row.root != root) {
                    session.parted.insert(key);
                }
            }
            let is_end = self.logs.get(&key).is_some_and(|log| self.ends(&key, log).contains(&size));
            if let Some(log) = self.logs.get_mut(&key).filter(|_| is_end) {
                log.note_root(size, root);
            }
            self.note_branch(&key, effects);
        }
        let mut done = Vec::new();
        for session in self.sessions.values_mut() {
            let is_last = session.behind.remove(&(key, size)) && session.behind.is_empty();
            done.extend(Some(session.peer.clone()).filter(|_| is_last));
        }
        for peer in done {
            let Some(mut session) = self.sessions.remove(&peer) else { continue };
            let next = self.ask_editions(&mut session, effects);
            self.go_on(now_ms, session, Ok(next), effects);
        }
    }

    fn on_compared(
        &mut self,
        session: &mut Session,
        search: Search,
        ours: &[Digest],
        theirs: &[Digest],
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        match search.compare(ours, theirs) {
            Step::Deeper(next) => ask_tile(session, next, effects),
            Step::Found(at) => {
                let log = search.log;
                let row = session.theirs.as_ref().and_then(|theirs| theirs.row(&log));
                let cut = row.and_then(|row| Some(Cut::new(log, row.size, self.cut_at(&log, row)?)));
                let cut = cut.filter(|cut| at < cut.size).map(|cut| (cut, None));
                session.splitting = Some(Splitting::Branch { log, at, theirs: None, cut });
                let want = schema::WantBranch { log: log.as_bytes().to_vec(), at, size: 0 };
                effects.push(Effect::Ask(session.peer.clone(), Message::WantBranch(want)));
            }
            // Another search was faster, and what differed was set aside here meanwhile.
            Step::Alike if self.logs.get(&search.log).is_none_or(|log| log.size() < search.within) => {
                return Ok(self.ask_runs(session, effects));
            }
            // The peer lacks a record by which neither counts.
            Step::Alike if self.logs.get(&search.log).is_some_and(|log| self.is_refused(&search.log, log)) => {
                return Ok(self.ask_runs(session, effects));
            }
            Step::Alike => {
                return self.on_unshown(session, format!("claimed another root of log {} and showed none", search.log));
            }
        }
        Ok(Next::Await)
    }

    /// Both sides are here: the fork is proven, and where the peer's is the branch of the log's cut, ours is set aside.
    fn on_parted(
        &mut self,
        session: &mut Session,
        theirs: Branch,
        cut: Option<(Cut, Option<Box<CutBranch>>)>,
        side: &Side,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let (log, at) = (*theirs.entry.log(), theirs.entry.index());
        let fork = Fork::new(log, at, side.edge.root(), [side.branch.clone(), theirs]);
        let fork = match fork {
            Ok(fork) => fork,
            Err(error) => {
                return self.on_unshown(session, format!("claimed another root of log {log} and showed none: {error}"));
            }
        };
        if let Some(fork) = self.take_fork(fork, effects) {
            effects.push(Effect::Announce(message::gossip_fork(&fork)));
        }
        if let Some((cut, Some(branch))) = cut {
            let rewind = Rewind::new(cut, side, *branch);
            match rewind {
                Ok(rewind) => self.rewind(rewind, side, effects),
                Err(error) => {
                    return self.on_unshown(session, format!("stands at a cut and does not show it: {error}"));
                }
            }
            session.until.remove(&log);
        }
        session.parted.remove(&log);
        Ok(self.ask_runs(session, effects))
    }

    /// Sets aside what is not on the branch of a cut. What it said of desks has no effect any more; bodies of it are wanted no more.
    fn rewind(&mut self, rewind: Rewind, side: &Side, effects: &mut Vec<Effect>) {
        let (key, at) = (rewind.cut.log, rewind.at);
        // The records may have changed since the question: judged by what is held now.
        let Some(log) = self.logs.get_mut(&key).filter(|log| log.size() > at) else { return };
        let purpose = log.purpose();
        log.rewind(side, rewind.closing.clone());
        effects.push(Effect::Keep(Record::Rewind(Arc::new(rewind))));
        if purpose == Purpose::Governance {
            let changed = self.standing.rewind(&key, at);
            self.follow(changed, effects);
        }
        self.make_room(&key);
    }

    // ------------------------------------------------------------------------------------------------- cuts

    /// Tells standing where a governance log that is held is not on the branch of its cut: it has no effect then.
    pub(super) fn note_branch(&mut self, key: &PublicKey, effects: &mut Vec<Effect>) {
        let Some(log) = self.logs.get(key).filter(|log| log.purpose() == Purpose::Governance) else { return };
        let is_off = |cut: &&Cut| log.root_at(cut.size).is_some_and(|root| root != cut.root);
        let off = self.standing.cuts(key).filter(is_off);
        let sizes: BTreeSet<u64> = off.flat_map(|cut| [cut.size].into_iter().chain(joined_at(cut))).collect();
        let roots: Vec<_> = sizes.into_iter().filter_map(|size| Some((size, log.root_at(size)?))).collect();
        for (size, root) in roots {
            if let Some(changed) = self.standing.take_root(key, size, root) {
                self.follow(changed, effects);
            }
        }
    }

    /// The root of a log's cut, where a row is that of one who stands there.
    pub(super) fn cut_at(&self, key: &PublicKey, row: &Row) -> Option<Digest> {
        let stands = |cut: &&Cut| row.size == cut.size && row.root == cut.root;
        let log = self.logs.get(key)?;
        if log.open().is_none() || self.is_refused(key, log) {
            return self.standing.cuts(key).find(stands).map(|cut| cut.root);
        }
        self.cut_of(key, log).filter(|cut| stands(&cut)).map(|cut| cut.root)
    }

    /// Whether entry 0 of what is held agrees with no record (any more). It must not keep out a log of the same key that does.
    fn is_refused(&self, key: &PublicKey, log: &Log) -> bool {
        log.open().is_some_and(|open| matches!(self.standing.admission(key, open), Admission::Refused))
    }

    /// Whether a cut has settled a fork of the log.
    pub(super) fn is_settled(&self, key: &PublicKey, log: &Log) -> bool {
        self.standing.forks().contains_key(key) && self.cut_of(key, log).is_some()
    }

    /// Where a log that is held ends, by what is held.
    pub fn cut(&self, key: &PublicKey) -> Option<Cut> {
        self.cut_of(key, self.logs.get(key)?)
    }

    fn cut_of(&self, key: &PublicKey, log: &Log) -> Option<Cut> {
        match self.standing.admission(key, log.open()?) {
            Admission::Until(cut) => Some(cut.clone()),
            Admission::Whole | Admission::Refused => None,
        }
    }
}

/// The size that a cut is joined to.
pub(super) fn joined_at(cut: &Cut) -> Option<u64> {
    cut.joined.as_ref().map(|joined| joined.at)
}

fn ask_tile(session: &mut Session, search: Search, effects: &mut Vec<Effect>) {
    effects.push(Effect::Ask(session.peer.clone(), Message::WantTile(search.question())));
    session.splitting = Some(Splitting::Tile { search, theirs: None });
}
