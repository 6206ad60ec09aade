//! What the kinds say beyond what every document says: the thing in the world that a document is about, and the works that it and
//! others name.

use serde_json::{Value, json};

use super::{Node, address, in_language, iri_of};
use crate::export::record::{Record, Snapshot};
use crate::front_matter::Citation;
use crate::name::Name;

/// The thing in the world that a document is about.
pub fn thing(record: &Record<'_>) -> Option<Value> {
    let front = &record.document.front_matter;
    let text = |text: &str| in_language(&front.language, text);
    let named = |names: &[String]| names.iter().map(|name| organisation(&text(name))).collect::<Vec<_>>();
    let mut thing = Node::default();
    thing.put("name", text(&front.title));
    match front.kind.as_str() {
        "training" => thing
            .put("@type", "Course")
            .put("provider", named(std::slice::from_ref(&front.provider)))
            .put("educationalLevel", front.level.as_str())
            .put("timeRequired", front.hours.map(|hours| format!("PT{hours}H")))
            .put("syllabusSections", front.syllabus.iter().map(|part| section(&text(part))).collect::<Vec<_>>())
            .put("temporalCoverage", super::span(&front.starts, &front.ends)),
        "body" => thing
            .put("@type", "GovernmentOrganization")
            .put("parentOrganization", organisation(&Value::String(front.chamber.clone())))
            .put("description", text(&front.mandate))
            .put("foundingDate", front.created.as_str())
            .put("dissolutionDate", front.dissolved.as_str()),
        "dialogue" => thing
            .put("@type", "Event")
            .put("startDate", front.held_on.as_str())
            .put("description", text(&front.outcome))
            .put("organizer", named(&front.organisers)),
        "action" => thing
            .put("@type", "Event")
            .put("disambiguatingDescription", front.action_type.as_str())
            .put("startDate", front.done_on.as_str())
            .put("description", text(&front.outcome))
            .put("organizer", named(std::slice::from_ref(&front.led_by))),
        "solution" => thing
            .put("@type", "SoftwareSourceCode")
            .put("codeRepository", address(&front.repository))
            .put("license", super::licence(&front.code_licence)),
        _ => return None,
    };
    Some(Value::Object(std::mem::take(&mut thing.0)))
}

/// Works that it names, and those that name it.
pub fn works(record: &Record<'_>, node: &mut Node) {
    let (snapshot, document, front) = (record.snapshot, record.document, &record.document.front_matter);
    let about: Vec<Value> = front.about.iter().filter_map(|about| cited(snapshot, about)).collect();
    let cites: Vec<Value> = front.cites.iter().filter_map(|cites| cited(snapshot, cites)).collect();
    match front.kind.as_str() {
        "translation" => {
            node.put("translationOfWork", about.clone()).put("creditText", front.method.as_str());
            node.add("prov:wasDerivedFrom", about);
        }
        "reply" | "correction" => drop(node.put("parentItem", about)),
        "adoption" => drop(node.put("itemReviewed", about)),
        "synthesis" => {
            node.add("mentions", about);
            node.add("prov:wasDerivedFrom", cites);
        }
        "request" => drop(node.put("expires", front.deadline.as_str())),
        "good-practice" => {
            let step = |step: &String| json!({"@type": "HowToStep", "text": in_language(&front.language, step)});
            node.put("step", front.scenario.iter().map(step).collect::<Vec<_>>());
        }
        _ => {}
    }
    for (rel, term) in [
        ("translation", "workTranslation"),
        ("correction", "correction"),
        ("adoption", "review"),
        ("reply", "suggestedAnswer"),
    ] {
        let others = document.related.iter().filter(|other| other.rel == rel && other.withdrawn.is_none());
        let others = others.map(|other| json!({"@id": iri_of(snapshot, &other.work, other.version, &other.digest)}));
        node.put(term, others.collect::<Vec<_>>());
    }
}

/// The version that a citation means.
fn cited(snapshot: &Snapshot, citation: &Citation) -> Option<Value> {
    let name = Name::parse(&citation.work)?;
    let iri = match name.version {
        Some(version) if !citation.entry.is_empty() => iri_of(snapshot, &name.work, version, &citation.entry),
        _ => snapshot.iri(&name.work),
    };
    Some(json!({"@id": iri}))
}

fn organisation(name: &Value) -> Value {
    let is_empty = name.is_null() || name.as_str().is_some_and(str::is_empty);
    if is_empty { Value::Null } else { json!({"@type": "Organization", "name": name}) }
}

fn section(name: &Value) -> Value {
    json!({"@type": "Syllabus", "name": name})
}
