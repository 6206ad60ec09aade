//! What is between stations: gossip that gets lost, lines that break or fall silent, and partitions.

use std::collections::VecDeque;

use proto::message;
use proto::replica::Input;
use proto::schema::Want;
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer};

use super::storm::{Event, Storm, name};

/// A stream of one sync. What the caller asks waits here until the called answers it, in order.
pub struct Stream {
    pub caller: usize,
    pub called: usize,
    /// When it was opened.
    pub since_ms: u64,
    pub asked: VecDeque<Message>,
    pub noted: serve::Asked,
    pub range: Option<(Want, u64)>,
    /// When the last message of each direction arrives: streams keep their order.
    pub there_ms: u64,
    pub back_ms: u64,
}

impl Storm {
    pub fn on_gossip(&mut self, to: usize, from: usize, bytes: Vec<u8>) {
        if !self.is_parted(to, from) {
            let id = self.sequence;
            self.input(to, Input::Gossip { from: name(from), id, bytes });
        }
    }

    pub fn on_answer(&mut self, stream: u64, message: Message) {
        let Some(line) = self.streams.get(&stream) else { return };
        let (caller, called) = (line.caller, line.called);
        if self.is_parted(caller, called) {
            return self.lose(stream);
        }
        self.on_input(caller, Input::Answered(name(called), message), Some(stream));
    }

    pub fn on_broken(&mut self, stream: u64) {
        if let Some(line) = self.streams.remove(&stream) {
            self.input(line.caller, Input::Ended(name(line.called), "the line broke".to_owned()));
        }
    }

    pub fn announce(&mut self, from: usize, bytes: &[u8]) {
        if !self.gossip_on {
            return;
        }
        for to in (0..self.stations.len()).filter(|to| *to != from) {
            let copies = if self.fair { 1 } else { [0, 0, 1, 1, 2][self.rng.below(5) as usize] };
            for _ in 0..copies {
                let delay = self.rng.below(4_000);
                self.schedule(delay, Event::Gossip { to, from, bytes: bytes.to_vec() });
            }
        }
    }

    pub fn ask(&mut self, stream: u64, message: Message) {
        let message = message::decode(&message::encode(message)).unwrap();
        let delay = 5 + self.rng.below(300);
        let Some(line) = self.streams.get_mut(&stream) else { return };
        line.there_ms = line.there_ms.max(self.now_ms + delay);
        let in_ms = line.there_ms - self.now_ms;
        self.schedule(in_ms, Event::Question { stream, message });
    }

    /// A message that cannot get through takes its line with it, which the caller notices at once or not at all.
    pub fn lose(&mut self, stream: u64) {
        if self.rng.chance(50) {
            self.schedule(0, Event::Broken { stream });
        } else {
            self.streams.remove(&stream);
        }
    }

    pub fn on_question(&mut self, stream: u64, message: Message) {
        let Some(line) = self.streams.get(&stream) else { return };
        let (caller, called) = (line.caller, line.called);
        let fails = !self.fair && self.rng.chance(2);
        if fails || self.is_parted(caller, called) || self.stations[called].replica.is_none() {
            return self.lose(stream);
        }
        if let Message::Frontier(frontier) = &message {
            self.input(called, Input::Told(name(caller), frontier.clone()));
        }
        let Some(line) = self.streams.get_mut(&stream) else { return };
        line.noted.note(&message).expect("an honest caller asks for nothing twice");
        line.asked.push_back(message);
        if line.asked.len() == 1 && line.range.is_none() {
            self.serve(stream);
        }
    }

    /// Gives the next answer on a stream, a chunk at a time, from what the called node has kept.
    pub fn serve(&mut self, stream: u64) {
        let Some(line) = self.streams.get_mut(&stream) else { return };
        let station = &self.stations[line.called];
        let Some(replica) = &station.replica else { return self.lose(stream) };
        let answer = match &line.range {
            Some((want, from)) => {
                let from = *from;
                let to = want.to;
                // A slow line takes a few entries at a time; whoever cannot part a run gives it whole.
                let few = from + 1 + self.rng.below(12);
                let few = if self.rng.chance(30) { to.min(few) } else { to };
                let mut message = serve::chunk(&station.memory, &Want { to: few, ..want.clone() }, from).unwrap();
                if matches!(message, Message::Refusal(_)) {
                    message = serve::chunk(&station.memory, want, from).unwrap();
                }
                line.range = match &message {
                    Message::Chunk(chunk) => {
                        let end = from + chunk.leaves.len() as u64;
                        (end < to.min(chunk.total)).then(|| (want.clone(), end))
                    }
                    _ => None,
                };
                Some(message)
            }
            None => match line.asked.pop_front() {
                None => return,
                Some(asked) => match serve::answer(&station.memory, &replica.frontier(), asked).unwrap() {
                    Answer::One(message) => Some(message),
                    Answer::Range(want) => {
                        let from = want.from;
                        line.range = Some((want, from));
                        None
                    }
                    Answer::Broken(why) => panic!("an honest caller asked what breaks the protocol: {why}"),
                },
            },
        };
        if let Some(message) = answer {
            let message = message::decode(&message::encode(message)).unwrap();
            line.back_ms = line.back_ms.max(self.now_ms + 5 + self.rng.below(300));
            let in_ms = line.back_ms - self.now_ms;
            self.schedule(in_ms, Event::Answer { stream, message });
        }
        let more = self.streams.get(&stream).is_some_and(|line| line.range.is_some() || !line.asked.is_empty());
        if more {
            self.schedule(1, Event::Serve { stream });
        }
    }

    // ---------------------------------------------------------------------------------------------- partitions

    pub fn is_parted(&self, one: usize, other: usize) -> bool {
        self.parted.contains_key(&(one.min(other), one.max(other)))
    }

    /// The stations fall into two halves; some pairs notice, some only hear nothing any more.
    pub fn part(&mut self) {
        let halves: Vec<bool> = self.stations.iter().map(|_| self.rng.chance(50)).collect();
        for one in 0..halves.len() {
            for other in one + 1..halves.len() {
                if halves[one] == halves[other] || self.is_parted(one, other) {
                    continue;
                }
                let noticed = self.rng.chance(50);
                self.parted.insert((one, other), noticed);
                if noticed {
                    self.input(one, Input::Gone(name(other)));
                    self.input(other, Input::Gone(name(one)));
                }
            }
        }
    }

    pub fn heal(&mut self) {
        for (one, other) in std::mem::take(&mut self.parted).into_keys() {
            if self.stations[one].replica.is_some() && self.stations[other].replica.is_some() {
                self.meet(one, other);
            }
        }
    }
}
