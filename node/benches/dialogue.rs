//! A sync without a network: the caller is a replica, the called side answers from a store, and every message is the bytes
//! that a line would carry.

use std::collections::VecDeque;

use comity::reader::Records;
use proto::frontier::Frontier;
use proto::message;
use proto::replica::{Effect, Input, Replica};
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer};
use proto::session::Peer;

/// What went over the line.
#[derive(Default)]
pub struct Dialogue {
    /// Bytes of all questions.
    pub asked_bytes: u64,
    /// The answers, in order.
    pub answers: Vec<Vec<u8>>,
    /// Questions that were waited for before the first document was under way.
    pub round_trips: usize,
}

/// Has the replica sync with the store once, to the end.
pub fn sync(replica: &mut Replica, records: &Records, frontier: &Frontier) -> Dialogue {
    let peer: Peer = "peer".into();
    let mut dialogue = Dialogue::default();
    let mut effects: VecDeque<Effect> = replica.handle(1, Input::Connected(peer.clone())).unwrap().into();
    let mut documents = false;
    while let Some(effect) = effects.pop_front() {
        let (Effect::Open(_, question) | Effect::Ask(_, question)) = effect else { continue };
        documents |= matches!(question, Message::Want(_));
        dialogue.round_trips += usize::from(!documents);
        let bytes = message::encode(question);
        dialogue.asked_bytes += bytes.len() as u64;
        let mut hear = |answer: Message| {
            let bytes = message::encode(answer);
            let answer = message::decode(&bytes).unwrap();
            dialogue.answers.push(bytes);
            effects.extend(replica.handle(1, Input::Answered(peer.clone(), answer)).unwrap());
        };
        match serve::answer(records, frontier, message::decode(&bytes).unwrap()).unwrap() {
            Answer::One(answer) => hear(answer),
            Answer::Broken(what) => panic!("{what}"),
            Answer::Range(want) => {
                let mut from = want.from;
                while from < want.to {
                    let chunk = serve::chunk(records, &want, from).unwrap();
                    let Message::Chunk(sent) = &chunk else { panic!("refused") };
                    from += sent.leaves.len() as u64;
                    hear(chunk);
                }
            }
        }
    }
    dialogue
}
