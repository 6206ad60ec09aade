//! The check of a document against its form: everything that is wrong, each with its line, so that a person mends a file once.

use proto::limits;
use serde_json::Value;

use super::DocumentError;
use crate::forms::{self, Form, Key, Need, Shape};
use crate::front_matter::FrontMatter;
use crate::name::Name;
use crate::partial_date::Span;
use crate::vocabulary as words;

/// Words of a list up to which an error names them all.
const WORDS_NAMED_MAX: usize = 24;

/// Collects what is wrong with one file.
pub(super) struct Check<'a> {
    file: &'a str,
    yaml: &'a str,
    errors: Vec<DocumentError>,
}

impl<'a> Check<'a> {
    pub(super) fn new(file: &'a str, yaml: &'a str) -> Check<'a> {
        Check { file, yaml, errors: Vec::new() }
    }

    pub(super) fn error(&mut self, line: Option<usize>, what: String) {
        self.errors.push(DocumentError { file: self.file.to_owned(), line, what });
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// In the order of the lines.
    pub(super) fn into_errors(mut self) -> Vec<DocumentError> {
        self.errors.sort_by_key(|error| error.line);
        self.errors
    }

    /// Unknown keys, and keys of another kind, before anything else is believed.
    pub(super) fn keys(&mut self) {
        let kind = self.yaml.lines().find_map(|line| line.strip_prefix("kind:")).unwrap_or_default();
        let kind = kind.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        let form = Form::of(kind);
        for (index, line) in self.yaml.lines().enumerate() {
            let key = line.split(':').next().unwrap_or_default();
            let is_key = line.contains(':')
                && !key.is_empty()
                && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            if is_key {
                self.belongs(form, key, Some(index + 2));
            }
        }
    }

    /// Whether a kind has a key. Where the kind is not known, another error says so.
    fn belongs(&mut self, form: Option<&Form>, key: &str, line: Option<usize>) -> bool {
        let is_there = form.map_or_else(|| forms::names().any(|name| name == key), |form| form.key(key).is_some());
        if is_there {
            return true;
        }
        let kinds = forms::kinds_with(key);
        if kinds.is_empty() {
            let known: Vec<&str> =
                form.map_or_else(|| forms::names().collect(), |form| form.all().map(|key| key.name).collect());
            // A key of this kind is likelier meant than one of another.
            let closest = words::closest(key, known).or_else(|| words::closest(key, forms::names()));
            let meant = closest.map_or_else(String::new, |key| format!("; did you mean `{key}`?"));
            self.error(line, format!("unknown key `{key}`{meant}"));
        } else {
            let kinds = kinds.join(", ");
            self.error(line, format!("the key `{key}` belongs to {kinds}; leave it out, or change the kind"));
        }
        false
    }

    /// What is required, and what each key holds.
    pub(super) fn front(&mut self, front: &FrontMatter) {
        self.one_of("kind", &front.kind, forms::kinds());
        let form = Form::of(&front.kind);
        let keys = front.keys();
        let required = forms::COMMON.iter().chain(form.map(|form| form.keys).unwrap_or_default());
        for key in required.filter(|key| key.need == Need::Must) {
            if keys.get(key.name).is_none_or(is_empty) {
                let line = self.line(key.name, "").or(Some(1));
                self.error(line, format!("the key `{}` is required: {}", key.name, key.help));
            }
        }
        let Some(form) = form else { return };
        for (name, value) in &keys {
            if !self.belongs(Some(form), name, self.line(name, "")) {
                continue;
            }
            if let Some(key) = form.key(name) {
                self.key(form, key, value);
            }
        }
    }

    fn key(&mut self, form: &Form, key: &Key, value: &Value) {
        let items = match value {
            Value::Array(items) => items.as_slice(),
            one => std::slice::from_ref(one),
        };
        if items.len() > limits::LIST_ITEMS_MAX {
            let what = format!("`{}` has {} items; {} are allowed", key.name, items.len(), limits::LIST_ITEMS_MAX);
            self.error(self.line(key.name, ""), what);
        }
        for item in items {
            self.item(form, key.name, &key.shape, item);
        }
    }

    /// One value below a key of the top.
    fn item(&mut self, form: &Form, top: &str, shape: &Shape, value: &Value) {
        let text = value.as_str().unwrap_or_default();
        match shape {
            Shape::Parts(parts) => {
                for part in *parts {
                    match value.get(part.name) {
                        Some(value) if !is_empty(value) => self.item(form, top, &part.shape, value),
                        _ if part.need == Need::Must => {
                            let what = format!("`{top}` needs `{}` in each: {}", part.name, part.help);
                            self.error(self.line(top, ""), what);
                        }
                        _ => {}
                    }
                }
            }
            Shape::Assistance => self.assistance(form, value),
            Shape::Work => self.work(top, value),
            Shape::Slug => self.slug(text),
            Shape::Text | Shape::Count | Shape::Flag => {}
            _ if text.is_empty() => {}
            Shape::Word(list) => self.one_of(top, text, list.iter().map(|(word, _)| *word)),
            Shape::Topic => self.one_of(top, text, words::TOPICS.iter().map(|(slug, _)| *slug)),
            // Of another work, which may be of any kind.
            Shape::Field => self.one_of(top, text, forms::names().chain(["text"])),
            Shape::Line
                if top == "title" && (text.contains('\n') || text.chars().count() > limits::TITLE_CHARS_MAX) =>
            {
                let what = format!("the title is one line of at most {} characters", limits::TITLE_CHARS_MAX);
                self.error(self.line(top, ""), what);
            }
            Shape::Line => {}
            Shape::Date if Span::parse(text).is_some() => {}
            Shape::Date => self.no(top, text, "is no date; write 2026, 2026-11 or 2026-11-23"),
            Shape::Day if is_day(text) => {}
            Shape::Day => self.no(top, text, "is no day; write it like 2026-11-23"),
            Shape::Url if is_url(text) => {}
            Shape::Url => self.no(top, text, "is not an http or https address"),
            Shape::Language if oxilangtag::LanguageTag::parse(text).is_ok() => {}
            Shape::Language => self.no(top, text, "is no language tag; write it like en, pt-BR or zh-Hans (BCP 47)"),
            Shape::Jurisdiction if is_jurisdiction(text) => {}
            Shape::Jurisdiction => self.no(top, text, "is no jurisdiction; write KR, US-CO, EU, COE or UN"),
            Shape::Code if is_code(text) => {}
            Shape::Code => self.no(top, text, "is no code of a member or chamber; write it like FI or KE-LC01"),
        }
    }

    fn no(&mut self, top: &str, value: &str, what: &str) {
        self.error(self.line(top, value), format!("`{value}` {what}"));
    }

    fn slug(&mut self, slug: &str) {
        if !is_slug(slug) {
            let max = limits::SLUG_CHARS_MAX;
            let what = format!("`{slug}` cannot be a slug; give `slug:` 1 to {max} of a-z, 0-9 and -");
            self.error(self.line("slug", "").or(Some(1)), what);
        }
    }

    fn assistance(&mut self, form: &Form, value: &Value) {
        for (field, level) in value.as_object().into_iter().flatten() {
            self.one_of("assistance", field, fields(form).chain(["all"]));
            let levels = words::ASSISTANCE.iter().map(|(word, _)| *word);
            self.one_of("assistance", level.as_str().unwrap_or_default(), levels);
        }
    }

    fn work(&mut self, top: &str, value: &Value) {
        let part = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let (work, entry) = (part("work"), part("entry"));
        let name = Name::parse(work).filter(|name| {
            let (code, slug) = name.work.split_once('/').unwrap_or_default();
            is_code(code) && is_slug(slug) && name.version != Some(0) && name.digest.is_none()
        });
        if name.is_none() && !work.is_empty() {
            self.no(top, work, "names no version of a work; write CODE/slug@2, like KE-LC01/ai-bill-2026@2");
        }
        if !entry.is_empty() && entry.parse::<proto::digest::Digest>().is_err() {
            self.no(top, entry, "is no digest of an entry; leave it out, and publishing fills it in");
        }
    }

    fn one_of<'b>(&mut self, key: &str, value: &str, list: impl Iterator<Item = &'b str> + Clone) {
        if value.is_empty() || list.clone().any(|word| word == value) {
            return;
        }
        let meant = match words::closest(value, list.clone()) {
            Some(word) => format!("; did you mean `{word}`?"),
            None if list.clone().count() <= WORDS_NAMED_MAX => {
                format!("; use one of {}", list.collect::<Vec<_>>().join(", "))
            }
            None => String::new(),
        };
        self.error(self.line(key, value), format!("`{value}` is not a word for `{key}`{meant}"));
    }

    /// The line in the file of a top-level key, or of a value below it.
    fn line(&self, key: &str, value: &str) -> Option<usize> {
        let lines = || self.yaml.lines().enumerate();
        let (start, _) = lines().find(|(_, line)| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))?;
        let below = lines().skip(start).find(|(_, line)| !value.is_empty() && line.contains(value));
        Some(below.map_or(start, |(line, _)| line) + 2)
    }
}

/// Names of what a reader sees of a kind.
fn fields(form: &Form) -> impl Iterator<Item = &'static str> + Clone + use<> {
    form.all().map(|key| key.name).chain(["text"])
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Object(parts) => parts.values().all(is_empty),
        _ => false,
    }
}

/// Whether a text is 1 to [`limits::SLUG_CHARS_MAX`] of a-z, 0-9 and -.
pub fn is_slug(text: &str) -> bool {
    let letters = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    (1..=limits::SLUG_CHARS_MAX).contains(&text.len()) && letters
}

/// Capitals, then groups of capitals and digits after hyphens: `FI`, `KE-LC01`, `INT-IPU`.
fn is_code(text: &str) -> bool {
    let mut groups = text.split('-');
    let first = groups.next().unwrap_or_default();
    let capitals = |group: &str| group.bytes().all(|byte| byte.is_ascii_uppercase());
    let others =
        |group: &str| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    text.len() <= limits::CODE_CHARS_MAX && first.len() >= 2 && capitals(first) && groups.all(others)
}

fn is_jurisdiction(text: &str) -> bool {
    let upper = |part: &str| part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    match text.split_once('-') {
        None => matches!(text, "COE" | "ASEAN") || (text.len() == 2 && upper(text)),
        Some((country, part)) => country.len() == 2 && (1..=3).contains(&part.len()) && upper(country) && upper(part),
    }
}

fn is_url(text: &str) -> bool {
    let sound = text.starts_with("https://") || text.starts_with("http://");
    sound && !text.chars().any(char::is_whitespace)
}

/// `2026-11-23`, and a day that exists.
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}
