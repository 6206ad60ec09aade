//! Where logs end before what is held of them: they were cut, are contested, or their member is none any more. What is beyond is
//! kept as evidence, and neither found, read nor counted.

use std::collections::BTreeMap;

use proto::digest::Digest;
use proto::frontier::Frontier;
use proto::key::PublicKey;

/// The end of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Entries that stand.
    pub stands: u64,
    /// Entries of another branch that were set aside.
    pub aside: u64,
}

/// The logs of which not everything stands that is held or once was. Usually there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends(BTreeMap<PublicKey, End>);

impl Ends {
    /// Of every log that is held, in entries: how many there are, and how many were set aside.
    pub fn of(frontier: &Frontier, held: impl Iterator<Item = (PublicKey, u64, u64)>) -> Ends {
        let end = |(log, held, aside)| {
            let stands = frontier.rows.get(&log).map_or(0, |row| row.size);
            (stands < held || aside > 0).then_some((log, End { stands, aside }))
        };
        Ends(held.filter_map(end).collect())
    }

    /// Of every log with an end: its key, entries that stand, and entries that were set aside.
    pub fn lines(&self) -> impl Iterator<Item = (&PublicKey, u64, u64)> {
        self.0.iter().map(|(log, end)| (log, end.stands, end.aside))
    }

    /// From those.
    pub fn from_lines(lines: Vec<(PublicKey, u64, u64)>) -> Ends {
        Ends(lines.into_iter().map(|(log, stands, aside)| (log, End { stands, aside })).collect())
    }

    /// Whether everything stands that is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The logs with an end.
    pub fn logs(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.keys()
    }

    /// Whether an entry of a log stands, as far as its log's end says.
    pub fn covers(&self, log: &PublicKey, index: u64) -> bool {
        self.0.get(log).is_none_or(|end| index < end.stands)
    }

    /// Logs that ended elsewhere before, each with the first index whose entry may stand now and did not, or the reverse.
    pub fn moved(&self, before: &Ends) -> Vec<(PublicKey, u64)> {
        let logs = self.0.keys().chain(before.0.keys().filter(|log| !self.0.contains_key(*log)));
        let first = |log: &PublicKey| {
            let (now, then) = (self.0.get(log), before.0.get(log));
            (now != then).then(|| (*log, now.into_iter().chain(then).map(|end| end.stands).min().unwrap_or(0)))
        };
        logs.filter_map(first).collect()
    }

    /// What to tell two of them apart by; empty where they are.
    pub fn mark(&self) -> String {
        let line = |(log, end): (&PublicKey, &End)| format!("{log} {} {}\n", end.stands, end.aside);
        let lines: String = self.0.iter().map(line).collect();
        if lines.is_empty() { lines } else { Digest::of(lines.as_bytes()).to_string() }
    }
}
