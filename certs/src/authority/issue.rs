//! Signing a device's certificate.

use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::Authority;
use super::create::date;
use super::device_id::uri_of_device;
use super::request::{self, RequestError};
use crate::entropy::{self, NoEntropy, hex};

/// A certificate that was just signed.
#[derive(Clone, Debug)]
pub struct Issued {
    /// PEM.
    pub certificate_pem: String,
    /// DER.
    pub certificate_der: CertificateDer<'static>,
    /// Serial number, lower-case hex.
    pub serial_hex: String,
    /// First second.
    pub not_before: UnixTime,
    /// Last second.
    pub not_after: UnixTime,
    /// SHA-256 of the device's public key: what the administrator compares.
    pub key_fingerprint: [u8; 32],
}

/// A certificate that was not signed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IssueError {
    /// The request is not acceptable.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The id cannot stand in a certificate.
    #[error("not a device id: 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit")]
    DeviceId,
    /// The lifetime is zero, or beyond what a certificate can say.
    #[error("the lifetime of the certificate cannot be used")]
    Lifetime,
    /// The authority itself has ended, or has not begun.
    #[error("the device authority's own certificate is not valid now")]
    AuthorityExpired,
    /// No randomness.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The crypto library refused.
    #[error("the crypto library refused: {0}")]
    Crypto(String),
}

impl Authority {
    /// The fingerprint of the key in a request, after the same checks as [`Self::issue`] makes.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn key_of_request(csr: &[u8]) -> Result<[u8; 32], RequestError> {
        Ok(request::read(csr)?.fingerprint)
    }

    /// Signs a certificate for the device `device_id` and the key of `csr` (PKCS#10, PEM or DER), whose possession the request
    /// must prove. The certificate ends after `lifetime`, or with the authority if that is sooner.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, csr: &[u8], device_id: &str, lifetime: Duration, now: UnixTime) -> Result<Issued, IssueError> {
        let key = request::read(csr)?;
        let uri = uri_of_device(&self.trust_domain, device_id).ok_or(IssueError::DeviceId)?;
        let (not_before, not_after) = self.dates(lifetime, now)?;
        let serial = entropy::serial()?;

        let mut params = CertificateParams::default();
        params.not_before = date(not_before.as_secs()).ok_or(IssueError::Lifetime)?;
        params.not_after = date(not_after.as_secs()).ok_or(IssueError::Lifetime)?;
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, device_id);
        // INVARIANT (one-uri-san): this is the only name; `trust::IdSource::Builtin` refuses certificates that have another.
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri).map_err(|_not_ascii| IssueError::DeviceId)?)];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;

        let signed = params.signed_by(&key.spki, &self.issuer).map_err(|err| IssueError::Crypto(err.to_string()))?;
        Ok(Issued {
            certificate_pem: crate::pem::encode(signed.der()),
            certificate_der: signed.der().clone(),
            serial_hex: hex(&serial),
            not_before,
            not_after,
            key_fingerprint: key.fingerprint,
        })
    }

    fn dates(&self, lifetime: Duration, now: UnixTime) -> Result<(UnixTime, UnixTime), IssueError> {
        if now > self.not_after || now < self.not_before {
            return Err(IssueError::AuthorityExpired);
        }
        let end = now.as_secs().checked_add(lifetime.as_secs()).ok_or(IssueError::Lifetime)?.min(self.not_after.as_secs());
        if end <= now.as_secs() {
            return Err(IssueError::Lifetime);
        }
        let begin = now.as_secs().saturating_sub(BACKDATED.as_secs()).max(self.not_before.as_secs());
        Ok((at(begin), at(end)))
    }
}

fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}

/// A device whose clock is a little behind can use its certificate at once.
const BACKDATED: Duration = Duration::from_secs(300);
