//! Both halves over a real connection, and whatever can go wrong between them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sekisho_certs::danger::ProvesPossession;
use sekisho_certs::local_root::LocalRoot;
use sekisho_certs::server::{BySni, ServerCertificate};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::config::Approval;
use crate::enrol::client::folder::{FILES, PAIRS, PASSWORD, PKCS12};
use crate::enrol::client::{Ask, crash, enrol};
use crate::enrol::tests::Bench;
use crate::enrol::{EnrolReply, Enrolment, EnrolmentCode, pin_of};
use crate::identify_device::Renewable;
use crate::secret::Digest;

const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// A gate on loopback, and a device that enrolled with it.
struct Scene {
    gate: Arc<Gate>,
    root: LocalRoot,
    dir: tempfile::TempDir,
}

struct Gate {
    bench: Bench,
    address: GateAddress,
    pin: Digest,
    /// How many answers are lost.
    loses: AtomicUsize,
    requests: AtomicUsize,
}

impl Scene {
    async fn begin() -> Self {
        let bench = Bench::new(Approval::Code).await;
        let now = UnixTime::since_unix_epoch(bench.clock.now().since(Timestamp(0)));
        let root = LocalRoot::create(&["localhost"], now).unwrap();
        let server = root.server(&["gate.localhost"], now).unwrap();
        let certificate = ServerCertificate::from_pem(server.chain_pem.as_bytes(), server.key_pem.as_bytes(), now).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://gate.localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let pin = pin_of(&certificate.certified_key.cert[0]).unwrap();
        let code = EnrolmentCode { code: bench.invite(Some("lap-7")).await, pin };
        let (loses, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let gate = Arc::new(Gate { bench, address, pin: code.pin, loses, requests });
        tokio::spawn(serve(listener, acceptor(certificate), Arc::clone(&gate)));
        let scene = Self { gate, root, dir: tempfile::tempdir().unwrap() };

        let folder = DeviceFolder::open(&scene.path()).unwrap();
        let key = folder.key(&KeyPlace::default()).unwrap();
        let trust = GateTrust::Pin(code.pin);
        let ask = Ask { gate: &scene.gate.address, code: &code.code, trust: &trust, key: &key, name: None };
        let certificate = enrol(ask, &scene.gate.bench.clock).await.unwrap();
        let known = KnownGate { address: scene.gate.address.clone(), pin: Some(code.pin), roots: None };
        known.keep(&folder).unwrap();
        folder.keep(&key, &certificate).unwrap();
        scene
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("device")
    }

    async fn renew(&self) -> Result<Renewed, RenewError> {
        self.renew_with(|_same| ()).await
    }

    async fn renew_with(&self, change: impl FnOnce(&mut Renewal<'_>)) -> Result<Renewed, RenewError> {
        let path = self.path();
        let mut renewal = Renewal { folder: &path, gate: None, roots: None, place: KeyPlace::default(), force: true };
        change(&mut renewal);
        renew(renewal, &self.gate.bench.clock).await
    }

    /// What programs find: a key and a certificate that belong together.
    fn pair(&self) -> Digest {
        Digest(Current::read(&DeviceFolder::at(self.path()), None).unwrap().key.fingerprint())
    }

    fn keys(&self) -> Vec<Digest> {
        let id = "lap-7".parse().unwrap();
        let live = self.gate.bench.registrar.inventory().device(&id).unwrap();
        assert_eq!(live.device.status, DeviceStatus::Active);
        live.device.keys.clone()
    }
}

fn acceptor(certificate: ServerCertificate) -> TlsAcceptor {
    let certificates = BySni::new(vec![Arc::new(certificate)]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(Arc::new(ProvesPossession::new(Vec::new())))
        .with_cert_resolver(Arc::new(certificates));
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, gate: Arc<Gate>) {
    while let Ok((socket, _)) = listener.accept().await {
        let Ok(stream) = acceptor.accept(socket).await else { continue };
        let shown: Option<Renewable> = renewable(&gate, &stream);
        let gate = Arc::clone(&gate);
        let service = service_fn(move |request: Request<Incoming>| answer(request, Arc::clone(&gate), shown.clone()));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// As the hallway finds it out.
fn renewable(gate: &Gate, stream: &TlsStream<TcpStream>) -> Option<Renewable> {
    let chain = stream.get_ref().1.peer_certificates()?;
    let now = UnixTime::since_unix_epoch(gate.bench.clock.now().since(Timestamp(0)));
    let trust = gate.bench.enrolment.authority().trust("house").unwrap();
    let verified = trust.verify_for_renewal(chain, now, gate.bench.enrolment.renewal_grace()).ok()?;
    let (device, key) = (verified.id.parse().ok()?, Digest(verified.key_fingerprint));
    Some(Renewable { device, authority: verified.authority, key })
}

async fn answer(request: Request<Incoming>, gate: Arc<Gate>, shown: Option<Renewable>) -> Result<Response<Full<Bytes>>, Lost> {
    gate.requests.fetch_add(1, Ordering::SeqCst);
    let asked = Enrolment::read(&request.into_body().collect().await.map_err(|_broken| Lost)?.to_bytes()).unwrap();
    let from = "192.0.2.7".parse().unwrap();
    let enrolled: Result<EnrolReply, String> = match (&asked.code, shown) {
        (Some(_), _) => {
            let admitted = gate.bench.enrolment.admit(asked, from).await.unwrap();
            gate.bench.enrolment.enrol(admitted).await.map_err(|refusal| refusal.to_string())
        }
        (None, Some(shown)) => gate.bench.enrolment.renew(asked, shown, from).await.map_err(|refusal| refusal.to_string()),
        (None, None) => Err("no certificate that can be renewed".to_owned()),
    };
    if gate.loses.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
        return Err(Lost);
    }
    let (status, text) = match enrolled {
        Ok(enrolled) => (StatusCode::CREATED, serde_json::to_string(&enrolled).unwrap()),
        Err(detail) => (StatusCode::FORBIDDEN, serde_json::json!({ "detail": detail }).to_string()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    Ok(response)
}

#[derive(Debug, thiserror::Error)]
#[error("the answer is lost")]
struct Lost;

#[tokio::test]
async fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
    let scene = Scene::begin().await;
    let first = scene.pair();
    let unforced = || scene.renew_with(|renewal| renewal.force = false);
    let Ok(Renewed::NotDue(kept)) = unforced().await else { panic!("it is new") };
    assert_eq!((kept.device.as_str(), kept.not_after), ("lap-7", scene.gate.bench.clock.now().plus(LIFE)));
    assert!(!scene.path().join(PAIRS).exists() && scene.pair() == first, "nothing was touched");
    let wait = kept.due_at.since(scene.gate.bench.clock.now());
    assert!(wait > LIFE * 6 / 10 && wait < LIFE * 7 / 10, "{wait:?}");
    scene.gate.bench.clock.advance(wait);
    let Ok(Renewed::Done(renewed)) = unforced().await else { panic!("it is due") };
    assert_eq!(renewed.not_after, scene.gate.bench.clock.now().plus(LIFE));
    assert_eq!(scene.keys(), [scene.pair(), first]);
    assert!(matches!(unforced().await, Ok(Renewed::NotDue(_))));
    // Only the pair that counts is left, and each file is where it was.
    let pairs: Vec<_> = std::fs::read_dir(scene.path().join(PAIRS)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(pairs.len(), 2, "{pairs:?}");
    for name in FILES {
        assert!(scene.path().join(name).symlink_metadata().unwrap().is_symlink(), "{name}");
        assert!(scene.path().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn an_ended_certificate_is_renewed_in_its_grace_and_not_after_it() {
    let scene = Scene::begin().await;
    scene.gate.bench.clock.advance(LIFE + Duration::from_secs(30 * 86_400));
    assert!(matches!(scene.renew_with(|renewal| renewal.force = false).await, Ok(Renewed::Done(_))));
    let kept = scene.pair();
    scene.gate.bench.clock.advance(LIFE + Duration::from_secs(30 * 86_400 + 1));
    assert!(matches!(scene.renew().await, Err(RenewError::Client(ClientError::Refused { status: 403, .. }))));
    assert_eq!(scene.pair(), kept);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let scene = Scene::begin().await;
    let first = scene.pair();
    scene.gate.loses.store(2, Ordering::SeqCst);
    for _ in 0..2 {
        let lost = scene.renew().await.unwrap_err();
        assert!(matches!(lost, RenewError::Broken { .. }) && lost.to_string().contains("same new key"), "{lost}");
        assert_eq!(scene.pair(), first, "what works goes on to");
    }
    assert!(matches!(scene.renew().await, Ok(Renewed::Done(_))));
    assert_eq!(scene.keys(), [scene.pair(), first]);
}

/// Crashes so many steps after its beginning. Then programs find a pair, the next run goes on, and the gate finds nothing wrong.
async fn crashes_after(scene: &Scene, steps: u32) -> bool {
    crash::after(Some(steps));
    let whole = scene.renew().await.is_ok();
    crash::after(None);
    assert!(scene.keys().contains(&scene.pair()), "after {steps} steps");
    assert!(matches!(scene.renew().await, Ok(Renewed::Done(_))), "after {steps} steps");
    assert_eq!(scene.keys().first(), Some(&scene.pair()), "after {steps} steps");
    let password = files::read_private_text(&scene.path().join(PASSWORD)).unwrap();
    assert!(!password.is_empty() && scene.path().join(PKCS12).exists(), "after {steps} steps");
    whole
}

#[tokio::test]
async fn a_crash_at_any_step_of_the_first_renewal_leaves_a_pair_that_works_and_the_next_run_goes_on() {
    let mut steps = 0;
    while !crashes_after(&Scene::begin().await, steps).await {
        steps += 1;
    }
    assert!(steps > 15, "{steps}");
}

#[tokio::test]
async fn a_crash_at_any_step_of_a_later_one_does_so_too() {
    let scene = Scene::begin().await;
    scene.renew().await.unwrap();
    let mut steps = 0;
    while !crashes_after(&scene, steps).await {
        scene.gate.bench.clock.advance(Duration::from_secs(3600));
        steps += 1;
    }
    assert!(steps > 7, "{steps}");
}

#[tokio::test]
async fn whoever_has_a_copy_of_the_folder_has_the_device_isolated() {
    let scene = Scene::begin().await;
    let copy = scene.dir.path().join("copy");
    let copied = std::process::Command::new("cp").arg("-a").arg(scene.path()).arg(&copy).status().unwrap();
    assert!(copied.success());
    scene.renew().await.unwrap();
    let renewal = Renewal { folder: &copy, gate: None, roots: None, place: KeyPlace::default(), force: true };
    let refused = renew(renewal, &scene.gate.bench.clock).await.unwrap_err();
    assert!(refused.to_string().contains("there is a copy of it"), "{refused}");
    let id = "lap-7".parse().unwrap();
    assert_eq!(scene.gate.bench.registrar.inventory().device(&id).unwrap().device.status, DeviceStatus::Quarantined);
}

#[tokio::test]
async fn nothing_is_sent_to_a_server_that_is_not_the_gate() {
    let (scene, other) = (Scene::begin().await, Scene::begin().await);
    let before = other.gate.requests.load(Ordering::SeqCst);
    let elsewhere = |renewal: &mut Renewal<'_>| renewal.gate = Some(other.gate.address.clone());
    let refused = scene.renew_with(elsewhere).await.unwrap_err();
    assert!(matches!(refused, RenewError::NotTheGate(_)) && refused.to_string().contains("--ca"), "{refused}");
    let roots = |renewal: &mut Renewal<'_>| {
        renewal.roots = Some(vec![other.root.certificate().clone()]);
    };
    assert!(matches!(scene.renew_with(roots).await, Err(RenewError::NotTheGate(_))));
    assert_eq!(other.gate.requests.load(Ordering::SeqCst), before);

    // A gate that changed its key is known by its root, which is remembered.
    let known = KnownGate { address: scene.gate.address.clone(), pin: Some(other.gate.pin), roots: None };
    known.keep(&DeviceFolder::at(scene.path())).unwrap();
    assert!(matches!(scene.renew().await, Err(RenewError::NotTheGate(_))));
    let root = scene.root.certificate().clone();
    assert!(scene.renew_with(|renewal| renewal.roots = Some(vec![root])).await.is_ok());
    assert!(scene.renew().await.is_ok());
}

#[tokio::test]
async fn a_folder_that_is_not_as_it_was_left_is_told_as_such() {
    let scene = Scene::begin().await;
    let nothing = scene.dir.path().join("nothing");
    let renewal = Renewal { folder: &nothing, gate: None, roots: None, place: KeyPlace::default(), force: true };
    let refused = renew(renewal, &scene.gate.bench.clock).await.unwrap_err();
    assert!(matches!(refused, RenewError::Folder(FolderError::NotEnrolled(_))), "{refused}");

    let lock = Pairs::open(&scene.path()).unwrap();
    assert!(matches!(scene.renew().await, Err(RenewError::Folder(FolderError::Busy(_)))));
    drop(lock);

    std::fs::remove_file(scene.path().join("gate.toml")).unwrap();
    assert!(matches!(scene.renew().await, Err(RenewError::NoGate(_))));
    let named = |renewal: &mut Renewal<'_>| {
        renewal.gate = Some(scene.gate.address.clone());
        renewal.roots = Some(vec![scene.root.certificate().clone()]);
    };
    scene.renew_with(named).await.unwrap();
    scene.renew().await.unwrap();

    // Whoever imported it into a browser has deleted it, and means it.
    for name in [PKCS12, PASSWORD] {
        std::fs::remove_file(scene.path().join(name)).unwrap();
    }
    drop(Pairs::open(&scene.path()).unwrap());
    assert!(!scene.path().join(PAIRS).join("current").join(PKCS12).exists());
    scene.renew().await.unwrap();
    assert!(scene.path().join(PKCS12).exists(), "there is a new one to import");

    let other = Scene::begin().await;
    std::fs::remove_file(scene.path().join(KEY)).unwrap();
    std::fs::copy(other.path().join(KEY), scene.path().join(KEY)).unwrap();
    let refused = scene.renew().await.unwrap_err();
    assert!(matches!(refused, RenewError::Folder(FolderError::Changed { .. })), "{refused}");
    assert!(matches!(DeviceFolder::open(&scene.path()), Err(FolderError::Enrolled(_))));
}
