//! The front matter of a document: the YAML that a person writes and the JSON that a script reads, and its way into the
//! protobuf body that is signed and back.
//!
//! One struct holds the keys of every kind; `forms.rs` says which belong to which, and what may be in them.

mod described;
mod parts;
mod wire;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use parts::{Answer, Citation, Dates, Enforcement, Identifier, Obligation, Provision, Relation, Source, Stage};

/// All keys there are. What is empty is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FrontMatter {
    /// `law-summary`, `good-practice` ..
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
    /// The work it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<Citation>,
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
    /// How it went through parliament.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parliamentary_process: String,
    /// Another collection's words for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where its text is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub full_text_url: String,
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
    /// About what it costs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cost_band: String,
    /// How much of whose time it takes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub staff_time: String,
    /// Who delivers it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suppliers: Vec<String>,
    /// Where its code is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code_url: String,
    /// What a request asks.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub question: String,
    /// Its parts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub questions: Vec<String>,
    /// Why it is asked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub background: String,
    /// A day.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub deadline: String,
    /// Members' codes; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addressed_to: Vec<String>,
    /// BCP-47.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub languages_accepted: Vec<String>,
    /// Part by part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answer>,
    /// There is nothing of the kind here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub none_applicable: bool,
    /// The replies that a synthesis rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cites: Vec<Citation>,
    /// What they come to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub level: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Of a training programme.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u32>,
    /// What it teaches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub syllabus: Vec<String>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub materials: Vec<String>,
    /// Who gives it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub provider: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub starts: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub ends: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body_type: String,
    /// In the IPU Parline pattern.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub chamber: String,
    /// What a body is charged with.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mandate: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub dissolved: String,
    /// Of a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_count: Option<u32>,
    /// Addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reports: Vec<String>,
    /// Who took part.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stakeholders: Vec<String>,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub held_on: String,
    /// What came of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    /// Who held it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organisers: Vec<String>,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub solution_type: String,
    /// Where it is to be had.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// SPDX.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code_licence: String,
    /// Where it is used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub used_in: Vec<String>,
    /// What it needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub action_type: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub done_on: String,
    /// Which body or role.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub led_by: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub method: String,
    /// A role, never a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub translator_role: String,
    /// What translated.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Of that.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool_version: String,
    /// A role, never a name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reviewed_by_role: String,
    /// Partial date.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reviewed_at: String,
    /// A word of the vocabulary.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decision: String,
    /// What was changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub adaptations: Vec<String>,
    /// Fields in which there is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub concerns: Vec<String>,
    /// The error.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_is_wrong: String,
    /// What would be right.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub what_is_right: String,
}

impl FrontMatter {
    /// The keys that say something, with what they say.
    pub fn keys(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => keys,
            // Texts, numbers and lists of them always become JSON.
            _ => Map::new(),
        }
    }

    /// What a list shows first: what the document is about in a few sentences.
    pub fn lead(&self) -> &str {
        let leads = [
            &self.summary_short,
            &self.objective,
            &self.question,
            &self.mandate,
            &self.outcome,
            &self.results_observed,
            &self.what_is_wrong,
        ];
        leads.into_iter().find(|lead| !lead.is_empty()).map_or("", String::as_str)
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
            &self.parliamentary_process,
            &self.question,
            &self.background,
            &self.provider,
            &self.mandate,
            &self.outcome,
            &self.led_by,
            &self.what_is_wrong,
            &self.what_is_right,
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
            &self.suppliers,
            &self.tags,
            &self.questions,
            &self.findings,
            &self.syllabus,
            &self.stakeholders,
            &self.organisers,
            &self.used_in,
            &self.requirements,
            &self.adaptations,
        ];
        words.extend(lists.into_iter().flatten().map(String::as_str));
        words.extend(self.key_provisions.iter().flat_map(|item| [item.reference.as_str(), item.text.as_str()]));
        words.extend(self.obligations.iter().flat_map(|item| [item.who.as_str(), item.must.as_str()]));
        words.extend(self.enforcement.iter().flat_map(|item| [item.body.as_str(), item.penalties.as_str()]));
        words.extend(self.stage_history.iter().map(|stage| stage.note.as_str()));
        words.extend(self.answers.iter().flat_map(|item| [item.question.as_str(), item.answer.as_str()]));
        words.extend(self.sources.iter().map(|source| source.title.as_str()));
        words.extend(self.identifiers.iter().map(|id| id.value.as_str()));
        words.retain(|text| !text.is_empty());
        words.join("\n")
    }
}
