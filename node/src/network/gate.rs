//! Who is let in: so many connections of one address, so many new ones in a minute, and nobody who is blocked.
//!
//! libp2p bounds connections of all and of one peer, but a name costs nothing: only addresses do. An address is refused before
//! the handshake, which is what costs us something.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use super::address::ip;
use super::interface::Bounds;
use crate::conduct::{Bound, Bucket, Conduct, uptime_ms};

/// Connections of one address: several parliaments may share a host, and each may call twice at once.
pub(super) const CONNECTIONS: Bound = Bound { name: "connections of one address", per_fault: 20 };
/// New connections of one address in a minute; whoever is refused calls again ever more rarely, an attacker does not.
pub(super) const NEW_CONNECTIONS: Bound = Bound { name: "new connections of one address in a minute", per_fault: 20 };
/// Handshakes of one address under way: half of its connections, so that a few addresses cannot take all there are.
pub(super) const HANDSHAKES: Bound = Bound { name: "handshakes of one address under way", per_fault: 20 };
/// Calls of whoever is blocked. Not held against anyone: the block itself grows.
pub(super) const WHILE_BLOCKED: Bound = Bound { name: "calls while blocked", per_fault: 0 };
/// Addresses whose connections are counted; more than could be connected, and those without any are dropped first.
const ADDRESSES_MAX: usize = 4096;

/// Why a connection was refused.
#[derive(Debug, Error)]
#[error("{who} is over the bound on {}", .bound.name)]
pub(super) struct Refused {
    /// The address or the peer.
    pub(super) who: String,
    /// The bound it met.
    pub(super) bound: &'static Bound,
}

/// The connections of one address that others opened.
#[derive(Default)]
struct Address {
    open: HashMap<ConnectionId, bool>,
    new: Bucket,
}

/// The behaviour that says no, before all others.
pub(super) struct Gate {
    bounds: Bounds,
    /// What everyone did; the task that owns the swarm writes it too.
    pub(super) conduct: Conduct,
    addresses: HashMap<String, Address>,
}

impl Gate {
    pub(super) fn new(bounds: Bounds) -> Gate {
        let conduct = Conduct::new(bounds.first_block_seconds.saturating_mul(1000));
        Gate { bounds, conduct, addresses: HashMap::new() }
    }

    fn let_in(&mut self, connection: ConnectionId, who: &str, now_ms: u64) -> Result<(), &'static Bound> {
        if self.conduct.is_blocked(now_ms, who) {
            return Err(&WHILE_BLOCKED);
        }
        if self.addresses.len() >= ADDRESSES_MAX && !self.addresses.contains_key(who) {
            self.addresses.retain(|_, address| !address.open.is_empty());
        }
        let address = self.addresses.entry(who.to_owned()).or_default();
        if address.open.len() >= self.bounds.connections_per_address {
            return Err(&CONNECTIONS);
        }
        let handshakes = address.open.values().filter(|established| !**established).count();
        if handshakes >= self.bounds.connections_per_address.div_ceil(2) {
            return Err(&HANDSHAKES);
        }
        let a_minute = self.bounds.new_connections_per_minute as f64;
        if !address.new.take(now_ms, 1.0, a_minute, a_minute / 60.0) {
            return Err(&NEW_CONNECTIONS);
        }
        address.open.insert(connection, false);
        Ok(())
    }

    fn close(&mut self, connection: ConnectionId, address: &Multiaddr) {
        if let Some(address) = name(address).and_then(|who| self.addresses.get_mut(&who)) {
            address.open.remove(&connection);
        }
    }

    fn check(&self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        let who = peer.to_string();
        if self.conduct.is_blocked(uptime_ms(), &who) {
            return Err(ConnectionDenied::new(Refused { who, bound: &WHILE_BLOCKED }));
        }
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(who) = name(remote) else { return Ok(()) };
        self.let_in(connection, &who, uptime_ms()).map_err(|bound| ConnectionDenied::new(Refused { who, bound }))
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        if let Some(address) = name(remote).and_then(|who| self.addresses.get_mut(&who)) {
            address.open.insert(connection, true);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        peer.map_or(Ok(()), |peer| self.check(&peer))?;
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ListenFailure(failure) => self.close(failure.connection_id, failure.send_back_addr),
            FromSwarm::ConnectionClosed(closed) if closed.endpoint.is_listener() => {
                self.close(closed.connection_id, closed.endpoint.get_remote_address());
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

/// What an address is called: of IPv6 its /64, because that much is given to one subscriber.
pub(super) fn name(address: &Multiaddr) -> Option<String> {
    Some(match ip(address)?.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use libp2p::swarm::ConnectionId;

    use super::{Bound, CONNECTIONS, Gate, HANDSHAKES, NEW_CONNECTIONS, name};
    use crate::network::Bounds;

    #[test]
    fn an_address_has_so_many_connections_handshakes_and_new_ones_a_minute_and_another_is_none_the_worse() {
        let bounds = Bounds { connections_per_address: 4, new_connections_per_minute: 6, first_block_seconds: 60 };
        let (mut gate, mut last) = (Gate::new(bounds), 0);
        let mut call = |gate: &mut Gate, who: &str, now_ms: u64| -> Result<(), &'static Bound> {
            last += 1;
            gate.let_in(ConnectionId::new_unchecked(last), who, now_ms)
        };
        let greet =
            |gate: &mut Gate| gate.addresses.get_mut("a").unwrap().open.values_mut().for_each(|open| *open = true);
        assert_eq!([call(&mut gate, "a", 0), call(&mut gate, "a", 0)], [Ok(()), Ok(())]);
        assert_eq!(call(&mut gate, "a", 0), Err(&HANDSHAKES));
        greet(&mut gate);
        assert_eq!([call(&mut gate, "a", 0), call(&mut gate, "a", 0)], [Ok(()), Ok(())]);
        greet(&mut gate);
        assert_eq!(call(&mut gate, "a", 0), Err(&CONNECTIONS));
        gate.addresses.get_mut("a").unwrap().open.clear();
        assert_eq!([call(&mut gate, "a", 0), call(&mut gate, "a", 0)], [Ok(()), Ok(())]);
        greet(&mut gate);
        assert_eq!(call(&mut gate, "a", 0), Err(&NEW_CONNECTIONS));
        assert_eq!([call(&mut gate, "b", 0), call(&mut gate, "a", 10_000)], [Ok(()), Ok(())]);
    }

    #[test]
    fn an_address_of_ipv6_is_its_subscriber() {
        let of = |address: &str| name(&address.parse().unwrap());
        assert_eq!(of("/ip6/2001:db8:1:2:3:4:5:6/tcp/1"), of("/ip6/2001:db8:1:2::9/tcp/2"));
        assert_ne!(of("/ip6/2001:db8:1:2::9/tcp/2"), of("/ip6/2001:db8:1:3::9/tcp/2"));
        assert_eq!(of("/ip6/::ffff:192.0.2.1/tcp/2").as_deref(), Some("192.0.2.1"));
    }
}
