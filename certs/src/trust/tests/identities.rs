//! Which device a certificate names, by each source.

use rcgen::{CertificateParams, DnType, DnValue, SerialNumber};

use super::super::{CertificateRefusal as Refusal, DeviceTrust, IdSource};
use super::builtin;
use super::pki::{Ca, NOW, at, device, dns, uri};

fn id(source: IdSource, change: impl FnOnce(&mut CertificateParams)) -> Result<String, Refusal> {
    let ca = Ca::root("house");
    let trust = DeviceTrust::new("house", std::slice::from_ref(&ca.der), &[], source).unwrap();
    trust.verify(&[ca.sign(&device(change))], at(NOW)).map(|device| device.id)
}

#[test]
fn the_builtin_form_is_one_uri_and_nothing_else() {
    assert_eq!(id(builtin(), |_same| ()), Ok("lap-7".to_owned()));
    assert_eq!(id(builtin(), |p| p.subject_alt_names.clear()), Err(Refusal::NoIdentity));
    let second = |name| move |p: &mut CertificateParams| p.subject_alt_names.push(name);
    assert_eq!(id(builtin(), second(uri("spiffe://corp.example/device/boss"))), Err(Refusal::SeveralIdentities));
    assert_eq!(id(builtin(), second(uri("spiffe://corp.example/device/lap-7"))), Err(Refusal::SeveralIdentities));
    assert_eq!(id(builtin(), second(dns("lap-7.corp.example"))), Err(Refusal::SeveralIdentities));
    for foreign in [
        uri("spiffe://corp.example.evil/device/lap-7"),
        uri("spiffe://corp.example/user/lap-7"),
        uri("spiffe://corp.example/device/Lap-7"),
        uri("https://corp.example/device/lap-7"),
        dns("lap-7"),
    ] {
        let change = |p: &mut CertificateParams| p.subject_alt_names = vec![foreign.clone()];
        assert_eq!(id(builtin(), change), Err(Refusal::ForeignIdentity), "{foreign:?}");
    }
}

#[test]
fn a_foreign_uri_gives_its_last_segment_or_itself() {
    let of = |text: &str| id(IdSource::SanUri, |p| p.subject_alt_names = vec![uri(text)]);
    assert_eq!(of("https://mdm.example/devices/lap-7"), Ok("lap-7".to_owned()));
    assert_eq!(of("urn:uuid:0b9d"), Ok("urn:uuid:0b9d".to_owned()));
    for unclear in ["https://mdm.example/devices/", "https://mdm.example/lap-7?x=1", "https://mdm.example/a%2fb", "urn:a b"] {
        assert_eq!(of(unclear), Err(Refusal::ForeignIdentity), "{unclear}");
    }
    let two = |p: &mut CertificateParams| p.subject_alt_names = vec![uri("urn:a"), uri("urn:b")];
    assert_eq!(id(IdSource::SanUri, two), Err(Refusal::SeveralIdentities));
    assert_eq!(id(IdSource::SanUri, |p| p.subject_alt_names = vec![dns("a")]), Err(Refusal::NoIdentity));
    // Names of other kinds beside the one that counts are usual in foreign certificates.
    let beside = |p: &mut CertificateParams| p.subject_alt_names = vec![uri("urn:a"), dns("b.example")];
    assert_eq!(id(IdSource::SanUri, beside), Ok("urn:a".to_owned()));
}

#[test]
fn a_dns_name_counts_without_case_and_alone() {
    let of = |names: Vec<rcgen::SanType>| id(IdSource::SanDns, |p| p.subject_alt_names = names);
    assert_eq!(of(vec![dns("LAP-7.Corp.Example")]), Ok("lap-7.corp.example".to_owned()));
    assert_eq!(of(vec![dns("*.corp.example")]), Err(Refusal::ForeignIdentity));
    assert_eq!(of(vec![dns("a.example"), dns("b.example")]), Err(Refusal::SeveralIdentities));
    assert_eq!(of(vec![uri("urn:a")]), Err(Refusal::NoIdentity));
}

#[test]
fn a_common_name_is_text_without_tricks() {
    let of = |name: &str| {
        id(IdSource::SubjectCn, |p| {
            p.distinguished_name = rcgen::DistinguishedName::new();
            p.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(name.to_owned()));
        })
    };
    assert_eq!(of("lap-7"), Ok("lap-7".to_owned()));
    for trick in ["x,O=admins", "x;y", "x\"y", "x\r\ny", "x\u{202e}y", "lap 7", "", "x\0y"] {
        assert_eq!(of(trick), Err(Refusal::ForeignIdentity), "{trick:?}");
    }
    let none = |p: &mut CertificateParams| p.distinguished_name = rcgen::DistinguishedName::new();
    assert_eq!(id(IdSource::SubjectCn, none), Err(Refusal::NoIdentity));
    let two = |p: &mut CertificateParams| {
        // The library writes each kind once; the number of the same kind makes a second.
        p.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "boss");
    };
    assert_eq!(id(IdSource::SubjectCn, two), Err(Refusal::SeveralIdentities));
}

#[test]
fn a_serial_number_is_hex_without_leading_zeros() {
    let of = |bytes: &[u8]| id(IdSource::Serial, |p| p.serial_number = Some(SerialNumber::from_slice(bytes)));
    assert_eq!(of(&[0x0a, 0xff]), Ok("0aff".to_owned()));
    assert_eq!(of(&[0xff, 0x01]), Ok("ff01".to_owned()), "DER puts a zero in front of it");
}

#[test]
fn a_service_is_the_only_uri_whole() {
    let source = || IdSource::Spiffe { trust_domain: "corp.example".into() };
    let of = |names: Vec<rcgen::SanType>| id(source(), |p| p.subject_alt_names = names);
    let ci = "spiffe://corp.example/ci/runner";
    assert_eq!(of(vec![uri(ci)]), Ok(ci.to_owned()));
    assert_eq!(of(vec![uri(ci), dns("runner-1.corp.example")]), Ok(ci.to_owned()), "a name of another kind names nobody");
    assert_eq!(of(vec![uri(ci), uri("spiffe://corp.example/ci/boss")]), Err(Refusal::SeveralIdentities));
    assert_eq!(of(vec![uri(ci), uri(ci)]), Err(Refusal::SeveralIdentities));
    assert_eq!(of(vec![dns("runner-1.corp.example")]), Err(Refusal::NoIdentity));
    assert_eq!(of(vec![uri("spiffe://other.example/ci/runner")]), Err(Refusal::OtherTrustDomain));
    assert_eq!(of(vec![uri("http://corp.example/ci/runner")]), Err(Refusal::NotSpiffe));
    assert_eq!(of(vec![uri("spiffe://corp.example/ci/../boss")]), Err(Refusal::SpiffePath));
}
