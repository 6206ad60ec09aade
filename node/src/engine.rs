//! The only file that names sled: a durable ordered map of small values, and how to live with what sled 0.34.7 does.
//!
//! One tree; a key's first byte is its table. Values stay below 8 KiB, because larger ones become files that sled never
//! fsyncs. After sled's `flush()`, which on Linux does not fsync, comes an `fdatasync` of sled's own file. Everything here can
//! be rebuilt from the segments, so every kind of damage has one answer: set the folder aside, and start an empty one.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Milliseconds after which sled writes out on its own: a second net below our own flushes, and it bounds dirty memory.
const FLUSH_EVERY_MS: u64 = 500;

/// Why the engine cannot go on. Its folder can be rebuilt; the segments are not affected.
#[derive(Debug, Error)]
pub enum EngineError {
    /// sled refused or failed.
    #[error("sled in {path}: {what}; start again, and it is rebuilt from the segments if it is damaged")]
    Sled {
        /// The folder.
        path: PathBuf,
        /// What it said.
        what: String,
    },
    /// The folder cannot be read or written.
    #[error("{path}: {what}; see to the disk or the folder's permissions and start again")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        what: String,
    },
}

/// What opening found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Nothing to mend.
    Sound,
    /// Snapshots, which only make opening faster, were damaged and dropped.
    SnapshotsDropped,
    /// The folder was damaged; an empty one stands in its place.
    SetAside {
        /// What it is called now.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
}

/// Changes that become visible together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In order, so that the last change of a key counts; `None` removes.
    changes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A row: the key without its table, and the value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An open engine; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    path: PathBuf,
    cache_bytes: u64,
    db: sled::Db,
    /// Our own descriptor of sled's file: fsync is by inode, and sled's lock is by descriptor.
    file: Arc<File>,
}

impl Batch {
    /// Sets a value.
    pub fn put(&mut self, table: u8, key: &[u8], value: &[u8]) {
        self.changes.push((keyed(table, key), Some(value.to_vec())));
    }

    /// Removes a value.
    pub fn remove(&mut self, table: u8, key: &[u8]) {
        self.changes.push((keyed(table, key), None));
    }

    /// Values set by this batch so far under a prefix.
    pub fn pending<'a>(&'a self, table: u8, prefix: &[u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let start = keyed(table, prefix);
        self.changes.iter().filter_map(move |(key, value)| {
            let value = value.as_ref().filter(|_| key.starts_with(&start))?;
            Some((key.get(1..)?, value.as_slice()))
        })
    }
}

impl Engine {
    /// Opens or creates the engine in `path`, mending what can be mended.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<(Engine, Health), EngineError> {
        fs::create_dir_all(path).map_err(|error| folder(path, &error))?;
        // A snapshot that a crash left unfinished makes every later open fail; it only ever made opening faster.
        drop_snapshots(path, |name| name.ends_with(".generating"))?;
        let first = match Engine::try_open(path, cache_bytes) {
            Ok(engine) => return Ok((engine, Health::Sound)),
            Err(error) => error,
        };
        if is_busy(&first) {
            return Err(first);
        }
        drop_snapshots(path, |_| true)?;
        if let Ok(engine) = Engine::try_open(path, cache_bytes) {
            return Ok((engine, Health::SnapshotsDropped));
        }
        let aside = move_aside(path)?;
        let engine = Engine::try_open(path, cache_bytes)?;
        Ok((engine, Health::SetAside { path: aside, reason: first.to_string() }))
    }

    /// Sets a damaged folder aside and opens an empty one. Every clone of the old engine must be gone.
    pub fn set_aside(self) -> Result<(Engine, PathBuf), EngineError> {
        let (path, cache_bytes) = (self.path.clone(), self.cache_bytes);
        drop(self);
        let aside = move_aside(&path)?;
        Ok((Engine::try_open(&path, cache_bytes)?, aside))
    }

    /// One value.
    pub fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.guard(|db| db.get(keyed(table, key))).map(|value| value.map(|bytes| bytes.to_vec()))
    }

    /// Rows with keys in `[from, until)`, at most `limit`, in order.
    pub fn scan(&self, table: u8, from: &[u8], until: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, EngineError> {
        let end = until.map_or_else(|| vec![table + 1], |until| keyed(table, until));
        self.guard(|db| db.range(keyed(table, from)..end).take(limit).map(row).collect())
    }

    /// Rows with keys below `below`, at most `limit`, last first.
    pub fn scan_back(&self, table: u8, below: Option<&[u8]>, limit: usize) -> Result<Vec<Row>, EngineError> {
        let end = below.map_or_else(|| vec![table + 1], |below| keyed(table, below));
        self.guard(|db| db.range(vec![table]..end).rev().take(limit).map(row).collect())
    }

    /// Rows whose keys begin with `prefix`, at most `limit`, in order; their keys are whole.
    pub fn scan_prefix(&self, table: u8, prefix: &[u8], limit: usize) -> Result<Vec<Row>, EngineError> {
        self.guard(|db| db.scan_prefix(keyed(table, prefix)).take(limit).map(row).collect())
    }

    /// Makes a batch visible, all or nothing. It is durable after the next [`Engine::flush`].
    pub fn apply(&self, batch: Batch) -> Result<(), EngineError> {
        let mut changes = sled::Batch::default();
        for (key, value) in batch.changes {
            match value {
                Some(value) => changes.insert(key, value),
                None => changes.remove(key),
            }
        }
        self.guard(|db| db.apply_batch(changes))
    }

    /// Makes everything applied durable.
    pub fn flush(&self) -> Result<(), EngineError> {
        self.guard(|db| db.flush())?;
        self.file.sync_data().map_err(|error| folder(&self.path, &error))
    }

    /// Reads every page once.
    pub fn check(&self) -> Result<(), EngineError> {
        self.guard(|db| db.iter().try_for_each(|row| row.map(drop)))
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        self.db.size_on_disk().unwrap_or(0)
    }

    fn try_open(path: &Path, cache_bytes: u64) -> Result<Engine, EngineError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(cache_bytes)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let db = quietly(path, || {
            let db = config.open()?;
            // Damage often shows only when a page is read: touch both ends before anyone relies on it.
            db.first()?;
            db.last()?;
            Ok(db)
        })?;
        let file = File::open(path.join("db")).map_err(|error| folder(path, &error))?;
        Ok(Engine { path: path.to_owned(), cache_bytes, db, file: Arc::new(file) })
    }

    fn guard<T>(&self, work: impl FnOnce(&sled::Db) -> sled::Result<T>) -> Result<T, EngineError> {
        quietly(&self.path, || work(&self.db))
    }
}

/// sled panics on some kinds of damage where others are errors; both end here.
fn quietly<T>(path: &Path, work: impl FnOnce() -> sled::Result<T>) -> Result<T, EngineError> {
    let failed = |what: String| EngineError::Sled { path: path.to_owned(), what };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| failed(error.to_string())),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Err(failed(words.unwrap_or_else(|| "panicked".to_owned())))
        }
    }
}

fn is_busy(error: &EngineError) -> bool {
    matches!(error, EngineError::Sled { what, .. } if what.contains("could not acquire lock") || what.contains("No space left"))
}

fn keyed(table: u8, key: &[u8]) -> Vec<u8> {
    [&[table], key].concat()
}

/// Keys come back without their table.
fn row(found: sled::Result<(sled::IVec, sled::IVec)>) -> sled::Result<Row> {
    // Copied out: a sled value pins the page it came from.
    found.map(|(key, value)| (key.get(1..).unwrap_or_default().to_vec(), value.to_vec()))
}

fn drop_snapshots(path: &Path, which: impl Fn(&str) -> bool) -> Result<(), EngineError> {
    for item in fs::read_dir(path).map_err(|error| folder(path, &error))? {
        let item = item.map_err(|error| folder(path, &error))?;
        let name = item.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && which(&name) {
            fs::remove_file(item.path()).map_err(|error| folder(path, &error))?;
        }
    }
    Ok(())
}

fn move_aside(path: &Path) -> Result<PathBuf, EngineError> {
    let aside = path.with_extension("damaged");
    // Only the last one is kept: it is for whoever wants to look, and a failing disk must not be filled with them.
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(|error| folder(&aside, &error))?;
    }
    fs::rename(path, &aside).map_err(|error| folder(path, &error))?;
    fs::create_dir_all(path).map_err(|error| folder(path, &error))?;
    Ok(aside)
}

fn folder(path: &Path, error: &std::io::Error) -> EngineError {
    EngineError::Folder { path: path.to_owned(), what: error.to_string() }
}
