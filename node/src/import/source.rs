//! What is imported, record by record: a folder of Markdown files, a CSV file, a file of JSON Lines. Memory does not grow with it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs_io::DecodeReaderBytesBuilder;
use thiserror::Error;

use crate::import::lines::Lines;
use crate::import::mapping::{Format, Mapping};
use crate::import::row::{Place, Row};
use crate::import::table::Table;

/// Bytes of a Markdown file that are read: four times the largest body, so that the error can say how long it is.
const MARKDOWN_BYTES_MAX: u64 = 1024 * 1024;

/// Why nothing can be imported at all.
#[derive(Debug, Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("{path}: {error}")]
    Io {
        /// What.
        path: String,
        /// Why.
        error: std::io::Error,
    },
    /// It cannot be read as what it is.
    #[error("{path}: {what}")]
    File {
        /// What.
        path: String,
        /// Why, and what to do.
        what: String,
    },
}

/// One record as it was found.
#[derive(Debug)]
pub enum Raw {
    /// A row, for a mapping.
    Row(Row),
    /// A line with an object.
    Line(String),
    /// A Markdown file with front matter.
    Markdown(Vec<u8>),
}

/// What is imported.
pub struct Source {
    file: Arc<str>,
    kind: Kind,
    read: Arc<AtomicU64>,
    total: u64,
    notes: Vec<String>,
}

enum Kind {
    Markdown(walkdir::IntoIter),
    Table(Table),
    Lines(Lines<Box<dyn BufRead + Send>>),
}

/// Counts what is read, for a progress bar.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Source {
    /// Opens what a path names: a folder or a `.md` file, otherwise a file as the mapping or its name says.
    pub fn open(path: &Path, mapping: Option<&Mapping>) -> Result<Source, SourceError> {
        let shown = path.display().to_string();
        let wrong = |what: &str| SourceError::File { path: shown.clone(), what: what.to_owned() };
        let io = |error| SourceError::Io { path: shown.clone(), error };
        let meta = fs::metadata(path).map_err(io)?;
        let ends = |endings: &[&str]| {
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
        };
        let read = Arc::new(AtomicU64::new(0));
        let mut source = Source {
            file: shown.as_str().into(),
            kind: Kind::Markdown(walkdir::WalkDir::new(path).sort_by_file_name().into_iter()),
            read: read.clone(),
            total: meta.len(),
            notes: Vec::new(),
        };
        if meta.is_dir() || ends(&["md"]) {
            if mapping.is_some() {
                return Err(wrong("Markdown files say themselves what they are; leave out --mapping"));
            }
            source.total = walkdir::WalkDir::new(path).into_iter().flatten().filter(is_markdown).count() as u64;
            return Ok(source);
        }
        let rules = mapping.map(|mapping| mapping.file.clone()).unwrap_or_default();
        let format = match rules.format {
            Some(format) => format,
            None if ends(&["csv", "tsv"]) => Format::Csv,
            None if ends(&["jsonl", "ndjson"]) => Format::JsonLines,
            None => {
                return Err(wrong(
                    "is neither a folder nor a .md, .csv or .jsonl file; give `format` in [file] of a mapping",
                ));
            }
        };
        let file = Counted { file: File::open(path).map_err(io)?, read };
        let mut decoder = DecodeReaderBytesBuilder::new();
        decoder.encoding(rules.encoding).utf8_passthru(true).strip_bom(true).bom_override(true);
        let decoded = decoder.build(file);
        source.kind = match (format, mapping) {
            (Format::JsonLines, _) => Kind::Lines(Lines::new(Box::new(BufReader::new(decoded)))),
            (Format::Csv, None) => {
                return Err(wrong("a table needs --mapping FILE, which says what its columns are"));
            }
            (Format::Csv, Some(mapping)) => {
                let delimiter = rules.delimiter.unwrap_or(if ends(&["tsv"]) { b'\t' } else { b',' });
                let encoding = rules.encoding.map(encoding_rs::Encoding::name);
                let table = Table::open(Box::new(decoded), delimiter, encoding).map_err(|what| wrong(&what))?;
                let (missing, unused) = mapping.compare(table.columns().names());
                if !missing.is_empty() {
                    return Err(wrong(&missing.join("\n")));
                }
                if !unused.is_empty() {
                    source.notes.push(format!("columns that the mapping does not use: {}", unused.join(", ")));
                }
                Kind::Table(table)
            }
        };
        Ok(source)
    }

    /// What is to be told before anything is imported.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// How much there is: bytes, or Markdown files.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How much of it was read, also while another thread reads.
    pub fn progress(&self) -> Arc<AtomicU64> {
        self.read.clone()
    }

    fn next_markdown(&mut self) -> Option<(Place, Result<Raw, String>)> {
        let Kind::Markdown(walk) = &mut self.kind else { return None };
        let item = walk.find(|item| item.as_ref().map_or(true, is_markdown))?;
        self.read.fetch_add(1, Ordering::Relaxed);
        let place = |path: &Path| Place { file: path.display().to_string().into(), line: 0 };
        Some(match item {
            Err(error) => {
                let what = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                (error.path().map_or_else(|| place(Path::new("")), place), Err(what))
            }
            Ok(item) => (place(item.path()), markdown(item.path())),
        })
    }
}

impl Iterator for Source {
    type Item = (Place, Result<Raw, String>);

    fn next(&mut self) -> Option<Self::Item> {
        let (line, raw) = match &mut self.kind {
            Kind::Markdown(_) => return self.next_markdown(),
            Kind::Table(table) => table.next_row().map(|(line, row)| (line, row.map(Raw::Row)))?,
            Kind::Lines(lines) => lines.next_line().map(|(line, text)| (line, text.map(Raw::Line)))?,
        };
        Some((Place { file: self.file.clone(), line }, raw))
    }
}

fn is_markdown(item: &walkdir::DirEntry) -> bool {
    let ending = item.path().extension().is_some_and(|ending| ending.eq_ignore_ascii_case("md"));
    ending && !item.file_type().is_dir()
}

fn markdown(path: &Path) -> Result<Raw, String> {
    let size = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > MARKDOWN_BYTES_MAX {
        return Err(format!("has {size} bytes; a document's text may have about 250,000. Publish it in parts"));
    }
    fs::read(path).map(Raw::Markdown).map_err(|error| error.to_string())
}
