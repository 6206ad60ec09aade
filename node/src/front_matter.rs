//! The front matter of a document: the YAML that a person writes and the JSON that a script reads, and its way into the
//! protobuf body that is signed and back.
//!
//! One struct holds the keys of every kind; `document.rs` says which belong to which, and checks the words.

use std::collections::BTreeMap;

use proto::schema::{self, Kind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vocabulary;

/// All keys there are. What is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FrontMatter {
    /// `law-summary` or `good-practice`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// BCP-47, of every text here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    /// At most 300 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The work's name below the member's code.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub slug: String,
    /// ISO 3166-1 or 3166-2, or EU, COE, UN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jurisdiction: String,
    /// Slugs of the topics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Free words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// SPDX.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub valid_as_of: String,
    /// What it rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// What others call it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identifiers: Vec<Identifier>,
    /// Other works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub relations: Vec<Relation>,
    /// Field (`text`, `all`) to how far a machine wrote it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub assistance: BTreeMap<String, String>,
    /// The instrument's name in full.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub official_title: String,
    /// What it is called for short.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub short_title: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub instrument_type: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub legal_status: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bindingness: String,
    /// Who passed it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// How it came to its status.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stage_history: Vec<Stage>,
    /// Partial dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dates: Option<Dates>,
    /// At most 100 words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary_short: String,
    /// What matters most in it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key_provisions: Vec<Provision>,
    /// Who must do what by when.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
    /// What it calls artificial intelligence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub definition_ai: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub risk_approach: String,
    /// Words of the vocabulary.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub applies_to: Vec<String>,
    /// Who sees to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
    /// What those affected can do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub redress: String,
    /// What it means for women and men.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gender_impact: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub practice_type: String,
    /// What it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub objective: String,
    /// Who takes part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<String>,
    /// What has to be there first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prerequisites: Vec<String>,
    /// Step by step.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scenario: Vec<String>,
    /// What should come of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expected_results: Vec<String>,
    /// What is hard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub challenges: Vec<String>,
    /// What data it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub data_requirements: Vec<String>,
    /// What it is connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integrations: Vec<String>,
    /// How one knows that it works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub success_metrics: Vec<String>,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parliamentary_function: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub maturity: String,
    /// What came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub results_observed: String,
    /// What was learned.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub lessons: String,
    /// What did not work.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_failed: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub risk_level: String,
    /// What keeps it safe.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub safeguards: Vec<String>,
    /// A role, never a person's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub contact_role: String,
}

/// What a document rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Source {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub official: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub language: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub retrieved: String,
}

/// What others call it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Identifier {
    pub scheme: String,
    pub value: String,
}

/// Another work, and how this one relates to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct Relation {
    pub rel: String,
    pub target: String,
}

/// A status and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Stage {
    pub status: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub date: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Partial dates of a law.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Dates {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub introduced: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub adopted: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assented: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub published: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub in_force: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub applies: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repealed: String,
}

/// What matters, and where it says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Provision {
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    pub text: String,
}

/// Who must do what by when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Obligation {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub who: String,
    pub must: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// Who sees to it, and what it can cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Enforcement {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub penalties: String,
}

impl FrontMatter {
    /// The body that is signed; salt, version and what it supersedes are filled in by publishing.
    pub fn to_publication(&self, text: String) -> schema::Publication {
        let front = self.clone();
        let law = self.kind == "law-summary";
        let practice = self.kind == "good-practice";
        schema::Publication {
            slug: front.slug,
            language: front.language,
            title: front.title,
            text,
            jurisdiction: front.jurisdiction,
            topics: front.topics,
            keywords: front.keywords,
            licence: front.licence,
            valid_as_of: front.valid_as_of,
            sources: self.sources.iter().cloned().map(Source::into_wire).collect(),
            identifiers: front
                .identifiers
                .into_iter()
                .map(|id| schema::Identifier { scheme: id.scheme, value: id.value })
                .collect(),
            relations: front
                .relations
                .into_iter()
                .map(|to| schema::Relation { rel: to.rel, target: to.target })
                .collect(),
            assistance: front
                .assistance
                .into_iter()
                .map(|(field, level)| schema::Assistance { field, level })
                .collect(),
            law_summary: law.then(|| self.law_summary()),
            good_practice: practice.then(|| self.good_practice()),
            ..schema::Publication::default()
        }
    }

    fn law_summary(&self) -> schema::LawSummary {
        let front = self.clone();
        schema::LawSummary {
            official_title: front.official_title,
            short_title: front.short_title,
            instrument_type: front.instrument_type,
            legal_status: front.legal_status,
            bindingness: front.bindingness,
            authority: front.authority,
            stage_history: front
                .stage_history
                .into_iter()
                .map(|stage| schema::Stage { status: stage.status, date: stage.date, note: stage.note })
                .collect(),
            dates: front.dates.map(|dates| schema::LawDates {
                introduced: dates.introduced,
                adopted: dates.adopted,
                assented: dates.assented,
                published: dates.published,
                in_force: dates.in_force,
                applies: dates.applies,
                repealed: dates.repealed,
            }),
            summary_short: front.summary_short,
            key_provisions: front
                .key_provisions
                .into_iter()
                .map(|item| schema::Provision { r#ref: item.reference, text: item.text })
                .collect(),
            obligations: front
                .obligations
                .into_iter()
                .map(|item| schema::Obligation { who: item.who, must: item.must, by: item.by })
                .collect(),
            definition_ai: front.definition_ai,
            risk_approach: front.risk_approach,
            applies_to: front.applies_to,
            enforcement: front
                .enforcement
                .map(|item| schema::Enforcement { body: item.body, penalties: item.penalties }),
            redress: front.redress,
            gender_impact: front.gender_impact,
        }
    }

    fn good_practice(&self) -> schema::GoodPractice {
        let front = self.clone();
        schema::GoodPractice {
            practice_type: front.practice_type,
            objective: front.objective,
            actors: front.actors,
            prerequisites: front.prerequisites,
            scenario: front.scenario,
            expected_results: front.expected_results,
            challenges: front.challenges,
            data_requirements: front.data_requirements,
            integrations: front.integrations,
            success_metrics: front.success_metrics,
            parliamentary_function: front.parliamentary_function,
            maturity: front.maturity,
            results_observed: front.results_observed,
            lessons: front.lessons,
            what_failed: front.what_failed,
            risk_level: front.risk_level,
            safeguards: front.safeguards,
            contact_role: front.contact_role,
        }
    }

    /// The front matter of a signed body.
    pub fn of(kind: u32, publication: &schema::Publication) -> FrontMatter {
        let body = publication.clone();
        let law = body.law_summary.unwrap_or_default();
        let practice = body.good_practice.unwrap_or_default();
        FrontMatter {
            kind: vocabulary::kind_slug(kind).to_owned(),
            language: body.language,
            title: body.title,
            slug: body.slug,
            jurisdiction: body.jurisdiction,
            topics: body.topics,
            keywords: body.keywords,
            licence: body.licence,
            valid_as_of: body.valid_as_of,
            sources: body.sources.into_iter().map(Source::of).collect(),
            identifiers: body
                .identifiers
                .into_iter()
                .map(|id| Identifier { scheme: id.scheme, value: id.value })
                .collect(),
            relations: body.relations.into_iter().map(|to| Relation { rel: to.rel, target: to.target }).collect(),
            assistance: body.assistance.into_iter().map(|item| (item.field, item.level)).collect(),
            official_title: law.official_title,
            short_title: law.short_title,
            instrument_type: law.instrument_type,
            legal_status: law.legal_status,
            bindingness: law.bindingness,
            authority: law.authority,
            stage_history: law
                .stage_history
                .into_iter()
                .map(|stage| Stage { status: stage.status, date: stage.date, note: stage.note })
                .collect(),
            dates: law.dates.map(|dates| Dates {
                introduced: dates.introduced,
                adopted: dates.adopted,
                assented: dates.assented,
                published: dates.published,
                in_force: dates.in_force,
                applies: dates.applies,
                repealed: dates.repealed,
            }),
            summary_short: law.summary_short,
            key_provisions: law
                .key_provisions
                .into_iter()
                .map(|item| Provision { reference: item.r#ref, text: item.text })
                .collect(),
            obligations: law
                .obligations
                .into_iter()
                .map(|item| Obligation { who: item.who, must: item.must, by: item.by })
                .collect(),
            definition_ai: law.definition_ai,
            risk_approach: law.risk_approach,
            applies_to: law.applies_to,
            enforcement: law.enforcement.map(|item| Enforcement { body: item.body, penalties: item.penalties }),
            redress: law.redress,
            gender_impact: law.gender_impact,
            practice_type: practice.practice_type,
            objective: practice.objective,
            actors: practice.actors,
            prerequisites: practice.prerequisites,
            scenario: practice.scenario,
            expected_results: practice.expected_results,
            challenges: practice.challenges,
            data_requirements: practice.data_requirements,
            integrations: practice.integrations,
            success_metrics: practice.success_metrics,
            parliamentary_function: practice.parliamentary_function,
            maturity: practice.maturity,
            results_observed: practice.results_observed,
            lessons: practice.lessons,
            what_failed: practice.what_failed,
            risk_level: practice.risk_level,
            safeguards: practice.safeguards,
            contact_role: practice.contact_role,
        }
    }

    /// Every text a reader might search for, besides title and text.
    pub fn words(&self) -> String {
        let mut words: Vec<&str> = vec![
            &self.summary_short,
            &self.official_title,
            &self.short_title,
            &self.authority,
            &self.definition_ai,
            &self.redress,
            &self.gender_impact,
            &self.objective,
            &self.results_observed,
            &self.lessons,
            &self.what_failed,
            &self.contact_role,
        ];
        let lists = [
            &self.keywords,
            &self.actors,
            &self.prerequisites,
            &self.scenario,
            &self.expected_results,
            &self.challenges,
            &self.data_requirements,
            &self.integrations,
            &self.success_metrics,
            &self.safeguards,
        ];
        words.extend(lists.into_iter().flatten().map(String::as_str));
        words.extend(self.key_provisions.iter().flat_map(|item| [item.reference.as_str(), item.text.as_str()]));
        words.extend(self.obligations.iter().flat_map(|item| [item.who.as_str(), item.must.as_str()]));
        words.extend(self.enforcement.iter().flat_map(|item| [item.body.as_str(), item.penalties.as_str()]));
        words.extend(self.stage_history.iter().map(|stage| stage.note.as_str()));
        words.extend(self.sources.iter().map(|source| source.title.as_str()));
        words.extend(self.identifiers.iter().map(|id| id.value.as_str()));
        words.retain(|text| !text.is_empty());
        words.join("\n")
    }
}

impl Source {
    fn into_wire(self) -> schema::Source {
        schema::Source {
            url: self.url,
            title: self.title,
            official: self.official,
            language: self.language,
            retrieved: self.retrieved,
        }
    }

    fn of(wire: schema::Source) -> Source {
        Source {
            url: wire.url,
            title: wire.title,
            official: wire.official,
            language: wire.language,
            retrieved: wire.retrieved,
        }
    }
}

/// The kinds that can be written as a file so far.
pub const WRITABLE: &[Kind] = &[Kind::LawSummary, Kind::GoodPractice];
