//! Serving HTTP/1.1 on a listener until told to stop, and the few kinds of answer that the examples give.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A body of any kind.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
/// What every handler gives.
pub(crate) type Reply = Response<Body>;

/// The form sent is not one that can be read: too long, not a form, or a name twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the form cannot be read: it is too long, not a form, or has a field twice")]
pub(crate) struct UnreadableForm;

/// Serves `handler` until `shutdown`; then open exchanges have [`GRACE`] to end.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()>,
    handler: H,
) -> io::Result<()>
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Reply> + Send + 'static,
{
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => {
                let (socket, _from) = match accepted {
                    Ok(socket) => socket,
                    // Out of descriptors, or a client that left at once: neither ends the app.
                    Err(_refused) => {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    }
                };
                socket.set_nodelay(true)?;
                let (handler, stopping) = (handler.clone(), stopping.clone());
                match tls.clone() {
                    None => {
                        connections.spawn(converse(socket, stopping, handler));
                    }
                    Some(config) => {
                        connections.spawn(async move {
                            let handshake = tokio::time::timeout(PATIENCE, TlsAcceptor::from(config).accept(socket)).await;
                            if let Ok(Ok(stream)) = handshake {
                                converse(stream, stopping, handler).await;
                            }
                        });
                    }
                }
            }
            Some(_ended) = connections.join_next() => {}
        }
    }
    drop(stop);
    let _cut_after_grace = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

async fn converse<S, H, F>(stream: S, mut stopping: watch::Receiver<()>, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Reply>,
{
    let service = service_fn(move |request| {
        let reply = handler(request);
        async { Ok::<_, Infallible>(reply.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    tokio::select! {
        _gone = &mut connection => {}
        _stop = stopping.changed() => {
            connection.as_mut().graceful_shutdown();
            let _gone = connection.await;
        }
    }
}

/// A body that is all there.
pub(crate) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// An HTML page. Scripts only from files of the app itself, nothing from elsewhere, no framing.
pub(crate) fn html(status: StatusCode, page: String) -> Reply {
    let mut reply = answer(status, "text/html; charset=utf-8", page);
    reply.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    reply
}

/// JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(text) => answer(status, "application/json", text),
        Err(_never) => text(StatusCode::INTERNAL_SERVER_ERROR, "cannot write JSON\n"),
    }
}

/// Plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Reply {
    answer(status, "text/plain; charset=utf-8", text.into())
}

/// Bytes of a kind, not to be kept by caches.
pub(crate) fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(whole(body));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    reply
}

/// 303 to `to`.
pub(crate) fn redirect(to: &str) -> Reply {
    let mut reply = text(StatusCode::SEE_OTHER, "");
    match HeaderValue::from_str(to) {
        Ok(to) => {
            reply.headers_mut().insert(LOCATION, to);
            reply
        }
        Err(_unprintable) => text(StatusCode::BAD_REQUEST, "that address cannot be written into a header\n"),
    }
}

/// Fields of `application/x-www-form-urlencoded` text, each at most once.
pub(crate) fn fields(encoded: &[u8]) -> Result<BTreeMap<String, String>, UnreadableForm> {
    let mut fields = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(encoded) {
        if fields.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(UnreadableForm);
        }
    }
    Ok(fields)
}

/// Fields of a form in a request's body.
pub(crate) async fn form(request: Request<Incoming>) -> Result<BTreeMap<String, String>, UnreadableForm> {
    let kind = header(request.headers(), "content-type").unwrap_or_default().to_ascii_lowercase();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(UnreadableForm);
    }
    let body = Limited::new(request.into_body(), LONGEST_FORM).collect().await.map_err(|_too_long| UnreadableForm)?;
    fields(&body.to_bytes())
}

/// A header that is there exactly once and is readable.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

/// The value of a cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all("cookie").iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

/// How long a client may take over a handshake or a request's head.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long open exchanges have once we were told to stop.
const GRACE: Duration = Duration::from_secs(1);
const LONGEST_FORM: usize = 64 * 1024;
const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                   base-uri 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_twice_has_no_meaning() {
        assert_eq!(fields(b"a=1&b=2").map(|all| all.len()), Ok(2));
        assert_eq!(fields(b"a=1&a=2"), Err(UnreadableForm));
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", HeaderValue::from_static("xsid=1; sid=2"));
        assert_eq!(cookie(&headers, "sid"), Some("2"));
        assert_eq!(cookie(&headers, "id"), None);
    }
}
