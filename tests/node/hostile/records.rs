//! A relay that lies, spoken over real libp2p: it is refused, named to the operator, cut off, and the truth still arrives.
//!
//! The relay is made of the node's own network and of what an honest node holds; only its answers are altered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use comity::network::{self, Bounds, Network, NetworkConfig, SyncStream};
use comity::reader::Records;
use comity::store::Store;
use prometheus_client::registry::Registry;
use proto::charter::Charter;
use proto::frontier::Frontier;
use proto::key::SecretKey;
use proto::message;
use proto::replica::Replica;
use proto::schema;
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer};
use tokio::runtime::Runtime;

use crate::federation::{Federation, Node, wait_for_documents, wait_until};

/// What becomes of each honest answer on its way.
pub type Lie = fn(Message) -> Vec<Message>;

/// Whatever is altered, anyone who verifies must notice.
pub const LIES: [(&str, Lie); 5] = [
    ("a byte of an entry", |message| chunks(message, |chunk| chunk.leaves[2].entry[44] ^= 1)),
    ("a byte of a body", |message| chunks(message, |chunk| chunk.leaves[2].body[14] ^= 1)),
    ("the signature", |message| {
        chunks(message, |chunk| {
            let note = &mut chunk.closing.as_mut().unwrap().checkpoint;
            let at = note.len() - 20;
            note[at] = if note[at] == b'A' { b'B' } else { b'A' };
        })
    }),
    ("a truncated run", |message| chunks(message, |chunk| drop(chunk.leaves.pop()))),
    ("everything twice", |message| vec![message.clone(), message]),
];

pub struct Relay {
    _runtime: Runtime,
    network: Network,
    pub address: String,
    calls: Arc<AtomicUsize>,
}

impl Relay {
    /// Serves a copy of what Finland holds, altered.
    pub fn start(federation: &Federation, lie: Lie) -> Relay {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        let folder = federation.folder(&format!("copy-{:016x}", u64::from_be_bytes(seed[..8].try_into().unwrap())));
        let copied = std::process::Command::new("cp").arg("-r").args([&federation.folder("FI"), &folder]).status();
        assert!(copied.unwrap().success());
        let charter = Charter::verify(&std::fs::read(federation.charter()).unwrap()).unwrap();
        let id = charter.id();
        let (store, _) = Store::open(&folder.join("store"), &id).unwrap();
        let mut replica = Replica::new(Arc::new(charter));
        for (key, log, bodies) in store.logs().unwrap() {
            replica.resume(key, log, &bodies);
        }
        let (records, frontier) = (store.reader().archive(id), Arc::new(replica.frontier()));
        let config = NetworkConfig {
            key: SecretKey::from_seed(&seed),
            federation: id,
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            announce: Vec::new(),
            peers: Vec::new(),
            allow_private: true,
            gossip: true,
            bounds: Bounds::default(),
            address_book: federation.folder("relay-peers.json"),
        };
        let runtime = Runtime::new().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let (network, _events, mut streams) =
            runtime.block_on(network::start(config, &mut Registry::default())).unwrap();
        let counted = calls.clone();
        runtime.spawn(async move {
            let _events = _events;
            while let Some(stream) = streams.recv().await {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(answer(stream, records.clone(), frontier.clone(), lie));
            }
        });
        let address = network.status().listen[0].clone();
        Relay { _runtime: runtime, network, address, calls }
    }

    fn peer(&self) -> String {
        self.network.status().peer
    }
}

async fn answer(stream: SyncStream, records: Records, frontier: Arc<Frontier>, lie: Lie) {
    let (mut reader, mut writer) = stream.split();
    while let Ok(Some(bytes)) = reader.read().await {
        let honest = match serve::answer(&records, &frontier, message::decode(&bytes).unwrap()).unwrap() {
            Answer::One(message) => message,
            Answer::Range(want) => serve::chunk(&records, &want, want.from).unwrap(),
            Answer::Broken(why) => panic!("an honest caller broke the protocol: {why}"),
        };
        for altered in lie(honest) {
            if writer.write(&message::encode(altered)).await.is_err() {
                return;
            }
        }
    }
}

/// Alters the chunks of publication logs, which are those with more than two entries here.
fn chunks(message: Message, alter: impl Fn(&mut schema::Chunk)) -> Vec<Message> {
    match message {
        Message::Chunk(mut chunk) if chunk.leaves.len() > 2 => {
            alter(&mut chunk);
            vec![Message::Chunk(chunk)]
        }
        other => vec![other],
    }
}

pub fn published() -> Federation {
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    for number in 0..8 {
        federation.publish("FI", &format!("note-{number}"), &format!("The truth, part {number}."));
    }
    federation
}

fn notes(node: &Node) -> String {
    node.status()["notes"].to_string()
}

/// The relay is named and cut off, and the truth arrives from the next peer.
fn refused_and_named(lie: Lie, what: &str) {
    let federation = published();
    let relay = Relay::start(&federation, lie);
    let researcher = federation.start_with("researcher", &["--no-listen"], std::slice::from_ref(&relay.address));
    wait_until(&format!("{what}: the relay is named"), || notes(&researcher).contains(&relay.peer()));
    assert_eq!(researcher.status()["documents"], 0, "{what}");
    let finland = federation.start_with("FI", &["--listen", "/ip4/127.0.0.1/tcp/0"], &[]);
    researcher.stop();
    let researcher = federation.start("researcher", &[&finland]);
    wait_for_documents(&[&finland, &researcher], 8);
    federation.audit_all(&["FI", "researcher"]);
}

#[test]
fn a_relay_that_alters_anything_on_the_way_is_named_and_the_truth_arrives_from_another() {
    for (what, lie) in LIES {
        refused_and_named(lie, what);
    }
}

#[test]
fn a_relay_that_floods_or_sends_what_is_too_long_is_named_and_cut_off() {
    let federation = published();
    let relay = Relay::start(&federation, |message| match message {
        Message::Hello(hello) => vec![Message::Hello(hello)],
        _ => vec![serve::refusal(&"x".repeat(5 * 1024 * 1024))],
    });
    let researcher = federation.start_with("researcher", &["--no-listen"], std::slice::from_ref(&relay.address));
    wait_until("the sender of a message over the bound is named", || notes(&researcher).contains(&relay.peer()));
    researcher.stop();

    let relay = Relay::start(&federation, |message| vec![message]);
    let researcher = federation.start_with("researcher", &["--no-listen"], std::slice::from_ref(&relay.address));
    wait_for_documents(&[&researcher], 8);
    wait_until("the flood is cut off", || {
        for number in 0..20u32 {
            let junk = [
                b"not a gossip message".as_slice(),
                &number.to_be_bytes(),
                &relay.calls.load(Ordering::Relaxed).to_be_bytes(),
            ]
            .concat();
            relay._runtime.block_on(relay.network.publish(junk));
        }
        let blocked = format!("{} is blocked", relay.peer());
        notes(&researcher).contains(&blocked) && !researcher.get("/v1/peers").to_string().contains(&relay.peer())
    });
    federation.audit("researcher");
}

#[test]
fn a_body_withheld_by_one_peer_arrives_from_the_next() {
    let federation = published();
    let relay = Relay::start(&federation, |message| match message {
        Message::Bodies(mut bodies) => {
            bodies.bodies.clear();
            vec![Message::Bodies(bodies)]
        }
        message => chunks(message, |chunk| chunk.leaves[5].body.clear()),
    });
    let researcher = federation.start_with(
        "researcher",
        &["--listen", "/ip4/127.0.0.1/tcp/0"],
        std::slice::from_ref(&relay.address),
    );
    wait_until("all but one have come", || {
        let status = researcher.status();
        status["documents"] == 7 && status["missing_bodies"] == 1
    });
    let finland = federation.start("FI", &[&researcher]);
    wait_for_documents(&[&finland, &researcher], 8);
    assert_eq!(relay.network.status().connected.len(), 1, "to withhold is no fault");
    federation.audit_all(&["FI", "researcher"]);
}
