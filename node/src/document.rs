//! A document as a person writes it: Markdown with YAML front matter, read with errors that name file, line and remedy.
//!
//! What is missing is advice; what is wrong is an error. These rules hold for publishing only: what others signed is taken as
//! it is.

mod check;

use std::fmt;

use prost::Message;
use proto::limits;
use proto::schema::{Kind, Publication};

use crate::forms::{Form, Need};
use crate::front_matter::FrontMatter;
use crate::vocabulary as words;

use check::Check;
pub use check::is_slug;

/// Bytes kept free in a body for salt, version and what it supersedes.
const BODY_RESERVE: usize = 4 * 1024;
/// Words of a short summary.
const SUMMARY_WORDS_MAX: usize = 100;

/// A document that may be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Its kind.
    pub kind: Kind,
    /// What is signed, but for salt, version and what it supersedes.
    pub publication: Publication,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentError {
    /// The file.
    pub file: String,
    /// Its line, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to do.
    pub what: String,
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.what),
            None => write!(f, "{}: {}", self.file, self.what),
        }
    }
}

/// Reads a file. The strings are advice.
pub fn read(file: &str, bytes: &[u8]) -> Result<(Document, Vec<String>), Vec<DocumentError>> {
    let one = |line: Option<usize>, what: String| vec![DocumentError { file: file.to_owned(), line, what }];
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes.get(..at).map(|before| before.iter().filter(|byte| **byte == b'\n').count() + 1);
        one(line, format!("is not UTF-8 (byte {at}); save it as UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (yaml, markdown) = split(&text).ok_or_else(|| {
        one(
            Some(1),
            "has no front matter; begin it with a line `---`, then YAML with kind, language and title, then `---`"
                .to_owned(),
        )
    })?;
    let mut check = Check::new(file, yaml);
    check.keys();
    if check.has_errors() {
        return Err(check.into_errors());
    }
    let mut front: FrontMatter = serde_saphyr::from_str(yaml).map_err(|error| {
        // The first line of the file is the fence above the YAML.
        let line = error.location().map(|location| location.line() as usize + 1);
        one(line, plain(&error.to_string()))
    })?;
    if front.slug.is_empty() {
        front.slug = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".md").to_owned();
    }
    let document = judge(check, &mut front, markdown)?;
    Ok((document, advice(&front)))
}

/// Checks what did not come as a file, say a row of a table: the same rules, told without lines.
pub fn check(mut front: FrontMatter, text: &str) -> Result<Document, Vec<String>> {
    let judged = judge(Check::new("", ""), &mut front, text);
    judged.map_err(|errors| errors.into_iter().map(|error| error.what).collect())
}

fn judge(mut check: Check<'_>, front: &mut FrontMatter, text: &str) -> Result<Document, Vec<DocumentError>> {
    if front.licence.is_empty() {
        front.licence = "CC-BY-4.0".to_owned();
    }
    check.front(front);
    let kind = words::kind(&front.kind).unwrap_or(Kind::Unspecified);
    let publication = front.to_publication(text.trim().to_owned() + "\n");
    let bytes = publication.encoded_len();
    if bytes + BODY_RESERVE > limits::BODY_BYTES_MAX {
        let max = limits::BODY_BYTES_MAX - BODY_RESERVE;
        check.error(
            None,
            format!("is {bytes} bytes long as a body; {max} are allowed. Shorten the text, or publish it in parts"),
        );
    }
    if check.has_errors() { Err(check.into_errors()) } else { Ok(Document { kind, publication }) }
}

/// Writes a document as a file.
pub fn write(kind: u32, publication: &Publication) -> String {
    file(&FrontMatter::of(kind, publication), &publication.text)
}

/// Front matter and text as a file.
pub fn file(front: &FrontMatter, text: &str) -> String {
    let yaml = serde_saphyr::to_string(front).unwrap_or_default();
    format!("---\n{}\n---\n{text}", yaml.trim_end())
}

/// Front matter and text.
fn split(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---\n")?;
    let end = rest.find("\n---\n").map(|at| (at + 1, at + 5)).or_else(|| {
        let bare = rest.strip_suffix("\n---")?;
        Some((bare.len() + 1, rest.len()))
    })?;
    Some((rest.get(..end.0)?, rest.get(end.1..)?))
}

/// The words of a YAML error without the picture of the source that follows them.
fn plain(error: &str) -> String {
    let first = error.lines().find(|line| !line.trim().is_empty()).unwrap_or(error);
    format!("{}; correct the front matter", first.trim().trim_start_matches("error: "))
}

/// What would make the document more useful.
fn advice(front: &FrontMatter) -> Vec<String> {
    let Some(form) = Form::of(&front.kind) else { return Vec::new() };
    let written = front.keys();
    let missing = form.all().filter(|key| !written.contains_key(key.name));
    let mut advice: Vec<String> = missing
        .filter_map(|key| match key.need {
            Need::Should(why) => Some(format!("it has no `{}`; {why}", key.name)),
            Need::Must | Need::May => None,
        })
        .collect();
    let mut say = |words: &str| advice.push(words.to_owned());
    if front.kind == "law-summary" {
        if !front.sources.is_empty() && !front.sources.iter().any(|source| source.official) {
            say("it names no official source; mark the gazette or the parliament's page with `official: true`");
        }
        if front.jurisdiction.is_empty() {
            say("it names no jurisdiction");
        }
    }
    if front.about.as_ref().is_some_and(|about| !about.work.contains('@')) {
        say("its `about` names no version; it will be about the one that is current when it is published");
    }
    let count = front.summary_short.split_whitespace().count();
    if count > SUMMARY_WORDS_MAX {
        advice.push(format!("its `summary_short` has {count} words; {SUMMARY_WORDS_MAX} are enough"));
    }
    advice
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Document, read, write};

    fn errors(text: &str) -> String {
        let errors = read("note.md", text.as_bytes()).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_librarian_who_misspells_is_told_the_line_and_the_word() {
        let text = "---\nkind: law-summary\nlanguage: en\ntitle: T\nlegal_statos: in-force\n---\ntext";
        assert_eq!(errors(text), "note.md:5: unknown key `legal_statos`; did you mean `legal_status`?");
        let text = "---\nkind: law-summary\nlanguage: en\ntitle: T\ntopics: [childen]\nlegal_status: inforce\n---\n";
        let found = errors(text);
        assert!(found.contains("note.md:5: `childen` is not a word for `topics`; did you mean `children`?"), "{found}");
        assert!(
            found.contains("note.md:6: `inforce` is not a word for `legal_status`; did you mean `in-force`?"),
            "{found}"
        );
        let text = "---\nkind: law-summary\nlanguage: english please\ntitle: T\nmaturity: pilot\n---\n";
        assert!(errors(text).contains("note.md:5: the key `maturity` belongs to good-practice"));
        let text = "---\nkind: law-summary\nlanguage: x_y\ntitle: T\nvalid_as_of: 2026-02-30\n---\n";
        let found = errors(text);
        assert!(
            found.contains("note.md:3: `x_y` is no language tag") && found.contains("note.md:5: `2026-02-30`"),
            "{found}"
        );
    }

    #[test]
    fn what_is_required_or_unreadable_is_said() {
        assert!(errors("# no front matter").contains("note.md:1: has no front matter"));
        assert!(errors("---\nkind: law-summary\nlanguage: en\n---\n").contains("`title` is required"));
        let broken = errors("---\nkind: law-summary\nlanguage: en\ntitle: [T\n---\n");
        assert!(broken.starts_with("note.md:"), "{broken}");
        let nested = errors("---\nkind: law-summary\nlanguage: en\ntitle: T\nsources:\n  - {uri: x}\n---\n");
        assert!(nested.starts_with("note.md:6:") && nested.contains("uri"), "{nested}");
        let twice = errors("---\nkind: law-summary\nlanguage: en\ntitle: T\ntitle: U\n---\n");
        assert!(twice.starts_with("note.md:5:"), "{twice}");
        let bytes = read("note.md", b"---\nkind: \xff\n---\n").unwrap_err();
        assert!(bytes[0].to_string().starts_with("note.md:2: is not UTF-8"));
        let long = format!("---\nkind: law-summary\nlanguage: en\ntitle: T\n---\n{}", "word ".repeat(60_000));
        assert!(errors(&long).contains("bytes long as a body"));
    }

    #[test]
    fn dates_may_be_written_without_quotes() {
        let text =
            "---\nkind: law-summary\nlanguage: en\ntitle: T\nvalid_as_of: 2026\ndates: {adopted: 2026-01-02}\n---\n";
        let (Document { publication, .. }, _) = read("note.md", text.as_bytes()).unwrap();
        assert_eq!(publication.valid_as_of, "2026");
        assert_eq!(publication.law_summary.unwrap().dates.unwrap().adopted, "2026-01-02");
    }

    #[test]
    fn every_sample_document_is_sound_and_survives_being_written() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/documents");
        let mut count = 0;
        for member in std::fs::read_dir(folder).unwrap().flatten().filter(|item| item.path().is_dir()) {
            for file in std::fs::read_dir(member.path()).unwrap().flatten() {
                let name = file.file_name().into_string().unwrap();
                let (document, _) =
                    read(&name, &std::fs::read(file.path()).unwrap()).unwrap_or_else(|errors| panic!("{errors:?}"));
                let written = write(document.kind as u32, &document.publication);
                let (again, _) =
                    read(&name, written.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}\n{written}"));
                assert_eq!(document, again);
                count += 1;
            }
        }
        assert!(count >= 24);
    }
}
