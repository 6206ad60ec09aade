//! The service as a browser and a script meet it.

use std::process::Command;

use crate::federation::Federation;

#[test]
fn pages_are_readable_on_a_desk_and_on_a_phone_and_load_nothing_from_elsewhere() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/documents/KE-LC01");
    let files: Vec<String> =
        std::fs::read_dir(samples).unwrap().flatten().map(|item| item.path().display().to_string()).collect();
    let path = federation.path("KE-LC01");
    let mut publish = vec!["publish", "--data", &path];
    publish.extend(files.iter().filter(|file| file.ends_with(".md")).map(String::as_str));
    federation.done(&publish);
    federation.file("script.md", "");
    let hostile = federation.file(
        "hostile.md",
        "---\nkind: law-summary\nlanguage: en\ntitle: <script>document.title='owned'</script>\n---\n<script>document.title='owned'</script>\n\n[x](javascript:alert(1)) <img src=x onerror=alert(1)>\n",
    );
    federation.done(&["publish", "--data", &path, &hostile]);
    let node = federation.start("KE-LC01", &[]);
    let documents = node.status()["documents"].as_u64().unwrap();
    crate::federation::wait_for_documents(&[&node], documents);
    let python = std::env::var("COMITY_TEST_PYTHON")
        .expect("run the tests with tests/run, which brings a Python with playwright");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node/pages.py");
    let output = Command::new(python).args([script, &format!("http://{}", node.http)]).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    node.stop();
    federation.audit("KE-LC01");
}

#[test]
fn the_api_keeps_its_contract_and_its_door() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    federation.publish("FI", "law", "A law about <b>machines</b> & men.");
    crate::federation::wait_for_documents(&[&node], 1);
    let status = node.status();
    for field in
        ["federation", "frontier", "logs", "entries", "documents", "indexed", "missing_bodies", "peers", "sync"]
    {
        assert!(!status[field].is_null(), "{field}");
    }
    let found = node.get("/v1/search?q=machines&kind=law-summary&limit=5");
    assert_eq!(found["total"], 1);
    let hit = &found["hits"][0];
    assert_eq!(
        (hit["work"].as_str(), hit["version"].as_u64(), hit["member"].as_str()),
        (Some("FI/law"), Some(1), Some("FI"))
    );
    assert!(hit["snippet"].as_str().unwrap().contains("<mark>machines</mark>"), "{hit}");
    assert_eq!(found["counts"]["topic"]["children"], 1);
    let logs = node.get("/v1/logs");
    assert_eq!(logs["logs"].as_array().unwrap().len(), 2);
    assert_eq!(logs["logs"][0]["contested"], false);
    let description = node.get("/openapi.json");
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(description["paths"]["/v1/search"].is_object());

    let ask = |request: ureq::RequestBuilder<ureq::typestate::WithoutBody>| {
        request.config().http_status_as_error(false).build().call().unwrap().status().as_u16()
    };
    let url = |path: &str| format!("http://{}{path}", node.http);
    assert_eq!(ask(ureq::get(url("/healthz"))), 200);
    assert_eq!(ask(ureq::get(url("/metrics"))), 200);
    assert_eq!(ask(ureq::get(url("/v1/status")).header("Host", "evil.example")), 421);
    assert_eq!(ask(ureq::get(url("/v1/documents/FI/none"))), 404);
    let write = ureq::post(url("/v1/documents")).config().http_status_as_error(false).build();
    assert_eq!(write.send_json(serde_json::json!({"files": []})).unwrap().status().as_u16(), 401);
    federation.audit("FI");
}

#[test]
fn a_researcher_queries_a_replica_with_the_example_program() {
    let federation = Federation::found(&["FI"]);
    federation.publish("FI", "law", "A law about machines.");
    let node = federation.start("FI", &[]);
    crate::federation::wait_for_documents(&[&node], 1);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/search.py");
    let output = Command::new("python3")
        .args([script, "machines", "--node", &format!("http://{}", node.http)])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && words.contains("FI/law@1"),
        "{words}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    federation.audit("FI");
}
