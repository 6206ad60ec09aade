//! Who has stolen a key: with a copy of a node's disk it writes on, or from an old copy beside its owner, and is gone when the weather
//! clears. Its node speaks the protocol like everybody's.

use proto::body::{Cut, Open, Purpose, revocation};
use proto::digest::Digest;
use proto::key::{PublicKey, SecretKey};
use proto::schema::Kind;
use proto::tree::Compact;

use super::station::Station;
use super::storm::{Event, Storm};
use crate::world::{SALT, delegates, summary};

impl Storm {
    /// A key is copied with the disk, as it is or as a backup has it.
    pub fn steal(&mut self, from: usize) {
        let desk = self.fresh();
        let is_desk = self.rng.chance(60);
        let victim = &mut self.stations[from];
        let stolen = if is_desk { &victim.parliament.desk } else { &victim.parliament.identity }.clone();
        victim.stolen.insert(stolen.public());
        self.tainted.insert(stolen.public());
        let mut parliament = victim.parliament.clone();
        if !is_desk {
            parliament.desk = desk.clone();
            self.doubles.insert(parliament.code.to_owned());
            // Whatever the thief does in the owner's governance, its desk may be ended by it at any place.
            self.tainted.insert(victim.parliament.desk.public());
        }
        let mut thief = Station::new(parliament);
        thief.is_thief = true;
        thief.keys = vec![stolen, desk];
        let old = victim.backup.as_ref().filter(|_| self.rng.chance(50)).map(|(memory, _)| memory.clone());
        thief.memory = old.unwrap_or_else(|| victim.memory.clone());
        self.stations.push(thief);
        let at = self.stations.len() - 1;
        self.restart(at);
        for _ in 0..1 + self.rng.below(4) {
            let when = self.rng.below(10_000);
            self.schedule(when, Event::Publish(at));
        }
    }

    /// A thief writes what its key lets it write.
    pub fn plunder(&mut self, at: usize) {
        let thief = &self.stations[at];
        let (stolen, own) = (thief.keys[0].clone(), thief.keys[1].clone());
        if thief.size(&stolen) == 0 {
            return; // its owner had not begun the log
        }
        if thief.parliament.identity.public() != stolen.public() {
            let text = format!("false {}", self.rng.next());
            return self.write(at, stolen.public(), vec![summary(&text)]);
        }
        let standing = thief.replica.as_ref().unwrap().standing();
        let is_desk = standing.delegation(&own.public(), &stolen.public()).is_some();
        match self.rng.below(3) {
            0 if !is_desk => self.write(at, stolen.public(), vec![delegates(&own)]),
            1 => {
                let others: Vec<PublicKey> = thief
                    .memory
                    .logs
                    .iter()
                    .filter(|(_, kept)| is_desk_of(&kept.open(), &stolen))
                    .map(|(log, _)| *log)
                    .collect();
                if others.is_empty() {
                    return;
                }
                let log = others[self.rng.below(others.len() as u64) as usize];
                let cut = self.any_cut(at, &log);
                self.write(at, stolen.public(), vec![(Kind::Revoke as u32, revocation(&cut, "none", SALT))]);
            }
            _ if is_desk => {
                let text = format!("false {}", self.rng.next());
                let mut bodies = vec![summary(&text)];
                if self.stations[at].size(&own) == 0 {
                    bodies.insert(0, opens(self.stations[at].parliament.code, &stolen));
                }
                self.write(at, own.public(), bodies);
            }
            _ => {}
        }
    }

    /// A cut of a log at any place of what is held of it.
    fn any_cut(&mut self, at: usize, log: &PublicKey) -> Cut {
        let leaves: Vec<Digest> =
            self.stations[at].memory.logs[log].leaves.iter().map(|leaf| leaf.entry.digest()).collect();
        let size = self.rng.below(leaves.len() as u64 + 1);
        let mut tree = Compact::new();
        leaves[..size as usize].iter().for_each(|leaf| tree.push(*leaf, |_, _, _| {}));
        Cut::new(*log, size, tree.root())
    }
}

fn is_desk_of(open: &Open, identity: &SecretKey) -> bool {
    open.purpose == Purpose::Publication && open.identity_key == identity.public()
}

fn opens(code: &str, identity: &SecretKey) -> (u32, Vec<u8>) {
    let (purpose, identity_key) = (Purpose::Publication, identity.public());
    let open = Open { purpose, member: code.to_owned(), identity_key, successor_digest: None, predecessor: None };
    (Kind::Open as u32, open.to_body(SALT))
}
