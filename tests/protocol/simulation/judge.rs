//! What is asked of every story in the end.

use std::collections::{BTreeMap, BTreeSet};

use proto::body::{Cut, Purpose};
use proto::digest::Digest;
use proto::key::PublicKey;
use proto::replica::Replica;

use super::storm::Storm;
use crate::world::{Forest, Memory};

/// Of each log the most entries that anybody held.
pub type Held = BTreeMap<PublicKey, u64>;

impl Storm {
    /// What honest disks hold of logs that only their owners write.
    pub fn what_is_held(&self) -> Held {
        let mut held = Held::new();
        for at in self.honest() {
            for (log, kept) in self.stations[at].memory.logs.iter().filter(|(log, _)| !self.tainted.contains(*log)) {
                let most = held.entry(*log).or_default();
                *most = (kept.leaves.len() as u64).max(*most);
            }
        }
        held
    }

    /// Whether nobody has anything left to settle, but those who cannot act: what their marks say is nowhere any more.
    pub fn is_settled(&self) -> bool {
        self.honest().all(|at| self.stations[at].stolen.is_empty() || self.stations[at].doubt.is_some())
    }

    pub fn agrees(&self) -> bool {
        let digests: BTreeSet<Digest> = self.replicas().map(|replica| replica.frontier().digest()).collect();
        digests.len() == 1 && self.honest().all(|at| !self.lacks_a_body(at))
    }

    /// Whether a station lacks a body that another has.
    fn lacks_a_body(&self, at: usize) -> bool {
        let replica = self.stations[at].replica.as_ref().unwrap();
        if replica.missing_bodies() == 0 {
            return false;
        }
        let mut missing = self.stations[at].memory.logs.iter().flat_map(|(log, kept)| {
            let without =
                kept.leaves.iter().filter(|leaf| leaf.body.is_none() && leaf.entry.index() < replica.row(log).size);
            without.map(|leaf| (*log, leaf.entry.index(), leaf.entry.digest()))
        });
        missing.any(|(log, index, digest)| {
            let has = |memory: &Memory| {
                let leaf = memory.logs.get(&log).and_then(|kept| kept.leaves.get(index as usize));
                leaf.is_some_and(|leaf| leaf.entry.digest() == digest && leaf.body.is_some())
            };
            self.honest().any(|other| has(&self.stations[other].memory))
        })
    }

    pub fn describe(&self) -> String {
        let one = |replica: &Replica| {
            let rows = replica.frontier().rows.into_iter();
            let rows: Vec<String> = rows
                .map(|(log, row)| {
                    let contested = if row.contested { "!" } else { "" };
                    format!("{}:{}{contested}@{}", &log.to_string()[..6], row.size, &row.root.to_string()[..4])
                })
                .collect();
            let editions = replica.standing().editions().valid().len();
            format!(
                "{} bodies missing, {editions} editions, {}\n  {:?}",
                replica.missing_bodies(),
                rows.join(" "),
                replica.peers()
            )
        };
        let doubts: Vec<bool> = self.honest().map(|at| self.stations[at].doubt.is_some()).collect();
        format!("{doubts:?}\n{}", self.replicas().map(one).collect::<Vec<_>>().join("\n"))
    }

    /// What the story was about, so that one sees that all of it is told.
    pub fn about(&self) -> BTreeSet<&'static str> {
        let first = self.replicas().next().unwrap();
        let (standing, frontier) = (first.standing(), first.frontier());
        let memories = || self.stations.iter().map(|station| &station.memory);
        let is_rotated = |(_, cut): &(usize, Cut)| standing.purpose(&cut.log) == Some(Purpose::Governance);
        let subjects = [
            ("a list that came into force", frontier.editions.len() > 1),
            ("rival lists", standing.lines().len() > 1),
            ("a fork", !frontier.forks.is_empty()),
            ("a fork that nobody settled", frontier.rows.values().any(|row| row.contested)),
            ("a branch that was set aside", memories().any(|memory| !memory.aside.is_empty())),
            ("a desk cut off from a thief", !self.protected.iter().all(is_rotated)),
            ("an identity key rotated away from a thief", self.protected.iter().any(is_rotated)),
            ("an old copy that came back", self.restored > 0),
            ("more than five members", self.members.len() > 5),
        ];
        subjects.into_iter().filter(|(_, is_told)| *is_told).map(|(subject, _)| subject).collect()
    }

    pub fn judge(&self) {
        let first = self.replicas().next().unwrap();
        let lines = |replica: &Replica| format!("{:?}", replica.standing().lines());
        // Of a fork that a cut has settled the proof says nothing more, and not everybody has it.
        let forks = |replica: &Replica| {
            let frontier = replica.frontier();
            let contested = frontier.forks.into_iter().filter(|(log, _)| frontier.rows[log].contested);
            contested.collect::<BTreeMap<PublicKey, u64>>()
        };
        let rows = |replica: &Replica| (replica.frontier().rows, replica.frontier().digest());
        for at in self.honest() {
            let (station, replica) = (&self.stations[at], self.stations[at].replica.as_ref().unwrap());
            assert_eq!(rows(replica), rows(first), "replicas with the same records have the same state");
            assert_eq!(forks(replica), forks(first));
            assert_eq!(lines(replica), lines(first));
            let again = station.memory.restart(&self.charter, &[]);
            assert_eq!(again.frontier(), replica.frontier(), "and survives one more start");
            assert_eq!(lines(&again), lines(replica));
        }
        for (log, size) in &self.held {
            let stands = first.standing().knows(log) && !first.standing().is_cut(log);
            let row = first.row(log);
            assert!(!row.contested, "{log} was written by its owner alone");
            assert!(!stands || row.size >= *size, "{size} entries of {log} were held, and {} are left", row.size);
        }
        self.protected.iter().for_each(|(at, cut)| self.judge_cut(*at, cut, first));
        self.judge_lists(first);
    }

    /// What a member's cut covers stands, where anybody had it, and nobody contests it.
    fn judge_cut(&self, at: usize, cut: &Cut, replica: &Replica) {
        if replica.cut(&cut.log).as_ref() != Some(cut) {
            return; // its member's list or a later key says otherwise, or it is not known any more
        }
        let row = replica.row(&cut.log);
        assert!(!row.contested && row.size <= cut.size, "{cut:?} protects, and {row:?} stands");
        let kept = self.stations[at].memory.logs.get(&cut.log);
        let leaves: Vec<Digest> = kept.iter().flat_map(|kept| &kept.leaves).map(|leaf| leaf.entry.digest()).collect();
        let covers =
            leaves.get(..cut.size as usize).is_some_and(|leaves| Forest::over(leaves).compact.root() == cut.root);
        assert!(!covers || (row.size, row.root) == (cut.size, cut.root), "{cut:?} protects what stands as {row:?}");
    }

    fn judge_lists(&self, replica: &Replica) {
        let valid = replica.standing().editions().valid();
        let bears = |signers: usize| self.doubles.is_empty() || (signers > 3 && 3 * self.doubles.len() <= signers);
        if valid.iter().all(|edition| bears(edition.signers().count())) {
            assert_eq!(replica.standing().lines().len(), 1, "too few have signed twice for rivals");
        }
    }
}
