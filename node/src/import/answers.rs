//! Answers that were given to pushes, by their idempotency keys: a push that is sent again is answered again, and does nothing.
//!
//! A file each, in the folder `imports` of the data folder. They are no record: whoever deletes them only makes a repeated push
//! be compared with the store again, which finds everything unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use proto::digest::Digest;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::import::report::ImportReply;

/// Answers that are kept, the newest: a push every night for three years.
const ANSWERS_MAX: usize = 1000;
/// Characters of a key: two UUIDs and a date.
const KEY_CHARS_MAX: usize = 128;

/// Why a push with a key is not done.
#[derive(Debug, Error)]
pub enum AnswerError {
    /// The key.
    #[error("an Idempotency-Key has 1 to {KEY_CHARS_MAX} printable ASCII characters")]
    Key,
    /// The key was used for something else.
    #[error("this Idempotency-Key was used for another request; take a new key for new records")]
    Other,
    /// The folder.
    #[error("{path}: {error}")]
    Io {
        /// What.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Answer {
    /// Digest of what was asked.
    request: String,
    reply: ImportReply,
}

/// Where they are.
#[derive(Clone, Debug)]
pub struct Answers {
    folder: PathBuf,
}

impl Answers {
    /// Those of a data folder.
    pub fn of(data: &Path) -> Answers {
        Answers { folder: data.join("imports") }
    }

    /// The answer that was given to a request with this key, where there was one.
    pub fn find(&self, key: &str, request: &Digest) -> Result<Option<ImportReply>, AnswerError> {
        let path = self.path(key)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(&path)(error)),
        };
        // Half of one is none: the push is compared with the store again.
        let Ok(answer) = serde_json::from_str::<Answer>(&text) else { return Ok(None) };
        if answer.request != request.to_string() {
            return Err(AnswerError::Other);
        }
        Ok(Some(answer.reply))
    }

    /// Keeps an answer before it is given.
    pub fn keep(&self, key: &str, request: &Digest, reply: &ImportReply) -> Result<(), AnswerError> {
        let path = self.path(key)?;
        fs::create_dir_all(&self.folder).map_err(io(&self.folder))?;
        let answer = Answer { request: request.to_string(), reply: reply.clone() };
        let text = serde_json::to_string(&answer).map_err(|error| io(&path)(error.into()))?;
        let new = path.with_extension("new");
        fs::write(&new, text).and_then(|()| fs::rename(&new, &path)).map_err(io(&path))?;
        self.forget_oldest()
    }

    fn forget_oldest(&self) -> Result<(), AnswerError> {
        let files = fs::read_dir(&self.folder).map_err(io(&self.folder))?.flatten();
        let mut files: Vec<_> =
            files.filter_map(|file| Some((file.metadata().ok()?.modified().ok()?, file.path()))).collect();
        files.sort();
        for (_, path) in files.iter().take(files.len().saturating_sub(ANSWERS_MAX)) {
            fs::remove_file(path).map_err(io(path))?;
        }
        Ok(())
    }

    fn path(&self, key: &str) -> Result<PathBuf, AnswerError> {
        let sound = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
        // A digest is a file's name, whatever the key is.
        if sound { Ok(self.folder.join(format!("{}.json", Digest::of(key.as_bytes())))) } else { Err(AnswerError::Key) }
    }
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> AnswerError + '_ {
    move |error| AnswerError::Io { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proto::digest::Digest;

    use super::{AnswerError, Answers};
    use crate::import::report::{Counts, ImportReply};

    #[test]
    fn a_key_gives_the_first_answer_and_is_for_one_request() {
        let folder = tempfile::tempdir().unwrap();
        let answers = Answers::of(folder.path());
        let (request, other) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(answers.find("k", &request).unwrap(), None);
        let counts = Counts { imported: 1, ..Counts::default() };
        let reply = ImportReply { counts, records: Vec::new() };
        answers.keep("k", &request, &reply).unwrap();
        assert_eq!(answers.find("k", &request).unwrap(), Some(reply));
        assert!(matches!(answers.find("k", &other), Err(AnswerError::Other)));
        assert_eq!(answers.find("l", &other).unwrap(), None);
        for bad in ["", "two words", "ü", &"x".repeat(129)] {
            assert!(matches!(answers.find(bad, &request), Err(AnswerError::Key)), "{bad}");
        }
    }
}
