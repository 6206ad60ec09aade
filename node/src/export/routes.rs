//! `/v1/export`: a query's whole result, sent as it is read.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{BOM, ExportError, Format, Snapshot};
use crate::app::{App, Problem, SearchParams, name};
use crate::library::Library;
use crate::views;

/// Bytes sent at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader: two, so that reading and sending overlap.
const CHUNKS_WAITING: usize = 2;
/// Seconds without a byte taken after which a reader counts as gone: what it holds is wanted by others.
const STALL: Duration = Duration::from_secs(60);
/// Seconds the index may take to have what the store has: less than a request may take.
const INDEX_PATIENCE: Duration = Duration::from_secs(20);
/// How often one looks whether it has.
const INDEX_OFTEN: Duration = Duration::from_millis(50);
/// The header with the frontier's digest, the id of the snapshot.
pub const FRONTIER: &str = "comity-frontier";
/// The header with how many works match.
pub const TOTAL: &str = "comity-total";

/// How a result is wanted.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ExportParams {
    /// The form.
    format: Format,
    /// Whether a CSV file begins with a byte order mark, as some spreadsheets want it.
    #[serde(default)]
    bom: bool,
}

/// This module's routes.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(cite))
}

/// One version of a work in one of the forms, for whoever cites it: `slug`, `slug@2` or `slug@2~1a2b3c4d`.
#[utoipa::path(get, path = "/v1/citations/{code}/{slug}",
    params(("code" = String, Path, description = "The member's code"),
        ("slug" = String, Path, description = "slug[@version]"), ExportParams),
    responses((status = 200, description = "The document, in the form asked for"), (status = 404, body = views::Refusal),
        (status = 403, description = "Denied or hidden here by local policy", body = views::Refusal),
        (status = 410, description = "Erased, or withdrawn without a text", body = views::Refusal)))]
async fn cite(
    State(app): State<App>,
    Path((code, slug)): Path<(String, String)>,
    Query(ExportParams { format, .. }): Query<ExportParams>,
) -> Result<Response, Problem> {
    let name = name(&code, &slug)?;
    let text = app.ask(move |library| super::one(library, &name, format)).await?;
    Ok(([(header::CONTENT_TYPE, format.media_type())], text).into_response())
}

/// All works that match, by name, as of one moment: the header `Comity-Frontier` is the id of that snapshot. `limit` and `offset`
/// mean nothing here.
#[utoipa::path(get, path = "/v1/export", params(SearchParams, ExportParams),
    responses((status = 200, description = "The documents, in the form asked for",
            headers(("comity-frontier" = String, description = "The frontier's digest, the id of the snapshot"),
                ("comity-total" = u64, description = "Works that match"))),
        (status = 503, description = "Too many exports at once, or the index is behind", body = views::Refusal)))]
async fn export(
    State(app): State<App>,
    Query(search): Query<SearchParams>,
    Query(ExportParams { format, bom }): Query<ExportParams>,
) -> Result<Response, Problem> {
    let busy = |words: String| Problem(StatusCode::SERVICE_UNAVAILABLE, vec![words]);
    let slot = app.exports.clone().try_acquire_owned();
    let slot = slot.map_err(|_| busy("others are exporting; try again when they are done".to_owned()))?;
    let library = app.library();
    let (asked, began) = (library.view.counts.arrival, Instant::now());
    while app.searcher.cursor() < asked {
        if began.elapsed() > INDEX_PATIENCE {
            let behind = asked.saturating_sub(app.searcher.cursor());
            return Err(busy(format!(
                "the search index is {behind} entries behind, and an export would not be whole; try again when `comity status` \
                 says that all documents are found"
            )));
        }
        sleep(INDEX_OFTEN).await;
    }
    let snapshot = Snapshot::of(&library);
    let (sender, mut receiver) = mpsc::channel(CHUNKS_WAITING);
    let (begun, total) = oneshot::channel();
    let mut pipe = Pipe { sender, handle: Handle::current(), chunk: Vec::with_capacity(CHUNK_BYTES) };
    tokio::task::spawn_blocking(move || {
        let _slot = slot;
        if let Err(error) = write(library, &search, format, bom, begun, &mut pipe) {
            tracing::info!(%error, "an export ended early");
            // Whoever reads must not take what came for the whole.
            let _ = pipe.sender.blocking_send(Err(io::Error::other("the export ended early")));
        }
    });
    let total = total.await.map_err(|_| busy("the export could not begin; the node's log says more".to_owned()))?;
    let file = format!(
        "attachment; filename=\"comity-{}.{}\"",
        snapshot.frontier.get(..8).unwrap_or_default(),
        format.extension()
    );
    let headers = [
        (header::CONTENT_TYPE.as_str(), format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION.as_str(), file),
        (FRONTIER, snapshot.frontier),
        (TOTAL, total.to_string()),
    ];
    let chunks = stream::poll_fn(move |context| receiver.poll_recv(context));
    Ok((headers, Body::from_stream(chunks)).into_response())
}

fn write(
    library: Library,
    search: &SearchParams,
    format: Format,
    bom: bool,
    begun: oneshot::Sender<u64>,
    pipe: &mut Pipe,
) -> Result<(), ExportError> {
    let library = library.held_still()?;
    let documents = library.documents(&search.q, &search.filters())?;
    if begun.send(documents.total()).is_err() {
        return Ok(());
    }
    if bom && format == Format::Csv {
        pipe.write_all(BOM.as_bytes())?;
    }
    super::write(&library, documents, format, pipe).map(drop)
}

/// From what is read to what is sent.
struct Pipe {
    sender: mpsc::Sender<io::Result<Bytes>>,
    handle: Handle,
    chunk: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK_BYTES)));
        let sent = self.handle.block_on(timeout(STALL, self.sender.send(Ok(chunk))));
        let sent = sent.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "its reader takes nothing any more"))?;
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "its reader went away"))
    }
}
