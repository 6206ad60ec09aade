//! Refusals of the API have one shape, whoever refuses: a handler, or the framework because a request cannot be read.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::{Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, openapi};

use crate::app::Problem;

/// Bytes of the framework's own words that are passed on.
const WORDS_BYTES_MAX: usize = 16 * 1024;

/// Gives the framework's refusals, which are plain text, the shape of all others.
pub async fn in_one_shape(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/v1/");
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let is_plain = kind.is_none_or(|kind| kind.starts_with(b"text/plain"));
    if !is_api || !is_plain || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let words = to_bytes(body, WORDS_BYTES_MAX).await.unwrap_or_default();
    let words = String::from_utf8_lossy(&words).trim().to_owned();
    let words = if words.is_empty() { status.canonical_reason().unwrap_or("refused").to_owned() } else { words };
    let mut response = Problem(status, vec![format!("{words}; /openapi.json says what can be asked")]).into_response();
    if let Some(allowed) = parts.headers.get(header::ALLOW) {
        response.headers_mut().insert(header::ALLOW, allowed.clone());
    }
    response
}

/// Says so in the description of every operation.
pub struct Described;

impl Modify for Described {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let shape = || RefOr::Ref(Ref::from_schema_name("Refusal"));
        let content = ContentBuilder::new().schema(Some(shape())).build();
        let refused = ResponseBuilder::new()
            .description("Refused: a line for each thing that is wrong, and what to do")
            .content("application/json", content)
            .build();
        for item in description.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            for operation in operations.into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), RefOr::T(refused.clone()));
            }
        }
    }
}
