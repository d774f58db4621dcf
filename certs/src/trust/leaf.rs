//! What a certificate is for.

use x509_parser::certificate::X509Certificate;

use super::refusal::CertificateRefusal;
use crate::strength;

/// A device's certificate says that it is for clients (`clientAuth` itself, not merely "any"), may sign handshakes if it limits
/// its key's use, is not an authority's, and has a key of a kind that
/// we would certify, too.
pub(super) fn is_for_clients(leaf: &X509Certificate<'_>) -> Result<(), CertificateRefusal> {
    let malformed = |_twice_or_broken| CertificateRefusal::Malformed;
    if leaf.is_ca() {
        return Err(CertificateRefusal::IsAuthority);
    }
    if strength::check(leaf.public_key()).is_err() {
        return Err(CertificateRefusal::WeakAlgorithm);
    }
    let purposes = leaf.extended_key_usage().map_err(malformed)?;
    if !purposes.is_some_and(|purposes| purposes.value.client_auth) {
        return Err(CertificateRefusal::WrongPurpose);
    }
    let usage = leaf.key_usage().map_err(malformed)?;
    if usage.is_some_and(|usage| !usage.value.digital_signature()) {
        return Err(CertificateRefusal::WrongPurpose);
    }
    Ok(())
}

/// An authority's certificate: CA, and `keyCertSign` if it limits its key's use.
pub(super) fn may_sign_certificates(authority: &X509Certificate<'_>) -> bool {
    let Ok(usage) = authority.key_usage() else { return false };
    authority.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign())
}
