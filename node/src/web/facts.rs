//! What a document says besides its text, as a page shows it: short values as a table, long ones and lists below.

use serde_json::{Map, Value};

use super::{Fact, Line, List};
use crate::forms::{Form, Key, Shape};
use crate::front_matter::FrontMatter;
use crate::vocabulary as words;

/// Short values.
pub(super) fn facts(front: &FrontMatter) -> Vec<Fact> {
    let keys = front.keys();
    let mut facts = Vec::new();
    for key in own(front) {
        let Some(value) = keys.get(key.name) else { continue };
        match key.shape {
            Shape::Parts(parts) if !key.many => {
                facts.extend(parts.iter().filter_map(|part| Some(fact(part, value.get(part.name)?))));
            }
            Shape::Parts(_) => {}
            _ if key.many && !is_of_words(&key.shape) => {}
            Shape::Text if key.name != "official_title" => {}
            _ => facts.push(fact(key, value)),
        }
    }
    if !front.valid_as_of.is_empty() {
        facts.push(Fact { label: "Valid as of".to_owned(), value: front.valid_as_of.clone(), meaning: "" });
    }
    facts
}

/// Long values and lists.
pub(super) fn lists(front: &FrontMatter) -> Vec<List> {
    let keys = front.keys();
    let mut lists = Vec::new();
    for key in own(front) {
        let Some(value) = keys.get(key.name) else { continue };
        let items: Vec<Line> = match (key.shape, value) {
            (Shape::Parts(parts), Value::Array(items)) => {
                items.iter().filter_map(Value::as_object).map(|item| line(parts, item)).collect()
            }
            (shape, Value::Array(items)) if !is_of_words(&shape) => {
                items.iter().map(|item| Line { lead: String::new(), text: plain(&shape, item) }).collect()
            }
            // The page shows the lead above everything.
            (Shape::Text, Value::String(text)) if key.name != "official_title" && text != front.lead() => {
                vec![Line { lead: String::new(), text: text.clone() }]
            }
            _ => continue,
        };
        lists.push(List { label: label(key.name), items });
    }
    lists
}

fn own(front: &FrontMatter) -> impl Iterator<Item = &'static Key> {
    Form::of(&front.kind).map(|form| form.keys).unwrap_or_default().iter()
}

fn is_of_words(shape: &Shape) -> bool {
    matches!(shape, Shape::Word(_) | Shape::Code | Shape::Language | Shape::Field)
}

fn fact(key: &Key, value: &Value) -> Fact {
    let meaning = match (&key.shape, value) {
        (Shape::Word(list), Value::String(word)) => words::meaning(list, word).unwrap_or_default(),
        _ => "",
    };
    let value = match value {
        Value::Array(items) => items.iter().map(|item| plain(&key.shape, item)).collect::<Vec<_>>().join(", "),
        one => plain(&key.shape, one),
    };
    Fact { label: label(key.name), value, meaning }
}

/// The first part leads, the others follow.
fn line(parts: &[Key], item: &Map<String, Value>) -> Line {
    let mut said = parts.iter().filter_map(|part| Some(plain(&part.shape, item.get(part.name)?)));
    let lead = said.next().unwrap_or_default();
    let rest: Vec<String> = said.collect();
    if rest.is_empty() { Line { lead: String::new(), text: lead } } else { Line { lead, text: rest.join(" · ") } }
}

fn plain(shape: &Shape, value: &Value) -> String {
    match (shape, value) {
        (Shape::Word(_), Value::String(word)) => word.replace('-', " "),
        (Shape::Work, work) => work.get("work").and_then(Value::as_str).unwrap_or_default().to_owned(),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Bool(true)) => "yes".to_owned(),
        (_, other) => other.to_string(),
    }
}

/// `in_force` as people read it.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
