//! A query's whole result, however large, in the order of the works' names: what an export goes through.
//!
//! It is of one moment of the index. What it keeps is a bit for every document of the index, and of each part of the index a
//! few names: the names themselves are read on from the index, which has them sorted. So one in many costs a pass over all
//! names, which is nothing beside reading the documents of a large result.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::IndexRecordOption;
use tantivy::{BitSet, DocId, DocSet, InvertedIndexReader, SegmentOrdinal, SegmentReader, TERMINATED};

use super::plan::Planner;
use super::{Filters, IndexError, Searcher, failed};
use crate::query;

/// Names read on at once, of each part of the index.
const NAMES_AT_ONCE: usize = 256;

/// The works of a result, `CODE/slug`, each once.
pub struct Walk {
    path: PathBuf,
    total: u64,
    parts: Vec<Part>,
}

/// What is left of one part of the index.
struct Part {
    names: Arc<InvertedIndexReader>,
    matches: BitSet,
    /// Matches whose names were not read yet.
    left: usize,
    /// The last name that was read.
    last: String,
    waiting: VecDeque<String>,
}

impl Searcher {
    /// All works that match, by name.
    pub fn walk(&self, asked: &str, filters: &Filters) -> Result<Walk, IndexError> {
        let failed = |error: tantivy::TantivyError| failed(&self.path, error);
        let searcher = self.reader.searcher();
        let plan = Planner::new(&self.fields, false).plan(&query::parse(asked).0, filters, None);
        let mut parts = Vec::new();
        for (ordinal, matches) in searcher.search(&plan, &Matches).map_err(failed)? {
            let names = searcher.segment_reader(ordinal).inverted_index(self.fields.work).map_err(failed)?;
            let left = matches.len();
            parts.push(Part { names, matches, left, last: String::new(), waiting: VecDeque::new() });
        }
        let total = parts.iter().map(|part| part.left as u64).sum();
        Ok(Walk { path: self.path.clone(), total, parts })
    }
}

impl Walk {
    /// How many works there were at the beginning.
    pub fn total(&self) -> u64 {
        self.total
    }
}

impl Iterator for Walk {
    type Item = Result<String, IndexError>;

    fn next(&mut self) -> Option<Result<String, IndexError>> {
        let read = self.parts.iter_mut().try_for_each(Part::read_on);
        if let Err(error) = read {
            self.parts.clear();
            return Some(Err(failed(&self.path, error)));
        }
        let waiting = self.parts.iter_mut().map(|part| &mut part.waiting).filter(|names| !names.is_empty());
        waiting.min_by(|a, b| a.front().cmp(&b.front()))?.pop_front().map(Ok)
    }
}

impl Part {
    /// Reads names on where none is waiting.
    fn read_on(&mut self) -> io::Result<()> {
        if self.left == 0 || !self.waiting.is_empty() {
            return Ok(());
        }
        let mut names = self.names.terms().range().gt(&self.last).into_stream()?;
        while self.left > 0 && self.waiting.len() < NAMES_AT_ONCE {
            if !names.advance() {
                self.left = 0;
                break;
            }
            // Of a work that was put anew, the document before may be there still; it is no match.
            let mut documents = self.names.read_postings_from_terminfo(names.value(), IndexRecordOption::Basic)?;
            while documents.doc() != TERMINATED && !self.matches.contains(documents.doc()) {
                documents.advance();
            }
            if documents.doc() != TERMINATED {
                self.waiting.push_back(String::from_utf8_lossy(names.key()).into_owned());
                self.left -= 1;
            }
        }
        if let Some(last) = self.waiting.back() {
            self.last.clone_from(last);
        }
        Ok(())
    }
}

/// Marks the documents that match.
struct Matches;

struct PartMatches(SegmentOrdinal, BitSet);

impl Collector for Matches {
    type Fruit = Vec<(SegmentOrdinal, BitSet)>;
    type Child = PartMatches;

    fn for_segment(&self, ordinal: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<PartMatches> {
        Ok(PartMatches(ordinal, BitSet::with_max_value(reader.max_doc())))
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, parts: Vec<(SegmentOrdinal, BitSet)>) -> tantivy::Result<Self::Fruit> {
        Ok(parts)
    }
}

impl SegmentCollector for PartMatches {
    type Fruit = (SegmentOrdinal, BitSet);

    fn collect(&mut self, doc: DocId, _: f32) {
        self.1.insert(doc);
    }

    fn harvest(self) -> Self::Fruit {
        (self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Card, Index};
    use super::{Filters, NAMES_AT_ONCE};

    #[test]
    fn a_whole_result_comes_by_name_each_work_once_and_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let (mut index, _) = Index::open(dir.path(), 42).unwrap();
        let member = |number: usize| ["FI", "KE", "UY"][number % 3];
        let card = |number: usize, text: &str| Card {
            work: format!("{}/law-{number:04}", member(number)),
            text: text.to_owned(),
            values: vec![("member", member(number).to_owned())],
            ..Card::default()
        };
        let count = NAMES_AT_ONCE * 4;
        for number in (0..count).rev() {
            index.put(&card(number, "machines")).unwrap();
            if number % 200 == 0 {
                index.commit(1).unwrap();
            }
        }
        for number in (0..count).step_by(5) {
            index.put(&card(number, if number % 2 == 0 { "machines again" } else { "people" })).unwrap();
        }
        index.remove("FI/law-0003");
        index.commit(2).unwrap();

        let searcher = index.searcher();
        let walk = searcher.walk("machines", &Filters::default()).unwrap();
        let total = walk.total();
        index.put(&card(count, "machines")).unwrap();
        index.remove("FI/law-0006");
        index.commit(3).unwrap();
        let works: Vec<String> = walk.map(Result::unwrap).collect();
        let mut expected: Vec<String> = (0..count)
            .filter(|number| *number != 3 && (number % 5 != 0 || number % 2 == 0))
            .map(|number| card(number, "").work)
            .collect();
        expected.sort();
        assert_eq!((total, &works), (expected.len() as u64, &expected));

        let kenya = Filters { member: Some("KE".to_owned()), ..Filters::default() };
        let again = searcher.walk("", &kenya).unwrap();
        assert_eq!(again.map(Result::unwrap).filter(|work| work.starts_with("KE/")).count(), count.div_ceil(3));
        assert_eq!(searcher.walk("nothing", &kenya).unwrap().count(), 0);
    }
}
