//! Certificate signing requests (PKCS#10, RFC 2986): of which only the key is believed, once it is proved.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer as _;

use crate::fingerprint;
use crate::strength::{self, KeyRefusal};

/// A request that is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not a request, or more than one.
    #[error("not a certificate signing request (PKCS#10, PEM or DER)")]
    Malformed,
    /// Longer than any real one.
    #[error("the certificate signing request is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// The sender does not have the key.
    #[error("the certificate signing request is not signed by its own key")]
    NotProved,
    /// An RSA key that is too short, or so long that checking it costs too much.
    #[error("an RSA key of {bits} bits is not accepted; 2048 to 4096 are, or better ECDSA P-256")]
    RsaSize {
        /// Its length.
        bits: usize,
    },
    /// A key of another kind.
    #[error("this kind of key is not accepted; ECDSA P-256 and P-384, Ed25519 and RSA (2048 to 4096 bits) are")]
    KeyKind,
}

/// A public key whose private half the sender has.
#[derive(Debug)]
pub(super) struct ProvedKey {
    pub(super) spki: SubjectPublicKeyInfo,
    pub(super) fingerprint: [u8; 32],
}

impl From<KeyRefusal> for RequestError {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::RsaSize { bits } => Self::RsaSize { bits },
            KeyRefusal::Kind => Self::KeyKind,
            KeyRefusal::Malformed => Self::Malformed,
        }
    }
}

/// Reads a request in PEM or DER and checks proof of possession and the kind of key.
pub(super) fn read(request: &[u8]) -> Result<ProvedKey, RequestError> {
    if request.len() > MAX_BYTES {
        return Err(RequestError::TooLong);
    }
    let der = if request.first() == Some(&0x30) {
        CertificateSigningRequestDer::from(request)
    } else {
        CertificateSigningRequestDer::from_pem_slice(request).map_err(|_details| RequestError::Malformed)?
    };
    let Ok(([], parsed)) = X509CertificationRequest::from_der(&der) else { return Err(RequestError::Malformed) };
    let key = &parsed.certification_request_info.subject_pki;
    strength::check(key)?;
    parsed.verify_signature().map_err(|_details| RequestError::NotProved)?;
    let spki = SubjectPublicKeyInfo::from_der(key.raw).map_err(|_details| RequestError::KeyKind)?;
    Ok(ProvedKey { spki, fingerprint: fingerprint::spki(key.raw) })
}

/// A request with an RSA key of 4096 bits has about 1.7 kB in PEM.
const MAX_BYTES: usize = 16 * 1024;
