//! What is published under one signature.

use crate::import::candidate::Candidate;
use crate::import::report::Outcome;

/// Records that one signature covers: enough to amortise it and its fsync, few enough for a progress bar to move and for little
/// to be done again after a crash.
const RECORDS_MAX: usize = 500;
/// Bytes of texts that one batch holds in memory.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// Records in the order they were read: candidates, and what became of those that are none.
#[derive(Debug, Default)]
pub struct Batch {
    settled: Vec<Option<Outcome>>,
    candidates: Vec<Candidate>,
    bytes: usize,
}

impl Batch {
    /// Adds one more.
    pub fn add(&mut self, made: Result<Candidate, Outcome>) {
        match made {
            Ok(candidate) => {
                self.bytes += candidate.document.publication.text.len();
                self.candidates.push(candidate);
                self.settled.push(None);
            }
            Err(outcome) => self.settled.push(Some(outcome)),
        }
    }

    /// Whether it is time to publish it.
    pub fn is_full(&self) -> bool {
        self.settled.len() >= RECORDS_MAX || self.bytes >= BYTES_MAX
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.settled.is_empty()
    }

    /// Those that may be published.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// What became of all, in order, by what became of the candidates; of one that waits nothing has yet.
    pub fn settled(self, taken: impl IntoIterator<Item = Option<Outcome>>) -> impl Iterator<Item = Outcome> {
        let mut taken = taken.into_iter();
        self.settled.into_iter().filter_map(move |settled| settled.or_else(|| taken.next().flatten()))
    }
}
