//! The program `comity`: see `cli.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    comity::cli::main()
}
