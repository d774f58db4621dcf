//! The gate's half: what a code opens, and what it does not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use sekisho_certs::authority::Authority;
use sekisho_certs::key::DeviceKey;
use sekisho_certs::{fingerprint, pem};

use super::enrolment::REPEAT;
use super::*;
use crate::clock::{Clock, Timestamp};
use crate::config::Approval;
use crate::inventory::{DeviceStatus, Owner, Platform};
use crate::secret::{Digest, Sealer};
use crate::store::{Actor, Invite, InviteCode, Registrar};

const START: Timestamp = Timestamp(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3600);
const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

/// A gate's enrolment with an empty inventory.
pub(super) struct Bench {
    pub(super) enrolment: Enrolment,
    pub(super) registrar: Registrar,
    pub(super) clock: Clock,
    registry: prometheus::Registry,
    _state: tempfile::TempDir,
}

impl Bench {
    pub(super) async fn new(approval: Approval) -> Self {
        let state = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let sealer = Arc::new(Sealer::open_or_create(state.path()).unwrap());
        let registrar = Registrar::open(state.path(), sealer, clock.clone()).await.unwrap();
        let now = UnixTime::since_unix_epoch(START.since(Timestamp(0)));
        let authority = Arc::new(Authority::open_or_create(&state.path().join("authority"), "gate.example", now).unwrap());
        let registry = prometheus::Registry::new();
        let metrics = EnrolMetrics::register(&registry).unwrap();
        let enrolment = Enrolment::new(registrar.clone(), authority, settings(approval), clock.clone(), metrics);
        Self { enrolment, registrar, clock, registry, _state: state }
    }

    pub(super) async fn invite(&self, device: Option<&str>) -> InviteCode {
        let invite = Invite {
            authority: "house".into(),
            owner: Some(Owner::Email("ana@corp.example".to_owned())),
            shared: false,
            managed: true,
            device: device.map(|id| id.parse().unwrap()),
        };
        self.registrar.invite(invite, HOUR, &ADMIN, "").await.unwrap().code
    }

    pub(super) async fn enrol(&self, code: &InviteCode, key: &DeviceKey) -> Result<Enrolled, EnrolRefusal> {
        self.ask(request(code.expose().expose(), &key.csr_pem("x").unwrap())).await
    }

    pub(super) async fn ask(&self, request: EnrolRequest) -> Result<Enrolled, EnrolRefusal> {
        match self.reply(request).await? {
            EnrolReply::Enrolled(enrolled) => Ok(enrolled),
            EnrolReply::Challenge(_) => panic!("a challenge"),
        }
    }

    pub(super) async fn reply(&self, request: EnrolRequest) -> Result<EnrolReply, EnrolRefusal> {
        self.enrolment.enrol(self.enrolment.admit(request, client()).await?).await
    }

    pub(super) fn counted(&self, outcome: EnrolOutcome) -> u64 {
        let families = self.registry.gather();
        let metrics = families.iter().flat_map(prometheus::proto::MetricFamily::get_metric);
        let of = |metric: &&prometheus::proto::Metric| metric.get_label().iter().any(|label| label.value() == outcome.as_str());
        metrics.filter(of).map(|metric| metric.get_counter().get_value() as u64).sum()
    }
}

pub(super) fn settings(approval: Approval) -> EnrolSettings {
    EnrolSettings {
        authority: "house".into(),
        certificate_lifetime: 90 * 24 * HOUR,
        approval,
        renewal_grace: 30 * 24 * HOUR,
        renewal_overlap: 7 * 24 * HOUR,
        tpm: None,
    }
}

fn client() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

pub(super) fn request(code: &str, csr: &str) -> EnrolRequest {
    EnrolRequest {
        code: Some(code.to_owned()),
        csr: csr.to_owned(),
        name: Some("my laptop".to_owned()),
        platform: "linux".to_owned(),
        tpm: None,
    }
}

fn key() -> DeviceKey {
    DeviceKey::generate().unwrap()
}

#[tokio::test]
async fn an_invited_device_gets_a_certificate_and_waits_for_approval() {
    let bench = Bench::new(Approval::Administrator).await;
    let (code, key) = (bench.invite(Some("lap-7")).await, key());
    let enrolled = bench.enrol(&code, &key).await.unwrap();
    assert_eq!((enrolled.device.as_str(), enrolled.status), ("lap-7", DeviceStatus::Pending));
    assert_eq!(enrolled.key_fingerprint, fingerprint::for_people(&key.fingerprint()));
    assert_eq!(enrolled.not_after, 1_800_000_000 + 90 * 24 * 3600);

    let live = bench.registrar.inventory().device(&enrolled.device).unwrap();
    assert_eq!(live.device.keys, [Digest(key.fingerprint())]);
    assert_eq!((live.device.platform, &*live.device.authority), (Platform::Linux, "house"));
    assert_eq!(live.device.owner, Some(Owner::Email("ana@corp.example".to_owned())));
    let history = bench.registrar.device_history(&enrolled.device, 10).await.unwrap();
    assert!(history.iter().any(|change| change.why.contains("my laptop")), "{history:?}");

    let chain = pem::certificates(enrolled.certificate_chain.as_bytes()).unwrap();
    let trust = bench.enrolment.authority().trust("house").unwrap();
    let now = UnixTime::since_unix_epoch(START.since(Timestamp(0)));
    let device = trust.verify(&chain, now).unwrap();
    assert_eq!((device.id.as_str(), device.key_fingerprint), ("lap-7", key.fingerprint()));
    assert_eq!(bench.counted(EnrolOutcome::Pending), 1);
}

#[tokio::test]
async fn where_the_code_is_enough_the_device_is_in_use_at_once() {
    let bench = Bench::new(Approval::Code).await;
    let enrolled = bench.enrol(&bench.invite(None).await, &key()).await.unwrap();
    assert_eq!(enrolled.status, DeviceStatus::Active);
    assert!(enrolled.device.as_str().starts_with("ana-"), "{}", enrolled.device);
}

#[tokio::test]
async fn a_code_opens_once_and_its_refusals_are_all_alike() {
    let bench = Bench::new(Approval::Administrator).await;
    let (used, expired) = (bench.invite(None).await, bench.invite(None).await);
    let first = key();
    bench.enrol(&used, &first).await.unwrap();
    bench.clock.advance(HOUR);
    let unknown = InviteCode::generate().unwrap();
    let garbled = bench.ask(request("x", &key().csr_pem("x").unwrap())).await;
    let mut words = vec![garbled.unwrap_err().to_string()];
    for code in [&used, &expired, &unknown] {
        let refusal = bench.enrol(code, &first).await.unwrap_err();
        assert_eq!((refusal.as_str(), refusal.status().as_u16()), ("enrol_code_refused", 403));
        words.push(refusal.to_string());
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(bench.registrar.inventory().counts().devices_pending, 1);
    assert_eq!(bench.counted(EnrolOutcome::CodeRefused), 4);
}

#[tokio::test]
async fn a_device_that_lost_the_answer_gets_it_again_for_a_while() {
    let bench = Bench::new(Approval::Administrator).await;
    let (code, mine) = (bench.invite(None).await, key());
    let first = bench.enrol(&code, &mine).await.unwrap();
    bench.clock.advance(REPEAT - Duration::from_millis(1));
    let second = bench.enrol(&code, &mine).await.unwrap();
    assert_eq!((&second.device, &second.key_fingerprint), (&first.device, &first.key_fingerprint));
    assert_eq!(bench.counted(EnrolOutcome::Repeated), 1);

    // The same key without its proof: the code is used. Later: the same.
    let forged = mine.csr_pem("x").unwrap().replacen('A', "B", 1);
    let refusal = bench.ask(request(code.expose().expose(), &forged)).await.unwrap_err();
    assert_eq!(refusal.as_str(), "enrol_code_refused");
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.enrol(&code, &mine).await.unwrap_err().as_str(), "enrol_code_refused");
}

#[tokio::test]
async fn an_isolated_or_retired_device_gets_nothing_again() {
    let bench = Bench::new(Approval::Code).await;
    for retire in [false, true] {
        let (code, mine) = (bench.invite(None).await, key());
        let device = bench.enrol(&code, &mine).await.unwrap().device;
        assert!(bench.enrol(&code, &mine).await.is_ok());
        if retire {
            bench.registrar.retire_device(&device, &ADMIN, "").await.unwrap();
        } else {
            bench.registrar.quarantine_device(&device, &ADMIN, "").await.unwrap();
        }
        assert_eq!(bench.enrol(&code, &mine).await.unwrap_err().as_str(), "enrol_code_refused");
    }
}

#[tokio::test]
async fn a_refused_request_leaves_the_code_as_it_was() {
    let bench = Bench::new(Approval::Administrator).await;
    let (code, taken) = (bench.invite(None).await, key());
    bench.enrol(&bench.invite(None).await, &taken).await.unwrap();
    let weak = "not a request";
    let refusal = bench.ask(request(code.expose().expose(), weak)).await.unwrap_err();
    assert_eq!((refusal.as_str(), refusal.status().as_u16()), ("enrol_request_refused", 400));
    assert_eq!(bench.enrol(&code, &taken).await.unwrap_err().as_str(), "enrol_key_taken");
    assert!(bench.enrol(&code, &key()).await.is_ok());
}

#[tokio::test]
async fn an_id_that_was_given_away_meanwhile_is_told() {
    let bench = Bench::new(Approval::Administrator).await;
    let (one, two) = (bench.invite(Some("lap-7")).await, bench.invite(Some("lap-7")).await);
    bench.enrol(&one, &key()).await.unwrap();
    assert_eq!(bench.enrol(&two, &key()).await.unwrap_err().as_str(), "enrol_id_taken");
}

#[tokio::test]
async fn an_invitation_of_another_authority_opens_nothing() {
    let bench = Bench::new(Approval::Administrator).await;
    let code = bench.invite(None).await;
    bench.enrolment.configure(EnrolSettings { authority: "other".into(), ..settings(Approval::Code) });
    assert_eq!(bench.enrol(&code, &key()).await.unwrap_err().as_str(), "enrol_authority_gone");
    bench.enrolment.configure(settings(Approval::Code));
    assert_eq!(bench.enrol(&code, &key()).await.unwrap().status, DeviceStatus::Active);
}

#[tokio::test]
async fn guessing_is_slowed_down_and_says_for_how_long() {
    let bench = Bench::new(Approval::Administrator).await;
    let guess = || async { bench.enrol(&InviteCode::generate().unwrap(), &key()).await.unwrap_err() };
    for _ in 0..10 {
        assert_eq!(guess().await.as_str(), "enrol_code_refused");
    }
    let refusal = guess().await;
    assert_eq!((refusal.status().as_u16(), refusal.retry_after()), (429, Some(Duration::from_secs(6))));
    // Even a good code waits, and is good afterwards.
    let (code, mine) = (bench.invite(None).await, key());
    assert_eq!(bench.enrol(&code, &mine).await.unwrap_err().as_str(), "enrol_throttled");
    bench.clock.advance(Duration::from_secs(6));
    assert!(bench.enrol(&code, &mine).await.is_ok());
}

#[tokio::test]
async fn however_many_strangers_guess_who_was_invited_gets_in() {
    let bench = Bench::new(Approval::Administrator).await;
    let (code, mine) = (bench.invite(None).await, key());
    let guess = || request(InviteCode::generate().unwrap().expose().expose(), "x");
    // More than a hundred from addresses of their own.
    let guesses = (0..150_u32).map(|number| bench.enrolment.admit(guess(), IpAddr::V4((0x0a00_0000 + number).into())));
    let mine = async {
        let admitted = bench.enrolment.admit(request(code.expose().expose(), &mine.csr_pem("x").unwrap()), client()).await?;
        bench.enrolment.enrol(admitted).await
    };
    let (guessed, enrolled) = futures_util::future::join(futures_util::future::join_all(guesses), mine).await;
    assert!(guessed.iter().all(Result::is_ok), "each has its turn");
    let EnrolReply::Enrolled(enrolled) = enrolled.unwrap() else { panic!("a challenge") };
    assert_eq!(enrolled.status, DeviceStatus::Pending);
    // What is no code at all waits for nobody's turn.
    assert!(matches!(bench.enrolment.admit(request("x", "x"), client()).await, Err(EnrolRefusal::CodeRefused)));
}

#[test]
fn a_request_is_json_of_limited_length_and_does_not_print_its_code() {
    let read = Enrolment::read(br#"{"code":"SECRET","csr":"x","platform":"amiga"}"#).unwrap();
    assert_eq!(read.platform(), Platform::Unknown);
    assert!(!format!("{read:?}").contains("SECRET"));
    for wrong in [&b""[..], b"{}", b"[]", br#"{"code":1,"csr":"x"}"#, br#"{"code":"x"}"#] {
        let refusal = Enrolment::read(wrong).unwrap_err();
        assert_eq!((refusal.as_str(), refusal.status().as_u16()), ("enrol_malformed", 400));
    }
    let long = format!(r#"{{"code":"x","csr":"{}"}}"#, "x".repeat(MAX_REQUEST_BYTES));
    assert!(Enrolment::read(long.as_bytes()).is_err());
}
