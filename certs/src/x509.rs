//! Reading single certificates, strictly: one certificate, nothing after it, no extension twice.

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;

/// The bytes are not one X.509 certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct NotACertificate;

/// When a certificate begins and ends, in seconds since the Unix epoch, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
}

impl Validity {
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Self {
        let validity = certificate.validity();
        Self { not_before: seconds(validity.not_before.timestamp()), not_after: seconds(validity.not_after.timestamp()) }
    }
}

/// Reads one certificate.
pub(crate) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, NotACertificate> {
    match x509_parser::parse_x509_certificate(der.as_ref()) {
        Ok(([], certificate)) if certificate.extensions_map().is_ok() => Ok(certificate),
        _ => Err(NotACertificate),
    }
}

/// Seconds since the epoch as the type that TLS libraries use; what lies before it counts as the epoch.
pub(crate) fn seconds(since_epoch: i64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(since_epoch).unwrap_or(0)))
}

/// The serial number in lower-case hex, without the zero octets that DER puts in front.
pub(crate) fn serial_hex(certificate: &X509Certificate<'_>) -> String {
    let bytes = certificate.raw_serial();
    let begin = bytes.iter().position(|&byte| byte != 0).unwrap_or(bytes.len());
    crate::entropy::hex(bytes.get(begin..).unwrap_or_default())
}
