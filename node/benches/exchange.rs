//! Syncs of replicas that are equal, and of those that nearly are.

use std::time::Instant;

use comity::config::Folder;
use comity::keeper::Keeper;
use comity::keystore::{KeyName, Secrets};
use comity::network::{self, Bounds, Event, Network, NetworkConfig};
use comity::passphrase::{Passphrases, Source};
use proto::message;
use proto::replica::Replica;
use proto::schema::sync_message::Message;
use proto::session::Peer;

use crate::corpus::{MEMBERS, fill};
use crate::dialogue;
use crate::federation::Node;
use crate::stage::Stage;
use crate::table::{Reach, Table, p50_p99};

/// Times each is measured: as often as one peer may begin a sync in a row.
const ROUNDS: usize = 100;
/// New documents of a resync.
const NEW: u64 = 100;

/// A line to a running node.
async fn connect(stage: &Stage, node: &Node) -> (Network, Peer) {
    let folder = stage.federation.folder("caller");
    let config = NetworkConfig {
        key: Secrets::of(&folder, &mut Passphrases::new(Source::Nowhere)).open(KeyName::Peer).unwrap().unwrap(),
        federation: stage.keys.charter.id(),
        listen: Vec::new(),
        announce: Vec::new(),
        peers: vec![node.listen[0].clone()],
        allow_private: true,
        gossip: false,
        bounds: Bounds::default(),
        address_book: folder.join("peers.json"),
    };
    let (network, mut events, _) = network::start(config, &mut Default::default()).await.unwrap();
    loop {
        if let Some(Event::Connected(peer)) = events.recv().await {
            tokio::spawn(async move { while events.recv().await.is_some() {} });
            return (network, peer);
        }
    }
}

/// Seconds and bytes of one no-op sync with a replica of so many documents: digest, greeting, greeting.
fn no_op(stage: &Stage, documents: u64) -> (f64, u64) {
    let name = format!("equal-{documents}");
    let (folder, _) = stage.holding(&name, documents);
    let (keeper, _, _) = Keeper::open(&Folder::new(&folder)).unwrap();
    let digests = (0..ROUNDS).map(|_| {
        let began = Instant::now();
        let digest = keeper.view().frontier.digest();
        (began.elapsed().as_secs_f64(), digest)
    });
    let (seconds, digests): (Vec<f64>, Vec<_>) = digests.unzip();
    let (digesting, _) = p50_p99(seconds);
    keeper.close().unwrap();
    let node = stage.federation.start(&name, &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (seconds, bytes) = runtime.block_on(async {
        let (network, peer) = connect(stage, &node).await;
        let hello = message::encode(message::hello(&stage.keys.charter.id(), &digests[0]));
        let (mut seconds, mut bytes) = (Vec::new(), 0);
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let (mut reader, mut writer) = network.open_sync(&peer).await.unwrap().split();
            writer.write(&hello).await.unwrap();
            let answer = reader.read().await.unwrap().unwrap();
            seconds.push(began.elapsed().as_secs_f64());
            bytes = (hello.len() + answer.len()) as u64 + 8; // and the length before each
            let Some(Message::Hello(theirs)) = message::decode(&answer) else { panic!("not a greeting") };
            assert_eq!(theirs.frontier, digests[0].as_bytes(), "the replicas are not equal");
            writer.close().await;
            // Until the other side has closed too, the sync holds one of the two places that a peer has.
            assert!(matches!(reader.read().await, Ok(None)), "a sync did not end in order");
        }
        network.stop().await;
        (seconds, bytes)
    });
    node.stop();
    std::fs::remove_dir_all(&folder).unwrap();
    (digesting + p50_p99(seconds).0, bytes)
}

/// Equal replicas.
pub fn no_op_sync(stage: &Stage, table: &mut Table) {
    stage.replica("caller");
    let sizes = [stage.documents / 100, stage.documents, stage.documents * 10];
    let measured: Vec<(f64, u64)> = sizes.iter().map(|documents| no_op(stage, *documents)).collect();
    let most = measured.iter().map(|(_, bytes)| *bytes).max().unwrap_or_default();
    let words = format!("{most} bytes at {sizes:?} documents");
    table.add("no-op sync", words, "400 bytes".to_owned(), most as f64 / 400.0, Reach::AtMost(1.0));
    let micros = |at: usize| measured[at].0 * 1e6;
    let figure = format!("{:.0} µs at {}; {:.0} at {}", micros(2), sizes[2], micros(1), sizes[1]);
    let limit = format!("{:.0} µs at {}", micros(0), sizes[0]);
    table.add("no-op sync", figure, limit, micros(2) / micros(0), Reach::AtMost(1.5));
}

/// A hundred new documents scattered over ten logs. Uses up the folder `fed`.
pub fn resync(stage: &Stage, table: &mut Table) {
    let folder = stage.federation.folder("fed");
    let mut replica = Replica::new(stage.keys.charter.clone());
    let (keeper, _, _) = Keeper::open(&Folder::new(&folder)).unwrap();
    keeper.close().unwrap();
    let (store, _) = comity::store::Store::open(&Folder::new(&folder).store(), &stage.keys.charter.id()).unwrap();
    for (key, log, bodies) in store.logs().unwrap() {
        replica.resume(key, log, &bodies);
    }
    store.close().unwrap();
    fill(&folder, &stage.keys, &stage.corpus, stage.documents, stage.documents + NEW);
    let (keeper, _, _) = Keeper::open(&Folder::new(&folder)).unwrap();
    let records = keeper.reader().archive(keeper.federation());
    let heard = dialogue::sync(&mut replica, &records, &keeper.view().frontier);
    assert_eq!(replica.frontier().digest(), keeper.view().frontier.digest());
    keeper.close().unwrap();
    let (mut all, mut documents, mut entries) = (heard.asked_bytes, 0, 0);
    for answer in &heard.answers {
        all += answer.len() as u64;
        if let Some(Message::Chunk(chunk)) = message::decode(answer) {
            entries += chunk.leaves.len();
            documents += chunk.leaves.iter().map(|leaf| (leaf.entry.len() + leaf.body.len()) as u64).sum::<u64>();
        }
    }
    assert_eq!(entries as u64, NEW);
    let beyond = all - documents;
    let figure = format!("{beyond} bytes beyond {documents} of {NEW} entries and bodies in {} logs", MEMBERS.len());
    table.add("resync", figure, "10,000 bytes".to_owned(), beyond as f64 / 10_000.0, Reach::AtMost(1.0));
    let figure = format!("{} round trips before documents flow", heard.round_trips);
    table.add("resync", figure, "2".to_owned(), heard.round_trips as f64 / 2.0, Reach::AtMost(1.0));
}
