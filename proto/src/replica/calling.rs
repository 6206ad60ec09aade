//! The calling side of a sync: what each answer of a peer leads to, stage by stage (`crate::session`).

use std::collections::VecDeque;
use std::sync::Arc;

use super::{ASKED_MAX, Effect, REFUSALS_MAX, Replica, SYNC_AGAIN_MS, UNSHOWN_MAX};
use crate::body::Purpose;
use crate::digest::Digest;
use crate::edition::Edition;
use crate::frontier::Claim;
use crate::key::PublicKey;
use crate::limits;
use crate::log::{Log, RunError};
use crate::look::Look;
use crate::message;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::session::{Asked, Peer, Session, Stage, Wanted};
use crate::tree::{self, Compact};

impl Replica {
    pub(super) fn on_answer(&mut self, now_ms: u64, peer: &Peer, answer: Message, effects: &mut Vec<Effect>) {
        let Some(mut session) = self.sessions.remove(peer) else { return };
        session.since_ms = now_ms;
        let outcome = match (session.stage, answer) {
            (_, Message::Refusal(refusal)) => self.on_refusal(&mut session, &refusal.reason, effects),
            (Stage::Hello, Message::Hello(hello)) => self.on_hello(&mut session, &hello, effects),
            (Stage::Frontier, Message::Frontier(wire)) => self.on_frontier(&mut session, &wire, effects),
            (Stage::Editions, Message::Editions(answer)) => self.on_editions(&mut session, &answer, effects),
            (Stage::Forks(log), Message::Fork(wire)) => self.on_fork(&mut session, &log, &wire, effects),
            (Stage::Governance | Stage::Publications, Message::Chunk(chunk)) => {
                self.on_chunk(&mut session, &chunk, effects)
            }
            (Stage::Split, Message::Tile(tile)) => self.on_tile(&mut session, &tile, effects),
            (Stage::Split, Message::Branch(branch)) => self.on_branch(&mut session, &branch, effects),
            (Stage::Survey(log), Message::Branch(branch)) => self.on_own_branch(&mut session, &log, &branch, effects),
            (Stage::Bodies, Message::Bodies(bodies)) => self.on_bodies(&mut session, &bodies, effects),
            _ => Err("answered what was not asked".to_owned()),
        };
        self.go_on(now_ms, session, outcome, effects);
    }

    /// What becomes of a session after an answer.
    pub(super) fn go_on(
        &mut self,
        now_ms: u64,
        session: Session,
        outcome: Result<Next, String>,
        effects: &mut Vec<Effect>,
    ) {
        let peer = &session.peer.clone();
        match outcome {
            Ok(Next::Await) => {
                self.sessions.insert(peer.clone(), session);
            }
            Ok(Next::Done) => {
                if session.has_unshown {
                    self.due.insert(peer.clone(), now_ms + SYNC_AGAIN_MS);
                } else {
                    self.unshown.remove(peer);
                }
                self.settle(now_ms, &session);
                effects.push(Effect::Close(peer.clone()));
                self.chase(now_ms, effects);
            }
            Err(fault) => {
                if let Some(state) = self.peers.get_mut(peer) {
                    state.syncing = false;
                    state.waiting = vec![fault.clone()];
                }
                effects.push(Effect::Close(peer.clone()));
                effects.push(Effect::Penalize { peer: peer.clone(), fault });
                self.chase(now_ms, effects);
            }
        }
    }

    fn on_hello(
        &self,
        session: &mut Session,
        hello: &schema::Hello,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        if hello.federation != self.federation.as_bytes() || hello.version != message::SYNC_VERSION {
            return Err("greeted for another federation or version".to_owned());
        }
        let ours = self.frontier();
        if hello.frontier == ours.digest().as_bytes() {
            return Ok(self.ask_bodies(session, effects));
        }
        session.stage = Stage::Frontier;
        effects.push(Effect::Ask(session.peer.clone(), Message::Frontier(ours.to_wire())));
        Ok(Next::Await)
    }

    fn on_frontier(
        &self,
        session: &mut Session,
        wire: &schema::Frontier,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let theirs = Claim::from_wire(wire).ok_or("sent a frontier that is not one")?;
        let is_new = |digest: &&Digest| self.standing.editions().edition(digest).is_none();
        session.editions = theirs.editions.iter().filter(is_new).copied().collect();
        session.behind = self.behind(&theirs);
        session.theirs = Some(theirs);
        session.stage = Stage::Behind;
        let look = |(log, size): &(PublicKey, u64)| Effect::Look(Look::Root { log: *log, size: *size });
        effects.extend(session.behind.iter().map(look));
        Ok(if session.behind.is_empty() { self.ask_editions(session, effects) } else { Next::Await })
    }

    /// Asks for the next editions that the peer says are valid, before all logs: they decide which of those are wanted.
    pub(super) fn ask_editions(&self, session: &mut Session, effects: &mut Vec<Effect>) -> Next {
        let asked = session.editions.iter().take(limits::EDITIONS_ASKED_MAX);
        let digests: Vec<Vec<u8>> = asked.map(|digest| digest.as_bytes().to_vec()).collect();
        if digests.is_empty() {
            return self.ask_runs(session, effects);
        }
        session.stage = Stage::Editions;
        effects.push(Effect::Ask(session.peer.clone(), Message::WantEditions(schema::WantEditions { digests })));
        Next::Await
    }

    /// An edition is valid by itself and those before it, so that a false one has no excuse.
    fn on_editions(
        &mut self,
        session: &mut Session,
        answer: &schema::Editions,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let count = session.editions.len().min(limits::EDITIONS_ASKED_MAX);
        let asked: Vec<Digest> = session.editions.drain(..count).collect();
        if answer.notes.len() != asked.len() {
            return Err("said that editions are valid and did not show them".to_owned());
        }
        for (note, digest) in answer.notes.iter().zip(asked) {
            let edition = Edition::from_wire(note).map_err(|error| format!("sent a false edition: {error}"))?;
            if edition.digest() != digest {
                return Err("sent another edition than was asked for".to_owned());
            }
            let number = edition.number();
            let taken = self.standing.take_edition(edition);
            let changed = taken.map_err(|error| format!("sent edition {number}, which is not valid: {error}"))?;
            self.follow(changed, effects);
        }
        Ok(self.ask_editions(session, effects))
    }

    /// Asks for forks, and for the next runs: governance logs first, because they decide which other logs are wanted. Whatever has
    /// come is followed by all that it makes wanted, and in the end by searches and bodies.
    pub(super) fn ask_runs(&self, session: &mut Session, effects: &mut Vec<Effect>) -> Next {
        if self.ask_fork(session, effects) {
            return Next::Await;
        }
        for (stage, purpose) in [(Stage::Governance, Purpose::Governance), (Stage::Publications, Purpose::Publication)]
        {
            session.wants = self.news(session, purpose);
            if !session.wants.is_empty() {
                session.stage = stage;
                ask_wants(session, effects);
                return Next::Await;
            }
        }
        if self.ask_split(session, effects) {
            return Next::Await;
        }
        self.ask_bodies(session, effects)
    }

    /// Logs of a purpose that the peer has more of, and that were not refused in this session.
    fn news(&self, session: &Session, purpose: Purpose) -> VecDeque<Wanted> {
        let Some(theirs) = &session.theirs else { return VecDeque::new() };
        let wanted = |(key, log): (&PublicKey, &Log)| {
            let until = session.until.get(key).copied().unwrap_or(u64::MAX).min(self.end(key, log));
            let until = until.min(self.allowance(key, log));
            let row = theirs.row(key)?;
            let (next, to, root) = (log.size(), row.size.min(until), self.cut_at(key, row));
            // Of a log that is known to be forked only the branch of its cut will do, and who stands at the cut has that.
            let is_sound = root.is_some() || !self.is_settled(key, log);
            (log.purpose() == purpose && to > next && is_sound).then_some(Wanted { log: *key, next, to, root })
        };
        let heirs = theirs.rows.iter().filter(|_| purpose == Purpose::Governance).filter_map(|(key, row)| {
            let log = *self.heir(key)?.key();
            let to = row.size.min(session.until.get(&log).copied().unwrap_or(u64::MAX));
            (to > 0).then_some(Wanted { log, next: 0, to, root: None })
        });
        heirs.chain(self.logs.iter().filter_map(wanted)).take(ASKED_MAX).collect()
    }

    fn on_chunk(
        &mut self,
        session: &mut Session,
        chunk: &schema::Chunk,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let asked = |want: &&mut Wanted| chunk.log == want.log.as_bytes() && chunk.from == want.next;
        let Some(want) = session.wants.front_mut().filter(asked).filter(|_| !chunk.leaves.is_empty()) else {
            return Err("sent a run that was not asked for".to_owned());
        };
        want.next += chunk.leaves.len() as u64;
        let Wanted { log: key, next, to, root } = *want;
        let (held, allowed) = self.room(&key).map_or((0, 0), |log| (log.size(), self.allowance(&key, &log)));
        match self.verify(chunk) {
            Ok(run) if root.is_some_and(|root| !leads_to(chunk, run.after(), to, &root)) => {
                return Err(format!("stands at the cut of log {key} and sent entries of another branch"));
            }
            // Another log of the member came first, and its quota is for both.
            Ok(run) if run.after().size() > allowed => session.end(&key, allowed),
            Ok(run) => self.take(&Arc::new(run), effects),
            // Another peer was faster; what is left of the range may still be news.
            Err(RunError::Nothing) => {}
            // A cut that we know and the peer may not, and whatever of the range comes after it.
            Err(RunError::Ended(end)) => session.end(&key, end),
            Err(RunError::Gap { held, .. }) => session.end(&key, held),
            // True or false by records that the peer may have and we may not.
            Err(error @ (RunError::Open | RunError::OffCut(_))) => session.refuse(&key, &error.to_string()),
            // Another branch than ours, or none: the search tells. One that was searched for before is proven, and goes on to be
            // what the peer holds, though a cut that came meanwhile has us ask for it.
            Err(error @ RunError::NotJoined(_)) if held > 0 && !self.is_searched(session, &key, held) => {
                session.refuse(&key, &error.to_string());
                session.parted.insert(key);
            }
            Err(error) => return Err(format!("sent a run of log {key} that does not verify: {error}")),
        }
        if next >= to.min(chunk.total) {
            session.wants.pop_front();
            if chunk.total < to {
                // What a node holds shrinks only where it sets aside a branch.
                let words = format!("holds {} entries of log {key} and said {to}", chunk.total);
                return self.on_unshown(session, words);
            }
        }
        Ok(if session.wants.is_empty() { self.ask_runs(session, effects) } else { Next::Await })
    }

    /// Whether this session searched for where the peer's log parts from the `held` entries here, and no fork explains that it does.
    fn is_searched(&self, session: &Session, key: &PublicKey, held: u64) -> bool {
        let is_forked = self.standing.forks().get(key).is_some_and(|fork| fork.at() < held);
        session.searched.contains(key) && !is_forked
    }

    /// The peer does not show what it claimed. It may just have set aside a branch, for a cut that it learned of since, or another
    /// that it begins anew; at the next sync it claims what it holds now, and whoever does not show that either is to blame.
    pub(super) fn on_unshown(&mut self, session: &mut Session, words: String) -> Result<Next, String> {
        session.has_unshown = true;
        if self.unshown.contains(&session.peer) {
            return Err(words);
        }
        if self.unshown.len() >= UNSHOWN_MAX {
            self.unshown.clear(); // each gets one more chance
        }
        self.unshown.insert(session.peer.clone());
        session.refusals.push(words);
        Ok(Next::Done)
    }

    fn on_refusal(&mut self, session: &mut Session, reason: &str, effects: &mut Vec<Effect>) -> Result<Next, String> {
        let reason: String = reason.chars().filter(|c| !c.is_control()).take(200).collect();
        match session.stage {
            Stage::Forks(log) => {
                session.refuse(&log, &reason);
                Ok(self.ask_runs(session, effects))
            }
            Stage::Survey(_) => Ok(self.ask_bodies(session, effects)),
            Stage::Split => {
                self.on_unshown(session, format!("showed another branch of a log and not where it parts: {reason}"))
            }
            Stage::Governance | Stage::Publications => {
                if let Some(want) = session.wants.pop_front() {
                    let Wanted { log, to, root, .. } = want;
                    if root.is_none() && self.unshown.contains(&session.peer) {
                        return self
                            .on_unshown(session, format!("refused entries of log {log} and said {to}: {reason}"));
                    }
                    session.refuse(&log, &reason);
                }
                Ok(if session.wants.is_empty() { self.ask_runs(session, effects) } else { Next::Await })
            }
            _ => {
                session.refusals.push(reason);
                Ok(Next::Done)
            }
        }
    }

    /// Offers the want list: every session does, also between equal frontiers. Each body is asked for once in a session, so
    /// that those which this peer lacks too do not keep back the others.
    pub(super) fn ask_bodies(&self, session: &mut Session, effects: &mut Vec<Effect>) -> Next {
        if self.ask_own_branch(session, effects) {
            return Next::Await;
        }
        session.stage = Stage::Bodies;
        for (key, log) in &self.logs {
            let from = session.bodies_from.get(key).copied().unwrap_or(0);
            let missing = log.missing().range(from..).map(|(index, _)| *index);
            let indexes: Vec<u64> = missing.take(limits::WANT_BODIES_MAX).collect();
            let (Some(first), Some(last)) = (indexes.first().copied(), indexes.last().copied()) else { continue };
            session.bodies_asked.push_back(Asked { log: *key, first, last });
            let want = schema::WantBodies { log: key.as_bytes().to_vec(), indexes };
            effects.push(Effect::Ask(session.peer.clone(), Message::WantBodies(want)));
            if session.bodies_asked.len() >= ASKED_MAX {
                break;
            }
        }
        if session.bodies_asked.is_empty() { Next::Done } else { Next::Await }
    }

    fn on_bodies(
        &mut self,
        session: &mut Session,
        bodies: &schema::Bodies,
        effects: &mut Vec<Effect>,
    ) -> Result<Next, String> {
        let unasked = "sent bodies that were not asked for";
        let asked = session.bodies_asked.pop_front().filter(|asked| bodies.log == asked.log.as_bytes());
        let Asked { log: key, first, last } = asked.ok_or(unasked)?;
        let mut next = first;
        for sent in &bodies.bodies {
            if !(next..=last).contains(&sent.index) {
                return Err(unasked.to_owned());
            }
            next = sent.index + 1;
            let entry = self.logs.get(&key).and_then(|log| log.missing().get(&sent.index).cloned());
            match self.logs.get_mut(&key).and_then(|log| log.find(sent.index, &sent.body)) {
                None => {}
                Some(Ok(body)) => self.take_body(entry.as_ref(), body, effects),
                // Of a log that is forked each peer answers for the branch that it holds.
                Some(Err(_)) if self.standing.forks().contains_key(&key) => {}
                // Or it is, and nobody knows yet.
                Some(Err(error)) => {
                    let words = format!("sent a false body for entry {} of log {key}: {error}", sent.index);
                    return self.on_unshown(session, words);
                }
            }
        }
        // An answer may have been full after the last body it brought; one that brings none has none of those asked for.
        session.bodies_from.insert(key, if bodies.bodies.is_empty() { last + 1 } else { next });
        Ok(if session.bodies_asked.is_empty() { self.ask_bodies(session, effects) } else { Next::Await })
    }
}

fn ask_wants(session: &Session, effects: &mut Vec<Effect>) {
    for Wanted { log, next, to, root } in &session.wants {
        let root = root.map(|root| root.as_bytes().to_vec()).unwrap_or_default();
        let want = schema::Want { log: log.as_bytes().to_vec(), from: *next, to: *to, root };
        effects.push(Effect::Ask(session.peer.clone(), Message::Want(want)));
    }
}

/// Whether a chunk shows that its run is on the branch with that root.
fn leads_to(chunk: &schema::Chunk, after: &Compact, to: u64, root: &Digest) -> bool {
    let proof = tree::proof_from_wire(&chunk.joined);
    proof.is_some_and(|proof| tree::root_from_consistency(after.size(), &after.root(), to, &proof) == Ok(*root))
}

/// What a session does next.
pub(super) enum Next {
    Await,
    Done,
}

impl Session {
    /// What the peer did not give is not asked of it again in this session, and the operator reads why.
    pub(super) fn refuse(&mut self, key: &PublicKey, words: &str) {
        self.end(key, 0);
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(format!("{key}: {words}"));
        }
    }

    /// Nothing of a log from `end` on is asked for in this session.
    fn end(&mut self, key: &PublicKey, end: u64) {
        let until = self.until.entry(*key).or_insert(end);
        *until = end.min(*until);
    }
}
