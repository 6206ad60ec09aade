//! Whether a log was ever let in: by what stands, or by records that are held and that a cut or a fork took back since.

use std::collections::{BTreeMap, BTreeSet};

use proto::body::{Open, Purpose};
use proto::digest::Digest;
use proto::key::PublicKey;
use proto::log::Admission;
use proto::standing::Standing;

use super::log_state::LogState;

/// The records that let logs in.
pub(super) struct Admissions<'a> {
    /// What stands.
    pub(super) standing: &'a Standing,
    /// Every log.
    pub(super) logs: &'a BTreeMap<PublicKey, LogState>,
    /// Whether the node noted damage: what was on a branch that was set aside never comes again.
    pub(super) has_damage: bool,
}

impl Admissions<'_> {
    /// Whether the records make the key known as its entry 0 says, or did before a cut or a fork in its member's governance took that
    /// back.
    pub(super) fn is_let_in(&self, key: &PublicKey, open: &Open) -> bool {
        if self.standing.admission(key, open) != Admission::Refused {
            return true;
        }
        let chains = || self.standing.lines().iter().filter_map(|line| line.chain(&open.member));
        let is_forked = self.standing.forks().contains_key(&open.identity_key);
        let is_taken_back = is_forked || chains().any(|chain| chain.links().iter().any(|link| link.cut.is_some()));
        is_taken_back && (self.has_damage || self.was_let_in(key, open))
    }

    /// The same as if nothing had been cut or forked.
    fn was_let_in(&self, key: &PublicKey, open: &Open) -> bool {
        let identity = &open.identity_key;
        let is_made = match open.purpose {
            Purpose::Governance => identity == key,
            Purpose::Publication => self.logs.get(identity).is_some_and(|log| log.delegated.contains(key)),
        };
        is_made && self.was_identity(&open.member, identity)
    }

    /// Whether a list has the key for the member, or it took over from such a key, directly or not.
    fn was_identity(&self, member: &str, key: &PublicKey) -> bool {
        let (mut next, mut seen) = (Some(*key), BTreeSet::new());
        while let Some(key) = next.filter(|key| seen.insert(*key)) {
            if self.listed(member).any(|(listed, _)| listed == key) {
                return true;
            }
            next = self.succeeded(member, &key);
        }
        false
    }

    /// The key that had committed to this one and from which it says that it took over.
    fn succeeded(&self, member: &str, key: &PublicKey) -> Option<PublicKey> {
        let digest = Digest::of(key.as_bytes());
        let commits = |before: &PublicKey| {
            let by_list = self.listed(member).any(|(listed, next)| listed == *before && next == digest);
            by_list || self.opened(before).any(|open| open.member == member && open.successor_digest == Some(digest))
        };
        let mut openings = self.opened(key).filter(|open| open.member == member && open.identity_key == *key);
        openings.find_map(|open| open.predecessor.as_ref().map(|cut| cut.log).filter(commits))
    }

    /// Keys that lists have for a member, each with the digest of the one to come.
    fn listed(&self, member: &str) -> impl Iterator<Item = (PublicKey, Digest)> {
        let editions = self.standing.lines().iter().flat_map(|line| line.editions());
        let members = editions.filter_map(move |edition| edition.member(member));
        members.map(|member| (member.identity_key, member.successor_digest))
    }

    /// What entry 0 of a log says, on every branch that was held.
    fn opened(&self, key: &PublicKey) -> impl Iterator<Item = &Open> {
        self.logs.get(key).into_iter().flat_map(|log| &log.openings)
    }
}
