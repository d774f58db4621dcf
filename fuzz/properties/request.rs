//! A request the whole way: guard, hyper, reader, router, and what would go to the app.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::OnceLock;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sekisho::clock::Timestamp;
use sekisho::config::{Config, Host, canonical_path};
use sekisho::forward::fuzzing;
use sekisho::read::guard::{BodyFraming, Bounds, GuardTimes, GuardedIo, HeadFacts, Machine, Step, TargetForm};
use sekisho::read::{Clean, Content, Kind, LastHost, Reader, RequestId};
use sekisho::route::{RouteOutcome, Router};
use sekisho::tls::{Alpn, Notes, Resumable, SecureConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use super::papers::NOW;

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
}

/// Whatever a connection carries: what is decided on is what was asked for and what the app gets, and it has one meaning.
pub(crate) fn way(bytes: &[u8]) {
    let (whole, pieces) = (read(bytes, 4096), read(bytes, 5));
    // Who did not read a body to its end may close behind it: then there is less of the same.
    let (less, more) = if whole.len() < pieces.len() { (whole, pieces) } else { (pieces, whole) };
    assert!(more.starts_with(&less), "{less:?} {more:?}");
}

/// All requests of a connection that reach an app, as they would be sent to it.
pub(crate) fn read(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let serve = async {
        let (mut client, server) = tokio::io::duplex(piece);
        let (io, handle) = GuardedIo::with(server, BOUNDS, TIMES);
        let (sent, last) = (&sent, &LastHost::default());
        let service = service_fn(|request: Request<Incoming>| {
            let turn = handle.next_turn().expect("each request has its turn");
            async move {
                turn.decline_tunnel();
                if let Some(facts) = turn.facts()
                    && let Ok(clean) = reader().clean(request, Some(facts), RequestId([7; 16]), Timestamp(0), None, last)
                {
                    asked(&clean, facts);
                    let (message, body) = judge(clean);
                    sent.borrow_mut().extend(message);
                    if let Content::Streaming(body) = body {
                        let _broken = body.collect().await;
                    }
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let connection = hyper::server::conn::http1::Builder::new().half_close(true).serve_connection(TokioIo::new(io), service);
        let talk = async {
            let (mut answers, mut requests) = tokio::io::split(&mut client);
            let send = async {
                let _gone = requests.write_all(bytes).await;
                let _gone = requests.shutdown().await;
            };
            let mut sink = Vec::new();
            let _both = tokio::join!(send, answers.read_to_end(&mut sink));
        };
        let _both = tokio::join!(connection, talk);
    };
    RUNTIME.with(|runtime| runtime.block_on(serve));
    sent.take()
}

/// The same for HTTP/2: header lists as a client may put them on the wire, whatever its library would say.
pub(crate) fn way_of_http2(bytes: &[u8]) {
    let lists: Vec<Vec<(&[u8], &[u8])>> = lists(bytes);
    let paths = lists.iter().flatten().filter(|(name, _)| *name == b":path").map(|(_, value)| *value);
    // hyper's types cut a fragment off, and nobody behind them can tell; what is left is decided on and forwarded.
    let whole = |path: &[u8]| match path.iter().position(|byte| *byte == b'#') {
        Some(0) => b"/".to_vec(),
        Some(end) => path.get(..end).unwrap_or_default().to_vec(),
        None => path.to_vec(),
    };
    let paths: Vec<Vec<u8>> = paths.map(whole).collect();
    for (path, query) in read_http2(&lists) {
        let fits = |asked: &Vec<u8>| {
            let asked = std::str::from_utf8(asked).unwrap_or_default();
            let (raw, rest) = asked.split_once('?').map_or((asked, None), |(raw, rest)| (raw, Some(rest)));
            canonical_path(raw).as_deref() == Ok(&*path) && rest == query.as_deref()
        };
        assert!(paths.iter().any(fits), "nobody asked for {path} {query:?}");
    }
}

/// A line for each field, a blank line between requests.
fn lists(bytes: &[u8]) -> Vec<Vec<(&[u8], &[u8])>> {
    let mut lists = vec![Vec::new()];
    for line in bytes.split(|byte| *byte == b'\n') {
        let colon = line.iter().skip(1).position(|byte| *byte == b':');
        match (colon, lists.last_mut()) {
            (Some(colon), Some(list)) => {
                let (name, value) = line.split_at(colon + 1);
                let value = value.get(1..).unwrap_or_default();
                list.push((name, value.strip_prefix(b" ").unwrap_or(value)));
            }
            _ => lists.push(Vec::new()),
        }
    }
    lists.retain(|list| !list.is_empty());
    lists
}

/// Frames (RFC 9113) with literal fields (RFC 7541, section 6.2.2); `None` if a list needs more than a frame.
fn wire(lists: &[Vec<(&[u8], &[u8])>]) -> Option<Vec<u8>> {
    let mut wire = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for (index, list) in lists.iter().enumerate() {
        let mut block = Vec::new();
        for (name, value) in list {
            block.push(0);
            for text in [name, value] {
                match text.len().checked_sub(127) {
                    None => block.push(text.len() as u8),
                    Some(rest) => {
                        block.push(127);
                        let mut rest = rest;
                        while rest >= 128 {
                            block.push((rest % 128) as u8 | 128);
                            rest /= 128;
                        }
                        block.push(rest as u8);
                    }
                }
                block.extend_from_slice(text);
            }
        }
        let length = u32::try_from(block.len()).ok().filter(|length| *length <= 16384)?;
        wire.extend_from_slice(length.to_be_bytes().get(1..)?);
        // HEADERS, with END_STREAM and END_HEADERS.
        wire.extend_from_slice(&[1, 5]);
        wire.extend_from_slice(&(2 * u32::try_from(index).ok()? + 1).to_be_bytes());
        wire.extend_from_slice(&block);
    }
    Some(wire)
}

/// Path and query of all that reaches an app.
pub(crate) fn read_http2(lists: &[Vec<(&[u8], &[u8])>]) -> Vec<(String, Option<String>)> {
    let Some(wire) = wire(lists) else { return Vec::new() };
    let (sent, last) = (Rc::new(RefCell::new(Vec::new())), Rc::new(LastHost::default()));
    let serve = async {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let service = service_fn(|request: Request<Incoming>| {
            let (sent, last) = (Rc::clone(&sent), Rc::clone(&last));
            async move {
                if let Ok(clean) = reader().clean(request, None, RequestId([7; 16]), Timestamp(0), None, &last) {
                    let said = (clean.path.to_string(), clean.query.as_deref().map(str::to_owned));
                    if judge(clean).0.is_some() {
                        sent.borrow_mut().push(said);
                    }
                }
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }
        });
        let mut builder = hyper::server::conn::http2::Builder::new(Here);
        let connection = builder.enable_connect_protocol().serve_connection(TokioIo::new(server), service);
        let talk = async {
            client.write_all(&wire).await?;
            // Each request is answered, or reset, or the connection is over.
            let mut answered = 0;
            while answered < lists.len() {
                let mut head = [0; 9];
                client.read_exact(&mut head).await?;
                let mut rest = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
                client.read_exact(&mut rest).await?;
                match head[3] {
                    1 | 3 => answered += 1,
                    7 => break,
                    _ => {}
                }
            }
            std::io::Result::Ok(())
        };
        tokio::select! { _ended = connection => {}, _done = talk => {} }
    };
    RUNTIME.with(|runtime| tokio::task::LocalSet::new().block_on(runtime, serve));
    sent.take()
}

/// Streams of a connection run on its own thread.
#[derive(Clone, Copy, Debug)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, stream: F) {
        tokio::task::spawn_local(stream);
    }
}

/// What an HTTP/1 client asked for, by a reading of our own, is what was understood.
fn asked(clean: &Clean, facts: &HeadFacts) {
    let target = &*facts.target;
    let rest = match facts.form {
        TargetForm::Absolute => {
            target.split_once("://").unwrap().1.split_once('/').map_or("/".to_owned(), |(_, rest)| format!("/{rest}"))
        }
        _ => target.to_owned(),
    };
    let (path, query) = rest.split_once('?').map_or((&*rest, None), |(path, query)| (path, Some(query)));
    if facts.form != TargetForm::Absolute || target.splitn(4, '/').count() == 4 {
        assert_eq!(canonical_path(path).as_deref(), Ok(&*clean.path), "{target}");
        assert_eq!(query, clean.query.as_deref(), "{target}");
    }
    assert_eq!(*facts.method, *clean.method.as_str());
    assert_eq!(clean.kind == Kind::WebSocket, facts.asks_tunnel);
}

/// What would be sent to the app; `None` if it is for none.
fn judge(clean: Box<Clean>) -> (Option<Vec<u8>>, Content) {
    assert_eq!(canonical_path(&clean.path).as_deref(), Ok(&*clean.path));
    assert_eq!(clean.host.as_str().parse::<Host>().as_ref(), Ok(&clean.host));
    assert_ne!(clean.method, Method::CONNECT);
    for name in clean.headers.keys().map(http::HeaderName::as_str) {
        assert!(!is_ours(name), "{name}");
    }
    match router().route(clean, &connection()) {
        Ok(RouteOutcome::App(routed)) => {
            let (host, path) = (routed.request.host.as_str(), &*routed.request.path);
            assert_eq!((host, routed.app.host.as_str()), ("app.test", "app.test"));
            assert!(path != "/.sekisho" && !path.starts_with("/.sekisho/"));
            let segments: Vec<&str> = path.split('/').collect();
            assert_eq!(routed.public, path == "/healthz" || segments.get(1) == Some(&"hooks"), "{path}");
            (Some(forwarded(&routed.request)), routed.request.body)
        }
        Ok(RouteOutcome::Own(own)) => (None, own.request.body),
        Err(unrouted) => (None, unrouted.request.body),
    }
}

/// Whether a header is of one hop, or speaks for us under any spelling. A family ends in `-`; the others are whole names.
fn is_ours(name: &str) -> bool {
    let alias = name.replace(['_', '.'], "-");
    HOPS.contains(&alias.as_str()) || OURS.iter().any(|ours| alias == *ours || (ours.ends_with('-') && alias.starts_with(ours)))
}

/// The message to the app, read once more as a stranger's would be: it says what was decided on, and nothing follows it.
fn forwarded(request: &Clean) -> Vec<u8> {
    let (uri, headers) = fuzzing::clients_part(request).expect("what was routed can be sent");
    assert_eq!((uri.path(), uri.query()), (&*request.path, request.query.as_deref()));
    let mut message = format!("{} {uri} HTTP/1.1\r\nhost: {}\r\n", request.method, request.host).into_bytes();
    for (name, value) in &headers {
        assert!(*name != "content-length" && *name != "transfer-encoding" && *name != "host", "framing is made anew");
        assert!(!is_ours(name.as_str()), "{name}");
        message.extend_from_slice(name.as_str().as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(value.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message.extend_from_slice(b"\r\n");
    let Step::Head { len, facts: again } = Machine::new(WIDER).step(&message) else {
        panic!("what is sent would be refused: {}", String::from_utf8_lossy(&message));
    };
    assert_eq!((len, again.body, again.form), (message.len(), BodyFraming::None, TargetForm::Origin));
    assert_eq!((&*again.method, &*again.target), (request.method.as_str(), &*uri.to_string()));
    assert!(!again.asks_tunnel);
    message
}

fn config() -> &'static Config {
    static CONFIG: OnceLock<Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let root = sekisho_certs::local_root::LocalRoot::create(&["test"], NOW).unwrap();
        let server = root.server(&["app.test", "gate.test"], NOW).unwrap();
        std::fs::write(folder.path().join("gate.pem"), &server.chain_pem).unwrap();
        sekisho_certs::files::write_private(&folder.path().join("gate.key"), server.key_pem.as_bytes()).unwrap();
        let now = Timestamp::from_secs(i64::try_from(NOW.as_secs()).unwrap());
        Config::parse(SETTINGS, folder.path(), [], now).unwrap()
    })
}

fn reader() -> &'static Reader {
    static READER: OnceLock<Reader> = OnceLock::new();
    READER.get_or_init(|| Reader::new(config()))
}

fn router() -> &'static Router {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    ROUTER.get_or_init(|| Router::new(config()))
}

fn connection() -> SecureConnection {
    SecureConnection {
        id: 1,
        client: ([192, 0, 2, 1], 4711).into(),
        notes: Notes::default(),
        sni: None,
        alpn: Alpn::Http1,
        covers: ["app.test".to_owned(), "gate.test".to_owned()].into(),
        leaf: None,
        resumable: Resumable::default(),
    }
}

const SETTINGS: &str = r#"
[listen]
https = "127.0.0.1:443"
[sign_in]
host = "gate.test"
[[server_certificate]]
chain = "gate.pem"
key = "gate.key"
[[identity_provider]]
name = "corp"
issuer = "https://login.test"
audience = "gate"
[[device_authority]]
name = "house"
builtin = true
[[app]]
name = "wiki"
host = "app.test"
upstream = ["http://127.0.0.1:8080"]
public = ["/healthz", "/hooks/**"]
methods = ["PURGE"]
[limits]
head = "4KiB"
headers = 24
target = "1KiB"
"#;

const BOUNDS: Bounds = Bounds { head_bytes: 4096, target_bytes: 1024, headers: 24 };
/// Canonical paths may be longer than what was asked for.
const WIDER: Bounds = Bounds { head_bytes: 32 << 10, target_bytes: 8 << 10, headers: 100 };
const TIMES: GuardTimes = GuardTimes { head: Duration::from_secs(60), idle: Duration::from_secs(60) };

const HOPS: &[&str] =
    &["connection", "keep-alive", "proxy-connection", "proxy-authorization", "trailer", "transfer-encoding", "upgrade", "host"];
const OURS: &[&str] =
    &["sekisho-", "x-forwarded-", "x-request-id", "forwarded", "forwarded-", "traceparent", "x-real-ip", "remote-"];
