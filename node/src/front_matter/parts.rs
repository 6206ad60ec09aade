//! What keys of the front matter hold that is more than a word, a text or a list of them.

use std::fmt;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What a document rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Source {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub official: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub retrieved: String,
}

/// What others call it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Identifier {
    pub scheme: String,
    pub value: String,
}

/// Another work, and how this one relates to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Relation {
    pub rel: String,
    pub target: String,
}

/// A status and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Stage {
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Partial dates of a law.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Dates {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub introduced: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub adopted: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assented: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub published: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub in_force: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub applies: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repealed: String,
}

/// What matters, and where it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Provision {
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    pub text: String,
}

/// Who must do what by when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Obligation {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
    pub must: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// Who sees to it, and what it can cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Enforcement {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub penalties: String,
}

/// An answer to one part of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Answer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    pub answer: String,
}

/// A version of a work. A person writes `CODE/slug@2`; which entry that is, publishing fills in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Citation {
    /// `CODE/slug@2`, or `CODE/slug` for the version that is current when it is published.
    pub work: String,
    /// The entry's digest in hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entry: String,
}

impl<'de> Deserialize<'de> for Citation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Citation, D::Error> {
        deserializer.deserialize_any(CitationVisitor)
    }
}

/// Takes `CODE/slug@2` alone, or a mapping of both.
struct CitationVisitor;

impl<'de> Visitor<'de> for CitationVisitor {
    type Value = Citation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a work, like CODE/slug@2")
    }

    fn visit_str<E: de::Error>(self, work: &str) -> Result<Citation, E> {
        Ok(Citation { work: work.to_owned(), entry: String::new() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Citation, A::Error> {
        let mut citation = Citation::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "work" => citation.work = map.next_value()?,
                "entry" => citation.entry = map.next_value()?,
                _ => return Err(de::Error::unknown_field(&key, &["work", "entry"])),
            }
        }
        Ok(citation)
    }
}
