//! The secret keys: encrypted with a passphrase that comes from a person, a descriptor or the service manager, and from nowhere else.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::federation::{Federation, Node, alter, wait_for_documents, wait_until};
use crate::forks::key_of;

/// Nobody guesses it, and it stands in no word of the program.
const PASSPHRASE: &str = "marmalade Ångström 7 tram";
/// The one after it.
const ANOTHER: &str = "quince parliament-of-rooks 8";
/// The three that sign.
const SIGNING: [&str; 3] = ["desk", "identity", "successor"];

/// Runs the program to its end with something to read on its standard input.
fn told(federation: &Federation, arguments: &[&str], input: &str) -> Output {
    let mut child = federation
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who needs no passphrase reads none.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same with the passphrase on its first line; it must succeed.
fn done(federation: &Federation, arguments: &[&str], passphrase: &str) -> String {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--passphrase-fd", "0"]).collect();
    let output = told(federation, &arguments, &format!("{passphrase}\nand a second line\n"));
    assert!(output.status.success(), "comity {}: {}", arguments.join(" "), said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The same, and it must fail; gives its exit code and words.
fn refused(federation: &Federation, arguments: &[&str], passphrase: &str) -> (i32, String) {
    let arguments: Vec<&str> = arguments.iter().copied().chain(["--passphrase-fd", "0"]).collect();
    let output = told(federation, &arguments, &format!("{passphrase}\n"));
    assert!(!output.status.success(), "comity {} succeeded", arguments.join(" "));
    (output.status.code().unwrap(), said(&output))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Finland alone, its keys encrypted, and joined to its own federation.
fn finland() -> Federation {
    let federation = founded(&[]);
    join(&federation, "FI");
    federation
}

/// Finland with encrypted keys, and others with plain ones, who founded a federation and did not join it yet.
fn founded(others: &[&str]) -> Federation {
    let federation = Federation::bare();
    let path = federation.path("FI");
    let words =
        done(&federation, &["init", "--data", &path, "--code", "FI", "--name", "Parliament of Finland"], PASSPHRASE);
    federation.file("init.words", &words);
    let charter = federation.charter().display().to_string();
    let mut create = vec!["charter", "create", "--name", "Stories", "--out", &charter, "--member", &path];
    let paths: Vec<String> = others.iter().map(|code| federation.path(code)).collect();
    for (code, path) in others.iter().zip(&paths) {
        federation.done(&["init", "--no-passphrase", "--data", path, "--code", code, "--name", "Another parliament"]);
        create.extend(["--member", path]);
    }
    done(&federation, &create, PASSPHRASE);
    federation
}

fn join(federation: &Federation, name: &str) {
    let charter = federation.charter().display().to_string();
    federation.set(name, "allow_private", "true");
    done(federation, &["join", "--data", &federation.path(name), "--charter", &charter], PASSPHRASE);
}

/// Starts a node as a service manager would: the passphrase is a file in a folder of credentials.
fn start(federation: &Federation, name: &str, peers: &[&Node]) -> Node {
    let credentials = federation.folder("credentials");
    std::fs::create_dir_all(&credentials).unwrap();
    std::fs::write(credentials.join("comity-passphrase"), format!("{PASSPHRASE}\n")).unwrap();
    let mut run = federation.command(&[]);
    run.env("CREDENTIALS_DIRECTORY", &credentials);
    let peers: Vec<String> = peers.iter().map(|peer| peer.listen[0].clone()).collect();
    federation.launch(run, name, &["--listen", "/ip4/127.0.0.1/tcp/0"], &peers).unwrap()
}

fn pem(federation: &Federation, key: &str) -> String {
    std::fs::read_to_string(federation.folder("FI").join(format!("keys/{key}.pem"))).unwrap()
}

/// Whether a file opens with a passphrase, by the word of a program that is not ours.
fn openssl(file: &Path, passphrase: &str) -> Option<String> {
    let mut command = Command::new("openssl");
    command.args(["pkey", "-pubout", "-outform", "DER", "-passin", "stdin", "-in"]).arg(file);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{passphrase}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let key = output.stdout.get(12..44)?;
    output.status.success().then(|| key.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn openssl_is_here() -> bool {
    let here = Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok_and(|ended| ended.success());
    if !here {
        println!("skipped: there is no openssl on this machine");
    }
    here
}

#[test]
fn openssl_reads_the_keys_with_the_passphrase_and_not_without() {
    if !openssl_is_here() {
        return;
    }
    let federation = finland();
    for key in SIGNING {
        let file = federation.folder("FI").join(format!("keys/{key}.pem"));
        let text = pem(&federation, key);
        assert!(text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{key}");
        let public = text.lines().next().unwrap().strip_prefix("Ed25519 public key ").unwrap();
        assert_eq!(openssl(&file, PASSPHRASE).as_deref(), Some(public), "{key}");
        assert_eq!(openssl(&file, ANOTHER), None, "{key}");
    }
    let peer = federation.folder("FI").join("keys/peer.pem");
    assert!(openssl(&peer, "").is_some(), "the peer key is plain");

    // And we read what openssl wrote: the desk key with another cost, another cipher, and no line above it.
    let desk = federation.folder("FI").join("keys/desk.pem");
    let rewritten = federation.folder("rewritten.pem");
    let secret = federation.file("secret", PASSPHRASE);
    let (ours, theirs) = (format!("file:{secret}"), format!("file:{}", federation.file("secret2", PASSPHRASE)));
    let mut command = Command::new("openssl");
    command.args(["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA512", "-passin", &ours]);
    command.args(["-passout", &theirs, "-in"]).arg(&desk).arg("-out").arg(&rewritten);
    assert!(command.status().unwrap().success());
    std::fs::copy(&rewritten, &desk).unwrap();
    let file = federation.note("law", "Signed with a key that openssl wrote.");
    let path = federation.path("FI");
    assert_eq!(done(&federation, &["publish", "--data", &path, &file], PASSPHRASE), "FI/law@1\n");
    federation.audit("FI");
}

#[test]
fn without_a_passphrase_nothing_is_made_and_the_words_say_what_to_do() {
    let federation = Federation::bare();
    let path = federation.path("FI");
    let init = ["init", "--data", &path, "--code", "FI", "--name", "Parliament of Finland"];
    let (code, words) = federation.refused(&init);
    assert_eq!(code, 3, "{words}");
    for way in ["at a terminal", "--passphrase-fd", "systemd credential", "--no-passphrase"] {
        assert!(words.contains(way), "{way}: {words}");
    }
    let (_, words) = refused(&federation, &init, "too short");
    assert!(words.contains("shorter than 12 characters") && !words.contains("too short"), "{words}");
    let (_, words) = refused(&federation, &init, "");
    assert!(words.contains("first line is empty"), "{words}");
    let (_, words) = refused(&federation, &init, &"long ".repeat(300));
    assert!(words.contains("longer than 1,023 bytes"), "{words}");
    let output = federation.comity(&[&init[..], &["--passphrase-fd", "77"]].concat());
    assert!(!output.status.success() && said(&output).contains("file descriptor 77"), "{}", said(&output));
    let output = federation.comity(&[&init[..], &["--passphrase-fd", "0", "--no-passphrase"]].concat());
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(!federation.folder("FI").exists(), "something was made");
}

#[test]
fn a_node_runs_with_the_desk_key_alone() {
    let federation = finland();
    // Both go to the safe. Nothing else of this story knows a way to sign for Finland but the desk.
    let safe = federation.folder("safe");
    std::fs::create_dir(&safe).unwrap();
    for key in ["identity", "successor"] {
        std::fs::rename(federation.folder("FI").join(format!("keys/{key}.pem")), safe.join(key)).unwrap();
    }
    let node = start(&federation, "FI", &[]);
    federation.publish("FI", "running", "With the desk key alone.");
    wait_for_documents(&[&node], 1);
    assert_eq!(node.status()["recovering"], Value::Null);
    node.stop();
    let file = federation.note("alone", "Without a node.");
    let path = federation.path("FI");
    assert_eq!(done(&federation, &["publish", "--data", &path, &file], PASSPHRASE), "FI/alone@1\n");
    done(&federation, &["withdraw", "--data", &path, "FI/alone", "--reason", "only a trial"], PASSPHRASE);

    // Whose key it is was known all along; that it is damaged stops nobody who does not need it.
    std::fs::write(federation.folder("FI").join("keys/identity.pem"), "-----BEGIN ENCRYPTED").unwrap();
    let node = start(&federation, "FI", &[]);
    assert!(node.words().contains("identity.pem: it holds no key"), "{}", node.words());
    federation.publish("FI", "still", "With the desk key alone.");
    node.stop();
    federation.audit("FI");
}

#[test]
fn who_only_reads_needs_no_passphrase() {
    let federation = finland();
    let file = federation.note("law", "For everyone to read.");
    let path = federation.path("FI");
    done(&federation, &["publish", "--data", &path, &file], PASSPHRASE);
    assert!(federation.done(&["search", "--data", &path, "everyone"]).contains("FI/law@1"));
    assert!(federation.done(&["status", "--data", &path]).contains("documents      1"));
    assert!(!federation.done(&["status", "--data", &path]).contains("may not be written"));
    let logs = federation.done(&["logs", "--data", &path]);
    // What was read out over the telephone when the keys were made is what everyone sees of them.
    let made = std::fs::read_to_string(federation.folder("init.words")).unwrap();
    let spoken: Vec<&str> = made.lines().filter_map(|line| line.trim().strip_prefix("fingerprint ")).collect();
    assert_eq!(spoken.len(), 3, "{made}");
    assert!(logs.contains("vkey        comity/") && logs.matches("fingerprint ").count() == 2, "{logs}");
    assert!(spoken[..2].iter().all(|fingerprint| logs.contains(fingerprint)), "{logs}{made}");
    let (code, words) = federation.refused(&["publish", "--data", &path, &file]);
    assert!(code == 3 && words.contains("desk.pem is encrypted") && words.contains("--passphrase-fd"), "{words}");
    let (code, words) = federation.refused(&["run", "--data", &path, "--http", "127.0.0.1:0"]);
    assert!(code == 3 && words.contains("desk.pem is encrypted") && words.contains("comity-passphrase"), "{words}");
    federation.audit("FI");
}

#[test]
fn keys_that_do_not_open_are_named_and_nothing_is_half_done() {
    let federation = Federation::bare();
    let path = federation.path("FI");
    let charter = federation.charter().display().to_string();
    done(&federation, &["init", "--data", &path, "--code", "FI", "--name", "Parliament of Finland"], PASSPHRASE);
    let other = federation.path("KE");
    done(&federation, &["init", "--data", &other, "--code", "KE-LC01", "--name", "Assembly of Kenya"], ANOTHER);
    let create = ["charter", "create", "--name", "Stories", "--out", &charter, "--member", &path, "--member", &other];
    let (code, words) = refused(&federation, &create, PASSPHRASE);
    assert!(code == 3 && words.contains("KE/keys/identity.pem: the passphrase does not open it"), "{words}");
    assert!(!federation.charter().exists());
    // One descriptor holds one passphrase for all.
    std::fs::remove_dir_all(&other).unwrap();
    done(&federation, &["init", "--data", &other, "--code", "KE-LC01", "--name", "Assembly of Kenya"], PASSPHRASE);
    done(&federation, &create, PASSPHRASE);
    let join = ["join", "--data", &path, "--charter", &charter];
    let (code, words) = refused(&federation, &join, ANOTHER);
    assert!(code == 3 && words.contains("desk.pem: the passphrase does not open it"), "{words}");
    assert!(!federation.folder("FI").join("charter").exists(), "it half joined");
    done(&federation, &join, PASSPHRASE);

    let desk = federation.folder("FI").join("keys/desk.pem");
    let good = pem(&federation, "desk");
    let law = federation.note("law", "Never signed.");
    let publish = ["publish", "--data", &path, &law];
    let rsa = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n\
               -----END RSA PRIVATE KEY-----\n";
    // A key for elliptic curves in PKCS#8, as other programs make them.
    let curve = "-----BEGIN PRIVATE KEY-----\n\
                 MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgm9/4oM+1F/woy7eN\n\
                 26ZCqPBNe+GpspVVHYd1o9XTViGhRANCAAS6t3wQDxKgfNOyG5fLYTyBSlk0WE0r\n\
                 IEG0+Nqvk6LE2gsqOo41vMGcrPHLH1fCSpIdYki//Y9hEBWZ3sfguFh7\n\
                 -----END PRIVATE KEY-----\n";
    // Of the four blocks of the cipher's text, the second and third hold the key: one bit less there is another key.
    let document = good.lines().filter(|line| !line.contains(' ') && !line.contains('-')).collect::<String>();
    let mut altered = STANDARD.decode(&document).unwrap();
    let at = altered.len() - 40;
    altered[at] ^= 1;
    let wrap = |document: &[u8]| {
        let text = STANDARD.encode(document);
        let lines = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line) + "\n").collect::<String>();
        let begin = good.lines().take(2).collect::<Vec<_>>().join("\n");
        format!("{begin}\n{lines}{}\n", good.lines().last().unwrap())
    };
    assert_eq!(wrap(&STANDARD.decode(&document).unwrap()), good);
    let first = good.lines().next().unwrap().to_owned();
    let wrong = [
        (good[..good.len() / 2].to_owned(), "cut off"),
        (good.lines().take(4).collect::<Vec<_>>().join("\n"), "cut off"),
        (String::new(), "no key in PEM"),
        (rsa.to_owned(), "`RSA PRIVATE KEY`"),
        (curve.to_owned(), "another kind than Ed25519"),
        (good.replace("MI", "!!"), "damaged"),
        (wrap(&altered), "first line names"),
        (wrap(&altered[..100]), "damaged"),
        (good.replace(&first, pem(&federation, "identity").lines().next().unwrap()), "first line names"),
        ("x".repeat(100_000), "no key in PEM"),
    ];
    for (text, why) in wrong {
        std::fs::write(&desk, &text).unwrap();
        let (code, words) = refused(&federation, &publish, PASSPHRASE);
        assert!(code == 3 && words.contains("desk.pem: ") && words.contains(why), "{why}: {words}");
        assert!(words.contains("backup"), "no next step: {words}");
    }
    std::fs::write(&desk, &good).unwrap();
    let (_, words) = refused(&federation, &publish, ANOTHER);
    assert!(words.contains("desk.pem: the passphrase does not open it"), "{words}");
    assert_eq!(federation.audit("FI")["entries"], 3, "nothing but the first words was written");
    assert_eq!(done(&federation, &publish, PASSPHRASE), "FI/law@1\n");
    federation.audit("FI");
}

#[test]
fn a_backup_carries_the_keys_as_they_are_and_the_passphrase_opens_them_elsewhere() {
    let federation = founded(&["KE-LC01"]);
    for name in ["FI", "KE-LC01"] {
        join(&federation, name);
    }
    let kenya = federation.start("KE-LC01", &[]);
    let finland = start(&federation, "FI", &[&kenya]);
    for node in [&finland, &kenya] {
        wait_until("both are in the phone book", || node.status()["entries"].as_u64() == Some(8));
    }
    federation.publish("FI", "before", "In the backup.");
    let out = federation.path("backup.tar");
    let words = federation.done(&["backup", "--data", &federation.path("FI"), "--out", &out]);
    assert!(words.contains("a passphrase protects: desk.pem, identity.pem, successor.pem"), "{words}");
    assert!(words.contains("NOT encrypted: peer.pem"), "{words}");
    federation.publish("FI", "after", "Only Kenya has it.");
    wait_for_documents(&[&finland, &kenya], 2);
    finland.kill();
    std::fs::rename(federation.folder("FI"), federation.folder("dead-disk")).unwrap();

    let words = federation.done(&["restore", &out, "--data", &federation.path("FI")]);
    assert!(words.contains("starts recovering"), "{words}");
    for key in SIGNING {
        let kept = std::fs::read_to_string(federation.folder("dead-disk").join(format!("keys/{key}.pem"))).unwrap();
        assert_eq!(pem(&federation, key), kept, "{key}");
    }
    let (code, words) = federation.refused(&["run", "--data", &federation.path("FI"), "--http", "127.0.0.1:0"]);
    assert!(code == 3 && words.contains("desk.pem is encrypted"), "{words}");
    let finland = start(&federation, "FI", &[&kenya]);
    wait_until("it may write again", || finland.status()["recovering"] == Value::Null);
    assert!(finland.status()["notes"].to_string().contains("read back from KE-LC01"), "{}", finland.status());
    federation.publish("FI", "on-top", "Signed by the same desk.");
    wait_for_documents(&[&finland, &kenya], 3);
    finland.stop();

    // Whoever has saved nothing but the keys has everything again all the same, and no passphrase is asked for later.
    std::fs::rename(federation.folder("FI"), federation.folder("another-dead-disk")).unwrap();
    std::fs::create_dir_all(federation.folder("FI").join("keys")).unwrap();
    for file in ["comity.toml", "keys/desk.pem", "keys/identity.pem", "keys/peer.pem"] {
        let saved = federation.folder("another-dead-disk").join(file);
        std::fs::copy(saved, federation.folder("FI").join(file)).unwrap();
    }
    join(&federation, "FI");
    let finland = start(&federation, "FI", &[&kenya]);
    wait_until("it may write again", || finland.status()["recovering"] == Value::Null);
    federation.publish("FI", "still", "Signed by the same desk.");
    wait_for_documents(&[&finland, &kenya], 4);
    federation.audit_all(&["FI", "KE-LC01"]);
}

#[test]
fn logs_whose_marks_were_lost_before_their_first_words_are_begun_once_another_member_knows_of_none() {
    let federation = founded(&["KE-LC01"]);
    for key in ["desk", "identity"] {
        let text = pem(&federation, key);
        let public = text.lines().next().unwrap().strip_prefix("Ed25519 public key ").unwrap();
        std::fs::remove_file(federation.folder("state/comity").join(format!("{public}.json"))).unwrap();
    }
    for name in ["FI", "KE-LC01"] {
        join(&federation, name);
    }
    assert_eq!(federation.audit("FI")["entries"], 0, "nothing is written without a mark");
    let kenya = federation.start("KE-LC01", &[]);
    let finland = start(&federation, "FI", &[&kenya]);
    // Hours after the passphrase was forgotten, for all it knows.
    wait_until("its logs are begun", || finland.status()["entries"].as_u64() == Some(8));
    federation.publish("FI", "law", "The first.");
    wait_for_documents(&[&finland, &kenya], 1);
    federation.audit_all(&["FI", "KE-LC01"]);
}

/// `comity passphrase`, from one passphrase to another.
fn change(federation: &Federation, old: &str, new: &str) -> Output {
    let new = federation.file("new-passphrase", &format!("{new}\n"));
    let script = format!("exec \"$0\" \"$@\" 4<'{new}'");
    let path = federation.path("FI");
    let arguments = ["-c", &script, env!("CARGO_BIN_EXE_comity"), "passphrase", "--data", &path];
    let arguments = [&arguments[..], &["--passphrase-fd", "0", "--new-passphrase-fd", "4"]].concat();
    let mut command = federation.under("sh", &arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(format!("{old}\n").as_bytes());
    child.wait_with_output().unwrap()
}

#[test]
fn a_passphrase_is_changed_and_an_interrupted_change_is_mended_by_the_same_again() {
    let federation = finland();
    let before: Vec<String> = SIGNING.iter().map(|key| pem(&federation, key)).collect();
    let same = |keys: &[String]| SIGNING.iter().zip(keys).all(|(key, text)| pem(&federation, key) == *text);

    let wrong = change(&federation, "this was never the passphrase", ANOTHER);
    assert!(!wrong.status.success() && said(&wrong).contains("opens with neither"), "{}", said(&wrong));
    let short = change(&federation, PASSPHRASE, "short");
    assert!(!short.status.success() && said(&short).contains("shorter than"), "{}", said(&short));
    assert!(same(&before), "something was written");

    let changed = change(&federation, PASSPHRASE, ANOTHER);
    assert!(changed.status.success(), "{}", said(&changed));
    assert_eq!(said(&changed).matches("has the new passphrase").count(), 3, "{}", said(&changed));
    let after: Vec<String> = SIGNING.iter().map(|key| pem(&federation, key)).collect();

    // A crash after the first of them, and while the second was written beside.
    for (key, text) in SIGNING.iter().zip(&before).skip(1) {
        std::fs::write(federation.folder("FI").join(format!("keys/{key}.pem")), text).unwrap();
    }
    std::fs::write(federation.folder("FI").join("keys/identity.new"), &after[1][..100]).unwrap();
    let law = federation.note("law", "The desk has the new passphrase.");
    let publish = ["publish", "--data", &federation.path("FI"), &law];
    let (_, words) = refused(&federation, &publish, PASSPHRASE);
    assert!(words.contains("does not open it"), "{words}");
    done(&federation, &publish, ANOTHER);
    let mended = change(&federation, PASSPHRASE, ANOTHER);
    assert!(mended.status.success() && said(&mended).contains("desk.pem: had the new passphrase already"));
    assert_eq!(said(&mended).matches("has the new passphrase").count(), 2, "{}", said(&mended));
    assert_eq!(pem(&federation, "desk"), after[0], "written twice");
    let again = change(&federation, ANOTHER, PASSPHRASE);
    assert_eq!(said(&again).matches("has the new passphrase").count(), 3, "{}", said(&again));
    federation.audit("FI");
}

#[test]
fn plain_keys_are_encrypted_later_and_a_node_that_runs_goes_on() {
    let federation = Federation::found(&["FI"]);
    let node = federation.start("FI", &[]);
    let changed = change(&federation, "", PASSPHRASE);
    assert!(changed.status.success(), "{}", said(&changed));
    assert_eq!(said(&changed).matches("was plain and is encrypted now").count(), 3, "{}", said(&changed));
    for key in SIGNING {
        let file = federation.folder("FI").join(format!("keys/{key}.pem"));
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{key}");
        assert!(pem(&federation, key).contains("ENCRYPTED"), "{key}");
    }
    federation.publish("FI", "running", "The desk key was open already.");
    node.stop();
    let node = start(&federation, "FI", &[]);
    federation.publish("FI", "again", "It was opened with the passphrase.");
    node.stop();
    federation.replica("reader");
    let (code, words) = federation.refused(&["passphrase", "--data", &federation.path("reader")]);
    assert!(code == 1 && words.contains("holds no key that signs"), "{words}");
    federation.audit("FI");
}

#[test]
fn the_passphrase_is_in_no_argument_environment_log_or_message() {
    let federation = finland();
    // Once by a descriptor that the shell opened, and once by the service manager.
    let secret = federation.file("secret", &format!("{PASSPHRASE}\r\nnothing\n"));
    let script = format!("exec \"$0\" \"$@\" 3<'{secret}'");
    let comity = env!("CARGO_BIN_EXE_comity");
    let look = |node: &Node| {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{}/{file}", node.pid())).unwrap();
            assert!(!bytes.is_empty());
            assert!(!String::from_utf8_lossy(&bytes).contains(PASSPHRASE), "{file}");
        }
        assert!(!node.words().contains(PASSPHRASE), "{}", node.words());
    };
    let mut run = federation.under("sh", &["-c", &script, comity]);
    run.env("COMITY_LOG", "trace");
    let options = ["--listen", "/ip4/127.0.0.1/tcp/0", "--passphrase-fd", "3"];
    let node = federation.launch(run, "FI", &options, &[]).unwrap();
    federation.publish("FI", "law", "Published while one looks.");
    assert!(node.words().contains("TRACE"), "it says little");
    look(&node);
    node.stop();
    let node = start(&federation, "FI", &[]);
    look(&node);
    node.stop();
    let file = federation.note("more", "x");
    let publish = ["publish", "--data", &federation.path("FI"), &file];
    let nearly = format!("{PASSPHRASE}!");
    let (_, words) = refused(&federation, &publish, &nearly);
    assert!(!words.contains(PASSPHRASE), "{words}");
    // Nor does it lie in the folder.
    let mut folders = vec![federation.folder("FI")];
    while let Some(folder) = folders.pop() {
        for item in std::fs::read_dir(folder).unwrap().flatten() {
            if item.path().is_dir() {
                folders.push(item.path());
            } else if !item.path().ends_with("reserve") {
                let bytes = std::fs::read(item.path()).unwrap();
                let found = bytes.windows(PASSPHRASE.len()).any(|window| window == PASSPHRASE.as_bytes());
                assert!(!found, "{}", item.path().display());
            }
        }
    }
    federation.audit("FI");
}

/// Types at a pseudo-terminal: each line after the prompt that it answers. Gives all that was shown.
fn typed(federation: &Federation, arguments: &[&str], answers: &[(&str, &str)]) -> (i32, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/node/terminal.py");
    let answers = serde_json::to_string(answers).unwrap();
    let mut all = vec![script, &answers, env!("CARGO_BIN_EXE_comity")];
    all.extend(arguments);
    let output = federation.under("python3", &all).stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), said(&output))
}

#[test]
fn a_person_at_a_terminal_is_asked_and_what_she_types_is_not_shown() {
    if Command::new("python3").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("skipped: there is no python3 on this machine");
        return;
    }
    let federation = Federation::bare();
    let path = federation.path("FI");
    let init = ["init", "--data", &path, "--code", "FI", "--name", "Parliament of Finland"];
    let (code, shown) =
        typed(&federation, &init, &[("New passphrase: ", PASSPHRASE), ("The same again: ", "marmelade")]);
    assert!(code == 3 && shown.contains("the two passphrases differ"), "{shown}");
    assert!(!federation.folder("FI").exists(), "something was made");
    let (code, shown) =
        typed(&federation, &init, &[("New passphrase: ", PASSPHRASE), ("The same again: ", PASSPHRASE)]);
    assert!(code == 0 && shown.contains("made the folder of FI"), "{shown}");
    assert!(!shown.contains(PASSPHRASE), "{shown}");

    // Two founders with passphrases of their own, each asked once; one slip of the fingers.
    let other = federation.path("KE");
    done(&federation, &["init", "--data", &other, "--code", "KE-LC01", "--name", "Assembly of Kenya"], ANOTHER);
    let charter = federation.charter().display().to_string();
    let create = ["charter", "create", "--name", "Stories", "--out", &charter, "--member", &path, "--member", &other];
    let answers = [
        ("FI/keys/identity.pem: ", PASSPHRASE),
        ("KE/keys/identity.pem: ", PASSPHRASE),
        ("That does not open it. Passphrase of ", ANOTHER),
    ];
    let (code, shown) = typed(&federation, &create, &answers);
    assert!(code == 0 && shown.contains("is signed by FI, KE-LC01"), "{shown}");
    let join = ["join", "--data", &path, "--charter", &charter];
    let slips =
        [("desk.pem: ", "one"), ("not open it. Passphrase of ", "two"), ("not open it. Passphrase of ", "three")];
    let (code, shown) = typed(&federation, &join, &slips);
    assert!(code == 3 && shown.contains("desk.pem: the passphrase does not open it"), "{shown}");
    let (code, shown) = typed(&federation, &join, &[("desk.pem: ", PASSPHRASE)]);
    assert!(code == 0, "{shown}");
    let answers = [("desk.pem: ", PASSPHRASE), ("New passphrase: ", ANOTHER), ("The same again: ", ANOTHER)];
    let (code, shown) = typed(&federation, &["passphrase", "--data", &path], &answers);
    assert!(code == 0 && shown.matches("has the new passphrase").count() == 3, "{shown}");
    let file = federation.note("law", "Signed after the change.");
    assert_eq!(done(&federation, &["publish", "--data", &path, &file], ANOTHER), "FI/law@1\n");
    alter(&federation.folder("FI").join("keys/desk.pem"), Vec::clear);
    federation.audit("FI");
}

#[test]
fn what_no_key_may_sign_is_refused_with_the_reason_and_nothing_is_half_done() {
    let names = ["FI", "JP-LC01", "KE-LC01", "UY-UC01"];
    let federation = Federation::found(&names);
    let finland = federation.start("FI", &[]);
    let others: Vec<Node> = names[1..].iter().map(|name| federation.start(name, &[&finland])).collect();
    let [fi, jp, ke, uy] = names.map(|name| federation.path(name));
    let keys = federation.folder("FI").join("keys");
    let refused = |arguments: &[&str]| federation.refused(arguments).1;

    // Two drafts on one list: one becomes valid, and nobody's signature is wanted on either after that.
    let drafted = |data: &str, name: &str| {
        federation.done(&["edition", "draft", "--name", name, "--yes", "--data", data]);
        let editions = finland.get("/v1/editions");
        let is_it = |one: &&Value| one["text"].as_str().is_some_and(|text| text.contains(name));
        let mut digest = editions["editions"].as_array().unwrap().iter().find(is_it).map(|one| one["digest"].clone());
        wait_until("the draft is heard of", || {
            let editions = finland.get("/v1/editions");
            digest = editions["editions"].as_array().unwrap().iter().find(is_it).map(|one| one["digest"].clone());
            digest.is_some()
        });
        digest.unwrap().as_str().unwrap().to_owned()
    };
    let (one, other) = (drafted(&fi, "The one"), drafted(&jp, "The other"));
    let heard = |name: &Node, digest: &str| name.get("/v1/editions").to_string().contains(digest);
    wait_until("both are everywhere", || others.iter().all(|node| heard(node, &one) && heard(node, &other)));
    federation.done(&["edition", "sign", &one, "--yes", "--data", &ke]);
    let told = federation.done(&["edition", "draft", "--name", "The third", "--yes", "--data", &ke]);
    assert!(
        told.contains("called “The third”") && told.contains("does not sign it: KE-LC01 has signed another"),
        "{told}"
    );
    federation.done(&["edition", "sign", &one, "--yes", "--data", &uy]);
    wait_until("one is in force", || others.iter().all(|node| node.get("/v1/editions")["in_force"] == one.as_str()));
    for data in [&jp, &ke] {
        let words = refused(&["edition", "sign", &other, "--yes", "--data", data]);
        assert!(
            words.contains("superseded") && words.contains(&one) && words.contains("comity edition draft"),
            "{words}"
        );
        let words = refused(&["edition", "sign", &one, "--yes", "--data", data]);
        assert!(words.contains("is valid already"), "{words}");
    }
    let listed = federation.done(&["edition", "list", "--data", &fi]);
    assert!(listed.contains("superseded") && !listed.contains("not yet by"), "{listed}");

    // A key has one use, whoever has it.
    let logs = finland.get("/v1/logs");
    let of_kenya: Vec<&Value> =
        logs["logs"].as_array().unwrap().iter().filter(|log| log["member"] == "KE-LC01").collect();
    assert_eq!(of_kenya.len(), 2, "its desk's and its identity key's: {logs}");
    for log in of_kenya {
        let key = log["key"].as_str().unwrap();
        let words = refused(&["key", "delegate", "--key", key, "--desk", "Archive", "--data", &fi]);
        assert!(words.contains("is a key of KE-LC01 already"), "{words}");
    }

    // Another key than the list has committed to does not take over, and leaves nothing behind.
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(&keys).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        files
    };
    let successor = std::fs::read(keys.join("successor.pem")).unwrap();
    std::fs::copy(federation.folder("KE-LC01").join("keys/successor.pem"), keys.join("successor.pem")).unwrap();
    let before = files();
    let words = refused(&["key", "rotate", "--data", &fi]);
    assert!(words.contains("has committed to a successor key") && words.contains("nothing was changed"), "{words}");
    assert_eq!(files(), before);
    std::fs::write(keys.join("successor.pem"), successor).unwrap();

    // An old request is not signed after a rotation either: the old key would write another entry at a place that it has filled.
    let request = federation.path("old-request.json");
    let of_another = |name: &str| {
        federation.done(&["init", "--no-passphrase", "--code", "FI", "--name", name, "--data", &federation.path(name)]);
        key_of(&federation, name)
    };
    let (first, archive) = (of_another("first"), of_another("archive"));
    federation.done(&["key", "request", "--out", &request, "--data", &fi, "delegate", "--key", &first]);
    federation.done(&["key", "delegate", "--key", &archive, "--desk", "Archive", "--data", &fi]);
    let identity = std::fs::read(keys.join("identity.pem")).unwrap();
    federation.done(&["key", "rotate", "--data", &fi]);
    let new = std::fs::read(keys.join("identity.pem")).unwrap();
    std::fs::write(keys.join("identity.pem"), identity).unwrap();
    let signed = federation.path("signed.json");
    let words = refused(&["key", "sign", &request, "--out", &signed, "--yes", "--data", &fi]);
    assert!(words.contains("would fork the log"), "{words}");
    let words = refused(&["key", "submit", &request, "--data", &fi]);
    assert!(words.contains("nobody has signed it") && words.contains("comity key sign"), "{words}");
    std::fs::write(keys.join("identity.pem"), new).unwrap();
    finland.stop();
    others.into_iter().for_each(Node::stop);
    federation.audit("FI");
}
