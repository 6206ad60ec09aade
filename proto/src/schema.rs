//! The wire shapes generated from `federation.proto`. Never used for domain logic beyond the file that converts them.
#![allow(missing_docs, clippy::all, clippy::pedantic)]

include!(concat!(env!("OUT_DIR"), "/comity.v1.rs"));
