//! What people type wrong, and what they are told: the thing, the place, and what to do.

use std::os::unix::fs::PermissionsExt;

use crate::federation::Federation;

#[test]
fn bad_input_gets_a_clear_error_and_nothing_is_published() {
    let federation = Federation::found(&["FI"]);
    let path = federation.path("FI");
    let front = "---\nkind: law-summary\nlanguage: en\ntitle: T\n";
    let refused = |name: &str, text: &str| {
        let file = federation.file(name, text);
        let (code, words) = federation.refused(&["publish", "--data", &path, &file]);
        assert_eq!(code, 1, "{words}");
        assert!(words.contains("nothing was published"), "{words}");
        words
    };
    assert!(
        refused("a.md", &format!("{front}legal_statos: x\n---\n"))
            .contains("a.md:5: unknown key `legal_statos`; did you mean `legal_status`?")
    );
    assert!(refused("b.md", &format!("{front}topics: [childen]\n---\n")).contains("did you mean `children`?"));
    assert!(refused("c.md", "---\nkind: law-summary\nlanguage: e_n\ntitle: T\n---\n").contains("c.md:3:"));
    assert!(refused("d.md", &format!("{front}legal_status: enforced\n---\n")).contains("d.md:5:"));
    assert!(refused("e.md", &format!("{front}---\n{}", "long ".repeat(60_000))).contains("bytes long as a body"));
    let file = federation.path("latin1.md");
    std::fs::write(&file, b"---\nkind: law-summary\nlanguage: es\ntitle: Le\xf3n\n---\n").unwrap();
    let (_, words) = federation.refused(&["publish", "--data", &path, &file]);
    assert!(words.contains("latin1.md:4: is not UTF-8"), "{words}");
    let (_, words) = federation.refused(&["show", "--data", &path, "FI/none"]);
    assert!(words.contains("FI/none is not held here"), "{words}");
    let (_, words) = federation.refused(&["withdraw", "--data", &path, "KE/other", "--reason", "x"]);
    assert!(words.contains("not a work of this member"), "{words}");
    federation.audit("FI");
}

#[test]
fn charters_folders_and_ports_that_do_not_fit_are_named() {
    let federation = Federation::found(&["FI"]);
    let other = Federation::found(&["KE-LC01"]);
    let path = federation.path("FI");
    let (code, words) =
        federation.refused(&["join", "--data", &path, "--charter", &other.charter().display().to_string()]);
    assert!(code == 3 && words.contains("belongs to the federation"), "{words}");
    let forged = std::fs::read_to_string(federation.charter()).unwrap().replace("Stories", "Forgery");
    let forged = federation.file("forged", &forged);
    let (_, words) = federation.refused(&["join", "--data", &path, "--charter", &forged]);
    assert!(words.contains("signature of FI"), "{words}");
    let (_, words) = federation.refused(&["init", "--data", &federation.path("new"), "--code", "FI", "--name", "X"]);
    assert!(words.contains("--no-passphrase"), "{words}");
    let (_, words) = federation.refused(&[
        "init",
        "--data",
        &federation.path("new"),
        "--code",
        "finland",
        "--name",
        "X",
        "--no-passphrase",
    ]);
    assert!(words.contains("is no code"), "{words}");
    let (_, words) = federation.refused(&["status", "--data", &federation.path("nowhere")]);
    assert!(words.contains("comity init"), "{words}");

    let node = federation.start("FI", &[]);
    let (code, words) = federation.refused(&["run", "--data", &path, "--http", "127.0.0.1:0"]);
    assert!(code == 3 && words.contains("another comity is running"), "{words}");
    let (_, words) = other.refused(&["run", "--data", &other.path("KE-LC01"), "--http", &node.http]);
    assert!(words.contains("--http"), "{words}");
    let port = node.listen[0].split('/').nth(4).unwrap();
    let listen = format!("/ip4/127.0.0.1/tcp/{port}");
    let (_, words) =
        other.refused(&["run", "--data", &other.path("KE-LC01"), "--http", "127.0.0.1:0", "--listen", &listen]);
    assert!(words.contains("cannot listen on"), "{words}");
    let (_, words) = federation.refused(&["demo", "--port", node.http.rsplit(':').next().unwrap()]);
    assert!(words.contains("--port"), "{words}");
    let config = other.folder("KE-LC01").join("comity.toml");
    std::fs::write(&config, std::fs::read_to_string(&config).unwrap() + "\nlisten_on = 3\n").unwrap();
    let (_, words) = other.refused(&["status", "--data", &other.path("KE-LC01")]);
    assert!(words.contains("comity.toml") && words.contains("listen_on"), "{words}");
    federation.audit("FI");
}

#[test]
fn keys_are_for_their_owner_alone_and_a_folder_is_never_made_twice() {
    let federation = Federation::found(&["FI"]);
    for key in ["peer", "desk", "identity", "successor"] {
        let mode =
            std::fs::metadata(federation.folder("FI").join(format!("keys/{key}.pem"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{key}");
    }
    let (_, words) = federation.refused(&[
        "init",
        "--data",
        &federation.path("FI"),
        "--code",
        "FI",
        "--name",
        "X",
        "--no-passphrase",
    ]);
    assert!(words.contains("already"), "{words}");
    let peer = std::fs::read_to_string(federation.folder("FI").join("keys/peer.pem")).unwrap();
    assert!(peer.starts_with("-----BEGIN PRIVATE KEY-----"));
    federation.audit("FI");
}
