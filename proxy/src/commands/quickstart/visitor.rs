//! Whoever comes to the gate from outside: over TLS, with a device's certificate or without, with cookies or a token.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Position, Url};

/// A client; every request has a connection of its own. Clones share their cookies.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    tls: Arc<ClientConfig>,
    jar: Jar,
    token: Option<String>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// What was asked for.
    pub(super) url: Url,
    /// Status.
    pub(super) status: StatusCode,
    /// Header fields.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Bytes,
}

/// Cookies by host and name; those of the gate and of the demo provider all have the path `/`.
#[derive(Clone, Debug, Default)]
struct Jar(Arc<Mutex<BTreeMap<(String, String), String>>>);

/// There was no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum VisitError {
    /// Not an address.
    #[error("{0} is not an address")]
    Address(String),
    /// TLS cannot be set up with this certificate.
    #[error("TLS cannot be set up: {0}")]
    Settings(#[from] rustls::Error),
    /// No connection.
    #[error("{host} cannot be reached: {cause}")]
    Unreachable {
        /// Whom.
        host: String,
        /// What happened.
        cause: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] hyper::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// Somebody leads us in circles.
    #[error("too many redirects, the last to {0}")]
    Circles(Url),
}

impl Visitor {
    /// Trusts `roots`; shows this certificate if there is one.
    ///
    /// # Errors
    /// [`VisitError::Settings`] if key and certificate do not fit.
    pub(super) fn new(
        roots: RootCertStore,
        device: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self, VisitError> {
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(crypto).with_safe_default_protocol_versions()?.with_root_certificates(roots);
        let mut config = match device {
            None => config.with_no_client_auth(),
            Some((chain, key)) => config.with_client_auth_cert(chain, key)?,
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Arc::new(config), jar: Jar::default(), token: None })
    }

    /// The same device with nothing remembered.
    pub(super) fn fresh(&self) -> Self {
        Self { tls: Arc::clone(&self.tls), jar: Jar::default(), token: None }
    }

    /// The same device with nothing remembered but a bearer token.
    pub(super) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.fresh() }
    }

    /// The same device with a copy of somebody's cookies.
    pub(super) fn with_cookies_of(&self, other: &Self) -> Self {
        let copied = other.jar.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { jar: Jar(Arc::new(Mutex::new(copied))), ..self.fresh() }
    }

    /// The `Cookie` header that a request to this host would have.
    pub(super) fn cookies(&self, host: &str) -> Option<String> {
        self.jar.header(host)
    }

    /// As a program asks.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn get(&self, url: &str) -> Result<Answer, VisitError> {
        self.send(Method::GET, url, &[], Bytes::new()).await
    }

    /// As a browser asks when somebody clicks on a link. Redirects are followed.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn browse(&self, url: &str) -> Result<Answer, VisitError> {
        let answer = self.send(Method::GET, url, NAVIGATION, Bytes::new()).await?;
        self.follow(answer).await
    }

    /// As a browser sends a form of this page. Redirects are followed.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn submit(&self, page: &Url, action: &str, fields: &[(&str, &str)]) -> Result<Answer, VisitError> {
        let to = page.join(action).map_err(|_malformed| VisitError::Address(action.to_owned()))?;
        let origin = page.origin().ascii_serialization();
        let mut headers = NAVIGATION.to_vec();
        headers.extend([(CONTENT_TYPE.as_str(), "application/x-www-form-urlencoded"), (ORIGIN.as_str(), origin.as_str())]);
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let answer = self.send(Method::POST, to.as_str(), &headers, form.into()).await?;
        self.follow(answer).await
    }

    /// Any request, read to its end.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, VisitError> {
        let whole = async {
            let (url, response) = self.begin(method, url, headers, body).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok(Answer { url, status: head.status, headers: head.headers, body })
        };
        tokio::time::timeout(PATIENCE, whole).await.map_err(|_elapsed| VisitError::TimedOut)?
    }

    /// Any request; the answer's body is still to be read.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn begin(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(Url, Response<Incoming>), VisitError> {
        let url = Url::parse(url).map_err(|_malformed| VisitError::Address(url.to_owned()))?;
        let stream = self.connect(&url).await?;
        let mut request = Request::builder()
            .method(method)
            .uri(&url[Position::BeforePath..Position::AfterQuery])
            .header(HOST, &url[Position::BeforeHost..Position::AfterPort]);
        for (name, value) in self.credentials(&url) {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body)).map_err(|_malformed| VisitError::Address(url.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let response = sender.send_request(request).await?;
        self.jar.take(url.host_str().unwrap_or_default(), response.headers());
        Ok((url, response))
    }

    /// What a request to this address proves with, as header fields.
    pub(super) fn credentials(&self, url: &Url) -> Vec<(http::HeaderName, String)> {
        let cookies = self.jar.header(url.host_str().unwrap_or_default()).map(|cookies| (COOKIE, cookies));
        let token = self.token.as_ref().map(|token| (AUTHORIZATION, format!("Bearer {token}")));
        cookies.into_iter().chain(token).collect()
    }

    /// A connection to the port of this address on this machine.
    ///
    /// # Errors
    /// [`VisitError`].
    pub(super) async fn connect(&self, url: &Url) -> Result<TlsStream<TcpStream>, VisitError> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let name = ServerName::try_from(host.clone()).map_err(|_malformed| VisitError::Address(url.to_string()))?;
        let connected = async {
            let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
            TlsConnector::from(Arc::clone(&self.tls)).connect(name, socket).await
        };
        let connected = tokio::time::timeout(PATIENCE, connected).await.map_err(|_elapsed| VisitError::TimedOut)?;
        connected.map_err(|cause| VisitError::Unreachable { host, cause })
    }

    async fn follow(&self, mut answer: Answer) -> Result<Answer, VisitError> {
        for _ in 0..MOST_REDIRECTS {
            let Some(to) = answer.leads_to() else { return Ok(answer) };
            answer = self.send(Method::GET, to.as_str(), NAVIGATION, Bytes::new()).await?;
        }
        Err(VisitError::Circles(answer.url))
    }
}

impl Answer {
    /// Where it sends us.
    fn leads_to(&self) -> Option<Url> {
        let to = self.headers.get(LOCATION).filter(|_| self.status.is_redirection())?;
        self.url.join(to.to_str().ok()?).ok()
    }

    /// The body as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The word for a refusal, where a program was refused (RFC 9457).
    pub(super) fn reason(&self) -> Option<String> {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        problem.get("reason")?.as_str().map(str::to_owned)
    }
}

impl Jar {
    fn take(&self, host: &str, headers: &HeaderMap) {
        let mut jar = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            let mut parts = line.split(';').map(str::trim);
            let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { continue };
            let key = (host.to_owned(), name.to_owned());
            if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
                jar.remove(&key);
            } else {
                jar.insert(key, value.to_owned());
            }
        }
    }

    fn header(&self, host: &str) -> Option<String> {
        let jar = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<String> =
            jar.iter().filter(|((of, _), _)| of == host).map(|((_, name), value)| format!("{name}={value}")).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// What browsers send with a click.
pub(super) const NAVIGATION: &[(&str, &str)] = &[
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "same-origin"),
];
const PATIENCE: Duration = Duration::from_secs(60);
const MOST_REDIRECTS: usize = 20;
