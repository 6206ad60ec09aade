//! The API of imports: a push of records as JSON Lines, and the question which of many works say something already.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use proto::digest::Digest;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Problem};
use crate::import::answers::{AnswerError, Answers};
use crate::import::batch::Batch;
use crate::import::candidate::Maker;
use crate::import::held::Held;
use crate::import::lines::Lines;
use crate::import::mapping::Mapping;
use crate::import::mapping_file;
use crate::import::report::ImportReply;
use crate::import::row::Place;
use crate::import::source::Raw;
use crate::import::taking;
use crate::views;

/// Records of one push: the answer names each of them.
const RECORDS_MAX: usize = 10_000;
/// Works asked about at once.
const ASKED_MAX: usize = 10_000;
/// The header by which a push that is sent again is known.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One push with a key at a time: the second of two alike finds the answer of the first.
type Turn = Arc<Mutex<()>>;

/// Its routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(import)).routes(routes!(unchanged)).layer(Extension(Turn::default()))
}

/// How records are to be read.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ImportParams {
    /// A mapping in the folder `mappings` of the node's data folder, without `.toml`; none: the records are as an export writes
    /// them.
    mapping: Option<String>,
}

/// Publishes records as JSON Lines, as an export writes them or through a mapping. What a work says already is not published
/// again; what is wrong with one record does not keep the others. With an `Idempotency-Key` the same request, sent again, gives
/// the first answer.
#[utoipa::path(post, path = "/v1/import", params(ImportParams, ("Idempotency-Key" = Option<String>, Header,
        description = "1 to 128 printable ASCII characters, for this request alone")),
    request_body(content = String, content_type = "application/x-ndjson"), security(("token" = [])),
    responses((status = 200, body = ImportReply), (status = 401, body = views::Refusal), (status = 403, body = views::Refusal),
        (status = 409, body = views::Refusal), (status = 413, body = views::Refusal), (status = 422, body = views::Refusal)))]
async fn import(
    State(app): State<App>,
    Extension(turn): Extension<Turn>,
    Query(params): Query<ImportParams>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<ImportReply>, Problem> {
    app.authorise(&headers)?;
    let member = member(&app)?;
    let mapping = params.mapping.as_deref().map(|name| mapping(&app, name)).transpose()?;
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else {
        return take_all(&app, &member, mapping, &body).await.map(Json);
    };
    let key = key.to_str().map_err(|_| AnswerError::Key)?;
    let _turn = turn.lock().await;
    let answers = Answers::of(app.folder.path());
    let request = Digest::of_parts(&[params.mapping.unwrap_or_default().as_bytes(), b"\n", &body]);
    if let Some(reply) = answers.find(key, &request)? {
        return Ok(Json(reply));
    }
    let reply = take_all(&app, &member, mapping, &body).await?;
    answers.keep(key, &request, &reply)?;
    Ok(Json(reply))
}

/// Works, and the digests of what they are to say.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AskedWorks {
    /// Works of this member.
    pub works: Vec<AskedWork>,
}

/// A work, and the digest of what it is to say.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AskedWork {
    /// Its name below the member's code.
    pub slug: String,
    /// Kind and publication, without salt, version and what it supersedes: SHA-256 in hex.
    pub content: String,
}

/// What this node has of the works asked about.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct HeldWorks {
    /// One for each, in order.
    pub held: Vec<Held>,
}

/// Says of many works at once whether they say something already, so that an import sends only what is new.
#[utoipa::path(post, path = "/v1/import/held", request_body = AskedWorks, security(("token" = [])),
    responses((status = 200, body = HeldWorks), (status = 401, body = views::Refusal), (status = 403, body = views::Refusal),
        (status = 413, body = views::Refusal), (status = 422, body = views::Refusal)))]
async fn unchanged(
    State(app): State<App>,
    headers: HeaderMap,
    Json(asked): Json<AskedWorks>,
) -> Result<Json<HeldWorks>, Problem> {
    app.authorise(&headers)?;
    let member = member(&app)?;
    if asked.works.len() > ASKED_MAX {
        return Err(too_many(asked.works.len(), ASKED_MAX));
    }
    let work = |work: &AskedWork| Ok((format!("{member}/{}", work.slug), work.content.parse()?));
    let works: Result<Vec<(String, Digest)>, proto::digest::DigestError> = asked.works.iter().map(work).collect();
    let works = works.map_err(|error| Problem(StatusCode::UNPROCESSABLE_ENTITY, vec![error.to_string()]))?;
    Ok(Json(HeldWorks { held: taking::held(&app, works).await? }))
}

fn member(app: &App) -> Result<String, Problem> {
    let member = app.node.config().member.as_ref().map(|member| member.code.clone());
    member.ok_or_else(|| crate::keeper::PublishError::NoDesk.into())
}

/// A mapping that the operator put into the data folder. Its name is no path.
fn mapping(app: &App, name: &str) -> Result<Mapping, Problem> {
    let bad = |words: String| Problem(StatusCode::UNPROCESSABLE_ENTITY, vec![words]);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !is_name {
        return Err(bad(format!("`{name}` is no name of a mapping; it has letters, digits, - and _")));
    }
    let path = app.folder.path().join("mappings").join(format!("{name}.toml"));
    if !path.exists() {
        let words = format!(
            "there is no mapping `{name}` here; the operator puts it into mappings/{name}.toml of the data folder"
        );
        return Err(bad(words));
    }
    mapping_file::read(&path).map_err(|error| bad(error.to_string()))
}

async fn take_all(app: &App, member: &str, mapping: Option<Mapping>, body: &[u8]) -> Result<ImportReply, Problem> {
    let records = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    if records > RECORDS_MAX {
        return Err(too_many(records, RECORDS_MAX));
    }
    let mut maker = Maker::new(member, mapping, None);
    let mut lines = Lines::new(body);
    let mut reply = ImportReply::default();
    loop {
        let mut batch = Batch::default();
        while !batch.is_full()
            && let Some((line, text)) = lines.next_line()
        {
            batch.add(maker.make(Place { file: "".into(), line }, text.map(Raw::Line)));
        }
        if batch.is_empty() {
            return Ok(reply);
        }
        let taken = taking::take(app, member, batch.candidates()).await?;
        for outcome in batch.settled(taken.into_iter().map(Some)) {
            reply.counts.add(&outcome);
            reply.records.push(outcome);
        }
    }
}

fn too_many(records: usize, max: usize) -> Problem {
    let words = format!("{records} records at once; {max} are allowed. Send them in parts");
    Problem(StatusCode::PAYLOAD_TOO_LARGE, vec![words])
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Problem {
        let status = match &error {
            AnswerError::Key | AnswerError::Other => StatusCode::UNPROCESSABLE_ENTITY,
            AnswerError::Io { .. } => return Problem::internal(&error),
        };
        Problem(status, vec![error.to_string()])
    }
}
