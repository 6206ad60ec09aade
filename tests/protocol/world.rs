//! What the tests share: a small federation from fixed seeds, an archive in memory, and a random source that repeats itself.
//!
//! Nothing here checks anything but its own footing; the stories do.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use proto::archive::{Archive, Head, StoredLeaf};
use proto::body::{Cut, Open, Purpose};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::erasure::Erasure;
use proto::fork::Fork;
use proto::key::{PublicKey, SecretKey};
use proto::log::{Closing, Leaf, Log};
use proto::look::Look;
use proto::member::Member;
use proto::replica::{Effect, Input, Record, Replica, Verdict, WriteError};
use proto::rewind::Rewind;
use proto::schema::sync_message::Message;
use proto::schema::{self, Kind};
use proto::serve::{self, Answer};
use proto::session::Peer;
use proto::tree::{Compact, Hashes};

/// Splitmix64: small, and the same on every machine, so that a seed is the whole story of a failure.
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Rng {
        Rng(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The key of a number: what a test calls "key 7" is the same key in every run.
pub fn key(number: u64) -> SecretKey {
    SecretKey::from_seed(Digest::of(format!("test key {number}").as_bytes()).as_bytes())
}

/// The salt that fixed bodies carry.
pub const SALT: [u8; 16] = *b"sixteen of salt.";

/// A member with its secret keys.
#[derive(Clone)]
pub struct Parliament {
    pub code: &'static str,
    pub identity: SecretKey,
    pub successor: SecretKey,
    pub desk: SecretKey,
}

const CODES: [(&str, &str); 5] = [
    ("FI", "Parliament of Finland"),
    ("KE-LC01", "National Assembly of Kenya"),
    ("UY-UC01", "Senate of Uruguay"),
    ("JP-LC01", "House of Representatives of Japan"),
    ("INT-IPU", "Inter-Parliamentary Union"),
];

/// The first `count` parliaments of the tests; beyond those that have a name there are as many as one likes.
pub fn parliaments(count: usize) -> Vec<Parliament> {
    let code = |at: usize| -> &'static str {
        match CODES.get(at) {
            Some((code, _)) => code,
            // Few tests have so many, and each process only once.
            None => Box::leak(format!("AA-{at}").into_boxed_str()),
        }
    };
    let made = (0..count).map(|at| (at as u64, code(at)));
    made.map(|(at, code)| Parliament {
        code,
        identity: key(at * 10),
        successor: key(at * 10 + 1),
        desk: key(at * 10 + 2),
    })
    .collect()
}

/// The charter they sign; the IPU is an observer.
pub fn unsigned_charter(parliaments: &[Parliament]) -> Charter {
    let member = |one: &Parliament| Member {
        code: one.code.to_owned(),
        signer: one.code != "INT-IPU",
        identity_key: one.identity.public(),
        successor_digest: Digest::of(one.successor.public().as_bytes()),
        name: CODES.iter().find(|(code, _)| *code == one.code).map_or(one.code, |(_, name)| name).to_owned(),
    };
    Charter::draft("Trial federation", parliaments.iter().map(member).collect()).unwrap()
}

/// The charter, signed by all and verified from its bytes.
pub fn charter(parliaments: &[Parliament]) -> Arc<Charter> {
    let mut charter = unsigned_charter(parliaments);
    for one in parliaments {
        charter.sign(one.code, &one.identity).unwrap();
    }
    Arc::new(Charter::verify(&charter.to_bytes()).unwrap())
}

impl Parliament {
    /// Entry 0 of its governance log.
    pub fn governance_open(&self) -> (u32, Vec<u8>) {
        let open = Open {
            purpose: Purpose::Governance,
            member: self.code.to_owned(),
            identity_key: self.identity.public(),
            successor_digest: Some(Digest::of(self.successor.public().as_bytes())),
            predecessor: None,
        };
        (Kind::Open as u32, open.to_body(SALT))
    }

    /// Entry 0 of any of its desks' logs.
    pub fn desk_open(&self) -> (u32, Vec<u8>) {
        let open = Open {
            purpose: Purpose::Publication,
            member: self.code.to_owned(),
            identity_key: self.identity.public(),
            successor_digest: None,
            predecessor: None,
        };
        (Kind::Open as u32, open.to_body(SALT))
    }
}

/// A delegation as an entry of a governance log.
pub fn delegates(desk: &SecretKey) -> (u32, Vec<u8>) {
    (Kind::Delegate as u32, proto::body::delegation(&desk.public(), "Library", SALT))
}

/// The revocation of a desk at what `node` holds of its log.
pub fn revokes(node: &Node, desk: &SecretKey) -> (u32, Vec<u8>) {
    let tree = node.replica.log(&desk.public()).unwrap().tree().clone();
    let cut = Cut::new(desk.public(), tree.size(), tree.root());
    (Kind::Revoke as u32, proto::body::revocation(&cut, "the librarian has left", SALT))
}

/// A law summary's body; what it says does not matter to a receiver.
pub fn summary(text: &str) -> (u32, Vec<u8>) {
    (Kind::LawSummary as u32, format!("{text}, salted with sixteen bytes or more").into_bytes())
}

/// The question for entries of a log, of whatever branch.
pub fn want(log: &PublicKey, from: u64, to: u64) -> schema::Want {
    schema::Want { log: log.as_bytes().to_vec(), from, to, root: Vec::new() }
}

/// Every hash of a tree, as a store has them.
#[derive(Clone, Default)]
pub struct Forest {
    pub compact: Compact,
    hashes: BTreeMap<(u8, u64), Digest>,
}

impl Forest {
    pub fn over(leaves: &[Digest]) -> Forest {
        let mut forest = Forest::default();
        leaves.iter().for_each(|leaf| forest.push(*leaf));
        forest
    }

    pub fn push(&mut self, leaf: Digest) {
        let hashes = &mut self.hashes;
        self.compact.push(leaf, |level, index, hash| {
            hashes.insert((level, index), hash);
        });
    }
}

impl Hashes for Forest {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        self.hashes.get(&(level, index)).copied()
    }
}

/// What one node has made durable.
#[derive(Clone, Default)]
pub struct Memory {
    pub editions: Vec<Arc<Edition>>,
    pub logs: BTreeMap<PublicKey, Kept>,
    pub erased: BTreeMap<(PublicKey, u64), Erasure>,
    pub forks: BTreeMap<PublicKey, Arc<Fork>>,
    /// What was set aside, by log.
    pub aside: BTreeMap<PublicKey, Vec<Leaf>>,
}

/// One log of it.
#[derive(Clone)]
pub struct Kept {
    pub leaves: Vec<Leaf>,
    pub closing: Closing,
    pub forest: Forest,
}

impl Memory {
    /// Keeps a record. A run must continue exactly what is kept: a store has no other place for it.
    pub fn keep(&mut self, record: &Record) {
        match record {
            Record::Run(run) => {
                let closing = run.closing().clone();
                let fresh = || Kept { leaves: Vec::new(), closing: closing.clone(), forest: Forest::default() };
                let kept = self.logs.entry(*run.log()).or_insert_with(fresh);
                assert_eq!(run.from(), kept.leaves.len() as u64, "a run leaves no gap and repeats nothing");
                for leaf in run.leaves() {
                    kept.forest.push(leaf.entry.digest());
                    kept.leaves.push(leaf.clone());
                }
                assert_eq!(kept.forest.compact, *run.after());
                kept.closing = closing;
            }
            Record::Body { log, index, body } => {
                let leaf = &mut self.logs.get_mut(log).unwrap().leaves[*index as usize];
                assert!(leaf.body.is_none(), "a body is kept once");
                leaf.body = Some(body.clone());
            }
            Record::Erasure(erasure) => {
                let kept = self.logs.get_mut(&erasure.log);
                let leaf = kept.and_then(|kept| kept.leaves.get_mut(erasure.index as usize));
                if let Some(leaf) = leaf.filter(|leaf| erasure.means(&leaf.entry)) {
                    leaf.body = None;
                    self.erased.insert((erasure.log, erasure.index), erasure.clone());
                }
            }
            Record::Edition(edition) => self.editions.push(edition.clone()),
            Record::Fork(fork) => {
                self.forks.insert(*fork.log(), fork.clone());
            }
            Record::Rewind(rewind) => self.rewind(rewind),
        }
    }

    fn rewind(&mut self, rewind: &Rewind) {
        let (log, at) = (rewind.cut.log, rewind.at as usize);
        let kept = self.logs.get_mut(&log).unwrap();
        let hashes: Vec<Digest> = kept.leaves[..at].iter().map(|leaf| leaf.entry.digest()).collect();
        kept.forest = Forest::over(&hashes);
        rewind.verify(&kept.forest.compact.root()).unwrap();
        self.aside.entry(log).or_default().extend(kept.leaves.drain(at..));
        match &rewind.closing {
            Some(closing) => kept.closing = closing.clone(),
            None => drop(self.logs.remove(&log)),
        }
    }

    /// A replica from nothing but what was kept.
    pub fn restart(&self, charter: &Arc<Charter>, keys: &[SecretKey]) -> Replica {
        let mut replica = Replica::new(charter.clone());
        self.refill(&mut replica);
        keys.iter().for_each(|key| replica.hold_key(key.clone()));
        replica
    }

    /// Gives an empty replica what was kept.
    pub fn refill(&self, replica: &mut Replica) {
        for edition in &self.editions {
            replica.resume_edition(&edition.to_wire()).unwrap();
        }
        self.forks.values().for_each(|fork| replica.resume_fork(fork.clone()));
        let (governance, publication): (Vec<_>, Vec<_>) =
            self.logs.iter().partition(|(_, kept)| kept.open().purpose == Purpose::Governance);
        for (key, kept) in governance.into_iter().chain(publication) {
            let acts: Vec<(u32, Vec<u8>)> = match kept.open().purpose {
                Purpose::Governance => kept.leaves.iter().map(kind_and_body).collect(),
                Purpose::Publication => Vec::new(),
            };
            let is_wanted =
                |leaf: &&Leaf| leaf.body.is_none() && !self.erased.contains_key(&(*key, leaf.entry.index()));
            let missing = kept.leaves.iter().filter(is_wanted);
            let missing = missing.map(|leaf| (leaf.entry.index(), leaf.entry.clone())).collect();
            let body_bytes = kept.leaves.iter().map(|leaf| u64::from(leaf.entry.body_size())).sum();
            let (tree, closing) = (kept.forest.compact.clone(), kept.closing.clone());
            let log = Log::resume(*key, kept.open(), tree, closing, missing, body_bytes);
            replica.resume(*key, log, &acts);
        }
        for effect in replica.resumed() {
            let Effect::Look(look) = effect else { panic!("resuming led to {effect:?}") };
            replica.handle(0, self.seen(look)).unwrap();
        }
        for leaf in self.logs.values().flat_map(|kept| &kept.leaves) {
            if let Some(body) = &leaf.body {
                replica.resume_withdrawal(&leaf.entry, &body.bytes);
            }
        }
    }

    /// The answer to a replica's own question.
    pub fn seen(&self, look: Look) -> Input {
        Input::Seen(look, look.at(self).unwrap())
    }
}

fn kind_and_body(leaf: &Leaf) -> (u32, Vec<u8>) {
    (leaf.entry.kind(), leaf.body.clone().unwrap().bytes)
}

impl Kept {
    pub fn open(&self) -> Open {
        Open::parse(&self.leaves[0].body.as_ref().unwrap().bytes).unwrap()
    }
}

/// The hashes of a log that may not be there.
pub struct Borrowed<'a>(Option<&'a Forest>);

impl Hashes for Borrowed<'_> {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        self.0?.hash(level, index)
    }
}

impl Archive for Memory {
    type Error = std::convert::Infallible;
    type Hashes<'a> = Borrowed<'a>;

    fn head(&self, log: &PublicKey) -> Result<Option<Head>, Self::Error> {
        Ok(self.logs.get(log).map(|kept| Head {
            purpose: kept.open().purpose,
            size: kept.leaves.len() as u64,
            closing: kept.closing.clone(),
        }))
    }

    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, Self::Error> {
        let leaf = self.logs.get(log).and_then(|kept| kept.leaves.get(index as usize));
        Ok(leaf.map(|leaf| (leaf.entry.as_bytes().to_vec(), leaf.body.as_ref().map(|body| body.frame.clone()))))
    }

    fn fork(&self, log: &PublicKey) -> Result<Option<Arc<Fork>>, Self::Error> {
        Ok(self.forks.get(log).cloned())
    }

    fn hashes<'a>(&'a self, log: &PublicKey) -> Borrowed<'a> {
        Borrowed(self.logs.get(log).map(|kept| &kept.forest))
    }
}

/// A node without a network: a replica, and the memory its effects are kept in before anything else happens.
pub struct Node {
    pub replica: Replica,
    pub memory: Memory,
}

impl Node {
    pub fn new(charter: &Arc<Charter>, keys: &[SecretKey]) -> Node {
        let memory = Memory::default();
        Node { replica: memory.restart(charter, keys), memory }
    }

    /// What follows an input, but for the records, which are kept.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Effect>, WriteError> {
        let mut rest = Vec::new();
        for effect in self.replica.handle(0, input)? {
            match effect {
                Effect::Keep(record) => self.memory.keep(&record),
                Effect::Look(look) => rest.extend(self.handle(self.memory.seen(look))?),
                other => rest.push(other),
            }
        }
        Ok(rest)
    }

    /// Publishes and gives the announcements.
    pub fn write(&mut self, log: &SecretKey, bodies: &[(u32, Vec<u8>)]) -> Result<Vec<Vec<u8>>, WriteError> {
        let effects = self.handle(Input::Write { log: log.public(), bodies: bodies.to_vec() })?;
        let announced = |effect| match effect {
            Effect::Announce(bytes) => bytes,
            other => panic!("writing led to {other:?}"),
        };
        Ok(effects.into_iter().map(announced).collect())
    }

    /// Hears gossip and judges it; the second says whether whoever handed it over was named.
    pub fn hear(&mut self, bytes: &[u8]) -> (Verdict, bool) {
        let effects = self.handle(Input::Gossip { from: "neighbor".into(), id: 1, bytes: bytes.to_vec() }).unwrap();
        let named = effects.iter().any(|effect| matches!(effect, Effect::Penalize { .. }));
        let judged = effects.iter().find_map(|effect| match effect {
            Effect::Judge { verdict, .. } => Some(*verdict),
            _ => None,
        });
        (judged.unwrap(), named)
    }

    /// Everything it answers to one question.
    pub fn answers(&self, asked: Message) -> Vec<Message> {
        match serve::answer(&self.memory, &self.replica.frontier(), asked).unwrap() {
            Answer::One(message) => vec![message],
            Answer::Broken(why) => panic!("an honest caller asked what breaks the protocol: {why}"),
            Answer::Range(want) => {
                let mut from = want.from;
                let mut answers = Vec::new();
                loop {
                    let message = serve::chunk(&self.memory, &want, from).unwrap();
                    let (end, total) = match &message {
                        Message::Chunk(chunk) => (chunk.from + chunk.leaves.len() as u64, chunk.total),
                        _ => (u64::MAX, 0),
                    };
                    answers.push(message);
                    from = end;
                    if from >= want.to.min(total) {
                        return answers;
                    }
                }
            }
        }
    }

    pub fn size(&self, key: &SecretKey) -> u64 {
        self.replica.log(&key.public()).map_or(0, Log::size)
    }
}

/// One whole sync of a caller with a peer whose answers pass through `line`. Gives the faults the caller names.
pub fn sync_over(caller: &mut Node, called: &Node, mut line: impl FnMut(Message) -> Vec<Message>) -> Vec<String> {
    let peer: Peer = "called".into();
    caller.handle(Input::Gone(peer.clone())).unwrap();
    let mut effects: VecDeque<Effect> = caller.handle(Input::Connected(peer.clone())).unwrap().into();
    let mut faults = Vec::new();
    let mut steps = 0;
    let mut noted = serve::Asked::default();
    while let Some(effect) = effects.pop_front() {
        match effect {
            Effect::Open(_, asked) | Effect::Ask(_, asked) => {
                noted.note(&asked).expect("an honest caller asks for nothing twice");
                for answer in called.answers(asked).into_iter().flat_map(&mut line) {
                    steps += 1;
                    assert!(steps < 10_000, "a sync comes to an end");
                    effects.extend(caller.handle(Input::Answered(peer.clone(), answer)).unwrap());
                }
            }
            Effect::Penalize { fault, .. } => faults.push(fault),
            Effect::Close(_) | Effect::Announce(_) => {}
            other => panic!("a sync led to {other:?}"),
        }
    }
    assert!(!caller.replica.peers()[&peer].syncing, "a sync ends in a state");
    faults
}

/// One whole sync with an honest peer.
pub fn sync(caller: &mut Node, called: &Node) {
    let faults = sync_over(caller, called, |message| vec![message]);
    assert_eq!(faults, Vec::<String>::new(), "an honest peer is never named");
}

/// Founders' nodes, each with its governance log and library open, none of which has met another.
pub fn founded(count: usize) -> (Arc<Charter>, Vec<Parliament>, Vec<Node>) {
    let members = parliaments(count);
    let charter = charter(&members);
    let nodes = members.iter().map(|one| {
        let mut node = Node::new(&charter, &[one.identity.clone(), one.desk.clone()]);
        node.write(&one.identity, &[one.governance_open(), delegates(&one.desk)]).unwrap();
        node.write(&one.desk, &[one.desk_open()]).unwrap();
        node
    });
    let nodes = nodes.collect();
    (charter, members, nodes)
}
