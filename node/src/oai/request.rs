//! What a harvester asks: the six verbs with their arguments, checked as the standard wants it, and the errors it names.

use std::fmt;

use thiserror::Error;

use super::json_ld;
use super::token::{self, Cursor};
use crate::origin::Origin;
use crate::vocabulary;

/// A request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What this is.
    Identify,
    /// In which formats records come, or one record.
    ListMetadataFormats {
        /// Of which record.
        identifier: Option<String>,
    },
    /// What can be harvested apart.
    ListSets,
    /// One record.
    GetRecord {
        /// Which.
        identifier: String,
        /// In which format.
        format: Format,
    },
    /// Headers.
    ListIdentifiers(Listing),
    /// Records.
    ListRecords(Listing),
}

/// What is listed, and from where on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In which format.
    pub format: Format,
    /// Only of this set.
    pub set: Option<Set>,
    /// From this moment on.
    pub from: Option<Moment>,
    /// Up to the end of this second or day.
    pub until: Option<Moment>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
}

/// A date as it was asked for: a day, or a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// As written.
    pub text: String,
    /// Unix milliseconds of its beginning; 0 before 1970.
    pub begins_ms: u64,
    /// Of its end, which is not in it.
    pub ends_ms: u64,
}

/// In which form records come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// What every library reads.
    DublinCore,
    /// Everything that schema.org and PROV have words for.
    JsonLd,
}

/// What can be harvested apart. `kind` holds every `kind:..`, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Set {
    /// All kinds.
    Kinds,
    /// One kind, by its slug.
    Kind(String),
    /// All topics.
    Topics,
    /// One topic, by its slug.
    Topic(String),
    /// All members.
    Members,
    /// One member, by its code.
    Member(String),
}

/// An error of the protocol: it is answered, in XML, for the harvester's operator to read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// Not one of the six.
    #[error("say one verb of Identify, ListMetadataFormats, ListSets, ListIdentifiers, ListRecords, GetRecord")]
    BadVerb,
    /// Missing, repeated, unknown or wrong.
    #[error("{0}")]
    BadArgument(String),
    /// Not a token of this node.
    #[error("this resumption token was not given by this node; begin the list anew, from the date of the last answer")]
    BadToken,
    /// A format there is none of.
    #[error("there is no format `{0}`; ListMetadataFormats names those there are")]
    NoFormat(String),
    /// An identifier of nothing.
    #[error("`{0}` is no record of this node; ListIdentifiers names those there are")]
    NoSuchRecord(String),
    /// Nothing to list.
    #[error("no record matches")]
    NoRecords,
}

impl Fault {
    /// Its code in the standard.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::BadVerb => "badVerb",
            Fault::BadArgument(_) => "badArgument",
            Fault::BadToken => "badResumptionToken",
            Fault::NoFormat(_) => "cannotDisseminateFormat",
            Fault::NoSuchRecord(_) => "idDoesNotExist",
            Fault::NoRecords => "noRecordsMatch",
        }
    }

    /// Whether the arguments cannot be repeated in the answer.
    pub fn is_misunderstanding(&self) -> bool {
        matches!(self, Fault::BadVerb | Fault::BadArgument(_))
    }
}

impl Request {
    /// Reads the arguments of a request.
    pub fn read(given: &[(String, String)]) -> Result<Request, Fault> {
        let verbs: Vec<&str> = given.iter().filter(|(name, _)| name == "verb").map(|(_, verb)| verb.as_str()).collect();
        let [verb] = verbs.as_slice() else { return Err(Fault::BadVerb) };
        let list = ["metadataPrefix", "from", "until", "set", "resumptionToken"];
        let allowed: &[&str] = match *verb {
            "Identify" => &[],
            "ListMetadataFormats" => &["identifier"],
            "ListSets" => &["resumptionToken"],
            "GetRecord" => &["identifier", "metadataPrefix"],
            "ListIdentifiers" | "ListRecords" => &list,
            _ => return Err(Fault::BadVerb),
        };
        let arguments = Arguments::read(given, allowed)?;
        match *verb {
            "Identify" => Ok(Request::Identify),
            "ListMetadataFormats" => {
                Ok(Request::ListMetadataFormats { identifier: arguments.get("identifier").map(str::to_owned) })
            }
            // All of them fit one answer, so there never was a token.
            "ListSets" if arguments.get("resumptionToken").is_some() => Err(Fault::BadToken),
            "ListSets" => Ok(Request::ListSets),
            "GetRecord" => {
                let format = Format::read(arguments.needed("metadataPrefix")?)?;
                Ok(Request::GetRecord { identifier: arguments.needed("identifier")?.to_owned(), format })
            }
            "ListIdentifiers" => Listing::read(&arguments).map(Request::ListIdentifiers),
            _ => Listing::read(&arguments).map(Request::ListRecords),
        }
    }
}

impl Listing {
    fn read(arguments: &Arguments<'_>) -> Result<Listing, Fault> {
        if let Some(token) = arguments.get("resumptionToken") {
            return match arguments.0.as_slice() {
                [_] => token::read(token).ok_or(Fault::BadToken),
                _ => Err(Fault::BadArgument("a resumptionToken stands alone".to_owned())),
            };
        }
        let format = Format::read(arguments.needed("metadataPrefix")?)?;
        let moment = |name: &str| arguments.get(name).map(|text| Moment::read(name, text)).transpose();
        let (from, until) = (moment("from")?, moment("until")?);
        if let (Some(from), Some(until)) = (&from, &until) {
            if from.text.len() != until.text.len() {
                return Err(Fault::BadArgument("from and until are both days or both seconds".to_owned()));
            }
            if from.begins_ms > until.begins_ms {
                return Err(Fault::BadArgument("from is after until".to_owned()));
            }
        }
        let set = arguments.get("set").map(Set::read).transpose()?;
        Ok(Listing { format, set, from, until, cursor: None })
    }
}

/// Arguments beside the verb.
struct Arguments<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Arguments<'a> {
    fn read(given: &'a [(String, String)], allowed: &[&str]) -> Result<Arguments<'a>, Fault> {
        let mut arguments: Vec<(&str, &str)> = Vec::new();
        for (name, value) in given.iter().filter(|(name, _)| name != "verb") {
            if !allowed.contains(&name.as_str()) {
                return Err(Fault::BadArgument(format!("`{name}` is no argument of this verb")));
            }
            if arguments.iter().any(|(known, _)| known == name) {
                return Err(Fault::BadArgument(format!("`{name}` is given twice")));
            }
            arguments.push((name, value));
        }
        Ok(Arguments(arguments))
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn needed(&self, name: &str) -> Result<&'a str, Fault> {
        self.get(name).ok_or_else(|| Fault::BadArgument(format!("`{name}` is missing")))
    }
}

impl Moment {
    /// Reads `2026-11-28` or `2026-11-28T09:30:00Z`, and nothing else.
    pub fn read(name: &str, text: &str) -> Result<Moment, Fault> {
        let bad = || Fault::BadArgument(format!("`{name}` is written 2026-11-28 or 2026-11-28T09:30:00Z"));
        let digits = text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            10 => byte == b'T',
            13 | 16 => byte == b':',
            19 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
        let (whole, seconds) = match text.len() {
            10 => (format!("{text}T00:00:00Z"), 24 * 60 * 60),
            20 => (text.to_owned(), 1),
            _ => return Err(bad()),
        };
        let time: jiff::Timestamp = whole.parse().ok().filter(|_| digits).ok_or_else(bad)?;
        let ms = |second: i64| u64::try_from(second).unwrap_or(0) * 1000;
        let begins = time.as_second();
        Ok(Moment { text: text.to_owned(), begins_ms: ms(begins), ends_ms: ms(begins + seconds) })
    }
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 2] = [Format::DublinCore, Format::JsonLd];

    /// The one of a name.
    pub fn read(prefix: &str) -> Result<Format, Fault> {
        let found = Format::ALL.into_iter().find(|format| format.prefix() == prefix);
        found.ok_or_else(|| Fault::NoFormat(prefix.to_owned()))
    }

    /// Its name.
    pub fn prefix(self) -> &'static str {
        match self {
            Format::DublinCore => "oai_dc",
            Format::JsonLd => "jsonld",
        }
    }

    /// Where it is described.
    pub fn schema(self, origin: &Origin) -> String {
        match self {
            Format::DublinCore => "http://www.openarchives.org/OAI/2.0/oai_dc.xsd".to_owned(),
            Format::JsonLd => format!("{origin}{}", json_ld::SCHEMA_PATH),
        }
    }

    /// What its elements belong to.
    pub fn namespace(self) -> &'static str {
        match self {
            Format::DublinCore => "http://www.openarchives.org/OAI/2.0/oai_dc/",
            Format::JsonLd => json_ld::NAMESPACE,
        }
    }
}

impl Set {
    /// Reads a `setSpec`.
    pub fn read(text: &str) -> Result<Set, Fault> {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte);
        let part = |part: &str| !part.is_empty() && part.bytes().all(letter);
        if !text.split(':').all(part) {
            return Err(Fault::BadArgument(format!("`{text}` is no setSpec; ListSets names those there are")));
        }
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
        match (name, value) {
            ("kind", None) => Ok(Set::Kinds),
            ("kind", Some(slug)) if vocabulary::kind(&slug).is_some() => Ok(Set::Kind(slug)),
            ("topic", None) => Ok(Set::Topics),
            ("topic", Some(slug)) if vocabulary::TOPICS.iter().any(|(known, ..)| *known == slug) => {
                Ok(Set::Topic(slug))
            }
            ("member", None) => Ok(Set::Members),
            ("member", Some(code)) if proto::member::is_code(&code) => Ok(Set::Member(code)),
            _ => Err(Fault::NoRecords),
        }
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Set::Kinds => f.write_str("kind"),
            Set::Kind(slug) => write!(f, "kind:{slug}"),
            Set::Topics => f.write_str("topic"),
            Set::Topic(slug) => write!(f, "topic:{slug}"),
            Set::Members => f.write_str("member"),
            Set::Member(code) => write!(f, "member:{code}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{Fault, Moment, Request};

    fn read(query: &[(&str, &str)]) -> Result<Request, &'static str> {
        let given: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Request::read(&given).map_err(|fault| fault.code())
    }

    #[test]
    fn arguments_are_refused_as_the_standard_says() {
        let list = ("verb", "ListRecords");
        let dc = ("metadataPrefix", "oai_dc");
        let day = ("from", "2026-11-28");
        assert_eq!(read(&[]), Err("badVerb"));
        assert_eq!(read(&[("verb", "listrecords")]), Err("badVerb"));
        assert_eq!(read(&[("verb", "Identify"), ("verb", "Identify")]), Err("badVerb"));
        assert_eq!(read(&[("verb", "Identify"), dc]), Err("badArgument"));
        assert_eq!(read(&[("verb", "Identify")]), Ok(Request::Identify));
        assert_eq!(read(&[list]), Err("badArgument"));
        assert_eq!(read(&[list, dc, dc]), Err("badArgument"));
        assert_eq!(read(&[list, ("metadataPrefix", "marc21")]), Err("cannotDisseminateFormat"));
        assert_eq!(read(&[list, dc, day, ("until", "2026-11-28T00:00:00Z")]), Err("badArgument"));
        assert_eq!(read(&[list, dc, day, ("until", "2026-11-27")]), Err("badArgument"));
        assert_eq!(read(&[list, dc, ("set", "")]), Err("badArgument"));
        assert_eq!(read(&[list, dc, ("set", "topic:cats")]), Err("noRecordsMatch"));
        assert_eq!(read(&[list, dc, ("resumptionToken", "x")]), Err("badArgument"));
        assert_eq!(read(&[list, ("resumptionToken", "x")]), Err("badResumptionToken"));
        assert_eq!(read(&[("verb", "ListSets"), ("resumptionToken", "x")]), Err("badResumptionToken"));
        assert!(read(&[list, dc, day, ("until", "2026-11-28"), ("set", "member:KE-LC01")]).is_ok());
    }

    #[test]
    fn a_day_ends_with_it_and_nothing_else_is_a_date() {
        let day = Moment::read("until", "1970-01-02").unwrap();
        assert_eq!((day.begins_ms, day.ends_ms), (86_400_000, 172_800_000));
        let second = Moment::read("until", "1970-01-01T00:00:01Z").unwrap();
        assert_eq!((second.begins_ms, second.ends_ms), (1000, 2000));
        assert_eq!(Moment::read("from", "1066-10-14").unwrap().ends_ms, 0);
        for text in [
            "2026",
            "2026-11",
            "2026-11-31",
            "2026-11-28T09:30Z",
            "2026-11-28T09:30:00.5Z",
            "2026-11-28T09:30:00",
            "+12026-1-1",
        ] {
            assert!(matches!(Moment::read("from", text), Err(Fault::BadArgument(_))), "{text}");
        }
    }
}
