//! What one operator decides: texts that are not kept, works that are not shown, members of whom only so much is taken. Nobody
//! else's copy changes, and whoever asks reads why.

use serde_json::json;

use crate::federation::{Federation, Node, wait_for_documents, wait_until};

/// Both parliaments publish; Finland's node has everything.
fn published() -> (Federation, Node) {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("reader");
    federation.publish("KE-LC01", "secret", "An unforgettable name.");
    federation.publish("KE-LC01", "other", "An unforgettable bill.");
    federation.publish("FI", "law", "An unforgettable law.");
    let kenya = federation.start("KE-LC01", &[]);
    let finland = federation.start("FI", &[&kenya]);
    wait_for_documents(&[&kenya, &finland], 3);
    kenya.stop();
    (federation, finland)
}

/// Starts the reader with a policy, and waits until it has what it may have of Finland's node.
fn reader(federation: &Federation, finland: &Node, key: &str, value: &str) -> Node {
    for other in ["deny", "hide", "quotas"].iter().filter(|other| **other != key) {
        federation.set("reader", other, if *other == "quotas" { "{}" } else { "[]" });
    }
    federation.set("reader", key, value);
    let node = federation.start("reader", &[finland]);
    wait_until("they are in sync", || node.status()["sync"].to_string().contains("in sync with 1"));
    node
}

fn is_there(node: &Node, work: &str) {
    assert_eq!(node.ask(&format!("/v1/documents/{work}")).0, 200, "{work}");
}

fn is_not_shown(node: &Node, work: &str, why: &str) {
    for path in [format!("/v1/documents/{work}"), format!("/{work}"), format!("/v1/proofs/{work}")] {
        let (code, words) = node.ask(&path);
        assert!(code == 403 && words.contains(why), "{path}: {code} {words}");
    }
    for path in ["/network", "/members"] {
        assert!(node.ask(path).1.contains(why), "{path} says so");
    }
    assert!(node.status()["policy"].to_string().contains(why), "{}", node.status());
}

#[test]
fn what_is_denied_is_held_as_entries_alone_until_it_is_denied_no_more() {
    let (federation, finland) = published();
    let why = "denied here by local policy";
    let node = reader(&federation, &finland, "deny", "[\"KE-LC01\"]");
    wait_until("all entries are held", || node.status()["frontier"] == finland.status()["frontier"]);
    is_not_shown(&node, "KE-LC01/secret", why);
    is_there(&node, "FI/law");
    wait_until("the other is found", || node.found("unforgettable") == 1);
    assert_eq!((&node.status()["erased_bodies"], &node.status()["missing_bodies"]), (&json!(2), &json!(0)));
    node.stop();
    let status = federation.done(&["status", "--data", &federation.path("reader")]);
    assert!(status.contains(&format!("KE-LC01 is {why}")), "{status}");
    let report = federation.audit("reader");
    assert_eq!((&report["erased_bodies"], &report["missing_bodies"]), (&json!(2), &json!(0)));

    // One work of the two; a rebuild in between changes nothing.
    std::fs::remove_dir_all(federation.folder("reader").join("store/sled")).unwrap();
    let node = reader(&federation, &finland, "deny", "[\"KE-LC01/secret\"]");
    wait_until("the other came", || node.status()["erased_bodies"] == 1 && node.status()["missing_bodies"] == 0);
    is_there(&node, "KE-LC01/other");
    is_not_shown(&node, "KE-LC01/secret", why);
    node.stop();

    // Nothing is denied: everything comes. Then what is held goes again.
    let node = reader(&federation, &finland, "deny", "[]");
    wait_for_documents(&[&finland, &node], 3);
    is_there(&node, "KE-LC01/secret");
    node.stop();
    assert_eq!(federation.audit("reader")["erased_bodies"], 0);
    let log = finland.get("/v1/logs")["logs"].as_array().unwrap().clone();
    let desk = log.iter().find(|log| log["member"] == "KE-LC01" && log["purpose"] == "publication").unwrap();
    let node = reader(&federation, &finland, "deny", &format!("[{}]", desk["key"]));
    is_not_shown(&node, "KE-LC01/other", why);
    assert_eq!(node.status()["erased_bodies"], 2);
    is_there(&finland, "KE-LC01/secret");
    federation.audit_all(&["reader", "FI"]);
}

#[test]
fn what_is_hidden_is_held_and_handed_on_and_not_shown() {
    let (federation, finland) = published();
    federation.replica("newcomer");
    let why = "hidden here by local policy";
    let node = reader(&federation, &finland, "hide", "[\"KE-LC01/secret\"]");
    wait_until("what is shown is found", || node.status()["indexed"] == 2);
    is_not_shown(&node, "KE-LC01/secret", why);
    assert_eq!(node.ask("/v1/history/KE-LC01/secret").0, 403);
    assert_eq!((node.found("unforgettable"), node.found("name")), (2, 0));
    let (code, words) = federation.refused(&["show", "KE-LC01/secret", "--data", &federation.path("reader")]);
    assert!(code == 1 && words.contains(why), "{words}");
    let newcomer = federation.start("newcomer", &[&node]);
    wait_for_documents(&[&newcomer], 3);
    is_there(&newcomer, "KE-LC01/secret");
    assert_eq!(newcomer.status()["policy"], json!(null), "nobody else hears of it");
    node.stop();
    let node = reader(&federation, &finland, "hide", "[]");
    wait_for_documents(&[&node, &newcomer, &finland], 3);
    is_there(&node, "KE-LC01/secret");
    federation.audit_all(&["reader", "newcomer", "FI"]);
}

#[test]
fn over_its_quota_a_log_waits_visibly_and_goes_on_once_it_is_raised() {
    let (federation, finland) = published();
    let node = reader(&federation, &finland, "quotas", "{ KE-LC01 = { entries = 2 } }");
    wait_until("it says what waits", || node.status()["policy"].to_string().contains("waits at 2 entries"));
    let status = node.status();
    assert_eq!((&status["documents"], &status["recovering"]), (&json!(2), &json!(null)), "{status}");
    for path in ["/members", "/network"] {
        assert!(node.ask(path).1.contains("over its quota here (2 entries)"), "{path}");
    }
    is_there(&node, "FI/law");
    // News of the member that waits is passed by, news of others arrives.
    federation.publish("FI", "news", "And on it goes.");
    wait_until("the news is there", || node.status()["documents"] == 3);
    node.stop();
    let node = reader(&federation, &finland, "quotas", "{ KE-LC01 = { entries = 100, bytes = 1000000 } }");
    wait_for_documents(&[&finland, &node], 4);
    assert!(!node.status()["policy"].to_string().contains("waits"), "{}", node.status());
    federation.audit_all(&["reader", "FI"]);
}

#[test]
fn a_policy_that_is_none_is_named() {
    let federation = Federation::found(&["FI"]);
    let refused = |key: &str, value: &str| {
        federation.set("FI", key, value);
        let (code, words) = federation.refused(&["status", "--data", &federation.path("FI")]);
        assert!(code == 3 && words.contains("comity.toml") && words.contains(key), "{words}");
        federation.set("FI", key, if key == "quotas" { "{}" } else { "[]" });
        words
    };
    assert!(refused("deny", "[\"kenya\"]").contains("`kenya` is neither"));
    assert!(refused("deny", "[\"FI/law\"]").contains("own member"));
    assert!(refused("hide", "[\"KE-LC01/law@2\"]").contains("CODE/slug"));
    assert!(refused("quotas", "{ FI = { entries = 1 } }").contains("own member"));
    refused("quotas", "{ KE-LC01 = { pages = 1 } }");
    federation.audit("FI");
}
