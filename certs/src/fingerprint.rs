//! SHA-256 fingerprints of certificates and public keys, and the form in which people compare them.

use rustls_pki_types::CertificateDer;

use crate::entropy::hex;
pub use crate::x509::NotACertificate;
use crate::x509::parse;

/// SHA-256 of a whole certificate: `x5t#S256` (RFC 8705) before base64url.
pub fn certificate(der: &CertificateDer<'_>) -> [u8; 32] {
    sha256(der.as_ref())
}

/// SHA-256 of the certificate's public key (DER `SubjectPublicKeyInfo`): the same for every certificate of one key.
///
/// # Errors
/// [`NotACertificate`] if the bytes are not one.
pub fn public_key(der: &CertificateDer<'_>) -> Result<[u8; 32], NotACertificate> {
    Ok(sha256(parse(der)?.public_key().raw))
}

/// SHA-1 of the bits of the certificate's public key, in lower-case hex: the name that many programs give to the key of a certificate (RFC
/// 5280, section 4.2.1.2, method 1). To find it again, not to tell keys apart that somebody made for it.
///
/// # Errors
/// [`NotACertificate`] if the bytes are not one.
pub fn key_identifier(der: &CertificateDer<'_>) -> Result<String, NotACertificate> {
    let certificate = parse(der)?;
    let bits = &certificate.public_key().subject_public_key.data;
    Ok(hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bits).as_ref()))
}

/// SHA-256 of a DER `SubjectPublicKeyInfo`.
pub fn spki(der: &[u8]) -> [u8; 32] {
    sha256(der)
}

/// The form that two people compare: 64 hex digits in groups of four.
pub fn for_people(fingerprint: &[u8; 32]) -> String {
    fingerprint.chunks(2).map(hex).collect::<Vec<_>>().join(" ")
}

/// Reads what a person typed or pasted: 64 hex digits in any case; spaces, colons and dashes between them do not matter.
/// `None` if it is anything else, a shortened fingerprint included.
pub fn from_people(text: &str) -> Option<[u8; 32]> {
    let mut digits = text.chars().filter(|c| !matches!(c, ' ' | ':' | '-' | '\n' | '\r' | '\t'));
    let mut out = [0; 32];
    for byte in &mut out {
        let high = digits.next()?.to_digit(16)?;
        let low = digits.next()?.to_digit(16)?;
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(out)
}

fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_may_paste_it_in_several_spellings() {
        let fingerprint = sha256(b"abc");
        let text = for_people(&fingerprint);
        assert!(text.starts_with("ba78 16bf 8f01 "), "{text}");
        for spelling in [text.clone(), text.replace(' ', ""), text.to_uppercase().replace(' ', ":"), format!("{text}\n")] {
            assert_eq!(from_people(&spelling), Some(fingerprint), "{spelling}");
        }
    }

    #[test]
    fn a_part_or_more_than_a_fingerprint_is_none() {
        let text = for_people(&sha256(b"abc"));
        for wrong in ["", "ba78", &text.replace('b', "g"), &format!("{text} 00"), &text.replacen('a', "", 1)] {
            assert_eq!(from_people(wrong), None, "{wrong}");
        }
    }
}
