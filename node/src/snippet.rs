//! The part of a text that shows why it was found.

use crate::stems;
use crate::text::{Word, words};

/// Characters of a snippet: two lines of a result.
const SNIPPET_CHARS: usize = 240;

/// The part of a text around what was searched for, as HTML: escaped, with `<mark>` around the words. Without a match, its
/// beginning.
pub fn snippet(text: &str, language: &str, searched: &[String]) -> String {
    let is_match = |word: &Word| {
        let mut stemmed = String::new();
        stems::push(language, text.get(word.start..word.end).unwrap_or_default(), &mut stemmed);
        let is_stem = |term: &String| stemmed.lines().any(|stem| stem == term);
        let begins = |term: &String| term.strip_suffix('*').is_some_and(|prefix| word.folded.starts_with(prefix));
        searched.iter().any(|term| *term == word.folded || is_stem(term) || begins(term))
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
    use super::snippet;

    #[test]
    fn a_snippet_marks_and_escapes() {
        let html = snippet("<script> is no law, but laws are", "en", &["en:law".to_owned()]);
        assert_eq!(html, "&lt;script&gt; is no <mark>law</mark>, but <mark>laws</mark> are");
        let long = format!("{} needle {}", "hay ".repeat(200), "straw ".repeat(200));
        let html = snippet(&long, "en", &["needle".to_owned()]);
        assert!(html.starts_with("… hay") && html.contains("<mark>needle</mark>") && html.ends_with(" …"), "{html}");
    }
}
