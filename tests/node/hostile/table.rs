//! What every attack costs, as a table in Markdown; in place of `all`, the name of one attack gives its row:
//!
//! ```text
//! COMITY_ATTACK_TABLE=all tests/run -p comity --test node -- attack_table --nocapture
//! ```

use std::time::Instant;

use super::{Attacker, copy, honest, limited};
use crate::federation::{Federation, Node, wait_until};

/// Documents that the honest replica catches up with.
const DOCUMENTS: u64 = 5_000;
/// Documents of one call.
const BATCH: u64 = 1_000;

/// Attack, and whether its victim is who catches up: whoever lies about records needs someone who lacks them.
const ATTACKS: [(&str, bool); 14] = [
    ("connections", false),
    ("handshakes", false),
    ("reconnects", false),
    ("half-open", false),
    ("slow-writers", false),
    ("slow-readers", false),
    ("huge-frontiers", false),
    ("endless-wants", false),
    ("everything-again", false),
    ("gossip-valid", false),
    ("gossip-invalid", false),
    ("bombs", true),
    ("roots", true),
    ("withholds", true),
];

#[test]
fn attack_table() {
    let Ok(wanted) = std::env::var("COMITY_ATTACK_TABLE") else { return };
    let federation = Federation::found(&["FI"]);
    let text = "Clause after clause of a careful law about machines that learn. ".repeat(40);
    for batch in 0..DOCUMENTS / BATCH {
        let note =
            |number: u64| federation.note(&format!("law-{}", batch * BATCH + number), &format!("{number} {text}"));
        let path = federation.path("FI");
        let files: Vec<String> = (0..BATCH).map(note).collect();
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(files.iter().map(String::as_str));
        federation.done(&publish);
    }
    copy(&federation, "FI", "copy");
    federation.set("FI", "connections_per_address", "8");
    federation.set("FI", "new_connections_per_minute", "30");
    let calm: Vec<Row> = (0..3).map(|round| row(&federation, &format!("calm-{round}"), None)).collect();
    let rate = calm.iter().map(|row| row.rate).fold(0.0, f64::max);
    println!(
        "\n| attack | documents/s | of the rate without | victim's peak memory | bounds met, as the operator reads them |"
    );
    println!("|---|---|---|---|---|");
    for row in &calm {
        println!("| none | {:.0} | {:.2} | {} MB | |", row.rate, row.rate / rate, row.peak_mb);
    }
    for attack in ATTACKS.into_iter().filter(|(name, _)| [name, "all"].contains(&wanted.as_str())) {
        let Row { rate: under, peak_mb, seen } = row(&federation, attack.0, Some(attack));
        println!("| {} | {under:.0} | {:.2} | {peak_mb} MB | {seen} |", attack.0, under / rate);
    }
}

struct Row {
    rate: f64,
    peak_mb: u64,
    seen: String,
}

fn row(federation: &Federation, name: &str, attack: Option<(&str, bool)>) -> Row {
    let researcher = format!("researcher-{name}");
    federation.replica(&researcher);
    federation.set(&researcher, "connections_per_address", "8");
    federation.set(&researcher, "new_connections_per_minute", "30");
    let finland = federation.start("FI", &[]);
    let mut attacker = None;
    if let Some((attack, false)) = attack {
        attacker = Some(Attacker::start(federation, attack, &finland, "copy"));
        wait_until(&format!("{attack} is under way"), || !limited(&finland).is_empty());
    }
    let node = match attack {
        Some((attack, true)) => {
            let node = federation.start(&researcher, &[]);
            attacker = Some(Attacker::start(federation, attack, &node, "copy"));
            wait_until(&format!("{attack} is under way"), || {
                node.status()["peers"].as_u64() > Some(0) || !limited(&node).is_empty()
            });
            let address = node.listen.clone();
            node.stop();
            federation.start_with(
                &researcher,
                &["--listen", address[0].split("/p2p/").next().unwrap()],
                &finland.listen,
            )
        }
        _ => honest(federation, &researcher, &finland),
    };
    let (began, before) = (Instant::now(), node.status()["entries"].as_u64().unwrap());
    wait_until("everything arrives", || {
        // Finland adds an entry of its own now and then: where it can be called.
        let status = node.status();
        status["frontier"] == finland.status()["frontier"] && status["missing_bodies"] == 0
    });
    let arrived = node.status()["entries"].as_u64().unwrap() - before;
    let rate = arrived as f64 / began.elapsed().as_secs_f64();
    let victim = if attack.is_some_and(|(_, behind)| behind) { &node } else { &finland };
    let row = Row { rate, peak_mb: peak_mb(victim), seen: seen(victim) };
    drop(attacker);
    federation.audit(&researcher);
    row
}

/// The most memory that a node ever had in RAM, in megabytes.
fn peak_mb(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Bounds and how often they were met by anyone, and how many are blocked.
fn seen(node: &Node) -> String {
    let mut bounds = std::collections::BTreeMap::<String, u64>::new();
    for (_, bound, times) in limited(node) {
        *bounds.entry(bound).or_default() += times;
    }
    let peers = node.get("/v1/peers");
    let blocked = peers["limited"].as_array().unwrap().iter().filter(|one| one["blocked_until_ms"].is_u64()).count();
    let mut words: Vec<String> = bounds.into_iter().map(|(bound, times)| format!("{bound} ({times} ×)")).collect();
    if blocked > 0 {
        words.push(format!("{blocked} blocked"));
    }
    words.join("; ")
}
