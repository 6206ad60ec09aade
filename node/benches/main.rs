//! Every figure beside the limit it is held against, both measured in one run: `cargo bench`, `cargo bench -- --json`,
//! `cargo bench -- --quick catch-up` for a tenth of the documents and one workload. What each means is in `node/README.md`.
#![allow(clippy::unwrap_used)]

mod catch_up;
mod corpus;
mod dialogue;
#[path = "../../tests/node/federation.rs"]
#[allow(dead_code)]
mod federation;
mod stage;
mod table;

use stage::Stage;
use table::Table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let chosen: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| chosen.is_empty() || chosen.iter().any(|chosen| *chosen == name);
    let mut stage = Stage::new(if has("--quick") { 10_000 } else { 100_000 });
    let mut table = Table::default();
    stage.raw_bytes = catch_up::source(&stage, "source", stage.documents);
    if wanted("catch-up") {
        catch_up::run(&mut stage, &mut table);
    }
    if has("--json") {
        println!("{}", serde_json::to_string_pretty(&table.0).unwrap());
    } else {
        println!("{}", table.to_markdown());
    }
}
