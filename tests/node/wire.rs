//! A second language on the wire: a client on js-libp2p, written from `proto/README.md` alone, meets real nodes.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;

use serde_json::Value;

use crate::federation::{Federation, PATIENCE, wait_for_documents, wait_until};
use crate::hostile::records::{LIES, Relay, published};

/// The client as a process, which does what its input says; dropping it kills it.
struct Client {
    process: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<Value>,
}

impl Client {
    fn start(federation: &Federation, address: &str) -> Client {
        let folder = std::env::var("COMITY_TEST_WIRE")
            .expect("run the tests with tests/run, which brings a Node with js-libp2p");
        let mut process = Command::new("node")
            .arg(format!("{folder}/main.js"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../proto/federation.proto"))
            .arg(federation.charter())
            .arg(address)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (process.stdin.take(), process.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Client { process, input, lines }
    }

    /// Tells it what to do. It may have ended; then there is no answer.
    fn tell(&mut self, command: &str) {
        let _ = writeln!(self.input.as_mut().unwrap(), "{command}");
    }

    /// The next thing it says.
    fn hear(&mut self) -> Value {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the client says nothing more: {}", self.words()))
    }

    fn ask(&mut self, command: &str) -> Value {
        self.tell(command);
        self.hear()
    }

    /// What it complains of, once it has ended.
    fn words(&mut self) -> String {
        let _ = self.process.kill();
        let mut words = String::new();
        let _ = self.process.stderr.take().unwrap().read_to_string(&mut words);
        words
    }

    /// Waits for its end, and says whether all went well for it.
    fn end(&mut self) -> bool {
        drop(self.input.take());
        let mut status = None;
        wait_until("the client ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().success()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Text that does not compress to nothing.
fn prose(seed: u64, letters: usize) -> String {
    let mut state = seed;
    let letter = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"etaoinshrdlucmfwypvbgkjqxz      "[(state >> 59) as usize] as char
    };
    (0..letters).map(letter).collect()
}

#[test]
fn a_client_in_another_language_verifies_all_it_hears_and_syncs() {
    let federation = Federation::found(&["FI", "KE-LC01"]);
    // More than one chunk holds.
    for number in 0..10 {
        federation.publish("KE-LC01", &format!("long-{number}"), &prose(number, 240_000));
    }
    let finland = federation.start("FI", &[]);
    let kenya = federation.start("KE-LC01", &[&finland]);
    let nodes = [&finland, &kenya];
    wait_for_documents(&nodes, 10);

    // It knows the charter and nothing else, and takes Kenya's logs from Finland's node.
    let mut client = Client::start(&federation, &finland.listen[0]);
    let synced = client.ask("sync");
    assert_eq!((&synced["equal"], &synced["frontier"]), (&false.into(), &finland.status()["frontier"]), "{synced}");
    // One chunk of each governance log, the opening of each publication log, and what follows: of Kenya's in two.
    assert_eq!(synced["chunks"], 2 + 2 + 1 + 2, "{synced}");

    // Kenya publishes while it listens: one hop away, with the body in the message.
    assert!(client.ask("join")["joined"].is_string());
    federation.publish("KE-LC01", "deepfakes", "Intimate deepfakes are an offence.");
    let heard = client.hear()["heard"].clone();
    let provenance = finland_says(&finland, "KE-LC01/deepfakes");
    assert_eq!((&heard["member"], &heard["slug"]), (&"KE-LC01".into(), &"deepfakes".into()));
    assert_eq!((&heard["index"], &heard["digest"]), (&provenance["index"], &provenance["digest"]));
    wait_for_documents(&nodes, 11);
    let synced = client.ask("sync");
    assert_eq!((&synced["equal"], &synced["bodies"]), (&true.into(), &0.into()), "one hello each way: {synced}");
    assert_eq!(synced["frontier"], finland.status()["frontier"]);

    // A body that does not fit a message is asked for, though the frontiers are equal.
    federation.publish("FI", "long", &prose(10, 240_000));
    let heard = client.hear()["heard"].clone();
    assert_eq!((&heard["member"], &heard["slug"]), (&"FI".into(), &Value::Null), "{heard}");
    wait_for_documents(&nodes, 12);
    let synced = client.ask("sync");
    assert_eq!((&synced["equal"], &synced["bodies"]), (&true.into(), &1.into()), "{synced}");
    assert_eq!(synced["frontier"], finland.status()["frontier"]);
    assert!(client.end(), "{}", client.words());
    federation.audit_all(&["FI", "KE-LC01"]);
}

#[test]
fn a_client_in_another_language_is_not_deceived() {
    let (federation, other) = (published(), Federation::found(&["FI"]));
    // The relay itself is no reason to complain.
    let honest = Relay::start(&federation, |message| vec![message]);
    let mut client = Client::start(&federation, &honest.address);
    assert_eq!(client.ask("sync")["chunks"], 1 + 2);
    assert!(client.end(), "{}", client.words());
    for (what, lie) in LIES {
        let relay = Relay::start(&federation, lie);
        let mut client = Client::start(&federation, &relay.address);
        client.tell("sync");
        assert!(!client.end(), "{what} was believed");
        let (words, why) = (client.words(), reason(what));
        assert!(words.starts_with(&format!("NOT VERIFIED: {why}")), "{what}: {words}");
    }
    // And nobody of another federation is let in.
    let finland = federation.start("FI", &[]);
    let mut client = Client::start(&other, &finland.listen[0]);
    client.tell("sync");
    assert!(!client.end(), "two federations mixed");
    federation.audit("FI");
}

/// What the client makes of each lie.
fn reason(lie: &str) -> &str {
    match lie {
        "a byte of a body" => "a body is not the one its entry names",
        "the signature" => "the signature of a checkpoint is false",
        "everything twice" => "the peer said",
        _ => "the closing does not prove the run",
    }
}

fn finland_says(node: &crate::federation::Node, work: &str) -> Value {
    wait_until("Finland has heard of it", || node.get("/v1/status")["documents"] == 11);
    node.get(&format!("/v1/documents/{work}"))["provenance"].clone()
}
