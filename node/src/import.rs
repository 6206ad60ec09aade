//! What others have already, into our log: Markdown files, tables through a mapping, another node's export, and what a
//! parliament's own system pushes.
//!
//! [`source`] reads record by record, [`candidate`] makes each ready (mapped by [`mapping`], checked as everything that is
//! published), [`held`] asks the store whether it says that already, [`taking`] publishes the rest, one signature a batch. An
//! import that is interrupted is begun again: what is there is unchanged.
//!
//! CSV is read by `csv`, which goes on after a bad row and knows its line; characters by `encoding_rs_io`, which knows byte order
//! marks; languages by `icu_locale`, which has CLDR's aliases; folders by `walkdir`. Dates are `jiff`'s strptime.

mod answers;
pub mod batch;
pub mod candidate;
mod date;
pub mod held;
mod language;
mod lines;
pub mod mapping;
pub mod mapping_file;
mod plain;
pub mod record;
pub mod report;
pub mod routes;
pub mod row;
pub mod rule;
mod shape;
pub mod source;
mod table;
pub mod taking;
