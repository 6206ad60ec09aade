//! A work through time: which of its versions stand as the text in force, which are superseded, and whether it was withdrawn.
//!
//! Computed from the versions and withdrawals of the member's standing logs, in whatever order they arrived; never stored.

use std::collections::BTreeSet;

use crate::digest::Digest;

/// One version, as far as its place among the others needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The entry's digest, by which others supersede or withdraw it.
    pub digest: Digest,
    /// The number it states.
    pub number: u32,
    /// The entries it supersedes.
    pub supersedes: Vec<Digest>,
}

/// The author's notice that versions no longer stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// The entries it names.
    pub versions: Vec<Digest>,
    /// Why, in the author's words.
    pub reason: String,
}

/// What the versions and withdrawals of one work come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Versions that no standing one supersedes, highest number first, then by digest. Several are concurrent.
    pub current: Vec<Version>,
    /// Why the work is withdrawn, where every current version is named by a withdrawal.
    pub withdrawn: Option<String>,
}

/// Folds what stands of one work.
pub fn state(versions: &[Version], withdrawals: &[Withdrawal]) -> State {
    let superseded: BTreeSet<&Digest> = versions.iter().flat_map(|version| &version.supersedes).collect();
    let mut current: Vec<Version> =
        versions.iter().filter(|version| !superseded.contains(&version.digest)).cloned().collect();
    current.sort_by(|a, b| b.number.cmp(&a.number).then(a.digest.cmp(&b.digest)));
    let names = |version: &Version, notice: &Withdrawal| notice.versions.contains(&version.digest);
    let all_named =
        !current.is_empty() && current.iter().all(|version| withdrawals.iter().any(|notice| names(version, notice)));
    // Where several notices name it, all nodes show the same words whatever came first.
    let relevant = withdrawals.iter().filter(|notice| current.iter().any(|version| names(version, notice)));
    let reason = relevant.map(|notice| notice.reason.clone()).min();
    State { withdrawn: reason.filter(|_| all_named), current }
}

/// The number and the superseded entries that the next version of a work states (publishing checks this, receiving does not).
pub fn next(state: &State) -> (u32, Vec<Digest>) {
    let number = state.current.iter().map(|version| version.number).max().unwrap_or(0).saturating_add(1);
    let mut supersedes: Vec<Digest> = state.current.iter().map(|version| version.digest).collect();
    supersedes.sort();
    (number, supersedes)
}
