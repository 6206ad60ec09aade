//! Rows by which a work knows who names it.

use std::collections::BTreeSet;

use proto::limits;
use proto::schema;

use super::{leaf_key, prefix};
use crate::name::Name;

/// Bytes of a work's name that can be looked up; an honest one has a code, a slash and a slug.
const NAME_BYTES_MAX: usize = limits::CODE_CHARS_MAX + 1 + limits::SLUG_CHARS_MAX;

/// The works that a publication names, each once, whatever it says of them. Lists longer than a publication may have are cut:
/// nobody checks what a peer's member signed.
pub(crate) fn targets(publication: &schema::Publication) -> BTreeSet<String> {
    let cites = publication.synthesis.as_ref().map(|synthesis| synthesis.cites.as_slice()).unwrap_or_default();
    let cited = publication.about.iter().chain(cites.iter().take(limits::LIST_ITEMS_MAX));
    let related = publication.relations.iter().take(limits::LIST_ITEMS_MAX);
    let names = cited.map(|citation| citation.work.as_str()).chain(related.map(|relation| relation.target.as_str()));
    names.filter_map(target).collect()
}

/// `CODE/slug` of what names a work or one of its versions; none where it is an address, say.
pub(crate) fn target(name: &str) -> Option<String> {
    let name = Name::parse(name).filter(|name| name.work.len() <= NAME_BYTES_MAX && !name.work.contains(':'))?;
    Some(name.work)
}

/// The row of an entry that names a work.
pub(crate) fn key(work: &str, log: u32, index: u64) -> Vec<u8> {
    [prefix(work).as_slice(), &leaf_key(log, index)].concat()
}
