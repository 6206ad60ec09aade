//! A record: what a document says, as one JSON object. An export writes it, a push sends it, and a mapping makes it of a row.
//!
//! The keys of the front matter, and `text`. What an export adds about the document (who signed it, which version it is) is read
//! over: it is the signer's, and an import signs anew.

use serde_json::{Map, Value};

use crate::document::{self, Document};
use crate::front_matter::FrontMatter;
use crate::import::language;

/// Keys that an export adds.
const ADDED: &[&str] = &["work", "version", "withdrawn", "newer", "related", "provenance", "citation", "frontier"];

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The member whose work it is, where the record names one.
    pub member: Option<String>,
    /// Why its author took it back, where the record says so.
    pub withdrawn: Option<String>,
    /// What it says besides its text.
    pub front: FrontMatter,
    /// Markdown.
    pub text: String,
}

impl Record {
    /// Reads a line of JSON Lines.
    pub fn parse(line: &str) -> Result<Record, String> {
        Record::of(object(line)?)
    }

    /// Reads an object.
    pub fn of(mut object: Map<String, Value>) -> Result<Record, String> {
        let mut record = Record::default();
        let mut work = None;
        for key in ADDED {
            match (*key, object.remove(*key)) {
                ("work", Some(Value::String(name))) => work = Some(name),
                ("withdrawn", Some(Value::String(reason))) => record.withdrawn = Some(reason),
                _ => {}
            }
        }
        record.text = match object.remove("text") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(_) => return Err("`text` is a text in quotation marks".to_owned()),
        };
        // As other systems write what is not there.
        object.retain(|_, value| !value.is_null());
        record.front = serde_json::from_value(Value::Object(object)).map_err(|error| plain(&error.to_string()))?;
        if let Some((code, slug)) = work.as_deref().and_then(|work| work.split_once('/')) {
            record.member = Some(code.to_owned());
            if record.front.slug.is_empty() {
                record.front.slug = slug.to_owned();
            }
        }
        Ok(record)
    }

    /// The document, if it may be published.
    pub fn document(mut self) -> Result<Document, Vec<String>> {
        self.front.language = language::normal(&self.front.language);
        for source in &mut self.front.sources {
            source.language = language::normal(&source.language);
        }
        document::check(self.front, &self.text)
    }
}

/// A line as an object.
pub fn object(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("is no JSON object; write one on each line".to_owned()),
        Err(error) => Err(format!("is no JSON (column {}): {}", error.column(), plain(&error.to_string()))),
    }
}

/// What serde says, without the list of all keys there are and the place, which is told otherwise.
fn plain(error: &str) -> String {
    let error = error.split(" at line ").next().unwrap_or(error);
    match error.split_once(", expected one of") {
        Some((unknown, known)) if unknown.starts_with("unknown field") => {
            let key = unknown.split('`').nth(1).unwrap_or_default();
            let known = known.split('`').skip(1).step_by(2);
            let close = crate::vocabulary::closest(key, known);
            let meant = close.map_or_else(String::new, |close| format!("; did you mean `{close}`?"));
            format!("unknown key `{key}`{meant}")
        }
        _ => error.to_owned(),
    }
}
