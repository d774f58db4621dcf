//! A small world of authorities for tests, in which every fact can be changed.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CrlDistributionPoint, CrlIssuingDistributionPoint,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData, RevokedCertParams,
    SanType, SerialNumber, SignatureAlgorithm,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use time::OffsetDateTime;

/// 2027-01-15, and every certificate here lives from a day before to 30 days after.
pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const DAY: i64 = 86_400;

pub(crate) fn at(seconds: i64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds.try_into().unwrap()))
}

pub(crate) fn date(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

pub(crate) struct Ca {
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) der: CertificateDer<'static>,
}

pub(crate) fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date(NOW - DAY);
    params.not_after = date(NOW + 30 * DAY);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Ca {
    pub(crate) fn root(name: &str) -> Self {
        Self::root_with(ca_params(name))
    }

    pub(crate) fn root_with(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn below(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), der }
    }

    pub(crate) fn sign(&self, params: &CertificateParams) -> CertificateDer<'static> {
        self.sign_key(params, &KeyPair::generate().unwrap())
    }

    pub(crate) fn sign_key(&self, params: &CertificateParams, key: &impl PublicKeyData) -> CertificateDer<'static> {
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }

    pub(crate) fn crl(&self, revoked: &[&[u8]]) -> CertificateRevocationListDer<'static> {
        self.crl_dated(revoked, NOW - DAY, NOW + DAY)
    }

    pub(crate) fn crl_dated(&self, revoked: &[&[u8]], this: i64, next: i64) -> CertificateRevocationListDer<'static> {
        crl_params(revoked, this, next, None).signed_by(&self.issuer).unwrap().der().clone()
    }

    /// A list that says that it is only for certificates which point to this address.
    pub(crate) fn crl_for(&self, revoked: &[&[u8]], url: &str) -> CertificateRevocationListDer<'static> {
        let point =
            CrlIssuingDistributionPoint { distribution_point: CrlDistributionPoint { uris: vec![url.to_owned()] }, scope: None };
        crl_params(revoked, NOW - DAY, NOW + DAY, Some(point)).signed_by(&self.issuer).unwrap().der().clone()
    }
}

fn crl_params(
    revoked: &[&[u8]],
    this: i64,
    next: i64,
    issuing_distribution_point: Option<CrlIssuingDistributionPoint>,
) -> CertificateRevocationListParams {
    let entry = |serial: &&[u8]| RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: date(this),
        reason_code: None,
        invalidity_date: None,
    };
    CertificateRevocationListParams {
        this_update: date(this),
        next_update: date(next),
        crl_number: SerialNumber::from_slice(&[1]),
        issuing_distribution_point,
        revoked_certs: revoked.iter().map(entry).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    }
}

/// A device's certificate as our own authority makes it, for `corp.example` and `lap-7`.
pub(crate) fn device_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "lap-7");
    params.subject_alt_names = vec![uri("spiffe://corp.example/device/lap-7")];
    params.serial_number = Some(SerialNumber::from_slice(&[0x4a, 7]));
    params.not_before = date(NOW - 300);
    params.not_after = date(NOW + 10 * DAY);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

pub(crate) fn device(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = device_params();
    change(&mut params);
    params
}

pub(crate) fn uri(text: &str) -> SanType {
    SanType::URI(text.try_into().unwrap())
}

pub(crate) fn dns(text: &str) -> SanType {
    SanType::DnsName(text.try_into().unwrap())
}

pub(crate) fn key(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).unwrap()
}
