//! One log as the audit rebuilds it from its frames: entries wait for the closing that verifies them.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use proto::body::{self, Act, Open, Purpose};
use proto::digest::Digest;
use proto::entry::Entry;
use proto::erasure::{self as erasing, Cause, Erasure};
use proto::key::PublicKey;
use proto::log::Closing;
use proto::rewind::Rewind;
use proto::schema;
use proto::tree::Compact;

use super::{Finding, Mend, Notes};
use crate::frame;

/// A log, rebuilt.
#[derive(Default)]
pub(super) struct LogState {
    pub(super) tree: Compact,
    /// Digests of the entries that a closing verified.
    pub(super) verified: Vec<Digest>,
    /// Entries since the last closing.
    pub(super) open_run: Vec<Entry>,
    /// Index -> entry of which no body was seen.
    pub(super) missing: BTreeMap<u64, Entry>,
    pub(super) opening: Option<Open>,
    /// What entry 0 said, on every branch that was held.
    pub(super) openings: Vec<Open>,
    pub(super) governance: Vec<(u32, Vec<u8>)>,
    /// Keys that it delegates, also where that was set aside.
    pub(super) delegated: BTreeSet<PublicKey>,
    /// Index and digest of an entry, on whichever branch -> why its body was erased or is denied.
    pub(super) erased: BTreeMap<(u64, Digest), Erasure>,
    /// Entries that were set aside.
    pub(super) aside: BTreeSet<(u64, Digest)>,
    /// Indexes of bodies that were overwritten.
    pub(super) blank: BTreeSet<u64>,
    /// What withdrawals of this log erase.
    pub(super) demanded: Vec<Erasure>,
    /// Slugs of the works whose texts they erase.
    pub(super) demanded_works: BTreeSet<String>,
    pub(super) pending_bodies: BTreeMap<u64, Vec<u8>>,
}

impl LogState {
    pub(super) fn on_entry(&mut self, entry: Entry) {
        let follows =
            self.open_run.last().map_or(entry.index() <= self.tree.size(), |last| last.index() + 1 == entry.index());
        if !follows {
            // A run that a crash left unclosed; it was never acknowledged, and what follows begins anew.
            self.open_run.clear();
        }
        self.pending_bodies.retain(|index, _| *index < entry.index());
        self.open_run.push(entry);
    }

    pub(super) fn on_body(&mut self, index: u64, packed: &[u8], kind: u8, at: &str, notes: &mut Notes) {
        let late = kind == frame::LATE_BODY;
        let of =
            if late { self.missing.get(&index) } else { self.open_run.iter().find(|entry| entry.index() == index) };
        match of.map(|entry| body::unpack(packed, entry)) {
            Some(Ok(bytes)) if late => {
                let Some(entry) = self.missing.remove(&index) else { return };
                self.note_demands(&entry, &bytes);
                self.blank.remove(&index);
                let erased = self.erased.remove(&(index, entry.digest()));
                if erased.is_some_and(|erasure| erasure.cause != Cause::Denial) {
                    notes.finding(format!("{at}: the body of entry {index} was erased, and stored again"));
                }
                notes.report.bodies += 1;
            }
            Some(Ok(bytes)) => {
                self.pending_bodies.insert(index, bytes);
            }
            Some(Err(error)) => notes.finding(format!("{at}: body of entry {index}: {error}")),
            // Twice the same body, or one of a run that was never closed: harmless.
            None => {}
        }
    }

    pub(super) fn on_closing(
        &mut self,
        federation: &Digest,
        log: &PublicKey,
        size: u64,
        wire: &[u8],
        at: &str,
        notes: &mut Notes,
    ) {
        let run = std::mem::take(&mut self.open_run);
        let bodies = std::mem::take(&mut self.pending_bodies);
        let mut after = self.tree.clone();
        for entry in &run {
            // A record that was fetched again after damage must be the very same: an index is never used twice.
            match self.verified.get(entry.index() as usize) {
                Some(digest) if *digest != entry.digest() => {
                    notes.finding(format!("{at}: log {log} holds two different entries {}", entry.index()));
                    return;
                }
                Some(_) => {}
                None => after.push(entry.digest(), |_, _, _| {}),
            }
        }
        let fresh: Vec<&Entry> = run.iter().filter(|entry| entry.index() >= self.tree.size()).collect();
        if after.size() != size || fresh.iter().zip(self.tree.size()..).any(|(entry, index)| entry.index() != index) {
            let held = self.tree.size();
            let words = format!("{at}: the run of log {log} up to {size} does not follow the {held} held");
            notes.findings.push(Finding { words, mended_by: Mend::Log(*log, size) });
            return;
        }
        let closing = schema::Closing::decode(wire).ok();
        let verified = closing.map(|wire| Closing::verify(federation, &wire, log, &after));
        if !matches!(verified, Some(Ok(_))) {
            let why = verified
                .and_then(Result::err)
                .map_or_else(|| "it does not decode".to_owned(), |error| error.to_string());
            notes.finding(format!("{at}: the closing of log {log} at {size}: {why}"));
            return;
        }
        // As the store does: without its body neither entry 0 nor a governance entry exists, and sync fetches both.
        let is_governance = |open: &Open| open.purpose == Purpose::Governance;
        let governs = match bodies.get(&0).filter(|_| self.opening.is_none()).map(|bytes| Open::parse(bytes)) {
            Some(open) => open.as_ref().is_some_and(is_governance),
            None => self.opening.as_ref().is_some_and(is_governance),
        };
        let needs_body = |entry: &&&Entry| entry.index() == 0 || governs;
        if let Some(entry) = fresh.iter().filter(needs_body).find(|entry| !bodies.contains_key(&entry.index())) {
            let words = format!("{at}: entry {} of log {log} is without the body it cannot be without", entry.index());
            notes.findings.push(Finding { words, mended_by: Mend::Log(*log, size) });
            return;
        }
        for entry in fresh {
            notes.report.entries += 1;
            self.verified.push(entry.digest());
            match bodies.get(&entry.index()) {
                Some(bytes) => {
                    notes.report.bodies += 1;
                    self.note_demands(entry, bytes);
                    if entry.index() == 0 {
                        self.opening = Open::parse(bytes);
                        self.openings.extend(self.opening.clone());
                    }
                    if self.opening.as_ref().is_some_and(|open| open.purpose == Purpose::Governance) {
                        self.governance.push((entry.kind(), bytes.clone()));
                        if let Some(Act::Delegate { desk_key, .. }) = Act::parse(entry.kind(), bytes) {
                            self.delegated.insert(desk_key);
                        }
                    }
                }
                None => {
                    self.missing.insert(entry.index(), entry.clone());
                }
            }
        }
        self.tree = after;
    }

    fn note_demands(&mut self, entry: &Entry, body: &[u8]) {
        self.demanded.extend(erasing::demanded(entry, body));
        self.demanded_works.extend(erasing::erased_work(entry, body).map(|(slug, _)| slug));
    }

    /// Whether it holds an entry, or held it once on a branch that was set aside.
    pub(super) fn has(&self, index: u64, entry: &Digest) -> bool {
        let held = usize::try_from(index).ok().and_then(|index| self.verified.get(index));
        held == Some(entry) || self.aside.contains(&(index, *entry))
    }

    /// Whether the body of some entry at a place was erased, on whichever branch.
    pub(super) fn is_erased_at(&self, index: u64) -> bool {
        self.erased.range((index, Digest([0; 32]))..).next().is_some_and(|((place, _), _)| *place == index)
    }

    /// Takes back what the record sets aside, if the cut's tree goes on from what stays as the record proves.
    pub(super) fn on_rewind(&mut self, rewind: &Rewind, at: &str, notes: &mut Notes) {
        let mut edge = Compact::default();
        let stays = self.verified.iter().take(usize::try_from(rewind.at).unwrap_or(usize::MAX));
        stays.for_each(|digest| edge.push(*digest, |_, _, _| {}));
        if edge.size() != rewind.at || rewind.verify(&edge.root()).is_err() {
            // Of a log whose records before it were damaged; both branches come again.
            let words = format!("{at}: entries of log {} were set aside without a reason", rewind.cut.log);
            notes.findings.push(Finding { words, mended_by: Mend::Log(rewind.cut.log, rewind.cut.size) });
            return;
        }
        let gone = self.tree.size().saturating_sub(edge.size());
        let missing = self.missing.split_off(&edge.size()).len() as u64;
        notes.report.entries -= gone;
        notes.report.bodies -= gone - missing;
        notes.report.set_aside += gone;
        self.aside.extend((edge.size()..).zip(self.verified.drain(edge.size() as usize..)));
        self.governance.truncate(edge.size() as usize);
        self.open_run.clear();
        self.pending_bodies.clear();
        if edge.size() == 0 {
            self.opening = None;
        }
        self.tree = edge;
    }
}
