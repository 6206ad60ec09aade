//! A row of somebody's table, before it is anything of ours: cells by the names of their columns.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Where a record came from, for whoever mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Its line, from 1; 0 where the record is the whole file.
    pub line: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// The names of a table's columns, and where each is.
#[derive(Debug, Default)]
pub struct Columns {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Columns {
    /// As the header names them. Of two of one name the first counts.
    pub fn new(names: Vec<String>) -> Columns {
        let mut places = HashMap::with_capacity(names.len());
        for (at, name) in names.iter().enumerate() {
            places.entry(name.clone()).or_insert(at);
        }
        Columns { names, places }
    }

    /// In the order of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether there is one of that name.
    pub fn has(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }
}

/// A row.
#[derive(Debug)]
pub enum Row {
    /// Of a CSV file.
    Cells(Arc<Columns>, csv::StringRecord),
    /// Of a file of JSON Lines.
    Object(Map<String, Value>),
}

impl Row {
    /// What is in a cell, each value for itself where it is a list. Empty where there is no such column.
    pub fn values(&self, column: &str) -> Vec<Cow<'_, str>> {
        match self {
            Row::Cells(columns, cells) => {
                let cell = columns.places.get(column).and_then(|at| cells.get(*at));
                cell.map(Cow::Borrowed).into_iter().collect()
            }
            Row::Object(object) => object.get(column).map(texts).unwrap_or_default(),
        }
    }

    /// What is in a cell as one text.
    pub fn text(&self, column: &str) -> Cow<'_, str> {
        let mut values = self.values(column);
        if values.len() < 2 { values.pop().unwrap_or_default() } else { Cow::Owned(values.join(", ")) }
    }
}

/// A JSON value as texts. One within another has no text.
fn texts(value: &Value) -> Vec<Cow<'_, str>> {
    match value {
        Value::String(text) => vec![Cow::Borrowed(text)],
        Value::Number(_) | Value::Bool(_) => vec![Cow::Owned(value.to_string())],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}
