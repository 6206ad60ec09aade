//! A document as unqualified Dublin Core, the format that every library reads.

use crate::jurisdictions;
use crate::labels::{self, List};
use crate::library::Library;
use crate::markdown;
use crate::origin::Origin;
use crate::time;
use crate::views;
use crate::xml::Xml;

/// Characters of the text that stand for a summary where there is none.
const LEAD_CHARS: usize = 1_000;
const NAMESPACE: &str = "http://www.openarchives.org/OAI/2.0/oai_dc/";
const SCHEMA: &str = "http://www.openarchives.org/OAI/2.0/oai_dc/ http://www.openarchives.org/OAI/2.0/oai_dc.xsd";
const ELEMENTS: &str = "http://purl.org/dc/elements/1.1/";
const INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Writes it.
pub fn write(library: &Library, origin: &Origin, document: &views::Document, xml: &mut Xml) {
    let front = &document.front_matter;
    let spaces =
        [("xmlns:oai_dc", NAMESPACE), ("xmlns:dc", ELEMENTS), ("xmlns:xsi", INSTANCE), ("xsi:schemaLocation", SCHEMA)];
    xml.open("oai_dc:dc", &spaces);
    let mut put = |name: &str, language: &str, text: &str| {
        // What was received may call anything a language; as an attribute it has to be one.
        let named = [("xml:lang", language)];
        let is_named = oxilangtag::LanguageTag::parse(language).is_ok();
        if !text.trim().is_empty() {
            xml.element(name, if is_named { &named } else { &[] }, text);
        }
    };
    let own = front.language.as_str();
    put("dc:title", own, &front.title);
    for title in [&front.official_title, &front.short_title].into_iter().filter(|title| **title != front.title) {
        put("dc:title", own, title);
    }
    put("dc:creator", "", &document.provenance.member_name);
    for topic in &front.topics {
        put("dc:subject", "en", &labels::label(List::Topic, topic, "en"));
    }
    front.keywords.iter().for_each(|keyword| put("dc:subject", own, keyword));
    let lead = [&front.summary_short, &front.objective].into_iter().find(|text| !text.is_empty());
    let lead = lead.cloned().unwrap_or_else(|| markdown::to_text(&document.text).chars().take(LEAD_CHARS).collect());
    put("dc:description", own, lead.trim());
    if front.assistance.values().any(|level| level == "generated-unreviewed") {
        put("dc:description", "en", "Drafted with AI and not reviewed by a person. Check it against its sources.");
    }
    put("dc:publisher", "", &library.member_name(&document.provenance.member));
    put("dc:date", "", &time::day(document.provenance.claimed_ms));
    put("dc:type", "en", &labels::label(List::Kind, &front.kind, "en"));
    put("dc:type", "", "Text");
    put("dc:identifier", "", &origin.page(&document.work));
    put("dc:identifier", "", &document.citation);
    for identifier in &front.identifiers {
        put("dc:identifier", "", &format!("{}:{}", identifier.scheme, identifier.value));
    }
    for source in &front.sources {
        put("dc:source", "", if source.url.is_empty() { &source.title } else { &source.url });
    }
    put("dc:language", "", own);
    for relation in &front.relations {
        put("dc:relation", "", &format!("{} {}", relation.rel, relation.target));
    }
    for related in &document.related {
        put("dc:relation", "", &origin.page(&related.work));
    }
    for correction in document.related.iter().filter(|related| related.rel == "correction") {
        put("dc:description", "en", &format!("Corrected by {}: {}", correction.member_name, correction.title));
    }
    // Concurrent versions: both are in force until one supersedes both.
    let shown = |version: &&views::Version| version.current && version.digest != document.provenance.digest;
    for version in document.versions.iter().filter(shown) {
        put("dc:relation", "", &origin.page(&format!("{}@{}", document.work, version.name)));
    }
    if !front.jurisdiction.is_empty() {
        put("dc:coverage", "en", &jurisdictions::name(&front.jurisdiction));
        put("dc:coverage", "", &front.jurisdiction);
    }
    put("dc:rights", "", &front.licence);
    xml.close("oai_dc:dc");
}
