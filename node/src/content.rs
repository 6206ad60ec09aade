//! What a document says, as one digest, whatever its signed form adds: with it a store tells what it has without reading texts.

use prost::Message;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use proto::digest::Digest;
use proto::schema::Publication;

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
pub(crate) fn digest_of_body(kind: u32, body: &[u8]) -> Option<Digest> {
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
