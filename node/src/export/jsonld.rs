//! JSON-LD: schema.org for what a document is and PROV for where it comes from, with the IPTC's words for what a machine wrote.
//!
//! The context is in the file and made of full IRIs, so that whoever expands it asks nobody. A document is never said to be the
//! law that it sums up: it is a report `about` a `Legislation`, and its author is the parliament that signed it.

mod kinds;

use serde_json::{Map, Value, json};

use super::record::{Record, Snapshot};
use crate::front_matter::FrontMatter;
use crate::labels::{self, List};

/// IPTC's list of how far a machine made something.
const SOURCE_TYPES: &str = "http://cv.iptc.org/newscodes/digitalsourcetype/";

/// What the terms mean. What is not named here is schema.org's.
pub fn context() -> Value {
    let mut context = json!({
        "@vocab": "https://schema.org/",
        "prov": "http://www.w3.org/ns/prov#",
        "legislationLegalForce": {"@id": "https://schema.org/legislationLegalForce", "@type": "@vocab"},
    });
    for term in ["digitalSourceType", "isPartOf", "license", "sameAs", "url"] {
        context[term] = json!({"@id": format!("https://schema.org/{term}"), "@type": "@id"});
    }
    context
}

/// What comes before the first document: the context, and the snapshot as a data set.
pub fn head(snapshot: &Snapshot) -> String {
    let set = json!({
        "@id": set_iri(snapshot),
        "@type": "Dataset",
        "name": snapshot.name,
        "identifier": snapshot.frontier,
        "version": snapshot.frontier,
    });
    format!("{{\"@context\":{},\n\"@graph\":[\n{}", context(), plain(&set))
}

/// One document in a list that is not empty.
pub fn record(record: &Record<'_>) -> String {
    format!(",\n{}", plain(&node(record)))
}

/// One document that stands for itself.
pub fn alone(record: &Record<'_>) -> String {
    let mut node = node(record);
    node["@context"] = context();
    plain(&node) + "\n"
}

/// JSON that a page can have within a script: a text cannot end it.
fn plain(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// What the snapshot is called.
fn set_iri(snapshot: &Snapshot) -> String {
    format!("comity:{}#{}", snapshot.federation, snapshot.frontier)
}

/// A node of the graph; what is empty is left out.
#[derive(Default)]
struct Node(Map<String, Value>);

impl Node {
    fn put(&mut self, term: &str, value: impl Into<Value>) -> &mut Node {
        let value = value.into();
        let empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => false,
        };
        if !empty {
            self.0.insert(term.to_owned(), value);
        }
        self
    }

    /// More of a term that there may be already.
    fn add(&mut self, term: &str, values: Vec<Value>) {
        if values.is_empty() {
            return;
        }
        match self.0.get_mut(term) {
            Some(Value::Array(there)) => there.extend(values),
            _ => drop(self.0.insert(term.to_owned(), Value::Array(values))),
        }
    }
}

/// A document.
fn node(record: &Record<'_>) -> Value {
    let (snapshot, document, front) = (record.snapshot, record.document, &record.document.front_matter);
    let text = |text: &str| in_language(&front.language, text);
    let author = snapshot.iri(&document.provenance.member);
    let mut node = Node::default();
    node.put("@id", version_iri(record))
        .put("@type", types(&front.kind))
        .put("name", text(&front.title))
        .put("abstract", text(record.summary()))
        .put("text", text(&document.text))
        .put("encodingFormat", "text/markdown")
        .put("inLanguage", front.language.as_str())
        .put("version", document.version)
        .put("exampleOfWork", json!({"@id": snapshot.iri(&document.work)}))
        .put("isPartOf", set_iri(snapshot))
        .put(
            "author",
            json!({
                "@id": author, "@type": ["GovernmentOrganization", "prov:Agent"],
                "name": document.provenance.member_name, "identifier": document.provenance.member,
            }),
        )
        .put("datePublished", record.date().map(|(year, month, day)| format!("{year}-{month}-{day}")))
        .put("contentReferenceTime", front.valid_as_of.as_str())
        .put("license", licence(&front.licence))
        .put("keywords", front.keywords.iter().map(|word| text(word)).collect::<Vec<_>>())
        .put("spatialCoverage", place(&front.jurisdiction))
        .put("digitalSourceType", source_types(front))
        .put("additionalProperty", assistance(front))
        .put("isBasedOn", sources(front))
        .put("prov:wasAttributedTo", json!({"@id": author}));
    let mut identifiers =
        vec![property("comity", &record.document.citation), property("comity-entry", &document.provenance.digest)];
    let mut about: Vec<Value> = front.topics.iter().map(|slug| topic(slug)).collect();
    if front.kind == "law-summary" {
        about.push(legislation(record));
    } else {
        identifiers.extend(front.identifiers.iter().map(|id| property(&id.scheme, &id.value)));
    }
    about.extend(kinds::thing(record));
    node.put("identifier", identifiers).put("about", about);
    if let Some(reason) = &document.withdrawn {
        node.put("creativeWorkStatus", "Withdrawn").put("comment", json!({"@type": "Comment", "text": text(reason)}));
    }
    let before = document.versions.iter().filter(|version| version.version + 1 == document.version);
    let before =
        before.map(|version| json!({"@id": iri_of(snapshot, &document.work, version.version, &version.digest)}));
    node.put("prov:wasRevisionOf", before.collect::<Vec<_>>());
    relations(record, &mut node);
    kinds::works(record, &mut node);
    Value::Object(node.0)
}

/// What a kind is to schema.org.
fn types(kind: &str) -> Vec<&'static str> {
    let kind: &[&str] = match kind {
        "good-practice" => &["Report", "HowTo"],
        "request" => &["Question"],
        "reply" => &["Answer"],
        "adoption" => &["Review"],
        "correction" => &["CorrectionComment"],
        "translation" | "unknown" => &["CreativeWork"],
        _ => &["Report"],
    };
    [kind, &["prov:Entity"]].concat()
}

/// The law that a summary is of.
fn legislation(record: &Record<'_>) -> Value {
    let (document, front) = (record.document, &record.document.front_matter);
    let text = |text: &str| in_language(&front.language, text);
    let (title, dates) = (&front.official_title, front.dates.clone().unwrap_or_default());
    let mut law = Node::default();
    law.put("@id", law_iri(record.snapshot, &document.work))
        .put("@type", "Legislation")
        .put("name", text(if title.is_empty() { &front.title } else { title }))
        .put("alternateName", text(&front.short_title))
        .put("legislationIdentifier", front.identifiers.iter().map(|id| id.value.as_str()).collect::<Vec<_>>())
        .put("identifier", front.identifiers.iter().map(|id| property(&id.scheme, &id.value)).collect::<Vec<_>>())
        .put("sameAs", front.identifiers.iter().filter_map(|id| address(&id.value)).collect::<Vec<_>>())
        .put("legislationType", front.instrument_type.as_str())
        .put("legislationLegalForce", force(&front.legal_status))
        .put("creativeWorkStatus", front.legal_status.as_str())
        .put("legislationJurisdiction", place(&front.jurisdiction))
        .put("legislationDate", dates.adopted)
        .put("datePublished", dates.published)
        .put("legislationDateOfApplicability", dates.applies)
        .put("temporalCoverage", span(&dates.in_force, &dates.repealed));
    if !front.authority.is_empty() {
        law.put("legislationPassedBy", json!({"@type": "Organization", "name": text(&front.authority)}));
    }
    for (rel, term) in [
        ("amends", "legislationAmends"),
        ("repeals", "legislationRepeals"),
        ("implements", "legislationEnsuresImplementationOf"),
        ("transposes", "legislationTransposes"),
    ] {
        let targets = front.relations.iter().filter(|relation| relation.rel == rel);
        let target = |target: &str| address(target).or_else(|| Some(law_iri(record.snapshot, work(target)?)));
        let targets = targets.filter_map(|relation| Some(json!({"@id": target(&relation.target)?})));
        law.put(term, targets.collect::<Vec<_>>());
    }
    Value::Object(law.0)
}

/// What the document itself is to others, besides what its law is to theirs.
fn relations(record: &Record<'_>, node: &mut Node) {
    let front = &record.document.front_matter;
    let target = |target: &str| address(target).or_else(|| work(target).map(|work| record.snapshot.iri(work)));
    let of = |rels: &[&str]| {
        let related = front.relations.iter().filter(|relation| rels.contains(&relation.rel.as_str()));
        related.filter_map(|relation| Some(json!({"@id": target(&relation.target)?}))).collect::<Vec<_>>()
    };
    node.put("mentions", of(&["related", "evaluates"])).put("prov:wasDerivedFrom", of(&["based-on", "adopted-from"]));
}

/// How far a machine wrote it, in the IPTC's words: each that holds of a part.
fn source_types(front: &FrontMatter) -> Vec<String> {
    let mut words: Vec<&str> = front.assistance.values().filter_map(|level| source_type(level)).collect();
    words.sort_unstable();
    words.dedup();
    words.into_iter().map(|word| format!("{SOURCE_TYPES}{word}")).collect()
}

fn source_type(level: &str) -> Option<&'static str> {
    match level {
        "none" => Some("digitalCreation"),
        "assisted-reviewed" => Some("compositeWithTrainedAlgorithmicMedia"),
        "generated-reviewed" | "generated-unreviewed" => Some("trainedAlgorithmicMedia"),
        _ => None,
    }
}

/// The same by field, in our own words, which say too whether a person reviewed it.
fn assistance(front: &FrontMatter) -> Vec<Value> {
    let one = |(field, level): (&String, &String)| json!({"@type": "PropertyValue", "propertyID": "assistance", "name": field, "value": level});
    front.assistance.iter().map(one).collect()
}

fn sources(front: &FrontMatter) -> Vec<Value> {
    let one = |source: &crate::front_matter::Source| {
        let mut node = Node::default();
        node.put("@type", "CreativeWork")
            .put("url", address(&source.url))
            .put("name", in_language(&source.language, &source.title))
            .put("inLanguage", source.language.as_str());
        Value::Object(node.0)
    };
    front.sources.iter().map(one).collect()
}

fn topic(slug: &str) -> Value {
    json!({"@type": "DefinedTerm", "termCode": slug, "name": in_language("en", &labels::label(List::Topic, slug, "en"))})
}

fn place(code: &str) -> Value {
    if code.is_empty() { Value::Null } else { json!({"@type": "AdministrativeArea", "identifier": code}) }
}

fn property(scheme: &str, value: &str) -> Value {
    json!({"@type": "PropertyValue", "propertyID": scheme, "value": value})
}

/// Whether a law binds today, as far as schema.org tells.
fn force(status: &str) -> &'static str {
    match status {
        "" => "",
        "in-force" => "InForce",
        "partially-in-force" | "provisionally-applied" => "PartiallyInForce",
        _ => "NotInForce",
    }
}

/// An ISO 8601 interval that is open where its end is not known.
fn span(from: &str, to: &str) -> String {
    match (from, to) {
        ("", "") => String::new(),
        (from, to) => {
            format!("{}/{}", if from.is_empty() { ".." } else { from }, if to.is_empty() { ".." } else { to })
        }
    }
}

/// An SPDX licence by its page.
fn licence(id: &str) -> Option<String> {
    let sound =
        id != "official-work" && id.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'+'));
    (sound && !id.is_empty()).then(|| format!("https://spdx.org/licenses/{id}"))
}

/// A text with its language, where that is one.
fn in_language(language: &str, text: &str) -> Value {
    if text.is_empty() {
        return Value::Null;
    }
    if oxilangtag::LanguageTag::parse(language).is_err() {
        return Value::String(text.to_owned());
    }
    json!({"@language": language, "@value": text})
}

/// An address that can be an IRI.
fn address(text: &str) -> Option<String> {
    let sound = text.starts_with("https://") || text.starts_with("http://");
    let odd = |c: char| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c);
    (sound && !text.contains(odd)).then(|| text.to_owned())
}

/// The work that a name means, whatever version of it.
fn work(name: &str) -> Option<&str> {
    let work = name.split('@').next()?;
    work.contains('/').then_some(work)
}

fn law_iri(snapshot: &Snapshot, work: &str) -> String {
    format!("{}#law", snapshot.iri(work))
}

fn version_iri(record: &Record<'_>) -> String {
    let document = record.document;
    iri_of(record.snapshot, &document.work, document.version, &document.provenance.digest)
}

/// With the beginning of the digest, so that it stays the name of this version when another of its number comes.
fn iri_of(snapshot: &Snapshot, work: &str, version: u32, digest: &str) -> String {
    snapshot.iri(&format!("{work}@{version}~{}", digest.get(..8).unwrap_or_default()))
}
