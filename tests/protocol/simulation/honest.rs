//! What an honest parliament does: publishes with its desk, replaces it, keeps to the fence when an old copy comes back, and settles what
//! others wrote with its keys.

use std::collections::BTreeSet;

use proto::body::{Cut, Open, Purpose, revocation};
use proto::digest::Digest;
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::schema::Kind;
use proto::tree::{self, Compact};

use super::station::Doubt;
use super::storm::{Event, Storm};
use crate::world::{Forest, SALT, delegates, summary};

impl Storm {
    /// A parliament does the next thing it has to do.
    pub fn publish(&mut self, at: usize) {
        let station = &self.stations[at];
        let Some(replica) = &station.replica else { return };
        if station.is_thief {
            return self.plunder(at);
        }
        let parliament = &station.parliament;
        let (code, identity, desk) = (parliament.code, parliament.identity.clone(), parliament.desk.clone());
        if station.doubt.is_some() || replica.standing().identity_key(code) != Some(identity.public()) {
            return;
        }
        if station.size(&identity) == 0 {
            let bodies = vec![parliament.governance_open(), delegates(&desk)];
            self.write(at, identity.public(), bodies);
            return self.publish(at);
        }
        if !station.may_act() {
            return;
        }
        let chain = replica.standing().lines().iter().find_map(|line| line.chain(code)).unwrap();
        let Some(delegation) = chain.desks().get(&desk.public()).filter(|desk| desk.cut.is_none()) else {
            let is_full = chain.desks().values().filter(|desk| desk.cut.is_none()).count() >= limits::DESKS_MAX;
            if !is_full {
                self.replace_desk(at, None);
            }
            return;
        };
        if replica.row(&desk.public()).contested {
            return; // until it is settled
        }
        if station.size(&desk) == 0 {
            let (purpose, identity_key) = (Purpose::Publication, delegation.identity_key);
            let open =
                Open { purpose, member: code.to_owned(), identity_key, successor_digest: None, predecessor: None };
            return self.write(at, desk.public(), vec![(Kind::Open as u32, open.to_body(SALT))]);
        }
        if station.desks < 3 && self.rng.chance(12) {
            let tree = replica.log(&desk.public()).unwrap().tree();
            let cut = Cut::new(desk.public(), tree.size(), tree.root());
            return self.replace_desk(at, Some(cut));
        }
        let count = if self.rng.chance(10) { 17 + self.rng.below(8) } else { 1 + self.rng.below(2) };
        let mut bodies: Vec<_> = (0..count).map(|_| summary(&format!("text {}", self.rng.next()))).collect();
        if self.rng.chance(10) {
            // Too long for gossip: its body follows by sync.
            bodies[0] = (Kind::LawSummary as u32, self.rng.bytes(70_000));
        }
        self.write(at, desk.public(), bodies);
    }

    /// Another desk goes on; the one in use is cut, where it is not already.
    fn replace_desk(&mut self, at: usize, cut: Option<Cut>) {
        let next = self.fresh();
        let station = &mut self.stations[at];
        station.desks += 1;
        station.hold(next.clone());
        station.parliament.desk = next.clone();
        let identity = station.parliament.identity.public();
        let revoke = cut.map(|cut| (Kind::Revoke as u32, revocation(&cut, "a new librarian", SALT)));
        self.write(at, identity, revoke.into_iter().chain([delegates(&next)]).collect());
    }

    // ------------------------------------------------------------------------------------------------ restores

    /// The disk is as it was when it was backed up; with `machine` its marks are too. A careless operator overrides the fence.
    pub fn restore(&mut self, at: usize, machine: bool) {
        let Some((memory, marks)) = self.stations[at].backup.clone() else { return };
        self.restored += 1;
        self.crash(at);
        let members = self.honest().count() - 1;
        let is_careless = self.is_rough && self.rng.chance(15);
        let (since_ms, others) = (self.now_ms, self.stations.len() - 1);
        let station = &mut self.stations[at];
        station.memory = memory;
        self.forget();
        let station = &mut self.stations[at];
        if machine {
            station.marks = marks;
        }
        // Of a whole machine nothing tells but its peers, so its operator lets it hear all first who may have an entry of its own.
        let need = if machine { others } else { members.div_ceil(2).min(3) };
        station.doubt = Some(Doubt { since_ms, witnesses: others + 1, heard: BTreeSet::new(), need });
        if is_careless {
            station.doubt = None;
            let own: Vec<PublicKey> = station.keys.iter().map(SecretKey::public).collect();
            let in_use = [station.parliament.identity.public(), station.parliament.desk.public()];
            station.stolen.extend(in_use);
            self.tainted.extend(own);
            self.doubles.insert(station.parliament.code.to_owned());
        }
        let pause = 1_000 + self.rng.below(5_000);
        self.schedule(pause, Event::Restart(at));
    }

    /// Recovering ends when its marks are reached and enough others have shown that they hold no more.
    pub fn end_doubt(&mut self, at: usize) {
        let station = &mut self.stations[at];
        let Some(doubt) = &station.doubt else { return };
        if station.replica.is_some() && doubt.heard.len() >= doubt.need && station.has_reached_its_marks() {
            station.doubt = None;
        }
    }

    // ------------------------------------------------------------------------------------------------ settling

    /// A parliament ends what others wrote with its keys, where it last wrote itself. Gives whether nothing is left to settle.
    pub fn settle(&mut self, at: usize) -> bool {
        let station = &self.stations[at];
        if station.stolen.is_empty() || station.doubt.is_some() {
            return station.stolen.is_empty();
        }
        let (code, identity) = (station.parliament.code, station.parliament.identity.public());
        let standing = station.replica.as_ref().unwrap().standing();
        if standing.identity_key(code) != Some(identity) && !station.stolen.contains(&identity) {
            self.stations[at].stolen.clear(); // not a member any more, or with another key
            return true;
        }
        if station.stolen.contains(&identity) {
            self.rotate(at);
            return false;
        }
        let log = *station.stolen.first().unwrap();
        let chain = standing.lines().iter().find_map(|line| line.chain(code));
        let is_uncut = chain.and_then(|chain| chain.desks().get(&log)).is_some_and(|desk| desk.cut.is_none());
        // It stands by what it holds: a cut that is on nobody's disk would leave each with what it has.
        if is_uncut && station.may_act() && station.has_reached_its_mark(&log) {
            let cut = self.marked(at, log);
            self.protected.push((at, cut.clone()));
            self.replace_desk(at, Some(cut));
        }
        self.stations[at].stolen.remove(&log);
        self.stations[at].stolen.is_empty()
    }

    fn rotate(&mut self, at: usize) {
        let next = self.fresh();
        let station = &self.stations[at];
        let (old, new) = (station.parliament.identity.public(), station.parliament.successor.clone());
        let is_awaited = station.replica.as_ref().unwrap().standing().awaits(new.public().as_bytes());
        let is_over = !is_awaited || station.size(&new) > 0 || !station.has_reached_its_mark(&old);
        self.stations[at].stolen.remove(&old);
        if is_over {
            return; // an edition was sooner
        }
        let cut = self.marked(at, old);
        let station = &mut self.stations[at];
        let open = Open {
            purpose: Purpose::Governance,
            member: station.parliament.code.to_owned(),
            identity_key: new.public(),
            successor_digest: Some(Digest::of(next.public().as_bytes())),
            predecessor: Some(cut.clone()),
        };
        station.hold(new.clone());
        station.hold(next.clone());
        station.parliament.identity = new.clone();
        station.parliament.successor = next;
        self.protected.push((at, cut));
        self.write(at, new.public(), vec![(Kind::Open as u32, open.to_body(SALT))]);
    }

    /// A log's cut at the place where it was last written from here.
    fn marked(&self, at: usize, log: PublicKey) -> Cut {
        let nothing = || (0, Compact::new().root());
        let (size, root) = self.stations[at].marks.get(&log).copied().unwrap_or_else(nothing);
        let cut = Cut::new(log, size, root);
        let station = &self.stations[at];
        let fork = station.replica.as_ref().and_then(|replica| replica.standing().forks().get(&log));
        let Some((fork, kept)) = fork.zip(station.memory.logs.get(&log)).filter(|(fork, _)| fork.at() < size) else {
            return cut;
        };
        let hashes: Vec<Digest> = kept.leaves.iter().take(size as usize).map(|leaf| leaf.entry.digest()).collect();
        let path = tree::consistency(&Forest::over(&hashes), fork.at(), size);
        cut.joined(fork.at(), path.unwrap_or_default())
    }
}
