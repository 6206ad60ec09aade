//! Requests with what came of them, and what changed between versions.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Problem, name};
use crate::differences::Differences;
use crate::keeper::now_ms;
use crate::thread::Thread;
use crate::views;

/// Which versions to compare.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct DifferenceParams {
    /// The version to compare with, `1` or `1~1a2b3c4d`; the one before the other where it is left out.
    from: Option<String>,
    /// The version to compare; the current one where it is left out.
    to: Option<String>,
}

/// The routes.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(thread)).routes(routes!(differences))
}

/// A request with its replies and what the asker makes of them; also by the name of a reply or a synthesis.
#[utoipa::path(get, path = "/v1/threads/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug")),
    responses((status = 200, body = Thread), (status = 404, body = views::Refusal),
        (status = 403, description = "Denied or hidden here by local policy", body = views::Refusal),
        (status = 410, description = "Erased, or withdrawn without a text", body = views::Refusal)))]
async fn thread(State(app): State<App>, Path((code, slug)): Path<(String, String)>) -> Result<Json<Thread>, Problem> {
    let name = name(&code, &slug)?;
    app.ask(move |library| library.thread(&name, now_ms())).await.map(Json)
}

/// What changed between two versions of a work: its keys, and its text as a unified diff.
#[utoipa::path(get, path = "/v1/differences/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"), ("slug" = String, Path, description = "slug"),
        DifferenceParams),
    responses((status = 200, body = Differences), (status = 404, body = views::Refusal),
        (status = 403, description = "Denied or hidden here by local policy", body = views::Refusal),
        (status = 410, description = "Erased, or withdrawn without a text", body = views::Refusal)))]
async fn differences(
    State(app): State<App>,
    Path((code, slug)): Path<(String, String)>,
    Query(params): Query<DifferenceParams>,
) -> Result<Json<Differences>, Problem> {
    let name = name(&code, &slug)?;
    let asked = app.ask(move |library| library.differences(&name.work, params.from.as_deref(), params.to.as_deref()));
    asked.await.map(Json)
}
