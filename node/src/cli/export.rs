//! A query's whole result into a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::read::{Source, answered, missing, name, path};
use super::{CliError, Data, io};
use crate::client::{Client, percent};
use crate::export::{self, Format, Snapshot, routes};
use crate::index::Filters;

/// `comity export`
#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    data: Data,
    /// Words, "phrases", -not, field:value; everything where it is left out
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    query: String,
    /// Only this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only this topic
    #[arg(long)]
    topic: Option<String>,
    /// Only this jurisdiction
    #[arg(long)]
    jurisdiction: Option<String>,
    /// Only this language
    #[arg(long)]
    language: Option<String>,
    /// Only this member
    #[arg(long)]
    member: Option<String>,
    /// The form
    #[arg(long, value_enum)]
    format: Format,
    /// Begin a CSV file with a byte order mark, as some spreadsheets want it
    #[arg(long)]
    bom: bool,
    /// The file, put in place once it is whole; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `comity cite`
#[derive(Debug, Args)]
pub struct Cite {
    #[command(flatten)]
    data: Data,
    /// CODE/slug, or CODE/slug@2 for a version
    #[arg(value_name = "CODE/slug[@V]")]
    work: String,
    /// The form
    #[arg(long, value_enum, default_value = "bibtex")]
    format: Format,
}

impl Cite {
    /// Prints it.
    pub fn run(self) -> Result<(), CliError> {
        let (name, source) = (name(&self.work)?, Source::open(&self.data.folder()?)?);
        let text = match source {
            Source::Running(client) => {
                let path = format!("/v1/citations/{}?format={}", path(&self.work), self.format.asked());
                client.text(&path).map_err(answered)?
            }
            Source::Alone(alone) => export::one(&alone.1, &name, self.format).map_err(missing)?,
        };
        print!("{text}");
        Ok(())
    }
}

/// What was written.
struct Written {
    frontier: String,
    works: u64,
}

impl Export {
    /// Writes the file, and says which snapshot it is of.
    pub fn run(self) -> Result<(), CliError> {
        let source = Source::open(&self.data.folder()?)?;
        if self.out == Path::new("-") {
            let written = self.write(&source, &mut io::stdout().lock(), Path::new("standard output"))?;
            eprintln!("{} works as of snapshot {}", written.works, written.frontier);
            return Ok(());
        }
        let mut part = self.out.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let mut file = BufWriter::new(File::create(&part).map_err(io(&part))?);
        let written = self.write(&source, &mut file, &part).and_then(|written| {
            file.into_inner()
                .map_err(|error| error.into_error())
                .and_then(|file| file.sync_all())
                .map_err(io(&part))?;
            fs::rename(&part, &self.out).map_err(io(&self.out))?;
            Ok(written)
        });
        if written.is_err() {
            let _ = fs::remove_file(&part); // what is there of it is of no use
        }
        let Written { frontier, works } = written?;
        println!("wrote {}: {works} works as of snapshot {frontier}", self.out.display());
        Ok(())
    }

    fn write(&self, source: &Source, out: &mut impl Write, to: &Path) -> Result<Written, CliError> {
        match source {
            Source::Running(client) => self.fetch(client, out, to),
            Source::Alone(alone) => {
                let library = alone.1.clone().held_still().map_err(missing)?;
                let documents = library.documents(&self.query, &self.filters()).map_err(missing)?;
                let works = documents.total();
                if self.bom && self.format == Format::Csv {
                    out.write_all(export::BOM.as_bytes()).map_err(io(to))?;
                }
                export::write(&library, documents, self.format, out).map_err(|error| match error {
                    export::ExportError::Library(error) => missing(error),
                    export::ExportError::Write(error) => io(to)(error),
                })?;
                Ok(Written { frontier: Snapshot::of(&library).frontier, works })
            }
        }
    }

    fn fetch(&self, client: &Client, out: &mut impl Write, to: &Path) -> Result<Written, CliError> {
        let mut path = format!("/v1/export?format={}&bom={}&q={}", self.format.asked(), self.bom, percent(&self.query));
        for (name, value) in self.filters().by_name() {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", percent(value)));
            }
        }
        let (headers, mut body) = client.stream(&path).map_err(answered)?;
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let written = Written {
            frontier: header(routes::FRONTIER).to_owned(),
            works: header(routes::TOTAL).parse().unwrap_or_default(),
        };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = body.read(&mut buffer).map_err(|error| {
                CliError::failed(format!("the node stopped in the middle: {error}; its log says why. Try again"))
            })?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            out.write_all(bytes).map_err(io(to))?;
        }
        out.flush().map_err(io(to))?;
        Ok(written)
    }

    fn filters(&self) -> Filters {
        Filters {
            kind: self.kind.clone(),
            topic: self.topic.clone(),
            jurisdiction: self.jurisdiction.clone(),
            language: self.language.clone(),
            member: self.member.clone(),
            ..Filters::default()
        }
    }
}
