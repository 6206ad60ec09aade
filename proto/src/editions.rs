//! The tree of editions: which lists of members are valid, what is drafted, and where two of them rival.
//!
//! Texts and signature lines come from governance logs or as finished notes, in any order and from whoever carries them. What
//! is valid depends on the set of them alone. A finished note is a record of its own and counts for ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::charter::Charter;
use crate::digest::Digest;
use crate::edition::{Change, Draft, Edition, EditionError};
use crate::key::PublicKey;
use crate::note::Signature;

/// Every edition, draft and signature that is held.
#[derive(Clone, Debug)]
pub struct Editions {
    charter: Digest,
    valid: BTreeMap<Digest, Valid>,
    /// Drafts whose predecessor is valid, by digest; valid ones too, for more signatures may come.
    drafts: BTreeMap<Digest, Draft>,
    /// Drafts whose predecessor is not valid (yet), by their digest.
    early_drafts: BTreeMap<Digest, Edition>,
    /// Signatures on drafts that are not among `drafts` (yet).
    early_lines: BTreeMap<Digest, BTreeSet<(Signature, Option<PublicKey>)>>,
}

#[derive(Clone, Debug)]
struct Valid {
    edition: Arc<Edition>,
    /// Digests of all keys that it or an edition before it lists or commits to.
    spent: Arc<BTreeSet<Digest>>,
    /// Valid editions that follow it, by digest. Two are rivals.
    next: BTreeSet<Digest>,
}

/// How a signer stands to a draft. Rivals need signers who sign two drafts on one predecessor, so an honest one hardly ever does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signing {
    /// The signer signed no other draft on that predecessor.
    First,
    /// It signed another, nothing there is valid yet, and this one has more signatures: allowed, with explicit confirmation.
    Again(Digest),
    /// It signed another, and this one is not the one to gather behind.
    Barred(Digest),
    /// It signed this one already.
    Done,
}

impl Editions {
    /// The charter alone.
    pub fn new(charter: &Charter) -> Editions {
        let edition = Edition::from(charter);
        let spent = edition.members().iter().flat_map(|member| member.commitments()).collect();
        let first = Valid { edition: Arc::new(edition), spent: Arc::new(spent), next: BTreeSet::new() };
        let charter = charter.id();
        let (drafts, early_drafts, early_lines) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Editions { charter, valid: BTreeMap::from([(charter, first)]), drafts, early_drafts, early_lines }
    }

    /// A valid edition.
    pub fn edition(&self, digest: &Digest) -> Option<&Arc<Edition>> {
        self.valid.get(digest).map(|valid| &valid.edition)
    }

    /// All valid editions by number and digest, the charter first: no edition before the one it follows.
    pub fn valid(&self) -> Vec<Arc<Edition>> {
        let mut all: Vec<Arc<Edition>> = self.valid.values().map(|valid| valid.edition.clone()).collect();
        all.sort_by_key(|edition| (edition.number(), edition.digest()));
        all
    }

    /// Drafts that could follow a valid edition and are not valid themselves, by number and digest.
    pub fn drafts(&self) -> Vec<&Draft> {
        let open = self.drafts.values().filter(|draft| !self.valid.contains_key(&draft.edition().digest()));
        let mut all: Vec<&Draft> = open.collect();
        all.sort_by_key(|draft| (draft.edition().number(), draft.edition().digest()));
        all
    }

    /// A draft, valid by now or not.
    pub fn draft(&self, digest: &Digest) -> Option<&Draft> {
        self.drafts.get(digest)
    }

    /// Takes the text of a draft. Gives the editions that became valid by it. A text that could never follow has no effect.
    pub fn hear_draft(&mut self, text: &str) -> Vec<Arc<Edition>> {
        Edition::draft(text).map(|edition| self.file(edition)).unwrap_or_default()
    }

    /// Takes a signature line on a draft. Gives the editions that became valid by it.
    pub fn hear_signature(
        &mut self,
        draft: Digest,
        line: Signature,
        successor: Option<PublicKey>,
    ) -> Vec<Arc<Edition>> {
        let Some(held) = self.drafts.get_mut(&draft) else {
            self.early_lines.entry(draft).or_default().insert((line, successor));
            return Vec::new();
        };
        if held.add(&line, successor.as_ref()) { self.settle(draft) } else { Vec::new() }
    }

    /// Takes a finished note. Gives the editions that became valid by it: itself, and what waited for it.
    pub fn take(&mut self, edition: Edition) -> Result<Vec<Arc<Edition>>, EditionError> {
        if self.valid.contains_key(&edition.digest()) {
            return Ok(Vec::new());
        }
        let unknown = || EditionError::Unknown(edition.before().copied().unwrap_or(self.charter));
        let before = edition.before().and_then(|digest| self.valid.get(digest)).ok_or_else(unknown)?;
        before.is_fresh(&edition)?;
        let finished = edition.follows(&before.edition)?;
        Ok(self.crown(finished))
    }

    /// What a draft asks of its signers before the rest is asked: whether a text may ever follow, and why not.
    pub fn check(&self, edition: &Edition) -> Result<(), EditionError> {
        let unknown = || EditionError::Unknown(edition.before().copied().unwrap_or(self.charter));
        let before = edition.before().and_then(|digest| self.valid.get(digest)).ok_or_else(unknown)?;
        edition.quorum(&before.edition)?;
        before.is_fresh(edition)
    }

    /// The federation's lists as they follow each other, one for each rival: each ends where a second valid edition follows, or
    /// at one of those who follow together. `pin` chooses between rivals before the edition with that digest.
    pub fn lines(&self, pin: Option<&Digest>) -> Vec<Vec<Arc<Edition>>> {
        let mut pinned = BTreeSet::new();
        let mut at = pin.and_then(|digest| self.valid.get(digest));
        while let Some(valid) = at {
            pinned.insert(valid.edition.digest());
            at = valid.edition.before().and_then(|digest| self.valid.get(digest));
        }
        let mut line = Vec::new();
        let mut next = self.valid.get(&self.charter);
        while let Some(valid) = next {
            line.push(valid.edition.clone());
            let follows = |digest: &Digest| self.valid.get(digest);
            let chosen: Vec<&Valid> = match valid.next.iter().find(|digest| pinned.contains(*digest)) {
                Some(digest) => follows(digest).into_iter().collect(),
                None => valid.next.iter().filter_map(follows).collect(),
            };
            next = match chosen.as_slice() {
                [] => None,
                [only] => Some(only),
                rivals => {
                    let rival = |rival: &&Valid| line.iter().cloned().chain([rival.edition.clone()]).collect();
                    return rivals.iter().map(rival).collect();
                }
            };
        }
        vec![line]
    }

    /// The valid edition on the same predecessor, if there is one: this one itself, or the one that superseded it.
    pub fn decided(&self, edition: &Edition) -> Option<Digest> {
        let next = &edition.before().and_then(|digest| self.valid.get(digest))?.next;
        next.iter().find(|digest| **digest == edition.digest()).or_else(|| next.iter().next()).copied()
    }

    /// How a signer stands to a draft: at most one for each predecessor, but where a second gathers more.
    /// Of a draft that nobody has heard of yet nobody's signature is known.
    pub fn signing(&self, code: &str, edition: &Edition) -> Signing {
        let (draft, before) = (self.drafts.get(&edition.digest()), edition.before());
        if draft.is_some_and(|draft| draft.is_signed_by(code)) {
            return Signing::Done;
        }
        let rivals = self.drafts.values().filter(|other| other.edition().before() == before);
        let signed: Vec<&Draft> = rivals.filter(|other| other.is_signed_by(code)).collect();
        let Some(other) = signed.first().map(|other| other.edition().digest()) else { return Signing::First };
        let decided = before.and_then(|digest| self.valid.get(digest)).is_some_and(|valid| !valid.next.is_empty());
        let rank = |draft: &Draft| (draft.have(), std::cmp::Reverse(draft.edition().digest()));
        let leads = draft.is_some_and(|draft| signed.iter().all(|other| rank(draft) > rank(other)));
        if leads && !decided { Signing::Again(other) } else { Signing::Barred(other) }
    }

    /// Files a draft where it belongs, with the signatures that came before it.
    fn file(&mut self, edition: Edition) -> Vec<Arc<Edition>> {
        let digest = edition.digest();
        if self.drafts.contains_key(&digest) {
            return Vec::new();
        }
        let Some(before) = edition.before().and_then(|digest| self.valid.get(digest)) else {
            self.early_drafts.insert(digest, edition);
            return Vec::new();
        };
        if before.is_fresh(&edition).is_err() {
            return Vec::new();
        }
        let Ok(mut draft) = Draft::new(edition, before.edition.clone()) else { return Vec::new() };
        for (line, successor) in self.early_lines.remove(&digest).unwrap_or_default() {
            draft.add(&line, successor.as_ref());
        }
        self.drafts.insert(digest, draft);
        self.settle(digest)
    }

    fn settle(&mut self, digest: Digest) -> Vec<Arc<Edition>> {
        let pending = self.drafts.get(&digest).filter(|_| !self.valid.contains_key(&digest));
        pending.and_then(Draft::finish).map(|edition| self.crown(edition)).unwrap_or_default()
    }

    /// Makes an edition valid whose quorum was found; and what waited for it.
    fn crown(&mut self, edition: Edition) -> Vec<Arc<Edition>> {
        let edition = Arc::new(edition);
        let digest = edition.digest();
        let Some(before) = edition.before().and_then(|before| self.valid.get_mut(before)) else { return Vec::new() };
        before.next.insert(digest);
        let fresh: Vec<Digest> = edition.members().iter().flat_map(|member| member.commitments()).collect();
        let spent = if fresh.iter().all(|digest| before.spent.contains(digest)) {
            before.spent.clone()
        } else {
            Arc::new(before.spent.iter().copied().chain(fresh).collect())
        };
        self.valid.insert(digest, Valid { edition: edition.clone(), spent, next: BTreeSet::new() });
        let waited = |draft: &Edition| draft.before() == Some(&digest);
        let ready: Vec<Digest> =
            self.early_drafts.iter().filter(|(_, draft)| waited(draft)).map(|(digest, _)| *digest).collect();
        let mut crowned = vec![edition];
        for draft in ready {
            let next = self.early_drafts.remove(&draft).map(|edition| self.file(edition));
            crowned.extend(next.unwrap_or_default());
        }
        crowned
    }
}

impl Valid {
    /// Whether every key and digest that `next` brings is new, so that no key ever has two owners or a second life.
    fn is_fresh(&self, next: &Edition) -> Result<(), EditionError> {
        let changes = next.changes(&self.edition);
        for member in next.members() {
            let [key, digest] = member.commitments();
            let spent = match changes.get(&member.code) {
                Some(Change::Carried) | None => false,
                Some(Change::Succeeded) => self.spent.contains(&digest),
                Some(_) => self.spent.contains(&key) || self.spent.contains(&digest),
            };
            if spent {
                return Err(EditionError::Spent(member.code.clone()));
            }
        }
        Ok(())
    }
}
