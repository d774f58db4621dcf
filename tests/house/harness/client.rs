//! Whoever comes to the gate: with or without a device's certificate, with cookies, over HTTP/1.1 or HTTP/2.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

use super::authority::Identity;
use super::jar::Jar;

/// A client. Every request has a connection of its own, unless [`Client::connect`] was used.
#[derive(Clone)]
pub(crate) struct Client {
    tls: Arc<ClientConfig>,
    version: Version,
    pub(crate) jar: Jar,
    extra: Vec<(&'static str, String)>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) url: Url,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

/// An open connection that is used again and again.
pub(crate) struct Connection {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
    host: String,
    client: Client,
}

impl Client {
    /// Trusts these roots; shows `device`'s certificate if there is one.
    pub(crate) fn new(roots: &[CertificateDer<'static>], device: Option<&Identity>) -> Self {
        let config = ClientConfig::builder().with_root_certificates(trusting(roots));
        let config = match device {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let chain = CertificateDer::pem_slice_iter(identity.chain.as_bytes()).map(Result::unwrap).collect();
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap()).unwrap()
            }
        };
        Self::with(config)
    }

    /// Trusts these roots; shows this certificate, whose key is wherever `key` says.
    pub(crate) fn with_key(
        roots: &[CertificateDer<'static>],
        chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
    ) -> Self {
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let config = ClientConfig::builder().with_root_certificates(trusting(roots)).with_client_cert_resolver(Arc::new(shown));
        Self::with(config)
    }

    fn with(config: ClientConfig) -> Self {
        Self { tls: Arc::new(config), version: Version::HTTP_11, jar: Jar::default(), extra: Vec::new() }
    }

    /// The same over HTTP/2.
    pub(crate) fn over_http2(mut self) -> Self {
        self.version = Version::HTTP_2;
        self
    }

    /// The same with other cookies.
    pub(crate) fn with_cookies(mut self, jar: Jar) -> Self {
        self.jar = jar;
        self
    }

    /// The same with a header on every request.
    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extra.push((name, value.into()));
        self
    }

    /// The same with a bearer token.
    pub(crate) fn with_token(self, token: &str) -> Self {
        self.with_header("authorization", format!("Bearer {token}"))
    }

    /// As a program asks.
    pub(crate) async fn get(&self, url: &str) -> Reply {
        self.send(Method::GET, url, &[], "").await
    }

    /// As a browser asks when somebody clicks on a link. Redirects are given back, not followed.
    pub(crate) async fn click(&self, url: &str) -> Reply {
        self.send(Method::GET, url, NAVIGATION, "").await
    }

    /// As [`Client::click`], following redirects to their end.
    pub(crate) async fn browse(&self, url: &str) -> Reply {
        let mut reply = self.click(url).await;
        for _ in 0..20 {
            let Some(to) = reply.location() else { return reply };
            reply = self.click(&to).await;
        }
        panic!("too many redirects, the last to {}", reply.url);
    }

    /// Any request, on a connection of its own.
    pub(crate) async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
        let (url, reply) = self.begin(method, url, headers, body).await;
        self.finish(url, reply).await
    }

    /// Any request; the answer's body is still to be read.
    pub(crate) async fn begin(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> (Url, Response<Incoming>) {
        let url = Url::parse(url).unwrap();
        let request = self.request(method, &url, headers, body.into());
        let stream = TokioIo::new(self.tls_to(&url).await);
        let reply = if self.version == Version::HTTP_2 {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection.with_upgrades());
            sender.send_request(request).await
        };
        let reply = reply.unwrap_or_else(|error| panic!("no answer from {url}: {error:?}"));
        self.jar.take(url.host_str().unwrap(), reply.headers());
        (url, reply)
    }

    /// An HTTP/1.1 connection to keep.
    pub(crate) async fn connect(&self, url: &str) -> Connection {
        self.connect_from("127.0.0.1", url).await
    }

    /// The same from another address of this machine.
    pub(crate) async fn connect_from(&self, address: &str, url: &str) -> Connection {
        let url = Url::parse(url).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let gate = format!("127.0.0.1:{}", url.port_or_known_default().unwrap());
        let socket = socket.connect(gate.parse().unwrap()).await.unwrap();
        let stream = TokioIo::new(self.tls_over(socket, &url).await);
        let (sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Connection { sender, host: url.origin().ascii_serialization(), client: self.clone() }
    }

    /// The bare TLS connection.
    pub(crate) async fn tls_to(&self, url: &Url) -> TlsStream<TcpStream> {
        let socket = TcpStream::connect(("127.0.0.1", url.port_or_known_default().unwrap())).await;
        let socket = socket.unwrap_or_else(|error| panic!("nobody listens at {url}: {error}"));
        self.tls_over(socket, url).await
    }

    /// TLS over a socket that is open already.
    pub(crate) async fn tls_over(&self, socket: TcpStream, url: &Url) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::clone(&self.tls);
        config.alpn_protocols = vec![if self.version == Version::HTTP_2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let name = ServerName::try_from(url.host_str().unwrap().to_owned()).unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
            .unwrap_or_else(|error| panic!("no TLS with {url}: {error}"))
    }

    async fn finish(&self, url: Url, reply: Response<Incoming>) -> Reply {
        let (head, body) = reply.into_parts();
        let body = body.collect().await.unwrap_or_else(|error| panic!("the answer from {url} broke off: {error:?}"));
        let trailers = body.trailers().cloned();
        Reply { url, status: head.status, headers: head.headers, body: body.to_bytes(), trailers }
    }

    pub(crate) fn request(&self, method: Method, url: &Url, headers: &[(&str, &str)], body: Bytes) -> Request<Full<Bytes>> {
        let target = match self.version {
            Version::HTTP_2 => url.as_str(),
            _ => &url[url::Position::BeforePath..url::Position::AfterQuery],
        };
        let mut request = Request::builder().method(method).uri(target).version(self.version);
        if self.version != Version::HTTP_2 {
            request = request.header("host", &url[url::Position::BeforeHost..url::Position::AfterPort]);
        }
        if let Some(cookies) = self.jar.header(url.host_str().unwrap(), url.path()) {
            request = request.header("cookie", cookies);
        }
        let ours = self.extra.iter().map(|(name, value)| (*name, value.as_str()));
        for (name, value) in ours.chain(headers.iter().copied()) {
            request = request.header(name, HeaderValue::from_str(value).unwrap());
        }
        request.body(Full::new(body)).unwrap()
    }
}

impl Connection {
    /// A GET on this connection; `None` if it has been closed.
    pub(crate) async fn get(&mut self, path: &str) -> Option<Reply> {
        self.send(Method::GET, path).await
    }

    /// Whether the head of an answer came, whatever becomes of its body.
    pub(crate) async fn is_answered(&mut self, path: &str) -> bool {
        let url = Url::parse(&format!("{}{path}", self.host)).unwrap();
        if self.sender.ready().await.is_err() {
            return false;
        }
        let request = self.client.request(Method::GET, &url, &[], Bytes::new());
        let Ok(reply) = self.sender.send_request(request).await else { return false };
        // Read, so that the connection can be used again; that it breaks in the middle shows at the next request.
        let _broken_or_not = reply.into_body().collect().await;
        true
    }

    /// A request just as it is; `None` if the connection has been closed.
    pub(crate) async fn send_as_is(&mut self, request: Request<Full<Bytes>>) -> Option<Reply> {
        let url = Url::parse(&self.host).unwrap();
        self.sender.ready().await.ok()?;
        let reply = self.sender.send_request(request).await.ok()?;
        Some(self.client.finish(url, reply).await)
    }

    /// Any request without a body, likewise.
    pub(crate) async fn send(&mut self, method: Method, path: &str) -> Option<Reply> {
        let url = Url::parse(&format!("{}{path}", self.host)).unwrap();
        self.sender.ready().await.ok()?;
        let reply = self.sender.send_request(self.client.request(method, &url, &[], Bytes::new())).await.ok()?;
        Some(self.client.finish(url, reply).await)
    }
}

impl Reply {
    /// Where it sends us, as a whole address.
    pub(crate) fn location(&self) -> Option<String> {
        let to = self.headers.get("location").filter(|_| self.status.is_redirection())?;
        Some(self.url.join(to.to_str().unwrap()).unwrap().into())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// What to show of it when a test fails: of a page, its words.
    pub(crate) fn shown(&self) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let main = body.split_once("<main>").map_or(body.as_ref(), |(_, rest)| rest.split("</main>").next().unwrap_or_default());
        format!("{} from {}: {}", self.status, self.url, main.trim())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }
}

/// What browsers send with a click.
pub(crate) const NAVIGATION: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
    ("sec-fetch-user", "?1"),
    ("upgrade-insecure-requests", "1"),
];

fn trusting(roots: &[CertificateDer<'static>]) -> RootCertStore {
    let mut trusted = RootCertStore::empty();
    for root in roots {
        trusted.add(root.clone()).unwrap();
    }
    trusted
}
