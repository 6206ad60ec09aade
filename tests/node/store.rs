//! Disks that lie and tear: sled deleted, cut and flipped, segments torn and damaged. The segments are the truth.

use comity::config::Folder;
use comity::frame::{self, place, unplace};
use comity::segments::{Cursor, Replayed, SegmentReader, Segments};
use prost::Message;
use proto::entry::Entry;
use proto::key::PublicKey;
use proto::schema::{Kind, Publication};

use crate::federation::{Federation, alter, wait_for_documents, wait_until};

fn filled() -> Federation {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let files: Vec<String> =
        (0..60).map(|number| federation.note(&format!("note-{number}"), &"Some text. ".repeat(100))).collect();
    let path = federation.path("FI");
    let mut publish = vec!["publish", "--data", &path];
    publish.extend(files.iter().map(String::as_str));
    federation.done(&publish);
    federation
}

fn documents(federation: &Federation) -> u64 {
    let status = federation.done(&["status", "--json", "--data", &federation.path("FI")]);
    serde_json::from_str::<serde_json::Value>(&status).unwrap()["documents"].as_u64().unwrap()
}

#[test]
fn sled_deleted_truncated_or_flipped_is_rebuilt_from_the_segments() {
    let federation = filled();
    let sled = federation.folder("FI").join("store/sled");
    std::fs::remove_dir_all(&sled).unwrap();
    assert_eq!(documents(&federation), 60, "deleted");
    for part in [2, 10, 100] {
        alter(&sled.join("db"), |bytes| bytes.truncate(bytes.len() / part));
        assert_eq!(documents(&federation), 60, "cut to one part in {part}");
    }
    let names = std::fs::read_dir(&sled).unwrap().flatten().map(|item| item.path());
    for snapshot in names.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap.")) {
        alter(&snapshot, Vec::clear);
    }
    std::fs::write(sled.join("snap.00000.generating"), "").unwrap();
    assert_eq!(documents(&federation), 60, "snapshots emptied");
    for place in [1, 3, 5, 7] {
        // After a crash every page is looked at, so damage never hides until it is asked for.
        let node = federation.start("FI", &[]);
        node.kill();
        alter(&sled.join("db"), |bytes| {
            let at = bytes.len() * place / 8;
            bytes[at..at + 64].iter_mut().for_each(|byte| *byte ^= 0x55);
        });
        assert_eq!(documents(&federation), 60, "flipped at {place} eighths");
    }
    federation.audit("FI");
}

#[test]
fn a_torn_tail_is_cut_and_damage_in_the_middle_is_named_and_fetched_again() {
    let federation = filled();
    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let researcher = federation.start("researcher", &[&finland]);
    wait_for_documents(&[&finland, &researcher], 60);
    researcher.stop();
    let store = federation.folder("researcher").join("store");
    let segment = store.join("segments/00000001.seg");
    alter(&segment, |bytes| bytes.extend_from_slice(&[0xc0, 0x4d, 1, 0, 9, 9, 9, 9, 1, 2, 3]));
    federation.audit("researcher");
    let researcher = federation.start("researcher", &[&finland]);
    assert!(researcher.status()["notes"].to_string().contains("unfinished write"), "{}", researcher.status());
    researcher.stop();

    alter(&segment, |bytes| {
        let at = bytes.len() / 2;
        bytes[at..at + 8].iter_mut().for_each(|byte| *byte ^= 0xff);
    });
    let (code, words) = federation.refused(&["audit", "--data", &federation.path("researcher")]);
    assert!(code == 1 && words.contains("segment 1, offset"), "{words}");
    std::fs::remove_dir_all(store.join("sled")).unwrap();
    let researcher = federation.start("researcher", &[&finland]);
    assert!(researcher.status()["notes"].to_string().contains("are damaged at segment 1"), "{}", researcher.status());
    wait_for_documents(&[&finland, &researcher], 60);
    // What was lost came again, so the audit finds nothing wrong, and says what it passed over.
    federation.audit_all(&["FI", "researcher"]);
    assert!(federation.audit("researcher")["healed_bytes"].as_u64() > Some(0));
}

#[test]
fn a_store_of_a_newer_schema_is_refused_and_left_alone() {
    let federation = filled();
    let sled = federation.folder("FI").join("store/sled");
    let db = sled::open(&sled).unwrap();
    // Table 0, name `schema`, as `rows.rs` lays it out.
    db.insert(b"\0schema", &99u32.to_be_bytes()).unwrap();
    drop(db);
    let (code, words) = federation.refused(&["status", "--data", &federation.path("FI")]);
    assert_eq!(code, 3);
    assert!(words.contains("schema 99") && words.contains("newer program"), "{words}");
    federation.audit("FI");
}

#[test]
fn frames_that_a_member_hides_in_its_own_text_put_no_word_into_anothers_log() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    federation.replica("researcher");
    federation.publish("FI", "note", "Ours.");
    federation.publish("KE-LC01", "note", "Also true.");
    let (finland, kenya) = (federation.start("FI", &[]), federation.start("KE-LC01", &[]));
    let researcher = federation.start("researcher", &[&finland, &kenya]);
    wait_for_documents(&[&researcher], 2);
    // Of each member two of governance, the desk's first, the document, and its place in the phone book.
    wait_until("every entry is there", || researcher.status()["entries"].as_u64() == Some(10));
    let entries = researcher.status()["entries"].clone();
    researcher.stop();

    // What Kenya can sign, under the name of Finland's desk: as if it lay in a text of Kenya's, and damage right before it.
    let folder = Folder::new(&federation.folder("researcher")).store().join("segments");
    let closings: Vec<(PublicKey, u64, Vec<u8>)> = SegmentReader::new(&folder)
        .replay(Cursor::default(), None)
        .filter_map(|item| match item.unwrap() {
            Replayed::Frame(frame) if frame.kind == frame::CLOSING => {
                unplace(&frame.payload).map(|(log, size, closing)| (log, size, closing.to_vec()))
            }
            _ => None,
        })
        .collect();
    let desk = |name: &str| {
        let key = comity::keystore::find(&federation.folder(name), comity::keystore::KeyName::Desk);
        key.unwrap().unwrap().public().unwrap()
    };
    let last = |log: PublicKey| closings.iter().rfind(|closing| closing.0 == log).unwrap().clone();
    let ((log, size, _), (_, _, closing)) = (last(desk("FI")), last(desk("KE-LC01")));
    let forged =
        Publication { slug: "forged".to_owned(), version: 1, title: "Forged".to_owned(), ..Publication::default() };
    let body = forged.encode_to_vec();
    let entry = Entry::new(log, size, 1, Kind::LawSummary as u32, &body);
    let packed = proto::body::pack(&body).unwrap();
    let (mut segments, _) = Segments::open(&folder, frame::is_boundary).unwrap();
    for arrival in [entries.as_u64().unwrap() + 1, u64::MAX] {
        segments.append(frame::ENTRY, arrival, u64::MAX, entry.as_bytes()).unwrap();
        segments.append(frame::BODY, arrival, u64::MAX, &place(&log, size, &packed)).unwrap();
        segments.append(frame::CLOSING, arrival, u64::MAX, &place(&log, size + 1, &closing)).unwrap();
    }
    segments.sync().unwrap();
    drop(segments);
    std::fs::remove_dir_all(federation.folder("researcher").join("store/sled")).unwrap();

    let researcher = federation.start("researcher", &[&finland, &kenya]);
    assert_eq!(researcher.status()["entries"], entries);
    federation.publish("FI", "later", "And on it goes.");
    wait_for_documents(&[&finland, &researcher], 3);
    assert_eq!(researcher.ask("/v1/documents/FI/forged").0, 404);
    researcher.stop();
    let (code, words) = federation.refused(&["audit", "--data", &federation.path("researcher")]);
    assert_eq!(code, 1, "the audit names what nobody signed: {words}");
    assert!(words.contains("entry") || words.contains("closing"), "{words}");
}
