//! The stage: a federation in a temporary folder, its nodes as processes, and what one can ask of them.

use std::cell::RefCell;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A generous limit for every condition; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// How often one looks.
const OFTEN: Duration = Duration::from_millis(20);

/// Folders of members and replicas that share a charter.
pub struct Federation {
    home: tempfile::TempDir,
}

/// A running node; dropping it kills it.
pub struct Node {
    pub name: String,
    pub http: String,
    pub listen: Vec<String>,
    pub peer_id: String,
    words: PathBuf,
    process: RefCell<Child>,
}

/// How a node ended: -1 stands for a signal, or for one that had to be killed because it neither started nor ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub words: String,
}

impl Federation {
    /// A stage on which nobody founded anything yet.
    pub fn bare() -> Federation {
        Federation { home: tempfile::tempdir().unwrap() }
    }

    /// Founds a federation whose members have these codes.
    pub fn found(codes: &[&str]) -> Federation {
        Federation::found_in(tempfile::tempdir().unwrap(), codes)
    }

    /// The same in a folder that was prepared, say with links to another disk.
    pub fn found_in(home: tempfile::TempDir, codes: &[&str]) -> Federation {
        let federation = Federation { home };
        let mut create =
            vec!["charter", "create", "--name", "Stories", "--out"].into_iter().map(str::to_owned).collect::<Vec<_>>();
        create.push(federation.charter().display().to_string());
        for code in codes {
            federation.done(&[
                "init",
                "--no-passphrase",
                "--code",
                code,
                "--name",
                &format!("Parliament {code}"),
                "--data",
                &federation.path(code),
            ]);
            create.extend(["--member".to_owned(), federation.path(code)]);
        }
        federation.done(&create.iter().map(String::as_str).collect::<Vec<_>>());
        for code in codes {
            federation.join(code, &[]);
        }
        federation
    }

    /// Sets a number of a node's configuration.
    pub fn set(&self, name: &str, key: &str, value: &str) {
        let config = self.folder(name).join("comity.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        let is_it = |line: &str| line.trim_start_matches("# ").starts_with(&format!("{key} ="));
        assert!(text.lines().any(is_it), "{key}");
        let line = |line: &str| if is_it(line) { format!("{key} = {value}\n") } else { format!("{line}\n") };
        std::fs::write(&config, text.lines().map(line).collect::<String>()).unwrap();
    }

    /// A replica without keys that joined.
    pub fn replica(&self, name: &str) {
        self.done(&["init", "--replica", "--data", &self.path(name)]);
        self.join(name, &[]);
    }

    pub fn join(&self, name: &str, more: &[&str]) {
        let config = self.folder(name).join("comity.toml");
        let text = std::fs::read_to_string(&config).unwrap();
        // Loopback addresses are private ones, and here everyone has the same.
        let text = text
            .replace("# allow_private = false", "allow_private = true")
            .replace("# connections_per_address = 8", "connections_per_address = 64")
            .replace("# new_connections_per_minute = 30", "new_connections_per_minute = 600");
        std::fs::write(&config, text).unwrap();
        let (path, charter) = (self.path(name), self.charter().display().to_string());
        let mut join = vec!["join", "--data", &path, "--charter", &charter];
        join.extend(more);
        self.done(&join);
    }

    /// The folder of the stage.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn charter(&self) -> PathBuf {
        self.home.path().join("charter")
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub fn path(&self, name: &str) -> String {
        self.folder(name).display().to_string()
    }

    /// A place for a story's own files.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs the program to its end.
    pub fn comity(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
        receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("comity {} did not end", arguments.join(" "))
        })
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.under(env!("CARGO_BIN_EXE_comity"), arguments)
    }

    /// A tool that is to run the program, in the story's surroundings.
    pub fn under(&self, tool: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(tool);
        command.args(arguments).env("XDG_STATE_HOME", self.home.path().join("state")).env_remove("COMITY_DATA");
        command
    }

    /// Runs the program, which must succeed, and gives its output.
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.comity(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "comity {}: {out}{err}", arguments.join(" "));
        out.into_owned()
    }

    /// Runs the program, which must fail, and gives its exit code and words.
    pub fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.comity(arguments);
        assert!(!output.status.success(), "comity {} succeeded", arguments.join(" "));
        (output.status.code().unwrap_or(-1), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Starts a node that listens on loopback and calls the peers given.
    pub fn start(&self, name: &str, peers: &[&Node]) -> Node {
        let addresses: Vec<String> = peers.iter().map(|peer| peer.listen[0].clone()).collect();
        self.start_with(name, &["--listen", "/ip4/127.0.0.1/tcp/0"], &addresses)
    }

    /// Starts a node with more options.
    pub fn start_with(&self, name: &str, options: &[&str], peers: &[String]) -> Node {
        self.launch(self.command(&[]), name, options, peers)
            .unwrap_or_else(|ended| panic!("{name} did not start: {} {}", ended.code, ended.words))
    }

    /// Starts a node by a command of one's own, which has to come to run the program; tells how it ended if it does not start.
    pub fn launch(&self, mut run: Command, name: &str, options: &[&str], peers: &[String]) -> Result<Node, Ended> {
        let words = self.home.path().join(format!("{name}.stderr"));
        let said = std::fs::File::create(&words).unwrap();
        run.args(["run", "--data", &self.path(name), "--http", "127.0.0.1:0"]);
        run.args(options);
        if !run.get_envs().any(|(name, _)| name == "COMITY_LOG") {
            run.env("COMITY_LOG", std::env::var("COMITY_LOG").unwrap_or_else(|_| "error,comity=info".to_owned()));
        }
        for peer in peers {
            run.args(["--peer", peer]);
        }
        let mut process = run.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said).spawn().unwrap();
        let output = process.stdout.take().unwrap();
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(output).read_line(&mut line);
            let _ = sender.send(line);
        });
        let line = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = process.kill();
            String::new()
        });
        let Ok(ready) = serde_json::from_str::<Value>(&line) else {
            let code = process.wait().unwrap().code().unwrap_or(-1);
            return Err(Ended { code, words: std::fs::read_to_string(words).unwrap() });
        };
        let listen =
            ready["listen"].as_array().unwrap().iter().map(|address| address.as_str().unwrap().to_owned()).collect();
        Ok(Node {
            name: name.to_owned(),
            http: ready["http"].as_str().unwrap().to_owned(),
            listen,
            peer_id: ready["peer_id"].as_str().unwrap().to_owned(),
            words,
            process: RefCell::new(process),
        })
    }

    /// A law summary of a parliament, in a file.
    pub fn note(&self, slug: &str, text: &str) -> String {
        let front =
            format!("kind: law-summary\nlanguage: en\ntitle: About {slug}\njurisdiction: KE\ntopics: [children]");
        self.file(&format!("{slug}.md"), &format!("---\n{front}\n---\n{text}\n"))
    }

    /// Publishes one law summary.
    pub fn publish(&self, name: &str, slug: &str, text: &str) -> String {
        let file = self.note(slug, text);
        self.done(&["publish", "--data", &self.path(name), &file])
    }

    /// Publishes a batch of law summaries in one call: one of each number.
    pub fn publish_many(&self, name: &str, numbers: std::ops::Range<u64>, text: &str) {
        let note = |number: u64| self.note(&format!("law-{number}"), &format!("{number} {text}"));
        let (path, files) = (self.path(name), numbers.map(note).collect::<Vec<_>>());
        let mut publish = vec!["publish", "--data", &path];
        publish.extend(files.iter().map(String::as_str));
        self.done(&publish);
    }

    /// The independent audit, which must find nothing wrong.
    pub fn audit(&self, name: &str) -> Value {
        let report: Value = serde_json::from_str(&self.done(&["audit", "--json", "--data", &self.path(name)])).unwrap();
        assert_eq!(report["wrong"], serde_json::json!([]), "{name}");
        report
    }

    /// The end of every story: all of them verify from raw bytes, and come to hold the same. Waited for, since a node whose doubts are
    /// over says where it is, and that is on its way while the first are read.
    pub fn audit_all(&self, names: &[&str]) {
        wait_until(&format!("{names:?} hold the same"), || {
            let digests: Vec<Value> = names.iter().map(|name| self.audit(name)["digest"].clone()).collect();
            digests.windows(2).all(|pair| pair[0] == pair[1])
        });
    }
}

impl Node {
    /// Asks the API.
    pub fn get(&self, path: &str) -> Value {
        serde_json::from_str(&self.ask(path).1).unwrap()
    }

    /// Asks for anything: the status and the words of the answer; 0 where there is none.
    pub fn ask(&self, path: &str) -> (u16, String) {
        let asked =
            ureq::get(format!("http://{}{path}", self.http)).config().http_status_as_error(false).build().call();
        match asked {
            Ok(mut response) => (response.status().as_u16(), response.body_mut().read_to_string().unwrap_or_default()),
            Err(error) => (0, error.to_string()),
        }
    }

    /// Everything it said on stderr.
    pub fn words(&self) -> String {
        std::fs::read_to_string(&self.words).unwrap_or_default()
    }

    /// How it ended, if it did.
    pub fn ended(&self) -> Option<Ended> {
        let status = self.process.borrow_mut().try_wait().unwrap()?;
        Some(Ended { code: status.code().unwrap_or(-1), words: self.words() })
    }

    pub fn status(&self) -> Value {
        self.get("/v1/status")
    }

    pub fn found(&self, query: &str) -> u64 {
        self.get(&format!("/v1/search?q={query}"))["total"].as_u64().unwrap()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.borrow().id()
    }

    /// Has it killed, without waiting until it is gone.
    pub fn strike(&self) {
        let _ = self.process.borrow_mut().kill();
    }

    /// Kills it as a power cut would end it.
    pub fn kill(&self) {
        let mut process = self.process.borrow_mut();
        let _ = process.kill();
        let _ = process.wait();
    }

    /// Stops it as a service manager would.
    pub fn stop(self) {
        let mut process = self.process.borrow_mut();
        let pid = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        wait_until(&format!("{} stops", self.name), || process.try_wait().unwrap().is_some());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            println!("{} said:\n{}", self.name, self.words());
        }
    }
}

/// Waits for a condition, looking often; the words say what was waited for.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited a minute in vain: {what}");
        std::thread::park_timeout(OFTEN);
    }
}

/// Waits until all nodes hold and find the same, so many documents.
pub fn wait_for_documents(nodes: &[&Node], documents: u64) {
    for node in nodes {
        let mut status = Value::Null;
        let complete = |status: &Value| {
            status["documents"] == documents && status["indexed"] == documents && status["missing_bodies"] == 0
        };
        let began = Instant::now();
        while !complete(&status) {
            assert!(began.elapsed() < PATIENCE, "{} does not hold and find {documents} documents: {status}", node.name);
            std::thread::park_timeout(OFTEN);
            status = node.status();
        }
    }
    wait_until("all frontiers are equal", || {
        let frontiers: Vec<Value> = nodes.iter().map(|node| node.status()["frontier"].clone()).collect();
        frontiers.windows(2).all(|pair| pair[0] == pair[1])
    });
}

/// Changes bytes of a file on disk.
pub fn alter(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}
