//! Nodes in one process, each with its own store and TCP connections to all others: how soon everyone has what one publishes.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

use comity::config::Folder;
use comity::node::{Node, Started};
use comity::passphrase::{Passphrases, Source};
use futures::StreamExt;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use proto::schema::Kind;
use tokio::sync::watch;

use crate::corpus::{self, MEMBERS};
use crate::stage::Stage;
use crate::table::{Reach, Table, p50_p99};

/// Nodes of the live workload.
const LIVE: usize = 10;
/// Nodes of the burst.
const BURST_NODES: usize = 20;
/// Documents published at once.
const BURST: u64 = 2_000;
/// Documents published one after the other.
const PUBLISHED: usize = 400;
/// Bytes of a gossiped document of the corpus: entry, packed body, checkpoint, path.
const GOSSIP_BYTES: usize = 2_600;

/// Runs the node of a folder in this process.
pub async fn serve(folder: &Path, peers: &[&Node]) -> Started {
    let folder = Folder::new(folder);
    let mut config = folder.config().unwrap();
    config.network.listen = vec!["/ip4/127.0.0.1/tcp/0".to_owned()];
    config.network.allow_private = true;
    config.network.peers = peers.iter().map(|peer| peer.network().listen[0].clone()).collect();
    Node::start(&folder, config, Passphrases::new(Source::Nowhere), false).await.unwrap()
}

/// Starts nodes that all know each other, and waits until all are connected and gossip reaches everyone.
async fn assemble(folders: &[std::path::PathBuf]) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for folder in folders {
        let peers: Vec<&Node> = nodes.iter().collect();
        nodes.push(serve(folder, &peers).await.node);
    }
    for node in &nodes {
        until(node, |node| node.network().connected.len() + 1 == folders.len()).await;
    }
    nodes
}

/// Waits until a node's state is as wanted.
async fn until(node: &Node, holds: impl Fn(&Node) -> bool) {
    let mut changes = node.changes();
    while !holds(node) {
        let _ = tokio::time::timeout(Duration::from_millis(20), changes.changed()).await;
    }
}

fn publication(stage: &Stage, number: u64) -> (Kind, proto::schema::Publication) {
    let mut publication = stage.corpus.publication(number);
    (publication.salt, publication.version) = (Vec::new(), 0);
    (Kind::LawSummary, publication)
}

/// What is waited for: so many documents held, and the last of them found by its name.
#[derive(Clone)]
struct Wanted {
    documents: u64,
    work: String,
}

/// When each node came to hold a document and found it by id, as told by its own state.
fn arrivals(nodes: &[Node]) -> (watch::Sender<Wanted>, mpsc::Receiver<Instant>) {
    let (target, watched) = watch::channel(Wanted { documents: u64::MAX, work: String::new() });
    let (sender, receiver) = mpsc::channel();
    for node in nodes {
        let (mut changes, mut target, sender) = (node.changes(), watched.clone(), sender.clone());
        let reader = node.reader().clone();
        tokio::spawn(async move {
            while target.changed().await.is_ok() {
                let wanted = target.borrow_and_update().clone();
                while changes.borrow_and_update().counts.documents < wanted.documents {
                    if changes.changed().await.is_err() {
                        return;
                    }
                }
                assert!(!reader.work(&wanted.work).unwrap().is_empty(), "{} is not found by its id", wanted.work);
                let _ = sender.send(Instant::now());
            }
        });
    }
    (target, receiver)
}

/// Ten nodes; one publishes, and all others have it: milliseconds from the acknowledgement to the last.
async fn live(stage: &Stage, nodes: &[Node], first: u64) -> Vec<f64> {
    let held = nodes[0].view().counts.documents;
    let (target, times) = arrivals(nodes);
    let mut millis = Vec::new();
    // The first few warm up what every mesh needs.
    for number in 0..(PUBLISHED + 20) as u64 {
        let member = number as usize % MEMBERS.len();
        let work = format!("{}/{}", MEMBERS[member], corpus::slug(first + number));
        assert!(target.send(Wanted { documents: held + number + 1, work }).is_ok());
        let author = &nodes[member];
        author.publish(vec![publication(stage, first + number)]).await.unwrap();
        let acknowledged = Instant::now();
        let last = tokio::task::block_in_place(|| (0..nodes.len()).map(|_| times.recv().unwrap()).max().unwrap());
        if number >= 20 {
            millis.push(last.saturating_duration_since(acknowledged).as_secs_f64() * 1e3);
        }
    }
    millis
}

/// Bare anonymous gossip between as many: milliseconds from publishing to the last.
async fn bare_gossip() -> Vec<f64> {
    let topic = IdentTopic::new("bare");
    let (heard, times) = mpsc::channel();
    let (mut addresses, mut publish) = (Vec::new(), Vec::new());
    for _ in 0..LIVE {
        let mut swarm = bare_swarm(&topic);
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse().unwrap()).unwrap();
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                break address;
            }
        };
        for other in &addresses {
            swarm.dial(libp2p::Multiaddr::clone(other)).unwrap();
        }
        addresses.push(address);
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<u8>>(1);
        publish.push(sender);
        let (heard, topic) = (heard.clone(), topic.clone());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(bytes) = receiver.recv() => { let _ = swarm.behaviour_mut().publish(topic.clone(), bytes); }
                    event = swarm.select_next_some() => {
                        if let SwarmEvent::Behaviour(gossipsub::Event::Message { message, .. }) = event {
                            let _ = heard.send((message.data[0], Instant::now()));
                        }
                    }
                }
            }
        });
    }
    let mut millis = Vec::new();
    let mut round = 0u32;
    while millis.len() < PUBLISHED {
        round += 1;
        let mut bytes = vec![round as u8; GOSSIP_BYTES];
        bytes[1..5].copy_from_slice(&round.to_be_bytes());
        while times.try_recv().is_ok() {} // what came after it was given up
        let began = Instant::now();
        publish[round as usize % LIVE].send(bytes).await.unwrap();
        let mut last = Some(began);
        for _ in 1..LIVE {
            let patience = Duration::from_millis(500);
            last = match tokio::task::block_in_place(|| times.recv_timeout(patience)) {
                Ok((mark, at)) if mark == round as u8 => last.map(|last| last.max(at)),
                _ => None, // the mesh is still forming
            };
        }
        if let Some(last) = last.filter(|_| round > 20) {
            millis.push((last - began).as_secs_f64() * 1e3);
        }
    }
    millis
}

fn bare_swarm(topic: &IdentTopic) -> Swarm<gossipsub::Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        .message_id_fn(|message| gossipsub::MessageId::from(message.data[..5].to_vec()))
        .heartbeat_initial_delay(Duration::from_millis(500))
        .mesh_n(4)
        .mesh_n_low(2)
        .mesh_n_high(8)
        .mesh_outbound_min(1)
        .build()
        .unwrap();
    let mut gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
    gossip.subscribe(topic).unwrap();
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| gossip)
        .unwrap()
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build()
}

/// Ten threads that each make those bytes durable in a file of their own, all at once: milliseconds until the last has.
fn bare_disk(stage: &Stage) -> Vec<f64> {
    let folder = stage.federation.folder("disk");
    std::fs::create_dir_all(&folder).unwrap();
    let (start, end) = (Barrier::new(LIVE + 1), Barrier::new(LIVE + 1));
    std::thread::scope(|scope| {
        for number in 0..LIVE {
            let path = folder.join(number.to_string());
            let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
            let (start, end) = (&start, &end);
            scope.spawn(move || {
                for _ in 0..PUBLISHED {
                    start.wait();
                    file.write_all(&[7; GOSSIP_BYTES]).unwrap();
                    file.sync_data().unwrap();
                    end.wait();
                }
            });
        }
        let round = |_| {
            start.wait();
            let began = Instant::now();
            end.wait();
            began.elapsed().as_secs_f64() * 1e3
        };
        (0..PUBLISHED).map(round).collect()
    })
}

/// Both workloads: the burst on twenty fresh nodes, then ten that go on with single documents.
pub fn run(stage: &Stage, table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut folders: Vec<_> = MEMBERS.iter().map(|code| stage.federation.folder(code)).collect();
    folders.extend((MEMBERS.len()..BURST_NODES).map(|number| stage.replica(&format!("burst-{number}"))));
    let latecomer = stage.replica("latecomer");
    runtime.block_on(async {
        let nodes = assemble(&folders).await;
        let began = Instant::now();
        let each = BURST / MEMBERS.len() as u64;
        let calls = nodes.iter().take(MEMBERS.len()).zip(0..).map(|(node, member)| {
            let documents = (member * each..(member + 1) * each).map(|number| publication(stage, number)).collect();
            async move { node.publish(documents).await.unwrap() }
        });
        futures::future::join_all(calls).await;
        for node in &nodes {
            until(node, |node| node.view().counts.documents == BURST).await;
        }
        let burst = began.elapsed().as_secs_f64();
        let late = serve(&latecomer, &[&nodes[0]]).await.node;
        // Like the twenty, it is there and connected when its time begins.
        while late.network().connected.is_empty() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        let began = Instant::now();
        until(&late, |node| node.view().counts.documents == BURST).await;
        let catch_up = began.elapsed().as_secs_f64();
        let figure = format!("{:.2} s until {BURST_NODES} nodes have {BURST} documents", burst);
        let limit = format!("{catch_up:.2} s one catch-up of them");
        table.add("burst", figure, limit, burst / catch_up, Reach::AtMost(3.0));
        late.stop().await;
        for node in &nodes[LIVE..] {
            node.stop().await;
        }
        let (p50, p99) = p50_p99(live(stage, &nodes[..LIVE], BURST).await);
        for node in &nodes[..LIVE] {
            node.stop().await;
        }
        // One of each together: the slowest hundredth of both at once is rarer than either.
        let (gossip, disk) = (bare_gossip().await, bare_disk(stage));
        let limit = p50_p99(gossip.iter().zip(&disk).map(|(gossip, disk)| gossip + disk).collect());
        for (part, figure, limit, reach) in [("p50", p50, limit.0, 2.0), ("p99", p99, limit.1, 3.0)] {
            let words = format!("{part} {figure:.1} ms from acknowledged to the last of {LIVE}");
            let bare = format!("{limit:.1} ms bare gossip, then fdatasync");
            table.add("live", words, bare, figure / limit, Reach::AtMost(reach));
        }
    });
}
