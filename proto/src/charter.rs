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

use thiserror::Error;

use crate::digest::Digest;
use crate::key::SecretKey;
use crate::limits;
use crate::member::{self, ListError, Member, THRESHOLD_LINE, key_name};
use crate::note::Note;

const TYPE_LINE: &str = "comity-charter/v1";

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
    /// Its lines are not those of a charter.
    #[error("not a charter: {0}")]
    List(#[from] ListError),
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
            text.push_str(&member.to_line());
            text.push('\n');
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

    /// Reads a charter that not every founder may have signed yet: the text alone, or a note. What it holds of signatures was
    /// not verified; [`Charter::missing`] says whose are not there or not true.
    pub fn read_unsigned(bytes: &[u8]) -> Result<Charter, CharterError> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains("\n\n"));
        let note = text.map_or_else(|| Note::parse(bytes), Note::new);
        Charter::read(note.map_err(|error| CharterError::Note(error.to_string()))?)
    }

    /// Founders whose signature is not there, or not true.
    pub fn missing(&self) -> Vec<&Member> {
        let signed = |member: &&Member| self.note.verify(&key_name(&member.code), &member.identity_key).is_ok();
        self.members.iter().filter(|member| !signed(member)).collect()
    }

    /// Takes the signatures of founders from another copy of the same text. `false`: it is another text.
    pub fn join(&mut self, other: &Charter) -> bool {
        if self.note.text != other.note.text {
            return false;
        }
        for member in &self.members {
            let name = key_name(&member.code);
            let mut lines = other.note.signatures.iter();
            let line = lines.find(|line| line.is_by(&name, &member.identity_key, &other.note.text));
            if let Some(line) = line {
                self.note.add(line.clone());
            }
        }
        true
    }

    /// The text with its signature lines.
    pub fn note(&self) -> &Note {
        &self.note
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
        let mut lines = (1..).zip(note.text.lines());
        if lines.next().map(|(_, line)| line) != Some(TYPE_LINE) {
            return Err(ListError::line(1, "a charter begins with comity-charter/v1").into());
        }
        let name = lines.next().map(|(_, name)| name).filter(|name| member::is_name(name));
        let name = name.ok_or_else(|| ListError::line(2, "the federation's name is missing"))?.to_owned();
        if lines.next().map(|(_, line)| line) != Some(THRESHOLD_LINE) {
            return Err(ListError::line(3, "only the rule `threshold 2/3` is known").into());
        }
        let members = member::read_list(lines)?;
        Ok(Charter { name, members, note })
    }
}
