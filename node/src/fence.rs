//! The fence: marks outside the data folder that say how far each own log was written, so that an old copy of the folder can
//! never write an index twice.
//!
//! One small JSON file per own log, in a folder that no backup of the data folder contains. It is advanced after the segment
//! fsync and before anything is spoken; so a store ahead of its mark is an ordinary crash, and a mark ahead of its store means
//! that the folder is older than what others may have seen. Device and inode of the data folder tell a copy from the original.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use proto::digest::Digest;
use proto::key::PublicKey;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far one own log is known to have been written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    log: String,
    size: u64,
    root: String,
    /// The largest size ever sent or exported.
    spoken: u64,
    device: u64,
    inode: u64,
}

/// File in the data folder that says why own logs are in doubt, until they no longer are: what arose once outlives a start.
const DOUBT: &str = "recovering";
/// Bytes of that file that are read: a few sentences.
const DOUBT_BYTES_MAX: u64 = 4096;

/// The marks of one data folder.
#[derive(Debug)]
pub struct Fence {
    dir: PathBuf,
    data: PathBuf,
    device: u64,
    inode: u64,
}

/// What a mark says about the log in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They agree.
    Sound,
    /// The store is ahead: a crash between the two. Advance the mark.
    Advance,
    /// The log may have been written further than this folder shows. Nothing of it may be written.
    Recovering(Doubt),
}

/// Why an own log may not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// There is no mark.
    NoMark,
    /// The mark is ahead of the store, which holds so many entries.
    MarkAhead {
        /// Entries by the mark.
        mark: u64,
        /// Entries in the store.
        held: u64,
    },
    /// The mark's root is not the store's at that size.
    OtherRoot,
    /// The folder is not the one the mark was made for: a copy, or restored.
    OtherFolder,
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Doubt::NoMark => write!(f, "its mark outside the data folder is missing"),
            Doubt::MarkAhead { mark, held } => {
                write!(f, "its mark says {mark} entries were written, and this folder held {held}")
            }
            Doubt::OtherRoot => write!(f, "its mark names another root than this folder holds"),
            Doubt::OtherFolder => {
                write!(f, "this data folder is a copy of, or was restored in place of, the one its mark was made for")
            }
        }
    }
}

/// Why a mark cannot be read or written. Nothing may be spoken.
#[derive(Debug, Error)]
#[error("the mark {path}: {what}; make that folder readable and writable, and start again")]
pub struct FenceError {
    path: PathBuf,
    what: String,
}

impl Mark {
    fn unmet(&self, size: u64, root_at: impl Fn(u64) -> Option<Digest>) -> Option<Doubt> {
        let mark = self.size.max(self.spoken);
        if mark > size {
            return Some(Doubt::MarkAhead { mark, held: size });
        }
        let is_root = root_at(self.size).is_some_and(|root| root.to_string() == self.root);
        (!is_root).then_some(Doubt::OtherRoot)
    }
}

impl Fence {
    /// The marks in `dir` for the data folder `data`.
    pub fn open(dir: &Path, data: &Path) -> Result<Fence, FenceError> {
        fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        let meta = fs::metadata(data).map_err(|error| failed(data, &error))?;
        Ok(Fence { dir: dir.to_owned(), data: data.to_owned(), device: meta.dev(), inode: meta.ino() })
    }

    /// Writes the mark of a new log at 0; an existing mark is left alone.
    pub fn create(&self, log: &PublicKey) -> Result<(), FenceError> {
        match self.read(log)? {
            Some(_) => Ok(()),
            None => self.write(log, 0, &proto::tree::empty_root(), 0),
        }
    }

    /// Compares a mark with the log in the store. `root_at` gives the store's root at a size it holds.
    pub fn judge(
        &self,
        log: &PublicKey,
        size: u64,
        root_at: impl Fn(u64) -> Option<Digest>,
    ) -> Result<Verdict, FenceError> {
        let Some(mark) = self.read(log)? else { return Ok(Verdict::Recovering(Doubt::NoMark)) };
        if (mark.device, mark.inode) != (self.device, self.inode) {
            return Ok(Verdict::Recovering(Doubt::OtherFolder));
        }
        Ok(match mark.unmet(size, root_at) {
            Some(doubt) => Verdict::Recovering(doubt),
            None if mark.size == size => Verdict::Sound,
            None => Verdict::Advance,
        })
    }

    /// What the mark of a recovering log still asks for: its size, and its root there. Without a mark there is nothing to reach,
    /// and which folder it was made for no longer matters.
    pub fn unmet(
        &self,
        log: &PublicKey,
        size: u64,
        root_at: impl Fn(u64) -> Option<Digest>,
    ) -> Result<Option<Doubt>, FenceError> {
        Ok(self.read(log)?.and_then(|mark| mark.unmet(size, root_at)))
    }

    /// Advances a mark, durably: what it covers may be spoken from now on.
    pub fn advance(&self, log: &PublicKey, size: u64, root: &Digest) -> Result<(), FenceError> {
        self.write(log, size, root, size)
    }

    /// The doubt that was noted in the data folder, in words.
    pub fn doubt(&self) -> Result<Option<String>, FenceError> {
        let path = self.data.join(DOUBT);
        let mut words = String::new();
        match File::open(&path).and_then(|file| file.take(DOUBT_BYTES_MAX).read_to_string(&mut words)) {
            Ok(_) => Ok(Some(words.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&path, &error)),
        }
    }

    /// Notes a doubt in the data folder, durably. An earlier one stays.
    pub fn note_doubt(&self, words: &str) -> Result<(), FenceError> {
        if self.doubt()?.is_some() { Ok(()) } else { note_doubt(&self.data, words) }
    }

    /// Own logs are no longer in doubt.
    pub fn forget_doubt(&self) -> Result<(), FenceError> {
        let path = self.data.join(DOUBT);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(&path, &error)),
            _ => Ok(()), // a power cut may bring it back: then it is looked into once more
        }
    }

    fn read(&self, log: &PublicKey) -> Result<Option<Mark>, FenceError> {
        let path = self.path(log);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path, &error)),
        };
        // A mark that cannot be understood protects no less than one that is missing.
        Ok(serde_json::from_str(&text).ok().filter(|mark: &Mark| mark.log == log.to_string()))
    }

    /// Written beside, fsynced, renamed, and the folder fsynced: a crash leaves the old mark or the new one.
    fn write(&self, log: &PublicKey, size: u64, root: &Digest, spoken: u64) -> Result<(), FenceError> {
        let (device, inode) = (self.device, self.inode);
        let mark = Mark { log: log.to_string(), size, root: root.to_string(), spoken, device, inode };
        let path = self.path(log);
        let text = serde_json::to_string(&mark).map_err(|error| failed(&path, &error.into()))?;
        write_durably(&path, text.as_bytes(), 0o644).map_err(|error| failed(&path, &error))
    }

    fn path(&self, log: &PublicKey) -> PathBuf {
        self.dir.join(format!("{log}.json"))
    }
}

/// Notes in a data folder that its own logs are in doubt, and why.
pub fn note_doubt(data: &Path, words: &str) -> Result<(), FenceError> {
    let path = data.join(DOUBT);
    write_durably(&path, words.as_bytes(), 0o644).map_err(|error| failed(&path, &error))
}

/// Replaces a file so that a crash leaves the old one or the new one, whole.
pub fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let beside = path.with_extension("new");
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    match path.parent() {
        // A name alone is in the folder where one is.
        Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(path: &Path, error: &io::Error) -> FenceError {
    FenceError { path: path.to_owned(), what: error.to_string() }
}
