//! Every figure beside the limit it is held against, both measured in one run: `cargo bench`, `cargo bench -- --json`,
//! `cargo bench -- --quick live` for a tenth of the documents and some workloads. What each means is in `node/README.md`.
#![allow(clippy::unwrap_used)]

mod catch_up;
mod corpus;
mod dialogue;
mod exchange;
mod export;
#[path = "../../tests/node/federation.rs"]
#[allow(dead_code)]
mod federation;
mod footprint;
mod harvest;
mod import;
mod index;
mod live;
mod search;
mod stage;
mod table;
mod voices;

use stage::Stage;
use table::Table;

// Allocator and pages as the program has them, because some workloads run nodes in this process.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Workloads one can choose; `catch-up` is the ground for those that need its folders.
const WORKLOADS: [&str; 9] = ["catch-up", "sync", "live", "search", "export", "harvest", "memory", "start", "import"];

fn main() {
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let (options, chosen): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|argument| argument.starts_with("--"));
    let unknown = |name: &&&str| !WORKLOADS.contains(name) && !["--json", "--quick"].contains(name);
    if let Some(unknown) = options.iter().chain(&chosen).find(unknown) {
        eprintln!("`{unknown}` is not known; choose of {WORKLOADS:?}, with --quick and --json");
        std::process::exit(2);
    }
    let wanted = |name: &str| chosen.is_empty() || chosen.contains(&name);
    let stage = Stage::new(if options.contains(&"--quick") { 10_000 } else { 100_000 });
    let mut table = Table::default();
    if wanted("live") {
        live::run(&stage, &mut table);
    }
    if ["catch-up", "sync", "search", "export", "start", "import"].into_iter().any(wanted) {
        let taken = catch_up::run(&stage, &mut table);
        if wanted("catch-up") {
            index::run(&stage, &taken, &mut table);
        }
        if wanted("search") {
            search::run(&stage, &mut table);
        }
        if wanted("export") {
            export::run(&stage, &mut table);
        }
        if wanted("start") {
            footprint::starts(&stage, &taken, &mut table);
        }
        if wanted("import") {
            import::run(&stage, &taken, &mut table);
        }
        if wanted("sync") {
            exchange::resync(&stage, &mut table);
            exchange::no_op_sync(&stage, &mut table);
        }
    }
    if wanted("harvest") {
        harvest::run(&stage, &mut table);
    }
    if wanted("memory") {
        footprint::memory_and_disk(&stage, &mut table);
    }
    if options.contains(&"--json") {
        println!("{}", serde_json::to_string_pretty(&table.0).unwrap());
    } else {
        println!("{}", table.to_markdown());
    }
}
