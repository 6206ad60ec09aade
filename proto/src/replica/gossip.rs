//! What a replica makes of a gossip message: its verdict, and the entry itself where that is the very next.

use std::sync::Arc;

use super::{Effect, Replica, Verdict};
use crate::body;
use crate::checkpoint::SignedCheckpoint;
use crate::digest::Digest;
use crate::entry::Entry;
use crate::log::{Body, Closing, Leaf};
use crate::message;
use crate::schema;
use crate::session::Peer;
use crate::tree;

impl Replica {
    pub(super) fn on_gossip(&mut self, now_ms: u64, from: &Peer, bytes: &[u8], effects: &mut Vec<Effect>) -> Verdict {
        let Some(gossip) = message::decode_gossip(bytes) else { return Verdict::Reject };
        if let Some(wire) = &gossip.fork {
            return self.on_gossiped_fork(now_ms, from, wire, effects);
        }
        let Ok(checkpoint) = SignedCheckpoint::verify(&gossip.checkpoint, &self.federation) else {
            return Verdict::Reject;
        };
        let Some(log) = self.room(checkpoint.log()) else {
            self.begin(now_ms, from, effects);
            return Verdict::Ignore;
        };
        let (held, end, allowed) =
            (log.size(), self.end(checkpoint.log(), &log), self.allowance(checkpoint.log(), &log));
        if checkpoint.size().min(end) > held && allowed <= held {
            self.over.insert(*checkpoint.log(), checkpoint.size());
            return Verdict::Ignore;
        }
        if gossip.entry.is_empty() {
            if checkpoint.size() > end {
                self.begin(now_ms, from, effects);
                return Verdict::Ignore;
            }
            if checkpoint.size() > held {
                self.hear_of(&checkpoint, allowed);
                self.begin(now_ms, from, effects);
            }
            return Verdict::Accept;
        }
        let Some(announced) = Announced::verify(gossip, &checkpoint) else { return Verdict::Reject };
        let index = announced.leaf.entry.index();
        if index >= end {
            // True, but cut: not ours to spread. Whoever forwards it may not know of the cut; a sync tells.
            self.begin(now_ms, from, effects);
            return Verdict::Ignore;
        }
        if index > held || (index == held && self.on_next(&checkpoint, announced, effects).is_none()) {
            self.hear_of(&checkpoint, allowed);
            self.begin(now_ms, from, effects);
        }
        Verdict::Accept
    }

    /// At exactly the next index the announced entry may be kept at once; `None`: it has to come by sync.
    fn on_next(
        &mut self,
        checkpoint: &SignedCheckpoint,
        announced: Announced,
        effects: &mut Vec<Effect>,
    ) -> Option<()> {
        let Announced { leaf, path } = announced;
        let log = self.room(checkpoint.log())?;
        let (_, _, proof) =
            tree::consistency_from_inclusion(log.tree(), &leaf.entry.digest(), checkpoint.size(), &path).ok()?;
        let without_body = leaf.body.is_none();
        let closing = Closing { checkpoint: checkpoint.clone(), proof };
        let run = log.join(vec![leaf], closing, |open| self.standing.admission(checkpoint.log(), open)).ok()?;
        self.take(&Arc::new(run), effects);
        // The body was too long for gossip: it is wanted from now on, and a sync is the way to get it.
        (!without_body).then_some(())
    }
}

/// A gossiped entry that is in its checkpoint's tree, with its body if it came: true whatever records one holds.
struct Announced {
    leaf: Leaf,
    path: Vec<Digest>,
}

impl Announced {
    fn verify(gossip: schema::Gossip, checkpoint: &SignedCheckpoint) -> Option<Announced> {
        let entry = Entry::parse_anywhere(&gossip.entry).ok()?;
        if entry.log() != checkpoint.log() || gossip.path.len() > 64 {
            return None;
        }
        let path: Vec<Digest> =
            gossip.path.iter().map(|hash| Digest::try_from(hash.as_slice()).ok()).collect::<Option<_>>()?;
        tree::verify_inclusion(&entry.digest(), entry.index(), checkpoint.size(), &path, checkpoint.root()).ok()?;
        let body = match gossip.body {
            frame if frame.is_empty() => None,
            frame => Some(Body { bytes: body::unpack(&frame, &entry).ok()?, frame }),
        };
        Some(Announced { leaf: Leaf { entry, body }, path })
    }
}
