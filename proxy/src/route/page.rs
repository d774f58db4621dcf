//! The page that a request comes from, as browsers tell of it, and whether the app wants it from there.
//!
//! Cookies and certificates go along with whatever any page makes a browser send. So what a page of another site sends may read
//! (browsers keep the answer from that page) and may not change anything, unless the app lists the page's origin.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{App, CrossSite};

/// What browsers of 2020 and later say about the relation between a page and what it asks for (Fetch Metadata).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchSite {
    /// Nothing: no browser of these years, or not over https.
    Unsaid,
    /// The same scheme, host and port.
    SameOrigin,
    /// No page: the person did it, by the address bar or by loading a page again.
    NoPage,
    /// Another site, another origin of the same site, or a word that is not known here.
    Elsewhere,
}

/// Whether a request that changes something, or that opens a WebSocket, comes from where `app` takes it. `port_suffix` is what
/// browsers put behind the host: nothing, or `:8443`.
///
/// A browser of any age in use says where such a request comes from. Who says nothing at all is no browser, and nobody else's page
/// makes it send what it sends.
pub(super) fn is_welcome(app: &App, port_suffix: &str, headers: &HeaderMap) -> bool {
    if app.cross_site == CrossSite::Allow {
        return true;
    }
    let (Ok(origin), Ok(site)) = (only(headers, &ORIGIN), fetch_site(headers)) else { return false };
    match (origin, site) {
        (None, FetchSite::Unsaid | FetchSite::SameOrigin | FetchSite::NoPage) => true,
        (None, FetchSite::Elsewhere) => false,
        // What browsers write for the app's own forms where the app says `Referrer-Policy: no-referrer`; for all that is foreign
        // and nameless too, which is why the other header has to vouch for it.
        (Some(origin), FetchSite::SameOrigin) if origin == "null" => true,
        (Some(origin), site) => (is_own(app, port_suffix, origin) && site != FetchSite::Elsewhere) || (is_listed(app, origin)),
    }
}

/// Whether the app takes what pages of `origin` send.
pub(super) fn is_own_or_listed(app: &App, port_suffix: &str, origin: &HeaderValue) -> bool {
    app.cross_site == CrossSite::Allow || is_own(app, port_suffix, origin) || is_listed(app, origin)
}

fn is_own(app: &App, port_suffix: &str, origin: &HeaderValue) -> bool {
    let authority = origin.as_bytes().strip_prefix(b"https://");
    let port = authority.and_then(|authority| authority.strip_prefix(app.host.as_str().as_bytes()));
    port == Some(port_suffix.as_bytes())
}

fn is_listed(app: &App, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| app.allowed_origins.contains(origin))
}

fn fetch_site(headers: &HeaderMap) -> Result<FetchSite, Twice> {
    Ok(match only(headers, &FETCH_SITE)?.map(HeaderValue::as_bytes) {
        None => FetchSite::Unsaid,
        Some(b"same-origin") => FetchSite::SameOrigin,
        Some(b"none") => FetchSite::NoPage,
        Some(_) => FetchSite::Elsewhere,
    })
}

/// A header that stands there twice says nothing that could be believed.
struct Twice;

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Twice),
    }
}

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::route::router::tests::app;

    fn wiki(cross_site: CrossSite) -> App {
        let allowed_origins = BTreeSet::from(["https://portal.example".to_owned()]);
        App { allowed_origins, cross_site, ..std::sync::Arc::into_inner(app("wiki", Vec::new(), &[])).unwrap() }
    }

    fn welcome(port: &str, origins: &[&str], sites: &[&str]) -> bool {
        let origins = origins.iter().map(|origin| (ORIGIN, origin.parse().unwrap()));
        let sites = sites.iter().map(|site| (FETCH_SITE, site.parse().unwrap()));
        let headers: HeaderMap = origins.chain(sites).collect();
        assert!(is_welcome(&wiki(CrossSite::Allow), port, &headers), "where the app says so, all are");
        is_welcome(&wiki(CrossSite::Refuse), port, &headers)
    }

    const OWN: &str = "https://wiki.corp.example";

    #[test]
    fn the_apps_own_pages_and_those_it_lists_are_welcome() {
        for site in [&[][..], &["same-origin"], &["none"]] {
            assert!(welcome("", &[OWN], site), "{site:?}");
            assert!(welcome(":8443", &["https://wiki.corp.example:8443"], site), "{site:?}");
            assert!(welcome("", &[], site), "{site:?}");
        }
        for site in [&[][..], &["cross-site"], &["same-site"]] {
            assert!(welcome("", &["https://portal.example"], site), "{site:?}");
        }
        assert!(welcome("", &["null"], &["same-origin"]), "a form of the app's own page without referrers");
    }

    #[test]
    fn other_sites_pages_are_not() {
        for origin in [
            "https://evil.example",
            "null",
            "",
            "http://wiki.corp.example",
            "https://wiki.corp.example:8443",
            "https://wiki.corp.example.evil.example",
            "https://evil.example/https://wiki.corp.example",
            "https://xwiki.corp.example",
            "https://wiki.corp.example/",
            "HTTPS://wiki.corp.example",
            "https://WIKI.corp.example",
            "https://portal.example.evil.example",
            "https://portal.example, https://evil.example",
        ] {
            for site in [&[][..], &["none"], &["cross-site"], &["same-site"]] {
                assert!(!welcome("", &[origin], site), "{origin} {site:?}");
            }
        }
        assert!(!welcome("", &["https://evil.example"], &["same-origin"]), "they contradict each other");
        for site in ["cross-site", "same-site", "same-origin, none", "Same-Origin", "", "new-word"] {
            assert!(!welcome("", &[], &[site]), "{site}");
            assert!(!welcome("", &[OWN], &[site]), "{site}");
        }
    }

    #[test]
    fn what_is_said_twice_is_not_believed() {
        assert!(!welcome("", &[OWN, OWN], &[]));
        assert!(!welcome("", &[OWN, "https://evil.example"], &[]));
        assert!(!welcome("", &[OWN], &["same-origin", "same-origin"]));
        assert!(!welcome("", &[], &["same-origin", "cross-site"]));
    }
}
