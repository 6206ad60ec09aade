//! What a document says, as one digest: whether the store has it already can be asked of many at once, without their texts.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use proto::digest::Digest;
use proto::schema::Publication;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ends::Ends;
use crate::reader::Reader;
use crate::rows::{Says, StoreError, fold};

/// Fields of a publication that are the entry's and not the document's: salt, version, and what it supersedes.
const OF_THE_ENTRY: [u32; 3] = [1, 3, 4];
/// The last of them; a body has its fields in the order of their numbers.
const LAST_OF_THE_ENTRY: u32 = 4;

/// The digest of what would be signed, but for salt, version and what it supersedes, which are not there yet.
pub fn digest(kind: u32, publication: &Publication) -> Digest {
    Digest::of_parts(&[&kind.to_be_bytes(), &publication.encode_to_vec()])
}

/// The same of a body that was signed. It is not decoded: of 100,000 works there is nothing to do but to hash them. A body that
/// another program wrote in another order has another digest, and counts as changed.
fn digest_of_body(kind: u32, body: &[u8]) -> Option<Digest> {
    let kind = kind.to_be_bytes();
    let mut parts: Vec<&[u8]> = vec![&kind];
    let mut rest = body;
    while rest.has_remaining() {
        let field = rest;
        let (number, wire) = decode_key(&mut rest).ok()?;
        if number > LAST_OF_THE_ENTRY {
            parts.push(field);
            break;
        }
        skip_field(wire, number, &mut rest, DecodeContext::default()).ok()?;
        if !OF_THE_ENTRY.contains(&number) {
            parts.push(field.get(..field.len() - rest.len())?);
        }
    }
    Some(Digest::of_parts(&parts))
}

/// What the store has of a work that is about to be imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Held {
    /// Nothing that says the same.
    Other,
    /// Its version in force says the same.
    Same(u32),
    /// An earlier version says the same; it was superseded by one that does not.
    Before {
        /// That version.
        same: u32,
        /// The one in force.
        current: u32,
    },
    /// Its author took it back.
    Withdrawn(String),
    /// The text of its version in force was erased here.
    Erased(u32),
}

/// Compares a document with what stands of its work, `CODE/slug`.
pub fn held(reader: &Reader, ends: &Ends, work: &str, content: &Digest) -> Result<Held, StoreError> {
    let rows = reader.standing_work(work, ends)?;
    if rows.is_empty() {
        return Ok(Held::Other);
    }
    let state = fold(&rows);
    if let Some(reason) = state.withdrawn {
        return Ok(Held::Withdrawn(reason));
    }
    // Two at once are superseded by whoever publishes next.
    let [current] = state.current.as_slice() else { return Ok(Held::Other) };
    let mut before = None;
    for row in &rows {
        let Says::Version(version, kind) = &row.says else { continue };
        let is_current = version.digest == current.digest;
        let body = reader.entry(row.log, row.index)?.and_then(|kept| kept.body);
        let says = body.as_deref().and_then(|body| digest_of_body(*kind, body));
        if says.as_ref() == Some(content) {
            if is_current {
                return Ok(Held::Same(version.number));
            }
            before = before.max(Some(version.number));
        }
        if is_current && body.is_none() {
            let owner = reader.owner(row.log)?;
            if owner.is_some_and(|owner| {
                reader.erased(&owner.log, row.index, &row.digest).is_ok_and(|erased| erased.is_some())
            }) {
                return Ok(Held::Erased(version.number));
            }
        }
    }
    Ok(before.map_or(Held::Other, |same| Held::Before { same, current: current.number }))
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::schema::{Kind, Publication};

    use super::{digest, digest_of_body};

    #[test]
    fn what_was_signed_has_the_digest_of_what_was_said() {
        let said = Publication {
            slug: "law".to_owned(),
            language: "en".to_owned(),
            title: "T".to_owned(),
            text: "long ".repeat(100),
            topics: vec!["children".to_owned()],
            ..Publication::default()
        };
        let kind = Kind::LawSummary as u32;
        let signed =
            Publication { salt: vec![1; 16], version: 3, supersedes: vec![vec![2; 32], vec![3; 32]], ..said.clone() };
        assert_eq!(digest_of_body(kind, &signed.encode_to_vec()), Some(digest(kind, &said)));
        let other = Publication { title: "U".to_owned(), ..signed.clone() };
        assert_ne!(digest_of_body(kind, &other.encode_to_vec()), Some(digest(kind, &said)));
        assert_ne!(digest_of_body(kind + 1, &signed.encode_to_vec()), Some(digest(kind, &said)));
        assert_eq!(digest_of_body(kind, &[0xff]), None);
    }
}
