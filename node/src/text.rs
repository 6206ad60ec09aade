//! Text as search sees it: words found by ICU4X in every script, folded so that spellings meet, and stemmed where a language
//! has a stemmer.
//!
//! A reader does not say in which language a query is. So a document's words are indexed folded, and beside that as stems of
//! the document's own language, each marked with it; a query asks for the folded word or for its stem in any language.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;
use rust_stemmers::{Algorithm, Stemmer};

/// Bytes of a word that are indexed; longer ones are addresses and noise.
const WORD_BYTES_MAX: usize = 64;
/// Stems a thread remembers: about 2 MB.
const STEMS_MAX: usize = 16_384;
/// Characters of a snippet: two lines of a result.
const SNIPPET_CHARS: usize = 240;

/// Languages with a stemmer.
const STEMMERS: &[(&str, Algorithm)] = &[
    ("ar", Algorithm::Arabic),
    ("da", Algorithm::Danish),
    ("de", Algorithm::German),
    ("el", Algorithm::Greek),
    ("en", Algorithm::English),
    ("es", Algorithm::Spanish),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("hu", Algorithm::Hungarian),
    ("it", Algorithm::Italian),
    ("nl", Algorithm::Dutch),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("sv", Algorithm::Swedish),
    ("ta", Algorithm::Tamil),
    ("tr", Algorithm::Turkish),
];

/// One word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Folded: lower case, without accents, points and width.
    pub folded: String,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// The words of a text, in order.
pub fn words(text: &str) -> Vec<Word> {
    let segmenter = WordSegmenter::new_dictionary(WordBreakInvariantOptions::default());
    let mut words = Vec::new();
    let mut start = 0;
    for end in segmenter.segment_str(text) {
        // Not the segmenter's own `is_word_like`: it does not hold for a word that ends in a vowel sign.
        if let Some(word) = text.get(start..end)
            && word.len() <= WORD_BYTES_MAX
            && word.chars().any(char::is_alphanumeric)
        {
            words.push(Word { folded: fold(word), start, end });
        }
        start = end;
    }
    words.retain(|word| !word.folded.is_empty());
    words
}

/// A word as all spellings of it are indexed.
pub fn fold(word: &str) -> String {
    let lower = word.to_lowercase();
    let decomposed: Cow<'_, str> = DecomposingNormalizerBorrowed::new_nfkd().normalize(&lower);
    let mut folded = String::with_capacity(decomposed.len());
    for letter in decomposed.chars() {
        match letter {
            // Accents; Hebrew points; Arabic vowel signs, hamza above and below, superscript alef, Koranic marks; tatweel.
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}' => {}
            '\u{6d6}'..='\u{6ed}' | '\u{640}' | '\u{200c}' | '\u{200d}' => {}
            'ß' => folded.push_str("ss"),
            'ı' => folded.push('i'),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            '\u{671}' => folded.push('\u{627}'),
            '\u{649}' | '\u{6cc}' => folded.push('\u{64a}'),
            '\u{629}' => folded.push('\u{647}'),
            '\u{6a9}' => folded.push('\u{643}'),
            other => folded.push(other),
        }
    }
    folded
}

thread_local! {
    // Stems of one language, by word: a few thousand words are most of every text, and to stem one takes ten look-ups.
    static STEMS: RefCell<(&'static str, HashMap<String, String>)> = RefCell::default();
}

/// The stem of a folded word in a document's language, marked with that language; `None` where it has no stemmer.
pub fn stem(language: &str, folded: &str) -> Option<String> {
    let primary = language.split('-').next().unwrap_or(language);
    let primary = if matches!(primary, "nb" | "nn") { "no" } else { primary };
    let (name, algorithm) = STEMMERS.iter().find(|(name, _)| *name == primary)?;
    STEMS.with_borrow_mut(|(known, stems)| {
        if known != name || stems.len() >= STEMS_MAX {
            (*known, *stems) = (name, HashMap::new());
        }
        if let Some(stem) = stems.get(folded) {
            return Some(stem.clone());
        }
        let stem = format!("{name}:{}", Stemmer::create(*algorithm).stem(folded));
        stems.insert(folded.to_owned(), stem.clone());
        Some(stem)
    })
}

/// The stems of a word in every language, for a query that does not say which.
pub fn stems(folded: &str) -> Vec<String> {
    let stem = |(name, algorithm): &(&str, Algorithm)| format!("{name}:{}", Stemmer::create(*algorithm).stem(folded));
    STEMMERS.iter().map(stem).collect()
}

/// The part of a text around what was searched for, as HTML: escaped, with `<mark>` around the words. Without a match, its
/// beginning.
pub fn snippet(text: &str, language: &str, searched: &[String]) -> String {
    let is_match = |word: &Word| {
        let stemmed = stem(language, &word.folded);
        searched.iter().any(|term| *term == word.folded || stemmed.as_ref() == Some(term))
    };
    let words = words(text);
    let matches: Vec<&Word> = words.iter().filter(|word| is_match(word)).collect();
    let first = matches.first().map_or(0, |word| word.start);
    // A little of what comes before, from the beginning of a word.
    let lead = text.get(..first).map_or(0, |before| {
        let back = before.char_indices().rev().nth(SNIPPET_CHARS / 4).map_or(0, |(at, _)| at);
        words.iter().map(|word| word.start).find(|start| back > 0 && *start >= back).unwrap_or(0)
    });
    let rest = text.get(lead..).unwrap_or_default();
    let limit = rest.char_indices().nth(SNIPPET_CHARS).map_or(text.len(), |(at, _)| lead + at);
    // Up to the last whole word, unless a single one is longer than a snippet.
    let whole = words.iter().map(|word| word.end).take_while(|end| *end <= limit).last();
    let end = if limit == text.len() { limit } else { whole.filter(|end| *end > lead).unwrap_or(limit) };
    let mut html = String::new();
    if lead > 0 {
        html.push_str("… ");
    }
    let mut at = lead;
    for word in matches.iter().filter(|word| word.start >= lead && word.end <= end) {
        escape(text.get(at..word.start).unwrap_or_default(), &mut html);
        html.push_str("<mark>");
        escape(text.get(word.start..word.end).unwrap_or_default(), &mut html);
        html.push_str("</mark>");
        at = word.end;
    }
    escape(text.get(at..end).unwrap_or_default(), &mut html);
    if end < text.len() {
        html.push_str(" …");
    }
    html
}

fn escape(text: &str, html: &mut String) {
    let mut space = false;
    for letter in text.chars() {
        match letter {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            letter if letter.is_whitespace() && space => continue,
            letter if letter.is_whitespace() => html.push(' '),
            letter => html.push(letter),
        }
        space = letter.is_whitespace();
    }
}

#[cfg(test)]
mod tests {
    use super::{fold, snippet, stem, words};

    #[test]
    fn words_are_found_in_every_script() {
        let folded = |text: &str| words(text).into_iter().map(|word| word.folded).collect::<Vec<_>>();
        assert_eq!(folded("Täysistunnon puheet, 2026"), ["taysistunnon", "puheet", "2026"]);
        assert!(folded("生成式人工智能服务管理暂行办法").contains(&"人工".to_owned()) || folded("人工智能").len() < 4);
        assert_eq!(fold("ٱلْقَانُونُ"), fold("القانون"));
        assert_eq!(folded("الْقَانُونُ الجديد"), folded("القانون الجديد"));
        assert_eq!(fold("Еще"), fold("ещё"));
        assert_eq!(fold("ＡＩ"), "ai");
        assert!(folded("ปัญญาประดิษฐ์").len() > 1);
    }

    #[test]
    fn a_word_meets_its_other_forms_in_its_language() {
        assert_eq!(stem("en-GB", "laws"), Some("en:law".to_owned()));
        assert_eq!(stem("ja", "ai"), None);
    }

    #[test]
    fn a_snippet_marks_and_escapes() {
        let html = snippet("<script> is no law, but laws are", "en", &["en:law".to_owned()]);
        assert_eq!(html, "&lt;script&gt; is no <mark>law</mark>, but <mark>laws</mark> are");
        let long = format!("{} needle {}", "hay ".repeat(200), "straw ".repeat(200));
        let html = snippet(&long, "en", &["needle".to_owned()]);
        assert!(html.starts_with("… hay") && html.contains("<mark>needle</mark>") && html.ends_with(" …"), "{html}");
    }
}
