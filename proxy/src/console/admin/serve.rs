//! The server on the admin socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::answer::{Answer, Refused};
use super::groups::user_name;
use super::routes::{self, Request};
use super::socket::AdminListener;
use super::state::AdminState;
use super::table;
use crate::store::Actor;

/// Answers operators' commands until it is dropped or aborted. To be run on the control runtime.
pub async fn serve(listener: AdminListener, state: Arc<AdminState>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.socket.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    // One request and its answer; reload is the slowest of them.
                    if tokio::time::timeout(LONGEST, connection(stream, state)).await.is_err() {
                        tracing::warn!("an operator's command took too long and was cut off");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, most likely; it passes.
                tracing::warn!(%error, "cannot accept on the admin socket");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, state: Arc<AdminState>) {
    // Whom the kernel cannot name may not do anything, since it could not be recorded.
    let Ok(peer) = stream.peer_cred() else { return };
    let by = Actor::Operator { uid: peer.uid(), name: user_name(peer.uid()).map(Into::into) };
    let service = service_fn(move |request| {
        let (state, by) = (Arc::clone(&state), by.clone());
        async move { Ok::<_, Infallible>(respond(&state, by, request).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the admin socket ended early");
    }
}

async fn respond(state: &AdminState, by: Actor, request: hyper::Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST_BYTES).collect().await else {
        return Refused::wrong("the request is too large, or was cut off").into_answer();
    };
    let request = Request { method: head.method, path: head.uri.path().to_owned(), body: body.to_bytes().to_vec(), by };
    let changes = table::seek(&request.method, &request.path).is_ok_and(|sought| sought.row.changes());
    let mut answer = routes::answer(state, &request).await.unwrap_or_else(Refused::into_answer);
    if changes && answer.status().is_success() && !(state.recorded)() {
        answer.headers_mut().insert(NOT_RECORDED, HeaderValue::from_static("1"));
    }
    answer
}

/// Says of an answer that what was done is not in the record yet: it will be when the record can be written.
pub const NOT_RECORDED: &str = "sekisho-not-recorded";

const MOST_CONNECTIONS: usize = 64;
const MOST_BYTES: usize = 64 * 1024;
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);
