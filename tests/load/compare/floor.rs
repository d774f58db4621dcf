//! The floor: a proxy of nothing but hyper and rustls, which asks for a client certificate and authorizes nothing. What a gate
//! on the same parts costs beyond it is what its checks and its record cost.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

type Answer = Response<Either<Incoming, Empty<Bytes>>>;

/// Connections to the upstream that nobody uses just now.
struct Upstream {
    address: SocketAddr,
    resting: RefCell<Vec<SendRequest<Incoming>>>,
}

/// HTTP/2 spawns its streams where everything is.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(future);
    }
}

/// Serves until it is killed.
pub(crate) fn run(listen: SocketAddr, upstream: SocketAddr, keys: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, serve(listen, upstream, tls(keys)));
}

fn tls(keys: &Path) -> TlsAcceptor {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(keys.join("ca.pem")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let chain = CertificateDer::pem_file_iter(keys.join("server.pem")).unwrap().collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(keys.join("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut config = config.with_client_cert_verifier(clients).with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listen: SocketAddr, upstream: SocketAddr, tls: TlsAcceptor) {
    let listener = TcpListener::bind(listen).await.unwrap();
    let upstream = Rc::new(Upstream { address: upstream, resting: RefCell::new(Vec::new()) });
    loop {
        let Ok((socket, client)) = listener.accept().await else { continue };
        let (tls, upstream) = (tls.clone(), Rc::clone(&upstream));
        spawn_local(async move {
            let _slower_without = socket.set_nodelay(true);
            let Ok(stream) = tls.accept(socket).await else { return };
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let client = HeaderValue::from_str(&client.ip().to_string()).unwrap();
            let service = service_fn(move |request| {
                let (upstream, client) = (Rc::clone(&upstream), client.clone());
                async move { forward(&upstream, request, client).await }
            });
            let _client_left = if http2 {
                hyper::server::conn::http2::Builder::new(Here).serve_connection(TokioIo::new(stream), service).await
            } else {
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades().await
            };
        });
    }
}

async fn forward(upstream: &Rc<Upstream>, mut request: Request<Incoming>, client: HeaderValue) -> Result<Answer, hyper::Error> {
    let upgrades = request.headers().contains_key(UPGRADE);
    if !upgrades {
        for name in [CONNECTION, TE, TRANSFER_ENCODING] {
            request.headers_mut().remove(name);
        }
    }
    request.headers_mut().insert("x-forwarded-for", client);
    // HTTP/2 names the host in the address; HTTP/1.1 in a header.
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str()).unwrap();
        request.headers_mut().entry(HOST).or_insert(host);
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    *request.version_mut() = Version::HTTP_11;
    if upgrades {
        return tunnel(upstream, request).await;
    }
    let rested = upstream.take();
    let Some(mut sender) = (match rested {
        Some(sender) => Some(sender),
        None => upstream.connect().await?,
    }) else {
        return Ok(bad_gateway());
    };
    let answer = sender.send_request(request).await?;
    let upstream = Rc::clone(upstream);
    spawn_local(async move {
        // Ready again as soon as the answer's body has been read.
        if sender.ready().await.is_ok() {
            upstream.resting.borrow_mut().push(sender);
        }
    });
    Ok(answer.map(Either::Left))
}

/// What stands behind an upgrade is passed on in both directions.
async fn tunnel(upstream: &Upstream, mut request: Request<Incoming>) -> Result<Answer, hyper::Error> {
    let near = hyper::upgrade::on(&mut request);
    let Some(mut sender) = upstream.connect().await? else { return Ok(bad_gateway()) };
    let mut answer = sender.send_request(request).await?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let far = hyper::upgrade::on(&mut answer);
        spawn_local(async move {
            let (Ok(near), Ok(far)) = (near.await, far.await) else { return };
            let (mut near, mut far) = (TokioIo::new(near), TokioIo::new(far));
            let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
        });
    }
    Ok(answer.map(Either::Left))
}

fn bad_gateway() -> Answer {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}

impl Upstream {
    fn take(&self) -> Option<SendRequest<Incoming>> {
        let mut resting = self.resting.borrow_mut();
        std::iter::from_fn(|| resting.pop()).find(SendRequest::is_ready)
    }

    async fn connect(&self) -> Result<Option<SendRequest<Incoming>>, hyper::Error> {
        let Ok(socket) = TcpStream::connect(self.address).await else { return Ok(None) };
        let _slower_without = socket.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(socket)).await?;
        spawn_local(connection.with_upgrades());
        Ok(Some(sender))
    }
}
