//! The head of our message to the app. Set from what was decided, never copied blindly.

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::connection_bound;
use super::cookies;
use super::error::ForwardError;
use super::header_names::drop_where;
use super::passport::Passports;
use super::shared::{ForwardShared, Target};
use super::trace_context;
use crate::config::{UpstreamProtocol, UpstreamScheme};
use crate::decide::Permit;
use crate::read::{Clean, Kind};
use crate::tls::SecureConnection;

/// What is set from facts, not from the client.
pub(super) struct Facts<'a> {
    pub(super) shared: &'a ForwardShared,
    pub(super) target: &'a Target,
    pub(super) permit: &'a Permit,
    pub(super) client: &'a SecureConnection,
    pub(super) passports: &'a Passports,
}

/// The headers for the app: the client's, cleaned again, then ours.
///
/// # Errors
/// [`ForwardError::IdentityUnfit`], [`ForwardError::CannotSign`].
pub(super) fn headers(request: &mut Clean, facts: &Facts<'_>) -> Result<HeaderMap, ForwardError> {
    let mut headers = clients_own(std::mem::take(&mut request.headers));
    let anonymous_preflight = request.kind == Kind::Preflight && facts.permit.user.is_none();
    if anonymous_preflight {
        headers.remove(COOKIE);
    }
    let bound = headers.get(AUTHORIZATION).is_some_and(connection_bound::is_credential);
    if anonymous_preflight || bound || !facts.target.app.pass_authorization {
        headers.remove(AUTHORIZATION);
    }
    headers.reserve(MOST_OF_OURS);
    set_forwarding(&mut headers, facts)?;
    set_identity(&mut headers, facts)?;
    trace_context::begin(&mut headers, request.id)?;
    Ok(headers)
}

/// Of a client's headers those that may go on.
pub(super) fn clients_own(mut headers: HeaderMap) -> HeaderMap {
    strip(&mut headers);
    cookies::remove_ours(&mut headers);
    headers
}

/// What frames the request's body, made anew: what the client declared, or chunks (HTTP/2 frames itself).
pub(super) fn set_framing(
    headers: &mut HeaderMap,
    method: &Method,
    length: Option<u64>,
    empty: bool,
    protocol: UpstreamProtocol,
) {
    match (length, empty) {
        // A body of unknown length goes in chunks, on a GET too: hyper would drop it there, and the app would see another request.
        (None, false) if protocol == UpstreamProtocol::Http1 => {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        (None, false) => {}
        (Some(length), false) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        (_, true) => {
            if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(0_u64));
            }
        }
    }
}

/// What was decided on, and the query as it came.
///
/// # Errors
/// [`ForwardError::Unexpressible`] if they are no valid URI.
pub(super) fn path_and_query(request: &Clean) -> Result<PathAndQuery, ForwardError> {
    let made = match &request.query {
        None => PathAndQuery::try_from(&*request.path),
        Some(query) => PathAndQuery::try_from(format!("{}?{query}", request.path)),
    };
    made.map_err(|_invalid| ForwardError::Unexpressible)
}

/// The target of the request: origin form for HTTP/1.1, with scheme and authority for HTTP/2.
///
/// # Errors
/// [`ForwardError::Unexpressible`] if path and query are no valid URI.
pub(super) fn uri(
    request: &Clean,
    target: &Target,
    scheme: UpstreamScheme,
    protocol: UpstreamProtocol,
) -> Result<Uri, ForwardError> {
    let path = path_and_query(request)?;
    match protocol {
        UpstreamProtocol::Http1 => Ok(Uri::from(path)),
        UpstreamProtocol::Http2 => {
            let scheme = match scheme {
                UpstreamScheme::Http => Scheme::HTTP,
                UpstreamScheme::Https => Scheme::HTTPS,
            };
            let builder = Uri::builder().scheme(scheme).authority(target.authority.as_bytes()).path_and_query(path);
            builder.build().map_err(|_invalid| ForwardError::Unexpressible)
        }
    }
}

/// Removes what must not be passed on, even if `read` had overlooked it: this is the last door before the app.
fn strip(headers: &mut HeaderMap) {
    let trailers = headers.get(TE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    drop_where(headers, |name| NOT_PASSED_ON.contains(name) || is_ours(name.as_str()));
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Whether a name speaks for us; `_` counts as `-`, because CGI-like apps cannot tell them apart.
fn is_ours(name: &str) -> bool {
    let bytes = name.as_bytes();
    if !matches!(bytes.first(), Some(b's' | b'x')) {
        return false;
    }
    let starts = |prefix: &str| {
        bytes
            .get(..prefix.len())
            .is_some_and(|start| start.iter().zip(prefix.bytes()).all(|(byte, wanted)| dashed(*byte) == wanted))
    };
    starts("sekisho-") || starts("x-forwarded-") || (starts("x-request-id") && bytes.len() == "x-request-id".len())
}

fn dashed(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        other => other.to_ascii_lowercase(),
    }
}

fn set_forwarding(headers: &mut HeaderMap, facts: &Facts<'_>) -> Result<(), ForwardError> {
    let address = facts.client.client_address().ok_or(ForwardError::Unexpressible)?;
    // The host that the client asked for stays: apps build links and check `Origin` by it.
    headers.insert(HOST, facts.target.authority.clone());
    headers.insert(X_FORWARDED_HOST, facts.target.authority.clone());
    headers.insert(X_FORWARDED_FOR, address);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
    Ok(())
}

fn set_identity(headers: &mut HeaderMap, facts: &Facts<'_>) -> Result<(), ForwardError> {
    let Some(user) = &facts.permit.user else { return Ok(()) };
    let passport = facts.passports.issue(
        &facts.shared.issuer,
        &facts.shared.clock,
        user,
        facts.permit.device.as_ref(),
        &facts.target.app,
    )?;
    headers.insert(X_FORWARDED_USER, passport.user);
    if let Some(email) = passport.email {
        headers.insert(X_FORWARDED_EMAIL, email);
    }
    if let Some(groups) = passport.groups {
        headers.insert(X_FORWARDED_GROUPS, groups);
    }
    if let Some(assertion) = passport.assertion {
        headers.insert(SEKISHO_ASSERTION, assertion);
    }
    Ok(())
}

/// `TE: trailers` says that this client takes trailers; it is good for one hop only and has to be named.
pub(super) fn for_http1(headers: &mut HeaderMap) {
    if headers.contains_key(TE) {
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
}

/// HTTP/2 has the host in `:authority`. We pass trailers on, and gRPC apps want to be told so.
pub(super) fn for_http2(headers: &mut HeaderMap) {
    headers.remove(HOST);
    headers.insert(TE, HeaderValue::from_static("trailers"));
}

/// Whether the client waits for a 100 (Continue) before it sends its body.
pub(super) fn expects_continue(headers: &HeaderMap) -> bool {
    headers.get(EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Headers of one hop (RFC 9110, section 7.6.1), and those that hyper or we make anew. `Expect` stays.
static NOT_PASSED_ON: [HeaderName; 11] = [
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Headers that we add at most, so that their table grows once.
const MOST_OF_OURS: usize = 12;
const SEKISHO_ASSERTION: HeaderName = HeaderName::from_static("sekisho-assertion");
const X_FORWARDED_EMAIL: HeaderName = HeaderName::from_static("x-forwarded-email");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_GROUPS: HeaderName = HeaderName::from_static("x-forwarded-groups");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");
