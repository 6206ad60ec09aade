//! The only file that names libp2p, with its folder: who is connected, what is gossiped, and streams for sync. It carries bytes,
//! and judges none.
//!
//! TCP, Noise and Yamux; identify to refuse other federations; anonymous gossipsub that forwards nothing before its verdict;
//! `libp2p-stream` for sync. One task owns the swarm and never waits for anything but the swarm and its own queues: whoever
//! verifies or writes to disk does so elsewhere. What the operator must know is in [`NetworkStatus`].

mod address;
mod gate;
mod interface;
mod setup;
mod stream;
mod task;

use std::collections::{HashMap, VecDeque};
use std::io;

use libp2p::gossipsub::IdentTopic;
use libp2p::{PeerId, StreamProtocol, identity};
use prometheus_client::registry::Registry;
use proto::key::SecretKey;
use proto::replica::Verdict;
use proto::session::Peer;
use tokio::sync::{mpsc, oneshot, watch};

use self::interface::Command;
pub use self::interface::{Bounds, Event, NetworkConfig, NetworkError, NetworkStatus};
use self::setup::SETUP;
pub use self::stream::{SyncError, SyncReader, SyncStream, SyncWriter};
use self::task::{BACKLOG_MAX, Task};
use crate::address_book::AddressBook;
use crate::conduct::{Bound, Bucket};

/// Handle on the network; cheap to clone.
#[derive(Clone)]
pub struct Network {
    commands: mpsc::Sender<Command>,
    control: libp2p_stream::Control,
    protocol: StreamProtocol,
    status: watch::Receiver<NetworkStatus>,
}

/// Starts the network. Events and streams that others open arrive on the receivers.
pub async fn start(
    config: NetworkConfig,
    registry: &mut Registry,
) -> Result<(Network, mpsc::Receiver<Event>, mpsc::Receiver<SyncStream>), NetworkError> {
    let seed = config.key.seed();
    let keypair =
        identity::Keypair::ed25519_from_bytes(*seed).map_err(|error| NetworkError::Setup(error.to_string()))?;
    let metrics = libp2p::metrics::Metrics::new(registry);
    let topic = IdentTopic::new(format!("comity/{}", config.federation));
    let mut swarm = setup::swarm(&keypair, &config, &topic, registry)?;
    let me = *swarm.local_peer_id();

    for address in &config.announce {
        swarm.add_external_address(address::parse(address, "")?);
    }
    let mut book = load(&config.address_book);
    for address in &config.peers {
        let (peer, _) =
            address::split(&address::parse(address, "/p2p/<peer id>")?).ok_or_else(|| NetworkError::Address {
                address: address.clone(),
                what: "it does not end in /p2p/<peer id>".to_owned(),
                suffix: "/p2p/<peer id>",
            })?;
        book.configure(&peer.to_string(), address);
    }
    let listen = setup::listen(&mut swarm, &config.listen).await?;
    let listen = listen.into_iter().map(|address| format!("{address}/p2p/{me}")).collect();
    let status = NetworkStatus { peer: me.to_string(), listen, ..NetworkStatus::default() };
    let (status, status_receiver) = watch::channel(status);

    let protocol = StreamProtocol::new("/comity/sync/1");
    let mut control = swarm.behaviour().stream.new_control();
    let incoming = control.accept(protocol.clone()).map_err(|error| NetworkError::Setup(error.to_string()))?;
    let (streams, stream_receiver) = mpsc::channel(stream::SYNCS_MAX);
    let (commands, command_receiver) = mpsc::channel(BACKLOG_MAX);
    tokio::spawn(stream::accept(incoming, streams, commands.clone()));
    let (events, event_receiver) = mpsc::channel(BACKLOG_MAX);
    let task = Task {
        protocol_version: setup::protocol_version(&config.federation),
        config,
        swarm,
        topic,
        metrics,
        book,
        book_changed: false,
        status,
        events,
        backlog: VecDeque::new(),
        gossip: HashMap::new(),
        next_id: 0,
        guests: HashMap::new(),
        unspoken: None,
        published: Bucket::default(),
        forwarded: Bucket::default(),
        ticks: 0,
    };
    tokio::spawn(task.run(command_receiver));
    let network = Network { commands, control, protocol, status: status_receiver };
    Ok((network, event_receiver, stream_receiver))
}

impl Network {
    /// Gossips a message. Lost where nobody listens; sync brings it.
    pub async fn publish(&self, bytes: Vec<u8>) {
        self.tell(Command::Publish(bytes)).await;
    }

    /// Judges a gossip message by the name it came with.
    pub async fn verdict(&self, id: u64, verdict: Verdict) {
        self.tell(Command::Verdict { id, verdict }).await;
    }

    /// Counts that a peer met a bound; where that is a fault, and one too many, it is blocked.
    pub async fn met(&self, peer: Peer, bound: &'static Bound) {
        self.tell(Command::Met { peer, bound }).await;
    }

    /// Holds a fault against a peer; after a few it is blocked.
    pub async fn penalize(&self, peer: Peer, fault: String) {
        self.tell(Command::Penalize { peer, fault }).await;
    }

    /// An entry of the phone book.
    pub async fn learn(&self, peer: String, addresses: Vec<String>) {
        self.tell(Command::Learn { peer, addresses }).await;
    }

    /// A node that the phone book names no more.
    pub async fn strike(&self, peer: String) {
        self.tell(Command::Strike { peer }).await;
    }

    /// Opens a sync stream to a connected peer.
    pub async fn open_sync(&self, peer: &Peer) -> io::Result<SyncStream> {
        let id: PeerId = peer.parse().map_err(|_| io::Error::other("not a peer id"))?;
        let mut control = self.control.clone();
        let opened = control.open_stream(id, self.protocol.clone());
        match tokio::time::timeout(SETUP, opened).await {
            Ok(Ok(stream)) => Ok(SyncStream::new(peer.clone(), stream)),
            Ok(Err(error)) => Err(io::Error::other(error.to_string())),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    /// What an operator sees.
    pub fn status(&self) -> NetworkStatus {
        self.status.borrow().clone()
    }

    /// Closes every connection and stops.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        self.tell(Command::Stop(done)).await;
        let _ = stopped.await;
    }

    async fn tell(&self, command: Command) {
        // The task ends before its handles only when the whole node does.
        let _ = self.commands.send(command).await;
    }
}

fn load(path: &std::path::Path) -> AddressBook {
    // A missing or damaged book is an empty one: it fills again from the configuration and the logs.
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// The peer id of a peer key, as addresses end in it.
pub fn peer_id(key: &SecretKey) -> Result<String, NetworkError> {
    let keypair = identity::Keypair::ed25519_from_bytes(*key.seed());
    let keypair = keypair.map_err(|error| NetworkError::Setup(error.to_string()))?;
    Ok(keypair.public().to_peer_id().to_string())
}
