//! A second opinion on standing: what this implementation makes of many sets of records, as test vectors, and whether a checker
//! that was written in another language from `proto/README.md` alone makes the same of them.
//!
//! `COMITY_BLESS=1` rewrites the vectors. `COMITY_OPINIONS=N` asks about N more random histories that are kept nowhere.

use std::process::{Command, Output};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use proto::body::{Cut, Purpose};
use proto::chain::Chain;
use proto::key::PublicKey;
use proto::line::Line;
use proto::replica::Replica;
use serde_json::{Map, Value, json};

use crate::tales::Tale;
use crate::vectors::{golden, hex};
use crate::world::{Kept, Memory, Node, sync};
use crate::{histories, tales_of_desks, tales_of_forks, tales_of_keys, tales_of_members};

const HISTORIES: u64 = 24;

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

/// A tale's records and what they come to.
fn scenario(tale: &Tale) -> Value {
    let memory = tale.memory();
    let mut replica = Replica::pinned(tale.charter.clone(), tale.pin);
    memory.refill(&mut replica);
    json!({ "name": tale.name, "records": records(tale, &memory), "answer": answer(&replica) })
}

fn records(tale: &Tale, memory: &Memory) -> Value {
    let notes = tale.editions.iter().map(|edition| {
        let successors: Vec<String> = edition.successors().iter().map(PublicKey::to_string).collect();
        json!({ "note": text(edition.to_bytes()), "successors": successors })
    });
    let forks = tale.forks.iter().map(|fork| base64(&fork.to_wire().encode_to_vec()));
    json!({
        "charter": text(tale.charter.to_bytes()),
        "editions": notes.collect::<Vec<Value>>(),
        "logs": memory.logs.iter().map(log).collect::<Vec<Value>>(),
        "forks": forks.collect::<Vec<String>>(),
        "pin": tale.pin.map(|pin| pin.to_string()),
    })
}

/// A publication's body says nothing about standing, but for entry 0's.
fn log((key, kept): (&PublicKey, &Kept)) -> Value {
    let is_governance = kept.open().purpose == Purpose::Governance;
    let entries = kept.leaves.iter().map(|leaf| {
        let entry = base64(leaf.entry.as_bytes());
        let body = leaf.body.as_ref().filter(|_| is_governance || leaf.entry.index() == 0);
        body.map_or_else(|| json!({ "entry": entry }), |body| json!({ "entry": entry, "body": base64(&body.bytes) }))
    });
    json!({
        "key": key.to_string(),
        "entries": entries.collect::<Vec<Value>>(),
        "checkpoint": text(kept.closing.checkpoint.as_bytes().to_vec()),
        "proof": kept.closing.proof.iter().map(|hash| hash.to_string()).collect::<Vec<String>>(),
    })
}

fn answer(replica: &Replica) -> Value {
    let (standing, frontier) = (replica.standing(), replica.frontier());
    let in_force = standing.in_force().unwrap();
    let mut awaited: Vec<String> = standing
        .lines()
        .iter()
        .flat_map(|line| line.chains().values())
        .flat_map(|chain| chain.awaiting().iter().map(|link| link.successor_digest.to_string()))
        .collect();
    awaited.sort();
    awaited.dedup();
    let row = |(key, row): (&PublicKey, &proto::frontier::Row)| {
        let told = json!({ "size": row.size, "root": row.root.to_string(), "contested": row.contested });
        (key.to_string(), told)
    };
    json!({
        "valid": frontier.editions.iter().map(|edition| edition.digest().to_string()).collect::<Vec<String>>(),
        "in_force": {
            "digest": in_force.digest().to_string(),
            "members": in_force.members().iter().map(|member| member.code.clone()).collect::<Vec<String>>(),
            "signers": in_force.signers().map(|member| member.code.clone()).collect::<Vec<String>>(),
        },
        "lines": standing.lines().iter().map(line).collect::<Vec<Value>>(),
        "awaited": awaited,
        "forks": frontier.forks.iter().map(|(key, at)| (key.to_string(), json!(at))).collect::<Map<String, Value>>(),
        "rows": frontier.rows.iter().map(row).collect::<Map<String, Value>>(),
        "frontier": frontier.digest().to_string(),
    })
}

fn line(line: &Line) -> Value {
    let last = line.editions().last().unwrap();
    let told = |(code, chain): (&String, &Chain)| (code.clone(), chained(chain, last.member(code).is_some()));
    let chains: Map<String, Value> = line.chains().iter().map(told).collect();
    json!({ "last": last.digest().to_string(), "chains": chains })
}

fn chained(chain: &Chain, is_member: bool) -> Value {
    let cut = |cut: &Option<Cut>| cut.as_ref().map(|cut| json!({ "size": cut.size, "root": cut.root.to_string() }));
    let keys = chain.links().iter();
    let keys = keys.map(|link| json!({ "key": link.key.to_string(), "listed": link.listed, "cut": cut(&link.cut) }));
    let desks = chain.desks().iter().map(|(key, made)| {
        let told = json!({ "by": made.identity_key.to_string(), "cut": cut(&made.cut) });
        (key.to_string(), told)
    });
    json!({
        "is_member": is_member,
        "keys": keys.collect::<Vec<Value>>(),
        "desks": desks.collect::<Map<String, Value>>(),
    })
}

fn vector(tales: &[Tale]) -> Value {
    let mut names: Vec<&str> = tales.iter().map(|tale| tale.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "each tale has a name of its own");
    json!({ "scenarios": tales.iter().map(scenario).collect::<Vec<Value>>() })
}

const FORMAT: &str = "`records` is all that is held: notes as text, entries, bodies and fork proofs in base64, of each log what \
     verifies its end. `answer` is what `proto/README.md` makes of them.";

#[test]
fn standings() {
    let tales = [tales_of_members::all(), tales_of_keys::all(), tales_of_desks::all()].concat();
    golden("standing", &format!("Members, signers, keys, desks, cuts, rivals. {FORMAT}"), vector(&tales));
}

#[test]
fn forks() {
    golden("forks", &format!("Forks, and cuts on either branch. {FORMAT}"), vector(&tales_of_forks::all()));
}

#[test]
fn random_histories() {
    let tales: Vec<Tale> = (0..HISTORIES).map(histories::tale).collect();
    golden("histories", &format!("Random histories of governance, every third with forks. {FORMAT}"), vector(&tales));
}

#[test]
fn a_newcomer_comes_to_what_the_records_come_to() {
    // Also where an edition closed a chain and lets a rotation stand of which the newcomer holds nothing.
    let tales = [tales_of_members::all(), tales_of_keys::all(), tales_of_desks::all(), tales_of_forks::all()].concat();
    let mut differing: Vec<String> = Vec::new();
    // Here the log that is off its cut would tell of the key after it. A holder shows nothing of it, and nobody has the cut's branch.
    let unshown = [
        "a rotated key whose log is off the cut of the next",
        "a removal that names a second key on a branch that nobody has",
        "a re-key that names a second key on a branch that nobody has",
    ];
    for tale in tales.iter().filter(|tale| tale.pin.is_none() && !unshown.contains(&tale.name.as_str())) {
        let memory = tale.memory();
        let holder = Node { replica: memory.restart(&tale.charter, &[]), memory };
        let mut newcomer = Node::new(&tale.charter, &[]);
        // What the first sync brings decides what the second asks for.
        (0..2).for_each(|_| sync(&mut newcomer, &holder));
        if newcomer.replica.frontier() != holder.replica.frontier() {
            differing.push(tale.name.clone());
        }
    }
    assert!(differing.is_empty(), "{} of {}: {differing:#?}", differing.len(), tales.len());
}

/// What the checker says of files; `None` where no Python was given.
fn second_opinion(files: &[String]) -> Option<Output> {
    let Ok(python) = std::env::var("COMITY_TEST_PYTHON") else {
        eprintln!("no second opinion: run the tests with tests/run, which brings a Python with cryptography");
        return None;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/second_opinion/check.py");
    Some(Command::new(python).arg("-B").arg(script).args(files).output().unwrap())
}

/// The checker's words on scenarios that are kept nowhere, and whether it agrees.
fn asked(name: &str, vector: &Value) -> Option<(bool, String)> {
    let file = std::env::temp_dir().join(format!("comity-{name}-{}.json", std::process::id()));
    std::fs::write(&file, vector.to_string()).unwrap();
    let output = second_opinion(&[file.to_str().unwrap().to_owned()]);
    std::fs::remove_file(&file).unwrap();
    output.map(|output| (output.status.success(), format!("{}{}", text(output.stdout), text(output.stderr))))
}

#[test]
fn a_second_implementation_agrees_on_every_vector() {
    let Some(output) = second_opinion(&[]) else { return };
    assert!(output.status.success(), "{}{}", text(output.stdout), text(output.stderr));
}

#[test]
fn a_second_implementation_agrees_on_histories_that_nobody_has_seen() {
    let Some(count) = std::env::var("COMITY_OPINIONS").ok().and_then(|count| count.parse::<u64>().ok()) else { return };
    for first in (0..count).step_by(50) {
        let tales: Vec<Tale> = (1_000 + first..1_000 + count.min(first + 50)).map(histories::tale).collect();
        let Some((agrees, words)) = asked("histories", &vector(&tales)) else { return };
        assert!(agrees, "{words}");
    }
}

#[test]
fn a_damaged_answer_is_noticed() {
    let sound = vector(&tales_of_forks::all()[..1]);
    let Some((agrees, words)) = asked("sound", &sound) else { return };
    assert!(agrees, "{words}");
    let answer = &sound["scenarios"][0]["answer"];
    let key = answer["rows"].as_object().unwrap().keys().next().unwrap().clone();
    let damage = [
        ("/answer/in_force/members/0".to_owned(), json!("XX")),
        ("/answer/in_force/signers".to_owned(), json!([])),
        (format!("/answer/rows/{key}/size"), json!(1_000)),
        (format!("/answer/rows/{key}/contested"), json!("perhaps")),
        ("/answer/lines/0/chains/FI/keys/0/listed".to_owned(), json!(false)),
        ("/answer/frontier".to_owned(), json!(hex(&[0; 32]))),
        ("/records/logs/0/entries/0/entry".to_owned(), json!("AAAA")),
        ("/records/charter".to_owned(), json!("no charter\n")),
    ];
    for (at, value) in damage {
        let mut damaged = sound.clone();
        *damaged["scenarios"][0].pointer_mut(&at).unwrap() = value;
        let (agrees, words) = asked("damaged", &damaged).unwrap();
        assert!(!agrees && words.contains("1 differ"), "{at}: {words}");
    }
}
