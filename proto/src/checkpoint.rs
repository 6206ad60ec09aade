//! A log's signed size and root, as C2SP `tlog-checkpoint` has it.
//!
//! ```text
//! comity/<federation id>/<log key>
//! 40
//! <root, base64>
//!
//! — comity/<federation id>/<log key> <signature>
//! ```
//!
//! The origin names federation and key, so no checkpoint can be shown as that of another log or of another federation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::digest::Digest;
use crate::key::{PublicKey, SecretKey};
use crate::limits;
use crate::note::Note;

/// What a checkpoint says, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The federation's id.
    pub federation: Digest,
    /// The log's key.
    pub log: PublicKey,
    /// Entries under the root.
    pub size: u64,
    /// The RFC 6962 root.
    pub root: Digest,
}

/// A checkpoint whose signature by the log's key verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Vec<u8>,
}

/// Why bytes are not a signed checkpoint of this federation. Whoever sent them is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CheckpointError {
    /// Not the three lines and the one signature.
    #[error("a checkpoint is three lines and one signature")]
    Shape,
    /// Of another federation.
    #[error("the checkpoint is of another federation")]
    Federation,
    /// Not signed by the key its origin names.
    #[error("the checkpoint is not signed by the key of its log")]
    Signature,
}

impl Checkpoint {
    /// Its first line, which is also the name of the key that signs it.
    pub fn origin(&self) -> String {
        origin(&self.federation, &self.log)
    }

    /// Signs it with the log's own key, and parses what it signed.
    pub fn sign(&self, key: &SecretKey) -> Result<SignedCheckpoint, CheckpointError> {
        if key.public() != self.log {
            return Err(CheckpointError::Signature);
        }
        let mut note = Note::new(&self.text()).map_err(|_| CheckpointError::Shape)?;
        note.sign(&self.origin(), key);
        SignedCheckpoint::verify(&note.to_bytes(), &self.federation)
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin(), self.size, STANDARD.encode(self.root.as_bytes()))
    }

    fn read(text: &str) -> Option<Checkpoint> {
        let mut lines = text.lines();
        let (federation, log) = lines.next()?.strip_prefix("comity/")?.split_once('/')?;
        let size = lines.next()?.parse().ok()?;
        let root = STANDARD.decode(lines.next()?).ok()?;
        let root = Digest::try_from(root.as_slice()).ok()?;
        let checkpoint = Checkpoint { federation: federation.parse().ok()?, log: log.parse().ok()?, size, root };
        (checkpoint.text() == text).then_some(checkpoint)
    }
}

impl SignedCheckpoint {
    /// Reads and verifies a checkpoint of `federation`.
    pub fn verify(bytes: &[u8], federation: &Digest) -> Result<SignedCheckpoint, CheckpointError> {
        if bytes.len() > limits::CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::Shape);
        }
        let note = Note::parse(bytes).map_err(|_| CheckpointError::Shape)?;
        let checkpoint =
            Checkpoint::read(&note.text).filter(|_| note.signatures.len() == 1).ok_or(CheckpointError::Shape)?;
        if checkpoint.federation != *federation {
            return Err(CheckpointError::Federation);
        }
        note.verify(&checkpoint.origin(), &checkpoint.log).map_err(|_| CheckpointError::Signature)?;
        Ok(SignedCheckpoint { checkpoint, note: bytes.to_vec() })
    }

    /// What it says.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The log's key.
    pub fn log(&self) -> &PublicKey {
        &self.checkpoint.log
    }

    /// Entries under the root.
    pub fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// The root.
    pub fn root(&self) -> &Digest {
        &self.checkpoint.root
    }

    /// The signed note.
    pub fn as_bytes(&self) -> &[u8] {
        &self.note
    }
}

/// The origin of a log's checkpoints.
pub fn origin(federation: &Digest, log: &PublicKey) -> String {
    format!("comity/{federation}/{log}")
}
