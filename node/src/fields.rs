//! What a reader can ask for by name, what the index keeps of it, and what is counted: one table.
//!
//! A new field is a line here and its value in `indexer.rs`.

use crate::jurisdictions;
use crate::labels::{self, List};
use crate::vocabulary;

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Words of a closed list that has labels.
    Listed(List),
    /// Words of a closed list, or codes.
    Word,
    /// Words of a text.
    Text,
    /// Partial dates.
    Date,
}

/// Something that can be asked for by name.
#[derive(Debug, PartialEq, Eq)]
pub struct Field {
    /// As one types it before the colon.
    pub name: &'static str,
    /// What its values are.
    pub sort: Sort,
}

const fn field(name: &'static str, sort: Sort) -> Field {
    Field { name, sort }
}

/// All of them.
pub const FIELDS: &[Field] = &[
    field("kind", Sort::Listed(List::Kind)),
    field("topic", Sort::Listed(List::Topic)),
    field("status", Sort::Listed(List::Status)),
    field("assistance", Sort::Listed(List::Assistance)),
    field("jurisdiction", Sort::Word),
    field("language", Sort::Word),
    field("member", Sort::Word),
    field("identifier", Sort::Word),
    field("instrument", Sort::Word),
    field("bindingness", Sort::Word),
    field("risk", Sort::Word),
    field("applies_to", Sort::Word),
    field("function", Sort::Word),
    field("maturity", Sort::Word),
    field("title", Sort::Text),
    field("year", Sort::Date),
    field("introduced", Sort::Date),
    field("adopted", Sort::Date),
    field("assented", Sort::Date),
    field("published", Sort::Date),
    field("in_force", Sort::Date),
    field("applies", Sort::Date),
    field("repealed", Sort::Date),
    field("deadline", Sort::Date),
    field("starts", Sort::Date),
    field("ends", Sort::Date),
    field("created", Sort::Date),
    field("dissolved", Sort::Date),
    field("held_on", Sort::Date),
    field("done_on", Sort::Date),
    field("valid_as_of", Sort::Date),
];

/// Fields whose values are counted over a result, and by which one narrows it.
pub const COUNTED: [&str; 8] = ["kind", "topic", "jurisdiction", "language", "member", "status", "year", "assistance"];

/// A field by its name.
pub fn named(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

/// Fields that are dates.
pub fn dates() -> impl Iterator<Item = &'static Field> {
    FIELDS.iter().filter(|field| field.sort == Sort::Date)
}

impl Field {
    /// A value as it is kept: the word itself where its label or a name was typed, in small letters.
    pub fn value(&self, typed: &str) -> String {
        let slug = match self.sort {
            Sort::Listed(list) => labels::slug_of(list, typed).map(str::to_owned),
            _ if self.name == "jurisdiction" => jurisdictions::code(typed).map(str::to_owned),
            _ => None,
        };
        slug.unwrap_or_else(|| typed.trim().to_owned()).to_lowercase()
    }

    /// What to say of a value that is no word of its closed list.
    pub fn doubt(&self, value: &str) -> Option<String> {
        let Sort::Listed(list) = self.sort else { return None };
        let slugs = list.slugs();
        if slugs.contains(&value) {
            return None;
        }
        let meant =
            vocabulary::closest(value, slugs).map_or_else(String::new, |word| format!("; did you mean `{word}`?"));
        Some(format!("`{value}` is not a word for `{}`{meant}", self.name))
    }
}

/// What a value of a field is found as, in small letters. `es` also finds `es-MX`, and `US` what is of `US-CO`; an identifier is
/// found with its scheme, `celex:32024R1689`, and without.
pub fn found_as(name: &str, value: &str) -> Vec<String> {
    let value = value.to_lowercase();
    let mut all: Vec<String> = match name {
        "language" | "jurisdiction" => {
            value.match_indices('-').filter_map(|(at, _)| value.get(..at)).map(str::to_owned).collect()
        }
        "identifier" => value.split_once(':').map(|(_, alone)| alone.to_owned()).into_iter().collect(),
        _ => Vec::new(),
    };
    all.push(value);
    all
}

#[cfg(test)]
mod tests {
    use super::{COUNTED, FIELDS, found_as, named};

    #[test]
    fn every_field_has_a_name_of_its_own_and_what_is_counted_can_be_asked_for() {
        for (at, field) in FIELDS.iter().enumerate() {
            assert!(FIELDS.iter().skip(at + 1).all(|other| other.name != field.name), "{}", field.name);
        }
        assert!(COUNTED.iter().all(|name| named(name).is_some()));
    }

    #[test]
    fn a_value_is_known_by_its_label_or_name() {
        let value = |field: &str, typed: &str| named(field).map(|field| field.value(typed)).unwrap_or_default();
        assert_eq!(value("topic", "Дети"), "children");
        assert_eq!(value("status", "En vigueur"), "in-force");
        assert_eq!(value("jurisdiction", "kenya"), "ke");
        assert_eq!(value("jurisdiction", "us-CO"), "us-co");
        assert_eq!(value("identifier", " 32024R1689 "), "32024r1689");
        let doubt = |field: &str, value: &str| named(field).and_then(|field| field.doubt(value));
        assert_eq!(doubt("topic", "children"), None);
        assert_eq!(
            doubt("topic", "childen"),
            Some("`childen` is not a word for `topic`; did you mean `children`?".to_owned())
        );
        assert_eq!(found_as("language", "zh-Hant-TW"), ["zh", "zh-hant", "zh-hant-tw"]);
        assert_eq!(found_as("identifier", "celex:32024R1689"), ["32024r1689", "celex:32024r1689"]);
        assert_eq!(found_as("topic", "ai-literacy-education"), ["ai-literacy-education"]);
    }
}
