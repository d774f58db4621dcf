//! Certificates, lists of withdrawn ones, requests for new ones.

use std::sync::OnceLock;
use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};
use sekisho::enrol::Enrolment;
use sekisho_certs::authority::Authority;
use sekisho_certs::server::ServerCertificate;
use sekisho_certs::tpm::PublicArea;
use sekisho_certs::trust::{DeviceTrust, IdSource};
use sekisho_certs::{fingerprint, pem};

/// When all of this happens: late enough for certificates that were made by hand.
pub(crate) const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));

fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| {
        let made = Authority::create("gate.test", NOW).unwrap();
        Authority::load(&made.cert_pem, &made.key_pem).unwrap()
    })
}

/// A request gives its key and nothing else: whatever it asks for, the certificate names the device that the gate chose, and is
/// for that.
pub(crate) fn request(bytes: &[u8]) {
    let key = Authority::key_of_request(bytes);
    let issued = authority().issue(bytes, "lap-7", Duration::from_secs(3600), NOW);
    assert_eq!(key.is_ok(), issued.is_ok());
    let (Ok(key), Ok(issued)) = (key, issued) else { return };
    assert_eq!(issued.key_fingerprint, key);
    assert_eq!(fingerprint::public_key(&issued.certificate_der).ok(), Some(key));
    let trust = authority().trust("house").unwrap();
    let device = trust.verify(std::slice::from_ref(&issued.certificate_der), NOW).expect("what we sign we trust");
    assert_eq!(&*device.id, "lap-7");
    assert!(device.not_after.as_secs() <= NOW.as_secs() + 3600);
    let later = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs() + 7200));
    assert!(trust.verify(&[issued.certificate_der], later).is_err());
}

/// The body of an enrolment is taken whole or not at all, and what it says is not printed.
pub(crate) fn enrolment(bytes: &[u8]) {
    let Ok(request) = Enrolment::read(bytes) else { return };
    let shown = format!("{request:?}");
    let mut other = serde_json::to_value(&request).unwrap();
    other["code"] = "another".into();
    let other = Enrolment::read(&serde_json::to_vec(&other).unwrap()).expect("any code can be written");
    assert_eq!(format!("{other:?}"), shown, "whatever the code is, it is not shown");
    let again = Enrolment::read(&serde_json::to_vec(&request).unwrap()).expect("what was read can be written");
    assert_eq!(
        (&again.code, &again.csr, &again.name, &again.platform),
        (&request.code, &request.csr, &request.name, &request.platform)
    );
    assert_eq!(again.platform(), request.platform());
    self::request(request.csr.as_bytes());
}

/// What nobody whom we trust has signed names no device, in whatever order it comes.
pub(crate) fn certificate(bytes: &[u8]) {
    let der = CertificateDer::from(bytes);
    let ours = authority().certificate().clone();
    for id in [IdSource::SanUri, IdSource::SanDns, IdSource::SubjectCn, IdSource::Serial] {
        let trust = DeviceTrust::new("mdm", std::slice::from_ref(&ours), &[], id).expect("our own root");
        assert!(trust.verify(&[der.clone(), ours.clone()], NOW).is_err());
        assert!(trust.verify_for_renewal(&[der.clone(), ours.clone()], NOW, Duration::MAX).is_err());
        assert!(trust.verify(&[ours.clone(), der.clone()], NOW).is_err());
    }
    // As a root, it may be one; what we signed is not its.
    if let Ok(trust) = DeviceTrust::new("other", std::slice::from_ref(&der), &[], IdSource::SanUri) {
        assert!(trust.verify(std::slice::from_ref(&ours), NOW).is_err());
        assert!(!trust.root_subjects().is_empty());
    }
    if fingerprint::public_key(&der).is_ok() {
        let text = pem::encode(&der);
        assert_eq!(pem::certificates(text.as_bytes()).ok(), Some(vec![der.clone()]));
    }
    if let Ok(certificates) = pem::certificates(bytes) {
        assert!(!certificates.is_empty());
        let text: String = certificates.iter().map(pem::encode).collect();
        assert_eq!(pem::certificates(text.as_bytes()).ok(), Some(certificates));
    }
    assert!(ServerCertificate::from_pem(bytes, bytes, NOW).is_err() || bytes.windows(11).any(|window| window == b"PRIVATE KEY"));
}

/// A public area that is taken is of a key that cannot leave its TPM, and that has one name.
pub(crate) fn public_area(bytes: &[u8]) {
    let Ok(area) = PublicArea::read(bytes) else { return };
    let attributes = u32::from_be_bytes(bytes[4..8].try_into().expect("it was read"));
    // fixedTPM, fixedParent, sensitiveDataOrigin and sign, without restricted and decrypt.
    assert_eq!(attributes & 0x0007_0032, 0x0004_0032);
    assert_eq!(area.name().as_ref().len(), 34);
    assert!(PublicArea::read(&[bytes, &[0]].concat()).is_err(), "nothing may follow");
    let mut other = bytes.to_vec();
    *other.last_mut().expect("it was read") ^= 1;
    let other = PublicArea::read(&other).expect("another point");
    assert!(other.name() != area.name() && other.fingerprint() != area.fingerprint());
}

/// A list that is not our authority's never lets our devices in: with one, each certificate has to be covered.
pub(crate) fn revocation_list(bytes: &[u8]) {
    let Ok(lists) = pem::revocation_lists(bytes) else { return };
    assert!(!lists.is_empty());
    let root = authority().certificate().clone();
    let Ok(trust) = DeviceTrust::new("mdm", &[root], &lists, IdSource::SanUri) else { return };
    static DEVICE: OnceLock<CertificateDer<'static>> = OnceLock::new();
    let device = DEVICE.get_or_init(|| {
        let key = sekisho_certs::key::DeviceKey::generate().unwrap();
        let csr = key.csr_pem("lap-7").unwrap();
        authority().issue(csr.as_bytes(), "lap-7", Duration::from_secs(3600), NOW).unwrap().certificate_der
    });
    assert!(trust.verify(std::slice::from_ref(device), NOW).is_err());
}
