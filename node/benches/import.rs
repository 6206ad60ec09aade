//! A table goes into a running node through a mapping, twice: the rate beside that of catching up, memory, and what the second
//! time takes.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::catch_up::Taken;
use crate::corpus::MEMBERS;
use crate::footprint::{memory, memory_of};
use crate::stage::{Stage, mb, wait_for};
use crate::table::{Reach, Table};

/// How often the importer's memory is looked at.
const OFTEN: Duration = Duration::from_millis(20);

const MAPPING: &str = r#"
[constants]
kind = "law-summary"
language = "en"
licence = "CC0-1.0"

[fields]
slug = { every = [{ value = "row" }, "No"] }
title = "Name"
jurisdiction = { column = "Country", codes = "countries", otherwise = "keep" }
legal_status = { column = "Status", codes = "statuses" }
summary_short = { column = "Summary", wanted = true }
topics = { column = "Tags", split = ";", codes = "topics", otherwise = "drop" }
keywords = { column = "Tags", split = ";" }
dates = { introduced = { column = "Proposed", dates = ["%d.%m.%Y"] } }
sources = [{ url = { column = "Link", url = true }, official = true }]
text = "Text"

[codes.countries]
Kenya = "KE"

[codes.statuses]
Enacted = "in-force"
Proposed = "introduced"

[codes.topics]
"For children" = "children"
"#;

/// Writes the table.
fn write(stage: &Stage, path: &Path) {
    let mut out = BufWriter::new(std::fs::File::create(path).unwrap());
    writeln!(out, "No,Name,Country,Status,Summary,Tags,Proposed,Link,Text").unwrap();
    for number in 0..stage.documents {
        let law = stage.corpus.publication(number);
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let status = ["Enacted", "Proposed"][number as usize % 2];
        let (title, text) = (quoted(&law.title), quoted(&law.text));
        let summary = quoted(&law.law_summary.unwrap_or_default().summary_short);
        let day = number % 28 + 1;
        writeln!(
            out,
            "{number},{title},{},{status},{summary},For children;Tag {number},{day:02}.03.2024,https://law.example/{number},{text}",
            law.jurisdiction
        )
        .unwrap();
    }
    out.flush().unwrap();
}

/// Imports it: seconds, and the importer's largest memory.
fn import(stage: &Stage, mapping: &Path, path: &Path, counts: &str) -> (f64, u64) {
    let data = stage.federation.path(MEMBERS[0]);
    let (mapping, path) = (mapping.display().to_string(), path.display().to_string());
    let report = stage.federation.folder("import.report");
    let began = Instant::now();
    let mut child = stage
        .federation
        .command(&["import", "--json", "--data", &data, "--mapping", &mapping, &path])
        .stdout(Stdio::from(std::fs::File::create(&report).unwrap()))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        peak = peak.max(memory_of(child.id(), "VmHWM").unwrap_or(0));
        std::thread::sleep(OFTEN);
    };
    let seconds = began.elapsed().as_secs_f64();
    let said = std::fs::read_to_string(&report).unwrap();
    assert!(status.success() && said.lines().last().unwrap().contains(counts), "{:?}", said.lines().last());
    (seconds, peak)
}

/// The workload.
pub fn run(stage: &Stage, taken: &Taken, table: &mut Table) {
    let (path, mapping) = (stage.federation.folder("table.csv"), stage.federation.folder("mapping.toml"));
    write(stage, &path);
    std::fs::write(&mapping, MAPPING).unwrap();
    let node = stage.federation.start(MEMBERS[0], &[]);
    let held = node.status()["documents"].as_u64().unwrap();
    let before = memory(&node, "VmRSS");
    let (first, importer) = import(stage, &mapping, &path, &format!("\"imported\":{}", stage.documents));
    assert_eq!(node.status()["documents"], held + stage.documents);
    let grown = memory(&node, "VmHWM") - before;
    wait_for("all are found", || node.status()["indexed"] == held + stage.documents);
    let entries = node.status()["entries"].as_u64();
    let (second, _) = import(stage, &mapping, &path, &format!("\"unchanged\":{}", stage.documents));
    assert_eq!(node.status()["entries"].as_u64(), entries, "the second import wrote something");
    node.stop();

    let rate = |seconds: f64| stage.documents as f64 / seconds;
    let figure = format!("{:.0} rows/s of CSV through a mapping", rate(first));
    let limit = format!("{:.0} documents/s caught up", rate(taken.held));
    table.add("import", figure, limit, taken.held / first, Reach::AtLeast(0.3));
    let figure = format!("{second:.2} s the second time");
    table.add("import", figure, format!("{first:.2} s the first time"), second / first, Reach::AtMost(0.2));
    let figure = format!("{:.0} MB more RSS of the node", mb(grown));
    table.add("import", figure, "100 MB".to_owned(), grown as f64 / 100e6, Reach::AtMost(1.0));
    let figure = format!("{:.0} MB RSS of the importer", mb(importer));
    table.add("import", figure, "100 MB".to_owned(), importer as f64 / 100e6, Reach::AtMost(1.0));
}
