//! The phone book: where the nodes of members can be called, as they say in their own logs, and whose nodes they are.
//!
//! Only desks count that go on: what stands of their logs. Not those of a member that was removed, nor a desk that was revoked,
//! whatever it said before, nor what is beyond a fork. So whoever holds a key that its member gave up names no node any more,
//! and confirms nothing in that member's name.

use std::collections::{BTreeMap, BTreeSet};

use proto::frontier::Frontier;
use proto::key::PublicKey;
use proto::log::Admission;
use proto::schema;
use proto::standing::Standing;

use crate::reader::Reader;
use crate::rows::StoreError;

/// The book.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhoneBook {
    /// Of each desk's log the nodes that it names, by peer id.
    places: BTreeMap<(PublicKey, String), Place>,
    /// Nodes that only entries name which do not count.
    others: BTreeSet<String>,
}

/// A node of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    member: String,
    addresses: Vec<String>,
}

/// What became of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It can be called there.
    Named {
        /// Its peer id.
        peer: String,
        /// Its addresses.
        addresses: Vec<String>,
    },
    /// No log that counts names it any more.
    Struck {
        /// Its peer id.
        peer: String,
    },
}

impl PhoneBook {
    /// What counts of the records held.
    pub fn read(reader: &Reader, standing: &Standing, frontier: &Frontier) -> Result<PhoneBook, StoreError> {
        let mut book = PhoneBook::default();
        for (log, number) in reader.log_numbers()? {
            let Some(owner) = reader.owner(number)? else { continue };
            let named = reader.addresses(number, u64::MAX)?;
            book.others.extend(named.iter().map(|address| address.peer.clone()));
            if standing.admission(&log, &owner.open) != Admission::Whole {
                continue;
            }
            let stands = frontier.rows.get(&log).map_or(0, |row| row.size);
            let named = if stands < owner.size { reader.addresses(number, stands)? } else { named };
            for schema::Address { peer, addresses, .. } in named {
                book.places.insert((log, peer), Place { member: owner.open.member.clone(), addresses });
            }
        }
        for (_, peer) in book.places.keys() {
            book.others.remove(peer);
        }
        Ok(book)
    }

    /// The nodes of each member: peer ids by code.
    pub fn members(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for ((_, peer), place) in &self.places {
            members.entry(place.member.clone()).or_default().insert(peer.clone());
        }
        members
    }

    /// Where a log says that a node is.
    pub fn addresses(&self, log: &PublicKey, peer: &str) -> Option<&[String]> {
        self.places.get(&(*log, peer.to_owned())).map(|place| place.addresses.as_slice())
    }

    /// What is new in it after `before`.
    pub fn news(&self, before: &PhoneBook) -> Vec<News> {
        let peers: BTreeSet<&String> = self.places.keys().map(|(_, peer)| peer).collect();
        let gone: BTreeSet<&String> = before.places.keys().map(|(_, peer)| peer).chain(&self.others).collect();
        let gone = gone.into_iter().filter(|peer| !peers.contains(peer) && !before.others.contains(*peer));
        let struck = gone.map(|peer| News::Struck { peer: peer.clone() });
        let fresh = self.places.iter().filter(|(at, place)| before.places.get(*at) != Some(*place));
        let named = |((_, peer), place): (&(PublicKey, String), &Place)| {
            let (peer, addresses) = (peer.clone(), place.addresses.clone());
            News::Named { peer, addresses }
        };
        struck.chain(fresh.map(named)).collect()
    }
}
