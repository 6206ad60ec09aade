//! A work's name, as people and links write it.

/// `CODE/slug`, `CODE/slug@2` or `CODE/slug@2~1a2b3c4d`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// `CODE/slug`.
    pub work: String,
    /// The version asked for.
    pub version: Option<u32>,
    /// The beginning of its digest, where two have one number.
    pub digest: Option<String>,
}

impl Name {
    /// Reads a name as people and links write it.
    pub fn parse(text: &str) -> Option<Name> {
        let (work, version) = match text.split_once('@') {
            Some((work, version)) => (work, Some(version)),
            None => (text, None),
        };
        let (code, slug) = work.split_once('/')?;
        if code.is_empty() || slug.is_empty() || slug.contains('/') || work.contains('\0') {
            return None;
        }
        let (number, digest) = match version.map(|version| version.split_once('~').unwrap_or((version, ""))) {
            Some((number, digest)) => (Some(number.parse().ok()?), Some(digest).filter(|digest| !digest.is_empty())),
            None => (None, None),
        };
        Some(Name { work: work.to_owned(), version: number, digest: digest.map(str::to_owned) })
    }

    /// Whether it means the version of this number and digest: every one, where it names none.
    pub fn means(&self, number: u32, digest: &str) -> bool {
        let begins = |beginning: &String| digest.starts_with(beginning.as_str());
        self.version.is_none_or(|version| version == number) && self.digest.as_ref().is_none_or(begins)
    }
}
