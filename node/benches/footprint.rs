//! What a replica costs its machine: memory and disk once it has caught up and is idle, and how long a start takes.

use std::process::Command;
use std::time::{Duration, Instant};

use comity::config::Folder;

use crate::catch_up::Taken;
use crate::federation::Node;
use crate::stage::{Stage, bytes_of, mb, wait_for};
use crate::table::{Reach, Table};

/// Times each start is measured; the fastest counts, because what else the machine does only adds.
const STARTS: usize = 3;
/// Seconds over which an idle node's memory must not have changed.
const IDLE: Duration = Duration::from_secs(3);

/// What an idle replica takes: bytes of memory now, at most, and of the bodies it holds.
struct Idle {
    rss: u64,
    peak: u64,
    raw: u64,
}

/// A field of `/proc/<pid>/status`, in bytes; none of a process that has ended.
pub fn memory_of(pid: u32, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? * 1024)
}

/// The same of a node.
pub fn memory(node: &Node, field: &str) -> u64 {
    memory_of(node.pid(), field).unwrap()
}

/// Memory of a node once it no longer changes.
pub fn idle_memory(node: &Node) -> u64 {
    let (mut last, mut since) = (memory(node, "VmRSS"), Instant::now());
    wait_for("the memory settles", || {
        let now = memory(node, "VmRSS");
        if now.abs_diff(last) > 2_000_000 {
            (last, since) = (now, Instant::now());
        }
        since.elapsed() > IDLE
    });
    memory(node, "VmRSS")
}

/// Has an empty replica catch up so many documents from a node in this process, and gives what it then takes.
fn caught_up(stage: &Stage, documents: u64) -> Idle {
    let (name, source) = (format!("idle-{documents}"), format!("origin-{documents}"));
    let (folder, raw) = stage.holding(&source, documents);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(crate::live::serve(&folder, &[]));
    stage.replica(&name);
    let peers = vec![server.node.network().listen[0].clone()];
    let node = stage.federation.start_with(&name, &["--no-listen"], &peers);
    wait_for("all are found", || node.status()["indexed"] == documents);
    let idle = Idle { rss: idle_memory(&node), peak: memory(&node, "VmHWM"), raw };
    node.stop();
    runtime.block_on(async {
        server.node.stop().await;
        server.ended.await.unwrap().unwrap();
    });
    std::fs::remove_dir_all(folder).unwrap();
    idle
}

/// Memory and disk.
pub fn memory_and_disk(stage: &Stage, table: &mut Table) {
    let (one, ten) = (caught_up(stage, stage.documents), caught_up(stage, stage.documents * 10));
    let words =
        |idle: &Idle, documents| format!("{:.0} MB RSS idle at {documents} (peak {:.0})", mb(idle.rss), mb(idle.peak));
    let (figure, limit) = (words(&one, stage.documents), "250 MB".to_owned());
    table.add("memory", figure, limit, one.rss as f64 / 250e6, Reach::AtMost(1.0));
    let (figure, limit) = (words(&ten, stage.documents * 10), "1.5 times 250 MB".to_owned());
    table.add("memory", figure.clone(), limit, ten.rss as f64 / 375e6, Reach::AtMost(1.0));
    let limit = format!("{:.0} MB at {}", mb(one.rss), stage.documents);
    table.add("memory", figure, limit, ten.rss as f64 / one.rss as f64, Reach::Shown);

    let raw_bytes = one.raw;
    let folder = Folder::new(&stage.federation.folder(&format!("idle-{}", stage.documents)));
    let (segments, sled) = (bytes_of(&folder.store().join("segments")), bytes_of(&folder.store().join("sled")));
    let index = bytes_of(&folder.index());
    let raw = format!("{:.0} MB of text", mb(raw_bytes));
    let figure = format!("{:.0} MB segments, {:.0} MB sled", mb(segments), mb(sled));
    table.add("disk", figure, raw.clone(), (segments + sled) as f64 / raw_bytes as f64, Reach::AtMost(1.0));
    table.add("disk", format!("{:.0} MB index", mb(index)), raw, index as f64 / raw_bytes as f64, Reach::AtMost(0.5));
}

/// Seconds from the start of the program until it is ready.
fn start(stage: &Stage, name: &str) -> (f64, Node) {
    let began = Instant::now();
    let node = stage.federation.start(name, &[]);
    (began.elapsed().as_secs_f64(), node)
}

fn fastest(mut one: impl FnMut() -> f64) -> f64 {
    (0..STARTS).map(|_| one()).fold(f64::MAX, f64::min)
}

/// Starts, on the folder `reader`.
pub fn starts(stage: &Stage, taken: &Taken, table: &mut Table) {
    stage.replica("empty");
    let clean = |name: &str| {
        fastest(|| {
            let (seconds, node) = start(stage, name);
            node.stop();
            seconds
        })
    };
    let (empty, full) = (clean("empty"), clean("reader"));
    let rebuilt = {
        std::fs::remove_dir_all(Folder::new(&stage.federation.folder("reader")).store().join("sled")).unwrap();
        let (seconds, node) = start(stage, "reader");
        node.stop();
        seconds
    };
    let mut is_cold = true;
    let cold = fastest(|| {
        let (_, node) = start(stage, "reader");
        node.kill();
        is_cold &= drop_caches();
        start(stage, "reader").0
    });
    let more = (full - empty).max(0.0);
    let figure = format!("{:.0} ms after a clean stop", full * 1e3);
    let limit = format!("{:.0} ms empty, and 300 ms", empty * 1e3);
    table.add("start", figure, limit, more / 0.3, Reach::AtMost(1.0));
    let figure = format!(
        "{:.2} s after kill -9, {}",
        cold,
        if is_cold { "cold" } else { "warm: caches cannot be dropped here" }
    );
    let limit = format!("{rebuilt:.2} s full rebuild of sled");
    table.add("start", figure, limit, cold / rebuilt, Reach::AtMost(0.33));
    let rate = |seconds: f64| stage.documents as f64 / seconds;
    let figure = format!("{:.0} documents/s rebuilt", rate(rebuilt));
    let limit = format!("{:.0}/s caught up", rate(taken.held));
    table.add("start", figure, limit, taken.held / rebuilt, Reach::AtLeast(1.0));
}

/// As after a power cut, files are on the disk only. Takes root and a machine that lets it; otherwise the table says so.
fn drop_caches() -> bool {
    let dropped = Command::new("sh").args(["-c", "sync; echo 3 > /proc/sys/vm/drop_caches"]).status();
    dropped.is_ok_and(|status| status.success())
}
