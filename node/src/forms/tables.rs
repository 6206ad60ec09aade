//! The tables: keys of all kinds, then of each. Words are defined in `vocabulary.rs`.

use proto::schema::Kind;

use super::{Form, Key, Need, Shape};
use crate::vocabulary as words;

const fn must(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, need: Need::Must, shape, many: false, help }
}

const fn should(name: &'static str, shape: Shape, help: &'static str, why: &'static str) -> Key {
    Key { name, need: Need::Should(why), shape, many: false, help }
}

const fn may(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, need: Need::May, shape, many: false, help }
}

const fn list(name: &'static str, shape: Shape, help: &'static str) -> Key {
    Key { name, need: Need::May, shape, many: true, help }
}

const fn wanted(name: &'static str, shape: Shape, help: &'static str, why: &'static str) -> Key {
    Key { name, need: Need::Should(why), shape, many: true, help }
}

const LEAD: &str = "lists show it";

/// Keys of every kind.
pub const COMMON: &[Key] = &[
    must("kind", Shape::Line, "What kind of document this is."),
    must("language", Shape::Language, "Language of every text here, as a tag: en, pt-BR, zh-Hans."),
    must("title", Shape::Line, "What readers see in lists, in that language."),
    may("slug", Shape::Slug, "The work's name for ever, below your code; the file's name where it is left out."),
    may("jurisdiction", Shape::Jurisdiction, "Where it applies: KR, US-CO, EU, COE or UN."),
    wanted("topics", Shape::Topic, "What it is about.", "people filter by them"),
    list("keywords", Shape::Line, "Free words, in the document's language."),
    may("licence", Shape::Line, "SPDX identifier; CC-BY-4.0 where it is left out."),
    should(
        "valid_as_of",
        Shape::Date,
        "The day up to which you know it to be right; readers see how long ago that is.",
        "readers cannot tell how old it is",
    ),
    wanted("sources", Shape::Parts(SOURCE), "What it rests on.", "readers trust what they can look up"),
    list("identifiers", Shape::Parts(IDENTIFIER), "What others call it."),
    list("relations", Shape::Parts(RELATION), "Other works, and what this one is to them; the other shows it too."),
    should(
        "assistance",
        Shape::Assistance,
        "How far a machine wrote it: of `all`, of `text`, or of single keys.",
        "readers cannot tell whether a machine helped to write it; add `assistance: {all: none}` if none did",
    ),
];

const SOURCE: &[Key] = &[
    may("url", Shape::Url, "Its address."),
    may("title", Shape::Line, "Its title."),
    may("official", Shape::Flag, "Whether it is the gazette or the authority itself."),
    may("language", Shape::Language, "Its language."),
    may("retrieved", Shape::Date, "When you read it."),
];
const IDENTIFIER: &[Key] = &[
    must("scheme", Shape::Word(words::SCHEMES), "Whose identifier it is."),
    must("value", Shape::Line, "The identifier."),
];
const RELATION: &[Key] = &[
    must("rel", Shape::Word(words::RELATIONS), "What this work is to the other."),
    must("target", Shape::Line, "CODE/slug, or an address."),
];

const LAW_SUMMARY: &[Key] = &[
    may("official_title", Shape::Text, "Its name in full, in its own language."),
    may("short_title", Shape::Line, "What it is called for short."),
    may("instrument_type", Shape::Word(words::INSTRUMENT_TYPES), "What kind of instrument it is."),
    should("legal_status", Shape::Word(words::LEGAL_STATUSES), "Where it stands.", "people filter by it"),
    may("bindingness", Shape::Word(words::BINDINGNESS), "Whether it binds."),
    may("authority", Shape::Line, "Who passed it, or is to."),
    list("stage_history", Shape::Parts(STAGE), "How it came to its status, oldest first."),
    may("dates", Shape::Parts(LAW_DATES), "Partial dates."),
    should("summary_short", Shape::Text, "At most 100 words.", LEAD),
    list("key_provisions", Shape::Parts(PROVISION), "What matters most in it."),
    list("obligations", Shape::Parts(OBLIGATION), "Who must do what by when."),
    may("definition_ai", Shape::Text, "What it calls artificial intelligence."),
    may("risk_approach", Shape::Word(words::RISK_APPROACHES), "How it looks at risk."),
    list("applies_to", Shape::Word(words::APPLIES_TO), "Whom it addresses."),
    may("enforcement", Shape::Parts(ENFORCEMENT), "Who sees to it, and what it can cost."),
    may("redress", Shape::Text, "What those affected can do."),
    may("gender_impact", Shape::Text, "What it means for women and men."),
    may("parliamentary_process", Shape::Text, "Committees, hearings and amendments."),
    list("tags", Shape::Line, "Another collection's words for it, as they are there."),
    may("full_text_url", Shape::Url, "Where its text is."),
];
const STAGE: &[Key] = &[
    must("status", Shape::Word(words::LEGAL_STATUSES), "Where it stood."),
    may("date", Shape::Date, "Since when."),
    may("note", Shape::Text, "What happened."),
];
const LAW_DATES: &[Key] = &[
    may("introduced", Shape::Date, "Laid before parliament."),
    may("adopted", Shape::Date, "Agreed to."),
    may("assented", Shape::Date, "Signed."),
    may("published", Shape::Date, "In the gazette."),
    may("in_force", Shape::Date, "It became law."),
    may("applies", Shape::Date, "It has to be obeyed."),
    may("repealed", Shape::Date, "It ended."),
];
const PROVISION: &[Key] = &[may("ref", Shape::Line, "Article or section."), must("text", Shape::Text, "What it says.")];
const OBLIGATION: &[Key] = &[
    may("who", Shape::Line, "Whom it binds."),
    must("must", Shape::Text, "To what."),
    may("by", Shape::Date, "By when."),
];
const ENFORCEMENT: &[Key] =
    &[may("body", Shape::Line, "Who sees to it."), may("penalties", Shape::Text, "What it can cost.")];

const CONTACT: Key = may("contact_role", Shape::Line, "Whom to ask: a role, never a person's name.");

const GOOD_PRACTICE: &[Key] = &[
    may("practice_type", Shape::Word(words::PRACTICE_TYPES), "What kind of practice it is."),
    should("objective", Shape::Text, "What it is for.", LEAD),
    list("actors", Shape::Line, "Who takes part."),
    list("prerequisites", Shape::Text, "What has to be there first."),
    list("scenario", Shape::Text, "Step by step."),
    list("expected_results", Shape::Text, "What should come of it."),
    list("challenges", Shape::Text, "What is hard."),
    list("data_requirements", Shape::Text, "What data it needs."),
    list("integrations", Shape::Text, "What it is connected to."),
    list("success_metrics", Shape::Text, "How one knows that it works."),
    may("parliamentary_function", Shape::Word(words::FUNCTIONS), "Which work of parliament it serves."),
    may("maturity", Shape::Word(words::MATURITIES), "How far it has come."),
    may("results_observed", Shape::Text, "What came of it."),
    may("lessons", Shape::Text, "What was learned."),
    may("what_failed", Shape::Text, "What did not work."),
    may("risk_level", Shape::Word(words::RISK_LEVELS), "What an error can do."),
    list("safeguards", Shape::Text, "What keeps it safe: a human check, an appeal, tests, monitoring."),
    may("cost_band", Shape::Line, "About what it costs."),
    may("staff_time", Shape::Line, "How much of whose time it takes."),
    list("suppliers", Shape::Line, "Who delivers it."),
    may("code_url", Shape::Url, "Where its code is."),
    CONTACT,
];

const REQUEST: &[Key] = &[
    must("question", Shape::Text, "What you ask, in one or two sentences."),
    list("questions", Shape::Text, "Its parts, each to be answered on its own."),
    may("background", Shape::Text, "Why you ask, and what you know already."),
    should("deadline", Shape::Day, "The day until which answers help.", "nobody can tell until when an answer helps"),
    list("addressed_to", Shape::Code, "Codes of the members you ask; all where it is left out."),
    list("languages_accepted", Shape::Language, "Languages in which you can read answers."),
    CONTACT,
];

const REPLY: &[Key] = &[
    must("about", Shape::Work, "The request that you answer."),
    list("answers", Shape::Parts(ANSWER), "Part by part, where the request has parts."),
    may("none_applicable", Shape::Flag, "Whether there is nothing of the kind in your country."),
    CONTACT,
];
const ANSWER: &[Key] = &[
    may("question", Shape::Text, "The part's number, or its words."),
    must("answer", Shape::Text, "Your answer to it."),
];

const SYNTHESIS: &[Key] = &[
    must("about", Shape::Work, "Your request that it sums up."),
    wanted("cites", Shape::Work, "The replies it rests on.", "readers trust what they can look up"),
    list("findings", Shape::Text, "What the replies come to, a sentence each."),
];

const TRAINING: &[Key] = &[
    should("audience", Shape::Word(words::AUDIENCES), "For whom it is.", "people filter by it"),
    may("level", Shape::Word(words::LEVELS), "What it builds on."),
    may("format", Shape::Word(words::TRAINING_FORMATS), "How it is given."),
    may("hours", Shape::Count, "How long it takes, in hours."),
    list("syllabus", Shape::Text, "What it teaches, part by part."),
    list("materials", Shape::Url, "Where its materials are."),
    may("provider", Shape::Line, "Who gives it."),
    may("starts", Shape::Date, "When it begins, or began."),
    may("ends", Shape::Date, "When it ends, or ended."),
    CONTACT,
];

const BODY: &[Key] = &[
    should("body_type", Shape::Word(words::BODY_TYPES), "What kind of body it is.", "people filter by it"),
    may("chamber", Shape::Code, "Its chamber, by its code: KE-LC01."),
    should("mandate", Shape::Text, "What it is charged with.", LEAD),
    may("created", Shape::Date, "Since when it exists."),
    may("dissolved", Shape::Date, "When it ended."),
    may("members_count", Shape::Count, "How many sit on it."),
    list("reports", Shape::Url, "Where its reports are."),
    CONTACT,
];

const DIALOGUE: &[Key] = &[
    may("format", Shape::Word(words::DIALOGUE_FORMATS), "How it was held."),
    list("stakeholders", Shape::Line, "Who took part: kinds of people or organisations."),
    should("held_on", Shape::Date, "When it was held.", "readers cannot tell when that was"),
    should("outcome", Shape::Text, "What came of it.", LEAD),
    list("organisers", Shape::Line, "Who held it."),
];

const SOLUTION: &[Key] = &[
    may("solution_type", Shape::Word(words::SOLUTION_TYPES), "What kind of solution it is."),
    should("repository", Shape::Url, "Where it is to be had.", "nobody can fetch it"),
    should(
        "code_licence",
        Shape::Line,
        "SPDX identifier of the solution's licence.",
        "nobody can tell what is allowed",
    ),
    list("used_in", Shape::Line, "Where it is used: codes of members, or names."),
    list("requirements", Shape::Text, "What it needs to run."),
    may("maturity", Shape::Word(words::MATURITIES), "How far it has come."),
    may("parliamentary_function", Shape::Word(words::FUNCTIONS), "Which work of parliament it serves."),
    CONTACT,
];

const ACTION: &[Key] = &[
    must("action_type", Shape::Word(words::ACTION_TYPES), "What kind of action it was."),
    may("chamber", Shape::Code, "Whose, by its code: KE-LC01."),
    should("done_on", Shape::Date, "When.", "readers cannot tell when that was"),
    may("led_by", Shape::Line, "Which body or role led it."),
    may("outcome", Shape::Text, "What came of it."),
];

const TRANSLATION: &[Key] = &[
    must("about", Shape::Work, "The version that it translates: CODE/slug@2."),
    must("method", Shape::Word(words::METHODS), "How it came to be."),
    should("summary_short", Shape::Text, "The short summary in this language, at most 100 words.", LEAD),
    may("translator_role", Shape::Line, "Who translated: a role, never a person's name."),
    may("tool", Shape::Line, "What translated, where a machine did."),
    may("tool_version", Shape::Line, "Which version of that."),
    may("reviewed_by_role", Shape::Line, "Who reviewed it: a role, never a person's name."),
    may("reviewed_at", Shape::Date, "When it was reviewed."),
];

const ADOPTION: &[Key] = &[
    must("about", Shape::Work, "The practice or solution that you tried."),
    must("decision", Shape::Word(words::DECISIONS), "What you decided."),
    may("starts", Shape::Date, "Since when you tried it."),
    may("ends", Shape::Date, "Until when."),
    list("adaptations", Shape::Text, "What you changed."),
    should("results_observed", Shape::Text, "What came of it.", LEAD),
    may("lessons", Shape::Text, "What you learned."),
    may("what_failed", Shape::Text, "What did not work."),
    CONTACT,
];

const CORRECTION: &[Key] = &[
    must("about", Shape::Work, "The version in which there is an error: CODE/slug@2."),
    must("what_is_wrong", Shape::Text, "The error."),
    may("what_is_right", Shape::Text, "What would be right."),
    list("concerns", Shape::Field, "The keys in which it is, or `text`."),
];

/// Every kind that is written as a file.
pub const FORMS: &[Form] = &[
    Form { kind: Kind::LawSummary, help: "A law, bill or policy of any country, in your words.", keys: LAW_SUMMARY },
    Form {
        kind: Kind::GoodPractice,
        help: "How a parliament uses artificial intelligence, so that another can do likewise.",
        keys: GOOD_PRACTICE,
    },
    Form { kind: Kind::Request, help: "A question to other parliaments.", keys: REQUEST },
    Form { kind: Kind::Reply, help: "An answer to another parliament's request.", keys: REPLY },
    Form { kind: Kind::Synthesis, help: "What the asker makes of the replies.", keys: SYNTHESIS },
    Form { kind: Kind::Training, help: "A training programme for members or staff.", keys: TRAINING },
    Form { kind: Kind::Body, help: "A body of parliament that deals with the matter.", keys: BODY },
    Form { kind: Kind::Dialogue, help: "A policy dialogue that was held.", keys: DIALOGUE },
    Form { kind: Kind::Solution, help: "Something that other parliaments can take over as it is.", keys: SOLUTION },
    Form { kind: Kind::Action, help: "What a parliament did about artificial intelligence.", keys: ACTION },
    Form { kind: Kind::Translation, help: "A version of a work in another language.", keys: TRANSLATION },
    Form { kind: Kind::Adoption, help: "You tried another's practice: how it went.", keys: ADOPTION },
    Form {
        kind: Kind::Correction,
        help: "A notice of an error in a work, shown beside it and never over it; anyone may publish one.",
        keys: CORRECTION,
    },
];
