//! What fuzzers found, or kept because it reaches far, asked again: see `tests/fuzz/README.md`.

use std::fs;
use std::path::Path;

#[path = "../fuzz/proto/targets.rs"]
mod targets;

#[test]
fn no_input_that_was_kept_breaks_a_property() {
    for (name, target) in targets::TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/proto/corpus").join(name);
        let mut inputs: Vec<_> = fs::read_dir(&folder).unwrap().map(|item| item.unwrap().path()).collect();
        inputs.sort();
        assert!(!inputs.is_empty(), "{} is empty", folder.display());
        for input in inputs {
            println!("{}", input.display()); // shown where the next line fails
            target(&fs::read(&input).unwrap());
        }
    }
}
