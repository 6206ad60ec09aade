//! How many of a result have which value, from the columns, over all matches.

use std::collections::BTreeMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::StrColumn;
use tantivy::{DocId, SegmentOrdinal, SegmentReader};

use crate::fields::COUNTED;

/// Values counted per field: more than there are members or topics.
const COUNTS_MAX: usize = 1_000;

/// Value -> how many.
pub type ByValue = BTreeMap<String, u64>;

/// Counts the values of every column over all matches.
pub struct Counts;

/// The same in one part of the index.
pub struct SegmentCounts(Vec<(Option<StrColumn>, Vec<u64>)>);

impl Collector for Counts {
    type Fruit = Vec<ByValue>;
    type Child = SegmentCounts;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<SegmentCounts> {
        let mut columns = Vec::new();
        for name in COUNTED {
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
        let mut merged = vec![ByValue::new(); COUNTED.len()];
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
