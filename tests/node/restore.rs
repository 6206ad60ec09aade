//! Old copies come back: of a disk, of a whole machine, out of a backup. None ever writes an index twice; each says why it does
//! not write, reads back what it lacks, and goes on by itself once nodes of enough other members hold none longer.
//!
//! `COMITY_RESTORED` sets how many documents are in the copy (500 for the drill in full); a fifth as many follow it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::federation::{Federation, Node, alter, wait_for_documents, wait_until};
use crate::moments::{Moments, times};

/// Documents that are published on top, once that may be.
const ON_TOP: u64 = 10;
/// Documents of one call.
const BATCH: u64 = 100;

/// Documents in the copy, and at the end of what it lacks.
pub fn documents() -> (u64, u64) {
    let copied = times("COMITY_RESTORED", 50);
    (copied, copied + copied / 5)
}

pub fn publish(federation: &Federation, name: &str, from: u64, to: u64) {
    let path = federation.path(name);
    let numbers: Vec<u64> = (from..to).collect();
    for batch in numbers.chunks(BATCH as usize) {
        let files: Vec<String> = batch
            .iter()
            .map(|number| federation.note(&format!("note-{number}"), &format!("Text of note {number}.")))
            .collect();
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(files.iter().map(String::as_str));
        federation.done(&publish);
    }
}

/// Copies a folder as it is at that moment, also while a node runs on it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(item.file_name());
        if item.path().is_dir() {
            copy(&item.path(), &target);
        } else if let Err(error) = std::fs::copy(item.path(), target) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "only what the node removed meanwhile");
        }
    }
}

/// Puts a copy where something else was. The folder itself stays the same, as after a copy back of what was in it.
pub fn put_back(copied: &Path, folder: &Path) {
    for item in std::fs::read_dir(folder).unwrap().flatten() {
        if item.path().is_dir() {
            std::fs::remove_dir_all(item.path()).unwrap();
        } else {
            std::fs::remove_file(item.path()).unwrap();
        }
    }
    copy(copied, folder);
}

/// Starts the other members, each with the ones before it, and Finland with all.
pub fn start(federation: &Federation, others: &[&str]) -> (Node, Vec<Node>) {
    let mut nodes: Vec<Node> = Vec::new();
    for name in others {
        let node = federation.start(name, &nodes.iter().collect::<Vec<_>>());
        nodes.push(node);
    }
    (federation.start("FI", &nodes.iter().collect::<Vec<_>>()), nodes)
}

/// Waits until everyone has the addresses of all: four entries of each member.
pub fn wait_for_phone_book(nodes: &[&Node]) {
    for node in nodes {
        wait_until(&format!("{} has the phone book", node.name), || {
            node.status()["entries"].as_u64() >= Some(4 * nodes.len() as u64)
        });
    }
}

/// Waits until a node may write again, and gives what its operator is told about that. What it was told is part of the
/// condition: a doubt that was logged this moment is not in the status yet, which then looks as if nothing had happened.
fn wait_until_recovered(node: &Node) -> String {
    wait_until(&format!("{} may write again: {}", node.name, node.status()["recovering"]), || {
        let status = node.status();
        status["recovering"] == Value::Null && status["notes"].to_string().contains("recovered: ")
    });
    assert_eq!(node.ask("/healthz").0, 200);
    node.status()["notes"].to_string()
}

pub fn all<'a>(finland: &'a Node, others: &'a [Node]) -> Vec<&'a Node> {
    std::iter::once(finland).chain(others).collect()
}

#[test]
fn an_old_copy_of_the_folder_reads_back_what_it_lacks_and_goes_on_by_itself() {
    let names = ["KE-LC01", "NZ", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "NZ", "UY-UC01"]);
    let (copied, last) = documents();
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    publish(&federation, "FI", 0, copied);
    wait_for_documents(&all(&finland, &others), copied);
    copy(&federation.folder("FI"), &federation.folder("copy"));
    publish(&federation, "FI", copied, last);
    wait_for_documents(&all(&finland, &others), last);
    finland.kill();
    // Away, not removed: a new folder might get its number, and then the mark alone would tell.
    std::fs::rename(federation.folder("FI"), federation.folder("dead-disk")).unwrap();
    copy(&federation.folder("copy"), &federation.folder("FI"));

    let finland = federation.start("FI", &others.iter().collect::<Vec<_>>());
    assert!(finland.words().contains("may not be written: this data folder is a copy"), "{}", finland.words());
    let told = wait_until_recovered(&finland);
    // Half of three are two, of whom the ones who answered first are named.
    assert!(told.contains("were read back from") && told.contains("confirmed by"), "{told}");
    wait_for_documents(&all(&finland, &others), last);
    publish(&federation, "FI", last, last + ON_TOP);
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    println!("{told}");
    // What ended once is over: the mark names this folder now.
    finland.stop();
    let finland = federation.start("FI", &others.iter().collect::<Vec<_>>());
    assert_eq!(finland.status()["recovering"], Value::Null);
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    federation.audit_all(&["FI", "KE-LC01", "NZ", "UY-UC01"]);
}

#[test]
fn with_every_peer_offline_an_old_copy_stays_read_only_and_says_why() {
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

    let file = federation.note("fork", "This would be an entry a second time.");
    let refused = || federation.refused(&["publish", "--data", &federation.path("FI"), &file]);
    // Twice, because what was in doubt once stays so; and also where no node runs.
    for _ in 0..2 {
        let finland = federation.start("FI", &[]);
        wait_until("it says for what it waits", || finland.status()["recovering"].to_string().contains("0 of 1 other"));
        let (code, words) = refused();
        assert_eq!(code, 1);
        let mark = format!("{} of the {} entries that its mark names are here", copied + 2, last + 2);
        assert!(words.contains("may not write yet") && words.contains(&mark), "{words}");
        assert!(words.contains("0 of 1 other members have confirmed") && words.contains("--override-fence"), "{words}");
        let (code, words) = finland.ask("/healthz");
        assert!(code == 503 && words.contains("0 of 1 other members"), "{words}");
        let (_, page) = finland.ask("/network");
        assert!(page.contains("0 of 1 other members have confirmed"), "the page for people says so too");
        wait_for_documents(&[&finland], copied);
        finland.stop();
        let (code, words) = refused();
        assert!(code == 1 && words.contains("0 of 1 other members have confirmed"), "{words}");
    }
    let (finland, others) = start(&federation, &names);
    wait_until_recovered(&finland);
    publish(&federation, "FI", last, last + ON_TOP);
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn a_doubt_outlives_a_new_start_until_enough_members_confirmed() {
    let names = ["KE-LC01", "NZ", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "NZ", "UY-UC01"]);
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    copy(&federation.folder("FI"), &federation.folder("copy"));
    federation.publish("FI", "after", "Not in the copy.");
    wait_for_documents(&all(&finland, &others), 1);
    finland.kill();
    let mut others = others.into_iter();
    let kenya = others.next().unwrap();
    others.for_each(Node::stop);
    put_back(&federation.folder("copy"), &federation.folder("FI"));

    let finland = federation.start("FI", &[&kenya]);
    wait_for_documents(&[&finland, &kenya], 1);
    let waits = |node: &Node| node.status()["recovering"].to_string();
    wait_until("Kenya confirms", || waits(&finland).contains("1 of 2 other members have confirmed"));
    finland.stop();
    kenya.stop();
    // The mark is reached by now, and so is silent; that two have to confirm is not forgotten.
    let finland = federation.start("FI", &[]);
    assert!(waits(&finland).contains("0 of 2 other members have confirmed"), "{}", waits(&finland));
    let file = federation.note("fork", "This may be an entry a second time.");
    let (code, words) = federation.refused(&["publish", "--data", &federation.path("FI"), &file]);
    assert!(code == 1 && words.contains("may not write yet"), "{words}");
    let zealand = federation.start("NZ", &[&finland]);
    wait_until("New Zealand confirms", || waits(&finland).contains("1 of 2 other members have confirmed"));
    let uruguay = federation.start("UY-UC01", &[&finland]);
    wait_until_recovered(&finland);
    federation.publish("FI", "on-top", "The next entry.");
    wait_for_documents(&[&finland, &zealand, &uruguay], 2);
    federation.audit_all(&["FI", "NZ", "UY-UC01"]);
}

#[test]
fn a_snapshot_of_the_whole_machine_is_caught_at_the_first_peer() {
    let names = ["KE-LC01", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (copied, last) = documents();
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    publish(&federation, "FI", 0, copied);
    wait_for_documents(&all(&finland, &others), copied);
    let (folder, marks) = (federation.folder("FI"), federation.folder("state"));
    copy(&folder, &federation.folder("snapshot"));
    copy(&marks, &federation.folder("snapshot-marks"));
    publish(&federation, "FI", copied, last);
    wait_for_documents(&all(&finland, &others), last);
    finland.kill();
    // Folder and marks are of the same moment, and the folder is the one that the marks were made for.
    put_back(&federation.folder("snapshot"), &folder);
    put_back(&federation.folder("snapshot-marks"), &marks);

    let finland = federation.start("FI", &others.iter().collect::<Vec<_>>());
    wait_until("another's entries are found", || finland.words().contains("another copy of this folder wrote them"));
    let told = wait_until_recovered(&finland);
    assert!(told.contains("were read back from") && told.contains("another copy of this folder wrote them"), "{told}");
    publish(&federation, "FI", last, last + ON_TOP);
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    federation.audit_all(&["FI", "KE-LC01", "UY-UC01"]);
}

#[test]
fn where_no_other_member_can_confirm_the_operator_decides() {
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    federation.publish("FI", "before", "In the copy.");
    copy(&federation.folder("FI"), &federation.folder("copy"));
    let researcher = federation.start("researcher", &[]);
    let finland = federation.start("FI", &[&researcher]);
    federation.publish("FI", "after", "Not in the copy.");
    wait_for_documents(&[&finland, &researcher], 2);
    finland.stop();
    put_back(&federation.folder("copy"), &federation.folder("FI"));

    let finland = federation.start("FI", &[&researcher]);
    // Read-only, it takes back from its peers what the copy lacks.
    wait_for_documents(&[&finland, &researcher], 2);
    let file = federation.note("fork", "On top of everything.");
    let (code, words) = federation.refused(&["publish", "--data", &federation.path("FI"), &file]);
    assert_eq!(code, 1);
    assert!(words.contains("nobody can confirm") && words.contains("--override-fence"), "{words}");
    finland.stop();
    let options = ["--override-fence", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let finland = federation.start_with("FI", &options, std::slice::from_ref(&researcher.listen[0]));
    assert_eq!(federation.publish("FI", "fork", "On top of everything."), "FI/fork@1\n");
    wait_for_documents(&[&finland, &researcher], 3);
    federation.audit_all(&["FI", "researcher"]);
}

#[test]
fn a_backup_of_a_running_node_goes_on_elsewhere() {
    let names = ["KE-LC01", "UY-UC01"];
    let federation = Federation::found(&["FI", "KE-LC01", "UY-UC01"]);
    let (copied, last) = documents();
    let (finland, others) = start(&federation, &names);
    wait_for_phone_book(&all(&finland, &others));
    publish(&federation, "FI", 0, copied);
    // What the identity key signed last goes with it.
    federation.file("FI/keys/identity.mark", "a mark");
    let out = federation.path("backup.tar");
    let backup = |out: &str| federation.done(&["backup", "--data", &federation.path("FI"), "--out", out]);
    let told = std::thread::scope(|scope| {
        // While the node writes: what is copied ends with something whole.
        let publisher = scope.spawn(|| {
            for number in copied..last {
                federation.publish("FI", &format!("note-{number}"), &format!("Text of note {number}."));
            }
        });
        let told = backup(&out);
        for round in 0..3 {
            backup(&federation.path(&format!("backup-{round}.tar")));
        }
        publisher.join().unwrap();
        told
    });
    assert!(told.contains("NOT encrypted: desk.pem, identity.pem, peer.pem, successor.pem"), "{told}");
    assert_eq!(std::fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o600);
    let (_, words) = federation.refused(&["backup", "--data", &federation.path("FI"), "--out", &out]);
    assert!(words.contains("exists already and is not overwritten"), "{words}");
    wait_for_documents(&all(&finland, &others), last);
    finland.kill();
    std::fs::remove_dir_all(federation.folder("FI")).unwrap();

    // With tools that everyone has.
    let looked = federation.folder("looked");
    std::fs::create_dir(&looked).unwrap();
    let done = |tool: &str, arguments: &[&str]| {
        let done = Command::new(tool).args(arguments).current_dir(&looked).output().unwrap();
        assert!(done.status.success(), "{tool}: {}", String::from_utf8_lossy(&done.stderr));
    };
    done("tar", &["-xf", &out]);
    done("sha256sum", &["--check", "--strict", "SHA256SUMS"]);

    let elsewhere = federation.path("elsewhere");
    let told = federation.done(&["restore", &out, "--data", &elsewhere]);
    assert!(told.contains("starts recovering") && told.contains("no other copy"), "{told}");
    for (place, mode) in [("keys", 0o700), ("keys/desk.pem", 0o600), ("keys/identity.mark", 0o600)] {
        let kept = std::fs::metadata(federation.folder("elsewhere").join(place)).unwrap();
        assert_eq!(kept.permissions().mode() & 0o777, mode, "{place}");
    }
    federation.audit("elsewhere");
    // On another machine: there are no marks.
    federation.set("elsewhere", "state_dir", &format!("{:?}", federation.path("other-state")));
    // Who looks into it while its keys are elsewhere takes no doubt away.
    let keys = federation.folder("elsewhere").join("keys");
    std::fs::rename(&keys, federation.folder("safe")).unwrap();
    federation.done(&["status", "--data", &elsewhere]);
    std::fs::rename(federation.folder("safe"), &keys).unwrap();
    let (_, words) =
        federation.refused(&["publish", "--data", &elsewhere, &federation.note("fork", "An entry a second time.")]);
    assert!(words.contains("was restored from a backup"), "{words}");
    let finland = federation.start("elsewhere", &others.iter().collect::<Vec<_>>());
    let told = wait_until_recovered(&finland);
    assert!(told.contains("was restored from a backup"), "{told}");
    publish(&federation, "elsewhere", last, last + ON_TOP);
    wait_for_documents(&all(&finland, &others), last + ON_TOP);
    federation.audit_all(&["elsewhere", "KE-LC01", "UY-UC01"]);
}

#[test]
fn a_backup_that_was_cut_off_or_altered_is_refused_and_leaves_nothing() {
    let mut moments = Moments::new();
    let federation = Federation::found(&["FI"]);
    publish(&federation, "FI", 0, 5);
    let (out, target) = (federation.path("backup.tar"), federation.folder("target"));
    // A write that is under way, as a copy beside a running node meets it: it is none of the backup.
    let segment = federation.folder("FI").join("store/segments/00000001.seg");
    let sound = std::fs::read(&segment).unwrap();
    alter(&segment, |bytes| bytes.extend_from_slice(&sound[12..60]));
    federation.done(&["backup", "--data", &federation.path("FI"), "--out", &out]);
    std::fs::write(&segment, &sound).unwrap();
    let whole = std::fs::read(&out).unwrap();
    let broken = federation.folder("broken.tar");
    let restore = |file: &str| federation.comity(&["restore", file, "--data", &target.display().to_string()]);
    // The list of digests ends before the last two blocks, which are empty.
    let needed = whole.iter().rposition(|byte| *byte != 0).unwrap() as u64;
    for _ in 0..10 {
        std::fs::write(&broken, &whole[..moments.next(needed) as usize]).unwrap();
        let output = restore(&broken.display().to_string());
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words}");
        assert!(words.contains("nothing was restored"), "{words}");
        assert!(!target.exists(), "nothing is left behind");
    }
    let (mut refused, mut harmless) = (0, 0);
    for _ in 0..40 {
        std::fs::write(&broken, &whole).unwrap();
        let at = moments.next(whole.len() as u64) as usize;
        alter(&broken, |bytes| bytes[at] ^= 1 << moments.next(8));
        let output = restore(&broken.display().to_string());
        if output.status.success() {
            // What is between the files says nothing: then everything is there as it was.
            let restored = federation.done(&["audit", "--json", "--data", &target.display().to_string()]);
            assert_eq!(restored, federation.done(&["audit", "--json", "--data", &federation.path("FI")]), "byte {at}");
            for name in ["comity.toml", "charter", "keys/desk.pem", "store/segments/00000001.seg"] {
                let bytes = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
                assert_eq!(bytes(&target), bytes(&federation.folder("FI")), "{name}, byte {at}");
            }
            std::fs::remove_dir_all(&target).unwrap();
            harmless += 1;
        } else {
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(words.contains("nothing was restored") && !target.exists(), "byte {at}: {words}");
            refused += 1;
        }
    }
    println!("{refused} refused, {harmless} harmless");
    let foreign = federation.file("foreign.tar", "This is no backup.");
    assert!(String::from_utf8_lossy(&restore(&foreign).stderr).contains("is no backup"));
    let (code, words) = federation.refused(&["restore", &out, "--data", &federation.path("FI")]);
    assert!(code == 3 && words.contains("is not empty"), "{words}");
    federation.audit("FI");
}
