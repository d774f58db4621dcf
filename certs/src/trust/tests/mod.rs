//! Every accepted case has twins in which one fact is different and which are refused.

mod identities;
pub(crate) mod pki;
mod renewal;
mod revocation;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;

use super::{CertificateRefusal as Refusal, DeviceTrust, IdSource, TrustError, VerifiedDevice, verify_any};
use crate::fingerprint;
use pki::{Ca, DAY, NOW, at, ca_params, date, device, device_params, uri};

fn builtin() -> IdSource {
    IdSource::Builtin { trust_domain: "corp.example".into() }
}

fn trust(ca: &Ca) -> DeviceTrust {
    DeviceTrust::new("house", std::slice::from_ref(&ca.der), &[], builtin()).unwrap()
}

fn judge(ca: &Ca, params: &CertificateParams) -> Result<VerifiedDevice, Refusal> {
    trust(ca).verify(&[ca.sign(params)], at(NOW))
}

#[test]
fn a_good_certificate_names_its_device() {
    let ca = Ca::root("house");
    let leaf = ca.sign(&device_params());
    let device = trust(&ca).verify(std::slice::from_ref(&leaf), at(NOW)).unwrap();
    assert_eq!((&*device.authority, device.id.as_str(), device.serial_hex.as_str()), ("house", "lap-7", "4a07"));
    assert_eq!((device.not_after, device.valid_until), (at(NOW + 10 * DAY), at(NOW + 10 * DAY)));
    assert_eq!(device.key_fingerprint, fingerprint::public_key(&leaf).unwrap());
}

#[test]
fn each_wrong_fact_in_the_leaf_is_its_own_refusal() {
    let ca = Ca::root("house");
    assert!(judge(&ca, &device(|_same| ())).is_ok());
    let cases: Vec<(&str, Refusal, CertificateParams)> = vec![
        ("no purpose", Refusal::WrongPurpose, device(|p| p.extended_key_usages.clear())),
        ("server", Refusal::WrongPurpose, device(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth])),
        ("e-mail", Refusal::WrongPurpose, device(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::EmailProtection])),
        ("any purpose", Refusal::WrongPurpose, device(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any])),
        ("key agreement", Refusal::WrongPurpose, device(|p| p.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        ("an authority", Refusal::IsAuthority, device(|p| p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained))),
        ("ended", Refusal::Expired { not_after: at(NOW - 1) }, device(|p| p.not_after = date(NOW - 1))),
        ("not begun", Refusal::NotYetValid { not_before: at(NOW + 1) }, device(|p| p.not_before = date(NOW + 1))),
    ];
    for (what, refusal, params) in cases {
        assert_eq!(judge(&ca, &params), Err(refusal), "{what}");
    }
}

#[test]
fn key_usage_may_be_absent() {
    let ca = Ca::root("house");
    assert!(judge(&ca, &device(|p| p.key_usages.clear())).is_ok());
}

#[test]
fn a_certificate_holds_to_its_last_second() {
    let ca = Ca::root("house");
    let chain = [ca.sign(&device_params())];
    assert!(trust(&ca).verify(&chain, at(NOW + 10 * DAY)).is_ok());
    assert_eq!(trust(&ca).verify(&chain, at(NOW + 10 * DAY + 1)), Err(Refusal::Expired { not_after: at(NOW + 10 * DAY) }));
}

#[test]
fn only_the_authority_s_own_key_vouches() {
    let (ca, other) = (Ca::root("house"), Ca::root("other"));
    let namesake = Ca::root("house");
    let chain = [ca.sign(&device_params())];
    assert!(trust(&ca).verify(&chain, at(NOW)).is_ok());
    assert_eq!(trust(&other).verify(&chain, at(NOW)), Err(Refusal::UnknownAuthority));
    assert_eq!(trust(&namesake).verify(&chain, at(NOW)), Err(Refusal::BadSignature));
    // The client sends the foreign root along: a root from the wire is not a trusted one.
    assert_eq!(trust(&other).verify(&[chain[0].clone(), ca.der.clone()], at(NOW)), Err(Refusal::UnknownAuthority));
}

#[test]
fn a_foreign_certificate_is_foreign_even_when_it_has_ended() {
    let (ca, other) = (Ca::root("house"), Ca::root("other"));
    let chain = [other.sign(&device(|p| p.not_after = date(NOW - 1)))];
    assert_eq!(trust(&ca).verify(&chain, at(NOW)), Err(Refusal::UnknownAuthority));
}

#[test]
fn a_changed_certificate_has_a_bad_signature() {
    let ca = Ca::root("house");
    let mut bytes = ca.sign(&device_params()).to_vec();
    let place = bytes.windows(5).rposition(|window| window == b"lap-7").unwrap();
    bytes[place + 4] = b'8';
    assert_eq!(trust(&ca).verify(&[bytes.into()], at(NOW)), Err(Refusal::BadSignature));
}

#[test]
fn what_is_not_a_certificate_is_malformed() {
    let ca = Ca::root("house");
    let leaf = ca.sign(&device_params());
    let mut longer = leaf.to_vec();
    longer.push(0);
    for bytes in [Vec::new(), vec![0x30, 0x80], leaf[..leaf.len() - 1].to_vec(), longer] {
        assert_eq!(trust(&ca).verify(&[bytes.into()], at(NOW)), Err(Refusal::Malformed));
    }
    assert_eq!(trust(&ca).verify(&[], at(NOW)), Err(Refusal::Malformed));
}

/// `change` is made to the certificate between root and device.
fn through(change: impl FnOnce(&mut CertificateParams)) -> Result<VerifiedDevice, Refusal> {
    let root = Ca::root("root");
    let mut params = ca_params("between");
    params.not_after = date(NOW + 5 * DAY);
    change(&mut params);
    let between = root.below(params);
    trust(&root).verify(&[between.sign(&device_params()), between.der.clone()], at(NOW))
}

#[test]
fn an_intermediate_must_be_an_authority_now() {
    let device = through(|_same| ()).unwrap();
    assert_eq!(device.valid_until, at(NOW + 5 * DAY), "the verdict ends with the intermediate");
    assert_eq!(through(|p| p.is_ca = IsCa::ExplicitNoCa), Err(Refusal::ChainNotAllowed));
    assert_eq!(through(|p| p.is_ca = IsCa::NoCa), Err(Refusal::ChainNotAllowed));
    assert_eq!(through(|p| p.key_usages = vec![KeyUsagePurpose::DigitalSignature]), Err(Refusal::ChainNotAllowed));
    assert_eq!(through(|p| p.not_after = date(NOW - 1)), Err(Refusal::AuthorityNotValid));
    assert_eq!(through(|p| p.not_before = date(NOW + 1)), Err(Refusal::AuthorityNotValid));
    assert_eq!(through(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), Err(Refusal::WrongPurpose));
}

#[test]
fn a_chain_needs_its_intermediate() {
    let root = Ca::root("root");
    let between = root.below(ca_params("between"));
    let leaf = between.sign(&device_params());
    assert!(trust(&root).verify(&[leaf.clone(), between.der.clone()], at(NOW)).is_ok());
    assert_eq!(trust(&root).verify(&[leaf], at(NOW)), Err(Refusal::UnknownAuthority));
}

#[test]
fn a_chain_is_no_longer_than_its_authorities_allow() {
    let narrow = |name: &str| {
        let mut params = ca_params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
    };
    let root = Ca::root("root");
    let between = root.below(narrow("between"));
    let deeper = between.below(ca_params("deeper"));
    let chain = [deeper.sign(&device_params()), deeper.der.clone(), between.der.clone()];
    assert_eq!(trust(&root).verify(&chain, at(NOW)), Err(Refusal::ChainNotAllowed));

    let root = Ca::root_with(narrow("root"));
    assert!(trust(&root).verify(&[root.sign(&device_params())], at(NOW)).is_ok());
    let between = root.below(ca_params("between"));
    let chain = [between.sign(&device_params()), between.der.clone()];
    assert_eq!(trust(&root).verify(&chain, at(NOW)), Err(Refusal::ChainNotAllowed));
}

#[test]
fn a_device_may_not_issue_devices() {
    let root = Ca::root("root");
    let device_as_ca = root.below(device_params());
    let forged = device_as_ca.sign(&device(|p| p.subject_alt_names = vec![uri("spiffe://corp.example/device/boss")]));
    assert_eq!(trust(&root).verify(&[forged, device_as_ca.der.clone()], at(NOW)), Err(Refusal::ChainNotAllowed));
}

#[test]
fn a_root_ends_too() {
    let mut params = ca_params("house");
    params.not_after = date(NOW + DAY);
    let ca = Ca::root_with(params);
    let chain = [ca.sign(&device_params())];
    assert_eq!(trust(&ca).verify(&chain, at(NOW)).unwrap().valid_until, at(NOW + DAY));
    assert_eq!(trust(&ca).verify(&chain, at(NOW + DAY + 1)), Err(Refusal::AuthorityNotValid));
}

#[test]
fn every_accepted_kind_of_key_works_in_a_leaf() {
    let ca = Ca::root("house");
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let leaf = ca.sign_key(&device_params(), &pki::key(algorithm));
        assert!(trust(&ca).verify(&[leaf], at(NOW)).is_ok(), "{algorithm:?}");
    }
    let rsa = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    assert!(trust(&ca).verify(&[ca.sign_key(&device_params(), &rsa)], at(NOW)).is_ok());
    let other = ca.sign_key(&device_params(), &pki::key(&rcgen::PKCS_ECDSA_P521_SHA512));
    assert_eq!(trust(&ca).verify(&[other], at(NOW)), Err(Refusal::WeakAlgorithm), "not one that we would certify");
}

#[test]
fn roots_that_are_none_are_refused_when_loaded() {
    let ca = Ca::root("house");
    let load = |roots: &[CertificateDer<'_>]| DeviceTrust::new("x", roots, &[], builtin()).map(|_| ());
    assert_eq!(load(std::slice::from_ref(&ca.der)), Ok(()));
    assert_eq!(load(&[]), Err(TrustError::NoRoots));
    assert_eq!(load(&[ca.der.clone(), ca.sign(&device_params())]), Err(TrustError::RootIsNoAuthority { number: 2 }));
    assert_eq!(load(&[vec![0x30, 0x03, 1, 2, 3].into()]), Err(TrustError::RootUnreadable { number: 1 }));
    let mut params = ca_params("weak");
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
    assert_eq!(load(&[Ca::root_with(params).der]), Err(TrustError::RootIsNoAuthority { number: 1 }));
}

#[test]
fn among_several_authorities_the_one_that_knows_it_speaks() {
    let (house, mdm) = (Ca::root("house"), Ca::root("mdm"));
    let house_trust = trust(&house);
    let mdm_trust = DeviceTrust::new("mdm", std::slice::from_ref(&mdm.der), &[], IdSource::SubjectCn).unwrap();
    let all = [&house_trust, &mdm_trust];
    let good = [mdm.sign(&device_params())];
    assert_eq!(&*verify_any(all, &good, at(NOW)).unwrap().authority, "mdm");
    let ended = [house.sign(&device(|p| p.not_after = date(NOW - 1)))];
    assert!(matches!(verify_any(all, &ended, at(NOW)), Err(Refusal::Expired { .. })));
    let ended = [mdm.sign(&device(|p| p.not_after = date(NOW - 1)))];
    assert!(matches!(verify_any(all, &ended, at(NOW)), Err(Refusal::Expired { .. })));
    let foreign = [Ca::root("third").sign(&device_params())];
    assert_eq!(verify_any(all, &foreign, at(NOW)), Err(Refusal::UnknownAuthority));
    assert_eq!(verify_any([], &good, at(NOW)), Err(Refusal::UnknownAuthority));
}

#[test]
fn hints_are_the_roots_subjects() {
    let ca = Ca::root("house");
    let hints = trust(&ca).root_subjects();
    let [hint] = hints.as_slice() else { panic!("one root, one hint") };
    let parsed = crate::x509::parse(&ca.der).unwrap();
    assert_eq!(hint.as_ref(), parsed.subject().as_raw());
}
