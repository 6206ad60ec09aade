//! The task that owns the swarm. It waits for nothing but the swarm and its own queues.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageId};
use libp2p::metrics::Recorder;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify};
use proto::limits;
use proto::replica::Verdict;
use proto::session::Peer;
use tokio::sync::{mpsc, watch};

use super::address::is_public;
use super::gate::{self, Refused};
use super::interface::{Command, Event, NetworkConfig, NetworkStatus};
use super::setup::{Behaviour, BehaviourEvent, OUTGOING_MAX};
use crate::address_book::AddressBook;
use crate::conduct::{Bound, Bucket, Outcome, uptime_ms};
use crate::fence::write_durably;

/// Events that wait for the node before gossip is dropped; sync brings what was dropped.
pub(super) const BACKLOG_MAX: usize = 1024;
/// Calls begun in one second: a full address book must not become a storm.
const CALLS_PER_TICK: usize = 8;
/// Gossip messages in a row that are taken from one peer, and how many a second after that. The rest is dropped, and sync brings
/// it: a parliament publishes a few documents a day.
const GOSSIP_BURST: f64 = 100.0;
/// Gossip messages a second.
const GOSSIP_PER_SECOND: f64 = 20.0;
/// Gossip messages in a row that we publish, and as many that we forward: together what every peer takes from us, so that whoever
/// floods us cannot make us flood others.
const SPOKEN_BURST: f64 = GOSSIP_BURST / 2.0;
/// Own gossip messages a second. The newest of those beyond it follows within a second, and a sync brings what it tells of.
const PUBLISHED_PER_SECOND: f64 = 5.0;
/// Gossip messages of others that we forward a second.
const FORWARDED_PER_SECOND: f64 = GOSSIP_PER_SECOND - PUBLISHED_PER_SECOND;
/// Milliseconds in which a peer has to say of which federation it is: four round trips on the worst line.
const GREETING_MS: u64 = 30_000;
/// Milliseconds below which a connection counts as a call that failed, so that whoever is refused calls ever more rarely.
const BRIEF_MS: u64 = 10_000;

/// More than [`GOSSIP_BURST`]. After a stall an honest line brings up to 200 at once; a flood brings as many every second.
const GOSSIP: Bound = Bound { name: "20 gossip messages a second", per_fault: 200 };
/// What gossipsub could not deliver. A slow line is no offence.
const UNREAD_GOSSIP: Bound = Bound { name: "gossip it does not read is dropped", per_fault: 0 };
/// What no honest peer sends.
const FALSEHOOD: Bound = Bound { name: "what does not verify or was not asked for", per_fault: 1 };
/// [`GREETING_MS`].
const GREETING: Bound = Bound { name: "30 seconds to say of which federation it is", per_fault: 1 };
/// Whoever speaks for another federation or version.
const STRANGER: Bound = Bound { name: "another federation or version", per_fault: 1 };
/// Handshakes that came to nothing. A load balancer that looks every ten seconds whether we live stays below.
const BROKEN_HANDSHAKE: Bound = Bound { name: "handshakes that came to nothing", per_fault: 60 };
/// Whoever is blocked under one name and comes again under the next is blocked by address.
const BLOCKED_PEERS: Bound = Bound { name: "blocked peers of one address", per_fault: 1 };
/// Seconds between two writings of the address book.
const SAVE_EVERY: u32 = 30;

/// The task that owns the swarm.
pub(super) struct Task {
    pub(super) config: NetworkConfig,
    pub(super) protocol_version: String,
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) topic: IdentTopic,
    pub(super) metrics: libp2p::metrics::Metrics,
    pub(super) book: AddressBook,
    pub(super) book_changed: bool,
    pub(super) status: watch::Sender<NetworkStatus>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) backlog: VecDeque<Event>,
    pub(super) gossip: HashMap<u64, (MessageId, PeerId)>,
    pub(super) next_id: u64,
    pub(super) guests: HashMap<PeerId, Guest>,
    pub(super) unspoken: Option<Vec<u8>>,
    pub(super) published: Bucket,
    pub(super) forwarded: Bucket,
    pub(super) ticks: u32,
}

/// A peer that is connected, greeted or not.
pub(super) struct Guest {
    since_ms: u64,
    /// Where it called from; `None` where we called.
    address: Option<String>,
    greeted: bool,
    gossip: Bucket,
}

impl Task {
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
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
                self.unspoken = Some(bytes);
                self.speak();
            }
            Command::Verdict { id, verdict } => {
                let Some((message, from)) = self.gossip.remove(&id) else { return };
                self.judge(&message, &from, verdict);
            }
            Command::Penalize { peer, fault } => self.met(&peer, &FALSEHOOD, &fault),
            Command::Met { peer, bound } => self.met(&peer, bound, ""),
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
            Command::Strike { peer } => {
                self.book.strike(&peer);
                self.book_changed = true;
            }
            Command::Stop(_) => {}
        }
    }

    /// Gossips the newest message of our own, if we may already.
    fn speak(&mut self) {
        let allowed =
            self.unspoken.is_some() && self.published.take(uptime_ms(), 1.0, SPOKEN_BURST, PUBLISHED_PER_SECOND);
        let (Some(bytes), topic) = (self.unspoken.take_if(|_| allowed), self.topic.clone()) else { return };
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut()
            && let Err(error) = gossip.publish(topic, bytes)
        {
            tracing::debug!(%error, "not gossiped; sync brings it");
        }
    }

    fn judge(&mut self, message: &MessageId, from: &PeerId, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept if !self.forwarded.take(uptime_ms(), 1.0, SPOKEN_BURST, FORWARDED_PER_SECOND) => {
                MessageAcceptance::Ignore
            }
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() {
            gossip.report_message_validation_result(message, from, acceptance);
        }
    }

    /// Counts that someone met a bound, tells the operator, and blocks whoever did so too often.
    fn met(&mut self, who: &str, bound: &'static Bound, fault: &str) {
        let words =
            if fault.is_empty() { format!("{who} is over a bound: {}", bound.name) } else { format!("{who} {fault}") };
        let for_ms = match self.swarm.behaviour_mut().gate.conduct.met(uptime_ms(), who, bound) {
            Outcome::Counted { news: true } => return tracing::warn!("{words}"),
            Outcome::Counted { news: false } => return,
            Outcome::Fault => return self.trouble(words),
            Outcome::Blocked(for_ms) => for_ms,
        };
        self.trouble(words);
        self.trouble(format!("{who} is blocked for {}", span(for_ms)));
        let Ok(peer) = who.parse::<PeerId>() else { return };
        let address = self.guests.get(&peer).and_then(|guest| guest.address.clone());
        let _ = self.swarm.disconnect_peer_id(peer);
        if let Some(address) = address {
            self.met(&address, &BLOCKED_PEERS, "");
        }
    }

    fn is_blocked(&self, peer: &PeerId) -> bool {
        self.swarm.behaviour().gate.conduct.is_blocked(uptime_ms(), &peer.to_string())
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
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => {
                let address = endpoint.get_remote_address();
                if endpoint.is_dialer() {
                    self.book.reached(&peer_id.to_string(), &address.to_string());
                }
                self.guests.entry(peer_id).or_insert_with(|| Guest {
                    since_ms: uptime_ms(),
                    address: endpoint.is_listener().then(|| gate::name(address)).flatten(),
                    greeted: false,
                    gossip: Bucket::default(),
                });
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, .. } => self.on_gone(&peer_id),
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.on_refused(&send_back_addr, &error);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                self.on_call_failed(&peer, &error);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => self.on_identify(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => {
                self.metrics.record(&event);
                match event {
                    gossipsub::Event::Message { propagation_source, message_id, message } => {
                        self.on_gossip(propagation_source, message_id, message.data);
                    }
                    gossipsub::Event::SlowPeer { peer_id, .. } => self.met(&peer_id.to_string(), &UNREAD_GOSSIP, ""),
                    _ => {}
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

    /// A connection that others opened came to nothing: refused at the gate, or never finished.
    fn on_refused(&mut self, from: &Multiaddr, error: &ListenError) {
        match error {
            ListenError::Denied { cause } => {
                if let Some(Refused { who, bound }) = cause.downcast_ref() {
                    self.met(who, bound, "");
                }
            }
            ListenError::Transport(_) => {
                if let Some(who) = gate::name(from) {
                    self.met(&who, &BROKEN_HANDSHAKE, "");
                }
            }
            ListenError::Aborted | ListenError::WrongPeerId { .. } | ListenError::LocalPeerId { .. } => {}
        }
    }

    fn on_identify(&mut self, event: identify::Event) {
        self.metrics.record(&event);
        let identify::Event::Received { peer_id, info, .. } = event else { return };
        if info.protocol_version != self.protocol_version {
            let words = "is of another federation or speaks another version; not connected";
            self.met(&peer_id.to_string(), &STRANGER, words);
            let _ = self.swarm.disconnect_peer_id(peer_id);
            return;
        }
        let peer = name(&peer_id);
        if let Some(guest) = self.guests.get_mut(&peer_id) {
            guest.greeted = true;
        }
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
        let stayed = self.guests.remove(id).filter(|guest| guest.greeted);
        if stayed.is_some_and(|guest| guest.since_ms + BRIEF_MS < uptime_ms()) {
            self.book.connected(&peer);
        } else {
            self.book.failed(&peer, now_ms(), self.random());
        }
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
        let allowance = self.guests.get_mut(&from).map(|guest| &mut guest.gossip);
        if allowance.is_some_and(|gossip| !gossip.take(uptime_ms(), 1.0, GOSSIP_BURST, GOSSIP_PER_SECOND)) {
            self.judge(&message, &from, Verdict::Ignore);
            return self.met(&from.to_string(), &GOSSIP, "");
        }
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
        self.speak();
        let now = now_ms();
        let swarm = &self.swarm;
        let busy = |peer: &str| peer.parse().is_ok_and(|id| swarm.is_connected(&id) || self.is_blocked(&id));
        let room = (OUTGOING_MAX as usize).saturating_sub(swarm.connected_peers().count());
        for (peer, addresses) in self.book.due(now, CALLS_PER_TICK.min(room), busy) {
            self.book.calling(&peer, now);
            let Ok(id) = peer.parse::<PeerId>() else { continue };
            let addresses = addresses.iter().filter_map(|address| address.parse().ok()).collect();
            let call = DialOpts::peer_id(id).condition(PeerCondition::DisconnectedAndNotDialing).addresses(addresses);
            // From a port of its own: libp2p would call from the one we listen on, on any address, and where another program has
            // that port on another address of this machine, every call fails.
            if let Err(error) = self.swarm.dial(call.allocate_new_port().build()) {
                self.on_call_failed(&id, &error);
            }
        }
        let mute = |(_, guest): &(&PeerId, &Guest)| !guest.greeted && guest.since_ms + GREETING_MS < uptime_ms();
        let mute: Vec<PeerId> = self.guests.iter().filter(mute).map(|(peer, _)| *peer).collect();
        for peer in mute {
            if let Some(guest) = self.guests.get_mut(&peer) {
                guest.since_ms = uptime_ms(); // it is on its way out: once is enough
            }
            self.met(&peer.to_string(), &GREETING, "");
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let limited = self.swarm.behaviour().gate.conduct.shown(uptime_ms());
        self.status.send_modify(|status| status.limited = limited);
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

/// A time in words.
fn span(ms: u64) -> String {
    match ms.div_ceil(1000) {
        seconds @ 0..=120 => format!("{seconds} seconds"),
        seconds @ 121..=7200 => format!("{} minutes", seconds / 60),
        seconds => format!("{} hours", seconds / 3600),
    }
}

fn name(peer: &PeerId) -> Peer {
    peer.to_string().into()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
