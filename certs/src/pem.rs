//! Certificates and revocation lists in files, PEM or DER. Nothing is skipped: a half-written file is an error, not a shorter list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::FromDer as _;

use crate::x509::parse;

/// A file does not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// Nothing of the wanted kind is in it.
    #[error("no {0} in it")]
    Nothing(&'static str),
    /// A PEM section is broken: no end line, or not base64.
    #[error("broken PEM: {0}")]
    Broken(String),
    /// A section's content is not what its label says.
    #[error("{kind} number {number} cannot be read")]
    Unreadable {
        /// What it should be.
        kind: &'static str,
        /// Which one, counted from 1.
        number: usize,
    },
}

/// All certificates of a file: PEM with at least one, or a single one in DER. Other PEM sections are passed over.
///
/// # Errors
/// [`PemError`] if there is none, or if any cannot be read.
pub fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    const KIND: &str = "certificate";
    let found: Vec<CertificateDer<'static>> =
        sections(bytes, SectionKind::Certificate, KIND)?.into_iter().map(Into::into).collect();
    match found.iter().position(|der| parse(der).is_err()) {
        Some(at) => Err(PemError::Unreadable { kind: KIND, number: at + 1 }),
        None => Ok(found),
    }
}

/// All revocation lists of a file: PEM with at least one, or a single one in DER.
///
/// # Errors
/// [`PemError`] if there is none, or if any cannot be read.
pub fn revocation_lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    const KIND: &str = "revocation list";
    let found = sections(bytes, SectionKind::Crl, KIND)?;
    let readable = |der: &Vec<u8>| matches!(x509_parser::revocation_list::CertificateRevocationList::from_der(der), Ok(([], _)));
    match found.iter().position(|der| !readable(der)) {
        Some(at) => Err(PemError::Unreadable { kind: KIND, number: at + 1 }),
        None => Ok(found.into_iter().map(Into::into).collect()),
    }
}

/// One certificate as PEM text.
pub fn encode(certificate: &CertificateDer<'_>) -> String {
    encode_section("CERTIFICATE", certificate.as_ref())
}

/// A certificate signing request (PKCS#10, DER) as PEM text.
pub fn encode_request(der: &[u8]) -> String {
    encode_section("CERTIFICATE REQUEST", der)
}

/// One PEM section (RFC 7468): lines of 64 characters.
pub(crate) fn encode_section(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    // 48 bytes make 64 characters.
    for line in der.chunks(48) {
        text.push_str(&STANDARD.encode(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

fn sections(bytes: &[u8], kind: SectionKind, word: &'static str) -> Result<Vec<Vec<u8>>, PemError> {
    // DER of either begins with a SEQUENCE; PEM text never begins with that byte (`0`) followed by a long-form length.
    if let [0x30, length, ..] = bytes
        && *length >= 0x80
    {
        return Ok(vec![bytes.to_vec()]);
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        let (label, content) = section.map_err(|err: pem::Error| PemError::Broken(err.to_string()))?;
        if label == kind {
            found.push(content);
        }
    }
    if found.is_empty() { Err(PemError::Nothing(word)) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn certificates_are_read_in_both_forms() {
        let (one, two) = (certificate(), certificate());
        assert_eq!(certificates(&one).unwrap(), std::slice::from_ref(&one));
        let text = format!("# ours\n{}\n{}", encode(&one), encode(&two));
        assert_eq!(certificates(text.as_bytes()).unwrap(), [one, two]);
    }

    #[test]
    fn our_pem_is_what_openssl_writes() {
        let one = certificate();
        let theirs = rcgen::KeyPair::generate().unwrap().public_key_pem();
        assert_eq!(encode(&one).lines().nth(1).unwrap().len(), theirs.lines().nth(1).unwrap().len());
        assert!(encode(&one).lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn a_file_that_is_not_whole_is_an_error_and_not_a_shorter_list() {
        let (one, two) = (encode(&certificate()), encode(&certificate()));
        let half = two.get(..two.len() / 2).unwrap();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(certificates(b""), Err(PemError::Nothing("certificate")));
        assert_eq!(certificates(b"\n\n"), Err(PemError::Nothing("certificate")));
        assert_eq!(certificates(key.as_bytes()), Err(PemError::Nothing("certificate")));
        assert!(matches!(certificates(format!("{one}{half}").as_bytes()), Err(PemError::Broken(_))));
        assert!(matches!(certificates(half.as_bytes()), Err(PemError::Broken(_))));
        let not_one = encode_section("CERTIFICATE", b"0123");
        let outcome = certificates(format!("{one}{not_one}").as_bytes());
        assert_eq!(outcome, Err(PemError::Unreadable { kind: "certificate", number: 2 }));
        let mut longer = certificate().to_vec();
        longer.push(0);
        assert_eq!(certificates(&longer), Err(PemError::Unreadable { kind: "certificate", number: 1 }));
        assert_eq!(revocation_lists(one.as_bytes()), Err(PemError::Nothing("revocation list")));
    }
}
