//! What other works say of one: translations, corrections, replies, reports of those who tried it, and what amends it. Shown
//! beside it, never over it.

use std::collections::BTreeMap;

use proto::schema::{self, Kind};
use proto::work;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::front_matter::FrontMatter;
use crate::labels::{self, List};
use crate::library::{Library, LibraryError};
use crate::name::Name;
use crate::reader::Naming;
use crate::rows::{Says, StoreError, cited, fold};
use crate::vocabulary;

/// Works shown beside one: a page with more is read by nobody, and each is read from the disk.
pub const RELATED_MAX: usize = 256;

/// A work that says something of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Related {
    /// What it is to the other: `translation`, `reply`, `synthesis`, `adoption`, `correction`, `cites`, or a word of `relations`.
    pub rel: String,
    /// The same as the other is called by it: "amended by".
    pub words: String,
    /// `CODE/slug`.
    pub work: String,
    /// Its current version.
    pub version: u32,
    /// That version's entry.
    pub digest: String,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: String,
    /// The language of its text.
    pub language: String,
    /// The author's code.
    pub member: String,
    /// What the author calls itself.
    pub member_name: String,
    /// What it says in short.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub lead: String,
    /// Of a translation how it came to be, of a report what was decided.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub how: String,
    /// The version of the other that it is about, where it names one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of_version: Option<u32>,
    /// Whether the other has a version by now that supersedes that one.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub of_older: bool,
    /// Why its author took it back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub withdrawn: Option<String>,
    /// When it arrived here, Unix milliseconds.
    pub arrived_ms: u64,
}

/// The work that another is about, as it stands now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct About {
    /// `CODE/slug`.
    pub work: String,
    /// The version that it is about.
    pub version: u32,
    /// The current version; absent where none is held here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub current: Option<u32>,
    /// Whether the version that it is about was superseded since.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub older: bool,
    /// Why its author took it back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub withdrawn: Option<String>,
    /// What a reader should know of that, in words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub words: Option<String>,
}

/// A current version of a work that names another, with what it says.
pub(crate) struct Source {
    pub(crate) naming: Naming,
    /// `CODE/slug`.
    pub(crate) work: String,
    pub(crate) withdrawn: Option<String>,
}

impl Library {
    /// Current versions of works that name a work, oldest first, as far as they stand and may be shown here.
    pub(crate) fn sources(&self, work: &str) -> Result<Vec<Source>, StoreError> {
        let (hidden, ends) = (&self.view.policy.hidden, &self.view.ends);
        let mut states: BTreeMap<String, work::State> = BTreeMap::new();
        let mut sources = Vec::new();
        for naming in self.reader.naming(work, ends)? {
            let source = format!("{}/{}", naming.member, naming.publication.slug);
            if source == work || hidden.names(&naming.member, &naming.log, &source) {
                continue;
            }
            let state = match states.get(&source) {
                Some(state) => state.clone(),
                None => {
                    let state = fold(&self.reader.standing_work(&source, ends)?);
                    states.insert(source.clone(), state.clone());
                    state
                }
            };
            // What a later version no longer says is not said.
            if state.current.iter().any(|version| version.digest == naming.digest) {
                sources.push(Source { naming, work: source, withdrawn: state.withdrawn });
            }
        }
        sources.sort_by(|a, b| (a.naming.arrived_ms, &a.work).cmp(&(b.naming.arrived_ms, &b.work)));
        Ok(sources)
    }

    /// What other works say of a work. `state` is that work's.
    pub(crate) fn related(&self, work: &str, state: &work::State) -> Result<Vec<Related>, StoreError> {
        let mut related = Vec::new();
        for source in self.sources(work)? {
            for (rel, citation) in rels(work, &source.naming) {
                related.push(self.shown_as(&source, rel, citation, state));
            }
        }
        // Corrections first: whoever reads on should have seen them.
        related.sort_by_key(|one| order(&one.rel));
        related.truncate(RELATED_MAX);
        Ok(related)
    }

    pub(crate) fn shown_as(
        &self,
        source: &Source,
        rel: &str,
        citation: Option<&schema::Citation>,
        state: &work::State,
    ) -> Related {
        let naming = &source.naming;
        let front = FrontMatter::of(naming.kind, &naming.publication);
        let of_version = citation.map(|citation| citation.version).filter(|version| *version > 0);
        Related {
            rel: rel.to_owned(),
            words: vocabulary::inverse(rel).to_owned(),
            work: source.work.clone(),
            version: naming.publication.version,
            digest: naming.digest.to_string(),
            lead: front.lead().to_owned(),
            how: if front.method.is_empty() { front.decision } else { front.method },
            title: front.title,
            kind: front.kind,
            language: front.language,
            member: naming.member.clone(),
            member_name: self.member_name(&naming.member),
            of_version,
            of_older: citation.is_some_and(|citation| is_older(citation, state)),
            withdrawn: source.withdrawn.clone(),
            arrived_ms: naming.arrived_ms,
        }
    }

    /// The work that a document is about, as it stands here now.
    pub(crate) fn about(&self, kind: u32, publication: &schema::Publication) -> Result<Option<About>, LibraryError> {
        let Some(citation) = &publication.about else { return Ok(None) };
        let rows = self.reader.standing_work(&citation.work, &self.view.ends)?;
        let name = Name { work: citation.work.clone(), version: None, digest: None };
        // What the operator hides is not spoken of.
        let is_shown = self.shown(&name, &rows).is_ok();
        let state = if is_shown { fold(&rows) } else { fold(&[]) };
        let current = state.current.first().map(|version| version.number);
        let older = is_older(citation, &state);
        let is_held = |row: &crate::rows::WorkRow| {
            matches!(row.says, Says::Version(..)) && row.digest.as_bytes().as_slice() == citation.entry
        };
        let what = labels::label(List::Kind, vocabulary::kind_slug(kind), "en").to_lowercase();
        let words = if let Some(reason) = &state.withdrawn {
            Some(format!("{} was withdrawn by its author: {reason}", citation.work))
        } else if older {
            Some(format!("{what} of an older version: {} is at version {} now", citation.work, current.unwrap_or(0)))
        } else if is_shown && !rows.iter().any(is_held) {
            Some(format!("the version that it is about is not held here: {}@{}", citation.work, citation.version))
        } else {
            None
        };
        let withdrawn = state.withdrawn;
        Ok(Some(About { work: citation.work.clone(), version: citation.version, current, older, withdrawn, words }))
    }
}

/// Whether a later version took the place of what is cited.
fn is_older(citation: &schema::Citation, state: &work::State) -> bool {
    let is_cited = |version: &work::Version| version.digest.as_bytes().as_slice() == citation.entry;
    citation.version > 0 && !state.current.is_empty() && !state.current.iter().any(is_cited)
}

/// What a publication is to a work that it names.
fn rels<'a>(work: &str, naming: &'a Naming) -> Vec<(&'a str, Option<&'a schema::Citation>)> {
    let publication = &naming.publication;
    let about = publication.about.iter().filter(|citation| citation.work == work);
    let mut rels: Vec<(&str, Option<&schema::Citation>)> =
        about.map(|citation| (vocabulary::kind_slug(naming.kind), Some(citation))).collect();
    let cites = publication.synthesis.iter().flat_map(|synthesis| &synthesis.cites);
    rels.extend(cites.filter(|citation| citation.work == work).map(|citation| ("cites", Some(citation))));
    let relations = publication.relations.iter().filter(|to| cited::target(&to.target).as_deref() == Some(work));
    rels.extend(relations.map(|to| (to.rel.as_str(), None)));
    rels.dedup_by(|a, b| a.0 == b.0);
    rels
}

/// In which order a reader wants them.
fn order(rel: &str) -> usize {
    const FIRST: &[Kind] = &[Kind::Correction, Kind::Synthesis, Kind::Reply, Kind::Translation, Kind::Adoption];
    FIRST.iter().position(|kind| vocabulary::kind_slug(*kind as u32) == rel).unwrap_or(FIRST.len())
}
