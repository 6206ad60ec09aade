//! CSV (RFC 4180, UTF-8): a document a row, a key of its front matter a column, whatever the kind. A list is joined with ` | `, and
//! what has parts is JSON.
//!
//! A cell that begins like a formula gets an apostrophe in front (`spreadsheet.rs`).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::Record;
use crate::front_matter::FrontMatter;
use crate::spreadsheet::inert;
use crate::time;

/// What is between the items of a list.
const BETWEEN: &str = " | ";

/// Columns of what is known of every document, before and after its front matter.
const FIRST: [&str; 4] = ["work", "version", "member", "member_name"];
const LAST: [&str; 8] =
    ["text", "withdrawn", "dated_by_author", "arrived_here", "log", "digest", "citation", "frontier"];
/// Keys that come first, because people look for them there.
const KEYS_FIRST: [&str; 8] =
    ["kind", "title", "language", "jurisdiction", "topics", "legal_status", "valid_as_of", "summary_short"];
/// The key whose parts are columns of their own.
const DATES: &str = "dates";
const DATE_KEYS: [&str; 7] = ["introduced", "adopted", "assented", "published", "in_force", "applies", "repealed"];

/// Keys of the front matter in the order of their columns: all there are, as the API describes them.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let RefOr::T(Schema::Object(described)) = FrontMatter::schema() else { return Vec::new() };
    let others = described.properties.into_keys().filter(|key| key != DATES && !KEYS_FIRST.contains(&key.as_str()));
    let dates = DATE_KEYS.iter().map(|key| format!("{DATES}.{key}"));
    KEYS_FIRST.iter().map(|key| (*key).to_owned()).chain(dates).chain(others).collect()
});

/// The names of the columns.
pub fn head() -> String {
    row(FIRST.iter().copied().chain(KEYS.iter().map(String::as_str)).chain(LAST).map(str::to_owned))
}

/// One document.
pub fn record(record: &Record<'_>) -> String {
    let (document, provenance) = (record.document, &record.document.provenance);
    let mut front: BTreeMap<String, String> = BTreeMap::new();
    if let Ok(Value::Object(keys)) = serde_json::to_value(&document.front_matter) {
        for (key, value) in keys {
            match value {
                Value::Object(parts) if key == DATES => {
                    front.extend(parts.into_iter().map(|(part, date)| (format!("{DATES}.{part}"), cell(&date))));
                }
                value => drop(front.insert(key, cell(&value))),
            }
        }
    }
    let first = [
        document.work.clone(),
        document.version.to_string(),
        provenance.member.clone(),
        provenance.member_name.clone(),
    ];
    let last = [
        document.text.clone(),
        document.withdrawn.clone().unwrap_or_default(),
        time::day(provenance.claimed_ms),
        time::day(provenance.arrived_ms),
        provenance.log.clone(),
        provenance.digest.clone(),
        document.citation.clone(),
        record.snapshot.frontier.clone(),
    ];
    let keys = KEYS.iter().map(|key| front.remove(key).unwrap_or_default());
    row(first.into_iter().chain(keys).chain(last))
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(BETWEEN)
        }
        other => other.to_string(),
    }
}

fn row(cells: impl Iterator<Item = String>) -> String {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    // Into memory, and out of strings: nothing in it can fail.
    let _ = writer.write_record(cells.map(|cell| inert(&cell).into_owned()));
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{KEYS, row};

    #[test]
    fn every_key_has_a_column() {
        assert_eq!(row(["a,b", "c\"d", "é\nf"].map(str::to_owned).into_iter()), "\"a,b\",\"c\"\"d\",\"é\nf\"\r\n");
        for key in ["title", "dates.in_force", "obligations", "safeguards"] {
            assert!(KEYS.iter().any(|known| known == key), "{key}");
        }
    }
}
