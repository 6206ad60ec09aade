//! One line of a list of members, and the list: what a charter and an edition have in common.
//!
//! ```text
//! KE-LC01 signer <identity key> <digest of the successor key> National Assembly of Kenya
//! ```

use std::collections::BTreeSet;

use thiserror::Error;

use crate::digest::Digest;
use crate::key::PublicKey;
use crate::limits;

/// The only rule there is so far: t = floor(2n/3) + 1 of the signers.
pub const THRESHOLD_LINE: &str = "threshold 2/3";
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

/// Why lines are not a list of members. Whoever wrote the page is to blame.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ListError {
    /// A line is not what the format has there.
    #[error("line {line}: {what}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// Two members share a code or a key, or the key that one uses is the one another is to use next.
    #[error("{code} repeats a code, an identity key or a successor digest of another member")]
    Repeated {
        /// The later of the two.
        code: String,
    },
    /// Nobody could ever sign an edition.
    #[error("a list of members needs at least one signer")]
    NoSigner,
}

impl ListError {
    /// A line that is not what the format has there; `line` counts from 1.
    pub(crate) fn line(line: usize, what: &str) -> ListError {
        ListError::Line { line, what: what.to_owned() }
    }
}

impl Member {
    /// The line, without its end.
    pub fn to_line(&self) -> String {
        let role = if self.signer { "signer" } else { "member" };
        format!("{} {role} {} {} {}", self.code, self.identity_key, self.successor_digest, self.name)
    }

    /// Digests of the key in use and of the next one. No digest stands for two keys of a list, in use or to come, so that
    /// nobody is listed with a key that another has committed to.
    pub fn commitments(&self) -> [Digest; 2] {
        [Digest::of(self.identity_key.as_bytes()), self.successor_digest]
    }

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

/// Reads a list of members from lines with their numbers, counted from 1: in the order of the codes, nothing twice.
pub fn read_list<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Result<Vec<Member>, ListError> {
    let mut members: Vec<Member> = Vec::new();
    let mut taken = BTreeSet::new();
    for (at, line) in lines {
        let expected = || ListError::line(at, "expected CODE signer|member KEY DIGEST NAME");
        let member = Member::read(line).ok_or_else(expected)?;
        match members.last() {
            Some(last) if last.code == member.code => return Err(ListError::Repeated { code: member.code }),
            Some(last) if last.code > member.code => {
                return Err(ListError::line(at, "members stand in the order of their codes"));
            }
            _ => {}
        }
        if !member.commitments().into_iter().all(|digest| taken.insert(digest)) {
            return Err(ListError::Repeated { code: member.code });
        }
        members.push(member);
    }
    if members.iter().any(|member| member.signer) { Ok(members) } else { Err(ListError::NoSigner) }
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

/// Whether `name` may name a member or a federation: one trimmed line.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.trim() == name && !name.chars().any(char::is_control)
}
