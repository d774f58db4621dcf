//! The certificate of a TPM's endorsement key: its maker's word that the key is in a TPM.

use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::{Oid, oid};
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_PKCS1_RSAENCRYPTION};

use super::public_area::SPKI_OF_P256;
use crate::fingerprint;
use crate::trust::{CertificateRefusal, Root, TrustError, chain_end};
use crate::x509::parse;

/// Whom we believe that a key is a TPM's.
#[derive(Debug)]
pub struct EndorsementTrust {
    roots: Vec<Root>,
}

/// An endorsement key that a trusted maker vouches for. Made only by [`EndorsementTrust::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endorsement {
    key: EndorsementKey,
    fingerprint: [u8; 32],
}

/// The key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EndorsementKey {
    /// RSA with 2048 bits, as DER `SubjectPublicKeyInfo`.
    Rsa { spki: Vec<u8> },
    /// A point on P-256, uncompressed.
    P256 { point: [u8; 65] },
}

/// An endorsement certificate that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndorsementRefusal {
    /// It is not valid, or none of the trusted makers signed it.
    #[error("the certificate of the TPM's endorsement key is not taken: {0}")]
    Untrusted(#[from] CertificateRefusal),
    /// It is not for an endorsement key.
    #[error("the certificate is not one of a TPM's endorsement key")]
    Purpose,
    /// The key is of a kind that TPMs have, too, but not one that is known here.
    #[error("the TPM's endorsement key is neither RSA with 2048 bits nor ECC on the curve P-256")]
    Kind,
    /// More certificates than any chain has.
    #[error("there are more than {MOST_ABOVE} certificates above that of the TPM's endorsement key")]
    TooMany,
}

impl EndorsementTrust {
    /// Trusts these authorities, each of them by itself: roots, or what stands below them.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(authorities: &[CertificateDer<'_>]) -> Result<Self, TrustError> {
        if authorities.is_empty() {
            return Err(TrustError::NoRoots);
        }
        let roots = authorities.iter().enumerate().map(|(at, der)| Root::read(at + 1, der)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { roots })
    }

    /// Judges the certificate of an endorsement key; `above` are those of authorities between, if its sender has them.
    ///
    /// # Errors
    /// [`EndorsementRefusal`].
    pub fn verify(
        &self,
        certificate: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Endorsement, EndorsementRefusal> {
        if above.len() > MOST_ABOVE {
            return Err(EndorsementRefusal::TooMany);
        }
        let parsed = parse(certificate).map_err(|_unreadable| CertificateRefusal::Malformed)?;
        let leaf = EndEntityCert::try_from(certificate).map_err(CertificateRefusal::from)?;
        let anchors: Vec<_> = self.roots.iter().map(|root| root.anchor().clone()).collect();
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
        let usage = KeyUsage::required_if_present(PURPOSE_OCTETS);
        let path: VerifiedPath<'_> =
            leaf.verify_for_usage(algorithms.all, &anchors, above, now, usage, None, None).map_err(CertificateRefusal::from)?;
        if chain_end(&self.roots, &path, now)? < now {
            return Err(CertificateRefusal::AuthorityNotValid.into());
        }
        // webpki takes a certificate that does not say what it is for.
        let purposes = parsed.extended_key_usage().map_err(|_twice| CertificateRefusal::Malformed)?;
        if parsed.is_ca() || !purposes.is_some_and(|purposes| purposes.value.other.contains(&PURPOSE)) {
            return Err(EndorsementRefusal::Purpose);
        }
        let key = EndorsementKey::of(&parsed).ok_or(EndorsementRefusal::Kind)?;
        Ok(Endorsement { fingerprint: key.fingerprint(), key })
    }
}

impl Endorsement {
    pub(super) fn key(&self) -> &EndorsementKey {
        &self.key
    }

    /// SHA-256 of the endorsement key (DER `SubjectPublicKeyInfo`): which TPM it is.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl EndorsementKey {
    fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let spki = certificate.public_key();
        let key = spki.subject_public_key.data.as_ref();
        let kind = &spki.algorithm.algorithm;
        if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            let point = key.try_into().ok().filter(|_| curve == Some(OID_EC_P256))?;
            return Some(Self::P256 { point });
        }
        // Some makers say that the key is for OAEP, which is what it is used for; others only that it is RSA.
        let rsa = *kind == OID_PKCS1_RSAENCRYPTION || *kind == RSA_OAEP;
        let usual = key.len() == RSA_2048 && key.starts_with(&RSA_BEGINS) && key.ends_with(&RSA_ENDS);
        (rsa && usual).then(|| Self::Rsa { spki: [&SPKI_OF_RSA[..], key].concat() })
    }

    fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Rsa { spki } => fingerprint::spki(spki),
            Self::P256 { point } => fingerprint::spki(&[SPKI_OF_P256.as_slice(), point.get(1..).unwrap_or_default()].concat()),
        }
    }
}

/// Real chains have one to three.
const MOST_ABOVE: usize = 6;

/// `tcg-kp-EKCertificate`: an endorsement certificate says that it is one.
const PURPOSE: Oid<'static> = oid!(2.23.133.8.1);
const PURPOSE_OCTETS: &[u8] = &[0x67, 0x81, 0x05, 0x08, 0x01];

/// `id-RSAES-OAEP`.
const RSA_OAEP: Oid<'static> = oid!(1.2.840.113549.1.1.7);

/// Octets of an `RSAPublicKey` with 2048 bits and the exponent that all endorsement keys have …
const RSA_2048: usize = 270;
/// … which begins so …
const RSA_BEGINS: [u8; 9] = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
/// … and ends so: 65537.
const RSA_ENDS: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
/// What stands before it in a `SubjectPublicKeyInfo`.
const SPKI_OF_RSA: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82,
    0x01, 0x0f, 0x00,
];
