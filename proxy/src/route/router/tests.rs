use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::config::{CorsPreflight, CrossSite, Timeouts, Upstream, UpstreamProtocol, UpstreamScheme};
use crate::tls::{Alpn, Notes, Resumable};

pub(in crate::route) fn app(name: &str, public: Vec<PublicPath>, methods: &[&str]) -> Arc<App> {
    let second = Duration::from_secs(1);
    Arc::new(App {
        name: name.into(),
        host: format!("{name}.corp.example").parse().unwrap(),
        upstreams: vec![Upstream { scheme: UpstreamScheme::Http, host: "127.0.0.1".into(), port: 80 }],
        tags: BTreeSet::new(),
        public,
        cors_preflight: CorsPreflight::Refuse,
        allowed_origins: BTreeSet::new(),
        cross_site: CrossSite::Refuse,
        ca: Vec::new(),
        client_certificate: None,
        protocol: UpstreamProtocol::Http1,
        timeouts: Timeouts { connect: second, first_byte: second, idle: second },
        health: None,
        methods: methods.iter().map(|&method| method.to_owned()).collect(),
        device_authorities: None,
        pass_authorization: false,
        assertion: true,
        max_body: None,
        rate_limit: None,
    })
}

fn router() -> Router {
    let public = vec![PublicPath::Exact("/healthz".to_owned()), PublicPath::Below("/hooks".to_owned())];
    let apps = [app("wiki", public, &[]), app("dav", Vec::new(), &["PROPFIND"])];
    Router {
        gate: "gate.corp.example".parse().unwrap(),
        apps: apps.into_iter().map(|app| (app.host.clone(), app)).collect(),
        port_suffix: String::new(),
    }
}

/// A connection whose certificate covers these.
fn connection(covers: &[&str]) -> SecureConnection {
    SecureConnection {
        id: 1,
        client: ([192, 0, 2, 1], 4711).into(),
        notes: Notes::default(),
        sni: None,
        alpn: Alpn::Http1,
        covers: covers.iter().map(|&name| name.to_owned()).collect(),
        leaf: None,
        resumable: Resumable::default(),
    }
}

fn place(host: &str, path: &str, method: &str) -> Result<String, RouteRefusal> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let connection = connection(&["*.corp.example"]);
    router().place(&host.parse().unwrap(), path, &method, Kind::Plain, &connection).map(|place| match place {
        Place::App { app, public } => format!("{}{}", app.name, if public { " public" } else { "" }),
        Place::Own { path, app } => format!("{}@{}", path.as_str(), app.map_or("gate".to_owned(), |app| app.name.to_string())),
    })
}

#[test]
fn a_host_names_one_app() {
    assert_eq!(place("wiki.corp.example", "/", "GET").as_deref(), Ok("wiki"));
    assert_eq!(place("xwiki.corp.example", "/", "GET"), Err(RouteRefusal::UnknownHost));
}

#[test]
fn a_host_that_the_certificate_does_not_cover_is_refused_whether_known_or_not() {
    let dav = connection(&["dav.corp.example"]);
    let get = |host: &str| router().place(&host.parse().unwrap(), "/", &Method::GET, Kind::Plain, &dav);
    // What it remembers is the one host that it covers.
    assert!(get("dav.corp.example").is_ok() && get("dav.corp.example").is_ok());
    assert_eq!(get("wiki.corp.example").err(), Some(RouteRefusal::Misdirected));
    assert_eq!(get("nobody.example").err(), Some(RouteRefusal::Misdirected));
    let none = router().place(&"wiki.corp.example".parse().unwrap(), "/", &Method::GET, Kind::Plain, &connection(&[]));
    assert_eq!(none.err(), Some(RouteRefusal::Misdirected));
}

#[test]
fn our_addresses_are_ours_on_every_host() {
    for (host, path, own) in [
        ("wiki.corp.example", "/.sekisho/whoami", "whoami@wiki"),
        ("wiki.corp.example", "/.sekisho/sign-in", "sign_in@wiki"),
        ("wiki.corp.example", "/.sekisho/nothing", "unknown@wiki"),
        ("wiki.corp.example", "/.sekisho", "unknown@wiki"),
        ("wiki.corp.example", "/.sekisho/", "unknown@wiki"),
        ("wiki.corp.example", "/.sekisho/whoami/x", "unknown@wiki"),
        ("wiki.corp.example", "/.sekisho/posture", "unknown@wiki"),
        ("gate.corp.example", "/.sekisho/posture", "posture@gate"),
        ("wiki.corp.example", "/.sekisho/backchannel-logout", "unknown@wiki"),
        ("gate.corp.example", "/.sekisho/backchannel-logout", "backchannel_logout@gate"),
        ("gate.corp.example", "/", "home@gate"),
        ("gate.corp.example", "/.sekisho/callback/corp", "callback@gate"),
        ("wiki.corp.example", "/.sekisho/callback/corp", "unknown@wiki"),
        ("gate.corp.example", "/anything", "unknown@gate"),
        ("wiki.corp.example", "/.sekishoo/whoami", "wiki"),
        ("wiki.corp.example", "/x/.sekisho/whoami", "wiki"),
    ] {
        assert_eq!(place(host, path, "GET").as_deref(), Ok(own), "{host}{path}");
    }
}

#[test]
fn public_paths_match_whole_or_by_segment() {
    for (path, public) in [
        ("/healthz", true),
        ("/healthz/", false),
        ("/healthzz", false),
        ("/hooks", true),
        ("/hooks/", true),
        ("/hooks/a/b", true),
        ("/hooksx", false),
        ("/x/hooks/a", false),
    ] {
        let expected = if public { "wiki public" } else { "wiki" };
        assert_eq!(place("wiki.corp.example", path, "GET").as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn methods_are_the_usual_ones_and_those_that_the_app_lists() {
    assert_eq!(place("dav.corp.example", "/", "PROPFIND").as_deref(), Ok("dav"));
    assert_eq!(place("wiki.corp.example", "/", "PROPFIND"), Err(RouteRefusal::Method));
    assert_eq!(place("dav.corp.example", "/", "get"), Err(RouteRefusal::Method));
    assert_eq!(place("dav.corp.example", "/.sekisho/whoami", "PROPFIND"), Err(RouteRefusal::Method));
    for method in ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(place("wiki.corp.example", "/", method).as_deref(), Ok("wiki"), "{method}");
    }
}
