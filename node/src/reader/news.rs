//! Works in the order in which what is shown of them last changed here.

use super::Reader;
use crate::engine::Row;
use crate::rows::{StoreError, array, news_key, table};

/// A work, where it last changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Which arrival that was.
    pub arrival: u64,
    /// When, Unix milliseconds; never less than that of an arrival before it.
    pub at_ms: u64,
    /// `CODE/slug`.
    pub work: String,
}

impl News {
    fn read((key, value): &Row) -> Result<News, StoreError> {
        let read = || {
            let (arrival, at_ms) = (u64::from_be_bytes(array(key, 0)?), u64::from_be_bytes(array(value, 0)?));
            Some(News { arrival, at_ms, work: std::str::from_utf8(key.get(8..)?).ok()?.to_owned() })
        };
        read().ok_or(StoreError::Damaged(table::NEWS))
    }
}

impl Reader {
    /// Works that last changed after an arrival, the earliest first, at most `limit`.
    pub fn news(&self, after: u64, limit: usize) -> Result<Vec<News>, StoreError> {
        let from = after.saturating_add(1).to_be_bytes();
        self.engine.scan(table::NEWS, &from, None, limit)?.iter().map(News::read).collect()
    }

    /// Those that follow one of them: what an arrival changed besides that, and what changed after it.
    pub fn news_beyond(&self, last: &News, limit: usize) -> Result<Vec<News>, StoreError> {
        let from = [news_key(last.arrival, &last.work).as_slice(), &[0]].concat();
        self.engine.scan(table::NEWS, &from, None, limit)?.iter().map(News::read).collect()
    }

    /// Works that last changed before an arrival, the latest first, at most `limit`.
    pub fn news_before(&self, below: Option<u64>, limit: usize) -> Result<Vec<News>, StoreError> {
        let below = below.map(u64::to_be_bytes);
        let below = below.as_ref().map(|key| key.as_slice());
        self.engine.scan_back(table::NEWS, below, limit)?.iter().map(News::read).collect()
    }

    /// Where a work last changed.
    pub fn news_of(&self, work: &str) -> Result<Option<News>, StoreError> {
        let touched = self.engine.get(table::TOUCHED, work.as_bytes())?;
        let touched = touched.and_then(|bytes| array(&bytes, 0)).map(u64::from_be_bytes);
        let last = self.work(work)?.iter().map(|row| row.arrival).chain(touched).max();
        let Some(last) = last else { return Ok(None) };
        let key = news_key(last, work);
        let value = self.engine.get(table::NEWS, &key)?;
        value.map(|value| News::read(&(key, value))).transpose()
    }

    /// The arrival after which everything changed at a time or later, Unix milliseconds.
    pub fn news_since(&self, ms: u64) -> Result<u64, StoreError> {
        let (mut low, mut high) = (0, self.news_before(None, 1)?.first().map_or(0, |news| news.arrival));
        // Times never go back, so that halves tell; works that changed since left gaps between the arrivals.
        while low < high {
            let middle = low + (high - low) / 2;
            match self.news(middle, 1)?.first() {
                Some(news) if news.at_ms < ms => low = news.arrival,
                _ => high = middle,
            }
        }
        Ok(low)
    }
}
