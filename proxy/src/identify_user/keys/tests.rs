//! Key sets: which keys are used, and how they are kept fresh while the provider changes, lies or is gone.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::super::testing::{Signer, jwks, settings};
use super::algorithm::Algorithm;
use super::keeper::{Keeper, Pace, Source};
use super::metrics::KeyMetrics;
use super::providers::Providers;
use super::ring::{KeyRing, NoKeys};
use super::set::{Found, KeySet, KeySetError};
use crate::clock::{Clock, Timestamp};
use crate::config::KeySource;
use crate::outbound::{Outbound, testing};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn parse(keys: &Value) -> Result<KeySet, KeySetError> {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes(), "corp")
}

/// `jwk` with one member set.
fn with(jwk: &Value, member: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[member] = value;
    jwk
}

#[test]
fn sound_keys_are_used() {
    let (es, ed) = (Signer::es256("es"), Signer::ed25519("ed"));
    let set = parse(&json!([es.jwk(), ed.jwk(), with(&with(&es.jwk(), "kid", json!("sig")), "use", json!("sig"))])).unwrap();
    assert_eq!(set.len(), 3);
    assert!(matches!(set.find(Some("es"), Algorithm::Es256), Found::Key(_)));
    assert!(matches!(set.find(Some("es"), Algorithm::EdDsa), Found::NotPermitted));
    assert!(matches!(set.find(Some("ES"), Algorithm::Es256), Found::Unknown));
    assert!(matches!(set.find(None, Algorithm::EdDsa), Found::Key(_)));
    assert!(matches!(set.find(None, Algorithm::Es256), Found::Ambiguous));
    assert!(matches!(set.find(None, Algorithm::Rs256), Found::Unknown));
}

#[test]
fn other_keys_are_left_out_and_the_rest_is_used() {
    let good = Signer::es256("good");
    let es = Signer::es256("bad").jwk();
    let ed = Signer::ed25519("bad").jwk();
    let modulus = |bytes: usize| super::super::testing::encode(&"\u{7f}".repeat(bytes));
    let rsa = |bytes: usize, exponent: &str| json!({"kty": "RSA", "kid": "bad", "n": modulus(bytes), "e": exponent});
    for bad in [
        with(&es, "use", json!("enc")),
        with(&es, "key_ops", json!(["sign"])),
        with(&es, "key_ops", json!("verify")),
        with(&es, "alg", json!("ES384")),
        with(&es, "alg", json!("HS256")),
        with(&es, "alg", json!("none")),
        with(&es, "crv", json!("P-521")),
        with(&es, "crv", json!("P-384")),
        with(&es, "kid", json!(7)),
        with(&es, "kid", json!("")),
        with(&es, "kty", json!("RSA")),
        with(&es, "x", json!("AAAA")),
        with(&es, "y", es["x"].clone()),
        with(&es, "x", json!(es["x"].as_str().unwrap().to_owned() + "=")),
        with(&ed, "crv", json!("Ed448")),
        with(&ed, "alg", json!("ES256")),
        with(&ed, "x", json!("AAAA")),
        rsa(128, "AQAB"),
        rsa(255, "AQAB"),
        rsa(1025, "AQAB"),
        rsa(256, "AQ"),
        rsa(256, "Ag"),
        rsa(256, ""),
        json!({"kid": "bad"}),
        json!("bad"),
        json!(null),
    ] {
        let set = parse(&json!([bad.clone(), good.jwk()])).unwrap();
        assert_eq!(set.len(), 1, "{bad}");
        assert!(matches!(set.find(Some("good"), Algorithm::Es256), Found::Key(_)), "{bad}");
    }
}

#[test]
fn keys_that_share_an_id_are_not_used() {
    let set = parse(&json!([Signer::es256("a").jwk(), Signer::ed25519("a").jwk(), Signer::es256("b").jwk()])).unwrap();
    assert_eq!(set.len(), 1);
}

#[test]
fn what_is_no_key_set_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "<html>"] {
        assert_eq!(KeySet::parse(text.as_bytes(), "corp").err(), Some(KeySetError::Malformed), "{text}");
    }
    assert_eq!(parse(&Value::Array(vec![json!({}); 101])).err(), Some(KeySetError::TooMany));
    let symmetric = json!([Signer::es256("a").jwk(), {"kty": "oct", "k": "c2VjcmV0"}]);
    assert_eq!(parse(&symmetric).err(), Some(KeySetError::Symmetric));
}

/// A provider that serves its keys, counts, and can be broken.
#[derive(Default)]
struct Idp {
    keys: Mutex<String>,
    down: AtomicBool,
    lies: AtomicBool,
    key_fetches: AtomicUsize,
}

impl Idp {
    async fn start(keys: &str) -> (Arc<Self>, String) {
        let idp = Arc::new(Self::default());
        *idp.keys.lock().unwrap() = keys.to_owned();
        let serving = Arc::clone(&idp);
        let address = testing::serve(move |request| serving.answer(&request)).await;
        (idp, address)
    }

    fn answer(&self, request: &http::Request<bytes::Bytes>) -> Response<String> {
        if self.down.load(Ordering::SeqCst) {
            return Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(String::new()).unwrap();
        }
        let address = format!("http://{}", request.headers()["host"].to_str().unwrap());
        if request.uri().path() == "/jwks" {
            self.key_fetches.fetch_add(1, Ordering::SeqCst);
            return Response::new(self.keys.lock().unwrap().clone());
        }
        assert_eq!(request.uri().path(), "/.well-known/openid-configuration");
        let issuer = if self.lies.load(Ordering::SeqCst) { "https://evil.example".to_owned() } else { address.clone() };
        Response::new(json!({"issuer": issuer, "jwks_uri": format!("{address}/jwks")}).to_string())
    }

    fn publishes(&self, signers: &[&Signer]) {
        *self.keys.lock().unwrap() = jwks(signers);
    }

    fn fetches(&self) -> usize {
        self.key_fetches.load(Ordering::SeqCst)
    }
}

/// Keeps a ring for `issuer`. Nothing but a question makes it fetch again.
fn keep(issuer: &str, on_demand: Duration, clock: &Clock) -> (Arc<KeyRing>, tokio::task::JoinHandle<()>) {
    let ring = Arc::new(KeyRing::new(Some(Duration::from_secs(60))));
    let client = Box::new(Outbound::new(&[]).unwrap().with_timeout(Duration::from_secs(1)));
    let keeper = Keeper {
        provider: "corp".into(),
        source: Source::Discovery { issuer: issuer.to_owned(), hosts: Vec::new(), client },
        pace: Pace { refresh: Duration::from_secs(600), retry: Duration::from_secs(600), on_demand },
        ring: Arc::clone(&ring),
        clock: clock.clone(),
        metrics: KeyMetrics::register(&prometheus::Registry::new()).unwrap(),
    };
    (ring, tokio::spawn(keeper.run()))
}

fn finds(ring: &KeyRing, id: &str, now: Timestamp) -> bool {
    matches!(ring.keys(now).unwrap().set.find(Some(id), Algorithm::Es256), Found::Key(_))
}

#[tokio::test]
async fn a_question_brings_the_new_key() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (idp, issuer) = Idp::start(&jwks(&[&old])).await;
    let (ring, _task) = keep(&issuer, Duration::from_millis(10), &Clock::manual(NOW));
    assert!(ring.renewed().await);
    let generation = ring.keys(NOW).unwrap().generation;
    assert!(finds(&ring, "old", NOW) && !finds(&ring, "new", NOW));

    assert!(ring.renewed().await);
    assert_eq!(ring.keys(NOW).unwrap().generation, generation, "the same keys are the same generation");

    idp.publishes(&[&new]);
    assert!(ring.renewed().await);
    assert!(finds(&ring, "new", NOW) && !finds(&ring, "old", NOW), "a removed key verifies nothing any more");
    assert_ne!(ring.keys(NOW).unwrap().generation, generation);
}

#[tokio::test]
async fn many_questions_are_one_fetch() {
    let (idp, issuer) = Idp::start(&jwks(&[&Signer::es256("a")])).await;
    let (ring, _task) = keep(&issuer, Duration::from_millis(200), &Clock::manual(NOW));
    assert!(ring.renewed().await);
    let before = idp.fetches();
    let askers: Vec<_> =
        (0..100).map(|_| Arc::clone(&ring)).map(|ring| tokio::spawn(async move { ring.renewed().await })).collect();
    for asker in askers {
        assert!(asker.await.unwrap());
    }
    assert!(idp.fetches() - before <= 2, "{} fetches", idp.fetches() - before);
}

#[tokio::test]
async fn those_who_wait_are_bounded() {
    let (idp, issuer) = Idp::start("").await;
    idp.down.store(true, Ordering::SeqCst);
    let (ring, task) = keep(&issuer, Duration::from_secs(60), &Clock::manual(NOW));
    assert!(ring.renewed().await, "the first attempt ends, in failure");
    task.abort();
    let mut waiting: Vec<_> = (0..256).map(|_| Box::pin(ring.renewed())).collect();
    std::future::poll_fn(|cx| {
        assert!(waiting.iter_mut().all(|one| one.as_mut().poll(cx).is_pending()));
        std::task::Poll::Ready(())
    })
    .await;
    assert!(!ring.renewed().await, "the next one is turned away at once");
    drop(waiting);
    let again = tokio::time::timeout(Duration::from_millis(50), ring.renewed()).await;
    assert!(again.is_err(), "places are given back when requests go away");
}

#[tokio::test]
async fn a_provider_that_is_down_or_talks_nonsense_leaves_the_keys_as_they_were() {
    let clock = Clock::manual(NOW);
    let (idp, issuer) = Idp::start(&jwks(&[&Signer::es256("a")])).await;
    let (ring, _task) = keep(&issuer, Duration::from_millis(10), &clock);
    assert!(ring.renewed().await);
    for nonsense in ["", "{}", "<html>", r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
        *idp.keys.lock().unwrap() = nonsense.to_owned();
        assert!(ring.renewed().await);
        assert!(finds(&ring, "a", clock.now()), "{nonsense}");
    }
    idp.down.store(true, Ordering::SeqCst);
    assert!(ring.renewed().await);
    clock.advance(Duration::from_secs(60));
    assert!(finds(&ring, "a", clock.now()), "until their time is over");
    clock.advance(Duration::from_millis(1));
    assert_eq!(ring.keys(clock.now()).err(), Some(NoKeys::Stale));

    idp.down.store(false, Ordering::SeqCst);
    idp.publishes(&[&Signer::es256("b")]);
    assert!(ring.renewed().await);
    assert!(finds(&ring, "b", clock.now()), "it recovers by itself");
}

#[tokio::test]
async fn a_set_without_keys_verifies_nothing() {
    let (idp, issuer) = Idp::start(&jwks(&[&Signer::es256("a")])).await;
    let (ring, _task) = keep(&issuer, Duration::from_millis(10), &Clock::manual(NOW));
    assert!(ring.renewed().await && finds(&ring, "a", NOW));
    idp.publishes(&[]);
    assert!(ring.renewed().await && !finds(&ring, "a", NOW));
}

#[tokio::test]
async fn a_document_of_another_issuer_gives_no_keys() {
    let (idp, issuer) = Idp::start(&jwks(&[&Signer::es256("a")])).await;
    idp.lies.store(true, Ordering::SeqCst);
    let (ring, _task) = keep(&issuer, Duration::from_millis(10), &Clock::manual(NOW));
    assert!(ring.renewed().await);
    assert_eq!(ring.keys(NOW).err(), Some(NoKeys::Never));
    assert_eq!(idp.fetches(), 0);
    idp.lies.store(false, Ordering::SeqCst);
    assert!(ring.renewed().await && finds(&ring, "a", NOW));
}

#[tokio::test]
async fn a_reload_keeps_what_did_not_change_and_reads_files_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, jwks(&[&Signer::es256("a")])).unwrap();
    let (_idp, issuer) = Idp::start(&jwks(&[&Signer::es256("x")])).await;
    let mut file = settings("file", "https://file.example");
    file.keys = KeySource::File(path.clone());
    let all = vec![Arc::new(file), Arc::new(settings("online", &issuer))];
    let metrics = KeyMetrics::register(&prometheus::Registry::new()).unwrap();
    let providers = Providers::start(&all, tokio::runtime::Handle::current(), Clock::manual(NOW), metrics).unwrap();
    let ring = |providers: &Providers, name| Arc::clone(&providers.by_name(name).unwrap().ring);
    assert!(ring(&providers, "file").renewed().await && finds(&ring(&providers, "file"), "a", NOW));

    std::fs::write(&path, jwks(&[&Signer::es256("b")])).unwrap();
    let reloaded = providers.reload(&all).unwrap();
    assert!(Arc::ptr_eq(&ring(&providers, "online"), &ring(&reloaded, "online")));
    assert!(ring(&reloaded, "file").renewed().await && finds(&ring(&reloaded, "file"), "b", NOW));

    let moved = providers.reload(&[Arc::new(settings("online", "https://moved.example"))]).unwrap();
    assert!(!Arc::ptr_eq(&ring(&providers, "online"), &ring(&moved, "online")), "keys of one issuer are not used for another");
    assert!(moved.by_name("file").is_none());
}
