//! Power cuts as processes see them: kill -9 at random moments, and nothing that was acknowledged is lost.
//!
//! `COMITY_KILLS` sets how often.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use crate::federation::{Federation, wait_for_documents, wait_until};
use crate::moments::{Moments, times};

fn kills() -> u64 {
    times("COMITY_KILLS", 6)
}

/// Documents published in every round of catching up.
const FRESH: u64 = 120;

#[test]
fn killed_while_publishing_nothing_acknowledged_is_lost_and_no_index_is_used_twice() {
    let mut moments = Moments::new();
    let federation = Federation::found(&["FI", "KE-LC01"]);
    let witness = federation.start("KE-LC01", &[]);
    let mut acknowledged: Vec<String> = Vec::new();
    for round in 0..kills() {
        let node = federation.start("FI", &[&witness]);
        let files: Vec<String> = (0..40)
            .map(|number| federation.note(&format!("r{round}-n{number}"), &format!("Text {round} {number}.")))
            .collect();
        let heard = Arc::new(Mutex::new(Vec::new()));
        // One file at a time, so that every line printed is an acknowledgement of its own.
        let publisher = {
            let (heard, path) = (heard.clone(), federation.path("FI"));
            let commands: Vec<_> =
                files.iter().map(|file| federation.command(&["publish", "--data", &path, file])).collect();
            std::thread::spawn(move || {
                for mut command in commands {
                    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                    let lines: Vec<String> =
                        BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok).collect();
                    if !child.wait().unwrap().success() {
                        return;
                    }
                    heard.lock().unwrap().extend(lines);
                }
            })
        };
        // The moment is counted in acknowledgements and then a little more, so that it falls inside a write.
        let after = moments.next(20);
        wait_until("some are acknowledged", || heard.lock().unwrap().len() as u64 >= after || publisher.is_finished());
        moments.pass(20_000);
        node.kill();
        publisher.join().unwrap();
        acknowledged.append(&mut heard.lock().unwrap());
        federation.audit("FI");
    }
    let node = federation.start("FI", &[&witness]);
    for work in &acknowledged {
        assert_eq!(
            node.get(&format!("/v1/documents/{work}"))["work"],
            work.split('@').next().unwrap(),
            "acknowledged, and lost"
        );
    }
    // The witness saw every checkpoint that was spoken; a second use of an index would be two entries it could not join.
    let documents = node.status()["documents"].as_u64().unwrap();
    assert!(documents >= acknowledged.len() as u64);
    wait_for_documents(&[&node, &witness], documents);
    federation.audit_all(&["FI", "KE-LC01"]);
}

#[test]
fn killed_while_catching_up_it_opens_every_time_and_ends_with_everything() {
    let mut moments = Moments::new();
    let federation = Federation::found(&["FI"]);
    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let text = "Clause after clause of a long and careful law about machines that learn. ".repeat(40);
    let path = federation.path("FI");
    for round in 0..kills() {
        // Something new every time, so that every kill falls into a catching-up.
        let note = |number: u64| federation.note(&format!("law-{round}-{number}"), &format!("{number} {text}"));
        let files: Vec<String> = (0..FRESH).map(note).collect();
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(files.iter().map(String::as_str));
        federation.done(&publish);
        let all = finland.status()["entries"].as_u64().unwrap();
        let node = federation.start("researcher", &[&finland]);
        // Half of the kills fall between the first meeting and the first entry, half around the last.
        if moments.next(2) == 0 {
            wait_until("they have met", || node.status()["peers"] == 1);
            moments.pass(30_000);
        } else {
            let enough = all.saturating_sub(moments.next(FRESH));
            wait_until("most has arrived", || node.status()["entries"].as_u64().unwrap() >= enough);
            moments.pass(5_000);
        }
        node.kill();
        federation.audit("researcher");
    }
    let node = federation.start("researcher", &[&finland]);
    wait_for_documents(&[&finland, &node], kills() * FRESH);
    federation.audit_all(&["FI", "researcher"]);
}
