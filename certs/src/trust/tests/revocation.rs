//! Revocation lists: once there are any, all of a chain must be covered by one that is in date.

use rcgen::CrlDistributionPoint;
use rustls_pki_types::{CertificateRevocationListDer as Crl, UnixTime};

use super::super::{CertificateRefusal as Refusal, DeviceTrust, IdSource, TrustError, VerifiedDevice};
use super::builtin;
use super::pki::{Ca, DAY, NOW, at, ca_params, device, device_params};

const SERIAL: &[u8] = &[0x4a, 7];

fn judge_at(ca: &Ca, crls: &[Crl<'_>], now: UnixTime) -> Result<VerifiedDevice, Refusal> {
    let trust = DeviceTrust::new("house", std::slice::from_ref(&ca.der), crls, builtin()).unwrap();
    trust.verify(&[ca.sign(&device_params())], now)
}

fn judge(ca: &Ca, crls: &[Crl<'_>]) -> Result<VerifiedDevice, Refusal> {
    judge_at(ca, crls, at(NOW))
}

#[test]
fn a_listed_certificate_is_revoked_and_another_is_not() {
    let ca = Ca::root("house");
    assert!(judge(&ca, &[ca.crl(&[])]).is_ok());
    assert!(judge(&ca, &[ca.crl(&[&[0x4a, 8]])]).is_ok());
    assert_eq!(judge(&ca, &[ca.crl(&[SERIAL])]), Err(Refusal::Revoked));
}

#[test]
fn a_stale_list_refuses_everybody() {
    let ca = Ca::root("house");
    let lists = [ca.crl_dated(&[], NOW - 2 * DAY, NOW + 10)];
    assert_eq!(judge(&ca, &lists).unwrap().valid_until, at(NOW + 10), "the verdict ends with the list");
    assert_eq!(judge_at(&ca, &lists, at(NOW + 11)), Err(Refusal::CrlExpired));
}

#[test]
fn the_newest_list_counts_whatever_their_order() {
    let ca = Ca::root("house");
    let old = ca.crl_dated(&[], NOW - 20 * DAY, NOW - 10 * DAY);
    let new = ca.crl_dated(&[SERIAL], NOW - DAY, NOW + DAY);
    for lists in [[old.clone(), new.clone()], [new, old]] {
        assert_eq!(judge(&ca, &lists), Err(Refusal::Revoked));
    }
}

#[test]
fn a_list_of_another_issuer_says_nothing() {
    let (ca, other) = (Ca::root("house"), Ca::root("other"));
    assert_eq!(judge(&ca, &[other.crl(&[])]), Err(Refusal::RevocationUnknown));
    assert!(judge(&ca, &[other.crl(&[]), ca.crl(&[])]).is_ok());
}

#[test]
fn a_list_with_the_issuer_s_name_but_another_key_is_forged() {
    let ca = Ca::root("house");
    assert_eq!(judge(&ca, &[Ca::root("house").crl(&[])]), Err(Refusal::CrlBadSignature));
}

#[test]
fn an_intermediate_must_be_covered_too() {
    let root = Ca::root("root");
    let between = root.below({
        let mut params = ca_params("between");
        params.serial_number = Some(rcgen::SerialNumber::from_slice(&[9]));
        params
    });
    let chain = [between.sign(&device_params()), between.der.clone()];
    let verify = |crls: &[Crl<'_>]| {
        let trust = DeviceTrust::new("x", std::slice::from_ref(&root.der), crls, IdSource::SubjectCn).unwrap();
        trust.verify(&chain, at(NOW)).map(|device| device.id)
    };
    assert_eq!(verify(&[between.crl(&[]), root.crl(&[])]), Ok("lap-7".to_owned()));
    assert_eq!(verify(&[between.crl(&[])]), Err(Refusal::RevocationUnknown));
    assert_eq!(verify(&[root.crl(&[])]), Err(Refusal::RevocationUnknown));
    assert_eq!(verify(&[between.crl(&[]), root.crl(&[&[9]])]), Err(Refusal::Revoked));
    assert_eq!(verify(&[between.crl(&[SERIAL]), root.crl(&[])]), Err(Refusal::Revoked));
}

/// A certificate may point to several lists; a list that names the second of them speaks for it.
#[test]
fn a_partitioned_list_speaks_for_those_that_point_to_it() {
    let ca = Ca::root("house");
    let points = |urls: &[&str]| {
        let points = urls.iter().map(|url| CrlDistributionPoint { uris: vec![(*url).to_owned()] }).collect();
        [ca.sign(&device(|p| p.crl_distribution_points = points))]
    };
    let lists = [ca.crl_for(&[SERIAL], "http://crl.example/2")];
    let trust = DeviceTrust::new("house", std::slice::from_ref(&ca.der), &lists, builtin()).unwrap();
    let verify = |urls: &[&str]| trust.verify(&points(urls), at(NOW)).map(|device| device.id);
    assert_eq!(verify(&["http://crl.example/1", "http://crl.example/2"]), Err(Refusal::Revoked));
    assert_eq!(verify(&["http://crl.example/1"]), Err(Refusal::RevocationUnknown));
    assert_eq!(verify(&["http://crl.example/1", "http://crl.example/3"]), Err(Refusal::RevocationUnknown));
}

#[test]
fn what_is_not_a_list_is_refused_when_loaded() {
    let ca = Ca::root("house");
    let good = ca.crl(&[]);
    let load = |bytes: Vec<u8>| {
        let lists = [good.clone(), Crl::from(bytes)];
        DeviceTrust::new("x", std::slice::from_ref(&ca.der), &lists, builtin()).map(|_| ())
    };
    assert_eq!(load(good.to_vec()), Ok(()));
    for bytes in [Vec::new(), good[..good.len() - 1].to_vec(), ca.der.to_vec()] {
        assert_eq!(load(bytes), Err(TrustError::CrlUnreadable { number: 2 }));
    }
}
