//! The head of the app's answer, made fit to hand on.

use http::header::{
    ALT_SVC, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderName, PROXY_AUTHENTICATE, SET_COOKIE, TE, TRANSFER_ENCODING,
    UPGRADE, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode, response};

use super::caching;
use super::connection_bound;
use super::cookies;
use super::error::ForwardError;
use super::header_names::drop_where;

/// Cleans the head of an ordinary answer. `personal`: it was given to a signed-in user.
///
/// Returns whether the connection may be used again as far as the head tells.
///
/// # Errors
/// [`ForwardError::AppAnsweredGarbage`] for a 101 that nobody asked for, and for transfer codings that we cannot undo.
pub(super) fn clean(head: &mut response::Parts, personal: bool) -> Result<bool, ForwardError> {
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ForwardError::AppAnsweredGarbage);
    }
    let headers = &mut head.headers;
    if !headers.keys().any(needs_a_look) {
        // One look at each name is cheaper than a search for each that is mostly not there.
        if personal {
            caching::keep_to_one_person(headers);
        }
        return Ok(true);
    }
    let mut reusable = true;
    if headers.contains_key(TRANSFER_ENCODING) {
        // hyper takes the chunks off and nothing else: a body in another coding would reach the client as something it is not.
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (Some(only), None) if only.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
            _ => return Err(ForwardError::AppAnsweredGarbage),
        }
        // RFC 9112, section 6.3: chunks win over a length beside them, and whoever sends both is not to be trusted further.
        reusable = headers.remove(CONTENT_LENGTH).is_none();
    }
    remove_hop_by_hop(headers);
    reusable &= !connection_bound::remove_challenges(headers);
    cookies::keep_apps_off_ours(headers);
    // A cookie is one person's too, whoever asked.
    if personal || headers.contains_key(SET_COOKIE) {
        caching::keep_to_one_person(headers);
    }
    Ok(reusable)
}

/// Whether [`clean`] has anything to do with a header of this name, but for what every answer to a person is told about caches.
fn needs_a_look(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || *name == SET_COOKIE || *name == WWW_AUTHENTICATE
}

/// How long the app says that it keeps an idle connection, in seconds (`Keep-Alive: timeout=5`).
pub(super) fn keep_alive_seconds(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse().ok())
}

/// Cleans the head of an app's 101; the handshake's own headers stay.
pub(super) fn for_tunnel(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    cookies::keep_apps_off_ours(headers);
}

/// Removes what belongs to one hop, and what `Connection` names (RFC 9110, section 7.6.1).
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
            // Framing and cookies are not the app's to hide.
            .filter(|name| *name != CONTENT_LENGTH && *name != SET_COOKIE && *name != CACHE_CONTROL)
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    drop_where(headers, |name| HOP_BY_HOP.contains(name));
}

/// `Alt-Svc` is among them: it would send browsers to a door of the app's own, past the gate.
static HOP_BY_HOP: [HeaderName; 8] = [
    CONNECTION,
    KEEP_ALIVE,
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    ALT_SVC,
];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(lines: &[(&str, &str)], personal: bool) -> (Result<bool, ForwardError>, HeaderMap) {
        let mut builder = http::Response::builder();
        for (name, value) in lines {
            builder = builder.header(*name, *value);
        }
        let (mut head, ()) = builder.body(()).unwrap().into_parts();
        let outcome = clean(&mut head, personal);
        (outcome, head.headers)
    }

    #[test]
    fn what_belongs_to_one_hop_stays_there() {
        let lines = [
            ("connection", "keep-alive, X-Secret"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("alt-svc", "h3=\":443\""),
            ("x-a", "1"),
        ];
        let (outcome, headers) = cleaned(&lines, false);
        assert_eq!(outcome, Ok(true));
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-a"]);
    }

    #[test]
    fn answers_to_a_signed_in_user_and_answers_with_cookies_are_private() {
        assert_eq!(cleaned(&[], true).1[CACHE_CONTROL], "private");
        assert_eq!(cleaned(&[("cache-control", "public, max-age=60")], true).1[CACHE_CONTROL], "private, max-age=60");
        assert_eq!(
            cleaned(&[("set-cookie", "a=1"), ("cache-control", "max-age=60")], false).1[CACHE_CONTROL],
            "private, max-age=60"
        );
        assert_eq!(cleaned(&[("cache-control", "public, max-age=60")], false).1[CACHE_CONTROL], "public, max-age=60");
        assert!(!cleaned(&[], false).1.contains_key(CACHE_CONTROL));
    }

    #[test]
    fn every_name_that_is_cleaned_is_looked_at() {
        for name in HOP_BY_HOP.iter().chain([&SET_COOKIE, &WWW_AUTHENTICATE]) {
            assert!(needs_a_look(name), "{name}");
        }
        for name in ["content-type", "content-length", "date", "server", "cache-control", "etag", "vary"] {
            assert!(!needs_a_look(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn two_framings_at_once_end_the_connection() {
        let (outcome, headers) = cleaned(&[("transfer-encoding", "chunked"), ("content-length", "5")], false);
        assert_eq!(outcome, Ok(false));
        assert!(!headers.contains_key(CONTENT_LENGTH));
    }

    #[test]
    fn codings_that_we_cannot_undo_are_refused() {
        for coding in ["gzip", "gzip, chunked", "chunked, gzip", "identity"] {
            assert_eq!(cleaned(&[("transfer-encoding", coding)], false).0, Err(ForwardError::AppAnsweredGarbage), "{coding}");
        }
    }
}
