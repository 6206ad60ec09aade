//! Signed notes, as C2SP `signed-note` has them: a text, an empty line, and one line a signature.
//!
//! Parsing is strict: a note that would not be written back byte for byte is refused, so that a note has one spelling.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::digest::Digest;
use crate::key::{PublicKey, SecretKey};
use crate::limits;

/// The signature type of Ed25519 in `signed-note`.
const ED25519: u8 = 0x01;
/// Signature lines of one note: more than there are parliaments.
const SIGNATURES_MAX: usize = 400;

/// A text with signatures, none of which was verified by parsing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What is signed; ends with a newline.
    pub text: String,
    /// The signature lines, in order.
    pub signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature {
    /// The key's name.
    pub name: String,
    /// The first four bytes of SHA-256 over name, newline, type and key.
    pub key_id: u32,
    /// What follows the id: 64 bytes for Ed25519.
    pub bytes: Vec<u8>,
}

/// Why bytes are not a note, or a note is not signed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum NoteError {
    /// Over the bound, not UTF-8, control characters, or no text that ends with a newline.
    #[error("the text of a note is UTF-8 lines without control characters, at most 256 KiB")]
    Text,
    /// The signature lines are not such.
    #[error("the signature lines of a note are malformed")]
    Lines,
    /// No line of that key.
    #[error("the note is not signed by {0}")]
    Unsigned(String),
    /// A line of that key, whose signature is false.
    #[error("the signature of {0} does not verify")]
    BadSignature(String),
}

impl Note {
    /// An unsigned note over `text`.
    pub fn new(text: &str) -> Result<Note, NoteError> {
        let sound = text.ends_with('\n')
            && text.len() <= limits::CHARTER_BYTES_MAX
            && !text.chars().any(|c| c != '\n' && c.is_control());
        sound.then(|| Note { text: text.to_owned(), signatures: Vec::new() }).ok_or(NoteError::Text)
    }

    /// Reads a note with at least one signature line.
    pub fn parse(bytes: &[u8]) -> Result<Note, NoteError> {
        let whole = std::str::from_utf8(bytes).map_err(|_| NoteError::Text)?;
        // The text may hold empty lines itself: the last one before the signatures is the seam.
        let seam = whole.rfind("\n\n").ok_or(NoteError::Lines)?;
        let mut note = Note::new(&whole[..=seam])?;
        let lines = whole[seam + 2..].strip_suffix('\n').ok_or(NoteError::Lines)?;
        for line in lines.split('\n') {
            note.signatures.push(Signature::parse(line).ok_or(NoteError::Lines)?);
        }
        if note.signatures.len() > SIGNATURES_MAX || note.to_bytes() != bytes {
            return Err(NoteError::Lines);
        }
        Ok(note)
    }

    /// The bytes of the note.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{}\n", self.text);
        for signature in &self.signatures {
            out.push_str(&signature.to_line());
            out.push('\n');
        }
        out.into_bytes()
    }

    /// Adds a signature, in place of an earlier one of the same key, and gives it.
    pub fn sign(&mut self, name: &str, key: &SecretKey) -> Signature {
        let key_id = key_id(name, &key.public());
        let bytes = key.sign(self.text.as_bytes()).to_vec();
        let signature = Signature { name: name.to_owned(), key_id, bytes };
        self.add(signature.clone());
        signature
    }

    /// Adds a signature line, in place of an earlier one of the same key. Whether it is true is the caller's question.
    pub fn add(&mut self, signature: Signature) {
        let is_same = |other: &Signature| other.name == signature.name && other.key_id == signature.key_id;
        self.signatures.retain(|other| !is_same(other));
        self.signatures.push(signature);
    }

    /// Verifies the signature of one key.
    pub fn verify(&self, name: &str, key: &PublicKey) -> Result<(), NoteError> {
        let id = key_id(name, key);
        let line = self.signatures.iter().find(|signature| signature.name == name && signature.key_id == id);
        let line = line.ok_or_else(|| NoteError::Unsigned(name.to_owned()))?;
        if line.is_by(name, key, &self.text) { Ok(()) } else { Err(NoteError::BadSignature(name.to_owned())) }
    }
}

impl Signature {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let blob = [&self.key_id.to_be_bytes(), self.bytes.as_slice()].concat();
        format!("\u{2014} {} {}", self.name, STANDARD.encode(blob))
    }

    /// Whether it is this key's, under this name, over this text.
    pub fn is_by(&self, name: &str, key: &PublicKey, text: &str) -> bool {
        let named = self.name == name && self.key_id == key_id(name, key);
        let bytes: Option<&[u8; 64]> = self.bytes.as_slice().try_into().ok();
        named && bytes.is_some_and(|bytes| key.verify(text.as_bytes(), bytes).is_ok())
    }

    /// Reads a line, without its end. Nothing is verified by it.
    pub fn parse(line: &str) -> Option<Signature> {
        let (name, blob) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let blob = STANDARD.decode(blob).ok()?;
        let (id, bytes) = blob.split_first_chunk::<4>()?;
        let sound =
            !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace) && !bytes.is_empty();
        let key_id = u32::from_be_bytes(*id);
        sound.then(|| Signature { name: name.to_owned(), key_id, bytes: bytes.to_vec() })
    }
}

/// The id by which a signature line names its key.
pub fn key_id(name: &str, key: &PublicKey) -> u32 {
    let Digest(hash) = Digest::of_parts(&[name.as_bytes(), b"\n", &[ED25519], key.as_bytes()]);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

/// The key in the form other C2SP tools take: name, id and base64.
pub fn vkey(name: &str, key: &PublicKey) -> String {
    let blob = [&[ED25519], key.as_bytes().as_slice()].concat();
    format!("{name}+{:08x}+{}", key_id(name, key), STANDARD.encode(blob))
}
