//! Port 80: sends browsers to https, and does nothing else. No upgrade, no body, no app.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, LOCATION};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::config::Host;

/// Answers until dropped.
pub(super) async fn serve(listener: TcpListener, public_port: u16) {
    let room = Arc::new(Semaphore::new(ROOM));
    loop {
        let Ok((socket, _peer)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Beyond the bound, connections are dropped at once: a plain-text port is worth no more.
        let Ok(seat) = Arc::clone(&room).try_acquire_owned() else { continue };
        tokio::spawn(async move {
            let service =
                service_fn(move |request: Request<Incoming>| async move { Ok::<_, Infallible>(answer(&request, public_port)) });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(Duration::from_secs(10))
                .keep_alive(false)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(socket), service);
            if let Ok(Err(error)) = tokio::time::timeout(Duration::from_secs(20), connection).await {
                tracing::debug!(%error, "a connection to the redirecting port ended badly");
            }
            drop(seat);
        });
    }
}

fn answer(request: &Request<Incoming>, public_port: u16) -> Response<Full<Bytes>> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    redirect(request.method(), host, request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str), public_port)
}

fn redirect(method: &Method, host: Option<&str>, target: &str, public_port: u16) -> Response<Full<Bytes>> {
    let host =
        host.map(|host| host.rsplit_once(':').map_or(host, |(name, _port)| name)).and_then(|name| name.parse::<Host>().ok());
    let mut response = Response::new(Full::default());
    let place = host.filter(|_| matches!(*method, Method::GET | Method::HEAD)).and_then(|host| {
        let port = if public_port == 443 { String::new() } else { format!(":{public_port}") };
        HeaderValue::from_str(&format!("https://{host}{port}{target}")).ok()
    });
    match place {
        Some(location) => {
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            response.headers_mut().insert(LOCATION, location);
        }
        // What was sent in the clear must not be sent again elsewhere by itself.
        None => *response.status_mut() = StatusCode::BAD_REQUEST,
    }
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

const ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn location(method: &Method, host: Option<&str>, target: &str, port: u16) -> Option<String> {
        let response = redirect(method, host, target, port);
        response.headers().get(LOCATION).map(|location| location.to_str().unwrap().to_owned())
    }

    #[test]
    fn to_the_same_place_over_https() {
        let to = location(&Method::GET, Some("Wiki.example:80"), "/a?b=c", 443);
        assert_eq!(to.as_deref(), Some("https://wiki.example/a?b=c"));
        assert_eq!(location(&Method::GET, Some("wiki.example"), "/", 8443).as_deref(), Some("https://wiki.example:8443/"));
    }

    #[test]
    fn nowhere_else() {
        assert_eq!(location(&Method::GET, None, "/", 443), None);
        assert_eq!(location(&Method::GET, Some("evil.example/@x"), "/", 443), None);
        assert_eq!(location(&Method::POST, Some("wiki.example"), "/", 443), None);
    }
}
