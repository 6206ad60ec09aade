//! One log as a replica holds it: its compact tree, the closing of its run, and which bodies it lacks.
//!
//! The only way to lengthen a log is a [`Run`], and the only ways to get one are [`Log::verify`] (a peer's chunk, proven up to
//! the log key's signature) and [`Log::write`] (our own entries, signed here). A `Run` is the proof; stores take nothing else.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::body::{self, BodyError, Cut, Joined, Open, Purpose};
use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::digest::Digest;
use crate::entry::{Entry, EntryError};
use crate::fork::Side;
use crate::key::{PublicKey, SecretKey};
use crate::limits;
use crate::schema;
use crate::tree::{self, Compact, Hashes};

/// What verifies the end of a run: a checkpoint at or beyond it, and the proof that joins the two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The checkpoint, of size N.
    pub checkpoint: SignedCheckpoint,
    /// From the run's end to N; empty where the end is N.
    pub proof: Vec<Digest>,
}

/// One entry of a run, with its body where the sender had it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The entry.
    pub entry: Entry,
    /// The body: its zstd frame and its uncompressed bytes.
    pub body: Option<Body>,
}

/// A proven body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As stored and sent.
    pub frame: Vec<u8>,
    /// What the digest is over.
    pub bytes: Vec<u8>,
}

/// Consecutive verified entries with their closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    log: PublicKey,
    from: u64,
    leaves: Vec<Leaf>,
    closing: Closing,
    after: Compact,
}

impl Run {
    /// The log.
    pub fn log(&self) -> &PublicKey {
        &self.log
    }

    /// The index of the first leaf.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// The entries, in order.
    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    /// What verifies its end.
    pub fn closing(&self) -> &Closing {
        &self.closing
    }

    /// The log's tree with the run.
    pub fn after(&self) -> &Compact {
        &self.after
    }

    /// The same run without the bodies of some entries: it proves no less.
    pub fn without_bodies(&self, is_dropped: impl Fn(u64) -> bool) -> Run {
        let mut run = self.clone();
        for leaf in run.leaves.iter_mut().filter(|leaf| is_dropped(leaf.entry.index())) {
            leaf.body = None;
        }
        run
    }
}

/// Why a chunk is not the next run of a log. Nothing was changed. Whoever sent it is to blame, but for [`RunError::Gap`].
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RunError {
    /// It begins beyond what is held; the entries between have to come first.
    #[error("a run begins at entry {from}, but only {held} are held")]
    Gap {
        /// Where it begins.
        from: u64,
        /// What is held.
        held: u64,
    },
    /// It ends within what is held.
    #[error("a run brings nothing new")]
    Nothing,
    /// Too many entries, or hashes of the wrong length.
    #[error("a chunk does not have the shape of a run")]
    Shape,
    /// An entry is not sound.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A body is not its entry's.
    #[error("entry {index}: {error}")]
    Body {
        /// The entry.
        index: u64,
        /// Why.
        error: BodyError,
    },
    /// A governance entry, or entry 0, came without its body.
    #[error("entry {0} came without the body it cannot be without")]
    NoBody(u64),
    /// Entry 0 is not an `open` that agrees with what made the key known.
    #[error("entry 0 does not open this log as the key was delegated or listed")]
    Open,
    /// The log was cut, or a governance log is at its bound.
    #[error("the log ends at entry {0}")]
    Ended(u64),
    /// The checkpoint is not signed by the log's key.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entries do not lead to the checkpoint's root.
    #[error("the entries up to {0} are not those of the signed checkpoint")]
    NotJoined(u64),
    /// They lead to another root than that of the log's cut.
    #[error("the entries up to {0} are not on the branch of the log's cut")]
    OffCut(u64),
}

/// What the records held make of a log, once its entry 0 says how it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission<'a> {
    /// Nothing made the key known as its entry 0 says.
    Refused,
    /// The log goes on.
    Whole,
    /// The log was cut here.
    Until(&'a Cut),
}

impl Admission<'_> {
    /// The more generous, the higher: of two cuts at one size the greater root, then the one joined to more, so that all replicas
    /// choose alike.
    pub fn rank(&self) -> (u8, u64, Digest, Option<&Joined>) {
        let whole = Digest([0; 32]);
        match self {
            Admission::Refused => (0, 0, whole, None),
            Admission::Until(cut) => (1, cut.size, cut.root, cut.joined.as_deref()),
            Admission::Whole => (2, 0, whole, None),
        }
    }
}

/// What a replica holds of one log. Private fields: only a run changes it.
#[derive(Clone, Debug)]
pub struct Log {
    key: PublicKey,
    purpose: Purpose,
    open: Option<Open>,
    tree: Compact,
    closing: Option<Closing>,
    missing: BTreeMap<u64, Entry>,
    body_bytes: u64,
    roots: BTreeMap<u64, Digest>,
}

impl Log {
    /// A log of which only the key is known, and what it is presumably for until entry 0 says so.
    pub fn new(key: PublicKey, purpose: Purpose) -> Log {
        let (open, tree, closing, missing) = (None, Compact::new(), None, BTreeMap::new());
        Log { key, purpose, open, tree, closing, missing, body_bytes: 0, roots: BTreeMap::new() }
    }

    /// A log as a store kept it. The store's records were verified when they were taken; the audit verifies them again.
    pub fn resume(
        key: PublicKey,
        open: Open,
        tree: Compact,
        closing: Closing,
        missing: BTreeMap<u64, Entry>,
        body_bytes: u64,
    ) -> Log {
        let (purpose, roots) = (open.purpose, BTreeMap::new());
        Log { key, purpose, open: Some(open), tree, closing: Some(closing), missing, body_bytes, roots }
    }

    /// Its key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// What its entry 0 says, once held.
    pub fn open(&self) -> Option<&Open> {
        self.open.as_ref()
    }

    /// Governance or publication.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Entries held.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The tree over the entries held.
    pub fn tree(&self) -> &Compact {
        &self.tree
    }

    /// What verifies the end of what is held.
    pub fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// Entries whose body is wanted, by index: kept here because they alone can prove it when it comes.
    pub fn missing(&self) -> &BTreeMap<u64, Entry> {
        &self.missing
    }

    /// Verifies a peer's chunk as the next run. `admits` judges entry 0, the held one or the chunk's: it decides whose the
    /// log is, and so where it ends.
    pub fn verify<'a>(
        &self,
        federation: &Digest,
        chunk: &schema::Chunk,
        admits: impl Fn(&Open) -> Admission<'a>,
    ) -> Result<Run, RunError> {
        let held = self.size();
        if chunk.from > held {
            return Err(RunError::Gap { from: chunk.from, held });
        }
        if chunk.leaves.len() > limits::CHUNK_ENTRIES_MAX {
            return Err(RunError::Shape);
        }
        let known = usize::try_from(held - chunk.from).map_err(|_| RunError::Nothing)?;
        let fresh = chunk.leaves.get(known..).filter(|leaves| !leaves.is_empty()).ok_or(RunError::Nothing)?;
        let wire = chunk.closing.as_ref().ok_or(RunError::Shape)?;
        let mut leaves = Vec::with_capacity(fresh.len());
        for (index, leaf) in (held..).zip(fresh) {
            let entry = Entry::parse(&leaf.entry, &self.key, index)?;
            let body = match leaf.body.as_slice() {
                [] => None,
                frame => {
                    let bytes = body::unpack(frame, &entry).map_err(|error| RunError::Body { index, error })?;
                    Some(Body { frame: frame.to_vec(), bytes })
                }
            };
            leaves.push(Leaf { entry, body });
        }
        self.join(leaves, Closing::from_wire(federation, wire)?, admits)
    }

    /// Joins sound leaves, each with its proven body, as the next run; the closing's signature was verified.
    pub fn join<'a>(
        &self,
        leaves: Vec<Leaf>,
        closing: Closing,
        admits: impl Fn(&Open) -> Admission<'a>,
    ) -> Result<Run, RunError> {
        let held = self.size();
        let mut purpose = self.purpose;
        let mut admission = self.open.as_ref().map_or(Admission::Refused, &admits);
        let mut after = self.tree.clone();
        for (index, Leaf { entry, body }) in (held..).zip(&leaves) {
            if *entry.log() != self.key || entry.index() != index {
                return Err(RunError::Gap { from: entry.index(), held: index });
            }
            if body.is_none() && (index == 0 || purpose == Purpose::Governance) {
                return Err(RunError::NoBody(index));
            }
            if index == 0 {
                let bytes = body.as_ref().filter(|_| entry.kind() == schema::Kind::Open as u32);
                let open = bytes.and_then(|body| Open::parse(&body.bytes));
                admission = open.as_ref().map_or(Admission::Refused, &admits);
                purpose = open.map_or(purpose, |open| open.purpose);
            }
            match admission {
                Admission::Refused => return Err(RunError::Open),
                Admission::Until(cut) if index >= cut.size => return Err(RunError::Ended(cut.size)),
                Admission::Whole | Admission::Until(_) => {}
            }
            after.push(entry.digest(), |_, _, _| {});
        }
        self.within_bounds(purpose, &leaves)?;
        closing.ends(&self.key, &after)?;
        match admission {
            Admission::Until(cut) if after.size() == cut.size && after.root() != cut.root => {
                Err(RunError::OffCut(cut.size))
            }
            _ => Ok(Run { log: self.key, from: held, leaves, closing, after }),
        }
    }

    /// Writes own entries after those held and signs one checkpoint over all: the author's signature on everything up to it.
    pub fn write(
        &self,
        federation: &Digest,
        key: &SecretKey,
        bodies: &[(u32, Vec<u8>)],
        now_ms: u64,
    ) -> Result<Run, RunError> {
        let mut leaves = Vec::with_capacity(bodies.len());
        let mut after = self.tree.clone();
        for (index, (kind, bytes)) in (self.size()..).zip(bodies) {
            let frame = body::pack(bytes).map_err(|error| RunError::Body { index, error })?;
            // A signer parses what it signs: an entry that no replica takes would end the log for good.
            let entry = Entry::parse(Entry::new(self.key, index, now_ms, *kind, bytes).as_bytes(), &self.key, index)?;
            after.push(entry.digest(), |_, _, _| {});
            leaves.push(Leaf { entry, body: Some(Body { frame, bytes: bytes.clone() }) });
        }
        if leaves.is_empty() {
            return Err(RunError::Nothing);
        }
        self.within_bounds(self.purpose, &leaves)?;
        let unsigned = crate::checkpoint::Checkpoint {
            federation: *federation,
            log: self.key,
            size: after.size(),
            root: after.root(),
        };
        let closing = Closing { checkpoint: unsigned.sign(key)?, proof: Vec::new() };
        Ok(Run { log: self.key, from: self.size(), leaves, closing, after })
    }

    /// Takes a run that was verified against this very state.
    pub fn extend(&mut self, run: &Run) {
        for leaf in &run.leaves {
            match &leaf.body {
                Some(body) if leaf.entry.index() == 0 => {
                    self.open = Open::parse(&body.bytes);
                    self.purpose = self.open.as_ref().map_or(self.purpose, |open| open.purpose);
                }
                Some(_) => {}
                None => {
                    self.missing.insert(leaf.entry.index(), leaf.entry.clone());
                }
            }
            self.body_bytes += u64::from(leaf.entry.body_size());
        }
        self.tree = run.after.clone();
        self.closing = Some(run.closing.clone());
    }

    /// Sets aside what is not on the branch of its cut: the entries from where that parts from this one. `closing` verifies the
    /// end of what stays.
    pub fn rewind(&mut self, side: &Side, closing: Option<Closing>) {
        let at = side.edge.size();
        if at == 0 {
            *self = Log::new(self.key, self.purpose);
            return;
        }
        self.tree = side.edge.clone();
        self.closing = closing;
        self.missing.retain(|index, _| *index < at);
        self.body_bytes = self.body_bytes.saturating_sub(side.body_bytes);
        self.roots.clear();
    }

    /// Wants the body of an entry no more; the entry, where it was wanted.
    pub fn forgo(&mut self, index: u64) -> Option<Entry> {
        self.missing.remove(&index)
    }

    /// Uncompressed bytes of the bodies of all entries, held or not.
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// The root over the first `size` entries, where that is known: the compact tree has forgotten it.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        if size == self.size() { Some(self.tree.root()) } else { self.roots.get(&size).copied() }
    }

    /// Notes the root over the first `size` entries, as the store found it.
    pub fn note_root(&mut self, size: u64, root: Digest) {
        self.roots.insert(size, root);
    }

    /// Takes a wanted body, proven by its entry; `None` where it is not wanted (any more).
    pub fn find(&mut self, index: u64, frame: &[u8]) -> Option<Result<Body, BodyError>> {
        let entry = self.missing.get(&index)?;
        let proven = body::unpack(frame, entry).map(|bytes| Body { frame: frame.to_vec(), bytes });
        if proven.is_ok() {
            self.missing.remove(&index);
        }
        Some(proven)
    }

    fn within_bounds(&self, purpose: Purpose, leaves: &[Leaf]) -> Result<(), RunError> {
        if purpose == Purpose::Publication {
            return Ok(());
        }
        let bytes: u64 = leaves.iter().map(|leaf| u64::from(leaf.entry.body_size())).sum();
        let size = self.size() + leaves.len() as u64;
        if size > limits::GOVERNANCE_ENTRIES_MAX || self.body_bytes + bytes > limits::GOVERNANCE_BODY_BYTES_MAX {
            return Err(RunError::Ended(self.size()));
        }
        Ok(())
    }
}

impl Closing {
    /// Verifies a peer's closing for a run that ends in `after`.
    pub fn verify(
        federation: &Digest,
        wire: &schema::Closing,
        log: &PublicKey,
        after: &Compact,
    ) -> Result<Closing, RunError> {
        let closing = Closing::from_wire(federation, wire)?;
        closing.ends(log, after)?;
        Ok(closing)
    }

    /// Whether it verifies the end of a log's run that ends in `after`, beyond its signature.
    fn ends(&self, log: &PublicKey, after: &Compact) -> Result<(), RunError> {
        let end = after.size();
        if self.joins(log, end, &after.root()) { Ok(()) } else { Err(RunError::NotJoined(end)) }
    }

    /// Whether it shows that the log's key signed for this root at this size; its signature was verified.
    pub fn joins(&self, log: &PublicKey, size: u64, root: &Digest) -> bool {
        let Closing { checkpoint, proof } = self;
        checkpoint.log() == log
            && checkpoint.size() >= size
            && tree::root_from_consistency(size, root, checkpoint.size(), proof) == Ok(*checkpoint.root())
    }

    /// As sent to a peer.
    pub fn to_wire(&self) -> schema::Closing {
        schema::Closing { checkpoint: self.checkpoint.as_bytes().to_vec(), proof: tree::proof_to_wire(&self.proof) }
    }

    /// As sent or kept; its signature is verified, and that it ends a run is not.
    pub fn from_wire(federation: &Digest, wire: &schema::Closing) -> Result<Closing, RunError> {
        let checkpoint = SignedCheckpoint::verify(&wire.checkpoint, federation)?;
        let proof = tree::proof_from_wire(&wire.proof).ok_or(RunError::Shape)?;
        Ok(Closing { checkpoint, proof })
    }
}

/// The hashes a run adds, over the tree it follows: enough for the inclusion path of each of its leaves.
pub struct Fresh(BTreeMap<(u8, u64), Digest>);

impl Fresh {
    /// The subtrees complete in `before`, and those that `run` completes.
    pub fn new(before: &Compact, run: &Run) -> Fresh {
        let mut known = BTreeMap::new();
        let mut start = 0u64;
        for peak in before.peaks() {
            let level = 63 - (before.size() - start).leading_zeros() as u8;
            known.insert((level, start >> level), *peak);
            start += 1 << level;
        }
        let mut tree = before.clone();
        for leaf in &run.leaves {
            tree.push(leaf.entry.digest(), |level, index, hash| {
                known.insert((level, index), hash);
            });
        }
        Fresh(known)
    }
}

impl Hashes for Fresh {
    fn hash(&self, level: u8, index: u64) -> Option<Digest> {
        self.0.get(&(level, index)).copied()
    }
}
