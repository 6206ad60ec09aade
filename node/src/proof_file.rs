//! One file that proves who published a document, from the charter alone: no node, no network, no database.
//!
//! JSON, because a researcher's own tools should open it. Four items, each an entry with its body and a C2SP `tlog-proof`: the
//! document; entry 0 of its log, which names member and identity key; entry 0 of that identity key's governance log; and the
//! entry there that delegates the desk. What a file cannot show: that nothing was revoked, corrected or withdrawn later.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::archive::Archive;
use proto::body::{self, Act, Open, Purpose};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::key::PublicKey;
use proto::proof::TlogProof;
use proto::tree;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keeper::View;
use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::reader::Reader;
use crate::rows::StoreError;

/// The format's name and version.
const FORMAT: &str = "comity-proof/v1";
/// Bytes of a proof file that are read: a body of 256 KiB in base64, and room.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProofFile {
    format: String,
    federation: String,
    document: Item,
    log_open: Item,
    governance_open: Item,
    delegation: Item,
}

/// One entry with its body, and the proof that it is in its log.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    entry: String,
    body: String,
    proof: String,
}

/// What a file proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// `CODE/slug@version`.
    pub work: String,
    /// Its title.
    pub title: String,
    /// What the member calls itself in the charter.
    pub member_name: String,
    /// What the desk is called.
    pub desk: String,
    /// The entry's place in the desk's log, from 0.
    pub index: u64,
    /// Entries under the checkpoint.
    pub size: u64,
    /// The entry's digest.
    pub digest: String,
    /// "Dated by the author", Unix milliseconds.
    pub claimed_ms: u64,
    /// The text.
    pub text: String,
}

/// Why there is no proof, or why a file proves nothing.
#[derive(Debug, Error)]
pub enum ProofFileError {
    /// The question cannot be answered here.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// This replica does not hold everything up to the checkpoint yet.
    #[error("log {0} is still catching up here; try again when `comity status` says that it is in sync")]
    CatchingUp(PublicKey),
    /// The charter does not have the key that it would rest on.
    #[error(
        "a proof file rests on the charter alone, and the charter does not have the identity key of {0} by which this was published: it came \
         with an edition or a rotation. Cite the work instead; every node of the federation resolves that, and `comity explain` says \
         why the key counts"
    )]
    NotInCharter(String),
    /// Not the file.
    #[error("this is not a {FORMAT} file: {0}")]
    Shape(String),
    /// It proves nothing. Whoever made it is to blame.
    #[error("the file does NOT prove what it claims: {0}. Do not rely on it; ask the member's own node for a new one")]
    False(String),
}

impl From<StoreError> for ProofFileError {
    fn from(error: StoreError) -> ProofFileError {
        ProofFileError::Library(error.into())
    }
}

/// Makes the file for a document that is held here.
pub fn make(library: &Library, name: &Name) -> Result<ProofFile, ProofFileError> {
    let (row, _, owner) = library.row(name)?;
    let identity = owner.open.identity_key;
    let founder = library.view.standing.charter().member(&owner.open.member);
    if founder.is_none_or(|founder| founder.identity_key != identity) {
        return Err(ProofFileError::NotInCharter(owner.open.member));
    }
    let desk = library.view.standing.delegation(&owner.log, &identity);
    let delegated = desk.map(|desk| desk.index).ok_or(ProofFileError::CatchingUp(identity))?;
    let item = |log: &PublicKey, index: u64| item(&library.reader, &library.view, log, index);
    Ok(ProofFile {
        format: FORMAT.to_owned(),
        federation: library.view.frontier.federation.to_string(),
        document: item(&owner.log, row.index)?,
        log_open: item(&owner.log, 0)?,
        governance_open: item(&identity, 0)?,
        delegation: item(&identity, delegated)?,
    })
}

fn item(reader: &Reader, view: &View, log: &PublicKey, index: u64) -> Result<Item, ProofFileError> {
    let waiting = || ProofFileError::CatchingUp(*log);
    let number = reader.number(log)?.ok_or_else(waiting)?;
    let kept = reader.entry(number, index)?.ok_or_else(waiting)?;
    let body = kept.body.ok_or_else(|| LibraryError::NoBody(format!("entry {index} of log {log}")))?;
    let head = reader.archive(view.frontier.federation).head(log)?.ok_or_else(waiting)?;
    let checkpoint = &head.closing.checkpoint;
    // Only where everything under the checkpoint is held can the path be computed.
    let path = tree::inclusion(&reader.hashes(log)?, index, checkpoint.size()).ok_or_else(waiting)?;
    let proof = TlogProof { index, path, checkpoint: checkpoint.as_bytes().to_vec() };
    let (entry, body) = (STANDARD.encode(kept.entry.as_bytes()), STANDARD.encode(body));
    Ok(Item { entry, body, proof: proof.to_text() })
}

/// Verifies a file against a charter, whose signatures were verified.
pub fn verify(json: &str, charter: &Charter) -> Result<Proven, ProofFileError> {
    let file: ProofFile = serde_json::from_str(json).map_err(|error| ProofFileError::Shape(error.to_string()))?;
    if file.format != FORMAT {
        return Err(ProofFileError::Shape(format!("its format is {}", file.format)));
    }
    let federation = charter.id();
    if file.federation != federation.to_string() {
        return Err(ProofFileError::False(format!(
            "it is of federation {}, the charter of {federation}",
            file.federation
        )));
    }
    let wrong = |what: &str| ProofFileError::False(what.to_owned());
    let (document, body, size) = file.document.verify(&federation, "the document")?;
    let (opening, open_body, _) = file.log_open.verify(&federation, "the opening of the log")?;
    let (governance, governance_body, _) =
        file.governance_open.verify(&federation, "the opening of the governance log")?;
    let (delegation, delegation_body, _) = file.delegation.verify(&federation, "the delegation")?;

    let open = Open::parse(&open_body).filter(|open| open.purpose == Purpose::Publication);
    let open = open.ok_or_else(|| wrong("the document's log does not open as a publication log"))?;
    let member = charter.member(&open.member).ok_or_else(|| wrong("the charter names no such member"))?;
    if opening.log() != document.log() || opening.index() != 0 || open.identity_key != member.identity_key {
        return Err(wrong("the document's log was not opened for that member"));
    }
    let mandate = Open::parse(&governance_body).filter(|open| open.purpose == Purpose::Governance);
    let mandate = mandate.ok_or_else(|| wrong("the governance log does not open as one"))?;
    let opened = *governance.log() == member.identity_key && governance.index() == 0 && mandate.member == member.code;
    if !opened || mandate.successor_digest != Some(member.successor_digest) {
        return Err(wrong("the governance log is not that of the member the charter names"));
    }
    let desk = match Act::parse(delegation.kind(), &delegation_body) {
        Some(Act::Delegate { desk_key, desk }) if desk_key == *document.log() => desk,
        _ => return Err(wrong("the member did not delegate the key that signed")),
    };
    if *delegation.log() != member.identity_key {
        return Err(wrong("the delegation is not in the member's governance log"));
    }
    let (publication, _) = body::publication(&body).ok_or_else(|| wrong("the body is not a publication"))?;
    Ok(Proven {
        work: format!("{}/{}@{}", open.member, publication.slug, publication.version),
        title: publication.title,
        member_name: member.name.clone(),
        desk,
        index: document.index(),
        size,
        digest: document.digest().to_string(),
        claimed_ms: document.claimed_ms(),
        text: publication.text,
    })
}

impl Item {
    /// The entry, its body, and the size of the log that was signed.
    fn verify(&self, federation: &Digest, what: &str) -> Result<(Entry, Vec<u8>, u64), ProofFileError> {
        let wrong = |why: String| ProofFileError::False(format!("{what}: {why}"));
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| wrong(error.to_string()));
        let entry = Entry::parse_anywhere(&decode(&self.entry)?).map_err(|error| wrong(error.to_string()))?;
        let body = decode(&self.body)?;
        if Digest::of(&body) != *entry.body_digest() {
            return Err(wrong("its text is not the one that was signed".to_owned()));
        }
        let proof = TlogProof::parse(&self.proof).map_err(|error| wrong(error.to_string()))?;
        let checkpoint = proof.verify(&entry.digest(), federation).map_err(|error| wrong(error.to_string()))?;
        if proof.index != entry.index() || checkpoint.log() != entry.log() {
            return Err(wrong("its proof is of another entry".to_owned()));
        }
        Ok((entry, body, checkpoint.size()))
    }
}
