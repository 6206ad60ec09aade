//! What the workloads share: a federation of ten members, their documents, and folders that hold them.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use comity::config::{self, Folder};

use crate::corpus::{Corpus, Keys, MEMBERS, fill};
use crate::federation::{Federation, Node};

/// Seconds anything may take: a run that goes on for longer is broken.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What the kernel calls a file system in memory (`TMPFS_MAGIC`).
const TMPFS: i64 = 0x0102_1994;

/// The stage.
pub struct Stage {
    pub federation: Federation,
    pub keys: Keys,
    pub corpus: Corpus,
    /// Documents of the workloads that take "100,000".
    pub documents: u64,
}

impl Stage {
    /// Founds the federation.
    pub fn new(documents: u64) -> Stage {
        let federation = Federation::found(&MEMBERS);
        let on = rustix::fs::statfs(federation.folder(MEMBERS[0])).unwrap().f_type;
        assert!(on != TMPFS, "fsync costs nothing in memory: set TMPDIR to a folder on a disk");
        let keys = Keys::of(&federation);
        let stage = Stage { federation, keys, corpus: Corpus::new(), documents };
        for code in MEMBERS {
            stage.keep_marks_here(code);
        }
        stage
    }

    /// An empty replica.
    pub fn replica(&self, name: &str) -> PathBuf {
        self.federation.replica(name);
        self.keep_marks_here(name);
        self.federation.folder(name)
    }

    /// A replica that holds the first `documents`, made once; with the bytes of their bodies.
    pub fn holding(&self, name: &str, documents: u64) -> (PathBuf, u64) {
        let folder = self.replica(name);
        let raw = fill(&folder, &self.keys, &self.corpus, 0, documents);
        (folder, raw)
    }

    /// Nodes that run in this process use the marks that the program uses for the stage's folders.
    fn keep_marks_here(&self, name: &str) {
        let file = Folder::new(&self.federation.folder(name)).config_file();
        let text = std::fs::read_to_string(&file).unwrap();
        let state = self.federation.folder("state").join("comity").display().to_string();
        std::fs::write(&file, config::set(&text, "state_dir", &toml::Value::String(state))).unwrap();
    }
}

/// Looks often until a condition holds, but not so often that looking costs what is measured.
pub fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        // A hundredth of the time waited so far at most, so that the error is small however short or long it takes.
        std::thread::sleep((began.elapsed() / 100).clamp(Duration::from_millis(2), Duration::from_millis(200)));
    }
}

/// A number of a node's `/metrics`.
pub fn metric(node: &Node, name: &str) -> usize {
    let text = ureq::get(format!("http://{}/metrics", node.http)).call().unwrap().body_mut().read_to_string().unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse().unwrap()
}

/// Bytes of all files in a folder.
pub fn bytes_of(folder: &Path) -> u64 {
    let mut bytes = 0;
    for item in std::fs::read_dir(folder).unwrap() {
        let item = item.unwrap();
        let meta = item.metadata().unwrap();
        bytes += if meta.is_dir() { bytes_of(&item.path()) } else { meta.len() };
    }
    bytes
}

/// Megabytes, for people.
pub fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
