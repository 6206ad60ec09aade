//! The search index: one document per work, derived from the store and disposable. This folder alone names tantivy.
//!
//! A document has the words of its title and text, folded, with their positions; the stems of its own language; and the fields
//! one asks, counts and sorts by. What is shown comes from the store, so that the index stays small. The cursor, up to which
//! arrival it was brought, is kept with every commit.

mod card;
mod counts;
mod layout;
mod plan;
mod searcher;
mod walk;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::{Index as Tantivy, IndexWriter, ReloadPolicy, TantivyDocument, Term};
use thiserror::Error;

use layout::{Fields, LINES, Lines, VERSION};

pub use card::Card;
pub use searcher::{By, Filters, Found, LIMIT_MAX, OFFSET_MAX, Question, Searcher};
pub use walk::Walk;

/// Bytes the writer may gather before it writes a part of the index: tantivy's least, and one thread, for modest machines.
const WRITER_BYTES: usize = 32 * 1024 * 1024;
/// How far indexing stands back: about a thirtieth of the machine while others want all of it.
const BACKGROUND_NICE: i32 = 15;

/// Why the index cannot be used. It can be deleted at any time.
#[derive(Debug, Error)]
pub enum IndexError {
    /// tantivy failed.
    #[error("the search index in {path}: {what}; stop the node, delete that folder and start again: it is rebuilt")]
    Tantivy {
        /// The folder.
        path: PathBuf,
        /// What was said.
        what: String,
    },
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// Up to which arrival the index was brought.
    pub cursor: u64,
    /// Why it begins anew.
    pub rebuilt: Option<String>,
}

/// The one writer.
pub struct Index {
    path: PathBuf,
    new: bool,
    /// Whether what was taken out since the last commit must not stay in files either.
    erasing: bool,
    fields: Fields,
    writer: IndexWriter,
    searcher: Searcher,
}

impl Index {
    /// Opens or creates the index in `path`; one that is damaged, of another version or ahead of the store's last arrival
    /// begins anew.
    pub fn open(path: &Path, arrival: u64) -> Result<(Index, Opened), IndexError> {
        let existed = path.join("meta.json").exists();
        let reason = match Index::try_open(path) {
            Ok((index, Some(cursor))) if cursor <= arrival => return Ok((index, Opened { cursor, rebuilt: None })),
            // The store lost its tail, and what arrives now bears numbers that the index believes to have seen.
            Ok((_, Some(_))) => "it is ahead of the store".to_owned(),
            Ok((index, None)) if !existed => {
                return Ok((Index { new: true, ..index }, Opened { cursor: 0, rebuilt: None }));
            }
            Ok((_, None)) => "it was made by another version".to_owned(),
            Err(error) => error.to_string(),
        };
        fs::remove_dir_all(path).map_err(|error| failed(path, error))?;
        let (index, _) = Index::try_open(path)?;
        Ok((Index { new: true, ..index }, Opened { cursor: 0, rebuilt: Some(reason) }))
    }

    /// Begins anew, at the next [`Index::open`], what was made while something else was hidden or stood: `mark` says what is now.
    pub fn made_for(path: &Path, mark: &str) -> Result<(), IndexError> {
        let file = path.with_extension("hidden");
        if fs::read_to_string(&file).unwrap_or_default() == mark {
            return Ok(());
        }
        if path.exists() {
            fs::remove_dir_all(path).map_err(|error| failed(path, error))?;
        }
        fs::write(&file, mark).map_err(|error| failed(&file, error))
    }

    /// Notes that what was committed is made for another mark. A crash before it costs a rebuild.
    pub fn mark(&self, mark: &str) -> Result<(), IndexError> {
        let file = self.path.with_extension("hidden");
        fs::write(&file, mark).map_err(|error| failed(&file, error))
    }

    /// Whether it was empty when it was opened, and has since been filled in the order of arrival alone.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// From now on works come in another order than that of their arrival.
    pub fn not_new(&mut self) {
        self.new = false;
    }

    /// Puts a work in place of what was there of it.
    pub fn put(&mut self, card: &Card) -> Result<(), IndexError> {
        self.remove(&card.work);
        self.add(card)
    }

    /// Puts a work of which nothing is there: to take out what is not there is looked up in every part of the index.
    pub fn add(&mut self, card: &Card) -> Result<(), IndexError> {
        let document: TantivyDocument = card.document(&self.fields);
        self.writer.add_document(document).map(drop).map_err(|error| failed(&self.path, error))
    }

    /// Takes a work out: it was withdrawn.
    pub fn remove(&mut self, work: &str) {
        self.writer.delete_term(Term::from_field_text(self.fields.work, work));
    }

    /// Takes a work out whose text was erased: the words of what is only taken out would stay in the files until they happen to be
    /// merged, so the next commit writes those anew.
    pub fn erase(&mut self, work: &str) {
        self.remove(work);
        self.erasing = true;
    }

    /// Makes everything visible and durable, with the arrival up to which it goes.
    pub fn commit(&mut self, cursor: u64) -> Result<(), IndexError> {
        let committed = self.writer.prepare_commit().and_then(|mut commit| {
            commit.set_payload(&format!("{VERSION} {cursor}"));
            commit.commit()
        });
        committed.and_then(|_| self.searcher.reader.reload()).map_err(|error| failed(&self.path, error))?;
        self.searcher.cursor.store(cursor, Ordering::Release);
        if self.erasing {
            self.erasing = self.rewrite().map_err(|error| failed(&self.path, error))?;
        }
        Ok(())
    }

    /// Writes every part of the index anew from which something was taken out. Gives whether some are left: they are being merged.
    fn rewrite(&mut self) -> tantivy::Result<bool> {
        let parts = self.writer.index().searchable_segment_metas()?;
        let mut busy = false;
        for part in parts.iter().filter(|part| part.has_deletes()) {
            busy |= self.writer.merge(&[part.id()]).wait().is_err();
        }
        self.searcher.reader.reload()?;
        self.writer.garbage_collect_files().wait()?;
        Ok(busy)
    }

    /// A read handle.
    pub fn searcher(&self) -> Searcher {
        self.searcher.clone()
    }

    fn try_open(path: &Path) -> Result<(Index, Option<u64>), IndexError> {
        let failed = |error: tantivy::TantivyError| failed(path, error);
        fs::create_dir_all(path).map_err(|error| self::failed(path, error))?;
        let (schema, fields) = layout::schema();
        let directory = tantivy::directory::MmapDirectory::open(path).map_err(|error| self::failed(path, error))?;
        let index = Tantivy::open_or_create(directory, schema).map_err(failed)?;
        let payload = index.load_metas().map_err(failed)?.payload;
        index.tokenizers().register(LINES, Lines);
        let writer = background(|| index.writer_with_num_threads(1, WRITER_BYTES)).map_err(failed)?;
        // A commit is shown at once by `commit`. What is merged after the last one has to be taken up too: until then the parts
        // that were merged stay mapped whole, 300 MB of them at a million documents, and their files stay on the disk.
        let policy = ReloadPolicy::OnCommitWithDelay;
        let reader = index.reader_builder().reload_policy(policy).try_into().map_err(failed)?;
        let cursor = payload.as_deref().and_then(|payload| payload.split_once(' '));
        let cursor =
            cursor.filter(|(version, _)| *version == VERSION.to_string()).and_then(|(_, cursor)| cursor.parse().ok());
        let brought = Arc::new(AtomicU64::new(cursor.unwrap_or_default()));
        let searcher = Searcher { path: path.to_owned(), fields: fields.clone(), reader, cursor: brought };
        Ok((Index { path: path.to_owned(), new: false, erasing: false, fields, writer, searcher }, cursor))
    }
}

/// Runs `work` so that the threads it starts come after all others: a node that is catching up or serving does that first, and
/// makes things searchable with what is left of the machine.
pub(crate) fn background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let low = scope.spawn(|| {
            yield_to_others();
            work()
        });
        low.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// From here on this thread, and those it starts, get the machine after all others. Best effort: it only costs time elsewhere.
pub(crate) fn yield_to_others() {
    let _ = rustix::process::nice(BACKGROUND_NICE);
}

fn failed(path: &Path, error: impl std::fmt::Display) -> IndexError {
    IndexError::Tantivy { path: path.to_owned(), what: error.to_string() }
}

#[cfg(test)]
mod tests;
