//! CSL-JSON, as citeproc takes it. citationberg, hayagriva's reader of it, has an item as a map of anything: no type to fill.

use serde_json::{Value, json};

use super::record::{Record, line};

/// One document: a report by an institution, whose name is taken as it stands.
pub fn record(record: &Record<'_>) -> Value {
    let (document, front) = (record.document, &record.document.front_matter);
    let mut item = json!({
        "id": record.key(),
        "type": "report",
        "author": [{"literal": line(&document.provenance.member_name)}],
        "title": line(&front.title),
        "publisher": line(&record.snapshot.name),
        "number": record.name(),
        "version": document.version.to_string(),
        "genre": front.kind,
        "language": front.language,
        "note": line(&record.notes().join(" | ")),
    });
    if let Some((year, month, day)) = record.date() {
        let number = |part: &str| part.parse::<u64>().unwrap_or_default();
        item["issued"] = json!({"date-parts": [[number(&year), number(&month), number(&day)]]});
    }
    for (field, text) in
        [("abstract", line(record.summary())), ("keyword", record.keywords().collect::<Vec<_>>().join(", "))]
    {
        if !text.is_empty() {
            item[field] = Value::String(text);
        }
    }
    item
}
