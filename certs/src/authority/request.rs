//! Certificate signing requests (PKCS#10, RFC 2986): of which only the key is believed, once it is proved.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo as ParsedKey;

use crate::fingerprint;

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
    is_strong(key)?;
    parsed.verify_signature().map_err(|_details| RequestError::NotProved)?;
    let spki = SubjectPublicKeyInfo::from_der(key.raw).map_err(|_details| RequestError::KeyKind)?;
    Ok(ProvedKey { spki, fingerprint: fingerprint::spki(key.raw) })
}

fn is_strong(key: &ParsedKey<'_>) -> Result<(), RequestError> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        return if curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384) {
            Ok(())
        } else {
            Err(RequestError::KeyKind)
        };
    }
    if *algorithm == OID_SIG_ED25519 {
        return Ok(());
    }
    if *algorithm != OID_PKCS1_RSAENCRYPTION {
        return Err(RequestError::KeyKind);
    }
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else { return Err(RequestError::Malformed) };
    match modulus_bits(rsa.modulus) {
        2048..=4096 => Ok(()),
        bits => Err(RequestError::RsaSize { bits }),
    }
}

/// Exact, unlike the length of its octets: a modulus of 2047 bits is one of 256 octets.
fn modulus_bits(modulus: &[u8]) -> usize {
    let begin = modulus.iter().position(|&byte| byte != 0).unwrap_or(modulus.len());
    let zeros = modulus.get(begin).map_or(0, |first| first.leading_zeros() as usize);
    (modulus.len() - begin) * 8 - zeros
}

/// A request with an RSA key of 4096 bits has about 1.7 kB in PEM.
const MAX_BYTES: usize = 16 * 1024;
