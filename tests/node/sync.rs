//! How documents travel: by gossip, without it, after an absence, through others, and when nobody is left who began it.

use crate::federation::{Federation, wait_for_documents, wait_until};

#[test]
fn published_by_one_parliament_found_by_search_on_everyones_replica() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    let researcher = federation.start("researcher", &[&kenya]);
    let told = federation.publish("KE-LC01", "deepfakes", "Intimate deepfakes are an offence.");
    assert_eq!(told, "KE-LC01/deepfakes@1\n");
    wait_for_documents(&[&finland, &kenya, &researcher], 1);
    for node in [&finland, &kenya, &researcher] {
        assert_eq!(node.found("deepfake"), 1, "{}", node.name);
        let document = node.get("/v1/documents/KE-LC01/deepfakes");
        assert_eq!(document["provenance"]["member_name"], "Parliament KE-LC01");
    }
    // The same content again changes nothing; a new text is a second version; a withdrawal is shown beside it.
    assert_eq!(
        federation.publish("KE-LC01", "deepfakes", "Intimate deepfakes are an offence."),
        "KE-LC01/deepfakes@1\n"
    );
    assert_eq!(federation.publish("KE-LC01", "deepfakes", "They are a crime."), "KE-LC01/deepfakes@2\n");
    wait_until("the second version reaches the researcher", || researcher.found("crime") == 1);
    assert_eq!(researcher.found("offence"), 0);
    federation.done(&[
        "withdraw",
        "--data",
        &federation.path("KE-LC01"),
        "KE-LC01/deepfakes",
        "--reason",
        "repealed in error",
    ]);
    wait_until("the withdrawal reaches the researcher", || researcher.status()["documents"] == 0);
    wait_until("the withdrawn work is no longer found", || researcher.found("crime") == 0);
    let document = researcher.get("/v1/documents/KE-LC01/deepfakes");
    assert_eq!(document["withdrawn"], "repealed in error");
    wait_for_documents(&[&finland, &kenya, &researcher], 0);
    federation.audit_all(&["FI", "KE-LC01", "researcher"]);
}

#[test]
fn a_parliament_that_was_offline_catches_up_and_a_reader_needs_no_node() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let finland = federation.start("FI", &[]);
    // Written while no node of Kenya runs: spoken at its next run.
    federation.publish("KE-LC01", "written-offline", "Written on a train.");
    for number in 0..30 {
        federation.publish("FI", &format!("note-{number}"), "While Kenya slept.");
    }
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_for_documents(&[&finland, &kenya], 31);
    kenya.stop();
    let found = federation.done(&["search", "--json", "--data", &federation.path("KE-LC01"), "train"]);
    assert!(found.contains("KE-LC01/written-offline"), "{found}");
    let shown = federation.done(&["show", "--data", &federation.path("KE-LC01"), "FI/note-7"]);
    assert!(shown.contains("While Kenya slept.") && shown.contains("Signed by the desk"), "{shown}");
    federation.audit_all(&["FI", "KE-LC01"]);
}

#[test]
fn with_gossip_switched_off_everything_still_arrives() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("researcher");
    for name in ["FI", "KE-LC01", "researcher"] {
        let config = federation.folder(name).join("comity.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        assert!(text.contains("# gossip = true"));
        std::fs::write(&config, text.replace("# gossip = true", "gossip = false")).unwrap();
    }
    let finland = federation.start("FI", &[]);
    let researcher = federation.start("researcher", &[&finland]);
    let kenya = federation.start("KE-LC01", &[&researcher]);
    federation.publish("FI", "quiet", "Without a word on the wire.");
    federation.publish("KE-LC01", "quiet", "Nor from here.");
    wait_for_documents(&[&finland, &researcher, &kenya], 2);
    federation.audit_all(&["FI", "KE-LC01", "researcher"]);
}

#[test]
fn bootstrap_peer_and_a_parliament_are_gone_for_good_and_a_newcomer_gets_everything() {
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    federation.replica("bootstrap");
    federation.replica("newcomer");
    let bootstrap = federation.start("bootstrap", &[]);
    let finland = federation.start("FI", &[&bootstrap]);
    let kenya = federation.start("KE-LC01", &[&bootstrap]);
    let uruguay = federation.start("UY-UC01", &[&bootstrap]);
    for (name, slug) in [("FI", "forests"), ("KE-LC01", "rivers"), ("UY-UC01", "plains")] {
        federation.publish(name, slug, "What everyone should keep.");
    }
    wait_for_documents(&[&bootstrap, &finland, &kenya, &uruguay], 3);
    // Everyone has everyone's address from the phone book in the logs by now.
    wait_until("the two that stay know each other", || kenya.status()["peers"].as_u64() >= Some(3));
    bootstrap.kill();
    finland.kill();
    let newcomer = federation.start("newcomer", &[&uruguay]);
    wait_for_documents(&[&kenya, &uruguay, &newcomer], 3);
    federation.publish("KE-LC01", "after", "Nobody noticed.");
    wait_for_documents(&[&kenya, &uruguay, &newcomer], 4);
    assert_eq!(newcomer.found("forests"), 1);
    federation.audit_all(&["KE-LC01", "UY-UC01", "newcomer"]);
}

#[test]
fn two_parliaments_that_listen_on_nothing_meet_through_a_bootstrap_peer_and_then_through_another() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("geneva");
    federation.replica("nairobi");
    let geneva = federation.start("geneva", &[]);
    let nairobi = federation.start("nairobi", &[]);
    let both = [geneva.listen[0].clone(), nairobi.listen[0].clone()];
    nairobi.stop();
    let finland = federation.start_with("FI", &["--no-listen"], &both);
    let kenya = federation.start_with("KE-LC01", &["--no-listen"], &both);
    federation.publish("FI", "first", "Through Geneva.");
    wait_for_documents(&[&finland, &kenya, &geneva], 1);
    geneva.stop();
    let address = both[1].trim_end_matches(|letter| letter != '/').trim_end_matches("/p2p/").to_owned();
    let nairobi = federation.start_with("nairobi", &["--listen", &address], &[]);
    federation.publish("KE-LC01", "second", "Through Nairobi.");
    wait_for_documents(&[&finland, &kenya, &nairobi], 2);
    federation.audit_all(&["FI", "KE-LC01", "nairobi"]);
}

#[test]
fn a_node_of_another_federation_is_not_let_in() {
    let ours = Federation::found(&["FI"]);
    let theirs = Federation::found(&["FI"]);
    let finland = ours.start("FI", &[]);
    ours.publish("FI", "ours", "Ours.");
    let stranger = theirs.start("FI", &[&finland]);
    wait_until("the stranger is refused and named", || {
        let notes = finland.status()["notes"].to_string();
        notes.contains("of another federation") && notes.contains(&stranger.peer_id)
    });
    assert_eq!(stranger.status()["documents"], 0);
    assert_eq!(finland.status()["peers"], 0);
    ours.audit("FI");
}

#[test]
fn a_node_whose_port_is_taken_on_another_address_calls_all_the_same() {
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    federation.publish("FI", "note", "Ours.");
    let finland = federation.start("FI", &[]);
    let taken = std::net::TcpListener::bind("127.0.0.77:0").unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let researcher = federation.start_with("researcher", &["--listen", &listen], &finland.listen);
    wait_for_documents(&[&finland, &researcher], 1);
    federation.audit_all(&["FI", "researcher"]);
}
