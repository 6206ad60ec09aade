//! Which entry a document means when it names a version of a work: filled in when it is published, from what is held.
//!
//! A person writes `CODE/slug@2`, or `CODE/slug` for whatever is current; what is signed names the entry, so that nobody can put
//! another text in its place. A file that leaves the version open and is published again goes on meaning the version it meant.

use proto::digest::Digest;
use proto::schema::{self, Kind};
use thiserror::Error;

use crate::ends::Ends;
use crate::reader::Reader;
use crate::rows::{Says, StoreError, WorkRow, fold};
use crate::vocabulary;

/// Why a document cannot be about what it names. Its author mends it, or waits.
#[derive(Debug, Error)]
pub enum CitingError {
    /// Nothing of that name is here.
    #[error(
        "{0} is not held here, and a document says of which entry it speaks; wait until this node is in sync, or correct the name"
    )]
    NotHeld(String),
    /// The work is, and not that version.
    #[error("{work} has no version {version} here; there are: {there}")]
    NoVersion {
        /// `CODE/slug`.
        work: String,
        /// The number, or the entry's digest.
        version: String,
        /// Numbers of those that are.
        there: String,
    },
    /// A reply to a law.
    #[error("{work} is of kind {found}, and a {kind} is about a {wanted}; correct `about`")]
    Kind {
        /// `CODE/slug`.
        work: String,
        /// Its kind.
        found: &'static str,
        /// The kind of what is published.
        kind: &'static str,
        /// What that is about.
        wanted: &'static str,
    },
    /// A synthesis of another's request.
    #[error("{0} is not this member's request; who asked sums up. Publish a correction or a good practice instead")]
    NotOwn(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Fills in every citation of a document of `member`. `before` is the version that it takes the place of.
pub fn cite(
    reader: &Reader,
    ends: &Ends,
    member: &str,
    kind: Kind,
    publication: &mut schema::Publication,
    before: Option<&schema::Publication>,
) -> Result<(), CitingError> {
    if let Some(about) = &mut publication.about {
        let rows = reader.standing_work(&about.work, ends)?;
        resolve(&rows, about, before.and_then(|before| before.about.as_ref()))?;
        fits(&rows, member, kind, about)?;
    }
    let cited: Vec<schema::Citation> = before.map(cites).unwrap_or_default().to_vec();
    for citation in publication.synthesis.iter_mut().flat_map(|synthesis| &mut synthesis.cites) {
        let rows = reader.standing_work(&citation.work, ends)?;
        let known = cited.iter().find(|known| known.work == citation.work);
        resolve(&rows, citation, known)?;
    }
    Ok(())
}

/// Every work that a document cites.
pub fn cited(publication: &schema::Publication) -> impl Iterator<Item = &schema::Citation> {
    publication.about.iter().chain(cites(publication))
}

fn cites(publication: &schema::Publication) -> &[schema::Citation] {
    publication.synthesis.as_ref().map(|synthesis| synthesis.cites.as_slice()).unwrap_or_default()
}

fn resolve(
    rows: &[WorkRow],
    citation: &mut schema::Citation,
    before: Option<&schema::Citation>,
) -> Result<(), CitingError> {
    if citation.version == 0
        && citation.entry.is_empty()
        && let Some(before) = before.filter(|before| before.work == citation.work)
    {
        *citation = before.clone();
    }
    let versions = || {
        rows.iter().filter_map(|row| match &row.says {
            Says::Version(version, _) => Some(version),
            Says::Withdrawal(_) => None,
        })
    };
    if versions().next().is_none() {
        // Who gives the digest has the text from elsewhere, and the entry may be on its way.
        let is_named = citation.version > 0 && !citation.entry.is_empty();
        return if is_named { Ok(()) } else { Err(CitingError::NotHeld(citation.work.clone())) };
    }
    let current = fold(rows).current;
    let wanted = Digest::try_from(citation.entry.as_slice()).ok();
    let found = match (wanted, citation.version) {
        (Some(entry), _) => versions().find(|version| version.digest == entry),
        (None, 0) => current.first(),
        // Of concurrent ones, the one that stands; a digest names the other.
        (None, number) => {
            let of_number = |version: &&proto::work::Version| version.number == number;
            current.iter().find(of_number).or_else(|| versions().find(of_number))
        }
    };
    let Some(found) = found else {
        let mut there: Vec<u32> = versions().map(|version| version.number).collect();
        there.sort_unstable();
        let there = there.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        let version = wanted.map_or_else(|| citation.version.to_string(), |entry| entry.to_string());
        return Err(CitingError::NoVersion { work: citation.work.clone(), version, there });
    };
    (citation.version, citation.entry) = (found.number, found.digest.as_bytes().to_vec());
    Ok(())
}

/// Whether a document of a kind may be about such a work.
fn fits(rows: &[WorkRow], member: &str, kind: Kind, about: &schema::Citation) -> Result<(), CitingError> {
    if !matches!(kind, Kind::Reply | Kind::Synthesis) {
        return Ok(());
    }
    let cited = rows.iter().find(|row| row.digest.as_bytes().as_slice() == about.entry);
    if let Some(Says::Version(_, of)) = cited.map(|row| &row.says)
        && *of != Kind::Request as u32
    {
        let (found, kind) = (vocabulary::kind_slug(*of), vocabulary::kind_slug(kind as u32));
        return Err(CitingError::Kind { work: about.work.clone(), found, kind, wanted: "request" });
    }
    if kind == Kind::Synthesis && about.work.split('/').next() != Some(member) {
        return Err(CitingError::NotOwn(about.work.clone()));
    }
    Ok(())
}
