//! Which keys a device may have: the same for those that we certify and for those that others did.

use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_SIG_ED25519,
};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Why a key is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyRefusal {
    /// An RSA key that is too short, or so long that checking it costs too much.
    RsaSize {
        /// Its length.
        bits: usize,
    },
    /// A key of another kind.
    Kind,
    /// It cannot be read.
    Malformed,
}

/// ECDSA P-256 and P-384, Ed25519, RSA from 2048 to 4096 bits.
pub(crate) fn check(key: &SubjectPublicKeyInfo<'_>) -> Result<(), KeyRefusal> {
    let algorithm = &key.algorithm.algorithm;
    if *algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY {
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        return if curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384) {
            Ok(())
        } else {
            Err(KeyRefusal::Kind)
        };
    }
    if *algorithm == OID_SIG_ED25519 {
        return Ok(());
    }
    if *algorithm != OID_PKCS1_RSAENCRYPTION {
        return Err(KeyRefusal::Kind);
    }
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else { return Err(KeyRefusal::Malformed) };
    match modulus_bits(rsa.modulus) {
        2048..=4096 => Ok(()),
        bits => Err(KeyRefusal::RsaSize { bits }),
    }
}

/// Exact, unlike the length of its octets: a modulus of 2047 bits is one of 256 octets.
fn modulus_bits(modulus: &[u8]) -> usize {
    let begin = modulus.iter().position(|&byte| byte != 0).unwrap_or(modulus.len());
    let zeros = modulus.get(begin).map_or(0, |first| first.leading_zeros() as usize);
    (modulus.len() - begin) * 8 - zeros
}
