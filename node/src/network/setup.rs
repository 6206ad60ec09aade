//! The swarm as it is set up: transports, behaviours, their limits, and listening.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr, TcpListener};
use std::time::Duration;

use futures::StreamExt;
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{
    self, DataTransform, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId, RawMessage, TopicHash,
    ValidationMode,
};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, identify, identity, noise, ping, tcp, yamux};
use prometheus_client::registry::Registry;
use proto::digest::Digest;
use proto::limits;

use super::address::{ip, parse};
use super::gate::Gate;
use super::interface::{NetworkConfig, NetworkError};

/// Connections of all peers together.
const CONNECTIONS_MAX: u32 = 128;
/// Of them, connections others opened: below the total, so that callers alone can never fill it.
const INCOMING_MAX: u32 = 96;
/// Connections we opened.
pub(super) const OUTGOING_MAX: u32 = 64;
/// Handshakes under way, each way.
const PENDING_MAX: u32 = 32;
/// Connections of one peer: two happen whenever both call at once.
const PER_PEER_MAX: u32 = 4;
/// Streams of one connection. Each may fill 256 KiB here before anyone reads it, so 8 MiB a connection; we use seven.
const STREAMS_MAX: usize = 32;
/// Subscriptions of one gossip message that are looked at; there is one topic.
const SUBSCRIPTIONS_MAX: usize = 8;
/// Seconds a connection without streams is kept; syncs come every 15.
const IDLE: Duration = Duration::from_secs(60);
/// Seconds a connection may take to be set up.
pub(super) const SETUP: Duration = Duration::from_secs(10);
/// Bytes above the largest message that one gossip read may hold: the next message's beginning shares its buffer.
const GOSSIP_SLACK: usize = 64 * 1024;

/// Gossip about one topic, and deaf to all others.
pub(super) type Gossip =
    gossipsub::Behaviour<OneTopic, MaxCountSubscriptionFilter<gossipsub::WhitelistSubscriptionFilter>>;

/// Refuses messages on other topics before gossipsub stores them: it would keep them for seconds and tell nobody.
#[derive(Clone)]
pub(super) struct OneTopic(TopicHash);

impl DataTransform for OneTopic {
    fn inbound_transform(&self, raw: RawMessage) -> io::Result<gossipsub::Message> {
        if raw.topic != self.0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let RawMessage { source, data, sequence_number, topic, .. } = raw;
        Ok(gossipsub::Message { source, data, sequence_number, topic })
    }

    fn outbound_transform(&self, _: &TopicHash, data: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(data)
    }
}

/// Everything the swarm speaks.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    // First, because behaviours run in field order and refusing must come before anything else.
    pub(super) gate: Gate,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) gossip: Toggle<Gossip>,
    pub(super) stream: libp2p_stream::Behaviour,
}

pub(super) fn swarm(
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
        gate: Gate::new(config.bounds),
        limits: connection_limits::Behaviour::new(limits),
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        gossip: gossip.into(),
        stream: libp2p_stream::Behaviour::new(),
    })
}

fn gossip(topic: &IdentTopic, registry: &mut Registry) -> Result<Gossip, NetworkError> {
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
    let filter = MaxCountSubscriptionFilter {
        filter: gossipsub::WhitelistSubscriptionFilter(HashSet::from([topic.hash()])),
        max_subscribed_topics: 1,
        max_subscriptions_per_request: SUBSCRIPTIONS_MAX,
    };
    let (anonymous, transform) = (MessageAuthenticity::Anonymous, OneTopic(topic.hash()));
    let gossip = Gossip::new_with_subscription_filter_and_transform(anonymous, config, filter, transform);
    let gossip = gossip.map_err(|error| setup(&error))?;
    let mut gossip = gossip.with_metrics(registry.sub_registry_with_prefix("gossipsub"), Default::default());
    gossip.subscribe(topic).map_err(|error| setup(&error))?;
    Ok(gossip)
}

/// Listens, and waits until the first address of every listener is known, so that port 0 can be told.
pub(super) async fn listen(swarm: &mut Swarm<Behaviour>, addresses: &[String]) -> Result<Vec<Multiaddr>, NetworkError> {
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

pub(super) fn protocol_version(federation: &Digest) -> String {
    format!("/comity/{federation}/1")
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
