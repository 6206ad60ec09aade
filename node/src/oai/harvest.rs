//! Records as they are harvested: works in the order of their last change here, each as it is shown now.

use super::request::{Listing, Set};
use crate::identifier;
use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::reader::News;
use crate::views;
use crate::vocabulary;

/// Records of a page.
const PAGE_RECORDS: usize = 100;
/// Bytes of XML after which a page ends: a harvester on a weak line gets it whole.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Works looked at in one go.
const AT_ONCE: usize = 256;

/// What can be harvested.
pub struct Harvest<'a> {
    library: &'a Library,
}

/// A work, when it last changed here, and what is shown of it.
pub struct Record {
    /// `CODE/slug`.
    pub work: String,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// What is shown.
    pub says: Says,
}

/// What is shown of a work.
pub enum Says {
    /// Its current version.
    Document(Box<views::Document>),
    /// Nothing any more. Where its text is still here, what sets it was in.
    Deleted(Option<Box<views::Document>>),
}

impl<'a> Harvest<'a> {
    /// Of what a library holds.
    pub fn of(library: &'a Library) -> Harvest<'a> {
        Harvest { library }
    }

    /// The record of an identifier.
    pub fn get(&self, identifier: &str) -> Result<Option<Record>, LibraryError> {
        let Some(work) = identifier::work(&self.library.view.frontier.federation, identifier) else { return Ok(None) };
        match self.library.reader.news_of(&work)? {
            Some(news) => self.record(news),
            None => Ok(None),
        }
    }

    /// Gives a page's records one by one to `take`, which says how many bytes there are by now, and then, if there are more, the
    /// arrival after which they follow.
    pub fn walk(&self, listing: &Listing, mut take: impl FnMut(&Record) -> usize) -> Result<Option<u64>, LibraryError> {
        let reader = &self.library.reader;
        let after = match (&listing.cursor, &listing.from) {
            (Some(cursor), _) => cursor.arrival,
            (None, Some(from)) => reader.news_since(from.begins_ms)?,
            (None, None) => 0,
        };
        let (mut taken, mut bytes, mut reached) = (0, 0, after);
        let mut works = reader.news(after, AT_ONCE)?;
        while let Some(last) = works.last().cloned() {
            for news in works {
                if listing.until.as_ref().is_some_and(|until| news.at_ms >= until.ends_ms) {
                    return Ok(None);
                }
                let arrival = news.arrival;
                if listing.set.as_ref().is_some_and(|set| set.leaves_out(&news.work)) {
                    continue;
                }
                let Some(record) = self.record(news)? else { continue };
                if listing.set.as_ref().is_some_and(|set| !set.holds(&record)) {
                    continue;
                }
                // Only now it is certain that a page follows. A token names an arrival, so what one changed stays together.
                if (taken >= PAGE_RECORDS || bytes >= PAGE_BYTES) && arrival != reached {
                    return Ok(Some(reached));
                }
                bytes = take(&record);
                taken += 1;
                reached = arrival;
            }
            works = reader.news_beyond(&last, AT_ONCE)?;
        }
        Ok(None)
    }

    /// What is shown of a work now; nothing where its text has not come yet, for it comes with an arrival of its own.
    fn record(&self, news: News) -> Result<Option<Record>, LibraryError> {
        let News { at_ms, work, .. } = news;
        let Some(name) = Name::parse(&work).filter(|name| name.work == work) else { return Ok(None) };
        let says = match self.library.document(&name) {
            Ok(document) if document.withdrawn.is_some() => Says::Deleted(Some(Box::new(document))),
            Ok(document) => Says::Document(Box::new(document)),
            Err(
                LibraryError::NotFound(_)
                | LibraryError::Erased { .. }
                | LibraryError::Withdrawn { .. }
                | LibraryError::NotShown { .. },
            ) => Says::Deleted(None),
            Err(LibraryError::NoBody(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(Some(Record { work, at_ms, says }))
    }
}

impl Record {
    /// The sets it is known to be in.
    pub fn sets(&self) -> Vec<Set> {
        let member = self.work.split('/').next().unwrap_or_default().to_owned();
        let mut sets = vec![Set::Member(member)];
        if let Says::Document(document) | Says::Deleted(Some(document)) = &self.says {
            let front = &document.front_matter;
            sets.extend(vocabulary::kind(&front.kind).map(|_| Set::Kind(front.kind.clone())));
            let known = |topic: &&String| vocabulary::TOPICS.iter().any(|(slug, ..)| slug == topic);
            sets.extend(front.topics.iter().filter(known).cloned().map(Set::Topic));
        }
        sets
    }
}

impl Set {
    /// Whether a work cannot be in it, as its name alone says.
    fn leaves_out(&self, work: &str) -> bool {
        matches!(self, Set::Member(code) if work.split('/').next() != Some(code.as_str()))
    }

    /// Whether a record is in it. Of one whose text is gone nobody can tell any more, and every set tells that it is.
    fn holds(&self, record: &Record) -> bool {
        match (self, &record.says) {
            (Set::Kinds | Set::Topics | Set::Members, _) => true,
            (Set::Kind(_) | Set::Topic(_), Says::Deleted(None)) => true,
            (set, _) => record.sets().contains(set),
        }
    }
}
