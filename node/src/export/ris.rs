//! RIS, by hand: a tag, two spaces, a dash and a value on each line.

use super::record::{Record, line};

/// One document: a report by an institution.
pub fn record(record: &Record<'_>) -> String {
    let (document, front) = (record.document, &record.document.front_matter);
    let date = record.date();
    let year = date.as_ref().map(|(year, _, _)| year.clone()).unwrap_or_default();
    let day = date.map(|(year, month, day)| format!("{year}/{month}/{day}")).unwrap_or_default();
    let mut lines = vec![
        ("TY", "RPRT".to_owned()),
        ("ID", record.key()),
        ("AU", document.provenance.member_name.clone()),
        ("TI", front.title.clone()),
        ("PY", year),
        ("DA", day),
        ("PB", record.snapshot.name.clone()),
        ("LA", front.language.clone()),
        ("ET", document.version.to_string()),
        ("M3", front.kind.clone()),
        ("AN", record.name()),
        ("AB", record.summary().to_owned()),
    ];
    lines.extend(record.keywords().map(|word| ("KW", word.to_owned())));
    lines.extend(record.notes().into_iter().map(|note| ("N1", note)));
    let lines = lines.iter().map(|(tag, value)| (tag, line(value))).filter(|(_, value)| !value.is_empty());
    let lines: String = lines.map(|(tag, value)| format!("{tag}  - {value}\r\n")).collect();
    lines + "ER  - \r\n"
}
