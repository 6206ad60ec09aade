//! The front matter in the description of the API, read off the forms: deriving it wrote each of a hundred keys a second time.

use std::collections::BTreeSet;

use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::FrontMatter;
use crate::forms::{self, FORMS, Key, Need, Shape};

impl PartialSchema for FrontMatter {
    fn schema() -> RefOr<Schema> {
        let all = "What a document says, besides its text. `comity new KIND` shows which of these keys a kind has.";
        // Nothing is required here: a document that this node publishes is checked by its kind, and one from another node may
        // be of a kind that this one does not know.
        let object = ObjectBuilder::new().description(Some(all));
        let names: BTreeSet<&str> = forms::names().collect();
        names.into_iter().fold(object, |object, name| object.property(name, named(name))).into()
    }
}

impl ToSchema for FrontMatter {}

/// A key of one or more kinds. All have it in one shape, but some say what belongs there in words of their own.
fn named(name: &str) -> Schema {
    let uses: Vec<(String, &Key)> = FORMS
        .iter()
        .filter_map(|form| Some((form.slug(), form.key(name)?)))
        .map(|(kind, key)| (format!("In a {kind}: {}", help(key)), key))
        .collect();
    let Some((_, first)) = uses.first() else { return Object::new().into() };
    if uses.iter().all(|(_, key)| help(key) == help(first)) {
        return described(first, help(first));
    }
    let told: Vec<&str> = uses.iter().map(|(told, _)| told.as_str()).collect();
    described(first, told.join(" "))
}

fn help(key: &Key) -> String {
    match key.shape {
        Shape::Word(words) => {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            // Not a closed list: documents of later versions are read too.
            format!("{} One of {}.", key.help, words.join(", "))
        }
        _ => key.help.to_owned(),
    }
}

fn described(key: &Key, help: String) -> Schema {
    if key.many {
        return ArrayBuilder::new().items(item(key.shape)).description(Some(help)).into();
    }
    let mut one = item(key.shape);
    one.description = Some(help);
    one.into()
}

fn item(shape: Shape) -> Object {
    let of = |kind: Type| ObjectBuilder::new().schema_type(kind);
    match shape {
        Shape::Flag => of(Type::Boolean).build(),
        Shape::Count => {
            of(Type::Integer).format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32))).minimum(Some(0)).build()
        }
        Shape::Parts(parts) => {
            let object = parts.iter().fold(ObjectBuilder::new(), |object, part| {
                let object = object.property(part.name, described(part, help(part)));
                if part.need == Need::Must { object.required(part.name) } else { object }
            });
            object.build()
        }
        Shape::Work => {
            let text = |help: &str| of(Type::String).description(Some(help.to_owned()));
            let object = ObjectBuilder::new().property("work", text("CODE/slug@2")).required("work");
            object.property("entry", text("The entry's digest in hex; publishing fills it in.")).build()
        }
        Shape::Assistance => ObjectBuilder::new().additional_properties(Some(of(Type::String))).build(),
        _ => of(Type::String).build(),
    }
}
