//! Bodies that a replica does without: erased here by its operator, erased everywhere by their author, or denied here.
//!
//! Entries, proofs and roots never change by it; what goes is the body, and the want for it. Only documents can go
//! ([`is_erasable`]): not entry 0, no governance, no withdrawal, no address. A withdrawal that erases names places, each a log, an
//! index and the digest of the entry there, so that every replica finds the same, whatever arrived first: what is not held yet is
//! *awaited*, and comes in without its body. Of a branch that was set aside no two replicas need hold the same; whoever has entries
//! of such a branch erases what they say of the withdrawn work, named or not ([`erased_work`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::body::{self, Purpose};
use crate::digest::Digest;
use crate::entry::Entry;
use crate::key::PublicKey;
use crate::limits;
use crate::schema::{self, Kind};

/// Why a body is not kept. A later one has the last word over one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// The operator of this node denies it, here only and for as long as the configuration says so.
    Denial,
    /// The operator of this node erased it, here only.
    Operator,
    /// A standing desk of its author erased it, everywhere.
    Author,
}

/// A body that goes, or is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The log.
    pub log: PublicKey,
    /// The entry.
    pub index: u64,
    /// Its digest: of another entry at that place (a fork's) nothing is erased.
    pub entry: Digest,
    /// Why.
    pub cause: Cause,
    /// The same in words, for whoever looks for it.
    pub reason: Arc<str>,
    /// What the body was, where it came and was not kept.
    pub work: Option<Work>,
}

/// Which version of which work a body was: all that stays readable of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The work's slug.
    pub slug: String,
    /// The version's number.
    pub number: u32,
    /// The entries it superseded.
    pub supersedes: Vec<Digest>,
}

/// Whether the body of an entry of a publication log may go: a document's may, whatever its kind.
pub fn is_erasable(index: u64, kind: u32) -> bool {
    index > 0 && kind >= Kind::LawSummary as u32 && kind != Kind::Withdrawal as u32
}

impl Erasure {
    /// Whether it means this entry, and that one may go.
    pub fn means(&self, entry: &Entry) -> bool {
        let is_there = *entry.log() == self.log && entry.index() == self.index;
        is_there && entry.digest() == self.entry && is_erasable(self.index, entry.kind())
    }
}

/// Which version a document's body is; `None` where it does not say.
pub fn work_of(entry: &Entry, body: &[u8]) -> Option<Work> {
    let (publication, _) = body::publication(body).filter(|_| is_erasable(entry.index(), entry.kind()))?;
    let superseded = publication.supersedes.iter();
    let supersedes = superseded.filter_map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect();
    let (slug, number) = (publication.slug, publication.version);
    (!slug.is_empty()).then_some(Work { slug, number, supersedes })
}

/// The slug of the work whose texts a withdrawal erases, and why. `None` for every other entry, also a withdrawal that erases nothing.
pub fn erased_work(entry: &Entry, body: &[u8]) -> Option<(String, Arc<str>)> {
    if entry.kind() != Kind::Withdrawal as u32 {
        return None;
    }
    let (publication, _) = body::publication(body)?;
    let notice = publication.withdrawal.filter(|notice| !notice.erase.is_empty())?;
    Some((publication.slug, reason_of(&notice)))
}

/// What a withdrawal erases: at most [`limits::LIST_ITEMS_MAX`] places, on all replicas alike. Empty for every other entry.
pub fn demanded(entry: &Entry, body: &[u8]) -> Vec<Erasure> {
    if entry.kind() != Kind::Withdrawal as u32 {
        return Vec::new();
    }
    let notice = body::publication(body).and_then(|(publication, _)| publication.withdrawal);
    let Some(notice) = notice.filter(|notice| !notice.erase.is_empty()) else { return Vec::new() };
    let reason = reason_of(&notice);
    let one = |place: &schema::Erase| {
        let (log, entry) = (PublicKey::from_bytes(&place.log).ok()?, Digest::try_from(place.entry.as_slice()).ok()?);
        Some(Erasure { log, index: place.index, entry, cause: Cause::Author, reason: reason.clone(), work: None })
    };
    notice.erase.iter().take(limits::LIST_ITEMS_MAX).filter_map(one).collect()
}

fn reason_of(notice: &schema::Withdrawal) -> Arc<str> {
    notice.reason.chars().take(limits::REASON_CHARS_MAX).collect::<String>().into()
}

/// Erasures of entries that have not come yet. Of one member at most [`limits::AWAITED_ERASURES_MAX`].
#[derive(Clone, Debug, Default)]
pub struct Awaited {
    places: BTreeMap<(PublicKey, u64), Vec<Demand>>,
    members: BTreeMap<String, usize>,
}

/// An erasure with the member that wants it; `None`: this node itself recorded it.
#[derive(Clone, Debug)]
struct Demand {
    by: Option<String>,
    erasure: Erasure,
}

impl Awaited {
    /// Awaits the entry that a member wants erased; `None` where this node itself recorded so.
    pub fn add(&mut self, member: Option<&str>, erasure: Erasure) {
        let at = (erasure.log, erasure.index);
        let is_same = |known: &Demand| known.by.as_deref() == member && known.erasure.entry == erasure.entry;
        if self.places.get(&at).is_some_and(|known| known.iter().any(is_same)) {
            return;
        }
        if let Some(member) = member {
            let count = self.members.entry(member.to_owned()).or_default();
            if *count >= limits::AWAITED_ERASURES_MAX {
                return;
            }
            *count += 1;
        }
        self.places.entry(at).or_default().push(Demand { by: member.map(str::to_owned), erasure });
    }

    /// Whether nothing is awaited: so it is almost always.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// An entry of a member's log has come: the erasure that means it, if one does.
    pub fn take(&mut self, member: &str, entry: &Entry) -> Option<Erasure> {
        let awaited = self.places.remove(&(*entry.log(), entry.index()))?;
        for by in awaited.iter().filter_map(|demand| demand.by.as_ref()) {
            if let Some(count) = self.members.get_mut(by) {
                *count = count.saturating_sub(1);
            }
        }
        let may = |demand: &Demand| demand.by.as_ref().is_none_or(|by| by == member) && demand.erasure.means(entry);
        awaited.into_iter().find(may).map(|demand| demand.erasure)
    }
}

/// What a log must be for a member's withdrawal to reach into it.
pub fn reaches(member: &str, purpose: Purpose, owner: &str) -> bool {
    purpose == Purpose::Publication && member == owner
}
