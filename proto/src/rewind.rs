//! What a replica sets aside when the cut of a log is on another branch than the one it holds: its entries from where the two
//! part. They stay in the segments as evidence; the log goes on from there on the cut's branch.

use thiserror::Error;

use crate::body::Cut;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::fork::{Side, parts_at};
use crate::key::PublicKey;
use crate::log::{Closing, RunError};
use crate::schema;
use crate::tree;

/// The record of it, with the proof that made it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewind {
    /// Entries that stay.
    pub at: u64,
    /// What verifies the end of those; `None` where none stay.
    pub closing: Option<Closing>,
    /// Where the log ends.
    pub cut: Cut,
    /// The cut's branch at the leaf where they part.
    pub branch: CutBranch,
}

/// A branch at one of its leaves, in the tree of a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutBranch {
    /// From the tree before the leaf to the cut's; empty from the empty tree.
    pub joined: Vec<Digest>,
    /// The leaf.
    pub entry: Entry,
    /// Its inclusion in the cut's tree.
    pub path: Vec<Digest>,
}

/// Why nothing is set aside. Whoever sent the branch is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RewindError {
    /// Not the shape.
    #[error("this is no record of entries that were set aside")]
    Shape,
    /// The cut's tree does not have the leaf after those that stay.
    #[error("the cut of log {0} is not on that branch")]
    NotJoined(PublicKey),
    /// It has the leaf that is held.
    #[error("the cut of log {0} has the entry that is held")]
    Alike(PublicKey),
}

impl Rewind {
    /// Judges the branch of a cut against the one that is held, where they part.
    pub fn new(cut: Cut, side: &Side, branch: CutBranch) -> Result<Rewind, RewindError> {
        let (at, leaf, log) = (side.edge.size(), branch.entry.digest(), cut.log);
        let closing = Closing { checkpoint: side.branch.checkpoint.clone(), proof: side.branch.joined.clone() };
        let rewind = Rewind { at, closing: Some(closing).filter(|_| at > 0), cut, branch };
        rewind.verify(&side.edge.root())?;
        if leaf == side.branch.entry.digest() { Err(RewindError::Alike(log)) } else { Ok(rewind) }
    }

    /// Whether the cut's tree goes on from what stays, of which `root` is the root, as the record says.
    pub fn verify(&self, root: &Digest) -> Result<(), RewindError> {
        let (CutBranch { joined, entry, path }, cut) = (&self.branch, &self.cut);
        let is_joined = parts_at(self.at, root, joined, &entry.digest(), path, cut.size, &cut.root);
        let is_ended = match &self.closing {
            Some(closing) => closing.joins(&cut.log, self.at, root),
            None => self.at == 0,
        };
        if is_joined && is_ended { Ok(()) } else { Err(RewindError::NotJoined(cut.log)) }
    }

    /// As kept.
    pub fn to_wire(&self) -> schema::Rewind {
        let CutBranch { joined, entry, path } = &self.branch;
        schema::Rewind {
            at: self.at,
            closing: self.closing.as_ref().map(Closing::to_wire),
            cut: Some(self.cut.write()),
            branch: Some(schema::Branch {
                checkpoint: Vec::new(),
                joined: tree::proof_to_wire(joined),
                entry: entry.as_bytes().to_vec(),
                path: tree::proof_to_wire(path),
            }),
        }
    }

    /// Reads what a store kept; [`Rewind::verify`] judges it.
    pub fn from_wire(federation: &Digest, wire: &schema::Rewind) -> Result<Rewind, RewindError> {
        let cut = wire.cut.as_ref().and_then(Cut::read).ok_or(RewindError::Shape)?;
        let closing = wire.closing.as_ref().map(|wire| Closing::from_wire(federation, wire)).transpose();
        let closing = closing.map_err(|_: RunError| RewindError::Shape)?;
        let (at, branch) = (wire.at, wire.branch.as_ref());
        let branch = branch.and_then(|branch| CutBranch::from_wire(&cut.log, at, branch));
        let branch = branch.ok_or(RewindError::Shape)?;
        Ok(Rewind { at: wire.at, closing, cut, branch })
    }
}

impl CutBranch {
    /// Reads one whose leaf is at `at`; that a cut's tree has it is not verified yet.
    pub fn from_wire(log: &PublicKey, at: u64, wire: &schema::Branch) -> Option<CutBranch> {
        Some(CutBranch {
            joined: tree::proof_from_wire(&wire.joined)?,
            entry: Entry::parse(&wire.entry, log, at).ok()?,
            path: tree::proof_from_wire(&wire.path)?,
        })
    }
}
