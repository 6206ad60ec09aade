//! What peers say to each other, on sync streams and by gossip: bytes in, wire shapes out, within bounds.

use prost::Message as _;
use prost::encoding::decode_varint;

use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::fork::Fork;
use crate::limits;
use crate::log::Leaf;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::tree;

/// The only version of the sync protocol there is.
pub const SYNC_VERSION: u32 = 1;

/// A sync message from its bytes (without the length before them); `None` where they are not one.
pub fn decode(bytes: &[u8]) -> Option<Message> {
    if bytes.len() > limits::SYNC_BYTES_MAX || parts(bytes)? > limits::SYNC_PARTS_MAX {
        return None;
    }
    schema::SyncMessage::decode(bytes).ok()?.message
}

/// How many parts the lists of a sync message have, over all depths, or more; `None` where it cannot be read.
/// Repeated fields of one name add up, as they would when decoded.
fn parts(bytes: &[u8]) -> Option<usize> {
    let mut parts = 0;
    for message in fields(bytes) {
        let (kind, message) = message?;
        for field in fields(message) {
            let (number, field) = field?;
            parts += match (kind, number) {
                (CHUNK, CLOSING) | (EDITIONS, NOTES) | (FORK, BRANCHES) => fields(field).count(),
                (WANT_BODIES, INDEXES) => field.len().max(1), // packed: a byte or more each
                _ => 1,
            };
        }
    }
    Some(parts)
}

/// Numbers of `federation.proto`.
const CHUNK: u64 = 4;
const CLOSING: u64 = 5;
const WANT_BODIES: u64 = 5;
const INDEXES: u64 = 2;
const EDITIONS: u64 = 9;
const NOTES: u64 = 1;
const FORK: u64 = 11;
const BRANCHES: u64 = 4;

/// The fields of a protobuf message as they lie on the wire: number, and content where it has a length.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u64, &[u8])>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let field = field(&mut bytes);
        if field.is_none() {
            bytes = &[];
        }
        Some(field)
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let tag = decode_varint(bytes).ok()?;
    let len = match tag & 7 {
        0 => {
            decode_varint(bytes).ok()?;
            0
        }
        1 => 8,
        2 => usize::try_from(decode_varint(bytes).ok()?).ok()?,
        5 => 4,
        _ => return None, // groups, which nobody sends
    };
    let (content, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some((tag >> 3, if tag & 7 == 2 { content } else { &[] }))
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
        path: tree::proof_to_wire(path),
        fork: None,
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

/// Announces a fork's proof.
pub fn gossip_fork(fork: &Fork) -> Vec<u8> {
    schema::Gossip { fork: Some(fork.to_wire()), ..schema::Gossip::default() }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::limits;
    use crate::schema::sync_message::Message;
    use crate::schema::{Branch, Chunk, Closing, EditionNote, Editions, Fork, Frontier, Leaf, Row, WantBodies};

    #[test]
    fn a_message_of_more_parts_than_any_node_sends_is_refused_before_anything_is_made_of_them() {
        let many = limits::SYNC_PARTS_MAX;
        let rows = |rows| Message::Frontier(Frontier { rows: vec![Row::default(); rows], ..Frontier::default() });
        let leaves = |leaves| Message::Chunk(Chunk { leaves: vec![Leaf::default(); leaves], ..Chunk::default() });
        let proof = |hashes| {
            let closing = Closing { checkpoint: Vec::new(), proof: vec![Vec::new(); hashes] };
            Message::Chunk(Chunk { closing: Some(closing), ..Chunk::default() })
        };
        let indexes = |indexes| Message::WantBodies(WantBodies { log: Vec::new(), indexes: vec![1; indexes] });
        let successors = |keys| {
            let note = EditionNote { note: Vec::new(), successors: vec![Vec::new(); keys] };
            Message::Editions(Editions { notes: vec![note] })
        };
        let fork = |hashes| {
            let branch = Branch { joined: vec![Vec::new(); hashes], ..Branch::default() };
            Message::Fork(Fork { branches: vec![branch], ..Fork::default() })
        };
        for message in [rows(many), leaves(many), proof(many), indexes(many), successors(many), fork(many)] {
            assert_eq!(decode(&encode(message.clone())), Some(message));
        }
        let over = many + 1;
        for message in [rows(over), leaves(over), proof(over), indexes(over), successors(over), fork(over)] {
            assert_eq!(decode(&encode(message)), None);
        }
        // Two halves of one message are one message to protobuf.
        let half = encode(rows(many / 2 + 1));
        assert_eq!(decode(&[half.clone(), half].concat()), None);
    }
}
