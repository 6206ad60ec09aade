//! BibTeX, such that BibLaTeX takes it too.
//!
//! Written here: hayagriva reads BibTeX and does not write it, and the writer of the biblatex crate puts `\{`, `\~` and `\\` for what
//! a title may contain; BibTeX counts the first as a brace, and one that is not closed swallows the rest of the file.

use super::record::{Record, Snapshot, line};

/// What comes before the first document; readers pass over it.
pub fn head(snapshot: &Snapshot) -> String {
    format!("@comment{{{} as of snapshot {}}}\n\n", value(&snapshot.name), snapshot.frontier)
}

/// One document.
pub fn record(record: &Record<'_>) -> String {
    let document = record.document;
    let (year, month, _) = record.date().unwrap_or_default();
    let fields = [
        // A second pair of braces keeps an institution's name whole, and the capitals of a title.
        ("author", braced(&document.provenance.member_name)),
        ("title", braced(&document.front_matter.title)),
        ("year", year),
        ("month", month),
        ("howpublished", value(&format!("{}, {}", record.name(), record.snapshot.name))),
        ("version", document.version.to_string()),
        ("type", value(&document.front_matter.kind)),
        ("language", value(&document.front_matter.language)),
        ("keywords", value(&record.keywords().collect::<Vec<_>>().join(", "))),
        ("abstract", value(record.summary())),
        ("note", value(&record.notes().join(" | "))),
    ];
    let fields = fields.iter().filter(|(_, value)| !value.is_empty() && value != "{}");
    let fields: String = fields.map(|(name, value)| format!("  {name} = {{{value}}},\n")).collect();
    format!("@misc{{{},\n{fields}}}\n", record.key())
}

fn braced(text: &str) -> String {
    format!("{{{}}}", value(text))
}

/// A text as LaTeX takes it, on one line.
fn value(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for c in line(text).chars() {
        match c {
            // Two of a kind would become a dash or a quotation mark.
            '-' | '\'' if out.ends_with(c) => out.extend(['{', '}', c]),
            '`' => out.push_str(r"\textasciigrave{}"),
            '\\' => out.push_str(r"\textbackslash{}"),
            '{' => out.push_str(r"\textbraceleft{}"),
            '}' => out.push_str(r"\textbraceright{}"),
            '~' => out.push_str(r"\textasciitilde{}"),
            '^' => out.push_str(r"\textasciicircum{}"),
            '#' | '$' | '%' | '&' | '_' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn no_title_can_end_its_entry() {
        let value = value("50% of {x_1 & \\y~^\n @misc{a, ``--''");
        assert_eq!(
            value,
            r"50\% of \textbraceleft{}x\_1 \& \textbackslash{}y\textasciitilde{}\textasciicircum{} @misc\textbraceleft{}a, \textasciigrave{}\textasciigrave{}-{}-'{}'"
        );
        assert_eq!(value.matches('{').count(), value.matches('}').count());
    }
}
