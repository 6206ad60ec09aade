//! Golden vectors: bytes that must never change, for whoever writes a second implementation, and for us.
//!
//! Every value is recomputed from its inputs and compared with `tests/vectors/`. With `COMITY_BLESS=1` the files are
//! rewritten instead: a difference in review is then a change of the protocol, and has to be meant.

use std::path::PathBuf;
use std::sync::Arc;

use prost::Message as _;
use proto::digest::Digest;
use proto::entry::Entry;
use proto::key::SecretKey;
use proto::message;
use proto::note;
use proto::proof::TlogProof;
use proto::replica::Record;
use proto::schema::{self, Kind};
use proto::serve;
use proto::tree;
use serde_json::{Value, json};

use crate::world::{
    Forest, Memory, Node, Parliament, charter, delegates, key, parliaments, summary, unsigned_charter, want,
};

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares with the file of that name, or rewrites it.
pub fn golden(name: &str, description: &str, mut vector: Value) {
    vector["description"] = Value::from(description);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(format!("{name}.json"));
    let text = format!("{}\n", serde_json::to_string_pretty(&vector).unwrap());
    if std::env::var("COMITY_BLESS").is_ok_and(|bless| bless == "1") {
        std::fs::write(path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let kept: Value = serde_json::from_str(&kept).unwrap_or_default();
    assert_eq!(kept, vector, "{name}.json; if this change of the protocol is meant, run with COMITY_BLESS=1");
}

/// The claimed time of every entry here: 2025-01-01T00:00:00Z.
const CLAIMED_MS: u64 = 1_735_689_600_000;

/// Finland's node with five entries in its library's log.
fn library() -> (Parliament, Digest, Node) {
    let members = parliaments(2);
    let (charter, finland) = (charter(&members), members[0].clone());
    let mut node = Node::new(&charter, &[finland.identity.clone(), finland.desk.clone()]);
    let mut write = |key: &SecretKey, bodies: Vec<(u32, Vec<u8>)>| {
        let input = proto::replica::Input::Write { log: key.public(), bodies };
        for effect in node.replica.handle(CLAIMED_MS, input).unwrap() {
            if let proto::replica::Effect::Keep(record) = effect {
                node.memory.keep(&record);
            }
        }
    };
    write(&finland.identity, vec![finland.governance_open(), delegates(&finland.desk)]);
    write(&finland.desk, vec![finland.desk_open(), summary("one"), summary("two"), summary("three"), summary("four")]);
    (finland, charter.id(), node)
}

#[test]
fn keys() {
    let one = |number: u64| {
        let secret = key(number);
        let name = "comity/FI";
        json!({
            "seed": hex(secret.seed().as_slice()),
            "public": secret.public().to_string(),
            "name": name,
            "key_id": format!("{:08x}", note::key_id(name, &secret.public())),
            "vkey": note::vkey(name, &secret.public()),
            "fingerprint": secret.public().fingerprint(),
            "message": hex(b"what is signed"),
            "signature": hex(&secret.sign(b"what is signed")),
        })
    };
    golden(
        "keys",
        "Ed25519 keys from the seed SHA-256(\"test key N\"), their id and vkey under one name, their fingerprint, and a signature.",
        json!({ "keys": [one(0), one(1), one(2)] }),
    );
}

#[test]
fn entries() {
    let one = |index: u64, claimed_ms: u64, kind: u32, body: Vec<u8>| {
        let entry = Entry::new(key(2).public(), index, claimed_ms, kind, &body);
        json!({
            "log": key(2).public().to_string(),
            "index": index,
            "claimed_ms": claimed_ms,
            "kind": kind,
            "body": hex(&body),
            "body_digest": entry.body_digest().to_string(),
            "entry": hex(entry.as_bytes()),
            "digest": entry.digest().to_string(),
        })
    };
    let finland = &parliaments(1)[0];
    let (open, body) = finland.desk_open();
    let entries = json!({ "entries": [
        one(0, CLAIMED_MS, open, body),
        one(1, CLAIMED_MS, Kind::LawSummary as u32, summary("one").1),
        one(300, 0, 99, b"of a kind that a newer Comity knows".to_vec()),
    ] });
    golden(
        "entries",
        "Entries: their fields, the body they name, their exact bytes, and their RFC 6962 leaf hash.",
        entries,
    );
}

#[test]
fn bodies() {
    let finland = &parliaments(1)[0];
    let tree = Forest::over(&[tree::leaf_hash(b"entry")]).compact;
    let cut = proto::body::Cut::new(finland.desk.public(), 1, tree.root());
    let salt = *b"sixteen of salt.";
    golden(
        "bodies",
        "Bodies of governance and publication logs, uncompressed; the salt is the ASCII text `sixteen of salt.`.",
        json!({
            "open_governance": hex(&finland.governance_open().1),
            "open_publication": hex(&finland.desk_open().1),
            "delegate": hex(&delegates(&finland.desk).1),
            "revoke": hex(&proto::body::revocation(&cut, "the librarian has left", salt)),
        }),
    );
}

#[test]
fn charters() {
    let founders = parliaments(3);
    let signed = charter(&founders);
    golden(
        "charter",
        "A charter signed by three founders with keys 0, 10 and 20; the id is the SHA-256 of the text before the empty line.",
        json!({
            "charter": String::from_utf8(signed.to_bytes()).unwrap(),
            "id": signed.id().to_string(),
            "unsigned_text": String::from_utf8(unsigned_charter(&founders).to_bytes()).unwrap().trim_end_matches('\n').to_owned() + "\n",
        }),
    );
}

#[test]
fn checkpoints_and_proofs() {
    let (finland, federation, node) = library();
    let kept = &node.memory.logs[&finland.desk.public()];
    let checkpoint = &kept.closing.checkpoint;
    let path = tree::inclusion(&kept.forest, 2, 5).unwrap();
    let leaf = kept.leaves[2].entry.digest();
    let proof = TlogProof { index: 2, path, checkpoint: checkpoint.as_bytes().to_vec() };
    proof.verify(&leaf, &federation).unwrap();
    let consistency = tree::consistency(&kept.forest, 3, 5).unwrap();
    let leaves: Vec<String> = kept.leaves.iter().map(|leaf| leaf.entry.digest().to_string()).collect();
    golden(
        "checkpoint",
        "The checkpoint of a log of five entries, a tlog-proof of entry 2, and the consistency proof from 3 to 5.",
        json!({
            "federation": federation.to_string(),
            "log": finland.desk.public().to_string(),
            "leaves": leaves,
            "root_at_3": tree::root_at(&kept.forest, 3).unwrap().to_string(),
            "root": checkpoint.root().to_string(),
            "checkpoint": String::from_utf8(checkpoint.as_bytes().to_vec()).unwrap(),
            "tlog_proof": proof.to_text(),
            "consistency_3_5": consistency.iter().map(Digest::to_string).collect::<Vec<_>>(),
        }),
    );
}

#[test]
fn frontiers() {
    let (_, federation, node) = library();
    let frontier = node.replica.frontier();
    let row = |(key, row): (&proto::key::PublicKey, &proto::frontier::Row)| {
        json!({
            "log": key.to_string(),
            "size": row.size,
            "root": row.root.to_string(),
            "contested": row.contested,
        })
    };
    golden(
        "frontier",
        "A frontier: a governance log of two entries, a library of five, and a member that has not opened its log yet. \
         The digest is over federation id, newest edition's digest, and 73 bytes a row.",
        json!({
            "federation": federation.to_string(),
            "rows": frontier.rows.iter().map(row).collect::<Vec<_>>(),
            "digest": frontier.digest().to_string(),
            "wire": hex(&frontier.to_wire().encode_to_vec()),
        }),
    );
}

#[test]
fn chunks() {
    let (finland, federation, node) = library();
    let desk = finland.desk.public();
    let chunk = |memory: &Memory, from, to| match serve::chunk(memory, &want(&desk, from, to), from) {
        Ok(schema::sync_message::Message::Chunk(chunk)) => chunk,
        other => panic!("expected a chunk, got {other:?}"),
    };
    let whole = chunk(&node.memory, 0, 5);
    let part = chunk(&node.memory, 0, 3);
    let log = proto::log::Log::new(desk, proto::body::Purpose::Publication);
    let run = log.verify(&federation, &part, |_| proto::log::Admission::Whole).unwrap();
    let mut relay = Memory::default();
    relay.keep(&Record::Run(Arc::new(run)));
    let handed_on = chunk(&relay, 0, 2);
    let describe = |chunk: &schema::Chunk| {
        let closing = chunk.closing.clone().unwrap();
        json!({
            "from": chunk.from,
            "to": chunk.from + chunk.leaves.len() as u64,
            "total": chunk.total,
            "proof": closing.proof.iter().map(|hash| hex(hash)).collect::<Vec<_>>(),
            "closing": hex(&closing.encode_to_vec()),
            "message": hex(&message::encode(schema::sync_message::Message::Chunk(chunk.clone()))),
        })
    };
    golden(
        "chunk",
        "Chunks of one log of five entries: the whole; the first three; and two of those three from a relay. \
         `message` is the SyncMessage without its length. The zstd frames inside are one writer's; any that unpack are good.",
        json!({ "chunks": [describe(&whole), describe(&part), describe(&handed_on)] }),
    );
}

#[test]
fn gossip() {
    let (finland, _, node) = library();
    let kept = &node.memory.logs[&finland.desk.public()];
    let path = tree::inclusion(&kept.forest, 4, 5).unwrap();
    let checkpoint = &kept.closing.checkpoint;
    golden(
        "gossip",
        "An announcement of entry 4 of five with its body and path, and one of the checkpoint alone.",
        json!({
            "path": path.iter().map(Digest::to_string).collect::<Vec<_>>(),
            "entry": hex(&message::gossip_entry(&kept.leaves[4], checkpoint, &path)),
            "checkpoint": hex(&message::gossip_checkpoint(checkpoint)),
        }),
    );
}

#[test]
fn greetings() {
    let (_, federation, node) = library();
    let hello = message::hello(&federation, &node.replica.frontier().digest());
    let want = schema::Want { log: key(2).public().as_bytes().to_vec(), from: 3, to: 5, root: Vec::new() };
    let bodies = schema::WantBodies { log: key(2).public().as_bytes().to_vec(), indexes: vec![1, 4] };
    golden(
        "greetings",
        "The small messages of a sync, each a SyncMessage without the u32 big-endian length that precedes it on the line.",
        json!({
            "hello": hex(&message::encode(hello)),
            "want": hex(&message::encode(schema::sync_message::Message::Want(want))),
            "want_bodies": hex(&message::encode(schema::sync_message::Message::WantBodies(bodies))),
            "refusal": hex(&message::encode(serve::refusal("this log is not held here"))),
        }),
    );
}
