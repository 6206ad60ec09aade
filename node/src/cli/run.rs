//! `comity run`: the node with its index and its pages, until it is told to stop.

use std::fs;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{CliError, Data, Keys, io};
use crate::app::App;
use crate::config::Folder;
use crate::fence::write_durably;
use crate::http;
use crate::index::Index;
use crate::indexer::{self, Scope};
use crate::keystore;
use crate::node::{Node, Started};

/// Threads that read the disk for requests and syncs: enough for both cores and a slow disk, and each costs memory.
const READERS_MAX: usize = 16;

/// The options.
#[derive(Debug, Args)]
pub struct Run {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    keys: Keys,
    /// Listen for peers here, instead of where comity.toml says
    #[arg(long, value_name = "MULTIADDR")]
    listen: Vec<String>,
    /// Listen for no peers: only call others
    #[arg(long, conflicts_with = "listen")]
    no_listen: bool,
    /// An address under which others reach this node; published in the phone book
    #[arg(long, value_name = "MULTIADDR")]
    announce: Vec<String>,
    /// Address and port of pages and API; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    http: Option<String>,
    /// A first peer to call, besides those of comity.toml
    #[arg(long, value_name = "MULTIADDR")]
    peer: Vec<String>,
    /// Write own logs although the fence warns that a newer copy of this folder may exist; this is recorded
    #[arg(long)]
    override_fence: bool,
    /// Stop when standard input ends: for programs that start a node and must not leave it behind
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
}

impl Run {
    /// Runs the node.
    pub fn run(self) -> Result<(), CliError> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.enable_all().max_blocking_threads(READERS_MAX).build().map_err(CliError::failed)?;
        let done = runtime.block_on(self.serve());
        // What still reads the disk for a request that nobody waits for any more must not hold up the end.
        runtime.shutdown_background();
        done
    }

    async fn serve(self) -> Result<(), CliError> {
        let folder = self.data.folder()?;
        let mut config = folder.config().map_err(CliError::failed)?;
        if self.no_listen {
            config.network.listen.clear();
        } else if !self.listen.is_empty() {
            config.network.listen = self.listen;
        }
        if !self.announce.is_empty() {
            config.network.announce = self.announce;
        }
        config.network.peers.extend(self.peer);
        let address = self.http.unwrap_or_else(|| config.http.listen.clone());
        let listener = TcpListener::bind(&address).await.map_err(|error| {
            CliError::failed(format!(
                "cannot serve pages on {address}: {error}; choose another with --http, or stop what uses it"
            ))
        })?;
        let address = listener.local_addr().map_err(CliError::failed)?;

        let hosts = config.http.hosts.iter().cloned().chain([address.ip().to_string()]).collect();
        let Started { node, notes, arrival, mut ended, registry } =
            Node::start(&folder, config, self.keys.passphrases(), self.override_fence)
                .await
                .map_err(CliError::failed)?;
        for note in &notes {
            tracing::warn!("{note}");
        }
        let notes = Arc::new(Mutex::new(notes));
        let view = node.view();
        Index::made_for(&folder.index(), &Scope::of(&view).mark(&view.policy)).map_err(CliError::failed)?;
        let (index, opened) = Index::open(&folder.index(), arrival).map_err(CliError::failed)?;
        if let Some(reason) = opened.rebuilt {
            let words = format!("the search index is rebuilt: {reason}");
            notes.lock().unwrap_or_else(PoisonError::into_inner).push(words);
        }
        let searcher = index.searcher();
        let indexer = indexer::spawn(node.reader().clone(), index, opened.cursor, view, node.changes(), notes.clone());
        indexer.map_err(CliError::failed)?;
        let app = App::new(node.clone(), searcher, folder.clone(), notes, &token(&folder)?, hosts, registry);
        let serving = tokio::spawn(async move { axum::serve(listener, http::router(app)).await });
        let here = folder.http_file();
        write_durably(&here, address.to_string().as_bytes(), 0o644).map_err(io(&here))?;

        let network = node.network();
        let ready = serde_json::json!({
            "ready": true, "peer_id": network.peer, "listen": network.listen, "http": address.to_string(),
        });
        // A reader that went away is no reason to stop a node.
        let _ = writeln!(std::io::stdout(), "{ready}");
        let _ = std::io::stdout().flush();

        let stop = tokio::select! {
            stop = told_to_stop(self.until_stdin_ends) => stop,
            end = &mut ended => Some(end),
        };
        let _ = fs::remove_file(&here);
        serving.abort();
        let end = match stop {
            Some(end) => end,
            None => {
                node.stop().await;
                ended.await
            }
        };
        match end {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(CliError::failed(error)),
            Err(_) => Err(CliError::failed("the node ended without a word; the lines above may say why")),
        }
    }
}

/// Waits for a signal, or for the end of standard input.
async fn told_to_stop<T>(stdin: bool) -> Option<T> {
    let mut terminate = signal(SignalKind::terminate()).ok();
    let terminated = async {
        match &mut terminate {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    };
    let parent_gone = async {
        if !stdin {
            return std::future::pending().await;
        }
        let mut ignored = [0; 64];
        while tokio::io::stdin().read(&mut ignored).await.is_ok_and(|read| read > 0) {}
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
        () = parent_gone => {}
    }
    None
}

/// The bearer token, made at the first run.
fn token(folder: &Folder) -> Result<String, CliError> {
    let path = folder.token_file();
    if let Ok(token) = fs::read_to_string(&path) {
        return Ok(token.trim().to_owned());
    }
    let token: String =
        keystore::random::<32>().map_err(CliError::failed)?.iter().map(|byte| format!("{byte:02x}")).collect();
    write_durably(&path, token.as_bytes(), 0o600).map_err(io(&path))?;
    Ok(token)
}
