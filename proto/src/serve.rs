//! The called side of a sync: every question answered from what is durable. All it remembers of a sync is what was [`Asked`].

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{self, Archive};
use crate::frontier::Frontier;
use crate::key::PublicKey;
use crate::limits;
use crate::log::Closing;
use crate::message;
use crate::schema;
use crate::schema::sync_message::Message;
use crate::tile;
use crate::tree;

/// What answering a message leads to.
pub enum Answer {
    /// Send this.
    One(Message),
    /// Send the chunks of this range, each made by [`chunk`] when the line can take it.
    Range(schema::Want),
    /// The peer broke the protocol.
    Broken(&'static str),
}

/// What a caller asked in one sync. An honest one greets once, tells its frontier once, and asks for nothing twice; one that
/// does is done with, because to ask costs it nothing and us a reading of the disk.
#[derive(Debug, Default)]
pub struct Asked {
    greeted: bool,
    told: bool,
    /// Up to where a log was asked for, of any branch or of that of its cut, and whether some of that again: whoever learns of a
    /// cut meanwhile has reason to.
    runs: BTreeMap<(PublicKey, bool), (u64, bool)>,
    /// The lowest index of the bodies of a log that were asked for last: each want begins beyond the one before.
    bodies: BTreeMap<PublicKey, u64>,
    editions: BTreeSet<Vec<u8>>,
    forks: BTreeSet<Vec<u8>>,
    /// Questions of searches for where branches part.
    splits: usize,
}

impl Asked {
    /// Notes a question; the words say what is wrong with it.
    pub fn note(&mut self, asked: &Message) -> Result<(), &'static str> {
        match asked {
            Message::Hello(_) if self.greeted => Err("greeted twice in one sync"),
            Message::Frontier(_) if self.told => Err("told its frontier twice in one sync"),
            Message::Hello(_) => {
                self.greeted = true;
                Ok(())
            }
            Message::Frontier(_) => {
                self.told = true;
                Ok(())
            }
            Message::Want(want) => self.note_run(want),
            Message::WantBodies(want) => self.note_bodies(want),
            Message::WantEditions(want) => self.note_editions(want),
            Message::WantFork(want) if !self.forks.insert(want.log.clone()) => Err("asked twice for the same fork"),
            Message::WantFork(_) if self.forks.len() > limits::FRONTIER_ROWS_MAX => {
                Err("asked for more forks than there can be")
            }
            Message::WantTile(_) | Message::WantBranch(_) => {
                self.splits += 1;
                let is_over = self.splits > limits::SPLIT_QUESTIONS_MAX;
                if is_over { Err("asked more than a search for a fork takes") } else { Ok(()) }
            }
            // Answers are told apart where they are answered.
            _ => Ok(()),
        }
    }

    fn note_run(&mut self, want: &schema::Want) -> Result<(), &'static str> {
        let Ok(log) = PublicKey::from_bytes(&want.log) else { return Ok(()) };
        if want.from >= want.to {
            return Err("asked for a run that ends before it begins");
        }
        let run = (log, want.root.is_empty());
        let (end, again) = self.runs.get(&run).copied().unwrap_or_default();
        let repeats = want.from < end;
        // Who sets aside what is not on the branch of a cut begins anew on that.
        if repeats && (again || (want.to >= end && want.root.is_empty())) {
            return Err("asked twice for the same run in one sync");
        }
        self.runs.insert(run, (want.to, again || repeats));
        if self.runs.len() > 2 * limits::FRONTIER_ROWS_MAX {
            Err("asked for more logs than there can be")
        } else {
            Ok(())
        }
    }

    fn note_editions(&mut self, want: &schema::WantEditions) -> Result<(), &'static str> {
        if want.digests.len() > limits::EDITIONS_ASKED_MAX {
            return Err("asked for too many editions at once");
        }
        if !want.digests.iter().all(|digest| digest.len() == 32 && self.editions.insert(digest.clone())) {
            return Err("asked twice for the same edition in one sync");
        }
        if self.editions.len() > limits::FRONTIER_ROWS_MAX {
            Err("asked for more editions than there can be")
        } else {
            Ok(())
        }
    }

    fn note_bodies(&mut self, want: &schema::WantBodies) -> Result<(), &'static str> {
        let (Ok(log), Some(first)) = (PublicKey::from_bytes(&want.log), want.indexes.iter().min()) else {
            return Ok(());
        };
        if want.indexes.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err("asked for bodies that do not stand in order");
        }
        if self.bodies.insert(log, *first).is_some_and(|before| *first <= before) {
            return Err("asked twice for the same bodies in one sync");
        }
        if self.bodies.len() > limits::FRONTIER_ROWS_MAX {
            Err("asked for more logs than there can be")
        } else {
            Ok(())
        }
    }
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
        Message::WantEditions(want) => editions(frontier, &want),
        Message::WantFork(want) => Answer::One(fork(archive, &want)?),
        Message::WantTile(want) => Answer::One(tile_of(archive, &want)),
        Message::WantBranch(want) => Answer::One(branch(archive, &want)?),
        Message::Chunk(_)
        | Message::Bodies(_)
        | Message::Editions(_)
        | Message::Fork(_)
        | Message::Tile(_)
        | Message::Branch(_)
        | Message::Refusal(_) => Answer::Broken("an answer where a question belongs"),
    })
}

/// The next chunk of a want, from `from` on, or a refusal in words. Entries are never skipped; bodies that are not held are.
pub fn chunk<A: Archive>(archive: &A, want: &schema::Want, from: u64) -> Result<Message, A::Error> {
    let Ok(log) = &PublicKey::from_bytes(&want.log) else { return Ok(refusal("the want names no log")) };
    let Some(head) = archive.head(log)? else { return Ok(refusal("this log is not held here")) };
    let (size, hashes) = (head.size, archive.hashes(log));
    let is_held = || tree::root_at(&hashes, want.to).is_some_and(|root| want.root == root.as_bytes());
    if !want.root.is_empty() && !is_held() {
        return Ok(refusal("another branch of this log is held here"));
    }
    let to = want.to.min(size);
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
    let Closing { checkpoint, proof } = &head.closing;
    let joined = tree::consistency_beyond(&hashes, end, size, checkpoint.size(), proof);
    let closing = joined.map(|proof| Closing { checkpoint: checkpoint.clone(), proof }.to_wire());
    let Some(closing) = closing.filter(|_| end > from) else {
        return Ok(refusal("a record of that range is damaged here and is being fetched again"));
    };
    let joined = if want.root.is_empty() { None } else { tree::consistency(&hashes, end, to) };
    Ok(Message::Chunk(schema::Chunk {
        log: log.as_bytes().to_vec(),
        from,
        total: size,
        leaves,
        closing: Some(closing),
        joined: joined.map(|proof| tree::proof_to_wire(&proof)).unwrap_or_default(),
    }))
}

fn fork<A: Archive>(archive: &A, want: &schema::WantFork) -> Result<Message, A::Error> {
    let Ok(log) = PublicKey::from_bytes(&want.log) else { return Ok(refusal("the want names no log")) };
    Ok(archive
        .fork(&log)?
        .map_or_else(|| refusal("no fork of this log is known here"), |fork| Message::Fork(fork.to_wire())))
}

fn tile_of<A: Archive>(archive: &A, want: &schema::WantTile) -> Message {
    let (Ok(log), Ok(level)) = (PublicKey::from_bytes(&want.log), u8::try_from(want.level)) else {
        return refusal("the want names no tile");
    };
    let hashes = tile::hashes(&archive.hashes(&log), level, want.index);
    Message::Tile(schema::Tile { hashes: tree::proof_to_wire(&hashes) })
}

/// The branch that is held at a leaf: under its checkpoint, or in its tree of the size asked for.
fn branch<A: Archive>(archive: &A, want: &schema::WantBranch) -> Result<Message, A::Error> {
    let Ok(log) = PublicKey::from_bytes(&want.log) else { return Ok(refusal("the want names no log")) };
    let nothing = || refusal("that entry is not held here");
    if want.size == 0 {
        let held = archive::branch(archive, &log, want.at)?;
        return Ok(held.map_or_else(nothing, |branch| Message::Branch(branch.to_wire())));
    }
    let hashes = archive.hashes(&log);
    let path = tree::inclusion(&hashes, want.at, want.size);
    let joined = tree::consistency(&hashes, want.at, want.size);
    let Some(((entry, _), (path, joined))) = archive.leaf(&log, want.at)?.zip(path.zip(joined)) else {
        return Ok(nothing());
    };
    let (joined, path) = (tree::proof_to_wire(&joined), tree::proof_to_wire(&path));
    Ok(Message::Branch(schema::Branch { checkpoint: Vec::new(), joined, entry, path }))
}

/// The finished notes of those that are valid here, in the order asked.
fn editions(frontier: &Frontier, want: &schema::WantEditions) -> Answer {
    if want.digests.len() > limits::EDITIONS_ASKED_MAX {
        return Answer::Broken("a want for too many editions");
    }
    let held = |digest: &Vec<u8>| frontier.editions.iter().find(|held| digest == held.digest().as_bytes());
    let notes = want.digests.iter().filter_map(held).map(|edition| edition.to_wire()).collect();
    Answer::One(Message::Editions(schema::Editions { notes }))
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

#[cfg(test)]
mod tests {
    use super::Asked;
    use crate::key::SecretKey;
    use crate::message;
    use crate::schema::sync_message::Message;
    use crate::schema::{Frontier, Want, WantBodies};

    #[test]
    fn whoever_asks_for_the_same_twice_in_one_sync_is_done_with() {
        let log = SecretKey::from_seed(&[7; 32]).public().as_bytes().to_vec();
        let run = |from, to| Message::Want(Want { log: log.clone(), from, to, root: Vec::new() });
        let bodies = |indexes: &[u64]| Message::WantBodies(WantBodies { log: log.clone(), indexes: indexes.to_vec() });
        let federation = crate::digest::Digest::of(b"");
        let hello = message::hello(&federation, &federation);
        let frontier = Message::Frontier(Frontier::default());
        let refused = |questions: &[&Message]| {
            let mut asked = Asked::default();
            questions.iter().position(|question| asked.note(question).is_err())
        };
        assert_eq!(refused(&[&hello, &frontier, &run(0, 9), &run(9, 12), &bodies(&[2, 5]), &bodies(&[5, 7])]), None);
        // A cut that became known meanwhile: what is before it is asked for once more.
        assert_eq!(refused(&[&run(0, 9), &run(0, 4), &run(0, 3)]), Some(2));
        assert_eq!(refused(&[&run(0, 9), &run(0, 9)]), Some(1));
        assert_eq!(refused(&[&run(0, 9), &run(8, 12)]), Some(1));
        assert_eq!(refused(&[&run(0, 9), &run(9, 0), &run(0, 9)]), Some(1));
        assert_eq!(refused(&[&bodies(&[2, 2])]), Some(0));
        assert_eq!(refused(&[&bodies(&[2, 5]), &bodies(&[2, 5])]), Some(1));
        assert_eq!(refused(&[&hello, &hello]), Some(1));
        assert_eq!(refused(&[&frontier, &hello, &frontier]), Some(2));
    }
}
