//! The passphrase that opens the secret keys, and the three places it comes from: a file descriptor, a credential of the service
//! manager, a person at a terminal. Never an argument, never the environment; it is wiped from memory when it is done with.

use std::fmt;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zeroize::Zeroizing;

/// Characters of a new passphrase. Whoever steals the files guesses at leisure, a few times a second with each core: twelve
/// letters at random hold against a hundred thousand cores for centuries, eight for days.
pub const CHARACTERS_MIN: usize = 12;
/// Bytes of a passphrase that are read: as many as `openssl` takes.
const BYTES_MAX: usize = 1023;
/// Times that one key is tried at a terminal, for fingers that slip.
pub const TRIES_MAX: usize = 3;
/// What the credential is called in the folder that systemd names in `CREDENTIALS_DIRECTORY`.
const CREDENTIAL: &str = "comity-passphrase";

/// A passphrase. Neither form of it in text shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

/// Why there is no passphrase. Nothing was changed.
#[derive(Debug, Error)]
pub enum PassphraseError {
    /// Nobody to ask for that of a key.
    #[error(
        "{0} is encrypted, and there is no passphrase: run this at a terminal, or give it with --passphrase-fd N, or as the \
         systemd credential comity-passphrase"
    )]
    Nowhere(PathBuf),
    /// Nobody to ask for a new one.
    #[error("there is no passphrase for the keys: run this at a terminal, or {0}")]
    NothingNew(&'static str),
    /// The place it was to come from has none.
    #[error("no passphrase can be read from {from}: {what}")]
    Unread {
        /// The place.
        from: String,
        /// Why.
        what: String,
    },
    /// Too easily guessed.
    #[error(
        "the passphrase is shorter than {CHARACTERS_MIN} characters: whoever gets hold of the files would guess it. Take four or \
         five words that do not belong together"
    )]
    Short,
    /// Mistyped, one time or the other.
    #[error("the two passphrases differ; run this again")]
    Differ,
}

/// Where passphrases come from.
#[derive(Debug)]
pub enum Source {
    /// The first line of an open file descriptor.
    Descriptor(u32),
    /// The first line of a file that the service manager shows this service alone.
    Credential(PathBuf),
    /// A person.
    Terminal,
    /// Nowhere.
    Nowhere,
}

/// The passphrases of one run of the program: asked for when they are needed, and once for each data folder.
#[derive(Debug)]
pub struct Passphrases {
    source: Source,
    given: Option<Given>,
    mistyped: bool,
}

/// The last one that was given, and the folder whose keys it is for.
#[derive(Debug)]
struct Given {
    folder: PathBuf,
    passphrase: Passphrase,
}

impl Passphrase {
    /// For the cipher.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// From the first line of what a descriptor or file gives.
    fn read(from: &str, mut file: impl Read) -> Result<Passphrase, PassphraseError> {
        let unread = |what: &str| PassphraseError::Unread { from: from.to_owned(), what: what.to_owned() };
        // Never longer than this, so that nothing is left behind in memory by moving.
        let mut line = Zeroizing::new(Vec::with_capacity(BYTES_MAX + 2));
        let mut byte = Zeroizing::new([0]);
        loop {
            match file.read(byte.as_mut_slice()) {
                Ok(0) => break,
                Ok(_) if byte[0] == b'\n' => break,
                Ok(_) if line.len() > BYTES_MAX => break,
                Ok(_) => line.push(byte[0]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unread(&error.to_string())),
            }
        }
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        match std::str::from_utf8(line) {
            Ok("") => Err(unread("its first line is empty")),
            Ok(text) if text.len() > BYTES_MAX => Err(unread("its first line is longer than 1,023 bytes")),
            Ok(text) => Ok(Passphrase(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(unread("its first line is not UTF-8")),
        }
    }

    /// From a person, who does not see it either.
    fn typed(prompt: &str) -> Result<Passphrase, PassphraseError> {
        let unread = |what: String| PassphraseError::Unread { from: "the terminal".to_owned(), what };
        let text = rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| unread(error.to_string()))?;
        match text.len() {
            0 => Err(unread("it is empty".to_owned())),
            length if length > BYTES_MAX => Err(unread("it is longer than 1,023 bytes".to_owned())),
            _ => Ok(Passphrase(text)),
        }
    }

    fn long_enough(self) -> Result<Passphrase, PassphraseError> {
        if self.0.chars().count() < CHARACTERS_MIN { Err(PassphraseError::Short) } else { Ok(self) }
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

impl Source {
    /// The descriptor if one is named, else the credential if there is one, else the terminal if there is a person.
    pub fn find(descriptor: Option<u32>) -> Source {
        let credential = || {
            let folder = std::env::var_os("CREDENTIALS_DIRECTORY").filter(|folder| !folder.is_empty())?;
            Some(Path::new(&folder).join(CREDENTIAL)).filter(|file| file.exists())
        };
        match descriptor {
            Some(number) => Source::Descriptor(number),
            None => credential().map_or_else(|| Source::find_new(None), Source::Credential),
        }
    }

    /// The same for a passphrase to come, which no credential holds yet.
    pub fn find_new(descriptor: Option<u32>) -> Source {
        match descriptor {
            Some(number) => Source::Descriptor(number),
            None if std::io::stdin().is_terminal() => Source::Terminal,
            None => Source::Nowhere,
        }
    }

    /// Reads it where nobody has to be asked.
    fn read(&self) -> Result<Option<Passphrase>, PassphraseError> {
        let (from, path) = match self {
            // Opened anew by its name: that needs no trust in a number that someone typed.
            Source::Descriptor(number) => {
                (format!("file descriptor {number}"), PathBuf::from(format!("/proc/self/fd/{number}")))
            }
            Source::Credential(path) => (path.display().to_string(), path.clone()),
            Source::Terminal | Source::Nowhere => return Ok(None),
        };
        let unread = |what: String| PassphraseError::Unread { from: from.clone(), what };
        let file = File::open(path).map_err(|error| unread(error.to_string()))?;
        if file.is_terminal() {
            return Err(unread("it is a terminal, which would show it; leave the option out to be asked".to_owned()));
        }
        Passphrase::read(&from, file).map(Some)
    }
}

impl Passphrases {
    /// From one place.
    pub fn new(source: Source) -> Passphrases {
        Passphrases { source, given: None, mistyped: false }
    }

    /// The passphrase of a key file. Of a person it is asked once for each folder; a descriptor and a credential hold one for all.
    pub fn of(&mut self, key: &Path) -> Result<Passphrase, PassphraseError> {
        let folder = key.parent().unwrap_or(key);
        let is_asked = matches!(self.source, Source::Terminal);
        if let Some(given) = &self.given
            && (given.folder == folder || !is_asked)
        {
            return Ok(given.passphrase.clone());
        }
        let passphrase = match self.source.read()? {
            Some(passphrase) => passphrase,
            None if is_asked => {
                let again = if std::mem::take(&mut self.mistyped) { "That does not open it. " } else { "" };
                Passphrase::typed(&format!("{again}Passphrase of {}: ", key.display()))?
            }
            None => return Err(PassphraseError::Nowhere(key.to_owned())),
        };
        self.given = Some(Given { folder: folder.to_owned(), passphrase: passphrase.clone() });
        Ok(passphrase)
    }

    /// Forgets one that did not open its key; says whether a person can be asked for another.
    pub fn forget(&mut self) -> bool {
        self.mistyped = matches!(self.source, Source::Terminal);
        if self.mistyped {
            self.given = None;
        }
        self.mistyped
    }

    /// A new passphrase, typed twice where it is typed. `otherwise` says what else there is to do where nobody can be asked.
    pub fn choose(&self, otherwise: &'static str) -> Result<Passphrase, PassphraseError> {
        if let Some(passphrase) = self.source.read()? {
            return passphrase.long_enough();
        }
        if !matches!(self.source, Source::Terminal) {
            return Err(PassphraseError::NothingNew(otherwise));
        }
        eprintln!(
            "Choose a passphrase of at least {CHARACTERS_MIN} characters. Nobody can restore it: without it the keys are lost."
        );
        let first = Passphrase::typed("New passphrase: ")?.long_enough()?;
        if Passphrase::typed("The same again: ")? == first { Ok(first) } else { Err(PassphraseError::Differ) }
    }
}
