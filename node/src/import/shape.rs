//! What a field of the front matter takes.

use serde_json::{Map, Value};

use crate::front_matter::FrontMatter;

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One text.
    Text,
    /// A list of texts.
    Texts,
    /// How many.
    Number,
    /// Yes or no.
    Flag,
    /// A thing with parts.
    Group,
    /// A list of those.
    Groups,
}

/// Asked of the very type that reads it, so that no list of fields can be out of date.
pub fn shape(field: &str) -> Option<Shape> {
    if field == "text" {
        return Some(Shape::Text);
    }
    let takes = |value: Value| {
        let object = Map::from_iter([(field.to_owned(), value)]);
        serde_json::from_value::<FrontMatter>(Value::Object(object))
    };
    if takes(Value::Null).is_err_and(|error| error.to_string().starts_with("unknown field")) {
        return None;
    }
    Some(if takes(Value::String(String::new())).is_ok() {
        Shape::Text
    } else if takes(Value::Object(Map::new())).is_ok() {
        // Before lists: a thing with parts can be read of a list of them.
        Shape::Group
    } else if takes(Value::Array(vec![Value::String(String::new())])).is_ok() {
        Shape::Texts
    } else if takes(Value::Array(Vec::new())).is_ok() {
        Shape::Groups
    } else if takes(Value::from(1)).is_ok() {
        Shape::Number
    } else {
        Shape::Flag
    })
}

/// Whether a thing of a field has a part of that name.
pub fn has_part(field: &str, shape: Shape, part: &str) -> bool {
    let thing = Value::Object(Map::from_iter([(part.to_owned(), Value::Null)]));
    let value = if shape == Shape::Groups { Value::Array(vec![thing]) } else { thing };
    let object = Map::from_iter([(field.to_owned(), value)]);
    let error = serde_json::from_value::<FrontMatter>(Value::Object(object)).err();
    // `assistance` takes any field's name.
    error.is_none_or(|error| !error.to_string().starts_with("unknown field"))
}

#[cfg(test)]
mod tests {
    use super::{Shape, has_part, shape};

    #[test]
    fn fields_are_known_by_what_they_take() {
        for (field, meant) in [
            ("title", Some(Shape::Text)),
            ("text", Some(Shape::Text)),
            ("topics", Some(Shape::Texts)),
            ("sources", Some(Shape::Groups)),
            ("dates", Some(Shape::Group)),
            ("assistance", Some(Shape::Group)),
            ("titel", None),
        ] {
            assert_eq!(shape(field), meant, "{field}");
        }
        assert!(has_part("sources", Shape::Groups, "official") && !has_part("sources", Shape::Groups, "uri"));
        assert!(has_part("assistance", Shape::Group, "title"));
    }
}
