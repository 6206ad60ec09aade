//! Finding: works that match a question, in an order, with counts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::collector::{Count, MultiCollector, TopDocs};
use tantivy::query::{BooleanQuery, Occur, Query, TermQuery};
use tantivy::schema::{IndexRecordOption, Value};
use tantivy::{DocAddress, IndexReader, Order, TantivyDocument, Term};

use super::counts::{ByValue, Counts};
use super::layout::{ARRIVAL, Fields, WITHDRAWN, first_day};
use super::plan::Planner;
use super::{IndexError, failed};
use crate::fields::COUNTED;
use crate::query;

/// Hits of one page.
pub const LIMIT_MAX: usize = 200;
/// How far one can page; who needs more exports.
pub const OFFSET_MAX: usize = 10_000;
/// Translations of one work that are looked at: more than there are languages of laws.
const TRANSLATIONS_MAX: usize = 256;

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
    /// A legal status.
    pub status: Option<String>,
    /// A year.
    pub year: Option<String>,
    /// How far a machine wrote some of it.
    pub assistance: Option<String>,
    /// Whether works are wanted too that their authors took back.
    pub withdrawn: bool,
}

impl Filters {
    /// Each by the name of its field, in the order of [`COUNTED`].
    pub fn by_name(&self) -> [(&'static str, Option<&str>); COUNTED.len()] {
        let Filters { kind, topic, jurisdiction, language, member, status, year, assistance, withdrawn: _ } = self;
        let [a, b, c, d, e, f, g, h] = COUNTED;
        [
            (a, kind.as_deref()),
            (b, topic.as_deref()),
            (c, jurisdiction.as_deref()),
            (d, language.as_deref()),
            (e, member.as_deref()),
            (f, status.as_deref()),
            (g, year.as_deref()),
            (h, assistance.as_deref()),
        ]
    }
}

/// What comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// What matches best; where nothing is searched for, what arrived last.
    #[default]
    Relevance,
    /// What arrived here last.
    Newest,
    /// What is of the latest date: adopted, or else in force, published, introduced, valid.
    Date,
    /// What was found valid last.
    ValidAsOf,
}

impl By {
    /// All of them by the name one types.
    pub const NAMED: [(&'static str, By); 4] =
        [("relevance", By::Relevance), ("newest", By::Newest), ("date", By::Date), ("valid_as_of", By::ValidAsOf)];

    /// The one of a name.
    pub fn named(name: &str) -> Option<By> {
        By::NAMED.iter().find(|(one, _)| *one == name).map(|(_, by)| *by)
    }
}

/// What is said where nothing has all of the words.
const RELAXED: &str = "nothing has all of this; shown is what has some of the words, or words that begin like them";

/// What is asked of the index.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// In the query language. Empty: everything.
    pub query: String,
    /// What the result is narrowed to.
    pub filters: Filters,
    /// What comes first.
    pub by: By,
    /// Languages of who asks, best first: equals in the first come before others.
    pub languages: Vec<String>,
    /// Hits wanted, at most [`LIMIT_MAX`].
    pub limit: usize,
    /// Hits to skip, at most [`OFFSET_MAX`].
    pub offset: usize,
}

/// Works found, in the order asked for.
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
    /// What of the query was ignored, or taken otherwise.
    pub notes: Vec<String>,
}

/// A read handle; cheap to clone. It sees what was committed.
#[derive(Clone)]
pub struct Searcher {
    pub(super) path: PathBuf,
    pub(super) fields: Fields,
    pub(super) reader: IndexReader,
    pub(super) cursor: Arc<AtomicU64>,
}

/// A question as tantivy is asked.
struct Planned {
    plan: Box<dyn Query>,
    terms: Vec<String>,
    notes: Vec<String>,
}

/// How many match, and how many have which value.
fn counted(searcher: &tantivy::Searcher, plan: &dyn Query) -> tantivy::Result<(u64, Vec<ByValue>)> {
    let mut all = MultiCollector::new();
    let total = all.add_collector(Count);
    let counts = all.add_collector(Counts);
    let mut fruits = searcher.search(plan, &all)?;
    Ok((total.extract(&mut fruits) as u64, counts.extract(&mut fruits)))
}

impl Searcher {
    /// Works that match. Where nothing has all of the words, what has some of them, or words that begin so, and that is said.
    pub fn search(&self, question: &Question) -> Result<Found, IndexError> {
        let failed = |error: tantivy::TantivyError| failed(&self.path, error);
        let searcher = self.reader.searcher();
        let mut planned = self.planned(question, false);
        let (mut total, mut counts) = counted(&searcher, &planned.plan).map_err(failed)?;
        if total == 0 && !planned.terms.is_empty() {
            let relaxed = self.planned(question, true);
            let found = counted(&searcher, &relaxed.plan).map_err(failed)?;
            if found.0 > 0 {
                planned = relaxed;
                (total, counts) = found;
                planned.notes.push(RELAXED.to_owned());
            }
        }
        let Planned { plan, terms, notes } = planned;
        let page = TopDocs::with_limit(question.limit.clamp(1, LIMIT_MAX)).and_offset(question.offset.min(OFFSET_MAX));
        let column = match question.by {
            By::Relevance if !terms.is_empty() => None,
            By::Relevance | By::Newest => Some(ARRIVAL.to_owned()),
            By::Date => Some(first_day("year")),
            By::ValidAsOf => Some(first_day("valid_as_of")),
        };
        let addresses: Vec<DocAddress> = if let Some(column) = column {
            let latest = page.order_by_u64_field(column, Order::Desc);
            searcher.search(&plan, &latest).map_err(failed)?.into_iter().map(|(_, address)| address).collect()
        } else {
            let best = searcher.search(&plan, &page.order_by_score()).map_err(failed)?;
            best.into_iter().map(|(_, address)| address).collect()
        };
        let works = self.names(&searcher, addresses)?;
        let counts = COUNTED.iter().copied().zip(counts).collect();
        Ok(Found { total, works, counts, terms, notes })
    }

    fn planned(&self, question: &Question, relaxed: bool) -> Planned {
        let (query, notes) = query::parse(&question.query);
        let mut planner = Planner::new(&self.fields, relaxed);
        let language = question.languages.first().map(String::as_str);
        let plan = planner.plan(&query, &question.filters, language);
        Planned { plan, terms: planner.terms, notes }
    }

    /// What translates a work, the newest first: its language and `CODE/slug`.
    pub fn translations(&self, work: &str) -> Result<Vec<(String, String)>, IndexError> {
        let failed = |error: tantivy::TantivyError| failed(&self.path, error);
        let searcher = self.reader.searcher();
        let of = TermQuery::new(Term::from_field_text(self.fields.original, work), IndexRecordOption::Basic);
        let plan = BooleanQuery::new(vec![(Occur::Must, Box::new(of)), (Occur::MustNot, Box::new(self.withdrawn()))]);
        let all = TopDocs::with_limit(TRANSLATIONS_MAX).order_by_u64_field(ARRIVAL, Order::Desc);
        let mut found = Vec::new();
        for (_, address) in searcher.search(&plan, &all).map_err(failed)? {
            let columns = searcher.segment_reader(address.segment_ord).fast_fields();
            let mut language = String::new();
            if let Some(column) = columns.str("language").map_err(failed)?
                && let Some(ordinal) = column.term_ords(address.doc_id).next()
            {
                column.ord_to_str(ordinal, &mut language).map_err(|error| failed(error.into()))?;
            }
            let works = self.names(&searcher, vec![address])?;
            found.extend(works.into_iter().map(|work| (language.clone(), work)));
        }
        Ok(found)
    }

    /// Up to which arrival of the store one finds.
    pub fn cursor(&self) -> u64 {
        self.cursor.load(Ordering::Acquire)
    }

    /// Works one finds.
    pub fn documents(&self) -> u64 {
        let searcher = self.reader.searcher();
        let withdrawn = searcher.search(&self.withdrawn(), &Count).unwrap_or_default();
        searcher.num_docs() - withdrawn as u64
    }

    fn withdrawn(&self) -> TermQuery {
        TermQuery::new(Term::from_field_text(self.fields.withdrawn, WITHDRAWN), IndexRecordOption::Basic)
    }

    fn names(&self, searcher: &tantivy::Searcher, addresses: Vec<DocAddress>) -> Result<Vec<String>, IndexError> {
        let mut works = Vec::with_capacity(addresses.len());
        for address in addresses {
            let document: TantivyDocument = searcher.doc(address).map_err(|error| failed(&self.path, error))?;
            works.extend(document.get_first(self.fields.work).and_then(|value| value.as_str().map(str::to_owned)));
        }
        Ok(works)
    }
}
