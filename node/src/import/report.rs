//! What became of every record of an import.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// A version was published.
    Imported,
    /// The version in force says this already; nothing was written.
    Unchanged,
    /// Nothing was written, and `why` says why.
    Skipped,
}

/// One record, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The file it is from; in a push there is none.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub file: String,
    /// Its line, from 1; 0 where the record is the whole file.
    pub line: u64,
    /// What became of it.
    pub verdict: Verdict,
    /// `CODE/slug@version`, or `CODE/slug`; empty where it never had a name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub work: String,
    /// Why it was skipped, or what it lacks.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub why: Vec<String>,
    /// Whether something is wrong with it that somebody has to mend.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub wrong: bool,
    /// Whether it is about a work that is not here yet: sent again after that, it goes in.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub waits: bool,
}

/// How many records came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Counts {
    /// Published.
    pub imported: u64,
    /// Already there.
    pub unchanged: u64,
    /// Left out, those with something wrong included.
    pub skipped: u64,
    /// With something wrong.
    pub wrong: u64,
}

/// The answer to a push.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportReply {
    /// How many came to what.
    #[serde(flatten)]
    pub counts: Counts,
    /// One for each record, in order.
    pub records: Vec<Outcome>,
}

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, outcome: &Outcome) {
        match outcome.verdict {
            Verdict::Imported => self.imported += 1,
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::Skipped => self.skipped += 1,
        }
        self.wrong += u64::from(outcome.wrong);
    }
}
