//! The data folder as a place on a disk: its lock, its free space, and the reserve that lets a node on a full disk start.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Bytes kept aside: sled cannot even be opened on a disk without free space. Given up when nothing else is left.
const RESERVE_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of free space below which nothing new is taken: one segment, and what sled writes for it.
pub const FREE_BYTES_MIN: u64 = 2 * RESERVE_BYTES;

/// Why the folder cannot be used.
#[derive(Debug, Error)]
pub enum DiskError {
    /// Another process holds it.
    #[error("another comity is running on {0}; use that one, or stop it first")]
    Locked(PathBuf),
    /// The system refused.
    #[error("{path}: {source}; make the folder writable, or name another one with --data")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No space even without the reserve.
    #[error("{path} has {free} bytes free, {FREE_BYTES_MIN} are needed to start; free some space on that disk")]
    Full {
        /// The folder.
        path: PathBuf,
        /// Bytes free.
        free: u64,
    },
}

/// The lock on a data folder, held for as long as this lives.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Locks the folder and sees to its reserve.
    pub fn lock(path: &Path) -> Result<DataFolder, DiskError> {
        let at = path.join("lock");
        let failed = |source| DiskError::Io { path: at.clone(), source };
        let lock = OpenOptions::new().create(true).write(true).truncate(false).open(&at).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let folder = DataFolder { path: path.to_owned(), _lock: lock };
        folder.see_to_reserve()?;
        Ok(folder)
    }

    /// Bytes free for us on the folder's disk.
    pub fn free(&self) -> Result<u64, DiskError> {
        free(&self.path)
    }

    fn see_to_reserve(&self) -> Result<(), DiskError> {
        let reserve = self.path.join("reserve");
        let failed = |source| DiskError::Io { path: reserve.clone(), source };
        let free = self.free()?;
        let held = fs::metadata(&reserve).map_or(0, |meta| meta.len());
        if held == 0 && free > FREE_BYTES_MIN + RESERVE_BYTES {
            // Real bytes, not a hole: a hole keeps nothing.
            let mut file = File::create(&reserve).map_err(failed)?;
            let block = vec![0; 1024 * 1024];
            for _ in 0..RESERVE_BYTES / block.len() as u64 {
                file.write_all(&block).map_err(failed)?;
            }
            return Ok(());
        }
        if free < FREE_BYTES_MIN && held > 0 {
            fs::remove_file(&reserve).map_err(failed)?;
        }
        let free = self.free()?;
        // With the reserve given up a node can at least be read and show what is wrong.
        if free < RESERVE_BYTES / 2 { Err(DiskError::Full { path: self.path.clone(), free }) } else { Ok(()) }
    }
}

/// Whether a process holds the folder.
pub fn is_in_use(path: &Path) -> bool {
    let lock = File::open(path.join("lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Bytes free on the disk of `path`.
pub fn free(path: &Path) -> Result<u64, DiskError> {
    let stat =
        rustix::fs::statvfs(path).map_err(|error| DiskError::Io { path: path.to_owned(), source: error.into() })?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
