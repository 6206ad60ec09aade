//! Brings the search index to where the store is, arrival by arrival.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use prost::Message;
use proto::key::PublicKey;
use proto::policy::Selection;
use proto::schema::{self, Kind};
use thiserror::Error;
use tokio::sync::watch;

use crate::ends::Ends;
use crate::front_matter::{Dates, FrontMatter};
use crate::index::{self, Card, Index, IndexError};
use crate::keeper::View;
use crate::markdown;
use crate::partial_date::Span;
use crate::policy::LocalPolicy;
use crate::reader::Reader;
use crate::rows::{Says, StoreError, WorkRow, fold};
use crate::segments::SegmentError;

/// Arrivals read at once: bounds the memory a rebuild takes.
const ARRIVALS_AT_ONCE: usize = 512;

/// Least time between two commits: each writes files and drops caches, and readers notice no difference.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

/// The same while there is more to index: many small parts of an index cost more to merge than they are worth.
const COMMIT_BEHIND_EVERY: Duration = Duration::from_secs(2);

/// Why indexing cannot go on.
#[derive(Debug, Error)]
pub enum IndexerError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What is not to be found though it is held.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// What the operator hides.
    pub hidden: &'a Selection,
    /// Where logs end.
    pub ends: &'a Ends,
}

impl<'a> Scope<'a> {
    /// As it is now.
    pub fn of(view: &'a View) -> Scope<'a> {
        Scope { hidden: &view.policy.hidden, ends: &view.ends }
    }

    /// What tells it apart from another.
    pub fn mark(&self, policy: &LocalPolicy) -> String {
        policy.hidden_mark() + &self.ends.mark()
    }
}

/// Indexes what arrived after `cursor` and is not hidden, at most one portion, and returns the new cursor. Nothing is committed.
pub fn step(reader: &Reader, index: &mut Index, cursor: u64, scope: Scope<'_>) -> Result<u64, IndexerError> {
    let Scope { hidden, ends } = scope;
    let arrivals = reader.arrivals(cursor, ARRIVALS_AT_ONCE)?;
    let mut owners: HashMap<u32, Option<(PublicKey, String)>> = HashMap::new();
    for (arrival, log, place) in &arrivals {
        let owner = match owners.get(log) {
            Some(owner) => owner.clone(),
            None => {
                let owner = reader.owner(*log)?.map(|owner| (owner.log, owner.open.member));
                owners.insert(*log, owner.clone());
                owner
            }
        };
        let Some(kept) = readable(reader.entry(*log, *place))? else { continue };
        if kept.entry.kind() < Kind::LawSummary as u32 {
            continue;
        }
        let Some((key, member)) = owner else { continue };
        let Some(body) = kept.body.as_deref() else {
            let erased = readable(reader.erased(&key, *place, &kept.entry.digest()))?;
            let erased = erased.and_then(|erased| erased.record.erasure.work);
            if let Some(work) = erased.map(|was| format!("{member}/{}", was.slug)) {
                index.erase(&work);
                // A version that still stands may be held.
                let rows = reader.standing_work(&work, ends)?;
                let card = card(reader, &work, &rows, None)?;
                if let Some(card) = card.filter(|_| !hidden.names(&member, &key, &work)) {
                    index.add(&card)?;
                }
            }
            continue;
        };
        let Ok(publication) = schema::Publication::decode(body) else { continue };
        let work = format!("{member}/{}", publication.slug);
        if hidden.names(&member, &key, &work) {
            continue;
        }
        let rows = reader.standing_work(&work, ends)?;
        // In an index that began empty, the first and only that is known of a work cannot be yet. An older one may have it from
        // before a disk lost it, and it came again.
        let first = index.is_new() && rows.len() == 1 && kept.arrival == *arrival;
        if !first {
            index.remove(&work);
        }
        let at = Read { log: *log, index: *place, arrival: kept.arrival, publication };
        if let Some(card) = card(reader, &work, &rows, Some(at))? {
            index.add(&card)?;
        }
    }
    Ok(arrivals.last().map_or(cursor, |(arrival, _, _)| *arrival))
}

/// A publication that was read, and where it stands.
struct Read {
    log: u32,
    index: u64,
    arrival: u64,
    publication: schema::Publication,
}

/// Indexes anew what stands now and did not, or the reverse. Nothing is committed.
fn follow(reader: &Reader, index: &mut Index, before: &Ends, scope: Scope<'_>) -> Result<(), IndexerError> {
    // Some of these works arrived after the cursor, and come once more when it is there.
    index.not_new();
    for (log, from) in scope.ends.moved(before) {
        for work in reader.works_from(&log, from)? {
            index.remove(&work);
            let card = card(reader, &work, &reader.standing_work(&work, scope.ends)?, None)?;
            let member = work.split('/').next().unwrap_or_default();
            if let Some(card) = card.filter(|_| !scope.hidden.names(member, &log, &work)) {
                index.add(&card)?;
            }
        }
    }
    Ok(())
}

/// Indexes everything there is and commits.
pub fn catch_up(reader: &Reader, index: &mut Index, mut cursor: u64, scope: Scope<'_>) -> Result<u64, IndexerError> {
    let before = cursor;
    loop {
        let next = step(reader, index, cursor, scope)?;
        if next == cursor {
            break;
        }
        cursor = next;
    }
    if cursor != before {
        index.commit(cursor)?;
    }
    Ok(cursor)
}

/// One damaged record must not end the index: it is passed over, and indexed when it comes again.
fn readable<T>(kept: Result<Option<T>, StoreError>) -> Result<Option<T>, StoreError> {
    match kept {
        Err(StoreError::Segments(SegmentError::Damaged { .. })) => Ok(None),
        other => other,
    }
}

/// A work as it is indexed; `None` where its current version is not held. What was read just now is mostly
/// the current version, and not read again.
fn card(reader: &Reader, work: &str, rows: &[WorkRow], read: Option<Read>) -> Result<Option<Card>, StoreError> {
    let state = fold(rows);
    let Some(current) = state.current.first() else { return Ok(None) };
    let Some(row) = rows.iter().find(|row| row.digest == current.digest) else { return Ok(None) };
    let Says::Version(_, kind) = &row.says else { return Ok(None) };
    let read = read.filter(|read| (row.log, row.index) == (read.log, read.index));
    let (arrival, publication) = if let Some(read) = read {
        (read.arrival, read.publication)
    } else {
        let Some(kept) = readable(reader.entry(row.log, row.index))? else { return Ok(None) };
        let publication = kept.body.as_deref().and_then(|body| schema::Publication::decode(body).ok());
        let Some(publication) = publication else { return Ok(None) };
        (kept.arrival, publication)
    };
    let withdrawn = state.withdrawn.is_some();
    Ok(Some(Card { withdrawn, ..card_of(work, *kind, &publication, arrival) }))
}

/// A publication as it is indexed.
pub fn card_of(work: &str, kind: u32, publication: &schema::Publication, arrival: u64) -> Card {
    let front = FrontMatter::of(kind, publication);
    let text = format!("{}\n{}", front.words(), markdown::to_text(&publication.text));
    let dates = dates(&front);
    Card {
        work: work.to_owned(),
        values: values(work, &front, &dates),
        dates,
        text,
        title: front.title,
        language: front.language,
        original: translated(kind, publication),
        withdrawn: false,
        arrival,
    }
}

/// The work that a translation translates.
fn translated(kind: u32, publication: &schema::Publication) -> Option<String> {
    let about = publication.about.as_ref().filter(|_| kind == Kind::Translation as u32)?;
    Some(about.work.clone())
}

/// What a work is of the fields that are words.
fn values(work: &str, front: &FrontMatter, dates: &[(&'static str, Span)]) -> Vec<(&'static str, String)> {
    let member = work.split('/').next().unwrap_or_default().to_owned();
    let mut values = vec![
        ("kind", front.kind.clone()),
        ("jurisdiction", front.jurisdiction.clone()),
        ("language", front.language.clone()),
        ("member", member),
        ("status", front.legal_status.clone()),
        ("instrument", front.instrument_type.clone()),
        ("bindingness", front.bindingness.clone()),
        ("risk", front.risk_approach.clone()),
        ("function", front.parliamentary_function.clone()),
        ("maturity", front.maturity.clone()),
    ];
    values.extend(front.topics.iter().map(|topic| ("topic", topic.clone())));
    values.extend(front.applies_to.iter().map(|whom| ("applies_to", whom.clone())));
    values.extend(front.identifiers.iter().map(|id| ("identifier", format!("{}:{}", id.scheme, id.value))));
    let levels: BTreeSet<&String> = front.assistance.values().collect();
    values.extend(levels.into_iter().map(|level| ("assistance", level.clone())));
    let year = dates.iter().find(|(name, _)| *name == "year");
    values.extend(year.map(|(_, span)| ("year", format!("{:04}", span.first / 10_000))));
    values
}

/// Its dates. Its year is that of the one that says most about when it came to be.
fn dates(front: &FrontMatter) -> Vec<(&'static str, Span)> {
    let none = Dates::default();
    let law = front.dates.as_ref().unwrap_or(&none);
    let all = [
        ("adopted", &law.adopted),
        ("in_force", &law.in_force),
        ("published", &law.published),
        ("assented", &law.assented),
        ("introduced", &law.introduced),
        ("applies", &law.applies),
        ("held_on", &front.held_on),
        ("done_on", &front.done_on),
        ("starts", &front.starts),
        ("created", &front.created),
        ("deadline", &front.deadline),
        ("valid_as_of", &front.valid_as_of),
        ("repealed", &law.repealed),
        ("ends", &front.ends),
        ("dissolved", &front.dissolved),
    ];
    let mut dates: Vec<(&'static str, Span)> =
        all.iter().filter_map(|(name, date)| Span::parse(date).map(|span| (*name, span))).collect();
    let first = dates.first().map(|(_, span)| ("year", *span));
    dates.extend(first);
    dates
}

/// Keeps the index beside a running node, on a thread of its own, until the node ends. `view` is what the index was opened for: what
/// changed since then is followed first.
pub fn spawn(
    reader: Reader,
    mut index: Index,
    mut cursor: u64,
    mut view: View,
    mut changes: watch::Receiver<View>,
    troubles: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<JoinHandle<()>> {
    let mut follow = move || -> Result<(), IndexerError> {
        let (mut committed, mut last) = (cursor, Instant::now());
        let mut has_moved = false;
        loop {
            let now = changes.borrow_and_update().clone();
            if now.ends != view.ends {
                follow(&reader, &mut index, &view.ends, Scope::of(&now))?;
                has_moved = true;
            }
            view = now;
            let next = step(&reader, &mut index, cursor, Scope::of(&view))?;
            let idle = next == cursor;
            cursor = next;
            let due = last.elapsed() >= if idle { COMMIT_EVERY } else { COMMIT_BEHIND_EVERY };
            if (cursor > committed || has_moved) && (due || idle) {
                if !due {
                    std::thread::sleep(COMMIT_EVERY.saturating_sub(last.elapsed()));
                    cursor = step(&reader, &mut index, cursor, Scope::of(&view))?;
                }
                index.commit(cursor)?;
                if std::mem::take(&mut has_moved) {
                    index.mark(&Scope::of(&view).mark(&view.policy))?;
                }
                (committed, last) = (cursor, Instant::now());
            } else if idle && futures::executor::block_on(changes.changed()).is_err() {
                return Ok(());
            }
        }
    };
    std::thread::Builder::new().name("indexer".to_owned()).spawn(move || {
        index::yield_to_others();
        if let Err(error) = follow() {
            tracing::error!(%error, "the search index stopped");
            troubles.lock().unwrap_or_else(PoisonError::into_inner).push(format!("the search index stopped: {error}"));
        }
    })
}
