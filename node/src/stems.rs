//! What forms of a word have in common, so that a reader who types one finds the others.
//!
//! A reader does not say in which language a query is. So a document's words are indexed as stems of its own language too, each
//! marked with it, and a query asks for its words' stems in every language of their script. Where Snowball has an algorithm that is
//! taken (`snowball_stemmers_rs`: the same interface as `rust-stemmers`, and all of the project's forty languages where that has
//! eighteen). Elsewhere there are humble rules: words are cut to their beginnings, which for languages that bend the ends of words
//! does nearly as well (McNamee and Mayfield 2004); Arabic letters lose what is written together with a word (Larkey's light
//! stemmer, which finds more than roots do); Hebrew and Ethiopic words are reduced to consonants; and of Chinese, Japanese and
//! Korean each two neighbouring characters are a term, because dictionaries do not agree where words end.
//!
//! Stems are made of words as they are written, then folded; and of folded words, because people type without accents.

use std::cell::RefCell;
use std::collections::HashMap;

use snowball_stemmers_rs::{Algorithm, Stemmer};

use crate::text::fold;

/// Stems a thread remembers: about 2 MB.
const STEMS_MAX: usize = 16_384;
/// Letters of a word's beginning.
const BEGINNING: usize = 5;
/// Letters at the end of a long word that are most likely bent.
const BENT: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Latin,
    Greek,
    Cyrillic,
    Armenian,
    Hebrew,
    Arabic,
    Devanagari,
    Tamil,
    Ethiopic,
    Other,
}

/// Languages with a Snowball algorithm.
const SNOWBALL: &[(&str, Script, Algorithm)] = &[
    ("ar", Script::Arabic, Algorithm::Arabic),
    ("ca", Script::Latin, Algorithm::Catalan),
    ("cs", Script::Latin, Algorithm::Czech),
    ("da", Script::Latin, Algorithm::Danish),
    ("de", Script::Latin, Algorithm::German),
    ("el", Script::Greek, Algorithm::Greek),
    ("en", Script::Latin, Algorithm::English),
    ("es", Script::Latin, Algorithm::Spanish),
    ("et", Script::Latin, Algorithm::Estonian),
    ("eu", Script::Latin, Algorithm::Basque),
    ("fa", Script::Arabic, Algorithm::Persian),
    ("fi", Script::Latin, Algorithm::Finnish),
    ("fr", Script::Latin, Algorithm::French),
    ("ga", Script::Latin, Algorithm::Irish),
    ("hi", Script::Devanagari, Algorithm::Hindi),
    ("hu", Script::Latin, Algorithm::Hungarian),
    ("hy", Script::Armenian, Algorithm::Armenian),
    ("id", Script::Latin, Algorithm::Indonesian),
    ("it", Script::Latin, Algorithm::Italian),
    ("lt", Script::Latin, Algorithm::Lithuanian),
    ("ne", Script::Devanagari, Algorithm::Nepali),
    ("nl", Script::Latin, Algorithm::Dutch),
    ("no", Script::Latin, Algorithm::Norwegian),
    ("pl", Script::Latin, Algorithm::Polish),
    ("pt", Script::Latin, Algorithm::Portuguese),
    ("ro", Script::Latin, Algorithm::Romanian),
    ("ru", Script::Cyrillic, Algorithm::Russian),
    ("sr", Script::Cyrillic, Algorithm::Serbian),
    ("st", Script::Latin, Algorithm::Sesotho),
    ("sv", Script::Latin, Algorithm::Swedish),
    ("ta", Script::Tamil, Algorithm::Tamil),
    ("tr", Script::Latin, Algorithm::Turkish),
    ("uk", Script::Cyrillic, Algorithm::Ukrainian),
];

/// Mark of the stems of all languages without an algorithm.
const CUT: &str = "cut";
/// Mark of two neighbouring characters.
const PAIR: &str = "pair";
/// Vietnamese: its words do not change, but marks tell them apart, and most are two syllables with a space between.
const VIETNAMESE: &str = "vi";

/// The script of a word.
fn script(word: &str) -> Script {
    let of = |letter: char| match letter {
        'a'..='z' | '\u{df}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some(Script::Latin),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some(Script::Greek),
        '\u{400}'..='\u{52f}' => Some(Script::Cyrillic),
        '\u{530}'..='\u{58f}' => Some(Script::Armenian),
        '\u{590}'..='\u{5ff}' => Some(Script::Hebrew),
        '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{fb50}'..='\u{feff}' => Some(Script::Arabic),
        '\u{900}'..='\u{97f}' => Some(Script::Devanagari),
        '\u{b80}'..='\u{bff}' => Some(Script::Tamil),
        '\u{1200}'..='\u{137f}' => Some(Script::Ethiopic),
        letter if letter.is_alphabetic() => Some(Script::Other),
        _ => None,
    };
    word.chars().find_map(of).unwrap_or(Script::Other)
}

/// Whether a character is written without spaces around words, and is most of a word itself.
pub fn is_dense(letter: char) -> bool {
    matches!(letter, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}' // Han
        | '\u{30a1}'..='\u{30ff}' // Katakana
        | '\u{ac00}'..='\u{d7a3}') // Hangul
}

/// Whether a letter is part of a Korean syllable, which folding takes apart.
fn is_jamo(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11ff}')
}

/// Whether a word is of a script that bends words with its own letters only: a particle or an ending in Japanese.
pub fn is_hiragana(word: &str) -> bool {
    word.chars().all(|letter| matches!(letter, '\u{3041}'..='\u{309f}'))
}

thread_local! {
    // Stems of one language, by word, a line each: a few thousand words are most of every text, and to stem one takes ten look-ups.
    static STEMS: RefCell<(String, HashMap<String, String>)> = RefCell::default();
}

/// Adds the stems of a word as it is written in a document, a line each.
pub fn push(language: &str, written: &str, lines: &mut String) {
    let primary = language.split('-').next().unwrap_or(language);
    let primary = if matches!(primary, "nb" | "nn") { "no" } else { primary };
    let lower = written.to_lowercase();
    STEMS.with_borrow_mut(|(known, stems)| {
        if known.as_str() != primary || stems.len() >= STEMS_MAX {
            (*known, *stems) = (primary.to_owned(), HashMap::new());
        }
        let made = stems.entry(lower).or_insert_with_key(|lower| {
            of(primary, lower).into_iter().fold(String::new(), |lines, stem| lines + &stem + "\n")
        });
        lines.push_str(made);
    });
}

/// Adds every two neighbouring characters of a dense script, a line each, and in Vietnamese every two neighbouring syllables.
pub fn push_pairs(language: &str, text: &str, lines: &mut String) {
    let mut before = None;
    for letter in text.chars() {
        if let (Some(before), true) = (before, is_dense(letter)) {
            lines.push_str(&format!("{PAIR}:{before}{letter}\n"));
        }
        before = Some(letter).filter(|letter| is_dense(*letter));
    }
    if language == VIETNAMESE || language.starts_with("vi-") {
        let syllables: Vec<String> = text.split_whitespace().map(syllable).collect();
        for pair in syllables.windows(2).map(|pair| pair.join(" ")) {
            lines.push_str(&format!("{VIETNAMESE}:{pair}\n"));
        }
    }
}

fn syllable(written: &str) -> String {
    written.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase()
}

/// The terms that a query's word may have as a stem, in every language of its script.
pub fn in_every_language(written: &str) -> Vec<String> {
    let lower = written.to_lowercase();
    let script = script(&lower);
    let mut all: Vec<String> = Vec::new();
    for (language, _, _) in SNOWBALL.iter().filter(|(_, of, _)| *of == script) {
        all.extend(of(language, &lower));
    }
    if script == Script::Latin {
        all.extend(of(VIETNAMESE, &lower));
    }
    all.extend(of("", &lower));
    all
}

/// How a folded word begins, where that says something, the longer beginning first: for a reader of whose words nothing has all.
pub fn beginnings(folded: &str) -> Vec<String> {
    let letters: Vec<char> = folded.chars().collect();
    let is_word = |letter: &char| !letter.is_ascii_digit() && !is_dense(*letter) && !is_jamo(*letter);
    if letters.len() < BEGINNING || !letters.iter().all(is_word) {
        return Vec::new();
    }
    let lengths = [letters.len().saturating_sub(BENT).max(BEGINNING), BEGINNING];
    let mut beginnings: Vec<String> = lengths.iter().map(|length| letters.iter().take(*length).collect()).collect();
    beginnings.dedup();
    beginnings
}

/// The terms of two words that stand next to each other in a query, where those are one word to some language.
pub fn of_neighbours(first: &str, second: &str) -> Option<String> {
    let both = [syllable(first), syllable(second)];
    let is_latin =
        |word: &String| !word.is_empty() && script(word) == Script::Latin && word.chars().all(char::is_alphabetic);
    both.iter().all(is_latin).then(|| format!("{VIETNAMESE}:{}", both.join(" ")))
}

/// The pairs of what is written without spaces; those with an ending in them are left out.
pub fn pairs(typed: &str) -> Vec<String> {
    let mut lines = String::new();
    push_pairs("", typed, &mut lines);
    lines.lines().map(str::to_owned).collect()
}

/// Stems of a word in small letters; in a language that is not known, its beginning.
fn of(language: &str, lower: &str) -> Vec<String> {
    if language == VIETNAMESE {
        return vec![format!("{VIETNAMESE}:{lower}")];
    }
    let folded = fold(lower);
    let mut stems = Vec::with_capacity(2);
    if let Some((name, _, algorithm)) = SNOWBALL.iter().find(|(name, _, _)| *name == language) {
        let stemmer = Stemmer::create(*algorithm);
        // Romanian is written with commas below, and its algorithm reads cedillas.
        let written = lower.replace('ș', "ş").replace('ț', "ţ");
        stems.push(format!("{name}:{}", fold(&stemmer.stem(&written))));
        if folded != lower {
            stems.push(format!("{name}:{}", fold(&stemmer.stem(&folded))));
            stems.dedup();
        }
        if script(lower) == Script::Arabic {
            stems.push(format!("{CUT}:{}", arabic(&folded)));
        }
    } else if !folded.chars().any(|letter| is_dense(letter) || is_jamo(letter)) {
        stems.push(format!("{CUT}:{}", cut(script(lower), &folded)));
    }
    stems
}

/// A folded word without what is bent in it.
fn cut(script: Script, folded: &str) -> String {
    match script {
        Script::Hebrew => hebrew(folded),
        Script::Arabic => arabic(folded),
        Script::Ethiopic => ethiopic(folded),
        _ => {
            let mut letters: Vec<char> = folded.chars().collect();
            letters.dedup();
            if letters.len() > 3 && letters.last().is_some_and(|last| is_vowel(*last)) {
                letters.pop();
            }
            letters.into_iter().take(BEGINNING).collect()
        }
    }
}

/// Vowels that words end in and lose or change: of Latin, Cyrillic, Georgian and Arabic letters, and signs of Indian ones.
fn is_vowel(letter: char) -> bool {
    "aeiouyаеиоуыэюяіїєაეიოუهياو".contains(letter) || matches!(letter, '\u{93e}'..='\u{94c}' | '\u{9be}'..='\u{9cc}')
}

/// Without article, "and", "in", "as", "to", and without the endings of gender, number and possession, Persian ones too; something is
/// always left.
fn arabic(folded: &str) -> String {
    let mut word = folded.replace("\u{64a}\u{64a}", "\u{64a}");
    let long = |word: &str, but: usize| word.chars().count() >= but;
    for start in ["وال", "بال", "كال", "فال", "لل", "ال", "و"] {
        if let Some(rest) = word.strip_prefix(start).filter(|rest| long(rest, if start == "و" { 3 } else { 2 })) {
            word = rest.to_owned();
            break;
        }
    }
    for end in ["گان", "گي", "هاي", "ها", "ان", "ات", "ون", "ين", "يه", "وں", "يں", "ه", "ي", "ا"]
    {
        if let Some(rest) = word.strip_suffix(end).filter(|rest| long(rest, 2)) {
            word = rest.to_owned();
        }
    }
    word
}

/// Without the words that are written together with the next ("and", "the", "in", "to", "from", "as", "that") and without the letters
/// that are written or left out as one likes.
fn hebrew(folded: &str) -> String {
    let mut letters: Vec<char> = folded.chars().collect();
    for _ in 0..2 {
        if letters.len() > 3 && letters.first().is_some_and(|first| "והבלכמש".contains(*first)) {
            letters.remove(0);
        }
    }
    for ending in ["ימ", "ות", "ה", "ת", "י", "ו"] {
        let ending: Vec<char> = ending.chars().collect();
        if letters.len() > ending.len() + 2 && letters.ends_with(&ending) {
            letters.truncate(letters.len() - ending.len());
            break;
        }
    }
    letters.retain(|letter| !matches!(letter, 'ו' | 'י'));
    letters.into_iter().collect()
}

/// The first of the seven forms of each syllable, without the words that are written together with the next or the one before.
fn ethiopic(folded: &str) -> String {
    let first = |letter: char| match letter {
        '\u{1200}'..='\u{1357}' => char::from_u32(u32::from(letter) & !7).unwrap_or(letter),
        other => other,
    };
    let mut letters: Vec<char> = folded.chars().map(first).collect();
    for _ in 0..2 {
        if letters.len() > 2 && letters.first().is_some_and(|first| "በየለከስእአ".contains(*first)) {
            letters.remove(0);
        }
    }
    for _ in 0..2 {
        if letters.len() > 2 && letters.last().is_some_and(|last| "ነመቸወ".contains(*last)) {
            letters.pop();
        }
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{in_every_language, of, of_neighbours, pairs, push, push_pairs};

    fn lines(language: &str, written: &str) -> Vec<String> {
        let mut lines = String::new();
        push(language, written, &mut lines);
        lines.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_word_meets_its_other_forms_in_its_language() {
        assert_eq!(lines("en-GB", "Laws"), ["en:law"]);
        for (language, forms) in [
            ("ru", ["искусственный", "искусственного"]),
            ("pl", ["wybory", "wyborach"]),
            ("uk", ["освіта", "освіту"]),
            ("ro", ["cetățenie", "cetățenia"]),
            ("ar", ["تملك", "التملك"]),
            ("ar", ["والأسرة", "أسرة"]),
            ("fa", ["برده", "بردگان"]),
            ("he", ["אזרחות", "לאזרחות"]),
            ("he", ["קניין", "קנינו"]),
            ("am", ["ባርነት", "በባርነት"]),
            ("am", ["ንብረት", "ንብረቱ"]),
            ("ka", ["მოქალაქეობა", "მოქალაქეობის"]),
            ("bn", ["নির্যাতন", "নির্যাতনের"]),
        ] {
            let [a, b] = forms.map(|form| lines(language, form));
            assert!(a.iter().any(|stem| b.contains(stem)), "{forms:?}: {a:?} {b:?}");
            assert!(a.iter().any(|stem| in_every_language(forms[1]).contains(stem)), "{forms:?}");
        }
        assert!(of("ja", "人工").is_empty());
    }

    #[test]
    fn neighbours_are_one_word_where_spaces_do_not_tell() {
        assert_eq!(pairs("人工智能"), ["pair:人工", "pair:工智", "pair:智能"]);
        assert_eq!(pairs("国籍の変更"), ["pair:国籍", "pair:変更"]);
        assert_eq!(pairs("노예제도와"), ["pair:노예", "pair:예제", "pair:제도", "pair:도와"]);
        let mut lines = String::new();
        push_pairs("vi", "Không ai bị tra tấn,", &mut lines);
        assert!(of_neighbours("Tra", "tấn").is_some_and(|pair| lines.lines().any(|line| line == pair)), "{lines}");
        assert_eq!(of_neighbours("tra", "الحق"), None);
    }
}
