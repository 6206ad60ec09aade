//! A fork's proof: two trees that one key has signed, the same up to an index and different there.
//!
//! No consistency proof can join the two, so whoever holds both checkpoints holds the proof; the rest says where they part, which
//! is all that any replica's state depends on. A log is *contested* from the smallest index that is proven, whoever saw what
//! first, until a cut settles it (`crate::standing`).

use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::digest::Digest;
use crate::entry::{Entry, EntryError};
use crate::key::PublicKey;
use crate::schema;
use crate::tree::{self, Compact};

/// Two branches of one log, verified up to the log key's two signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    log: PublicKey,
    at: u64,
    root: Digest,
    branches: [Branch; 2],
}

/// One branch at the leaf where it parts from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// What its key signed, of a size beyond the leaf.
    pub checkpoint: SignedCheckpoint,
    /// From the tree before the leaf to the checkpoint's; empty from the empty tree.
    pub joined: Vec<Digest>,
    /// The leaf.
    pub entry: Entry,
    /// Its inclusion in the checkpoint's tree.
    pub path: Vec<Digest>,
}

/// Why something proves no fork. Whoever sent it is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ForkError {
    /// Not two branches, or hashes of the wrong length.
    #[error("a fork has two branches")]
    Shape,
    /// A leaf is not sound.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A checkpoint is not signed by the log's key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A branch does not have the tree, or not the leaf.
    #[error("a branch of log {log} does not part at entry {at}")]
    NotJoined {
        /// The log.
        log: PublicKey,
        /// Where.
        at: u64,
    },
    /// Both have the same leaf.
    #[error("both branches have the same entry there")]
    Alike,
}

impl Fork {
    /// Two branches that have the tree with the root `root` over the first `at` leaves, and then different ones. In whichever
    /// order they come, one pair makes one proof.
    pub fn new(log: PublicKey, at: u64, root: Digest, branches: [Branch; 2]) -> Result<Fork, ForkError> {
        let [mut first, mut second] = branches;
        for branch in [&first, &second] {
            branch.verify(&log, at, &root)?;
        }
        match first.entry.digest().cmp(&second.entry.digest()) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Err(ForkError::Alike),
            std::cmp::Ordering::Greater => std::mem::swap(&mut first, &mut second),
        }
        Ok(Fork { log, at, root, branches: [first, second] })
    }

    /// Reads and verifies what a peer sent or a store kept.
    pub fn from_wire(federation: &Digest, wire: &schema::Fork) -> Result<Fork, ForkError> {
        let log = PublicKey::from_bytes(&wire.log).map_err(|_| ForkError::Shape)?;
        let root = Digest::try_from(wire.root.as_slice()).map_err(|_| ForkError::Shape)?;
        let [first, second] = wire.branches.as_slice() else { return Err(ForkError::Shape) };
        let branch = |branch: &schema::Branch| Branch::from_wire(federation, &log, wire.at, branch);
        Fork::new(log, wire.at, root, [branch(first)?, branch(second)?])
    }

    /// As sent to a peer and kept.
    pub fn to_wire(&self) -> schema::Fork {
        schema::Fork {
            log: self.log.as_bytes().to_vec(),
            at: self.at,
            root: self.root.as_bytes().to_vec(),
            branches: self.branches.iter().map(Branch::to_wire).collect(),
        }
    }

    /// The log.
    pub fn log(&self) -> &PublicKey {
        &self.log
    }

    /// The first index at which the branches differ.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The root over the leaves before it.
    pub fn root(&self) -> &Digest {
        &self.root
    }

    /// The two branches, in the order of the hashes of their leaves.
    pub fn branches(&self) -> &[Branch; 2] {
        &self.branches
    }
}

impl Branch {
    /// Reads one whose leaf is at `at`; that its checkpoint has the leaf is not verified yet.
    pub fn from_wire(
        federation: &Digest,
        log: &PublicKey,
        at: u64,
        wire: &schema::Branch,
    ) -> Result<Branch, ForkError> {
        Ok(Branch {
            checkpoint: SignedCheckpoint::verify(&wire.checkpoint, federation)?,
            joined: tree::proof_from_wire(&wire.joined).ok_or(ForkError::Shape)?,
            entry: Entry::parse(&wire.entry, log, at)?,
            path: tree::proof_from_wire(&wire.path).ok_or(ForkError::Shape)?,
        })
    }

    /// As sent to a peer and kept.
    pub fn to_wire(&self) -> schema::Branch {
        schema::Branch {
            checkpoint: self.checkpoint.as_bytes().to_vec(),
            joined: tree::proof_to_wire(&self.joined),
            entry: self.entry.as_bytes().to_vec(),
            path: tree::proof_to_wire(&self.path),
        }
    }

    /// Whether the checkpoint goes on from the tree with the root `root` over the first `at` leaves, with this leaf.
    pub fn verify(&self, log: &PublicKey, at: u64, root: &Digest) -> Result<(), ForkError> {
        let (size, end) = (self.checkpoint.size(), self.checkpoint.root());
        let is_ours = self.checkpoint.log() == log && self.entry.log() == log && self.entry.index() == at && size > at;
        let is_joined = is_ours && parts_at(at, root, &self.joined, &self.entry.digest(), &self.path, size, end);
        if is_joined { Ok(()) } else { Err(ForkError::NotJoined { log: *log, at }) }
    }
}

/// Whether the tree of `size` and `end` goes on from the one of `at` and `root`, and has that leaf next.
pub fn parts_at(
    at: u64,
    root: &Digest,
    joined: &[Digest],
    leaf: &Digest,
    path: &[Digest],
    size: u64,
    end: &Digest,
) -> bool {
    size > at
        && tree::verify_consistency(at, root, size, end, joined).is_ok()
        && tree::verify_inclusion(leaf, at, size, path, end).is_ok()
}

/// What one's own archive has at the leaf where a peer's branch parts from it.
#[derive(Clone, Debug)]
pub struct Side {
    /// The tree before the leaf.
    pub edge: Compact,
    /// The branch that is held.
    pub branch: Branch,
    /// Bytes of the uncompressed bodies from the leaf on.
    pub body_bytes: u64,
}
