//! What people call the words of the vocabulary, in seven languages: one table, a Fluent file for each language, in the binary.
//!
//! Fluent, because its files are plain enough for a translator and will hold the sentences of the pages too. Of its crates this
//! is `fluent-bundle`, its own project's: `fluent-templates` and `i18n-embed` add macros that gather files, and seven
//! `include_str!` do that. What a machine translated says so at the head of its file until a person has read it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentError, FluentResource};

use crate::text;
use crate::vocabulary;

/// Languages there are labels in; the first is the original, and stands in for what another lacks.
pub const LANGUAGES: [&str; 7] = ["en", "ar", "es", "fr", "pt", "ru", "zh"];

/// Their files, in that order.
const FILES: [&str; LANGUAGES.len()] = [
    include_str!("labels/en.ftl"),
    include_str!("labels/ar.ftl"),
    include_str!("labels/es.ftl"),
    include_str!("labels/fr.ftl"),
    include_str!("labels/pt.ftl"),
    include_str!("labels/ru.ftl"),
    include_str!("labels/zh.ftl"),
];

/// Which list of the vocabulary a word is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum List {
    /// Kinds of publication.
    Kind,
    /// Topics.
    Topic,
    /// Legal statuses.
    Status,
    /// How far a machine wrote something.
    Assistance,
}

impl List {
    /// All of them.
    pub const ALL: [List; 4] = [List::Kind, List::Topic, List::Status, List::Assistance];

    /// How its messages begin.
    fn prefix(self) -> &'static str {
        match self {
            List::Kind => "kind",
            List::Topic => "topic",
            List::Status => "status",
            List::Assistance => "assistance",
        }
    }

    /// Its words.
    pub fn slugs(self) -> Vec<&'static str> {
        match self {
            List::Kind => vocabulary::KINDS.iter().map(|(slug, _)| *slug).collect(),
            List::Topic => vocabulary::TOPICS.iter().map(|(slug, _)| *slug).collect(),
            List::Status => vocabulary::LEGAL_STATUSES.iter().map(|(slug, _)| *slug).collect(),
            List::Assistance => vocabulary::ASSISTANCE.iter().map(|(slug, _)| *slug).collect(),
        }
    }

    fn message(self, slug: &str) -> String {
        format!("{}-{slug}", self.prefix())
    }
}

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<Vec<Bundle>> = LazyLock::new(|| {
    let bundle = |(language, file): (&&str, &&str)| {
        let mut bundle = Bundle::new_concurrent(language.parse().into_iter().collect());
        // What Fluent cannot read it leaves out, and the test of the files names it.
        let (Ok(resource) | Err((resource, _))) = FluentResource::try_new((*file).to_owned());
        bundle.add_resource_overriding(resource);
        bundle
    };
    LANGUAGES.iter().zip(&FILES).map(bundle).collect()
});

fn message(bundle: &'static Bundle, id: &str) -> Option<Cow<'static, str>> {
    let pattern = bundle.get_message(id)?.value()?;
    let mut errors: Vec<FluentError> = Vec::new();
    Some(bundle.format_pattern(pattern, None, &mut errors)).filter(|_| errors.is_empty())
}

/// What a word of the vocabulary is called in a language, or in English, or the word itself.
pub fn label(list: List, slug: &str, language: &str) -> Cow<'static, str> {
    let id = list.message(slug);
    let primary = language.split('-').next().unwrap_or_default();
    let wanted = LANGUAGES.iter().position(|one| one.eq_ignore_ascii_case(primary)).unwrap_or_default();
    let bundles = BUNDLES.get(wanted).into_iter().chain(BUNDLES.first());
    bundles.filter_map(|bundle| message(bundle, &id)).next().unwrap_or_else(|| slug.to_owned().into())
}

/// A label as it is recognised in a query.
struct Known {
    words: Vec<String>,
    list: List,
    slug: &'static str,
}

/// All labels in all languages, by their first word.
static KNOWN: LazyLock<HashMap<String, Vec<Known>>> = LazyLock::new(|| {
    let mut known: HashMap<String, Vec<Known>> = HashMap::new();
    for list in List::ALL {
        for slug in list.slugs() {
            let said = LANGUAGES.iter().map(|language| label(list, slug, language)).chain([slug.into()]);
            for words in said.map(|said| meeting_words(&said)) {
                if let Some(first) = words.first() {
                    known.entry(first.clone()).or_default().push(Known { words, list, slug });
                }
            }
        }
    }
    known
});

/// Words of a text as labels and queries meet in them.
fn meeting_words(text: &str) -> Vec<String> {
    text::words(text).into_iter().map(|word| word.folded).collect()
}

/// The words of the vocabulary whose label in any language a list of folded words begins with, the longest label only, and how
/// many words that is. Nothing: 0.
pub fn recognise(words: &[String]) -> (usize, Vec<(List, &'static str)>) {
    let candidates = words.first().and_then(|first| KNOWN.get(first)).map(Vec::as_slice).unwrap_or_default();
    let begun: Vec<&Known> = candidates.iter().filter(|known| words.starts_with(&known.words)).collect();
    let longest = begun.iter().map(|known| known.words.len()).max().unwrap_or_default();
    let of = begun.iter().filter(|known| known.words.len() == longest).map(|known| (known.list, known.slug));
    let mut found: Vec<(List, &'static str)> = of.collect();
    found.sort_unstable();
    found.dedup();
    (longest, found)
}

/// The word of a list that a text is: itself, or its label in any language.
pub fn slug_of(list: List, text: &str) -> Option<&'static str> {
    let words = meeting_words(text);
    let (used, found) = recognise(&words);
    found.into_iter().find(|(of, _)| *of == list && used == words.len()).map(|(_, slug)| slug)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use fluent_bundle::FluentResource;

    use super::{BUNDLES, FILES, LANGUAGES, List, label, meeting_words, message, recognise, slug_of};

    #[test]
    fn every_word_has_a_label_in_every_language_and_no_label_is_left_over() {
        let wanted: BTreeSet<String> =
            List::ALL.iter().flat_map(|list| list.slugs().into_iter().map(|slug| list.message(slug))).collect();
        for ((language, file), bundle) in LANGUAGES.iter().zip(FILES).zip(BUNDLES.iter()) {
            let read = FluentResource::try_new(file.to_owned());
            assert!(read.is_ok(), "{language}.ftl: {:?}", read.err().map(|(_, errors)| errors));
            let lines = file.lines().filter_map(|line| line.split_once(" = ")).map(|(id, _)| id.to_owned());
            let lines: Vec<String> = lines.collect();
            let has: BTreeSet<String> = lines.iter().cloned().collect();
            assert_eq!(has.len(), lines.len(), "{language}.ftl says something twice");
            assert_eq!(has.difference(&wanted).collect::<Vec<_>>(), Vec::<&String>::new(), "{language}.ftl: stray");
            assert_eq!(wanted.difference(&has).collect::<Vec<_>>(), Vec::<&String>::new(), "{language}.ftl: missing");
            assert!(wanted.iter().all(|id| message(bundle, id).is_some_and(|text| !text.is_empty())));
            if *language != "en" {
                assert!(file.contains("AWAITS REVIEW"), "{language}.ftl is machine-made and must say so");
            }
        }
    }

    #[test]
    fn a_label_names_one_word_of_its_list_in_its_language() {
        for language in LANGUAGES {
            for list in List::ALL {
                let all: BTreeSet<Vec<String>> =
                    list.slugs().iter().map(|slug| meeting_words(&label(list, slug, language))).collect();
                assert_eq!(all.len(), list.slugs().len(), "two labels of {list:?} are the same in {language}");
            }
        }
    }

    #[test]
    fn labels_are_said_and_recognised_in_every_language() {
        assert_eq!(label(List::Topic, "children", "fr-CA"), "Enfants");
        assert_eq!(label(List::Topic, "children", "fi"), "Children");
        assert_eq!(label(List::Kind, "of-tomorrow", "ar"), "of-tomorrow");
        for language in LANGUAGES {
            for list in List::ALL {
                for slug in list.slugs() {
                    let said = label(list, slug, language);
                    let words = meeting_words(&said);
                    let (used, found) = recognise(&words);
                    assert!(used == words.len() && found.contains(&(list, slug)), "{said}: {used} {found:?}");
                }
            }
        }
        assert_eq!(slug_of(List::Status, "en VIGUEUR"), Some("in-force"));
        assert_eq!(slug_of(List::Status, "in-force"), Some("in-force"));
        assert_eq!(slug_of(List::Topic, "in force"), None);
        assert_eq!(recognise(&["nothing".to_owned()]), (0, Vec::new()));
    }
}
