//! The world around the protocol: what a Comity node keeps, whom it talks to, and how people use it.

pub mod address_book;
pub mod config;
pub mod disk;
pub mod document;
pub mod engine;
pub mod fence;
pub mod frame;
pub mod front_matter;
pub mod index;
pub mod keeper;
pub mod keystore;
pub mod markdown;
pub mod network;
pub mod node;
pub mod query;
pub mod reader;
pub mod rows;
pub mod segments;
pub mod store;
pub mod sync;
pub mod text;
pub mod vocabulary;
pub mod indexer;
pub mod library;
pub mod views;
