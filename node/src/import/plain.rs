//! Plain text into Markdown that reads as the same text: nothing in it becomes a heading, a list, a link or a tag.

use std::borrow::Cow;

/// Escapes what Markdown would take for its own. Paragraphs stay; a line that begins with spaces does not become code.
pub fn to_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut empty = 0;
    for line in lines(text).map(str::trim) {
        // Three empty lines say no more than one.
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            escape_start(line, &mut out);
            out.push('\n');
        }
    }
    out.trim().to_owned()
}

/// Lines as any system ends them.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// What only means something at the beginning of a line, then the rest.
fn escape_start(line: &str, out: &mut String) {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let after = line.as_bytes().get(digits);
    let is_item = matches!(line.as_bytes().get(digits + 1), None | Some(b' ' | b'\t'));
    if digits > 0 && matches!(after, Some(b'.' | b')')) && is_item {
        out.push_str(line.get(..digits).unwrap_or_default());
        out.push('\\');
        escape(line.get(digits..).unwrap_or_default(), out);
        return;
    }
    if line.starts_with(['#', '>', '-', '+', '=', '|', ':', '~']) {
        out.push('\\');
    }
    escape(line, out);
}

/// Bytes that Markdown may take for its own within a line. All are ASCII, so each is a character.
const MAY_MEAN_SOMETHING: [bool; 256] = {
    let mut table = [false; 256];
    let bytes = br"\`*_<&]~";
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

fn escape(line: &str, out: &mut String) {
    let mut written = 0;
    for (at, byte) in line.bytes().enumerate() {
        // Most of a text is none of these, and goes over piece by piece.
        if !MAY_MEAN_SOMETHING[usize::from(byte)] {
            continue;
        }
        let (before, rest) = line.split_at_checked(at).unwrap_or_default();
        let before = before.chars().next_back().unwrap_or(' ');
        let next = rest.chars().nth(1).unwrap_or(' ');
        let means_something = match byte {
            // Within a word it is a letter like any other.
            b'_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            b'<' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'),
            b'&' => next.is_ascii_alphanumeric() || next == '#',
            b']' => matches!(next, '(' | '[' | ':'),
            // The first of a line is escaped already.
            b'~' => at > 0 && (before != ' ' || next == '~'),
            _ => true,
        };
        if means_something {
            out.push_str(line.get(written..at).unwrap_or_default());
            out.push('\\');
            written = at;
        }
    }
    out.push_str(line.get(written..).unwrap_or_default());
}

/// The same, where the text may be Markdown already.
pub fn as_markdown(text: &str, is_markdown: bool) -> Cow<'_, str> {
    if is_markdown { Cow::Borrowed(text.trim()) } else { Cow::Owned(to_markdown(text)) }
}

#[cfg(test)]
mod tests {
    use super::to_markdown;
    use crate::markdown::{to_html, to_text};

    #[test]
    fn what_was_plain_reads_as_it_was() {
        for text in [
            "# not a heading",
            "1. not a list",
            "12) nor this",
            "3.5 percent",
            "7.",
            "- nor this",
            "* nor this",
            "+ nor this",
            "> not quoted",
            "a *b* _c_ __d__ `e` ~~f~~ ~g~",
            "~~~ no fence",
            "``` no fence",
            "a_b_c and snake_case",
            "[a](https://example.org) ![b](c) [d][e] [f]: https://example.org",
            "<script>alert(1)</script> <b>bold</b> <!-- gone? --> <https://example.org>",
            "&amp; &#60; AT&T & co",
            "back\\slash \\# \\\\",
            "| a | b |\n|---|---|\n| c | d |",
            "a | b\n:--|--\nc | d",
            "Title\n===\nother\n---",
            "--- *** ___",
            "§ 1 (a) “quoted” — 50 % <5 >4",
            "العدالة *حق* 人权_平等",
        ] {
            let markdown = to_markdown(text);
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(&to_text(&markdown)), words(text), "{markdown}");
            let html = to_html(&markdown);
            let shows =
                ["<h", "<li", "<em", "<strong", "<code", "<a", "<table", "<blockquote", "<del", "<hr", "<script"];
            assert!(shows.iter().all(|tag| !html.contains(tag)), "{html}");
        }
    }

    #[test]
    fn paragraphs_stay_and_indented_lines_are_no_code() {
        let markdown = to_markdown("   SEC. 1.\r\n\r\n\r\n\r\n      (a) In general.\n");
        assert_eq!(markdown, "SEC. 1.\n\n(a) In general.");
    }
}
