//! A mapping file's TOML into rules, with errors that name the place and the remedy.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use thiserror::Error;
use toml::Table;

use crate::import::mapping::{FieldRule, FileRules, Format, Group, Mapping};
use crate::import::rule::{self, Codes, From, Otherwise, Rule, When};
use crate::import::shape::{Shape, has_part, shape};
use crate::vocabulary;

/// Bytes of a mapping file: the longest that is shipped has 12 KB, most of it codes.
pub const FILE_BYTES_MAX: u64 = 256 * 1024;

/// What is wrong with a mapping file.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("{file}: {what}")]
pub struct MappingError {
    /// The file.
    pub file: String,
    /// What is wrong and what to do.
    pub what: String,
}

const SECTIONS: &[&str] = &["file", "constants", "fields", "skip", "codes"];
/// Where a rule's values come from: exactly one of these.
const ORIGINS: &[&str] = &["column", "value", "first", "all", "every", "file"];
/// What is done to them.
const WORKS: &[&str] = &[
    "when",
    "split",
    "strip",
    "url",
    "codes",
    "otherwise",
    "dates",
    "before",
    "after",
    "join",
    "heading",
    "markdown",
    "wanted",
    "bytes_max",
];

type Parsed<T> = Result<T, String>;

/// Reads a mapping file.
pub fn read(path: &Path) -> Result<Mapping, MappingError> {
    let wrong = |what: String| MappingError { file: path.display().to_string(), what };
    let size = fs::metadata(path).map_err(|error| wrong(error.to_string()))?.len();
    if size > FILE_BYTES_MAX {
        return Err(wrong(format!("has {size} bytes; a mapping has at most {FILE_BYTES_MAX}")));
    }
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(wrong)
}

/// Reads a mapping. Nothing in it is ignored: what is not understood is an error.
fn parse(text: &str) -> Parsed<Mapping> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.to_string().trim().to_owned())?;
    known("the mapping", &table, SECTIONS)?;
    let codes = section(&table, "codes")?.iter().map(|(name, table)| Ok((name.clone(), codes(name, table)?)));
    let codes: BTreeMap<String, Codes> = codes.collect::<Parsed<_>>()?;
    let mut fields = Vec::new();
    for (field, value) in section(&table, "fields")? {
        fields.push((field.clone(), field_rule(field, value)?));
    }
    let constants = section(&table, "constants")?.iter().map(|(field, value)| {
        shape(field).ok_or_else(|| unknown_field(field))?;
        if fields.iter().any(|(other, _)| other == field) {
            return Err(format!("`{field}` is in [constants] and in [fields]; leave one out"));
        }
        Ok((field.clone(), constant(field, value)?))
    });
    let constants = constants.collect::<Parsed<Map<String, Value>>>()?;
    for needed in ["slug", "title", "kind", "language"] {
        if !constants.contains_key(needed) && !fields.iter().any(|(field, _)| field == needed) {
            return Err(format!("nothing gives `{needed}`; add it to [fields] or [constants]"));
        }
    }
    for (field, rule) in &fields {
        if let Some(name) = rule.rules().iter().flat_map(|rule| rule.tables()).find(|name| !codes.contains_key(*name)) {
            return Err(format!("`{field}` uses the codes `{name}`; add a table [codes.{name}]"));
        }
    }
    Ok(Mapping::new(file_rules(section(&table, "file")?)?, constants, fields, skips(table.get("skip"))?, codes))
}

fn section<'a>(table: &'a Table, name: &str) -> Parsed<&'a Table> {
    static EMPTY: std::sync::LazyLock<Table> = std::sync::LazyLock::new(Table::new);
    match table.get(name) {
        None => Ok(&EMPTY),
        Some(value) => value.as_table().ok_or_else(|| format!("[{name}] is a table")),
    }
}

fn known(what: &str, table: &Table, keys: &[&str]) -> Parsed<()> {
    let Some(unknown) = table.keys().find(|key| !keys.contains(&key.as_str())) else { return Ok(()) };
    let meant = match vocabulary::closest(unknown, keys.iter().copied()) {
        Some(close) => format!("did you mean `{close}`?"),
        None => format!("there are {}", keys.join(", ")),
    };
    Err(format!("{what} has an unknown key `{unknown}`; {meant}"))
}

fn unknown_field(field: &str) -> String {
    format!("there is no field `{field}`; `comity new KIND` shows those of a kind")
}

fn file_rules(table: &Table) -> Parsed<FileRules> {
    known("[file]", table, &["format", "delimiter", "encoding"])?;
    let word = |key: &str| table.get(key).map(|value| text_of(&format!("file.{key}"), value)).transpose();
    let format = match word("format")?.as_deref() {
        None => None,
        Some("csv") => Some(Format::Csv),
        Some("jsonl") => Some(Format::JsonLines),
        Some(other) => return Err(format!("file.format = \"{other}\": write csv or jsonl")),
    };
    let delimiter = match word("delimiter")?.as_deref().map(str::as_bytes) {
        None => None,
        Some([byte]) if byte.is_ascii() => Some(*byte),
        Some(_) => return Err("file.delimiter is one character, such as \";\" or \"\\t\"".to_owned()),
    };
    let encoding = word("encoding")?.map(|label| {
        encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            format!("file.encoding = \"{label}\" is not known; write windows-1252, utf-16le, shift_jis ..")
        })
    });
    Ok(FileRules { format, delimiter, encoding: encoding.transpose()? })
}

fn skips(value: Option<&toml::Value>) -> Parsed<Vec<(When, String)>> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let items = value.as_array().ok_or("write [[skip]], as often as there are reasons to leave a row out")?;
    let skip = |item: &toml::Value| {
        let table = item.as_table().ok_or("[[skip]] is a table")?;
        known("[[skip]]", table, &["column", "is", "because"])?;
        let because = table.get("because").ok_or("[[skip]] needs `because`, which the report shows")?;
        Ok((when("skip", table)?, text_of("skip.because", because)?))
    };
    items.iter().map(skip).collect()
}

fn when(place: &str, table: &Table) -> Parsed<When> {
    let column = table.get("column").ok_or_else(|| format!("{place} needs a `column`"))?;
    let is = table.get("is").map(|is| texts_of(&format!("{place}.is"), is)).transpose()?;
    Ok(When { column: text_of(&format!("{place}.column"), column)?, is: is.unwrap_or_default() })
}

fn codes(name: &str, value: &toml::Value) -> Parsed<Codes> {
    let table = value.as_table().ok_or_else(|| format!("[codes.{name}] is a table"))?;
    table.iter().map(|(code, words)| Ok((code.clone(), texts_of(&format!("codes.{name}.{code}"), words)?))).collect()
}

fn field_rule(field: &str, value: &toml::Value) -> Parsed<FieldRule> {
    let shape = shape(field).ok_or_else(|| unknown_field(field))?;
    let list = || match value {
        toml::Value::Array(items) => items.iter().collect(),
        one => vec![one],
    };
    Ok(match shape {
        Shape::Text => FieldRule::Text(rule(field, value)?),
        Shape::Texts => FieldRule::Texts(list().into_iter().map(|item| rule(field, item)).collect::<Parsed<_>>()?),
        Shape::Number => FieldRule::Number(rule(field, value)?),
        Shape::Flag => FieldRule::Flag(rule(field, value)?),
        Shape::Group => FieldRule::Group(group(field, shape, value)?),
        Shape::Groups => {
            FieldRule::Groups(list().into_iter().map(|item| group(field, shape, item)).collect::<Parsed<_>>()?)
        }
    })
}

fn group(field: &str, shape: Shape, value: &toml::Value) -> Parsed<Group> {
    let table = value.as_table().ok_or_else(|| format!("`{field}` has parts; write {{ part = \"Column\", .. }}"))?;
    let mut group = Group::default();
    for (part, value) in table {
        if !has_part(field, shape, part) {
            return Err(format!("`{field}` has no part `{part}`"));
        }
        let place = format!("{field}.{part}");
        if let toml::Value::Boolean(is) = value {
            group.constants.insert(part.clone(), Value::Bool(*is));
            continue;
        }
        let rule = rule(&place, value)?;
        match rule {
            Rule { from: From::Value(ref constant), when: None, .. } => {
                group.constants.insert(part.clone(), Value::String(constant.clone()));
            }
            rule => group.rules.push((part.clone(), rule)),
        }
    }
    if group.rules.is_empty() {
        return Err(format!("`{field}` names no column; what is the same for every row belongs into [constants]"));
    }
    Ok(group)
}

/// A rule: the name of a column, or a table that says where values come from and what is done to them.
fn rule(place: &str, value: &toml::Value) -> Parsed<Rule> {
    let table = match value {
        toml::Value::String(column) => return Ok(Rule { from: From::Column(column.clone()), ..Rule::default() }),
        toml::Value::Table(table) => table,
        _ => return Err(format!("`{place}`: write the name of a column, or {{ column = \"..\", .. }}")),
    };
    known(&format!("`{place}`"), table, &[ORIGINS, WORKS].concat())?;
    let word = |key: &str| table.get(key).map(|value| text_of(&format!("{place}.{key}"), value)).transpose();
    let flag = |key: &str| match table.get(key) {
        None => Ok(false),
        Some(toml::Value::Boolean(is)) => Ok(*is),
        Some(_) => Err(format!("{place}.{key} is true or false")),
    };
    let when = match table.get("when") {
        None => None,
        Some(value) => {
            let inner = value.as_table().ok_or_else(|| format!("{place}.when is {{ column = \"..\", is = [..] }}"))?;
            known(&format!("{place}.when"), inner, &["column", "is"])?;
            Some(when(&format!("{place}.when"), inner)?)
        }
    };
    let otherwise = match word("otherwise")?.as_deref() {
        None => Otherwise::Refuse,
        Some("drop") => Otherwise::Drop,
        Some("keep") => Otherwise::Keep,
        Some(word) => Otherwise::Word(word.to_owned()),
    };
    Ok(Rule {
        from: origin(place, table)?,
        when,
        split: word("split")?.filter(|split| !split.is_empty()),
        strip: word("strip")?.unwrap_or_default(),
        url: flag("url")?,
        codes: word("codes")?,
        otherwise,
        dates: table.get("dates").map(|dates| texts_of(&format!("{place}.dates"), dates)).transpose()?,
        before: word("before")?.unwrap_or_default(),
        after: word("after")?.unwrap_or_default(),
        join: word("join")?,
        heading: word("heading")?,
        markdown: flag("markdown")?,
        wanted: flag("wanted")?,
    })
}

fn origin(place: &str, table: &Table) -> Parsed<From> {
    let mut given = ORIGINS.iter().filter_map(|key| table.get(*key).map(|value| (*key, value)));
    let (Some((key, value)), None) = (given.next(), given.next()) else {
        return Err(format!("`{place}` takes its values from one of {}", ORIGINS.join(", ")));
    };
    let rules = || {
        let items = value.as_array().ok_or_else(|| format!("{place}.{key} is a list"))?;
        items.iter().map(|item| rule(place, item)).collect::<Parsed<Vec<Rule>>>()
    };
    Ok(match key {
        "column" => From::Column(text_of(&format!("{place}.column"), value)?),
        "value" => From::Value(text_of(&format!("{place}.value"), value)?),
        "first" => From::First(rules()?),
        "all" => From::All(rules()?),
        "every" => From::Every(rules()?),
        _ => {
            let name = text_of(&format!("{place}.file"), value)?;
            if name.starts_with('/') || name.split('/').any(|part| part == "..") {
                return Err(format!("{place}.file = \"{name}\": name a file below the folder of the table"));
            }
            let bytes_max = match table.get("bytes_max") {
                None => rule::FILE_BYTES_MAX,
                Some(value) => value
                    .as_integer()
                    .and_then(|bytes| u64::try_from(bytes).ok())
                    .filter(|bytes| *bytes <= rule::FILE_BYTES_MAX)
                    .ok_or_else(|| format!("{place}.bytes_max is a number up to {}", rule::FILE_BYTES_MAX))?,
            };
            From::File { name, bytes_max }
        }
    })
}

fn text_of(place: &str, value: &toml::Value) -> Parsed<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| format!("{place} is a text in quotation marks"))
}

/// One text, or several.
fn texts_of(place: &str, value: &toml::Value) -> Parsed<Vec<String>> {
    match value {
        toml::Value::String(text) => Ok(vec![text.clone()]),
        toml::Value::Array(items) => items.iter().map(|item| text_of(place, item)).collect(),
        _ => Err(format!("{place} is a text, or a list of them")),
    }
}

fn constant(place: &str, value: &toml::Value) -> Parsed<Value> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Boolean(is) => Value::Bool(*is),
        toml::Value::Array(items) => {
            Value::Array(items.iter().map(|item| constant(place, item)).collect::<Parsed<_>>()?)
        }
        toml::Value::Table(table) => {
            let parts = table.iter().map(|(key, value)| Ok((key.clone(), constant(place, value)?)));
            Value::Object(parts.collect::<Parsed<_>>()?)
        }
        _ => return Err(format!("[constants] `{place}` is a text, a list or a table")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::json;

    use super::{parse, read};
    use crate::import::mapping::Mapped;
    use crate::import::row::Row;

    const NEEDED: &str =
        "[constants]\nkind = \"law-summary\"\nlanguage = \"en\"\n[fields]\nslug = \"no\"\ntitle = \"name\"\n";

    fn row(object: serde_json::Value) -> Row {
        match object {
            serde_json::Value::Object(object) => Row::Object(object),
            _ => unreachable!("rows are objects"),
        }
    }

    #[test]
    fn those_that_are_shipped_can_be_read() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/mappings"));
        let files: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().collect();
        assert!(files.len() >= 3);
        for file in files {
            read(&file.path()).unwrap();
        }
    }

    #[test]
    fn what_is_not_understood_is_told_with_the_remedy() {
        for (more, told) in [
            ("titel = \"x\"\n", "there is no field `titel`"),
            ("topics = { colum = \"x\" }\n", "`topics` has an unknown key `colum`; did you mean `column`?"),
            ("topics = { column = \"x\", value = \"y\" }\n", "`topics` takes its values from one of"),
            ("topics = { column = \"x\", codes = \"mine\" }\n", "add a table [codes.mine]"),
            ("sources = [{ uri = \"x\" }]\n", "`sources` has no part `uri`"),
            ("sources = [{ official = true }]\n", "names no column"),
            ("language = \"lang\"\n", "`language` is in [constants] and in [fields]"),
            ("text = { file = \"../../etc/passwd\" }\n", "name a file below the folder"),
            ("[file]\nencoding = \"latin-99\"\n", "is not known"),
            ("[files]\n", "the mapping has an unknown key `files`; did you mean `file`?"),
            ("[[skip]]\ncolumn = \"x\"\n", "[[skip]] needs `because`"),
        ] {
            let error = parse(&format!("{NEEDED}{more}")).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
        assert!(parse("[constants]\nkind = \"law-summary\"\n").unwrap_err().contains("nothing gives `slug`"));
    }

    #[test]
    fn a_row_becomes_a_record() {
        let text = format!(
            "{NEEDED}{}",
            r#"
            jurisdiction = { column = "country", codes = "countries" }
            topics = { column = "tags", split = ";", codes = "topics", otherwise = "drop" }
            keywords = ["tags", { value = "imported" }]
            sources = [{ url = { all = ["page", "pdf"], url = true }, official = true }]
            dates = { adopted = { column = "day", dates = ["%d.%m.%Y"] } }
            assistance = { text = { column = "machine", codes = "machine", otherwise = "drop" } }
            summary_short = { first = ["abstract", "about"], wanted = true }
            text = { all = ["about", { column = "more", heading = "More" }] }
            [[skip]]
            column = "draft"
            is = ["yes"]
            because = "a draft"
            [codes.countries]
            Kenya = "KE"
            [codes.topics]
            kids = "children"
            both = ["children", "deepfakes-intimate-images"]
            [codes.machine]
            true = "generated-unreviewed"
            "#
        );
        let mapping = parse(&text).unwrap();
        let mapped = mapping.apply(
            &row(json!({
                "no": 12, "name": "Act\nof law", "country": "Kenya", "tags": "kids;other;both", "day": "4.7.2025",
                "page": "see https://a.example/1\nhttps://a.example/2", "pdf": "https://a.example/1", "machine": true,
                "about": "# 1 *law*", "more": "x",
            })),
            None,
        );
        let Mapped::Record(record, notes) = mapped else { panic!("{mapped:?}") };
        let front = &record.front;
        assert_eq!((front.slug.as_str(), front.title.as_str()), ("12", "Act of law"));
        assert_eq!((front.jurisdiction.as_str(), front.dates.as_ref().unwrap().adopted.as_str()), ("KE", "2025-07-04"));
        assert_eq!(front.topics, ["children", "deepfakes-intimate-images"]);
        assert_eq!(front.keywords, ["kids;other;both", "imported"]);
        let urls: Vec<&str> = front.sources.iter().map(|source| source.url.as_str()).collect();
        assert_eq!(urls, ["https://a.example/1", "https://a.example/2"]);
        assert!(front.sources.iter().all(|source| source.official));
        assert_eq!(front.assistance["text"], "generated-unreviewed");
        assert_eq!(front.summary_short, "# 1 *law*");
        assert_eq!(record.text, "\\# 1 \\*law\\*\n\n## More\n\nx");
        assert_eq!(notes, ["the title is shortened"]);

        let Mapped::LeftOut(why) = mapping.apply(&row(json!({"no": 1, "draft": "yes"})), None) else { panic!() };
        assert_eq!(why, "a draft");
        let Mapped::Wrong(why) = mapping.apply(&row(json!({"name": "x", "country": "Oz"})), None) else { panic!() };
        let why = why.join("; ");
        assert!(why.contains("it has no id: `no` gives no slug") && why.contains("`Oz` for `jurisdiction`"), "{why}");
    }
}
