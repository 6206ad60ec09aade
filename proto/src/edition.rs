//! One numbered list of members: its page, what it changes, and whether enough of those before have signed it.
//!
//! ```text
//! comity-edition/v1
//! Trial federation
//! threshold 2/3
//! edition 1
//! after <digest of the predecessor's text>
//! FI signer <identity key> <digest of the successor key> Parliament of Finland
//! ..
//! cut <key> <size> <root>
//! ```
//!
//! A function of this page, its signatures and the page before it, and of nothing else: no log is asked, so that whoever holds
//! the notes agrees on the members. A charter is edition 0. [`crate::editions`] has the tree of them all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::body::Cut;
use crate::charter::Charter;
use crate::digest::Digest;
use crate::key::PublicKey;
use crate::member::{self, ListError, Member, THRESHOLD_LINE, key_name};
use crate::note::{Note, Signature};
use crate::schema;

const TYPE_LINE: &str = "comity-edition/v1";

/// One list of members, with the signature lines that were found true. Two with one digest are equal, whosever lines they bear.
#[derive(Clone)]
pub struct Edition {
    number: u64,
    before: Option<Digest>,
    name: String,
    members: Vec<Member>,
    cuts: BTreeMap<PublicKey, Cut>,
    digest: Digest,
    note: Note,
    successors: Vec<PublicKey>,
}

/// What an edition makes of a member that the one before it, or it, lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its code is new.
    Added,
    /// It has no line any more.
    Removed,
    /// Key and digest are those before.
    Carried,
    /// The key is the one it had committed to, with a new digest.
    Succeeded,
    /// Anything else: others vouch that the new key is its own.
    Rekeyed,
}

/// Why a page is no edition, or none that may follow another. Whoever wrote or signed it is to blame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EditionError {
    /// Not a text that can be signed, or signature lines that are none.
    #[error("this is not a signed note: {0}")]
    Note(String),
    /// Its lines are not those of an edition.
    #[error("not an edition: {0}")]
    List(#[from] ListError),
    /// The edition before it is not held, or not valid here.
    #[error("it follows edition {0}, which is not held here; sync first")]
    Unknown(Digest),
    /// It does not have the number after the one it follows.
    #[error("it is numbered {number} and follows edition {before}; it must be one more")]
    Number {
        /// Its number.
        number: u64,
        /// That of the one before.
        before: u64,
    },
    /// It takes the place or key of more than one signer, or of one of fewer than three.
    #[error(
        "an edition removes or re-keys one signer at most, and only where there are three or more; make one edition for each"
    )]
    Signers,
    /// A key or digest is not new.
    #[error("{0} is listed with a key or digest that was used before; a key that ended is never used again")]
    Spent(String),
    /// Signatures are missing.
    #[error("{have} signers have signed, and {need} are needed")]
    TooFew {
        /// Signers whose line is there and true.
        have: usize,
        /// Signers who must.
        need: usize,
    },
}

impl PartialEq for Edition {
    fn eq(&self, other: &Edition) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Edition {}

impl fmt::Debug for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "edition {} {}", self.number, self.digest)
    }
}

impl From<&Charter> for Edition {
    fn from(charter: &Charter) -> Edition {
        Edition {
            number: 0,
            before: None,
            name: charter.name().to_owned(),
            members: charter.members().to_vec(),
            cuts: BTreeMap::new(),
            digest: charter.id(),
            note: charter.note().clone(),
            successors: Vec::new(),
        }
    }
}

impl Edition {
    /// The page of an edition after `before`, with members and cuts in their order.
    pub fn write(before: &Edition, name: &str, mut members: Vec<Member>, mut cuts: Vec<Cut>) -> String {
        members.sort_by(|a, b| a.code.cmp(&b.code));
        cuts.sort_by_key(|cut| cut.log);
        let head = [TYPE_LINE, name, THRESHOLD_LINE].map(str::to_owned);
        let place = [format!("edition {}", before.number + 1), format!("after {}", before.digest)];
        let cut = |cut: &Cut| format!("cut {} {} {}", cut.log, cut.size, cut.root);
        let lines =
            head.into_iter().chain(place).chain(members.iter().map(Member::to_line)).chain(cuts.iter().map(cut));
        lines.flat_map(|line| [line, "\n".to_owned()]).collect()
    }

    /// Reads a page that nobody may have signed yet.
    pub fn draft(text: &str) -> Result<Edition, EditionError> {
        let note = Note::new(text).map_err(|error| EditionError::Note(error.to_string()))?;
        let line = |at: usize, what: &str| EditionError::List(ListError::line(at, what));
        let mut lines = (1..).zip(note.text.lines());
        let mut next = || lines.next().map(|(_, line)| line);
        if next() != Some(TYPE_LINE) {
            return Err(line(1, "an edition begins with comity-edition/v1"));
        }
        let name = next().filter(|name| member::is_name(name));
        let name = name.ok_or_else(|| line(2, "the federation's name is missing"))?.to_owned();
        if next() != Some(THRESHOLD_LINE) {
            return Err(line(3, "only the rule `threshold 2/3` is known"));
        }
        let number = next().and_then(|line| number(line.strip_prefix("edition ")?)).filter(|number| *number > 0);
        let number = number.ok_or_else(|| line(4, "expected `edition N`, from 1"))?;
        let before = next().and_then(|line| line.strip_prefix("after ")?.parse().ok());
        let before = before.ok_or_else(|| line(5, "expected `after DIGEST`"))?;
        let (cut_lines, member_lines): (Vec<_>, Vec<_>) = lines.partition(|(_, line)| line.starts_with("cut "));
        let last = member_lines.last().map_or(0, |(at, _)| *at);
        let mut cuts: BTreeMap<PublicKey, Cut> = BTreeMap::new();
        for (at, text) in cut_lines {
            let cut = read_cut(text).filter(|_| at > last);
            let cut = cut.ok_or_else(|| line(at, "expected `cut KEY SIZE ROOT`, after the members"))?;
            if cuts.last_key_value().is_some_and(|(key, _)| *key >= cut.log) {
                return Err(line(at, "cuts stand in the order of their keys, each key once"));
            }
            cuts.insert(cut.log, cut);
        }
        let members = member::read_list(member_lines.into_iter())?;
        let digest = Digest::of(note.text.as_bytes());
        Ok(Edition { number, before: Some(before), name, members, cuts, digest, note, successors: Vec::new() })
    }

    /// Reads a page with signature lines, none of which is verified by it. `successors`: the keys of those who signed with the
    /// key they had committed to.
    pub fn read(bytes: &[u8], successors: Vec<PublicKey>) -> Result<Edition, EditionError> {
        let note = Note::parse(bytes).map_err(|error| EditionError::Note(error.to_string()))?;
        let mut edition = Edition::draft(&note.text)?;
        (edition.note, edition.successors) = (note, successors);
        Ok(edition)
    }

    /// Its number; the charter's is 0.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Digest of the edition it follows; none for the charter.
    pub fn before(&self) -> Option<&Digest> {
        self.before.as_ref()
    }

    /// SHA-256 of its text.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The federation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text that is signed.
    pub fn text(&self) -> &str {
        &self.note.text
    }

    /// The members, by code.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member of that code.
    pub fn member(&self, code: &str) -> Option<&Member> {
        let at = self.members.binary_search_by(|member| member.code.as_str().cmp(code)).ok()?;
        self.members.get(at)
    }

    /// Those whose signature counts for the next edition.
    pub fn signers(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.signer)
    }

    /// Where it ends logs of members that it removes, re-keys, or lists with their successor.
    pub fn cuts(&self) -> &BTreeMap<PublicKey, Cut> {
        &self.cuts
    }

    /// The signed note.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    /// Keys, not listed but committed to, of some who signed it.
    pub fn successors(&self) -> &[PublicKey] {
        &self.successors
    }

    /// Codes of those whose signature lines it bears, as they say; only a finished edition's were verified.
    pub fn signed_names(&self) -> Vec<String> {
        let code = |line: &Signature| line.name.strip_prefix("comity/").map(str::to_owned);
        self.note.signatures.iter().filter_map(code).collect()
    }

    /// The finished note as sent and kept.
    pub fn to_wire(&self) -> schema::EditionNote {
        let successors = self.successors.iter().map(|key| key.as_bytes().to_vec()).collect();
        schema::EditionNote { note: self.to_bytes(), successors }
    }

    /// As sent or kept; nothing of it is verified but its shape.
    pub fn from_wire(wire: &schema::EditionNote) -> Result<Edition, EditionError> {
        let key = |bytes: &Vec<u8>| PublicKey::from_bytes(bytes);
        let successors = wire.successors.iter().map(key).collect::<Result<_, _>>();
        Edition::read(&wire.note, successors.map_err(|error| EditionError::Note(error.to_string()))?)
    }

    /// What it makes of every member that it or the one before it lists, by code.
    pub fn changes(&self, before: &Edition) -> BTreeMap<String, Change> {
        let mut changes: BTreeMap<String, Change> = BTreeMap::new();
        for old in &before.members {
            changes.insert(old.code.clone(), self.member(&old.code).map_or(Change::Removed, |new| change(old, new)));
        }
        for new in &self.members {
            changes.entry(new.code.clone()).or_insert(Change::Added);
        }
        changes
    }

    /// Whose place or key as a signer it takes: the one who need not agree.
    pub fn unseated<'a>(&self, before: &'a Edition) -> Vec<&'a Member> {
        let keeps =
            |old: &Member| self.member(&old.code).is_some_and(|new| new.signer && change(old, new) != Change::Rekeyed);
        before.signers().filter(|old| !keeps(old)).collect()
    }

    /// Signatures it needs of the signers before it, who do not count the one that it unseats; and whether it may follow at all,
    /// once they are there.
    pub fn quorum(&self, before: &Edition) -> Result<usize, EditionError> {
        if self.before != Some(before.digest) {
            return Err(EditionError::Unknown(self.before.unwrap_or(self.digest)));
        }
        if self.number != before.number + 1 {
            return Err(EditionError::Number { number: self.number, before: before.number });
        }
        let signers = before.signers().count();
        let threshold = 2 * signers / 3 + 1;
        match (self.unseated(before).len(), signers) {
            (0, _) => Ok(threshold),
            (1, 3..) => Ok(threshold.min(signers - 1)),
            _ => Err(EditionError::Signers),
        }
    }

    /// Verifies that enough signers of the edition before it signed, and keeps the lines that count and no others.
    pub fn follows(self, before: &Arc<Edition>) -> Result<Edition, EditionError> {
        let (signatures, successors) = (self.note.signatures.clone(), self.successors.clone());
        let mut draft = Draft::new(self, before.clone())?;
        for line in &signatures {
            for key in std::iter::once(None).chain(successors.iter().map(Some)) {
                draft.add(line, key);
            }
        }
        let (have, need) = (draft.have(), draft.need());
        draft.finish().ok_or(EditionError::TooFew { have, need })
    }
}

/// An edition that may follow another, and the true signature lines on it that are known so far.
#[derive(Clone, Debug)]
pub struct Draft {
    edition: Edition,
    before: Arc<Edition>,
    need: usize,
    /// By the code of the signer, one each.
    lines: BTreeMap<String, (Signature, Option<PublicKey>)>,
}

impl Draft {
    /// A draft without signatures; the error says why no signature could make it valid.
    pub fn new(mut edition: Edition, before: Arc<Edition>) -> Result<Draft, EditionError> {
        let need = edition.quorum(&before)?;
        (edition.note.signatures, edition.successors) = (Vec::new(), Vec::new());
        Ok(Draft { edition, before, need, lines: BTreeMap::new() })
    }

    /// What is proposed.
    pub fn edition(&self) -> &Edition {
        &self.edition
    }

    /// What it is to follow.
    pub fn before(&self) -> &Edition {
        &self.before
    }

    /// Takes a line if it is a true one of a signer who had none; `successor` is its key where that is not the one listed.
    pub fn add(&mut self, line: &Signature, successor: Option<&PublicKey>) -> bool {
        let mut signers = self.before.signers();
        let Some(signer) = signers.find(|signer| key_name(&signer.code) == line.name) else { return false };
        let key = match successor {
            None => &signer.identity_key,
            Some(key) if Digest::of(key.as_bytes()) == signer.successor_digest => key,
            Some(_) => return false,
        };
        if self.lines.contains_key(&signer.code) || !line.is_by(&line.name, key, &self.edition.note.text) {
            return false;
        }
        self.lines.insert(signer.code.clone(), (line.clone(), successor.copied()));
        true
    }

    /// Whether that signer's line is known.
    pub fn is_signed_by(&self, code: &str) -> bool {
        self.lines.contains_key(code)
    }

    /// The lines known, with the key of a signer who used the one it had committed to.
    pub fn lines(&self) -> impl Iterator<Item = &(Signature, Option<PublicKey>)> {
        self.lines.values()
    }

    /// Signatures that it needs.
    pub fn need(&self) -> usize {
        self.need
    }

    /// Signatures that count so far: a signer whom it unseats does not.
    pub fn have(&self) -> usize {
        let unseated = self.edition.unseated(&self.before);
        self.lines.keys().filter(|code| unseated.iter().all(|member| member.code != **code)).count()
    }

    /// Signers whose signature would count and is not known.
    pub fn missing(&self) -> Vec<&Member> {
        let unseated = self.edition.unseated(&self.before);
        let counts = |signer: &&Member| !unseated.contains(signer) && !self.is_signed_by(&signer.code);
        self.before.signers().filter(counts).collect()
    }

    /// The finished note, once enough have signed.
    pub fn finish(&self) -> Option<Edition> {
        let mut edition = self.edition.clone();
        (edition.note.signatures, edition.successors) = (Vec::new(), Vec::new());
        for (line, successor) in self.lines.values() {
            edition.note.add(line.clone());
            edition.successors.extend(successor);
        }
        (self.have() >= self.need).then_some(edition)
    }
}

/// What becomes of a line. Key and digest change together or not at all; all but carrying on and succeeding is a re-key.
fn change(old: &Member, new: &Member) -> Change {
    let same_key = new.identity_key == old.identity_key;
    let same_digest = new.successor_digest == old.successor_digest;
    let committed = Digest::of(new.identity_key.as_bytes()) == old.successor_digest;
    match (same_key, same_digest) {
        (true, true) => Change::Carried,
        (false, false) if committed => Change::Succeeded,
        _ => Change::Rekeyed,
    }
}

fn read_cut(line: &str) -> Option<Cut> {
    let mut parts = line.strip_prefix("cut ")?.split(' ');
    let cut = Cut::new(parts.next()?.parse().ok()?, number(parts.next()?)?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(cut)
}

/// A decimal number in its one spelling.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
