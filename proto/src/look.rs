//! What a replica asks of its own archive: all that it does not keep in memory, once a record or a peer's answer makes it matter.

use crate::archive::{self, Archive};
use crate::digest::Digest;
use crate::fork::Side;
use crate::key::PublicKey;
use crate::split::Search;
use crate::tree;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The root over the first entries of a log that is longer: whether a cut is on the branch that is held.
    Root {
        /// The log.
        log: PublicKey,
        /// Entries the root is over.
        size: u64,
    },
    /// The same tile as a peer's.
    Tile(Search),
    /// What is held where a peer's branch parts from it.
    Side {
        /// The log.
        log: PublicKey,
        /// The leaf.
        at: u64,
    },
}

/// What is there.
#[derive(Clone, Debug)]
pub enum Sight {
    /// A root.
    Root(Digest),
    /// The hashes of a tile.
    Tile(Vec<Digest>),
    /// The branch at a leaf.
    Side(Box<Side>),
    /// Not that: it is damaged, or was set aside meanwhile.
    Nothing,
}

impl Look {
    /// Answers it from the archive.
    pub fn at<A: Archive>(&self, archive: &A) -> Result<Sight, A::Error> {
        Ok(match self {
            Look::Root { log, size } => tree::root_at(&archive.hashes(log), *size).map_or(Sight::Nothing, Sight::Root),
            Look::Tile(search) => Sight::Tile(search.tile(archive)),
            Look::Side { log, at } => {
                archive::side(archive, log, *at)?.map_or(Sight::Nothing, |side| Sight::Side(Box::new(side)))
            }
        })
    }
}
