//! The https client.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::client::WantsClientCert;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};
use rustls_pki_types::CertificateDer;

use super::resolve::{Resolver, is_loopback_name};

/// Makes requests of the gate's own. Cheap to clone; connections are shared and kept for a while.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    timeout: Duration,
    max_response: usize,
}

/// A request of ours that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// Neither https nor loopback.
    #[error("{host}: only https is used, except on this machine")]
    NotHttps {
        /// Whom it was for.
        host: String,
    },
    /// One of the configured root certificates cannot be used.
    #[error("a configured root certificate cannot be used: {0}")]
    BadRoot(rustls::Error),
    /// The TLS library refused our settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(rustls::Error),
    /// No connection, or it broke.
    #[error("{host} cannot be reached: {cause}")]
    Unreachable {
        /// Whom it was for.
        host: String,
        /// What happened, from the innermost cause.
        cause: String,
    },
    /// The answer did not come in time.
    #[error("{host} did not answer within {seconds} s")]
    TimedOut {
        /// Whom it was for.
        host: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The answer broke off, or was larger than we read.
    #[error("the answer of {host} broke off or was too large: {cause}")]
    BadBody {
        /// Whom it was for.
        host: String,
        /// What happened.
        cause: String,
    },
}

impl Outbound {
    /// A client that trusts `roots`, or the system's roots if there are none.
    ///
    /// # Errors
    /// [`OutboundError::BadRoot`] and [`OutboundError::Tls`].
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Self, OutboundError> {
        Ok(Self::with_tls(tls(roots)?.with_no_client_auth()))
    }

    /// As [`Outbound::new`], and shows this certificate to whoever asks for one (RFC 8705).
    ///
    /// # Errors
    /// [`OutboundError::BadRoot`] and [`OutboundError::Tls`].
    pub fn with_identity(
        roots: &[CertificateDer<'static>],
        chain: Vec<CertificateDer<'static>>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, OutboundError> {
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        Ok(Self::with_tls(tls(roots)?.with_client_cert_resolver(Arc::new(shown))))
    }

    fn with_tls(tls: ClientConfig) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Resolver);
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(2)
            .build(connector);
        Self { client, timeout: TIMEOUT, max_response: MAX_RESPONSE_BYTES }
    }

    /// The same client with another bound on the whole exchange.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sends `request` and reads the whole answer. A redirect is an answer like any other: it is not followed.
    ///
    /// # Errors
    /// [`OutboundError`], without anything of the request's path, headers or body.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        if !may_call(request.uri()) {
            return Err(OutboundError::NotHttps { host });
        }
        let exchange = self.exchange(&host, request.map(Full::new));
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(OutboundError::TimedOut { host, seconds: self.timeout.as_secs() }),
        }
    }

    async fn exchange(&self, host: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, OutboundError> {
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| OutboundError::Unreachable { host: host.to_owned(), cause: innermost(&error) })?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.max_response)
            .collect()
            .await
            .map_err(|error| OutboundError::BadBody { host: host.to_owned(), cause: error.to_string() })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

/// Whether the gate would send a request there: https, or http on this machine; with a host and without a user name.
pub fn may_call(uri: &Uri) -> bool {
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else { return false };
    let plain_authority = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") => plain_authority,
        Some("http") => plain_authority && is_loopback(host),
        _ => false,
    }
}

fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    literal.parse::<IpAddr>().map_or_else(|_name| is_loopback_name(host), |address| address.is_loopback())
}

fn tls(roots: &[CertificateDer<'static>]) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, OutboundError> {
    let mut store = RootCertStore::empty();
    if roots.is_empty() {
        let system = rustls_native_certs::load_native_certs();
        let (added, _ignored) = store.add_parsable_certificates(system.certs);
        if added == 0 {
            tracing::warn!("the system has no usable root certificates; https to identity providers without `ca` will fail");
        }
    } else {
        for root in roots {
            store.add(root.clone()).map_err(OutboundError::BadRoot)?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Tls)?
        .with_root_certificates(store))
}

/// hyper's own words are "client error (Connect)"; the reason is at the end of the chain.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// For the whole exchange, from the name look-up to the last byte.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
pub const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Shorter than what servers use, so that we rarely write into a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers each connection with `answer` and goes on listening.
    async fn serve(answer: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    let _ = socket.read(&mut buffer).await;
                    let _ = socket.write_all(&answer).await;
                    // Hold the connection open when there is nothing to say.
                    if answer.is_empty() {
                        let _ = socket.read(&mut buffer).await;
                    }
                });
            }
        });
        format!("http://idp.localhost:{}/", address.port())
    }

    fn get(uri: &str) -> Request<Bytes> {
        Request::get(uri).body(Bytes::new()).unwrap()
    }

    #[tokio::test]
    async fn an_answer_comes_back_whole() {
        let uri = serve(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec()).await;
        let answer = Outbound::new(&[]).unwrap().send(get(&uri)).await.unwrap();
        assert_eq!(answer.body().as_ref(), b"hi");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let uri = serve(b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec()).await;
        let answer = Outbound::new(&[]).unwrap().send(get(&uri)).await.unwrap();
        assert_eq!(answer.status(), 302);
    }

    #[tokio::test]
    async fn a_flood_is_cut() {
        let mut flood = b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_vec();
        flood.resize(MAX_RESPONSE_BYTES + 4096, b'x');
        let uri = serve(flood).await;
        assert!(matches!(Outbound::new(&[]).unwrap().send(get(&uri)).await, Err(OutboundError::BadBody { .. })));
    }

    #[tokio::test]
    async fn silence_ends() {
        let uri = serve(Vec::new()).await;
        let client = Outbound::new(&[]).unwrap().with_timeout(Duration::from_millis(50));
        assert!(matches!(client.send(get(&uri)).await, Err(OutboundError::TimedOut { .. })));
    }

    #[test]
    fn only_https_leaves_this_machine() {
        for uri in ["https://idp.example/", "http://127.0.0.1:80/", "http://[::1]/", "http://idp.localhost:8080/"] {
            assert!(may_call(&uri.parse().unwrap()), "{uri}");
        }
        for uri in [
            "http://idp.example/",
            "http://169.254.169.254/latest",
            "http://localhost.evil.example/",
            "https://user@idp.example/",
            "ftp://127.0.0.1/",
            "/jwks",
        ] {
            assert!(!may_call(&uri.parse().unwrap()), "{uri}");
        }
    }
}
