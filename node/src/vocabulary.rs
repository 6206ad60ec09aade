//! The words a document may use where readers want to filter and compare: kinds, topics, statuses and the other closed lists. What
//! people call them is in `labels.rs`.
//!
//! Checked when publishing, never when receiving. A word may be added here, never renamed: it stands in signed records.

use proto::schema::Kind;

/// A closed list: each word with what it means, in one sentence.
pub type Words = &'static [(&'static str, &'static str)];

/// Kinds of publication: slug and number.
pub const KINDS: &[(&str, Kind)] = &[
    ("law-summary", Kind::LawSummary),
    ("good-practice", Kind::GoodPractice),
    ("request", Kind::Request),
    ("reply", Kind::Reply),
    ("synthesis", Kind::Synthesis),
    ("training", Kind::Training),
    ("body", Kind::Body),
    ("dialogue", Kind::Dialogue),
    ("solution", Kind::Solution),
    ("action", Kind::Action),
    ("translation", Kind::Translation),
    ("adoption", Kind::Adoption),
    ("correction", Kind::Correction),
    ("withdrawal", Kind::Withdrawal),
];

/// Topics: slug, and the clauses of the resolution they stand for (`p`: its preamble).
pub const TOPICS: &[(&str, &str)] = &[
    ("intl-cooperation", "1 25"),
    ("digital-divide", "2 1"),
    ("global-south-inclusion", "3"),
    ("legal-frameworks", "4 5"),
    ("transparency-accountability", "5 22"),
    ("redress-liability", "5"),
    ("legislative-review", "6"),
    ("state-sovereignty", "6"),
    ("gender-based-violence", "7 10"),
    ("women-in-stem", "8"),
    ("bias-discrimination", "9"),
    ("deepfakes-intimate-images", "10"),
    ("hate-speech-incitement", "10 7"),
    ("content-provenance", "11"),
    ("privacy-data-protection", "11 18 23"),
    ("linguistic-cultural-diversity", "12"),
    ("debate-adaptive-policy", "13"),
    ("capacity-training", "14a 17"),
    ("specialized-bodies", "14b"),
    ("policy-dialogue", "14c"),
    ("knowledge-platforms", "14d"),
    ("parliament-own-use", "14d 25"),
    ("labour-market", "15"),
    ("public-awareness", "16"),
    ("ai-literacy-education", "17"),
    ("surveillance-biometrics", "18"),
    ("data-model-openness", "19"),
    ("independent-research", "20"),
    ("sustainable-rd", "21"),
    ("corporate-disclosure", "22"),
    ("ai-cybersecurity", "23"),
    ("multilateral-processes", "24"),
    ("disinformation-elections", "p"),
    ("children", "p"),
    ("disability-inclusion", "p"),
    ("big-tech-influence", "p"),
];

/// Legal statuses.
pub const LEGAL_STATUSES: Words = &[
    ("announced", "A government or parliament said that it will come."),
    ("drafting", "A text is being written and not yet before parliament."),
    ("consultation", "A draft is open for comments."),
    ("introduced", "It was formally laid before parliament."),
    ("in-committee", "A committee is considering it."),
    ("passed-one-chamber", "One of two chambers agreed to it."),
    ("passed", "Parliament agreed to it."),
    ("awaiting-assent", "It was passed and waits for signature or promulgation."),
    ("adopted-not-in-force", "It is law, and does not apply yet."),
    ("in-force", "It applies."),
    ("partially-in-force", "Some of it applies."),
    ("suspended", "It was law and does not apply for now."),
    ("provisionally-applied", "It is applied before it is law."),
    ("rejected", "Parliament voted it down."),
    ("vetoed", "It was passed and refused assent."),
    ("withdrawn", "Its sponsor took it back."),
    ("lapsed", "It ended with the session or the legislature."),
    ("repealed", "A later act ended it."),
    ("superseded", "A later text took its place."),
    ("annulled", "A court ended it."),
    ("expired", "It ended on a day it named itself."),
];

/// Kinds of legal instrument.
pub const INSTRUMENT_TYPES: Words = &[
    ("constitution", "The highest law of a state, or an amendment of it."),
    ("treaty", "An agreement between states that binds them."),
    ("convention", "A treaty that is open for others to join."),
    ("act", "A law that a parliament made."),
    ("regulation-eu", "A law of the European Union that applies as it stands."),
    ("directive-eu", "A law of the European Union that its members bring into their own."),
    ("delegated-regulation", "Rules that an executive made under a law that allows it."),
    ("decree", "A rule of a head of state or of a government."),
    ("executive-order", "An order of a head of government to its administration."),
    ("bill", "A text before parliament that is to become an act."),
    ("private-members-bill", "A bill that members brought in, not the government."),
    ("resolution", "What a parliament or an organisation resolved, mostly without binding."),
    ("motion", "A proposal on which a chamber votes."),
    ("standing-orders", "The rules of a chamber for its own work."),
    ("code-of-conduct", "Rules of behaviour for members or staff."),
    ("strategy", "Aims of a government or a parliament, and how it means to reach them."),
    ("policy", "A course that an authority has decided on."),
    ("guideline", "Advice on how to act."),
    ("standard", "A technical norm of a standards body."),
    ("court-decision", "A judgment or an order of a court."),
    ("regulator-guidance", "How a regulator reads the law that it enforces."),
    ("inquiry-report", "What a committee or a commission found."),
    ("self-regulation", "Rules that an industry gave itself."),
    ("other", "None of these."),
];
/// Whether it binds.
pub const BINDINGNESS: Words = &[
    ("binding", "Whoever it addresses must obey it."),
    ("non-binding", "It recommends."),
    ("mixed", "Parts of it bind and parts recommend."),
];
/// How it looks at risk.
pub const RISK_APPROACHES: Words = &[
    ("risk-tiered", "What is asked grows with the risk of the use."),
    ("rights-based", "It starts from the rights of those affected."),
    ("sectoral", "It treats each field by itself."),
    ("principles", "It names principles and leaves the means open."),
    ("prohibition-list", "It forbids named uses."),
    ("none", "It does not speak of risk."),
];
/// Whom it addresses.
pub const APPLIES_TO: Words = &[
    ("government", "Public authorities."),
    ("private-sector", "Companies."),
    ("developers", "Those who make systems."),
    ("deployers", "Those who use systems on others."),
    ("platforms", "Services that carry what others post."),
    ("parliament", "Parliament, its members and its staff."),
    ("judiciary", "Courts and prosecutors."),
    ("individuals", "Everyone."),
];
/// Kinds of practice.
pub const PRACTICE_TYPES: Words = &[
    ("use-case", "What a system is used for, step by step."),
    ("case-study", "How one parliament went about it."),
    ("procedure", "How something is done in a parliament."),
    ("policy", "What a parliament allows itself and what not."),
    ("tool", "A system, and what it does."),
];
/// What a parliament does.
pub const FUNCTIONS: Words = &[
    ("legislation", "Making law."),
    ("oversight", "Holding the government to account."),
    ("representation", "Speaking for voters and with them."),
    ("administration", "Running the house."),
    ("library-research", "Finding and preparing what members need to know."),
    ("records-transcription", "Writing down what was said and decided."),
    ("public-engagement", "Informing the public and hearing it."),
    ("security", "Protecting people, buildings and systems."),
];
/// How far a practice or a solution has come.
pub const MATURITIES: Words = &[
    ("idea", "Nothing was built yet."),
    ("pilot", "Some try it, for a time."),
    ("in-use", "It is part of the daily work of some."),
    ("scaled", "It is part of the daily work of all whom it concerns."),
    ("retired", "It was in use and is not any more."),
];
/// How risky a practice is.
pub const RISK_LEVELS: Words = &[
    ("minimal", "An error costs a little time."),
    ("limited", "An error misleads, and is noticed."),
    ("high", "An error harms people, rights or the vote."),
];
/// For whom a training programme is.
pub const AUDIENCES: Words = &[
    ("members", "Members of parliament."),
    ("staff", "Those who work for parliament or for members."),
    ("members-and-staff", "Both."),
    ("public", "Anyone."),
];
/// What a training programme builds on.
pub const LEVELS: Words = &[
    ("introductory", "Nothing has to be known."),
    ("intermediate", "Who has used such systems can follow."),
    ("advanced", "Who works with such systems can follow."),
];
/// How a training programme is given.
pub const TRAINING_FORMATS: Words = &[
    ("in-person", "All are in one room."),
    ("online", "All are on a line at one time."),
    ("hybrid", "Some are in the room, some on a line."),
    ("self-paced", "Everyone alone, at a time of one's own."),
];
/// Kinds of specialised body.
pub const BODY_TYPES: Words = &[
    ("committee", "A committee of a chamber or of both."),
    ("subcommittee", "A part of a committee."),
    ("inquiry-committee", "A committee that ends with its report."),
    ("caucus", "A group of members across parties."),
    ("working-group", "Members or staff, for one task."),
    ("commission", "Members and others, by law or decision."),
    ("office", "A permanent service of parliament."),
    ("other", "None of these."),
];
/// How a policy dialogue is held.
pub const DIALOGUE_FORMATS: Words = &[
    ("conference", "Many, over one or more days."),
    ("round-table", "Few, all of whom speak."),
    ("workshop", "Participants work on something together."),
    ("public-consultation", "Anyone may say something, mostly in writing."),
    ("citizens-assembly", "Citizens chosen by lot deliberate."),
    ("study-visit", "A delegation visits another parliament."),
    ("summit", "Heads of parliaments or governments meet."),
    ("other", "None of these."),
];
/// Kinds of reusable solution.
pub const SOLUTION_TYPES: Words = &[
    ("software", "A program that one runs oneself."),
    ("service", "Something that somebody else runs."),
    ("model", "A trained model."),
    ("dataset", "Data to train, test or work with."),
    ("standard", "A format or a schema."),
    ("template", "A text to fill in: a contract, a clause, a policy."),
];
/// What a parliament did, in the kinds of the IPU's tracker.
pub const ACTION_TYPES: Words = &[
    ("bill", "A bill was brought in or passed."),
    ("legislative-review", "Existing law was examined."),
    ("report", "A report was published."),
    ("resolution", "A chamber resolved something."),
    ("inquiry", "A committee inquires, or inquired."),
    ("working-group", "A group was set up."),
    ("hearing", "Witnesses or experts were heard."),
    ("debate", "A chamber debated."),
    ("question", "Members asked the government."),
];
/// How a translation came to be.
pub const METHODS: Words = &[
    ("original", "No translation: it was drawn up in this language as well."),
    ("official", "An authority answers for it."),
    ("human", "A person translated it."),
    ("machine-postedited", "A machine translated it and a person corrected it."),
    ("machine-raw", "A machine translated it and nobody has read it."),
    ("unknown", "Nobody knows."),
];
/// What another parliament decided after it had tried a practice.
pub const DECISIONS: Words = &[
    ("adopted", "It is used as it was described."),
    ("adapted", "It is used with changes."),
    ("trying", "It is being tried."),
    ("stopped", "It was tried and given up."),
    ("not-adopted", "It was examined and not tried."),
];
/// How one work relates to another.
pub const RELATIONS: Words = &[
    ("amends", "It changes the other."),
    ("repeals", "It ends the other."),
    ("implements", "It carries the other out."),
    ("transposes", "It brings the other into national law."),
    ("based-on", "It was made from the other."),
    ("evaluates", "It says how the other worked."),
    ("adopted-from", "It took the other over."),
    ("related", "Who reads one may want the other."),
];
/// What a work is called by one that names it: by a relation, or by what it is about.
const INVERSES: Words = &[
    ("amends", "amended by"),
    ("repeals", "repealed by"),
    ("implements", "implemented by"),
    ("transposes", "transposed by"),
    ("based-on", "basis of"),
    ("evaluates", "evaluated by"),
    ("adopted-from", "adopted by"),
    ("related", "related"),
    ("reply", "answered by"),
    ("synthesis", "summed up by"),
    ("translation", "translated as"),
    ("adoption", "tried by"),
    ("correction", "corrected by"),
    ("cites", "cited by"),
];
/// Schemes of identifiers.
pub const SCHEMES: Words = &[
    ("eli", "European Legislation Identifier."),
    ("akn", "Akoma Ntoso name (FRBR URI)."),
    ("celex", "Number in EUR-Lex."),
    ("ecli", "European Case Law Identifier."),
    ("urn-lex", "Uniform Resource Name for sources of law."),
    ("doi", "Digital Object Identifier."),
    ("ark", "Archival Resource Key."),
    ("gazette", "Number in an official gazette."),
    ("bill-no", "Number of a bill in its chamber."),
    ("ipu-use-case", "Number of an IPU use case."),
];
/// How far a machine wrote something.
pub const ASSISTANCE: Words = &[
    ("none", "A person wrote it."),
    ("assisted-reviewed", "A person wrote it with a machine's help, and answers for it."),
    ("generated-reviewed", "A machine wrote it, and a person has checked it."),
    ("generated-unreviewed", "A machine wrote it, and nobody has checked it."),
];

/// The kind of a slug.
pub fn kind(slug: &str) -> Option<Kind> {
    KINDS.iter().find(|(name, _)| *name == slug).map(|(_, kind)| *kind)
}

/// The slug of a kind's number; that of a newer Comity is `unknown`.
pub fn kind_slug(number: u32) -> &'static str {
    KINDS.iter().find(|(_, kind)| *kind as u32 == number).map_or("unknown", |(name, _)| name)
}

/// What a legal status means, in one sentence.
pub fn status_meaning(slug: &str) -> Option<&'static str> {
    meaning(LEGAL_STATUSES, slug)
}

/// What a work is called by one that names it; "named by" where a newer Comity knows.
pub fn inverse(rel: &str) -> &'static str {
    meaning(INVERSES, rel).unwrap_or("named by")
}

/// What a word of a list means.
pub fn meaning(words: Words, slug: &str) -> Option<&'static str> {
    words.iter().find(|(name, _)| *name == slug).map(|(_, meaning)| *meaning)
}

/// The word meant, where one is close: at most a third of its letters are wrong.
pub fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let best = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate)).min()?;
    (best.0 <= best.1.chars().count().max(3) / 3).then_some(best.1)
}

/// Levenshtein's distance, row by row.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().take(64).enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let value = (diagonal + usize::from(x != *y)).min(left + 1).min(*cell + 1);
            diagonal = *cell;
            (*cell, left) = (value, value);
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}
