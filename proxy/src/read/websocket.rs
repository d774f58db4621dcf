//! What a request asks for beside an ordinary exchange.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, CONNECTION, HeaderMap, HeaderValue, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};

use super::clean::Kind;
use super::refusal::ReadRefusal;

/// What `parts` ask for; judged before hop-by-hop headers are taken off. `no_body`: the guard knows that the request
/// has none. `empty`: nothing of one is to come.
pub(super) fn kind(parts: &Parts, no_body: bool, empty: bool) -> Result<Kind, ReadRefusal> {
    if parts.version == Version::HTTP_2 {
        if parts.method == Method::CONNECT {
            return extended_connect(parts);
        }
    } else if parts.version == Version::HTTP_11 && names_websocket(&parts.headers) {
        return upgrade(parts, no_body);
    }
    // A browser's preflight has no body (Fetch Standard, section 4.8); one that has would be sent on for nobody.
    let preflight = parts.method == Method::OPTIONS
        && empty
        && parts.headers.contains_key(ORIGIN)
        && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    Ok(if preflight { Kind::Preflight } else { Kind::Plain })
}

/// RFC 8441 section 5.
fn extended_connect(parts: &Parts) -> Result<Kind, ReadRefusal> {
    match parts.extensions.get::<hyper::ext::Protocol>() {
        None => Err(ReadRefusal::Method),
        Some(protocol) if protocol.as_str() == "websocket" => {
            version(&parts.headers)?;
            Ok(Kind::WebSocket)
        }
        Some(_) => Err(ReadRefusal::Protocol),
    }
}

/// RFC 6455 section 4.1. An upgrade to anything else is not taken up: the header goes, the request stays an ordinary one.
fn upgrade(parts: &Parts, no_body: bool) -> Result<Kind, ReadRefusal> {
    let headers = &parts.headers;
    let alone = only(headers, &UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let connected = tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade"));
    let key = only(headers, &SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if parts.method != Method::GET || !no_body || !alone || !connected || key.is_none_or(|key| key.len() != 16) {
        return Err(ReadRefusal::WebSocket);
    }
    version(headers)?;
    Ok(Kind::WebSocket)
}

fn version(headers: &HeaderMap) -> Result<(), ReadRefusal> {
    match only(headers, &SEC_WEBSOCKET_VERSION) {
        Some(version) if version == "13" => Ok(()),
        Some(_) => Err(ReadRefusal::WebSocketVersion),
        None => Err(ReadRefusal::WebSocket),
    }
}

fn names_websocket(headers: &HeaderMap) -> bool {
    tokens(headers, &UPGRADE).any(|token| token.eq_ignore_ascii_case(b"websocket"))
}

/// The members of a list header, over all of its lines.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// The value of a header that came exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}
