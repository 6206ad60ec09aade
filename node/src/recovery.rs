//! Own logs that may not be written, until it is known that nothing of them is missing here. Pure: what peers show, and what
//! members published about their nodes, arrive as arguments.
//!
//! A log is *recovering* from the moment a doubt arises. Besides reaching its mark, it needs that nodes of enough other members
//! hold none longer. A node shows that in a sync of this run that was begun after the log reached its present size, and that was
//! brought to its end: then everything that node had is here, the phone book by which members are counted included.

use std::collections::{BTreeMap, BTreeSet};

use proto::key::PublicKey;
use proto::session::Peer;

/// Members whose nodes have to confirm, at most: in a federation of any size, three that agree.
const CONFIRMATIONS_MAX: usize = 3;

/// The other members that have a node in the phone book: code, and the peer ids in those of the member's address entries that count.
pub type OtherMembers = BTreeMap<String, BTreeSet<String>>;

/// The logs that are recovering, and what peers showed of them.
#[derive(Debug, Default)]
pub struct Recovery {
    logs: BTreeMap<PublicKey, Doubted>,
    /// Counts what makes earlier answers worthless: a doubt arose, or an own log grew.
    question: u64,
    asked: BTreeMap<Peer, Asked>,
    confirmed: BTreeMap<Peer, BTreeSet<PublicKey>>,
    news: bool,
}

/// One log.
#[derive(Debug)]
struct Doubted {
    why: String,
    waits_for: String,
    /// Entries held when the doubt arose, and now.
    from: u64,
    size: u64,
    /// Who brought what came since.
    sources: BTreeSet<Peer>,
}

/// A sync that is under way: what was to be found out when it began, and the logs of which its peer showed that it has no more.
#[derive(Debug)]
struct Asked {
    question: u64,
    fits: Option<BTreeSet<PublicKey>>,
}

impl Recovery {
    /// Whether every own log may be written.
    pub fn is_over(&self) -> bool {
        self.logs.is_empty()
    }

    /// Whether a log may not be written.
    pub fn is_recovering(&self, log: &PublicKey) -> bool {
        self.logs.contains_key(log)
    }

    /// Why a log may not be written.
    pub fn why(&self, log: &PublicKey) -> Option<&str> {
        self.logs.get(log).map(|doubted| doubted.why.as_str())
    }

    /// The logs that may not be written.
    pub fn logs(&self) -> Vec<PublicKey> {
        self.logs.keys().copied().collect()
    }

    /// Why a log may not be written, and what is waited for, in a sentence; `None` where it may.
    pub fn words_of(&self, log: &PublicKey) -> Option<String> {
        let Doubted { why, waits_for, .. } = self.logs.get(log)?;
        let waits_for = if waits_for.is_empty() { "its peers are asked" } else { waits_for };
        Some(format!("log {log} may not be written: {why}; {waits_for}"))
    }

    /// A doubt arose about a log of which so many entries are held. The first one stays.
    pub fn doubt(&mut self, log: PublicKey, size: u64, why: &str) {
        self.ask_anew();
        self.logs.entry(log).or_insert_with(|| Doubted {
            why: why.to_owned(),
            waits_for: String::new(),
            from: size,
            size,
            sources: BTreeSet::new(),
        });
    }

    /// An own log grew by what a peer sent.
    pub fn grew(&mut self, log: &PublicKey, size: u64, source: &Peer) {
        self.ask_anew();
        if let Some(doubted) = self.logs.get_mut(log) {
            doubted.size = size;
            doubted.sources.insert(source.clone());
        }
    }

    /// A sync with a peer begins.
    pub fn asks(&mut self, peer: &Peer) {
        self.asked.insert(peer.clone(), Asked { question: self.question, fits: None });
    }

    /// In the sync under way, a peer shows that of these logs it holds no more than is here, and nothing else.
    pub fn shows(&mut self, peer: &Peer, fits: BTreeSet<PublicKey>) {
        if let Some(asked) = self.asked.get_mut(peer) {
            asked.fits = Some(fits);
        }
    }

    /// The sync with a peer came to its end, or broke off. Whether that peer showed in it what it has.
    pub fn ends(&mut self, peer: &Peer, is_done: bool) -> bool {
        let Some(Asked { question, fits }) = self.asked.remove(peer) else { return false };
        let Some(fits) = fits.filter(|_| is_done) else { return false };
        if question == self.question && !self.logs.is_empty() {
            self.confirmed.insert(peer.clone(), fits);
            self.news = true;
        }
        true
    }

    /// Whether anything happened that may end it, since this was last asked.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.news)
    }

    /// Drops what was shown by nodes of no other member.
    pub fn forget_strangers(&mut self, members: &OtherMembers) {
        self.confirmed.retain(|peer, _| members.values().any(|nodes| nodes.contains(peer.as_ref())));
    }

    /// Notes what a log waits for, in words.
    pub fn waits_for(&mut self, log: &PublicKey, words: String) {
        if let Some(doubted) = self.logs.get_mut(log) {
            doubted.waits_for = words;
        }
    }

    /// The members whose nodes confirm a log, each by a node of its own: one that two members name counts once.
    pub fn confirmed_by(&self, log: &PublicKey, members: &OtherMembers) -> Vec<String> {
        let confirms = |node: &&String| self.confirmed.get(node.as_str()).is_some_and(|logs| logs.contains(log));
        let mut candidates: Vec<(&String, Vec<&String>)> =
            members.iter().map(|(code, nodes)| (code, nodes.iter().filter(confirms).collect())).collect();
        // Whoever has the fewest chooses first, so that a member with one node does not lose it to one with several.
        candidates.sort_by_key(|(_, nodes)| nodes.len());
        let mut counted = BTreeSet::new();
        let chooses = |(code, nodes): (&String, Vec<&String>)| {
            nodes.into_iter().find(|node| counted.insert((*node).clone())).map(|_| code.clone())
        };
        let mut codes: Vec<String> = candidates.into_iter().filter_map(chooses).collect();
        codes.sort();
        codes
    }

    /// What is missing of the confirmations, in words; `None` where there are enough.
    pub fn unconfirmed(&self, log: &PublicKey, members: &OtherMembers) -> Option<String> {
        let Some(needed) = needed(members.len()) else {
            let words =
                "no other member has a node in the phone book held here, so nobody can confirm that nothing is missing";
            return Some(words.to_owned());
        };
        let by = self.confirmed_by(log, members);
        let names = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
        let words = || format!("{} of {needed} other members have confirmed that they hold no more{names}", by.len());
        (by.len() < needed).then(words)
    }

    /// Ends it for a log that is not written any more.
    pub fn drop(&mut self, log: &PublicKey) {
        self.logs.remove(log);
    }

    /// Ends it for a log; the words are for the operator.
    pub fn end(&mut self, log: &PublicKey, members: &OtherMembers) -> Option<String> {
        let by = self.confirmed_by(log, members).join(", ");
        let Doubted { from, size, sources, why, .. } = self.logs.remove(log)?;
        let name = |peer: &Peer| {
            let whose = members.iter().find(|(_, nodes)| nodes.contains(peer.as_ref()));
            whose.map_or_else(|| peer.to_string(), |(code, _)| code.clone())
        };
        let sources: BTreeSet<String> = sources.iter().map(name).collect();
        let sources = sources.into_iter().collect::<Vec<_>>().join(", ");
        let last = size.saturating_sub(1);
        Some(match size.saturating_sub(from) {
            0 => format!(
                "recovered: log {log} has {size} entries and {by} confirmed that there are no more; it was in doubt because {why}"
            ),
            1 => format!(
                "recovered: entry {last} of log {log} was read back from {sources}, confirmed by {by}; it was in doubt because {why}"
            ),
            _ => format!(
                "recovered: entries {from} to {last} of log {log} were read back from {sources}, confirmed by {by}; it was in \
                 doubt because {why}"
            ),
        })
    }

    fn ask_anew(&mut self) {
        self.question += 1;
        self.confirmed.clear();
        self.news = true;
    }
}

/// Members whose nodes have to confirm, of so many other members; `None`: there is nobody to ask.
fn needed(members: usize) -> Option<usize> {
    (members > 0).then(|| members.div_ceil(2).min(CONFIRMATIONS_MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use proto::key::{PublicKey, SecretKey};

    use super::{OtherMembers, Peer, Recovery, needed};

    fn log() -> PublicKey {
        SecretKey::from_seed(&[1; 32]).public()
    }

    fn members(nodes: &[(&str, &[&str])]) -> OtherMembers {
        let member = |(code, nodes): &(&str, &[&str])| {
            ((*code).to_owned(), nodes.iter().map(|node| (*node).to_owned()).collect())
        };
        nodes.iter().map(member).collect()
    }

    /// A whole sync in which a peer shows that it has no more.
    fn confirm(recovery: &mut Recovery, peer: &str) {
        let peer = Peer::from(peer);
        recovery.asks(&peer);
        recovery.shows(&peer, BTreeSet::from([log()]));
        recovery.ends(&peer, true);
    }

    fn in_doubt() -> Recovery {
        let mut recovery = Recovery::default();
        recovery.doubt(log(), 500, "a test");
        recovery
    }

    #[test]
    fn half_of_the_others_have_to_confirm_and_never_more_than_three() {
        let table: Vec<Option<usize>> = [0, 1, 2, 3, 4, 5, 6, 7, 200].into_iter().map(needed).collect();
        let expected = [None, Some(1), Some(1), Some(2), Some(2), Some(3), Some(3), Some(3), Some(3)];
        assert_eq!(table, expected);
    }

    #[test]
    fn it_waits_until_nodes_of_enough_members_showed_no_more_and_says_for_whom() {
        let others = members(&[("KE", &["k"]), ("NZ", &["n"]), ("UY", &["u"])]);
        let mut recovery = in_doubt();
        assert!(recovery.is_recovering(&log()) && !recovery.is_over());
        assert!(recovery.unconfirmed(&log(), &members(&[])).unwrap().contains("nobody can confirm"));
        confirm(&mut recovery, "stranger");
        confirm(&mut recovery, "k");
        recovery.forget_strangers(&others);
        let words = recovery.unconfirmed(&log(), &others).unwrap();
        assert!(words.starts_with("1 of 2 other members have confirmed") && words.contains("(KE)"), "{words}");
        confirm(&mut recovery, "u");
        assert_eq!(recovery.unconfirmed(&log(), &others), None);
        let words = recovery.end(&log(), &others).unwrap();
        assert!(words.contains("has 500 entries") && words.contains("KE, UY confirmed"), "{words}");
        assert!(recovery.is_over());
    }

    #[test]
    fn what_was_shown_before_the_log_grew_counts_no_more() {
        let others = members(&[("KE", &["k"])]);
        let mut recovery = in_doubt();
        confirm(&mut recovery, "k");
        let peer = Peer::from("k");
        recovery.asks(&peer);
        recovery.shows(&peer, BTreeSet::from([log()]));
        recovery.grew(&log(), 600, &peer);
        recovery.ends(&peer, true);
        assert!(recovery.unconfirmed(&log(), &others).is_some(), "that sync began before");
        confirm(&mut recovery, "k");
        assert_eq!(recovery.unconfirmed(&log(), &others), None);
        let words = recovery.end(&log(), &others).unwrap();
        assert!(words.contains("entries 500 to 599") && words.contains("read back from KE"), "{words}");
    }

    #[test]
    fn a_sync_that_broke_off_or_showed_more_confirms_nothing() {
        let others = members(&[("KE", &["k"])]);
        let mut recovery = in_doubt();
        let peer = Peer::from("k");
        recovery.asks(&peer);
        recovery.shows(&peer, BTreeSet::from([log()]));
        recovery.ends(&peer, false);
        recovery.ends(&peer, true);
        assert!(recovery.unconfirmed(&log(), &others).is_some());
        confirm(&mut recovery, "k");
        recovery.asks(&peer);
        recovery.shows(&peer, BTreeSet::new());
        recovery.ends(&peer, true);
        assert!(recovery.unconfirmed(&log(), &others).is_some(), "it has more by now");
    }

    #[test]
    fn a_node_that_two_members_name_counts_once() {
        let others = members(&[("KE", &["k"]), ("NZ", &["k", "n"]), ("UY", &["u"])]);
        let mut recovery = in_doubt();
        confirm(&mut recovery, "k");
        assert_eq!(recovery.confirmed_by(&log(), &others).len(), 1);
        confirm(&mut recovery, "n");
        assert_eq!(recovery.confirmed_by(&log(), &others), ["KE", "NZ"]);
    }
}
