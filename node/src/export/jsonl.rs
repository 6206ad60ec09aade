//! JSON Lines: one object a line, with everything that is known of a document. The keys of its front matter are those a person
//! writes, so that it can be imported; what else there is, only nodes know.

use serde::Serialize;

use super::Record;
use crate::front_matter::FrontMatter;
use crate::related::Related;
use crate::views::Provenance;

#[derive(Serialize)]
struct Line<'a> {
    work: &'a str,
    version: u32,
    #[serde(flatten)]
    front_matter: &'a FrontMatter,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    newer: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    related: &'a [Related],
    provenance: &'a Provenance,
    citation: &'a str,
    frontier: &'a str,
}

/// One document.
pub fn record(record: &Record<'_>) -> String {
    let document = record.document;
    let line = Line {
        work: &document.work,
        version: document.version,
        front_matter: &document.front_matter,
        text: &document.text,
        withdrawn: document.withdrawn.as_deref(),
        newer: document.newer,
        related: &document.related,
        provenance: &document.provenance,
        citation: &document.citation,
        frontier: &record.snapshot.frontier,
    };
    // Strings, numbers and maps by strings: nothing in it can fail.
    serde_json::to_string(&line).unwrap_or_default()
}
