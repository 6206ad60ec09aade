//! XML as harvests write it: elements with text and attributes, nothing more. quick-xml escapes; what XML 1.0 cannot carry at all
//! is left out before.

use std::borrow::Cow;

use quick_xml::escape::escape;

/// An XML text that grows.
#[derive(Clone, Debug, Default)]
pub struct Xml(String);

/// An attribute: its name and value.
pub type Attribute<'a> = (&'a str, &'a str);

impl Xml {
    /// A document, begun.
    pub fn document() -> Xml {
        Xml("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    /// Begins an element.
    pub fn open(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes);
        self.0.push('>');
    }

    /// Ends it.
    pub fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    /// An element without content.
    pub fn empty(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes);
        self.0.push_str("/>");
    }

    /// An element with a text.
    pub fn element(&mut self, name: &str, attributes: &[Attribute<'_>], text: &str) {
        self.open(name, attributes);
        self.0.push_str(&escape(allowed(text)));
        self.close(name);
    }

    /// Appends elements that were written apart.
    pub fn append(&mut self, other: &Xml) {
        self.0.push_str(&other.0);
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }

    fn tag(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attributes {
            self.0.push(' ');
            self.0.push_str(key);
            self.0.push_str("=\"");
            self.0.push_str(&escape(allowed(value)));
            self.0.push('"');
        }
    }
}

/// A text without the characters that no XML 1.0 document may have, escaped or not (its production `Char`).
pub fn allowed(text: &str) -> Cow<'_, str> {
    let may = |char: char| matches!(char, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    if text.chars().all(may) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.chars().filter(|char| may(*char)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Xml;

    #[test]
    fn markup_stays_text_and_what_xml_cannot_carry_goes() {
        let mut xml = Xml::default();
        xml.element("a", &[("b", "\"<&")], "<script>\u{1}\u{b}\u{ffff}]]> 人工 🏛\n");
        assert_eq!(xml.into_string(), "<a b=\"&quot;&lt;&amp;\">&lt;script&gt;]]&gt; 人工 🏛\n</a>");
    }
}
