//! HTTP/1.1 through the guard and hyper.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Empty;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::super::super::guard::{Bounds, FramingRefusal, GuardTimes, GuardedIo, Head};
use super::*;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    Framing(FramingRefusal),
    Refused(ReadRefusal),
    Clean(Seen),
}

/// A [`Clean`] request without its body and tunnel: whoever keeps those keeps the connection open.
#[derive(Debug)]
pub(super) struct Seen {
    host: Host,
    path: Arc<str>,
    query: Option<Box<str>>,
    headers: HeaderMap,
    kind: Kind,
    length: Option<u64>,
    upgrade: bool,
}

/// All requests of a connection.
fn read(bytes: &[u8]) -> Vec<Outcome> {
    let outcomes = Rc::new(RefCell::new(Vec::new()));
    let (mut client, server) = tokio::io::duplex(1024 * 1024);
    let bounds = Bounds { head_bytes: 64 * 1024, target_bytes: 8 * 1024, headers: 100 };
    let times = GuardTimes { head: Duration::from_secs(10), idle: Duration::from_secs(10) };
    let (io, handle) = GuardedIo::with(server, bounds, times);
    let service = service_fn(|request: Request<Incoming>| {
        let turn = handle.next_turn().unwrap();
        let outcome = match turn.head() {
            Head::Refused(refusal, _) => Outcome::Framing(*refusal),
            Head::Accepted(facts) => {
                let clean = reader().clean(request, Some(facts), RequestId([7; 16]), Timestamp(0), None, &LastHost::default());
                clean.map_or_else(
                    |unread| Outcome::Refused(unread.why),
                    |clean| {
                        let Clean { host, path, query, headers, kind, length, upgrade, .. } = *clean;
                        Outcome::Clean(Seen { host, path, query, headers, kind, length, upgrade: upgrade.is_some() })
                    },
                )
            }
        };
        outcomes.borrow_mut().push(outcome);
        std::future::ready(Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())))
    });
    let serve = async {
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let connection = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(io), service);
        let _served = connection.with_upgrades().await;
        let mut answers = Vec::new();
        let _read = client.read_to_end(&mut answers).await;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), serve).await.unwrap() });
    outcomes.take()
}

fn one(request: &str) -> Outcome {
    let mut outcomes = read(request.as_bytes());
    assert_eq!(outcomes.len(), 1, "{request:?}: {outcomes:?}");
    outcomes.remove(0)
}

fn clean(line: &str, fields: &str) -> Seen {
    match one(&format!("{line}\r\nHost: app.test\r\n{fields}\r\n")) {
        Outcome::Clean(clean) => {
            assert_eq!(clean.upgrade, clean.kind == Kind::WebSocket);
            clean
        }
        other => panic!("{line} {fields:?}: {other:?}"),
    }
}

fn refused(line: &str, fields: &str) -> ReadRefusal {
    match one(&format!("{line}\r\nHost: app.test\r\n{fields}\r\n")) {
        Outcome::Refused(refusal) => refusal,
        other => panic!("{line} {fields:?}: {other:?}"),
    }
}

#[test]
fn origin_and_absolute_form_say_the_same() {
    for line in ["GET /a?b HTTP/1.1", "GET https://app.test/a?b HTTP/1.1", "GET HTTPS://APP.TEST:443/a?b HTTP/1.1"] {
        let clean = clean(line, "");
        assert_eq!((clean.host.as_str(), &*clean.path, clean.query.as_deref()), ("app.test", "/a", Some("b")), "{line}");
        assert_eq!(clean.length, Some(0));
    }
    assert_eq!(refused("GET https://admin.test/ HTTP/1.1", ""), ReadRefusal::HostsDiffer);
    assert_eq!(refused("GET http://app.test/ HTTP/1.1", ""), ReadRefusal::Scheme);
    assert_eq!(refused("GET https://app.test:444/ HTTP/1.1", ""), ReadRefusal::Port);
    assert_eq!(refused("OPTIONS * HTTP/1.1", ""), ReadRefusal::ServerWide);
}

#[test]
fn refused_framing_never_reaches_the_reader() {
    let outcome = one("GET /a#b HTTP/1.1\r\nHost: app.test\r\n\r\n");
    assert!(matches!(outcome, Outcome::Framing(FramingRefusal::Fragment)), "{outcome:?}");
}

#[test]
fn the_length_of_a_body_is_what_was_declared() {
    let length = |fields: &str, body: &str| match one(&format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n{body}")) {
        Outcome::Clean(clean) => clean.length,
        other => panic!("{other:?}"),
    };
    assert_eq!(length("", ""), Some(0));
    assert_eq!(length("Content-Length: 5\r\n", "hello"), Some(5));
    assert_eq!(length("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), None);
}

#[test]
fn hop_by_hop_headers_end_here() {
    let fields = "Connection: keep-alive, X-Mine, TE\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\nX-Yours: 2\r\nTE: trailers, gzip\r\n\
        Trailer: X\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nProxy-Connection: x\r\n";
    let clean = clean("GET / HTTP/1.1", fields);
    let mut names: Vec<_> = clean.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["te", "x-yours"]);
    assert_eq!(clean.headers["te"], "trailers");
}

#[test]
fn connection_may_not_name_what_is_not_its_business() {
    for name in
        ["Host", "Cookie", "authorization", "Content-Length", "Sekisho-Assertion", "X-Forwarded-For", "sec-fetch-mode", "x_y"]
    {
        let fields = format!("Connection: close, {name}\r\n");
        assert_eq!(refused("GET / HTTP/1.1", &fields), ReadRefusal::ConnectionNames, "{name}");
    }
    clean("GET / HTTP/1.1", "Connection: close, , X-Other\r\n");
}

#[test]
fn credentials_come_once() {
    assert_eq!(refused("GET / HTTP/1.1", "Cookie: a=b\r\nCookie: c=d\r\n"), ReadRefusal::CookieTwice);
    assert_eq!(refused("GET / HTTP/1.1", "Authorization: a\r\nAuthorization: a\r\n"), ReadRefusal::AuthorizationTwice);
}

#[test]
fn an_expectation_stays_where_it_is_known() {
    assert!(clean("POST / HTTP/1.1", "Expect: 100-Continue\r\nContent-Length: 0\r\n").headers.contains_key("expect"));
    assert!(!clean("POST / HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 0\r\n").headers.contains_key("expect"));
    assert_eq!(refused("POST / HTTP/1.1", "Expect: more\r\n"), ReadRefusal::Expectation);
}

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade\r\n",
    "Upgrade: WebSocket\r\n",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "Sec-WebSocket-Version: 13\r\n",
];

#[test]
fn a_websocket_handshake_has_all_of_its_parts() {
    let socket = clean("GET /ws HTTP/1.1", &HANDSHAKE.concat());
    assert_eq!(socket.kind, Kind::WebSocket);
    assert!(!socket.headers.contains_key("upgrade") && !socket.headers.contains_key("connection"));

    // Twins with one part removed. Without `Upgrade` it is an ordinary request.
    for missing in 0..4 {
        let fields: String = HANDSHAKE.iter().enumerate().filter(|(n, _)| *n != missing).map(|(_, field)| *field).collect();
        if missing == 1 {
            assert_eq!(clean("GET /ws HTTP/1.1", &fields).kind, Kind::Plain);
        } else {
            assert_eq!(refused("GET /ws HTTP/1.1", &fields), ReadRefusal::WebSocket, "{fields:?}");
        }
    }
    assert_eq!(refused("POST /ws HTTP/1.1", &HANDSHAKE.concat()), ReadRefusal::WebSocket);
    assert_eq!(refused("GET /ws HTTP/1.1", &HANDSHAKE.concat().replace("13", "8")), ReadRefusal::WebSocketVersion);
    assert_eq!(
        refused("GET /ws HTTP/1.1", &HANDSHAKE.concat().replace("WebSocket\r", "websocket, h2c\r")),
        ReadRefusal::WebSocket
    );
    assert_eq!(refused("GET /ws HTTP/1.1", &HANDSHAKE.concat().replace("dGhl", "dGh")), ReadRefusal::WebSocket);
    // HTTP/1.0 knows no upgrade.
    assert_eq!(clean("GET /ws HTTP/1.0", &HANDSHAKE.concat()).kind, Kind::Plain);
}

#[test]
fn raw_requests_meet_their_expectation() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/raw-http1");
    let Ok(manifest) = std::fs::read(folder.join("open/manifest.json")) else {
        eprintln!("skipped: raw-http1 is not here");
        return;
    };
    let cases: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    for case in cases.as_array().unwrap() {
        let id = case["id"].as_str().unwrap();
        let bytes = std::fs::read(folder.join(case["file"].as_str().unwrap())).unwrap();
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let text = text.replace("@@AUTH@@", "Authorization: Bearer x\r\n");
        let bytes: Vec<u8> = text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let banned = |clean: &Seen| {
            let smuggled = clean.path.contains("SMUG") && !id.starts_with("pipe-") && !id.starts_with("upg-");
            let identity = id.starts_with("id-") || id.starts_with("alias-") || id.starts_with("xff-") || id.starts_with("fwd-");
            let evil = identity && clean.headers.values().any(|value| value.as_bytes().windows(4).any(|part| part == b"EVIL"));
            smuggled || evil || (identity && clean.headers.keys().any(|name| name.as_str().starts_with("x-forwarded")))
        };
        let outcomes = read(&bytes);
        let cleans: Vec<&Seen> =
            outcomes.iter().filter_map(|outcome| if let Outcome::Clean(clean) = outcome { Some(clean) } else { None }).collect();
        assert!(!cleans.iter().any(|clean| banned(clean)), "{id}: {outcomes:?}");
        match case["expect"].as_str().unwrap() {
            // Hosts that nobody serves are the router's business, and so are those of other certificates.
            "reject" => assert!(cleans.iter().all(|clean| clean.host.as_str() != "app.test"), "{id}: {outcomes:?}"),
            "local" => assert!(cleans.is_empty(), "{id}: {outcomes:?}"),
            "one" => assert_eq!(cleans.len(), 1, "{id}: {outcomes:?}"),
            "two" => assert_eq!(cleans.len(), 2, "{id}: {outcomes:?}"),
            _ => {}
        }
        // What would climb out of a public folder never gets a path.
        if ["dot-", "dslash-", "semi-", "ctl-", "frag-raw", "dbl-"].iter().any(|family| id.starts_with(family)) {
            assert!(cleans.is_empty(), "{id}: {outcomes:?}");
        }
    }
}
