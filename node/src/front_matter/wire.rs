//! The way of the front matter into the protobuf body that is signed, and back.
//!
//! Keys and fields have the same names; each list of them below is written once and serves both ways.

use proto::digest::Digest;
use proto::schema::{self, Kind};

use super::{
    Answer, Citation, Dates, Enforcement, FrontMatter, Identifier, Obligation, Provision, Relation, Source, Stage,
};
use crate::name::Name;
use crate::vocabulary;

/// From one side's shape of a value to the other's.
trait Carry<T> {
    fn carry(self) -> T;
}

macro_rules! as_it_is {
    ($($value:ty),*) => { $(impl Carry<$value> for $value { fn carry(self) -> $value { self } })* };
}

as_it_is!(String, bool);

impl<A: Carry<B>, B> Carry<Vec<B>> for Vec<A> {
    fn carry(self) -> Vec<B> {
        self.into_iter().map(Carry::carry).collect()
    }
}

impl<A: Carry<B>, B> Carry<Option<B>> for Option<A> {
    fn carry(self) -> Option<B> {
        self.map(Carry::carry)
    }
}

/// On the wire a number that is not said is 0.
impl Carry<u32> for Option<u32> {
    fn carry(self) -> u32 {
        self.unwrap_or_default()
    }
}

impl Carry<Option<u32>> for u32 {
    fn carry(self) -> Option<u32> {
        (self != 0).then_some(self)
    }
}

/// A part that has the same fields on both sides.
macro_rules! part {
    ($part:ident = $wire:ident { $($key:ident),* }) => {
        impl Carry<schema::$wire> for $part {
            fn carry(self) -> schema::$wire {
                schema::$wire { $($key: self.$key.carry()),* }
            }
        }
        impl Carry<$part> for schema::$wire {
            fn carry(self) -> $part {
                $part { $($key: self.$key.carry()),* }
            }
        }
    };
}

part!(Source = Source { url, title, official, language, retrieved });
part!(Identifier = Identifier { scheme, value });
part!(Relation = Relation { rel, target });
part!(Stage = Stage { status, date, note });
part!(Dates = LawDates { introduced, adopted, assented, published, in_force, applies, repealed });
part!(Obligation = Obligation { who, must, by });
part!(Enforcement = Enforcement { body, penalties });
part!(Answer = Answer { question, answer });

impl Carry<schema::Provision> for Provision {
    fn carry(self) -> schema::Provision {
        schema::Provision { r#ref: self.reference, text: self.text }
    }
}

impl Carry<Provision> for schema::Provision {
    fn carry(self) -> Provision {
        Provision { reference: self.r#ref, text: self.text }
    }
}

/// What is no name or no hex was refused by the check; here it is carried as far as it goes.
impl Carry<schema::Citation> for Citation {
    fn carry(self) -> schema::Citation {
        let name = Name::parse(&self.work);
        let version = name.as_ref().and_then(|name| name.version).unwrap_or_default();
        let work = name.map_or(self.work, |name| name.work);
        let entry = self.entry.parse::<Digest>().map(|digest| digest.as_bytes().to_vec()).unwrap_or_default();
        schema::Citation { work, version, entry }
    }
}

impl Carry<Citation> for schema::Citation {
    fn carry(self) -> Citation {
        let version = if self.version == 0 { String::new() } else { format!("@{}", self.version) };
        let entry = Digest::try_from(self.entry.as_slice()).map(|digest| digest.to_string()).unwrap_or_default();
        Citation { work: self.work + &version, entry }
    }
}

/// The message of a kind and the keys of the front matter that it holds.
trait Message {
    fn take(front: &FrontMatter) -> Self;
    fn give(self, front: &mut FrontMatter);
}

macro_rules! message {
    ($wire:ident { $($key:ident),* $(,)? }) => {
        impl Message for schema::$wire {
            fn take(front: &FrontMatter) -> Self {
                schema::$wire { $($key: front.$key.clone().carry()),* }
            }
            fn give(self, front: &mut FrontMatter) {
                $(front.$key = self.$key.carry();)*
            }
        }
    };
}

message!(LawSummary {
    official_title,
    short_title,
    instrument_type,
    legal_status,
    bindingness,
    authority,
    stage_history,
    dates,
    summary_short,
    key_provisions,
    obligations,
    definition_ai,
    risk_approach,
    applies_to,
    enforcement,
    redress,
    gender_impact,
    parliamentary_process,
    tags,
    full_text_url,
});
message!(GoodPractice {
    practice_type,
    objective,
    actors,
    prerequisites,
    scenario,
    expected_results,
    challenges,
    data_requirements,
    integrations,
    success_metrics,
    parliamentary_function,
    maturity,
    results_observed,
    lessons,
    what_failed,
    risk_level,
    safeguards,
    contact_role,
    cost_band,
    staff_time,
    suppliers,
    code_url,
});
message!(Request { question, questions, background, deadline, addressed_to, languages_accepted, contact_role });
message!(Reply { answers, none_applicable, contact_role });
message!(Synthesis { cites, findings });
message!(Training { audience, level, format, hours, syllabus, materials, provider, starts, ends, contact_role });
message!(SpecialisedBody { body_type, chamber, mandate, created, dissolved, members_count, reports, contact_role });
message!(Dialogue { format, stakeholders, held_on, outcome, organisers });
message!(Solution {
    solution_type,
    repository,
    code_licence,
    used_in,
    requirements,
    maturity,
    parliamentary_function,
    contact_role,
});
message!(Action { action_type, chamber, done_on, led_by, outcome });
message!(Translation { method, summary_short, translator_role, tool, tool_version, reviewed_by_role, reviewed_at });
message!(Adoption { decision, starts, ends, adaptations, results_observed, lessons, what_failed, contact_role });
message!(Correction { concerns, what_is_wrong, what_is_right });

impl FrontMatter {
    /// The body that is signed; salt, version and what it supersedes are filled in by publishing.
    pub fn to_publication(&self, text: String) -> schema::Publication {
        let front = self.clone();
        let assistance = front.assistance.into_iter();
        let mut publication = schema::Publication {
            slug: front.slug,
            language: front.language,
            title: front.title,
            text,
            jurisdiction: front.jurisdiction,
            topics: front.topics,
            keywords: front.keywords,
            licence: front.licence,
            valid_as_of: front.valid_as_of,
            sources: front.sources.carry(),
            identifiers: front.identifiers.carry(),
            relations: front.relations.carry(),
            assistance: assistance.map(|(field, level)| schema::Assistance { field, level }).collect(),
            about: front.about.carry(),
            ..schema::Publication::default()
        };
        match vocabulary::kind(&self.kind) {
            Some(Kind::LawSummary) => publication.law_summary = Some(Message::take(self)),
            Some(Kind::GoodPractice) => publication.good_practice = Some(Message::take(self)),
            Some(Kind::Request) => publication.request = Some(Message::take(self)),
            Some(Kind::Reply) => publication.reply = Some(Message::take(self)),
            Some(Kind::Synthesis) => publication.synthesis = Some(Message::take(self)),
            Some(Kind::Training) => publication.training = Some(Message::take(self)),
            Some(Kind::Body) => publication.body = Some(Message::take(self)),
            Some(Kind::Dialogue) => publication.dialogue = Some(Message::take(self)),
            Some(Kind::Solution) => publication.solution = Some(Message::take(self)),
            Some(Kind::Action) => publication.action = Some(Message::take(self)),
            Some(Kind::Translation) => publication.translation = Some(Message::take(self)),
            Some(Kind::Adoption) => publication.adoption = Some(Message::take(self)),
            Some(Kind::Correction) => publication.correction = Some(Message::take(self)),
            // Only what `forms.rs` knows is published; a withdrawal is written elsewhere.
            _ => {}
        }
        publication
    }

    /// What was signed, as a person would have written it.
    pub fn of(kind: u32, publication: &schema::Publication) -> FrontMatter {
        let publication = publication.clone();
        let mut front = FrontMatter {
            kind: vocabulary::kind_slug(kind).to_owned(),
            language: publication.language,
            title: publication.title,
            slug: publication.slug,
            jurisdiction: publication.jurisdiction,
            topics: publication.topics,
            keywords: publication.keywords,
            licence: publication.licence,
            valid_as_of: publication.valid_as_of,
            sources: publication.sources.carry(),
            identifiers: publication.identifiers.carry(),
            relations: publication.relations.carry(),
            assistance: publication.assistance.into_iter().map(|item| (item.field, item.level)).collect(),
            about: publication.about.carry(),
            ..FrontMatter::default()
        };
        give(publication.law_summary, &mut front);
        give(publication.good_practice, &mut front);
        give(publication.request, &mut front);
        give(publication.reply, &mut front);
        give(publication.synthesis, &mut front);
        give(publication.training, &mut front);
        give(publication.body, &mut front);
        give(publication.dialogue, &mut front);
        give(publication.solution, &mut front);
        give(publication.action, &mut front);
        give(publication.translation, &mut front);
        give(publication.adoption, &mut front);
        give(publication.correction, &mut front);
        front
    }
}

fn give(message: Option<impl Message>, front: &mut FrontMatter) {
    if let Some(message) = message {
        message.give(front);
    }
}
