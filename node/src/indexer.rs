//! Brings the search index to where the store is, arrival by arrival.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use proto::body;
use proto::schema::Kind;
use thiserror::Error;
use tokio::sync::watch;

use crate::front_matter::FrontMatter;
use crate::index::{self, Card, Index, IndexError};
use crate::keeper::View;
use crate::markdown;
use crate::reader::{Kept, Reader};
use crate::rows::{Says, StoreError, fold};
use crate::segments::SegmentError;
use crate::vocabulary;

/// Arrivals read at once: bounds the memory a rebuild takes.
const ARRIVALS_AT_ONCE: usize = 512;

/// Least time between two commits: each writes files and drops caches, and readers notice no difference.
const COMMIT_EVERY: Duration = Duration::from_millis(200);

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

/// Indexes what arrived after `cursor`, at most one portion, and returns the new cursor. Nothing is committed.
pub fn step(reader: &Reader, index: &mut Index, cursor: u64) -> Result<u64, IndexerError> {
    let arrivals = reader.arrivals(cursor, ARRIVALS_AT_ONCE)?;
    let mut members: HashMap<u32, Option<String>> = HashMap::new();
    let mut works = BTreeSet::new();
    for (_, log, place) in &arrivals {
        let member = match members.get(log) {
            Some(member) => member.clone(),
            None => {
                let member = reader.owner(*log)?.map(|owner| owner.open.member);
                members.insert(*log, member.clone());
                member
            }
        };
        let Some(kept) = readable(reader.entry(*log, *place))? else { continue };
        if kept.entry.kind() < Kind::LawSummary as u32 {
            continue;
        }
        let publication = kept.body.as_deref().and_then(body::publication);
        if let (Some(member), Some((publication, _))) = (member, publication) {
            works.insert(format!("{member}/{}", publication.slug));
        }
    }
    for work in works {
        match card(reader, &work)? {
            Some(card) => index.put(&card)?,
            None => index.remove(&work),
        }
    }
    Ok(arrivals.last().map_or(cursor, |(arrival, _, _)| *arrival))
}

/// Indexes everything there is and commits.
pub fn catch_up(reader: &Reader, index: &mut Index, mut cursor: u64) -> Result<u64, IndexerError> {
    let before = cursor;
    loop {
        let next = step(reader, index, cursor)?;
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
fn readable(kept: Result<Option<Kept>, StoreError>) -> Result<Option<Kept>, StoreError> {
    match kept {
        Err(StoreError::Segments(SegmentError::Damaged { .. })) => Ok(None),
        other => other,
    }
}

/// A work as it is indexed; `None` where it is withdrawn, or its current version is not held.
fn card(reader: &Reader, work: &str) -> Result<Option<Card>, StoreError> {
    let rows = reader.work(work)?;
    let state = fold(&rows);
    if state.withdrawn.is_some() {
        return Ok(None);
    }
    let Some(current) = state.current.first() else { return Ok(None) };
    let Some(row) = rows.iter().find(|row| row.digest == current.digest) else { return Ok(None) };
    let Says::Version(_, kind) = &row.says else { return Ok(None) };
    let Some(kept) = readable(reader.entry(row.log, row.index))? else { return Ok(None) };
    let Some((publication, _)) = kept.body.as_deref().and_then(body::publication) else { return Ok(None) };
    let front = FrontMatter::of(*kind, &publication);
    let text = format!("{}\n{}", front.words(), markdown::to_text(&publication.text));
    Ok(Some(Card {
        work: work.to_owned(),
        text,
        kind: vocabulary::kind_slug(*kind).to_owned(),
        member: work.split('/').next().unwrap_or_default().to_owned(),
        title: front.title,
        topics: front.topics,
        jurisdiction: front.jurisdiction,
        language: front.language,
        arrival: kept.arrival,
    }))
}

/// Keeps the index beside a running node, on a thread of its own, until the node ends.
pub fn spawn(
    reader: Reader,
    mut index: Index,
    mut cursor: u64,
    mut changes: watch::Receiver<View>,
    troubles: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<JoinHandle<()>> {
    let mut follow = move || -> Result<(), IndexerError> {
        let (mut committed, mut last) = (cursor, Instant::now());
        loop {
            let next = step(&reader, &mut index, cursor)?;
            let idle = next == cursor;
            cursor = next;
            let due = last.elapsed() >= COMMIT_EVERY;
            if cursor > committed && (due || idle) {
                if !due {
                    std::thread::sleep(COMMIT_EVERY.saturating_sub(last.elapsed()));
                    cursor = step(&reader, &mut index, cursor)?;
                }
                index.commit(cursor)?;
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
