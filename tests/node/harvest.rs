//! A library's catalogue harvests a node, with Sickle, and a librarian's reader follows it, with feedparser.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::federation::{Federation, Node, wait_for_documents, wait_until};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node/librarian.py");

fn python() -> Command {
    let python = std::env::var("COMITY_TEST_PYTHON").expect("run the tests with tests/run, which brings a Python");
    let mut command = Command::new(python);
    command.arg(SCRIPT);
    command
}

/// What a librarian's program was told.
pub fn ask(arguments: &[&str]) -> Value {
    let output = python().args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn oai(node: &Node) -> String {
    format!("http://{}/oai", node.http)
}

/// Harvests a node: what came, in order.
pub fn harvest(node: &Node, arguments: &Value) -> Vec<Value> {
    let mut all = json!({"metadataPrefix": "oai_dc"});
    all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    let told = ask(&["harvest", &oai(node), &all.to_string()]);
    if told["error"] == "NoRecordsMatch" { Vec::new() } else { told["records"].as_array().expect("records").clone() }
}

/// The name of a record's work: what its identifier ends with.
fn work(record: &Value) -> String {
    record["id"].as_str().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// Whether harvesters are told that a work, which was there, is no more.
pub fn is_deleted(node: &Node, name: &str) -> bool {
    let records = harvest(node, &json!({}));
    let record = records.iter().find(|record| work(record) == name);
    record.expect("it was there")["deleted"] == true
}

/// Of each work, what came of it, in order.
fn by_work(records: &[Value]) -> BTreeMap<String, Vec<&Value>> {
    let mut works: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    records.iter().for_each(|record| works.entry(work(record)).or_default().push(record));
    works
}

#[test]
fn a_harvest_is_complete_while_records_arrive_and_what_changes_comes_again() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    federation.publish_many("FI", 0..230, "A law about machines.");
    wait_for_documents(&[&node], 230);

    let mut librarian = python()
        .args(["harvest", &oai(&node), &json!({"metadataPrefix": "oai_dc"}).to_string(), "100"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(librarian.stdout.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert_eq!(line, "waiting\n", "the first page came, and two more are to come");
    federation.publish_many("FI", 230..260, "A law that arrived during the harvest.");
    federation.publish("FI", "law-5", "What was harvested before changes.");
    federation.publish("FI", "law-205", "What was not harvested yet changes.");
    federation.done(&["withdraw", "--data", &federation.path("FI"), "FI/law-7", "--reason", "an error"]);
    federation.done(&["withdraw", "--data", &federation.path("FI"), "FI/law-207", "--reason", "an error"]);
    librarian.stdin.take().unwrap().write_all(b"\n").unwrap();
    line.clear();
    told.read_line(&mut line).unwrap();
    assert!(librarian.wait().unwrap().success());
    let records = serde_json::from_str::<Value>(&line).unwrap()["records"].as_array().unwrap().clone();
    let works = by_work(&records);
    let times = |name: &str| works.get(name).map_or(0, Vec::len);
    for number in 0..260 {
        let expected = if [5, 7].contains(&number) { 2 } else { 1 };
        assert_eq!(times(&format!("FI/law-{number}")), expected, "law-{number}");
    }
    assert_eq!(works.len(), 260, "and nothing else");
    let last = |name: &str| works[name].last().unwrap().to_owned();
    assert!(last("FI/law-5")["deleted"] == false && last("FI/law-205")["deleted"] == false);
    assert!(last("FI/law-7")["deleted"] == true && last("FI/law-207")["deleted"] == true);
    assert_eq!(last("FI/law-5")["metadata"]["description"][0], "What was harvested before changes.");
    let datestamps: Vec<&str> = records.iter().map(|record| record["at"].as_str().unwrap()).collect();
    assert!(datestamps.is_sorted(), "they come in the order of their datestamps");

    // The next harvest begins where this one ended.
    let newest = datestamps.last().unwrap().to_string();
    let now = || jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    wait_until("the next second", || now() > newest);
    let since = now();
    assert_eq!(harvest(&node, &json!({"from": since})).len(), 0);
    federation.publish("FI", "law-260", "A law of the next day.");
    let found: Vec<String> = harvest(&node, &json!({"from": since})).iter().map(work).collect();
    assert_eq!(found, ["FI/law-260"]);
    assert_eq!(harvest(&node, &json!({"until": newest})).len(), 260);
    assert_eq!(
        harvest(&node, &json!({"from": newest[..10], "until": newest[..10]})).len(),
        261,
        "a day, both ends in it"
    );

    // A rebuild changes neither order nor datestamps.
    let headers = |node: &Node| {
        let mut records = harvest(node, &json!({}));
        records.iter_mut().for_each(|record| record["metadata"] = Value::Null); // it has the port in its links
        records
    };
    let before = headers(&node);
    node.stop();
    std::fs::remove_dir_all(federation.folder("FI").join("store/sled")).unwrap();
    let node = federation.start("FI", &[]);
    let after = headers(&node);
    assert_eq!((before.len(), before == after), (261, true));
    federation.audit("FI");
}

#[test]
fn what_is_erased_denied_or_hidden_is_deleted_for_harvesters_and_comes_back_when_it_is_shown_again() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("reader");
    federation.publish("KE-LC01", "secret", "A name.");
    federation.publish("KE-LC01", "bill", "A bill.");
    federation.publish("FI", "law", "A law.");
    federation.publish("FI", "gone", "A name that should never have been there.");
    let kenya = federation.start("KE-LC01", &[]);
    let finland = federation.start("FI", &[&kenya]);
    let reader = federation.start("reader", &[&finland]);
    wait_for_documents(&[&kenya, &finland, &reader], 4);
    let standing = |node: &Node| -> BTreeMap<String, bool> {
        let records = harvest(node, &json!({}));
        let works = by_work(&records);
        works.into_iter().map(|(work, records)| (work, records[0]["deleted"] == false)).collect()
    };
    let all = |secret, bill, law, gone| -> BTreeMap<String, bool> {
        let works = [("KE-LC01/secret", secret), ("KE-LC01/bill", bill), ("FI/law", law), ("FI/gone", gone)];
        works.into_iter().map(|(work, is_shown)| (work.to_owned(), is_shown)).collect()
    };
    assert_eq!(standing(&reader), all(true, true, true, true));
    federation.done(&[
        "withdraw",
        "--data",
        &federation.path("FI"),
        "FI/gone",
        "--erase",
        "--yes",
        "--reason",
        "personal data",
    ]);
    wait_until("the erasure arrived", || !standing(&reader)["FI/gone"]);
    let newest = || harvest(&reader, &json!({})).last().map(work);
    assert_eq!(newest().as_deref(), Some("FI/gone"), "it came again, as deleted");
    reader.stop();

    for (key, value, expected) in [
        ("hide", "[\"KE-LC01\"]", all(false, false, true, false)),
        ("hide", "[\"KE-LC01/secret\"]", all(false, true, true, false)),
        ("hide", "[]", all(true, true, true, false)),
        ("deny", "[\"KE-LC01/bill\"]", all(true, false, true, false)),
        ("deny", "[]", all(true, true, true, false)),
    ] {
        federation.set("reader", key, value);
        let reader = federation.start("reader", &[&finland]);
        wait_until(&format!("{key} {value}"), || standing(&reader) == expected);
        reader.stop();
    }
    // All of it survives a rebuild.
    std::fs::remove_dir_all(federation.folder("reader").join("store/sled")).unwrap();
    let reader = federation.start("reader", &[&finland]);
    wait_until("nothing is missing", || standing(&reader) == all(true, true, true, false));
    federation.audit("reader");
}

#[test]
fn every_verb_is_answered_and_errors_are_those_of_the_standard() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.publish("FI", "law", "A law about <b>machines</b> & men.");
    let markup = "---\nkind: good-practice\nlanguage: ar\ntitle: \"<script>alert(1)</script> الذكاء & \\u0001\\uFFFF\"\ntopics: [children, deepfakes-intimate-images]\n---\nنص\n";
    let file = federation.file("practice.md", markup);
    federation.done(&["publish", "--data", &federation.path("KE-LC01"), &file]);
    let kenya = federation.start("KE-LC01", &[]);
    let node = federation.start("FI", &[&kenya]);
    wait_for_documents(&[&node, &kenya], 2);

    let about = ask(&["identify", &oai(&node)]);
    assert_eq!(
        (about["deleted"].as_str(), about["granularity"].as_str()),
        (Some("persistent"), Some("YYYY-MM-DDThh:mm:ssZ"))
    );
    assert_eq!(about["sets"]["member:KE-LC01"], "Parliament KE-LC01");
    assert!(about["sets"]["topic:children"].is_string() && about["sets"]["kind:law-summary"].is_string());
    assert_eq!(about["identifiers"].as_array().unwrap().len(), 2);
    let identifiers = ask(&["identify", &oai(&kenya)])["identifiers"].clone();
    let sorted = |list: &Value| {
        let mut list: Vec<String> = list.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
        list.sort();
        list
    };
    assert_eq!(sorted(&identifiers), sorted(&about["identifiers"]), "a work has one name on every node");

    for (set, expected) in [
        ("member:KE-LC01", vec!["KE-LC01/practice"]),
        ("kind:law-summary", vec!["FI/law"]),
        ("topic:deepfakes-intimate-images", vec!["KE-LC01/practice"]),
        ("topic:labour-market", vec![]),
    ] {
        let found: Vec<String> = harvest(&node, &json!({"set": set})).iter().map(work).collect();
        assert_eq!(found, expected, "{set}");
    }
    let practice = harvest(&node, &json!({"set": "member:KE-LC01"})).remove(0);
    assert_eq!(practice["metadata"]["title"][0], "<script>alert(1)</script> الذكاء & ", "markup stays text");
    assert_eq!(
        practice["sets"],
        json!(["member:KE-LC01", "kind:good-practice", "topic:children", "topic:deepfakes-intimate-images"])
    );
    assert_eq!(
        (&practice["metadata"]["language"][0], &practice["metadata"]["creator"][0]),
        (&json!("ar"), &json!("Parliament KE-LC01"))
    );
    let page = practice["metadata"]["identifier"][0].as_str().unwrap().to_owned();
    assert_eq!(node.ask(page.strip_prefix(&format!("http://{}", node.http)).unwrap()).0, 200, "{page}");

    let one = practice["id"].as_str().unwrap();
    let (code, words) = node.ask(&format!("/oai?verb=GetRecord&metadataPrefix=oai_dc&identifier={one}"));
    assert!(
        code == 200 && words.contains("<GetRecord><record><header>") && words.contains("xml:lang=\"ar\""),
        "{words}"
    );
    for (query, error) in [
        ("", "badVerb"),
        ("verb=Nothing", "badVerb"),
        ("verb=Identify&verb=Identify", "badVerb"),
        ("verb=Identify&set=kind", "badArgument"),
        ("verb=ListRecords", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2026-13-01", "badArgument"),
        ("verb=ListRecords&metadataPrefix=oai_dc&from=2026-01-01&until=2026-01-01T00:00:00Z", "badArgument"),
        ("verb=ListRecords&metadataPrefix=marc21", "cannotDisseminateFormat"),
        ("verb=ListRecords&metadataPrefix=oai_dc&until=1970-01-01", "noRecordsMatch"),
        ("verb=ListIdentifiers&resumptionToken=oai_dc,99999999,1,,,", "badResumptionToken"),
        ("verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:nobody:FI/law", "idDoesNotExist"),
        ("verb=ListMetadataFormats&identifier=FI/law", "idDoesNotExist"),
    ] {
        let (code, words) = node.ask(&format!("/oai?{query}"));
        assert!(code == 200 && words.contains(&format!("<error code=\"{error}\">")), "{query}: {code} {words}");
    }
    federation.audit("FI");
}

#[test]
fn a_feed_tells_what_is_new_what_was_withdrawn_and_nothing_twice() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let write = |name: &str, file: &str, text: &str| {
        let file = federation.file(file, text);
        federation.done(&["publish", "--data", &federation.path(name), &file]);
    };
    let front = |language: &str, title: &str, topics: &str| {
        format!(
            "---\nkind: law-summary\nlanguage: {language}\ntitle: \"{title}\"\njurisdiction: KE\ntopics: [{topics}]\n---\n"
        )
    };
    write("KE-LC01", "ar.md", &(front("ar", "قانون <b>الذكاء</b> \\u0001& الاصطناعي", "children") + "نص عن الآلات\n"));
    write("FI", "fi.md", &(front("fi", "Tekoälylaki", "labour-market") + "<script>alert(1)</script>\n"));
    write("FI", "old.md", &(front("en", "An old deepfake law", "children") + "A law about deepfakes.\n"));
    let kenya = federation.start("KE-LC01", &[]);
    let node = federation.start("FI", &[&kenya]);
    wait_for_documents(&[&node, &kenya], 3);
    federation.publish_many("FI", 0..60, "A law.");
    wait_for_documents(&[&node, &kenya], 63);
    let url = |query: &str| format!("http://{}/feed.atom{query}", node.http);
    let read = |query: &str| {
        let feed = ask(&["feed", &url(query)]);
        assert_eq!(feed["bozo"], false, "{query} is well-formed: {feed}");
        feed
    };
    let titles = |feed: &Value| -> Vec<String> {
        feed["entries"].as_array().unwrap().iter().map(|entry| entry["title"].as_str().unwrap().to_owned()).collect()
    };
    let link = |feed: &Value, rel: &str| {
        let links = feed["links"].as_array().unwrap();
        links.iter().find(|link| link["rel"] == rel).map(|link| link["href"].as_str().unwrap().to_owned())
    };

    let first = read("");
    assert_eq!((titles(&first).len(), link(&first, "self")), (50, Some(url(""))));
    let next = link(&first, "next").expect("there is more");
    let second = ask(&["feed", &next]);
    let ids: std::collections::BTreeSet<String> = [&first, &second]
        .iter()
        .flat_map(|feed| feed["entries"].as_array().unwrap())
        .map(|entry| entry["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((titles(&second).len(), ids.len(), link(&second, "next")), (13, 63, None), "each once, on two pages");

    let arabic = read("?language=ar");
    let entry = &arabic["entries"][0];
    assert_eq!(
        (titles(&arabic).len(), &entry["title_detail"]["language"], &entry["title_detail"]["type"]),
        (1, &json!("ar"), &json!("text/plain"))
    );
    assert_eq!(entry["title"], "قانون <b>الذكاء</b> & الاصطناعي", "markup stays text");
    assert_eq!((&entry["author"], entry["tags"].as_array().unwrap().len()), (&json!("Parliament KE-LC01"), 2));
    assert_eq!(titles(&read("?topic=labour-market")), ["Tekoälylaki"]);
    assert_eq!(titles(&read("?member=KE-LC01&kind=law-summary&jurisdiction=KE")).len(), 1);
    assert_eq!(titles(&read("?q=deepfakes")), ["An old deepfake law"]);
    assert!(
        node.ask("/?q=deepfakes").1.contains("href=\"/feed.atom?q=deepfakes\""),
        "readers find the feed of a search"
    );
    assert!(node.ask("/FI/old").1.contains("href=\"/feed.atom\""));

    // Nothing changed: nothing is sent again.
    let asked = |name: &str, value: &str| {
        let request = ureq::get(url("")).header(name, value).config().http_status_as_error(false).build();
        request.call().unwrap()
    };
    let answer = asked("Accept", "*/*");
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(asked("If-None-Match", &header("etag")).status(), 304);
    assert_eq!(asked("If-Modified-Since", &header("last-modified")).status(), 304);
    assert_eq!(asked("If-None-Match", "W/\"another\"").status(), 200);
    assert_eq!(asked("If-Modified-Since", "Thu, 01 Jan 1970 00:00:00 GMT").status(), 200);

    federation.done(&["withdraw", "--data", &federation.path("FI"), "FI/old", "--reason", "never <in> force"]);
    federation.done(&[
        "withdraw",
        "--data",
        &federation.path("FI"),
        "FI/law-3",
        "--erase",
        "--yes",
        "--reason",
        "a name",
    ]);
    wait_for_documents(&[&node, &kenya], 61);
    assert_eq!(asked("If-None-Match", &header("etag")).status(), 200, "it changed");
    let feed = read("?topic=children");
    let withdrawn =
        &feed["entries"].as_array().unwrap().iter().find(|entry| entry["title"] == "Withdrawn: An old deepfake law");
    assert!(withdrawn.unwrap()["summary"].as_str().unwrap().ends_with("never <in> force"), "{withdrawn:?}");
    for query in ["", "?topic=labour-market", "?q=deepfakes"] {
        let (_, words) = node.ask(&format!("/feed.atom{query}"));
        assert!(words.contains("<at:deleted-entry ref=\"oai:") && words.contains(":FI/law-3\""), "{query}: {words}");
        assert_eq!(
            words.contains(":FI/old\""),
            !query.is_empty(),
            "an entry where it can be told, else a tombstone: {query}"
        );
    }
    federation.audit("FI");
}

#[test]
fn a_correction_is_told_beside_the_work_that_it_is_about() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let kenya = federation.start("KE-LC01", &[]);
    let node = federation.start("FI", &[&kenya]);
    federation.publish("FI", "law", "A law of 2023.");
    wait_for_documents(&[&node, &kenya], 1);
    let front = "kind: correction\nlanguage: en\ntitle: The year is wrong\nabout: FI/law\nwhat_is_wrong: It was adopted in 2024.";
    let file = federation.file("year-of-law.md", &format!("---\n{front}\n---\nSee the gazette.\n"));
    federation.done(&["publish", "--data", &federation.path("KE-LC01"), &file]);
    wait_for_documents(&[&node, &kenya], 2);
    let records = harvest(&node, &json!({"metadataPrefix": "oai_dc"}));
    assert_eq!(records.len(), 2, "what one arrival changed comes together, each once");
    let law = records.iter().find(|record| work(record) == "FI/law").unwrap();
    assert!(
        law["metadata"]["description"].to_string().contains("Corrected by Parliament KE-LC01: The year is wrong"),
        "{law}"
    );
    assert_eq!(
        law["at"],
        records.iter().find(|record| work(record) == "KE-LC01/year-of-law").unwrap()["at"],
        "it changed then"
    );
    let feed = ask(&["feed", &format!("http://{}/feed.atom?member=FI", node.http)]);
    assert!(feed["entries"][0]["links"].to_string().contains("/KE-LC01/year-of-law"), "{feed}");

    // The same as JSON-LD, whose schema the node has too.
    let records = harvest(&node, &json!({"metadataPrefix": "jsonld", "set": "member:FI"}));
    assert_eq!(records.len(), 1);
    let (_, words) = node.ask("/oai?verb=ListRecords&metadataPrefix=jsonld&set=member:FI");
    assert!(words.contains("<jsonld xmlns=\"urn:comity:jsonld\"") && words.contains("@context"), "{words}");
    assert!(node.ask("/oai/jsonld.xsd").1.contains("targetNamespace=\"urn:comity:jsonld\""));
    federation.audit("FI");
}
