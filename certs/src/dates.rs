//! When a certificate begins and ends.

use rustls_pki_types::{CertificateDer, UnixTime};

pub use crate::x509::NotACertificate;
use crate::x509::{Validity, parse};

/// The first and the last second of a certificate. Whether it can be trusted is another question.
///
/// # Errors
/// [`NotACertificate`].
pub fn of(certificate: &CertificateDer<'_>) -> Result<[UnixTime; 2], NotACertificate> {
    let Validity { not_before, not_after } = Validity::of(&parse(certificate)?);
    Ok([not_before, not_after])
}
