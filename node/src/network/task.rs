//! The task that owns the swarm. It waits for nothing but the swarm and its own queues.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, MessageId};
use libp2p::metrics::Recorder;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, identify};
use proto::limits;
use proto::replica::Verdict;
use proto::session::Peer;
use tokio::sync::{mpsc, watch};

use super::address::{ip, is_public};
use super::interface::{Command, Event, NetworkConfig, NetworkStatus};
use super::setup::{Behaviour, BehaviourEvent, OUTGOING_MAX};
use crate::address_book::AddressBook;
use crate::fence::write_durably;

/// Connections from one address that is not loopback: several parliaments may share a host.
const PER_IP_MAX: usize = 8;
/// Events that wait for the node before gossip is dropped; sync brings what was dropped.
pub(super) const BACKLOG_MAX: usize = 1024;
/// Calls begun in one second: a full address book must not become a storm.
const CALLS_PER_TICK: usize = 8;
/// Faults of one peer after which it is cut off until the next start.
const FAULTS_MAX: u32 = 3;
/// Peers whose faults are remembered.
const FAULTY_MAX: usize = 4096;
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
    pub(super) by_ip: HashMap<IpAddr, usize>,
    pub(super) faults: HashMap<PeerId, u32>,
    pub(super) ticks: u32,
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

fn name(peer: &PeerId) -> Peer {
    peer.to_string().into()
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
