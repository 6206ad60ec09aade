//! The query language people know: words, "phrases", pre*, field:value, ranges of dates, AND, OR, NOT and parentheses. Nothing a
//! person types is an error; what was not taken as it may have been meant is said.
//!
//! AND is between any two things that have nothing between them, and holds closer than OR.

use crate::fields::{self, Field, Sort};
use crate::partial_date::Span;

/// Characters of a query that are read.
pub const QUERY_CHARS_MAX: usize = 1_000;
/// Words, phrases and fields of a query; the rest is ignored. Each costs a look into the index for every language.
const CLAUSES_MAX: usize = 32;
/// Parentheses in parentheses.
const DEPTH_MAX: usize = 8;
/// Letters a prefix of an alphabet has to have: the words that begin with one letter are a tenth of all.
const PREFIX_LETTERS_MIN: usize = 2;
/// From here on, characters are syllables or words rather than letters.
const IDEOGRAPHS: char = '\u{2e80}';

/// What is asked for of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// This, as it is kept.
    Is(String),
    /// Something that begins so.
    Begins(String),
    /// These words.
    Words(String),
    /// A date that may be within.
    Within(Span),
}

/// A query, and each part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// All of these must match; of none, everything does.
    All(Vec<Query>),
    /// One of these must.
    Any(Vec<Query>),
    /// This must not.
    Not(Box<Query>),
    /// A word, as typed.
    Word(String),
    /// A word that begins so.
    Prefix(String),
    /// Words next to each other.
    Phrase(String),
    /// A field with a value.
    Field(&'static Field, Value),
}

/// Reads a query, and says what of it was ignored or taken otherwise.
pub fn parse(text: &str) -> (Query, Vec<String>) {
    let end = text.char_indices().nth(QUERY_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let rest = text.get(..end).unwrap_or_default();
    let mut reader = Reader { rest, clauses: 0, depth: 0, notes: Vec::new() };
    if end < text.len() {
        reader.note(format!("only the first {QUERY_CHARS_MAX} characters were read"));
    }
    let query = reader.any(None);
    (query, reader.notes)
}

struct Reader<'a> {
    rest: &'a str,
    clauses: usize,
    depth: usize,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn note(&mut self, words: String) {
        if !self.notes.contains(&words) {
            self.notes.push(words);
        }
    }

    /// Alternatives, up to the parenthesis that closes them or the end. `field` is what stands before the one that opened them.
    fn any(&mut self, field: Option<&'static Field>) -> Query {
        let mut alternatives = vec![Vec::new()];
        let mut joined: Option<&'static str> = None;
        loop {
            self.rest = self.rest.trim_start();
            if self.rest.is_empty() {
                break;
            }
            if let Some(after) = self.rest.strip_prefix(')') {
                if self.depth > 0 {
                    break;
                }
                self.rest = after;
                self.note("a parenthesis closes nothing, and was ignored".to_owned());
                continue;
            }
            if let Some((operator, after)) = operator(self.rest) {
                self.rest = after;
                let at_start = alternatives.last().is_none_or(Vec::is_empty);
                if at_start || joined.is_some() {
                    self.note(format!("{operator} stands between two things; here it was ignored"));
                    continue;
                }
                if operator == "OR" {
                    alternatives.push(Vec::new());
                }
                joined = Some(operator);
                continue;
            }
            let part = self.part(field);
            if let (Some(part), Some(all)) = (part, alternatives.last_mut()) {
                all.push(part);
                joined = None;
            }
        }
        if let Some(operator) = joined {
            self.note(format!("{operator} stands between two things; here it was ignored"));
        }
        alternatives.retain(|all| !all.is_empty());
        let mut alternatives: Vec<Query> = alternatives.into_iter().map(one_or(Query::All)).collect();
        match alternatives.len() {
            0 => Query::All(Vec::new()),
            1 => alternatives.remove(0),
            _ => Query::Any(alternatives),
        }
    }

    /// One thing, with what negates it; nothing, where nothing is left of it.
    fn part(&mut self, field: Option<&'static Field>) -> Option<Query> {
        let mut negated = false;
        loop {
            let sign =
                self.rest.strip_prefix('-').filter(|after| after.starts_with(|next: char| !next.is_whitespace()));
            let Some(after) = sign.or_else(|| keyword(self.rest, "NOT")) else { break };
            negated = !negated;
            self.rest = after.trim_start();
        }
        if self.rest.starts_with(')') {
            return None;
        }
        let part =
            if let Some(after) = self.rest.strip_prefix('(') { self.group(after, field) } else { self.clause(field) };
        let part = part.filter(|part| *part != Query::All(Vec::new()));
        part.map(|part| if negated { Query::Not(Box::new(part)) } else { part })
    }

    fn group(&mut self, after: &'a str, field: Option<&'static Field>) -> Option<Query> {
        self.rest = after;
        if self.depth == DEPTH_MAX {
            self.note(format!("parentheses go {DEPTH_MAX} deep; one more was ignored"));
            return None;
        }
        self.depth += 1;
        let group = self.any(field);
        self.depth -= 1;
        match self.rest.strip_prefix(')') {
            Some(after) => self.rest = after,
            None => self.note("a parenthesis was never closed; it ends with the query".to_owned()),
        }
        Some(group)
    }

    fn clause(&mut self, outer: Option<&'static Field>) -> Option<Query> {
        let (field, after) = self.field();
        let field = field.or(outer);
        self.rest = after;
        if let (Some(field), Some(after)) = (field, self.rest.strip_prefix('(')) {
            return self.group(after, Some(field));
        }
        let (value, quoted) = self.value();
        if !value.chars().any(char::is_alphanumeric) {
            return None;
        }
        self.clauses += 1;
        if self.clauses > CLAUSES_MAX {
            self.note(format!("a query has at most {CLAUSES_MAX} parts; what came after was ignored"));
            return None;
        }
        let prefix = if quoted { None } else { value.strip_suffix('*') };
        match (field, prefix) {
            (Some(field), _) => self.asked(field, &value, prefix),
            (None, _) if quoted => Some(Query::Phrase(value)),
            (None, Some(prefix)) if self.long_enough(prefix) => Some(Query::Prefix(prefix.to_owned())),
            (None, _) => Some(Query::Word(value)),
        }
    }

    /// A field and what is asked of it.
    fn asked(&mut self, field: &'static Field, value: &str, prefix: Option<&str>) -> Option<Query> {
        let value = match (field.sort, prefix) {
            (Sort::Text, Some(prefix)) if self.long_enough(prefix) => Value::Begins(prefix.to_owned()),
            (Sort::Text, _) => Value::Words(value.to_owned()),
            (Sort::Date, _) => {
                let Some(span) = Span::range(value) else {
                    let name = field.name;
                    self.note(format!(
                        "`{value}` is no date, and `{name}:{value}` was ignored; write {name}:2024, {name}:2024-06, {name}:2024..2026 or \
                         {name}:>=2024-06"
                    ));
                    return None;
                };
                Value::Within(span)
            }
            (_, Some(prefix)) => Value::Begins(prefix.to_lowercase()),
            (_, None) => {
                let value = field.value(value);
                let doubt = field.doubt(&value);
                doubt.into_iter().for_each(|doubt| self.note(doubt));
                Value::Is(value)
            }
        };
        Some(Query::Field(field, value))
    }

    fn long_enough(&mut self, prefix: &str) -> bool {
        let enough = prefix.chars().count() >= PREFIX_LETTERS_MIN || prefix.starts_with(|first| first >= IDEOGRAPHS);
        if !enough {
            self.note(format!("`{prefix}*` is too short to begin a word; its * was ignored"));
        }
        enough
    }

    /// The field that what comes is asked of.
    fn field(&mut self) -> (Option<&'static Field>, &'a str) {
        let rest = self.rest;
        let Some((name, after)) = rest.split_once(':') else { return (None, rest) };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let has_value = after.starts_with(|next: char| !next.is_whitespace()) && !after.starts_with("//");
        if !is_name || !has_value {
            return (None, rest);
        }
        let field = fields::named(&name.to_ascii_lowercase());
        if field.is_none() {
            self.note(format!("there is no field `{name}`; it was searched for as words"));
        }
        (field, if field.is_some() { after } else { rest })
    }

    /// A value up to white space or the parenthesis that closes the group, or between quotation marks.
    fn value(&mut self) -> (String, bool) {
        if let Some(inside) = self.rest.strip_prefix(['"', '“', '«', '„', '「']) {
            let end = inside.find(['"', '”', '»', '“', '」']);
            if end.is_none() {
                self.note("a quotation mark was never closed; it ends with the query".to_owned());
            }
            let (value, after) = inside.split_at(end.unwrap_or(inside.len()));
            let mut after = after.chars();
            after.next();
            self.rest = after.as_str();
            return (value.trim().to_owned(), true);
        }
        let inner = self.depth > 0;
        let end = self.rest.find(|c: char| c.is_whitespace() || (inner && c == ')')).unwrap_or(self.rest.len());
        // At least one character, so that what is read comes to an end.
        let end = if end == 0 { self.rest.chars().next().map_or(0, char::len_utf8) } else { end };
        let (value, after) = self.rest.split_at(end);
        self.rest = after;
        (value.to_owned(), false)
    }
}

fn one_or(many: fn(Vec<Query>) -> Query) -> impl Fn(Vec<Query>) -> Query {
    move |mut parts| if parts.len() == 1 { parts.remove(0) } else { many(parts) }
}

/// AND or OR, where it stands alone.
fn operator(text: &str) -> Option<(&'static str, &str)> {
    ["AND", "OR"].into_iter().find_map(|word| keyword(text, word).map(|after| (word, after)))
}

fn keyword<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let after = text.strip_prefix(word)?;
    (after.is_empty() || after.starts_with(|next: char| next.is_whitespace() || next == '(' || next == ')'))
        .then_some(after)
}

#[cfg(test)]
mod tests {
    use super::{Query, Value, parse};
    use crate::fields::named;
    use crate::partial_date::Span;

    fn word(text: &str) -> Query {
        Query::Word(text.to_owned())
    }

    fn is(name: &str, value: &str) -> Query {
        named(name).map_or_else(|| word("?"), |field| Query::Field(field, Value::Is(value.to_owned())))
    }

    fn not(query: Query) -> Query {
        Query::Not(Box::new(query))
    }

    /// What a query means, where nothing of it is ignored.
    fn plain(text: &str) -> Query {
        let (query, notes) = parse(text);
        assert_eq!(notes, Vec::<String>::new(), "{text}");
        query
    }

    fn noted(text: &str) -> String {
        parse(text).1.join("; ")
    }

    #[test]
    fn what_people_type_means_what_they_mean() {
        let phrase = Query::Phrase("intimate images".to_owned());
        assert_eq!(
            plain("deepfake \"intimate images\" -draft topic:children -language:\"fr\""),
            Query::All(vec![
                word("deepfake"),
                phrase,
                not(word("draft")),
                is("topic", "children"),
                not(is("language", "fr"))
            ])
        );
        assert_eq!(plain("  "), Query::All(Vec::new()));
        assert_eq!(plain("a - b :"), Query::All(vec![word("a"), word("b")]));
        assert_eq!(plain("child*"), Query::Prefix("child".to_owned()));
        assert_eq!(plain("人*"), Query::Prefix("人".to_owned()));
        assert_eq!(plain("topic:Enfants"), is("topic", "children"));
        assert_eq!(plain("https://example.org"), word("https://example.org"));
    }

    #[test]
    fn and_holds_closer_than_or_and_parentheses_closer_than_both() {
        let both = |a: &str, b: &str| Query::All(vec![word(a), word(b)]);
        assert_eq!(plain("a AND b OR c d"), Query::Any(vec![both("a", "b"), both("c", "d")]));
        assert_eq!(plain("a (b OR c)"), Query::All(vec![word("a"), Query::Any(vec![word("b"), word("c")])]));
        assert_eq!(plain("a AND NOT (b c)"), Query::All(vec![word("a"), not(both("b", "c"))]));
        assert_eq!(plain("NOT -a"), word("a"));
        assert_eq!(plain("or and ORDER"), Query::All(vec![word("or"), word("and"), word("ORDER")]));
        assert_eq!(plain("kind:(reply OR request)"), Query::Any(vec![is("kind", "reply"), is("kind", "request")]));
    }

    #[test]
    fn dates_are_asked_for_as_spans() {
        let within = |text: &str| match plain(text) {
            Query::Field(field, Value::Within(span)) => (field.name, span.first, span.last),
            other => ("?", format!("{other:?}").len() as u64, 0),
        };
        assert_eq!(within("in_force:2024..2026"), ("in_force", 20_240_101, 20_261_231));
        assert_eq!(within("adopted:2024"), ("adopted", 20_240_101, 20_241_231));
        assert_eq!(within("valid_as_of:>=2025-06").1, 20_250_601);
        assert_eq!(within("year:\"< 2025\""), ("year", 0, Span::parse("2025").map_or(0, |span| span.first - 1)));
    }

    #[test]
    fn nothing_is_an_error_and_what_is_ignored_is_said() {
        for (text, note) in [
            ("colour:red", "there is no field `colour`"),
            ("(a OR", "OR stands between two things"),
            ("(a", "never closed"),
            ("a )", "closes nothing"),
            ("OR a", "OR stands between"),
            ("a AND OR b", "OR stands between"),
            ("title:\"open", "a quotation mark was never closed"),
            ("in_force:soon a", "`soon` is no date"),
            ("topic:childen", "did you mean `children`?"),
            ("a*", "too short"),
            (&"(".repeat(20), "parentheses go 8 deep"),
            (&"w ".repeat(40), "at most 32 parts"),
            (&"w".repeat(2_000), "only the first 1000 characters"),
        ] {
            assert!(noted(text).contains(note), "{text}: {}", noted(text));
        }
        for text in [
            ")(",
            "-",
            "-(",
            "NOT",
            "NOT NOT",
            "\"",
            "“”",
            "a:(",
            "kind:",
            "kind:)",
            "((((a))))",
            "()",
            "-()",
            "*",
            "\u{0}",
        ] {
            parse(text);
        }
        assert_eq!(parse("() a").0, word("a"));
    }
}
