//! Text as search sees it: words found by ICU4X in every script, folded so that spellings meet.

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_segmenter::WordSegmenter;
use icu_segmenter::options::WordBreakInvariantOptions;
use std::borrow::Cow;

/// Bytes of a word that are indexed; longer ones are addresses and noise.
const WORD_BYTES_MAX: usize = 64;
/// Letters of the longest article that loses its vowel before another: `dell'`, `jusqu'`.
const ELIDED_LETTERS_MAX: usize = 5;
/// Letters of what follows it: fewer are an English ending, `parliament's`.
const ELIDING_LETTERS_MIN: usize = 3;
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
            let elided = elided(word);
            let word = word.get(elided..).unwrap_or(word);
            words.push(Word { folded: fold(word), start: start + elided, end });
        }
        start = end;
    }
    words.retain(|word| !word.folded.is_empty());
    words
}

/// Bytes of what French, Italian and others write together with a word and an apostrophe: `l'éducation`, `dell'istruzione`.
fn elided(word: &str) -> usize {
    let Some((before, after)) = word.split_once(['\'', '’']) else { return 0 };
    let is_article =
        (1..=ELIDED_LETTERS_MAX).contains(&before.len()) && before.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_article && after.chars().count() >= ELIDING_LETTERS_MIN { word.len() - after.len() } else { 0 }
}

/// A word as all spellings of it are indexed.
pub fn fold(word: &str) -> String {
    let lower = word.to_lowercase();
    let decomposed: Cow<'_, str> = DecomposingNormalizerBorrowed::new_nfkd().normalize(&lower);
    let mut folded = String::with_capacity(decomposed.len());
    for letter in decomposed.chars() {
        match letter {
            // Digits of other scripts.
            digit if !digit.is_ascii() && decimal(digit).is_some() => folded.extend(decimal(digit)),
            // Accents; Hebrew points; Arabic vowel signs, hamza above and below, superscript alef, Koranic marks; tatweel.
            '\u{300}'..='\u{36f}' | '\u{591}'..='\u{5c7}' | '\u{64b}'..='\u{65f}' | '\u{670}' => {}
            '\u{6d6}'..='\u{6ed}' | '\u{640}' | '\u{200c}' | '\u{200d}' => {}
            '\u{93c}' | '\u{9bc}' => {} // the dot below that makes a letter of another language, often left out
            'ς' => folded.push('σ'),
            'ך' => folded.push('כ'),
            'ם' => folded.push('מ'),
            'ן' => folded.push('נ'),
            'ף' => folded.push('פ'),
            'ץ' => folded.push('צ'),
            'ß' => folded.push_str("ss"),
            'ı' => folded.push('i'),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' => folded.push('d'),
            '\u{671}' => folded.push('\u{627}'),
            '\u{649}' | '\u{6cc}' | '\u{6d2}' => folded.push('\u{64a}'),
            '\u{629}' | '\u{6be}' | '\u{6c1}' | '\u{6c3}' | '\u{6d5}' => folded.push('\u{647}'),
            '\u{6a9}' => folded.push('\u{643}'),
            other => folded.push(other),
        }
    }
    folded
}

/// The value of a digit: every script has its ten in a row.
fn decimal(digit: char) -> Option<char> {
    const ZEROS: [u32; 14] =
        [0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xe50, 0xed0, 0x17e0];
    let code = u32::from(digit);
    let zero = ZEROS.into_iter().find(|zero| (*zero..*zero + 10).contains(&code))?;
    char::from_digit(code - zero, 10)
}

#[cfg(test)]
mod tests {
    use super::{fold, words};

    #[test]
    fn words_are_found_in_every_script() {
        let folded = |text: &str| words(text).into_iter().map(|word| word.folded).collect::<Vec<_>>();
        assert_eq!(folded("Täysistunnon puheet, 2026"), ["taysistunnon", "puheet", "2026"]);
        assert!(folded("生成式人工智能服务管理暂行办法").contains(&"人工".to_owned()) || folded("人工智能").len() < 4);
        assert_eq!(fold("ٱلْقَانُونُ"), fold("القانون"));
        assert_eq!(folded("الْقَانُونُ الجديد"), folded("القانون الجديد"));
        assert_eq!(fold("Еще"), fold("ещё"));
        assert_eq!(fold("ＡＩ"), "ai");
        assert_eq!((fold("۱۴"), fold("२०२४")), ("14".to_owned(), "2024".to_owned()));
        assert_eq!(fold("دِین"), fold("دين"));
        assert_eq!(fold("ΝΌΜΟΣ"), fold("νομοσ"));
        assert!(folded("ปัญญาประดิษฐ์").len() > 1);
        assert_eq!(folded("l’éducation, dell'istruzione, parliament's"), ["education", "istruzione", "parliament's"]);
    }
}
