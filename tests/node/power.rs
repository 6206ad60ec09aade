//! Power cuts as disks see them: the page cache is lost at a random moment, and nothing that was acknowledged is.
//!
//! `COMITY_CUTS` sets how often, half of them while publishing, half while catching up. Data folder and marks of the fence are
//! on the disk that loses power, as on a machine with one disk; the witness is elsewhere and remembers what was spoken.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use crate::disk::Disk;
use crate::federation::{Federation, Node, wait_for_documents, wait_until};
use crate::moments::{Moments, times};

/// Documents published, or offered for publishing, in every round.
const FRESH: u64 = 60;

fn cuts() -> u64 {
    times("COMITY_CUTS", 4).div_ceil(2)
}

/// A federation that has these of its folders on the disk.
pub fn on_disk(disk: &Disk, codes: &[&str], folders: &[&str]) -> Federation {
    let home = tempfile::tempdir().unwrap();
    for name in folders {
        let there = disk.folder().join(name);
        std::fs::create_dir(&there).unwrap();
        std::os::unix::fs::symlink(&there, home.path().join(name)).unwrap();
    }
    Federation::found_in(home, codes)
}

/// Publishes one file after the other, so that every line printed is an acknowledgement of its own.
struct Publisher {
    thread: Option<std::thread::JoinHandle<()>>,
    child: Arc<Mutex<Option<Child>>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Publisher {
    fn start(federation: &Federation, name: &str, files: &[String]) -> Publisher {
        let path = federation.path(name);
        let commands: Vec<_> =
            files.iter().map(|file| federation.command(&["publish", "--data", &path, file])).collect();
        let (child, heard) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
        let (running, hearing) = (child.clone(), heard.clone());
        let thread = std::thread::spawn(move || {
            for mut command in commands {
                let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
                let output = child.stdout.take().unwrap();
                *running.lock().unwrap() = Some(child);
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    hearing.lock().unwrap().push(line);
                }
                if !running.lock().unwrap().take().unwrap().wait().unwrap().success() {
                    return;
                }
            }
        });
        Publisher { thread: Some(thread), child, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn is_done(&self) -> bool {
        self.thread.as_ref().is_some_and(std::thread::JoinHandle::is_finished)
    }

    fn strike(&self) {
        if let Some(child) = self.child.lock().unwrap().as_mut() {
            let _ = child.kill();
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.strike();
        let _ = self.thread.take().unwrap().join();
    }
}

/// What the starts after the cuts had to mend, counted by kind.
#[derive(Default)]
struct Mended(BTreeMap<&'static str, u64>);

impl Mended {
    fn count(&mut self, node: &Node) {
        let notes = node.status()["notes"].to_string();
        for words in
            ["unfinished write", "sled was set aside", "snapshots of sled", "search index", "damaged at segment"]
        {
            if notes.contains(words) {
                *self.0.entry(words).or_default() += 1;
            }
        }
    }
}

#[test]
fn power_lost_while_publishing_takes_nothing_acknowledged_and_forks_no_log() {
    let Some(disk) = Disk::new() else { return };
    let mut moments = Moments::new();
    let federation = on_disk(&disk, &["FI"], &["FI", "state"]);
    federation.replica("witness");
    let witness = federation.start("witness", &[]);
    let mut acknowledged = 0;
    let mut mended = Mended::default();
    for round in 0..cuts() {
        // Every fourth time no node runs and the command writes alone, so that cuts fall into opening and closing too.
        let node = (moments.next(4) > 0).then(|| federation.start("FI", &[&witness]));
        let text = |slug: &str| format!("{}The text of {slug}.", "Clause after clause. ".repeat(slug.len() * 9));
        let slugs: Vec<String> = (0..FRESH).map(|number| format!("r{round}-n{number}")).collect();
        let files: Vec<String> = slugs.iter().map(|slug| federation.note(slug, &text(slug))).collect();
        let publisher = Publisher::start(&federation, "FI", &files);
        let after = moments.next(20) as usize;
        wait_until("some are acknowledged", || publisher.heard().len() >= after || publisher.is_done());
        moments.pass(20_000);
        let mut heard = Vec::new();
        disk.cut(|| {
            heard = publisher.heard();
            publisher.strike();
            if let Some(node) = &node {
                node.strike();
            }
        });
        drop((node, publisher));
        disk.restore();
        federation.audit("FI");

        let node = federation.start("FI", &[&witness]);
        mended.count(&node);
        for work in &heard {
            let kept = node.get(&format!("/v1/documents/{work}"));
            let slug = work.split(['/', '@']).nth(1).unwrap();
            assert_eq!(kept["text"], format!("{}\n", text(slug)), "{work} was acknowledged");
        }
        acknowledged += heard.len();
        // The witness has every checkpoint that was spoken: one that this log could not go on from would end in no equal
        // frontier, and the fence would refuse to write.
        federation.publish("FI", &format!("after-{round}"), "It goes on.");
        wait_for_documents(&[&node, &witness], node.status()["documents"].as_u64().unwrap());
        node.stop();
    }
    println!("{} cuts while publishing, {acknowledged} acknowledged, mended {:?}", cuts(), mended.0);
    federation.audit_all(&["FI", "witness"]);
}

#[test]
fn power_lost_while_catching_up_takes_nothing_that_was_shown_and_it_catches_up() {
    let Some(disk) = Disk::new() else { return };
    let mut moments = Moments::new();
    let federation = on_disk(&disk, &["FI"], &["researcher"]);
    federation.replica("researcher");
    let finland = federation.start("FI", &[]);
    let path = federation.path("FI");
    let text = "Clause after clause of a long and careful law about machines that learn. ".repeat(40);
    let mut mended = Mended::default();
    for round in 0..cuts() {
        let note = |number: u64| federation.note(&format!("law-{round}-{number}"), &format!("{number} {text}"));
        let files: Vec<String> = (0..FRESH).map(note).collect();
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(files.iter().map(String::as_str));
        federation.done(&publish);
        let all = finland.status()["entries"].as_u64().unwrap();
        let node = federation.start("researcher", &[&finland]);
        // Half of the cuts fall between the first meeting and the first entry, half around the last.
        if moments.next(2) == 0 {
            wait_until("they have met", || node.status()["peers"] == 1);
            moments.pass(30_000);
        } else {
            let enough = all.saturating_sub(moments.next(FRESH));
            wait_until("most has arrived", || node.status()["entries"].as_u64().unwrap() >= enough);
            moments.pass(10_000);
        }
        let shown = node.status()["entries"].as_u64().unwrap();
        disk.cut(|| node.strike());
        drop(node);
        disk.restore();
        let held = federation.audit("researcher")["entries"].as_u64().unwrap();
        assert!(held >= shown, "{shown} entries were shown, {held} are left");

        let node = federation.start("researcher", &[&finland]);
        mended.count(&node);
        wait_for_documents(&[&finland, &node], (round + 1) * FRESH);
        node.stop();
    }
    println!("{} cuts while catching up, mended {:?}", cuts(), mended.0);
    federation.audit_all(&["FI", "researcher"]);
}
