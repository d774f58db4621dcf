//! A certificate authority of the test's own, for the gate, the providers and foreign devices.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::{Duration, OffsetDateTime};

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
        Self { issuer: CertifiedIssuer::self_signed(of_authority(name), KeyPair::generate().unwrap()).unwrap() }
    }

    /// An authority that this one certified; `change` may make it a bad one.
    pub(crate) fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = of_authority(name);
        change(&mut params);
        Self { issuer: CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &self.issuer).unwrap() }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its own key. What shows it with [`Authority::pem`] shows an authority's certificate as its own.
    pub(crate) fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
    }

    /// For a server with these names.
    pub(crate) fn server<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) -> Identity {
        self.server_with(hosts, |_as_usual| ())
    }

    /// The same with whatever `change` changes of it.
    pub(crate) fn server_with<'a>(
        &self,
        hosts: impl IntoIterator<Item = &'a str>,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut leaf = CertificateParams::default();
        leaf.subject_alt_names = hosts.into_iter().map(|host| SanType::DnsName(host.try_into().unwrap())).collect();
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(&mut leaf);
        self.sign(&leaf)
    }

    /// For a device that this URI names, until that many days from now, which may lie in the past.
    pub(crate) fn device(&self, uri: &str, serial: u64, days: i64) -> Identity {
        self.device_with(uri, |leaf| {
            leaf.serial_number = Some(SerialNumber::from(serial));
            leaf.not_after = OffsetDateTime::now_utc() + Duration::days(days);
        })
    }

    /// For a device that this URI names, with whatever `change` changes of it.
    pub(crate) fn device_with(&self, uri: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        self.device_with_key(uri, &KeyPair::generate().unwrap(), change)
    }

    /// The same for a key of its own.
    pub(crate) fn device_with_key(&self, uri: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let now = OffsetDateTime::now_utc();
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name.push(DnType::CommonName, "a device");
        leaf.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).unwrap())];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        (leaf.not_before, leaf.not_after) = (now - Duration::days(30), now + Duration::days(30));
        change(&mut leaf);
        let certificate = leaf.signed_by(key, &self.issuer).unwrap();
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }

    /// The list of withdrawn certificates, good for that many days from now, PEM.
    pub(crate) fn withdrawn(&self, serials: &[u64], days: i64) -> String {
        self.withdrawn_with(serials, |list| list.next_update = OffsetDateTime::now_utc() + Duration::days(days))
    }

    /// The list of withdrawn certificates, with whatever `change` changes of it, PEM.
    pub(crate) fn withdrawn_with(&self, serials: &[u64], change: impl FnOnce(&mut CertificateRevocationListParams)) -> String {
        let now = OffsetDateTime::now_utc();
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: now - Duration::days(1),
            reason_code: None,
            invalidity_date: None,
        };
        let mut list = CertificateRevocationListParams {
            this_update: now - Duration::days(2),
            next_update: now + Duration::days(10),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        change(&mut list);
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    fn sign(&self, leaf: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

fn of_authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}
