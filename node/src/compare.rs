//! A comparison: jurisdictions as rows, chosen fields as columns, from one query.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Problem, SearchParams};
use crate::index::{LIMIT_MAX, Question};
use crate::jurisdictions;
use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::spreadsheet::inert;
use crate::views;

/// Works that are compared: more than one reads in a table. Who needs all exports.
const WORKS_MAX: usize = 1_000;
/// Columns of a table.
const FIELDS_MAX: usize = 24;
/// Columns where none are named.
pub const FIELDS_DEFAULT: &str = "legal_status,dates.in_force,enforcement.penalties,valid_as_of";
/// Parts of a field that can be asked for without it: `in_force` for `dates.in_force`.
const OUTER: [&str; 2] = ["dates", "enforcement"];
/// Width of a cell in a terminal: four to a line. What is longer is cut; CSV and JSON have all of it.
const CELL_WIDTH: usize = 36;

/// Works beside each other.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// Names of the columns, as in front matter.
    pub fields: Vec<String>,
    /// By what the jurisdictions are called; what is of none comes last.
    pub rows: Vec<Row>,
    /// Works that match.
    pub total: u64,
    /// What was ignored, or left out.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub notes: Vec<String>,
}

/// A jurisdiction.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Row {
    /// Its code; empty for works of none.
    pub jurisdiction: String,
    /// What it is called.
    pub name: String,
    /// Its works, best first.
    pub works: Vec<Compared>,
}

/// A work of it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Compared {
    /// `CODE/slug`.
    pub work: String,
    /// The version compared: the current one.
    pub version: u32,
    /// Its title; that of a translation, where one comes closer to the reader's language.
    pub title: String,
    /// The language of the cells.
    pub language: String,
    /// What it says of each field; empty where it says nothing.
    pub cells: Vec<String>,
}

/// How a comparison is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// For a program.
    #[default]
    Json,
    /// For a spreadsheet, a line for each work.
    Csv,
    /// For a terminal.
    Table,
}

/// Which fields, and how.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct CompareParams {
    /// Names of fields as in front matter, with commas: `legal_status,dates.in_force,enforcement.penalties`.
    fields: Option<String>,
    /// `json` (else), `csv` or `table`.
    #[serde(default)]
    format: Format,
}

impl Library {
    /// Puts the works that a question finds beside each other.
    pub fn compare(&self, question: &Question, fields: &str) -> Result<Comparison, LibraryError> {
        let mut notes = Vec::new();
        let fields: Vec<String> =
            fields.split(',').map(str::trim).filter(|field| !field.is_empty()).map(str::to_owned).collect();
        if fields.len() > FIELDS_MAX {
            notes.push(format!("a table has at most {FIELDS_MAX} columns; those after were left out"));
        }
        let fields: Vec<String> = fields.into_iter().take(FIELDS_MAX).collect();
        let (mut total, mut rows) = (0, BTreeMap::<(bool, String, String), Vec<Compared>>::new());
        for offset in (0..WORKS_MAX).step_by(LIMIT_MAX) {
            let page = self.search(&Question { limit: LIMIT_MAX, offset, ..question.clone() })?;
            if offset == 0 {
                total = page.total;
                notes.extend(page.notes);
            }
            for hit in &page.hits {
                if let Some(compared) = self.compared(hit, &fields)? {
                    let name = jurisdictions::name(&hit.jurisdiction);
                    rows.entry((name.is_empty(), name, hit.jurisdiction.clone())).or_default().push(compared);
                }
            }
            if page.total <= (offset + LIMIT_MAX) as u64 {
                break;
            }
        }
        if total > WORKS_MAX as u64 {
            notes.push(format!("the first {WORKS_MAX} of {total} works are compared; narrow the query, or export all"));
        }
        for (at, field) in fields.iter().enumerate() {
            let said = |compared: &Compared| compared.cells.get(at).is_some_and(|cell| !cell.is_empty());
            if !rows.is_empty() && !rows.values().flatten().any(said) {
                notes.push(format!("no work found says anything of `{field}`; fields are named as in front matter"));
            }
        }
        let rows = rows.into_iter().map(|((_, name, jurisdiction), works)| Row { jurisdiction, name, works }).collect();
        Ok(Comparison { fields, rows, total, notes })
    }

    /// What a work says of the fields; nothing, where it may not be shown or is not here any more.
    fn compared(&self, hit: &views::Hit, fields: &[String]) -> Result<Option<Compared>, LibraryError> {
        let Some(name) = Name::parse(&hit.work) else { return Ok(None) };
        let document = match self.document(&name) {
            Ok(document) => document,
            Err(error @ (LibraryError::Store(_) | LibraryError::Index(_))) => return Err(error),
            Err(_) => return Ok(None),
        };
        let front = serde_json::to_value(&document.front_matter).unwrap_or_default();
        let title = hit.display.as_ref().map_or(&hit.title, |display| &display.title);
        Ok(Some(Compared {
            work: hit.work.clone(),
            version: document.version,
            title: title.clone(),
            language: hit.language.clone(),
            cells: fields.iter().map(|field| cell(&front, field)).collect(),
        }))
    }
}

/// What front matter says of a field, in one line.
fn cell(front: &Value, field: &str) -> String {
    let found = |front: &Value, field: &str| field.split('.').try_fold(front.clone(), |at, name| at.get(name).cloned());
    let outer = || OUTER.iter().find_map(|outer| found(front.get(outer)?, field));
    found(front, field).or_else(outer).map_or_else(String::new, |value| words(&value))
}

/// A value in words: what is in a list after semicolons, what has parts with their names.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join("; "),
        Value::Object(parts) => {
            let part = |(name, value): (&String, &Value)| format!("{name}: {}", words(value));
            parts.iter().map(part).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

impl Comparison {
    /// As CSV: a line for each work. What a spreadsheet would take for a formula has an apostrophe before it.
    pub fn to_csv(&self) -> String {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        // Into memory, which does not fail.
        for line in self.lines() {
            let _ = csv.write_record(line.iter().map(|cell| inert(cell).into_owned()));
        }
        String::from_utf8(csv.into_inner().unwrap_or_default()).unwrap_or_default()
    }

    /// As a table for a terminal. A jurisdiction is named once.
    pub fn to_table(&self) -> String {
        let mut lines: Vec<Vec<String>> =
            self.lines().into_iter().map(|line| line.into_iter().skip(1).collect()).collect();
        let mut last = String::new();
        for line in &mut lines {
            if let Some(name) = line.first_mut() {
                if *name == last {
                    name.clear();
                } else {
                    last.clone_from(name);
                }
            }
            line.iter_mut().for_each(|cell| *cell = cut(cell));
        }
        let columns = lines.first().map_or(0, Vec::len);
        let width =
            |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.width()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut table = String::new();
        for line in &lines {
            for (cell, width) in line.iter().zip(&widths) {
                table.push_str(cell);
                table.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
            }
            table.truncate(table.trim_end_matches(' ').len());
            table.push('\n');
        }
        table
    }

    /// Names of the columns, then a line for each work.
    fn lines(&self) -> Vec<Vec<String>> {
        let head = ["jurisdiction", "name", "work", "title", "language"].into_iter().map(str::to_owned);
        let mut lines = vec![head.chain(self.fields.iter().cloned()).collect()];
        for row in &self.rows {
            for one in &row.works {
                let work = format!("{}@{}", one.work, one.version);
                let fixed = [row.jurisdiction.clone(), row.name.clone(), work, one.title.clone(), one.language.clone()];
                lines.push(fixed.into_iter().chain(one.cells.iter().cloned()).collect());
            }
        }
        lines
    }
}

/// A cell as a terminal shows it: one line, and no wider than a cell.
fn cut(cell: &str) -> String {
    let line: String = cell.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.width() <= CELL_WIDTH {
        return line;
    }
    let mut width = 0;
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width < CELL_WIDTH
    };
    line.chars().take_while(fits).chain(['…']).collect()
}

/// This module's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(compare))
}

/// Works that match, beside each other: jurisdictions as rows, fields as columns. `limit` and `offset` mean nothing here.
#[utoipa::path(get, path = "/v1/compare", params(SearchParams, CompareParams),
    responses((status = 200, description = "As JSON, CSV or text", content(
        (Comparison = "application/json"),
        (String = "text/csv"),
        (String = "text/plain"),
    ))))]
async fn compare(
    State(app): State<App>,
    headers: HeaderMap,
    Query(search): Query<SearchParams>,
    Query(params): Query<CompareParams>,
) -> Result<Response, Problem> {
    let (question, note) = search.with_languages(&headers).question();
    let fields = params.fields.filter(|fields| !fields.trim().is_empty());
    let fields = fields.unwrap_or_else(|| FIELDS_DEFAULT.to_owned());
    let mut comparison = app.ask(move |library| library.compare(&question, &fields)).await?;
    comparison.notes.extend(note);
    let typed = |kind: &'static str, text: String| ([(header::CONTENT_TYPE, kind)], text).into_response();
    Ok(match params.format {
        Format::Json => Json(comparison).into_response(),
        Format::Csv => typed("text/csv; charset=utf-8", comparison.to_csv()),
        Format::Table => typed("text/plain; charset=utf-8", comparison.to_table()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Compared, Comparison, Row, cell};

    #[test]
    fn a_cell_says_in_one_line_what_front_matter_has_of_a_field() {
        let front = json!({
            "legal_status": "in-force",
            "dates": {"in_force": "2026-01"},
            "key_provisions": [{"text": "a"}, {"text": "b"}],
            "topics": ["x", "y"],
        });
        for (field, said) in [
            ("legal_status", "in-force"),
            ("dates.in_force", "2026-01"),
            ("in_force", "2026-01"),
            ("topics", "x; y"),
            ("key_provisions", "text: a; text: b"),
            ("redress", ""),
        ] {
            assert_eq!(cell(&front, field), said, "{field}");
        }
    }

    #[test]
    fn a_table_names_a_jurisdiction_once_and_a_spreadsheet_runs_no_formula() {
        let one = |work: &str, cell: &str| Compared {
            work: work.to_owned(),
            version: 1,
            title: "Titre, «é»".to_owned(),
            language: "fr".to_owned(),
            cells: vec![cell.to_owned()],
        };
        let works = vec![one("FI/a", "=cmd()"), one("FI/b", "日本の長い説明".repeat(9).as_str())];
        let row = Row { jurisdiction: "JP".to_owned(), name: "Japan".to_owned(), works };
        let all = Comparison { fields: vec!["redress".to_owned()], rows: vec![row], total: 2, notes: Vec::new() };
        let csv = all.to_csv();
        assert!(csv.starts_with("jurisdiction,name,work,title,language,redress\r\n"), "{csv}");
        assert!(csv.contains("JP,Japan,FI/a@1,\"Titre, «é»\",fr,'=cmd()\r\n"), "{csv}");
        let table = all.to_table();
        assert_eq!(table.matches("Japan").count(), 1, "{table}");
        assert!(table.lines().count() == 3 && table.trim_end().ends_with('…'), "{table}");
    }
}
