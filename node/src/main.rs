//! The program `comity`: see `cli.rs`.

use std::process::ExitCode;

/// The system's allocator keeps what each of its threads once freed: an idle node with 100,000 documents held 750 MB of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    comity::cli::main()
}
