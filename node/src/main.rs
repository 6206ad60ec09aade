//! The program `comity`: see `cli.rs`.

use std::process::ExitCode;

/// The system's allocator keeps what each of its threads once freed: an idle node with 100,000 documents held 750 MB of it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Who pipes into `head` has read enough, and that is no failure: `println!` knows no other way to say that a pipe is closed.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let words = panic.payload().downcast_ref::<String>();
        if words.is_some_and(|words| words.starts_with("failed printing to stdout") && words.contains("Broken pipe")) {
            std::process::exit(0);
        }
        report(panic);
    }));
    // Memory in pieces of 2 MB is zeroed as a whole whenever a little of it is used again: a quarter of a busy node's time went
    // there, and it holds what nobody uses. Where the kernel has no such pages there is nothing to switch off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    comity::cli::main()
}
