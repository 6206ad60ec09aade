//! The words a document may use where readers want to filter and compare: kinds, topics, statuses and the other closed lists. What
//! people call them is in `labels.rs`.
//!
//! Checked when publishing, never when receiving. A word may be added here, never renamed: it stands in signed records.

use proto::schema::Kind;

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
    KINDS.iter().find(|(name, _)| *name == slug).map(|(_, kind)| *kind)
}

/// The slug of a kind's number; that of a newer Comity is `unknown`.
pub fn kind_slug(number: u32) -> &'static str {
    KINDS.iter().find(|(_, kind)| *kind as u32 == number).map_or("unknown", |(name, _)| name)
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
