//! The protocol, tested from outside: what strangers' tools make of it, what its trees and logs refuse, the bytes that must
//! never change, and a simulated federation under bad weather.
#![allow(clippy::unwrap_used)]

mod claims;
mod corpus;
mod editions;
mod forgoing;
mod forks;
mod histories;
mod log;
mod opinion;
mod replica;
mod scale;
mod simulation;
mod standards;
mod standing;
mod tales;
mod tales_of_desks;
mod tales_of_forks;
mod tales_of_keys;
mod tales_of_members;
mod tree;
mod vectors;
mod work;
mod world;
