//! Texts that must go: from one node by its operator, from all by their author; whatever a crash, a rebuild or a peer does then.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::Path;

use comity::frame::{self, unplace};
use comity::segments::{Cursor, Location, Replayed, SegmentReader};
use proto::body;
use proto::entry::Entry;
use serde_json::json;

use crate::faults::{cannot_trace, tampered};
use crate::federation::{Federation, Node, alter, wait_for_documents, wait_until};

const REASON: &str = "names a witness who is protected";

/// Every body in a folder's segments, as it lies there, and where.
pub fn bodies(folder: &Path) -> Vec<(Vec<u8>, Location)> {
    let frames = SegmentReader::new(&folder.join("store/segments")).replay(Cursor::default(), None);
    let body = |item| match item {
        Ok(Replayed::Frame(frame)) if matches!(frame.kind, frame::BODY | frame::LATE_BODY) => {
            unplace(&frame.payload).map(|(_, _, packed)| (packed.to_vec(), frame.at))
        }
        _ => None,
    };
    frames.filter_map(body).collect()
}

/// Whether a folder's segments have these bytes anywhere, framed or not.
pub fn holds(folder: &Path, bytes: &[u8]) -> bool {
    let segments = std::fs::read_dir(folder.join("store/segments")).unwrap();
    segments.flatten().any(|file| {
        let all = std::fs::read(file.path()).unwrap();
        all.windows(bytes.len()).any(|window| window == bytes)
    })
}

/// A work's text as all have it: of its bodies in this folder the one that was written last. Not the last of all, since peers'
/// records arrive when they will.
pub fn last_body(federation: &Federation, name: &str, slug: &str) -> Vec<u8> {
    let mut entries = BTreeMap::new();
    let mut last = None;
    for item in SegmentReader::new(&federation.folder(name).join("store/segments")).replay(Cursor::default(), None) {
        let Ok(Replayed::Frame(frame)) = item else { continue };
        if frame.kind == frame::ENTRY {
            let entry = Entry::parse_anywhere(&frame.payload).unwrap();
            entries.insert((*entry.log(), entry.index()), entry);
        } else if matches!(frame.kind, frame::BODY | frame::LATE_BODY) {
            let (log, index, packed) = unplace(&frame.payload).unwrap();
            let body = body::unpack(packed, &entries[&(log, index)]).unwrap();
            let is_it = body::publication(&body).is_some_and(|(publication, _)| publication.slug == slug);
            last = is_it.then(|| packed.to_vec()).or(last);
        }
    }
    last.unwrap()
}

fn is_erased(node: &Node, work: &str) {
    for path in [format!("/v1/documents/{work}"), format!("/{work}")] {
        let (code, words) = node.ask(&path);
        assert_eq!(code, 410, "{}: {words}", node.name);
        assert!(words.contains("erased here on 20") && words.contains(REASON), "{}: {words}", node.name);
    }
    assert_eq!(node.ask(&format!("/v1/proofs/{work}")).0, 410);
    let explained = node.get(&format!("/v1/explain?what={work}"))["words"].to_string();
    assert!(explained.contains("erased here on 20") && !explained.contains("is here:"), "{}: {explained}", node.name);
    let history = node.get(&format!("/v1/history/{work}"));
    assert_eq!((&history["versions"][0]["held"], &history["versions"][0]["title"]), (&json!(false), &json!("")));
    wait_until("nothing of it is found", || node.found("unforgettable") == 0);
    let status = node.status();
    assert_eq!((&status["missing_bodies"], &status["erased_bodies"]), (&json!(0), &json!(1)), "{status}");
}

#[test]
fn what_is_erased_here_is_gone_here_alone_and_nothing_brings_it_back() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("newcomer");
    federation.publish("FI", "other", "Stays as it is.");
    federation.publish("FI", "secret", "An unforgettable name.");
    let packed = last_body(&federation, "FI", "secret");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_for_documents(&[&finland, &kenya], 2);
    assert!(holds(&federation.folder("KE-LC01"), &packed));
    assert_eq!(kenya.found("unforgettable"), 1);

    let path = federation.path("KE-LC01");
    let (code, words) = federation.refused(&["erase", "FI/secret@7", "--reason", REASON, "--data", &path]);
    assert!(code == 1 && words.contains("comity history"), "{words}");
    let erased = federation.done(&["erase", "FI/secret", "--reason", REASON, "--data", &path]);
    assert_eq!(erased, "FI/secret@1\n");
    assert!(!holds(&federation.folder("KE-LC01"), &packed), "the bytes are off the disk when the command returns");
    is_erased(&kenya, "FI/secret");
    assert_eq!(federation.done(&["erase", "FI/secret", "--reason", "again", "--data", &path]), "");

    // Finland has it still, and says so; later syncs and a rebuild change nothing in Kenya.
    assert_eq!(finland.ask("/v1/documents/FI/secret").0, 200);
    federation.publish("FI", "later", "And on it goes.");
    wait_until("the news is there", || kenya.status()["documents"] == 3 && kenya.status()["indexed"] == 2);
    is_erased(&kenya, "FI/secret");
    kenya.stop();
    std::fs::remove_dir_all(federation.folder("KE-LC01").join("store/sled")).unwrap();
    std::fs::remove_dir_all(federation.folder("KE-LC01").join("index")).unwrap();
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_until("it has met Finland", || kenya.status()["sync"].to_string().contains("in sync with 1"));
    is_erased(&kenya, "FI/secret");
    assert!(!holds(&federation.folder("KE-LC01"), &packed));

    // A newcomer that meets Kenya first has the entry, and the text from whoever holds it.
    let newcomer = federation.start("newcomer", &[&kenya]);
    wait_until("all but the text is there", || {
        newcomer.status()["frontier"] == kenya.status()["frontier"] && newcomer.status()["missing_bodies"] == 1
    });
    newcomer.stop();
    let newcomer = federation.start("newcomer", &[&kenya, &finland]);
    wait_for_documents(&[&finland, &newcomer], 3);
    for (node, erased) in [("FI", 0), ("newcomer", 0), ("KE-LC01", 1)] {
        let report = federation.audit(node);
        assert_eq!((&report["erased_bodies"], &report["missing_bodies"]), (&json!(erased), &json!(0)), "{node}");
        assert_eq!(report["unfinished_erasures"], 0);
    }
    federation.audit_all(&["FI", "KE-LC01", "newcomer"]);
}

#[test]
fn a_folder_without_a_running_node_is_erased_from_too() {
    let federation = Federation::found(&["FI"]);
    federation.publish("FI", "secret", "An unforgettable name.");
    let packed = last_body(&federation, "FI", "secret");
    let path = federation.path("FI");
    let (_, words) = federation.refused(&["erase", "FI/secret", "--reason", " ", "--data", &path]);
    assert!(words.contains("say why"), "{words}");
    federation.done(&["erase", "FI/secret@1", "--reason", REASON, "--data", &path]);
    assert!(!holds(&federation.folder("FI"), &packed));
    let (code, words) = federation.refused(&["show", "FI/secret", "--data", &path]);
    assert!(code == 1 && words.contains(REASON), "{words}");
    let node = federation.start("FI", &[]);
    is_erased(&node, "FI/secret");
    assert_eq!(federation.publish("FI", "secret", "What may be said of it."), "FI/secret@2\n");
    assert_eq!(node.get("/v1/documents/FI/secret")["text"], "What may be said of it.\n");
    federation.audit("FI");
}

#[test]
fn killed_between_the_record_and_the_overwriting_a_start_does_it_again() {
    if cannot_trace() {
        return;
    }
    for torn in [false, true] {
        let federation = Federation::found(&["FI", "KE-LC01"]);
        federation.publish("FI", "secret", &"An unforgettable name. ".repeat(300));
        federation.publish("FI", "other", "Stays as it is.");
        let finland = federation.start("FI", &[]);
        let kenya = federation.start("KE-LC01", &[&finland]);
        wait_for_documents(&[&finland, &kenya], 2);
        kenya.stop();
        let (folder, path) = (federation.folder("KE-LC01"), federation.path("KE-LC01"));
        // Only overwriting writes to a place of a segment: that call ends the process before it changes anything.
        let segment = folder.join("store/segments/00000001.seg");
        let command = tampered(&federation, std::slice::from_ref(&segment), "pwrite64", "signal=SIGKILL:when=1");
        let kenya = federation.launch(command, "KE-LC01", &["--no-listen"], &[]).unwrap();
        federation.refused(&["erase", "FI/secret", "--reason", REASON, "--data", &path]);
        wait_until("it is killed", || kenya.ended().is_some());
        let before = bodies(&folder);
        let (packed, at) = before
            .iter()
            .find(|(packed, _)| holds(&federation.folder("FI"), packed) && packed.len() > 60 && last_text(packed))
            .unwrap()
            .clone();
        if torn {
            // A power cut: of the two sectors one was written.
            let file = std::fs::OpenOptions::new().write(true).open(&segment).unwrap();
            file.write_all_at(&vec![0; at.len as usize / 2], u64::from(at.offset) + 60).unwrap();
        }
        let report = federation.audit("KE-LC01");
        assert_eq!(report["unfinished_erasures"], 1, "{report}");

        let kenya = federation.start("KE-LC01", &[&finland]);
        wait_until("it has met Finland", || kenya.status()["sync"].to_string().contains("in sync with 1"));
        is_erased(&kenya, "FI/secret");
        assert!(!kenya.status()["notes"].to_string().contains("damaged"), "{}", kenya.status());
        let tail = &packed[packed.len() / 2..];
        assert!(!holds(&folder, tail), "nothing of it is left");
        let report = federation.audit("KE-LC01");
        assert_eq!((&report["unfinished_erasures"], &report["healed_bytes"]), (&json!(0), &json!(0)), "{report}");
        // Kenya listens at a new address and may be just telling it.
        federation.audit("FI");
    }
}

/// Whether a body is the text that repeats itself.
fn last_text(packed: &[u8]) -> bool {
    zstd_size(packed) > 5_000
}

/// Bytes that a zstd frame says it unpacks to.
fn zstd_size(packed: &[u8]) -> u64 {
    // Frame header: magic, descriptor, then (single segment) the size in two bytes less 256.
    match packed.get(4).map(|descriptor| descriptor >> 6) {
        Some(1) => u64::from(u16::from_le_bytes([packed[5], packed[6]])) + 256,
        _ => 0,
    }
}

#[test]
fn what_its_author_erases_goes_everywhere_and_newcomers_lack_nothing() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("researcher");
    federation.replica("newcomer");
    federation.publish("FI", "secret", "An unforgettable name.");
    let first = last_body(&federation, "FI", "secret");
    federation.publish("FI", "secret", "An unforgettable name, and where it lives.");
    let second = last_body(&federation, "FI", "secret");
    federation.publish("FI", "other", "Stays as it is.");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    let researcher = federation.start("researcher", &[&finland]);
    wait_for_documents(&[&finland, &kenya, &researcher], 2);
    researcher.stop();

    let path = federation.path("FI");
    let withdraw = ["withdraw", "FI/secret", "--erase", "--reason", REASON, "--data", &path];
    let (code, words) = federation.refused(&withdraw);
    assert!(code == 1 && words.contains("cannot be undone") && words.contains("--yes"), "{words}");
    assert_eq!(finland.status()["documents"], 2, "nothing was published");
    federation.done(&[&withdraw[..], &["--yes"]].concat());
    let (code, words) = federation.refused(&[&withdraw[..], &["--yes"]].concat());
    assert!(code == 1 && words.contains("not a work"), "once is for good: {words}");
    wait_for_documents(&[&finland, &kenya], 1);

    // Who was away hears of it later; who comes later never has the texts, and wants none.
    let researcher = federation.start("researcher", &[&kenya]);
    let newcomer = federation.start("newcomer", &[&kenya]);
    wait_for_documents(&[&finland, &kenya, &researcher, &newcomer], 1);
    for node in [&finland, &kenya, &researcher, &newcomer] {
        let (code, words) = node.ask("/v1/documents/FI/secret");
        assert!(code == 410 && words.contains("withdrawn") && words.contains(REASON), "{}: {words}", node.name);
        assert_eq!(node.get("/v1/history/FI/secret")["withdrawn"], REASON, "the withdrawal stays");
        assert_eq!(node.status()["erased_bodies"], 2);
        assert_eq!(node.found("unforgettable"), 0);
        let folder = federation.folder(&node.name);
        assert!(!holds(&folder, &first) && !holds(&folder, &second), "{}", node.name);
    }
    // A rebuild comes to the same.
    kenya.stop();
    std::fs::remove_dir_all(federation.folder("KE-LC01").join("store/sled")).unwrap();
    let kenya = federation.start("KE-LC01", &[&finland]);
    federation.publish("FI", "secret", "What may be said of it.");
    wait_for_documents(&[&finland, &kenya, &researcher, &newcomer], 2);
    for name in ["FI", "KE-LC01", "researcher", "newcomer"] {
        let report = federation.audit(name);
        assert_eq!((&report["erased_bodies"], &report["missing_bodies"]), (&json!(2), &json!(0)), "{name}");
    }
    federation.audit_all(&["FI", "KE-LC01", "researcher", "newcomer"]);
}

#[test]
fn what_damage_took_of_an_erased_entry_comes_again_without_its_text() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.publish("FI", "secret", "An unforgettable name.");
    let packed = last_body(&federation, "FI", "secret");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_for_documents(&[&finland, &kenya], 1);
    let (folder, path) = (federation.folder("KE-LC01"), federation.path("KE-LC01"));
    let body = bodies(&folder).into_iter().find(|(bytes, _)| *bytes == packed).unwrap().1;
    federation.done(&["erase", "FI/secret", "--reason", REASON, "--data", &path]);
    kenya.stop();
    // The last byte of the entry, which lies right before its body.
    alter(&folder.join("store/segments/00000001.seg"), |bytes| bytes[body.offset as usize - 1] ^= 1);
    std::fs::remove_dir_all(folder.join("store/sled")).unwrap();
    let kenya = federation.start("KE-LC01", &[&finland]);
    assert!(kenya.status()["notes"].to_string().contains("are damaged at"), "{}", kenya.status());
    wait_until("it came again", || kenya.status()["frontier"] == finland.status()["frontier"]);
    wait_until("it has met Finland", || kenya.status()["sync"].to_string().contains("in sync with 1"));
    is_erased(&kenya, "FI/secret");
    assert!(!holds(&folder, &packed));
    // Each by itself: Kenya listens at a new address and may be just telling it.
    federation.audit("FI");
    federation.audit("KE-LC01");
}

#[test]
fn a_crash_between_a_withdrawal_and_its_erasing_leaves_neither_half_done() {
    if cannot_trace() {
        return;
    }
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.publish("FI", "secret", "An unforgettable name.");
    let packed = last_body(&federation, "FI", "secret");
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    wait_for_documents(&[&finland, &kenya], 1);
    kenya.stop();
    let folder = federation.folder("KE-LC01");
    let segment = folder.join("store/segments/00000001.seg");
    let command = tampered(&federation, std::slice::from_ref(&segment), "pwrite64", "signal=SIGKILL:when=1");
    let address = std::slice::from_ref(&finland.listen[0]);
    let kenya = federation.launch(command, "KE-LC01", &["--no-listen"], address).unwrap();
    let path = federation.path("FI");
    federation.done(&["withdraw", "FI/secret", "--erase", "--yes", "--reason", REASON, "--data", &path]);
    wait_until("it is killed", || kenya.ended().is_some());
    // As if the power had gone a moment before: the withdrawal is on the disk, the record of the erasing is not.
    let frames = SegmentReader::new(&folder.join("store/segments")).replay(Cursor::default(), None);
    let record = frames.filter_map(|item| match item.unwrap() {
        Replayed::Frame(frame) if frame.kind == frame::ERASURE => Some(frame.at.offset),
        _ => None,
    });
    let offset = record.last().unwrap();
    std::fs::OpenOptions::new().write(true).open(&segment).unwrap().set_len(u64::from(offset)).unwrap();
    std::fs::remove_dir_all(folder.join("store/sled")).unwrap();
    assert!(holds(&folder, &packed));
    let kenya = federation.start("KE-LC01", &[]);
    assert!(!holds(&folder, &packed), "no peer has to tell it");
    assert_eq!((&kenya.status()["documents"], &kenya.status()["erased_bodies"]), (&json!(0), &json!(1)));
    // Each by itself: Kenya is alone now, and may have noted its new address already.
    federation.audit("FI");
    federation.audit("KE-LC01");
}
