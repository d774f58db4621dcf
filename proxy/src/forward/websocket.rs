//! WebSocket handshakes with apps (RFC 6455, section 4), over HTTP/1.1 always.
//!
//! The client may have come by HTTP/1.1 (upgrade) or HTTP/2 (extended CONNECT, RFC 8441). Its end opens only after the app's 101 is here
//! and right, so that no byte of the client can reach an app that takes it for the next request.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    CONNECTION, EXPECT, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, TE,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::time::Instant;

use super::answer::Answer;
use super::attempt::{self, Failure, Message, Sent};
use super::balance;
use super::body::AppBody;
use super::connect::connect;
use super::error::ForwardError;
use super::exchange::{BodyPace, Exchange, Meter};
use super::lease::{Lease, Load, Own};
use super::local::{LocalEndpoint, LocalTarget};
use super::request_body::RequestBody;
use super::request_head;
use super::response_head;
use super::shared::Target;
use super::tunnel::Tunnel;
use crate::config::{UpstreamProtocol, UpstreamScheme};
use crate::read::Clean;
use crate::secret;

/// Asks the app for a WebSocket. An answer other than 101 is handed on as it is; to HTTP/2, unless it would mean consent there.
///
/// # Errors
/// [`ForwardError`]; [`ForwardError::UpgradeRefused`] if the app's handshake is wrong.
pub(super) async fn open(
    local: &LocalTarget,
    mut request: Box<Clean>,
    mut headers: HeaderMap,
    personal: bool,
    meter: &Rc<Meter>,
) -> Result<Answer, ForwardError> {
    let client = request.upgrade.take().ok_or(ForwardError::Unexpressible)?;
    let over_http2 = request.version == Version::HTTP_2;
    let key = set_handshake(&mut headers, over_http2)?;
    let uri = request_head::uri(&request, &local.target, UpstreamScheme::Http, UpstreamProtocol::Http1)?;
    let exchange = Exchange::new(Rc::clone(meter), BodyPace::ANY);
    let mut message = Request::new(RequestBody::empty(Rc::clone(&exchange)));
    *message.method_mut() = Method::GET;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    let offered = message.headers().get_all(SEC_WEBSOCKET_PROTOCOL).iter().cloned().collect::<Vec<_>>();

    let (mut response, mut lease) = deliver(local, message, &exchange).await?;
    let idle = local.target.app.timeouts.idle;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if over_http2 && response.status().is_success() {
            // To a client of extended CONNECT any 2xx says that the tunnel stands (RFC 8441, section 5).
            return Err(ForwardError::UpgradeRefused);
        }
        let (mut parts, incoming) = response.into_parts();
        response_head::clean(&mut parts, personal)?;
        lease.never_reuse();
        let body = AppBody::new(incoming, exchange, lease, idle);
        return Ok(Answer { response: with_head(body, parts.status, parts.headers), tunnel: None });
    }
    let accept = accept_for(&key)?;
    check(response.headers(), &accept, &offered)?;
    let upgrading = hyper::upgrade::on(&mut response);
    let app = tokio::time::timeout(local.target.app.timeouts.connect, upgrading).await;
    let Ok(Ok(app)) = app else { return Err(ForwardError::UpgradeRefused) };
    let mut headers = std::mem::take(response.headers_mut());
    response_head::for_tunnel(&mut headers);
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    let status = if over_http2 {
        StatusCode::OK
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        StatusCode::SWITCHING_PROTOCOLS
    };
    let tunnel = Tunnel { client, app, idle, meter: Rc::clone(meter), load: lease.into_load() };
    Ok(Answer { response: with_head(AppBody::empty(exchange), status, headers), tunnel: Some(tunnel) })
}

/// Sets the handshake's headers; returns the key. An HTTP/1.1 client's own key stays, HTTP/2 has none (RFC 8441, section 5).
fn set_handshake(headers: &mut HeaderMap, over_http2: bool) -> Result<HeaderValue, ForwardError> {
    headers.remove(TE);
    headers.remove(EXPECT);
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    if over_http2 {
        let nonce = secret::bytes::<16>().map_err(|_none| ForwardError::Unexpressible)?;
        let key = HeaderValue::try_from(STANDARD.encode(nonce)).map_err(|_invalid| ForwardError::Unexpressible)?;
        headers.insert(SEC_WEBSOCKET_KEY, key.clone());
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Ok(key);
    }
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    match (keys.next(), keys.next()) {
        (Some(only), None) => Ok(only.clone()),
        _ => Err(ForwardError::Unexpressible),
    }
}

/// RFC 6455, section 4.1: what a client checks in the server's handshake.
fn check(headers: &HeaderMap, accept: &HeaderValue, offered: &[HeaderValue]) -> Result<(), ForwardError> {
    let only = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let upgrade = only(&UPGRADE).is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket"));
    let connection = headers.get_all(CONNECTION).iter().flat_map(tokens).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let accepted = only(&SEC_WEBSOCKET_ACCEPT).is_some_and(|value| value.as_bytes().trim_ascii() == accept.as_bytes());
    let protocol = match only(&SEC_WEBSOCKET_PROTOCOL) {
        None => !headers.contains_key(SEC_WEBSOCKET_PROTOCOL),
        Some(chosen) => offered.iter().flat_map(tokens).any(|token| token == chosen.as_bytes().trim_ascii()),
    };
    if upgrade && connection && accepted && protocol { Ok(()) } else { Err(ForwardError::UpgradeRefused) }
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455, section 4.2.2). SHA-1 protects nothing here, it is the protocol's echo.
fn accept_for(key: &HeaderValue) -> Result<HeaderValue, ForwardError> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    HeaderValue::try_from(STANDARD.encode(context.finish())).map_err(|_invalid| ForwardError::Unexpressible)
}

fn with_head(body: AppBody, status: StatusCode, headers: HeaderMap) -> Response<AppBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Sends the handshake; to another upstream if one cannot be connected to.
async fn deliver(
    local: &LocalTarget,
    mut message: Message,
    exchange: &Rc<Exchange>,
) -> Result<(Response<Incoming>, Lease), ForwardError> {
    let mut tried = Vec::new();
    loop {
        let (endpoint, load) = balance::choose(&local.endpoints, &local.turn, &tried)?;
        match try_one(&local.target, endpoint, message, exchange, load).await {
            Ok(answer) => {
                endpoint.endpoint.standing.succeeded();
                return Ok(answer);
            }
            Err(Failure { error, sent }) => {
                local.target.blame(&endpoint.endpoint, error);
                tried.push(Rc::as_ptr(endpoint));
                match sent {
                    Sent::Nothing(unsent) if tried.len() < local.endpoints.len() => message = *unsent,
                    Sent::Nothing(_) | Sent::Perhaps | Sent::InVain => return Err(error),
                }
            }
        }
    }
}

/// A connection of its own, never shared or used again.
async fn try_one(
    target: &Target,
    endpoint: &LocalEndpoint,
    message: Message,
    exchange: &Rc<Exchange>,
    load: Load,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let began = Instant::now();
    let io = match connect(&endpoint.endpoint.http1, began + target.app.timeouts.connect).await {
        Ok(io) => io,
        Err(error) => return Err(Failure { error, sent: Sent::Nothing(Box::new(message)) }),
    };
    target.metrics.fresh.inc();
    target.metrics.connect_seconds.observe(began.elapsed().as_secs_f64());
    let Ok((mut sender, connection)) = attempt::http1_builder().handshake(TokioIo::new(io)).await else {
        return Err(Failure { error: ForwardError::AppReset, sent: Sent::Nothing(Box::new(message)) });
    };
    let task = tokio::task::spawn_local(async move {
        if let Err(problem) = connection.with_upgrades().await {
            tracing::debug!(%problem, "a WebSocket's connection to an upstream ended");
        }
    });
    exchange.restart();
    let sending = sender.try_send_request(message);
    let own = Own { sender, task: task.abort_handle(), pool: Rc::clone(&endpoint.pool), keep: std::time::Duration::ZERO };
    let lease = Lease::own(own, load);
    tokio::select! {
        biased;
        answer = sending => match answer {
            Ok(response) => Ok((response, lease)),
            Err(problem) => Err(attempt::failure(problem, exchange)),
        },
        error = exchange.overdue(&target.app.timeouts) => Err(Failure { error, sent: Sent::InVain }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_of_the_rfc() {
        let key = HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept_for(&key).unwrap(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_part_of_the_handshake_is_needed() {
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let offered = [HeaderValue::from_static("chat, superchat")];
        let right = [
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("sec-websocket-protocol", "superchat"),
        ];
        let verdict = |lines: &[(&'static str, &'static str)]| {
            let headers =
                lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            check(&headers, &accept, &offered)
        };
        assert_eq!(verdict(&right), Ok(()));
        for missing in 0..3 {
            let mut lines = right.to_vec();
            lines.remove(missing);
            assert_eq!(verdict(&lines), Err(ForwardError::UpgradeRefused), "{missing}");
        }
        for (position, wrong) in [(0, "h2c"), (1, "keep-alive"), (2, "AAAA"), (3, "other")] {
            let mut lines = right.to_vec();
            lines[position].1 = wrong;
            assert_eq!(verdict(&lines), Err(ForwardError::UpgradeRefused), "{wrong}");
        }
    }
}
