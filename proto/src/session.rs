//! One sync as its caller sees it: a dialogue of questions, each answered before the next stage begins.
//!
//! Hello -> (equal: bodies) | Frontier -> editions -> forks -> governance logs -> publication logs -> searches for where branches part
//! -> branches of own logs -> bodies -> done. The stages repeat on the rows the peer gave, because governance logs decide which other
//! logs are wanted. The called side keeps no state (`serve.rs`).

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::body::Cut;
use crate::digest::Digest;
use crate::fork::Branch;
use crate::frontier::Claim;
use crate::key::PublicKey;
use crate::rewind::CutBranch;
use crate::split::Search;

/// A peer as the network names it. It carries; it never authorises.
pub type Peer = Arc<str>;

/// Where a sync is.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whom it is with.
    pub peer: Peer,
    /// When something last came, Unix milliseconds.
    pub since_ms: u64,
    /// What is awaited.
    pub stage: Stage,
    /// The peer's rows, once told.
    pub theirs: Option<Claim>,
    /// Sizes to which the peer holds logs of which we hold more: whether that is the beginning of ours is being looked up here.
    pub behind: BTreeSet<(PublicKey, u64)>,
    /// Editions that the peer says are valid and that are still to be asked for, in its order.
    pub editions: VecDeque<Digest>,
    /// Logs whose fork was asked for.
    pub forks: BTreeSet<PublicKey>,
    /// Logs of which the peer showed another branch, to be searched for where it parts.
    pub parted: BTreeSet<PublicKey>,
    /// Logs that were searched.
    pub searched: BTreeSet<PublicKey>,
    /// Own contested logs of which the peer was asked for its branch.
    pub surveyed: BTreeSet<PublicKey>,
    /// The search under way.
    pub splitting: Option<Splitting>,
    /// Runs asked for and not yet complete.
    pub wants: VecDeque<Wanted>,
    /// Logs of which nothing from that size on is asked for any more in this session.
    pub until: BTreeMap<PublicKey, u64>,
    /// Bodies asked for in messages not yet answered.
    pub bodies_asked: VecDeque<Asked>,
    /// The index from which on the bodies of a log were not asked for yet.
    pub bodies_from: BTreeMap<PublicKey, u64>,
    /// Whether the peer did not show what it claimed.
    pub has_unshown: bool,
    /// Why something wanted did not come, in words, for the operator.
    pub refusals: Vec<String>,
}

/// A run that was asked for: entries `[next, to)` are still to come, in chunks that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The log.
    pub log: PublicKey,
    /// Where the next chunk begins.
    pub next: u64,
    /// The size that completes it.
    pub to: u64,
    /// The root there, where that is its cut's: only this branch will do.
    pub root: Option<Digest>,
}

/// A search for where a peer's branch of a log parts from ours.
#[derive(Clone, Debug)]
pub enum Splitting {
    /// The peer's tile is awaited, or our own.
    Tile {
        /// What is to be compared.
        search: Search,
        /// The peer's hashes, once told.
        theirs: Option<Vec<Digest>>,
    },
    /// Found: what both have there is awaited.
    Branch {
        /// The log.
        log: PublicKey,
        /// The first leaf that differs.
        at: u64,
        /// The peer's branch, once told.
        theirs: Option<Box<Branch>>,
        /// The log's cut, where the peer stands at it, and the peer's branch in its tree.
        cut: Option<(Cut, Option<Box<CutBranch>>)>,
    },
}

/// Bodies that were asked for in one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The log.
    pub log: PublicKey,
    /// The lowest index asked for.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

/// What a session awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer to our hello.
    Hello,
    /// The peer's frontier.
    Frontier,
    /// Our own roots at the sizes that the peer holds.
    Behind,
    /// Finished notes of editions.
    Editions,
    /// The proof of a log's fork.
    Forks(PublicKey),
    /// Chunks of governance logs.
    Governance,
    /// Chunks of publication logs.
    Publications,
    /// Tiles and branches of a log.
    Split,
    /// The peer's branch of an own log that is contested.
    Survey(PublicKey),
    /// Bodies that were missing.
    Bodies,
}

impl Session {
    /// A session whose hello was just sent.
    pub fn new(peer: Peer, since_ms: u64) -> Session {
        Session {
            peer,
            since_ms,
            stage: Stage::Hello,
            theirs: None,
            behind: BTreeSet::new(),
            editions: VecDeque::new(),
            forks: BTreeSet::new(),
            parted: BTreeSet::new(),
            searched: BTreeSet::new(),
            surveyed: BTreeSet::new(),
            splitting: None,
            wants: VecDeque::new(),
            until: BTreeMap::new(),
            bodies_asked: VecDeque::new(),
            bodies_from: BTreeMap::new(),
            has_unshown: false,
            refusals: Vec::new(),
        }
    }
}
