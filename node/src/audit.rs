//! The independent audit: everything verified again from the raw bytes of the segments, as if nothing had ever been checked.
//!
//! It opens neither sled nor the index and asks the node nothing. It may run beside a running node: what is being written at
//! that moment is an unfinished tail, not damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use proto::body::{self, Open, Purpose};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::entry::Entry;
use proto::erasure::{self as erasing, Cause, Erasure};
use proto::key::PublicKey;
use proto::log::{Admission, Closing};
use proto::schema;
use proto::standing::Standing;
use proto::tree::Compact;
use serde::Serialize;
use thiserror::Error;

use crate::erasure;
use crate::frame::{self, unplace};
use crate::segments::{Cursor, Replayed, SegmentError, SegmentReader};

/// Findings that are listed; more of the same kind help nobody.
const FINDINGS_MAX: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Logs with at least one verified entry.
    pub logs: u64,
    /// Entries verified up to a signature.
    pub entries: u64,
    /// Bodies verified against their entries.
    pub bodies: u64,
    /// Entries whose body is not held, and was neither erased nor denied here.
    pub missing_bodies: u64,
    /// Entries whose body was erased or is denied here, by a record that says so.
    pub erased_bodies: u64,
    /// Erased bodies that are still on the disk: a crash came in between, and the next start overwrites them.
    pub unfinished_erasures: u64,
    /// Bytes of an unfinished write at the very end; the next start cuts them off.
    pub unfinished_bytes: u64,
    /// SHA-256 over (key, size, root) of every log: equal on replicas that hold the same.
    pub digest: String,
    /// Bytes of damage that the node has noted: it fetches what was there from its peers.
    pub healed_bytes: u64,
    /// What is wrong, and where.
    pub wrong: Vec<String>,
}

/// What is wrong unless something later mends it.
struct Finding {
    words: String,
    mended_by: Mend,
}

/// What mends a finding.
enum Mend {
    /// Nothing.
    Nothing,
    /// The log reaching that size all the same: the records came again.
    Log(PublicKey, u64),
    /// The node's note that it has seen this damage.
    Note(frame::Damage),
}

/// Findings and notes on the way through the segments.
#[derive(Default)]
struct Notes {
    report: Report,
    findings: Vec<Finding>,
    seen: Vec<frame::Damage>,
    erasures: Vec<erasure::Record>,
}

/// Why the audit could not look.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct AuditError(#[from] SegmentError);

#[derive(Default)]
struct LogState {
    tree: Compact,
    /// Digests of the entries that a closing verified.
    verified: Vec<Digest>,
    /// Entries since the last closing.
    open_run: Vec<Entry>,
    /// Index -> entry of which no body was seen.
    missing: BTreeMap<u64, Entry>,
    opening: Option<Open>,
    governance: Vec<(u32, Vec<u8>)>,
    /// Index -> why its body was erased or is denied.
    erased: BTreeMap<u64, Erasure>,
    /// Indexes of bodies that were overwritten.
    blank: BTreeSet<u64>,
    /// What withdrawals of this log erase.
    demanded: Vec<Erasure>,
    pending_bodies: BTreeMap<u64, Vec<u8>>,
}

/// Audits the store below a data folder.
pub fn audit(store: &Path, charter: &Arc<Charter>) -> Result<Report, AuditError> {
    let mut logs: BTreeMap<PublicKey, LogState> = BTreeMap::new();
    let federation = charter.id();
    let mut notes = Notes::default();
    let mut editions: Vec<(String, schema::EditionNote)> = Vec::new();
    let mut tail: Option<frame::Damage> = None;
    let segments = SegmentReader::new(&store.join("segments"));
    for item in segments.replay(Default::default(), None) {
        if let Some(damage) = tail.take() {
            // Something follows, so it was no unfinished tail.
            let words =
                format!("segment {}, offset {}: {} bytes are no record", damage.segment, damage.offset, damage.bytes);
            notes.findings.push(Finding { words, mended_by: Mend::Note(damage) });
        }
        let frame = match item? {
            Replayed::Frame(frame) => frame,
            Replayed::Damaged { from, bytes, .. } => {
                tail = Some(frame::Damage { segment: from.segment, offset: from.offset, bytes });
                continue;
            }
        };
        let at = format!("segment {}, offset {}", frame.at.segment, frame.at.offset);
        match frame.kind {
            frame::ENTRY => match Entry::parse_anywhere(&frame.payload) {
                Ok(entry) => logs.entry(*entry.log()).or_default().on_entry(entry),
                Err(error) => notes.finding(format!("{at}: {error}")),
            },
            frame::BODY | frame::LATE_BODY => match unplace(&frame.payload) {
                Some((log, index, packed)) => {
                    logs.entry(log).or_default().on_body(index, packed, frame.kind, &at, &mut notes);
                }
                None => notes.finding(format!("{at}: a body without its place")),
            },
            frame::CLOSING => match unplace(&frame.payload) {
                Some((log, size, wire)) => {
                    logs.entry(log).or_default().on_closing(&federation, &log, size, wire, &at, &mut notes);
                }
                None => notes.finding(format!("{at}: a closing without its place")),
            },
            frame::ERASURE => match erasure::Record::read(&frame) {
                Some(record) => {
                    let erasure = record.erasure.clone();
                    logs.entry(erasure.log).or_default().erased.insert(erasure.index, erasure);
                    notes.erasures.push(record);
                }
                None => notes.finding(format!("{at}: a record of an erasure that is none")),
            },
            frame::ERASED => match unplace(&frame.payload) {
                Some((log, index, rest)) if rest.iter().all(|byte| *byte == 0) => {
                    logs.entry(log).or_default().blank.insert(index);
                }
                _ => notes.finding(format!("{at}: what took the place of a body is not blank")),
            },
            frame::EDITION => match schema::EditionNote::decode(frame.payload.as_slice()) {
                Ok(edition) => editions.push((at, edition)),
                Err(error) => notes.finding(format!("{at}: an edition that does not decode: {error}")),
            },
            frame::LOCAL => notes.seen.extend(frame::Damage::read(&frame.payload)),
            other => notes.finding(format!("{at}: a record of the unknown kind {other}")),
        }
    }
    notes.report.unfinished_bytes = tail.map_or(0, |damage| damage.bytes);
    notes.report.unfinished_erasures = unfinished(&segments, &logs)?;
    let mut torn = 0;
    for finding in std::mem::take(&mut notes.findings) {
        if let Mend::Note(damage) = &finding.mended_by {
            // Torn while it was overwritten: by a crash, and the next start does it again; or just now, beside this.
            let from = Cursor { segment: damage.segment, offset: damage.offset };
            if notes.erasures.iter().any(|record| record.explains(damage)) {
                torn += u64::from(segments.is_damaged(from, damage.bytes)?);
                continue;
            }
        }
        notes.findings.push(finding);
    }
    notes.report.unfinished_erasures += torn;
    conclude(charter, &editions, &logs, &mut notes);
    Ok(notes.report)
}

/// Bodies on the disk of which a record says that they were erased.
fn unfinished(segments: &SegmentReader, logs: &BTreeMap<PublicKey, LogState>) -> Result<u64, AuditError> {
    if logs.values().all(|log| log.erased.is_empty()) {
        return Ok(0);
    }
    let mut found = 0;
    for item in segments.replay(Default::default(), None) {
        let Replayed::Frame(frame) = item? else { continue };
        let place = unplace(&frame.payload).filter(|_| matches!(frame.kind, frame::BODY | frame::LATE_BODY));
        let is_erased = |(log, index, _): (PublicKey, u64, &[u8])| {
            logs.get(&log).is_some_and(|log| log.erased.contains_key(&index))
        };
        found += u64::from(place.is_some_and(is_erased));
    }
    Ok(found)
}

impl Notes {
    fn finding(&mut self, words: String) {
        self.findings.push(Finding { words, mended_by: Mend::Nothing });
    }
}

impl LogState {
    fn on_entry(&mut self, entry: Entry) {
        let follows =
            self.open_run.last().map_or(entry.index() <= self.tree.size(), |last| last.index() + 1 == entry.index());
        if !follows {
            // A run that a crash left unclosed; it was never acknowledged, and what follows begins anew.
            self.open_run.clear();
        }
        self.pending_bodies.retain(|index, _| *index < entry.index());
        self.open_run.push(entry);
    }

    fn on_body(&mut self, index: u64, packed: &[u8], kind: u8, at: &str, notes: &mut Notes) {
        let late = kind == frame::LATE_BODY;
        let of =
            if late { self.missing.get(&index) } else { self.open_run.iter().find(|entry| entry.index() == index) };
        match of.map(|entry| body::unpack(packed, entry)) {
            Some(Ok(bytes)) if late => {
                if let Some(entry) = self.missing.remove(&index) {
                    self.demanded.extend(erasing::demanded(&entry, &bytes));
                }
                self.blank.remove(&index);
                if self.erased.remove(&index).is_some_and(|erasure| erasure.cause != Cause::Denial) {
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

    fn on_closing(
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
                    self.demanded.extend(erasing::demanded(entry, bytes));
                    if entry.index() == 0 {
                        self.opening = Open::parse(bytes);
                    }
                    if self.opening.as_ref().is_some_and(|open| open.purpose == Purpose::Governance) {
                        self.governance.push((entry.kind(), bytes.clone()));
                    }
                }
                None => {
                    self.missing.insert(entry.index(), entry.clone());
                }
            }
        }
        self.tree = after;
    }
}

/// Whether every erasure is of an entry that is held and may go, and those in the author's name are the author's.
fn check_erasures(logs: &BTreeMap<PublicKey, LogState>, notes: &mut Notes) {
    let member = |log: &LogState| log.opening.as_ref().map(|open| (open.member.clone(), open.purpose));
    let mut demanded = BTreeSet::new();
    for log in logs.values() {
        let Some((code, _)) = member(log) else { continue };
        demanded.extend(log.demanded.iter().map(|erasure| (code.clone(), erasure.log, erasure.index, erasure.entry)));
    }
    for (key, log) in logs {
        for (index, erasure) in &log.erased {
            let Some(entry) = log.verified.get(*index as usize) else { continue };
            let Some((code, purpose)) = member(log) else { continue };
            let named = (code, *key, *index, erasure.entry);
            if *entry != erasure.entry || *index == 0 || purpose == Purpose::Governance {
                notes.finding(format!("log {key}: entry {index} cannot be erased, or is not the one that was"));
            } else if erasure.cause == Cause::Author && !demanded.contains(&named) {
                notes.finding(format!("log {key}: entry {index} was erased for its author, and no withdrawal says so"));
            }
        }
    }
}

/// Whether every log was let in by the charter and the governance logs, and ends where it was cut.
fn conclude(
    charter: &Arc<Charter>,
    editions: &[(String, schema::EditionNote)],
    logs: &BTreeMap<PublicKey, LogState>,
    notes: &mut Notes,
) {
    check_erasures(logs, notes);
    let mut standing = Standing::new(charter.clone(), None);
    for (at, edition) in editions {
        let taken = Edition::from_wire(edition).and_then(|edition| standing.take_edition(edition));
        if let Err(error) = taken {
            notes.finding(format!("{at}: edition: {error}"));
        }
    }
    for (key, log) in logs {
        for (index, (kind, body)) in (0u64..).zip(&log.governance) {
            standing.on_governance(key, index, *kind, body);
        }
    }
    let mut rows = Vec::new();
    for (key, log) in logs.iter().filter(|(_, log)| log.tree.size() > 0) {
        notes.report.logs += 1;
        let erased = log.missing.keys().filter(|index| log.erased.contains_key(*index)).count() as u64;
        notes.report.erased_bodies += erased;
        notes.report.missing_bodies += log.missing.len() as u64 - erased;
        if let Some(index) = log.blank.iter().find(|index| !log.erased.contains_key(*index)) {
            notes.finding(format!("log {key}: the body of entry {index} was overwritten, and no record says why"));
        }
        match &log.opening {
            Some(open) if is_let_in(&standing, key, open) => {
                let governance = open.purpose == Purpose::Governance;
                if let Some(index) = log.missing.keys().next().filter(|_| governance) {
                    notes.finding(format!("governance log {key}: entry {index} is held without its body"));
                }
            }
            Some(_) => notes.finding(format!("log {key}: neither the charter nor a delegation lets it in")),
            None => notes.finding(format!("log {key}: its entry 0 does not open it")),
        }
        rows.extend_from_slice(key.as_bytes());
        rows.extend_from_slice(&log.tree.size().to_be_bytes());
        rows.extend_from_slice(log.tree.root().as_bytes());
    }
    notes.report.digest = Digest::of(&rows).to_string();
    for finding in std::mem::take(&mut notes.findings) {
        let mended = match &finding.mended_by {
            Mend::Nothing => false,
            Mend::Log(log, size) => logs.get(log).is_some_and(|log| log.tree.size() >= *size),
            Mend::Note(damage) => notes.seen.contains(damage),
        };
        match finding.mended_by {
            Mend::Note(damage) if mended => notes.report.healed_bytes += damage.bytes,
            _ if mended || notes.report.wrong.len() >= FINDINGS_MAX => {}
            _ => notes.report.wrong.push(finding.words),
        }
    }
}

/// Whether the records make the key known as its entry 0 says, or did before a cut in its member's governance took that back.
fn is_let_in(standing: &Standing, key: &PublicKey, open: &Open) -> bool {
    let chains = || standing.lines().iter().filter_map(|line| line.chain(&open.member));
    let taken_back = || chains().any(|chain| chain.links().iter().any(|link| link.cut.is_some()));
    standing.admission(key, open) != Admission::Refused || taken_back()
}
