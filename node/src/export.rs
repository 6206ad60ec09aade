//! A query's whole result in the forms that libraries and researchers already use, written as it is read: what a form needs in
//! memory is one document.
//!
//! An export is of one moment. The frontier's digest then is the id of the snapshot: whoever cites it lets anyone with an equal
//! frontier make the same export, but for what is local: times of arrival, and what an operator hides.

mod bibtex;
mod citations;
mod csv;
mod jsonl;
mod jsonld;
mod record;
mod ris;
pub mod routes;

use std::io::{self, Write};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use utoipa::ToSchema;

use crate::library::{Documents, Library, LibraryError};
use crate::name::Name;
use crate::views::Document;

pub use record::{Record, Snapshot};

/// What tells a spreadsheet that a CSV file is UTF-8; other programs would take it for a part of the first column's name.
pub const BOM: &str = "\u{feff}";

/// A form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON Lines: one object a line, with everything that is known; `comity import` reads it.
    Jsonl,
    /// CSV: a document a row, for spreadsheets and statistics.
    Csv,
    /// BibTeX.
    Bibtex,
    /// RIS.
    Ris,
    /// CSL-JSON.
    CslJson,
    /// JSON-LD: schema.org and PROV.
    Jsonld,
}

/// Why an export ended before its end.
#[derive(Debug, Error)]
pub enum ExportError {
    /// A document could not be read.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// What it is written to does not take it.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl Format {
    /// As one asks for it.
    pub fn asked(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Bibtex => "bibtex",
            Format::Ris => "ris",
            Format::CslJson => "csl-json",
            Format::Jsonld => "jsonld",
        }
    }

    /// As a file of it ends.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
            Format::Bibtex => "bib",
            Format::Ris => "ris",
            Format::CslJson => "csl.json",
            Format::Jsonld => "jsonld",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Jsonl => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Bibtex => "application/x-bibtex; charset=utf-8",
            Format::Ris => "application/x-research-info-systems; charset=utf-8",
            Format::CslJson => "application/vnd.citationstyles.csl+json",
            Format::Jsonld => "application/ld+json",
        }
    }

    /// What comes before the first document.
    fn head(self, snapshot: &Snapshot) -> String {
        match self {
            Format::Jsonl | Format::Ris => String::new(),
            Format::Csv => csv::head(),
            Format::Bibtex => bibtex::head(snapshot),
            Format::CslJson => "[\n".to_owned(),
            Format::Jsonld => jsonld::head(snapshot),
        }
    }

    /// One document.
    fn record(self, record: &Record<'_>) -> String {
        match self {
            Format::Jsonl => jsonl::record(record),
            Format::Csv => csv::record(record),
            Format::Bibtex => bibtex::record(record),
            Format::Ris => ris::record(record),
            Format::CslJson => citations::record(record).to_string(),
            Format::Jsonld => jsonld::record(record),
        }
    }

    /// What is between two documents.
    fn between(self) -> &'static str {
        match self {
            Format::Jsonl | Format::Bibtex => "\n",
            Format::Csv => "",
            Format::Ris => "\r\n",
            Format::CslJson => ",\n",
            Format::Jsonld => "",
        }
    }

    /// What comes after the last document.
    fn tail(self, is_empty: bool) -> &'static str {
        match self {
            Format::Jsonl | Format::Bibtex if is_empty => "",
            Format::Csv | Format::Ris => "",
            Format::Jsonl | Format::Bibtex => "\n",
            Format::CslJson => "\n]\n",
            Format::Jsonld => "\n]}\n",
        }
    }
}

/// Writes documents, and gives how many they were. The library is to be held still, so that the frontier names what it answers.
pub fn write(
    library: &Library,
    documents: Documents<'_>,
    format: Format,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let snapshot = Snapshot::of(library);
    out.write_all(format.head(&snapshot).as_bytes())?;
    let mut written = 0;
    for document in documents {
        if written > 0 {
            out.write_all(format.between().as_bytes())?;
        }
        out.write_all(format.record(&Record { snapshot: &snapshot, document: &document? }).as_bytes())?;
        written += 1;
    }
    out.write_all(format.tail(written == 0).as_bytes())?;
    out.flush()?;
    Ok(written)
}

/// One document as JSON-LD that stands for itself.
pub fn alone(library: &Library, document: &Document) -> String {
    jsonld::alone(&Record { snapshot: &Snapshot::of(library), document })
}

/// One document as a file of its own.
pub fn one(library: &Library, name: &Name, format: Format) -> Result<String, LibraryError> {
    let (snapshot, document) = (Snapshot::of(library), library.document(name)?);
    let record = Record { snapshot: &snapshot, document: &document };
    if format == Format::Jsonld {
        return Ok(jsonld::alone(&record));
    }
    Ok(format.head(&snapshot) + &format.record(&record) + format.tail(false))
}
