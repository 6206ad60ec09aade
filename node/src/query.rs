//! The query language people know: words, "phrases", -not, and field:value. Nothing a person types is an error.

/// Characters of a query that are read.
pub const QUERY_CHARS_MAX: usize = 1_000;
/// Clauses of a query; the rest is ignored.
const CLAUSES_MAX: usize = 32;

/// A field that can be asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `kind:law-summary`
    Kind,
    /// `topic:children`
    Topic,
    /// `jurisdiction:KR`
    Jurisdiction,
    /// `language:fr`
    Language,
    /// `member:KE-LC01`
    Member,
    /// `title:deepfake`
    Title,
}

/// One part of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// A word, as typed.
    Word(String),
    /// Words next to each other.
    Phrase(String),
    /// A field with a value.
    Field(Field, String),
}

/// A query: every clause but the negated ones must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Must match.
    pub must: Vec<Clause>,
    /// Must not.
    pub must_not: Vec<Clause>,
}

impl Field {
    /// All of them by the name one types.
    pub const NAMED: &'static [(&'static str, Field)] = &[
        ("kind", Field::Kind),
        ("topic", Field::Topic),
        ("jurisdiction", Field::Jurisdiction),
        ("language", Field::Language),
        ("member", Field::Member),
        ("title", Field::Title),
    ];
}

/// Reads a query.
pub fn parse(text: &str) -> Query {
    let end = text.char_indices().nth(QUERY_CHARS_MAX).map_or(text.len(), |(at, _)| at);
    let mut rest = text.get(..end).unwrap_or_default().trim_start();
    let mut query = Query::default();
    while !rest.is_empty() && query.must.len() + query.must_not.len() < CLAUSES_MAX {
        let (negated, after) = match rest.strip_prefix('-') {
            Some(after) if after.chars().next().is_some_and(|next| !next.is_whitespace()) => (true, after),
            _ => (false, rest),
        };
        let (field, after) = named(after);
        let (value, quoted, after) = value(after);
        let clause = match field {
            Some(field) if !value.is_empty() => Some(Clause::Field(field, value)),
            _ if value.is_empty() => None,
            _ if quoted => Some(Clause::Phrase(value)),
            _ => Some(Clause::Word(value)),
        };
        let clauses = if negated { &mut query.must_not } else { &mut query.must };
        clauses.extend(clause);
        rest = after.trim_start();
    }
    query
}

fn named(text: &str) -> (Option<Field>, &str) {
    for (name, field) in Field::NAMED {
        let after = text.strip_prefix(name).and_then(|after| after.strip_prefix(':'));
        if let Some(after) = after.filter(|after| after.chars().next().is_some_and(|next| !next.is_whitespace())) {
            return (Some(*field), after);
        }
    }
    (None, text)
}

/// A value up to white space, or between quotation marks; one that is never closed ends with the query.
fn value(text: &str) -> (String, bool, &str) {
    if let Some(inside) = text.strip_prefix(['"', '“', '«', '„']) {
        let end = inside.find(['"', '”', '»', '“']).unwrap_or(inside.len());
        let (value, after) = inside.split_at(end);
        let mut after = after.chars();
        after.next();
        return (value.trim().to_owned(), true, after.as_str());
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (value, after) = text.split_at(end);
    (value.to_owned(), false, after)
}

#[cfg(test)]
mod tests {
    use super::{Clause, Field, Query, parse};

    #[test]
    fn what_people_type_means_what_they_mean() {
        let word = |text: &str| Clause::Word(text.to_owned());
        let query = parse("deepfake \"intimate images\" -draft topic:children -language:\"fr\"");
        assert_eq!(query.must[0], word("deepfake"));
        assert_eq!(query.must[1], Clause::Phrase("intimate images".to_owned()));
        assert_eq!(query.must[2], Clause::Field(Field::Topic, "children".to_owned()));
        assert_eq!(query.must_not, [word("draft"), Clause::Field(Field::Language, "fr".to_owned())]);
        assert_eq!(parse("  "), Query::default());
        assert_eq!(parse("a - b : title: \"open").must.len(), 6);
    }
}
