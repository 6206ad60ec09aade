//! By which address this node was asked, for the links in what is taken away from it: feeds, harvests, exports.

use std::fmt;

use axum::http::{HeaderMap, header};

use crate::client::percent;

/// Scheme and host, as the one who asked wrote them; every answer's host was checked before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// From a request's headers. A proxy that ends TLS says so in `X-Forwarded-Proto`.
    pub fn of(headers: &HeaderMap) -> Origin {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let scheme = if text("x-forwarded-proto") == "https" { "https" } else { "http" };
        Origin(format!("{scheme}://{}", text(header::HOST.as_str())))
    }

    /// The page of a work, or of a version.
    pub fn page(&self, work: &str) -> String {
        let (code, slug) = work.split_once('/').unwrap_or((work, ""));
        let slug = slug
            .split_once('@')
            .map_or_else(|| percent(slug), |(slug, version)| format!("{}@{version}", percent(slug)));
        format!("{self}/{code}/{slug}")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
