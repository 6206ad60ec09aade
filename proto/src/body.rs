//! What an entry says, as bytes: how bodies travel (one zstd frame each) and how those of governance logs are read.
//!
//! A body is proven by its entry's digest, over the uncompressed bytes. Content rules are for publishing: here only what no
//! replica could store is refused.

use std::cell::RefCell;
use std::sync::Arc;

use prost::Message;
use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};

use crate::digest::Digest;
use crate::entry::Entry;
use crate::key::PublicKey;
use crate::limits;
use crate::note::Signature;
use crate::schema;
use crate::tree;

/// Levels above 3 cost more time on a modest machine than they save on a weak line.
const ZSTD_LEVEL: i32 = 3;

thread_local! {
    // Making a context costs several times what packing or unpacking 3 KB costs, so each thread keeps one. Nothing passes from
    // one body to the next: every call begins a new frame. `None` where there is no memory for one.
    static PACKER: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(ZSTD_LEVEL).ok());
    static UNPACKER: RefCell<Option<Decompressor<'static>>> = RefCell::new(Decompressor::new().ok());
}

/// Why a frame is not the body of its entry. Whoever sent it is to blame; nothing was changed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than [`limits::FRAME_BYTES_MAX`].
    #[error("a body's frame of {0} bytes is over the limit of {max}", max = limits::FRAME_BYTES_MAX)]
    TooLong(usize),
    /// Not exactly one zstd frame that declares the size its entry names, with a window of at most 1 MiB.
    #[error("a body is not one zstd frame that declares the size its entry names")]
    Frame,
    /// The digest of the uncompressed bytes is not the entry's.
    #[error("a body's digest is not the one its entry names")]
    Digest,
}

/// Compresses a body as it is stored and sent.
pub fn pack(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    if body.len() > limits::BODY_BYTES_MAX {
        return Err(BodyError::TooLong(body.len()));
    }
    PACKER.with_borrow_mut(|packer| match packer {
        Some(packer) => packer.compress(body).map_err(|_| BodyError::Frame),
        None => Err(BodyError::Frame),
    })
}

/// The uncompressed body of `entry`, out of its frame, proven by the digest.
pub fn unpack(frame: &[u8], entry: &Entry) -> Result<Vec<u8>, BodyError> {
    let size = entry.body_size() as usize;
    if frame.len() > limits::FRAME_BYTES_MAX {
        return Err(BodyError::TooLong(frame.len()));
    }
    let declared = zstd::zstd_safe::get_frame_content_size(frame).ok().flatten();
    let whole = zstd::zstd_safe::find_frame_compressed_size(frame).ok();
    if declared != Some(size as u64) || whole != Some(frame.len()) || window(frame) > 1 << limits::FRAME_WINDOW_LOG_MAX
    {
        return Err(BodyError::Frame);
    }
    let body = UNPACKER.with_borrow_mut(|unpacker| match unpacker {
        Some(unpacker) => unpacker.decompress(frame, size).map_err(|_| BodyError::Frame),
        None => Err(BodyError::Frame),
    })?;
    if body.len() != size {
        return Err(BodyError::Frame);
    }
    if Digest::of(&body) != *entry.body_digest() {
        return Err(BodyError::Digest);
    }
    Ok(body)
}

/// Bytes of window a frame asks for (RFC 8878, 3.1.1.1.2), `u64::MAX` where it is no zstd frame.
/// The one-shot decoder ignores the window, but other implementations do not, and all must judge alike.
fn window(frame: &[u8]) -> u64 {
    let (Some([0x28, 0xb5, 0x2f, 0xfd]), Some(descriptor)) = (frame.get(..4), frame.get(4)) else {
        return u64::MAX;
    };
    if descriptor & 0x20 != 0 {
        return 0; // a single segment: the window is the content, whose size was checked
    }
    let Some(byte) = frame.get(5) else { return u64::MAX };
    let base = 1u64 << (10 + (byte >> 3));
    base + base / 8 * u64::from(byte & 7)
}

/// What a log is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// The record of an identity key.
    Governance,
    /// The record of a desk key.
    Publication,
}

impl Purpose {
    /// The word for a page or a script.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Governance => "governance",
            Purpose::Publication => "publication",
        }
    }
}

/// Where a log ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The log that ends.
    pub log: PublicKey,
    /// Entries that stand.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// What stands also where another branch is held, though nobody shows the one that the cut is on.
    pub joined: Option<Arc<Joined>>,
}

/// How many of a cut's entries another branch has too, with the proof (RFC 6962, section 2.1.2, from `at` to the cut's size).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joined {
    /// Entries, at least one and fewer than the cut's.
    pub at: u64,
    /// The consistency proof from those to the cut.
    pub path: Vec<Digest>,
}

/// Entry 0 of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What the log is for.
    pub purpose: Purpose,
    /// The member's code.
    pub member: String,
    /// The member's identity key; for governance the log's own.
    pub identity_key: PublicKey,
    /// SHA-256 of the next identity key's 32 bytes, for governance.
    pub successor_digest: Option<Digest>,
    /// The log that this governance log succeeds, and where it ended.
    pub predecessor: Option<Cut>,
}

/// What a body of a governance log says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Entry 0.
    Open(Open),
    /// A desk may publish for the member.
    Delegate {
        /// The desk's key.
        desk_key: PublicKey,
        /// What the desk is called.
        desk: String,
    },
    /// A desk's log ends.
    Revoke {
        /// Where.
        cut: Cut,
        /// Why, in words.
        reason: String,
    },
    /// The text of a proposed edition; whoever carries it.
    Draft {
        /// What may be signed.
        text: String,
    },
    /// A signature line on a draft; whoever carries it.
    Signature {
        /// SHA-256 of the draft's text.
        draft: Digest,
        /// The line.
        line: Signature,
        /// The signer's key, where it is not the one listed but the one committed to.
        successor: Option<PublicKey>,
    },
}

impl Open {
    /// Reads entry 0's body, `None` where it is not one of this version.
    pub fn parse(body: &[u8]) -> Option<Open> {
        let wire: schema::Open = exact(body)?;
        let purpose = match schema::Purpose::try_from(wire.purpose).ok()? {
            schema::Purpose::Governance => Purpose::Governance,
            schema::Purpose::Publication => Purpose::Publication,
            schema::Purpose::Unspecified => return None,
        };
        let successor_digest = match (purpose, wire.successor_digest.as_slice()) {
            (Purpose::Governance, bytes) => Some(Digest::try_from(bytes).ok()?),
            (Purpose::Publication, []) => None,
            (Purpose::Publication, _) => return None,
        };
        let predecessor = match wire.predecessor {
            Some(cut) => Some(Cut::read(&cut)?),
            None => None,
        };
        if purpose == Purpose::Publication && predecessor.is_some() {
            return None;
        }
        let identity_key = PublicKey::from_bytes(&wire.identity_key).ok()?;
        Some(Open { purpose, member: wire.member, identity_key, successor_digest, predecessor })
    }

    /// The body's bytes, with the salt that every body carries.
    pub fn to_body(&self, salt: [u8; limits::SALT_BYTES]) -> Vec<u8> {
        let purpose = match self.purpose {
            Purpose::Governance => schema::Purpose::Governance,
            Purpose::Publication => schema::Purpose::Publication,
        };
        schema::Open {
            salt: salt.to_vec(),
            purpose: purpose.into(),
            member: self.member.clone(),
            identity_key: self.identity_key.as_bytes().to_vec(),
            successor_digest: self.successor_digest.map(|digest| digest.as_bytes().to_vec()).unwrap_or_default(),
            predecessor: self.predecessor.as_ref().map(Cut::write),
        }
        .encode_to_vec()
    }
}

impl Act {
    /// Reads the body of a governance entry. `None`: a newer Comity's; it and all after it have no effect here.
    pub fn parse(kind: u32, body: &[u8]) -> Option<Act> {
        match schema::Kind::try_from(kind as i32).ok()? {
            schema::Kind::Open => Open::parse(body).map(Act::Open),
            schema::Kind::Delegate => {
                let wire: schema::Delegate = exact(body)?;
                Some(Act::Delegate { desk_key: PublicKey::from_bytes(&wire.desk_key).ok()?, desk: wire.desk })
            }
            schema::Kind::Revoke => {
                let wire: schema::Revoke = exact(body)?;
                Some(Act::Revoke { cut: Cut::read(wire.cut.as_ref()?)?, reason: wire.reason })
            }
            schema::Kind::Draft => Some(Act::Draft { text: exact::<schema::Draft>(body)?.text }),
            schema::Kind::DraftSignature => {
                let wire: schema::DraftSignature = exact(body)?;
                let successor = match wire.successor_key.as_slice() {
                    [] => None,
                    key => Some(PublicKey::from_bytes(key).ok()?),
                };
                let draft = Digest::try_from(wire.draft.as_slice()).ok()?;
                Some(Act::Signature { draft, line: Signature::parse(&wire.signature)?, successor })
            }
            _ => None,
        }
    }

    /// The desk key that it is about.
    pub fn desk(&self) -> Option<&PublicKey> {
        match self {
            Act::Delegate { desk_key, .. } => Some(desk_key),
            Act::Revoke { cut, .. } => Some(&cut.log),
            Act::Open(_) | Act::Draft { .. } | Act::Signature { .. } => None,
        }
    }
}

/// The body of a draft.
pub fn draft(text: &str, salt: [u8; limits::SALT_BYTES]) -> Vec<u8> {
    schema::Draft { salt: salt.to_vec(), text: text.to_owned() }.encode_to_vec()
}

/// The body of a signature on a draft.
pub fn draft_signature(
    draft: &Digest,
    line: &Signature,
    successor: Option<&PublicKey>,
    salt: [u8; limits::SALT_BYTES],
) -> Vec<u8> {
    schema::DraftSignature {
        salt: salt.to_vec(),
        draft: draft.as_bytes().to_vec(),
        signature: line.to_line(),
        successor_key: successor.map(|key| key.as_bytes().to_vec()).unwrap_or_default(),
    }
    .encode_to_vec()
}

/// The body of a delegation.
pub fn delegation(desk_key: &PublicKey, desk: &str, salt: [u8; limits::SALT_BYTES]) -> Vec<u8> {
    schema::Delegate { salt: salt.to_vec(), desk_key: desk_key.as_bytes().to_vec(), desk: desk.to_owned() }
        .encode_to_vec()
}

/// The body of a revocation.
pub fn revocation(cut: &Cut, reason: &str, salt: [u8; limits::SALT_BYTES]) -> Vec<u8> {
    schema::Revoke { salt: salt.to_vec(), cut: Some(cut.write()), reason: reason.to_owned() }.encode_to_vec()
}

impl Cut {
    /// From its wire shape; `None` where it is none.
    pub fn read(wire: &schema::Cut) -> Option<Cut> {
        Some(Cut {
            log: PublicKey::from_bytes(&wire.log).ok()?,
            size: wire.size,
            root: Digest::try_from(wire.root.as_slice()).ok()?,
            joined: match &wire.joined {
                Some(joined) => Some(Arc::new(Joined::read(joined).filter(|joined| joined.at < wire.size)?)),
                None => None,
            },
        })
    }

    /// Its wire shape.
    pub fn write(&self) -> schema::Cut {
        schema::Cut {
            log: self.log.as_bytes().to_vec(),
            size: self.size,
            root: self.root.as_bytes().to_vec(),
            joined: self.joined.as_ref().map(|joined| joined.write()),
        }
    }

    /// A cut that says nothing of other branches.
    pub fn new(log: PublicKey, size: u64, root: Digest) -> Cut {
        Cut { log, size, root, joined: None }
    }

    /// The same, with the proof from its first `at` entries; without it where there are none, or they are all.
    #[must_use]
    pub fn joined(self, at: u64, path: Vec<Digest>) -> Cut {
        let joined = (0 < at && at < self.size).then(|| Arc::new(Joined { at, path }));
        Cut { joined, ..self }
    }

    /// How many entries of another branch than the cut's stand: those that both are proven to have. `root_at` gives the root over
    /// the first entries of that branch, as far as it is known.
    pub fn shared(&self, root_at: impl Fn(u64) -> Option<Digest>) -> Option<(u64, Digest)> {
        let joined = self.joined.as_ref()?;
        let root = root_at(joined.at)?;
        tree::verify_consistency(joined.at, &root, self.size, &self.root, &joined.path).ok()?;
        Some((joined.at, root))
    }
}

impl Joined {
    fn read(wire: &schema::Joined) -> Option<Joined> {
        if wire.at == 0 || wire.path.len() > tree::PROOF_HASHES_MAX {
            return None;
        }
        let path = wire.path.iter().map(|hash| Digest::try_from(hash.as_slice()).ok()).collect::<Option<_>>()?;
        Some(Joined { at: wire.at, path })
    }

    fn write(&self) -> schema::Joined {
        schema::Joined { at: self.at, path: self.path.iter().map(|hash| hash.as_bytes().to_vec()).collect() }
    }
}

/// Decodes a message only if it encodes to the same bytes again: an unknown field would be lost, and with it the meaning.
fn exact<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    (message.encode_to_vec() == bytes).then_some(message)
}

/// What every published body has. `newer`: it holds fields this version does not know.
pub fn publication(body: &[u8]) -> Option<(schema::Publication, bool)> {
    let publication = schema::Publication::decode(body).ok()?;
    let newer = publication.encode_to_vec() != body;
    Some((publication, newer))
}
