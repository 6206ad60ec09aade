//! Markdown into HTML that is safe to show: raw HTML becomes text, and what is left goes through a sanitiser all the same.

use std::collections::HashSet;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// HTML of a text. Its headings begin one level below the page's own.
pub fn to_html(text: &str) -> String {
    let events =
        Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH).map(|event| match event {
            Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
            Event::Start(Tag::Heading { level, id, classes, attrs }) => {
                Event::Start(Tag::Heading { level: lower(level), id, classes, attrs })
            }
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
            other => other,
        });
    let mut out = String::with_capacity(text.len() * 2);
    html::push_html(&mut out, events);
    let tags: HashSet<&str> = [
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "br",
        "hr",
        "ul",
        "ol",
        "li",
        "blockquote",
        "pre",
        "code",
        "em",
        "strong",
        "del",
        "a",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    ]
    .into();
    ammonia::Builder::default()
        .tags(tags)
        .generic_attributes(HashSet::new())
        .tag_attributes([("a", ["href"].into()), ("ol", ["start"].into())].into())
        .url_schemes(["http", "https", "mailto"].into())
        .link_rel(Some("noopener nofollow ugc"))
        .clean(&out)
        .to_string()
}

/// The words of a text without their markup, for the index.
pub fn to_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for event in Parser::new_ext(text, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH) {
        match event {
            Event::Text(words) | Event::Code(words) => out.push_str(&words),
            Event::SoftBreak | Event::HardBreak => out.push(' '),
            Event::End(TagEnd::TableCell) => out.push(' '),
            Event::End(
                TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::Item | TagEnd::TableRow | TagEnd::CodeBlock,
            ) => {
                out.push('\n');
            }
            _ => {}
        }
    }
    out
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H2,
        HeadingLevel::H2 => HeadingLevel::H3,
        HeadingLevel::H3 => HeadingLevel::H4,
        HeadingLevel::H4 => HeadingLevel::H5,
        HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::{to_html, to_text};

    #[test]
    fn nothing_in_a_document_can_run() {
        let text = "# T\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)> ![i](http://e.example/i.png)\n\n<a href=\"http://a.example\" onclick=\"x\">y</a>";
        let html = to_html(text);
        for bad in ["<script", "javascript:", "<img", "<a href=\"http://a.example\" onclick"] {
            assert!(!html.contains(bad), "{bad} in {html}");
        }
        assert!(html.contains("<h2>T</h2>"));
    }

    #[test]
    fn tables_lists_and_links_survive() {
        let html = to_html("| a | b |\n|---|---|\n| 1 | 2 |\n\n3. x\n\n[law](https://l.example/)");
        assert!(html.contains("<td>2</td>") && html.contains("<ol start=\"3\">"), "{html}");
        assert!(html.contains("rel=\"noopener nofollow ugc\""), "{html}");
        assert_eq!(to_text("# T\n\na *b* `c`"), "T\na b c\n");
    }
}
