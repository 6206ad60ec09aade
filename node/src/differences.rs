//! What changed from one version of a work to another: its keys, and its text line by line.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use similar::TextDiff;
use utoipa::ToSchema;

use crate::front_matter::FrontMatter;
use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::views;

/// Time a comparison of two texts may take; then it stops looking for the shortest way and is coarser.
const PATIENCE: Duration = Duration::from_millis(500);
/// Lines around a change.
const CONTEXT_LINES: usize = 3;

/// What changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Differences {
    /// `CODE/slug`.
    pub work: String,
    /// The version that is compared with.
    pub from: String,
    /// The version that is compared.
    pub to: String,
    /// Keys of the front matter that changed.
    pub keys: Vec<Change>,
    /// The text's changes as a unified diff; empty where there are none.
    pub text: String,
}

/// What changed in one key. Of a list, the items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What is not said any more.
    pub removed: Vec<String>,
    /// What is said now.
    pub added: Vec<String>,
}

impl Library {
    /// What changed from one version of a work to another; from the one before and to the current one, unless they are named.
    pub fn differences(&self, work: &str, from: Option<&str>, to: Option<&str>) -> Result<Differences, LibraryError> {
        let name = |version: &str| {
            let name = format!("{work}@{version}");
            Name::parse(&name).ok_or(LibraryError::NotFound(name))
        };
        let to = match to {
            Some(version) => name(version)?,
            None => Name { work: work.to_owned(), version: None, digest: None },
        };
        let after = self.document(&to)?;
        let from = match from {
            Some(version) => name(version)?,
            None => {
                let earlier = after.versions.iter().find(|version| version.version < after.version);
                name(&earlier.ok_or_else(|| LibraryError::OnlyVersion(work.to_owned()))?.name)?
            }
        };
        let before = self.document(&from)?;
        Ok(Differences {
            work: work.to_owned(),
            from: version_name(&before),
            to: version_name(&after),
            keys: changes(&before.front_matter, &after.front_matter),
            text: text_changes(&before, &after),
        })
    }
}

fn version_name(document: &views::Document) -> String {
    let shown = document.versions.iter().find(|version| version.digest == document.provenance.digest);
    shown.map_or_else(|| document.version.to_string(), |version| version.name.clone())
}

fn text_changes(before: &views::Document, after: &views::Document) -> String {
    if before.text == after.text {
        return String::new();
    }
    let diff = TextDiff::configure().timeout(PATIENCE).diff_lines(before.text.as_str(), after.text.as_str());
    let (from, to) = (version_name(before), version_name(after));
    let names = (format!("{}@{from}", before.work), format!("{}@{to}", after.work));
    diff.unified_diff().context_radius(CONTEXT_LINES).header(&names.0, &names.1).to_string()
}

fn changes(before: &FrontMatter, after: &FrontMatter) -> Vec<Change> {
    let (before, after) = (before.keys(), after.keys());
    let names = after.keys().chain(before.keys().filter(|key| !after.contains_key(*key)));
    let changed = names.filter(|key| before.get(*key) != after.get(*key)).map(|key| {
        let (was, is) = (said(before.get(key)), said(after.get(key)));
        let without = |these: &[String], those: &[String]| -> Vec<String> {
            these.iter().filter(|item| !those.contains(item)).cloned().collect()
        };
        let (removed, added) = (without(&was, &is), without(&is, &was));
        // The same in another order.
        let (removed, added) = if removed.is_empty() && added.is_empty() { (was, is) } else { (removed, added) };
        Change { key: key.clone(), removed, added }
    });
    changed.collect()
}

/// What a key says, item by item.
fn said(value: Option<&Value>) -> Vec<String> {
    match value {
        None => Vec::new(),
        Some(Value::Array(items)) => items.iter().map(plain).collect(),
        Some(Value::Object(parts)) => parts.iter().map(|(part, value)| format!("{part}: {}", plain(value))).collect(),
        Some(one) => vec![plain(one)],
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(parts) => {
            parts.iter().map(|(part, value)| format!("{part}: {}", plain(value))).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, changes};
    use crate::front_matter::{Dates, FrontMatter};

    #[test]
    fn keys_are_compared_item_by_item() {
        let before = FrontMatter {
            legal_status: "in-committee".to_owned(),
            topics: vec!["children".to_owned(), "big-tech-influence".to_owned()],
            redress: "None.".to_owned(),
            ..FrontMatter::default()
        };
        let dates = Dates { adopted: "2026-11".to_owned(), ..Dates::default() };
        let after = FrontMatter {
            legal_status: "passed".to_owned(),
            topics: vec!["children".to_owned(), "deepfakes-intimate-images".to_owned()],
            dates: Some(dates),
            ..FrontMatter::default()
        };
        let change = |key: &str, removed: &[&str], added: &[&str]| Change {
            key: key.to_owned(),
            removed: removed.iter().map(|text| (*text).to_owned()).collect(),
            added: added.iter().map(|text| (*text).to_owned()).collect(),
        };
        let mut found = changes(&before, &after);
        found.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(
            found,
            [
                change("dates", &[], &["adopted: 2026-11"]),
                change("legal_status", &["in-committee"], &["passed"]),
                change("redress", &["None."], &[]),
                change("topics", &["big-tech-influence"], &["deepfakes-intimate-images"]),
            ]
        );
        assert!(changes(&after, &after).is_empty());
    }
}
