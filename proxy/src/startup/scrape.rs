//! `/metrics`, `/healthz` and `/readyz`, on a listener of their own that never meets the data plane.

use std::collections::VecDeque;
use std::convert::Infallible;
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

use crate::config::Host;

/// What the listener tells.
pub(super) struct Scrape {
    /// Everything that is measured.
    pub(super) registry: Registry,
    /// `Err` says why the gate is not ready.
    pub(super) ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    /// Whether the configuration names this host as one of ours.
    pub(super) is_ours: Box<dyn Fn(&Host) -> bool + Send + Sync>,
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
                let response = match foreign(&scrape, request.headers(), local) {
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

/// Why a request is not answered: a page in somebody's browser sent it, from wherever it came. So the name that was asked for has to
/// be one that no such page can have: it would have its own name point here, and read the answer.
fn foreign(scrape: &Scrape, headers: &HeaderMap, local: bool) -> Option<&'static str> {
    let site = headers.get("sec-fetch-site").map(header::HeaderValue::as_bytes);
    if headers.contains_key(header::ORIGIN) || site.is_some_and(|site| site != b"none" && site != b"same-origin") {
        return Some("not for pages of other sites\n");
    }
    // Browsers always say it.
    let host = headers.get(header::HOST)?;
    let known = host.to_str().ok().and_then(host_of).is_some_and(|host| {
        host.is_address() || is_below(&host, &["localhost"]) || (!local && is_private(&host)) || (scrape.is_ours)(&host)
    });
    (!known).then_some("not by this name: if it is yours, list it in `metrics_hosts` of [listen]\n")
}

/// The host of a `Host`, which may have a port.
fn host_of(text: &str) -> Option<Host> {
    let name = match text.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => text,
    };
    name.parse().ok()
}

/// A name that nobody can have in the public DNS: a plain word, as containers and pods call each other, or one of a private domain.
fn is_private(host: &Host) -> bool {
    let within = |domain| host.as_str().ends_with(domain);
    !host.as_str().contains('.') || is_below(host, PRIVATE) || within(".cluster.local") || within(".home.arpa")
}

fn is_below(host: &Host, domains: &[&str]) -> bool {
    host.as_str().rsplit('.').next().is_some_and(|last| domains.contains(&last))
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

/// Domains that are delegated to nobody and that nobody on the same network can claim: reserved (RFC 6761), or customary in clusters.
/// `.local` and `.lan` can be claimed (RFC 6762, DHCP).
const PRIVATE: &[&str] = &["internal", "localdomain", "localhost", "svc", "test"];
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
        Scrape {
            registry,
            ready: Box::new(move || ready.clone()),
            is_ours: Box::new(|host| host.as_str() == "gate.corp.example"),
        }
    }

    #[test]
    fn ready_says_why_not() {
        assert_eq!(answer(&scrape(Ok(())), &Method::GET, "/readyz").status(), StatusCode::OK);
        let not = answer(&scrape(Err("the record cannot be written".into())), &Method::GET, "/readyz");
        assert_eq!(not.status(), StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn pages_and_borrowed_names_get_nothing() {
        let scrape = scrape(Ok(()));
        let asked = |fields: &[(&'static str, &'static str)], local| {
            let headers = fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            foreign(&scrape, &headers.collect::<HeaderMap>(), local).is_none()
        };
        for host in ["127.0.0.1:9464", "localhost:9464", "gate.localhost", "[::1]:9464", "10.0.0.5"] {
            assert!(asked(&[("host", host)], true), "{host}");
        }
        assert!(asked(&[], true) && asked(&[], false));
        for host in ["gate.corp.example:9464", "GATE.corp.example.", "[2001:db8::1]:9464", "10.0.0.5:9464", "localhost:9464"] {
            assert!(asked(&[("host", host)], true) && asked(&[("host", host)], false), "{host}");
        }
        for host in ["sekisho:9464", "sekisho.monitoring.svc:9464", "sekisho.monitoring.svc.cluster.local", "gate.internal"] {
            assert!(asked(&[("host", host)], false) && !asked(&[("host", host)], true), "{host}");
        }
        assert!(asked(&[("host", "127.0.0.1"), ("sec-fetch-site", "none")], true), "somebody who types it");
        for host in [
            "evil.example",
            "evil.example:9464",
            "localhost.evil.example",
            "gate.local:9464",
            "evil.lan:9464",
            "internal.example",
            "gate.corp.example.evil.example",
            "",
        ] {
            assert!(!asked(&[("host", host)], true) && !asked(&[("host", host)], false), "{host}");
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
