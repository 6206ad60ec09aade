//! What the workloads share: a federation of ten members, the documents, and what earlier workloads found.

use std::time::{Duration, Instant};

use crate::corpus::{Corpus, Keys, MEMBERS};
use crate::federation::Federation;

/// Seconds anything may take: a run that goes on for longer is broken.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// The stage.
pub struct Stage {
    pub federation: Federation,
    pub keys: Keys,
    pub corpus: Corpus,
    /// Documents of the workloads that take "100,000".
    pub documents: u64,
    /// Bytes of their bodies.
    pub raw_bytes: u64,
    /// Seconds until an empty replica held them.
    pub catch_up_seconds: f64,
    /// Seconds until it found all of them by search.
    pub searchable_seconds: f64,
}

impl Stage {
    /// Founds the federation.
    pub fn new(documents: u64) -> Stage {
        let federation = Federation::found(&MEMBERS);
        let keys = Keys::of(&federation);
        let corpus = Corpus::new();
        Stage { federation, keys, corpus, documents, raw_bytes: 0, catch_up_seconds: 0.0, searchable_seconds: 0.0 }
    }
}

/// Looks every few milliseconds until a condition holds.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
