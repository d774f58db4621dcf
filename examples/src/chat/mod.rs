//! An app with a WebSocket: what one person writes, everybody in the room sees.
//!
//! Arrives: requests that the gate let through, with the person in `X-Forwarded-User`. Leaves: a page, and messages with their
//! writer's name. Refused: WebSocket handshakes that are not RFC 6455. If a client goes away, the others go on.

mod pages;
mod room;

use std::io;

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::web::{self, Reply};

/// What the app is made from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, shown on the page.
    pub title: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self { title: "Site radio".to_owned() }
    }
}

/// Serves until `shutdown` is ready.
///
/// # Errors
/// If the listener fails.
pub async fn serve(listener: TcpListener, settings: Settings, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let room = room::Room::default();
    web::serve(listener, None, shutdown, move |request| {
        let (room, settings) = (room.clone(), settings.clone());
        async move { answer(request, &settings, room) }
    })
    .await
}

fn answer(request: Request<Incoming>, settings: &Settings, room: room::Room) -> Reply {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => web::html(StatusCode::OK, pages::room(&settings.title, &who(request.headers()))),
        (&Method::GET, "/chat.js") => web::answer(StatusCode::OK, "text/javascript", pages::SCRIPT),
        (&Method::GET, "/healthz") => web::text(StatusCode::OK, "ok\n"),
        (&Method::GET, "/ws") => join(request, room),
        _ => web::text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

/// The opening handshake (RFC 6455 section 4.2), then the conversation.
fn join(mut request: Request<Incoming>, room: room::Room) -> Reply {
    let headers = request.headers();
    let asks = |name: &str, word: &str| {
        web::header(headers, name).is_some_and(|list| list.split(',').any(|item| item.trim().eq_ignore_ascii_case(word)))
    };
    let key = web::header(headers, "sec-websocket-key").map(|key| derive_accept_key(key.as_bytes()));
    let accept = key.and_then(|key| HeaderValue::from_str(&key).ok());
    let right = asks("connection", "upgrade")
        && asks("upgrade", "websocket")
        && web::header(headers, "sec-websocket-version") == Some("13");
    let (Some(accept), true) = (accept, right) else {
        return web::text(StatusCode::UPGRADE_REQUIRED, "this address speaks WebSocket\n");
    };
    let protocol = asks("sec-websocket-protocol", "chat").then(|| HeaderValue::from_static("chat"));
    let who = who(headers);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let limits = WebSocketConfig::default().max_message_size(Some(LONGEST_MESSAGE)).max_frame_size(Some(LONGEST_MESSAGE));
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(limits)).await;
            room.talk(socket, &who).await;
        }
    });
    let mut reply = web::text(StatusCode::SWITCHING_PROTOCOLS, "");
    let headers = reply.headers_mut();
    headers.clear();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.extend(protocol.map(|name| (SEC_WEBSOCKET_PROTOCOL, name)));
    reply
}

fn who(headers: &HeaderMap) -> String {
    web::header(headers, "x-forwarded-user").unwrap_or("nobody").to_owned()
}

const LONGEST_MESSAGE: usize = 64 * 1024;

#[cfg(test)]
mod tests;
