//! What a member asks its identity key to sign: the act in question, and the file that carries it to the machine where the key is.
//!
//! A [`Request`] holds every entry of the governance log, so that whoever signs computes the root from them and relies on no
//! number that this machine states. [`crate::signing`] is the other side.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proto::body::{Cut, Open, Purpose};
use proto::chain::{Chain, Link};
use proto::digest::Digest;
use proto::edition::Edition;
use proto::editions::Signing;
use proto::frontier::Frontier;
use proto::key::PublicKey;
use proto::schema::Kind;
use proto::standing::Standing;
use proto::{body, limits};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::contested::{Contested, StandBy};
use crate::keystore::{self, KeyError};
use crate::membership::{self, Change};
use crate::reader::Reader;
use crate::rows::StoreError;

/// First line of the file, so to speak.
pub const FORMAT: &str = "comity-request/v1";

/// An act that the identity key is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "act")]
pub enum Act {
    /// A desk may publish for the member.
    Delegate {
        /// The desk's key.
        key: String,
        /// What the desk is called.
        desk: String,
    },
    /// A desk's log ends.
    Revoke {
        /// The desk's key.
        key: String,
        /// Entries that stand; all that are held here, unless given.
        size: Option<u64>,
        /// Why.
        reason: String,
    },
    /// A desk's log that is contested ends at the head of one of its branches, and another desk goes on.
    Recover {
        /// The log's key.
        log: String,
        /// Which branch.
        stand_by: StandBy,
        /// The new desk's key.
        key: String,
        /// What the desk is called.
        desk: String,
        /// Why.
        reason: String,
    },
    /// The successor key takes over.
    Rotate,
    /// A new list of members is proposed, and signed.
    Draft {
        /// What is to change.
        changes: Vec<Change>,
    },
    /// A draft is signed.
    Sign {
        /// Its digest.
        draft: String,
        /// Whether another draft on the same predecessor was signed, and this one shall be all the same.
        again: bool,
    },
}

/// One thing to sign, as the request carries it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case", tag = "item")]
pub enum Item {
    /// A body as it is to stand in the log.
    Body {
        /// A number of the protocol's kinds.
        kind: u32,
        /// Its bytes, base64.
        body: String,
        /// Of a draft that is not signed with it: what it changes, and why not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsigned: Option<Unsigned>,
    },
    /// A signature line on this text.
    Signature {
        /// The draft.
        text: String,
        /// The list that it is to follow.
        before: String,
    },
    /// Entry 0 of the log of the key that takes over from the one this request is for.
    Rotation {
        /// Entries of the old log that stand.
        size: u64,
        /// The root over them.
        root: String,
        /// SHA-256 of the key that may take over.
        successor_digest: String,
        /// Of a forked log the entries that all branches share, and the consistency proof from those.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        joined: Option<(u64, Vec<String>)>,
    },
}

/// A draft that is proposed and not signed.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Unsigned {
    /// The list that it is to follow.
    pub before: String,
    /// Why its author's signature does not go with it.
    pub why: String,
}

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Request {
    /// `comity-request/v1`
    pub format: String,
    /// The federation's id.
    pub federation: String,
    /// Its name.
    pub federation_name: String,
    /// The member's code.
    pub member: String,
    /// The identity key in use, whose log it is for.
    pub log: String,
    /// Every entry of that log, base64.
    pub entries: Vec<String>,
    /// What to sign, in order.
    pub items: Vec<Item>,
}

/// What is held, as far as an act rests on it.
#[derive(Clone, Copy)]
pub struct Held<'a> {
    /// Who may speak.
    pub standing: &'a Standing,
    /// What stands.
    pub frontier: &'a Frontier,
    /// Own logs of which two branches exist.
    pub contested: &'a [Contested],
    /// The records.
    pub reader: &'a Reader,
}

/// Why an act cannot be asked for.
#[derive(Debug, Error)]
pub enum ActError {
    /// A replica's node.
    #[error("this node is a replica; only a member has an identity key")]
    NoMember,
    /// Not (any more) listed.
    #[error("no list of members held here has {0}; sync first, or ask a signer to draft an edition that adds it")]
    NotListed(String),
    /// Not a key.
    #[error("`{0}` is no key; `comity logs` shows the keys there are")]
    Key(String),
    /// Not a desk of the member.
    #[error("{0} is no unrevoked desk of this member; `comity logs` shows which are")]
    NoDesk(PublicKey),
    /// The desk was there before.
    #[error("{0} was delegated before; a desk's key is used once. Leave --key out to make a new one")]
    Known(PublicKey),
    /// As many as there may be.
    #[error("{max} desks are unrevoked; revoke one first", max = limits::DESKS_MAX)]
    TooMany,
    /// A cut beyond what is held.
    #[error("only {held} entries of {log} are held here, so it cannot be cut at {size}; name a smaller --size")]
    Beyond {
        /// The log.
        log: PublicKey,
        /// What is held.
        held: u64,
        /// What was asked.
        size: u64,
    },
    /// No log that is contested, or no such branch.
    #[error(
        "{0} is no contested log of this member with such a branch; `comity recover` without --stand-by shows which there are"
    )]
    NoBranch(String),
    /// The governance log itself is forked.
    #[error(
        "the governance log {log} is contested from entry {at} on, and nothing more of it counts; `comity key rotate` cuts it and lets the \
         successor key take over"
    )]
    Forked {
        /// The log.
        log: PublicKey,
        /// Where.
        at: u64,
    },
    /// No such draft.
    #[error("{0} is no open draft; `comity edition list` shows them")]
    NoDraft(String),
    /// The draft was signed.
    #[error("{0} has signed this draft already")]
    Signed(String),
    /// Another draft was signed.
    #[error(
        "{member} has signed another draft on the same edition, {other}. Two valid editions at once split the federation; sign this \
         one too only if the other is given up, with --again"
    )]
    Again {
        /// The member.
        member: String,
        /// The other.
        other: Digest,
    },
    /// Another draft was signed, and has more support.
    #[error(
        "{member} has signed another draft on the same edition, {other}, and this one has no more signatures; ask the others to agree on one"
    )]
    Barred {
        /// The member.
        member: String,
        /// The other.
        other: Digest,
    },
    /// Somebody's identity key, successor key or desk.
    #[error("{key} is a key of {owner} already, and a key has one use; leave --key out to make a new one")]
    InUse {
        /// The key.
        key: PublicKey,
        /// Whose it is.
        owner: String,
    },
    /// A draft that has its signatures.
    #[error("edition {0} is valid already, and needs no more signatures; `comity edition list` shows it")]
    Valid(Digest),
    /// A draft that came too late.
    #[error(
        "this draft is superseded: edition {0}, on the same list, is valid. What it asks for can be drafted again on that, with \
         `comity edition draft`"
    )]
    Superseded(Digest),
    /// Not a signer.
    #[error("{0} is not a signer in the list that this draft follows; it may draft, and signers sign")]
    NotSigner(String),
    /// The list cannot become one.
    #[error(transparent)]
    List(#[from] membership::ListError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    Random(#[from] KeyError),
}

impl Request {
    /// The file for an act of the member `code`, from what is held.
    pub fn make(held: &Held<'_>, code: &str, act: &Act) -> Result<Request, ActError> {
        let not_listed = || ActError::NotListed(code.to_owned());
        let chain = held.standing.lines().iter().find_map(|line| line.chain(code)).ok_or_else(not_listed)?;
        let link = chain.current().ok_or_else(not_listed)?;
        let mut entries = Vec::new();
        let row = held.frontier.rows.get(&link.key);
        let mut size = row.map_or(0, |row| row.size);
        if row.is_some_and(|row| row.contested) {
            if !matches!(act, Act::Rotate) {
                return Err(ActError::Forked { log: link.key, at: size });
            }
            // The branch that is held here is the one its member wrote, unless an old copy read a thief's back; a cut at its head
            // settles the fork.
            size = held.reader.size(&link.key)?;
        }
        if let Some(number) = held.reader.number(&link.key)? {
            for index in 0..size {
                let kept =
                    held.reader.entry(number, index)?.ok_or_else(|| StoreError::Doubt("an entry is missing".into()))?;
                entries.push(STANDARD.encode(kept.entry.as_bytes()));
            }
        }
        let mut items = Vec::new();
        if entries.is_empty() {
            items.push(item(Kind::Open, &opening(held.frontier, code, link).to_body(keystore::random()?)));
        }
        match act {
            Act::Delegate { key, desk } => {
                let key = unused(held, chain, key)?;
                if chain.desks().values().filter(|desk| desk.cut.is_none()).count() >= limits::DESKS_MAX {
                    return Err(ActError::TooMany);
                }
                items.push(item(Kind::Delegate, &body::delegation(&key, desk, keystore::random()?)));
            }
            Act::Revoke { key, size, reason } => {
                let log = parse(key)?;
                let unrevoked = chain.desks().get(&log).is_some_and(|desk| desk.cut.is_none());
                let cut = cut(held, &log, *size)?;
                if !unrevoked {
                    return Err(ActError::NoDesk(log));
                }
                items.push(item(Kind::Revoke, &body::revocation(&cut, reason, keystore::random()?)));
            }
            Act::Recover { log, stand_by, key, desk, reason } => {
                let contested = held.contested.iter().find(|contested| contested.log == *log);
                let cut = contested.and_then(|contested| contested.cut(contested.choose(stand_by)?));
                let cut = cut.ok_or_else(|| ActError::NoBranch(log.clone()))?;
                if chain.desks().get(&cut.log).is_none_or(|desk| desk.cut.is_some()) {
                    return Err(ActError::NoDesk(cut.log));
                }
                let key = unused(held, chain, key)?;
                items.push(item(Kind::Revoke, &body::revocation(&cut, reason, keystore::random()?)));
                items.push(item(Kind::Delegate, &body::delegation(&key, desk, keystore::random()?)));
            }
            Act::Rotate => {
                let size = entries.len() as u64;
                let root = root_at(held, &link.key, size)?.to_string();
                let successor_digest = link.successor_digest.to_string();
                items.push(Item::Rotation { size, root, successor_digest, joined: joined(held, &link.key, size)? });
            }
            Act::Draft { changes } => {
                let text = membership::draft(held.standing, held.frontier, changes)?;
                let edition = Edition::draft(&text).map_err(membership::ListError::from)?;
                let proposed = body::draft(&text, keystore::random()?);
                match signs(held.standing, code, &edition, false) {
                    Ok(before) => {
                        items.push(item(Kind::Draft, &proposed));
                        items.push(Item::Signature { text, before });
                    }
                    Err(error) => {
                        let before = edition.before().and_then(|digest| held.standing.editions().edition(digest));
                        let before = before.map(|before| before.text().to_owned()).unwrap_or_default();
                        let unsigned = Some(Unsigned { before, why: error.to_string() });
                        let (kind, body) = (Kind::Draft as u32, STANDARD.encode(&proposed));
                        items.push(Item::Body { kind, body, unsigned });
                    }
                }
            }
            Act::Sign { draft, again } => {
                let no_draft = || ActError::NoDraft(draft.clone());
                let draft = membership::find_draft(held.standing, draft).ok_or_else(no_draft)?;
                let before = signs(held.standing, code, draft.edition(), *again)?;
                items.push(Item::Signature { text: draft.edition().text().to_owned(), before });
            }
        }
        Ok(Request {
            format: FORMAT.to_owned(),
            federation: held.frontier.federation.to_string(),
            federation_name: held.standing.charter().name().to_owned(),
            member: code.to_owned(),
            log: link.key.to_string(),
            entries,
            items,
        })
    }
}

/// A desk's key, if it is nobody's yet: one that two members delegate is neither's where they do not agree on it.
fn unused(held: &Held<'_>, chain: &Chain, key: &str) -> Result<PublicKey, ActError> {
    let key = parse(key)?;
    if chain.desks().contains_key(&key) {
        return Err(ActError::Known(key));
    }
    if held.standing.knows(&key) || held.standing.awaits(key.as_bytes()) {
        let owner = held.standing.owner(&key).unwrap_or("a member").to_owned();
        return Err(ActError::InUse { key, owner });
    }
    Ok(key)
}

/// Whether the member's signature on an edition is asked for now; gives the text of the one before.
fn signs(standing: &Standing, code: &str, edition: &Edition, again: bool) -> Result<String, ActError> {
    let editions = standing.editions();
    let before = edition.before().and_then(|digest| editions.edition(digest));
    let before = before.ok_or_else(|| ActError::NoDraft(edition.digest().to_string()))?;
    match editions.decided(edition) {
        Some(valid) if valid == edition.digest() => return Err(ActError::Valid(valid)),
        Some(valid) => return Err(ActError::Superseded(valid)),
        None => {}
    }
    if !before.member(code).is_some_and(|member| member.signer) {
        return Err(ActError::NotSigner(code.to_owned()));
    }
    match editions.signing(code, edition) {
        Signing::First => {}
        Signing::Done => return Err(ActError::Signed(code.to_owned())),
        Signing::Again(_) if again => {}
        Signing::Again(other) => return Err(ActError::Again { member: code.to_owned(), other }),
        Signing::Barred(other) => return Err(ActError::Barred { member: code.to_owned(), other }),
    }
    Ok(before.text().to_owned())
}

/// Entry 0 of the governance log of an identity key that an edition lists. Where it succeeds another there, that one's log ends with
/// what is held of it.
pub fn opening(frontier: &Frontier, code: &str, link: &Link) -> Open {
    let predecessor = link.before.and_then(|log| {
        let row = frontier.rows.get(&log)?;
        Some(Cut::new(log, row.size, row.root))
    });
    Open {
        purpose: Purpose::Governance,
        member: code.to_owned(),
        identity_key: link.key,
        successor_digest: Some(link.successor_digest),
        predecessor,
    }
}

/// The cut of a log at a size, or at what stands of it.
fn cut(held: &Held<'_>, log: &PublicKey, size: Option<u64>) -> Result<Cut, ActError> {
    let stands = held.frontier.rows.get(log).map_or(0, |row| row.size);
    let size = size.unwrap_or(stands);
    if size > stands {
        return Err(ActError::Beyond { log: *log, held: stands, size });
    }
    Ok(Cut::new(*log, size, root_at(held, log, size)?))
}

fn root_at(held: &Held<'_>, log: &PublicKey, size: u64) -> Result<Digest, ActError> {
    let root = proto::tree::root_at(&held.reader.hashes(log)?, size);
    Ok(root.ok_or_else(|| StoreError::Doubt("hashes are missing".to_owned()))?)
}

/// What all branches of a forked log share, and the proof from there to the first `size` entries of the one that is held.
fn joined(held: &Held<'_>, log: &PublicKey, size: u64) -> Result<Option<(u64, Vec<String>)>, ActError> {
    let Some(fork) = held.standing.forks().get(log).filter(|fork| 0 < fork.at() && fork.at() < size) else {
        return Ok(None);
    };
    let path = proto::tree::consistency(&held.reader.hashes(log)?, fork.at(), size);
    Ok(path.map(|path| (fork.at(), path.iter().map(ToString::to_string).collect())))
}

fn item(kind: Kind, body: &[u8]) -> Item {
    Item::Body { kind: kind as u32, body: STANDARD.encode(body), unsigned: None }
}

fn parse(key: &str) -> Result<PublicKey, ActError> {
    key.parse().map_err(|_| ActError::Key(key.to_owned()))
}
