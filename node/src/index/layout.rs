//! How a work lies in the index: its fields, and how words are handed over.

use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::fields::{COUNTED, dates};

/// Version of the layout and of how words are made. An index of another one is rebuilt.
pub const VERSION: u32 = 5;
/// Name of the tokenizer of all words.
pub const LINES: &str = "lines";
/// What is in the field of a work that its author took back.
pub const WITHDRAWN: &str = "1";
/// By which the newest sort.
pub const ARRIVAL: &str = "arrival";

/// The fields of the index.
#[derive(Clone)]
pub struct Fields {
    /// `CODE/slug`.
    pub work: Field,
    /// Words of the title, folded.
    pub title: Field,
    /// Words of everything else, folded.
    pub text: Field,
    /// Stems of both in the document's language.
    pub stems: Field,
    /// `field=value`, in small letters, for all that can be asked for by name.
    pub marks: Field,
    /// The work that this one translates.
    pub original: Field,
    /// Whether its author took it back: [`WITHDRAWN`], or nothing.
    pub withdrawn: Field,
    /// Which arrival it was.
    pub arrival: Field,
    /// What is counted, in the order of [`COUNTED`].
    pub columns: Vec<Field>,
    /// First and last day of every date, in the order of [`dates`].
    pub dates: Vec<(Field, Field)>,
}

/// Column of the first day of a date.
pub fn first_day(name: &str) -> String {
    format!("{name}_first")
}

/// Column of the last day of a date.
pub fn last_day(name: &str) -> String {
    format!("{name}_last")
}

/// The schema with its fields.
pub fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexed = |record| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_index_option(record).set_tokenizer(LINES))
    };
    let work = builder.add_text_field("work", STRING | STORED);
    let title = builder.add_text_field("title", indexed(IndexRecordOption::WithFreqsAndPositions));
    let text = builder.add_text_field("text", indexed(IndexRecordOption::WithFreqsAndPositions));
    let stems = builder.add_text_field("stems", indexed(IndexRecordOption::WithFreqs));
    let marks = builder.add_text_field("marks", STRING);
    let original = builder.add_text_field("original", STRING);
    let withdrawn = builder.add_text_field("withdrawn", STRING);
    let arrival = builder.add_u64_field(ARRIVAL, INDEXED | FAST);
    let columns = COUNTED.map(|name| builder.add_text_field(name, STRING | FAST)).to_vec();
    let day = |field: &&str, builder: &mut tantivy::schema::SchemaBuilder| {
        (builder.add_u64_field(&first_day(field), FAST), builder.add_u64_field(&last_day(field), FAST))
    };
    let dates = dates().map(|field| day(&field.name, &mut builder)).collect();
    (builder.build(), Fields { work, title, text, stems, marks, original, withdrawn, arrival, columns, dates })
}

/// Words as a field takes them: already found and folded, a line each, because tantivy takes tokens only by way of JSON.
pub fn lines(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.fold(String::new(), |mut lines, word| {
        lines.push_str(word.as_ref());
        lines.push('\n');
        lines
    })
}

/// Splits what [`lines`] joined.
#[derive(Clone, Default)]
pub struct Lines;

/// One line after the other.
pub struct LineStream<'a> {
    rest: std::str::Lines<'a>,
    token: Token,
}

impl Tokenizer for Lines {
    type TokenStream<'a> = LineStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> LineStream<'a> {
        LineStream { rest: text.lines(), token: Token::default() }
    }
}

impl TokenStream for LineStream<'_> {
    fn advance(&mut self) -> bool {
        let Some(line) = self.rest.next() else { return false };
        self.token.text.clear();
        self.token.text.push_str(line);
        self.token.position = self.token.position.wrapping_add(1); // the default is before the first
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
