//! Random histories of governance, each delivered in random orders: what a replica makes of records depends on the set alone.
//!
//! A history has members who delegate and revoke desks, rotate keys, draft and sign editions (some sign two on one predecessor),
//! and thieves of old keys who write on after a cut. Eight replicas hear every entry by gossip, each in an order of its own, then
//! sync with each other. `COMITY_HISTORIES=N` tells N of them; the seed of a failing one is printed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proto::body::{Cut, Open, Purpose, delegation, draft, draft_signature, revocation};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::entry::Entry;
use proto::key::{PublicKey, SecretKey};
use proto::log::{Fresh, Log};
use proto::member::{Member, key_name};
use proto::message;
use proto::note::Note;
use proto::schema::Kind;
use proto::tree::{self, Compact};

use crate::tales::Tale;
use crate::world::{Node, Rng, SALT, charter, key, parliaments, summary, sync};

const HISTORIES: u64 = 40;
const REPLICAS: usize = 8;
const STEPS: u64 = 40;

#[test]
fn every_order_of_the_same_records_comes_to_the_same() {
    let histories = std::env::var("COMITY_HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(HISTORIES);
    let next = std::sync::atomic::AtomicU64::new(0);
    let tell = || {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if seed >= histories {
                return;
            }
            let story = std::panic::catch_unwind(|| deliver(seed));
            story.unwrap_or_else(|_| panic!("the history of seed {seed} ends badly"));
        }
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| (0..workers).for_each(|_| drop(scope.spawn(tell))));
}

#[test]
fn the_histories_hold_what_they_are_for() {
    // A test of orders proves nothing if nothing happens in the histories.
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for seed in 0..HISTORIES {
        let history = History::new(seed);
        let mut nodes = history.replicas(1, seed);
        let standing = nodes.remove(0).replica.standing().clone();
        let chains = || standing.lines().iter().flat_map(|line| line.chains().values());
        let mut note = |what, is: bool| *seen.entry(what).or_default() += u64::from(is);
        note("an edition", standing.editions().valid().len() > 1);
        note("rivals", standing.lines().len() > 1);
        note("a rotation", chains().any(|chain| chain.links().iter().any(|link| !link.listed)));
        note("a cut identity key", chains().any(|chain| chain.links().iter().any(|link| link.cut.is_some())));
        note("a cut desk", chains().any(|chain| chain.desks().values().any(|desk| desk.cut.is_some())));
        note("a removal", standing.codes().iter().any(|code| !standing.is_member(code)));
        note("a draft that nobody finished", !standing.editions().drafts().is_empty());
    }
    println!("of {HISTORIES} histories: {seen:?}");
    assert!(seen.values().all(|count| *count >= 2), "{seen:?}");
}

/// All orders of one history.
fn deliver(seed: u64) {
    let history = History::new(seed);
    let mut nodes = history.replicas(REPLICAS, seed);
    for _ in 0..2 {
        for caller in 0..nodes.len() {
            for called in (0..nodes.len()).filter(|called| *called != caller) {
                let [caller, called] = nodes.get_disjoint_mut([caller, called]).unwrap();
                sync(caller, called);
            }
        }
    }
    let first = nodes[0].replica.frontier();
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(node.replica.frontier(), first, "replica {at} differs from replica 0");
        let codes = |node: &Node| -> Vec<(String, Option<PublicKey>)> {
            let standing = node.replica.standing();
            standing.codes().iter().map(|code| ((*code).to_owned(), standing.identity_key(code))).collect()
        };
        assert_eq!(codes(node), codes(&nodes[0]));
        let again = node.memory.restart(&history.charter, &[]);
        assert_eq!(again.frontier(), first, "replica {at} after a restart");
    }
}

/// One log as its author, or a thief of its key, wrote it.
struct Written {
    secret: SecretKey,
    bodies: Vec<(u32, Vec<u8>)>,
    digests: Vec<Digest>,
}

/// One identity key of a member and the desks that it delegated.
struct Voice {
    code: String,
    identity: SecretKey,
    /// The key that it has committed to.
    successor: SecretKey,
    desks: Vec<SecretKey>,
}

struct History {
    rng: Rng,
    charter: Arc<Charter>,
    logs: BTreeMap<PublicKey, Written>,
    voices: Vec<Voice>,
    editions: Vec<Edition>,
    next_key: u64,
}

impl History {
    fn new(seed: u64) -> History {
        let mut rng = Rng::new(seed);
        let members = parliaments(3 + rng.below(3) as usize);
        let charter = charter(&members);
        let voice = |one: &crate::world::Parliament| Voice {
            code: one.code.to_owned(),
            identity: one.identity.clone(),
            successor: one.successor.clone(),
            desks: Vec::new(),
        };
        let voices = members.iter().map(voice).collect();
        let editions = vec![Edition::from(&*charter)];
        let mut history = History { rng, charter, logs: BTreeMap::new(), voices, editions, next_key: 10_000 };
        for one in &members {
            history.write(&one.identity, one.governance_open());
        }
        for _ in 0..STEPS {
            history.step();
        }
        history
    }

    fn fresh_key(&mut self) -> SecretKey {
        self.next_key += 1;
        key(self.next_key)
    }

    fn write(&mut self, secret: &SecretKey, (kind, body): (u32, Vec<u8>)) {
        let fresh = || Written { secret: secret.clone(), bodies: Vec::new(), digests: Vec::new() };
        let log = self.logs.entry(secret.public()).or_insert_with(fresh);
        let entry = Entry::new(secret.public(), log.bodies.len() as u64, 0, kind, &body);
        log.digests.push(entry.digest());
        log.bodies.push((kind, body));
    }

    /// A cut of a log, mostly at its end.
    fn cut(&mut self, log: &PublicKey) -> Cut {
        let digests = self.logs.get(log).map_or(&[][..], |log| &log.digests);
        let head = digests.len() as u64;
        let size = if self.rng.chance(60) { head } else { self.rng.below(head + 1) };
        let mut tree = Compact::new();
        digests[..size as usize].iter().for_each(|digest| tree.push(*digest, |_, _, _| {}));
        Cut::new(*log, size, tree.root())
    }

    fn step(&mut self) {
        let at = self.rng.below(self.voices.len() as u64) as usize;
        let (code, identity) = (self.voices[at].code.clone(), self.voices[at].identity.clone());
        match self.rng.below(16) {
            0..=2 => {
                let desk = self.fresh_key();
                self.write(&identity, (Kind::Delegate as u32, delegation(&desk.public(), "Library", SALT)));
                let open = Open {
                    purpose: Purpose::Publication,
                    member: code,
                    identity_key: identity.public(),
                    successor_digest: None,
                    predecessor: None,
                };
                self.write(&desk, (Kind::Open as u32, open.to_body(SALT)));
                self.voices[at].desks.push(desk);
            }
            3 | 4 => {
                if let Some(desk) = self.any_desk() {
                    let text = self.rng.next().to_string();
                    self.write(&desk, summary(&text));
                }
            }
            5 | 6 => {
                // Often a desk of one's own, sometimes another's.
                if let Some(desk) = self.any_desk() {
                    let cut = self.cut(&desk.public());
                    self.write(&identity, (Kind::Revoke as u32, revocation(&cut, "has left", SALT)));
                }
            }
            7 => self.rotate(at),
            8..=11 => self.draft(&identity),
            _ => self.sign(at),
        }
    }

    fn any_desk(&mut self) -> Option<SecretKey> {
        let desks: Vec<&SecretKey> = self.voices.iter().flat_map(|voice| &voice.desks).collect();
        let at = self.rng.below(desks.len().max(1) as u64) as usize;
        desks.get(at).map(|desk| (*desk).clone())
    }

    /// The successor takes over; whoever has the old key may write on.
    fn rotate(&mut self, at: usize) {
        let (code, old, new) = {
            let voice = &self.voices[at];
            (voice.code.clone(), voice.identity.clone(), voice.successor.clone())
        };
        let next = self.fresh_key();
        if self.logs.contains_key(&new.public()) {
            return;
        }
        let open = Open {
            purpose: Purpose::Governance,
            member: code.clone(),
            identity_key: new.public(),
            successor_digest: Some(Digest::of(next.public().as_bytes())),
            predecessor: Some(self.cut(&old.public())),
        };
        self.write(&new, (Kind::Open as u32, open.to_body(SALT)));
        self.voices.push(Voice { code, identity: new, successor: next, desks: Vec::new() });
    }

    /// A change to the list of any edition there is, valid or not.
    fn draft(&mut self, identity: &SecretKey) {
        let before = self.rng.below(self.editions.len() as u64) as usize;
        // Most follow the newest: else hardly one would ever be valid.
        let before = if self.rng.chance(70) { self.editions.len() - 1 } else { before };
        self.draft_after(identity, before);
        // Some signers sign a rival too.
        if self.rng.chance(25) {
            self.draft_after(identity, before);
        }
    }

    fn draft_after(&mut self, identity: &SecretKey, before: usize) {
        let mut members: Vec<Member> = self.editions[before].members().to_vec();
        let mut cuts = Vec::new();
        let at = self.rng.below(members.len() as u64) as usize;
        match self.rng.below(7) {
            0 => {
                let (new, next) = (self.fresh_key(), self.fresh_key());
                let code = format!("ZZ-{}", self.next_key % 1_000);
                members.push(Member {
                    code: code.clone(),
                    signer: self.rng.chance(50),
                    identity_key: new.public(),
                    successor_digest: Digest::of(next.public().as_bytes()),
                    name: "A new parliament".to_owned(),
                });
                self.begin(&code, &new, &next, None);
            }
            1 | 5 | 6 if members.len() > 1 => {
                let removed = members.remove(at);
                cuts = self.cuts_of(&removed.code);
            }
            2 => {
                let (new, next) = (self.fresh_key(), self.fresh_key());
                cuts = self.cuts_of(&members[at].code);
                members[at].identity_key = new.public();
                members[at].successor_digest = Digest::of(next.public().as_bytes());
                let code = members[at].code.clone();
                self.begin(&code, &new, &next, None);
            }
            3 => {
                // The key that was committed to, where anybody has it.
                let digest = members[at].successor_digest;
                let known = self.voices.iter().map(|voice| voice.successor.clone());
                let Some(new) = known.into_iter().find(|key| Digest::of(key.public().as_bytes()) == digest) else {
                    return;
                };
                let next = self.fresh_key();
                let old = members[at].identity_key;
                members[at].identity_key = new.public();
                members[at].successor_digest = Digest::of(next.public().as_bytes());
                let (code, cut) = (members[at].code.clone(), self.cut(&old));
                self.begin(&code, &new, &next, Some(cut));
            }
            _ => members[at].name = format!("Name {}", self.rng.below(1_000)),
        }
        let text = Edition::write(&self.editions[before], "Trial federation", members, cuts);
        let Ok(edition) = Edition::draft(&text) else { return };
        self.write(identity, (Kind::Draft as u32, draft(&text, SALT)));
        self.editions.push(edition);
        // Often enough of them sign at once that something comes of it.
        if self.rng.chance(60) {
            for at in 0..self.voices.len() {
                if self.rng.chance(93) {
                    self.sign_newest(at);
                }
            }
        }
    }

    fn cuts_of(&mut self, code: &str) -> Vec<Cut> {
        let voices = self.voices.iter().filter(|voice| voice.code == code);
        let keys: Vec<PublicKey> =
            voices.flat_map(|voice| voice.desks.iter().chain([&voice.identity])).map(SecretKey::public).collect();
        let named: Vec<PublicKey> = keys.into_iter().filter(|_| self.rng.chance(60)).collect();
        let mut cuts: Vec<Cut> = named.iter().map(|key| self.cut(key)).collect();
        cuts.sort_by_key(|cut| cut.log);
        cuts.dedup_by_key(|cut| cut.log);
        cuts
    }

    fn begin(&mut self, code: &str, new: &SecretKey, next: &SecretKey, predecessor: Option<Cut>) {
        if self.logs.contains_key(&new.public()) {
            return;
        }
        let open = Open {
            purpose: Purpose::Governance,
            member: code.to_owned(),
            identity_key: new.public(),
            successor_digest: Some(Digest::of(next.public().as_bytes())),
            predecessor,
        };
        self.write(new, (Kind::Open as u32, open.to_body(SALT)));
        let (identity, successor) = (new.clone(), next.clone());
        self.voices.push(Voice { code: code.to_owned(), identity, successor, desks: Vec::new() });
    }

    fn sign(&mut self, at: usize) {
        let edition = self.rng.below(self.editions.len() as u64) as usize;
        self.sign_draft(at, edition);
    }

    fn sign_newest(&mut self, at: usize) {
        self.sign_draft(at, self.editions.len() - 1);
    }

    fn sign_draft(&mut self, at: usize, edition: usize) {
        let (text, digest) = (self.editions[edition].text().to_owned(), self.editions[edition].digest());
        if edition == 0 {
            return;
        }
        let voice = &self.voices[at];
        let before = self.editions.iter().find(|before| Some(&before.digest()) == self.editions[edition].before());
        let member = before.and_then(|before| before.member(&voice.code));
        let is_listed = member.is_some_and(|member| member.identity_key == voice.identity.public());
        let key = if is_listed && self.rng.chance(20) { voice.successor.clone() } else { voice.identity.clone() };
        let as_successor = !is_listed || key.public() != voice.identity.public();
        let line = Note::new(&text).unwrap().sign(&key_name(&voice.code), &key);
        let public = key.public();
        let body = draft_signature(&digest, &line, as_successor.then_some(&public), SALT);
        // Whoever carries it.
        let carrier = self.rng.below(self.voices.len() as u64) as usize;
        let carrier = self.voices[if self.rng.chance(80) { at } else { carrier }].identity.clone();
        self.write(&carrier, (Kind::DraftSignature as u32, body));
    }

    /// Every entry as it would be gossiped by an author who signs all at once.
    fn gossip(&self) -> Vec<Vec<u8>> {
        let federation = self.charter.id();
        let mut messages = Vec::new();
        for (public, written) in &self.logs {
            let log = Log::new(*public, Purpose::Publication);
            let run = log.write(&federation, &written.secret, &written.bodies, 0).unwrap();
            let (checkpoint, fresh) = (&run.closing().checkpoint, Fresh::new(&Compact::new(), &run));
            for leaf in run.leaves() {
                let path = tree::inclusion(&fresh, leaf.entry.index(), checkpoint.size()).unwrap();
                messages.push(message::gossip_entry(leaf, checkpoint, &path));
            }
        }
        messages
    }

    /// Replicas that heard every entry, each in an order of its own, until nothing more was taken.
    fn replicas(&self, count: usize, seed: u64) -> Vec<Node> {
        let messages = self.gossip();
        let mut rng = Rng::new(seed ^ 0x5eed);
        (0..count)
            .map(|_| {
                let mut node = Node::new(&self.charter, &[]);
                let mut order: Vec<&Vec<u8>> = messages.iter().collect();
                loop {
                    rng.shuffle(&mut order);
                    let before = (node.replica.frontier(), node.memory.logs.values().map(|log| log.leaves.len()).sum());
                    for message in &order {
                        let (_, named) = node.hear(message);
                        assert!(!named, "every entry is true");
                    }
                    let after: (_, usize) =
                        (node.replica.frontier(), node.memory.logs.values().map(|log| log.leaves.len()).sum());
                    if before == after {
                        return node;
                    }
                }
            })
            .collect()
    }
}

/// The records of one history, all of them held. In every third some keys have signed another branch as well; where editions
/// rival, some operators have pinned one.
pub fn tale(seed: u64) -> Tale {
    let mut history = History::new(seed);
    let mut tale = Tale::chartered(&format!("the history of seed {seed}"), 1);
    tale.charter = history.charter.clone();
    for written in history.logs.values() {
        written.bodies.iter().for_each(|said| tale.write(&written.secret, said.clone()));
    }
    for written in history.logs.values().filter(|_| seed.is_multiple_of(3)) {
        let size = written.bodies.len() as u64;
        for _ in 0..history.rng.below(3).saturating_sub(1) * (1 + history.rng.below(2)) {
            // Entry 0 is often the only one, and seldom signed twice.
            let at = history.rng.below(size) as usize;
            if at > 0 || history.rng.chance(20) {
                let other = if at == 0 { vec![salted(&written.bodies[0])] } else { vec![summary("on another branch")] };
                tale.fork(&written.secret, at, &other);
                if history.rng.chance(40) {
                    tale.replace(&written.secret, at, other);
                    break;
                }
            }
        }
    }
    if history.rng.chance(30) {
        let at = history.rng.below(history.editions.len() as u64) as usize;
        tale.pin = Some(history.editions[at].digest());
    }
    tale
}

/// The same entry 0 with another salt.
fn salted((kind, body): &(u32, Vec<u8>)) -> (u32, Vec<u8>) {
    let salted = Open::parse(body).unwrap().to_body([9; 16]);
    (*kind, salted)
}
