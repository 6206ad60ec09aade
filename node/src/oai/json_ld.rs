//! A document as JSON-LD, as the export writes it, within an element of its own: a harvest carries XML and nothing else.

use crate::export;
use crate::library::Library;
use crate::origin::Origin;
use crate::views;
use crate::xml::Xml;

/// What the element belongs to.
pub const NAMESPACE: &str = "urn:comity:jsonld";
/// Where its schema is, on every node.
pub const SCHEMA_PATH: &str = "/oai/jsonld.xsd";
/// The schema: an element with a text, which is a JSON-LD document with its own context.
pub const SCHEMA: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:comity:jsonld" elementFormDefault="qualified">
  <xs:annotation>
    <xs:documentation xml:lang="en">A JSON-LD 1.1 document as text: schema.org, and PROV for where it comes from. Its context is within it.</xs:documentation>
  </xs:annotation>
  <xs:element name="jsonld" type="xs:string"/>
</xs:schema>
"#;

/// Writes it.
pub fn write(library: &Library, origin: &Origin, document: &views::Document, xml: &mut Xml) {
    let place = format!("{NAMESPACE} {origin}{SCHEMA_PATH}");
    xml.element("jsonld", &[("xmlns", NAMESPACE), ("xsi:schemaLocation", &place)], &export::alone(library, document));
}
