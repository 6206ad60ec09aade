//! The attacker: this test program, started once more with one of these attacks in its environment. It has the charter and an
//! honest peer's records, as anyone can, no secret key of any member, and no manners.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use comity::reader::Records;
use comity::store::Store;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, identify, noise, ping, tcp, yamux};
use proto::archive::Archive;
use proto::charter::Charter;
use proto::digest::Digest;
use proto::frontier::Frontier;
use proto::key::{PublicKey, SecretKey};
use proto::limits;
use proto::message;
use proto::replica::Replica;
use proto::schema;
use proto::schema::sync_message::Message;
use proto::serve::{self, Answer};
use tokio::sync::{Notify, mpsc};

use super::way;

/// Connections that one address opens before the next takes its place: more than it takes to be blocked.
const CONNECTIONS_PER_ADDRESS: u32 = 1000;
/// Time before it appears as another peer.
const BETWEEN_PEERS: Duration = Duration::from_millis(100);
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

/// A peer that it appears as, until the victim cuts the line or this is dropped.
struct FalsePeer {
    control: libp2p_stream::Control,
    gossip: mpsc::Sender<Vec<u8>>,
    peer: PeerId,
    /// Told whenever a sync that it answered ended.
    answered: Arc<Notify>,
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
            "slow-writers" => on_streams(&plan, 20, 2, slow_writer).await,
            "half-open" => on_streams(&plan, 2, 2, half_open).await,
            "many-streams" => on_streams(&plan, 2, 24, half_open).await,
            "huge-frontiers" => on_streams(&plan, 4, 2, huge_frontier).await,
            "invented-frontiers" => on_streams(&plan, 4, 3, invented_frontier).await,
            "endless-wants" => on_streams(&plan, 4, 2, endless_wants).await,
            "everything-again" => on_streams(&plan, 4, 2, everything_again).await,
            "gossip-valid" => gossip(&plan, true).await,
            "gossip-invalid" => gossip(&plan, false).await,
            "reconnects" => reconnects(&plan).await,
            "bombs" => serve_lies(&plan, bomb).await,
            "sizes" => serve_lies(&plan, false_sizes).await,
            "roots" => serve_lies(&plan, false_roots).await,
            "withholds" => serve_lies(&plan, withhold).await,
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

    /// Appears as a new peer from a new address. Answers calls with `answers`, if it has any.
    async fn appear(&self, answers: Option<Lie>) -> FalsePeer {
        // Whoever was just cut off shall not be busy with nothing but its own handshakes.
        tokio::time::sleep(BETWEEN_PEERS).await;
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
        let answered = Arc::new(Notify::new());
        if let Some(lie) = answers {
            let incoming = control.accept(StreamProtocol::new("/comity/sync/1")).unwrap();
            tokio::spawn(answer_all(incoming, self.clone(), lie, answered.clone()));
        }
        let (gossip, mut spoken) = mpsc::channel::<Vec<u8>>(64);
        let (address, carrier) = way(&new_address(), &self.victim.to_string());
        let (victim, peer): (Multiaddr, _) = (address.parse().unwrap(), *swarm.local_peer_id());
        let (met, meeting) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let (mut met, carrier) = (Some(met), tokio::spawn(carrier));
            swarm.dial(victim).unwrap();
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed { .. })) => {
                            let _ = met.take().map(|met| met.send(()));
                        }
                        SwarmEvent::ConnectionClosed { num_established: 0, .. }
                        | SwarmEvent::OutgoingConnectionError { .. } => break,
                        _ => {}
                    },
                    bytes = spoken.recv() => match bytes {
                        Some(bytes) => drop(swarm.behaviour_mut().gossip.publish(topic.clone(), bytes)),
                        None => break,
                    },
                }
            }
            carrier.abort();
        });
        let _ = tokio::time::timeout(Duration::from_secs(10), meeting).await;
        FalsePeer { control, gossip, peer, answered }
    }
}

impl FalsePeer {
    fn is_cut_off(&self) -> bool {
        self.gossip.is_closed()
    }

    async fn open(&mut self, victim: PeerId) -> Option<Stream> {
        let opened = self.control.open_stream(victim, StreamProtocol::new("/comity/sync/1"));
        tokio::time::timeout(Duration::from_secs(5), opened).await.ok()?.ok()
    }
}

/// An address of loopback that nobody called from yet.
fn new_address() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    address(LAST.fetch_add(1, Ordering::Relaxed))
}

fn address(number: u32) -> String {
    format!("127.0.{}.{}", 1 + number / 250, 2 + number % 250)
}

// ------------------------------------------------------------------------------------------------- on streams

type OnStream = fn(Plan, Stream) -> futures::future::BoxFuture<'static, Option<()>>;

/// So many peers, each with so many streams that all do the same, again and again; whoever is cut off comes as a new peer.
async fn on_streams(plan: &Plan, peers: usize, streams: usize, attack: OnStream) {
    let mut lives = Vec::new();
    for _ in 0..peers {
        let plan = plan.clone();
        lives.push(tokio::spawn(async move {
            loop {
                let mut peer = plan.appear(None).await;
                let mut open = tokio::task::JoinSet::new();
                while !peer.is_cut_off() {
                    while open.len() < streams {
                        match peer.open(plan.peer).await {
                            Some(stream) => drop(open.spawn(attack(plan.clone(), stream))),
                            None => break,
                        }
                    }
                    if open.join_next().await.is_none() {
                        // No stream can be had: the line is being cut, or one is given back soon.
                        let _ = tokio::time::timeout(Duration::from_millis(100), peer.gossip.closed()).await;
                    }
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
        let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: u64::MAX, root: Vec::new() };
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
        send(&mut stream, Message::Frontier(schema::Frontier { rows, ..Default::default() })).await?;
        while skip(&mut stream).await.is_some() {}
        None
    })
}

/// A frontier with as many rows as one may have, each of a sound key that nobody knows; then the same in the next sync.
fn invented_frontier(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    static ROWS: OnceLock<Vec<schema::Row>> = OnceLock::new();
    let invent = |number: u64| {
        let seed = Digest::of(&number.to_be_bytes());
        let log = SecretKey::from_seed(seed.as_bytes()).public().as_bytes().to_vec();
        schema::Row { log, size: u64::MAX, root: seed.as_bytes().to_vec(), contested: false }
    };
    Box::pin(async move {
        let rows = ROWS.get_or_init(|| {
            let mut rows: Vec<_> = (0..limits::FRONTIER_ROWS_MAX as u64).map(invent).collect();
            rows.sort_by(|a, b| a.log.cmp(&b.log));
            rows
        });
        send(&mut stream, hello(&plan)).await?;
        skip(&mut stream).await?;
        send(&mut stream, Message::Frontier(schema::Frontier { rows: rows.clone(), ..Default::default() })).await?;
        skip(&mut stream).await.map(drop)
    })
}

/// The same want, for ever, in one sync.
fn endless_wants(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        skip(&mut stream).await?;
        loop {
            let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: 1, root: Vec::new() };
            send(&mut stream, Message::Want(want)).await?;
            skip(&mut stream).await?;
        }
    })
}

/// Everything, in one sync after the other.
fn everything_again(plan: Plan, mut stream: Stream) -> futures::future::BoxFuture<'static, Option<()>> {
    Box::pin(async move {
        send(&mut stream, hello(&plan)).await?;
        let want = schema::Want { log: plan.log.as_bytes().to_vec(), from: 0, to: u64::MAX, root: Vec::new() };
        send(&mut stream, Message::Want(want)).await?;
        // Closed on our side too, so that the called side ends in order.
        stream.close().await.ok()?;
        while skip(&mut stream).await.is_some() {}
        None
    })
}

// ------------------------------------------------------------------------------------------------ connections

/// Five hundred connections from one address, all at once, and again as they are closed. They never speak. An address that was
/// blocked is followed by the next.
async fn connections(victim: &str) {
    let (mut all, mut opened) = (tokio::task::JoinSet::new(), 0);
    loop {
        while all.len() < 500 {
            let (from, to) = (format!("{}:0", address(opened / CONNECTIONS_PER_ADDRESS)), victim.parse().unwrap());
            opened += 1;
            all.spawn(async move {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                socket.bind(from.parse().unwrap()).ok()?;
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
    for opened in 0.. {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{}:0", address(opened / CONNECTIONS_PER_ADDRESS)).parse().unwrap()).unwrap();
        if let Ok(mut stream) = socket.connect(victim.parse().unwrap()).await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x13/multistream/1.0.0\n").await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A new peer, a connection, and off again; for ever.
async fn reconnects(plan: &Plan) {
    loop {
        let (victim, carrier) = way(&new_address(), &plan.victim.to_string());
        let carrier = tokio::spawn(carrier);
        for _ in 0..CONNECTIONS_PER_ADDRESS {
            let mut swarm = SwarmBuilder::with_new_identity()
                .with_tokio()
                .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
                .unwrap()
                .with_behaviour(|_| ping::Behaviour::default())
                .unwrap()
                .build();
            let _ = swarm.dial(victim.parse::<Multiaddr>().unwrap());
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
        carrier.abort();
    }
}

// ----------------------------------------------------------------------------------------------------- gossip

/// Gossip as fast as the line takes it: junk, or a true checkpoint that looks new every time, because protobuf allows for fields
/// that nobody knows.
async fn gossip(plan: &Plan, valid: bool) {
    let head = plan.records.head(&plan.log).unwrap().unwrap();
    let truth = message::gossip_checkpoint(&head.closing.checkpoint);
    futures::future::join3(flood(plan, &truth, valid), flood(plan, &truth, valid), flood(plan, &truth, valid)).await;
}

async fn flood(plan: &Plan, truth: &[u8], valid: bool) {
    loop {
        let peer = plan.appear(None).await;
        for number in 0u64.. {
            let junk = format!("{number} {}", peer.peer);
            let bytes =
                if valid { [truth, &[0x7a, junk.len() as u8], junk.as_bytes()].concat() } else { junk.into_bytes() };
            if peer.gossip.send(bytes).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

// ---------------------------------------------------------------------------------------------------- answers

type Lie = fn(Message) -> Vec<Message>;

/// Waits to be called, and answers with lies. One stays until it is cut off; the others come as new peers after every lie.
async fn serve_lies(plan: &Plan, lie: Lie) {
    futures::future::join3(lie_as(plan, lie, true), lie_as(plan, lie, false), lie_as(plan, lie, false)).await;
}

async fn lie_as(plan: &Plan, lie: Lie, stays: bool) {
    loop {
        let peer = plan.appear(Some(lie)).await;
        tokio::select! {
            () = peer.gossip.closed() => {}
            () = peer.answered.notified(), if !stays => {}
        }
    }
}

async fn answer_all(mut incoming: libp2p_stream::IncomingStreams, plan: Plan, lie: Lie, answered: Arc<Notify>) {
    while let Some((_, stream)) = incoming.next().await {
        let (plan, answered) = (plan.clone(), answered.clone());
        tokio::spawn(async move {
            let _ = answer(stream, plan, lie).await;
            answered.notify_one();
        });
    }
}

async fn answer(mut stream: Stream, plan: Plan, lie: Lie) -> Option<()> {
    loop {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await.ok()?;
        let mut bytes = vec![0; u32::from_be_bytes(head) as usize];
        stream.read_exact(&mut bytes).await.ok()?;
        match serve::answer(&plan.records, &plan.frontier, message::decode(&bytes)?).unwrap() {
            Answer::One(message) => tell(&mut stream, message, lie).await?,
            Answer::Range(want) => {
                let mut from = want.from;
                loop {
                    let honest = serve::chunk(&plan.records, &want, from).unwrap();
                    let (leaves, end) = match &honest {
                        Message::Chunk(chunk) => (chunk.leaves.len() as u64, want.to.min(chunk.total)),
                        _ => (0, 0),
                    };
                    from += leaves;
                    tell(&mut stream, honest, lie).await?;
                    if from >= end {
                        break;
                    }
                }
            }
            Answer::Broken(_) => return None,
        }
    }
}

async fn tell(stream: &mut Stream, honest: Message, lie: Lie) -> Option<()> {
    for message in lie(honest) {
        send(stream, message).await?;
    }
    Some(())
}

/// Bodies that say they are as long as their entries, and unpack to a gigabyte.
fn bomb(message: Message) -> Vec<Message> {
    let Message::Chunk(mut chunk) = message else { return vec![message] };
    // As many as fit into a message.
    for leaf in chunk.leaves.iter_mut().take(64) {
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

/// A frontier that says there is more than there is, and for what is not there something else.
fn false_sizes(message: Message) -> Vec<Message> {
    match message {
        Message::Frontier(mut frontier) => {
            frontier.rows.iter_mut().for_each(|row| row.size += 1_000_000);
            vec![Message::Frontier(frontier)]
        }
        Message::Refusal(_) => vec![Message::Chunk(schema::Chunk::default())],
        other => vec![another_frontier(other)],
    }
}

/// A frontier of true sizes and false roots.
fn false_roots(message: Message) -> Vec<Message> {
    match message {
        Message::Frontier(mut frontier) => {
            frontier.rows.iter_mut().for_each(|row| row.root[0] ^= 1);
            vec![Message::Frontier(frontier)]
        }
        other => vec![another_frontier(other)],
    }
}

/// A greeting after which the frontier is asked for.
fn another_frontier(message: Message) -> Message {
    match message {
        Message::Hello(mut hello) => {
            hello.frontier[0] ^= 1;
            Message::Hello(hello)
        }
        other => other,
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
