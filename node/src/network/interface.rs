//! What the network is told, and what it tells.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

use proto::digest::Digest;
use proto::key::SecretKey;
use proto::replica::Verdict;
use proto::session::Peer;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::conduct::{Bound, Limited};

/// Everything the network is told at its start.
pub struct NetworkConfig {
    /// The peer key.
    pub key: SecretKey,
    /// The federation's id.
    pub federation: Digest,
    /// Multiaddrs to listen on; none: only call.
    pub listen: Vec<String>,
    /// Multiaddrs under which others reach us.
    pub announce: Vec<String>,
    /// First addresses to call.
    pub peers: Vec<String>,
    /// Whether private addresses that others published may be called.
    pub allow_private: bool,
    /// Whether to gossip.
    pub gossip: bool,
    /// What strangers may use of this node.
    pub bounds: Bounds,
    /// Where the address book is kept.
    pub address_book: PathBuf,
}

/// What an operator may set of the bounds that strangers run into; the others are constants, where they are used.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections that one address (of IPv6: one /64) may have opened at once.
    pub connections_per_address: usize,
    /// Connections that one address may open in a minute.
    pub new_connections_per_minute: u32,
    /// Seconds of the first block of a peer or an address; later ones are longer.
    pub first_block_seconds: u64,
}

impl Default for Bounds {
    /// Eight connections: several parliaments behind one address, each of which may call twice at once. Thirty a minute: all of
    /// them start at once, and again. A minute's block: who was mended is soon back, who was not is soon blocked for longer.
    fn default() -> Bounds {
        Bounds { connections_per_address: 8, new_connections_per_minute: 30, first_block_seconds: 60 }
    }
}

/// Why the network cannot start.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// An address of the configuration is none.
    #[error(
        "{address} is not a usable address: {what}; write it like /dns4/comity.parliament.example/tcp/8114{suffix}"
    )]
    Address {
        /// The address.
        address: String,
        /// Why.
        what: String,
        /// What else belongs to it.
        suffix: &'static str,
    },
    /// It cannot be listened on.
    #[error("cannot listen on {address}: {what}; choose another port with --listen, or stop what uses it")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        what: String,
    },
    /// libp2p refused to be set up.
    #[error("the network cannot be set up: {0}")]
    Setup(String),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// A peer of this federation is there.
    Connected(Peer),
    /// It is gone.
    Gone(Peer),
    /// A gossip message waits for its verdict.
    Gossip {
        /// Who handed it over.
        from: Peer,
        /// Our name for it.
        id: u64,
        /// The message.
        bytes: Vec<u8>,
    },
}

/// What an operator sees of the network.
#[derive(Clone, Debug, Default)]
pub struct NetworkStatus {
    /// Our peer id.
    pub peer: String,
    /// Addresses listened on, with the peer id.
    pub listen: Vec<String>,
    /// Peers of this federation that are connected, and from or at which address.
    pub connected: BTreeMap<Peer, String>,
    /// What went wrong of late, newest last.
    pub troubles: VecDeque<String>,
    /// Who met which bounds, blocked ones first.
    pub limited: Vec<Limited>,
}

/// Asks of the task that owns the swarm.
pub(super) enum Command {
    Publish(Vec<u8>),
    Verdict { id: u64, verdict: Verdict },
    Penalize { peer: Peer, fault: String },
    Met { peer: Peer, bound: &'static Bound },
    Learn { peer: String, addresses: Vec<String> },
    Strike { peer: String },
    Stop(oneshot::Sender<()>),
}
