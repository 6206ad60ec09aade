//! Disks that rot: torn tails, holes and flipped bits anywhere in segments and sled, one after the other in folders that go on.
//!
//! `COMITY_DAMAGES` sets how many. A researcher's replica and a parliament's own node are damaged in turn; Kenya's is sound and
//! has everything. Whatever was hit, the node opens or says what to do, nobody publishes from a log that lost something,
//! everything comes again, and the audit knows every damage.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::federation::{Federation, Node, wait_for_documents, wait_until};
use crate::moments::{Moments, times};

const PAGE: u64 = 4096;

/// Chooses a file of the store, and does something to it.
fn damage(store: &Path, moments: &mut Moments) -> (String, PathBuf) {
    let what = if moments.next(2) == 0 { "segments" } else { "sled" };
    let mut files: Vec<PathBuf> = std::fs::read_dir(store.join(what))
        .unwrap()
        .map(|item| item.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    // sled's other files are small and few; most of the time the large one is hit, as it would be.
    let file = match files.iter().find(|path| path.ends_with("db")) {
        Some(db) if moments.next(4) > 0 => db.clone(),
        _ => files[moments.next(files.len() as u64) as usize].clone(),
    };
    let (bytes, open) =
        (file.metadata().unwrap().len(), OpenOptions::new().read(true).write(true).open(&file).unwrap());
    if bytes == 0 {
        return (format!("{what}: nothing, an empty file"), file);
    }
    let edge = bytes.min(2 * PAGE);
    let at = match moments.next(4) {
        0 => moments.next(edge),
        1 => bytes - 1 - moments.next(edge),
        _ => moments.next(bytes),
    };
    let how = match moments.next(3) {
        0 => {
            let most = 1 << moments.next(17);
            open.set_len(bytes.saturating_sub(1 + moments.next(most))).unwrap();
            "torn tail"
        }
        1 => {
            let from = at / PAGE * PAGE;
            open.write_all_at(&vec![0; PAGE.min(bytes - from) as usize], from).unwrap();
            "hole"
        }
        _ => {
            let mut byte = [0];
            open.read_exact_at(&mut byte, at).unwrap();
            open.write_all_at(&[byte[0] ^ (1 << moments.next(8))], at).unwrap();
            "flipped bit"
        }
    };
    (format!("{what}: {how}"), file)
}

/// Asks for everything there is, as readers do in time; what cannot be read is refused in words.
fn read_everything(node: &Node, works: &[String]) {
    for work in works {
        let (code, words) = node.ask(&format!("/v1/documents/{work}"));
        assert!([200, 404, 500].contains(&code), "{work}: {code} {words}");
    }
}

fn told(node: &Node) -> String {
    let status = node.status();
    format!("{} {}", status["notes"], status["recovering"])
}

#[test]
fn damage_anywhere_is_told_healed_from_a_peer_and_known_to_the_audit() {
    let mut moments = Moments::new();
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("researcher");
    let mut works = Vec::new();
    for (name, count) in [("FI", 150), ("KE-LC01", 100)] {
        for part in 0..5 {
            let files: Vec<String> = (0..count / 5)
                .map(|number| federation.note(&format!("note-{part}-{number}"), &"Some text. ".repeat(60)))
                .collect();
            let path = federation.path(name);
            let mut publish = vec!["publish", "--data", &path];
            publish.extend(files.iter().map(String::as_str));
            works.extend(federation.done(&publish).lines().map(str::to_owned));
        }
    }
    let kenya = federation.start("KE-LC01", &[]);
    for name in ["FI", "researcher"] {
        let node = federation.start(name, &[&kenya]);
        wait_for_documents(&[&kenya, &node], works.len() as u64);
        node.stop();
    }
    let mut outcomes: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut hurt = BTreeSet::new();
    for round in 0..times("COMITY_DAMAGES", 12) {
        let name = if moments.next(3) == 0 { "FI" } else { "researcher" };
        let (what, file) = damage(&federation.folder(name).join("store"), &mut moments);
        // Something new meanwhile, so that what comes again does not come alone.
        works.push(federation.publish("KE-LC01", &format!("news-{round}"), "Something new.").trim().to_owned());
        let seen = federation.comity(&["audit", "--json", "--data", &federation.path(name)]);
        let code = seen.status.code().unwrap();
        assert!([0, 1, 3].contains(&code), "{what} in {}", file.display());
        // What is hit a second time may be known already.
        let is_first = what.starts_with("segments") && hurt.insert(name);
        assert!(
            !is_first || what != "segments: flipped bit" || code == 1,
            "no audit of a {what} in {}",
            file.display()
        );

        let command = federation.command(&[]);
        let node = federation.launch(command, name, &["--no-listen"], std::slice::from_ref(&kenya.listen[0]));
        let mut node = node.unwrap_or_else(|ended| {
            panic!("after a {what} in {} it ended with {}: {}", file.display(), ended.code, ended.words)
        });
        let first = told(&node);
        let mut outcome: Vec<&str> =
            ["unfinished write", "are damaged at", "set aside", "snapshots of sled", "search index is rebuilt"]
                .into_iter()
                .filter(|words| first.contains(words))
                .collect();
        read_everything(&node, &works);
        wait_until("every record was checked", || {
            node.words().contains("every record on disk was read again") || told(&node).contains("start the node again")
        });
        if told(&node).contains("start the node again") {
            outcome.push("found while it runs");
            node.stop();
            node = federation.start(name, &[&kenya]);
            assert!(told(&node).contains("are damaged at"), "{}", told(&node));
        }
        wait_for_documents(&[&kenya, &node], works.len() as u64);
        for work in &works {
            assert_eq!(node.ask(&format!("/v1/documents/{work}")).0, 200, "{work} after a {what}");
        }
        if name == "FI" {
            node.stop();
            node = federation.start(name, &[&kenya]);
            // Where its log had lost something, it is read back by now, and Kenya confirms that this was all.
            wait_until("it may write again", || node.status()["recovering"] == Value::Null);
            works.push(federation.publish("FI", &format!("after-{round}"), "It goes on.").trim().to_owned());
            wait_for_documents(&[&kenya, &node], works.len() as u64);
        }
        // Half of the time the next damage comes on top of a crash.
        if moments.next(2) == 0 {
            node.kill();
        } else {
            node.stop();
        }
        federation.audit_all(&["KE-LC01", name]);
        if outcome.is_empty() {
            outcome.push("nothing was hurt");
        }
        *outcomes.entry((what, outcome.join(", "))).or_default() += 1;
    }
    for ((what, outcome), count) in outcomes {
        println!("{count:4} {what}: {outcome}");
    }
    wait_until("everyone is there", || kenya.status()["documents"] == works.len());
}
