//! The story of one seed: what happens when, and how effects are performed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use proto::charter::Charter;
use proto::digest::Digest;
use proto::key::{PublicKey, SecretKey};
use proto::replica::{Effect, Input, Record, Replica, Verdict};
use proto::schema::sync_message::Message;
use proto::serve;
use proto::session::Peer;

use super::judge::Held;
use super::station::Station;
use super::wire::Stream;
use crate::world::{Parliament, Rng, charter, key, parliaments};

/// Simulated milliseconds of bad weather.
const STORM_MS: u64 = 60_000;
/// Simulated milliseconds of fair weather within which all must agree: a silent sync is given up after 60 seconds.
const FAIR_MS: u64 = 600_000;
/// Nodes that run; the other members of a large federation have none.
const STATIONS_MAX: usize = 5;

pub enum Event {
    Tick,
    Publish(usize),
    Draft(usize),
    Sign(usize),
    Backup(usize),
    Restore(usize, bool),
    Steal(usize),
    Settle(usize),
    Crash(usize),
    Restart(usize),
    Part,
    Heal,
    Gossip { to: usize, from: usize, bytes: Vec<u8> },
    Question { stream: u64, message: Message },
    Serve { stream: u64 },
    Answer { stream: u64, message: Message },
    Broken { stream: u64 },
}

pub struct Storm {
    pub rng: Rng,
    pub gossip_on: bool,
    pub fair: bool,
    /// Whether keys are stolen and operators careless in this story.
    pub is_rough: bool,
    pub now_ms: u64,
    pub charter: Arc<Charter>,
    /// Every member with its keys, those without a node included.
    pub members: Vec<Parliament>,
    pub stations: Vec<Station>,
    events: BTreeMap<(u64, u64), Event>,
    pub sequence: u64,
    pub streams: BTreeMap<u64, Stream>,
    /// Pairs whose line is cut; the second says whether they noticed.
    pub parted: BTreeMap<(usize, usize), bool>,
    /// Whatever was kept or spoken anywhere, ever, of logs that only their owner writes.
    pub seen: BTreeMap<(PublicKey, u64), Digest>,
    /// Keys that others than their owner write with.
    pub tainted: BTreeSet<PublicKey>,
    /// Codes of signers who sign whatever there is.
    pub doubles: BTreeSet<String>,
    /// Who signed by letter, on which edition.
    pub letters: BTreeSet<(&'static str, Digest)>,
    /// What members have cut to settle a fork or a theft, and at which node.
    pub protected: Vec<(usize, proto::body::Cut)>,
    /// What somebody still held when the weather cleared.
    pub held: Held,
    /// How many old copies came back.
    pub restored: u64,
    next_key: u64,
    writing: Option<usize>,
}

pub fn name(station: usize) -> Peer {
    format!("{station}").into()
}

impl Storm {
    pub fn new(seed: u64) -> Storm {
        let mut rng = Rng::new(seed);
        let count = match rng.below(500) {
            0 => 100 + rng.below(101),
            1..=10 => 6 + rng.below(15),
            _ => [2, 2, 3, 3, 4, 5][rng.below(6) as usize],
        };
        let members = parliaments(count as usize);
        let charter = charter(&members);
        let running = members.len().min(STATIONS_MAX);
        let stations = members[..running].iter().cloned().map(Station::new).collect();
        let (gossip_on, is_rough) = (rng.chance(50), rng.chance(60));
        // As many as the rules bear, now and then more.
        let bound = if rng.chance(10) {
            count
        } else if count == 3 {
            0
        } else {
            count / 3
        };
        let twice = rng.below(bound + 1) as usize;
        let doubles = members.iter().take(twice).map(|one| one.code.to_owned()).collect();
        Storm {
            rng,
            gossip_on,
            fair: false,
            is_rough,
            now_ms: 0,
            charter,
            members,
            stations,
            events: BTreeMap::new(),
            sequence: 0,
            streams: BTreeMap::new(),
            parted: BTreeMap::new(),
            seen: BTreeMap::new(),
            tainted: BTreeSet::new(),
            doubles,
            letters: BTreeSet::new(),
            protected: Vec::new(),
            held: Held::default(),
            restored: 0,
            next_key: 100_000,
            writing: None,
        }
    }

    /// Tells it, and gives what it was about.
    pub fn tell(mut self) -> BTreeSet<&'static str> {
        let count = self.stations.len();
        (0..count).for_each(|at| self.restart(at));
        (0..count).for_each(|at| self.foretell(at));
        for _ in 0..self.rng.below(3) {
            let when = self.rng.below(STORM_MS - 30_000);
            self.schedule(when, Event::Part);
            let pause = self.rng.below(30_000);
            self.schedule(when + pause, Event::Heal);
        }
        self.schedule(0, Event::Tick);
        self.run_until(STORM_MS);
        self.clear();
        let end = self.now_ms + FAIR_MS;
        loop {
            let next = self.now_ms + 5_000;
            self.run_until(next);
            if self.is_settled() && self.agrees() {
                break;
            }
            assert!(self.now_ms < end, "no agreement after {FAIR_MS} ms of fair weather: {}", self.describe());
        }
        self.judge();
        self.about()
    }

    /// What will become of a station in the storm.
    fn foretell(&mut self, at: usize) {
        for _ in 0..1 + self.rng.below(4) {
            self.some_time(STORM_MS, Event::Publish(at));
        }
        if self.rng.chance(40) {
            self.some_time(STORM_MS - 20_000, Event::Crash(at));
            self.some_time(STORM_MS, Event::Restart(at));
        }
        if self.rng.chance(30) {
            self.some_time(STORM_MS, Event::Draft(at));
        }
        for _ in 0..self.rng.below(3) {
            self.some_time(STORM_MS, Event::Sign(at));
        }
        if self.rng.chance(30) {
            self.some_time(STORM_MS / 2, Event::Backup(at));
            let machine = self.rng.chance(40);
            self.some_time(STORM_MS, Event::Restore(at, machine));
        }
        if self.is_rough && self.rng.chance(40) {
            self.some_time(STORM_MS, Event::Steal(at));
        }
    }

    /// The weather is fair, and thieves are gone.
    fn clear(&mut self) {
        self.fair = true;
        for at in 0..self.stations.len() {
            if self.stations[at].is_thief {
                self.crash(at);
            }
        }
        self.heal();
        let honest: Vec<usize> = self.honest().collect();
        honest.iter().for_each(|at| self.restart(*at));
        self.held = self.what_is_held();
        for at in &honest {
            // Somebody has something to say once more, so that even the quietest story is about something.
            self.schedule(1, Event::Publish(*at));
            self.some_time(30_000, Event::Sign(*at));
            if self.rng.chance(20) {
                self.stations[*at].stolen.clear(); // nobody there ever notices
            }
            self.schedule(40_000, Event::Settle(*at));
        }
    }

    fn some_time(&mut self, within_ms: u64, event: Event) {
        let when = self.rng.below(within_ms);
        self.schedule(when, event);
    }

    fn run_until(&mut self, end_ms: u64) {
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end_ms) {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = at_ms;
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    pub fn schedule(&mut self, in_ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now_ms + in_ms, self.sequence), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => {
                for at in 0..self.stations.len() {
                    self.input(at, Input::Tick);
                    self.end_doubt(at);
                }
                self.schedule(1_000, Event::Tick);
            }
            Event::Publish(at) => self.publish(at),
            Event::Draft(at) => self.draft(at),
            Event::Sign(at) => self.sign(at),
            Event::Backup(at) => {
                let station = &mut self.stations[at];
                station.backup = Some((station.memory.clone(), station.marks.clone()));
            }
            Event::Restore(at, machine) => self.restore(at, machine),
            Event::Steal(at) => self.steal(at),
            Event::Settle(at) => {
                if !self.settle(at) {
                    self.schedule(20_000, Event::Settle(at));
                }
            }
            Event::Crash(at) => self.crash(at),
            Event::Restart(at) => self.restart(at),
            Event::Part => self.part(),
            Event::Heal => self.heal(),
            Event::Gossip { to, from, bytes } => self.on_gossip(to, from, bytes),
            Event::Question { stream, message } => self.on_question(stream, message),
            Event::Serve { stream } => self.serve(stream),
            Event::Answer { stream, message } => self.on_answer(stream, message),
            Event::Broken { stream } => self.on_broken(stream),
        }
    }

    // ----------------------------------------------------------------------------------------------- stations

    /// Stations whose owner runs them.
    pub fn honest(&self) -> impl Iterator<Item = usize> {
        (0..self.stations.len()).filter(|at| !self.stations[*at].is_thief)
    }

    pub fn fresh(&mut self) -> SecretKey {
        self.next_key += 1;
        key(self.next_key)
    }

    pub fn write(&mut self, at: usize, log: PublicKey, bodies: Vec<(u32, Vec<u8>)>) {
        let now_ms = self.now_ms;
        let Some(replica) = &mut self.stations[at].replica else { return };
        match replica.handle(now_ms, Input::Write { log, bodies }) {
            Ok(effects) => {
                self.writing = Some(at);
                self.perform(at, effects, None);
                self.writing = None;
            }
            Err(error) => {
                let is_over =
                    replica.row(&log).contested || replica.cut(&log).is_some() || !replica.standing().knows(&log);
                assert!(is_over, "{at} may not write {log}: {error}");
            }
        }
    }

    pub fn crash(&mut self, at: usize) {
        self.stations[at].replica = None;
        let lines = self.streams.iter().filter(|(_, line)| line.caller == at || line.called == at);
        for stream in lines.map(|(stream, _)| *stream).collect::<Vec<_>>() {
            if self.streams[&stream].caller == at {
                self.streams.remove(&stream);
            } else {
                self.schedule(0, Event::Broken { stream });
            }
        }
        for other in 0..self.stations.len() {
            self.input(other, Input::Gone(name(at)));
        }
    }

    pub fn restart(&mut self, at: usize) {
        let station = &mut self.stations[at];
        if station.replica.is_some() || (station.is_thief && self.fair) {
            return;
        }
        station.replica = Some(station.memory.restart(&self.charter, &station.keys));
        for other in 0..self.stations.len() {
            if other != at && self.stations[other].replica.is_some() && !self.is_parted(at, other) {
                self.meet(at, other);
            }
        }
    }

    pub fn meet(&mut self, one: usize, other: usize) {
        self.input(one, Input::Connected(name(other)));
        self.input(other, Input::Connected(name(one)));
    }

    pub fn input(&mut self, at: usize, input: Input) {
        self.on_input(at, input, None);
    }

    pub fn on_input(&mut self, at: usize, input: Input, stream: Option<u64>) {
        let now_ms = self.now_ms;
        let Some(replica) = &mut self.stations[at].replica else { return };
        let effects = replica.handle(now_ms, input).unwrap();
        self.perform(at, effects, stream);
    }

    /// Performs effects in order. In a storm a node may crash between any two of them.
    fn perform(&mut self, at: usize, effects: Vec<Effect>, stream: Option<u64>) {
        for effect in effects {
            if !self.fair && self.rng.below(2_000) == 0 {
                self.crash(at);
                let pause = 1_000 + self.rng.below(10_000);
                return self.schedule(pause, Event::Restart(at));
            }
            match effect {
                Effect::Keep(record) => self.keep(at, &record),
                Effect::Look(look) => {
                    let seen = self.stations[at].memory.seen(look);
                    self.on_input(at, seen, stream);
                }
                Effect::Announce(bytes) => self.announce(at, &bytes),
                Effect::Judge { verdict, .. } => assert_ne!(verdict, Verdict::Reject, "honest gossip is true"),
                Effect::Open(peer, message) => {
                    let called = peer.parse().unwrap();
                    self.sequence += 1;
                    let (stream, (asked, range)) = (self.sequence, (VecDeque::new(), None));
                    let noted = serve::Asked::default();
                    let since_ms = self.now_ms;
                    let line = Stream { caller: at, called, since_ms, asked, noted, range, there_ms: 0, back_ms: 0 };
                    // One line at a time from one to the other: a new one replaces what the caller has given up.
                    self.streams.retain(|_, old| (old.caller, old.called) != (at, called));
                    self.streams.insert(stream, line);
                    self.ask(stream, message);
                }
                Effect::Ask(peer, message) => {
                    let called: usize = peer.parse().unwrap();
                    let open = self.streams.iter().find(|(_, line)| (line.caller, line.called) == (at, called));
                    let open = stream.or(open.map(|(stream, _)| *stream)).unwrap();
                    self.ask(open, message);
                }
                Effect::Close(peer) => {
                    let called: usize = peer.parse().unwrap();
                    let ours = |line: &&Stream| (line.caller, line.called) == (at, called);
                    let since_ms = self.streams.values().find(ours).map_or(0, |line| line.since_ms);
                    self.streams.retain(|_, line| (line.caller, line.called) != (at, called));
                    if let Some(doubt) = &mut self.stations[at].doubt {
                        doubt.hear(called, since_ms);
                    }
                }
                Effect::Penalize { peer, fault } => panic!("{at} names honest {peer}: {fault}"),
            }
        }
    }

    fn keep(&mut self, at: usize, record: &Record) {
        self.stations[at].memory.keep(record);
        let Record::Run(run) = record else { return };
        if !self.tainted.contains(run.log()) {
            for leaf in run.leaves() {
                let (log, index, digest) = (*run.log(), leaf.entry.index(), leaf.entry.digest());
                let first = *self.seen.entry((log, index)).or_insert(digest);
                let is_honest = self.tainted.contains(&log) || first == digest;
                assert!(is_honest, "index {index} of {log} is used twice");
            }
        }
        if self.writing == Some(at) {
            let (size, root) = (run.after().size(), run.after().root());
            self.stations[at].marks.insert(*run.log(), (size, root));
        }
    }

    /// Forgets entries that were on a disk alone that is gone: nobody can tell that their places are used again.
    pub fn forget(&mut self) {
        let stations = &self.stations;
        let is_on = |log: &PublicKey, index: u64| {
            let has =
                |station: &Station| station.memory.logs.get(log).is_some_and(|kept| kept.leaves.len() as u64 > index);
            stations.iter().any(has)
        };
        self.seen.retain(|(log, index), _| is_on(log, *index));
    }

    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.honest().map(|at| self.stations[at].replica.as_ref().unwrap())
    }
}
