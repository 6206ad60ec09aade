//! Little memory: a node lives beside other programs on a machine of 1 GB, and where even that is not there, it loses nothing.
//!
//! `COMITY_LOAD` sets how many documents are caught up. The limit is the kernel's own (a memory cgroup), so the page cache
//! counts as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::federation::{Federation, Node, wait_for_documents, wait_until};
use crate::moments::{skipped, times};

/// What a machine of 1 GB may give to a node.
const ENOUGH: u64 = 320 << 20;
/// Enough to start in, and not to catch up in.
const TOO_LITTLE: u64 = 40 << 20;

/// A group of processes that gets so much memory together.
struct Group(PathBuf);

impl Group {
    fn new(name: &str, bytes: u64) -> Option<Group> {
        let root = Path::new("/sys/fs/cgroup");
        let (base, limit) = match (root.join("memory").is_dir(), root.join("cgroup.controllers").is_file()) {
            (true, _) => (root.join("memory"), "memory.limit_in_bytes"),
            (false, true) => (root.to_owned(), "memory.max"),
            _ => {
                skipped("this machine has no memory cgroups");
                return None;
            }
        };
        let group = Group(base.join(format!("comity-{name}-{}", std::process::id())));
        let made = std::fs::create_dir(&group.0).and_then(|()| std::fs::write(group.0.join(limit), bytes.to_string()));
        // Where the machine swaps, a process would only become slow; some kernels have no such file.
        let _ = std::fs::write(group.0.join("memory.swap.max"), "0");
        match made {
            Ok(()) => Some(group),
            Err(error) => {
                skipped(&format!("no memory cgroup can be made here: {error}"));
                None
            }
        }
    }

    /// The program as a member of the group.
    fn command(&self, federation: &Federation) -> Command {
        let join = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", self.0.display());
        federation.under("sh", &["-c", &join, env!("CARGO_BIN_EXE_comity")])
    }

    /// The most it ever took.
    fn most(&self) -> u64 {
        let read = |name: &str| std::fs::read_to_string(self.0.join(name)).ok()?.trim().parse().ok();
        read("memory.max_usage_in_bytes").or_else(|| read("memory.peak")).unwrap_or_default()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn published(documents: u64) -> (Federation, Node) {
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let (path, text) = (federation.path("FI"), "Clause after clause of a long and careful law. ".repeat(60));
    let files: Vec<String> =
        (0..documents).map(|number| federation.note(&format!("law-{number}"), &format!("{number} {text}"))).collect();
    for part in files.chunks(500) {
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(part.iter().map(String::as_str));
        federation.done(&publish);
    }
    (federation, finland)
}

#[test]
fn a_node_with_little_memory_catches_up_and_stays() {
    let Some(group) = Group::new("enough", ENOUGH) else { return };
    let documents = times("COMITY_LOAD", 1_000);
    let (federation, finland) = published(documents);
    let command = group.command(&federation);
    let node = federation.launch(command, "researcher", &["--no-listen"], std::slice::from_ref(&finland.listen[0]));
    let node = node.unwrap_or_else(|ended| panic!("it ended with {}: {}", ended.code, ended.words));
    // However many there are, it is the arrivals that have to go on, not the whole that has to be quick.
    let mut held = 0;
    while held < documents {
        wait_until("more arrives", || {
            let now = node.status()["indexed"].as_u64().unwrap();
            std::mem::replace(&mut held, now) < now
        });
    }
    wait_for_documents(&[&finland, &node], documents);
    assert_eq!(node.found("careful"), documents);
    println!("{documents} documents in at most {} MiB of {}", group.most() >> 20, ENOUGH >> 20);
    node.stop();
    federation.audit_all(&["FI", "researcher"]);
}

#[test]
fn a_node_with_too_little_memory_ends_and_loses_nothing() {
    let Some(group) = Group::new("little", TOO_LITTLE) else { return };
    let documents = 600;
    let (federation, finland) = published(documents);
    let command = group.command(&federation);
    let peers = std::slice::from_ref(&finland.listen[0]);
    let mut shown = 0;
    match federation.launch(command, "researcher", &["--no-listen"], peers) {
        Err(ended) => println!("it did not start: {} {}", ended.code, ended.words),
        Ok(node) => {
            wait_until("it ends, or has everything all the same", || {
                let status = serde_json::from_str::<serde_json::Value>(&node.ask("/v1/status").1).unwrap_or_default();
                shown = status["entries"].as_u64().unwrap_or(shown);
                node.ended().is_some() || status["indexed"] == documents
            });
            match node.ended() {
                Some(ended) => println!("with {shown} entries it ended with {}: {}", ended.code, ended.words),
                None => node.kill(),
            }
        }
    }
    if shown > 0 {
        assert!(federation.audit("researcher")["entries"].as_u64().unwrap() >= shown);
    }
    let node = federation.start("researcher", &[&finland]);
    wait_for_documents(&[&finland, &node], documents);
    federation.audit_all(&["FI", "researcher"]);
}
