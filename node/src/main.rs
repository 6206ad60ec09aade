//! The program `comity`: see `cli.rs`.

use std::process::ExitCode;

/// The system's allocator keeps what each of its threads once freed: an idle node with 100,000 documents held 750 MB of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Memory in pieces of 2 MB is zeroed as a whole whenever a little of it is used again: a quarter of a busy node's time went
    // there, and it holds what nobody uses. Where the kernel has no such pages there is nothing to switch off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    comity::cli::main()
}
