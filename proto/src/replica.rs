//! The center: a node's whole understanding of its federation, as a state machine.
//!
//! [`Replica::handle`] takes one [`Input`] and gives the [`Effect`]s that follow, in the order in which they must happen. It
//! touches no clock, socket, disk or random source; `now_ms` arrives with the input. The contract with whoever drives it:
//!
//! 1. Perform the effects in order. Every [`Effect::Keep`] must be durable before any effect that follows it is performed:
//!    *durable, then spoken*. Several inputs may share one fsync.
//! 2. If a record cannot be kept, stop: the replica is ahead of the disk. A restart from the store is sound.
//! 3. Deliver the outcome of every [`Effect::Open`] and [`Effect::Ask`] as [`Input::Answered`] or [`Input::Ended`].

mod branches;
mod calling;
mod forgoing;
mod gossip;
mod splitting;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use self::branches::Branches;
use self::splitting::joined_at;
use crate::body::{Open, Purpose};
use crate::charter::Charter;
use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::edition::{Edition, EditionError};
use crate::erasure::{Awaited, Erasure};
use crate::fork::Fork;
use crate::frontier::{Claim, Frontier, Row};
use crate::key::{PublicKey, SecretKey};
use crate::limits;
use crate::log::{Admission, Body, Fresh, Log, Run, RunError};
use crate::look::{Look, Sight};
use crate::message;
use crate::policy::Policy;
use crate::rewind::Rewind;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::session::{Peer, Session, Stage};
use crate::standing::{Changed, Standing};
use crate::tree::{self, Compact};

pub use forgoing::OverQuota;

/// Milliseconds between two syncs with one peer while nothing gives a reason for an earlier one. Gossip may be lost or off.
pub const SYNC_EVERY_MS: u64 = 15_000;
/// Milliseconds until a peer that did not even greet is called again: it had no place for us.
const SYNC_AGAIN_MS: u64 = 2_000;
/// Milliseconds after which a sync that brings nothing is given up. A chunk that is still coming in is something.
pub const SYNC_STALE_MS: u64 = 60_000;
/// Seconds for which every peer is asked anew for what was announced and did not come; a checkpoint whose tree nobody shows is
/// then left to the syncs that come anyway.
const CHASES_MAX: u32 = 15;
/// Chunks or bodies asked for at once; more would only wait in the peer's queue.
const ASKED_MAX: usize = 64;
/// Words kept about one peer's refusals.
const REFUSALS_MAX: usize = 8;
/// Peers of whom it is remembered that they did not show what they claimed: more than are connected at once.
const UNSHOWN_MAX: usize = 1024;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The member's own desk or identity key publishes: kinds and uncompressed bodies, salted.
    Write {
        /// The log to write to; its secret key was given to [`Replica::hold_key`].
        log: PublicKey,
        /// Kind and body of each entry.
        bodies: Vec<(u32, Vec<u8>)>,
    },
    /// The operator erases bodies, here only.
    Erase(Vec<Erasure>),
    /// A run of an own log that was signed elsewhere, on a machine that never sees a network.
    Submit(schema::Chunk),
    /// A gossip message; `id` comes back with the verdict.
    Gossip {
        /// Who handed it over.
        from: Peer,
        /// The network's name for it.
        id: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A peer is there.
    Connected(Peer),
    /// A peer is gone.
    Gone(Peer),
    /// A peer called us and told its frontier.
    Told(Peer, schema::Frontier),
    /// An answer on a sync of ours.
    Answered(Peer, Message),
    /// An answer on a sync of ours is coming in, and is not whole yet: on a weak line a chunk takes minutes.
    Moving(Peer),
    /// A sync of ours ended before it was done; the words say why.
    Ended(Peer, String),
    /// What [`Effect::Look`] asked for.
    Seen(Look, Sight),
    /// Time passes: at least once a second.
    Tick,
}

/// What must follow.
#[derive(Debug)]
pub enum Effect {
    /// Make it durable.
    Keep(Record),
    /// Look into the archive, once what was to be kept before is kept; answer with [`Input::Seen`].
    Look(Look),
    /// Announce to the federation's topic.
    Announce(Vec<u8>),
    /// Judge a gossip message.
    Judge {
        /// Its name.
        id: u64,
        /// Who handed it over.
        from: Peer,
        /// What becomes of it.
        verdict: Verdict,
    },
    /// Open a sync with a peer and send this.
    Open(Peer, Message),
    /// Send this on the sync with a peer.
    Ask(Peer, Message),
    /// The sync with a peer is done.
    Close(Peer),
    /// A peer sent what no honest peer sends.
    Penalize {
        /// Who.
        peer: Peer,
        /// What it sent, in words.
        fault: String,
    },
}

/// What is kept for good.
#[derive(Clone, Debug)]
pub enum Record {
    /// A verified run.
    Run(Arc<Run>),
    /// A body that was missing.
    Body {
        /// The log.
        log: PublicKey,
        /// The entry.
        index: u64,
        /// The proven body.
        body: Body,
    },
    /// A body that goes for good, whether it is held, wanted or comes later. Whoever keeps records finds the entry at its place,
    /// and does nothing where that is another one.
    Erasure(Erasure),
    /// An edition that became valid, with the signatures that make it so.
    Edition(Arc<Edition>),
    /// The proof of a fork at an index smaller than any proven before.
    Fork(Arc<Fork>),
    /// Entries of a log go to the side, because they are not on the branch of its cut.
    Rewind(Arc<Rewind>),
}

/// What becomes of a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Neither forward it nor hold it against anyone.
    Ignore,
    /// False whatever records one holds: hold it against whoever handed it over.
    Reject,
}

/// Why nothing was written. Nothing was changed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WriteError {
    /// The secret key is not held.
    #[error("the secret key of log {0} is not on this node")]
    NoKey(PublicKey),
    /// Neither the charter nor a governance log that is held knows this key.
    #[error("no record held here lets key {0} write; sync first, or delegate the desk")]
    Unknown(PublicKey),
    /// The bodies do not make a run.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// How things are with one peer, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerState {
    /// When a sync last ended with nothing left to want, Unix milliseconds.
    pub in_sync_ms: Option<u64>,
    /// What was refused or could not be verified at the last sync.
    pub waiting: Vec<String>,
    /// Whether a sync is under way.
    pub syncing: bool,
}

/// The state machine.
pub struct Replica {
    federation: Digest,
    standing: Standing,
    logs: BTreeMap<PublicKey, Log>,
    keys: BTreeMap<PublicKey, SecretKey>,
    branches: BTreeMap<PublicKey, Branches>,
    /// Peers whose last sync did not show what they claimed.
    unshown: BTreeSet<Peer>,
    peers: BTreeMap<Peer, PeerState>,
    due: BTreeMap<Peer, u64>,
    sessions: BTreeMap<Peer, Session>,
    announced: BTreeMap<PublicKey, Announcement>,
    /// Counts announcements and syncs, so that it can be told which came first.
    events: u64,
    begun: BTreeMap<Peer, u64>,
    policy: Policy,
    awaited: Awaited,
    /// Entries that peers say there are of logs over their quota.
    over: BTreeMap<PublicKey, u64>,
}

/// A checkpoint that was gossiped and whose entries have not come yet. Whoever forwarded it may not hold them itself.
struct Announcement {
    size: u64,
    /// A sync begun after this event may bring it.
    since: u64,
    /// Times every peer was asked in vain.
    rounds: u32,
}

impl Replica {
    /// A replica that holds the charter and nothing else.
    pub fn new(charter: Arc<Charter>) -> Replica {
        Replica::pinned(charter, None)
    }

    /// The same, where the operator chose between rival editions by the digest of one.
    pub fn pinned(charter: Arc<Charter>, pin: Option<Digest>) -> Replica {
        let federation = charter.id();
        let mut replica = Replica {
            federation,
            standing: Standing::new(charter, pin),
            logs: BTreeMap::new(),
            keys: BTreeMap::new(),
            branches: BTreeMap::new(),
            unshown: BTreeSet::new(),
            peers: BTreeMap::new(),
            due: BTreeMap::new(),
            sessions: BTreeMap::new(),
            announced: BTreeMap::new(),
            events: 0,
            begun: BTreeMap::new(),
            policy: Policy::default(),
            awaited: Awaited::default(),
            over: BTreeMap::new(),
        };
        for key in replica.standing.known() {
            replica.make_room(&key);
        }
        replica
    }

    /// Gives it a secret key of its own to write with.
    pub fn hold_key(&mut self, key: SecretKey) {
        self.keys.insert(key.public(), key);
    }

    /// Takes up an edition as the store kept it, before the logs and after the edition that it follows. It is verified again:
    /// behind damage a store may take a member's own words for an edition. What is refused here comes again by a sync.
    pub fn resume_edition(&mut self, wire: &schema::EditionNote) -> Result<(), EditionError> {
        let changed = self.standing.take_edition(Edition::from_wire(wire)?)?;
        changed.keys.iter().for_each(|key| self.make_room(key));
        Ok(())
    }

    /// Takes up a fork as the store kept it, before the logs. It was verified when it was taken; the audit verifies it again.
    pub fn resume_fork(&mut self, fork: Arc<Fork>) {
        self.standing.take_fork(fork);
    }

    /// Takes up a log as the store kept it; `governance` are kind and body of its entries, in order, where it is one.
    /// Governance logs come first. Where a crash came between a signature and the edition that it made valid, that is valid all
    /// the same: the signature is here.
    pub fn resume(&mut self, key: PublicKey, log: Log, governance: &[(u32, Vec<u8>)]) {
        self.logs.insert(key, log);
        for (index, (kind, body)) in (0u64..).zip(governance) {
            let changed = self.standing.on_governance(&key, index, *kind, body);
            changed.keys.iter().for_each(|key| self.make_room(key));
        }
    }

    /// What is still to be found once every log was taken up. What is known of branches by then is told to standing here.
    pub fn resumed(&mut self) -> Vec<Effect> {
        let (keys, mut effects): (Vec<PublicKey>, _) = (self.logs.keys().copied().collect(), Vec::new());
        keys.iter().for_each(|key| self.note_branch(key, &mut effects));
        effects.extend(keys.iter().flat_map(|key| self.roots_wanted(key)));
        effects
    }

    /// What is held, for a hello or a status.
    pub fn frontier(&self) -> Frontier {
        let known = self.standing.known();
        let forked = self.standing.forks().iter().filter(|(key, _)| known.contains(*key));
        let forks = forked.map(|(key, fork)| (*key, fork.at())).collect();
        let rows = known.into_iter().map(|key| (key, self.row(&key))).collect();
        Frontier { federation: self.federation, editions: self.standing.editions().valid(), rows, forks }
    }

    /// One log as far as it stands: what a cut covers, what is before a fork that none has settled, and of a log that no record
    /// admits (any more) nothing. Of a branch that the cut's root is not on stands what is proven to be in both.
    pub fn row(&self, key: &PublicKey) -> Row {
        let (contested, nothing) = (self.contested(key), (0, Compact::new().root()));
        let whole = |log: &Log| (log.size(), log.tree().root());
        let held = self.logs.get(key).filter(|log| log.open().is_some());
        let admission = held.and_then(|log| log.open()).map(|open| self.standing.admission(key, open));
        let (size, root) = match held.zip(admission) {
            None => nothing,
            Some((_, Admission::Refused)) => nothing,
            Some((log, Admission::Whole)) => match contested.filter(|fork| fork.at() < log.size()) {
                None => whole(log),
                Some(fork) => (fork.at(), log.root_at(fork.at()).unwrap_or(*fork.root())),
            },
            Some((log, Admission::Until(cut))) if log.size() < cut.size => whole(log),
            Some((log, Admission::Until(cut))) => {
                let is_on_branch = log.root_at(cut.size).is_none_or(|root| root == cut.root);
                let shared = || cut.shared(|size| log.root_at(size)).unwrap_or(nothing);
                if is_on_branch { (cut.size, cut.root) } else { shared() }
            }
        };
        Row { size, root, contested: contested.is_some() }
    }

    /// The fork of a log, unless a cut has settled it.
    fn contested(&self, key: &PublicKey) -> Option<&Arc<Fork>> {
        let fork = self.standing.forks().get(key)?;
        let admission = self.logs.get(key).and_then(Log::open).map(|open| self.standing.admission(key, open));
        let is_cut = match admission {
            Some(Admission::Until(_)) => true,
            Some(Admission::Whole) => false,
            Some(Admission::Refused) | None => self.standing.is_cut(key),
        };
        (!is_cut).then_some(fork)
    }

    /// Who may speak.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// A log, as held.
    pub fn log(&self, key: &PublicKey) -> Option<&Log> {
        self.logs.get(key)
    }

    /// Bodies that are wanted, over all logs.
    pub fn missing_bodies(&self) -> u64 {
        self.logs.values().map(|log| log.missing().len() as u64).sum()
    }

    /// How things are with every connected peer.
    pub fn peers(&self) -> &BTreeMap<Peer, PeerState> {
        &self.peers
    }

    /// The effects of one input, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input) -> Result<Vec<Effect>, WriteError> {
        let mut effects = Vec::new();
        match input {
            Input::Write { log, bodies } => self.on_write(now_ms, &log, &bodies, &mut effects)?,
            Input::Erase(erasures) => self.on_erase(erasures, &mut effects),
            Input::Submit(chunk) => {
                let run = self.verify(&chunk)?;
                self.speak(run, &mut effects);
            }
            Input::Gossip { from, id, bytes } => {
                let verdict = self.on_gossip(now_ms, &from, &bytes, &mut effects);
                if verdict == Verdict::Reject {
                    let fault = "gossiped what does not verify".to_owned();
                    effects.push(Effect::Penalize { peer: from.clone(), fault });
                }
                effects.push(Effect::Judge { id, from, verdict });
            }
            Input::Connected(peer) => {
                self.peers.entry(peer.clone()).or_default();
                self.begin(now_ms, &peer, &mut effects);
            }
            Input::Gone(peer) => {
                self.peers.remove(&peer);
                self.due.remove(&peer);
                self.begun.remove(&peer);
                self.sessions.remove(&peer);
                self.chase(now_ms, &mut effects);
            }
            Input::Told(peer, wire) => self.on_told(now_ms, &peer, &wire, &mut effects),
            Input::Answered(peer, message) => self.on_answer(now_ms, &peer, message, &mut effects),
            Input::Moving(peer) => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.since_ms = now_ms;
                }
            }
            Input::Ended(peer, why) => {
                self.on_ended(now_ms, &peer, why);
                self.chase(now_ms, &mut effects);
            }
            Input::Seen(look, sight) => self.on_seen(now_ms, look, &sight, &mut effects),
            Input::Tick => self.on_tick(now_ms, &mut effects),
        }
        Ok(effects)
    }

    // ------------------------------------------------------------------------------------------------ writing

    fn on_write(
        &mut self,
        now_ms: u64,
        key: &PublicKey,
        bodies: &[(u32, Vec<u8>)],
        effects: &mut Vec<Effect>,
    ) -> Result<(), WriteError> {
        let secret = self.keys.get(key).ok_or(WriteError::NoKey(*key))?;
        let log = self.room(key).ok_or(WriteError::Unknown(*key))?;
        let run = log.write(&self.federation, secret, bodies, now_ms)?;
        let (size, end) = (run.after().size(), self.end(key, &log));
        if size > end {
            return Err(WriteError::Run(RunError::Ended(end)));
        }
        if let Some(first) = run.leaves().first().filter(|leaf| leaf.entry.index() == 0) {
            let body = first.body.as_ref().filter(|_| first.entry.kind() == schema::Kind::Open as u32);
            let open = body.and_then(|body| Open::parse(&body.bytes));
            match open.map_or(Admission::Refused, |open| self.standing.admission(key, &open)) {
                Admission::Refused => return Err(WriteError::Run(RunError::Open)),
                Admission::Until(cut) if size > cut.size => return Err(WriteError::Run(RunError::Ended(cut.size))),
                Admission::Whole | Admission::Until(_) => {}
            }
        }
        self.speak(run, effects);
        Ok(())
    }

    /// Takes a run of an own log and announces it.
    fn speak(&mut self, run: Run, effects: &mut Vec<Effect>) {
        let before = self.room(run.log()).map(|log| log.tree().clone()).unwrap_or_default();
        let fresh = Fresh::new(&before, &run);
        let run = Arc::new(run);
        self.take(&run, effects);
        let checkpoint = &run.closing().checkpoint;
        if run.leaves().len() > limits::GOSSIP_BATCH_MAX {
            return effects.push(Effect::Announce(message::gossip_checkpoint(checkpoint)));
        }
        for leaf in run.leaves() {
            if let Some(path) = tree::inclusion(&fresh, leaf.entry.index(), checkpoint.size()) {
                effects.push(Effect::Announce(message::gossip_entry(leaf, checkpoint, &path)));
            }
        }
    }

    /// The one path by which a run becomes part of what is held, wherever it came from.
    fn take(&mut self, run: &Arc<Run>, effects: &mut Vec<Effect>) {
        let (run, gone) = self.forgo_of(run);
        let log = self.logs.entry(*run.log()).or_insert_with(|| Log::new(*run.log(), Purpose::Governance));
        log.extend(&run);
        for erasure in gone.iter().filter(|erasure| erasure.log == *run.log()) {
            log.forgo(erasure.index);
        }
        let purpose = log.purpose();
        effects.push(Effect::Keep(Record::Run(run.clone())));
        for leaf in run.leaves().iter().filter(|_| purpose == Purpose::Governance) {
            if let Some(body) = &leaf.body {
                let changed =
                    self.standing.on_governance(run.log(), leaf.entry.index(), leaf.entry.kind(), &body.bytes);
                self.follow(changed, effects);
            }
        }
        effects.extend(gone.into_iter().map(|erasure| Effect::Keep(Record::Erasure(erasure))));
    }

    /// What a change of standing leads to: rows for keys that became known, cuts to be looked into, editions to be kept.
    fn follow(&mut self, changed: Changed, effects: &mut Vec<Effect>) {
        for key in &changed.keys {
            self.make_room(key);
            effects.extend(self.roots_wanted(key));
            self.note_branch(key, effects);
        }
        effects.extend(changed.editions.into_iter().map(|edition| Effect::Keep(Record::Edition(edition))));
    }

    /// A row of size 0 for a key that became known.
    fn make_room(&mut self, key: &PublicKey) {
        let Some(purpose) = self.standing.purpose(key) else { return };
        let log = self.logs.entry(*key).or_insert_with(|| Log::new(*key, purpose));
        if log.size() == 0 && log.purpose() != purpose {
            *log = Log::new(*key, purpose);
        }
    }

    /// The questions whether a log that is longer than where it ends, by any line, is on the branch that ends there.
    fn roots_wanted(&self, key: &PublicKey) -> Vec<Effect> {
        let Some(log) = self.logs.get(key) else { return Vec::new() };
        let unknown = self.ends(key, log).into_iter().filter(|size| *size < log.size() && log.root_at(*size).is_none());
        unknown.map(|size| Effect::Look(Look::Root { log: *key, size })).collect()
    }

    /// Sizes at which a log may end: by the records that count, and by each line's cut, or where that is joined.
    fn ends(&self, key: &PublicKey, log: &Log) -> BTreeSet<u64> {
        let cuts = self.standing.cuts(key).flat_map(|cut| [cut.size].into_iter().chain(joined_at(cut)));
        cuts.chain([self.end(key, log)]).collect()
    }

    /// The log of a key as far as it is held, or room for one that an heir may begin.
    fn room(&self, key: &PublicKey) -> Option<Cow<'_, Log>> {
        self.logs.get(key).map(Cow::Borrowed).or_else(|| self.heir(key.as_bytes()).map(Cow::Owned))
    }

    /// The log, still empty, of a key that may take over from an identity key by rotation. It has no row before its entry 0 is
    /// here, because nobody else could know of the key.
    fn heir(&self, key: &[u8; 32]) -> Option<Log> {
        let awaited = self.standing.awaits(key).then(|| PublicKey::from_bytes(key).ok()).flatten();
        awaited.filter(|key| !self.logs.contains_key(key)).map(|key| Log::new(key, Purpose::Governance))
    }

    fn verify(&self, chunk: &schema::Chunk) -> Result<Run, RunError> {
        let key = PublicKey::from_bytes(&chunk.log).map_err(|_| RunError::Shape)?;
        let log = self.room(&key).ok_or(RunError::Open)?;
        let run = log.verify(&self.federation, chunk, |open| self.standing.admission(&key, open))?;
        let end = self.contested(&key).map_or(u64::MAX, |fork| fork.at());
        if run.after().size() > end { Err(RunError::Ended(end)) } else { Ok(run) }
    }

    /// Entries that a log has at most, as far as what is held tells.
    fn end(&self, key: &PublicKey, log: &Log) -> u64 {
        match log.open().map(|open| self.standing.admission(key, open)) {
            None | Some(Admission::Whole) => self.contested(key).map_or(u64::MAX, |fork| fork.at()),
            Some(Admission::Until(cut)) => cut.size,
            Some(Admission::Refused) => 0,
        }
    }

    // ------------------------------------------------------------------------------------------------- sync

    fn begin(&mut self, now_ms: u64, peer: &Peer, effects: &mut Vec<Effect>) {
        if self.sessions.contains_key(peer) || !self.peers.contains_key(peer) {
            return;
        }
        let hello = message::hello(&self.federation, &self.frontier().digest());
        self.sessions.insert(peer.clone(), Session::new(peer.clone(), now_ms));
        self.events += 1;
        self.begun.insert(peer.clone(), self.events);
        self.due.insert(peer.clone(), now_ms + SYNC_EVERY_MS);
        if let Some(state) = self.peers.get_mut(peer) {
            state.syncing = true;
        }
        effects.push(Effect::Open(peer.clone(), hello));
    }

    /// Notes that entries are there to be had up to a checkpoint, whoever has them; no more than are `allowed` are waited for.
    fn hear_of(&mut self, checkpoint: &SignedCheckpoint, allowed: u64) {
        let known = self.announced.get(checkpoint.log()).map_or(0, |known| known.size);
        let size = checkpoint.size().min(allowed);
        if size > known {
            self.events += 1;
            let announcement = Announcement { size, since: self.events, rounds: 0 };
            self.announced.insert(*checkpoint.log(), announcement);
        }
    }

    /// Begins a sync with a peer that was not asked since something was announced that has not come: at the end of a sync that
    /// did not bring it, every other peer in turn. Not two at once, and never for what came.
    fn chase(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let mut announced = std::mem::take(&mut self.announced);
        let is_due = |log: &Log, size: u64| log.size() < size.min(self.end(log.key(), log));
        announced.retain(|key, announced| self.logs.get(key).is_some_and(|log| is_due(log, announced.size)));
        self.announced = announced;
        if !self.sessions.is_empty() {
            return;
        }
        let Some(since) = self.announced.values().map(|announced| announced.since).max() else { return };
        let asked = |peer: &Peer| self.begun.get(peer).copied().unwrap_or(0);
        let next = self.peers.keys().filter(|peer| asked(peer) < since).max_by_key(|peer| asked(peer)).cloned();
        if let Some(peer) = next {
            self.begin(now_ms, &peer, effects);
        }
    }

    fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        // Those who had nothing a second ago may have it now.
        self.announced.retain(|_, announced| announced.rounds < CHASES_MAX);
        for announced in self.announced.values_mut() {
            self.events += 1;
            (announced.since, announced.rounds) = (self.events, announced.rounds + 1);
        }
        self.chase(now_ms, effects);
        let stale = |session: &&Session| session.since_ms + SYNC_STALE_MS < now_ms;
        let stale: Vec<Peer> = self.sessions.values().filter(stale).map(|session| session.peer.clone()).collect();
        for peer in stale {
            effects.push(Effect::Close(peer.clone()));
            self.on_ended(now_ms, &peer, "the peer stopped answering".to_owned());
        }
        let due: Vec<Peer> = self.due.iter().filter(|(_, at)| **at <= now_ms).map(|(peer, _)| peer.clone()).collect();
        for peer in due {
            self.begin(now_ms, &peer, effects);
        }
    }

    /// A caller's frontier shows whether it has what we lack.
    fn on_told(&mut self, now_ms: u64, peer: &Peer, wire: &schema::Frontier, effects: &mut Vec<Effect>) {
        let Some(theirs) = Claim::from_wire(wire) else { return };
        let is_longer = |(key, log): (&PublicKey, &Log)| {
            let until = self.end(key, log).min(self.allowance(key, log));
            theirs.row(key).is_some_and(|row| row.size.min(until) > log.size())
        };
        let is_heir = |key: &[u8; 32]| self.heir(key).is_some();
        let is_new = |digest: &Digest| self.standing.editions().edition(digest).is_none();
        let is_forked = |(key, at): (&[u8; 32], &u64)| self.fork_is_new(key, *at).is_some();
        let has_news = self.logs.iter().any(is_longer)
            || theirs.editions.iter().any(is_new)
            || theirs.rows.keys().any(is_heir)
            || theirs.forks.iter().any(is_forked);
        if has_news {
            self.begin(now_ms, peer, effects);
        }
    }

    fn settle(&mut self, now_ms: u64, session: &Session) {
        self.note_over(session);
        let ours = self.frontier();
        let Some(state) = self.peers.get_mut(&session.peer) else { return };
        state.syncing = false;
        let differs = |(key, row): (&[u8; 32], &Row)| match ours.rows.get(key) {
            None => Some(format!("{}: no record held here makes this key known", Digest(*key))),
            Some(own) if own.size == row.size && own.root != row.root => {
                Some(format!("{}: the peer has another root at size {}", Digest(*key), row.size))
            }
            Some(_) => None,
        };
        let rows = session.theirs.iter().flat_map(|theirs| &theirs.rows);
        state.waiting = session.refusals.iter().cloned().chain(rows.filter_map(differs)).take(REFUSALS_MAX).collect();
        if state.waiting.is_empty() {
            state.in_sync_ms = Some(now_ms);
        }
    }

    fn on_ended(&mut self, now_ms: u64, peer: &Peer, why: String) {
        if let Some(session) = self.sessions.remove(peer) {
            let wait = if matches!(session.stage, Stage::Hello) { SYNC_AGAIN_MS } else { SYNC_EVERY_MS };
            self.due.insert(peer.clone(), now_ms + wait);
            if let Some(state) = self.peers.get_mut(peer) {
                state.syncing = false;
                state.waiting = vec![why];
            }
        }
    }
}
