//! What peers say to each other, on sync streams and by gossip: bytes in, wire shapes out, within bounds.

use prost::Message as _;

use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::limits;
use crate::log::Leaf;
use crate::schema;
use crate::schema::sync_message::Message;

/// The only version of the sync protocol there is.
pub const SYNC_VERSION: u32 = 1;

/// A sync message from its bytes (without the length before them); `None` where they are not one.
pub fn decode(bytes: &[u8]) -> Option<Message> {
    if bytes.len() > limits::SYNC_BYTES_MAX {
        return None;
    }
    schema::SyncMessage::decode(bytes).ok()?.message
}

/// The bytes of a sync message, without the length before them.
pub fn encode(message: Message) -> Vec<u8> {
    schema::SyncMessage { message: Some(message) }.encode_to_vec()
}

/// How a sync begins.
pub fn hello(federation: &Digest, frontier: &Digest) -> Message {
    Message::Hello(schema::Hello {
        federation: federation.as_bytes().to_vec(),
        version: SYNC_VERSION,
        frontier: frontier.as_bytes().to_vec(),
    })
}

/// A gossip message from its bytes; `None` where they are not one.
pub fn decode_gossip(bytes: &[u8]) -> Option<schema::Gossip> {
    if bytes.len() > limits::GOSSIP_BYTES_MAX {
        return None;
    }
    schema::Gossip::decode(bytes).ok()
}

/// Announces one entry, with its body if it fits.
pub fn gossip_entry(leaf: &Leaf, checkpoint: &SignedCheckpoint, path: &[Digest]) -> Vec<u8> {
    let mut message = schema::Gossip {
        entry: leaf.entry.as_bytes().to_vec(),
        body: leaf.body.as_ref().map(|body| body.frame.clone()).unwrap_or_default(),
        checkpoint: checkpoint.as_bytes().to_vec(),
        path: path.iter().map(|hash| hash.as_bytes().to_vec()).collect(),
    };
    if message.encoded_len() > limits::GOSSIP_BYTES_MAX {
        message.body = Vec::new();
    }
    message.encode_to_vec()
}

/// Announces a checkpoint alone.
pub fn gossip_checkpoint(checkpoint: &SignedCheckpoint) -> Vec<u8> {
    schema::Gossip { checkpoint: checkpoint.as_bytes().to_vec(), ..schema::Gossip::default() }.encode_to_vec()
}
