//! The authority signs its one form and nothing else.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, RsaKeySize, SanType};
use rustls_pki_types::UnixTime;

use super::{Authority, FolderError, IssueError, LoadError, RequestError};
use crate::key::DeviceKey;
use crate::x509::parse;
use crate::{files, fingerprint, pem};

const LIFETIME: Duration = Duration::from_secs(90 * 86_400);

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

fn now() -> UnixTime {
    at(1_800_000_000)
}

fn authority() -> Authority {
    let created = Authority::create("gate.example", now()).unwrap();
    Authority::load(&created.cert_pem, &created.key_pem).unwrap()
}

#[test]
fn a_device_gets_a_certificate_that_its_authority_vouches_for() {
    let authority = authority();
    let key = DeviceKey::generate().unwrap();
    let issued = authority.issue(key.csr_pem("whatever").unwrap().as_bytes(), "lap-7", LIFETIME, now()).unwrap();
    assert_eq!(issued.key_fingerprint, key.fingerprint());
    assert_eq!((issued.not_before, issued.not_after), (at(1_800_000_000 - 300), at(1_800_000_000 + LIFETIME.as_secs())));

    let device = authority.trust("house").unwrap().verify(std::slice::from_ref(&issued.certificate_der), now()).unwrap();
    assert_eq!((device.id.as_str(), device.key_fingerprint), ("lap-7", key.fingerprint()));
    assert_eq!((device.serial_hex, device.not_after), (issued.serial_hex, issued.not_after));
    assert_eq!(pem::certificates(issued.certificate_pem.as_bytes()).unwrap(), [issued.certificate_der]);
}

#[test]
fn nothing_but_the_key_is_taken_from_a_request() {
    let key = KeyPair::generate().unwrap();
    let mut wish = CertificateParams::default();
    wish.distinguished_name.push(rcgen::DnType::CommonName, "boss");
    wish.distinguished_name.push(rcgen::DnType::OrganizationName, "admins");
    wish.subject_alt_names = vec![
        SanType::URI("spiffe://gate.example/device/boss".try_into().unwrap()),
        SanType::DnsName("boss.example".try_into().unwrap()),
    ];
    wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    wish.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning];
    let csr = wish.serialize_request(&key).unwrap();
    let issued = authority().issue(csr.der(), "lap-7", LIFETIME, now()).unwrap();

    let leaf = parse(&issued.certificate_der).unwrap();
    assert_eq!(leaf.subject().to_string(), "CN=lap-7");
    let san = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(format!("{:?}", san.value.general_names), r#"[URI("spiffe://gate.example/device/lap-7")]"#);
    let purposes = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(purposes.client_auth && !purposes.server_auth && !purposes.code_signing && !purposes.any);
    let usage = leaf.key_usage().unwrap().unwrap();
    assert_eq!((usage.value.flags, usage.critical), (1, true), "digitalSignature alone");
    assert!(!leaf.is_ca());
    let serial = leaf.raw_serial();
    assert!(serial.len() >= 16 && serial[0] < 0x80 && serial[0] != 0, "{serial:?}");
}

#[test]
fn serial_numbers_do_not_repeat() {
    let authority = authority();
    let csr = DeviceKey::generate().unwrap().csr_pem("x").unwrap();
    let issue = || authority.issue(csr.as_bytes(), "lap-7", LIFETIME, now()).unwrap().serial_hex;
    assert_ne!(issue(), issue());
}

#[test]
fn a_certificate_never_outlives_its_authority() {
    let authority = authority();
    let csr = DeviceKey::generate().unwrap().csr_pem("x").unwrap();
    let end = authority.not_after();
    let late = at(end.as_secs() - 10);
    assert_eq!(authority.issue(csr.as_bytes(), "lap-7", LIFETIME, late).unwrap().not_after, end);
    let after = authority.issue(csr.as_bytes(), "lap-7", LIFETIME, at(end.as_secs() + 1));
    assert!(matches!(after, Err(IssueError::AuthorityExpired)), "{after:?}");
    let before = authority.issue(csr.as_bytes(), "lap-7", LIFETIME, at(1_700_000_000));
    assert!(matches!(before, Err(IssueError::AuthorityExpired)), "{before:?}");
    let none = authority.issue(csr.as_bytes(), "lap-7", Duration::ZERO, now());
    assert!(matches!(none, Err(IssueError::Lifetime)), "{none:?}");
    let endless = authority.issue(csr.as_bytes(), "lap-7", Duration::MAX, now());
    assert!(matches!(endless, Err(IssueError::Lifetime)), "{endless:?}");
}

#[test]
fn ids_that_are_none_are_refused() {
    let authority = authority();
    let csr = DeviceKey::generate().unwrap().csr_pem("x").unwrap();
    for id in ["", "Lap-7", "a/b", "..", "-a", "a b", "a,b", &"a".repeat(65)] {
        let outcome = authority.issue(csr.as_bytes(), id, LIFETIME, now());
        assert!(matches!(outcome, Err(IssueError::DeviceId)), "{id:?}: {outcome:?}");
    }
}

fn csr_of(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
}

#[test]
fn strong_keys_of_every_kind_are_signed() {
    let authority = authority();
    for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let issued = authority.issue(&csr_of(&key), "lap-7", LIFETIME, now()).unwrap();
        assert_eq!(fingerprint::public_key(&issued.certificate_der).unwrap(), issued.key_fingerprint, "{algorithm:?}");
        assert!(authority.trust("x").unwrap().verify(&[issued.certificate_der], now()).is_ok(), "{algorithm:?}");
    }
    let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    assert!(authority.issue(&csr_of(&rsa), "lap-7", LIFETIME, now()).is_ok());
}

#[test]
fn other_kinds_of_key_are_refused() {
    let p521 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P521_SHA256).unwrap();
    assert_eq!(Authority::key_of_request(&csr_of(&p521)), Err(RequestError::KeyKind));
    let modern = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    assert!(Authority::key_of_request(&csr_of(&modern)).is_ok());
}

/// Made with `openssl req -new -newkey rsa:1024 -subj /CN=x`.
#[test]
fn a_short_rsa_key_is_refused() {
    let csr = include_bytes!("testdata/rsa1024.csr.pem");
    assert_eq!(Authority::key_of_request(csr), Err(RequestError::RsaSize { bits: 1024 }));
}

/// Made with `openssl req -new -newkey ec:<(openssl genpkey -genparam -algorithm ec -pkeyopt ec_paramgen_curve:P-384) -sha256`:
/// the hash does not tell the curve.
#[test]
fn a_request_of_another_program_is_read_by_its_key_and_not_by_its_signature() {
    let csr = include_bytes!("testdata/p384-sha256.csr.pem");
    let issued = authority().issue(csr, "lap-7", LIFETIME, now()).unwrap();
    assert_eq!(fingerprint::public_key(&issued.certificate_der).unwrap(), issued.key_fingerprint);
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let good = csr_of(&KeyPair::generate().unwrap());
    assert!(Authority::key_of_request(&good).is_ok());
    let mut changed = good.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    assert_eq!(Authority::key_of_request(&changed), Err(RequestError::NotProved));
}

#[test]
fn what_is_not_a_request_is_refused() {
    let good = csr_of(&KeyPair::generate().unwrap());
    let mut longer = good.clone();
    longer.push(0);
    let certificate = pem::encode(authority().certificate());
    for bytes in [b"".to_vec(), b"CODE".to_vec(), good[..good.len() - 1].to_vec(), longer, certificate.into_bytes()] {
        assert_eq!(Authority::key_of_request(&bytes), Err(RequestError::Malformed));
    }
    assert_eq!(Authority::key_of_request(&vec![0x30; 20_000]), Err(RequestError::TooLong));
}

#[test]
fn a_trust_domain_is_a_plain_name() {
    for name in ["", "Gate.example", "gate example", "gate/x", "[::1]", &"a".repeat(201)] {
        assert!(Authority::create(name, now()).is_err(), "{name}");
    }
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let (one, two) = (Authority::create("gate.example", now()).unwrap(), Authority::create("gate.example", now()).unwrap());
    assert!(Authority::load(&one.cert_pem, &one.key_pem).is_ok());
    let load = |cert: &str, key: &str| Authority::load(cert, key).err();
    assert_eq!(load(&one.cert_pem, &two.key_pem), Some(LoadError::KeyDoesNotMatch));
    assert_eq!(load(&one.cert_pem, &one.cert_pem), Some(LoadError::Key));
    assert_eq!(load(&format!("{}{}", one.cert_pem, two.cert_pem), &one.key_pem), Some(LoadError::NotOne(2)));
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    assert_eq!(load(&one.cert_pem, &p384), Some(LoadError::Key));
    let device =
        authority().issue(DeviceKey::generate().unwrap().csr_pem("x").unwrap().as_bytes(), "x", LIFETIME, now()).unwrap();
    assert_eq!(load(&device.certificate_pem, &one.key_pem), Some(LoadError::Foreign));
}

#[test]
fn the_folder_is_made_once_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("authority");
    let first = Authority::open_or_create(&path, "gate.example", now()).unwrap();
    let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("."), mode("authority.key"), mode("authority.pem")), (0o700, 0o600, 0o644));
    let again = Authority::open_or_create(&path, "other.example", now()).unwrap();
    assert_eq!((first.certificate(), again.trust_domain()), (again.certificate(), "gate.example"));
    assert_eq!(std::fs::read_dir(&path).unwrap().count(), 2, "no temporary files stay");
}

#[test]
fn a_lost_certificate_is_made_again_and_devices_stay() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::open_or_create(dir.path(), "gate.example", now()).unwrap();
    let csr = DeviceKey::generate().unwrap().csr_pem("x").unwrap();
    let device = first.issue(csr.as_bytes(), "lap-7", LIFETIME, now()).unwrap();
    std::fs::remove_file(dir.path().join("authority.pem")).unwrap();
    let again = Authority::open_or_create(dir.path(), "gate.example", now()).unwrap();
    assert!(again.trust("x").unwrap().verify(&[device.certificate_der], now()).is_ok());
}

#[test]
fn a_lost_key_is_never_replaced_silently() {
    let dir = tempfile::tempdir().unwrap();
    Authority::open_or_create(dir.path(), "gate.example", now()).unwrap();
    std::fs::remove_file(dir.path().join("authority.key")).unwrap();
    let outcome = Authority::open_or_create(dir.path(), "gate.example", now());
    assert!(matches!(outcome, Err(FolderError::KeyMissing)), "{outcome:?}");
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    Authority::open_or_create(dir.path(), "gate.example", now()).unwrap();
    let key = dir.path().join("authority.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = Authority::open_or_create(dir.path(), "gate.example", now());
    let Err(FolderError::File(files::FileError::NotPrivate { mode: 0o644, .. })) = outcome else { panic!("{outcome:?}") };
}
