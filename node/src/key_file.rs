//! What a key file says: one Ed25519 key in PKCS#8 PEM, plain or encrypted with a passphrase by PBES2 with scrypt and AES-256-CBC.
//! `openssl pkey` reads both.
//!
//! Pure: passphrase, salt and initialisation vector arrive as arguments. It stands here and not beside the keys of the
//! protocol, because no rule there knows a passphrase, and a second implementation needs none of these twenty libraries.

use std::fmt;
use std::str::FromStr;

use pkcs8::pkcs5::{self, pbes2, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, ObjectIdentifier, PrivateKeyInfoRef, SecretDocument};
use proto::key::{PublicKey, SecretKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::passphrase::Passphrase;

/// Bytes of scrypt's salt, of AES's initialisation vector.
pub const SALT_BYTES: usize = 16;

/// scrypt's cost: N = 2^14 with r = 8 takes 16 MiB, the most `openssl pkey` allows (the next power of two is over its limit of
/// 32 MiB), and p = 5 takes as long as OWASP asks for at that size: a quarter of a second on a small machine.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 5;
/// Bytes that a file's own scrypt parameters may ask for: the limit of `openssl pkey`.
const SCRYPT_BYTES_MAX: u64 = 32 * 1024 * 1024;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// What precedes the public key above the PEM, where RFC 7468 allows words and `openssl` passes over them. So it is known whose
/// the file is without its passphrase; and damage that decrypts to another key, as AES-CBC permits, is found out.
const NAMED: &str = "Ed25519 public key ";
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Why a file is not one of our keys, or does not give it. Nothing was changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyFileError {
    /// No PEM.
    #[error("it holds no key in PEM; bring back the right file from your backup")]
    NotPem,
    /// Only a beginning.
    #[error("it is cut off before its last line; bring back the whole file from your backup")]
    Truncated,
    /// PEM of something else.
    #[error("it holds a `{0}`, and not an Ed25519 key in PKCS#8; bring back the right file from your backup")]
    Label(String),
    /// PKCS#8 of another algorithm.
    #[error("it holds a key of another kind than Ed25519; bring back the right file from your backup")]
    NotEd25519,
    /// It does not decode.
    #[error("it is damaged, or encrypted in a way that is not supported; bring it back from your backup")]
    Damaged,
    /// It is encrypted, and not with that.
    #[error(
        "the passphrase does not open it; give the right one, or bring back the file that goes with it from your backup"
    )]
    WrongPassphrase,
    /// It decrypts to another key than it says.
    #[error(
        "it does not hold the key that its first line names: it was damaged or altered; bring it back from your backup"
    )]
    Altered,
    /// The library refused.
    #[error("the key cannot be encrypted: {0}")]
    Encrypt(String),
}

/// A key file, understood as far as that goes without its passphrase.
#[derive(Debug)]
pub struct KeyFile(Holds);

enum Holds {
    Plain(SecretKey),
    Encrypted { document: SecretDocument, named: Option<PublicKey> },
}

impl fmt::Debug for Holds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holds::Plain(key) => key.fmt(f),
            Holds::Encrypted { named, .. } => write!(f, "encrypted SecretKey of {named:?}"),
        }
    }
}

impl KeyFile {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Result<KeyFile, KeyFileError> {
        let label = text.lines().find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
        let label = label.ok_or(KeyFileError::NotPem)?;
        if label != PLAIN && label != ENCRYPTED {
            return Err(KeyFileError::Label(label.to_owned()));
        }
        let end = format!("-----END {label}-----");
        if !text.lines().any(|line| line == end) {
            return Err(KeyFileError::Truncated);
        }
        let (_, document) = SecretDocument::from_pem(text).map_err(|_| KeyFileError::Damaged)?;
        if label == PLAIN {
            return key(&document).map(|key| KeyFile(Holds::Plain(key)));
        }
        let named = text.lines().find_map(|line| PublicKey::from_str(line.strip_prefix(NAMED)?).ok());
        Ok(KeyFile(Holds::Encrypted { document, named }))
    }

    /// The public half, where it is known without a passphrase.
    pub fn public(&self) -> Option<PublicKey> {
        match &self.0 {
            Holds::Plain(key) => Some(key.public()),
            Holds::Encrypted { named, .. } => *named,
        }
    }

    /// The key of a plain file.
    pub fn plain(&self) -> Option<&SecretKey> {
        match &self.0 {
            Holds::Plain(key) => Some(key),
            Holds::Encrypted { .. } => None,
        }
    }

    /// The key of a file of either kind. Of an encrypted one this takes a while, by design.
    pub fn open(&self, passphrase: &Passphrase) -> Result<SecretKey, KeyFileError> {
        let (document, named) = match &self.0 {
            Holds::Plain(key) => return Ok(key.clone()),
            Holds::Encrypted { document, named } => (document, named),
        };
        let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(|_| KeyFileError::Damaged)?;
        if asks_too_much(&info) {
            return Err(KeyFileError::Damaged);
        }
        let plain = info.decrypt(passphrase.as_bytes()).map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs5::Error::UnsupportedAlgorithm { .. }
                | pkcs5::Error::AlgorithmParametersInvalid { .. }
                | pkcs5::Error::NoPbes1CryptSupport,
            ) => KeyFileError::Damaged,
            // The padding is wrong, or what comes out is no PKCS#8.
            _ => KeyFileError::WrongPassphrase,
        })?;
        let key = key(&plain)?;
        match named {
            Some(named) if *named != key.public() => Err(KeyFileError::Altered),
            _ => Ok(key),
        }
    }
}

/// The text of a plain file.
pub fn plain(key: &SecretKey) -> Zeroizing<String> {
    key.to_pem()
}

/// The text of an encrypted file. Salt and vector are random, and never used twice.
pub fn encrypt(
    key: &SecretKey,
    passphrase: &Passphrase,
    salt: &[u8; SALT_BYTES],
    vector: [u8; SALT_BYTES],
) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |error: pkcs8::Error| KeyFileError::Encrypt(error.to_string());
    let (_, plain) = SecretDocument::from_pem(&key.to_pem()).map_err(|error| failed(error.into()))?;
    let cost = scrypt::Params::new(LOG_N, R, P).map_err(|error| KeyFileError::Encrypt(error.to_string()))?;
    let parameters = pbes2::Parameters::generate_scrypt_aes256cbc(cost, salt, vector);
    let parameters = parameters.map_err(|error| failed(error.into()))?;
    let info = PrivateKeyInfoRef::try_from(plain.as_bytes()).map_err(failed)?;
    let document = info.encrypt_with_params(parameters, passphrase.as_bytes()).map_err(failed)?;
    let pem = document.to_pem(ENCRYPTED, LineEnding::LF).map_err(|error| failed(error.into()))?;
    Ok(Zeroizing::new(format!("{NAMED}{}\n{}", key.public(), *pem)))
}

/// The Ed25519 key in a PKCS#8 document.
fn key(document: &SecretDocument) -> Result<SecretKey, KeyFileError> {
    match PrivateKeyInfoRef::try_from(document.as_bytes()) {
        Ok(info) if info.algorithm.oid != ED25519 => return Err(KeyFileError::NotEd25519),
        Ok(_) => {}
        Err(_) => return Err(KeyFileError::Damaged),
    }
    let pem = document.to_pem(PLAIN, LineEnding::LF).map_err(|_| KeyFileError::Damaged)?;
    SecretKey::from_pem(&pem).map_err(|_| KeyFileError::Damaged)
}

/// Whether opening it would take more memory than a key of ours does.
fn asks_too_much(info: &EncryptedPrivateKeyInfoRef<'_>) -> bool {
    let cost = info.encryption_algorithm.pbes2().and_then(|parameters| parameters.kdf.scrypt());
    cost.is_some_and(|cost| {
        let block = 128 * u64::from(cost.block_size);
        let lanes = block * u64::from(cost.parallelization);
        block.saturating_mul(cost.cost_parameter).saturating_add(lanes) > SCRYPT_BYTES_MAX
    })
}
