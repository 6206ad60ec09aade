//! A federation in bad weather, whole and in one thread: parliaments publish, gossip is lost, late, reordered and doubled,
//! lines break or fall silent, partitions come and heal, nodes crash between two effects and restart from what they kept.
//!
//! One seed is one story, and the failing one is printed. `COMITY_SEEDS=N` tells N of them. What must hold:
//! - once the weather is fair, all replicas come to the same frontier, gossip or no gossip;
//! - no index of a log is ever used twice, whoever spoke or kept it;
//! - nothing that was ever kept anywhere is lost, and no body stays away;
//! - no honest node is ever named as a liar.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use prost::Message as _;
use proto::body::{Cut, revocation};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::key::{PublicKey, SecretKey};
use proto::log::Log;
use proto::message;
use proto::replica::{Effect, Input, Record, Replica, Verdict};
use proto::schema::sync_message::Message;
use proto::schema::{Kind, Want};
use proto::serve::{self, Answer};
use proto::session::Peer;
use proto::tree;

use crate::world::{Memory, Node, Parliament, Rng, SALT, charter, delegates, founded, key, parliaments, summary, sync};

const SEEDS: u64 = 200;
/// Simulated milliseconds of bad weather.
const STORM_MS: u64 = 60_000;
/// Simulated milliseconds of fair weather within which all must agree: a silent sync is given up after 60 seconds.
const FAIR_MS: u64 = 240_000;

#[test]
fn all_replicas_agree_after_every_storm() {
    let seeds = std::env::var("COMITY_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let next = std::sync::atomic::AtomicU64::new(0);
    let tell = || {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= seeds {
                return;
            }
            let story = std::panic::catch_unwind(|| Storm::new(seed).tell());
            story.unwrap_or_else(|_| panic!("the story of seed {seed} ends badly"));
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(tell))));
}

/// One parliament's node. `replica` is gone while it is down; `memory` never is.
struct Station {
    parliament: Parliament,
    /// The desk in use, and how many there were.
    desk: SecretKey,
    desks: u64,
    replica: Option<Replica>,
    memory: Memory,
}

/// A stream of one sync. What the caller asks waits here until the called answers it, in order.
struct Stream {
    caller: usize,
    called: usize,
    asked: VecDeque<Message>,
    noted: serve::Asked,
    range: Option<(Want, u64)>,
    /// When the last message of each direction arrives: streams keep their order.
    there_ms: u64,
    back_ms: u64,
}

enum Event {
    Tick,
    Publish(usize),
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

struct Storm {
    rng: Rng,
    gossip_on: bool,
    fair: bool,
    now_ms: u64,
    charter: Arc<Charter>,
    stations: Vec<Station>,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    streams: BTreeMap<u64, Stream>,
    /// Pairs whose line is cut; the second says whether they noticed.
    parted: BTreeMap<(usize, usize), bool>,
    /// Whatever was kept or spoken anywhere, ever.
    seen: BTreeMap<(PublicKey, u64), Digest>,
}

fn name(station: usize) -> Peer {
    format!("{station}").into()
}

impl Storm {
    fn new(seed: u64) -> Storm {
        let mut rng = Rng::new(seed);
        let members = parliaments([2, 2, 2, 3, 3, 4][rng.below(6) as usize]);
        let charter = charter(&members);
        let station = |parliament: Parliament| Station {
            desk: parliament.desk.clone(),
            desks: 0,
            replica: None,
            memory: Memory::default(),
            parliament,
        };
        let stations = members.into_iter().map(station).collect();
        let (events, streams, parted) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let seen = BTreeMap::new();
        let gossip_on = rng.chance(50);
        let (now_ms, sequence, fair) = (0, 0, false);
        Storm { rng, gossip_on, fair, now_ms, charter, stations, events, sequence, streams, parted, seen }
    }

    fn tell(mut self) {
        let count = self.stations.len();
        (0..count).for_each(|at| self.restart(at));
        for at in 0..count {
            for _ in 0..1 + self.rng.below(3) {
                let when = self.rng.below(STORM_MS);
                self.schedule(when, Event::Publish(at));
            }
            if self.rng.chance(50) {
                let when = self.rng.below(STORM_MS - 20_000);
                self.schedule(when, Event::Crash(at));
                let pause = 1_000 + self.rng.below(15_000);
                self.schedule(when + pause, Event::Restart(at));
            }
        }
        for _ in 0..self.rng.below(3) {
            let when = self.rng.below(STORM_MS - 30_000);
            self.schedule(when, Event::Part);
            let pause = self.rng.below(30_000);
            self.schedule(when + pause, Event::Heal);
        }
        self.schedule(0, Event::Tick);
        self.run_until(STORM_MS);

        self.fair = true;
        self.heal();
        (0..count).for_each(|at| self.restart(at));
        // Somebody has something to say once more, so that even the quietest story is about something.
        let speaker = self.rng.below(count as u64) as usize;
        self.schedule(1, Event::Publish(speaker));
        self.schedule(1_000, Event::Tick);
        let end = self.now_ms + FAIR_MS;
        loop {
            let next = self.now_ms + 5_000;
            self.run_until(next);
            if self.agrees() {
                break;
            }
            assert!(self.now_ms < end, "no agreement after {FAIR_MS} ms of fair weather: {}", self.describe());
        }
        self.judge();
    }

    fn run_until(&mut self, end_ms: u64) {
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end_ms) {
            let ((at_ms, _), event) = entry.remove_entry();
            self.now_ms = at_ms;
            self.happen(event);
        }
        self.now_ms = end_ms;
    }

    fn schedule(&mut self, in_ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now_ms + in_ms, self.sequence), event);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick => {
                (0..self.stations.len()).for_each(|at| self.input(at, Input::Tick));
                self.schedule(1_000, Event::Tick);
            }
            Event::Publish(at) => self.publish(at),
            Event::Crash(at) => self.crash(at),
            Event::Restart(at) => self.restart(at),
            Event::Part => self.part(),
            Event::Heal => self.heal(),
            Event::Gossip { to, from, bytes } => {
                if !self.is_parted(to, from) {
                    let id = self.sequence;
                    self.input(to, Input::Gossip { from: name(from), id, bytes });
                }
            }
            Event::Question { stream, message } => self.on_question(stream, message),
            Event::Serve { stream } => self.serve(stream),
            Event::Answer { stream, message } => {
                let Some(line) = self.streams.get(&stream) else { return };
                let (caller, called) = (line.caller, line.called);
                if self.is_parted(caller, called) {
                    return self.lose(stream);
                }
                self.on_input(caller, Input::Answered(name(called), message), Some(stream));
            }
            Event::Broken { stream } => {
                if let Some(line) = self.streams.remove(&stream) {
                    self.input(line.caller, Input::Ended(name(line.called), "the line broke".to_owned()));
                }
            }
        }
    }

    // ----------------------------------------------------------------------------------------------- stations

    /// A parliament does the next thing it has to do.
    fn publish(&mut self, at: usize) {
        let station = &self.stations[at];
        let Some(replica) = &station.replica else { return };
        let size = |key: &PublicKey| replica.log(key).map_or(0, Log::size);
        let (identity, desk) = (station.parliament.identity.public(), station.desk.public());
        if size(&identity) == 0 {
            let bodies = vec![station.parliament.governance_open(), delegates(&station.desk)];
            self.write(at, identity, bodies);
            return self.publish(at);
        }
        if size(&desk) == 0 {
            let bodies = vec![station.parliament.desk_open()];
            return self.write(at, desk, bodies);
        }
        if station.desks < 2 && self.rng.chance(15) {
            return self.replace_desk(at);
        }
        let count = if self.rng.chance(10) { 17 + self.rng.below(8) } else { 1 + self.rng.below(2) };
        let mut bodies: Vec<_> = (0..count).map(|_| summary(&format!("text {}", self.rng.next()))).collect();
        if self.rng.chance(10) {
            // Too long for gossip: its body follows by sync.
            bodies[0] = (Kind::LawSummary as u32, self.rng.bytes(70_000));
        }
        self.write(at, desk, bodies);
    }

    /// The desk is cut where it stands, and another opens.
    fn replace_desk(&mut self, at: usize) {
        let station = &mut self.stations[at];
        let tree = station.replica.as_ref().unwrap().log(&station.desk.public()).unwrap().tree();
        let cut = Cut { log: station.desk.public(), size: tree.size(), root: tree.root() };
        station.desks += 1;
        let (parliament, next) = (&station.parliament, key(1_000 + at as u64 * 10 + station.desks));
        let identity = parliament.identity.public();
        let revoke = (Kind::Revoke as u32, revocation(&cut, "a new librarian", SALT));
        let bodies = vec![revoke, delegates(&next)];
        station.desk = next.clone();
        station.replica.as_mut().unwrap().hold_key(next);
        self.write(at, identity, bodies);
    }

    fn write(&mut self, at: usize, log: PublicKey, bodies: Vec<(u32, Vec<u8>)>) {
        let now_ms = self.now_ms;
        let Some(replica) = &mut self.stations[at].replica else { return };
        let effects = replica.handle(now_ms, Input::Write { log, bodies }).unwrap();
        self.perform(at, effects, None);
    }

    fn crash(&mut self, at: usize) {
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

    fn restart(&mut self, at: usize) {
        let station = &mut self.stations[at];
        if station.replica.is_some() {
            return;
        }
        let keys = [station.parliament.identity.clone(), station.parliament.desk.clone(), station.desk.clone()];
        station.replica = Some(station.memory.restart(&self.charter, &keys));
        // Where the crash came between the delegation and its being kept, the desk in use is still the one before.
        let known = |desk: &SecretKey| station.replica.as_ref().unwrap().standing().knows(&desk.public());
        if station.desks > 0 && !known(&station.desk) {
            station.desks -= 1;
            station.desk = match station.desks {
                0 => station.parliament.desk.clone(),
                earlier => key(1_000 + at as u64 * 10 + earlier),
            };
            let desk = station.desk.clone();
            station.replica.as_mut().unwrap().hold_key(desk);
        }
        for other in 0..self.stations.len() {
            if other != at && self.stations[other].replica.is_some() && !self.is_parted(at, other) {
                self.meet(at, other);
            }
        }
    }

    fn meet(&mut self, one: usize, other: usize) {
        self.input(one, Input::Connected(name(other)));
        self.input(other, Input::Connected(name(one)));
    }

    fn input(&mut self, at: usize, input: Input) {
        self.on_input(at, input, None);
    }

    fn on_input(&mut self, at: usize, input: Input, stream: Option<u64>) {
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
                    let line = Stream { caller: at, called, asked, noted, range, there_ms: 0, back_ms: 0 };
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
                    self.streams.retain(|_, line| (line.caller, line.called) != (at, called));
                }
                Effect::Penalize { peer, fault } => panic!("{at} names honest {peer}: {fault}"),
            }
        }
    }

    fn keep(&mut self, at: usize, record: &Record) {
        if let Record::Run(run) = record {
            run.leaves().iter().for_each(|leaf| self.see(run.log(), leaf.entry.index(), leaf.entry.digest()));
        }
        self.stations[at].memory.keep(record);
    }

    fn see(&mut self, log: &PublicKey, index: u64, digest: Digest) {
        let first = *self.seen.entry((*log, index)).or_insert(digest);
        assert_eq!(first, digest, "index {index} of {log} is used twice");
    }

    // ------------------------------------------------------------------------------------------------ the wire

    fn announce(&mut self, from: usize, bytes: &[u8]) {
        if !self.gossip_on {
            return;
        }
        for to in (0..self.stations.len()).filter(|to| *to != from) {
            let copies = if self.fair { 1 } else { [0, 0, 1, 1, 2][self.rng.below(5) as usize] };
            for _ in 0..copies {
                let delay = self.rng.below(4_000);
                self.schedule(delay, Event::Gossip { to, from, bytes: bytes.to_vec() });
            }
        }
    }

    fn ask(&mut self, stream: u64, message: Message) {
        let message = message::decode(&message::encode(message)).unwrap();
        let delay = 5 + self.rng.below(300);
        let Some(line) = self.streams.get_mut(&stream) else { return };
        line.there_ms = line.there_ms.max(self.now_ms + delay);
        let in_ms = line.there_ms - self.now_ms;
        self.schedule(in_ms, Event::Question { stream, message });
    }

    /// A message that cannot get through takes its line with it, which the caller notices at once or not at all.
    fn lose(&mut self, stream: u64) {
        if self.rng.chance(50) {
            self.schedule(0, Event::Broken { stream });
        } else {
            self.streams.remove(&stream);
        }
    }

    fn on_question(&mut self, stream: u64, message: Message) {
        let Some(line) = self.streams.get(&stream) else { return };
        let (caller, called) = (line.caller, line.called);
        let fails = !self.fair && self.rng.chance(2);
        if fails || self.is_parted(caller, called) || self.stations[called].replica.is_none() {
            return self.lose(stream);
        }
        if let Message::Frontier(frontier) = &message {
            self.input(called, Input::Told(name(caller), frontier.clone()));
        }
        let Some(line) = self.streams.get_mut(&stream) else { return };
        line.noted.note(&message).expect("an honest caller asks for nothing twice");
        line.asked.push_back(message);
        if line.asked.len() == 1 && line.range.is_none() {
            self.serve(stream);
        }
    }

    /// Gives the next answer on a stream, a chunk at a time, from what the called node has kept.
    fn serve(&mut self, stream: u64) {
        let Some(line) = self.streams.get_mut(&stream) else { return };
        let station = &self.stations[line.called];
        let Some(replica) = &station.replica else { return self.lose(stream) };
        let answer = match &line.range {
            Some((want, from)) => {
                let from = *from;
                let to = want.to;
                // A slow line takes a few entries at a time; whoever cannot part a run gives it whole.
                let few = from + 1 + self.rng.below(12);
                let few = if self.rng.chance(30) { to.min(few) } else { to };
                let mut message = serve::chunk(&station.memory, &Want { to: few, ..want.clone() }, from).unwrap();
                if matches!(message, Message::Refusal(_)) {
                    message = serve::chunk(&station.memory, want, from).unwrap();
                }
                line.range = match &message {
                    Message::Chunk(chunk) => {
                        let end = from + chunk.leaves.len() as u64;
                        (end < to.min(chunk.total)).then(|| (want.clone(), end))
                    }
                    _ => None,
                };
                Some(message)
            }
            None => match line.asked.pop_front() {
                None => return,
                Some(asked) => match serve::answer(&station.memory, &replica.frontier(), asked).unwrap() {
                    Answer::One(message) => Some(message),
                    Answer::Range(want) => {
                        let from = want.from;
                        line.range = Some((want, from));
                        None
                    }
                    Answer::Broken(why) => panic!("an honest caller asked what breaks the protocol: {why}"),
                },
            },
        };
        if let Some(message) = answer {
            let message = message::decode(&message::encode(message)).unwrap();
            line.back_ms = line.back_ms.max(self.now_ms + 5 + self.rng.below(300));
            let in_ms = line.back_ms - self.now_ms;
            self.schedule(in_ms, Event::Answer { stream, message });
        }
        let more = self.streams.get(&stream).is_some_and(|line| line.range.is_some() || !line.asked.is_empty());
        if more {
            self.schedule(1, Event::Serve { stream });
        }
    }

    // ---------------------------------------------------------------------------------------------- partitions

    fn is_parted(&self, one: usize, other: usize) -> bool {
        self.parted.contains_key(&(one.min(other), one.max(other)))
    }

    /// The stations fall into two halves; some pairs notice, some only hear nothing any more.
    fn part(&mut self) {
        let halves: Vec<bool> = self.stations.iter().map(|_| self.rng.chance(50)).collect();
        for one in 0..halves.len() {
            for other in one + 1..halves.len() {
                if halves[one] == halves[other] || self.is_parted(one, other) {
                    continue;
                }
                let noticed = self.rng.chance(50);
                self.parted.insert((one, other), noticed);
                if noticed {
                    self.input(one, Input::Gone(name(other)));
                    self.input(other, Input::Gone(name(one)));
                }
            }
        }
    }

    fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.parted).into_keys() {
            if self.stations[one].replica.is_some() && self.stations[other].replica.is_some() {
                self.meet(one, other);
            }
        }
    }

    // ------------------------------------------------------------------------------------------------ the end

    fn agrees(&self) -> bool {
        let digests: BTreeSet<Digest> = self.replicas().map(|replica| replica.frontier().digest()).collect();
        digests.len() == 1 && self.replicas().all(|replica| replica.missing_bodies() == 0)
    }

    fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.stations.iter().map(|station| station.replica.as_ref().unwrap())
    }

    fn describe(&self) -> String {
        let one = |replica: &Replica| {
            let sizes: Vec<u64> = replica.frontier().rows.values().map(|row| row.size).collect();
            format!("{sizes:?}, {} bodies missing, {:?}", replica.missing_bodies(), replica.peers())
        };
        self.replicas().map(one).collect::<Vec<_>>().join("\n")
    }

    /// Everything that was ever kept anywhere is everywhere, with its body, and survives one more restart.
    fn judge(&self) {
        for station in &self.stations {
            for ((log, index), digest) in &self.seen {
                let leaf = &station.memory.logs[log].leaves[*index as usize];
                assert_eq!(leaf.entry.digest(), *digest);
                assert!(leaf.body.is_some(), "the body of entry {index} of {log} was lost");
            }
            let again = station.memory.restart(&self.charter, &[]);
            assert_eq!(again.frontier(), station.replica.as_ref().unwrap().frontier());
        }
        let kept: usize = self.stations[0].memory.logs.values().map(|kept| kept.leaves.len()).sum();
        assert_eq!(kept, self.seen.len(), "and nothing else is");
    }
}

#[test]
fn the_same_records_in_any_order_make_the_same_frontier() {
    let (charter, members, mut nodes) = founded(3);
    for round in 0..3 {
        for (node, member) in nodes.iter_mut().zip(&members) {
            node.write(&member.desk, &[summary(&format!("round {round}")), summary("and one more")]).unwrap();
        }
    }
    let mut announcements = Vec::new();
    for node in &nodes {
        for kept in node.memory.logs.values() {
            for leaf in &kept.leaves {
                let size = kept.leaves.len() as u64;
                let path = tree::inclusion(&kept.forest, leaf.entry.index(), size).unwrap();
                announcements.push(message::gossip_entry(leaf, &kept.closing.checkpoint, &path));
            }
        }
    }
    let mut digests = BTreeSet::new();
    for seed in 0..20 {
        let mut newcomer = Node::new(&charter, &[]);
        let mut rng = Rng::new(seed);
        // What comes too early is ignored or waits for its turn; it is told again until there is nothing new.
        loop {
            let before = newcomer.replica.frontier();
            rng.shuffle(&mut announcements);
            announcements.iter().for_each(|bytes| assert!(!newcomer.hear(bytes).1));
            if newcomer.replica.frontier() == before {
                break;
            }
        }
        digests.insert(newcomer.replica.frontier().digest());
        assert_eq!(newcomer.replica.frontier().entries(), announcements.len() as u64);
    }
    assert_eq!(digests.len(), 1);

    // And by sync, whoever is called first.
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let mut newcomer = Node::new(&charter, &[]);
        order.iter().for_each(|at| sync(&mut newcomer, &nodes[*at]));
        assert!(digests.contains(&newcomer.replica.frontier().digest()));
        let wire = newcomer.replica.frontier().to_wire();
        assert!(wire.encoded_len() < 1024);
    }
}

#[test]
fn a_member_switched_off_for_good_takes_nothing_with_it() {
    let (charter, members, mut nodes) = founded(3);
    nodes[0].write(&members[0].desk, &[summary("the last we heard")]).unwrap();
    let mut mirror = Node::new(&charter, &[]);
    nodes.iter().for_each(|node| sync(&mut mirror, node));
    let frontier = mirror.replica.frontier();
    drop(nodes);

    let mut newcomer = Node::new(&charter, &[]);
    sync(&mut newcomer, &mirror);
    assert_eq!(newcomer.replica.frontier(), frontier);
    assert_eq!(newcomer.replica.missing_bodies(), 0);
}
