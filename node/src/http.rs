//! The API: JSON under `/v1`, described by `/openapi.json`, with `/healthz` and `/metrics` beside it.
//!
//! Reading is open to whoever reaches the address, which is loopback unless the operator decides otherwise; writing needs the
//! bearer token from the data folder. `Host` is checked, so that a page elsewhere cannot reach a node on loopback by a name of
//! its own (DNS rebinding).

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde::Deserialize;
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::config::Folder;
use crate::disk;
use crate::document;
use crate::index::{Filters, Searcher};
use crate::keeper::{PublishError, now_ms};
use crate::library::{Library, LibraryError, Name};
use crate::node::{Node, REQUEST_DOCUMENTS_MAX};
use crate::proof_file::{self, ProofFileError};
use crate::views;
use crate::web;

/// Bytes of a request: sixty of the largest documents.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Requests answered at once; more wait in their callers.
const REQUESTS_MAX: usize = 64;
/// Seconds after which a request is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
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
    token: Arc<str>,
    hosts: Arc<[String]>,
    slots: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

struct Metrics {
    registry: Registry,
    entries: Gauge<u64, AtomicU64>,
    documents: Gauge<u64, AtomicU64>,
    indexed: Gauge<u64, AtomicU64>,
    missing_bodies: Gauge<u64, AtomicU64>,
    peers: Gauge<u64, AtomicU64>,
    free_bytes: Gauge<u64, AtomicU64>,
}

/// Why a request is not answered: a status and words that end with what to do.
pub struct Problem(pub StatusCode, pub Vec<String>);

#[derive(OpenApi)]
#[openapi(info(
    title = "Comity",
    description = "A node of an inter-parliamentary knowledge-exchange federation: everything is answered from the local replica."
))]
struct Description;

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
        let indexed = gauge("comity_indexed", "Works in the search index");
        let missing_bodies = gauge("comity_missing_bodies", "Bodies that are wanted");
        let (peers, free_bytes) = (gauge("comity_peers", "Peers connected"), gauge("comity_free_bytes", "Bytes free"));
        let metrics = Metrics { registry, entries, documents, indexed, missing_bodies, peers, free_bytes };
        App {
            node,
            searcher,
            folder,
            notes,
            token: token.into(),
            hosts: hosts.into(),
            slots: Arc::new(Semaphore::new(REQUESTS_MAX)),
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
        notes.extend(network.troubles);
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
            peers: network.connected.len() as u64,
            sync: library.sync_words(now_ms()),
            recovering: view.recovering.clone(),
            peer_id: network.peer,
            listen: network.listen,
            notes,
            free_bytes: disk::free(self.folder.path()).unwrap_or_default(),
        }
    }

    /// Connected peers, with the members whose phone book names them.
    pub async fn peers(&self) -> Result<views::Peers, Problem> {
        let connected = self.node.network().connected;
        self.ask(move |library| {
            let mut members = HashMap::new();
            for (log, address) in library.reader.phone_book()? {
                if let Some(owner) = library.reader.owner(log)? {
                    members.insert(address.peer, owner.open.member);
                }
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
            Ok(views::Peers { peers: peers.collect() })
        })
        .await
    }
}

/// The whole service: API, pages, description.
pub fn router(app: App) -> axum::Router {
    let (router, description) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(status))
        .routes(routes!(peers))
        .routes(routes!(logs))
        .routes(routes!(members))
        .routes(routes!(search))
        .routes(routes!(document))
        .routes(routes!(publish))
        .routes(routes!(history))
        .routes(routes!(proof))
        .routes(routes!(withdraw))
        .split_for_parts();
    let description = Arc::new(description.to_pretty_json().unwrap_or_default());
    router
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description.as_ref().clone()) }),
        )
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .merge(web::routes())
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(CompressionLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

/// Before every answer: the name asked by, and how many are being answered; after it, what a browser may do with it.
async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
        .map_or(host, |(name, _)| name);
    let known = ["127.0.0.1", "localhost", "[::1]"].contains(&name) || app.hosts.iter().any(|host| host == name);
    if !known {
        let words = format!("this node does not answer for the name `{name}`; add it to http.hosts in comity.toml");
        return Problem(StatusCode::MISDIRECTED_REQUEST, vec![words]).into_response();
    }
    let Ok(_slot) = app.slots.acquire().await else {
        return Problem(StatusCode::SERVICE_UNAVAILABLE, vec!["the node is stopping".to_owned()]).into_response();
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

// --------------------------------------------------------------------------------------------------- reading

/// How the node is.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = views::Status)))]
async fn status(State(app): State<App>) -> Json<views::Status> {
    Json(app.status())
}

/// Connected peers.
#[utoipa::path(get, path = "/v1/peers", responses((status = 200, body = views::Peers)))]
async fn peers(State(app): State<App>) -> Result<Json<views::Peers>, Problem> {
    app.peers().await.map(Json)
}

/// Every known log.
#[utoipa::path(get, path = "/v1/logs", responses((status = 200, body = views::Logs)))]
async fn logs(State(app): State<App>) -> Result<Json<views::Logs>, Problem> {
    app.ask(|library| Ok(library.logs())).await.map(Json)
}

/// Every member with its logs.
#[utoipa::path(get, path = "/v1/members", responses((status = 200, body = Vec<views::Member>)))]
async fn members(State(app): State<App>) -> Result<Json<Vec<views::Member>>, Problem> {
    app.ask(Library::members).await.map(Json)
}

/// A search as it is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words, "phrases", -not, field:value. Empty: everything, newest first.
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
    /// Hits wanted, at most 200.
    pub limit: Option<usize>,
    /// Hits to skip, at most 10,000.
    pub offset: Option<usize>,
}

impl SearchParams {
    /// What the result is narrowed to.
    pub fn filters(&self) -> Filters {
        Filters {
            kind: self.kind.clone(),
            topic: self.topic.clone(),
            jurisdiction: self.jurisdiction.clone(),
            language: self.language.clone(),
            member: self.member.clone(),
        }
    }

    /// Asks for it.
    pub async fn ask(self, app: &App) -> Result<views::Search, Problem> {
        let (limit, offset) = (self.limit.unwrap_or(LIMIT_DEFAULT), self.offset.unwrap_or(0));
        app.ask(move |library| library.search(&self.q, &self.filters(), limit, offset)).await
    }
}

/// Works that match, best first, with counts to narrow by.
#[utoipa::path(get, path = "/v1/search", params(SearchParams), responses((status = 200, body = views::Search)))]
async fn search(State(app): State<App>, Query(params): Query<SearchParams>) -> Result<Json<views::Search>, Problem> {
    params.ask(&app).await.map(Json)
}

/// One version of a work: `slug`, `slug@2` or `slug@2~1a2b3c4d`.
#[utoipa::path(get, path = "/v1/documents/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug[@version]")),
    responses((status = 200, body = views::Document), (status = 404, body = views::Refusal)))]
async fn document(
    State(app): State<App>,
    Path((code, slug)): Path<(String, String)>,
) -> Result<Json<views::Document>, Problem> {
    let name = name(&code, &slug)?;
    app.ask(move |library| library.document(&name)).await.map(Json)
}

/// All versions of a work.
#[utoipa::path(get, path = "/v1/history/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug")),
    responses((status = 200, body = views::History), (status = 404, body = views::Refusal)))]
async fn history(
    State(app): State<App>,
    Path((code, slug)): Path<(String, String)>,
) -> Result<Json<views::History>, Problem> {
    let name = name(&code, &slug)?;
    app.ask(move |library| library.history(&name)).await.map(Json)
}

/// A file that proves who published a version, from the charter alone.
#[utoipa::path(get, path = "/v1/proofs/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug[@version]")),
    responses((status = 200, description = "A comity-proof/v1 file"), (status = 404, body = views::Refusal)))]
async fn proof(State(app): State<App>, Path((code, slug)): Path<(String, String)>) -> Result<Response, Problem> {
    let name = name(&code, &slug)?;
    let library = app.library();
    let file = format!("attachment; filename=\"{code}-{}.comity-proof.json\"", slug.replace(['@', '~'], "-"));
    let made = tokio::task::spawn_blocking(move || proof_file::make(&library, &name)).await;
    let made = made.map_err(|error| Problem::internal(&error))?.map_err(|error| match error {
        ProofFileError::Library(error) => error.into(),
        other => Problem(StatusCode::CONFLICT, vec![other.to_string()]),
    })?;
    Ok(([(header::CONTENT_DISPOSITION, file)], Json(made)).into_response())
}

async fn health(State(app): State<App>) -> Response {
    let recovering = app.node.view().recovering;
    if recovering.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, recovering.join("\n") + "\n").into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    let (status, metrics) = (app.status(), &app.metrics);
    for (gauge, value) in [
        (&metrics.entries, status.entries),
        (&metrics.documents, status.documents),
        (&metrics.indexed, status.indexed),
        (&metrics.missing_bodies, status.missing_bodies),
        (&metrics.peers, status.peers),
        (&metrics.free_bytes, status.free_bytes),
    ] {
        gauge.set(value);
    }
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

// --------------------------------------------------------------------------------------------------- writing

/// Publishes Markdown files with front matter, all under one signature, for everyone and for good.
#[utoipa::path(post, path = "/v1/documents", request_body = views::PublishRequest,
    security(("token" = [])), responses((status = 200, body = views::PublishReply), (status = 422, body = views::Refusal)))]
async fn publish(
    State(app): State<App>,
    headers: HeaderMap,
    Json(request): Json<views::PublishRequest>,
) -> Result<Json<views::PublishReply>, Problem> {
    app.authorise(&headers)?;
    if request.files.len() > REQUEST_DOCUMENTS_MAX {
        let words = format!(
            "{} files at once; {REQUEST_DOCUMENTS_MAX} are allowed. Publish them in parts",
            request.files.len()
        );
        return Err(Problem(StatusCode::PAYLOAD_TOO_LARGE, vec![words]));
    }
    let read = tokio::task::spawn_blocking(move || read_all(&request.files)).await;
    let (documents, advice) = read.map_err(|error| Problem::internal(&error))??;
    let published = app.node.publish(documents).await?;
    let one = |(done, (file, advice)): (crate::keeper::Published, (String, Vec<String>))| views::Published {
        file,
        work: format!("{}@{}", done.work, done.version),
        changed: done.changed,
        advice,
    };
    Ok(Json(views::PublishReply { published: published.into_iter().zip(advice).map(one).collect() }))
}

type Read = (Vec<(proto::schema::Kind, proto::schema::Publication)>, Vec<(String, Vec<String>)>);

/// All files or none: whoever mends a batch wants to see everything that is wrong with it.
fn read_all(files: &[views::File]) -> Result<Read, Problem> {
    let (mut documents, mut advice, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        match document::read(&file.name, file.text.as_bytes()) {
            Ok((document, words)) => {
                documents.push((document.kind, document.publication));
                advice.push((file.name.clone(), words));
            }
            Err(found) => errors.extend(found.iter().map(ToString::to_string)),
        }
    }
    if errors.is_empty() { Ok((documents, advice)) } else { Err(Problem(StatusCode::UNPROCESSABLE_ENTITY, errors)) }
}

/// Takes back a work of this member, with a reason.
#[utoipa::path(post, path = "/v1/withdrawals", request_body = views::WithdrawRequest, security(("token" = [])),
    responses((status = 204), (status = 404, body = views::Refusal)))]
async fn withdraw(
    State(app): State<App>,
    headers: HeaderMap,
    Json(request): Json<views::WithdrawRequest>,
) -> Result<StatusCode, Problem> {
    app.authorise(&headers)?;
    let bad = |words: &str| Problem(StatusCode::UNPROCESSABLE_ENTITY, vec![words.to_owned()]);
    let name = Name::parse(&request.work).ok_or_else(|| bad("name the work as CODE/slug"))?;
    let own = app.node.config().member.as_ref().map(|member| member.code.as_str());
    let (code, slug) = name.work.split_once('/').ok_or_else(|| bad("name the work as CODE/slug"))?;
    if own != Some(code) {
        return Err(bad("a member withdraws its own works only; ask the author to withdraw it"));
    }
    if request.reason.trim().is_empty() {
        return Err(bad("say why, with --reason: everyone who cites the work will read it"));
    }
    app.node.withdraw(slug, request.reason.trim()).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl App {
    fn authorise(&self, headers: &HeaderMap) -> Result<(), Problem> {
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
            LibraryError::NotFound(_) | LibraryError::NoBody(_) => {
                Problem(StatusCode::NOT_FOUND, vec![error.to_string()])
            }
            other => Problem::internal(&other),
        }
    }
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Problem {
        let status = match &error {
            PublishError::NoDesk => StatusCode::FORBIDDEN,
            PublishError::Recovering(_) | PublishError::Asking(_) => StatusCode::CONFLICT,
            PublishError::NoWork(_) => StatusCode::NOT_FOUND,
            PublishError::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
            PublishError::Twice(_) | PublishError::TooLong { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            PublishError::Write(_) => StatusCode::CONFLICT,
            PublishError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Problem(status, vec![error.to_string()])
    }
}
