//! What every attack costs, as a table in Markdown; in place of `all`, the name of one attack gives its row:
//!
//! ```text
//! COMITY_ATTACK_TABLE=all tests/rig attack_table
//! ```

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Attacker, copy, forget_peak, honest, peak_mb};
use crate::federation::{Federation, wait_until};

/// Documents that the honest replica catches up with: seconds of work, so that a ratio says something.
const DOCUMENTS: u64 = 50_000;
/// Documents of one call.
const BATCH: u64 = 1_000;

/// Whom an attack is on, and who catches up meanwhile.
#[derive(Clone, Copy, PartialEq)]
enum Victim {
    /// Finland, who has everything, and is called by a replica that has nothing.
    Called,
    /// The replica that has nothing, and is called by Finland; the liar's records are in a folder of this name.
    Behind(&'static str),
}
use Victim::{Behind, Called};

/// Everything, as Finland has it.
const WHOLE: &str = "copy";
/// The first batch: whoever gives true records beside its lies shall not be who brings everything.
const EARLY: &str = "early-copy";

const ATTACKS: [(&str, Victim); 17] = [
    ("connections", Called),
    ("handshakes", Called),
    ("reconnects", Called),
    ("half-open", Called),
    ("many-streams", Called),
    ("slow-writers", Called),
    ("slow-readers", Called),
    ("huge-frontiers", Called),
    ("invented-frontiers", Called),
    ("endless-wants", Called),
    ("everything-again", Called),
    ("gossip-valid", Called),
    ("gossip-invalid", Called),
    ("roots", Behind(EARLY)),
    ("sizes", Behind(EARLY)),
    ("bombs", Behind(WHOLE)),
    ("withholds", Behind(WHOLE)),
];

#[test]
fn attack_table() {
    let Ok(wanted) = std::env::var("COMITY_ATTACK_TABLE") else {
        return eprintln!("prints a table where COMITY_ATTACK_TABLE is `all` or the name of an attack");
    };
    let federation = Federation::found(&["FI"]);
    let text = "Clause after clause of a careful law about machines that learn. ".repeat(47);
    for batch in 0..DOCUMENTS / BATCH {
        federation.publish_many("FI", batch * BATCH..(batch + 1) * BATCH, &text);
        if batch == 0 {
            copy(&federation, "FI", EARLY);
        }
    }
    copy(&federation, "FI", WHOLE);
    federation.set("FI", "connections_per_address", "8");
    federation.set("FI", "new_connections_per_minute", "30");
    println!(
        "\n| attack | who catches up | documents/s | of the rate without | victim's peak memory | meanwhile, as the operator reads it |"
    );
    println!("|---|---|---|---|---|---|");
    let mut calm = [0.0f64; 2];
    for victim in [Called, Behind(WHOLE)].into_iter().cycle().take(6) {
        let row = Row::measure(&federation, None, victim);
        let best = &mut calm[usize::from(victim != Called)];
        *best = best.max(row.rate);
        row.print("none", victim, *best);
    }
    for (attack, victim) in ATTACKS.into_iter().filter(|(name, _)| [name, "all"].contains(&wanted.as_str())) {
        Row::measure(&federation, Some(attack), victim).print(attack, victim, calm[usize::from(victim != Called)]);
    }
}

struct Row {
    /// Documents a second.
    rate: f64,
    peak_mb: u64,
    /// Bounds and how often they were met while everything arrived, and how often someone was blocked.
    met: BTreeMap<String, u64>,
}

impl Row {
    fn measure(federation: &Federation, attack: Option<&str>, victim: Victim) -> Row {
        federation.replica("researcher");
        federation.set("researcher", "connections_per_address", "8");
        federation.set("researcher", "new_connections_per_minute", "30");
        let attacked = federation.start(if victim == Called { "FI" } else { "researcher" }, &[]);
        let records = if let Behind(records) = victim { records } else { WHOLE };
        let attacker = attack.map(|attack| Attacker::start(federation, attack, &attacked, records));
        if attacker.is_some() {
            wait_until("the attack is under way", || {
                let status = attacked.status();
                !met(&attacked.get("/v1/peers")).is_empty()
                    || (victim != Called && status["entries"].as_u64() > Some(9))
            });
        }
        forget_peak(&attacked);
        let (documents, seen) = (documents(&attacked), met(&attacked.get("/v1/peers")));
        let began = Instant::now();
        let other = honest(federation, if victim == Called { "researcher" } else { "FI" }, &attacked);
        let (reader, finland) = if victim == Called { (&other, &attacked) } else { (&attacked, &other) };
        wait_until("everything arrives", || {
            // Finland adds an entry of its own now and then: where it can be called.
            let status = reader.status();
            status["frontier"] == finland.status()["frontier"] && status["missing_bodies"] == 0
        });
        let took = began.elapsed().as_secs_f64();
        let arrived = self::documents(reader) - if victim == Called { 0 } else { documents };
        let mut during = met(&attacked.get("/v1/peers"));
        for (bound, times) in &mut during {
            *times -= seen.get(bound).copied().unwrap_or(0).min(*times);
        }
        let row = Row { rate: arrived as f64 / took, peak_mb: peak_mb(&attacked), met: during };
        drop(attacker);
        federation.audit("researcher");
        drop((attacked, other));
        std::fs::remove_dir_all(federation.folder("researcher")).unwrap();
        row
    }

    fn print(&self, attack: &str, victim: Victim, calm: f64) {
        let who = if victim == Called { "a caller" } else { "the victim" };
        let met = self.met.iter().filter(|(_, times)| **times > 0);
        let met: Vec<String> = met.map(|(bound, times)| format!("{bound} ({times} ×)")).collect();
        let (rate, share, peak) = (self.rate, self.rate / calm, self.peak_mb);
        println!("| {attack} | {who} | {rate:.0} | {share:.2} | {peak} MB | {} |", met.join("; "));
    }
}

fn documents(node: &crate::federation::Node) -> u64 {
    node.status()["documents"].as_u64().unwrap()
}

/// How often each bound was met by anyone among those that are shown, and how often one of them was blocked.
fn met(peers: &serde_json::Value) -> BTreeMap<String, u64> {
    let mut met = BTreeMap::<String, u64>::new();
    for one in peers["limited"].as_array().unwrap() {
        for bound in one["bounds"].as_array().unwrap() {
            *met.entry(bound["bound"].as_str().unwrap().to_owned()).or_default() += bound["times"].as_u64().unwrap();
        }
        *met.entry("blocked".to_owned()).or_default() += one["blocks"].as_u64().unwrap();
    }
    met
}
