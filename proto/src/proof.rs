//! A proof for a stranger: C2SP `tlog-proof`, which shows that a leaf is in a log, with nothing but the log's key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::digest::Digest;
use crate::tree;

const TYPE_LINE: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion path with its checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// The leaf's index.
    pub index: u64,
    /// From the leaf's sibling up.
    pub path: Vec<Digest>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
}

/// Why a proof does not show what it should.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TlogProofError {
    /// Not the format.
    #[error("this is not a {TYPE_LINE}")]
    Shape,
    /// The checkpoint is not one of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead from the leaf to the root.
    #[error("the entry is not in the log whose checkpoint is given")]
    NotIncluded,
}

impl TlogProof {
    /// The text of the proof.
    pub fn to_text(&self) -> String {
        let mut text = format!("{TYPE_LINE}\nindex {}\n", self.index);
        for hash in &self.path {
            text.push_str(&STANDARD.encode(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.checkpoint));
        text
    }

    /// Reads a proof; what it claims is not verified yet.
    pub fn parse(text: &str) -> Result<TlogProof, TlogProofError> {
        TlogProof::read(text).filter(|proof| proof.to_text() == text).ok_or(TlogProofError::Shape)
    }

    /// Verifies that `leaf` is in the log of the checkpoint, which it returns: whose log that is, is the caller's question.
    pub fn verify(&self, leaf: &Digest, federation: &Digest) -> Result<SignedCheckpoint, TlogProofError> {
        let checkpoint = SignedCheckpoint::verify(&self.checkpoint, federation)?;
        tree::verify_inclusion(leaf, self.index, checkpoint.size(), &self.path, checkpoint.root())
            .map_err(|_| TlogProofError::NotIncluded)?;
        Ok(checkpoint)
    }

    fn read(text: &str) -> Option<TlogProof> {
        let (head, checkpoint) = text.split_once("\n\n")?;
        let mut lines = head.lines();
        lines.next().filter(|line| *line == TYPE_LINE)?;
        let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
        let hash = |line: &str| Digest::try_from(STANDARD.decode(line).ok()?.as_slice()).ok();
        let path = lines.map(hash).collect::<Option<_>>()?;
        Some(TlogProof { index, path, checkpoint: checkpoint.as_bytes().to_vec() })
    }
}
