//! One sync as its caller sees it: a dialogue of questions, each answered before the next stage begins.
//!
//! Hello -> (equal: bodies) | Frontier -> governance logs -> publication logs -> bodies -> done. The stages repeat on the rows
//! the peer gave, because governance logs decide which other logs are wanted. The called side keeps no state (`serve.rs`).

use std::collections::VecDeque;
use std::sync::Arc;

use crate::frontier::Frontier;
use crate::key::PublicKey;

/// A peer as the network names it. It carries; it never authorises.
pub type Peer = Arc<str>;

/// Where a sync is.
#[derive(Clone, Debug)]
pub struct Session {
    /// Whom it is with.
    pub peer: Peer,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
    /// What is awaited.
    pub stage: Stage,
    /// The peer's rows, once told.
    pub theirs: Option<Frontier>,
    /// Runs asked for and not yet complete: log, and the size that completes it.
    pub wants: VecDeque<(PublicKey, u64)>,
    /// Bodies asked for in messages not yet answered.
    pub bodies_asked: usize,
    /// Why something wanted did not come, in words, for the operator.
    pub refusals: Vec<String>,
}

/// What a session awaits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The answer to our hello.
    Hello,
    /// The peer's frontier.
    Frontier,
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
        let (wants, refusals) = (VecDeque::new(), Vec::new());
        Session { peer, since_ms, stage: Stage::Hello, theirs: None, wants, bodies_asked: 0, refusals }
    }
}
