//! `comity demo`: a federation on one machine, founded and filled with the very commands a parliament would type.
//!
//! Every node is a process of its own: a bootstrap peer, three parliaments and a researcher's replica. They end with this one,
//! because each of them stops when its standard input does.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Args;

use super::CliError;
use crate::client::Client;
use crate::config::{self, Folder};
use crate::views::Status;

/// Seconds a node may take to be ready, and the federation to agree, on the slowest machine that is expected.
const PATIENCE: Duration = Duration::from_secs(120);
/// Time between two looks at every node.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The parliaments.
const PARLIAMENTS: [(&str, &str); 3] = [
    ("FI", "Parliament of Finland"),
    ("KE-LC01", "National Assembly of Kenya"),
    ("UY-UC01", "General Assembly of Uruguay"),
];

/// The options.
#[derive(Debug, Args)]
pub struct Options {
    /// Keep the federation here and resume it next time; otherwise it lives in a temporary folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the first page; the others follow
    #[arg(long, default_value_t = 8014)]
    port: u16,
}

/// A node of the demo.
struct Running {
    title: String,
    folder: Folder,
    process: Child,
    address: String,
    listen: Vec<String>,
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(10) {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs the demo until it is interrupted.
pub fn run(options: &Options) -> Result<(), CliError> {
    let stop = on_interrupt()?;
    ports_are_free(options.port)?;
    let temporary = match &options.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("comity-demo-").tempdir().map_err(CliError::failed)?),
    };
    let home = match (&options.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => return Err(CliError::failed("there is no folder for the demo; name one with --data")),
    };
    fs::create_dir_all(&home).map_err(|error| CliError::failed(format!("{}: {error}", home.display())))?;
    let home = home.canonicalize().map_err(CliError::failed)?;
    let demo = Demo { home, program: std::env::current_exe().map_err(CliError::failed)? };
    let result = demo.run(options.port, &stop);
    if stop.load(Ordering::Relaxed) { Ok(()) } else { result }
}

struct Demo {
    home: PathBuf,
    program: PathBuf,
}

impl Demo {
    fn run(&self, port: u16, stop: &AtomicBool) -> Result<(), CliError> {
        let samples = samples()?;
        self.found()?;
        let mut nodes = Vec::new();
        // The bootstrap peer first: the others call it.
        let bootstrap = self.start("bootstrap", "Bootstrap peer", port + 4, &[])?;
        let first_address = bootstrap.listen.first().cloned().unwrap_or_default();
        for (index, (code, name)) in (0u16..).zip(PARLIAMENTS) {
            nodes.push(self.start(
                code,
                &format!("{name} ({code})"),
                port + index,
                std::slice::from_ref(&first_address),
            )?);
        }
        nodes.push(self.start("researcher", "A researcher's replica", port + 3, &[first_address])?);
        nodes.push(bootstrap);

        println!("\nThe federation is running. Its pages:\n");
        for node in &nodes {
            println!("  {:<42} http://{}", node.title, node.address);
        }
        println!();
        for (code, _) in PARLIAMENTS {
            let files = samples.get(code).cloned().unwrap_or_default();
            println!("{code} publishes {} documents", files.len());
            let mut publish = self.command(&["publish", "--data"]);
            publish.arg(self.home.join(code)).args(files);
            quiet(publish)?;
        }
        let total: u64 = samples.values().map(|files| files.len() as u64).sum();
        let began = Instant::now();
        let mut statuses = look(&nodes);
        while !everywhere(&statuses, total) {
            if stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(CliError::failed(format!(
                    "not every node has everything after two minutes: {}",
                    line(&nodes, &statuses)
                )));
            }
            std::thread::sleep(LOOK_EVERY);
            statuses = look(&nodes);
        }
        println!("every node holds all {total} documents and finds them by search");
        println!("ready");
        let _ = std::io::stdout().flush();
        println!(
            "Ctrl-C stops all nodes.{}",
            if self.is_kept() { "" } else { " Their temporary folder is removed then." }
        );
        let mut last = String::new();
        while !stop.load(Ordering::Relaxed) {
            let now = line(&nodes, &look(&nodes));
            if now != last {
                println!("{now}");
                last = now;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        println!("stopping");
        Ok(())
    }

    /// Folders, keys and charter, unless an earlier run left them.
    fn found(&self) -> Result<(), CliError> {
        let charter = self.home.join("charter");
        if charter.exists() {
            return Ok(());
        }
        for (code, name) in PARLIAMENTS {
            let mut init = self.command(&["init", "--no-passphrase", "--code", code, "--name", name, "--data"]);
            init.arg(self.home.join(code));
            quiet(init)?;
        }
        for replica in ["bootstrap", "researcher"] {
            let mut init = self.command(&["init", "--replica", "--data"]);
            init.arg(self.home.join(replica));
            quiet(init)?;
        }
        let made = self.home.join("charter.new");
        let _ = fs::remove_file(&made);
        let mut create = self.command(&["charter", "create", "--name", "Comity demonstration", "--out"]);
        create.arg(&made);
        for (code, _) in PARLIAMENTS {
            create.arg("--member").arg(self.home.join(code));
        }
        quiet(create)?;
        for name in PARLIAMENTS.map(|(code, _)| code).into_iter().chain(["bootstrap", "researcher"]) {
            let folder = Folder::new(&self.home.join(name));
            // Loopback addresses are private ones, and here everyone has the same.
            let path = folder.config_file();
            let text = fs::read_to_string(&path).map_err(CliError::failed)?;
            let text = config::set(&text, "allow_private", &toml::Value::Boolean(true));
            let text = config::set(&text, "connections_per_address", &toml::Value::Integer(64));
            let text = config::set(&text, "new_connections_per_minute", &toml::Value::Integer(600));
            fs::write(&path, text).map_err(CliError::failed)?;
            let mut join = self.command(&["join", "--data"]);
            join.arg(folder.path()).arg("--charter").arg(&made);
            quiet(join)?;
        }
        // Last, so that a demo that was interrupted while being founded is founded again in another folder, and says so.
        fs::rename(&made, &charter).map_err(CliError::failed)
    }

    fn start(&self, name: &str, title: &str, port: u16, peers: &[String]) -> Result<Running, CliError> {
        let folder = Folder::new(&self.home.join(name));
        let http = format!("127.0.0.1:{port}");
        let mut run =
            self.command(&["run", "--until-stdin-ends", "--listen", "/ip4/127.0.0.1/tcp/0", "--http", &http, "--data"]);
        run.arg(folder.path());
        for peer in peers {
            run.args(["--peer", peer]);
        }
        run.env("COMITY_LOG", std::env::var("COMITY_LOG").unwrap_or_else(|_| "error".to_owned()));
        let mut process = run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(CliError::failed)?;
        let output = process.stdout.take();
        let mut running =
            Running { title: title.to_owned(), folder, process, address: String::new(), listen: Vec::new() };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut first = String::new();
            let _ = output.map(|output| BufReader::new(output).read_line(&mut first));
            let _ = sender.send(first);
        });
        let first = receiver.recv_timeout(PATIENCE).unwrap_or_default();
        let ready: serde_json::Value = serde_json::from_str(&first).unwrap_or_default();
        let Some(address) = ready["http"].as_str() else {
            return Err(CliError::failed(format!("{title} did not start; its lines above say why")));
        };
        running.address = address.to_owned();
        let listen = ready["listen"].as_array().into_iter().flatten();
        running.listen = listen.filter_map(|address| address.as_str().map(str::to_owned)).collect();
        Ok(running)
    }

    /// The program itself, with its marks beside the folders: a trial leaves nothing behind elsewhere.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("XDG_STATE_HOME", self.home.join("state")).env_remove("COMITY_DATA");
        command
    }

    fn is_kept(&self) -> bool {
        !self.home.file_name().is_some_and(|name| name.to_string_lossy().starts_with("comity-demo-"))
    }
}

fn quiet(mut command: Command) -> Result<(), CliError> {
    let done = command.stdin(Stdio::null()).output().map_err(CliError::failed)?;
    if done.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    let words = words.trim().trim_start_matches("error: ").to_owned();
    Err(CliError::failed(format!("{words} (to begin anew, name another folder with --data)")))
}

/// The sample documents by the parliament that publishes them.
fn samples() -> Result<BTreeMap<String, Vec<PathBuf>>, CliError> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/documents"));
    let mut samples = BTreeMap::new();
    for (code, _) in PARLIAMENTS {
        let listing = fs::read_dir(root.join(code)).map_err(|error| {
            CliError::failed(format!("{}: {error}; run the demo from a clone of the project", root.display()))
        })?;
        let mut files: Vec<PathBuf> = listing.flatten().map(|item| item.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
        files.sort();
        samples.insert(code.to_owned(), files);
    }
    Ok(samples)
}

fn ports_are_free(port: u16) -> Result<(), CliError> {
    if port > u16::MAX - 4 || port == 0 {
        return Err(CliError::failed("five ports are needed; choose --port between 1024 and 65531"));
    }
    for port in port..port + 5 {
        TcpListener::bind(("127.0.0.1", port)).map_err(|error| {
            CliError::failed(format!("port {port} cannot be used: {error}; choose another first port with --port"))
        })?;
    }
    Ok(())
}

fn look(nodes: &[Running]) -> Vec<Option<Status>> {
    nodes.iter().map(|node| Client::find(&node.folder)?.get("/v1/status").ok()).collect()
}

fn everywhere(statuses: &[Option<Status>], total: u64) -> bool {
    let frontier = statuses.first().and_then(|status| status.as_ref()).map(|status| status.frontier.clone());
    statuses.iter().all(|status| {
        status.as_ref().is_some_and(|status| {
            status.documents >= total
                && status.indexed == status.documents
                && status.missing_bodies == 0
                && Some(&status.frontier) == frontier.as_ref()
        })
    })
}

fn line(nodes: &[Running], statuses: &[Option<Status>]) -> String {
    let one = |(node, status): (&Running, &Option<Status>)| {
        let name = node.folder.path().file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        match status {
            Some(status) => format!("{name}: {} documents, {} peers", status.documents, status.peers),
            None => format!("{name}: no answer"),
        }
    };
    nodes.iter().zip(statuses).map(one).collect::<Vec<_>>().join(" · ")
}

/// Set once the user has had enough.
fn on_interrupt() -> Result<Arc<AtomicBool>, CliError> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::failed)?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).ok();
            let terminated = async {
                match &mut terminate {
                    Some(signal) => drop(signal.recv().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                () = terminated => {}
            }
        });
        told.store(true, Ordering::Relaxed);
    });
    Ok(stop)
}
