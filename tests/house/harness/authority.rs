//! A certificate authority of the test's own, for the gate, the providers and foreign devices.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::CertificateDer;

/// A root and what it signs.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its key, PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut root = CertificateParams::default();
        root.distinguished_name.push(DnType::CommonName, name);
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self { issuer: CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// For a server with these names.
    pub(crate) fn server<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> Identity {
        let mut leaf = CertificateParams::default();
        leaf.subject_alt_names = hosts.into_iter().map(|host| SanType::DnsName(host.try_into().unwrap())).collect();
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        self.sign(&leaf)
    }

    /// For a device that this URI names.
    pub(crate) fn device(&self, uri: &str) -> Identity {
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name.push(DnType::CommonName, "a device");
        leaf.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        self.sign(&leaf)
    }

    fn sign(&self, leaf: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }
}
