//! Until everything is found, beside tantivy alone: the same words of the same documents, from memory.

use std::time::Instant;

use comity::stems;
use comity::text;
use tantivy::schema::{IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{Index, TantivyDocument};

use crate::catch_up::Taken;
use crate::stage::Stage;
use crate::table::{Reach, Table};

/// The node's analysers as a tokenizer of tantivy: words, folded, and stemmed where asked. The text's language is its first line.
#[derive(Clone)]
struct Analyser {
    stemmed: bool,
}

struct Words {
    words: std::vec::IntoIter<String>,
    token: Token,
}

impl Tokenizer for Analyser {
    type TokenStream<'a> = Words;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Words {
        let (language, text) = text.split_once('\n').unwrap();
        let words = text::words(text);
        let words: Vec<String> = if self.stemmed {
            let mut lines = String::new();
            words.iter().for_each(|word| stems::push(language, &text[word.start..word.end], &mut lines));
            stems::push_pairs(language, text, &mut lines);
            lines.lines().map(str::to_owned).collect()
        } else {
            words.into_iter().map(|word| word.folded).collect()
        };
        Words { words: words.into_iter(), token: Token::default() }
    }
}

impl TokenStream for Words {
    fn advance(&mut self) -> bool {
        let Some(word) = self.words.next() else { return false };
        self.token.text = word;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}

/// Seconds that tantivy alone takes for all documents, with both cores, where the node has one thread for its index, and one commit.
fn bare(stage: &Stage) -> f64 {
    let documents: Vec<_> = (0..stage.documents).map(|number| stage.corpus.publication(number)).collect();
    let mut schema = Schema::builder();
    let field = |tokenizer: &str, record| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_index_option(record).set_tokenizer(tokenizer))
    };
    let name = schema.add_text_field("name", STRING | STORED);
    let title = schema.add_text_field("title", field("words", IndexRecordOption::WithFreqsAndPositions));
    let text = schema.add_text_field("text", field("words", IndexRecordOption::WithFreqsAndPositions));
    let stems = schema.add_text_field("stems", field("stems", IndexRecordOption::WithFreqs));
    let folder = stage.federation.folder("tantivy");
    std::fs::create_dir_all(&folder).unwrap();
    let index = Index::create_in_dir(&folder, schema.build()).unwrap();
    index.tokenizers().register("words", Analyser { stemmed: false });
    index.tokenizers().register("stems", Analyser { stemmed: true });
    let mut writer = index.writer_with_num_threads::<TantivyDocument>(2, 64 * 1024 * 1024).unwrap();
    let began = Instant::now();
    for publication in documents {
        let mut document = TantivyDocument::new();
        document.add_text(name, &publication.slug);
        let marked = |text: &str| format!("{}\n{text}", publication.language);
        document.add_text(title, marked(&publication.title));
        document.add_text(text, marked(&publication.text));
        document.add_text(stems, marked(&publication.title));
        document.add_text(stems, marked(&publication.text));
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    began.elapsed().as_secs_f64()
}

/// The workload.
pub fn run(stage: &Stage, taken: &Taken, table: &mut Table) {
    let bare = bare(stage);
    let rate = |seconds: f64| stage.documents as f64 / seconds;
    let figure = format!("{:.0} documents/s from the first byte to the last found", rate(taken.searchable));
    let limit = format!("{:.0}/s bare tantivy, two threads", rate(bare));
    table.add("until searchable", figure, limit, bare / taken.searchable, Reach::AtLeast(0.6));
}
