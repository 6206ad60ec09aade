//! A librarian takes a result with her: every form is read by programs that nobody here wrote.

use std::process::Command;

use serde_json::Value;

use crate::federation::{Federation, Node, wait_for_documents, wait_until};

/// Every form, and how a file of it ends.
const FORMATS: [(&str, &str); 6] = [
    ("jsonl", "jsonl"),
    ("csv", "csv"),
    ("bibtex", "bib"),
    ("ris", "ris"),
    ("csl-json", "csl.json"),
    ("jsonld", "jsonld"),
];

/// A title that every form has a use for some part of, and a text that no spreadsheet and no page may run.
const HOSTILE: &str = "---\nkind: law-summary\nlanguage: en\nslug: hostile\njurisdiction: KE\ntopics: [children]\n\
    title: '50% of {C:\\path} & <script>alert(1)</script> ~x^2 #1_a $ -- ``b``'\nsummary_short: \"=cmd|' /C calc'!A0\"\n---\n\
    =HYPERLINK(\"http://evil.example\")\n\n<script>alert(1)</script>\n";

/// Publishes all sample documents of a member.
fn publish_samples(federation: &Federation, code: &str) -> u64 {
    let samples = format!("{}/../examples/documents/{code}", env!("CARGO_MANIFEST_DIR"));
    let items = std::fs::read_dir(samples).unwrap().flatten();
    let files: Vec<String> = items.map(|item| item.path().display().to_string()).collect();
    let path = federation.path(code);
    let mut publish = vec!["publish", "--data", &path];
    publish.extend(files.iter().filter(|file| file.ends_with(".md")).map(String::as_str));
    federation.done(&publish).lines().filter(|line| line.contains(&format!("{code}/"))).count() as u64
}

fn export(federation: &Federation, name: &str, query: &str, format: &str, file: &str) -> String {
    let (path, out) = (federation.path(name), federation.folder(file).display().to_string());
    federation.done(&["export", "--data", &path, "--query", query, "--format", format, "--out", &out])
}

/// Has the independent readers look at a folder of exports.
fn read_by_others(federation: &Federation, folder: &str, what: &str) {
    let python = std::env::var("COMITY_TEST_PYTHON")
        .expect("run the tests with tests/run, which brings a Python with the readers of every form");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node/export.py");
    let output = Command::new(python).args([script, &federation.path(folder), what]).output().unwrap();
    let words = [output.stdout, output.stderr].map(|words| String::from_utf8_lossy(&words).into_owned()).concat();
    assert!(output.status.success(), "{words}");
}

fn get(node: &Node, path: &str) -> (u16, Option<String>, String) {
    let asked = ureq::get(format!("http://{}{path}", node.http)).config().http_status_as_error(false).build().call();
    let mut response = asked.unwrap();
    let frontier = response.headers().get("comity-frontier").map(|value| value.to_str().unwrap().to_owned());
    (response.status().as_u16(), frontier, response.body_mut().read_to_string().unwrap())
}

#[test]
fn a_result_leaves_in_every_form_whole_and_in_every_script() {
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let documents: u64 = ["FI", "KE-LC01", "UY-UC01"].iter().map(|code| publish_samples(&federation, code)).sum();
    let hostile = federation.file("hostile.md", HOSTILE);
    federation.done(&["publish", "--data", &federation.path("FI"), &hostile]);
    let peers = ["KE-LC01", "UY-UC01"].map(|code| federation.start(code, &[]));
    let node = federation.start("FI", &[&peers[0], &peers[1]]);
    wait_for_documents(&[&node, &peers[0], &peers[1]], documents + 1);

    std::fs::create_dir(federation.folder("out")).unwrap();
    let mut frontiers = Vec::new();
    for (format, ending) in FORMATS {
        let said = export(&federation, "FI", "", format, &format!("out/all.{ending}"));
        assert!(said.contains(&format!("{} works as of snapshot ", documents + 1)), "{said}");
        frontiers.push(said.trim().rsplit(' ').next().unwrap().to_owned());
        let (status, frontier, body) = get(&node, &format!("/v1/export?format={format}"));
        assert_eq!((status, frontier.as_ref()), (200, frontiers.last()));
        let file = std::fs::read_to_string(federation.folder(&format!("out/all.{ending}"))).unwrap();
        assert!(body == file, "{format}: command and API give the same");
    }
    assert!(frontiers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(node.status()["frontier"], frontiers[0].as_str());
    read_by_others(&federation, "out", "all");

    let cited =
        federation.done(&["cite", "--data", &federation.path("FI"), "UY-UC01/br-pl-2338-2023", "--format", "ris"]);
    assert!(
        cited.contains("TI  - Brasil: Projeto de Lei nº 2338/2023, marco legal da inteligência artificial\r\n"),
        "{cited}"
    );
    let alone = get(&node, "/v1/citations/FI/kr-ai-basic-act@1?format=jsonld").2;
    let alone: Value = serde_json::from_str(&alone).unwrap();
    assert_eq!((&alone["version"], alone["@context"]["@vocab"].as_str()), (&1.into(), Some("https://schema.org/")));

    // A staffer's question: one topic, in force, as a table and for a reference manager; the folder answers as the node did.
    let (_, _, topic) = get(&node, "/v1/export?format=csv&topic=deepfakes-intimate-images&kind=law-summary");
    node.stop();
    std::fs::create_dir(federation.folder("topic")).unwrap();
    for (format, ending) in [("csv", "csv"), ("ris", "ris"), ("jsonl", "jsonl")] {
        let query = "topic:deepfakes-intimate-images kind:law-summary";
        export(&federation, "FI", query, format, &format!("topic/topic.{ending}"));
    }
    // Only the snapshot and times of arrival may differ; here, neither does.
    assert_eq!(std::fs::read_to_string(federation.folder("topic/topic.csv")).unwrap(), topic);
    read_by_others(&federation, "topic", "topic");
    for peer in peers {
        peer.stop();
    }
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn an_export_is_of_one_moment_and_takes_along_what_others_say() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    federation.publish("FI", "law", "As it was enacted.");
    federation.publish("FI", "bill", "As it was laid before parliament.");
    federation.publish("FI", "law", "As it was amended.");
    wait_for_documents(&[&node], 2);
    let lines = |query: &str| -> Vec<Value> {
        let (status, _, body) = get(&node, &format!("/v1/export?format=jsonl&q={query}"));
        assert_eq!(status, 200, "{body}");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = lines("");
    assert_eq!(all.iter().map(|line| line["work"].as_str().unwrap()).collect::<Vec<_>>(), ["FI/bill", "FI/law"]);
    assert_eq!((&all[1]["version"], all[1]["text"].as_str()), (&2.into(), Some("As it was amended.\n")));
    assert_eq!(all[1]["provenance"]["member"], "FI");
    assert_eq!(all[1]["frontier"], node.status()["frontier"]);
    // What was just published is in an export that is asked for after it.
    federation.publish("FI", "motion", "Just now.");
    assert_eq!(lines("now").len(), 1);
    assert_eq!(get(&node, "/v1/export?format=jsonl&q=nothing-of-that-kind").2, "");
    assert_eq!(get(&node, "/v1/export?format=csl-json&q=nothing-of-that-kind").2, "[\n\n]\n");
    assert_eq!(get(&node, "/v1/export?format=docx").0, 400);
    let bom = get(&node, "/v1/export?format=csv&bom=true").2;
    assert!(bom.starts_with("\u{feff}work,version,"), "{bom}");
    // What others say of it, and that its author took it back, go with it.
    let about = |kind: &str, more: &str| {
        format!(
            "---\nkind: {kind}\nlanguage: fi\ntitle: Lain {kind}\nslug: {kind}\nabout: FI/law@2\n{more}\n---\nTeksti.\n"
        )
    };
    let path = federation.path("FI");
    for (kind, more) in [("correction", "what_is_wrong: A word is missing."), ("translation", "method: human")] {
        federation.done(&["publish", "--data", &path, &federation.file(&format!("{kind}.md"), &about(kind, more))]);
    }
    federation.done(&["withdraw", "--data", &path, "FI/law", "--reason", "it was annulled"]);
    let cited = federation.done(&["cite", "--data", &path, "FI/law@2", "--format", "ris"]);
    for note in
        ["WITHDRAWN by its author: it was annulled", "CORRECTION by Parliament FI, FI/correction@1: A word is missing."]
    {
        assert!(cited.contains(&format!("N1  - {note}\r\n")), "{cited}");
    }
    wait_until("the withdrawal is exported", || lines("amended")[0]["withdrawn"] == "it was annulled");
    assert_eq!(node.found("amended"), 0, "whoever searches does not find what does not stand");
    let law = lines("kind:translation");
    let translated: Value = serde_json::from_str(&get(&node, "/v1/citations/FI/translation?format=jsonld").2).unwrap();
    let of = &translated["prov:wasDerivedFrom"][0]["@id"];
    assert!(of.as_str().unwrap().contains("/FI/law@2~"), "{translated}");
    assert_eq!((&translated["translationOfWork"][0]["@id"], law[0]["about"]["work"].as_str()), (of, Some("FI/law@2")));
    // Nothing half written looks whole.
    let (code, words) = federation.refused(&[
        "export",
        "--data",
        &federation.path("FI"),
        "--format",
        "csv",
        "--out",
        "/proc/nowhere/all.csv",
    ]);
    assert!(code == 3 && words.contains("/proc/nowhere/all.csv"), "{code} {words}");
    node.stop();
    federation.audit("FI");
}
