//! What a certificate opens when it is shown for a new one, and what it does not.

use std::net::IpAddr;
use std::time::Duration;

use rustls_pki_types::UnixTime;
use sekisho_certs::key::DeviceKey;
use sekisho_certs::pem;

use super::tests::{Bench, request};
use super::*;
use crate::clock::Timestamp;
use crate::config::Approval;
use crate::identify_device::{DeviceRefusal, Renewable};
use crate::inventory::{DeviceId, DeviceStatus};
use crate::secret::Digest;
use crate::store::Actor;

const ADMIN: Actor = Actor::Operator { uid: 1000, name: None };

fn key() -> DeviceKey {
    DeviceKey::generate().unwrap()
}

fn from() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

fn renewable(device: &DeviceId, key: &DeviceKey) -> Renewable {
    Renewable { device: device.clone(), authority: "house".into(), key: Digest(key.fingerprint()) }
}

fn without_code(csr: &str) -> EnrolRequest {
    let mut request = request("", csr);
    request.code = None;
    request
}

async fn renew(bench: &Bench, device: &DeviceId, old: &DeviceKey, new: &DeviceKey) -> Result<Enrolled, RenewRefusal> {
    let asked = without_code(&new.csr_pem("x").unwrap());
    match bench.enrolment.renew(asked, renewable(device, old), from()).await? {
        EnrolReply::Enrolled(enrolled) => Ok(enrolled),
        EnrolReply::Challenge(_) => panic!("a challenge"),
    }
}

fn word<T: std::fmt::Debug>(refused: Result<T, RenewRefusal>) -> &'static str {
    match refused.unwrap_err() {
        RenewRefusal::Enrol(refusal) => refusal.as_str(),
        RenewRefusal::Device(refusal) => panic!("{refusal}"),
    }
}

async fn enrolled(bench: &Bench) -> (DeviceId, DeviceKey) {
    let key = key();
    let enrolled = bench.enrol(&bench.invite(Some("lap-7")).await, &key).await.unwrap();
    (enrolled.device, key)
}

#[tokio::test]
async fn a_device_gets_a_certificate_for_its_new_key_and_again_if_the_answer_is_lost() {
    let bench = Bench::new(Approval::Code).await;
    let (device, old) = enrolled(&bench).await;
    bench.clock.advance(Duration::from_secs(60 * 86_400));
    let new = key();
    let first = renew(&bench, &device, &old, &new).await.unwrap();
    let again = renew(&bench, &device, &old, &new).await.unwrap();
    for renewed in [&first, &again] {
        assert_eq!((&renewed.device, renewed.status), (&device, DeviceStatus::Active));
        let chain = pem::certificates(renewed.certificate_chain.as_bytes()).unwrap();
        let now = UnixTime::since_unix_epoch(bench.clock.now().since(Timestamp(0)));
        let verified = bench.enrolment.authority().trust("house").unwrap().verify(&chain, now).unwrap();
        assert_eq!((verified.id.as_str(), verified.key_fingerprint), (device.as_str(), new.fingerprint()));
        assert_eq!(renewed.not_after, u64::try_from(bench.clock.now().as_secs()).unwrap() + 90 * 86_400);
    }
    let live = bench.registrar.inventory().device(&device).unwrap();
    assert_eq!(live.device.keys, [&new, &old].map(|key| Digest(key.fingerprint())));
    assert_eq!([EnrolOutcome::Renewed, EnrolOutcome::RenewedAgain].map(|outcome| bench.counted(outcome)), [1, 1]);
}

#[tokio::test]
async fn a_second_new_key_is_a_copy() {
    let bench = Bench::new(Approval::Code).await;
    let (device, old) = enrolled(&bench).await;
    renew(&bench, &device, &old, &key()).await.unwrap();
    let refused = renew(&bench, &device, &old, &key()).await.unwrap_err();
    let RenewRefusal::Enrol(copied) = refused else { panic!("{refused}") };
    assert_eq!((copied.as_str(), copied.status().as_u16()), ("enrol_certificate_copied", 403));
    assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.status, DeviceStatus::Quarantined);
    assert_eq!(bench.counted(EnrolOutcome::Copied), 1);
    let isolated = renew(&bench, &device, &old, &key()).await.unwrap_err();
    assert!(matches!(isolated, RenewRefusal::Device(DeviceRefusal::Quarantined(_))), "{isolated}");
    assert_eq!(bench.counted(EnrolOutcome::NotRenewable), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_request_is_told_and_changes_nothing() {
    let bench = Bench::new(Approval::Code).await;
    let (device, old) = enrolled(&bench).await;
    assert_eq!(word(renew(&bench, &device, &old, &old).await), "enrol_key_taken");
    let weak = without_code("not a request");
    assert_eq!(word(bench.enrolment.renew(weak, renewable(&device, &old), from()).await), "enrol_request_refused");
    let asked = || without_code(&key().csr_pem("x").unwrap());
    let foreign = Renewable { authority: "mdm".into(), ..renewable(&device, &old) };
    assert_eq!(word(bench.enrolment.renew(asked(), foreign, from()).await), "enrol_other_authority");
    let never = renew(&bench, &device, &key(), &key()).await.unwrap_err();
    assert!(matches!(never, RenewRefusal::Device(DeviceRefusal::OtherKey(_))), "{never}");
    assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.keys, [Digest(old.fingerprint())]);
    assert!(renew(&bench, &device, &old, &key()).await.is_ok());
}

#[tokio::test]
async fn a_device_that_waits_or_is_stopped_is_not_renewed() {
    let bench = Bench::new(Approval::Administrator).await;
    let (device, old) = enrolled(&bench).await;
    let refused = renew(&bench, &device, &old, &key()).await.unwrap_err();
    assert!(matches!(refused, RenewRefusal::Device(DeviceRefusal::Pending(_))), "{refused}");
    bench.registrar.retire_device(&device, &ADMIN, "").await.unwrap();
    let refused = renew(&bench, &device, &old, &key()).await.unwrap_err();
    assert!(matches!(refused, RenewRefusal::Device(DeviceRefusal::Retired(_))), "{refused}");
}

#[tokio::test]
async fn one_device_is_renewed_six_times_an_hour() {
    let bench = Bench::new(Approval::Code).await;
    let (device, mut old) = enrolled(&bench).await;
    for _ in 0..6 {
        let new = key();
        renew(&bench, &device, &old, &new).await.unwrap();
        old = new;
    }
    let refused = renew(&bench, &device, &old, &key()).await.unwrap_err();
    let RenewRefusal::Enrol(throttled) = refused else { panic!("{refused}") };
    assert_eq!((throttled.as_str(), throttled.retry_after()), ("enrol_throttled", Some(Duration::from_secs(3600))));
    bench.clock.advance(Duration::from_secs(3600));
    assert!(renew(&bench, &device, &old, &key()).await.is_ok());
}

#[tokio::test]
async fn who_has_a_copy_does_not_keep_it_from_being_found_by_asking_often() {
    let bench = Bench::new(Approval::Code).await;
    let (device, mine) = enrolled(&bench).await;
    let mut thiefs = key();
    renew(&bench, &device, &mine, &thiefs).await.unwrap();
    for _ in 1..6 {
        let new = key();
        renew(&bench, &device, &thiefs, &new).await.unwrap();
        thiefs = new;
    }
    // One who asks for nothing new is told to wait, and nothing happens to anybody.
    assert_eq!(word(renew(&bench, &device, &thiefs, &key()).await), "enrol_throttled");
    assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.status, DeviceStatus::Active);
    assert_eq!(word(renew(&bench, &device, &mine, &key()).await), "enrol_certificate_copied");
    assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.status, DeviceStatus::Quarantined);
}

#[tokio::test]
async fn a_used_code_with_another_key_stops_the_device_and_sounds_like_an_unknown_one() {
    for (approval, then) in [(Approval::Code, DeviceStatus::Quarantined), (Approval::Administrator, DeviceStatus::Retired)] {
        let bench = Bench::new(approval).await;
        let (code, mine) = (bench.invite(Some("lap-7")).await, key());
        let device = bench.enrol(&code, &mine).await.unwrap().device;
        let shown_again = bench.enrol(&code, &key()).await.unwrap_err();
        let unknown = bench.enrol(&crate::store::InviteCode::generate().unwrap(), &key()).await.unwrap_err();
        let outside = |refusal: &EnrolRefusal| (refusal.to_string(), refusal.status(), refusal.as_str(), refusal.retry_after());
        assert_eq!(outside(&shown_again), outside(&unknown));
        assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.status, then);
        let counted = [EnrolOutcome::CodeShownAgain, EnrolOutcome::CodeRefused].map(|outcome| bench.counted(outcome));
        assert_eq!(counted, [1, 1]);
    }
}

#[tokio::test]
async fn the_device_itself_may_show_its_code_as_often_as_it_likes() {
    let bench = Bench::new(Approval::Code).await;
    let (code, mine) = (bench.invite(Some("lap-7")).await, key());
    let device = bench.enrol(&code, &mine).await.unwrap().device;
    bench.clock.advance(super::enrolment::REPEAT);
    assert_eq!(bench.enrol(&code, &mine).await.unwrap_err().as_str(), "enrol_code_refused");
    renew(&bench, &device, &mine, &key()).await.unwrap();
    assert_eq!(bench.enrol(&code, &mine).await.unwrap_err().as_str(), "enrol_code_refused");
    // What is not proved counts for nothing.
    let forged = request(code.expose().expose(), "x");
    assert_eq!(bench.ask(forged).await.unwrap_err().as_str(), "enrol_code_refused");
    assert_eq!(bench.registrar.inventory().device(&device).unwrap().device.status, DeviceStatus::Active);
    assert_eq!(bench.counted(EnrolOutcome::CodeShownAgain), 0);
}

#[tokio::test]
async fn of_two_who_show_a_code_at_once_neither_keeps_the_device() {
    let bench = Bench::new(Approval::Code).await;
    let code = bench.invite(Some("lap-7")).await;
    let (one, other) = (key(), key());
    let (one, other) = futures_util::future::join(bench.enrol(&code, &one), bench.enrol(&code, &other)).await;
    assert_eq!([&one, &other].iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let id = "lap-7".parse().unwrap();
    assert_eq!(bench.registrar.inventory().device(&id).unwrap().device.status, DeviceStatus::Quarantined);
}
