//! The words a document may use where readers want to filter and compare: kinds, topics, statuses and the other closed lists.
//!
//! Checked when publishing, never when receiving. A word may be added here, never renamed: it stands in signed records.

use proto::schema::Kind;

/// Kinds of publication: slug, number, label.
pub const KINDS: &[(&str, Kind, &str)] = &[
    ("law-summary", Kind::LawSummary, "Law summary"),
    ("good-practice", Kind::GoodPractice, "Good practice"),
    ("request", Kind::Request, "Request"),
    ("reply", Kind::Reply, "Reply"),
    ("synthesis", Kind::Synthesis, "Synthesis"),
    ("training", Kind::Training, "Training programme"),
    ("body", Kind::Body, "Specialised body"),
    ("dialogue", Kind::Dialogue, "Policy dialogue"),
    ("solution", Kind::Solution, "Reusable solution"),
    ("action", Kind::Action, "Parliamentary action"),
    ("translation", Kind::Translation, "Translation"),
    ("adoption", Kind::Adoption, "Adoption report"),
    ("correction", Kind::Correction, "Correction"),
    ("withdrawal", Kind::Withdrawal, "Withdrawal"),
];

/// Topics: slug, label, and the clauses of the resolution they stand for (`p`: its preamble).
pub const TOPICS: &[(&str, &str, &str)] = &[
    ("intl-cooperation", "International cooperation", "1 25"),
    ("digital-divide", "Digital divide", "2 1"),
    ("global-south-inclusion", "Inclusion of the Global South", "3"),
    ("legal-frameworks", "Legal frameworks", "4 5"),
    ("transparency-accountability", "Transparency and accountability", "5 22"),
    ("redress-liability", "Redress and liability", "5"),
    ("legislative-review", "Review of legislation", "6"),
    ("state-sovereignty", "State sovereignty", "6"),
    ("gender-based-violence", "Gender-based violence", "7 10"),
    ("women-in-stem", "Women in science and technology", "8"),
    ("bias-discrimination", "Bias and discrimination", "9"),
    ("deepfakes-intimate-images", "Deepfakes and intimate images", "10"),
    ("hate-speech-incitement", "Hate speech and incitement", "10 7"),
    ("content-provenance", "Provenance of content", "11"),
    ("privacy-data-protection", "Privacy and data protection", "11 18 23"),
    ("linguistic-cultural-diversity", "Linguistic and cultural diversity", "12"),
    ("debate-adaptive-policy", "Debate and adaptive policy", "13"),
    ("capacity-training", "Capacity and training", "14a 17"),
    ("specialized-bodies", "Specialised bodies", "14b"),
    ("policy-dialogue", "Policy dialogue", "14c"),
    ("knowledge-platforms", "Knowledge platforms", "14d"),
    ("parliament-own-use", "Parliament's own use", "14d 25"),
    ("labour-market", "Labour market", "15"),
    ("public-awareness", "Public awareness", "16"),
    ("ai-literacy-education", "AI literacy and education", "17"),
    ("surveillance-biometrics", "Surveillance and biometrics", "18"),
    ("data-model-openness", "Openness of data and models", "19"),
    ("independent-research", "Independent research", "20"),
    ("sustainable-rd", "Sustainable research and development", "21"),
    ("corporate-disclosure", "Corporate disclosure", "22"),
    ("ai-cybersecurity", "AI and cybersecurity", "23"),
    ("multilateral-processes", "Multilateral processes", "24"),
    ("disinformation-elections", "Disinformation and elections", "p"),
    ("children", "Children", "p"),
    ("disability-inclusion", "Inclusion of persons with disabilities", "p"),
    ("big-tech-influence", "Influence of large technology companies", "p"),
];

/// Legal statuses, each with what it means.
pub const LEGAL_STATUSES: &[(&str, &str)] = &[
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
pub const INSTRUMENT_TYPES: &[&str] = &[
    "constitution",
    "treaty",
    "convention",
    "act",
    "regulation-eu",
    "directive-eu",
    "delegated-regulation",
    "decree",
    "executive-order",
    "bill",
    "private-members-bill",
    "resolution",
    "motion",
    "standing-orders",
    "code-of-conduct",
    "strategy",
    "policy",
    "guideline",
    "standard",
    "court-decision",
    "regulator-guidance",
    "inquiry-report",
    "self-regulation",
    "other",
];
/// Whether it binds.
pub const BINDINGNESS: &[&str] = &["binding", "non-binding", "mixed"];
/// How it looks at risk.
pub const RISK_APPROACHES: &[&str] =
    &["risk-tiered", "rights-based", "sectoral", "principles", "prohibition-list", "none"];
/// Whom it addresses.
pub const APPLIES_TO: &[&str] =
    &["government", "private-sector", "developers", "deployers", "platforms", "parliament", "judiciary", "individuals"];
/// Kinds of practice.
pub const PRACTICE_TYPES: &[&str] = &["use-case", "case-study", "procedure", "policy", "tool"];
/// What a parliament does.
pub const FUNCTIONS: &[&str] = &[
    "legislation",
    "oversight",
    "representation",
    "administration",
    "library-research",
    "records-transcription",
    "public-engagement",
    "security",
];
/// How far a practice has come.
pub const MATURITIES: &[&str] = &["idea", "pilot", "in-use", "scaled", "retired"];
/// How risky a practice is.
pub const RISK_LEVELS: &[&str] = &["minimal", "limited", "high"];
/// How one work relates to another.
pub const RELATIONS: &[&str] =
    &["amends", "repeals", "implements", "transposes", "based-on", "evaluates", "adopted-from", "related"];
/// Schemes of identifiers.
pub const SCHEMES: &[&str] =
    &["eli", "akn", "celex", "ecli", "urn-lex", "doi", "ark", "gazette", "bill-no", "ipu-use-case"];
/// How far a machine wrote something.
pub const ASSISTANCE: &[&str] = &["none", "assisted-reviewed", "generated-reviewed", "generated-unreviewed"];

/// The kind of a slug.
pub fn kind(slug: &str) -> Option<Kind> {
    KINDS.iter().find(|(name, _, _)| *name == slug).map(|(_, kind, _)| *kind)
}

/// The slug of a kind's number; that of a newer Comity is `unknown`.
pub fn kind_slug(number: u32) -> &'static str {
    KINDS.iter().find(|(_, kind, _)| *kind as u32 == number).map_or("unknown", |(name, _, _)| name)
}

/// What people call a kind.
pub fn kind_label(slug: &str) -> &str {
    KINDS.iter().find(|(name, _, _)| *name == slug).map_or(slug, |(_, _, label)| label)
}

/// What people call a topic.
pub fn topic_label(slug: &str) -> &str {
    TOPICS.iter().find(|(name, _, _)| *name == slug).map_or(slug, |(_, label, _)| label)
}

/// What a legal status means, in one sentence.
pub fn status_meaning(slug: &str) -> Option<&'static str> {
    LEGAL_STATUSES.iter().find(|(name, _)| *name == slug).map(|(_, meaning)| *meaning)
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

/// Languages by the name their speakers use, as far as documents of parliaments are likely to use them.
const LANGUAGES: &[(&str, &str)] = &[
    ("ar", "العربية"),
    ("bg", "Български"),
    ("bn", "বাংলা"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("ga", "Gaeilge"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("hy", "Հայերեն"),
    ("id", "Bahasa Indonesia"),
    ("is", "Íslenska"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ka", "ქართული"),
    ("kk", "Қазақша"),
    ("km", "ខ្មែរ"),
    ("ko", "한국어"),
    ("lo", "ລາວ"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("mn", "Монгол"),
    ("ms", "Bahasa Melayu"),
    ("my", "မြန်မာ"),
    ("nb", "Norsk"),
    ("ne", "नेपाली"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("rm", "Rumantsch"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("si", "සිංහල"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("sq", "Shqip"),
    ("sr", "Српски"),
    ("sv", "Svenska"),
    ("sw", "Kiswahili"),
    ("ta", "தமிழ்"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ur", "اردو"),
    ("uz", "Oʻzbekcha"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
];

/// A language by the name its speakers use; the tag itself where it is not in the table.
pub fn language_name(tag: &str) -> String {
    let (primary, region) = tag.split_once('-').map_or((tag, None), |(primary, region)| (primary, Some(region)));
    let name = LANGUAGES.iter().find(|(code, _)| *code == primary).map_or(primary, |(_, name)| name);
    region.map_or_else(|| name.to_owned(), |region| format!("{name} ({region})"))
}
