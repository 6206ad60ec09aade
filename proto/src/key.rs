//! Ed25519 keys and signatures. Weak keys are no keys, and only strict verification counts, so that all replicas judge alike.

use std::borrow::Borrow;
use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey, KeypairBytes, spki::der::pem::LineEnding};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::digest::{Digest, from_hex, write_hex};

/// The name of a log, of a member's voice, of a desk: 32 bytes that are a sound Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

thread_local! {
    // The last key found sound. Every entry and body names its log's key, a run of them the same one, and the arithmetic that
    // judges a key took a fifth of catching up.
    static LAST: Cell<Option<[u8; 32]>> = const { Cell::new(None) };
}

/// A secret key. Its debug form never shows it.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

/// Why bytes are not a key, or a signature not one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum KeyError {
    /// Not 32 bytes of a point that can be verified strictly.
    #[error("not a sound Ed25519 public key")]
    Public,
    /// Not the PKCS#8 PEM of an Ed25519 key.
    #[error("not an Ed25519 secret key in PKCS#8 PEM; restore the file from your backup")]
    Secret,
    /// The signature is not this key's over this message.
    #[error("the signature does not verify")]
    Signature,
}

impl PublicKey {
    /// A key from 32 bytes; weak and non-canonical ones are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<PublicKey, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Public)?;
        if LAST.get() == Some(bytes) {
            return Ok(PublicKey(bytes));
        }
        let point = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::Public)?;
        // Decompression reduces an over-large y; re-encoding tells a second spelling of a point from the first.
        if point.is_weak() || point.to_edwards().compress().to_bytes() != bytes {
            return Err(KeyError::Public);
        }
        LAST.set(Some(bytes));
        Ok(PublicKey(bytes))
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What two people compare over the telephone: SHA-256 of the 32 bytes, read as eight big-endian numbers of 32 bits, and of
    /// each its last four decimal digits. Digits, because every language says them alike; 106 bits of them, so that nobody
    /// finds a second key with the fingerprint of a first.
    pub fn fingerprint(&self) -> String {
        let Digest(hash) = Digest::of(&self.0);
        let groups = hash.chunks_exact(4).map(|four| {
            let number = four.iter().fold(0u32, |number, byte| number << 8 | u32::from(*byte));
            format!("{:04}", number % 10_000)
        });
        groups.collect::<Vec<String>>().join(" ")
    }

    /// RFC 8032 verification with the stricter checks of `verify_strict`.
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        let point = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::Public)?;
        point.verify_strict(message, &Signature::from_bytes(signature)).map_err(|_| KeyError::Signature)
    }
}

impl SecretKey {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> SecretKey {
        SecretKey(SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }

    /// PKCS#8 PEM, unencrypted (RFC 8410). Without the public half: version 2, which has it, OpenSSL 3.0 does not read.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let alone = KeypairBytes { secret_key: self.0.to_bytes(), public_key: None };
        alone.to_pkcs8_pem(LineEnding::LF).unwrap_or_else(|_| Zeroizing::new(String::new()))
    }

    /// From PKCS#8 PEM.
    pub fn from_pem(pem: &str) -> Result<SecretKey, KeyError> {
        SigningKey::from_pkcs8_pem(pem).map(SecretKey).map_err(|_| KeyError::Secret)
    }

    /// The 32 secret bytes, for a transport that names peers by their keys.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }
}

/// So that what is kept by key can be asked for with bytes that may be none. Their order is the same.
impl Borrow<[u8; 32]> for PublicKey {
    fn borrow(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey of {}", self.public())
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        PublicKey::from_bytes(&from_hex(text).ok_or(KeyError::Public)?)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}
