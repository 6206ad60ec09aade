//! The search index: one document per work, derived from the store and disposable. The only file that names tantivy.
//!
//! A document has the words of its title and text, folded, with their positions; the stems of its own language; and the fields
//! one counts and filters by, as columns. What is shown comes from the store, so that the index stays small. The cursor, up to
//! which arrival it was brought, is kept with every commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tantivy::collector::{Collector, Count, MultiCollector, SegmentCollector, TopDocs};
use tantivy::columnar::StrColumn;
use tantivy::query::{AllQuery, BooleanQuery, BoostQuery, EmptyQuery, Occur, PhraseQuery, Query as Plan, TermQuery};
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions, Value,
};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};
use tantivy::{
    DocAddress, DocId, Index as Tantivy, IndexReader, IndexWriter, Order, ReloadPolicy, SegmentOrdinal, SegmentReader,
    TantivyDocument, Term,
};
use thiserror::Error;

use crate::query::{self, Clause};
use crate::text;

/// Version of the index's layout and of how words are made. Another one is rebuilt.
const VERSION: u32 = 2;
/// Bytes the writer may gather before it writes a part of the index: tantivy's least, and one thread, for modest machines.
const WRITER_BYTES: usize = 32 * 1024 * 1024;
/// Name of the tokenizer of all words.
const LINES: &str = "lines";
/// How far indexing stands back: about a thirtieth of the machine while others want all of it.
const BACKGROUND_NICE: i32 = 15;
/// Hits of one page.
pub const LIMIT_MAX: usize = 200;
/// How far one can page; who needs more exports.
pub const OFFSET_MAX: usize = 10_000;
/// Values counted per field: more than there are members or topics.
const COUNTS_MAX: usize = 1_000;
/// How much more a word in the title weighs.
const TITLE_BOOST: f32 = 3.0;

/// Why the index cannot be used. It can be deleted at any time.
#[derive(Debug, Error)]
pub enum IndexError {
    /// tantivy failed.
    #[error("the search index in {path}: {what}; stop the node, delete that folder and start again: it is rebuilt")]
    Tantivy {
        /// The folder.
        path: PathBuf,
        /// What was said.
        what: String,
    },
}

/// A work as it is indexed: its current version.
#[derive(Clone, Debug, Default)]
pub struct Card {
    /// `CODE/slug`.
    pub work: String,
    /// Of the current version.
    pub title: String,
    /// Everything else to be found by.
    pub text: String,
    /// Its kind's slug.
    pub kind: String,
    /// Its topics.
    pub topics: Vec<String>,
    /// Its jurisdiction.
    pub jurisdiction: String,
    /// The language of its text.
    pub language: String,
    /// The author's code.
    pub member: String,
    /// Which arrival it was here; newest sorts by it.
    pub arrival: u64,
}

/// What a result is narrowed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// A kind's slug.
    pub kind: Option<String>,
    /// A topic's slug.
    pub topic: Option<String>,
    /// A jurisdiction.
    pub jurisdiction: Option<String>,
    /// A language.
    pub language: Option<String>,
    /// A member's code.
    pub member: Option<String>,
}

/// Works found, best first.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// How many match.
    pub total: u64,
    /// `CODE/slug` of those asked for.
    pub works: Vec<String>,
    /// Field -> value -> how many match.
    pub counts: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// What was searched for, as indexed, for snippets.
    pub terms: Vec<String>,
}

/// What opening found.
#[derive(Debug)]
pub struct Opened {
    /// Up to which arrival the index was brought.
    pub cursor: u64,
    /// Why it begins anew.
    pub rebuilt: Option<String>,
}

#[derive(Clone, Copy)]
struct Fields {
    work: Field,
    title: Field,
    text: Field,
    stems: Field,
    columns: [Field; 5],
    arrival: Field,
}

/// Splits what [`lines`] joined.
#[derive(Clone, Default)]
struct Lines;

struct LineStream<'a> {
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

/// Columns one counts and filters by, in the order of [`Fields::columns`].
const COLUMNS: [&str; 5] = ["kind", "topic", "jurisdiction", "language", "member"];

/// The one writer.
pub struct Index {
    path: PathBuf,
    new: bool,
    /// Whether what was taken out since the last commit must not stay in files either.
    erasing: bool,
    fields: Fields,
    writer: IndexWriter,
    searcher: Searcher,
}

/// A read handle; cheap to clone. It sees what was committed.
#[derive(Clone)]
pub struct Searcher {
    path: PathBuf,
    fields: Fields,
    reader: IndexReader,
}

impl Index {
    /// Opens or creates the index in `path`; one that is damaged, of another version or ahead of the store's last arrival
    /// begins anew.
    pub fn open(path: &Path, arrival: u64) -> Result<(Index, Opened), IndexError> {
        let existed = path.join("meta.json").exists();
        let reason = match Index::try_open(path) {
            Ok((index, Some(cursor))) if cursor <= arrival => return Ok((index, Opened { cursor, rebuilt: None })),
            // The store lost its tail, and what arrives now bears numbers that the index believes to have seen.
            Ok((_, Some(_))) => "it is ahead of the store".to_owned(),
            Ok((index, None)) if !existed => {
                return Ok((Index { new: true, ..index }, Opened { cursor: 0, rebuilt: None }));
            }
            Ok((_, None)) => "it was made by another version".to_owned(),
            Err(error) => error.to_string(),
        };
        fs::remove_dir_all(path).map_err(|error| failed(path, error))?;
        let (index, _) = Index::try_open(path)?;
        Ok((Index { new: true, ..index }, Opened { cursor: 0, rebuilt: Some(reason) }))
    }

    /// Begins anew, at the next [`Index::open`], what was made while something else was hidden or stood: `mark` says what is now.
    pub fn made_for(path: &Path, mark: &str) -> Result<(), IndexError> {
        let file = path.with_extension("hidden");
        if fs::read_to_string(&file).unwrap_or_default() == mark {
            return Ok(());
        }
        if path.exists() {
            fs::remove_dir_all(path).map_err(|error| failed(path, error))?;
        }
        fs::write(&file, mark).map_err(|error| failed(&file, error))
    }

    /// Notes that what was committed is made for another mark. A crash before it costs a rebuild.
    pub fn mark(&self, mark: &str) -> Result<(), IndexError> {
        let file = self.path.with_extension("hidden");
        fs::write(&file, mark).map_err(|error| failed(&file, error))
    }

    /// Whether it was empty when it was opened, and has since been filled in the order of arrival alone.
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// From now on works come in another order than that of their arrival.
    pub fn not_new(&mut self) {
        self.new = false;
    }

    /// Puts a work in place of what was there of it.
    pub fn put(&mut self, card: &Card) -> Result<(), IndexError> {
        self.remove(&card.work);
        self.add(card)
    }

    /// Puts a work of which nothing is there: to take out what is not there is looked up in every part of the index.
    pub fn add(&mut self, card: &Card) -> Result<(), IndexError> {
        let mut document = TantivyDocument::new();
        let fields = self.fields;
        document.add_text(fields.work, &card.work);
        let (title, text) = (text::words(&card.title), text::words(&card.text));
        let stems = title.iter().chain(&text).filter_map(|word| text::stem(&card.language, &word.folded));
        document.add_text(fields.stems, lines(stems));
        document.add_text(fields.title, lines(title.iter().map(|word| word.folded.as_str())));
        document.add_text(fields.text, lines(text.iter().map(|word| word.folded.as_str())));
        let [kind, topic, jurisdiction, language, member] = fields.columns;
        for (field, value) in
            [(kind, &card.kind), (jurisdiction, &card.jurisdiction), (language, &card.language), (member, &card.member)]
        {
            if !value.is_empty() {
                document.add_text(field, value);
            }
        }
        for value in &card.topics {
            document.add_text(topic, value);
        }
        document.add_u64(fields.arrival, card.arrival);
        self.writer.add_document(document).map(drop).map_err(|error| failed(&self.path, error))
    }

    /// Takes a work out: it was withdrawn.
    pub fn remove(&mut self, work: &str) {
        self.writer.delete_term(Term::from_field_text(self.fields.work, work));
    }

    /// Takes a work out whose text was erased: the words of what is only taken out would stay in the files until they happen to be
    /// merged, so the next commit writes those anew.
    pub fn erase(&mut self, work: &str) {
        self.remove(work);
        self.erasing = true;
    }

    /// Makes everything visible and durable, with the arrival up to which it goes.
    pub fn commit(&mut self, cursor: u64) -> Result<(), IndexError> {
        let committed = self.writer.prepare_commit().and_then(|mut commit| {
            commit.set_payload(&format!("{VERSION} {cursor}"));
            commit.commit()
        });
        committed.and_then(|_| self.searcher.reader.reload()).map_err(|error| failed(&self.path, error))?;
        if self.erasing {
            self.erasing = self.rewrite().map_err(|error| failed(&self.path, error))?;
        }
        Ok(())
    }

    /// Writes every part of the index anew from which something was taken out. Gives whether some are left: they are being merged.
    fn rewrite(&mut self) -> tantivy::Result<bool> {
        let parts = self.writer.index().searchable_segment_metas()?;
        let mut busy = false;
        for part in parts.iter().filter(|part| part.has_deletes()) {
            busy |= self.writer.merge(&[part.id()]).wait().is_err();
        }
        self.searcher.reader.reload()?;
        self.writer.garbage_collect_files().wait()?;
        Ok(busy)
    }

    /// A read handle.
    pub fn searcher(&self) -> Searcher {
        self.searcher.clone()
    }

    fn try_open(path: &Path) -> Result<(Index, Option<u64>), IndexError> {
        let failed = |error: tantivy::TantivyError| failed(path, error);
        fs::create_dir_all(path).map_err(|error| self::failed(path, error))?;
        let (schema, fields) = schema();
        let directory = tantivy::directory::MmapDirectory::open(path).map_err(|error| self::failed(path, error))?;
        let index = Tantivy::open_or_create(directory, schema).map_err(failed)?;
        let payload = index.load_metas().map_err(failed)?.payload;
        index.tokenizers().register(LINES, Lines);
        let writer = background(|| index.writer_with_num_threads(1, WRITER_BYTES)).map_err(failed)?;
        // A commit is shown at once by `commit`. What is merged after the last one has to be taken up too: until then the parts
        // that were merged stay mapped whole, 300 MB of them at a million documents, and their files stay on the disk.
        let policy = ReloadPolicy::OnCommitWithDelay;
        let reader = index.reader_builder().reload_policy(policy).try_into().map_err(failed)?;
        let cursor = payload.as_deref().and_then(|payload| payload.split_once(' '));
        let cursor =
            cursor.filter(|(version, _)| *version == VERSION.to_string()).and_then(|(_, cursor)| cursor.parse().ok());
        let searcher = Searcher { path: path.to_owned(), fields, reader };
        Ok((Index { path: path.to_owned(), new: false, erasing: false, fields, writer, searcher }, cursor))
    }
}

impl Searcher {
    /// Works that match, best first; with an empty query the newest first.
    pub fn search(&self, asked: &str, filters: &Filters, limit: usize, offset: usize) -> Result<Found, IndexError> {
        let failed = |error: tantivy::TantivyError| failed(&self.path, error);
        let searcher = self.reader.searcher();
        let query = query::parse(asked);
        let mut terms = Vec::new();
        let plan = self.plan(&query, filters, &mut terms);
        let limit = limit.clamp(1, LIMIT_MAX);
        let page = TopDocs::with_limit(limit).and_offset(offset.min(OFFSET_MAX));
        let mut all = MultiCollector::new();
        let total = all.add_collector(Count);
        let counts = all.add_collector(Counts);
        let mut fruits = searcher.search(&plan, &all).map_err(failed)?;
        let (total, counts) = (total.extract(&mut fruits) as u64, counts.extract(&mut fruits));
        let addresses: Vec<DocAddress> = if terms.is_empty() {
            let newest = page.order_by_u64_field("arrival", Order::Desc);
            searcher.search(&plan, &newest).map_err(failed)?.into_iter().map(|(_, address)| address).collect()
        } else {
            let best = searcher.search(&plan, &page.order_by_score()).map_err(failed)?;
            best.into_iter().map(|(_, address)| address).collect()
        };
        let mut works = Vec::with_capacity(addresses.len());
        for address in addresses {
            let document: TantivyDocument = searcher.doc(address).map_err(failed)?;
            works.extend(document.get_first(self.fields.work).and_then(|value| value.as_str().map(str::to_owned)));
        }
        let counts = COLUMNS.iter().copied().zip(counts).collect();
        Ok(Found { total, works, counts, terms })
    }

    /// Works in the index.
    pub fn documents(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    fn plan(&self, query: &query::Query, filters: &Filters, terms: &mut Vec<String>) -> Box<dyn Plan> {
        let mut parts: Vec<(Occur, Box<dyn Plan>)> = Vec::new();
        for clause in &query.must {
            parts.push((Occur::Must, self.clause(clause, terms)));
        }
        for clause in &query.must_not {
            parts.push((Occur::MustNot, self.clause(clause, &mut Vec::new())));
        }
        let wanted = [&filters.kind, &filters.topic, &filters.jurisdiction, &filters.language, &filters.member];
        for (field, value) in self.fields.columns.iter().zip(wanted) {
            if let Some(value) = value.as_ref().filter(|value| !value.is_empty()) {
                parts.push((Occur::Must, self.exact(*field, value)));
            }
        }
        if !parts.iter().any(|(occur, _)| *occur == Occur::Must) {
            parts.push((Occur::Must, Box::new(AllQuery)));
        }
        Box::new(BooleanQuery::new(parts))
    }

    fn clause(&self, clause: &Clause, terms: &mut Vec<String>) -> Box<dyn Plan> {
        use crate::query::Field as Named;
        match clause {
            Clause::Word(word) => self.words(word, terms),
            Clause::Phrase(phrase) => self.phrase(&folded(phrase), terms),
            Clause::Field(Named::Title, value) => {
                let each = folded(value).into_iter().map(|word| {
                    terms.push(word.clone());
                    (Occur::Must, self.term(self.fields.title, &word))
                });
                Box::new(BooleanQuery::new(each.collect()))
            }
            Clause::Field(named, value) => {
                let [kind, topic, jurisdiction, language, member] = self.fields.columns;
                let field = match named {
                    Named::Kind | Named::Title => kind,
                    Named::Topic => topic,
                    Named::Jurisdiction => jurisdiction,
                    Named::Language => language,
                    Named::Member => member,
                };
                self.exact(field, value)
            }
        }
    }

    /// What one types between two spaces: usually a word; where the script has no spaces, several, better next to each other.
    fn words(&self, typed: &str, terms: &mut Vec<String>) -> Box<dyn Plan> {
        let words = folded(typed);
        if words.is_empty() {
            return Box::new(EmptyQuery);
        }
        let mut parts: Vec<(Occur, Box<dyn Plan>)> =
            words.iter().map(|word| (Occur::Must, self.word(word, terms))).collect();
        if words.len() > 1 {
            parts.push((Occur::Should, self.phrase(&words, &mut Vec::new())));
        }
        Box::new(BooleanQuery::new(parts))
    }

    fn word(&self, folded: &str, terms: &mut Vec<String>) -> Box<dyn Plan> {
        let title = BoostQuery::new(self.term(self.fields.title, folded), TITLE_BOOST);
        let mut any: Vec<(Occur, Box<dyn Plan>)> =
            vec![(Occur::Should, Box::new(title)), (Occur::Should, self.term(self.fields.text, folded))];
        terms.push(folded.to_owned());
        for stem in text::stems(folded) {
            any.push((Occur::Should, self.term(self.fields.stems, &stem)));
            terms.push(stem);
        }
        Box::new(BooleanQuery::new(any))
    }

    fn phrase(&self, words: &[String], terms: &mut Vec<String>) -> Box<dyn Plan> {
        terms.extend_from_slice(words);
        match words {
            [] => Box::new(EmptyQuery),
            [word] => {
                let title = BoostQuery::new(self.term(self.fields.title, word), TITLE_BOOST);
                Box::new(BooleanQuery::new(vec![
                    (Occur::Should, Box::new(title)),
                    (Occur::Should, self.term(self.fields.text, word)),
                ]))
            }
            words => {
                let within = |field: Field| -> Box<dyn Plan> {
                    Box::new(PhraseQuery::new(words.iter().map(|word| Term::from_field_text(field, word)).collect()))
                };
                let title = BoostQuery::new(within(self.fields.title), TITLE_BOOST);
                Box::new(BooleanQuery::new(vec![
                    (Occur::Should, Box::new(title)),
                    (Occur::Should, within(self.fields.text)),
                ]))
            }
        }
    }

    fn term(&self, field: Field, word: &str) -> Box<dyn Plan> {
        Box::new(TermQuery::new(Term::from_field_text(field, word), IndexRecordOption::WithFreqs))
    }

    fn exact(&self, field: Field, value: &str) -> Box<dyn Plan> {
        Box::new(TermQuery::new(Term::from_field_text(field, value), IndexRecordOption::Basic))
    }
}

fn folded(text: &str) -> Vec<String> {
    text::words(text).into_iter().map(|word| word.folded).collect()
}

/// Words as a field takes them: already found and folded, a line each, because tantivy takes tokens only by way of JSON.
fn lines(words: impl Iterator<Item = impl AsRef<str>>) -> String {
    words.fold(String::new(), |mut lines, word| {
        lines.push_str(word.as_ref());
        lines.push('\n');
        lines
    })
}

/// Runs `work` so that the threads it starts come after all others: a node that is catching up or serving does that first, and
/// makes things searchable with what is left of the machine.
pub(crate) fn background<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let low = scope.spawn(|| {
            yield_to_others();
            work()
        });
        low.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// From here on this thread, and those it starts, get the machine after all others. Best effort: it only costs time elsewhere.
pub(crate) fn yield_to_others() {
    let _ = rustix::process::nice(BACKGROUND_NICE);
}

fn schema() -> (Schema, Fields) {
    let mut builder = Schema::builder();
    let indexed = |record| {
        TextOptions::default()
            .set_indexing_options(TextFieldIndexing::default().set_index_option(record).set_tokenizer(LINES))
    };
    let work = builder.add_text_field("work", STRING | STORED);
    let title = builder.add_text_field("title", indexed(IndexRecordOption::WithFreqsAndPositions));
    let text = builder.add_text_field("text", indexed(IndexRecordOption::WithFreqsAndPositions));
    let stems = builder.add_text_field("stems", indexed(IndexRecordOption::WithFreqs));
    let columns = COLUMNS.map(|name| builder.add_text_field(name, STRING | FAST));
    let arrival = builder.add_u64_field("arrival", INDEXED | FAST);
    (builder.build(), Fields { work, title, text, stems, columns, arrival })
}

fn failed(path: &Path, error: impl std::fmt::Display) -> IndexError {
    IndexError::Tantivy { path: path.to_owned(), what: error.to_string() }
}

// ------------------------------------------------------------------------------------------------------ counts

type ByValue = BTreeMap<String, u64>;

/// Counts the values of every column over all matches.
struct Counts;

struct SegmentCounts(Vec<(Option<StrColumn>, Vec<u64>)>);

impl Collector for Counts {
    type Fruit = Vec<ByValue>;
    type Child = SegmentCounts;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentCounts> {
        let mut columns = Vec::new();
        for name in COLUMNS {
            let column = reader.fast_fields().str(name)?;
            let values = column.as_ref().map_or(0, |column| column.num_terms());
            columns.push((column, vec![0; values]));
        }
        Ok(SegmentCounts(columns))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, segments: Vec<tantivy::Result<Vec<ByValue>>>) -> tantivy::Result<Vec<ByValue>> {
        let mut merged = vec![ByValue::new(); COLUMNS.len()];
        for segment in segments {
            for (all, part) in merged.iter_mut().zip(segment?) {
                for (value, count) in part {
                    *all.entry(value).or_default() += count;
                }
            }
        }
        Ok(merged)
    }
}

impl SegmentCollector for SegmentCounts {
    type Fruit = tantivy::Result<Vec<ByValue>>;

    fn collect(&mut self, doc: DocId, _: f32) {
        for (column, counts) in &mut self.0 {
            let Some(column) = column else { continue };
            for ordinal in column.term_ords(doc) {
                if let Some(count) = counts.get_mut(ordinal as usize) {
                    *count += 1;
                }
            }
        }
    }

    fn harvest(self) -> tantivy::Result<Vec<ByValue>> {
        let mut all = Vec::new();
        for (column, counts) in self.0 {
            let mut by_value = ByValue::new();
            let found = (0u64..).zip(counts).filter(|(_, count)| *count > 0).take(COUNTS_MAX);
            for (ordinal, count) in found {
                let mut value = String::new();
                if let Some(column) = &column {
                    column.ord_to_str(ordinal, &mut value)?;
                }
                by_value.insert(value, count);
            }
            all.push(by_value);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Card, Filters, Index};

    fn card(work: &str, language: &str, title: &str, text: &str) -> Card {
        let member = work.split('/').next().unwrap().to_owned();
        let (kind, topics) = ("law-summary".to_owned(), vec!["children".to_owned()]);
        Card {
            work: work.to_owned(),
            language: language.to_owned(),
            title: title.to_owned(),
            text: text.to_owned(),
            kind,
            topics,
            member,
            ..Card::default()
        }
    }

    #[test]
    fn a_librarian_finds_what_was_written_in_her_own_script_and_form() {
        let dir = tempfile::tempdir().unwrap();
        let (mut index, _) = Index::open(dir.path(), 42).unwrap();
        index.put(&card("FI/a", "fi", "Täysistunnon puheet", "Puheiden litterointi eduskunnassa")).unwrap();
        index.put(&card("KE/b", "ar", "قانون الذكاء الاصطناعي", "الْقَانُونُ الجديد")).unwrap();
        index.put(&card("UY/c", "zh", "生成式人工智能服务管理暂行办法", "提供者应当")).unwrap();
        index
            .put(&card("UY/d", "es", "Ley de protección", "La ley prohíbe imágenes íntimas sin consentimiento"))
            .unwrap();
        index.put(&card("UY/e", "en", "Deepfake laws", "Intimate images shared without consent are banned")).unwrap();
        index.commit(7).unwrap();
        let searcher = index.searcher();
        let find = |query: &str| searcher.search(query, &Filters::default(), 10, 0).unwrap().works;
        assert_eq!(find("taysistunnon"), ["FI/a"]);
        assert_eq!(find("litterointi"), ["FI/a"]);
        assert_eq!(find("القانون"), ["KE/b"]);
        assert_eq!(find("人工智能"), ["UY/c"]);
        assert_eq!(find("intimas"), ["UY/d"]);
        assert_eq!(find("law"), ["UY/e"]);
        assert_eq!(find("\"intimate images\""), ["UY/e"]);
        assert!(find("\"images intimate\"").is_empty());
        assert_eq!(find("ley -protección"), Vec::<String>::new());
        assert_eq!(find("member:UY language:es"), ["UY/d"]);
        assert_eq!(find("").len(), 5);
        let found =
            searcher.search("", &Filters { member: Some("UY".to_owned()), ..Filters::default() }, 1, 0).unwrap();
        assert_eq!((found.total, found.works.len(), found.counts["language"]["zh"]), (3, 1, 1));
    }

    #[test]
    fn a_new_version_replaces_the_old_a_withdrawn_work_goes_and_the_cursor_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (mut index, opened) = Index::open(dir.path(), 42).unwrap();
        assert_eq!(opened.cursor, 0);
        index.put(&card("FI/a", "en", "old", "text")).unwrap();
        index.put(&card("FI/a", "en", "new", "text")).unwrap();
        index.put(&card("FI/b", "en", "other", "text")).unwrap();
        index.remove("FI/b");
        index.commit(42).unwrap();
        assert_eq!(index.searcher().search("text", &Filters::default(), 10, 0).unwrap().works, ["FI/a"]);
        assert_eq!(index.searcher().search("old", &Filters::default(), 10, 0).unwrap().total, 0);
        drop(index);
        let (index, opened) = Index::open(dir.path(), 42).unwrap();
        assert_eq!((opened.cursor, opened.rebuilt), (42, None));
        drop(index);
        let (mut index, opened) = Index::open(dir.path(), 41).unwrap();
        assert!(opened.cursor == 0 && opened.rebuilt.is_some());
        index.commit(41).unwrap();
        drop(index);
        std::fs::write(dir.path().join("meta.json"), "{").unwrap();
        let (_, opened) = Index::open(dir.path(), 42).unwrap();
        assert!(opened.cursor == 0 && opened.rebuilt.is_some());
    }
}
