//! RFC 6962 Merkle trees: hashes, the compact state of a growing tree, and proofs.
//!
//! Whoever can name the hash of every complete subtree ([`Hashes`]) can make proofs; whoever holds only the right edge
//! ([`Compact`]) can append, and verify what others made. Proof algorithms are those of RFC 9162, 2.1.3 and 2.1.4.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::digest::Digest;

/// Hashes in a proof: one for each level of a tree of 2^64 leaves, and one for its start.
pub const PROOF_HASHES_MAX: usize = 65;

/// The hash of a leaf's bytes.
pub fn leaf_hash(leaf: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], leaf])
}

/// The hash of a node over its two children.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of_parts(&[&[1], left.as_bytes(), right.as_bytes()])
}

/// The root of the tree without leaves.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// A proof does not show what it should. Whoever made it is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("the proof does not lead to the root")]
pub struct ProofError;

/// The hashes of complete subtrees: of the 2^`level` leaves from `index << level`.
pub trait Hashes {
    /// One of them; `None` where those leaves are not all there.
    fn hash(&self, level: u8, index: u64) -> Option<Digest>;
}

/// The right edge of a tree: enough to append to it and to know its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compact {
    size: u64,
    /// The roots of the maximal complete subtrees, largest first: one for each bit of `size`.
    peaks: Vec<Digest>,
}

impl Compact {
    /// The tree without leaves.
    pub fn new() -> Compact {
        Compact::default()
    }

    /// From its parts; `None` where the number of peaks is not that of the size.
    pub fn from_parts(size: u64, peaks: Vec<Digest>) -> Option<Compact> {
        (peaks.len() as u32 == size.count_ones()).then_some(Compact { size, peaks })
    }

    /// Leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the maximal complete subtrees, largest first.
    pub fn peaks(&self) -> &[Digest] {
        &self.peaks
    }

    /// The root.
    pub fn root(&self) -> Digest {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// Appends a leaf by its hash and reports every subtree this completes, the leaf itself (level 0) first.
    pub fn push(&mut self, leaf: Digest, mut completed: impl FnMut(u8, u64, Digest)) {
        let (mut hash, mut index, mut level) = (leaf, self.size, 0u8);
        completed(level, index, hash);
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            (index, level) = (index >> 1, level + 1);
            completed(level, index, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }
}

/// The root over the first `size` leaves.
pub fn root_at(hashes: &impl Hashes, size: u64) -> Option<Digest> {
    compact_at(hashes, size).map(|compact| compact.root())
}

/// The right edge of the first `size` leaves.
pub fn compact_at(hashes: &impl Hashes, size: u64) -> Option<Compact> {
    Some(Compact { size, peaks: peaks(hashes, 0, size)? })
}

/// The inclusion path of leaf `index` in the first `size` leaves: from its sibling up.
pub fn inclusion(hashes: &impl Hashes, index: u64, size: u64) -> Option<Vec<Digest>> {
    if index >= size {
        return None;
    }
    inclusion_ranges(index, size).into_iter().map(|(start, end)| range_root(hashes, start, end)).collect()
}

/// The ranges of leaves over which an inclusion path has its hashes, in its order; `index` is below `size`.
fn inclusion_ranges(index: u64, size: u64) -> Vec<(u64, u64)> {
    let (mut ranges, mut start, mut end) = (Vec::new(), 0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The proof that the first `from` leaves of the first `to` are what they were (empty from 0, and between equal sizes).
pub fn consistency(hashes: &impl Hashes, from: u64, to: u64) -> Option<Vec<Digest>> {
    consistency_ranges(from, to)?.into_iter().map(|(start, end)| range_root(hashes, start, end)).collect()
}

/// The same by one who holds only the first `held` leaves, `from <= held <= to`, and the proof from there to `to`: what ends
/// within `held` it has, what lies beyond is in that proof, and what straddles is made of both.
pub fn consistency_beyond(
    hashes: &impl Hashes,
    from: u64,
    held: u64,
    to: u64,
    proof: &[Digest],
) -> Option<Vec<Digest>> {
    let known: BTreeMap<(u64, u64), Digest> =
        consistency_ranges(held, to)?.into_iter().zip(proof.iter().copied()).collect();
    let ranges = consistency_ranges(from, to)?;
    ranges.into_iter().map(|(start, end)| root_beyond(hashes, held, &known, start, end)).collect()
}

/// The inclusion path of leaf `index < held` in the first `to` leaves, by one who holds only the first `held` of them and the
/// proof from there to `to`.
pub fn inclusion_beyond(hashes: &impl Hashes, index: u64, held: u64, to: u64, proof: &[Digest]) -> Option<Vec<Digest>> {
    if index >= held {
        return None;
    }
    let known: BTreeMap<(u64, u64), Digest> =
        consistency_ranges(held, to)?.into_iter().zip(proof.iter().copied()).collect();
    inclusion_ranges(index, to).into_iter().map(|(start, end)| root_beyond(hashes, held, &known, start, end)).collect()
}

fn root_beyond(
    hashes: &impl Hashes,
    held: u64,
    known: &BTreeMap<(u64, u64), Digest>,
    start: u64,
    end: u64,
) -> Option<Digest> {
    if end <= held {
        return range_root(hashes, start, end);
    }
    if let Some(hash) = known.get(&(start, end)) {
        return Some(*hash);
    }
    if end - start < 2 {
        return None;
    }
    let middle = start + split(end - start);
    let (left, right) =
        (root_beyond(hashes, held, known, start, middle)?, root_beyond(hashes, held, known, middle, end)?);
    Some(node_hash(&left, &right))
}

/// The ranges of leaves over which a consistency proof has its hashes, in its order.
fn consistency_ranges(from: u64, to: u64) -> Option<Vec<(u64, u64)>> {
    if from > to {
        return None;
    }
    if from == 0 || from == to {
        return Some(Vec::new());
    }
    let (mut ranges, mut start, mut end) = (Vec::new(), 0, to);
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    if start > 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    Some(ranges)
}

/// The root to which a leaf at `index` of `size` and its path lead (RFC 9162, 2.1.3.2).
pub fn root_from_inclusion(leaf: &Digest, index: u64, size: u64, path: &[Digest]) -> Result<Digest, ProofError> {
    if index >= size || path.len() > PROOF_HASHES_MAX {
        return Err(ProofError);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 { Ok(hash) } else { Err(ProofError) }
}

/// Verifies an inclusion path against a root.
pub fn verify_inclusion(
    leaf: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    (root_from_inclusion(leaf, index, size, path)? == *root).then_some(()).ok_or(ProofError)
}

/// The root at `to` to which a consistency proof leads from the root at `from` (RFC 9162, 2.1.4.2). From 0 a proof leads
/// nowhere, but to 0: anything is consistent with nothing, and nothing is shown.
pub fn root_from_consistency(from: u64, from_root: &Digest, to: u64, path: &[Digest]) -> Result<Digest, ProofError> {
    if from == to {
        return if path.is_empty() { Ok(*from_root) } else { Err(ProofError) };
    }
    if from == 0 || from > to || path.len() > PROOF_HASHES_MAX {
        return Err(ProofError);
    }
    let (first, rest) = if from.is_power_of_two() {
        (*from_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(ProofError)?;
        (*first, rest)
    };
    let shift = (from - 1).trailing_ones();
    let (mut node, mut last) = ((from - 1) >> shift, (to - 1) >> shift);
    let (mut old, mut new) = (first, first);
    for hash in rest {
        if last == 0 {
            return Err(ProofError);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new = node_hash(&new, hash);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last == 0 && old == *from_root { Ok(new) } else { Err(ProofError) }
}

/// Verifies a consistency proof between two roots. From 0 the proof is empty, and only the empty root has nothing under it.
pub fn verify_consistency(
    from: u64,
    from_root: &Digest,
    to: u64,
    to_root: &Digest,
    path: &[Digest],
) -> Result<(), ProofError> {
    if from == 0 && to > 0 {
        return (path.is_empty() && *from_root == empty_root()).then_some(()).ok_or(ProofError);
    }
    (root_from_consistency(from, from_root, to, path)? == *to_root).then_some(()).ok_or(ProofError)
}

/// What the inclusion path of the very next leaf also shows: its left siblings must be the tree we hold, and then it yields
/// the consistency proof from there on. Returns the root at `size`, the tree with the leaf, and the proof from it to `size`.
pub fn consistency_from_inclusion(
    before: &Compact,
    leaf: &Digest,
    size: u64,
    path: &[Digest],
) -> Result<(Digest, Compact, Vec<Digest>), ProofError> {
    let root = root_from_inclusion(leaf, before.size(), size, path)?;
    let mut after = before.clone();
    after.push(*leaf, |_, _, _| {});
    let mut proof = Vec::new();
    if after.size() < size {
        if !after.size().is_power_of_two() {
            proof.extend(after.peaks().last());
        }
        let inside = after.size().trailing_zeros() as usize;
        proof.extend_from_slice(path.get(inside..).ok_or(ProofError)?);
    }
    // The proof verifies from our own state only if the path's left siblings were our own peaks.
    verify_consistency(after.size(), &after.root(), size, &root, &proof)?;
    Ok((root, after, proof))
}

/// A proof as sent; `None` where its hashes are not of 32 bytes, or more than any proof has.
pub fn proof_from_wire(wire: &[Vec<u8>]) -> Option<Vec<Digest>> {
    if wire.len() > PROOF_HASHES_MAX {
        return None;
    }
    wire.iter().map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect()
}

/// A proof to be sent.
pub fn proof_to_wire(proof: &[Digest]) -> Vec<Vec<u8>> {
    proof.iter().map(|hash| hash.as_bytes().to_vec()).collect()
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The root over `[start, end)`, where `start` is where such a range begins in an RFC 6962 tree.
fn range_root(hashes: &impl Hashes, start: u64, end: u64) -> Option<Digest> {
    Some(Compact { size: end - start, peaks: peaks(hashes, start, end)? }.root())
}

fn peaks(hashes: &impl Hashes, mut start: u64, end: u64) -> Option<Vec<Digest>> {
    let mut peaks = Vec::new();
    while start < end {
        let level = 63 - (end - start).leading_zeros() as u8;
        peaks.push(hashes.hash(level, start >> level)?);
        start += 1 << level;
    }
    Some(peaks)
}
