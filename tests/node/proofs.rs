//! What a researcher takes away: one file that proves who published a document, checked without any node, and by code that is
//! not ours.

use std::process::Command;

use crate::federation::Federation;

#[test]
fn a_proof_file_convinces_with_the_charter_alone_and_an_altered_one_does_not() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    for number in 0..9 {
        federation.publish("KE-LC01", &format!("note-{number}"), "One of nine.");
    }
    let (proof, charter) = (federation.path("proof.json"), federation.charter().display().to_string());
    federation.done(&["proof", "--data", &federation.path("KE-LC01"), "KE-LC01/note-4", "--out", &proof]);
    let words = federation.done(&["verify", &proof, "--charter", &charter]);
    assert!(words.contains("PROVEN: KE-LC01/note-4@1") && words.contains("Parliament KE-LC01"), "{words}");
    assert!(words.contains("cannot show what came later"), "{words}");

    let sound = std::fs::read_to_string(&proof).unwrap();
    let json: serde_json::Value = serde_json::from_str(&sound).unwrap();
    let mut altered = Vec::new();
    for item in ["document", "log_open", "governance_open", "delegation"] {
        for field in ["entry", "body", "proof"] {
            let mut changed = json.clone();
            let text = changed[item][field].as_str().unwrap().to_owned();
            // A letter in the middle becomes another letter: still the same alphabet, no longer the same bytes.
            let at = text.len() / 2 + text[text.len() / 2..].find(|letter: char| letter.is_ascii_alphabetic()).unwrap();
            let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
            changed[item][field] = format!("{}{other}{}", &text[..at], &text[at + 1..]).into();
            altered.push((format!("{item} {field}"), changed));
        }
    }
    let mut swapped = json.clone();
    swapped["delegation"] = json["governance_open"].clone();
    altered.push(("no delegation".to_owned(), swapped));
    for (what, json) in &altered {
        let file = federation.file("altered.json", &json.to_string());
        let (code, words) = federation.refused(&["verify", &file, "--charter", &charter]);
        assert_eq!(code, 1, "{what}: {words}");
    }
    let other = Federation::found(&["KE-LC01"]);
    let (_, words) = federation.refused(&["verify", &proof, "--charter", &other.charter().display().to_string()]);
    assert!(words.contains("NOT prove"), "{words}");

    // The same by a program of two hundred lines in another language.
    let python = std::env::var("COMITY_TEST_PYTHON")
        .expect("run the tests with tests/run, which brings a Python with cryptography");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/verify_proof.py");
    let verify = |file: &str| Command::new(&python).args([script, file, &charter]).output().unwrap();
    let output = verify(&proof);
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && words.contains("KE-LC01/note-4@1"),
        "{words}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for (what, json) in &altered {
        let file = federation.file("altered.json", &json.to_string());
        assert!(!verify(&file).status.success(), "{what} convinced the Python program");
    }
    federation.audit("KE-LC01");
}
