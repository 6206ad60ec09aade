//! A document as a person writes it: Markdown with YAML front matter, read with errors that name file, line and remedy.
//!
//! What is missing is advice; what is wrong is an error. These rules hold for publishing only: what others signed is taken as
//! it is.

use std::fmt;

use prost::Message;
use proto::limits;
use proto::schema::{Kind, Publication};

use crate::front_matter::FrontMatter;
use crate::vocabulary as words;

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

/// Keys of every kind.
const COMMON: &[&str] = &[
    "kind",
    "language",
    "title",
    "slug",
    "jurisdiction",
    "topics",
    "keywords",
    "licence",
    "valid_as_of",
    "sources",
    "identifiers",
    "relations",
    "assistance",
];
/// Keys of a law summary.
const LAW: &[&str] = &[
    "official_title",
    "short_title",
    "instrument_type",
    "legal_status",
    "bindingness",
    "authority",
    "stage_history",
    "dates",
    "summary_short",
    "key_provisions",
    "obligations",
    "definition_ai",
    "risk_approach",
    "applies_to",
    "enforcement",
    "redress",
    "gender_impact",
];
/// Keys of a good practice.
const PRACTICE: &[&str] = &[
    "practice_type",
    "objective",
    "actors",
    "prerequisites",
    "scenario",
    "expected_results",
    "challenges",
    "data_requirements",
    "integrations",
    "success_metrics",
    "parliamentary_function",
    "maturity",
    "results_observed",
    "lessons",
    "what_failed",
    "risk_level",
    "safeguards",
    "contact_role",
];

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
    let mut check = Check { file, yaml, errors: Vec::new() };
    check.keys();
    if !check.errors.is_empty() {
        return Err(check.errors);
    }
    let mut front: FrontMatter = serde_saphyr::from_str(yaml).map_err(|error| {
        // The first line of the file is the fence above the YAML.
        let line = error.location().map(|location| location.line() as usize + 1);
        one(line, plain(&error.to_string()))
    })?;
    if front.slug.is_empty() {
        front.slug = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".md").to_owned();
    }
    judge(check, front, markdown)
}

/// Checks what did not come as a file, say a row of a table: the same rules, told without lines.
pub fn check(front: FrontMatter, text: &str) -> Result<Document, Vec<String>> {
    let judged = judge(Check { file: "", yaml: "", errors: Vec::new() }, front, text);
    judged.map(|(document, _)| document).map_err(|errors| errors.into_iter().map(|error| error.what).collect())
}

fn judge(
    mut check: Check<'_>,
    mut front: FrontMatter,
    text: &str,
) -> Result<(Document, Vec<String>), Vec<DocumentError>> {
    if front.licence.is_empty() {
        front.licence = "CC-BY-4.0".to_owned();
    }
    check.front(&front);
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
    if check.errors.is_empty() { Ok((Document { kind, publication }, advice(&front))) } else { Err(check.errors) }
}

/// Writes a document as a file.
pub fn write(kind: u32, publication: &Publication) -> String {
    let yaml = serde_saphyr::to_string(&FrontMatter::of(kind, publication)).unwrap_or_default();
    format!("---\n{}\n---\n{}", yaml.trim_end(), publication.text)
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

/// Collects everything that is wrong, so that a person mends a file once.
struct Check<'a> {
    file: &'a str,
    yaml: &'a str,
    errors: Vec<DocumentError>,
}

impl Check<'_> {
    fn error(&mut self, line: Option<usize>, what: String) {
        self.errors.push(DocumentError { file: self.file.to_owned(), line, what });
    }

    /// The line in the file of a top-level key, or of a value below it.
    fn line(&self, key: &str, value: &str) -> Option<usize> {
        let lines = || self.yaml.lines().enumerate();
        let (start, _) = lines().find(|(_, line)| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))?;
        let below = lines().skip(start).find(|(_, line)| !value.is_empty() && line.contains(value));
        Some(below.map_or(start, |(line, _)| line) + 2)
    }

    /// Unknown keys, and keys of another kind, before anything else is believed.
    fn keys(&mut self) {
        let kind = self.yaml.lines().find_map(|line| line.strip_prefix("kind:")).map(str::trim).unwrap_or_default();
        let kind = kind.trim_matches(['"', '\'']).to_owned();
        for (index, line) in self.yaml.lines().enumerate() {
            let key = line.split(':').next().unwrap_or_default();
            let is_key = line.contains(':')
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if !is_key {
                continue;
            }
            let line = Some(index + 2);
            let (law, practice) = (LAW.contains(&key), PRACTICE.contains(&key));
            if law && kind == "good-practice" {
                self.error(line, format!("the key `{key}` belongs to a law-summary; leave it out, or change the kind"));
            } else if practice && kind == "law-summary" {
                self.error(
                    line,
                    format!("the key `{key}` belongs to a good-practice; leave it out, or change the kind"),
                );
            } else if !law && !practice && !COMMON.contains(&key) {
                let all = COMMON.iter().chain(LAW).chain(PRACTICE).copied();
                let meant = words::closest(key, all).map_or_else(String::new, |key| format!("; did you mean `{key}`?"));
                self.error(line, format!("unknown key `{key}`{meant}"));
            }
        }
    }

    fn front(&mut self, front: &FrontMatter) {
        let writable = ["law-summary", "good-practice"];
        self.word("kind", &front.kind, writable);
        for (key, value) in [("kind", &front.kind), ("language", &front.language), ("title", &front.title)] {
            if value.is_empty() {
                self.error(Some(1), format!("the key `{key}` is required; add it to the front matter"));
            }
        }
        self.language("language", &front.language);
        if front.title.chars().count() > limits::TITLE_CHARS_MAX || front.title.contains('\n') {
            let what = format!("the title is one line of at most {} characters", limits::TITLE_CHARS_MAX);
            self.error(self.line("title", ""), what);
        }
        if !is_slug(&front.slug) {
            let what = format!(
                "`{}` cannot be a slug; give `slug:` 1 to {} of a-z, 0-9 and -",
                front.slug,
                limits::SLUG_CHARS_MAX
            );
            self.error(self.line("slug", "").or(Some(1)), what);
        }
        if !front.jurisdiction.is_empty() && !is_jurisdiction(&front.jurisdiction) {
            let what = format!("`{}` is no jurisdiction; write KR, US-CO, EU, COE or UN", front.jurisdiction);
            self.error(self.line("jurisdiction", ""), what);
        }
        let topics: Vec<&str> = words::TOPICS.iter().map(|(slug, _)| *slug).collect();
        self.all_words("topics", &front.topics, &topics);
        self.date("valid_as_of", &front.valid_as_of);
        for source in &front.sources {
            self.url("sources", &source.url);
            self.language("sources", &source.language);
            self.date("sources", &source.retrieved);
        }
        for id in &front.identifiers {
            self.word("identifiers", &id.scheme, words::SCHEMES.iter().copied());
        }
        for to in &front.relations {
            self.word("relations", &to.rel, words::RELATIONS.iter().copied());
        }
        let fields = COMMON.iter().chain(LAW).chain(PRACTICE).chain(&["text", "all"]).copied();
        for (field, level) in &front.assistance {
            self.word("assistance", field, fields.clone());
            self.word("assistance", level, words::ASSISTANCE.iter().copied());
        }
        self.law(front);
        for (key, value, list) in [
            ("practice_type", &front.practice_type, words::PRACTICE_TYPES),
            ("parliamentary_function", &front.parliamentary_function, words::FUNCTIONS),
            ("maturity", &front.maturity, words::MATURITIES),
            ("risk_level", &front.risk_level, words::RISK_LEVELS),
        ] {
            self.word(key, value, list.iter().copied());
        }
        self.lists(front);
    }

    fn law(&mut self, front: &FrontMatter) {
        let statuses = words::LEGAL_STATUSES.iter().map(|(slug, _)| *slug);
        self.word("legal_status", &front.legal_status, statuses.clone());
        for (key, value, list) in [
            ("instrument_type", &front.instrument_type, words::INSTRUMENT_TYPES),
            ("bindingness", &front.bindingness, words::BINDINGNESS),
            ("risk_approach", &front.risk_approach, words::RISK_APPROACHES),
        ] {
            self.word(key, value, list.iter().copied());
        }
        self.all_words("applies_to", &front.applies_to, words::APPLIES_TO);
        for stage in &front.stage_history {
            self.word("stage_history", &stage.status, statuses.clone());
            self.date("stage_history", &stage.date);
        }
        for item in &front.obligations {
            self.date("obligations", &item.by);
        }
        if let Some(dates) = &front.dates {
            let all = [
                &dates.introduced,
                &dates.adopted,
                &dates.assented,
                &dates.published,
                &dates.in_force,
                &dates.applies,
                &dates.repealed,
            ];
            for date in all {
                self.date("dates", date);
            }
        }
    }

    fn lists(&mut self, front: &FrontMatter) {
        for (key, items) in [
            ("topics", front.topics.len()),
            ("keywords", front.keywords.len()),
            ("sources", front.sources.len()),
            ("identifiers", front.identifiers.len()),
            ("relations", front.relations.len()),
            ("stage_history", front.stage_history.len()),
            ("key_provisions", front.key_provisions.len()),
            ("obligations", front.obligations.len()),
            ("actors", front.actors.len()),
            ("scenario", front.scenario.len()),
        ] {
            if items > limits::LIST_ITEMS_MAX {
                self.error(
                    self.line(key, ""),
                    format!("`{key}` has {items} items; {} are allowed", limits::LIST_ITEMS_MAX),
                );
            }
        }
    }

    fn word<'a>(&mut self, key: &str, value: &str, list: impl IntoIterator<Item = &'a str>) {
        let list: Vec<&str> = list.into_iter().collect();
        if value.is_empty() || list.contains(&value) {
            return;
        }
        let meant = match words::closest(value, list.iter().copied()) {
            Some(word) => format!("; did you mean `{word}`?"),
            None if list.len() <= 24 => format!("; use one of {}", list.join(", ")),
            None => String::new(),
        };
        self.error(self.line(key, value), format!("`{value}` is not a word for `{key}`{meant}"));
    }

    fn all_words(&mut self, key: &str, values: &[String], list: &[&str]) {
        for value in values {
            self.word(key, value, list.iter().copied());
        }
    }

    fn language(&mut self, key: &str, tag: &str) {
        if !tag.is_empty() && oxilangtag::LanguageTag::parse(tag).is_err() {
            self.error(
                self.line(key, tag),
                format!("`{tag}` is no language tag; write it like en, pt-BR or zh-Hans (BCP 47)"),
            );
        }
    }

    fn url(&mut self, key: &str, url: &str) {
        let sound = url.starts_with("https://") || url.starts_with("http://");
        if !url.is_empty() && (!sound || url.chars().any(char::is_whitespace)) {
            self.error(self.line(key, url), format!("`{url}` is not an http or https address"));
        }
    }

    fn date(&mut self, key: &str, date: &str) {
        if !date.is_empty() && !is_partial_date(date) {
            self.error(self.line(key, date), format!("`{date}` is no date; write 2026, 2026-11 or 2026-11-23"));
        }
    }
}

/// Whether a text is 1 to [`limits::SLUG_CHARS_MAX`] of a-z, 0-9 and -.
pub fn is_slug(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (1..=limits::SLUG_CHARS_MAX).contains(&text.len()) && letters
}

fn is_jurisdiction(text: &str) -> bool {
    let upper = |part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match text.split_once('-') {
        None => matches!(text, "COE" | "ASEAN") || (text.len() == 2 && upper(text)),
        Some((country, part)) => country.len() == 2 && (1..=3).contains(&part.len()) && upper(country) && upper(part),
    }
}

/// `2026`, `2026-11` or `2026-11-23`, and a day that exists.
fn is_partial_date(text: &str) -> bool {
    let digits = |part: &str, len: usize| part.len() == len && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year] => digits(year, 4),
        [year, month] => digits(year, 4) && digits(month, 2) && ("01"..="12").contains(month),
        [_, _, _] => text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok(),
        _ => false,
    }
}

/// What would make the document more useful.
fn advice(front: &FrontMatter) -> Vec<String> {
    let mut advice = Vec::new();
    let mut say = |words: &str| advice.push(words.to_owned());
    if front.sources.is_empty() {
        say("it names no sources; readers trust what they can look up");
    } else if !front.sources.iter().any(|source| source.official) && front.kind == "law-summary" {
        say("it names no official source; mark the gazette or the parliament's page with `official: true`");
    }
    if front.valid_as_of.is_empty() {
        say("it has no `valid_as_of`; readers cannot tell how old it is");
    }
    if front.topics.is_empty() {
        say("it names no topics; people filter by them");
    }
    if front.assistance.is_empty() {
        say("it does not say whether a machine helped to write it; add `assistance: {all: none}` if none did");
    }
    if front.kind == "law-summary" {
        if front.jurisdiction.is_empty() {
            say("it names no jurisdiction");
        }
        if front.legal_status.is_empty() {
            say("it names no legal status");
        }
        let count = front.summary_short.split_whitespace().count();
        if count == 0 {
            say("it has no `summary_short`; lists show it");
        } else if count > SUMMARY_WORDS_MAX {
            advice.push(format!("its `summary_short` has {count} words; {SUMMARY_WORDS_MAX} are enough"));
        }
    } else if front.objective.is_empty() {
        say("it has no `objective`; lists show it");
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
        assert!(errors(text).contains("note.md:5: the key `maturity` belongs to a good-practice"));
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
