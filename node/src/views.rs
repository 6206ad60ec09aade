//! What questions are answered with: the JSON of the API, which pages and commands show too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contested::Contested;
use crate::front_matter::FrontMatter;
use crate::related::{About, Related};

/// How the node is, in numbers and words.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The federation's id.
    pub federation: String,
    /// Its name.
    pub federation_name: String,
    /// The member whose node this is; absent for a replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Digest of what is held; equal digests, equal contents.
    pub frontier: String,
    /// Logs known.
    pub logs: u64,
    /// Entries held.
    pub entries: u64,
    /// Works that stand and are not withdrawn.
    pub documents: u64,
    /// Works in the search index.
    pub indexed: u64,
    /// Bodies that are wanted and not held.
    pub missing_bodies: u64,
    /// Bodies that were erased or are denied here; nobody is asked for them.
    #[serde(default)]
    pub erased_bodies: u64,
    /// Peers connected.
    pub peers: u64,
    /// The state of sync, in words.
    pub sync: String,
    /// Why this node may not write, where it may not.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub recovering: Vec<String>,
    /// Why no later list of members counts here, where two valid ones rival.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rivals: Option<String>,
    /// Logs of which two branches exist, and no cut says which stands.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub contested: Vec<String>,
    /// What is denied and hidden here, and which logs wait because their member is over its quota here.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policy: Vec<String>,
    /// This node's peer id.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub peer_id: String,
    /// Where it listens for peers.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub listen: Vec<String>,
    /// What the start mended, and what went wrong since, newest last.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
    /// Bytes free on the disk of the data folder.
    pub free_bytes: u64,
}

/// What is to be recovered of this member's logs.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Recovery {
    /// Own logs of which two branches exist, and no cut says which stands.
    pub contested: Vec<Contested>,
    /// Works, `CODE/slug`, that only a branch had that was set aside, and that are not published again yet.
    pub lost: Vec<String>,
    /// Works that were withdrawn there and stand.
    #[serde(default)]
    pub withdrawn: Vec<String>,
}

/// Why something is as it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// One paragraph.
    pub words: String,
}

/// A connected peer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its peer id.
    pub peer_id: String,
    /// The member whose phone book entry names it, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// When a sync last ended with nothing left to want, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_sync_ms: Option<u64>,
    /// Whether a sync is under way.
    pub syncing: bool,
    /// What is waited for, and why.
    pub waiting: Vec<String>,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// Connected peers.
    pub peers: Vec<Peer>,
    /// Peers and addresses that met a bound of this node, those that are blocked first.
    #[serde(default)]
    pub limited: Vec<Limited>,
}

/// A peer or an address that was limited, and for what.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Limited {
    /// Its peer id, or the address.
    pub who: String,
    /// The member whose phone book entry names it, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
    /// Which bounds it met.
    pub bounds: Vec<BoundMet>,
    /// When it last did, Unix milliseconds.
    pub last_ms: u64,
    /// Until when it is blocked, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_until_ms: Option<u64>,
    /// How often it was blocked.
    pub blocks: u32,
}

/// A bound of this node that was met.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BoundMet {
    /// What is bounded, and by how much.
    pub bound: String,
    /// How often.
    pub times: u64,
}

/// One log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Log {
    /// Its key, in hex.
    pub key: String,
    /// The member's code.
    pub member: String,
    /// `governance` or `publication`.
    pub purpose: String,
    /// What the desk is called.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub desk: String,
    /// Entries that stand.
    pub size: u64,
    /// The root over them, in hex.
    pub root: String,
    /// Whether two branches of it are proven, and no cut says which stands.
    pub contested: bool,
    /// Where it ends for good, in entries, where a revocation, a rotation or an edition cut it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cut: Option<u64>,
    /// The key as other transparency tools take it.
    pub vkey: String,
    /// The key as two people compare it over the telephone.
    #[serde(default)]
    pub fingerprint: String,
}

/// All of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Logs {
    /// Logs, by member and purpose.
    pub logs: Vec<Log>,
}

/// One member.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Member {
    /// Its code.
    pub code: String,
    /// What it calls itself.
    pub name: String,
    /// Whether its signature counts for the next edition.
    pub signer: bool,
    /// Its identity key, in hex.
    pub identity_key: String,
    /// The same as two people compare it over the telephone.
    #[serde(default)]
    pub fingerprint: String,
    /// Works it published.
    pub documents: u64,
    /// What the operator of this node decided about it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub policy: Vec<String>,
    /// Its logs.
    pub logs: Vec<Log>,
}

/// A line of a result or a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Hit {
    /// `CODE/slug`.
    pub work: String,
    /// The current version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// The same in the reader's language, where a translation comes closer to it than the original.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub display: Option<Display>,
    /// Its kind.
    pub kind: String,
    /// The language of its text.
    pub language: String,
    /// Its jurisdiction.
    pub jurisdiction: String,
    /// The author's code.
    pub member: String,
    /// HTML: escaped, with `<mark>` around what was searched for.
    pub snippet: String,
    /// Of a law, its status.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub legal_status: String,
    /// Up to when its author says it is right.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub valid_as_of: String,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
}

/// What a search found.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Search {
    /// Works that match.
    pub total: u64,
    /// Those asked for, best first.
    pub hits: Vec<Hit>,
    /// Field -> value -> works that match.
    pub counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// What of the query was ignored, or taken otherwise than it may have been meant.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// A title in the reader's language, from a translation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Display {
    /// The title.
    pub title: String,
    /// Its language.
    pub language: String,
    /// The translation, `CODE/slug`.
    pub work: String,
}

/// Who signed an entry, and where it stands.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Provenance {
    /// The member's code.
    pub member: String,
    /// What it calls itself.
    pub member_name: String,
    /// What the desk is called.
    pub desk: String,
    /// The log's key, in hex.
    pub log: String,
    /// The entry's place, from 0.
    pub index: u64,
    /// Entries of the log that are held here.
    pub size: u64,
    /// The entry's digest, by which it is cited.
    pub digest: String,
    /// "Dated by the author", Unix milliseconds.
    pub claimed_ms: u64,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
    /// All that in a sentence.
    pub words: String,
}

/// One version of a work.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// `CODE/slug`.
    pub work: String,
    /// The version shown.
    pub version: u32,
    /// Whether no later version supersedes it.
    pub current: bool,
    /// Why its author took the work back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// What it says besides its text.
    pub front_matter: FrontMatter,
    /// Markdown.
    pub text: String,
    /// Whether a newer Comity wrote it, so that something may not be shown.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub newer: bool,
    /// Who signed it.
    pub provenance: Provenance,
    /// How to cite it.
    pub citation: String,
    /// All versions, newest first.
    pub versions: Vec<Version>,
    /// Other versions that nothing supersedes: two desks published at once, and nobody has put theirs together yet.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub concurrent: Vec<String>,
    /// How long ago its author last said that it is right, where that is months ago.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub age: Option<String>,
    /// The work that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub about: Option<About>,
    /// What other works say of this one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub related: Vec<Related>,
}

/// A line of a work's history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Its number.
    pub version: u32,
    /// How to ask for it: `2`, or `2~1a2b3c4d` where two have one number.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Whether no later version supersedes it.
    pub current: bool,
    /// Its entry's digest.
    pub digest: String,
    /// "Dated by the author", Unix milliseconds.
    pub claimed_ms: u64,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
    /// Whether its body is held.
    pub held: bool,
    /// Where it was erased or is denied here: when and why.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub erased: Option<String>,
}

/// A work's history.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// `CODE/slug`.
    pub work: String,
    /// Why its author took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// All versions, newest first.
    pub versions: Vec<Version>,
}

/// Files to publish.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PublishRequest {
    /// Markdown files with front matter.
    pub files: Vec<File>,
}

/// One file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct File {
    /// Its name, from which the slug is made unless the front matter gives one.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// What became of a file.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The file.
    pub file: String,
    /// `CODE/slug@version`.
    pub work: String,
    /// Whether anything was written: the same content again changes nothing.
    pub changed: bool,
    /// What would make it more useful.
    pub advice: Vec<String>,
}

/// What became of all of them.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PublishReply {
    /// One for each file, in order.
    pub published: Vec<Published>,
}

/// A work to withdraw.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WithdrawRequest {
    /// `CODE/slug`.
    pub work: String,
    /// Why, for everyone to read.
    pub reason: String,
    /// Whether every replica is to erase the texts of all its versions. This cannot be undone.
    #[serde(default)]
    pub erase: bool,
}

/// Texts to erase on this node alone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EraseRequest {
    /// `CODE/slug` for all versions, `CODE/slug@2` for one.
    pub work: String,
    /// Why; this node shows it where the document was.
    pub reason: String,
}

/// What was erased.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EraseReply {
    /// Numbers of the versions; empty where all were erased before.
    pub versions: Vec<u32>,
}

/// Why a request was refused, and what to do.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// One line for each thing that is wrong.
    pub errors: Vec<String>,
}
