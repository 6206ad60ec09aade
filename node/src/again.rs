//! What only a branch had that was set aside: works that their author publishes again, with a desk that was not cut.

use std::collections::{BTreeMap, BTreeSet};

use proto::body;
use proto::digest::Digest;
use proto::schema::{self, Kind};

use crate::ends::Ends;
use crate::reader::{Aside, Reader};
use crate::rows::{Says, StoreError, WorkRow, fold, stands};

/// A work's last version on that branch.
#[derive(Clone, Debug)]
pub struct Lost {
    /// `CODE/slug`.
    pub work: String,
    /// A number of the protocol's kinds.
    pub kind: u32,
    /// What it said. Its number and what it supersedes are those among the versions that stand, so that what the other branch
    /// says of the same work is a concurrent version.
    pub publication: schema::Publication,
}

/// What a member's logs lost with entries that were set aside.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// Works of which no version that stands says the same, and that nobody withdrew or erased.
    pub works: Vec<Lost>,
    /// Works, `CODE/slug`, that were withdrawn there and stand: only a person knows whether that still holds.
    pub withdrawn: Vec<String>,
}

/// What a member's logs lost.
pub fn losses(reader: &Reader, ends: &Ends, member: &str) -> Result<Losses, StoreError> {
    let mut losses = Losses::default();
    for log in reader.logs_aside(member)? {
        let (aside, erased) = (reader.aside(&log)?, reader.erased_of(&log)?);
        for (slug, versions) in by_slug(&aside) {
            let work = format!("{member}/{slug}");
            let rows = reader.standing_work(&work, ends)?;
            match versions.is_empty() {
                true if stands(&rows) => losses.withdrawn.push(work),
                // What is left may be what the version that was erased had taken the place of.
                false if !erased.contains(&slug) => losses.works.extend(last(reader, work, &versions, &rows)?),
                _ => {}
            }
        }
    }
    Ok(losses)
}

type Version<'a> = (&'a Aside, schema::Publication);

/// Versions of each work in the order of their entries, none of a work that ends with a withdrawal.
fn by_slug(aside: &[Aside]) -> BTreeMap<String, Vec<Version<'_>>> {
    let mut works: BTreeMap<String, Vec<Version<'_>>> = BTreeMap::new();
    for entry in aside {
        let Some((publication, _)) = body::publication(&entry.body) else { continue };
        match entry.entry.kind() {
            kind if kind == Kind::Withdrawal as u32 => works.entry(publication.slug).or_default().clear(),
            kind if kind >= Kind::LawSummary as u32 => {
                works.entry(publication.slug.clone()).or_default().push((entry, publication));
            }
            _ => {}
        }
    }
    works
}

/// The last version, unless a version that stands says the same.
fn last(reader: &Reader, work: String, versions: &[Version<'_>], rows: &[WorkRow]) -> Result<Option<Lost>, StoreError> {
    let Some((entry, publication)) = versions.last() else { return Ok(None) };
    if fold(rows).withdrawn.is_some() {
        return Ok(None); // since, or on the branch that stands
    }
    for row in rows.iter().filter(|row| matches!(row.says, Says::Version(..))) {
        // What was erased may be just this, and must not come back.
        let Some(kept) = reader.entry(row.log, row.index)?.and_then(|kept| kept.body) else { return Ok(None) };
        let said = body::publication(&kept).map(|(said, _)| said);
        if said.is_some_and(|said| text(&said) == text(publication)) {
            return Ok(None);
        }
    }
    let standing: BTreeMap<Digest, u32> = rows
        .iter()
        .filter_map(|row| match &row.says {
            Says::Version(version, _) => Some((row.digest, version.number)),
            Says::Withdrawal(_) => None,
        })
        .collect();
    let mut supersedes = BTreeSet::new();
    let mut named: Vec<Digest> = digests(&publication.supersedes);
    let mut seen = BTreeSet::new();
    while let Some(digest) = named.pop() {
        if standing.contains_key(&digest) {
            supersedes.insert(digest);
        } else if seen.insert(digest)
            && let Some((_, before)) = versions.iter().find(|(aside, _)| aside.entry.digest() == digest)
        {
            named.extend(digests(&before.supersedes));
        }
    }
    let number = supersedes.iter().filter_map(|digest| standing.get(digest)).max().copied().unwrap_or(0);
    let publication = schema::Publication {
        version: number.saturating_add(1),
        supersedes: supersedes.iter().map(|digest| digest.as_bytes().to_vec()).collect(),
        ..publication.clone()
    };
    Ok(Some(Lost { work, kind: entry.entry.kind(), publication }))
}

/// What it says, without its place among others.
fn text(publication: &schema::Publication) -> schema::Publication {
    schema::Publication { salt: Vec::new(), version: 0, supersedes: Vec::new(), ..publication.clone() }
}

fn digests(list: &[Vec<u8>]) -> Vec<Digest> {
    list.iter().filter_map(|bytes| Digest::try_from(bytes.as_slice()).ok()).collect()
}
