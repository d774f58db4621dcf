//! Talks to the running gate over its admin socket.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::error::CommandError;
use super::output::note;
use crate::console::admin::wire::Problem;
use crate::console::admin::{NOT_RECORDED, group_name};

/// A client of one gate.
#[derive(Clone, Debug)]
pub struct AdminClient {
    socket: PathBuf,
}

impl AdminClient {
    /// Of the gate whose admin socket this is.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks for something.
    ///
    /// # Errors
    /// In words for the operator: the gate does not run, may not be reached, or refuses.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CommandError> {
        self.exchange(Method::GET, path, Vec::new()).await
    }

    /// Asks for a change.
    ///
    /// # Errors
    /// As [`AdminClient::get`].
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, CommandError> {
        let body = serde_json::to_vec(body).map_err(CommandError::failed)?;
        self.exchange(Method::POST, path, body).await
    }

    async fn exchange<T: DeserializeOwned>(&self, method: Method, path: &str, body: Vec<u8>) -> Result<T, CommandError> {
        let lost = |problem: &dyn std::fmt::Display| {
            CommandError::Failed(format!("the gate at {} did not answer: {problem}", self.socket.display()))
        };
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unreachable(&error))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "sekisho")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| CommandError::Usage(format!("`{path}` cannot be asked for")))?;
        let exchange = async {
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the answer; an error shows there too.
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await.map_err(|slow| lost(&slow))?.map_err(|error| lost(&error))?;
        let status = answer.status();
        if answer.headers().contains_key(NOT_RECORDED) {
            note("done; not yet in the record, which cannot be written now: it will be as soon as it can\n");
        }
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|error| lost(&error))?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| lost(&format!("its answer is not as expected: {error}")));
        }
        Err(refused(status, &body))
    }

    fn unreachable(&self, error: &io::Error) -> CommandError {
        let socket = self.socket.display();
        CommandError::Failed(match error.kind() {
            io::ErrorKind::NotFound => {
                format!("no gate listens on {socket}: is it running, and is this its admin socket? (--socket, --config)")
            }
            io::ErrorKind::ConnectionRefused => format!("the gate at {socket} is not running (its socket was left behind)"),
            io::ErrorKind::PermissionDenied => format!("you may not use {socket}: {}", who_may(&self.socket)),
            _ => format!("cannot reach the gate at {socket}: {error}"),
        })
    }
}

/// A problem of the gate as one of the command.
fn refused(status: StatusCode, body: &[u8]) -> CommandError {
    let problem = serde_json::from_slice::<Problem>(body)
        .unwrap_or_else(|_| Problem { error: format!("the gate answered {status}"), problems: Vec::new() });
    let mut words = super::output::plain(&problem.error);
    for line in &problem.problems {
        // A problem in a policy shows the line that it is in.
        for part in line.lines() {
            words.push_str("\n  ");
            words.push_str(&super::output::plain(part));
        }
    }
    match status {
        StatusCode::UNPROCESSABLE_ENTITY => CommandError::CheckFailed(words),
        StatusCode::BAD_REQUEST => CommandError::Usage(words),
        _ => CommandError::Failed(words),
    }
}

/// Whoever keeps us out: the socket itself, or the folder that hides it.
fn who_may(socket: &Path) -> String {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    match std::fs::metadata(socket).or_else(|_hidden| std::fs::metadata(folder)) {
        Ok(facts) => {
            format!("root and group `{}` may; join the group and sign in to this machine again", group_name(facts.gid()))
        }
        Err(_hidden) => "ask whoever runs the gate which group may".to_owned(),
    }
}

const PATIENCE: Duration = Duration::from_secs(120);
/// A million devices in a listing.
const MOST_BYTES: usize = 1 << 30;
