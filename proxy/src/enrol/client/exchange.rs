//! One request over a connection that proved itself first.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::sign::{CertifiedKey, SigningKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sekisho_certs::danger::PinnedServer;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::GateTrust;
use super::address::GateAddress;
use super::error::ClientError;
use crate::clock::{Clock, Timestamp};
use crate::enrol::wire::{EnrolRequest, MAX_ANSWER_BYTES, PATH};
use crate::outbound::Resolver;

/// What a device shows on the connection: its certificate, the authority's, and its key.
#[derive(Debug)]
pub struct Shown {
    /// Its own certificate first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Of its own certificate.
    pub key: Arc<dyn SigningKey>,
}

/// Sends `request`; the body of a good answer.
///
/// The gate's certificate is judged by `clock`.
pub(super) async fn post(
    gate: &GateAddress,
    trust: &GateTrust,
    shown: Option<Shown>,
    request: &EnrolRequest,
    clock: &Clock,
) -> Result<Bytes, ClientError> {
    let body = serde_json::to_vec(request).map_err(|error| broken(&error))?;
    let request = Request::post(PATH).header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body)));
    send(gate, trust, shown, request.map_err(|error| broken(&error))?, clock).await
}

/// Sends `request`, to whose head the gate's name is added; the body of a good answer.
pub(super) async fn send(
    gate: &GateAddress,
    trust: &GateTrust,
    shown: Option<Shown>,
    mut request: Request<Full<Bytes>>,
    clock: &Clock,
) -> Result<Bytes, ClientError> {
    let stream = connect(gate, settings(trust, shown, clock)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let host = HeaderValue::try_from(gate.authority()).map_err(|error| broken(&error))?;
    request.headers_mut().insert(HOST, host);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json, application/problem+json"));
    let exchange = async {
        let (head, body) = sender.send_request(request).await.map_err(|error| broken(&error))?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| broken(&error))?.to_bytes();
        if head.status.is_success() { Ok(body) } else { Err(refused(head.status, &body)) }
    };
    tokio::pin!(exchange);
    // The connection has to be driven while we wait for the answer; it may end first (`Connection: close`) with the answer read.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(broken(&error)),
        },
    }
}

fn broken(error: &dyn std::fmt::Display) -> ClientError {
    ClientError::Broken { cause: error.to_string() }
}

async fn connect(gate: &GateAddress, settings: Result<ClientConfig, rustls::Error>) -> Result<TlsStream<TcpStream>, ClientError> {
    let unreachable = |cause: String| ClientError::Unreachable { gate: gate.to_string(), cause };
    let tls = |cause: String| ClientError::Tls { gate: gate.to_string(), cause };
    let config = settings.map_err(|error| tls(error.to_string()))?;
    let host = gate.host().as_str();
    let literal = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host).to_owned();
    let name = ServerName::try_from(literal.clone()).map_err(|error| tls(error.to_string()))?;
    let mut addresses = Resolver::addresses(&literal).await.map_err(|error| unreachable(error.to_string()))?;
    addresses.iter_mut().for_each(|address| address.set_port(gate.port()));
    let socket = TcpStream::connect(addresses.as_slice()).await.map_err(|error| unreachable(error.to_string()))?;
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| match tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            ClientError::NotTheGate { gate: gate.to_string() }
        }
        _ => tls(error.to_string()),
    })
}

fn settings(trust: &GateTrust, shown: Option<Shown>, clock: &Clock) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match trust {
        GateTrust::Pin(pin) => builder.dangerous().with_custom_certificate_verifier(Arc::new(PinnedServer::new(pin.0))),
        GateTrust::Roots(roots) => {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone())?;
            }
            builder.with_root_certificates(store)
        }
        GateTrust::System => {
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(store)
        }
    };
    let mut config = match shown {
        Some(Shown { chain, key }) => {
            let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            builder.with_client_cert_resolver(Arc::new(shown))
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// rustls asks the system for the time unless it is told.
#[derive(Debug)]
struct Time(Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(self.0.now().since(Timestamp(0))))
    }
}

fn tls_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

/// The words of problem JSON (RFC 9457), or of the status alone. They come from outside: no control characters reach the terminal.
fn refused(status: StatusCode, body: &[u8]) -> ClientError {
    #[derive(serde::Deserialize)]
    struct Problem {
        detail: Option<String>,
        title: Option<String>,
    }
    let told = serde_json::from_slice::<Problem>(body).ok().and_then(|problem| problem.detail.or(problem.title));
    let words = told.unwrap_or_else(|| status.canonical_reason().unwrap_or("no reason given").to_owned());
    let words = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    ClientError::Refused { status: status.as_u16(), words }
}
