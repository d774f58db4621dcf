//! `/metrics`, `/healthz` and `/readyz`, on a listener of their own that never meets the data plane.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// What the listener tells.
pub(super) struct Scrape {
    /// Everything that is measured.
    pub(super) registry: Registry,
    /// `Err` says why the gate is not ready.
    pub(super) ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

/// Answers until dropped. Nobody can keep others out: each connection has a task, deadlines and few bytes, and when there are [`ROOM`]
/// of them, the oldest makes room for the next. A scrape takes some milliseconds.
pub(super) async fn serve(listener: TcpListener, scrape: Arc<Scrape>) {
    let mut open: VecDeque<AbortOnDropHandle<()>> = VecDeque::new();
    loop {
        let Ok((socket, _peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        open.retain(|task| !task.is_finished());
        if open.len() >= ROOM {
            open.pop_front();
        }
        // Where it really came to: the address that is listened on may stand for several.
        let local = socket.local_addr().is_ok_and(|address| address.ip().to_canonical().is_loopback());
        let scrape = Arc::clone(&scrape);
        open.push_back(AbortOnDropHandle::new(tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = match foreign(request.headers(), local) {
                    Some(why) => text(StatusCode::FORBIDDEN, why),
                    None => answer(&scrape, request.method(), request.uri().path()),
                };
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(socket), service);
            tokio::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = tokio::time::sleep(LONGEST) => {
                    connection.as_mut().graceful_shutdown();
                    tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the metrics listener ended badly");
            }
        })));
    }
}

/// Why a request is not answered: a page in somebody's browser sent it, from wherever it came. On loopback nobody else is kept out,
/// so there the name that was asked for has to be this machine's: a page that has its own name point here would read the answer.
fn foreign(headers: &HeaderMap, local: bool) -> Option<&'static str> {
    let site = headers.get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none" && site != b"same-origin") {
        return Some("not for pages of other sites\n");
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    (local && host.is_some_and(|host| !is_this_machine(host))).then_some("not by this name\n")
}

/// Whether `host`, which may have a port, is an address or a name that is always this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost"))
}

fn answer(scrape: &Scrape, method: &Method, path: &str) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
    }
    match path {
        "/metrics" => {
            let mut out = Vec::with_capacity(32 * 1024);
            match TextEncoder::new().encode(&scrape.registry.gather(), &mut out) {
                Ok(()) => with_type(StatusCode::OK, prometheus::TEXT_FORMAT, out),
                Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &format!("{error}\n")),
            }
        }
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match (scrape.ready)() {
            Ok(()) => text(StatusCode::OK, "ready\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, &format!("not ready: {why}\n")),
        },
        _ => text(StatusCode::NOT_FOUND, "here are /metrics, /healthz and /readyz\n"),
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn with_type(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scrape").finish_non_exhaustive()
    }
}

/// Connections at once.
const ROOM: usize = 64;
/// A connection is closed after this time, so that nobody who never reads has one for ever.
const LONGEST: Duration = Duration::from_secs(600);
/// For what it was asked for to go out.
const FAREWELL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use prometheus::IntCounter;

    use super::*;

    fn scrape(ready: Result<(), String>) -> Scrape {
        let registry = Registry::new();
        registry.register(Box::new(IntCounter::new("sekisho_test_total", "Test").unwrap())).unwrap();
        Scrape { registry, ready: Box::new(move || ready.clone()) }
    }

    #[test]
    fn ready_says_why_not() {
        assert_eq!(answer(&scrape(Ok(())), &Method::GET, "/readyz").status(), StatusCode::OK);
        let not = answer(&scrape(Err("the record cannot be written".into())), &Method::GET, "/readyz");
        assert_eq!(not.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn pages_and_borrowed_names_get_nothing() {
        let asked = |fields: &[(&'static str, &'static str)], local| {
            let headers = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            foreign(&headers.collect::<HeaderMap>(), local).is_none()
        };
        for host in ["127.0.0.1:9464", "localhost:9464", "gate.localhost", "[::1]:9464", "10.0.0.5"] {
            assert!(asked(&[("host", host)], true), "{host}");
        }
        assert!(asked(&[], true) && asked(&[("host", "gate.corp.example:9464")], false));
        assert!(asked(&[("host", "127.0.0.1"), ("sec-fetch-site", "none")], true), "somebody who types it");
        for host in ["evil.test", "evil.test:9464", "localhost.evil.test", ""] {
            assert!(!asked(&[("host", host)], true), "{host}");
        }
        for local in [true, false] {
            assert!(!asked(&[("host", "127.0.0.1"), ("origin", "https://evil.test")], local));
            assert!(!asked(&[("host", "127.0.0.1"), ("sec-fetch-site", "cross-site")], local));
        }
    }

    #[test]
    fn nothing_else_is_here() {
        let scrape = scrape(Ok(()));
        assert_eq!(answer(&scrape, &Method::GET, "/metrics").status(), StatusCode::OK);
        assert_eq!(answer(&scrape, &Method::POST, "/metrics").status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&scrape, &Method::GET, "/debug").status(), StatusCode::NOT_FOUND);
    }
}
