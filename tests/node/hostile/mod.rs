//! Hostile peers: what each can do to a node, what bounds it, and that honest nodes hardly notice.
//!
//! `records` lies with our own network, in this process. All else is told with an attacker that is a process of its own and
//! speaks libp2p, gossipsub and the sync protocol without any of our manners ([`attacker`]).

mod attacker;
mod connections;
mod gossip;
pub mod records;
mod streams;
mod table;

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};

use crate::federation::{Federation, Node, wait_for_documents, wait_until};

/// Megabytes that an attack may cost its victim in memory at the worst moment, above what it had: the places of 32 syncs at
/// 1.3 MB, the messages of a few peers, and what the allocator keeps.
const GROWTH_MAX_MB: u64 = 160;

/// Where honest callers call from: whoever attacks comes from any other address of loopback.
const HONEST: &str = "127.0.0.9";

/// Starts an honest node that calls another.
fn honest(federation: &Federation, name: &str, called: &Node) -> Node {
    let way = by_way_of(HONEST, &called.listen[0]);
    federation.start_with(name, &["--listen", "/ip4/127.0.0.1/tcp/0"], &[way])
}

/// An address that leads to the one given, so that every call by it comes from `from`. libp2p lets the system choose where its
/// calls come from, and on loopback all of them come from 127.0.0.1.
fn by_way_of(from: &str, address: &str) -> String {
    let (way, carrier) = way(from, address);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(carrier);
    });
    way
}

/// The same, and whoever carries what goes that way.
fn way(from: &str, address: &str) -> (String, impl Future<Output = ()> + Send + use<>) {
    let mut parts: Vec<&str> = address.split('/').collect();
    let (from, to): (SocketAddr, SocketAddr) =
        (format!("{from}:0").parse().unwrap(), format!("{}:{}", parts[2], parts[4]).parse().unwrap());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (parts[2], parts[4]) = ("127.0.0.1", &port);
    (parts.join("/"), carry(listener, from, to))
}

async fn carry(listener: std::net::TcpListener, from: SocketAddr, to: SocketAddr) {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(from).unwrap();
            if let Ok(mut far) = socket.connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

/// A process that attacks, until it is dropped.
struct Attacker(Child);

impl Attacker {
    /// Starts one attack on a node. `copy` is a folder it may use: what an attacker who is a peer has by right.
    fn start(federation: &Federation, attack: &str, victim: &Node, copy: &str) -> Attacker {
        let program = std::env::current_exe().unwrap();
        let mut attacker = Command::new(program);
        attacker
            .args(["--exact", "hostile::attacker::life_of_an_attacker", "--ignored", "--nocapture"])
            .env("COMITY_ATTACK", attack)
            .env("COMITY_ATTACK_VICTIM", &victim.listen[0])
            .env("COMITY_ATTACK_CHARTER", federation.charter())
            .env("COMITY_ATTACK_COPY", federation.folder(copy))
            // An attacker whose story ended early ends too.
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("COMITY_ATTACK_TOLD").is_some() { Stdio::inherit() } else { Stdio::null() });
        Attacker(attacker.spawn().unwrap())
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Finland with eight documents, a copy of its folder for the attacker, and a researcher; Finland has the bounds that a node has by
/// default, and a first block of two seconds.
fn stage() -> Federation {
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    for name in ["FI", "researcher"] {
        federation.set(name, "first_block_seconds", "2");
        federation.set(name, "connections_per_address", "8");
        federation.set(name, "new_connections_per_minute", "30");
    }
    for number in 0..8 {
        federation.publish("FI", &format!("note-{number}"), &format!("The truth, part {number}."));
    }
    copy(&federation, "FI", "copy");
    federation
}

fn copy(federation: &Federation, from: &str, to: &str) {
    let copied = Command::new("cp").arg("-r").args([federation.folder(from), federation.folder(to)]).status();
    assert!(copied.unwrap().success());
}

/// Bounds that strangers met, as the operator sees them: who, which, how often.
fn limited(node: &Node) -> Vec<(String, String, u64)> {
    let mut met = Vec::new();
    for one in node.get("/v1/peers")["limited"].as_array().unwrap() {
        for bound in one["bounds"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            met.push((text(&one["who"]), text(&bound["bound"]), bound["times"].as_u64().unwrap()));
        }
    }
    met
}

/// Waits until the operator of a node can see that a bound was met.
fn wait_for_bound(node: &Node, bound: &str) {
    wait_until(&format!("{}: somebody meets the bound on {bound}, among {:?}", node.name, limited(node)), || {
        limited(node).iter().any(|(_, met, _)| met == bound)
    });
    let page = ureq::get(format!("http://{}/network", node.http)).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(page.contains(bound), "the page for people says so too");
}

/// Waits until somebody is blocked, and the notes say so.
fn wait_for_block(node: &Node) {
    wait_until(&format!("{}: somebody is blocked", node.name), || {
        node.status()["notes"].to_string().contains("is blocked for")
    });
}

/// The most memory that a node had in RAM since it started or [`forget_peak`], in megabytes.
fn peak_mb(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// What a node has in RAM now counts as its peak; gives that.
fn forget_peak(node: &Node) -> u64 {
    std::fs::write(format!("/proc/{}/clear_refs", node.pid()), "5").unwrap();
    peak_mb(node)
}

/// Documents that are published while someone attacks.
const MEANWHILE: u64 = 3;

/// Finland publishes some more.
fn publish_meanwhile(federation: &Federation) {
    for number in 0..MEANWHILE {
        federation.publish("FI", &format!("meanwhile-{number}"), "Nobody could keep it back.");
    }
}

/// No honest peer is ever blocked: each has a key of its own, and the attacker's addresses are its own.
fn nobody_honest_is_blocked(victim: &Node, honest: &[&Node]) {
    let peers = victim.get("/v1/peers");
    for one in peers["limited"].as_array().unwrap() {
        let is_honest = honest.iter().any(|node| one["who"] == node.peer_id.as_str()) || one["who"] == HONEST;
        assert!(!is_honest || one["blocks"] == 0, "an honest node was blocked: {one}");
    }
}

/// The story of most attacks: Finland is attacked while a researcher follows it. The bound is met and shown, documents that are
/// published meanwhile arrive, whoever commits a fault is blocked, memory stays within its bound, and the records are sound.
/// Gives what Finland said.
fn attacked(attack: &str, bound: &str, is_fault: bool) -> String {
    attacked_on(&stage(), attack, bound, is_fault)
}

/// The same where the stage holds more than usual.
fn attacked_on(federation: &Federation, attack: &str, bound: &str, is_fault: bool) -> String {
    let finland = federation.start("FI", &[]);
    let researcher = honest(federation, "researcher", &finland);
    let documents = finland.status()["documents"].as_u64().unwrap();
    wait_for_documents(&[&finland, &researcher], documents);
    let before = forget_peak(&finland);
    let _attacker = Attacker::start(federation, attack, &finland, "copy");
    wait_for_bound(&finland, bound);
    publish_meanwhile(federation);
    wait_for_documents(&[&finland, &researcher], documents + MEANWHILE);
    if is_fault {
        wait_for_block(&finland);
    }
    let growth = peak_mb(&finland).saturating_sub(before);
    assert!(growth < GROWTH_MAX_MB, "{attack} cost {growth} MB");
    nobody_honest_is_blocked(&finland, &[&researcher]);
    federation.audit_all(&["FI", "researcher"]);
    finland.words()
}
