//! The independent audit: everything verified again from the raw bytes of the segments, as if nothing had ever been checked.
//!
//! It opens neither sled nor the index and asks the node nothing. It may run beside a running node: what is being written at
//! that moment is an unfinished tail, not damage.

mod admission;
mod log_state;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use proto::body::Purpose;
use proto::charter::Charter;
use proto::digest::Digest;
use proto::edition::Edition;
use proto::entry::Entry;
use proto::erasure::Cause;
use proto::fork::Fork;
use proto::key::PublicKey;
use proto::rewind::Rewind;
use proto::schema;
use proto::standing::Standing;
use serde::Serialize;
use thiserror::Error;

use self::admission::Admissions;
use self::log_state::LogState;
use crate::erasure::{self, Remains};
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
    /// Logs of which the proof of a fork is kept.
    pub forked_logs: u64,
    /// Entries that were set aside because the cut of their log is on another branch; they count in no other number.
    pub set_aside: u64,
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

/// Audits the store below a data folder.
pub fn audit(store: &Path, charter: &Arc<Charter>) -> Result<Report, AuditError> {
    let mut logs: BTreeMap<PublicKey, LogState> = BTreeMap::new();
    let federation = charter.id();
    let mut notes = Notes::default();
    let mut editions: Vec<(String, schema::EditionNote)> = Vec::new();
    let mut forks: Vec<Arc<Fork>> = Vec::new();
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
                    let of = (erasure.index, erasure.entry);
                    logs.entry(erasure.log).or_default().erased.insert(of, erasure);
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
            frame::FORK => match schema::Fork::decode(frame.payload.as_slice()) {
                Ok(wire) => match Fork::from_wire(&federation, &wire) {
                    Ok(fork) => forks.push(Arc::new(fork)),
                    Err(error) => notes.finding(format!("{at}: {error}")),
                },
                Err(error) => notes.finding(format!("{at}: a fork that does not decode: {error}")),
            },
            frame::REWIND => match schema::Rewind::decode(frame.payload.as_slice()) {
                Ok(wire) => match Rewind::from_wire(&federation, &wire) {
                    Ok(rewind) => logs.entry(rewind.cut.log).or_default().on_rewind(&rewind, &at, &mut notes),
                    Err(error) => notes.finding(format!("{at}: {error}")),
                },
                Err(error) => notes.finding(format!("{at}: {error}")),
            },
            frame::LOCAL => notes.seen.extend(frame::Damage::read(&frame.payload)),
            // What this node shows is its own affair, and no part of what is signed.
            frame::TOUCH | frame::SHOWN => {}
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
    conclude(charter, &editions, &forks, &logs, &mut notes);
    Ok(notes.report)
}

/// Bodies on the disk of which a record says that they were erased.
fn unfinished(segments: &SegmentReader, logs: &BTreeMap<PublicKey, LogState>) -> Result<u64, AuditError> {
    let mut remains = Remains::default();
    logs.values().flat_map(|log| log.erased.values()).for_each(|erasure| remains.seek(erasure));
    if remains.is_empty() {
        return Ok(0);
    }
    let mut found = 0;
    for item in segments.replay(Default::default(), None) {
        let Replayed::Frame(frame) = item? else { continue };
        found += u64::from(remains.find(&frame).is_some());
    }
    Ok(found)
}

impl Notes {
    fn finding(&mut self, words: String) {
        self.findings.push(Finding { words, mended_by: Mend::Nothing });
    }
}

/// Whether every erasure is of an entry that is held, or was set aside, and may go, and those in the author's name are the author's. Of
/// what was set aside the author has a work's texts erased without naming each.
fn check_erasures(logs: &BTreeMap<PublicKey, LogState>, notes: &mut Notes) {
    let member = |log: &LogState| log.opening.as_ref().map(|open| (open.member.clone(), open.purpose));
    let (mut demanded, mut works) = (BTreeSet::new(), BTreeSet::new());
    for log in logs.values() {
        let Some((code, _)) = member(log) else { continue };
        works.extend(log.demanded_works.iter().map(|slug| (code.clone(), slug.clone())));
        demanded.extend(log.demanded.iter().map(|erasure| (code.clone(), erasure.log, erasure.index, erasure.entry)));
    }
    for (key, log) in logs {
        for ((index, entry), erasure) in &log.erased {
            let Some((code, purpose)) = member(log) else { continue };
            if *index >= log.tree.size() && !log.has(*index, entry) {
                continue; // damage took it, and it has not come again
            }
            let said = erasure.work.as_ref().map(|work| (code.clone(), work.slug.clone()));
            let by_work = said.is_some_and(|said| log.aside.contains(&(*index, *entry)) && works.contains(&said));
            let is_demanded = by_work || demanded.contains(&(code, *key, *index, *entry));
            if !log.has(*index, entry) || *index == 0 || purpose == Purpose::Governance {
                notes.finding(format!("log {key}: entry {index} cannot be erased, or is not the one that was"));
            } else if erasure.cause == Cause::Author && !is_demanded {
                notes.finding(format!("log {key}: entry {index} was erased for its author, and no withdrawal says so"));
            }
        }
    }
}

/// Whether every log was let in by the charter and the governance logs, and ends where it was cut.
fn conclude(
    charter: &Arc<Charter>,
    editions: &[(String, schema::EditionNote)],
    forks: &[Arc<Fork>],
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
    for fork in forks {
        standing.take_fork(fork.clone());
    }
    notes.report.forked_logs = standing.forks().len() as u64;
    for (key, log) in logs {
        for (index, (kind, body)) in (0u64..).zip(&log.governance) {
            standing.on_governance(key, index, *kind, body);
        }
    }
    let admissions = Admissions { standing: &standing, logs, has_damage: !notes.seen.is_empty() };
    let mut rows = Vec::new();
    for (key, log) in logs.iter().filter(|(_, log)| log.tree.size() > 0) {
        notes.report.logs += 1;
        let is_erased = |(index, entry): &(&u64, &Entry)| log.erased.contains_key(&(**index, entry.digest()));
        let erased = log.missing.iter().filter(is_erased).count() as u64;
        notes.report.erased_bodies += erased;
        notes.report.missing_bodies += log.missing.len() as u64 - erased;
        if let Some(index) = log.blank.iter().find(|index| !log.is_erased_at(**index)) {
            notes.finding(format!("log {key}: the body of entry {index} was overwritten, and no record says why"));
        }
        match &log.opening {
            Some(open) if admissions.is_let_in(key, open) => {
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
