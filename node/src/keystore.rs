//! The secret keys of one data folder: PKCS#8 PEM, readable by their owner alone.
//!
//! `keys/peer.pem` carries, and never authorises; `keys/desk.pem` publishes; `keys/identity.pem` is for weighty acts, and
//! `keys/successor.pem` is the one that may follow it and belongs somewhere else. A replica has a peer key only.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use proto::key::SecretKey;
use thiserror::Error;
use zeroize::Zeroizing;

/// One of the four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyName {
    /// The libp2p key of this node.
    Peer,
    /// Publishes.
    Desk,
    /// Delegates desks and signs charters.
    Identity,
    /// May succeed the identity key.
    Successor,
}

/// Why a key cannot be had or kept.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is one already.
    #[error("{0} exists already and is not overwritten; choose another folder with --data")]
    Exists(PathBuf),
    /// Not a key.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        error: proto::key::KeyError,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}; a key cannot be made on this machine")]
    Random(getrandom::Error),
}

impl KeyName {
    fn file(self) -> &'static str {
        match self {
            KeyName::Peer => "peer.pem",
            KeyName::Desk => "desk.pem",
            KeyName::Identity => "identity.pem",
            KeyName::Successor => "successor.pem",
        }
    }

    /// Where it is below a data folder.
    pub fn path(self, data: &Path) -> PathBuf {
        data.join("keys").join(self.file())
    }
}

/// Makes a key and keeps it, readable by its owner alone. An existing one is never overwritten.
pub fn create(data: &Path, name: KeyName) -> Result<SecretKey, KeyError> {
    let path = name.path(data);
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists(path.clone()),
        _ => KeyError::Io { path: path.clone(), source },
    };
    let key = SecretKey::from_seed(&random()?);
    DirBuilder::new().recursive(true).mode(0o700).create(data.join("keys")).map_err(io)?;
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
    io::Write::write_all(&mut file, key.to_pem().as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    fs::File::open(data.join("keys")).and_then(|dir| dir.sync_all()).map_err(io)?;
    Ok(key)
}

/// Reads a key, `None` where this folder has none of that name.
pub fn read(data: &Path, name: KeyName) -> Result<Option<SecretKey>, KeyError> {
    let path = name.path(data);
    let pem = match fs::read_to_string(&path) {
        Ok(pem) => Zeroizing::new(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyError::Io { path, source }),
    };
    SecretKey::from_pem(&pem).map(Some).map_err(|error| KeyError::Key { path, error })
}

/// Random bytes of the system.
pub fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(bytes)
}
