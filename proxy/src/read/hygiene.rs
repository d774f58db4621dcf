//! Headers on arrival: hop-by-hop ones come off first, then whatever speaks for us. What is left is the client's own.

use http::header::{
    ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderMap,
    HeaderName, HeaderValue, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, REFERER, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Version, request::Parts};

use super::refusal::ReadRefusal;
use super::reserved;
use super::websocket::tokens;

/// Cleans the headers of `parts`.
pub(super) fn clean(parts: &mut Parts) -> Result<(), ReadRefusal> {
    let http2 = parts.version == Version::HTTP_2;
    let headers = &mut parts.headers;
    if http2 {
        refuse_connection_headers(headers)?;
    }
    // As many names as values: nothing came twice, which is nearly always so.
    if headers.len() != headers.keys_len() {
        refuse_duplicates(headers, http2)?;
    }
    // A look at each name is cheaper than a search for each that is mostly not there.
    if headers.keys().any(needs_a_look) {
        expectation(headers, parts.version)?;
        strip_hop_by_hop(headers)?;
        reserved::strip(headers);
    }
    headers.remove(HOST);
    if http2 {
        join_cookies(headers)?;
    }
    Ok(())
}

/// Whether a header of this name may have to go, or to be judged.
fn needs_a_look(name: &HeaderName) -> bool {
    *name == EXPECT || HOP_BY_HOP.contains(name) || reserved::is_reserved(name.as_str())
}

/// RFC 9113 section 8.2.2. The h2 library refuses these too; here it is ours to know.
fn refuse_connection_headers(headers: &HeaderMap) -> Result<(), ReadRefusal> {
    let banned = [&CONNECTION, &TRANSFER_ENCODING, &UPGRADE, &KEEP_ALIVE, &PROXY_CONNECTION];
    let te = headers.get_all(TE).into_iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if !te || banned.into_iter().any(|name| headers.contains_key(name)) {
        return Err(ReadRefusal::ConnectionHeader);
    }
    Ok(())
}

fn refuse_duplicates(headers: &HeaderMap, http2: bool) -> Result<(), ReadRefusal> {
    let twice = |name: &HeaderName| headers.get_all(name).into_iter().nth(1).is_some();
    if twice(&AUTHORIZATION) {
        return Err(ReadRefusal::AuthorizationTwice);
    }
    if !http2 && twice(&COOKIE) {
        return Err(ReadRefusal::CookieTwice);
    }
    if SINGLE.iter().any(twice) {
        return Err(ReadRefusal::HeaderTwice);
    }
    Ok(())
}

/// RFC 9110 section 10.1.1. Where it is met, the header stays: whoever forwards waits for the app's `100`.
fn expectation(headers: &mut HeaderMap, version: Version) -> Result<(), ReadRefusal> {
    let Some(expectation) = headers.get(EXPECT) else { return Ok(()) };
    if version == Version::HTTP_10 {
        // Not known there, and to be ignored.
        headers.remove(EXPECT);
        return Ok(());
    }
    if expectation.as_bytes().eq_ignore_ascii_case(b"100-continue") { Ok(()) } else { Err(ReadRefusal::Expectation) }
}

/// RFC 9110 section 7.6.1. `TE: trailers` stays: it tells the app that trailers of its answer are welcome.
fn strip_hop_by_hop(headers: &mut HeaderMap) -> Result<(), ReadRefusal> {
    let mut named = Vec::new();
    for token in tokens(headers, &CONNECTION).filter(|token| !token.is_empty()) {
        let name = HeaderName::from_bytes(token).map_err(|_not_a_token| ReadRefusal::Connection)?;
        if is_critical(name.as_str()) {
            return Err(ReadRefusal::ConnectionNames);
        }
        named.push(name);
    }
    let trailers = tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case(b"trailers"));
    // A look at each name is cheaper than a search for each that is mostly not there.
    named.extend(headers.keys().filter(|name| HOP_BY_HOP.contains(name)).cloned());
    for name in &named {
        headers.remove(name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    Ok(())
}

/// What `Connection` must not take off: framing, credentials, what decisions rest on, and what we write ourselves.
fn is_critical(name: &str) -> bool {
    const NAMES: [&str; 9] =
        ["host", "authorization", "cookie", "expect", "origin", "referer", "range", "x-requested-with", "accept"];
    const FAMILIES: [&str; 4] = ["content-", "sec-", "access-control-", "if-"];
    NAMES.contains(&name)
        || name == TRANSFER_ENCODING
        || FAMILIES.iter().any(|family| name.starts_with(family))
        || reserved::is_reserved(name)
}

/// RFC 9113 section 8.2.3: what HTTP/2 split is one header again for the app and for us.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), ReadRefusal> {
    let mut cookies = headers.get_all(COOKIE).into_iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return Ok(()) };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    let joined = HeaderValue::from_bytes(&joined).map_err(|_not_a_value| ReadRefusal::CookieTwice)?;
    headers.insert(COOKIE, joined);
    Ok(())
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("http2-settings"),
];

/// Headers with one value: of two, somebody would read the first and somebody the last.
static SINGLE: [HeaderName; 13] = [
    ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    EXPECT,
    ORIGIN,
    RANGE,
    REFERER,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION,
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("x-requested-with"),
];
