//! Both halves over a real connection.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls_pki_types::UnixTime;
use sekisho_certs::files;
use sekisho_certs::key::DeviceKey;
use sekisho_certs::local_root::LocalRoot;
use sekisho_certs::server::{BySni, ServerCertificate};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::Approval;
use crate::enrol::tests::Bench;
use crate::enrol::wire::PATH;
use crate::enrol::{Enrolment, EnrolmentCode, pin_of};

type Answer = Arc<dyn Fn() -> Option<(StatusCode, String)> + Send + Sync>;

/// A gate on loopback that answers with `instead`, or else enrols.
struct Gate {
    bench: Arc<Bench>,
    address: GateAddress,
    certificate: ServerCertificate,
    root: LocalRoot,
    requests: Arc<AtomicUsize>,
}

impl Gate {
    async fn open() -> Self {
        Self::open_with(Arc::new(|| None)).await
    }

    async fn open_with(instead: Answer) -> Self {
        let bench = Arc::new(Bench::new(Approval::Administrator).await);
        let now = UnixTime::since_unix_epoch(bench.clock.now().since(crate::clock::Timestamp(0)));
        let root = LocalRoot::create(&["localhost"], now).unwrap();
        let server = root.server(&["gate.localhost"], now).unwrap();
        let certificate = ServerCertificate::from_pem(server.chain_pem.as_bytes(), server.key_pem.as_bytes(), now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://gate.localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let gate =
            Self { bench: Arc::clone(&bench), address, certificate: certificate.clone(), root, requests: Arc::clone(&requests) };
        tokio::spawn(serve(listener, acceptor(certificate), bench, instead, requests));
        gate
    }

    async fn code(&self) -> EnrolmentCode {
        let pin = pin_of(&self.certificate.certified_key.cert[0]).unwrap();
        EnrolmentCode { code: self.bench.invite(Some("lap-7")).await, pin }
    }

    async fn ask(&self, code: &EnrolmentCode, trust: Option<GateTrust>, key: &Key) -> Result<Certificate, ClientError> {
        let trust = trust.unwrap_or(GateTrust::Pin(code.pin));
        enrol(Ask { gate: &self.address, code: &code.code, trust: &trust, key, name: None }, &self.bench.clock).await
    }
}

fn acceptor(certificate: ServerCertificate) -> TlsAcceptor {
    let certificates = BySni::new(vec![Arc::new(certificate)]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(certificates));
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, bench: Arc<Bench>, instead: Answer, requests: Arc<AtomicUsize>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (bench, instead, requests) = (Arc::clone(&bench), Arc::clone(&instead), Arc::clone(&requests));
        let Ok(stream) = acceptor.accept(socket).await else { continue };
        let service = service_fn(move |request: Request<Incoming>| {
            requests.fetch_add(1, Ordering::SeqCst);
            answer(request, Arc::clone(&bench), Arc::clone(&instead))
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>, bench: Arc<Bench>, instead: Answer) -> Result<Response<Full<Bytes>>, hyper::Error> {
    assert_eq!((request.method().as_str(), request.uri().path()), ("POST", PATH));
    let body = request.into_body().collect().await?.to_bytes();
    let (status, text) = match instead() {
        Some(fixed) => fixed,
        None => {
            let client = "192.0.2.7".parse().unwrap();
            let enrolled = match bench.enrolment.admit(Enrolment::read(&body).unwrap(), client).await {
                Ok(admitted) => bench.enrolment.enrol(admitted).await,
                Err(refusal) => Err(refusal),
            };
            match enrolled {
                Ok(enrolled) => (StatusCode::CREATED, serde_json::to_string(&enrolled).unwrap()),
                Err(refusal) => (refusal.status(), serde_json::json!({ "detail": refusal.to_string() }).to_string()),
            }
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    Ok(response)
}

fn key() -> Key {
    Key::File(DeviceKey::generate().unwrap())
}

#[tokio::test]
async fn a_device_enrols_with_a_gate_that_it_knows_by_its_pin() {
    let gate = Gate::open().await;
    let (code, key) = (gate.code().await, key());
    let certificate = gate.ask(&code, None, &key).await.unwrap();
    assert_eq!((certificate.enrolled.device.as_str(), certificate.chain.len()), ("lap-7", 2));
    assert!(gate.bench.registrar.inventory().device(&"lap-7".parse().unwrap()).is_some());
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_with_another_key() {
    let (gate, other) = (Gate::open().await, Gate::open().await);
    let code = gate.code().await;
    let outcome = other.ask(&code, None, &key()).await;
    assert!(matches!(outcome, Err(ClientError::NotTheGate { .. })), "{outcome:?}");
    assert_eq!(other.requests.load(Ordering::SeqCst), 0);
    assert!(gate.ask(&code, None, &key()).await.is_ok(), "the code is still good");
}

#[tokio::test]
async fn a_root_can_stand_in_for_the_pin() {
    let (gate, other) = (Gate::open().await, Gate::open().await);
    let mut code = gate.code().await;
    code.pin = crate::secret::Digest::of(b"the key before");
    let outcome = gate.ask(&code, Some(GateTrust::Roots(vec![other.root.certificate().clone()])), &key()).await;
    assert!(matches!(outcome, Err(ClientError::NotTheGate { .. })), "{outcome:?}");
    assert_eq!(gate.requests.load(Ordering::SeqCst), 0);
    assert!(gate.ask(&code, Some(GateTrust::Roots(vec![gate.root.certificate().clone()])), &key()).await.is_ok());
}

#[tokio::test]
async fn the_gate_s_words_reach_the_person() {
    let gate = Gate::open().await;
    let code = gate.code().await;
    gate.ask(&code, None, &key()).await.unwrap();
    let outcome = gate.ask(&code, None, &key()).await;
    let Err(ClientError::Refused { status: 403, words }) = outcome else { panic!("{outcome:?}") };
    assert!(words.contains("ask for a new one"), "{words}");

    let gate = Gate::open_with(Arc::new(|| Some((StatusCode::BAD_GATEWAY, "{\"detail\":\"\\u001b[2J x\"}".to_owned())))).await;
    let outcome = gate.ask(&gate.code().await, None, &key()).await;
    let Err(ClientError::Refused { status: 502, words }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(words, " [2J x");
}

#[tokio::test]
async fn an_answer_that_is_not_for_this_key_is_not_kept() {
    let donor = Gate::open().await;
    let theirs = donor.ask(&donor.code().await, None, &key()).await.unwrap();
    let (good, mut other_name) = (theirs.enrolled.clone(), theirs.enrolled);
    other_name.device = "boss".parse().unwrap();
    for answer in
        [serde_json::to_string(&good).unwrap(), serde_json::to_string(&other_name).unwrap(), "{}".to_owned(), String::new()]
    {
        let gate = Gate::open_with(Arc::new(move || Some((StatusCode::OK, answer.clone())))).await;
        let outcome = gate.ask(&gate.code().await, None, &key()).await;
        assert!(matches!(outcome, Err(ClientError::Answer(_))), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_unreachable_gate_is_told_as_such() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: GateAddress = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    drop(listener);
    let gate = Gate::open().await;
    let code = gate.code().await;
    let ask = Ask { gate: &address, code: &code.code, trust: &GateTrust::Pin(code.pin), key: &key(), name: None };
    let outcome = enrol(ask, &gate.bench.clock).await;
    assert!(matches!(outcome, Err(ClientError::Unreachable { .. })), "{outcome:?}");
}

#[tokio::test]
async fn an_attempt_that_broke_off_is_taken_up_with_the_same_key() {
    let gate = Gate::open().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("device");
    let code = gate.code().await;

    let folder = DeviceFolder::open(&path).unwrap();
    let key = folder.key(&KeyPlace::default()).unwrap();
    let lost = gate.ask(&code, None, &key).await.unwrap();
    drop((lost, key, folder));

    let folder = DeviceFolder::open(&path).unwrap();
    let key = folder.key(&KeyPlace::default()).unwrap();
    let certificate = gate.ask(&code, None, &key).await.unwrap();
    folder.keep(&key, &certificate).unwrap();
    let mode = |name: &str| std::fs::metadata(folder.file(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!([KEY, CERTIFICATE, PKCS12, PASSWORD].map(mode), [0o600; 4]);
    assert_eq!(mode(CHAIN), 0o644);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let kept = files::read_public(&folder.file(CERTIFICATE)).unwrap();
    assert_eq!(sekisho_certs::pem::certificates(&kept).unwrap(), certificate.chain.get(..1).unwrap());

    // A second device would overwrite the first.
    assert!(matches!(DeviceFolder::open(&path), Err(FolderError::Enrolled(_))));
}
