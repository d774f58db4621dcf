//! A client for the examples' own tests.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A listener on a free port, and where it is.
pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// TLS settings for `localhost`, and those of a client that trusts it.
pub(crate) fn tls() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let _installed_already = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let server = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

/// One exchange on a connection of its own.
pub(crate) async fn send(to: SocketAddr, tls: Option<&Arc<ClientConfig>>, request: Request<String>) -> Response<Bytes> {
    let socket = TcpStream::connect(to).await.unwrap();
    match tls {
        None => exchange(TokioIo::new(socket), request).await,
        Some(config) => {
            let name = ServerName::try_from("localhost").unwrap();
            exchange(TokioIo::new(TlsConnector::from(Arc::clone(config)).connect(name, socket).await.unwrap()), request).await
        }
    }
}

async fn exchange<S>(stream: S, mut request: Request<String>) -> Response<Bytes>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    request.headers_mut().insert("host", "localhost".parse().unwrap());
    let (mut sender, connection) = http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request.map(|text| Full::new(Bytes::from(text)))).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}
