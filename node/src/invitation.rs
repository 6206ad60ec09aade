//! An invitation: a federation's id and a few addresses, short enough to be read from a screen; and how a charter is had with it.
//!
//! Nothing in it is secret, and nothing has to be trusted but the id: the charter that a peer shows must have it, and every
//! founder's signature. `comity:<federation id>?peer=<multiaddr>&peer=..`

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use prometheus_client::registry::Registry;
use proto::charter::Charter;
use proto::digest::Digest;
use proto::key::SecretKey;
use proto::message;
use proto::schema::sync_message::Message;
use proto::schema::{EditionNote, WantEditions};
use thiserror::Error;

use crate::config::Folder;
use crate::network::{self, Bounds, Event, NetworkConfig, NetworkError};

/// Addresses of one invitation: a code of more is hard to read from a screen.
pub const ADDRESSES_MAX: usize = 4;
/// Seconds in which one of the peers must be reached and have shown the charter: slow lines take several to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The federation's id.
    pub federation: Digest,
    /// Multiaddrs of peers to call, each ending in `/p2p/<peer id>`.
    pub peers: Vec<String>,
}

/// Why an invitation leads nowhere.
#[derive(Debug, Error)]
pub enum InvitationError {
    /// Not one.
    #[error(
        "this is no invitation; it begins with comity: and has a federation's id of 64 digits and at least one ?peer=. Ask for it again"
    )]
    Shape,
    /// Nobody reached.
    #[error(
        "no peer of the invitation was reached in a minute: {0}. See that one of them runs and that this machine may call it, or join with --charter FILE"
    )]
    Unreached(String),
    /// Shown, and not it.
    #[error(
        "the peer showed a charter that is not the invited federation's: {0}. Do not join; ask whoever invited you for another peer"
    )]
    False(String),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "comity:{}", self.federation)?;
        let mut mark = '?';
        for peer in &self.peers {
            write!(f, "{mark}peer={peer}")?;
            mark = '&';
        }
        Ok(())
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Invitation, InvitationError> {
        let rest = text.trim().strip_prefix("comity:").ok_or(InvitationError::Shape)?;
        let (federation, peers) = rest.split_once('?').ok_or(InvitationError::Shape)?;
        let federation = federation.parse().map_err(|_| InvitationError::Shape)?;
        let peer = |part: &str| part.strip_prefix("peer=").filter(|peer| !peer.is_empty()).map(str::to_owned);
        let peers: Option<Vec<String>> = peers.split('&').take(ADDRESSES_MAX).map(peer).collect();
        Ok(Invitation { federation, peers: peers.ok_or(InvitationError::Shape)? })
    }
}

impl Invitation {
    /// Fetches the charter from whichever peer answers first. `key` is this folder's peer key.
    pub async fn fetch(&self, folder: &Folder, key: SecretKey) -> Result<Charter, InvitationError> {
        let settings = NetworkConfig {
            key,
            federation: self.federation,
            listen: Vec::new(),
            announce: Vec::new(),
            peers: self.peers.clone(),
            allow_private: true,
            gossip: false,
            bounds: Bounds::default(),
            address_book: folder.address_book(),
        };
        let (network, mut events, _streams) = network::start(settings, &mut Registry::default()).await?;
        let (mut why, mut untrue) = ("nobody answered".to_owned(), None);
        let shown = tokio::time::timeout(PATIENCE, async {
            while let Some(event) = events.recv().await {
                let Event::Connected(peer) = event else { continue };
                // One peer that shows another charter does not keep the next from showing the right one.
                match self.ask(&network, &peer).await.map(|note| self.verified(&note)) {
                    Ok(Ok(charter)) => return Some(charter),
                    Ok(Err(words)) => untrue = Some(format!("{peer}: {words}")),
                    Err(words) => why = format!("{peer}: {words}"),
                }
            }
            None
        });
        let shown = shown.await.ok().flatten();
        network.stop().await;
        shown.ok_or_else(|| untrue.map_or(InvitationError::Unreached(why), InvitationError::False))
    }

    fn verified(&self, shown: &EditionNote) -> Result<Charter, String> {
        let charter = Charter::verify(&shown.note).map_err(|error| error.to_string())?;
        if charter.id() == self.federation { Ok(charter) } else { Err(format!("its id is {}", charter.id())) }
    }

    async fn ask(&self, network: &network::Network, peer: &proto::session::Peer) -> Result<EditionNote, String> {
        let stream = network.open_sync(peer).await.map_err(|error| error.to_string())?;
        let (mut reader, mut writer) = stream.split();
        let digests = vec![self.federation.as_bytes().to_vec()];
        let question = message::encode(Message::WantEditions(WantEditions { digests }));
        writer.write(&question).await.map_err(|error| error.to_string())?;
        let answer = reader.read().await.map_err(|error| error.to_string())?;
        writer.close().await;
        match answer.and_then(|bytes| message::decode(&bytes)) {
            Some(Message::Editions(mut shown)) if shown.notes.len() == 1 => {
                shown.notes.pop().ok_or_else(|| "it showed none".to_owned())
            }
            Some(Message::Refusal(refusal)) => {
                Err(refusal.reason.chars().filter(|c| !c.is_control()).take(200).collect())
            }
            _ => Err("it does not show the charter".to_owned()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Invitation;

    #[test]
    fn an_invitation_is_read_as_it_was_written() {
        let id = "75f3750cae19e7ad4bf8c5b4fcd3f0b9b6d3a8cbd6f4a1c4d8f8c2b06b04a123";
        let text = format!("comity:{id}?peer=/dns4/a.example/tcp/8114/p2p/X&peer=/ip6/::1/tcp/1/p2p/Y");
        let read: Invitation = text.parse().unwrap();
        assert_eq!(read.peers.len(), 2);
        assert_eq!(read.to_string(), text);
        assert_eq!(format!("  {text}\n").parse::<Invitation>().unwrap(), read);
        for bad in [
            "",
            "comity:",
            "comity:?peer=x",
            &format!("comity:{id}"),
            &format!("comity:{id}?x=y"),
            &format!("comity:{id}?peer="),
        ] {
            assert!(bad.parse::<Invitation>().is_err(), "{bad}");
        }
    }
}
