//! One sync as its caller sees it: a dialogue of questions, each answered before the next stage begins.
//!
//! Hello -> (equal: bodies) | Frontier -> evidence for other roots -> editions -> governance logs -> publication logs -> bodies -> done. The
//! stages repeat on the rows the peer gave, because governance logs decide which other logs are wanted. The called side keeps no
//! state (`serve.rs`).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::digest::Digest;
use crate::frontier::Claim;
use crate::key::PublicKey;

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
    /// Editions that the peer says are valid and that are still to be asked for, in its order.
    pub editions: VecDeque<Digest>,
    /// Runs asked for and not yet complete.
    pub wants: VecDeque<Wanted>,
    /// Logs of which nothing from that size on is asked for any more in this session.
    pub until: BTreeMap<PublicKey, u64>,
    /// Bodies asked for in messages not yet answered.
    pub bodies_asked: VecDeque<Asked>,
    /// The index from which on the bodies of a log were not asked for yet.
    pub bodies_from: BTreeMap<PublicKey, u64>,
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
    /// Last entries of logs of which the peer claims another root than ours, at our size.
    Evidence,
    /// Finished notes of editions.
    Editions,
    /// Chunks of governance logs.
    Governance,
    /// Chunks of publication logs.
    Publications,
    /// Bodies that were missing.
    Bodies,
}

impl Session {
    /// A session whose hello was just sent.
    pub fn new(peer: Peer, since_ms: u64) -> Session {
        let (wants, refusals, until) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        let (bodies_asked, bodies_from) = (VecDeque::new(), BTreeMap::new());
        let (stage, theirs, editions) = (Stage::Hello, None, VecDeque::new());
        Session { peer, since_ms, stage, theirs, editions, wants, until, bodies_asked, bodies_from, refusals }
    }
}
