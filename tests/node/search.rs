//! A librarian searches in her language, narrows, sorts and compares, and is told what was not understood.

use std::fs;
use std::path::Path;

use comity::client::percent;
use serde_json::Value;

use crate::federation::{Federation, Node, wait_until};

/// Finland's sample documents on its node.
fn library() -> (Federation, Node, usize) {
    let federation = Federation::found(&["FI"]);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/documents/FI");
    let files = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path().display().to_string());
    let files: Vec<String> = files.filter(|file| file.ends_with(".md")).collect();
    let data = federation.path("FI");
    let mut arguments = vec!["publish", "--data", &data];
    arguments.extend(files.iter().map(String::as_str));
    federation.done(&arguments);
    let node = federation.start("FI", &[]);
    wait_until("all are found", || node.status()["indexed"] == files.len());
    (federation, node, files.len())
}

fn asked(node: &Node, query: &str, more: &str) -> Value {
    node.get(&format!("/v1/search?q={}{more}", percent(query)))
}

#[test]
fn a_librarian_searches_sorts_and_compares() {
    let (federation, node, all) = library();
    // The name of a topic in any language finds the topic.
    let topics: Vec<Value> = ["Legal frameworks", "Cadres juridiques", "الأطر القانونية", "法律框架"]
        .iter()
        .map(|label| asked(&node, label, ""))
        .collect();
    assert!(
        topics.iter().all(|found| found["total"] == topics[0]["total"] && found["total"].as_u64() > Some(3)),
        "{topics:?}"
    );
    let found = asked(&node, "kind:law-summary in_force:2024..2026", "&sort=date");
    let total = found["total"].as_u64().unwrap() as usize;
    assert!(total > 1 && total < all, "{found}");
    assert_eq!(found["counts"]["kind"]["law-summary"], total);
    assert!(found["counts"]["year"].as_object().unwrap().len() > 1, "{}", found["counts"]);
    let year = found["counts"]["year"].as_object().unwrap().keys().next().unwrap().clone();
    let narrowed = asked(&node, "kind:law-summary in_force:2024..2026", &format!("&year={year}"));
    assert_eq!(narrowed["total"], found["counts"]["year"][&year]);
    let dates = |found: &Value| -> Vec<String> {
        found["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| hit["valid_as_of"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    let by_validity = dates(&asked(&node, "", "&sort=valid_as_of"));
    assert!(by_validity.is_sorted_by(|a, b| a >= b), "{by_validity:?}");
    // Nothing is an error, and what was not understood is said, on the page too.
    let found = asked(&node, "colour:red (in_force:soon", "&sort=beauty");
    assert_eq!(found["notes"].as_array().unwrap().len(), 4, "{found}");
    assert!(node.ask("/?q=colour:red").1.contains("there is no field `colour`"));
    // Jurisdictions beside each other.
    let path = "/v1/compare?q=kind:law-summary&fields=legal_status,in_force,penalties";
    let compared = node.get(path);
    let rows = compared["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["name"] == "Japan" && row["works"][0]["cells"][0] == "in-force"), "{compared}");
    let (code, csv) = node.ask(&format!("{path}&format=csv"));
    assert!(
        code == 200 && csv.starts_with("jurisdiction,name,work,title,language,legal_status,in_force,penalties\r\n"),
        "{csv}"
    );
    assert!(csv.contains("令和7年"), "{csv}");
    node.stop();
    let data = federation.path("FI");
    let arguments =
        ["compare", "--data", &data, "--query", "kind:law-summary", "--fields", "legal_status,in_force,penalties"];
    let alone = federation.done(&[&arguments[..], &["--format", "csv"]].concat());
    assert_eq!(alone.trim_end(), csv.trim_end());
    let table = federation.done(&arguments);
    assert!(table.contains("Japan") && table.lines().count() > rows.len(), "{table}");
}
