//! The founding page: a signed note with the federation's name, rule and members, signed by every one of them.
//!
//! ```text
//! comity-charter/v1
//! Trial federation
//! threshold 2/3
//! FI signer <identity key> <digest of the successor key> Parliament of Finland
//! KE-LC01 signer <identity key> <digest of the successor key> National Assembly of Kenya
//!
//! — comity/FI <signature>
//! — comity/KE-LC01 <signature>
//! ```
//!
//! Its text's SHA-256 is the federation's id, so that a line about signatures can be added without renaming the federation.
//! It is edition 0. Desk keys are never here: they are delegated in the governance logs.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::digest::Digest;
use crate::key::{PublicKey, SecretKey};
use crate::limits;
use crate::note::Note;

const TYPE_LINE: &str = "comity-charter/v1";
/// The only rule there is so far: t = floor(2n/3) + 1 of the signers.
const THRESHOLD_LINE: &str = "threshold 2/3";
/// Bytes of a federation's or a member's name.
const NAME_BYTES_MAX: usize = 200;

/// One line of the list of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// In the IPU Parline pattern: `FI`, `KE-LC01`, `INT-IPU`.
    pub code: String,
    /// Whether its signature counts for the next edition.
    pub signer: bool,
    /// Its identity key.
    pub identity_key: PublicKey,
    /// SHA-256 of the 32 bytes of the key that may succeed it.
    pub successor_digest: Digest,
    /// What it calls itself.
    pub name: String,
}

/// A charter whose every founder's signature verified, or one that [`Charter::draft`] made to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    name: String,
    members: Vec<Member>,
    note: Note,
}

/// Why a charter is not one. Whoever wrote or handed over the file is to blame.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CharterError {
    /// Not a signed note, or over [`limits::CHARTER_BYTES_MAX`].
    #[error("this is not a signed note: {0}")]
    Note(String),
    /// A line is not what the format has there.
    #[error("line {line} of the charter: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Two members share a code, a key or a digest.
    #[error("{code} repeats a code, an identity key or a successor digest of another member")]
    Repeated {
        /// The later of the two.
        code: String,
    },
    /// Nobody could ever sign an edition.
    #[error("a charter needs at least one signer")]
    NoSigner,
    /// A founder's signature is missing or false.
    #[error("the signature of {code} is missing or does not verify")]
    Signature {
        /// The founder.
        code: String,
    },
}

impl Charter {
    /// A charter to be signed, with its members in the order of their codes.
    pub fn draft(name: &str, mut members: Vec<Member>) -> Result<Charter, CharterError> {
        members.sort_by(|a, b| a.code.cmp(&b.code));
        let mut text = format!("{TYPE_LINE}\n{name}\n{THRESHOLD_LINE}\n");
        for member in &members {
            let role = if member.signer { "signer" } else { "member" };
            let (key, digest) = (&member.identity_key, &member.successor_digest);
            text.push_str(&format!("{} {role} {key} {digest} {}\n", member.code, member.name));
        }
        Charter::read(Note::new(&text).map_err(|error| CharterError::Note(error.to_string()))?)
    }

    /// Reads a charter and verifies that every founder signed it.
    pub fn verify(bytes: &[u8]) -> Result<Charter, CharterError> {
        if bytes.len() > limits::CHARTER_BYTES_MAX {
            return Err(CharterError::Note(format!("it has over {} bytes", limits::CHARTER_BYTES_MAX)));
        }
        let charter = Charter::read(Note::parse(bytes).map_err(|error| CharterError::Note(error.to_string()))?)?;
        for member in &charter.members {
            let signed = charter.note.verify(&key_name(&member.code), &member.identity_key);
            signed.map_err(|_| CharterError::Signature { code: member.code.clone() })?;
        }
        Ok(charter)
    }

    /// Adds a founder's signature. The text was parsed, so nothing unread is signed.
    pub fn sign(&mut self, code: &str, key: &SecretKey) -> Result<(), CharterError> {
        let founder = self.member(code).filter(|member| member.identity_key == key.public());
        founder.ok_or_else(|| CharterError::Signature { code: code.to_owned() })?;
        self.note.sign(&key_name(code), key);
        Ok(())
    }

    /// The federation's id: SHA-256 of the text without signature lines.
    pub fn id(&self) -> Digest {
        Digest::of(self.note.text.as_bytes())
    }

    /// The federation's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The founders, by code.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The founder of that code.
    pub fn member(&self, code: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.code == code)
    }

    /// The signed note.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.note.to_bytes()
    }

    fn read(note: Note) -> Result<Charter, CharterError> {
        let bad = |line: usize, what: &str| CharterError::Line { line, what: what.to_owned() };
        let mut lines = note.text.lines();
        if lines.next() != Some(TYPE_LINE) {
            return Err(bad(1, "a charter begins with comity-charter/v1"));
        }
        let name =
            lines.next().filter(|name| is_name(name)).ok_or_else(|| bad(2, "the federation's name is missing"))?;
        if lines.next() != Some(THRESHOLD_LINE) {
            return Err(bad(3, "only the rule `threshold 2/3` is known"));
        }
        let mut members: Vec<Member> = Vec::new();
        let mut taken = BTreeSet::new();
        for (at, line) in lines.enumerate() {
            let member =
                Member::read(line).ok_or_else(|| bad(at + 4, "expected CODE signer|member KEY DIGEST NAME"))?;
            if members.last().is_some_and(|last| last.code > member.code) {
                return Err(bad(at + 4, "members stand in the order of their codes"));
            }
            let marks = [member.code.clone(), member.identity_key.to_string(), member.successor_digest.to_string()];
            if !marks.into_iter().all(|mark| taken.insert(mark)) {
                return Err(CharterError::Repeated { code: member.code });
            }
            members.push(member);
        }
        if !members.iter().any(|member| member.signer) {
            return Err(CharterError::NoSigner);
        }
        Ok(Charter { name: name.to_owned(), members, note })
    }
}

impl Member {
    fn read(line: &str) -> Option<Member> {
        let mut parts = line.splitn(5, ' ');
        let code = parts.next().filter(|code| is_code(code))?.to_owned();
        let signer = match parts.next()? {
            "signer" => true,
            "member" => false,
            _ => return None,
        };
        let identity_key = parts.next()?.parse().ok()?;
        let successor_digest = parts.next()?.parse().ok()?;
        let name = parts.next().filter(|name| is_name(name))?.to_owned();
        Some(Member { code, signer, identity_key, successor_digest, name })
    }
}

/// The signed note's key name of a member.
pub fn key_name(code: &str) -> String {
    format!("comity/{code}")
}

/// Whether `code` has the shape of the IPU Parline pattern: capitals, then groups of capitals and digits.
pub fn is_code(code: &str) -> bool {
    let groups = || code.split('-');
    code.len() <= limits::CODE_CHARS_MAX
        && groups().all(|group| {
            !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        })
        && groups().next().is_some_and(|first| first.len() >= 2 && first.bytes().all(|byte| byte.is_ascii_uppercase()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.trim() == name && !name.chars().any(char::is_control)
}
