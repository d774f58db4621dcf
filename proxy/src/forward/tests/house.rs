//! The harness.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body::Body as _;
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::clock::{Clock, Timestamp};
use crate::config::CrossSite;
use crate::config::{App, CorsPreflight, Timeouts, Upstream, UpstreamProtocol, UpstreamScheme};
use crate::decide::{Allowed, Permit};
use crate::forward::body::AppBody;
use crate::forward::exchange::{BodyPace, Meter};
use crate::forward::forwarder::Forwarder;
use crate::forward::metrics::ForwardMetrics;
use crate::forward::shared::{ForwardShared, Settings};
use crate::forward::tunnel::TunnelEnd;
use crate::identify_device::KnownDevice;
use crate::identify_user::{Binding, KnownUser};
use crate::inventory::{DeviceStatus, samples};
use crate::read::{Clean, Kind, RequestId};
use crate::route::Routed;
use crate::secret::Digest;
use crate::tls::{Alpn, Notes, Resumable, SecureConnection};

/// Runs a test as on a data core; none may take long.
pub(super) fn on_a_core<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async { tokio::time::timeout(Duration::from_secs(20), test).await.expect("the test hangs") })
}

/// An app at these addresses, with timeouts that suit tests.
pub(super) fn app_at(addresses: &[SocketAddr]) -> App {
    let upstream = |address: &SocketAddr| Upstream {
        scheme: UpstreamScheme::Http,
        host: address.ip().to_string().into(),
        port: address.port(),
    };
    App {
        name: "wiki".into(),
        host: "wiki.corp.example".parse().unwrap(),
        upstreams: addresses.iter().map(upstream).collect(),
        tags: Default::default(),
        public: Vec::new(),
        cors_preflight: CorsPreflight::Refuse,
        cross_site: CrossSite::Refuse,
        allowed_origins: Default::default(),
        ca: Vec::new(),
        client_certificate: None,
        protocol: UpstreamProtocol::Http1,
        timeouts: Timeouts {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_millis(500),
            idle: Duration::from_millis(1_500),
        },
        health: None,
        methods: Default::default(),
        device_authorities: None,
        pass_authorization: false,
        assertion: true,
        max_body: None,
        rate_limit: None,
    }
}

/// The gate's forwarding, and a server in front of it.
pub(super) struct House {
    http1: SocketAddr,
    pub(super) http2: SocketAddr,
    pub(super) inner: Rc<Inner>,
}

pub(super) struct Inner {
    pub(super) forwarder: RefCell<Rc<Forwarder>>,
    pub(super) shared: RefCell<Arc<ForwardShared>>,
    pub(super) metrics: ForwardMetrics,
    app: RefCell<Arc<App>>,
    pub(super) clock: Clock,
    pub(super) permit: RefCell<Permit>,
    pub(super) meter: RefCell<Rc<Meter>>,
    pub(super) cut: Notify,
    pub(super) ends: RefCell<Vec<TunnelEnd>>,
    state: TempDir,
}

impl House {
    /// How the only tunnel ended, once it has.
    pub(super) async fn end(&self) -> TunnelEnd {
        while self.inner.ends.borrow().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        assert_eq!(self.inner.ends.borrow().len(), 1);
        self.inner.ends.borrow()[0]
    }

    pub(super) async fn before(app: App) -> Self {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_secs(1_790_000_000));
        let app = Arc::new(app);
        let metrics = ForwardMetrics::register(&prometheus::Registry::new()).unwrap();
        let shared = share(&app, &state, &clock, &metrics, None);
        let inner = Rc::new(Inner {
            forwarder: RefCell::new(Rc::new(Forwarder::new(Arc::clone(&shared)))),
            shared: RefCell::new(shared),
            metrics,
            app: RefCell::new(app),
            clock,
            permit: RefCell::new(permit_of_ana()),
            meter: RefCell::default(),
            cut: Notify::new(),
            ends: RefCell::default(),
            state,
        });
        let http1 = serve(&inner, false).await;
        let http2 = serve(&inner, true).await;
        Self { http1, http2, inner }
    }

    pub(super) async fn client(&self) -> Peer {
        Peer::new(TcpStream::connect(self.http1).await.unwrap())
    }

    /// Sends a whole request that ends with `Connection: close`, and reads the whole answer.
    pub(super) async fn ask(&self, request: &str) -> Reply {
        let mut client = self.client().await;
        client.send(request).await;
        client.reply().await
    }

    /// GET of a path.
    pub(super) async fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: wiki.corp.example\r\nConnection: close\r\n\r\n")).await
    }

    pub(super) fn reload(&self, app: App) {
        let app = Arc::new(app);
        let inner = &self.inner;
        let shared = share(&app, &inner.state, &inner.clock, &inner.metrics, Some(&inner.shared.borrow()));
        let forwarder = inner.forwarder.borrow().reloaded(Arc::clone(&shared));
        *inner.forwarder.borrow_mut() = Rc::new(forwarder);
        *inner.shared.borrow_mut() = shared;
        *inner.app.borrow_mut() = app;
    }

    /// What routing hands over, whatever forwarding knows.
    pub(super) fn route_to(&self, app: App) {
        *self.inner.app.borrow_mut() = Arc::new(app);
    }

    pub(super) fn nobody_is_signed_in(&self) {
        *self.inner.permit.borrow_mut() = Permit { user: None, device: None, usage: None, policies: Arc::new([]), basis: None };
    }
}

fn share(
    app: &Arc<App>,
    state: &TempDir,
    clock: &Clock,
    metrics: &ForwardMetrics,
    old: Option<&ForwardShared>,
) -> Arc<ForwardShared> {
    let settings = Settings {
        apps: std::slice::from_ref(app),
        state: state.path(),
        sign_in_host: &"gate.corp.example".parse().unwrap(),
        public_port: 8443,
        ours: Arc::new([]),
        max_body: 1 << 30,
        body_pace: BodyPace::ANY,
    };
    ForwardShared::from_settings(&settings, clock.clone(), metrics, old).unwrap()
}

pub(super) fn permit_of_ana() -> Permit {
    let at = Timestamp::from_secs(1_790_000_000);
    let session = samples::session("s-1", "ana", "lap-7", at);
    let user = KnownUser {
        facts: Digest::of(format!("{session:?}").as_bytes()),
        session: Arc::new(session),
        binding: Binding::Session,
        facts_until: Timestamp(i64::MAX),
        due: false,
        by_certificate: false,
    };
    let device = KnownDevice {
        device: Arc::new(samples::device("lap-7", DeviceStatus::Active)),
        certificate: Digest::of(b"certificate"),
        key: samples::key("lap-7"),
        facts: Digest::of(b"device facts"),
        not_after: at,
        service: None,
    };
    Permit { user: Some(user), device: Some(device), usage: None, policies: Arc::new(["permit-staff".into()]), basis: None }
}

async fn serve(inner: &Rc<Inner>, http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let inner = Rc::clone(inner);
    tokio::task::spawn_local(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let inner = Rc::clone(&inner);
            let service = service_fn(move |request| handle(Rc::clone(&inner), request, peer));
            tokio::task::spawn_local(async move {
                let io = TokioIo::new(stream);
                if http2 {
                    let mut builder = hyper::server::conn::http2::Builder::new(Local);
                    builder.enable_connect_protocol();
                    let _end = builder.serve_connection(io, service).await;
                } else {
                    let mut builder = hyper::server::conn::http1::Builder::new();
                    let _end = builder.timer(TokioTimer::new()).serve_connection(io, service).with_upgrades().await;
                }
            });
        }
    });
    address
}

#[derive(Clone, Copy)]
pub(super) struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

type Handled = Result<Response<Either<AppBody, Full<Bytes>>>, Infallible>;

async fn handle(inner: Rc<Inner>, mut request: Request<Incoming>, peer: SocketAddr) -> Handled {
    let on_upgrade = hyper::upgrade::on(&mut request);
    let extended = request.extensions().get::<hyper::ext::Protocol>().is_some();
    let (parts, body) = request.into_parts();
    let websocket = extended || (parts.version == Version::HTTP_11 && parts.headers.contains_key("sec-websocket-key"));
    let preflight = parts.headers.contains_key("access-control-request-method");
    let kind = match (websocket, preflight) {
        (true, _) => Kind::WebSocket,
        (false, true) => Kind::Preflight,
        (false, false) => Kind::Plain,
    };
    let clean = Clean {
        id: RequestId([7; 16]),
        at: inner.clock.now(),
        method: if extended { Method::GET } else { parts.method },
        host: "wiki.corp.example".parse().unwrap(),
        path: parts.uri.path().into(),
        query: parts.uri.query().map(Into::into),
        headers: parts.headers,
        kind,
        version: parts.version,
        length: body.size_hint().exact(),
        body: body.into(),
        upgrade: websocket.then_some(on_upgrade),
    };
    let routed = Routed { request: Box::new(clean), app: Arc::clone(&inner.app.borrow()), public: false };
    let allowed = Allowed::for_test(routed, inner.permit.borrow().clone());
    let connection = SecureConnection {
        id: 1,
        client: peer,
        notes: Notes::default(),
        sni: None,
        alpn: Alpn::Http1,
        covers: Arc::new([]),
        leaf: None,
        resumable: Resumable::default(),
    };
    let meter = Rc::new(Meter::default());
    *inner.meter.borrow_mut() = Rc::clone(&meter);
    let forwarder = Rc::clone(&inner.forwarder.borrow());
    Ok(match forwarder.send(allowed, &connection, &meter).await {
        Ok(answer) => {
            if let Some(tunnel) = answer.tunnel {
                tokio::task::spawn_local(async move {
                    let end = tunnel
                        .run(
                            async {
                                inner.cut.notified().await;
                                TunnelEnd::Cut
                            },
                            |_taken| (),
                        )
                        .await;
                    inner.ends.borrow_mut().push(end);
                });
            }
            answer.response.map(Either::Left)
        }
        Err(error) => {
            let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(error.as_str().as_bytes()))));
            *response.status_mut() = http::StatusCode::BAD_GATEWAY;
            response
        }
    })
}

/// An app on loopback, for the test to play.
pub(super) struct Stage {
    listener: TcpListener,
    pub(super) address: SocketAddr,
}

impl Stage {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// The next connection of the gate.
    pub(super) async fn next(&self) -> Peer {
        Peer::new(self.listener.accept().await.unwrap().0)
    }

    /// Whether the gate connects again soon.
    pub(super) async fn is_left_alone(&self) -> bool {
        tokio::time::timeout(Duration::from_millis(150), self.listener.accept()).await.is_err()
    }

    /// An app that answers each request of each connection with what `script` says, in a task of its own.
    pub(super) fn play(self, answer: &'static str) -> SocketAddr {
        let address = self.address;
        tokio::task::spawn_local(async move {
            loop {
                let mut peer = self.next().await;
                tokio::task::spawn_local(async move {
                    while peer.try_head().await.is_some() {
                        peer.send(answer).await;
                    }
                });
            }
        });
        address
    }
}

/// One end of a connection, in bytes.
pub(super) struct Peer {
    pub(super) stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back on a connection, until it was closed.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: String,
    pub(super) body: String,
    /// The connection was closed in order, and the body ended as its framing says.
    pub(super) whole: bool,
}

impl Reply {
    pub(super) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// The value of a header in a head.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

impl Peer {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(super) async fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.unwrap();
    }

    /// A head, up to and with its empty line.
    pub(super) async fn head(&mut self) -> String {
        self.try_head().await.expect("the connection was closed before a head")
    }

    pub(super) async fn try_head(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.buffer.split_off(at + 4);
                return Some(String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap());
            }
            if self.stream.read_buf(&mut self.buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    pub(super) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert_ne!(self.stream.read_buf(&mut self.buffer).await.unwrap(), 0, "closed after {:?}", self.buffer);
        }
        let rest = self.buffer.split_off(length);
        std::mem::replace(&mut self.buffer, rest)
    }

    pub(super) async fn expect(&mut self, text: &str) {
        assert_eq!(String::from_utf8_lossy(&self.take(text.len()).await), text);
    }

    /// Everything until the other side closes; false if it was a reset.
    pub(super) async fn rest(&mut self) -> (Vec<u8>, bool) {
        loop {
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return (std::mem::take(&mut self.buffer), true),
                Ok(_) => {}
                Err(_) => return (std::mem::take(&mut self.buffer), false),
            }
        }
    }

    /// Whether nothing comes for a moment.
    pub(super) async fn is_silent(&mut self) -> bool {
        let reading = self.stream.read_buf(&mut self.buffer);
        tokio::time::timeout(Duration::from_millis(150), reading).await.is_err() && self.buffer.is_empty()
    }

    /// An answer and the close after it.
    pub(super) async fn reply(&mut self) -> Reply {
        let head = self.try_head().await.unwrap_or_default();
        let (bytes, in_order) = self.rest().await;
        let raw = String::from_utf8_lossy(&bytes).into_owned();
        let complete = match (header(&head, "content-length"), header(&head, "transfer-encoding")) {
            (Some(length), _) => length.parse() == Ok(bytes.len()),
            (None, Some(_)) => raw.ends_with("0\r\n\r\n") || raw.contains("\r\n0\r\n"),
            (None, None) => true,
        };
        let body = if header(&head, "transfer-encoding").is_some() { unchunk(&raw) } else { raw };
        Reply { head, body, whole: in_order && complete }
    }
}

fn unchunk(mut raw: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = raw.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        if size == 0 {
            break;
        }
        let Some(chunk) = rest.get(..size) else {
            body.push_str(rest);
            break;
        };
        body.push_str(chunk);
        raw = rest.get(size + 2..).unwrap_or("");
    }
    body
}
