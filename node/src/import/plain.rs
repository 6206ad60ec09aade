//! Plain text into Markdown that reads as the same text: nothing in it becomes a heading, a list, a link or a tag.

use std::borrow::Cow;

/// Escapes what Markdown would take for its own. Paragraphs stay; a line that begins with spaces does not become code.
pub fn to_markdown(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    for line in text.split('\n') {
        let line = line.trim();
        escape_start(line, &mut out);
        out.push('\n');
    }
    // Three empty lines say no more than one.
    while out.contains("\n\n\n") {
        out = out.replace("\n\n\n", "\n\n");
    }
    out.trim().to_owned()
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

fn escape(line: &str, out: &mut String) {
    let mut chars = line.chars().peekable();
    let mut before = ' ';
    while let Some(char) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let means_something = match char {
            '\\' | '`' | '*' => true,
            // Within a word it is a letter like any other.
            '_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            '<' => next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?'),
            '&' => next.is_ascii_alphanumeric() || next == '#',
            ']' => matches!(next, '(' | '[' | ':'),
            '~' => before != ' ' || next == '~',
            _ => false,
        };
        // The first of a line may have been escaped already.
        if means_something && !(before == ' ' && out.ends_with('\\') && char == '~') {
            out.push('\\');
        }
        out.push(char);
        before = char;
    }
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
