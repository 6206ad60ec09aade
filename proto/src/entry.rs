//! One leaf of a log: a small header that names the digest of its body.
//!
//! An [`Entry`] is sound *alone*: it decodes, re-encodes to the same bytes, and stands at the key and index it was asked for at.
//! Whether it follows what is held is the tree's question (`log.rs`), whether it counts is standing's (`standing.rs`).

use prost::Message;
use thiserror::Error;

use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits;
use crate::schema;
use crate::tree;

/// The only entry format there is.
const FORMAT: u32 = 1;

/// A sound entry with the exact bytes that were hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    log: PublicKey,
    index: u64,
    claimed_ms: u64,
    kind: u32,
    body_digest: Digest,
    body_size: u32,
    bytes: Vec<u8>,
}

/// Why bytes are not an entry. The author is to blame, or whoever altered them on the way; nothing was changed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EntryError {
    /// Longer than [`limits::ENTRY_BYTES_MAX`].
    #[error("an entry of {0} bytes is over the limit of {max}", max = limits::ENTRY_BYTES_MAX)]
    TooLong(usize),
    /// Not the protobuf shape.
    #[error("the bytes of an entry do not decode")]
    Shape,
    /// Decodes, but encodes to other bytes, so that two digests could name one meaning.
    #[error("an entry does not re-encode to the same bytes")]
    NotCanonical,
    /// A format that this version does not know.
    #[error("an entry is of format {0}, which this version does not know")]
    Format(u32),
    /// Written for another log or another place in it.
    #[error("an entry says it is {said_log}:{said_index}, but stands at {log}:{index}")]
    Misplaced {
        /// The log asked for.
        log: PublicKey,
        /// The index asked for.
        index: u64,
        /// The log it names, in hex.
        said_log: String,
        /// The index it names.
        said_index: u64,
    },
    /// The body it announces is empty or over [`limits::BODY_BYTES_MAX`].
    #[error("an entry announces a body of {0} bytes; 1 to {max} are allowed", max = limits::BODY_BYTES_MAX)]
    BodySize(u32),
}

impl Entry {
    /// The entry for `body` at place `index` of `log`. The caller has checked the body's size.
    pub fn new(log: PublicKey, index: u64, claimed_ms: u64, kind: u32, body: &[u8]) -> Entry {
        let body_digest = Digest::of(body);
        let body_size = body.len() as u32;
        let wire = schema::Entry {
            version: FORMAT,
            log: log.as_bytes().to_vec(),
            index,
            claimed_ms,
            kind,
            body_digest: body_digest.as_bytes().to_vec(),
            body_size,
        };
        Entry { log, index, claimed_ms, kind, body_digest, body_size, bytes: wire.encode_to_vec() }
    }

    /// Reads the entry that should stand at `index` of `log`.
    pub fn parse(bytes: &[u8], log: &PublicKey, index: u64) -> Result<Entry, EntryError> {
        let entry = Entry::parse_anywhere(bytes)?;
        if entry.log != *log || entry.index != index {
            let (said_log, said_index) = (entry.log.to_string(), entry.index);
            return Err(EntryError::Misplaced { log: *log, index, said_log, said_index });
        }
        Ok(entry)
    }

    /// Reads an entry that says itself where it stands; the caller goes on to prove that it does.
    pub fn parse_anywhere(bytes: &[u8]) -> Result<Entry, EntryError> {
        if bytes.len() > limits::ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let wire = schema::Entry::decode(bytes).map_err(|_| EntryError::Shape)?;
        if wire.encode_to_vec() != bytes {
            return Err(EntryError::NotCanonical);
        }
        if wire.version != FORMAT {
            return Err(EntryError::Format(wire.version));
        }
        if wire.body_size == 0 || wire.body_size as usize > limits::BODY_BYTES_MAX {
            return Err(EntryError::BodySize(wire.body_size));
        }
        Ok(Entry {
            log: PublicKey::from_bytes(&wire.log).map_err(|_| EntryError::Shape)?,
            index: wire.index,
            claimed_ms: wire.claimed_ms,
            kind: wire.kind,
            body_digest: Digest::try_from(wire.body_digest.as_slice()).map_err(|_| EntryError::Shape)?,
            body_size: wire.body_size,
            bytes: bytes.to_vec(),
        })
    }

    /// The RFC 6962 leaf hash, by which the entry is cited.
    pub fn digest(&self) -> Digest {
        tree::leaf_hash(&self.bytes)
    }

    /// The log it stands in.
    pub fn log(&self) -> &PublicKey {
        &self.log
    }

    /// Its place, from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// "Dated by the author", Unix milliseconds. No rule reads it.
    pub fn claimed_ms(&self) -> u64 {
        self.claimed_ms
    }

    /// A number of `schema::Kind`, or one of a newer Comity.
    pub fn kind(&self) -> u32 {
        self.kind
    }

    /// SHA-256 of the uncompressed body.
    pub fn body_digest(&self) -> &Digest {
        &self.body_digest
    }

    /// Bytes of the uncompressed body.
    pub fn body_size(&self) -> u32 {
        self.body_size
    }

    /// The exact bytes that were hashed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}
