//! Stories of a federation, told with the real program: real processes, real disks, real libp2p, a real browser.
//!
//! Each ends in the independent audit. Nothing here waits for a time to pass, only for a condition to hold, for at most a
//! minute; temporary folders hold everything, the fence's marks included.
#![allow(clippy::unwrap_used)]

mod command_line;
mod corpus;
mod damage;
mod description;
mod disk;
mod erase;
mod export;
mod faults;
mod federation;
mod forks;
mod harvest;
mod hostile;
mod import;
mod keys;
mod kill;
mod knowledge;
mod memory;
mod moments;
mod pages;
mod policy;
mod power;
mod proofs;
mod quality;
mod restore;
mod search;
mod store;
mod sync;
mod walkthroughs;
mod wire;
