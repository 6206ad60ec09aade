//! The API: JSON under `/v1`, described by `/openapi.json`, with `/healthz` and `/metrics` beside it.
//!
//! Reading is open to whoever reaches the address, which is loopback unless the operator decides otherwise; writing needs the
//! bearer token from the data folder. `Host` is checked, so that a page elsewhere cannot reach a node on loopback by a name of
//! its own (DNS rebinding).

mod threads;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa::{IntoParams, Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::acts::{self, Act, ActError, Held};
use crate::app::{App, Problem, SearchParams, name};
use crate::compare;
use crate::document;
use crate::explain::Explainer;
use crate::export;
use crate::feed;
use crate::import;
use crate::keeper::now_ms;
use crate::library::Library;
use crate::membership;
use crate::name::Name;
use crate::node::REQUEST_DOCUMENTS_MAX;
use crate::oai;
use crate::proof_file::{self, ProofFileError};
use crate::refusals;
use crate::signing::{SignError, Signed};
use crate::views;
use crate::web;

/// Bytes of a request: sixty of the largest documents.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Seconds after which a request is given up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExplainParams {
    /// `CODE/slug`, a key, a member's code, `sync` or `publish`.
    what: String,
}

#[derive(OpenApi)]
#[openapi(
    components(schemas(crate::compare::Format)),
    info(
        title = "Comity",
        description = "A node of an inter-parliamentary knowledge-exchange federation: everything is answered from the local replica."
    )
)]
struct Description;

/// The whole service: API, pages, description.
pub fn router(app: App) -> axum::Router {
    let (router, mut description) = OpenApiRouter::with_openapi(Description::openapi())
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
        .routes(routes!(erase))
        .routes(routes!(editions))
        .routes(routes!(explain))
        .routes(routes!(request))
        .routes(routes!(submit))
        .routes(routes!(recovery))
        .routes(routes!(publish_again))
        .merge(compare::routes())
        .merge(import::routes::routes())
        .merge(threads::routes())
        .merge(export::routes::routes())
        .split_for_parts();
    refusals::Described.modify(&mut description);
    let description = Arc::new(description.to_pretty_json().unwrap_or_default());
    router
        .route(
            "/openapi.json",
            get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description.as_ref().clone()) }),
        )
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .merge(feed::routes())
        .merge(oai::routes())
        .merge(web::routes())
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn(refusals::in_one_shape))
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

/// Works that match, best first, with counts to narrow by.
#[utoipa::path(get, path = "/v1/search", params(SearchParams), responses((status = 200, body = views::Search)))]
async fn search(
    State(app): State<App>,
    headers: HeaderMap,
    Query(params): Query<SearchParams>,
) -> Result<Json<views::Search>, Problem> {
    params.with_languages(&headers).ask(&app).await.map(Json)
}

/// One version of a work: `slug`, `slug@2` or `slug@2~1a2b3c4d`.
#[utoipa::path(get, path = "/v1/documents/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug[@version]")),
    responses((status = 200, body = views::Document), (status = 404, body = views::Refusal),
        (status = 403, description = "Denied or hidden here by local policy", body = views::Refusal),
        (status = 410, description = "Erased, or withdrawn without a text", body = views::Refusal)))]
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

/// Valid lists of members, drafts, and whose signatures are missing.
#[utoipa::path(get, path = "/v1/editions", responses((status = 200, body = membership::Editions)))]
async fn editions(State(app): State<App>) -> Result<Json<membership::Editions>, Problem> {
    app.ask(|library| Ok(membership::list(&library.view.standing))).await.map(Json)
}

/// Why something is as it is here: a work, a key, a member, `sync` or `publish`.
#[utoipa::path(get, path = "/v1/explain", params(ExplainParams), responses((status = 200, body = views::Explanation)))]
async fn explain(
    State(app): State<App>,
    Query(params): Query<ExplainParams>,
) -> Result<Json<views::Explanation>, Problem> {
    let member = app.node.config().member.as_ref().map(|member| member.code.clone());
    let explained = app.ask(move |library| {
        let sync = library.sync_words(now_ms());
        let explainer = Explainer { library, member: member.as_deref(), sync: &sync };
        Ok(views::Explanation { words: explainer.explain(&params.what)? })
    });
    explained.await.map(Json)
}

async fn health(State(app): State<App>) -> Response {
    let recovering = app.node.view().recovering;
    if recovering.is_empty() {
        return (StatusCode::OK, "ok\n").into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, recovering.join("\n") + "\n").into_response()
}

async fn metrics(State(app): State<App>) -> Result<Response, Problem> {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics()?).into_response())
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
    app.node.withdraw(slug, request.reason.trim(), request.erase).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Erases texts on this node alone. Their entries and proofs stay, and no peer is asked for them again.
#[utoipa::path(post, path = "/v1/erasures", request_body = views::EraseRequest, security(("token" = [])),
    responses((status = 200, body = views::EraseReply), (status = 404, body = views::Refusal)))]
async fn erase(
    State(app): State<App>,
    headers: HeaderMap,
    Json(request): Json<views::EraseRequest>,
) -> Result<Json<views::EraseReply>, Problem> {
    app.authorise(&headers)?;
    let bad = |words: &str| Problem(StatusCode::UNPROCESSABLE_ENTITY, vec![words.to_owned()]);
    let name = Name::parse(&request.work).ok_or_else(|| bad("name the work as CODE/slug or CODE/slug@2"))?;
    if request.reason.trim().is_empty() {
        return Err(bad("say why, with --reason: this node shows it where the document was"));
    }
    let versions = app.node.erase(name, request.reason.trim()).await?;
    Ok(Json(views::EraseReply { versions }))
}

/// Makes the file by which the member's identity key is asked to sign an act. Nothing is signed by it.
#[utoipa::path(post, path = "/v1/governance/requests", request_body = Act, security(("token" = [])),
    responses((status = 200, body = acts::Request), (status = 409, body = views::Refusal)))]
async fn request(
    State(app): State<App>,
    headers: HeaderMap,
    Json(act): Json<Act>,
) -> Result<Json<acts::Request>, Problem> {
    app.authorise(&headers)?;
    let member = app.node.config().member.as_ref().map(|member| member.code.clone());
    let library = app.library();
    let made = tokio::task::spawn_blocking(move || {
        let (view, reader) = (&library.view, &library.reader);
        let held = Held { standing: &view.standing, frontier: &view.frontier, contested: &view.contested, reader };
        acts::Request::make(&held, &member.ok_or(ActError::NoMember)?, &act)
    });
    let made = made.await.map_err(|error| Problem::internal(&error))?;
    made.map(Json).map_err(|error| Problem(StatusCode::CONFLICT, vec![error.to_string()]))
}

/// Own logs that are contested, and works that only a branch had that was set aside.
#[utoipa::path(get, path = "/v1/recovery", responses((status = 200, body = views::Recovery)))]
async fn recovery(State(app): State<App>) -> Result<Json<views::Recovery>, Problem> {
    let member = app.node.config().member.as_ref().map(|member| member.code.clone());
    let library = app.library();
    let found = tokio::task::spawn_blocking(move || library.recovery(member.as_deref()));
    Ok(Json(found.await.map_err(|error| Problem::internal(&error))??))
}

/// Publishes those again, with the desk of this node. A second time there are none.
#[utoipa::path(post, path = "/v1/recovery", security(("token" = [])),
    responses((status = 200, body = Vec<String>), (status = 409, body = views::Refusal)))]
async fn publish_again(State(app): State<App>, headers: HeaderMap) -> Result<Json<Vec<String>>, Problem> {
    app.authorise(&headers)?;
    Ok(Json(app.node.publish_again().await?))
}

/// Takes what the identity key signed, for everyone and for good.
#[utoipa::path(post, path = "/v1/governance/runs", request_body = Signed, security(("token" = [])),
    responses((status = 204), (status = 409, body = views::Refusal)))]
async fn submit(State(app): State<App>, headers: HeaderMap, Json(signed): Json<Signed>) -> Result<StatusCode, Problem> {
    app.authorise(&headers)?;
    let bad = |error: SignError| Problem(StatusCode::UNPROCESSABLE_ENTITY, vec![error.to_string()]);
    app.node.submit(signed.chunk().map_err(bad)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
