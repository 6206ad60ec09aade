//! Who can be called where, and when to try again: pure, so that time and chance arrive as arguments.
//!
//! Addresses come from the configuration, from the phone book in the logs, and from the file a run before left. Every failed
//! call is followed by a pause with full jitter, so that a federation that comes back from a power cut does not call in step.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Peers remembered: ten times the parliaments of the world.
const PEERS_MAX: usize = 4096;
/// Addresses remembered of one peer, as many as it may publish.
const ADDRESSES_MAX: usize = proto::limits::ADDRESSES_MAX;
/// Milliseconds of the first pause.
const PAUSE_FIRST_MS: u64 = 1_000;
/// Milliseconds of the longest pause.
const PAUSE_MAX_MS: u64 = 600_000;
/// The same for a configured peer: after its restart nobody should wait ten minutes for it.
const PAUSE_CONFIGURED_MAX_MS: u64 = 60_000;

/// What is known of one peer.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Known {
    addresses: Vec<String>,
    /// Where it was last reached. No publication by anyone else can take it away.
    #[serde(default)]
    reached: Option<String>,
    #[serde(skip)]
    configured: bool,
    #[serde(skip)]
    failures: u32,
    #[serde(skip)]
    not_before_ms: u64,
}

impl Known {
    fn all(&self) -> Vec<String> {
        let others = self.addresses.iter().filter(|address| Some(*address) != self.reached.as_ref());
        self.reached.iter().chain(others).cloned().collect()
    }
}

/// The book.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddressBook {
    peers: BTreeMap<String, Known>,
}

impl AddressBook {
    /// A peer of the configuration; it is called again within a minute, always.
    pub fn configure(&mut self, peer: &str, address: &str) {
        let known = self.peers.entry(peer.to_owned()).or_default();
        known.configured = true;
        known.not_before_ms = 0;
        // First, because the operator's word counts more than an old record.
        known.addresses.retain(|other| other != address);
        known.addresses.insert(0, address.to_owned());
        known.addresses.truncate(ADDRESSES_MAX);
    }

    /// A call to an address succeeded: it is the first to be tried from now on.
    pub fn reached(&mut self, peer: &str, address: &str) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.reached = Some(address.to_owned());
        }
    }

    /// What a member published about its node: it takes the place of what was known, but for what is configured.
    pub fn learn(&mut self, peer: &str, addresses: &[String]) {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(peer) {
            return;
        }
        let known = self.peers.entry(peer.to_owned()).or_default();
        let fresh = addresses.iter().take(ADDRESSES_MAX).cloned();
        if known.configured {
            let more: Vec<String> = fresh.filter(|address| !known.addresses.contains(address)).collect();
            known.addresses.extend(more);
            known.addresses.truncate(ADDRESSES_MAX);
        } else {
            known.addresses = fresh.collect();
        }
        known.not_before_ms = 0;
    }

    /// No member names it as its node any more: it is forgotten, unless it is configured.
    pub fn strike(&mut self, peer: &str) {
        if self.peers.get(peer).is_some_and(|known| !known.configured) {
            self.peers.remove(peer);
        }
    }

    /// Peers to call now, at most `limit`, each with its addresses.
    pub fn due(&self, now_ms: u64, limit: usize, busy: impl Fn(&str) -> bool) -> Vec<(String, Vec<String>)> {
        let due =
            |(peer, known): &(&String, &Known)| known.not_before_ms <= now_ms && !known.all().is_empty() && !busy(peer);
        let mut due: Vec<_> = self.peers.iter().filter(due).collect();
        due.sort_by_key(|(_, known)| (!known.configured, known.not_before_ms));
        due.into_iter().take(limit).map(|(peer, known)| (peer.clone(), known.all())).collect()
    }

    /// A call is being made: no second one before the first could fail.
    pub fn calling(&mut self, peer: &str, now_ms: u64) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.not_before_ms = now_ms + PAUSE_FIRST_MS;
        }
    }

    /// A call failed. `random` is any number.
    pub fn failed(&mut self, peer: &str, now_ms: u64, random: u64) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.failures = known.failures.saturating_add(1);
            let most = if known.configured { PAUSE_CONFIGURED_MAX_MS } else { PAUSE_MAX_MS };
            let pause = most.min(PAUSE_FIRST_MS.saturating_mul(1 << known.failures.min(20)));
            known.not_before_ms = now_ms + PAUSE_FIRST_MS / 2 + random % pause;
        }
    }

    /// A call succeeded, or the peer called.
    pub fn connected(&mut self, peer: &str) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.failures = 0;
            known.not_before_ms = 0;
        }
    }

    /// An address led to somebody else.
    pub fn forget(&mut self, peer: &str, address: &str) {
        if let Some(known) = self.peers.get_mut(peer) {
            known.addresses.retain(|other| other != address);
            known.reached.take_if(|reached| reached == address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AddressBook;

    #[test]
    fn a_peer_that_does_not_answer_is_called_less_and_less_and_a_configured_one_at_least_every_minute() {
        let mut book = AddressBook::default();
        book.learn("nairobi", &["/dns4/n.example/tcp/1".to_owned()]);
        book.configure("geneva", "/dns4/g.example/tcp/1");
        for _ in 0..20 {
            book.failed("nairobi", 0, u64::MAX);
            book.failed("geneva", 0, u64::MAX);
        }
        let at = |now| book.due(now, 9, |_| false).into_iter().map(|(peer, _)| peer).collect::<Vec<_>>();
        assert!(at(499).is_empty());
        assert_eq!(at(61_000), ["geneva"]);
        assert_eq!(at(601_000), ["geneva", "nairobi"]);
        book.connected("nairobi");
        assert_eq!(book.due(0, 9, |peer| peer == "geneva").len(), 1);
    }

    #[test]
    fn what_a_member_publishes_replaces_what_was_known_but_not_what_is_configured() {
        let mut book = AddressBook::default();
        book.configure("geneva", "/a");
        book.learn("geneva", &["/b".to_owned()]);
        book.learn("nairobi", &["/a".to_owned()]);
        book.learn("nairobi", &["/b".to_owned()]);
        let due = book.due(0, 9, |_| false);
        assert_eq!(due[0].1, ["/a", "/b"]);
        assert_eq!(due[1].1, ["/b"]);
        // Whoever publishes a false address for another's peer cannot make it unreachable.
        book.reached("nairobi", "/b");
        book.learn("nairobi", &["/false".to_owned()]);
        assert_eq!(book.due(0, 9, |peer| peer == "geneva")[0].1, ["/b", "/false"]);
        book.strike("nairobi");
        book.strike("geneva");
        assert_eq!(book.due(0, 9, |_| false).len(), 1, "only the operator takes back what is configured");
    }
}
