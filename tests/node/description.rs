//! The API does what its description says: schemathesis reads that and asks for everything it allows, and for what it does not.

use std::path::PathBuf;
use std::process::Command;

use crate::federation::{Federation, wait_for_documents};

/// Requests made up for each operation, beside those at the edges of every parameter.
const EXAMPLES: &str = "8";

/// Where `description_hooks.py` is.
const HOOKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node");

/// What schemathesis cannot know: a work that is there; and that records are lines of text, of which no type can be wrong.
const CONFIG: &str = r#"
[parameters]
code = "FI"
slug = "law"

[[operations]]
include-path = "/v1/import"
checks.negative_data_rejection.enabled = false
"#;

#[test]
fn whatever_is_asked_is_answered_as_the_description_says() {
    let federation = Federation::found(&["FI"]);
    federation.publish("FI", "law", "A law about machines.");
    let node = federation.start("FI", &[]);
    wait_for_documents(&[&node], 1);
    let token = std::fs::read_to_string(federation.folder("FI").join("token")).unwrap();
    let config = federation.file("schemathesis.toml", CONFIG);
    let python = PathBuf::from(std::env::var("COMITY_TEST_PYTHON").expect("run the tests with tests/run"));
    let output = Command::new(python.with_file_name("st"))
        .args(["--config-file", &config, "run", &format!("http://{}/openapi.json", node.http)])
        .args([
            "--seed",
            "1",
            "--max-examples",
            EXAMPLES,
            "--no-color",
            "--header",
            &format!("Authorization: Bearer {token}"),
        ])
        // The rules of documents, names and signed files are in no schema: what breaks them is refused all the same.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .envs([("PYTHONPATH", HOOKS), ("SCHEMATHESIS_HOOKS", "description_hooks")])
        .current_dir(federation.home())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && words.contains("Tested: "),
        "{words}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    node.stop();
    federation.audit("FI");
}
