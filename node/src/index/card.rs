//! A work as it is indexed.

use tantivy::TantivyDocument;

use super::layout::{Fields, WITHDRAWN, lines};
use crate::fields::{self, COUNTED};
use crate::partial_date::Span;
use crate::stems;
use crate::text;

/// A work as it is indexed: its current version.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// `CODE/slug`.
    pub work: String,
    /// Of the current version.
    pub title: String,
    /// Everything else to be found by.
    pub text: String,
    /// The language of its text.
    pub language: String,
    /// What it is of the fields that are words, by name; some have several.
    pub values: Vec<(&'static str, String)>,
    /// Its dates, by name.
    pub dates: Vec<(&'static str, Span)>,
    /// The work that it translates, where it does.
    pub original: Option<String>,
    /// Whether its author took it back: it is found only by whoever asks for that too.
    pub withdrawn: bool,
    /// Which arrival it was here; newest sorts by it.
    pub arrival: u64,
}

impl Card {
    /// As the index takes it.
    pub(super) fn document(&self, fields: &Fields) -> TantivyDocument {
        let mut document = TantivyDocument::new();
        document.add_text(fields.work, &self.work);
        let (title, text) = (text::words(&self.title), text::words(&self.text));
        let mut stems = String::new();
        for (written, words) in [(&self.title, &title), (&self.text, &text)] {
            for word in words {
                stems::push(&self.language, written.get(word.start..word.end).unwrap_or_default(), &mut stems);
            }
            stems::push_pairs(&self.language, written, &mut stems);
        }
        document.add_text(fields.stems, stems);
        document.add_text(fields.title, lines(title.iter().map(|word| word.folded.as_str())));
        document.add_text(fields.text, lines(text.iter().map(|word| word.folded.as_str())));
        for (name, value) in self.values.iter().filter(|(_, value)| !value.is_empty()) {
            for (_, column) in COUNTED.iter().zip(&fields.columns).filter(|(counted, _)| *counted == name) {
                document.add_text(*column, value);
            }
            for found in fields::found_as(name, value) {
                document.add_text(fields.marks, mark(name, &found));
            }
        }
        for (field, (first, last)) in fields::dates().zip(&fields.dates) {
            for (_, span) in self.dates.iter().filter(|(name, _)| *name == field.name) {
                document.add_u64(*first, span.first);
                document.add_u64(*last, span.last);
            }
        }
        if let Some(original) = &self.original {
            document.add_text(fields.original, original);
        }
        if self.withdrawn {
            document.add_text(fields.withdrawn, WITHDRAWN);
        }
        document.add_u64(fields.arrival, self.arrival);
        document
    }
}

/// A value of a field as one term.
pub(super) fn mark(name: &str, value: &str) -> String {
    format!("{name}={value}")
}
