//! All documents leave a node as JSON Lines and as CSV, beside the memory that it may take for that.

use std::io::Read;
use std::time::Instant;

use crate::footprint::{idle_memory, memory};
use crate::stage::{Stage, mb};
use crate::table::{Reach, Table};

/// Bytes by which the memory of a node may grow while it exports, however much that is.
const GROWTH_MAX: f64 = 50e6;
/// Bytes between two looks at the memory.
const LOOK_EVERY: usize = 1 << 20;

/// The workload, on the folder `source`.
pub fn run(stage: &Stage, table: &mut Table) {
    let node = stage.federation.start("source", &[]);
    for (format, end) in [("jsonl", "\n"), ("csv", "\r\n")] {
        let (before, began) = (idle_memory(&node), Instant::now());
        let response = ureq::get(format!("http://{}/v1/export?format={format}", node.http)).call().unwrap();
        let mut body = response.into_body().into_reader();
        let (mut most, mut bytes, mut ends, mut last) = (before, 0, 0, 0);
        let mut chunk = vec![0; LOOK_EVERY];
        loop {
            let read = body.read(&mut chunk).unwrap();
            if read == 0 {
                break;
            }
            for byte in &chunk[..read] {
                ends += u64::from(*byte == b'\n' && (end == "\n" || last == b'\r'));
                last = *byte;
            }
            if bytes / LOOK_EVERY != (bytes + read) / LOOK_EVERY {
                most = most.max(memory(&node, "VmRSS"));
            }
            bytes += read;
        }
        let seconds = began.elapsed().as_secs_f64();
        assert_eq!(
            ends,
            stage.documents + u64::from(format == "csv"),
            "{format}: all of them, and the head of a table"
        );
        let grown = most.saturating_sub(before);
        let name = format!("export: {format}");
        let figure = format!("{:.0} MB more RSS for {:.0} MB", mb(grown), mb(bytes as u64));
        table.add(&name, figure, "50 MB".to_owned(), grown as f64 / GROWTH_MAX, Reach::AtMost(1.0));
        let rate = stage.documents as f64 / seconds;
        let figure = format!("{rate:.0} documents/s, {:.0} MB/s", mb(bytes as u64) / seconds);
        table.add(&name, figure, format!("{} documents", stage.documents), seconds, Reach::Shown);
    }
    node.stop();
}
