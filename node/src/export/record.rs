//! What every form says of a document, in words that need no form: its names, its day, who signed it, and what a reader must know
//! before using it.

use crate::client::percent;
use crate::library::Library;
use crate::related::Related;
use crate::time;
use crate::views;

/// What an export is of.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The federation's id.
    pub federation: String,
    /// What it calls itself.
    pub name: String,
    /// The frontier's digest, by which the snapshot is cited.
    pub frontier: String,
}

/// A document of it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What it is of.
    pub snapshot: &'a Snapshot,
    /// The document.
    pub document: &'a views::Document,
}

impl Snapshot {
    /// As of now.
    pub fn of(library: &Library) -> Snapshot {
        let view = &library.view;
        Snapshot {
            federation: view.frontier.federation.to_string(),
            name: view.standing.charter().name().to_owned(),
            frontier: view.frontier.digest().to_string(),
        }
    }

    /// Names a work, a version or a member for ever, on every node: `comity:<federation id>/CODE/slug@2~1a2b3c4d`.
    pub fn iri(&self, name: &str) -> String {
        let part = |part: &str| percent(part).replace("%40", "@");
        format!("comity:{}/{}", self.federation, name.split('/').map(part).collect::<Vec<_>>().join("/"))
    }
}

impl Record<'_> {
    /// `CODE/slug@2`, or `CODE/slug@2~1a2b3c4d` where two have one number.
    pub fn name(&self) -> String {
        let document = self.document;
        let version = document.versions.iter().find(|version| version.digest == document.provenance.digest);
        let version = version.map_or_else(|| document.version.to_string(), |version| version.name.clone());
        format!("{}@{version}", document.work)
    }

    /// A key for programs that manage references: letters, digits and -, the same on every node.
    pub fn key(&self) -> String {
        let name = self.name().replace('@', "-v");
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
    }

    /// The day by which its author dates it, as year, month and day.
    pub fn date(&self) -> Option<(String, String, String)> {
        let day = time::day(self.document.provenance.claimed_ms);
        let mut parts = day.split('-').map(str::to_owned);
        Some((parts.next()?, parts.next()?, parts.next()?))
    }

    /// What a list shows of it.
    pub fn summary(&self) -> &str {
        self.document.front_matter.lead()
    }

    /// Topics and keywords.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        let front = &self.document.front_matter;
        front.topics.iter().chain(&front.keywords).map(String::as_str)
    }

    /// What a reader must know before using it, the gravest first.
    pub fn warnings(&self) -> Vec<String> {
        let document = self.document;
        let withdrawn = document.withdrawn.as_ref().map(|reason| format!("WITHDRAWN by its author: {reason}"));
        let newer = document.newer.then(|| "written by a newer Comity; something may be missing here".to_owned());
        let about = document.about.iter().filter(|about| about.older || about.withdrawn.is_some());
        let about = about.filter_map(|about| about.words.clone());
        let corrections =
            document.related.iter().filter(|other| other.rel == "correction" && other.withdrawn.is_none());
        let correction = |other: &Related| {
            let Related { work, version, member_name, lead, .. } = other;
            format!("CORRECTION by {member_name}, {work}@{version}: {lead}")
        };
        let beside = document.concurrent.iter().map(|name| format!("another version stands beside it: @{name}"));
        let corrections = corrections.map(correction);
        withdrawn.into_iter().chain(corrections).chain(about).chain(beside).chain(newer).collect()
    }

    /// The same, then how to cite it and the snapshot it is from.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.warnings();
        notes.push(self.document.citation.clone());
        notes.push(format!("snapshot {}", self.snapshot.frontier));
        notes
    }
}

/// A text as one line, without characters that no form can bear.
pub fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
