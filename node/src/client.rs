//! A command's way to a running node: its HTTP API, found by the file the node leaves in its data folder.

use std::fs;
use std::io::Read;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::config::Folder;
use crate::disk;
use crate::views::Refusal;

/// Seconds a command waits for its node.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Why the node did not answer as asked.
#[derive(Debug, Error)]
pub enum ClientError {
    /// It refused, and says what to do.
    #[error("{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// What was asked for is not there.
    #[error("{}", .0.join("\n"))]
    NotFound(Vec<String>),
    /// It cannot be reached.
    #[error("the node on this folder does not answer at {address}: {what}; if it hangs, stop it and start it again")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        what: String,
    },
}

/// A running node.
pub struct Client {
    agent: ureq::Agent,
    address: String,
    token: Option<String>,
}

impl Client {
    /// The node that runs on a folder, if one does.
    pub fn find(folder: &Folder) -> Option<Client> {
        // The file outlives a node that was killed, and something else may answer there by now.
        if !disk::is_in_use(folder.path()) {
            return None;
        }
        let address = fs::read_to_string(folder.http_file()).ok()?.trim().to_owned();
        let config =
            ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).http_status_as_error(false).proxy(None);
        let agent = ureq::Agent::new_with_config(config.build());
        let token = fs::read_to_string(folder.token_file()).ok().map(|token| token.trim().to_owned());
        let client = Client { agent, address, token };
        client.agent.get(client.url("/healthz")).call().is_ok().then_some(client)
    }

    /// Asks for a view.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let response = self.agent.get(self.url(path)).call();
        self.read(response)
    }

    /// Asks for a file as it is.
    pub fn text(&self, path: &str) -> Result<String, ClientError> {
        let response = self.agent.get(self.url(path)).call().map_err(|error| self.unreachable(&error))?;
        let mut response = refused(response)?;
        response.body_mut().read_to_string().map_err(|error| self.unreachable(&error))
    }

    /// Asks for something of any length, and gives its headers and a way to read it. However long it takes, as long as it goes on.
    pub fn stream(&self, path: &str) -> Result<(ureq::http::HeaderMap, impl Read), ClientError> {
        let request = self.agent.get(self.url(path)).config().timeout_global(None).timeout_recv_response(Some(TIMEOUT));
        let response = refused(request.build().call().map_err(|error| self.unreachable(&error))?)?;
        let (parts, body) = response.into_parts();
        Ok((parts.headers, body.into_reader()))
    }

    /// Asks for something to be written; `None` where there is nothing to say about it.
    pub fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Option<T>, ClientError> {
        self.written(self.writing(path).send_json(body))
    }

    /// The same with JSON Lines.
    pub fn post_lines<T: DeserializeOwned>(&self, path: &str, lines: String) -> Result<Option<T>, ClientError> {
        self.written(self.writing(path).header("Content-Type", "application/x-ndjson").send(lines))
    }

    fn writing(&self, path: &str) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        let token = self.token.clone().unwrap_or_default();
        self.agent.post(self.url(path)).header("Authorization", format!("Bearer {token}"))
    }

    fn written<T: DeserializeOwned>(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Option<T>, ClientError> {
        let mut response = refused(response.map_err(|error| self.unreachable(&error))?)?;
        if response.status() == 204 {
            return Ok(None);
        }
        response
            .body_mut()
            .with_config()
            .limit(READ_MAX)
            .read_json()
            .map(Some)
            .map_err(|error| self.unreachable(&error))
    }

    fn read<T: DeserializeOwned>(
        &self,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<T, ClientError> {
        let mut response = refused(response.map_err(|error| self.unreachable(&error))?)?;
        response.body_mut().with_config().limit(READ_MAX).read_json().map_err(|error| self.unreachable(&error))
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn unreachable(&self, error: &ureq::Error) -> ClientError {
        ClientError::Unreachable { address: self.address.clone(), what: error.to_string() }
    }
}

/// Bytes of an answer: a page of results with the largest snippets, many times over.
const READ_MAX: u64 = 64 * 1024 * 1024;

fn refused(mut response: ureq::http::Response<ureq::Body>) -> Result<ureq::http::Response<ureq::Body>, ClientError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let refusal: Refusal = response
        .body_mut()
        .read_json()
        .unwrap_or_else(|_| Refusal { errors: vec![format!("the node answered {status}")] });
    Err(if status == 404 { ClientError::NotFound(refusal.errors) } else { ClientError::Refused(refusal.errors) })
}

/// Percent-encoding of everything but what RFC 3986 calls unreserved.
pub fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
