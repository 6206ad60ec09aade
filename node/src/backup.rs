//! A backup: one file with everything of a data folder that cannot be made again, which is segments, charter,
//! configuration and keys. Never the marks of the fence, sled or the search index.
//!
//! The file is a plain tar, because whoever keeps a parliament's backups should be able to look into one, and to save what is in
//! it, with nothing of ours: `tar -xf FILE`, then `sha256sum -c SHA256SUMS`. Its first member, `comity-backup`, says in words
//! what it is; its last, `SHA256SUMS`, names every other with its digest, so that a file that was cut off is none.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::config::{ConfigError, Folder};
use crate::fence::FenceError;
use crate::frame;
use crate::key_file::KeyFile;
use crate::segments::{self, PAYLOAD_BYTES_MAX, SEGMENT_BYTES_MAX, SegmentError};

/// The first line of the first member.
pub(crate) const FORMAT: &str = "comity-backup/v1";
/// The first member: what the file is, in words.
pub(crate) const ABOUT: &str = "comity-backup";
/// The last member: digests, as `sha256sum` writes them.
pub(crate) const SUMS: &str = "SHA256SUMS";
/// The member that makes a folder one: it is put in place last.
pub(crate) const CONFIG: &str = "comity.toml";

/// Bytes of the words about a backup.
pub(crate) const ABOUT_BYTES_MAX: u64 = 4096;
/// Bytes of a config or charter: 256 KiB is the largest charter.
const TEXT_BYTES_MAX: u64 = 512 * 1024;
/// Bytes of a key's file; a PEM with an encrypted key has less than one KiB.
const KEY_BYTES_MAX: u64 = 64 * 1024;
/// The mark beside an identity key: what it signed last. Without it a restored key could sign the same entries otherwise.
const SIGNING_MARK: &str = "keys/identity.mark";
/// Bytes of that: a draft of 256 KiB and what was signed with it in base64, and all of it in words.
const SIGNING_MARK_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Bytes of one segment.
const PART_BYTES_MAX: u64 = SEGMENT_BYTES_MAX + PAYLOAD_BYTES_MAX as u64;
/// Bytes of the digests: of 40,000 segments, which are two terabytes.
const SUMS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why there is no backup, or nothing was restored. Nothing was left half done.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The folder is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The segments cannot be read.
    #[error(transparent)]
    Segments(#[from] SegmentError),
    /// The doubt cannot be noted.
    #[error(transparent)]
    Fence(#[from] FenceError),
    /// The system refused.
    #[error("{path}: {source}{}", hint(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is a file already.
    #[error("{0} exists already and is not overwritten; name another file with --out")]
    Exists(PathBuf),
    /// Something else is where it belongs.
    #[error("{0} is not empty; nothing was restored. Name a new folder with --data")]
    NotEmpty(PathBuf),
    /// A foreign file.
    #[error("{0} is no backup of `comity backup`; nothing was restored")]
    NotABackup(PathBuf),
    /// It ends too early.
    #[error("{0} is not whole: it ends before its list of digests; nothing was restored. Take an earlier backup")]
    CutOff(PathBuf),
    /// What is in it is not what was put in.
    #[error("{path} was altered or damaged: {what}; nothing was restored. Take another backup")]
    Altered {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// A secret key in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its file, `desk.pem`.
    pub name: String,
    /// Whether a passphrase protects it, by the label of its PEM.
    pub is_encrypted: bool,
}

/// What a backup holds.
#[derive(Clone, Debug)]
pub struct Contents {
    /// When it was made, in words.
    pub made: String,
    /// The secret keys.
    pub keys: Vec<Key>,
    /// Segments.
    pub segments: u64,
    /// Bytes of everything in it.
    pub bytes: u64,
}

/// Writes a backup of a folder, also beside a running node: segments grow, and what is copied of the last one ends with a whole
/// record; a body that is overwritten just then is put right when the copy is opened ([`segments::parts`]). `out` appears when it
/// is whole and durable, readable by its owner alone.
pub fn make(folder: &Folder, out: &Path) -> Result<Contents, BackupError> {
    if !folder.config_file().exists() {
        return Err(ConfigError::NotInitialised(folder.path().to_owned()).into());
    }
    if out.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(out.to_owned()));
    }
    let dir = parent(out);
    // Made by and for its owner alone, and gone again if anything fails.
    let beside = tempfile::Builder::new().prefix(".comity-backup-").tempfile_in(dir).map_err(failed(dir))?;
    let contents = write(folder, out, beside.as_file())?;
    beside.as_file().sync_all().map_err(failed(out))?;
    beside.persist_noclobber(out).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(out.to_owned()),
        _ => failed(out)(error.error),
    })?;
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed(dir))?;
    Ok(contents)
}

fn write(folder: &Folder, out: &Path, file: &File) -> Result<Contents, BackupError> {
    let made = jiff::Timestamp::now();
    let mut writer = Writer {
        out,
        tar: Builder::new(BufWriter::new(file)),
        made_s: u64::try_from(made.as_second()).unwrap_or_default(),
        sums: String::new(),
        bytes: 0,
    };
    let made = made.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let member = folder.config().ok().and_then(|config| config.member);
    let whose = member.map_or_else(|| "a replica".to_owned(), |member| format!("{}, {}", member.code, member.name));
    let about = format!(
        "{FORMAT}\nmade {made}\nof {whose}\n\nThis file holds secret keys. Put it into a folder with `comity restore`, \
         never by hand: the node must know that it is restored.\n"
    );
    writer.add(ABOUT, about.as_bytes(), about.len() as u64)?;
    for (name, path) in [(CONFIG, folder.config_file()), ("charter", folder.charter_file())] {
        if path.exists() {
            let text = fs::read(&path).map_err(failed(&path))?;
            writer.add(name, text.as_slice(), text.len() as u64)?;
        }
    }
    let mut keys = Vec::new();
    for path in key_files(folder)? {
        let pem = Zeroizing::new(fs::read(&path).map_err(failed(&path))?);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        writer.add(&format!("keys/{name}"), pem.as_slice(), pem.len() as u64)?;
        keys.extend(key(name, &pem));
    }
    let parts = segments::parts(&folder.store().join("segments"), frame::is_boundary)?;
    for part in &parts {
        let file = File::open(&part.path).map_err(failed(&part.path))?;
        writer.add(&format!("store/segments/{}", part.name), file.take(part.bytes), part.bytes)?;
    }
    let bytes = writer.bytes;
    writer.finish()?;
    Ok(Contents { made, keys, segments: parts.len() as u64, bytes })
}

fn key_files(folder: &Folder) -> Result<Vec<PathBuf>, BackupError> {
    let dir = folder.path().join("keys");
    let listing = match fs::read_dir(&dir) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(failed(&dir)(source)),
    };
    let mut files = Vec::new();
    for item in listing {
        let path = item.map_err(failed(&dir))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_file() && limit(&format!("keys/{name}")).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// What there is to say of a file among the keys, as it begins; `None`: it is no key.
pub(crate) fn key(name: String, pem: &[u8]) -> Option<Key> {
    name.ends_with(".pem").then(|| Key { name, is_encrypted: is_encrypted(pem) })
}

/// Whether a key's file takes a passphrase. What cannot be read counts as a secret that anyone can use.
fn is_encrypted(pem: &[u8]) -> bool {
    let file = std::str::from_utf8(pem).ok().and_then(|text| KeyFile::parse(text).ok());
    file.is_some_and(|file| file.plain().is_none())
}

/// A backup that is being written.
struct Writer<'a> {
    out: &'a Path,
    tar: Builder<BufWriter<&'a File>>,
    made_s: u64,
    sums: String,
    bytes: u64,
}

impl Writer<'_> {
    fn add(&mut self, name: &str, reader: impl Read, bytes: u64) -> Result<(), BackupError> {
        let mut hashing = Hashing::new(reader);
        self.append(name, &mut hashing, bytes)?;
        if hashing.bytes != bytes {
            let short = io::Error::new(io::ErrorKind::UnexpectedEof, "a file became shorter while it was copied");
            return Err(failed(Path::new(name))(short));
        }
        self.sums.push_str(&format!("{}  {name}\n", hashing.digest()));
        self.bytes += bytes;
        Ok(())
    }

    fn append(&mut self, name: &str, reader: impl Read, bytes: u64) -> Result<(), BackupError> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o600);
        header.set_mtime(self.made_s);
        header.set_size(bytes);
        self.tar.append_data(&mut header, name, reader).map_err(failed(self.out))
    }

    fn finish(mut self) -> Result<(), BackupError> {
        let sums = std::mem::take(&mut self.sums);
        self.append(SUMS, sums.as_bytes(), sums.len() as u64)?;
        let flushed = self.tar.into_inner().and_then(|mut file| file.flush());
        flushed.map_err(failed(self.out))
    }
}

/// Bytes that a member of a backup may have; `None`: no backup has one of that name.
pub(crate) fn limit(name: &str) -> Option<u64> {
    let is_key = |name: &str| {
        let stem = name.strip_suffix(".pem").unwrap_or_default();
        !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    match name {
        ABOUT => Some(ABOUT_BYTES_MAX),
        CONFIG | "charter" => Some(TEXT_BYTES_MAX),
        SUMS => Some(SUMS_BYTES_MAX),
        SIGNING_MARK => Some(SIGNING_MARK_BYTES_MAX),
        _ if name.strip_prefix("keys/").is_some_and(is_key) => Some(KEY_BYTES_MAX),
        _ if name.strip_prefix("store/segments/").is_some_and(segments::is_name) => Some(PART_BYTES_MAX),
        _ => None,
    }
}

/// A reader that hashes what it gives.
pub(crate) struct Hashing<R> {
    inner: R,
    hasher: Sha256,
    /// Bytes that it gave.
    pub(crate) bytes: u64,
}

impl<R> Hashing<R> {
    pub(crate) fn new(inner: R) -> Hashing<R> {
        Hashing { inner, hasher: Sha256::new(), bytes: 0 }
    }

    /// The digest of what it gave, as `sha256sum` prints it.
    pub(crate) fn digest(self) -> String {
        hex(&self.hasher.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        self.bytes += got as u64;
        Ok(got)
    }
}

fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; free some space on that disk, and try again",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make it readable and writable for this user, or name another place"
        }
        _ => "",
    }
}

pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn failed(path: &Path) -> impl Fn(io::Error) -> BackupError + '_ {
    move |source| BackupError::Io { path: path.to_owned(), source }
}
