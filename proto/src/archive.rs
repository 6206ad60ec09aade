//! What is durably held, as far as a peer or the replica itself asks of it. Implemented by the store, and by a map in simulations.

use std::sync::Arc;

use crate::body::Purpose;
use crate::entry::Entry;
use crate::fork::{Branch, Fork, Side};
use crate::key::PublicKey;
use crate::log::Closing;
use crate::tree::{self, Hashes};

/// Durable records.
pub trait Archive {
    /// Why the records could not be read.
    type Error;
    /// The hashes of one log's tree.
    type Hashes<'a>: Hashes
    where
        Self: 'a;

    /// Purpose, size and closing of a log that is held.
    fn head(&self, log: &PublicKey) -> Result<Option<Head>, Self::Error>;
    /// The exact bytes of an entry and the frame of its body, where held.
    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, Self::Error>;
    /// Of a forked log the proof with the smallest index.
    fn fork(&self, log: &PublicKey) -> Result<Option<Arc<Fork>>, Self::Error>;
    /// The hashes of a log.
    fn hashes<'a>(&'a self, log: &PublicKey) -> Self::Hashes<'a>;
}

/// The exact bytes of an entry, and the frame of its body where that is held.
pub type StoredLeaf = (Vec<u8>, Option<Vec<u8>>);

/// What is durably held of a log.
#[derive(Clone, Debug)]
pub struct Head {
    /// Governance or publication.
    pub purpose: Purpose,
    /// Entries held.
    pub size: u64,
    /// What verifies the end.
    pub closing: Closing,
}

/// The branch that is held, at one of its leaves; `None` where that is not held, or damaged.
pub fn branch<A: Archive>(archive: &A, log: &PublicKey, at: u64) -> Result<Option<Branch>, A::Error> {
    let Some(Head { size, closing, .. }) = archive.head(log)? else { return Ok(None) };
    let Some((entry, _)) = archive.leaf(log, at)? else { return Ok(None) };
    let (hashes, to) = (archive.hashes(log), closing.checkpoint.size());
    let joined = tree::consistency_beyond(&hashes, at, size, to, &closing.proof);
    let path = tree::inclusion_beyond(&hashes, at, size, to, &closing.proof);
    let entry = Entry::parse(&entry, log, at).ok();
    let parts = joined.zip(path).zip(entry);
    Ok(parts.map(|((joined, path), entry)| Branch { checkpoint: closing.checkpoint, joined, entry, path }))
}

/// The same with what it takes to set aside all from that leaf on.
pub fn side<A: Archive>(archive: &A, log: &PublicKey, at: u64) -> Result<Option<Side>, A::Error> {
    let Some(branch) = branch(archive, log, at)? else { return Ok(None) };
    let Some(edge) = tree::compact_at(&archive.hashes(log), at) else { return Ok(None) };
    let (mut index, mut body_bytes) = (at, 0);
    while let Some((entry, _)) = archive.leaf(log, index)? {
        let Ok(entry) = Entry::parse(&entry, log, index) else { return Ok(None) };
        (index, body_bytes) = (index + 1, body_bytes + u64::from(entry.body_size()));
    }
    Ok(Some(Side { edge, branch, body_bytes }))
}
