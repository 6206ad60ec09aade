//! What pages and API share: the state behind every handler, the questions both ask, and how a request is refused.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::sync::Semaphore;
use utoipa::IntoParams;

use crate::config::Folder;
use crate::disk;
use crate::index::{By, Filters, Question, Searcher};
use crate::keeper::{PublishError, now_ms};
use crate::library::{Library, LibraryError};
use crate::membership;
use crate::name::Name;
use crate::network::NetworkStatus;
use crate::node::Node;
use crate::phone_book::PhoneBook;
use crate::preference;
use crate::views;

/// Requests answered at once; more wait in their callers.
const REQUESTS_MAX: usize = 64;
/// Exports written at once: each reads the disk as fast as it is taken, beside everything else a node does.
const EXPORTS_MAX: usize = 4;
/// Hits of a search that does not say how many.
const LIMIT_DEFAULT: usize = 20;

/// What every handler needs.
#[derive(Clone)]
pub struct App {
    /// The node.
    pub node: Node,
    /// The index.
    pub searcher: Searcher,
    /// The data folder.
    pub folder: Folder,
    /// What the start mended and what went wrong since.
    pub notes: Arc<Mutex<Vec<String>>>,
    pub(crate) hosts: Arc<[String]>,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) exports: Arc<Semaphore>,
    token: Arc<str>,
    metrics: Arc<Metrics>,
}

struct Metrics {
    registry: Registry,
    entries: Gauge<u64, AtomicU64>,
    syncs: Gauge<u64, AtomicU64>,
    documents: Gauge<u64, AtomicU64>,
    indexed: Gauge<u64, AtomicU64>,
    missing_bodies: Gauge<u64, AtomicU64>,
    erased_bodies: Gauge<u64, AtomicU64>,
    peers: Gauge<u64, AtomicU64>,
    free_bytes: Gauge<u64, AtomicU64>,
}

/// Why a request is not answered: a status and words that end with what to do.
pub struct Problem(pub StatusCode, pub Vec<String>);

/// A search as it is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words, "phrases", pre*, field:value, ranges like in_force:2024..2026, AND, OR, NOT or -, parentheses. Empty: everything,
    /// newest first.
    pub q: String,
    /// Only this kind.
    pub kind: Option<String>,
    /// Only this topic.
    pub topic: Option<String>,
    /// Only this jurisdiction.
    pub jurisdiction: Option<String>,
    /// Only this language.
    pub language: Option<String>,
    /// Only this member.
    pub member: Option<String>,
    /// Only this legal status.
    pub status: Option<String>,
    /// Only this year.
    pub year: Option<String>,
    /// Only what has something of this level of AI assistance.
    pub assistance: Option<String>,
    /// `relevance` (else), `newest`, `date` or `valid_as_of`.
    pub sort: Option<String>,
    /// Languages to show titles in, best first, as in Accept-Language, which stands in for it.
    pub lang: Option<String>,
    /// Hits wanted, at most 200.
    pub limit: Option<usize>,
    /// Hits to skip, at most 10,000.
    pub offset: Option<usize>,
}

impl App {
    /// What handlers share. `hosts` are the names the node may be asked by, besides loopback.
    pub fn new(
        node: Node,
        searcher: Searcher,
        folder: Folder,
        notes: Arc<Mutex<Vec<String>>>,
        token: &str,
        hosts: Vec<String>,
        mut registry: Registry,
    ) -> App {
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let (entries, documents) =
            (gauge("comity_entries", "Entries held"), gauge("comity_documents", "Works that stand"));
        let syncs = gauge("comity_segment_syncs", "Times the segments were made durable since the start");
        let indexed = gauge("comity_indexed", "Works in the search index");
        let missing_bodies = gauge("comity_missing_bodies", "Bodies that are wanted");
        let erased_bodies = gauge("comity_erased_bodies", "Bodies that were erased or are denied here");
        let (peers, free_bytes) = (gauge("comity_peers", "Peers connected"), gauge("comity_free_bytes", "Bytes free"));
        let metrics =
            Metrics { registry, entries, syncs, documents, indexed, missing_bodies, erased_bodies, peers, free_bytes };
        App {
            node,
            searcher,
            folder,
            notes,
            token: token.into(),
            hosts: hosts.into(),
            slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            metrics: Arc::new(metrics),
        }
    }

    /// Answers as of now.
    pub fn library(&self) -> Library {
        Library { reader: self.node.reader().clone(), view: self.node.view(), searcher: self.searcher.clone() }
    }

    /// Asks the library off the tasks that serve, because it reads the disk.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Library) -> Result<T, LibraryError> + Send + 'static,
    ) -> Result<T, Problem> {
        let library = self.library();
        let answer = tokio::task::spawn_blocking(move || question(&library)).await;
        Ok(answer.map_err(|error| Problem::internal(&error))??)
    }

    /// How the node is.
    pub fn status(&self) -> views::Status {
        let (library, network) = (self.library(), self.node.network());
        let view = &library.view;
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.extend(view.recovered.iter().cloned().chain(network.troubles));
        views::Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            federation: view.frontier.federation.to_string(),
            federation_name: view.standing.charter().name().to_owned(),
            member: self.node.config().member.as_ref().map(|member| member.code.clone()),
            frontier: view.frontier.digest().to_string(),
            logs: view.frontier.rows.len() as u64,
            entries: view.counts.entries,
            documents: view.counts.documents,
            indexed: self.searcher.documents(),
            missing_bodies: view.missing_bodies,
            erased_bodies: view.counts.erased,
            peers: network.connected.len() as u64,
            sync: library.sync_words(now_ms()),
            recovering: view.recovering.clone(),
            rivals: membership::rival_words(&view.standing),
            contested: library.contested_words(),
            policy: library.policy_words(),
            peer_id: network.peer,
            listen: network.listen,
            notes,
            free_bytes: disk::free(self.folder.path()).unwrap_or_default(),
        }
    }

    /// Every metric, the network's own included, as Prometheus reads them.
    pub fn metrics(&self) -> Result<String, Problem> {
        let (status, metrics) = (self.status(), &self.metrics);
        for (gauge, value) in [
            (&metrics.entries, status.entries),
            (&metrics.syncs, self.node.view().counts.syncs),
            (&metrics.documents, status.documents),
            (&metrics.indexed, status.indexed),
            (&metrics.missing_bodies, status.missing_bodies),
            (&metrics.erased_bodies, status.erased_bodies),
            (&metrics.peers, status.peers),
            (&metrics.free_bytes, status.free_bytes),
        ] {
            gauge.set(value);
        }
        let mut text = String::new();
        let encoded = prometheus_client::encoding::text::encode(&mut text, &metrics.registry);
        encoded.map(|()| text).map_err(|error| Problem::internal(&error))
    }

    /// Connected peers, with the members whose phone book names them.
    pub async fn peers(&self) -> Result<views::Peers, Problem> {
        let NetworkStatus { connected, limited, .. } = self.node.network();
        self.ask(move |library| {
            let mut members = HashMap::new();
            let book = PhoneBook::read(&library.reader, &library.view.standing, &library.view.frontier)?;
            for (code, nodes) in book.members() {
                members.extend(nodes.into_iter().map(|peer| (peer, code.clone())));
            }
            let peers = connected.keys().map(|peer| {
                let state = library.view.peers.get(peer).cloned().unwrap_or_default();
                views::Peer {
                    peer_id: peer.to_string(),
                    member: members.get(peer.as_ref()).cloned(),
                    in_sync_ms: state.in_sync_ms,
                    syncing: state.syncing,
                    waiting: state.waiting,
                }
            });
            let now = now_ms();
            let limited = limited.iter().map(|one| views::Limited {
                who: one.who.clone(),
                member: members.get(&one.who).cloned(),
                bounds: one
                    .bounds
                    .iter()
                    .map(|(bound, times)| views::BoundMet { bound: (*bound).to_owned(), times: *times })
                    .collect(),
                last_ms: now.saturating_sub(one.ago_ms),
                blocked_until_ms: (one.blocked_ms > 0).then_some(now + one.blocked_ms),
                blocks: one.blocks,
            });
            Ok(views::Peers { peers: peers.collect(), limited: limited.collect() })
        })
        .await
    }
}

impl App {
    /// Whether a request may write.
    pub fn authorise(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        // Every byte is compared, so that the time taken tells nothing.
        let differ = given.bytes().zip(self.token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
        if given.len() == self.token.len() && differ == 0 {
            return Ok(());
        }
        let words = "writing needs the bearer token in the file `token` of the data folder".to_owned();
        Err(Problem(StatusCode::UNAUTHORIZED, vec![words]))
    }
}

impl SearchParams {
    /// What the result is narrowed to.
    pub fn filters(&self) -> Filters {
        let SearchParams { kind, topic, jurisdiction, language, member, status, year, assistance, .. } = self.clone();
        Filters { kind, topic, jurisdiction, language, member, status, year, assistance, withdrawn: false }
    }

    /// With the languages a browser says its reader wants, where none are named.
    pub fn with_languages(mut self, headers: &HeaderMap) -> SearchParams {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        self.lang = self.lang.or_else(|| accepted.map(str::to_owned));
        self
    }

    /// What it asks of the library, and what of it was ignored.
    pub fn question(&self) -> (Question, Option<String>) {
        let named = self.sort.as_deref().filter(|name| !name.is_empty());
        let by = named.map(|name| By::named(name).ok_or(name));
        let note = by.and_then(Result::err).map(|name| {
            let all: Vec<&str> = By::NAMED.iter().map(|(name, _)| *name).collect();
            format!("there is no order `{name}`, and it was ignored; sort by one of {}", all.join(", "))
        });
        let question = Question {
            query: self.q.clone(),
            filters: self.filters(),
            by: by.and_then(Result::ok).unwrap_or_default(),
            languages: self.lang.as_deref().map(preference::languages).unwrap_or_default(),
            limit: self.limit.unwrap_or(LIMIT_DEFAULT),
            offset: self.offset.unwrap_or(0),
        };
        (question, note)
    }

    /// Asks for it.
    pub async fn ask(self, app: &App) -> Result<views::Search, Problem> {
        let (question, note) = self.question();
        let mut found = app.ask(move |library| library.search(&question)).await?;
        found.notes.extend(note);
        Ok(found)
    }
}

/// A work's name from a path.
pub fn name(code: &str, slug: &str) -> Result<Name, Problem> {
    let text = format!("{code}/{slug}");
    let words = || vec![format!("`{text}` is no name of a work; write CODE/slug or CODE/slug@2")];
    Name::parse(&text).ok_or_else(|| Problem(StatusCode::NOT_FOUND, words()))
}

impl Problem {
    /// Something that should not happen.
    pub fn internal(error: &dyn std::fmt::Display) -> Problem {
        tracing::error!(%error, "a request failed");
        Problem(StatusCode::INTERNAL_SERVER_ERROR, vec![format!("{error}; the node's log says more")])
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.0, Json(views::Refusal { errors: self.1 })).into_response()
    }
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Problem {
        match error {
            LibraryError::NotFound(_)
            | LibraryError::NoBody(_)
            | LibraryError::NoThread(_)
            | LibraryError::OnlyVersion(_) => Problem(StatusCode::NOT_FOUND, vec![error.to_string()]),
            LibraryError::Erased { .. } | LibraryError::Withdrawn { .. } => {
                Problem(StatusCode::GONE, vec![error.to_string()])
            }
            LibraryError::NotShown { .. } => Problem(StatusCode::FORBIDDEN, vec![error.to_string()]),
            other => Problem::internal(&other),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Problem {
        let status = match &error {
            PublishError::NoDesk => StatusCode::FORBIDDEN,
            PublishError::Recovering(_) | PublishError::Contested(_) | PublishError::Asking(_) => StatusCode::CONFLICT,
            PublishError::NoWork(_) | PublishError::NotHeld(_) => StatusCode::NOT_FOUND,
            PublishError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            PublishError::Twice(_)
            | PublishError::TooLong { .. }
            | PublishError::Citing { .. }
            | PublishError::Status { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            PublishError::Write(_) => StatusCode::CONFLICT,
            PublishError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem(status, vec![error.to_string()])
    }
}
