//! The called side of a sync: every question answered from what is durable, without any state of its own.

use crate::body::Purpose;
use crate::frontier::Frontier;
use crate::key::PublicKey;
use crate::limits;
use crate::log::Closing;
use crate::message;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::tree::{self, Hashes};

/// Durable records, as far as answering needs them. Implemented by the store, and by a map in simulations.
pub trait Archive {
    /// Why the records could not be read.
    type Error;
    /// The hashes of one log's tree.
    type Hashes<'a>: Hashes
    where
        Self: 'a;

    /// Purpose, size and closing of a log that is held.
    fn head(&self, log: &PublicKey) -> Result<Option<Head>, Self::Error>;
    /// The exact bytes of an entry and the frame of its body, where held.
    fn leaf(&self, log: &PublicKey, index: u64) -> Result<Option<StoredLeaf>, Self::Error>;
    /// The hashes of a log.
    fn hashes<'a>(&'a self, log: &PublicKey) -> Self::Hashes<'a>;
}

/// The exact bytes of an entry, and the frame of its body where that is held.
pub type StoredLeaf = (Vec<u8>, Option<Vec<u8>>);

/// What is durably held of a log.
#[derive(Clone, Debug)]
pub struct Head {
    /// Governance or publication.
    pub purpose: Purpose,
    /// Entries held.
    pub size: u64,
    /// What verifies the end.
    pub closing: Closing,
}

/// What answering a message leads to.
pub enum Answer {
    /// Send this.
    One(Message),
    /// Send the chunks of this range, each made by [`chunk`] when the line can take it.
    Range(schema::Want),
    /// The peer broke the protocol.
    Broken(&'static str),
}

/// Answers one message of a caller. `frontier` is what is durable now.
pub fn answer<A: Archive>(archive: &A, frontier: &Frontier, asked: Message) -> Result<Answer, A::Error> {
    Ok(match asked {
        Message::Hello(hello) if hello.federation != frontier.federation.as_bytes() => refuse("another federation"),
        Message::Hello(hello) if hello.version != message::SYNC_VERSION => {
            refuse("another version of the sync protocol")
        }
        Message::Hello(_) => Answer::One(message::hello(&frontier.federation, &frontier.digest())),
        Message::Frontier(_) => Answer::One(Message::Frontier(frontier.to_wire())),
        Message::Want(want) => Answer::Range(want),
        Message::WantBodies(want) => bodies(archive, want)?,
        Message::Chunk(_) | Message::Bodies(_) | Message::Refusal(_) => {
            Answer::Broken("an answer where a question belongs")
        }
    })
}

/// The next chunk of `[from, to)` of a log, or a refusal in words. Entries are never skipped; bodies that are not held are.
pub fn chunk<A: Archive>(archive: &A, log: &PublicKey, from: u64, to: u64) -> Result<Message, A::Error> {
    let Some(head) = archive.head(log)? else { return Ok(refusal("this log is not held here")) };
    let size = head.size;
    let to = to.min(size);
    if from >= to {
        return Ok(refusal("nothing of that range is held here"));
    }
    let (mut leaves, mut bytes, mut end) = (Vec::new(), 0usize, from);
    while end < to && leaves.len() < limits::CHUNK_ENTRIES_MAX && bytes < limits::CHUNK_BYTES {
        let Some((entry, body)) = archive.leaf(log, end)? else { break };
        let body = body.unwrap_or_default();
        bytes += entry.len() + body.len();
        leaves.push(schema::Leaf { entry, body });
        end += 1;
    }
    let hashes = archive.hashes(log);
    let Closing { checkpoint, proof } = &head.closing;
    let joined = tree::consistency_beyond(&hashes, end, size, checkpoint.size(), proof);
    let closing = joined.map(|proof| Closing { checkpoint: checkpoint.clone(), proof }.to_wire());
    let Some(closing) = closing.filter(|_| end > from) else {
        return Ok(refusal("a record of that range is damaged here and is being fetched again"));
    };
    Ok(Message::Chunk(schema::Chunk {
        log: log.as_bytes().to_vec(),
        from,
        total: size,
        leaves,
        closing: Some(closing),
    }))
}

fn bodies<A: Archive>(archive: &A, want: schema::WantBodies) -> Result<Answer, A::Error> {
    let Ok(log) = PublicKey::from_bytes(&want.log) else { return Ok(Answer::Broken("a want that names no log")) };
    if want.indexes.len() > limits::WANT_BODIES_MAX {
        return Ok(Answer::Broken("a want for too many bodies"));
    }
    let (mut bodies, mut bytes) = (Vec::new(), 0usize);
    for index in want.indexes {
        if bytes > limits::CHUNK_BYTES {
            break;
        }
        if let Some((_, Some(body))) = archive.leaf(&log, index)? {
            bytes += body.len();
            bodies.push(schema::IndexedBody { index, body });
        }
    }
    Ok(Answer::One(Message::Bodies(schema::Bodies { log: want.log, bodies })))
}

/// A refusal in words.
pub fn refusal(reason: &str) -> Message {
    Message::Refusal(schema::Refusal { reason: reason.to_owned() })
}

fn refuse(reason: &str) -> Answer {
    Answer::One(refusal(reason))
}
