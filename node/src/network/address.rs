//! Multiaddrs: reading them, and which of those that others published may be called.

use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::interface::NetworkError;

pub(super) fn parse(address: &str, suffix: &'static str) -> Result<Multiaddr, NetworkError> {
    let failed = |error: libp2p::multiaddr::Error| error.to_string();
    address.parse().map_err(failed).map_err(|what| NetworkError::Address { address: address.to_owned(), what, suffix })
}

/// The peer an address ends in.
pub(super) fn split(address: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let mut rest = address.clone();
    match rest.pop() {
        Some(Protocol::P2p(peer)) => Some((peer, rest)),
        _ => None,
    }
}

pub(super) fn ip(address: &Multiaddr) -> Option<IpAddr> {
    address.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
        _ => None,
    })
}

/// Whether an address that someone published may be called by a node that does not allow private ones: a name, or an address
/// that is neither private, loopback, link-local nor unspecified. Keeps a lying phone book from probing our own network.
pub(super) fn is_public(address: &Multiaddr) -> bool {
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
