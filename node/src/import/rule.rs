//! How one field comes from a row: which cells, and what is done to them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use crate::import::date;
use crate::import::language;
use crate::import::plain;
use crate::import::row::Row;

/// A table of codes: what others write, and our word for it.
pub type Codes = BTreeMap<String, Vec<String>>;

/// Bytes of a file beside the table that are read, unless the rule says fewer: what a body may have, so that none is read in vain.
pub const FILE_BYTES_MAX: u64 = 240 * 1024;

/// Where a field's values come from, and what is done to them, in the order of the fields below.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule {
    /// From what.
    pub from: From,
    /// Only where a column has one of these values.
    pub when: Option<When>,
    /// Where one cell has several values, what is between them.
    pub split: Option<String>,
    /// Characters that are taken off both ends of every value, besides spaces.
    pub strip: String,
    /// Take the addresses that are in the cell, and nothing else of it.
    pub url: bool,
    /// The table of codes by which values become our words.
    pub codes: Option<String>,
    /// What becomes of a value that is not in the table.
    pub otherwise: Otherwise,
    /// How dates are written there.
    pub dates: Option<Vec<String>>,
    /// What is put before a value.
    pub before: String,
    /// What is put after one.
    pub after: String,
    /// What is put between several, where the field takes one.
    pub join: Option<String>,
    /// A Markdown heading over it.
    pub heading: Option<String>,
    /// Whether the text is Markdown already.
    pub markdown: bool,
    /// Whether it is told where there is nothing.
    pub wanted: bool,
}

/// Where values come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum From {
    /// Nowhere.
    #[default]
    Nothing,
    /// A column.
    Column(String),
    /// A constant.
    Value(String),
    /// The first of these that gives anything.
    First(Vec<Rule>),
    /// All of these, one after the other.
    All(Vec<Rule>),
    /// All of these, if none is empty.
    Every(Vec<Rule>),
    /// A file beside the table; `{Column}` stands for what is in the column.
    File {
        /// Its name.
        name: String,
        /// Bytes it may have; a longer one is left out.
        bytes_max: u64,
    },
}

/// A condition on a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// The column.
    pub column: String,
    /// Its values; none: any at all.
    pub is: Vec<String>,
}

/// What becomes of a value that a table of codes does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The record is not imported.
    #[default]
    Refuse,
    /// It is left out.
    Drop,
    /// It stays as it is.
    Keep,
    /// It becomes this word.
    Word(String),
}

/// What rules need beside the row.
pub struct Beside<'a> {
    /// The tables of codes.
    pub codes: &'a BTreeMap<String, Codes>,
    /// The folder in which files are looked for; none where there is none to look in.
    pub folder: Option<&'a Path>,
}

/// What is to be told of a record, besides its values.
#[derive(Debug, Default)]
pub struct Told {
    /// What is missing, and does not keep it from being imported.
    pub notes: Vec<String>,
    /// What keeps it from being imported.
    pub wrong: Vec<String>,
}

impl When {
    /// Whether a row meets it.
    pub fn holds(&self, row: &Row) -> bool {
        let text = row.text(&self.column);
        let text = text.trim();
        if self.is.is_empty() { !text.is_empty() } else { self.is.iter().any(|value| value == text) }
    }
}

impl Rule {
    /// Every column it names.
    pub fn columns(&self) -> Vec<String> {
        let mut columns: Vec<String> = match &self.from {
            From::Nothing | From::Value(_) => Vec::new(),
            From::Column(column) => vec![column.clone()],
            From::First(rules) | From::All(rules) | From::Every(rules) => {
                rules.iter().flat_map(Rule::columns).collect()
            }
            From::File { name, .. } => placeholders(name).map(str::to_owned).collect(),
        };
        columns.extend(self.when.iter().map(|when| when.column.clone()));
        columns
    }

    /// Every table of codes it names.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables: Vec<&str> = match &self.from {
            From::First(rules) | From::All(rules) | From::Every(rules) => rules.iter().flat_map(Rule::tables).collect(),
            _ => Vec::new(),
        };
        tables.extend(self.codes.as_deref());
        tables
    }

    /// The values of a field, none of them empty, none twice.
    pub fn values(&self, field: &str, row: &Row, beside: &Beside<'_>, told: &mut Told) -> Vec<String> {
        if self.when.as_ref().is_some_and(|when| !when.holds(row)) {
            return Vec::new();
        }
        let found = self.found(field, row, beside, told);
        let was_empty = found.is_empty();
        let mut values = Vec::new();
        for value in found {
            for value in self.worked(field, &value, beside, told) {
                // An id is made of all its parts, alike or not.
                if matches!(self.from, From::Every(_)) || !values.contains(&value) {
                    values.push(value);
                }
            }
        }
        if was_empty && self.wanted {
            let columns = self.columns().join("`, `");
            told.notes.push(format!("no {field}: `{columns}` is empty"));
        }
        values
    }

    /// The same as one text.
    pub fn text(&self, field: &str, row: &Row, beside: &Beside<'_>, told: &mut Told) -> String {
        let mut values = self.values(field, row, beside, told);
        let between = match (&self.join, &self.from) {
            (Some(join), _) => join.as_str(),
            (None, From::All(_) | From::Every(_)) if field == "text" => "\n\n",
            (None, From::All(_)) => " ",
            (None, From::Every(_)) if field == "slug" => "-",
            (None, From::Every(_)) => " ",
            (None, _) if field == "text" => "\n\n",
            (None, _) => ", ",
        };
        let text = if values.len() > 1 { values.join(between) } else { values.pop().unwrap_or_default() };
        match &self.heading {
            Some(heading) if !text.is_empty() => format!("## {heading}\n\n{text}"),
            _ => text,
        }
    }

    /// What the row has, before anything is done to it.
    fn found<'a>(&self, field: &str, row: &'a Row, beside: &Beside<'_>, told: &mut Told) -> Vec<Cow<'a, str>> {
        let one = |rule: &Rule, told: &mut Told| -> Vec<Cow<'a, str>> {
            // A part with a heading is one text, whatever is in it.
            let texts = match rule.heading.is_some() || rule.join.is_some() {
                true => Some(rule.text(field, row, beside, told)).filter(|text| !text.is_empty()).into_iter().collect(),
                false => rule.values(field, row, beside, told),
            };
            texts.into_iter().map(Cow::Owned).collect()
        };
        let found = match &self.from {
            From::Nothing => Vec::new(),
            From::Column(column) => row.values(column),
            From::Value(value) => vec![Cow::Owned(value.clone())],
            From::First(rules) => {
                rules.iter().map(|rule| one(rule, told)).find(|values| !values.is_empty()).unwrap_or_default()
            }
            From::All(rules) => rules.iter().flat_map(|rule| one(rule, told)).collect(),
            From::Every(rules) => {
                let parts: Vec<_> = rules.iter().map(|rule| one(rule, told)).collect();
                if parts.iter().any(Vec::is_empty) { Vec::new() } else { parts.concat() }
            }
            From::File { name, bytes_max } => {
                let text = beside_file(field, name, *bytes_max, row, beside, told);
                text.map(Cow::Owned).into_iter().collect()
            }
        };
        found.into_iter().filter(|value| !value.trim().is_empty()).collect()
    }

    /// What is done to one value.
    fn worked(&self, field: &str, value: &str, beside: &Beside<'_>, told: &mut Told) -> Vec<String> {
        let is_raw = matches!(self.from, From::Column(_) | From::Value(_) | From::File { .. });
        let parts: Vec<&str> = match &self.split {
            Some(split) => value.split(split.as_str()).collect(),
            None => vec![value],
        };
        let mut worked = Vec::new();
        for part in parts {
            let part = part.trim().trim_matches(|char| self.strip.contains(char)).trim();
            if part.is_empty() {
                continue;
            }
            let values = if self.url { self.addresses(field, part, told) } else { vec![part.to_owned()] };
            for value in values {
                for value in self.coded(field, value, beside, told) {
                    let value = self.dated(field, value, told);
                    let value = if field == "language" { language::normal(&value) } else { value };
                    if value.is_empty() {
                        continue;
                    }
                    // Parts were made Markdown when they were parts.
                    let value = match field == "text" && is_raw {
                        true => plain::as_markdown(&value, self.markdown).into_owned(),
                        false => value,
                    };
                    // A text can be long, and most have nothing around them.
                    let is_bare = self.before.is_empty() && self.after.is_empty();
                    worked.push(if is_bare { value } else { format!("{}{value}{}", self.before, self.after) });
                }
            }
        }
        worked
    }

    /// The addresses in a cell: several by spaces or lines, words around them left out.
    fn addresses(&self, field: &str, cell: &str, told: &mut Told) -> Vec<String> {
        let is_address = |word: &&str| word.starts_with("https://") || word.starts_with("http://");
        let found: Vec<String> = cell.split_whitespace().filter(is_address).map(str::to_owned).collect();
        if found.is_empty() && self.otherwise != Otherwise::Drop {
            told.notes.push(format!("`{}` for `{field}` is no address; it is left out", shortened(cell)));
        }
        found
    }

    /// A value in our words.
    fn coded(&self, field: &str, value: String, beside: &Beside<'_>, told: &mut Told) -> Vec<String> {
        let Some(table) = &self.codes else { return vec![value] };
        if let Some(words) = beside.codes.get(table).and_then(|codes| codes.get(&value)) {
            return words.clone();
        }
        match &self.otherwise {
            Otherwise::Drop => Vec::new(),
            Otherwise::Keep => vec![value],
            Otherwise::Word(word) => vec![word.clone()],
            Otherwise::Refuse => {
                told.wrong.push(format!(
                    "`{value}` for `{field}` is not in the table `{table}` of the mapping; add it, or say `otherwise`"
                ));
                Vec::new()
            }
        }
    }

    /// A date as we write it; one that is not understood is left out, and told.
    fn dated(&self, field: &str, value: String, told: &mut Told) -> String {
        let Some(patterns) = &self.dates else { return value };
        date::partial(&value, patterns).unwrap_or_else(|| {
            told.notes.push(format!("`{value}` for `{field}` is no date that the mapping knows; it is left out"));
            String::new()
        })
    }
}

fn shortened(text: &str) -> String {
    let begin: String = text.chars().take(60).collect();
    if begin.len() < text.len() { format!("{begin}…") } else { begin }
}

/// The columns named in `{}`.
fn placeholders(name: &str) -> impl Iterator<Item = &str> {
    name.split('{').skip(1).filter_map(|part| part.split_once('}').map(|(column, _)| column))
}

/// The text of a file beside the table. Where it is missing, too long or unreadable, that is told, and the record is imported
/// without it.
fn beside_file(
    field: &str,
    name: &str,
    bytes_max: u64,
    row: &Row,
    beside: &Beside<'_>,
    told: &mut Told,
) -> Option<String> {
    let mut path = name.to_owned();
    for column in placeholders(name) {
        let value = row.text(column);
        let value = value.trim();
        // A cell names a file, never another folder.
        if value.is_empty() || value.starts_with('.') || value.contains(['/', '\\', '\0']) {
            told.notes.push(format!("no {field}: `{column}` names no file"));
            return None;
        }
        path = path.replace(&format!("{{{column}}}"), value);
    }
    let Some(folder) = beside.folder else {
        told.notes.push(format!("no {field}: files beside a table are read by `comity import` only"));
        return None;
    };
    let at = folder.join(&path);
    match std::fs::metadata(&at) {
        Err(_) => told.notes.push(format!("no {field}: the file {path} is not there")),
        Ok(meta) if meta.len() > bytes_max => told.notes.push(format!(
            "no {field}: the file {path} has {} bytes, {bytes_max} are allowed; it is left out",
            meta.len()
        )),
        Ok(_) => match std::fs::read(&at).map(String::from_utf8) {
            Ok(Ok(text)) => return Some(text.trim_start_matches('\u{feff}').to_owned()),
            Ok(Err(error)) => {
                let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
                let line = bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
                told.notes.push(format!("no {field}: the file {path} is not UTF-8 (line {line}); it is left out"));
            }
            Err(error) => told.notes.push(format!("no {field}: the file {path}: {error}")),
        },
    }
    None
}
