//! The file that says how somebody's table becomes our documents: column to field, constants, splitting, codes, dates.
//!
//! ```toml
//! [constants]
//! kind = "law-summary"
//! language = "en"
//!
//! [fields]
//! slug = { every = ["Country", "No"] }
//! title = "Name"
//! legal_status = { column = "Status", codes = "statuses" }
//! topics = { column = "Tags", split = ";", codes = "topics", otherwise = "drop" }
//! sources = [{ url = { column = "Link", url = true }, official = true }]
//! text = { column = "Summary", wanted = true }
//!
//! [codes.statuses]
//! Enacted = "in-force"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proto::limits;
use serde_json::{Map, Value};

use crate::import::record::Record;
use crate::import::row::Row;
use crate::import::rule::{Beside, Codes, Rule, Told, When};
use crate::vocabulary;

/// How a table is read and what comes of its rows.
#[derive(Debug, Default)]
pub struct Mapping {
    /// How the file is read.
    pub file: FileRules,
    constants: Map<String, Value>,
    fields: Vec<(String, FieldRule)>,
    skips: Vec<(When, String)>,
    codes: BTreeMap<String, Codes>,
}

/// How a file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileRules {
    /// `csv` or `jsonl`, where the name does not say.
    pub format: Option<Format>,
    /// What is between two cells; a comma unless given.
    pub delimiter: Option<u8>,
    /// How its characters are encoded; UTF-8 unless given.
    pub encoding: Option<&'static encoding_rs::Encoding>,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table with a header.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

/// What gives a field.
#[derive(Debug)]
pub(crate) enum FieldRule {
    /// One text.
    Text(Rule),
    /// A list of texts.
    Texts(Vec<Rule>),
    /// How many.
    Number(Rule),
    /// Yes or no.
    Flag(Rule),
    /// A thing with parts.
    Group(Group),
    /// A list of those.
    Groups(Vec<Group>),
}

/// What gives the parts of a thing.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) constants: Map<String, Value>,
    pub(crate) rules: Vec<(String, Rule)>,
}

/// What becomes of a row.
#[derive(Debug)]
pub enum Mapped {
    /// A record, and what is to be told of it.
    Record(Box<Record>, Vec<String>),
    /// It is left out, because the mapping says so.
    LeftOut(String),
    /// It cannot be imported.
    Wrong(Vec<String>),
}

impl Mapping {
    pub(crate) fn new(
        file: FileRules,
        constants: Map<String, Value>,
        fields: Vec<(String, FieldRule)>,
        skips: Vec<(When, String)>,
        codes: BTreeMap<String, Codes>,
    ) -> Mapping {
        Mapping { file, constants, fields, skips, codes }
    }

    /// Columns that it names and a table does not have, in words; and columns of the table that it does not use.
    pub fn compare(&self, columns: &[String]) -> (Vec<String>, Vec<String>) {
        let named = self.columns();
        let has = |name: &String| columns.contains(name);
        let missing = named.iter().filter(|name| !has(name)).map(|name| {
            let close = vocabulary::closest(name, columns.iter().map(String::as_str));
            let meant = close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
            format!("there is no column `{name}`{meant}")
        });
        let unused = columns.iter().filter(|column| !named.contains(*column) && !column.is_empty()).cloned();
        (missing.collect(), unused.collect())
    }

    /// Every column it names.
    fn columns(&self) -> BTreeSet<String> {
        let skips = self.skips.iter().map(|(when, _)| when.column.clone());
        skips.chain(self.fields.iter().flat_map(|(_, field)| field.rules()).flat_map(Rule::columns)).collect()
    }

    /// What a row becomes. Files beside the table are looked for in `folder`.
    pub fn apply(&self, row: &Row, folder: Option<&Path>) -> Mapped {
        if let Some((_, why)) = self.skips.iter().find(|(when, _)| when.holds(row)) {
            return Mapped::LeftOut(why.clone());
        }
        let beside = Beside { codes: &self.codes, folder };
        let mut told = Told::default();
        let mut object = self.constants.clone();
        for (field, rule) in &self.fields {
            let value = match rule {
                FieldRule::Text(rule) => text(field, rule, row, &beside, &mut told),
                FieldRule::Texts(rules) => texts(field, rules, row, &beside, &mut told),
                FieldRule::Number(rule) => number(field, rule, row, &beside, &mut told),
                FieldRule::Flag(rule) => flag(field, rule, row, &beside, &mut told),
                FieldRule::Group(group) => group.things(row, &beside, &mut told).into_iter().next(),
                FieldRule::Groups(groups) => {
                    let things = groups.iter().flat_map(|group| group.things(row, &beside, &mut told));
                    Some(things.collect::<Vec<_>>()).filter(|things| !things.is_empty()).map(Value::Array)
                }
            };
            match value {
                Some(value) => {
                    object.insert(field.clone(), value);
                }
                None if field == "slug" => {
                    let columns = self.columns_of("slug").join("`, `");
                    told.wrong.push(format!("it has no id: `{columns}` gives no slug"));
                }
                None => {}
            }
        }
        if !told.wrong.is_empty() {
            return Mapped::Wrong(told.wrong);
        }
        match Record::of(object) {
            Ok(record) => Mapped::Record(Box::new(record), told.notes),
            Err(why) => Mapped::Wrong(vec![why]),
        }
    }

    fn columns_of(&self, name: &str) -> Vec<String> {
        let found = self.fields.iter().filter(|(field, _)| field == name);
        found.flat_map(|(_, field)| field.rules()).flat_map(Rule::columns).collect()
    }
}

impl FieldRule {
    /// All rules in it.
    pub(crate) fn rules(&self) -> Vec<&Rule> {
        match self {
            FieldRule::Text(rule) | FieldRule::Number(rule) | FieldRule::Flag(rule) => vec![rule],
            FieldRule::Texts(rules) => rules.iter().collect(),
            FieldRule::Group(group) => group.rules.iter().map(|(_, rule)| rule).collect(),
            FieldRule::Groups(groups) => groups.iter().flat_map(|group| &group.rules).map(|(_, rule)| rule).collect(),
        }
    }
}

impl Group {
    /// The things that a row gives: one, or as many as the part with most values has. None where only constants would be in it.
    fn things(&self, row: &Row, beside: &Beside<'_>, told: &mut Told) -> Vec<Value> {
        let parts: Vec<(&String, Vec<String>)> =
            self.rules.iter().map(|(part, rule)| (part, rule.values(part, row, beside, told))).collect();
        let count = parts.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
        let thing = |at: usize| {
            let mut object = self.constants.clone();
            for (part, values) in &parts {
                // A part of one value goes with all of them.
                let value = if values.len() == 1 { values.first() } else { values.get(at) };
                if let Some(value) = value {
                    object.insert((*part).clone(), Value::String(value.clone()));
                }
            }
            Value::Object(object)
        };
        (0..count).map(thing).collect()
    }
}

fn text(field: &str, rule: &Rule, row: &Row, beside: &Beside<'_>, told: &mut Told) -> Option<Value> {
    let text = rule.text(field, row, beside, told);
    let text = match field {
        "slug" => slug(&text),
        "title" if text.chars().count() > limits::TITLE_CHARS_MAX || text.contains(['\n', '\r']) => {
            told.notes.push("the title is shortened".to_owned());
            title(&text)
        }
        _ => text,
    };
    Some(text).filter(|text| !text.is_empty()).map(Value::String)
}

fn texts(field: &str, rules: &[Rule], row: &Row, beside: &Beside<'_>, told: &mut Told) -> Option<Value> {
    let mut all: Vec<String> = Vec::new();
    for rule in rules {
        // A rule that says what is between its values gives one text of them.
        let values = match rule.join {
            Some(_) => Some(rule.text(field, row, beside, told)).filter(|text| !text.is_empty()).into_iter().collect(),
            None => rule.values(field, row, beside, told),
        };
        for value in values {
            if !all.contains(&value) {
                all.push(value);
            }
        }
    }
    (!all.is_empty()).then(|| Value::Array(all.into_iter().map(Value::String).collect()))
}

fn number(field: &str, rule: &Rule, row: &Row, beside: &Beside<'_>, told: &mut Told) -> Option<Value> {
    let text = rule.text(field, row, beside, told);
    if text.is_empty() {
        return None;
    }
    let number = text.parse::<u32>().ok();
    if number.is_none() {
        told.wrong.push(format!("`{text}` for `{field}` is no number"));
    }
    number.map(Value::from)
}

fn flag(field: &str, rule: &Rule, row: &Row, beside: &Beside<'_>, told: &mut Told) -> Option<Value> {
    let text = rule.text(field, row, beside, told);
    match text.to_ascii_lowercase().as_str() {
        "" => None,
        "true" | "yes" | "1" => Some(Value::Bool(true)),
        "false" | "no" | "0" => Some(Value::Bool(false)),
        _ => {
            told.wrong.push(format!("`{text}` for `{field}` is neither true nor false; give `codes` that make it one"));
            None
        }
    }
}

/// One line of at most [`limits::TITLE_CHARS_MAX`] characters, cut between words.
fn title(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= limits::TITLE_CHARS_MAX {
        return line;
    }
    let cut: String = line.chars().take(limits::TITLE_CHARS_MAX - 1).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", cut.get(..end).unwrap_or(&cut).trim_end())
}

/// Characters of a digest that tells slugs apart that were cut: two of a million differ.
const SLUG_DIGEST_CHARS: usize = 8;

/// A slug out of an id: lowercase, without diacritics, everything else a hyphen. One that is too long is cut and ends in digits
/// of its digest, so that two long ones stay two.
pub fn slug(text: &str) -> String {
    let mut slug = String::with_capacity(text.len());
    let normal = icu_normalizer::DecomposingNormalizerBorrowed::new_nfkd();
    for char in normal.normalize(text).chars() {
        match char.to_ascii_lowercase() {
            char @ ('a'..='z' | '0'..='9') => slug.push(char),
            // Marks that the normalizer took off their letters.
            '\u{300}'..='\u{36f}' => {}
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.len() <= limits::SLUG_CHARS_MAX {
        return slug.to_owned();
    }
    let digest = proto::digest::Digest::of(text.as_bytes()).to_string();
    let (begin, end) = (slug.get(..limits::SLUG_CHARS_MAX - SLUG_DIGEST_CHARS - 1), digest.get(..SLUG_DIGEST_CHARS));
    format!("{}-{}", begin.unwrap_or_default().trim_end_matches('-'), end.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{slug, title};

    #[test]
    fn slugs_of_any_id() {
        for (id, meant) in [
            ("AGORA 12", "agora-12"),
            ("  Loi n° 2024-1 / Économie  ", "loi-n-2024-1-economie"),
            ("ﬁne—print", "fine-print"),
            ("人工知能", ""),
            ("--", ""),
        ] {
            assert_eq!(slug(id), meant, "{id}");
        }
        let (long, longer) = (slug(&"word ".repeat(40)), slug(&"word ".repeat(41)));
        assert!(long.len() <= 80 && long != longer, "{long} {longer}");
    }

    #[test]
    fn long_titles_are_cut_between_words() {
        let cut = title(&"wörd ".repeat(100));
        assert!(cut.chars().count() <= 300 && cut.ends_with("wörd…"), "{cut}");
        assert_eq!(title("one\ntwo"), "one two");
    }
}
