//! Importing what others have already, through the running node: a batch is one request and one signature.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::read::answered;
use super::{CliError, Data};
use crate::client::Client;
use crate::document::Document;
use crate::front_matter::FrontMatter;
use crate::import::batch::Batch;
use crate::import::candidate::{Candidate, Maker};
use crate::import::held::Held;
use crate::import::mapping_file;
use crate::import::report::{Counts, ImportReply, Outcome, Verdict};
use crate::import::routes::{AskedWork, AskedWorks, HeldWorks};
use crate::import::source::Source;

/// Rows that are read and mapped together: enough that handing them over costs nothing beside them, few enough for the memory of
/// the longest.
const ROWS_AT_ONCE: usize = 32;
/// Times that many which are read ahead, so that neither side waits for the other.
const READS_AHEAD: usize = 1;
/// Batches that are ready while one is being published: one, so that neither side waits, and no more, for their memory.
const BATCHES_AHEAD: usize = 1;
/// Bytes of texts that wait for what they are about to be imported: a translation may stand in a table before its original. What is
/// more is refused, and goes in with the next run.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// `comity import`
#[derive(Debug, Args)]
pub struct Import {
    #[command(flatten)]
    data: Data,
    /// A folder of Markdown files, a CSV file, or JSON Lines as `comity export` writes them
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// How a table's columns become fields; `examples/mappings` has some
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// For a script: one object a line for each record, and their counts at the end
    #[arg(long)]
    json: bool,
}

impl Import {
    /// Imports.
    pub fn run(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        folder.charter().map_err(CliError::failed)?;
        let member = folder.config().map_err(CliError::failed)?.member;
        let member = member.ok_or_else(|| CliError::failed(crate::keeper::PublishError::NoDesk))?.code;
        let mapping = self.mapping.as_deref().map(mapping_file::read).transpose().map_err(CliError::wrong)?;
        let source = Source::open(&self.path, mapping.as_ref()).map_err(CliError::wrong)?;
        let client = Client::find(&folder).ok_or_else(|| {
            CliError::failed("an import goes through the running node; start it with `comity run`, then import")
        })?;
        source.notes().iter().for_each(|note| eprintln!("note: {note}"));
        let bar = bar(&source);
        let maker = Maker::new(&member, mapping, self.path.parent());
        let progress = source.progress();
        let (batches, threads) = batches(source, maker);
        let mut going = Going {
            import: &self,
            client,
            member,
            bar,
            progress,
            counts: Counts::default(),
            waiting: Waiting::default(),
        };
        for batch in batches {
            going.take(batch, false)?;
        }
        going.take_waiting()?;
        going.bar.finish_and_clear();
        let counts = going.counts;
        if threads.into_iter().any(|thread| thread.join().is_err()) {
            return Err(CliError::failed(
                "the file was not read to its end; the same command again goes on from there",
            ));
        }
        self.end(counts)
    }

    /// One line of the report.
    fn told(&self, outcome: &Outcome) -> Result<String, CliError> {
        if self.json {
            return Ok(serde_json::to_string(outcome).map_err(CliError::failed)? + "\n");
        }
        let Outcome { file, line, verdict, work, why, .. } = outcome;
        let verdict = match verdict {
            Verdict::Imported => "imported",
            Verdict::Unchanged => "unchanged",
            Verdict::Skipped => "skipped",
        };
        let place = if *line == 0 { file.clone() } else { format!("{file}:{line}") };
        let work = if work.is_empty() { String::new() } else { format!(" {work}") };
        let why = if why.is_empty() { String::new() } else { format!(": {}", why.join("; ")) };
        Ok(format!("{place}: {verdict}{work}{why}\n"))
    }

    fn end(&self, counts: Counts) -> Result<(), CliError> {
        let Counts { imported, unchanged, skipped, wrong } = counts;
        if self.json {
            println!("{}", serde_json::to_string(&counts).map_err(CliError::failed)?);
        }
        eprintln!("{imported} imported, {unchanged} unchanged, {skipped} skipped");
        match wrong {
            0 => Ok(()),
            1 => Err(CliError::wrong(
                "something is wrong with 1 record; mend it, and import again: the rest is unchanged",
            )),
            _ => Err(CliError::wrong(format!(
                "something is wrong with {wrong} records; mend them, and import again: the rest is unchanged"
            ))),
        }
    }
}

/// Reads and maps on threads of their own, so that neither waits for the other nor for the node.
fn batches(source: Source, mut maker: Maker) -> (mpsc::Receiver<Batch>, [JoinHandle<()>; 2]) {
    let (sender, read) = mpsc::sync_channel(READS_AHEAD);
    let reader = std::thread::spawn(move || {
        let mut source = source;
        loop {
            let rows: Vec<_> = source.by_ref().take(ROWS_AT_ONCE).collect();
            if rows.is_empty() || sender.send(rows).is_err() {
                return; // nobody makes anything of them any more
            }
        }
    });
    let (sender, batches) = mpsc::sync_channel(BATCHES_AHEAD);
    let mapper = std::thread::spawn(move || {
        let mut batch = Batch::default();
        for made in read.into_iter().flat_map(|rows| maker.make_all(rows)) {
            batch.add(made);
            if batch.is_full() && sender.send(std::mem::take(&mut batch)).is_err() {
                return; // nobody publishes any more
            }
        }
        let _ = sender.send(batch);
    });
    (batches, [reader, mapper])
}

/// An import on its way.
struct Going<'a> {
    import: &'a Import,
    client: Client,
    member: String,
    bar: ProgressBar,
    progress: Arc<AtomicU64>,
    counts: Counts,
    waiting: Waiting,
}

/// Candidates that are about works which are not here yet.
#[derive(Default)]
struct Waiting {
    candidates: Vec<Candidate>,
    bytes: usize,
}

impl Waiting {
    /// Keeps one for the end, where there is room.
    fn keep(&mut self, one: &Candidate) -> bool {
        let bytes = self.bytes + one.document.publication.text.len();
        if bytes > WAITING_BYTES_MAX {
            return false;
        }
        self.bytes = bytes;
        self.candidates.push(one.clone());
        true
    }
}

impl Going<'_> {
    /// Publishes a batch and tells what became of it. What waits for another work is kept, unless it is the last time.
    fn take(&mut self, batch: Batch, is_last: bool) -> Result<(), CliError> {
        let taken = take(&self.client, &self.member, batch.candidates()).map_err(|error| match error {
            CliError::Failed(words) | CliError::Wrong(words) => CliError::Failed(format!(
                "{words}\nimported {} until then; the same command again goes on from there",
                self.counts.imported
            )),
        })?;
        let waits = |(one, outcome): (&Candidate, Outcome)| {
            let waits = outcome.waits && !is_last && self.waiting.keep(one);
            (!waits).then_some(outcome)
        };
        let taken: Vec<Option<Outcome>> = batch.candidates().iter().zip(taken).map(waits).collect();
        let mut told = String::new();
        for outcome in batch.settled(taken) {
            self.counts.add(&outcome);
            told.push_str(&self.import.told(&outcome)?);
        }
        self.bar.suspend(|| print!("{told}"));
        self.bar.set_position(self.progress.load(Ordering::Relaxed));
        Ok(())
    }

    /// Publishes what waited: what it is about came after it, if it came at all.
    fn take_waiting(&mut self) -> Result<(), CliError> {
        let mut batch = Batch::default();
        for one in std::mem::take(&mut self.waiting).candidates {
            batch.add(Ok(one));
            if batch.is_full() {
                self.take(std::mem::take(&mut batch), true)?;
            }
        }
        self.take(batch, true)
    }
}

/// What becomes of the candidates of a batch: one question for what is there already, one push for the rest.
fn take(client: &Client, member: &str, candidates: &[Candidate]) -> Result<Vec<Outcome>, CliError> {
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let asked =
        |one: &Candidate| AskedWork { slug: one.document.publication.slug.clone(), content: one.content().to_string() };
    let works = AskedWorks { works: candidates.iter().map(asked).collect() };
    let held = client.post::<HeldWorks>("/v1/import/held", &works).map_err(answered)?;
    let held = held.map(|held| held.held).unwrap_or_default();
    let mut lines = String::new();
    for (one, held) in candidates.iter().zip(&held) {
        if *held == Held::Other {
            lines.push_str(&line(one)?);
            lines.push('\n');
        }
    }
    let pushed = match lines.is_empty() {
        true => None,
        false => client.post_lines::<ImportReply>("/v1/import", lines).map_err(answered)?,
    };
    let mut pushed = pushed.map(|reply| reply.records).unwrap_or_default().into_iter();
    let outcome = |(one, held): (&Candidate, &Held)| {
        one.settled(member, held).or_else(|| {
            let done = pushed.next()?;
            let mut outcome = one.outcome(done.verdict, done.work);
            outcome.why.extend(done.why);
            (outcome.wrong, outcome.waits) = (done.wrong, done.waits);
            Some(outcome)
        })
    };
    Ok(candidates.iter().zip(&held).filter_map(outcome).collect())
}

/// A candidate as an export would write it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    front: FrontMatter,
    text: &'a str,
}

fn line(one: &Candidate) -> Result<String, CliError> {
    let Document { kind, publication } = &one.document;
    let line = Line { front: FrontMatter::of(*kind as u32, publication), text: &publication.text };
    serde_json::to_string(&line).map_err(CliError::failed)
}

fn bar(source: &Source) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(source.total());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent} % imported, {eta} left") {
        bar.set_style(style);
    }
    bar
}
