//! The attacker: this test program, started once more with one of these attacks in its environment. It has the charter and an
//! honest peer's records, as anyone can, no secret key of any member, and no manners.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use comity::reader::Records;
use comity::store::Store;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, identify, noise, ping, tcp, yamux};
use proto::charter::Charter;
use proto::digest::Digest;
use proto::frontier::Frontier;
use proto::key::PublicKey;
use proto::message;
use proto::replica::Replica;
use proto::schema;
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer, Archive};
use tokio::sync::mpsc;

use super::by_way_of;

/// Where attackers call from.
const ADDRESS: &str = "127.0.0.2";
/// Names that call from one address; those who are more take the next addresses too.
const FACES_PER_ADDRESS: usize = 4;
/// Bytes that a message of sync may announce.
const LARGE: usize = proto::limits::QUESTION_BYTES_MAX - 64;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossipsub::Behaviour,
    stream: libp2p_stream::Behaviour,
}

/// What the attacker knows.
#[derive(Clone)]
struct Plan {
    victim: Multiaddr,
    peer: PeerId,
    federation: Digest,
    records: Records,
    frontier: Arc<Frontier>,
    /// The largest log.
    log: PublicKey,
}

/// One name under which it appears.
struct Face {
    control: libp2p_stream::Control,
    gossip: mpsc::Sender<Vec<u8>>,
    peer: PeerId,
}

#[test]
#[ignore = "this is the attacker; the stories start it as a process of its own"]
fn life_of_an_attacker() {
    let Ok(attack) = std::env::var("COMITY_ATTACK") else { return };
    std::thread::spawn(|| {
        // Whoever started us is gone when standard input ends.
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match attack.as_str() {
            "connections" => return connections(&victim_socket()).await,
            "handshakes" => return handshakes(&victim_socket()).await,
            _ => {}
        }
        let plan = Plan::new();
        match attack.as_str() {
            "slow-readers" => on_streams(&plan, 20, 2, slow_reader).await,
            "half-open" => on_streams(&plan, 2, 24, half_open).await,
            "slow-writers" => on_streams(&plan, 2, 24, slow_writer).await,
            "huge-frontiers" => on_streams(&plan, 4, 8, huge_frontier).await,
            "endless-wants" => on_streams(&plan, 4, 2, endless_wants).await,
            "everything-again" => on_streams(&plan, 4, 2, everything_again).await,
            "gossip-valid" => gossip(&plan, true).await,
            "gossip-invalid" => gossip(&plan, false).await,
            "reconnects" => reconnects(&plan).await,
            "bombs" => serve_lies(&plan, bomb).await,
            "roots" => serve_lies(&plan, false_roots).await,
            "withholds" => serve_lies(&plan, withhold).await,
            "silence" => serve_lies(&plan, |_| Vec::new()).await,
            other => panic!("no attack is called {other}"),
        }
    });
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap()
}

/// The victim's address for those who do not even speak libp2p.
fn victim_socket() -> String {
    let address = env("COMITY_ATTACK_VICTIM");
    let mut parts = address.split('/').skip(2);
    let ip = parts.next().unwrap().to_owned();
    format!("{ip}:{}", parts.nth(1).unwrap())
}

impl Plan {
    fn new() -> Plan {
        let charter = Charter::verify(&std::fs::read(env("COMITY_ATTACK_CHARTER")).unwrap()).unwrap();
        let federation = charter.id();
        let folder = std::path::PathBuf::from(env("COMITY_ATTACK_COPY")).join("store");
        let (store, _) = Store::open(&folder, &federation).unwrap();
        let mut replica = Replica::new(Arc::new(charter));
        for (key, log, bodies) in store.logs().unwrap() {
            replica.resume(key, log, &bodies);
        }
        let frontier = Arc::new(replica.frontier());
        let (log, _) = frontier.rows.iter().max_by_key(|(_, row)| row.size).unwrap();
        let log = *log;
        let victim: Multiaddr = env("COMITY_ATTACK_VICTIM").parse().unwrap();
        let libp2p::multiaddr::Protocol::P2p(peer) = victim.iter().last().unwrap() else { panic!("no peer") };
        Plan { victim, peer, federation, records: store.reader().archive(federation), frontier, log }
    }

    fn victim_from(&self, from: &str) -> Multiaddr {
        by_way_of(from, &self.victim.to_string()).parse().unwrap()
    }

    /// Appears under a new name, and calls again whenever the line is cut. Answers calls with `answers`, if it has any.
    async fn face(&self, from: &str, answers: Option<Lie>) -> Face {
        let topic = IdentTopic::new(format!("comity/{}", self.federation));
        let version = format!("/comity/{}/1", self.federation);
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let config = gossipsub::ConfigBuilder::default()
                    .validation_mode(ValidationMode::Anonymous)
                    .message_id_fn(|message| gossipsub::MessageId::from(Digest::of(&message.data).to_string()))
                    .max_transmit_size(128 * 1024)
                    .build()
                    .unwrap();
                let gossip = gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).unwrap();
                Behaviour {
                    identify: identify::Behaviour::new(identify::Config::new(version, key.public())),
                    ping: ping::Behaviour::default(),
                    gossip,
                    stream: libp2p_stream::Behaviour::new(),
                }
            })
            .unwrap()
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
            .build();
        swarm.behaviour_mut().gossip.subscribe(&topic).unwrap();
        let mut control = swarm.behaviour().stream.new_control();
        if let Some(lie) = answers {
            let incoming = control.accept(StreamProtocol::new("/comity/sync/1")).unwrap();
            tokio::spawn(answer_all(incoming, self.clone(), lie));
        }
        let (gossip, mut spoken) = mpsc::channel::<Vec<u8>>(64);
        let (victim, peer) = (self.victim_from(from), *swarm.local_peer_id());
        let (met, meeting) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut met = Some(met);
            let mut again = tokio::time::interval(Duration::from_millis(500));
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => {
                        if let SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) = event {
                            let _ = met.take().map(|met| met.send(()));
                        }
                    }
                    Some(bytes) = spoken.recv() => drop(swarm.behaviour_mut().gossip.publish(topic.clone(), bytes)),
                    _ = again.tick() => {
                        if swarm.connected_peers().next().is_none() {
                            let _ = swarm.dial(victim.clone());
                        }
                    }
                }
            }
        });
        let _ = tokio::time::timeout(Duration::from_secs(10), meeting).await;
        Face { control, gossip, peer }
    }
}

impl Face {
    async fn open(&mut self, victim: PeerId) -> Option<Stream> {
        let opened = self.control.open_stream(victim, StreamProtocol::new("/comity/sync/1"));
        tokio::time::timeout(Duration::from_secs(5), opened).await.ok()?.ok()
    }
}

// ------------------------------------------------------------------------------------------------- on streams

type OnStream = fn(Plan, Stream) -> futures::future::BoxFuture<'static, Option<()>>;

/// So many names, each with so many streams that all do the same, again and again.
async fn on_streams(plan: &Plan, faces: usize, streams: usize, attack: OnStream) {
    let mut lives = Vec::new();
    for number in 0..faces {
        let plan = plan.clone();
        lives.push(tokio::spawn(async move {
            let address = format!("127.0.0.{}", 2 + number / FACES_PER_ADDRESS);
            let mut face = plan.face(&address, None).await;
            let mut open = tokio::task::JoinSet::new();
            loop {
                while open.len() < streams {
                    match face.open(plan.peer).await {
                        Some(stream) => drop(open.spawn(attack(plan.clone(), stream))),
                        None => break,
                    }
                }
                if open.join_next().await.is_none() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }));
    }
    futures::future::join_all(lives).await;
}

async fn send(stream: &mut Stream, message: Message) -> Option<()> {
    send_bytes(stream, &message::encode(message)).await
}

async fn send_bytes(stream: &mut Stream, bytes: &[u8]) -> Option<()> {
    stream.write_all(&(bytes.len() as u32).to_be_bytes()).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    stream.flush().await.ok()
}

/// Reads a message and throws it away; `None` where the line is closed.
async fn skip(stream: &mut Stream) -> Option<usize> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.ok()?;
    let mut rest = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut rest).await.ok()?;
    Some(rest.len())
}

fn hello(plan: &Plan) -> Message {
    message::hello(&plan.federation, &Digest::of(b"nothing"))
}

/// Until the other side closes: reads one byte now and then, or none.
async fn hold(mut stream: Stream, every: Duration) -> Option<()> {
    loop {
        tokio::time::sleep(every).await;
        let mut byte = [0; 1];
        if stream.read(&mut byte).await.ok()? == 0 {
            return None;
        }
    }
}

/// Asks for everything, and reads a byte a second of it.
fn slow_reader(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: u64::MAX };
        send(&mut stream, Message::Want(want)).await?;
        hold(stream, Duration::from_secs(1)).await
    })
}

/// Opens a stream and says nothing.
fn half_open(_: Plan, stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(hold(stream, Duration::from_secs(1)))
}

/// Announces a large question and sends a byte of it every second.
fn slow_writer(_: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        stream.write_all(&(LARGE as u32).to_be_bytes()).await.ok()?;
        loop {
            stream.write_all(&[0]).await.ok()?;
            stream.flush().await.ok()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
}

/// A frontier of as many empty rows as fit into a message.
fn huge_frontier(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        let rows = vec![schema::Row::default(); LARGE / 2];
        send(&mut stream, Message::Frontier(schema::Frontier { rows, editions: Vec::new() })).await?;
        while skip(&mut stream).await.is_some() {}
        None
    })
}

/// The same want, for ever, in one sync.
fn endless_wants(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        skip(&mut stream).await?;
        loop {
            let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: 1 };
            send(&mut stream, Message::Want(want)).await?;
            skip(&mut stream).await?;
        }
    })
}

/// Everything, in one sync after the other.
fn everything_again(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: u64::MAX };
        send(&mut stream, Message::Want(want)).await?;
        // Closed on our side too, so that the called side ends in order.
        stream.close().await.ok()?;
        while skip(&mut stream).await.is_some() {}
        None
    })
}

// ------------------------------------------------------------------------------------------------ connections

/// Five hundred connections from one address, all at once, and again as they are closed. They never speak.
async fn connections(victim: &str) {
    let mut all = tokio::task::JoinSet::new();
    loop {
        while all.len() < 500 {
            let to = victim.parse().unwrap();
            all.spawn(async move {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind("127.0.0.2:0".parse().unwrap()).ok()?;
                let stream = socket.connect(to).await.ok()?;
                // Until the other side closes.
                let _ = stream.readable().await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                Some(())
            });
        }
        all.join_next().await;
    }
}

/// A few connections at a time that stop in the middle of the handshake.
async fn handshakes(victim: &str) {
    loop {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        if let Ok(mut stream) = socket.connect(victim.parse().unwrap()).await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x13/multistream/1.0.0\n").await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A new name, a connection, and off again; for ever.
async fn reconnects(plan: &Plan) {
    let victim = plan.victim_from(ADDRESS);
    loop {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| ping::Behaviour::default())
            .unwrap()
            .build();
        let _ = swarm.dial(victim.clone());
        let met = async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { .. } | SwarmEvent::OutgoingConnectionError { .. } => return,
                    _ => {}
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(2), met).await;
    }
}

// ----------------------------------------------------------------------------------------------------- gossip

/// Gossip as fast as the line takes it: junk, or a true checkpoint that looks new every time, because protobuf allows for fields
/// that nobody knows.
async fn gossip(plan: &Plan, valid: bool) {
    let head = plan.records.head(&plan.log).unwrap().unwrap();
    let truth = message::gossip_checkpoint(&head.closing.checkpoint);
    let mut faces = Vec::new();
    for _ in 0..3 {
        faces.push(plan.face(ADDRESS, None).await);
    }
    let mut number = 0u64;
    loop {
        for face in &faces {
            number += 1;
            let junk = format!("{number} {}", face.peer);
            let bytes = if valid {
                [&truth[..], &[0x7a, junk.len() as u8], junk.as_bytes()].concat()
            } else {
                junk.into_bytes()
            };
            let _ = face.gossip.send(bytes).await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

// ---------------------------------------------------------------------------------------------------- answers

type Lie = fn(Message) -> Vec<Message>;

/// Waits to be called, and answers with lies, under one name after the other.
async fn serve_lies(plan: &Plan, lie: Lie) {
    let mut seen = HashSet::new();
    for _ in 0..3 {
        seen.insert(plan.face(ADDRESS, Some(lie)).await.peer);
    }
    std::future::pending::<()>().await;
}

async fn answer_all(mut incoming: libp2p_stream::IncomingStreams, plan: Plan, lie: Lie) {
    while let Some((_, stream)) = incoming.next().await {
        tokio::spawn(answer(stream, plan.clone(), lie));
    }
}

async fn answer(mut stream: Stream, plan: Plan, lie: Lie) -> Option<()> {
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.ok()?;
        let mut bytes = vec![0; u32::from_be_bytes(head) as usize];
        stream.read_exact(&mut bytes).await.ok()?;
        let honest = match serve::answer(&plan.records, &plan.frontier, message::decode(&bytes)?).unwrap() {
            Answer::One(message) => message,
            Answer::Range(want) => {
                serve::chunk(&plan.records, &PublicKey::from_bytes(&want.log).unwrap(), want.from, want.to).unwrap()
            }
            Answer::Broken(_) => return None,
        };
        for message in lie(honest) {
            send(&mut stream, message).await?;
        }
    }
}

/// Bodies that say they are as long as their entries, and unpack to a gigabyte.
fn bomb(message: Message) -> Vec<Message> {
    let Message::Chunk(mut chunk) = message else { return vec![message] };
    for leaf in &mut chunk.leaves {
        leaf.body = bomb_frame(&leaf.body);
    }
    vec![Message::Chunk(chunk)]
}

/// A zstd frame with the header of another, whose content is so many blocks of one byte each repeated 128 KiB times.
fn bomb_frame(honest: &[u8]) -> Vec<u8> {
    let Some(descriptor) = honest.get(4) else { return Vec::new() };
    let single = descriptor & 0x20 != 0;
    let size = match descriptor >> 6 {
        0 => usize::from(single),
        flag => 1 << flag,
    };
    let header = 5 + usize::from(!single) + size;
    let mut frame = honest[..header].to_vec();
    frame[4] &= !0x04; // no checksum
    let block = |last: u32| ((128 * 1024) << 3 | 1 << 1 | last).to_le_bytes();
    for _ in 0..8191 {
        frame.extend_from_slice(&block(0)[..3]);
        frame.push(b'A');
    }
    frame.extend_from_slice(&block(1)[..3]);
    frame.push(b'A');
    frame
}

/// A frontier of false roots and sizes, and chunks that are shorter than it says.
fn false_roots(message: Message) -> Vec<Message> {
    match message {
        Message::Frontier(mut frontier) => {
            for row in &mut frontier.rows {
                row.root[0] ^= 1;
                row.size += 1000;
            }
            vec![Message::Frontier(frontier)]
        }
        Message::Hello(mut hello) => {
            hello.frontier[0] ^= 1;
            vec![Message::Hello(hello)]
        }
        other => vec![other],
    }
}

/// Everything but the bodies of publications.
fn withhold(message: Message) -> Vec<Message> {
    match message {
        Message::Bodies(mut bodies) => {
            bodies.bodies.clear();
            vec![Message::Bodies(bodies)]
        }
        Message::Chunk(mut chunk) if chunk.leaves.len() > 2 => {
            chunk.leaves.iter_mut().skip(1).for_each(|leaf| leaf.body.clear());
            vec![Message::Chunk(chunk)]
        }
        other => vec![other],
    }
}
