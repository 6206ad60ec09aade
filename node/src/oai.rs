//! OAI-PMH 2.0 at `/oai`, by which library catalogues and aggregators harvest what this node holds.
//!
//! A record is a work; its datestamp is the second in which what is shown of it last changed *here*, and lists run in that order,
//! from arrival to arrival. A resumption token names the arrival that was reached, so it keeps no state here, stays good while
//! records arrive, and costs the same on the last page as on the first: a record that changes meanwhile goes to the end and comes
//! again. What is withdrawn, erased, hidden or stands no more is a deleted record, for good.
//!
//! Of the libraries, `oai-pmh` only harvests, and `oai-pmh-rs` 0.2 (the one provider; of this year, with few users) pages by offset
//! and count: where records move, it leaves some out, and its last page costs most. What is left to do is small, and here;
//! quick-xml escapes.

mod dublin_core;
mod harvest;
mod json_ld;
mod request;
mod token;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Form, Router};

use self::harvest::{Harvest, Says};
use self::request::{Fault, Format, Listing, Request, Set};
use crate::app::{App, Problem};
use crate::identifier;
use crate::keeper::now_ms;
use crate::labels::{self, List};
use crate::library::{Library, LibraryError};
use crate::origin::Origin;
use crate::rows::StoreError;
use crate::time;
use crate::xml::Xml;

/// Seconds by which answers are dated back. What arrives bears the time at which it was written; it can be harvested once that
/// is durable, which a slow disk may take this long for. Who harvests from the date of an answer on misses nothing.
const DATED_BACK_MS: u64 = 5_000;
const NAMESPACE: &str = "http://www.openarchives.org/OAI/2.0/";
const SCHEMA: &str = "http://www.openarchives.org/OAI/2.0/ http://www.openarchives.org/OAI/2.0/OAI-PMH.xsd";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The routes.
pub fn routes() -> Router<App> {
    let schema = || async { ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], json_ld::SCHEMA) };
    Router::new().route("/oai", get(answer).post(answer)).route(json_ld::SCHEMA_PATH, get(schema))
}

/// What a protocol error or a failure ends an answer with.
enum Stop {
    Fault(Fault),
    Failed(LibraryError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

impl From<LibraryError> for Stop {
    fn from(error: LibraryError) -> Stop {
        Stop::Failed(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Failed(error.into())
    }
}

async fn answer(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    let given = form.map(|Form(given)| given).unwrap_or_default();
    let origin = Origin::of(&headers);
    let contact = app.node.config().http.contact.clone();
    let library = app.library();
    let answered = tokio::task::spawn_blocking(move || document(&library, &origin, &contact, &given)).await;
    match answered {
        Ok(Ok(xml)) => ([(header::CONTENT_TYPE, "text/xml; charset=utf-8")], xml.into_string()).into_response(),
        Ok(Err(error)) => Problem::from(error).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The whole answer to the arguments given. Errors of the protocol are answers too.
fn document(
    library: &Library,
    origin: &Origin,
    contact: &str,
    given: &[(String, String)],
) -> Result<Xml, LibraryError> {
    let now = now_ms().saturating_sub(DATED_BACK_MS);
    let base = format!("{origin}/oai");
    let mut body = Xml::default();
    let asked = Request::read(given);
    let answered = asked.as_ref().map_err(|fault| Stop::from(fault.clone())).and_then(|request| {
        let answer = Answer { library, origin, contact, base: &base, now };
        answer.write(request, &mut body)
    });
    let fault = match answered {
        Ok(()) => None,
        Err(Stop::Fault(fault)) => Some(fault),
        Err(Stop::Failed(error)) => return Err(error),
    };
    let mut xml = Xml::document();
    let location = [("xmlns", NAMESPACE), ("xmlns:xsi", INSTANCE), ("xsi:schemaLocation", SCHEMA)];
    xml.open("OAI-PMH", &location);
    xml.element("responseDate", &[], &time::second(now));
    // What could not be understood is not repeated: the standard forbids it.
    let echo = if fault.as_ref().is_some_and(Fault::is_misunderstanding) { &[] } else { given };
    let echo: Vec<(&str, &str)> = echo.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    xml.element("request", &echo, &base);
    match fault {
        None => xml.append(&body),
        Some(fault) => xml.element("error", &[("code", fault.code())], &fault.to_string()),
    }
    xml.close("OAI-PMH");
    Ok(xml)
}

struct Answer<'a> {
    library: &'a Library,
    origin: &'a Origin,
    contact: &'a str,
    base: &'a str,
    now: u64,
}

impl Answer<'_> {
    fn write(&self, request: &Request, xml: &mut Xml) -> Result<(), Stop> {
        match request {
            Request::Identify => self.identify(xml),
            Request::ListMetadataFormats { identifier } => self.formats(identifier.as_deref(), xml),
            Request::ListSets => {
                self.sets(xml);
                Ok(())
            }
            Request::GetRecord { identifier, format } => self.record(identifier, *format, xml),
            Request::ListIdentifiers(listing) => self.list("ListIdentifiers", listing, xml),
            Request::ListRecords(listing) => self.list("ListRecords", listing, xml),
        }
    }

    fn harvest(&self) -> Harvest<'_> {
        Harvest::of(self.library)
    }

    fn identify(&self, xml: &mut Xml) -> Result<(), Stop> {
        let standing = &self.library.view.standing;
        let earliest = self.library.reader.news(0, 1)?.first().map_or(self.now, |news| news.at_ms);
        let federation = &self.library.view.frontier.federation;
        xml.open("Identify", &[]);
        xml.element("repositoryName", &[], &format!("Comity: {}", standing.charter().name()));
        xml.element("baseURL", &[], self.base);
        xml.element("protocolVersion", &[], "2.0");
        xml.element("adminEmail", &[], self.contact);
        xml.element("earliestDatestamp", &[], &time::second(earliest));
        xml.element("deletedRecord", &[], "persistent");
        xml.element("granularity", &[], "YYYY-MM-DDThh:mm:ssZ");
        xml.element("compression", &[], "gzip");
        let (namespace, schema) = (
            "http://www.openarchives.org/OAI/2.0/oai-identifier",
            "http://www.openarchives.org/OAI/2.0/oai-identifier http://www.openarchives.org/OAI/2.0/oai-identifier.xsd",
        );
        xml.open("description", &[]);
        xml.open("oai-identifier", &[("xmlns", namespace), ("xmlns:xsi", INSTANCE), ("xsi:schemaLocation", schema)]);
        xml.element("scheme", &[], "oai");
        xml.element("repositoryIdentifier", &[], &identifier::repository(federation));
        xml.element("delimiter", &[], ":");
        xml.element("sampleIdentifier", &[], &identifier::of(federation, "KE-LC01/ai-bill-2026"));
        xml.close("oai-identifier");
        xml.close("description");
        xml.close("Identify");
        Ok(())
    }

    fn formats(&self, identifier: Option<&str>, xml: &mut Xml) -> Result<(), Stop> {
        if let Some(identifier) = identifier {
            self.harvest().get(identifier)?.ok_or_else(|| Fault::NoSuchRecord(identifier.to_owned()))?;
        }
        xml.open("ListMetadataFormats", &[]);
        for format in Format::ALL {
            xml.open("metadataFormat", &[]);
            xml.element("metadataPrefix", &[], format.prefix());
            xml.element("schema", &[], &format.schema(self.origin));
            xml.element("metadataNamespace", &[], format.namespace());
            xml.close("metadataFormat");
        }
        xml.close("ListMetadataFormats");
        Ok(())
    }

    fn sets(&self, xml: &mut Xml) {
        xml.open("ListSets", &[]);
        let mut set = |set: Set, name: &str| {
            xml.open("set", &[]);
            xml.element("setSpec", &[], &set.to_string());
            xml.element("setName", &[], name);
            xml.close("set");
        };
        let standing = &self.library.view.standing;
        set(Set::Kinds, "Everything, by kind");
        let label = |list: List, slug: &str| labels::label(list, slug, "en");
        List::Kind.slugs().into_iter().for_each(|slug| set(Set::Kind(slug.to_owned()), &label(List::Kind, slug)));
        set(Set::Topics, "Everything, by topic");
        List::Topic.slugs().into_iter().for_each(|slug| set(Set::Topic(slug.to_owned()), &label(List::Topic, slug)));
        set(Set::Members, "Everything, by the member that published it");
        for member in standing.codes().into_iter().filter_map(|code| standing.member(code)) {
            set(Set::Member(member.code.clone()), &member.name);
        }
        xml.close("ListSets");
    }

    fn record(&self, identifier: &str, format: Format, xml: &mut Xml) -> Result<(), Stop> {
        let harvest = self.harvest();
        let record = harvest.get(identifier)?.ok_or_else(|| Fault::NoSuchRecord(identifier.to_owned()))?;
        xml.open("GetRecord", &[]);
        self.write_record(&record, format, xml);
        xml.close("GetRecord");
        Ok(())
    }

    fn list(&self, verb: &str, listing: &Listing, xml: &mut Xml) -> Result<(), Stop> {
        let harvest = self.harvest();
        let arrivals = self.library.view.counts.arrival;
        if listing.cursor.is_some_and(|cursor| cursor.arrival > arrivals) {
            return Err(Fault::BadToken.into());
        }
        let mut records = Xml::default();
        let mut delivered = 0;
        let next = harvest.walk(listing, |record| {
            match verb {
                "ListRecords" => self.write_record(record, listing.format, &mut records),
                _ => self.write_header(record, &mut records),
            }
            delivered += 1;
            records.len()
        })?;
        // The records that a token promised may all have moved beyond `until`. The schema wants one even then; every harvester
        // takes an empty page for the end, and an error for a harvest that failed.
        if delivered == 0 && listing.cursor.is_none() {
            return Err(Fault::NoRecords.into());
        }
        xml.open(verb, &[]);
        xml.append(&records);
        let before = listing.cursor.map_or(0, |cursor| cursor.delivered);
        let place = before.to_string();
        match next {
            Some(arrival) => {
                let token = token::write(listing, token::Cursor { arrival, delivered: before + delivered });
                xml.element("resumptionToken", &[("cursor", &place)], &token);
            }
            // The last part of several says that it is the last.
            None if listing.cursor.is_some() => xml.empty("resumptionToken", &[("cursor", &place)]),
            None => {}
        }
        xml.close(verb);
        Ok(())
    }

    fn write_header(&self, record: &harvest::Record, xml: &mut Xml) {
        let deleted = [("status", "deleted")];
        xml.open("header", if matches!(record.says, Says::Deleted(_)) { &deleted } else { &[] });
        xml.element("identifier", &[], &identifier::of(&self.library.view.frontier.federation, &record.work));
        xml.element("datestamp", &[], &time::second(record.at_ms));
        record.sets().iter().for_each(|set| xml.element("setSpec", &[], &set.to_string()));
        xml.close("header");
    }

    fn write_record(&self, record: &harvest::Record, format: Format, xml: &mut Xml) {
        xml.open("record", &[]);
        self.write_header(record, xml);
        if let Says::Document(document) = &record.says {
            xml.open("metadata", &[]);
            match format {
                Format::DublinCore => dublin_core::write(self.library, self.origin, document, xml),
                Format::JsonLd => json_ld::write(self.library, self.origin, document, xml),
            }
            xml.close("metadata");
        }
        xml.close("record");
    }
}
