//! What a document of each kind may say: one table per kind, which the check, the template and the advice all read.
//!
//! A new key is a field of `front_matter.rs`, a line of `front_matter/wire.rs` and a row here.

mod tables;

use proto::schema::Kind;

use crate::vocabulary::{self as words, Words};

pub use tables::{COMMON, FORMS};

/// A kind that is written as a file.
#[derive(Debug)]
pub struct Form {
    /// Its number.
    pub kind: Kind,
    /// What it is for, in one sentence.
    pub help: &'static str,
    /// Its keys, besides [`COMMON`].
    pub keys: &'static [Key],
}

/// One key of the front matter.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Whether a document can do without it.
    pub need: Need,
    /// What is in it, or in each of its items.
    pub shape: Shape,
    /// Whether it is a list.
    pub many: bool,
    /// What belongs there, in one sentence.
    pub help: &'static str,
}

/// Whether a document can do without a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It cannot.
    Must,
    /// It can, and is worth less. Why, after "it has no `key`; ".
    Should(&'static str),
    /// It can.
    May,
}

/// What may be in a key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// One line.
    Line,
    /// One or more sentences.
    Text,
    /// A name in a-z, 0-9 and -.
    Slug,
    /// 2026, 2026-11 or 2026-11-23.
    Date,
    /// 2026-11-23.
    Day,
    /// An http or https address.
    Url,
    /// BCP-47.
    Language,
    /// ISO 3166, or EU, COE, UN.
    Jurisdiction,
    /// A member's or chamber's code in the IPU Parline pattern.
    Code,
    /// A version of a work: CODE/slug@2.
    Work,
    /// A name of a key of any kind, or `text`.
    Field,
    /// How many.
    Count,
    /// true or false.
    Flag,
    /// A word of a closed list.
    Word(Words),
    /// A slug of a topic.
    Topic,
    /// Of a field, how far a machine wrote it.
    Assistance,
    /// Several, by name.
    Parts(&'static [Key]),
}

impl Form {
    /// The form of a kind; none where the kind is not written as a file.
    pub fn of(kind: &str) -> Option<&'static Form> {
        let kind = words::kind(kind)?;
        FORMS.iter().find(|form| form.kind == kind)
    }

    /// The kind as it is written.
    pub fn slug(&self) -> &'static str {
        words::kind_slug(self.kind as u32)
    }

    /// Every key, the common ones first.
    pub fn all(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        COMMON.iter().chain(self.keys)
    }

    /// A key of this kind.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.all().find(|key| key.name == name)
    }
}

/// Kinds that are written as a file.
pub fn kinds() -> impl Iterator<Item = &'static str> + Clone {
    FORMS.iter().map(Form::slug)
}

/// The kinds that have a key; none where it is a common one or there is none of that name.
pub fn kinds_with(name: &str) -> Vec<&'static str> {
    FORMS.iter().filter(|form| form.keys.iter().any(|key| key.name == name)).map(Form::slug).collect()
}

/// The name of every key there is, of any kind; one that several kinds have comes several times.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    COMMON.iter().chain(FORMS.iter().flat_map(|form| form.keys)).map(|key| key.name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{FORMS, Key, Shape};

    /// A sentence for the key and for each of its words.
    fn is_explained(key: &Key) {
        assert!(key.help.ends_with('.'), "{}", key.name);
        match key.shape {
            Shape::Word(list) => {
                let words: BTreeSet<&str> = list.iter().map(|(word, _)| *word).collect();
                assert_eq!(words.len(), list.len(), "{}", key.name);
                list.iter().for_each(|(word, meaning)| assert!(meaning.ends_with('.'), "{word}"));
            }
            Shape::Parts(parts) => parts.iter().for_each(is_explained),
            _ => {}
        }
    }

    #[test]
    fn every_key_and_every_word_is_explained_and_no_kind_has_a_key_twice() {
        for form in FORMS {
            let names: BTreeSet<&str> = form.all().map(|key| key.name).collect();
            assert_eq!(names.len(), form.all().count(), "{}", form.slug());
            form.all().for_each(is_explained);
        }
    }
}
