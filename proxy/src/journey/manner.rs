//! How a client wants to be answered: a person at a browser, or a program.

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, Method};

/// How to answer a client. What it says of itself decides how an answer looks, never what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manner {
    /// Pages, not JSON.
    pub(super) pages: bool,
    /// A browser that navigates: it can be sent elsewhere to sign in. Scripts, programs and forms that would lose their content
    /// get 401 and are never redirected.
    pub(super) navigates: bool,
}

impl Manner {
    /// From a request's head.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let by_script = || headers.get(FETCH_MODE).is_some_and(|mode| mode != "navigate");
        let pages = accepts_html(headers) && headers.get(REQUESTED_WITH).is_none() && !is_grpc(headers) && !by_script();
        Self { pages, navigates: pages && matches!(*method, Method::GET | Method::HEAD) }
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case("text/html"))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

const REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

#[cfg(test)]
mod tests {
    use super::*;

    fn manner(method: &Method, headers: &[(&'static str, &'static str)]) -> (bool, bool) {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value))).collect();
        let Manner { pages, navigates } = Manner::of(method, &headers);
        (pages, navigates)
    }

    const CHROMIUM: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

    #[test]
    fn a_browser_that_navigates_gets_pages_and_may_be_redirected() {
        assert_eq!(manner(&Method::GET, &[CHROMIUM]), (true, true));
        assert_eq!(manner(&Method::GET, &[CHROMIUM, ("sec-fetch-mode", "navigate")]), (true, true));
    }

    #[test]
    fn a_form_gets_a_page_but_is_not_redirected() {
        assert_eq!(manner(&Method::POST, &[CHROMIUM, ("sec-fetch-mode", "navigate")]), (true, false));
    }

    #[test]
    fn scripts_and_programs_get_neither() {
        assert_eq!(manner(&Method::GET, &[]), (false, false));
        assert_eq!(manner(&Method::GET, &[("accept", "*/*")]), (false, false));
        assert_eq!(manner(&Method::GET, &[("accept", "application/json")]), (false, false));
        assert_eq!(manner(&Method::GET, &[CHROMIUM, ("sec-fetch-mode", "cors")]), (false, false));
        assert_eq!(manner(&Method::GET, &[CHROMIUM, ("x-requested-with", "XMLHttpRequest")]), (false, false));
        assert_eq!(manner(&Method::POST, &[CHROMIUM, ("content-type", "application/grpc")]), (false, false));
    }
}
