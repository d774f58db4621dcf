//! An app behind the gate that remembers what reached it, and answers as a test wants.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// A stand-in for an app. It ends with the test.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrivals: watch::Sender<usize>,
    events: watch::Sender<u32>,
}

/// A request that reached the app.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Bytes of its body, once it had ended.
    pub(crate) body: Bytes,
    /// The body was broken off.
    pub(crate) broken: bool,
}

/// What to speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

type Body = UnsyncBoxBody<Bytes, Infallible>;

impl App {
    pub(crate) async fn open() -> Self {
        Self::speaking(Speaks::Http1).await
    }

    pub(crate) async fn speaking(what: Speaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let app = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            arrivals: watch::Sender::new(0),
            events: watch::Sender::new(0),
        };
        let serving = app.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let app = serving.clone();
                let service = service_fn(move |request| {
                    let app = app.clone();
                    async move { Ok::<_, Infallible>(app.answer(request).await) }
                });
                tokio::spawn(async move {
                    let socket = TokioIo::new(socket);
                    let _gone = match what {
                        Speaks::Http1 => {
                            hyper::server::conn::http1::Builder::new().serve_connection(socket, service).with_upgrades().await
                        }
                        Speaks::Http2 => {
                            hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(socket, service).await
                        }
                    };
                });
            }
        });
        app
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that reached it, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request that reached it with this path.
    pub(crate) fn only(&self, path: &str) -> Seen {
        let mut matching: Vec<_> = self.seen().into_iter().filter(|seen| seen.path() == path).collect();
        assert_eq!(matching.len(), 1, "requests for {path}: {:?}", self.seen());
        matching.remove(0)
    }

    /// Whether any request for this path reached it.
    pub(crate) fn has_seen(&self, path: &str) -> bool {
        self.seen().iter().any(|seen| seen.path() == path)
    }

    /// Waits until `count` requests have reached it.
    pub(crate) async fn reached(&self, count: usize) {
        self.arrivals.subscribe().wait_for(|arrived| *arrived >= count).await.unwrap();
    }

    /// Sends an event on every open `/events`.
    pub(crate) fn tell(&self) {
        self.events.send_modify(|count| *count += 1);
    }

    async fn answer(&self, mut request: Request<Incoming>) -> Response<Body> {
        let method = request.method().clone();
        let target = request.uri().path_and_query().map_or_else(String::new, |target| target.as_str().to_owned());
        let headers = request.headers().clone();
        let path = request.uri().path().to_owned();
        self.arrivals.send_modify(|count| *count += 1);
        let upgrade = headers.contains_key("upgrade").then(|| hyper::upgrade::on(&mut request));
        let body = request.into_body().collect().await.map(|body| body.to_bytes());
        let seen = Seen { method, target, headers, broken: body.is_err(), body: body.unwrap_or_default() };
        self.seen.lock().unwrap().push(seen.clone());
        match (path.split('/').nth(1).unwrap_or_default(), upgrade) {
            ("ws", Some(upgrade)) => web_socket(&seen, upgrade),
            ("status", _) => {
                let status = path.rsplit('/').next().and_then(|code| code.parse::<u16>().ok()).unwrap_or(500);
                reply(StatusCode::from_u16(status).unwrap(), whole("as you wish\n"))
            }
            ("bytes", _) => {
                let count = path.rsplit('/').next().and_then(|count| count.parse().ok()).unwrap_or(0);
                reply(StatusCode::OK, whole(vec![b'x'; count]))
            }
            ("events", _) => self.events(),
            ("flood", _) => flood(),
            ("calls", _) => {
                let mut reply = self.events();
                reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
                reply
            }
            ("trailers", _) => trailers(),
            ("cached", _) => {
                let mut reply = reply(StatusCode::OK, whole("for everybody\n"));
                let headers = reply.headers_mut();
                headers.insert("cache-control", "public, max-age=600, s-maxage=600".parse().unwrap());
                headers.insert("cdn-cache-control", "max-age=600".parse().unwrap());
                reply
            }
            ("never", _) => std::future::pending().await,
            _ => reply(StatusCode::OK, whole(seen.to_json())),
        }
    }

    /// An event at once, and one for every [`App::tell`].
    fn events(&self) -> Response<Body> {
        let (send, receive) = mpsc::channel::<Bytes>(16);
        let mut told = self.events.subscribe();
        tokio::spawn(async move {
            loop {
                let number = *told.borrow_and_update();
                if send.send(format!("data: {number}\n\n").into()).await.is_err() || told.changed().await.is_err() {
                    break;
                }
            }
        });
        let mut reply = reply(StatusCode::OK, flow(receive));
        reply.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        reply
    }
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header that came exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        Some(value)
    }

    fn to_json(&self) -> String {
        let headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
        json!({ "method": self.method.as_str(), "target": self.target, "headers": headers, "bytes": self.body.len() }).to_string()
    }
}

fn web_socket(seen: &Seen, upgrade: hyper::upgrade::OnUpgrade) -> Response<Body> {
    tokio::spawn(async move {
        use futures_util::{SinkExt as _, StreamExt as _};
        let socket = TokioIo::new(upgrade.await.unwrap());
        let mut socket = WebSocketStream::from_raw_socket(socket, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            if message.is_close() || socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let key = derive_accept_key(seen.headers["sec-websocket-key"].as_bytes());
    let mut reply = Response::builder().status(101).header("connection", "Upgrade").header("upgrade", "websocket");
    reply = reply.header("sec-websocket-accept", key);
    if seen.headers.contains_key("sec-websocket-protocol") {
        reply = reply.header("sec-websocket-protocol", "echo");
    }
    reply.body(whole("")).unwrap()
}

/// As a gRPC server answers: a body, and a status in trailers.
fn trailers() -> Response<Body> {
    let mut fields = HeaderMap::new();
    fields.insert("grpc-status", "0".parse().unwrap());
    let frames = [Ok(Frame::data(Bytes::from_static(b"body"))), Ok(Frame::trailers(fields))];
    let mut reply = reply(StatusCode::OK, StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync());
    reply.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
    reply.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    reply
}

/// As fast as somebody takes it, without end.
fn flood() -> Response<Body> {
    let pieces = futures_util::stream::repeat_with(|| Ok(Frame::data(Bytes::from(vec![b'x'; 16 * 1024]))));
    reply(StatusCode::OK, StreamBody::new(pieces).boxed_unsync())
}

fn flow(receive: mpsc::Receiver<Bytes>) -> Body {
    let stream = futures_util::stream::unfold(receive, |mut receive| async {
        let bytes = receive.recv().await?;
        Some((Ok(Frame::data(bytes)), receive))
    });
    StreamBody::new(stream).boxed_unsync()
}

fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

fn reply(status: StatusCode, body: Body) -> Response<Body> {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply
}
