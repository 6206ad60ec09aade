//! Where the identity key is: a request read back in plain words, its root computed from its own entries, and signed.
//!
//! Nothing here needs a network, a store or a running node. Beside the key is its **mark**: how far its log had come when it last
//! signed. A request whose entries do not go on from there is refused, because to sign it would fork the log; the last signed file
//! is kept with the mark, so that one that was lost on the way can be handed in again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use proto::body::{self, Act, BodyError, Cut, Open, Purpose};
use proto::charter::Charter;
use proto::checkpoint::{Checkpoint, CheckpointError};
use proto::digest::Digest;
use proto::edition::{Edition, EditionError};
use proto::entry::{Entry, EntryError};
use proto::key::{PublicKey, SecretKey};
use proto::log::Closing;
use proto::member::key_name;
use proto::note::Note;
use proto::schema::{self, Kind};
use proto::tree::Compact;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::acts::{self, Item, Request, Unsigned};
use crate::fence::write_durably;
use crate::keystore::{self, KeyError};
use crate::membership::differences;

/// First line of the signed file, so to speak.
const FORMAT: &str = "comity-signed/v1";

/// What comes back from the machine where the key is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Signed {
    /// `comity-signed/v1`
    pub format: String,
    /// The federation's id.
    pub federation: String,
    /// The log that the run belongs to.
    pub log: String,
    /// What was signed, in words.
    pub words: Vec<String>,
    /// The run, as a chunk of the sync protocol, base64.
    pub chunk: String,
}

/// How far a log had come when its key last signed, and what it signed then.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Mark {
    log: String,
    size: u64,
    root: String,
    signed: Signed,
    /// Logs of the keys before this one: their keys are kept, and could sign still.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    before: Vec<Ended>,
}

/// How far the log of a key came that another took over from.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ended {
    log: String,
    size: u64,
    root: String,
}

/// Why nothing was signed.
#[derive(Debug, Error)]
pub enum SignError {
    /// Not such a file.
    #[error("this is no request of this version of Comity: {0}. Make it again with `comity key request`")]
    Shape(String),
    /// Nothing that a key signed.
    #[error("this is no signed file: {0}. Copy it again; identity.mark, beside the key that signed, holds it too")]
    Unsigned(String),
    /// What was to be signed.
    #[error(
        "this is a request, and nobody has signed it; sign it with `comity key sign` where the key is, and hand in what that writes"
    )]
    StillRequest,
    /// For another key.
    #[error("the request is for identity key {asked}, and the key here is {held}; find the folder with the right one")]
    OtherKey {
        /// Asked for.
        asked: String,
        /// Held.
        held: PublicKey,
    },
    /// The entries do not go on from the mark.
    #[error(
        "the request does not go on from what this key signed last ({size} entries): to sign it would fork the log. Hand in {path}, \
         which was signed then, with `comity key submit`, and make the request again"
    )]
    Behind {
        /// The mark.
        size: u64,
        /// The file.
        path: PathBuf,
    },
    /// The same of a key that another took over from.
    #[error(
        "the request does not go on from what this key signed last ({0} entries), before another took over from it: to sign it would \
         fork the log. Make it again with `comity key request`"
    )]
    BehindEnded(u64),
    /// The key that was to take over is another one.
    #[error(
        "the list of members has committed to a successor key with digest {asked}, and the one here is {held}; nothing was changed. \
         Bring the right successor.pem back"
    )]
    OtherSuccessor {
        /// SHA-256 of the key that may take over.
        asked: String,
        /// Held.
        held: PublicKey,
    },
    /// The list does not have the key.
    #[error(
        "the list before the draft neither has the key {key} for {member} nor has committed to it, so its signature would not count; \
         sign with the key that the list has: after two rotations it is in the folder keys, under its first digits"
    )]
    NotListed {
        /// The member.
        member: String,
        /// The key.
        key: PublicKey,
    },
    /// A rotation, and the key to rotate to is not there.
    #[error("{0} is missing: the list of members has committed to that key, and no other can take over. Bring it back")]
    NoSuccessor(PathBuf),
    /// An entry that is none.
    #[error("the request holds an entry that is none: {0}")]
    Entry(#[from] EntryError),
    /// A draft that is none.
    #[error("the request holds a draft that cannot be one: {0}")]
    Draft(#[from] EditionError),
    /// A body that cannot be.
    #[error("the request holds a text that cannot stand in a log: {0}")]
    Body(#[from] BodyError),
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// A request that was read and found sound, with all that is to be signed in words.
pub struct Reading {
    federation: Digest,
    member: String,
    log: PublicKey,
    before: Compact,
    /// The root at every size up to that.
    roots: Vec<Digest>,
    items: Vec<Item>,
    /// What will be signed, one sentence each.
    pub words: Vec<String>,
}

impl Reading {
    /// Reads a request. Nothing it says in words is believed: they are made here, from what would be signed.
    pub fn of(request: &Request) -> Result<Reading, SignError> {
        let shape = |what: &str| SignError::Shape(what.to_owned());
        if request.format != acts::FORMAT {
            return Err(shape("it is of another format"));
        }
        let federation = request.federation.parse().map_err(|_| shape("the federation's id is none"))?;
        let log: PublicKey = request.log.parse().map_err(|_| shape("the log's key is none"))?;
        let mut before = Compact::new();
        let mut roots = vec![before.root()];
        for (index, entry) in (0..).zip(&request.entries) {
            let bytes = STANDARD.decode(entry).map_err(|_| shape("an entry is not base64"))?;
            before.push(Entry::parse(&bytes, &log, index)?.digest(), |_, _, _| {});
            roots.push(before.root());
        }
        let mut words = Vec::new();
        for item in &request.items {
            words.extend(in_words(item)?);
        }
        let (member, items) = (request.member.clone(), request.items.clone());
        Ok(Reading { federation, member, log, before, roots, items, words })
    }

    /// Whether it asks for a rotation: signed by the successor.
    pub fn rotates(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::Rotation { .. }))
    }

    /// Signs with the identity key in use; `keys` is the folder where its mark is kept.
    pub fn sign(&self, key: &SecretKey, keys: &Path, now_ms: u64) -> Result<Signed, SignError> {
        if key.public() != self.log {
            return Err(SignError::OtherKey { asked: self.log.to_string(), held: key.public() });
        }
        let mark = self.checked(keys)?;
        let mut bodies = Vec::new();
        for item in &self.items {
            match item {
                Item::Body { kind, body, .. } => bodies.push((*kind, decoded(body)?)),
                Item::Signature { text, before } => {
                    let successor = self.signs_as_successor(before, &key.public())?;
                    let mut note = Note::new(text).map_err(|error| SignError::Shape(error.to_string()))?;
                    let line = note.sign(&key_name(&self.member), key);
                    let body = body::draft_signature(
                        &Digest::of(text.as_bytes()),
                        &line,
                        successor.as_ref(),
                        keystore::random()?,
                    );
                    bodies.push((Kind::DraftSignature as u32, body));
                }
                Item::Rotation { .. } => {
                    return Err(SignError::Shape("it asks for a rotation beside other acts".to_owned()));
                }
            }
        }
        self.write(key, &self.before, &bodies, now_ms, mark)
    }

    /// The key, where the list before a draft does not have it and has committed to it: after a rotation.
    fn signs_as_successor(&self, before: &str, key: &PublicKey) -> Result<Option<PublicKey>, SignError> {
        let before = edition(before)?;
        let listed = before.member(&self.member);
        match listed {
            Some(member) if member.identity_key == *key => Ok(None),
            Some(member) if member.successor_digest == Digest::of(key.as_bytes()) => Ok(Some(*key)),
            _ => Err(SignError::NotListed { member: self.member.clone(), key: *key }),
        }
    }

    /// Whether this is the key that the list has committed to. Asked before anything is made or marked for a rotation.
    pub fn succeeds(&self, successor: &PublicKey) -> Result<(), SignError> {
        let held = Digest::of(successor.as_bytes()).to_string();
        for item in &self.items {
            if let Item::Rotation { successor_digest, .. } = item
                && *successor_digest != held
            {
                return Err(SignError::OtherSuccessor { asked: successor_digest.clone(), held: *successor });
            }
        }
        Ok(())
    }

    /// Signs entry 0 of the log of `successor`, which commits to `next` and ends the log of the key before it.
    pub fn rotate(
        &self,
        successor: &SecretKey,
        next: &PublicKey,
        keys: &Path,
        now_ms: u64,
    ) -> Result<Signed, SignError> {
        let mark = self.checked(keys)?;
        let (size, root) = (self.before.size(), self.before.root());
        let open = Open {
            purpose: Purpose::Governance,
            member: self.member.clone(),
            identity_key: successor.public(),
            successor_digest: Some(Digest::of(next.as_bytes())),
            predecessor: Some(self.joined(Cut::new(self.log, size, root))),
        };
        let bodies = [(Kind::Open as u32, open.to_body(keystore::random()?))];
        self.write(successor, &Compact::new(), &bodies, now_ms, mark)
    }

    /// A cut with what the request says that it shares with other branches, if that is so.
    fn joined(&self, cut: Cut) -> Cut {
        let asked = self.items.iter().find_map(|item| match item {
            Item::Rotation { joined: Some((at, path)), .. } => Some((*at, path)),
            _ => None,
        });
        let Some((at, path)) = asked else { return cut };
        let joined = cut.clone().joined(at, path.iter().filter_map(|hash| hash.parse().ok()).collect());
        let root_at = |size: u64| self.roots.get(usize::try_from(size).ok()?).copied();
        if joined.shared(root_at).is_some() { joined } else { cut }
    }

    /// The file of the mark and what is in it, once it is known that signing goes on from there.
    fn checked(&self, keys: &Path) -> Result<(PathBuf, Option<Mark>), SignError> {
        let path = keys.join("identity.mark");
        let io = |source: io::Error| SignError::Io { path: path.clone(), source };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((path, None)),
            Err(error) => return Err(io(error)),
        };
        let mark: Mark = serde_json::from_str(&text).map_err(|error| io(io::Error::other(error)))?;
        let log = self.log.to_string();
        let goes_on = |size: u64, root: &str| {
            let held = usize::try_from(size).ok().and_then(|size| self.roots.get(size));
            held.is_some_and(|held| held.to_string() == root)
        };
        if mark.log == log && !goes_on(mark.size, &mark.root) {
            return Err(SignError::Behind { size: mark.size, path });
        }
        if let Some(ended) = mark.before.iter().find(|ended| ended.log == log && !goes_on(ended.size, &ended.root)) {
            return Err(SignError::BehindEnded(ended.size));
        }
        Ok((path, Some(mark)))
    }

    fn write(
        &self,
        key: &SecretKey,
        before: &Compact,
        bodies: &[(u32, Vec<u8>)],
        now_ms: u64,
        (path, mark): (PathBuf, Option<Mark>),
    ) -> Result<Signed, SignError> {
        let (log, from) = (key.public(), before.size());
        let (mut after, mut leaves) = (before.clone(), Vec::new());
        for (index, (kind, bytes)) in (from..).zip(bodies) {
            let frame = body::pack(bytes)?;
            let entry = Entry::parse(Entry::new(log, index, now_ms, *kind, bytes).as_bytes(), &log, index)?;
            after.push(entry.digest(), |_, _, _| {});
            leaves.push(schema::Leaf { entry: entry.as_bytes().to_vec(), body: frame });
        }
        let (size, root) = (after.size(), after.root());
        let checkpoint = Checkpoint { federation: self.federation, log, size, root }.sign(key)?;
        let closing = Closing { checkpoint, proof: Vec::new() }.to_wire();
        let wire = schema::Chunk {
            log: log.as_bytes().to_vec(),
            from,
            total: size,
            leaves,
            closing: Some(closing),
            joined: Vec::new(),
        };
        let signed = Signed {
            format: FORMAT.to_owned(),
            federation: self.federation.to_string(),
            log: log.to_string(),
            words: self.words.clone(),
            chunk: STANDARD.encode(wire.encode_to_vec()),
        };
        // Marked before anyone gets it: a crash after this has signed nothing twice, and the file is here to be handed in.
        let log = log.to_string();
        let mut ended = Vec::new();
        if let Some(mark) = mark {
            ended = mark.before;
            ended.push(Ended { log: mark.log, size: mark.size, root: mark.root });
            ended.retain(|ended| ended.log != log);
        }
        let kept = Mark { log, size, root: root.to_string(), signed: signed.clone(), before: ended };
        let text = serde_json::to_string_pretty(&kept).map_err(|error| SignError::Shape(error.to_string()))?;
        let io = |source| SignError::Io { path: path.clone(), source };
        write_durably(&path, text.as_bytes(), 0o600).map_err(io)?;
        Ok(signed)
    }
}

impl Signed {
    /// The run, to be handed to the replica.
    pub fn chunk(&self) -> Result<schema::Chunk, SignError> {
        if self.format != FORMAT {
            return Err(SignError::Unsigned("it is of another format".to_owned()));
        }
        let bytes = STANDARD.decode(&self.chunk).map_err(|error| SignError::Unsigned(error.to_string()))?;
        schema::Chunk::decode(bytes.as_slice()).map_err(|error| SignError::Unsigned(error.to_string()))
    }

    /// Whether it lets that desk publish.
    pub fn delegates(&self, desk: &PublicKey) -> bool {
        let delegates = |leaf: &schema::Leaf| {
            let entry = Entry::parse_anywhere(&leaf.entry).ok()?;
            match Act::parse(entry.kind(), &body::unpack(&leaf.body, &entry).ok()?) {
                Some(Act::Delegate { desk_key, .. }) => Some(desk_key == *desk),
                _ => None,
            }
        };
        self.chunk().is_ok_and(|chunk| chunk.leaves.iter().filter_map(delegates).any(|is_it| is_it))
    }

    /// Reads a signed file, or the mark beside a key, which holds the last one.
    pub fn read(text: &str) -> Result<Signed, SignError> {
        let direct = serde_json::from_str::<Signed>(text);
        let signed = direct.or_else(|_| serde_json::from_str::<Mark>(text).map(|mark| mark.signed));
        signed.map_err(|error| match serde_json::from_str::<Request>(text) {
            Ok(_) => SignError::StillRequest,
            Err(_) => SignError::Unsigned(error.to_string()),
        })
    }
}

fn in_words(item: &Item) -> Result<Vec<String>, SignError> {
    let key = |key: &PublicKey| format!("{key} (fingerprint {})", key.fingerprint());
    Ok(match item {
        Item::Body { kind, body, unsigned } => {
            let act = Act::parse(*kind, &decoded(body)?);
            vec![match act {
                Some(Act::Open(open)) => {
                    format!("begins the governance log of {} for {}", open.member, key(&open.identity_key))
                }
                Some(Act::Delegate { desk_key, desk }) => {
                    format!("lets the desk “{desk}” publish with key {}", key(&desk_key))
                }
                Some(Act::Revoke { cut, reason }) => {
                    format!(
                        "ends the desk's log {} after {} entries with root {}, for good: {reason}",
                        key(&cut.log),
                        cut.size,
                        cut.root
                    )
                }
                Some(Act::Draft { text }) => {
                    let edition = Edition::draft(&text)?;
                    let proposes = format!("proposes edition {} of the list of members", edition.number());
                    let Some(Unsigned { before, why }) = unsigned else { return Ok(vec![proposes]) };
                    let mut words = vec![format!("{proposes}, which")];
                    words.extend(changes(before, &edition)?);
                    words.push(format!("  and does not sign it: {why}"));
                    return Ok(words);
                }
                Some(Act::Signature { .. }) | None => {
                    return Err(SignError::Shape(
                        "it asks for an act that this version cannot put into words".to_owned(),
                    ));
                }
            }]
        }
        Item::Signature { text, before } => {
            let edition = Edition::draft(text)?;
            let changes = changes(before, &edition)?;
            let mut words = vec![format!(
                "signs edition {} of “{}”, digest {}, which",
                edition.number(),
                edition.name(),
                edition.digest()
            )];
            words.extend(changes);
            words
        }
        Item::Rotation { size, .. } => {
            vec![format!(
                "lets the successor key take over; the log of the key so far ends after {size} entries, for good"
            )]
        }
    })
}

/// What an edition changes about the list before it, a line each.
fn changes(before: &str, edition: &Edition) -> Result<Vec<String>, SignError> {
    let before = self::edition(before).ok().filter(|before| edition.before() == Some(&before.digest()));
    let before =
        before.ok_or_else(|| SignError::Shape("the list before the draft is not the one it follows".to_owned()))?;
    Ok(differences(&before, edition).into_iter().map(|change| format!("  {change}")).collect())
}

/// An edition's page, or the charter's.
fn edition(text: &str) -> Result<Edition, SignError> {
    let charter = Charter::read_unsigned(text.as_bytes()).map(|charter| Edition::from(&charter));
    charter.or_else(|_| Edition::draft(text)).map_err(SignError::Draft)
}

fn decoded(text: &str) -> Result<Vec<u8>, SignError> {
    STANDARD.decode(text).map_err(|error| SignError::Shape(error.to_string()))
}
