//! A document to be filled in: every key of its kind, what belongs there, and the words there are.
//!
//! What is required is there and empty, so that the check names it; all else is commented out.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::forms::{Form, Key, Need, Shape};
use crate::front_matter::FrontMatter;
use crate::vocabulary::{self as words, Words};

/// Columns of a comment: what an editor shows beside other things.
const COLUMNS: usize = 100;
/// Words of a list up to which each is explained on a line of its own.
const WORDS_EXPLAINED_MAX: usize = 24;

/// The template of a kind.
pub fn template(form: &Form) -> String {
    filled(form, &FrontMatter::default())
}

/// The template of a kind, with what is known already.
pub fn filled(form: &Form, known: &FrontMatter) -> String {
    let known = known.keys();
    let mut text = format!("---\n# {}\n", form.help);
    text += "# Fill in what has no # before it, and of the rest what you know. Everything published is public and for good.\n";
    for key in form.all() {
        text += "\n";
        comment(&mut text, key.help);
        explain(&mut text, &key.shape);
        text += &match known.get(key.name) {
            Some(value) => written(key.name, value),
            None => line(form, key),
        };
    }
    text += "---\n\nThe text, in Markdown.\n";
    text
}

/// A key with its value.
fn written(name: &str, value: &Value) -> String {
    serde_saphyr::to_string(&BTreeMap::from([(name, value)])).unwrap_or_default()
}

/// The key's own line.
fn line(form: &Form, key: &Key) -> String {
    let (name, example) = (key.name, example(&key.shape));
    if name == "kind" {
        return format!("kind: {}\n", form.slug());
    }
    match (key.need, key.many) {
        (Need::Must, false) => format!("{name}: \"\"\n"),
        (_, false) => format!("# {name}: {example}\n"),
        (_, true) if matches!(key.shape, Shape::Topic | Shape::Word(_) | Shape::Code | Shape::Language) => {
            format!("# {name}: [{example}]\n")
        }
        (_, true) => format!("# {name}:\n#   - {example}\n"),
    }
}

/// Something that the check takes.
fn example(shape: &Shape) -> String {
    match shape {
        Shape::Line | Shape::Text => "\"..\"".to_owned(),
        Shape::Slug => "a-short-name".to_owned(),
        Shape::Date | Shape::Day => "2026-11-23".to_owned(),
        Shape::Url => "\"https://example.org/\"".to_owned(),
        Shape::Language => "en".to_owned(),
        Shape::Jurisdiction => "KE".to_owned(),
        Shape::Code => "KE-LC01".to_owned(),
        Shape::Work => "KE-LC01/a-short-name@1".to_owned(),
        Shape::Field => "title".to_owned(),
        Shape::Count => "8".to_owned(),
        Shape::Flag => "true".to_owned(),
        Shape::Word(list) => list.first().map(|(word, _)| (*word).to_owned()).unwrap_or_default(),
        Shape::Topic => "legal-frameworks".to_owned(),
        Shape::Assistance => "{all: none}".to_owned(),
        Shape::Parts(parts) => {
            let parts: Vec<String> =
                parts.iter().map(|part| format!("{}: {}", part.name, example(&part.shape))).collect();
            format!("{{{}}}", parts.join(", "))
        }
    }
}

/// The words there are for a shape.
fn explain(text: &mut String, shape: &Shape) {
    match shape {
        Shape::Word(list) => word_list(text, list),
        Shape::Assistance => word_list(text, words::ASSISTANCE),
        Shape::Topic => {
            let all: Vec<&str> = words::TOPICS.iter().map(|(slug, _)| *slug).collect();
            comment(text, &all.join(", "));
        }
        Shape::Parts(parts) => {
            for part in *parts {
                comment(text, &format!("- {}: {}", part.name, part.help));
                if let Shape::Word(list) = part.shape {
                    let all: Vec<&str> = list.iter().map(|(word, _)| *word).collect();
                    comment(text, &format!("  ({})", all.join(", ")));
                }
            }
        }
        _ => {}
    }
}

fn word_list(text: &mut String, list: Words) {
    if list.len() > WORDS_EXPLAINED_MAX {
        let all: Vec<&str> = list.iter().map(|(word, _)| *word).collect();
        return comment(text, &all.join(", "));
    }
    for (word, meaning) in list {
        comment(text, &format!("- {word}: {meaning}"));
    }
}

/// Wrapped, behind #.
fn comment(text: &mut String, words: &str) {
    let mut column = 0;
    for word in words.split(' ') {
        if column == 0 || column + word.len() + 1 > COLUMNS {
            if column > 0 {
                *text += "\n";
            }
            *text += "#";
            column = 1;
        }
        *text += " ";
        *text += word;
        column += word.len() + 1;
    }
    *text += "\n";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::template;
    use crate::document;
    use crate::forms::{FORMS, Need};

    /// As a person fills it in who has something to say to everything.
    fn filled(text: &str) -> String {
        let (front, rest) = text.split_once("\n---\n").unwrap();
        let lines = front.lines().filter_map(|line| {
            let key = line.strip_prefix("# ").unwrap_or(line);
            let is_key = key.split_once(':').is_some_and(|(name, _)| {
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            });
            let is_item = line.starts_with("#   - ");
            (is_key || is_item || line == "---").then(|| line.trim_start_matches("# ").replacen("#   -", "  -", 1))
        });
        let text = lines.collect::<Vec<_>>().join("\n") + "\n---\n" + rest;
        text.replace("language: \"\"", "language: sw")
            .replace("title: \"\"", "title: Kichwa")
            .replace("about: \"\"", "about: FI/a-work@2")
            .replace("method: \"\"", "method: human")
            .replace("decision: \"\"", "decision: adapted")
            .replace("action_type: \"\"", "action_type: hearing")
            .replace(": \"\"\n", ": Maneno.\n")
    }

    #[test]
    fn the_template_of_every_kind_is_sound_once_it_is_filled_in() {
        for form in FORMS {
            let text = template(form);
            let (document, advice) = document::read("kiolezo.md", filled(&text).as_bytes())
                .unwrap_or_else(|errors| panic!("{errors:?}\n{}", filled(&text)));
            assert_eq!(document.kind, form.kind);
            assert!(advice.is_empty(), "{}: {advice:?}", form.slug());
            let written = document::write(document.kind as u32, &document.publication);
            let (again, _) = document::read("kiolezo.md", written.as_bytes()).unwrap();
            assert_eq!(document, again);
        }
    }

    #[test]
    fn a_template_as_it_comes_is_told_what_is_missing_and_where() {
        for form in FORMS {
            let text = template(form);
            let errors = document::read("kiolezo.md", text.as_bytes()).unwrap_err();
            let required: Vec<_> =
                form.all().filter(|key| key.need == Need::Must && !key.many && key.name != "kind").collect();
            assert_eq!(errors.len(), required.len(), "{errors:?}");
            for key in required {
                let line = text.lines().position(|line| line == format!("{}: \"\"", key.name)).unwrap() + 1;
                let expected = format!("kiolezo.md:{line}: the key `{}` is required", key.name);
                assert!(errors.iter().any(|error| error.to_string().starts_with(&expected)), "{expected} {errors:?}");
            }
        }
    }
}
