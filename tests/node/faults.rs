//! Disks that refuse: no space and input/output errors, given to a running node in place of what its system calls return.
//!
//! `COMITY_FAULTS` sets how many beyond one of each. A node that is refused must not acknowledge what is not durable, must say
//! in words what to do, and must find everything acknowledged at its next start.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::disk::Disk;
use crate::federation::{Ended, Federation, Node, wait_for_documents, wait_until};
use crate::moments::{Moments, skipped, times};
use crate::power::on_disk;

/// What is refused: of which files, which call, and up to how many times it succeeds before.
struct Fault {
    files: Files,
    call: &'static str,
    spared: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Files {
    Segments,
    Sled,
    Marks,
    Index,
}

const FAULTS: [Fault; 9] = [
    Fault { files: Files::Segments, call: "write", spared: 25 },
    Fault { files: Files::Segments, call: "fdatasync", spared: 25 },
    Fault { files: Files::Sled, call: "pwrite64", spared: 6 },
    Fault { files: Files::Sled, call: "sync_file_range", spared: 6 },
    Fault { files: Files::Sled, call: "fdatasync", spared: 1 },
    Fault { files: Files::Marks, call: "write", spared: 25 },
    Fault { files: Files::Marks, call: "fsync", spared: 25 },
    Fault { files: Files::Marks, call: "/^rename", spared: 25 },
    Fault { files: Files::Index, call: "/^rename", spared: 4 },
];

impl Files {
    fn paths(self, federation: &Federation, name: &str) -> Vec<PathBuf> {
        let folder = federation.folder(name);
        match self {
            Files::Segments => vec![folder.join("store/segments/00000001.seg")],
            Files::Sled => vec![folder.join("store/sled/db")],
            Files::Index => vec![folder.join("index/meta.json")],
            // And what is written beside them to take their place.
            Files::Marks => {
                let listing = std::fs::read_dir(federation.folder("state/comity")).unwrap();
                let paths = listing.map(|item| item.unwrap().path().with_extension(""));
                paths.flat_map(|path| [path.with_extension("new"), path.with_extension("json")]).collect()
            }
        }
    }
}

/// The program under strace, which refuses `call` on these files with `error` from the `after`th time on.
fn refusing(federation: &Federation, files: &[PathBuf], call: &str, error: &str, after: u64) -> Command {
    tampered(federation, files, call, &format!("error={error}:when={after}+"))
}

/// The program under strace, which does something else in place of `call` on these files.
pub fn tampered(federation: &Federation, files: &[PathBuf], call: &str, how: &str) -> Command {
    let mut command = federation.under("strace", &["-D", "-f", "-qq", "-o", "/dev/null"]);
    // The tracer stands aside, so that who ends the process we started ends the node.
    for file in files {
        command.arg("-P").arg(file);
    }
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{how}")]);
    command.arg(env!("CARGO_BIN_EXE_comity"));
    command
}

pub fn cannot_trace() -> bool {
    let traced = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    let cannot = !traced.is_ok_and(|status| status.success());
    if cannot {
        skipped("strace is missing, or may not trace here");
    }
    cannot
}

/// Waits until a node that was refused has ended, and gives what it said.
fn end_of(node: &Node) -> Ended {
    wait_until("the node ends", || node.ended().is_some());
    node.ended().unwrap()
}

/// What an operator can do something with: what happened, where, and what to do.
fn is_plain(words: &str, files: &[PathBuf]) -> bool {
    let named = |file: &Path| words.contains(&file.parent().unwrap().display().to_string());
    let cause =
        ["No space left on device", "disk is full", "nput/output error"].iter().any(|cause| words.contains(cause));
    // Where a thread of sled's own is refused while the node opens, its words may be the last: they name the cause, and no more.
    let by_sled = words.contains("writing iobuf");
    cause && !words.contains("panicked") && (by_sled || files.iter().any(|file| named(file)) && words.contains("start"))
}

#[test]
fn a_disk_that_refuses_is_named_and_takes_nothing_that_was_acknowledged() {
    if cannot_trace() {
        return;
    }
    let mut moments = Moments::new();
    let federation = Federation::found(&["FI"]);
    federation.replica("witness");
    federation.replica("researcher");
    let witness = federation.start("witness", &[]);
    federation.publish("FI", "first", "Before anything goes wrong.");
    let mut documents = 1;
    for round in 0..FAULTS.len() as u64 + times("COMITY_FAULTS", 0) {
        let fault = &FAULTS[round as usize % FAULTS.len()];
        let error = if moments.next(2) == 0 { "ENOSPC" } else { "EIO" };
        let after = 1 + moments.next(fault.spared);
        // A replica has no marks.
        let publishing = moments.next(3) > 0 || fault.files == Files::Marks;
        let name = if publishing { "FI" } else { "researcher" };
        let what = format!("{name}: {error} at {} of {:?}", fault.call, fault.files);
        let finland = (!publishing).then(|| federation.start("FI", &[&witness]));
        let files = fault.files.paths(&federation, name);
        let command = refusing(&federation, &files, fault.call, error, after);
        let listen = ["--listen", "/ip4/127.0.0.1/tcp/0"];
        let peers = [finland.as_ref().unwrap_or(&witness).listen[0].clone()];
        let mut refused = None;
        let told = match federation.launch(command, name, &listen, &peers) {
            Err(ended) => ended.words,
            Ok(node) => {
                let mut number = 0;
                wait_until(&format!("{what} shows"), || {
                    let note = format!("r{round}-n{number}");
                    let note = federation.note(&note, &format!("Text {number} of {round}. ").repeat(40));
                    number += 1;
                    let output = federation.comity(&["publish", "--data", &federation.path("FI"), &note]);
                    if output.status.success() {
                        documents += 1;
                    } else {
                        refused = Some(String::from_utf8_lossy(&output.stderr).into_owned());
                    }
                    let told = || node.ask("/v1/status").1.contains("search index stopped");
                    refused.is_some() || node.ended().is_some() || (fault.files == Files::Index && told())
                });
                if fault.files == Files::Index {
                    node.status()["notes"].to_string()
                } else {
                    let ended = end_of(&node);
                    assert_eq!(ended.code, 3, "{what}: {}", ended.words);
                    ended.words
                }
            }
        };
        println!("{what} after {after}: {}", told.lines().last().unwrap_or_default());
        if let Some(words) = &refused {
            println!("    the publisher: {words}");
        }
        assert!(is_plain(&told, &files), "{what}: {told}");
        drop(finland);

        let node = federation.start(name, &[&witness]);
        let finland = (!publishing).then(|| federation.start("FI", &[&witness]));
        let held = finland.as_ref().unwrap_or(&node).status()["documents"].as_u64().unwrap();
        // What was refused may be there or not; what was acknowledged is.
        let unsure = u64::from(refused.is_some());
        assert!((documents..=documents + unsure).contains(&held), "{what}: {held} of {documents} documents");
        assert_eq!(node.status()["recovering"], Value::Null, "{what}");
        federation.publish("FI", &format!("after-{round}"), "It goes on.");
        documents = held + 1;
        let nodes: Vec<&Node> = [Some(&node), finland.as_ref(), Some(&witness)].into_iter().flatten().collect();
        wait_for_documents(&nodes, documents);
        federation.audit_all(&[name, "witness"]);
    }
}

#[test]
fn a_tail_that_no_sync_reached_is_durable_before_it_is_spoken() {
    let Some(disk) = Disk::new() else { return };
    if cannot_trace() {
        return;
    }
    let federation = on_disk(&disk, &["FI"], &["FI", "state"]);
    federation.replica("witness");
    let witness = federation.start("witness", &[]);
    federation.publish("FI", "first", "Before anything goes wrong.");
    // The write reaches the page cache, the sync nothing: as if the process had been killed between the two.
    let segment = disk.folder().join("FI/store/segments/00000001.seg");
    let command = refusing(&federation, &[segment], "fdatasync", "EIO", 1);
    match federation.launch(command, "FI", &["--no-listen"], &[]) {
        Err(ended) => panic!("it did not start: {}", ended.words),
        Ok(node) => {
            federation.refused(&[
                "publish",
                "--data",
                &federation.path("FI"),
                &federation.note("unsynced", "In the page cache."),
            ]);
            end_of(&node);
        }
    }
    // It has no address to publish, so nothing else syncs the segment.
    let node = federation.start_with("FI", &["--no-listen"], std::slice::from_ref(&witness.listen[0]));
    wait_for_documents(&[&node, &witness], 2);
    disk.cut(|| node.strike());
    drop(node);
    disk.restore();
    let node = federation.start("FI", &[&witness]);
    assert_eq!(node.status()["recovering"], Value::Null, "what was spoken is there");
    federation.publish("FI", "after", "It goes on.");
    wait_for_documents(&[&node, &witness], 3);
    federation.audit_all(&["FI", "witness"]);
}
