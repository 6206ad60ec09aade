//! One key that wrote two branches: by an operator's override on an old copy, and by a thief. Every replica proves it, shows it and
//! agrees on what stands; the member settles it with its identity key, and nothing that it wrote is lost.

use comity::config::Folder;
use comity::frame::{self, place};
use comity::segments::Segments;
use prost::Message;
use proto::body::{Open, Purpose};
use proto::key::SecretKey;
use proto::log::Log;
use proto::schema::Kind;
use serde_json::Value;

use crate::erase::{bodies, holds, last_body};
use crate::federation::{Federation, Node, wait_for_documents, wait_until};
use crate::harvest::is_deleted;
use crate::restore::{all, copy, documents, publish, put_back, start, wait_for_phone_book};

/// Documents written on the old copy.
const ON_TOP: u64 = 10;

/// The log of Finland's desk, as a node sees it.
fn desk(node: &Node) -> Value {
    let logs = node.get("/v1/logs");
    let is_it = |log: &&Value| log["member"] == "FI" && log["purpose"] == "publication" && log["contested"] == true;
    logs["logs"].as_array().unwrap().iter().find(is_it).cloned().unwrap_or_default()
}

/// Waits until everyone holds the proof and calls the same entries contested; gives the log's key.
fn wait_until_contested(nodes: &[&Node], stands: u64) -> String {
    for node in nodes {
        wait_until(&format!("{} shows the fork", node.name), || desk(node)["size"] == stands);
    }
    let frontier = |node: &Node| node.status()["frontier"].clone();
    wait_until("all frontiers are equal", || nodes.iter().all(|node| frontier(node) == frontier(nodes[0])));
    desk(nodes[0])["key"].as_str().unwrap().to_owned()
}

/// Waits until Finland has asked its peers how long their branch is, and knows both.
fn wait_for_branch(finland: &Node, size: u64) {
    wait_until("the longest of the other branch is known", || {
        let recovery = finland.get("/v1/recovery");
        let branches = recovery["contested"][0]["branches"].as_array().cloned().unwrap_or_default();
        branches.iter().any(|branch| branch["here"] == false && branch["size"] == size)
    });
}

#[test]
fn after_an_override_one_fork_is_proven_and_repaired_and_nothing_of_either_branch_is_lost() {
    let names = ["KE-LC01", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (copied, last) = documents();
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    publish(&federation, "FI", 0, copied);
    wait_for_documents(&all(&finland, &others), copied);
    copy(&federation.folder("FI"), &federation.folder("copy"));
    publish(&federation, "FI", copied, last);
    wait_for_documents(&all(&finland, &others), last);
    finland.kill();
    others.into_iter().for_each(Node::stop);
    put_back(&federation.folder("copy"), &federation.folder("FI"));

    let finland = federation.start_with("FI", &["--override-fence", "--listen", "/ip4/127.0.0.1/tcp/0"], &[]);
    for number in 0..ON_TOP {
        let slug = format!("on-top-{number}");
        assert_eq!(federation.publish("FI", &slug, "Written on the old copy."), format!("FI/{slug}@1\n"));
    }
    let set_aside = last_body(&federation, "FI", &format!("on-top-{}", ON_TOP - 1));
    federation.done(&["withdraw", "FI/note-0", "--reason", "out of date", "--data", &federation.path("FI")]);
    finland.stop();
    let (finland, others) = start(&federation, &names);
    let nodes = all(&finland, &others);
    // Entry 0, the address, and the documents of the copy.
    let log = wait_until_contested(&nodes, copied + 2);
    for node in &nodes {
        wait_until("what is contested is neither counted nor found", || {
            let status = node.status();
            status["documents"] == copied && status["indexed"] == copied
        });
        assert_eq!(node.ask("/v1/documents/FI/on-top-0").0, 404, "{}", node.name);
        let (_, words) = node.ask(&format!("/v1/explain?what={log}"));
        assert!(words.contains("contested") && words.contains("comity recover"), "{words}");
        let (_, page) = node.ask("/network");
        assert!(page.contains("contested"), "the page for people says so too");
    }
    let file = federation.note("more", "Not on a contested log.");
    let (code, words) = federation.refused(&["publish", "--data", &federation.path("FI"), &file]);
    assert!(code == 1 && words.contains("comity recover") && !words.contains("override"), "{words}");
    let explained = finland.ask("/v1/explain?what=publish").1;
    let told = [finland.status()["recovering"].to_string(), explained, finland.ask("/network").1];
    for words in told {
        assert!(words.contains("comity recover` settles") && !words.contains("override"), "{words}");
    }
    wait_for_branch(&finland, last + 2);

    let path = federation.path("FI");
    let looked = federation.done(&["recover", "--data", &path]);
    assert!(looked.contains("held by others") && looked.contains("held here") && !looked.contains("done:"), "{looked}");
    let told = federation.done(&["recover", "--data", &path, "--stand-by", "elsewhere", "--yes"]);
    println!("{told}");
    assert!(told.contains(&format!("of these the one of {} entries is to stand", last + 2)), "{told}");
    wait_for_documents(&nodes, last);
    finland.stop();
    let finland = federation.start("FI", &others.iter().collect::<Vec<_>>());
    wait_until("the new desk may write", || finland.status()["recovering"] == Value::Null);
    let before: Vec<Vec<u8>> = bodies(&federation.folder("FI")).into_iter().map(|(body, _)| body).collect();
    let told = federation.done(&["recover", "--data", &path]);
    println!("{told}");
    assert!(told.contains(&format!("{ON_TOP} works")), "{told}");
    assert!(told.contains("FI/note-0 was withdrawn on the branch that was set aside, and stands"), "{told}");
    let nodes = all(&finland, &others);
    wait_for_documents(&nodes, last + ON_TOP);
    for node in &nodes {
        let shown = node.get("/v1/documents/FI/on-top-0");
        assert_eq!((&shown["version"], shown["text"].as_str()), (&Value::from(1), Some("Written on the old copy.\n")));
        let (_, words) = node.ask(&format!("/v1/explain?what={log}"));
        assert!(words.contains("cut") && words.contains("branch"), "{words}");
    }
    assert!(federation.done(&["recover", "--data", &path]).contains("nothing"), "once is enough");
    // It goes on as ever, and a start from the segments alone says the same.
    federation.publish("FI", "afterwards", "The next entry.");
    wait_for_documents(&nodes, last + ON_TOP + 1);
    // What is erased goes with the copy of it that was set aside.
    let folder = federation.folder("FI");
    let again: Vec<Vec<u8>> =
        bodies(&folder).into_iter().map(|(body, _)| body).filter(|body| !before.contains(body)).collect();
    assert!(holds(&folder, &set_aside));
    let work = format!("FI/on-top-{}", ON_TOP - 1);
    federation.done(&["withdraw", &work, "--erase", "--yes", "--reason", "names a witness", "--data", &path]);
    wait_for_documents(&nodes, last + ON_TOP);
    let gone: Vec<&Vec<u8>> = again.iter().filter(|body| !holds(&folder, body)).collect();
    assert!(gone.len() == 1 && !holds(&folder, &set_aside), "both texts of it, and no other");
    for node in &nodes {
        assert!(!holds(&federation.folder(&node.name), gone[0]), "{} erased it", node.name);
    }
    finland.stop();
    std::fs::remove_dir_all(federation.folder("FI").join("store/sled")).unwrap();
    let finland = federation.start("FI", &others.iter().collect::<Vec<_>>());
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    for name in ["FI", "KE-LC01", "UY-UC01"] {
        assert_eq!(federation.audit(name)["forked_logs"], 1, "one fork, proven");
    }
    assert_eq!(federation.audit("FI")["set_aside"], ON_TOP + 1);
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn a_thief_of_a_desk_key_contests_a_log_until_its_member_cuts_it() {
    let names = ["KE-LC01", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    federation.publish("FI", "before", "Before the theft.");
    wait_for_documents(&all(&finland, &others), 1);
    copy(&federation.folder("FI"), &federation.folder("thief"));
    federation.set("thief", "state_dir", &format!("{:?}", federation.path("thief-state")));
    let mut others = others.into_iter();
    let (kenya, uruguay) = (others.next().unwrap(), others.next().unwrap());
    kenya.stop();
    federation.publish("FI", "true", "Finland's own words.");
    let written = last_body(&federation, "FI", "true");
    wait_for_documents(&[&finland, &uruguay], 2);
    uruguay.stop();
    federation.publish("FI", "unheard", "What no peer has yet.");
    finland.stop();
    let kenya = federation.start("KE-LC01", &[]);
    let options = ["--override-fence", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let thief = federation.start_with("thief", &options, std::slice::from_ref(&kenya.listen[0]));
    federation.publish("thief", "false", "Words that Finland never wrote.");
    let forged = last_body(&federation, "thief", "false");
    federation.publish("thief", "true", "A forgery of what Finland wrote.");
    let distorted = last_body(&federation, "thief", "true");
    wait_for_documents(&[&kenya, &thief], 3);
    thief.kill();

    let uruguay = federation.start("UY-UC01", &[&kenya]);
    let finland = federation.start("FI", &[&kenya, &uruguay]);
    let nodes = [&finland, &kenya, &uruguay];
    wait_until_contested(&nodes, 3);
    wait_until("what may be false is not shown", || nodes.iter().all(|node| node.status()["documents"] == 1));
    assert!(is_deleted(&finland, "FI/true") && is_deleted(&kenya, "FI/false"), "harvesters are told");
    // The branch here is longer than peers know of it, and all of it is to stand. The identity key signs where no network is.
    let path = federation.path("FI");
    let [request, signed] = ["request.json", "signed.json"].map(|name| federation.folder(name).display().to_string());
    let told = federation.done(&["recover", "--data", &path, "--stand-by", "here", "--request", &request]);
    assert!(told.contains("of these the one of 5 entries is to stand") && told.contains("comity key sign"), "{told}");
    let told = federation.done(&["key", "sign", &request, "--data", &path, "--out", &signed, "--yes"]);
    assert!(told.contains("comity key submit"), "{told}");
    wait_until("nothing is settled before it is handed in", || {
        nodes.iter().all(|node| node.status()["documents"] == 1)
    });
    federation.done(&["key", "submit", &signed, "--data", &path]);
    wait_for_documents(&nodes, 3);
    for node in nodes {
        assert_eq!((node.found("true"), node.ask("/v1/documents/FI/false").0), (1, 404), "{}", node.name);
        assert!(!is_deleted(node, "FI/true"), "{} tells harvesters that it is back", node.name);
    }

    // A desk that was cut names no node any more, whatever stands of its log.
    let of_finland = |node: &Node| {
        let peers = kenya.get("/v1/peers");
        let is_it = |peer: &&Value| peer["peer_id"] == node.peer_id.as_str();
        peers["peers"].as_array().unwrap().iter().find(is_it).map(|peer| peer["member"].clone())
    };
    assert_eq!(of_finland(&finland), Some(Value::Null));

    // Set aside is not gone: Kenya's operator erases a work that is on that branch alone, and its author every text of its own.
    let kept = federation.folder("KE-LC01");
    assert!(holds(&kept, &forged) && holds(&kept, &distorted));
    let kenyan = federation.path("KE-LC01");
    let erased = federation.done(&["erase", "FI/false", "--reason", "a forgery", "--data", &kenyan]);
    assert_eq!((erased.as_str(), holds(&kept, &forged)), ("FI/false@1\n", false));
    finland.stop();
    let finland = federation.start("FI", &[&kenya, &uruguay]);
    wait_until("the new desk names its node", || of_finland(&finland) == Some(Value::from("FI")));
    federation.done(&["withdraw", "FI/true", "--erase", "--yes", "--reason", "names a witness", "--data", &path]);
    wait_for_documents(&[&finland, &kenya, &uruguay], 2);
    for name in ["FI", "KE-LC01", "UY-UC01"] {
        let folder = federation.folder(name);
        assert!(!holds(&folder, &written) && !holds(&folder, &distorted), "{name} has none of either branch");
    }
    // A start from the segments alone comes to the same.
    kenya.stop();
    std::fs::remove_dir_all(kept.join("store/sled")).unwrap();
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_for_documents(&[&finland, &kenya, &uruguay], 2);
    assert_eq!(kenya.status()["erased_bodies"], 1, "what was set aside is counted nowhere");
    let report = federation.audit("KE-LC01");
    assert_eq!((&report["set_aside"], &report["erased_bodies"]), (&Value::from(3), &Value::from(1)));
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn a_thief_of_an_identity_key_who_writes_as_well_is_cut_off_by_a_rotation() {
    let names = ["KE-LC01", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    federation.publish("FI", "before", "Before the theft.");
    wait_for_documents(&all(&finland, &others), 1);
    finland.stop();
    others.into_iter().for_each(Node::stop);
    copy(&federation.folder("FI"), &federation.folder("thief"));
    federation.set("thief", "state_dir", &format!("{:?}", federation.path("thief-state")));
    std::fs::remove_file(federation.folder("thief").join("keys/successor.pem")).unwrap();

    // Each signs an act at the same place of the governance log.
    let path = federation.path("FI");
    let key = |name: &str| {
        federation.done(&["init", "--no-passphrase", "--code", "FI", "--name", name, "--data", &federation.path(name)]);
        key_of(&federation, name)
    };
    let delegate = |data: &str, key: &str| {
        federation.done(&["key", "delegate", "--data", data, "--key", key, "--desk", "Archive"])
    };
    delegate(&path, &key("archive"));
    let options = ["--override-fence", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let thief = federation.start_with("thief", &options, &[]);
    delegate(&federation.path("thief"), &key("false-archive"));
    thief.stop();
    let kenya = federation.start("KE-LC01", &[]);
    let thief = federation.start("thief", &[&kenya]);
    let governance = |node: &Node| {
        let logs = node.get("/v1/logs");
        let is_it = |log: &&Value| log["member"] == "FI" && log["purpose"] == "governance";
        logs["logs"].as_array().unwrap().iter().filter(is_it).cloned().collect::<Vec<_>>()
    };
    wait_until("the thief is heard", || governance(&kenya)[0]["size"] == 3);
    thief.kill();

    let uruguay = federation.start("UY-UC01", &[&kenya]);
    let finland = federation.start("FI", &[&kenya, &uruguay]);
    let nodes = [&finland, &kenya, &uruguay];
    for node in nodes {
        wait_until("the governance log is contested", || governance(node)[0]["contested"] == true);
    }
    let told = federation.done(&["recover", "--data", &path]);
    assert!(told.contains("comity key rotate"), "{told}");
    let (_, words) = federation.refused(&["key", "revoke", "--data", &path, &key("another"), "--reason", "none"]);
    assert!(words.contains("is contested from entry 2 on") && words.contains("comity key rotate"), "{words}");
    federation.done(&["key", "rotate", "--data", &path]);
    for node in nodes {
        wait_until(&format!("{} has the rotation: {:?}", node.name, governance(node)), || {
            let logs = governance(node);
            logs.len() == 2
                && logs.iter().all(|log| log["contested"] == false)
                && logs.iter().any(|log| log["size"] == 3)
        });
        let logs = node.get("/v1/logs").to_string();
        assert!(logs.contains(&key_of(&federation, "archive")), "what Finland delegated stands");
        assert!(!logs.contains(&key_of(&federation, "false-archive")), "what the thief delegated does not");
    }
    wait_for_documents(&nodes, 1);
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);

    // Much of Finland's was taken back. That is no excuse for a log that nobody ever let in.
    uruguay.stop();
    let folder = Folder::new(&federation.folder("UY-UC01"));
    slip_in(&folder, "FI", &key_of(&federation, "FI"));
    let (code, words) = federation.refused(&["audit", "--data", &federation.path("UY-UC01")]);
    assert!(code == 1 && words.contains("neither the charter nor a delegation lets it in"), "{words}");
}

/// Puts the beginning of a desk's log into a store that is sound in itself, and that the member's identity key never delegated.
fn slip_in(folder: &Folder, member: &str, identity: &str) {
    let secret = SecretKey::from_seed(&[7; 32]);
    let (purpose, member, identity_key) = (Purpose::Publication, member.to_owned(), identity.parse().unwrap());
    let open = Open { purpose, member, identity_key, successor_digest: None, predecessor: None };
    let bodies = [(Kind::Open as u32, open.to_body([0; 16]))];
    let log = Log::new(secret.public(), Purpose::Publication);
    let run = log.write(&folder.charter().unwrap().id(), &secret, &bodies, 1).unwrap();
    let (first, key) = (&run.leaves()[0], secret.public());
    let body = place(&key, 0, &first.body.as_ref().unwrap().frame);
    let closing = place(&key, 1, &run.closing().to_wire().encode_to_vec());
    let (mut segments, _) = Segments::open(&folder.store().join("segments"), frame::is_boundary).unwrap();
    let frames = [(frame::ENTRY, first.entry.as_bytes()), (frame::BODY, &body), (frame::CLOSING, &closing)];
    for (kind, payload) in frames {
        segments.append(kind, 1_000, 1, payload).unwrap();
    }
    segments.sync().unwrap();
}

/// The identity key of a folder, in hex.
pub fn key_of(federation: &Federation, name: &str) -> String {
    let line = std::fs::read_to_string(federation.folder(name).join("member.txt")).unwrap();
    line.split_whitespace().find(|word| word.len() == 64).unwrap().to_owned()
}

/// Has all three agree on another name for the federation, and gives the digest of that edition.
fn rename(federation: &Federation, names: [&str; 3], options: &[&str], name: &str) -> String {
    let first = federation.start_with(names[0], options, &[]);
    let others = [names[1], names[2]].map(|name| federation.start_with(name, options, &first.listen[..1]));
    let list = |name: &str| -> Value {
        serde_json::from_str(&federation.done(&["edition", "list", "--json", "--data", &federation.path(name)]))
            .unwrap()
    };
    federation.done(&["edition", "draft", "--data", &federation.path(names[0]), "--name", name, "--yes"]);
    let edition = |name: &str| list(name)["editions"][1].clone();
    for (signer, have) in [(names[1], 1), (names[2], 2)] {
        wait_until(&format!("{signer} has the draft"), || edition(signer)["counted"] == have);
        let digest = edition(signer)["digest"].as_str().unwrap().to_owned();
        federation.done(&["edition", "sign", &digest, "--data", &federation.path(signer), "--yes"]);
    }
    for name in names {
        wait_until("it is in force", || list(name)["in_force"] == edition(name)["digest"]);
    }
    let digest = edition(names[0])["digest"].as_str().unwrap().to_owned();
    first.stop();
    others.into_iter().for_each(Node::stop);
    digest
}

#[test]
fn where_signers_sign_two_lists_everybody_sees_it_and_an_operator_chooses_for_itself() {
    let names = ["FI", "KE-LC01", "UY-UC01"];
    let federation = Federation::found(&names);
    let (finland, others) = start(&federation, &names[1..]);
    wait_for_phone_book(&all(&finland, &others));
    finland.stop();
    others.into_iter().for_each(Node::stop);
    let again = ["FI-again", "KE-again", "UY-again"];
    for (name, copied) in names.iter().zip(again) {
        copy(&federation.folder(name), &federation.folder(copied));
        federation.set(copied, "state_dir", &format!("{:?}", federation.path(&format!("{copied}-state"))));
    }
    let listens = ["--listen", "/ip4/127.0.0.1/tcp/0"];
    let one = rename(&federation, names, &listens, "One");
    let other = rename(&federation, again, &[&listens[..], &["--override-fence"]].concat(), "Other");

    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-again", &[]);
    let researcher = federation.start("researcher", &[&finland, &kenya]);
    for node in [&researcher, &finland, &kenya] {
        wait_until("both lists are seen", || {
            let words = node.status()["rivals"].to_string();
            words.contains(&one) && words.contains(&other)
        });
        assert!(node.ask("/network").1.contains("two valid editions follow"), "{}", node.name);
    }
    let path = federation.path("researcher");
    let listed = federation.done(&["edition", "list", "--data", &path]);
    assert_eq!((listed.matches("RIVAL").count(), listed.matches("in force").count()), (2, 2), "{listed}");
    federation.done(&["edition", "pin", &one[..12], "--data", &path]);
    researcher.stop();
    let researcher = federation.start("researcher", &[&finland, &kenya]);
    assert_eq!(researcher.status()["rivals"], Value::Null);
    let chosen = researcher.get("/v1/editions")["in_force"].clone();
    assert_eq!(chosen.as_str(), Some(one.as_str()), "for itself alone");
    assert!(finland.status()["rivals"].to_string().contains(&other));
    federation.audit("researcher");
}
