//! From a query to what tantivy is asked.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, ConstScoreQuery, EmptyQuery, Occur, PhraseQuery, Query as Plan, RangeQuery,
    RegexQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};

use super::card::mark;
use super::layout::{Fields, WITHDRAWN};
use super::searcher::Filters;
use crate::fields;
use crate::labels::{self, List};
use crate::partial_date::Span;
use crate::query::{Query, Value};
use crate::stems;
use crate::text;

/// How much more a word in the title weighs.
const TITLE_BOOST: f32 = 3.0;
/// What a document gains by being of a topic, kind or status whose label was typed: less than the words themselves.
const LABEL_SCORE: f32 = 1.0;
/// What a document gains by being in the reader's language: it decides between spellings that languages share.
const LANGUAGE_SCORE: f32 = 2.0;

/// Of three pairs of characters, how many must be there: words in between, and particles, break some.
const PAIRS_OF_THREE: usize = 2;

/// What was typed between two spaces.
struct Typed<'a> {
    written: &'a str,
    words: Vec<text::Word>,
}

impl<'a> Typed<'a> {
    fn of(written: &'a str) -> Typed<'a> {
        Typed { written, words: text::words(written) }
    }

    fn folded(&self) -> impl Iterator<Item = String> {
        self.words.iter().map(|word| word.folded.clone())
    }

    fn written_word(&self, word: &text::Word) -> &'a str {
        self.written.get(word.start..word.end).unwrap_or_default()
    }
}

/// How much more a long beginning of a word weighs than a short one.
const BEGINNING_BOOST: f32 = 2.0;

type Parts = Vec<(Occur, Box<dyn Plan>)>;

/// Plans queries, and notes what they search for.
pub(super) struct Planner<'a> {
    fields: &'a Fields,
    /// Whether some of the words will do, and words that begin like them: because nothing has all.
    relaxed: bool,
    /// What is searched for, as indexed, for snippets; a prefix ends in `*`.
    pub terms: Vec<String>,
}

impl<'a> Planner<'a> {
    /// For an index of these fields; `relaxed` where nothing has all words, and some of them will do, or words that begin so.
    pub fn new(fields: &'a Fields, relaxed: bool) -> Planner<'a> {
        Planner { fields, relaxed, terms: Vec::new() }
    }

    /// A query, narrowed; documents in the first of the reader's languages come before equals.
    pub fn plan(&mut self, query: &Query, filters: &Filters, language: Option<&str>) -> Box<dyn Plan> {
        let mut parts: Parts = vec![(Occur::Must, self.query(query))];
        if !filters.withdrawn {
            parts.push((Occur::MustNot, exact(self.fields.withdrawn, WITHDRAWN)));
        }
        for (column, (_, value)) in self.fields.columns.iter().zip(filters.by_name()) {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                parts.push((Occur::Must, Box::new(ConstScoreQuery::new(exact(*column, value), 0.0))));
            }
        }
        let primary = language.and_then(|tag| tag.split('-').next()).filter(|primary| !primary.is_empty());
        if let Some(primary) = primary {
            let own = exact(self.fields.marks, &mark("language", &primary.to_lowercase()));
            parts.push((Occur::Should, Box::new(ConstScoreQuery::new(own, LANGUAGE_SCORE))));
        }
        Box::new(BooleanQuery::new(parts))
    }

    fn query(&mut self, query: &Query) -> Box<dyn Plan> {
        match query {
            Query::All(all) => self.all(all),
            Query::Any(any) => union(any.iter().map(|part| self.query(part)).collect()),
            Query::Not(_) | Query::Word(_) => self.all(std::slice::from_ref(query)),
            Query::Prefix(prefix) => {
                let within = [(self.fields.title, TITLE_BOOST), (self.fields.text, 1.0)];
                self.prefix(prefix, &within)
            }
            Query::Phrase(phrase) => self.phrase(&folded(phrase)),
            Query::Field(field, value) => self.field(field, value),
        }
    }

    /// All of these, but for those that must not; words that stand together may be a label.
    fn all(&mut self, all: &[Query]) -> Box<dyn Plan> {
        let (mut parts, mut said): (Parts, Parts) = (Vec::new(), Vec::new());
        let mut rest = all;
        while let Some((first, others)) = rest.split_first() {
            match first {
                Query::Word(_) => {
                    let typed = rest
                        .iter()
                        .map_while(|part| if let Query::Word(word) = part { Some(Typed::of(word)) } else { None });
                    let typed: Vec<Typed> = typed.collect();
                    let (taken, plan) = self.words(&typed);
                    said.push((if self.relaxed { Occur::Should } else { Occur::Must }, plan));
                    if let [first, second, ..] = typed.as_slice()
                        && let Some(both) = stems::of_neighbours(first.written, second.written)
                    {
                        parts.push((Occur::Should, boosted(term(self.fields.stems, &both))));
                    }
                    rest = rest.get(taken..).unwrap_or_default();
                }
                Query::Not(not) => {
                    let before = self.terms.len();
                    parts.push((Occur::MustNot, self.query(not)));
                    self.terms.truncate(before);
                    rest = others;
                }
                other => {
                    parts.push((Occur::Must, self.query(other)));
                    rest = others;
                }
            }
        }
        if self.relaxed && !said.is_empty() {
            let half = said.len().div_ceil(2);
            parts.push((Occur::Must, Box::new(BooleanQuery::with_minimum_required_clauses(said, half))));
        } else {
            parts.extend(said);
        }
        if !parts.iter().any(|(occur, _)| *occur == Occur::Must) {
            parts.push((Occur::Must, Box::new(AllQuery)));
        }
        if parts.len() == 1 {
            return parts.remove(0).1;
        }
        Box::new(BooleanQuery::new(parts))
    }

    /// The first of what stands between spaces, or as much of it as is the label of a topic, kind or status: then also what has it.
    /// Gives how many that were.
    fn words(&mut self, typed: &[Typed]) -> (usize, Box<dyn Plan>) {
        let folded: Vec<String> = typed.iter().flat_map(|one| one.folded()).collect();
        let (used, labelled) = labels::recognise(&folded);
        // A label ends where something typed ends.
        let ends = typed.iter().scan(0, |end, one| {
            *end += one.words.len();
            Some(*end)
        });
        let taken = ends.take_while(|end| *end <= used).enumerate().find(|(_, end)| *end == used && used > 0);
        let Some((last, _)) = taken else {
            return (1, typed.first().map_or_else(|| Box::new(EmptyQuery) as Box<dyn Plan>, |one| self.typed(one)));
        };
        let said = typed.iter().take(last + 1).map(|one| (Occur::Must, self.typed(one))).collect();
        let mut either: Parts = vec![(Occur::Should, Box::new(BooleanQuery::new(said)))];
        for (list, slug) in labelled {
            let has = exact(self.fields.marks, &mark(field_of(list), slug));
            either.push((Occur::Should, Box::new(ConstScoreQuery::new(has, LABEL_SCORE))));
        }
        (last + 1, Box::new(BooleanQuery::new(either)))
    }

    /// What one types between two spaces: usually a word; where the script has no spaces, several, better next to each other, or
    /// most of the pairs of their characters.
    fn typed(&mut self, typed: &Typed) -> Box<dyn Plan> {
        let folded: Vec<String> = typed.folded().collect();
        let words: Box<dyn Plan> = match typed.words.as_slice() {
            [] => Box::new(EmptyQuery),
            [word] => self.word(typed.written_word(word), &word.folded),
            words => {
                let needed = |word: &text::Word| !stems::is_hiragana(typed.written_word(word));
                let any_needed = words.iter().any(needed);
                let mut parts: Parts = Vec::new();
                for word in words {
                    let occur = if any_needed && !needed(word) { Occur::Should } else { Occur::Must };
                    parts.push((occur, self.word(typed.written_word(word), &word.folded)));
                }
                let before = self.terms.len();
                parts.push((Occur::Should, self.phrase(&folded)));
                self.terms.truncate(before);
                Box::new(BooleanQuery::new(parts))
            }
        };
        let pairs = stems::pairs(typed.written);
        if pairs.is_empty() {
            let is_one = typed.written.chars().count() == 1 && typed.written.chars().all(stems::is_dense);
            let [one] = folded.as_slice() else { return words };
            return if is_one { union(vec![words, begins(self.fields.text, one)]) } else { words };
        }
        let most = if self.relaxed { pairs.len().div_ceil(2) } else { (pairs.len() * PAIRS_OF_THREE).div_ceil(3) };
        let pairs = pairs.iter().map(|pair| (Occur::Should, term(self.fields.stems, pair))).collect();
        union(vec![words, Box::new(BooleanQuery::with_minimum_required_clauses(pairs, most))])
    }

    /// A word in any of its forms.
    fn word(&mut self, written: &str, folded: &str) -> Box<dyn Plan> {
        let mut any = vec![boosted(term(self.fields.title, folded)), term(self.fields.text, folded)];
        self.terms.push(folded.to_owned());
        for stem in stems::in_every_language(written) {
            any.push(term(self.fields.stems, &stem));
            self.terms.push(stem);
        }
        for (beginning, weight) in
            stems::beginnings(folded).into_iter().zip([BEGINNING_BOOST, 1.0]).filter(|_| self.relaxed)
        {
            for field in [self.fields.title, self.fields.text] {
                any.push(Box::new(BoostQuery::new(begins(field, &beginning), weight)));
            }
            self.terms.push(format!("{beginning}*"));
        }
        union(any)
    }

    /// Words next to each other, as they are.
    fn phrase(&mut self, words: &[String]) -> Box<dyn Plan> {
        self.terms.extend_from_slice(words);
        let within = |field: Field| -> Box<dyn Plan> {
            match words {
                [] => Box::new(EmptyQuery),
                [word] => term(field, word),
                words => {
                    Box::new(PhraseQuery::new(words.iter().map(|word| Term::from_field_text(field, word)).collect()))
                }
            }
        };
        union(vec![boosted(within(self.fields.title)), within(self.fields.text)])
    }

    /// Words that begin so; of a script without spaces, those before the last as they are.
    fn prefix(&mut self, prefix: &str, within: &[(Field, f32)]) -> Box<dyn Plan> {
        let words = folded(prefix);
        let Some((last, whole)) = words.split_last() else { return Box::new(EmptyQuery) };
        self.terms.extend_from_slice(whole);
        self.terms.push(format!("{last}*"));
        let mut all: Parts = Vec::new();
        for word in whole {
            let any = within
                .iter()
                .map(|(field, boost)| Box::new(BoostQuery::new(term(*field, word), *boost)) as Box<dyn Plan>);
            all.push((Occur::Must, union(any.collect())));
        }
        let any = within
            .iter()
            .map(|(field, boost)| Box::new(BoostQuery::new(begins(*field, last), *boost)) as Box<dyn Plan>);
        all.push((Occur::Must, union(any.collect())));
        Box::new(BooleanQuery::new(all))
    }

    fn field(&mut self, field: &'static fields::Field, value: &Value) -> Box<dyn Plan> {
        match value {
            Value::Is(value) => exact(self.fields.marks, &mark(field.name, value)),
            Value::Begins(value) if field.sort == fields::Sort::Text => {
                let title = self.fields.title;
                self.prefix(value, &[(title, TITLE_BOOST)])
            }
            Value::Begins(value) => begins(self.fields.marks, &mark(field.name, value)),
            Value::Words(value) => {
                let title = self.fields.title;
                let words = folded(value);
                self.terms.extend_from_slice(&words);
                Box::new(BooleanQuery::new(words.iter().map(|word| (Occur::Must, term(title, word))).collect()))
            }
            Value::Within(span) => {
                let columns = fields::dates().zip(&self.fields.dates).find(|(date, _)| date.name == field.name);
                columns
                    .map_or_else(|| Box::new(EmptyQuery) as Box<dyn Plan>, |(_, columns)| overlapping(*columns, *span))
            }
        }
    }
}

/// The field that a list's words are values of.
fn field_of(list: List) -> &'static str {
    let of = |field: &&fields::Field| field.sort == fields::Sort::Listed(list);
    fields::FIELDS.iter().find(of).map_or("", |field| field.name)
}

/// Dates that may lie within a span: they begin before it ends and end after it begins.
fn overlapping((first, last): (Field, Field), span: Span) -> Box<dyn Plan> {
    let begun = RangeQuery::new(Bound::Unbounded, Bound::Included(Term::from_field_u64(first, span.last)));
    let not_over = RangeQuery::new(Bound::Included(Term::from_field_u64(last, span.first)), Bound::Unbounded);
    let both: Parts = vec![(Occur::Must, Box::new(begun)), (Occur::Must, Box::new(not_over))];
    Box::new(ConstScoreQuery::new(Box::new(BooleanQuery::new(both)), 0.0))
}

fn union(any: Vec<Box<dyn Plan>>) -> Box<dyn Plan> {
    Box::new(BooleanQuery::union(any))
}

fn boosted(plan: Box<dyn Plan>) -> Box<dyn Plan> {
    Box::new(BoostQuery::new(plan, TITLE_BOOST))
}

fn term(field: Field, word: &str) -> Box<dyn Plan> {
    Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
}

fn exact(field: Field, value: &str) -> Box<dyn Plan> {
    Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
}

/// Terms that begin so. What a pattern would take as a sign is taken as it is.
fn begins(field: Field, prefix: &str) -> Box<dyn Plan> {
    let mut pattern = String::with_capacity(prefix.len() + 2);
    for letter in prefix.chars() {
        if letter.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push_str(".*");
    RegexQuery::from_pattern(&pattern, field)
        .map_or_else(|_| Box::new(EmptyQuery) as Box<dyn Plan>, |plan| Box::new(plan))
}

/// The words of a text as they are indexed.
fn folded(text: &str) -> Vec<String> {
    text::words(text).into_iter().map(|word| word.folded).collect()
}
