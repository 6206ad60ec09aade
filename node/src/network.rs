//! The only file that names libp2p: who is connected, what is gossiped, and streams for sync. It carries bytes, and judges none.
//!
//! TCP, Noise and Yamux; identify to refuse other federations; anonymous gossipsub that forwards nothing before its verdict;
//! `libp2p-stream` for sync. One task owns the swarm and never waits for anything but the swarm and its own queues: whoever
//! verifies or writes to disk does so elsewhere. What the operator must know is in [`NetworkStatus`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::io::{ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageAuthenticity, MessageId, ValidationMode};
use libp2p::metrics::Recorder;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, identify, identity, noise, ping, tcp, yamux};
use prometheus_client::registry::Registry;
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::limits;
use proto::replica::Verdict;
use proto::session::Peer;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::address_book::AddressBook;
use crate::fence::write_durably;

/// Connections of all peers together.
const CONNECTIONS_MAX: u32 = 128;
/// Of them, connections others opened: below the total, so that callers alone can never fill it.
const INCOMING_MAX: u32 = 96;
/// Connections we opened.
const OUTGOING_MAX: u32 = 64;
/// Handshakes under way, each way.
const PENDING_MAX: u32 = 32;
/// Connections of one peer: two happen whenever both call at once.
const PER_PEER_MAX: u32 = 4;
/// Connections from one address that is not loopback: several parliaments may share a host.
const PER_IP_MAX: usize = 8;
/// Streams of one connection.
const STREAMS_MAX: usize = 128;
/// Syncs that are answered at once, of one peer and of all.
const SYNCS_PER_PEER: usize = 4;
/// Syncs that are answered at once.
const SYNCS_MAX: usize = 32;
/// Seconds without a byte after which a sync stream is given up.
const SYNC_IDLE: Duration = Duration::from_secs(30);
/// Seconds a connection without streams is kept; syncs come every 15.
const IDLE: Duration = Duration::from_secs(60);
/// Seconds a connection may take to be set up.
const SETUP: Duration = Duration::from_secs(10);
/// Events that wait for the node before gossip is dropped; sync brings what was dropped.
const BACKLOG_MAX: usize = 1024;
/// Calls begun in one second: a full address book must not become a storm.
const CALLS_PER_TICK: usize = 8;
/// Faults of one peer after which it is cut off until the next start.
const FAULTS_MAX: u32 = 3;
/// Peers whose faults are remembered.
const FAULTY_MAX: usize = 4096;
/// Seconds between two writings of the address book.
const SAVE_EVERY: u32 = 30;
/// Bytes above the largest message that one gossip read may hold: the next message's beginning shares its buffer.
const GOSSIP_SLACK: usize = 64 * 1024;

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
    /// Where the address book is kept.
    pub address_book: PathBuf,
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
}

/// Handle on the network; cheap to clone.
#[derive(Clone)]
pub struct Network {
    commands: mpsc::Sender<Command>,
    control: libp2p_stream::Control,
    protocol: StreamProtocol,
    status: watch::Receiver<NetworkStatus>,
}

/// A sync stream as it was opened.
pub struct SyncStream {
    /// Who is at the other end.
    pub peer: Peer,
    stream: libp2p::Stream,
    slots: Vec<OwnedSemaphorePermit>,
}

/// The reading half: messages, each preceded by its length.
pub struct SyncReader {
    stream: ReadHalf<libp2p::Stream>,
    _slots: Vec<OwnedSemaphorePermit>,
}

/// The writing half.
pub struct SyncWriter(WriteHalf<libp2p::Stream>);

enum Command {
    Publish(Vec<u8>),
    Verdict { id: u64, verdict: Verdict },
    Penalize { peer: Peer, fault: String },
    Learn { peer: String, addresses: Vec<String> },
    Stop(oneshot::Sender<()>),
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    // First, because behaviours run in field order and refusing must come before anything else.
    limits: connection_limits::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: Toggle<gossipsub::Behaviour>,
    stream: libp2p_stream::Behaviour,
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
    let mut swarm = swarm(&keypair, &config, &topic, registry)?;
    let me = *swarm.local_peer_id();

    for address in &config.announce {
        swarm.add_external_address(parse(address, "")?);
    }
    let mut book = load(&config.address_book);
    for address in &config.peers {
        let (peer, _) = split(&parse(address, "/p2p/<peer id>")?).ok_or_else(|| NetworkError::Address {
            address: address.clone(),
            what: "it does not end in /p2p/<peer id>".to_owned(),
            suffix: "/p2p/<peer id>",
        })?;
        book.configure(&peer.to_string(), address);
    }
    let listen = listen(&mut swarm, &config.listen).await?;
    let listen = listen.into_iter().map(|address| format!("{address}/p2p/{me}")).collect();
    let status = NetworkStatus { peer: me.to_string(), listen, ..NetworkStatus::default() };
    let (status, status_receiver) = watch::channel(status);

    let protocol = StreamProtocol::new("/comity/sync/1");
    let mut control = swarm.behaviour().stream.new_control();
    let incoming = control.accept(protocol.clone()).map_err(|error| NetworkError::Setup(error.to_string()))?;
    let (streams, stream_receiver) = mpsc::channel(SYNCS_MAX);
    tokio::spawn(accept(incoming, streams));

    let (commands, command_receiver) = mpsc::channel(BACKLOG_MAX);
    let (events, event_receiver) = mpsc::channel(BACKLOG_MAX);
    let task = Task {
        protocol_version: protocol_version(&config.federation),
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
        by_ip: HashMap::new(),
        faults: HashMap::new(),
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

    /// Holds a fault against a peer; after [`FAULTS_MAX`] it is cut off.
    pub async fn penalize(&self, peer: Peer, fault: String) {
        self.tell(Command::Penalize { peer, fault }).await;
    }

    /// An entry of the phone book.
    pub async fn learn(&self, peer: String, addresses: Vec<String>) {
        self.tell(Command::Learn { peer, addresses }).await;
    }

    /// Opens a sync stream to a connected peer.
    pub async fn open_sync(&self, peer: &Peer) -> io::Result<SyncStream> {
        let id: PeerId = peer.parse().map_err(|_| io::Error::other("not a peer id"))?;
        let mut control = self.control.clone();
        let opened = control.open_stream(id, self.protocol.clone());
        match tokio::time::timeout(SETUP, opened).await {
            Ok(Ok(stream)) => Ok(SyncStream { peer: peer.clone(), stream, slots: Vec::new() }),
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

impl SyncStream {
    /// Both halves, so that reading and writing do not wait for each other.
    pub fn split(self) -> (SyncReader, SyncWriter) {
        let (read, write) = self.stream.split();
        (SyncReader { stream: read, _slots: self.slots }, SyncWriter(write))
    }
}

impl SyncReader {
    /// The next message; `None` where the other side closed in order.
    pub async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        within(async {
            let mut head = [0; 4];
            match self.stream.read_exact(&mut head).await {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(error) => return Err(error),
            }
            let len = u32::from_be_bytes(head) as usize;
            if len > limits::SYNC_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {len} bytes")));
            }
            let mut bytes = Vec::new();
            let got = (&mut self.stream).take(len as u64).read_to_end(&mut bytes).await?;
            if got < len { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(Some(bytes)) }
        })
        .await
    }
}

impl SyncWriter {
    /// Sends a message. Returns once the line has taken it, so that a slow reader slows its sender.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        within(async {
            self.0.write_all(&(bytes.len() as u32).to_be_bytes()).await?;
            self.0.write_all(bytes).await?;
            self.0.flush().await
        })
        .await
    }

    /// Closes in order.
    pub async fn close(mut self) {
        let _ = within(self.0.close()).await;
    }
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(SYNC_IDLE, work).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came or went for 30 seconds")),
    }
}

/// Hands over the streams others open, as many at once as may be answered; the rest is closed at once.
async fn accept(mut incoming: libp2p_stream::IncomingStreams, streams: mpsc::Sender<SyncStream>) {
    let all = Arc::new(Semaphore::new(SYNCS_MAX));
    let each: Arc<Mutex<HashMap<PeerId, Arc<Semaphore>>>> = Arc::default();
    while let Some((peer, stream)) = incoming.next().await {
        let own = {
            let mut each = each.lock().unwrap_or_else(PoisonError::into_inner);
            each.retain(|_, slots| slots.available_permits() < SYNCS_PER_PEER);
            each.entry(peer).or_insert_with(|| Arc::new(Semaphore::new(SYNCS_PER_PEER))).clone()
        };
        let (Ok(one), Ok(other)) = (own.try_acquire_owned(), all.clone().try_acquire_owned()) else { continue };
        let stream = SyncStream { peer: name(&peer), stream, slots: vec![one, other] };
        if streams.send(stream).await.is_err() {
            return;
        }
    }
}

/// The task that owns the swarm.
struct Task {
    config: NetworkConfig,
    protocol_version: String,
    swarm: Swarm<Behaviour>,
    topic: IdentTopic,
    metrics: libp2p::metrics::Metrics,
    book: AddressBook,
    book_changed: bool,
    status: watch::Sender<NetworkStatus>,
    events: mpsc::Sender<Event>,
    backlog: VecDeque<Event>,
    gossip: HashMap<u64, (MessageId, PeerId)>,
    next_id: u64,
    by_ip: HashMap<IpAddr, usize>,
    faults: HashMap<PeerId, u32>,
    ticks: u32,
}

impl Task {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let events = self.events.clone();
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Stop(done)) => {
                        self.stop().await;
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => self.on_command(command),
                    None => return self.stop().await,
                },
                permit = events.reserve(), if !self.backlog.is_empty() => match permit {
                    Ok(permit) => { if let Some(event) = self.backlog.pop_front() { permit.send(event) } }
                    Err(_) => return self.stop().await,
                },
                event = self.swarm.select_next_some() => self.on_event(event),
                _ = tick.tick() => self.on_tick(),
            }
        }
    }

    async fn stop(&mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), closed).await;
        self.save();
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Publish(bytes) => {
                let topic = self.topic.clone();
                if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut()
                    && let Err(error) = gossip.publish(topic, bytes)
                {
                    tracing::debug!(%error, "not gossiped; sync brings it");
                }
            }
            Command::Verdict { id, verdict } => {
                let Some((message, from)) = self.gossip.remove(&id) else { return };
                self.judge(&message, &from, verdict);
            }
            Command::Penalize { peer, fault } => self.on_fault(&peer, &fault),
            Command::Learn { peer, addresses } => {
                let usable = |address: &&String| {
                    address.len() <= limits::ADDRESS_BYTES_MAX
                        && address.parse().is_ok_and(|parsed| self.config.allow_private || is_public(&parsed))
                };
                let addresses: Vec<String> = addresses.iter().filter(usable).cloned().collect();
                if peer != self.swarm.local_peer_id().to_string() && !addresses.is_empty() {
                    self.book.learn(&peer, &addresses);
                    self.book_changed = true;
                }
            }
            Command::Stop(_) => {}
        }
    }

    fn judge(&mut self, message: &MessageId, from: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() {
            gossip.report_message_validation_result(message, from, acceptance);
        }
    }

    fn on_fault(&mut self, peer: &Peer, fault: &str) {
        self.trouble(format!("{peer} {fault}"));
        let Ok(id) = peer.parse::<PeerId>() else { return };
        if self.faults.len() >= FAULTY_MAX {
            self.faults.clear(); // whoever made so many names would only make another
        }
        let faults = self.faults.entry(id).or_default();
        *faults += 1;
        if *faults >= FAULTS_MAX {
            self.trouble(format!("{peer} is cut off until the next start"));
            let _ = self.swarm.disconnect_peer_id(id);
        }
    }

    fn is_cut_off(&self, peer: &PeerId) -> bool {
        self.faults.get(peer).is_some_and(|faults| *faults >= FAULTS_MAX)
    }

    fn trouble(&mut self, words: String) {
        tracing::warn!("{words}");
        self.status.send_modify(|status| {
            status.troubles.push_back(words);
            if status.troubles.len() > 32 {
                status.troubles.pop_front();
            }
        });
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.metrics.record(&event);
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                if endpoint.is_dialer() {
                    self.book.reached(&peer_id.to_string(), &endpoint.get_remote_address().to_string());
                }
                self.on_established(peer_id, connection_id, endpoint.get_remote_address());
            }
            SwarmEvent::ConnectionClosed { peer_id, endpoint, num_established, .. } => {
                if let Some(ip) = ip(endpoint.get_remote_address())
                    && let Some(count) = self.by_ip.get_mut(&ip)
                {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.by_ip.remove(&ip);
                    }
                }
                if num_established == 0 {
                    self.on_gone(&peer_id);
                }
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_call_failed(&peer, &error);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => {
                self.metrics.record(&event);
                if let gossipsub::Event::Message { propagation_source, message_id, message } = event {
                    self.on_gossip(propagation_source, message_id, message.data);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.metrics.record(&event),
            SwarmEvent::NewListenAddr { address, .. } => {
                let address = format!("{address}/p2p/{}", self.swarm.local_peer_id());
                self.status.send_modify(|status| {
                    if !status.listen.contains(&address) {
                        status.listen.push(address);
                    }
                });
            }
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, connection: ConnectionId, address: &Multiaddr) {
        if let Some(ip) = ip(address) {
            let count = self.by_ip.entry(ip).or_default();
            *count += 1;
            if *count > PER_IP_MAX && !ip.is_loopback() {
                self.swarm.close_connection(connection);
                return;
            }
        }
        if self.is_cut_off(&peer) {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        self.metrics.record(&event);
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        if info.protocol_version != self.protocol_version {
            self.trouble(format!("{peer_id} is of another federation or speaks another version; not connected"));
            let _ = self.swarm.disconnect_peer_id(peer_id);
            self.book.failed(&peer_id.to_string(), now_ms(), self.random());
            return;
        }
        let peer = name(&peer_id);
        self.book.connected(&peer);
        if !self.status.borrow().connected.contains_key(&peer) && self.swarm.is_connected(&peer_id) {
            let address = info.observed_addr.to_string();
            self.status.send_modify(|status| {
                status.connected.insert(peer.clone(), address);
            });
            self.backlog.push_back(Event::Connected(peer));
        }
    }

    fn on_gone(&mut self, id: &PeerId) {
        let peer = name(id);
        if self.status.borrow().connected.contains_key(&peer) {
            self.status.send_modify(|status| {
                status.connected.remove(&peer);
            });
            self.backlog.push_back(Event::Gone(peer));
        }
    }

    fn on_call_failed(&mut self, peer: &PeerId, error: &DialError) {
        let random = self.random();
        match error {
            // Already there, or being called: nothing failed.
            DialError::DialPeerConditionFalse(_) => {}
            DialError::WrongPeerId { address, .. } => {
                self.book.forget(&peer.to_string(), &address.to_string());
                self.trouble(format!("{address} is not {peer}; the address is forgotten"));
            }
            _ => self.book.failed(&peer.to_string(), now_ms(), random),
        }
    }

    fn on_gossip(&mut self, from: PeerId, message: MessageId, bytes: Vec<u8>) {
        let known = self.status.borrow().connected.contains_key(&name(&from));
        if self.backlog.len() >= BACKLOG_MAX || self.gossip.len() >= BACKLOG_MAX || !known {
            self.judge(&message, &from, Verdict::Ignore);
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.gossip.insert(id, (message, from));
        self.backlog.push_back(Event::Gossip { from: name(&from), id, bytes });
    }

    fn on_tick(&mut self) {
        let now = now_ms();
        let swarm = &self.swarm;
        let busy = |peer: &str| peer.parse().is_ok_and(|id| swarm.is_connected(&id) || self.is_cut_off(&id));
        let room = (OUTGOING_MAX as usize).saturating_sub(swarm.connected_peers().count());
        for (peer, addresses) in self.book.due(now, CALLS_PER_TICK.min(room), busy) {
            self.book.calling(&peer, now);
            let Ok(id) = peer.parse::<PeerId>() else { continue };
            let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
            let call = DialOpts::peer_id(id).condition(PeerCondition::DisconnectedAndNotDialing).addresses(addresses);
            if let Err(error) = self.swarm.dial(call.build()) {
                self.on_call_failed(&id, &error);
            }
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(SAVE_EVERY) && self.book_changed {
            self.save();
        }
    }

    fn save(&mut self) {
        self.book_changed = false;
        let (path, Ok(json)) = (self.config.address_book.clone(), serde_json::to_vec(&self.book)) else { return };
        // Losing the book costs a slower start, so a failure is only told; off this task, because disks can stall.
        tokio::task::spawn_blocking(move || {
            if let Err(error) = write_durably(&path, &json, 0o644) {
                tracing::warn!(%error, "the address book could not be saved");
            }
        });
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // Jitter only: where the system gives no random bytes, the clock will do.
        if getrandom::fill(&mut bytes).is_err() {
            return now_ms();
        }
        u64::from_le_bytes(bytes)
    }
}

// ---------------------------------------------------------------------------------------------------- set-up

fn swarm(
    keypair: &identity::Keypair,
    config: &NetworkConfig,
    topic: &IdentTopic,
    registry: &mut Registry,
) -> Result<Swarm<Behaviour>, NetworkError> {
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    let behaviour = behaviour(keypair, config, topic, registry)?;
    let tcp = || {
        let yamux = || {
            let mut yamux = yamux::Config::default();
            yamux.set_max_num_streams(STREAMS_MAX);
            yamux
        };
        let builder = SwarmBuilder::with_existing_identity(keypair.clone()).with_tokio();
        builder.with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux)
    };
    let limits = |config: libp2p::swarm::Config| {
        config.with_idle_connection_timeout(IDLE).with_max_negotiating_inbound_streams(32)
    };
    // The builder's type changes with DNS, so the two ways are written out.
    match tcp().map_err(|error| setup(&error))?.with_dns() {
        Ok(builder) => {
            let builder = builder.with_behaviour(|_| behaviour).map_err(|error| setup(&error))?;
            Ok(builder.with_swarm_config(limits).with_connection_timeout(SETUP).build())
        }
        Err(error) => {
            tracing::warn!(%error, "no name server is configured: /dns addresses cannot be called until the next start");
            let builder = tcp().map_err(|error| setup(&error))?;
            let builder = builder.with_behaviour(|_| behaviour).map_err(|error| setup(&error))?;
            Ok(builder.with_swarm_config(limits).with_connection_timeout(SETUP).build())
        }
    }
}

fn behaviour(
    keypair: &identity::Keypair,
    config: &NetworkConfig,
    topic: &IdentTopic,
    registry: &mut Registry,
) -> Result<Behaviour, NetworkError> {
    let limits = ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_MAX))
        .with_max_pending_outgoing(Some(PENDING_MAX))
        .with_max_established_incoming(Some(INCOMING_MAX))
        .with_max_established_outgoing(Some(OUTGOING_MAX))
        .with_max_established(Some(CONNECTIONS_MAX))
        .with_max_established_per_peer(Some(PER_PEER_MAX));
    let identify = identify::Config::new(protocol_version(&config.federation), keypair.public())
        .with_agent_version(format!("comity/{}", env!("CARGO_PKG_VERSION")))
        .with_hide_listen_addrs(true)
        .with_cache_size(0);
    let gossip = config.gossip.then(|| gossip(topic, registry)).transpose()?;
    Ok(Behaviour {
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        gossip: gossip.into(),
        stream: libp2p_stream::Behaviour::new(),
    })
}

fn gossip(topic: &IdentTopic, registry: &mut Registry) -> Result<gossipsub::Behaviour, NetworkError> {
    let setup = |error: &dyn std::fmt::Display| NetworkError::Setup(error.to_string());
    // Over all bytes: an id that leaves out the signature lets anyone send a bad copy first and have the good one dropped.
    let id = |message: &gossipsub::Message| {
        let Digest(hash) = Digest::of_parts(&[message.topic.as_str().as_bytes(), &[0], &message.data]);
        MessageId::from(hash.get(..20).unwrap_or_default().to_vec())
    };
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(id)
        .max_transmit_size(limits::GOSSIP_BYTES_MAX + GOSSIP_SLACK)
        .history_length(12)
        .history_gossip(5)
        .duplicate_cache_time(Duration::from_secs(600))
        .mesh_n(4)
        .mesh_n_low(2)
        .mesh_n_high(8)
        .mesh_outbound_min(1)
        .connection_handler_queue_len(256)
        .max_control_messages_sent(400)
        .max_control_message_size(64 * 1024)
        .build()
        .map_err(|error| setup(&error))?;
    let gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).map_err(|error| setup(&error))?;
    let mut gossip = gossip.with_metrics(registry.sub_registry_with_prefix("gossipsub"), Default::default());
    gossip.subscribe(topic).map_err(|error| setup(&error))?;
    Ok(gossip)
}

/// Listens, and waits until the first address of every listener is known, so that port 0 can be told.
async fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[String]) -> Result<Vec<Multiaddr>, NetworkError> {
    let mut pending = HashMap::new();
    let mut found = Vec::new();
    for address in addresses {
        let failed = |what: String| NetworkError::Listen { address: address.clone(), what };
        is_free(&parse(address, "")?).map_err(|error| failed(error.to_string()))?;
        let listener = swarm.listen_on(parse(address, "")?).map_err(|error| failed(words(&error)))?;
        pending.insert(listener, address.clone());
    }
    while !pending.is_empty() {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, address } => {
                pending.remove(&listener_id);
                found.push(address);
            }
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => {
                let address = pending.remove(&listener_id).unwrap_or_default();
                let what = reason.err().map_or_else(|| "it was closed".to_owned(), |error| error.to_string());
                return Err(NetworkError::Listen { address, what });
            }
            _ => {}
        }
    }
    Ok(found)
}

/// libp2p shares a port with whoever else shares it, and two nodes would take turns without a word. So ask before.
fn is_free(address: &Multiaddr) -> io::Result<()> {
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    });
    match (ip(address), port) {
        (Some(IpAddr::V6(ip)), Some(port)) if ip.is_unspecified() && port != 0 => {
            // The system's wildcard for IPv6 takes IPv4 too, which our own other listener may hold: ask on loopback.
            TcpListener::bind((Ipv6Addr::LOCALHOST, port)).map(drop)
        }
        (Some(ip), Some(port)) if port != 0 => TcpListener::bind((ip, port)).map(drop),
        _ => Ok(()),
    }
}

fn protocol_version(federation: &Digest) -> String {
    format!("/comity/{federation}/1")
}

fn parse(address: &str, suffix: &'static str) -> Result<Multiaddr, NetworkError> {
    let failed = |error: libp2p::multiaddr::Error| error.to_string();
    address.parse().map_err(failed).map_err(|what| NetworkError::Address { address: address.to_owned(), what, suffix })
}

/// The peer an address ends in.
fn split(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut rest = address.clone();
    match rest.pop() {
        Some(Protocol::P2p(peer)) => Some((peer, rest)),
        _ => None,
    }
}

fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// Whether an address that someone published may be called by a node that does not allow private ones: a name, or an address
/// that is neither private, loopback, link-local nor unspecified. Keeps a lying phone book from probing our own network.
fn is_public(address: &Multiaddr) -> bool {
    match ip(address) {
        Some(IpAddr::V4(ip)) => {
            let [a, b, ..] = ip.octets();
            let shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || ip.is_multicast())
                && !(ip.is_broadcast() || shared || a == 0)
        }
        Some(IpAddr::V6(ip)) => ip.segments()[0] & 0xe000 == 0x2000,
        None => address.iter().any(|part| matches!(part, Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))),
    }
}

fn load(path: &std::path::Path) -> AddressBook {
    // A missing or damaged book is an empty one: it fills again from the configuration and the logs.
    std::fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn name(peer: &PeerId) -> Peer {
    peer.to_string().into()
}

/// The whole chain of an error, which libp2p keeps nested.
fn words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(&format!(": {error}"));
        source = error.source();
    }
    words
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The peer id of a peer key, as addresses end in it.
pub fn peer_id(key: &SecretKey) -> Result<String, NetworkError> {
    let keypair = identity::Keypair::ed25519_from_bytes(*key.seed());
    let keypair = keypair.map_err(|error| NetworkError::Setup(error.to_string()))?;
    Ok(keypair.public().to_peer_id().to_string())
}
