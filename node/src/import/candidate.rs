//! What was read, made ready to be published: mapped, checked, and known by its digest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use proto::digest::Digest;

use crate::content;
use crate::document::{self, Document};
use crate::import::held::Held;
use crate::import::mapping::{Mapped, Mapping};
use crate::import::record::{self, Record};
use crate::import::report::{Outcome, Verdict};
use crate::import::row::{Place, Row};
use crate::import::source::Raw;

/// A document that may be published.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Where it came from.
    pub place: Place,
    /// What it says.
    pub document: Document,
    /// What it lacks.
    pub notes: Vec<String>,
}

/// Makes candidates, and sees to it that no two of one import have one id.
pub struct Maker {
    member: String,
    mapping: Option<Mapping>,
    folder: Option<PathBuf>,
    /// First bytes of the digests of the slugs so far, and the lines they were on: 24 bytes a record, whatever it says.
    seen: HashMap<[u8; 16], u64>,
}

impl Maker {
    /// For the records of a member. Files beside a table are looked for in `folder`.
    pub fn new(member: &str, mapping: Option<Mapping>, folder: Option<&Path>) -> Maker {
        Maker { member: member.to_owned(), mapping, folder: folder.map(Path::to_owned), seen: HashMap::new() }
    }

    /// Makes a candidate, or says what became of the record instead.
    pub fn make(&mut self, place: Place, raw: Result<Raw, String>) -> Result<Candidate, Outcome> {
        self.read(place, raw).and_then(|candidate| self.alone(candidate))
    }

    /// The same of many, on two threads: to map and check a row is what an import spends most of its time on.
    pub fn make_all(&mut self, mut rows: Vec<(Place, Result<Raw, String>)>) -> Vec<Result<Candidate, Outcome>> {
        let rest = rows.split_off(rows.len() / 2);
        let read = |rows: Vec<(Place, Result<Raw, String>)>| -> Vec<Result<Candidate, Outcome>> {
            rows.into_iter().map(|(place, raw)| self.read(place, raw)).collect()
        };
        let (first, rest) = std::thread::scope(|scope| {
            let first = scope.spawn(|| read(rows));
            let rest = read(rest);
            (first.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), rest)
        });
        first.into_iter().chain(rest).map(|made| made.and_then(|candidate| self.alone(candidate))).collect()
    }

    /// Whatever of it does not depend on other records.
    fn read(&self, place: Place, raw: Result<Raw, String>) -> Result<Candidate, Outcome> {
        let wrong = |why: Vec<String>| skipped(&place, String::new(), why, true);
        let raw = raw.map_err(|what| wrong(vec![what]))?;
        let (document, notes) = match raw {
            Raw::Markdown(bytes) => {
                let read = document::read(&place.file, &bytes);
                // Each names the file, which the outcome names too; what is left is the line.
                let (document, _) = read.map_err(|errors| {
                    let line = |error: &document::DocumentError| {
                        error.line.map_or_else(|| error.what.clone(), |line| format!("line {line}: {}", error.what))
                    };
                    wrong(errors.iter().map(line).collect())
                })?;
                (document, Vec::new())
            }
            Raw::Line(line) => match &self.mapping {
                None => {
                    let record = Record::parse(&line).map_err(|what| wrong(vec![what]))?;
                    self.checked(&place, record, Vec::new())?
                }
                Some(mapping) => {
                    let object = record::object(&line).map_err(|what| wrong(vec![what]))?;
                    self.mapped(&place, mapping, &Row::Object(object))?
                }
            },
            Raw::Row(row) => match &self.mapping {
                None => return Err(wrong(vec!["a row needs a mapping".to_owned()])),
                Some(mapping) => self.mapped(&place, mapping, &row)?,
            },
        };
        Ok(Candidate { place, document, notes })
    }

    /// The candidate, if no other of this import has its id.
    fn alone(&mut self, candidate: Candidate) -> Result<Candidate, Outcome> {
        let (place, slug) = (&candidate.place, &candidate.document.publication.slug);
        let digest = Digest::of(slug.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(digest.as_bytes().get(..16).unwrap_or_default());
        if let Some(line) = self.seen.get(&key) {
            let first = if *line == 0 { "another file".to_owned() } else { format!("line {line}") };
            let why =
                format!("its id gives the slug `{slug}`, which {first} has already; one of the two needs another id");
            return Err(skipped(place, self.work(slug), vec![why], true));
        }
        self.seen.insert(key, place.line);
        Ok(candidate)
    }

    fn work(&self, slug: &str) -> String {
        format!("{}/{slug}", self.member)
    }

    fn mapped(&self, place: &Place, mapping: &Mapping, row: &Row) -> Result<(Document, Vec<String>), Outcome> {
        match mapping.apply(row, self.folder.as_deref()) {
            Mapped::Record(record, notes) => self.checked(place, *record, notes),
            Mapped::LeftOut(why) => Err(skipped(place, String::new(), vec![why], false)),
            Mapped::Wrong(why) => Err(skipped(place, String::new(), why, true)),
        }
    }

    fn checked(&self, place: &Place, record: Record, notes: Vec<String>) -> Result<(Document, Vec<String>), Outcome> {
        if let Some(member) = record.member.as_ref().filter(|member| **member != self.member) {
            let why = format!("is a work of {member}; {} publishes its own works only", self.member);
            return Err(skipped(place, format!("{member}/{}", record.front.slug), vec![why], false));
        }
        let work = self.work(&record.front.slug);
        if let Some(reason) = &record.withdrawn {
            return Err(skipped(place, work, vec![format!("was withdrawn by its author: {reason}")], false));
        }
        match record.document() {
            Ok(document) => Ok((document, notes)),
            Err(why) => Err(skipped(place, work, why, true)),
        }
    }
}

impl Candidate {
    /// The digest of what it says. Not kept: whoever asks does so once, on another thread than the one that makes candidates, which
    /// is the slowest of an import.
    pub fn content(&self) -> Digest {
        content::digest(self.document.kind as u32, &self.document.publication)
    }

    /// `CODE/slug`.
    pub fn work(&self, member: &str) -> String {
        format!("{member}/{}", self.document.publication.slug)
    }

    /// What becomes of it without being published, by what the store has; none: it is to be published.
    pub fn settled(&self, member: &str, held: &Held) -> Option<Outcome> {
        let work = self.work(member);
        let skip = |why: String| skipped(&self.place, work.clone(), vec![why], false);
        match held {
            Held::Other => None,
            Held::Same(version) => Some(self.outcome(Verdict::Unchanged, format!("{work}@{version}"))),
            Held::Before { same, current } => Some(skip(format!(
                "says what version {same} said, which version {current} has superseded since; publish it by hand to go back"
            ))),
            Held::Withdrawn(reason) => {
                Some(skip(format!("was withdrawn ({reason}); an import does not bring it back, `comity publish` does")))
            }
            Held::Erased(version) => Some(skip(format!(
                "the text of version {version} was erased here; an import does not bring it back, `comity publish` does"
            ))),
        }
    }

    /// What became of it.
    pub fn outcome(&self, verdict: Verdict, work: String) -> Outcome {
        Outcome {
            file: self.place.file.to_string(),
            line: self.place.line,
            verdict,
            work,
            why: self.notes.clone(),
            wrong: false,
            waits: false,
        }
    }

    /// The same where it was refused; `waits` where that was for a work that is not here yet.
    pub fn refused(&self, member: &str, why: String, waits: bool) -> Outcome {
        Outcome { waits, ..skipped(&self.place, self.work(member), vec![why], true) }
    }
}

fn skipped(place: &Place, work: String, why: Vec<String>, wrong: bool) -> Outcome {
    let (file, line) = (place.file.to_string(), place.line);
    Outcome { file, line, verdict: Verdict::Skipped, work, why, wrong, waits: false }
}
