//! The secret keys of one data folder: one file each, readable by its owner alone.
//!
//! `keys/peer.pem` carries, and never authorises; `keys/desk.pem` publishes; `keys/identity.pem` is for weighty acts, and
//! `keys/successor.pem` is the one that may follow it and belongs somewhere else. A replica has a peer key only. The three that
//! sign are encrypted with a passphrase; the peer key is plain, because a bootstrap peer starts again with nobody at hand.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::key::{PublicKey, SecretKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::fence::write_durably;
use crate::key_file::{self, KeyFile, KeyFileError, SALT_BYTES};
use crate::passphrase::{Passphrase, PassphraseError, Passphrases, TRIES_MAX};

/// Bytes of a key file that are read: ours have 400, and the largest of other kinds that one might put there by mistake 4,000.
const FILE_BYTES_MAX: u64 = 16 * 1024;

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyName {
    /// Names this node to its peers.
    Peer,
    /// Publishes.
    Desk,
    /// Delegates desks and signs charters.
    Identity,
    /// May succeed the identity key.
    Successor,
    /// May succeed the successor, once that has taken over: there from the begin of a rotation to its end.
    Next,
    /// A desk key that is being delegated.
    NextDesk,
}

/// Those that sign, and are encrypted.
pub const SIGNING: [KeyName; 5] =
    [KeyName::Desk, KeyName::Identity, KeyName::Successor, KeyName::Next, KeyName::NextDesk];

/// Why a key cannot be had or kept.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system refused.
    #[error("{path}: {source}; this user must be able to read and write there, and the disk must have room")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is one already.
    #[error("{0} exists already and is not overwritten; choose another folder with --data")]
    Exists(PathBuf),
    /// Not a key, or not to be opened.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: KeyFileError,
    },
    /// Neither passphrase of a change opens it.
    #[error(
        "{0} opens with neither passphrase, and nothing was changed. If an earlier change was interrupted, give the passphrase \
         from before it first, and then the one you were changing to"
    )]
    Neither(PathBuf),
    /// No passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// Two at once would leave half of each.
    #[error("another comity is changing the keys in {0}; wait until it is done")]
    Busy(PathBuf),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}; a key cannot be made on this machine")]
    Random(getrandom::Error),
}

/// A key that is kept here, decrypted when it is first asked for, and never twice.
#[derive(Debug)]
pub struct StoredKey {
    path: PathBuf,
    file: KeyFile,
    opened: Option<SecretKey>,
}

/// The keys of a folder that sign, each looked for and opened when it is first needed.
#[derive(Debug)]
pub struct Secrets<'p> {
    data: PathBuf,
    passphrases: &'p mut Passphrases,
    found: BTreeMap<KeyName, Option<StoredKey>>,
}

/// What became of a key when the passphrase was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was plain.
    Encrypted,
    /// It had the other passphrase.
    Changed,
    /// It has the new passphrase already: an earlier change was interrupted.
    Already,
}

impl KeyName {
    fn file(self) -> &'static str {
        match self {
            KeyName::Peer => "peer.pem",
            KeyName::Desk => "desk.pem",
            KeyName::Identity => "identity.pem",
            KeyName::Successor => "successor.pem",
            KeyName::Next => "next.pem",
            KeyName::NextDesk => "desk-next.pem",
        }
    }

    /// Where it is below a data folder.
    pub fn path(self, data: &Path) -> PathBuf {
        data.join("keys").join(self.file())
    }
}

impl StoredKey {
    /// The public half, where it is known without a passphrase.
    pub fn public(&self) -> Option<PublicKey> {
        self.opened.as_ref().map(SecretKey::public).or_else(|| self.file.public())
    }

    /// Whether it takes a passphrase.
    pub fn is_encrypted(&self) -> bool {
        self.file.plain().is_none()
    }

    /// The key itself, after asking for its passphrase where it has one. A person may mistype it.
    pub fn open(&mut self, passphrases: &mut Passphrases) -> Result<SecretKey, KeyError> {
        if let Some(key) = self.opened.as_ref().or(self.file.plain()) {
            return Ok(key.clone());
        }
        let mut tries = 0;
        loop {
            let passphrase = passphrases.of(&self.path)?;
            tries += 1;
            match self.file.open(&passphrase) {
                Ok(key) => return Ok(self.opened.insert(key).clone()),
                Err(KeyFileError::WrongPassphrase) if passphrases.forget() && tries < TRIES_MAX => {}
                Err(error) => return Err(KeyError::Key { path: self.path.clone(), error }),
            }
        }
    }
}

impl<'p> Secrets<'p> {
    /// Those of a folder, with what is asked for their passphrases.
    pub fn of(data: &Path, passphrases: &'p mut Passphrases) -> Secrets<'p> {
        Secrets { data: data.to_owned(), passphrases, found: BTreeMap::new() }
    }

    /// The public half of a key that is here, where it is known without a passphrase.
    pub fn public(&mut self, name: KeyName) -> Result<Option<PublicKey>, KeyError> {
        Ok(self.stored(name)?.as_ref().and_then(StoredKey::public))
    }

    /// A key, `None` where this folder has none of that name.
    pub fn open(&mut self, name: KeyName) -> Result<Option<SecretKey>, KeyError> {
        self.stored(name)?;
        let stored = self.found.get_mut(&name).and_then(Option::as_mut);
        stored.map(|stored| stored.open(self.passphrases)).transpose()
    }

    fn stored(&mut self, name: KeyName) -> Result<&Option<StoredKey>, KeyError> {
        Ok(match self.found.entry(name) {
            Entry::Occupied(found) => found.into_mut(),
            Entry::Vacant(place) => place.insert(find(&self.data, name)?),
        })
    }
}

/// Makes a key and keeps it, encrypted if there is a passphrase, readable by its owner alone. An existing one is never overwritten.
pub fn create(data: &Path, name: KeyName, passphrase: Option<&Passphrase>) -> Result<SecretKey, KeyError> {
    let path = name.path(data);
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.clone()),
        _ => KeyError::Io { path: path.clone(), source },
    };
    let key = SecretKey::from_seed(&Zeroizing::new(random()?));
    let text = match passphrase {
        Some(passphrase) => encrypted(&path, &key, passphrase)?,
        None => key_file::plain(&key),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(data.join("keys")).map_err(io)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
    io::Write::write_all(&mut file, text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::File::open(data.join("keys")).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(key)
}

/// Makes a key that is encrypted like another of the folder, or opens the one that an interrupted attempt has left.
pub fn create_like(
    data: &Path,
    name: KeyName,
    like: KeyName,
    passphrases: &mut Passphrases,
) -> Result<SecretKey, KeyError> {
    if let Some(mut stored) = find(data, name)? {
        return stored.open(passphrases);
    }
    let encrypted = find(data, like)?.is_some_and(|stored| stored.is_encrypted());
    let passphrase = encrypted.then(|| passphrases.of(&like.path(data))).transpose()?;
    create(data, name, passphrase.as_ref())
}

/// Puts the key `new` in the place of `old`, which is kept under the first digits of its public half.
pub fn replace(data: &Path, old: KeyName, new: KeyName) -> Result<(), KeyError> {
    let (from, to) = (new.path(data), old.path(data));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::Io { path, source }
    };
    if let Some(public) = find(data, old)?.and_then(|stored| stored.public()) {
        let kept = to.with_file_name(format!("{}-{}", &public.to_string()[..8], old.file()));
        fs::rename(&to, &kept).map_err(failed(&kept))?;
    }
    fs::rename(&from, &to).map_err(failed(&from))?;
    File::open(data.join("keys")).and_then(|dir| dir.sync_all()).map_err(failed(&to))
}

/// Finds a key without opening it, `None` where this folder has none of that name.
pub fn find(data: &Path, name: KeyName) -> Result<Option<StoredKey>, KeyError> {
    let path = name.path(data);
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    let read = File::open(&path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
    let parsed = match read {
        Ok(_) => KeyFile::parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(KeyFileError::NotPem),
        Err(source) => return Err(KeyError::Io { path, source }),
    };
    match parsed {
        Ok(file) => Ok(Some(StoredKey { path, file, opened: None })),
        Err(error) => Err(KeyError::Key { path, error }),
    }
}

/// Encrypts every key that signs with a new passphrase. Nothing is written before all of them are known to open, and then one after
/// the other, so that a crash leaves each with either passphrase; the same again, with the same two, changes the rest.
pub fn change(data: &Path, old: Option<&Passphrase>, new: &Passphrase) -> Result<Vec<(KeyName, Change)>, KeyError> {
    let folder = data.join("keys");
    let busy = |error: TryLockError| match error {
        TryLockError::WouldBlock => KeyError::Busy(folder.clone()),
        TryLockError::Error(source) => KeyError::Io { path: folder.clone(), source },
    };
    let lock = File::open(&folder).map_err(|source| KeyError::Io { path: folder.clone(), source })?;
    lock.try_lock().map_err(busy)?;
    let (mut changes, mut texts) = (Vec::new(), Vec::new());
    for name in SIGNING {
        let Some(stored) = find(data, name)? else { continue };
        let (key, change) = match opened_with(&stored, old, new)? {
            (Some(key), change) => (key, change),
            (None, change) => {
                changes.push((name, change));
                continue;
            }
        };
        texts.push((stored.path.clone(), encrypted(&stored.path, &key, new)?));
        changes.push((name, change));
    }
    for (path, text) in texts {
        // From here this key has the new passphrase, and no other.
        write_durably(&path, text.as_bytes(), 0o600).map_err(|source| KeyError::Io { path, source })?;
    }
    Ok(changes)
}

/// The key that is still to be written, and what that will have been; none where it has the new passphrase.
fn opened_with(
    stored: &StoredKey,
    old: Option<&Passphrase>,
    new: &Passphrase,
) -> Result<(Option<SecretKey>, Change), KeyError> {
    if let Some(key) = stored.file.plain() {
        return Ok((Some(key.clone()), Change::Encrypted));
    }
    let failed = |error: KeyFileError| KeyError::Key { path: stored.path.clone(), error };
    if let Some(old) = old {
        match stored.file.open(old) {
            Ok(key) => return Ok((Some(key), Change::Changed)),
            Err(KeyFileError::WrongPassphrase) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    match stored.file.open(new) {
        Ok(_) => Ok((None, Change::Already)),
        Err(KeyFileError::WrongPassphrase) => Err(KeyError::Neither(stored.path.clone())),
        Err(error) => Err(failed(error)),
    }
}

fn encrypted(path: &Path, key: &SecretKey, passphrase: &Passphrase) -> Result<Zeroizing<String>, KeyError> {
    let (salt, vector) = (random::<SALT_BYTES>()?, random::<SALT_BYTES>()?);
    let text = key_file::encrypt(key, passphrase, &salt, vector);
    text.map_err(|error| KeyError::Key { path: path.to_owned(), error })
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}
