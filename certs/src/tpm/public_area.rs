//! What a TPM says of a key (`TPMT_PUBLIC`): its kind, what may be done with it, its public half.

use super::reader::{Reader, TooShort};
use crate::fingerprint;

/// The public area of a key that signs, that was made in the TPM that has it and never leaves it. Made only by [`PublicArea::read`].
///
/// INVARIANT (bound-key): everything that is promised of the key stands in the octets that its [`Name`] is the digest of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicArea {
    name: Name,
    fingerprint: [u8; 32],
}

/// A key's name in the TPM's sense: the digest of its public area, with the number of the algorithm before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name([u8; 34]);

/// A public area that is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicAreaRefusal {
    /// Not one, or with something behind it.
    #[error("the public area of the key cannot be read")]
    Malformed,
    /// Another kind of key.
    #[error(
        "a key of this kind is not accepted from a TPM: ECC on the curve P-256 is, named with SHA-256, that signs with ECDSA and SHA-256"
    )]
    Kind,
    /// The key could leave the TPM.
    #[error("the key could be taken out of its TPM: it has to be made with `fixedtpm` and `fixedparent`")]
    Movable,
    /// The key was put into the TPM.
    #[error("the key was not made in its TPM: it has to be made with `sensitivedataorigin`")]
    Imported,
    /// The key is not for signing alone.
    #[error("the key is not one for signing alone: it has to be made with `sign`, without `restricted` and `decrypt`")]
    Use,
}

impl From<TooShort> for PublicAreaRefusal {
    fn from(_: TooShort) -> Self {
        Self::Malformed
    }
}

impl PublicArea {
    /// Reads a `TPMT_PUBLIC`, the whole of it and nothing after it.
    ///
    /// # Errors
    /// [`PublicAreaRefusal`].
    pub fn read(octets: &[u8]) -> Result<Self, PublicAreaRefusal> {
        let mut reader = Reader::new(octets);
        let (kind, named_with, attributes) = (reader.u16()?, reader.u16()?, reader.u32()?);
        let _policy = reader.sized()?;
        if (kind, named_with) != (ECC, SHA256) {
            return Err(PublicAreaRefusal::Kind);
        }
        may_only_sign_here(attributes)?;
        // What follows has another form for keys of another kind.
        let symmetric = reader.u16()?;
        let scheme = reader.u16()?;
        let signs_with = if scheme == NULL { SHA256 } else { reader.u16()? };
        let (curve, derivation) = (reader.u16()?, reader.u16()?);
        if symmetric != NULL || ![NULL, ECDSA].contains(&scheme) || signs_with != SHA256 {
            return Err(PublicAreaRefusal::Kind);
        }
        if curve != P256 || derivation != NULL {
            return Err(PublicAreaRefusal::Kind);
        }
        let (x, y) = (coordinate(reader.sized()?)?, coordinate(reader.sized()?)?);
        if !reader.is_at_end() {
            return Err(PublicAreaRefusal::Malformed);
        }
        let fingerprint = fingerprint::spki(&[SPKI_OF_P256.as_slice(), &x, &y].concat());
        Ok(Self { name: Name::of(octets), fingerprint })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// SHA-256 of the public key (DER `SubjectPublicKeyInfo`): whether it is the key of a signing request.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }
}

impl Name {
    fn of(public_area: &[u8]) -> Self {
        let mut name = [0; 34];
        let (algorithm, digest) = name.split_at_mut(2);
        algorithm.copy_from_slice(&SHA256.to_be_bytes());
        digest.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, public_area).as_ref());
        Self(name)
    }
}

impl AsRef<[u8]> for Name {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// All 32 octets of it: old TPMs leave zeros in front away.
fn coordinate(octets: &[u8]) -> Result<[u8; 32], PublicAreaRefusal> {
    let mut whole = [0; 32];
    let zeros = whole.len().checked_sub(octets.len()).ok_or(PublicAreaRefusal::Malformed)?;
    whole.get_mut(zeros..).ok_or(PublicAreaRefusal::Malformed)?.copy_from_slice(octets);
    Ok(whole)
}

fn may_only_sign_here(attributes: u32) -> Result<(), PublicAreaRefusal> {
    let has = |wanted: u32| attributes & wanted == wanted;
    if attributes & !ATTRIBUTES != 0 {
        Err(PublicAreaRefusal::Malformed)
    } else if !has(FIXED_TPM | FIXED_PARENT) {
        Err(PublicAreaRefusal::Movable)
    } else if !has(SENSITIVE_DATA_ORIGIN) {
        Err(PublicAreaRefusal::Imported)
    } else if !has(SIGN) || has(RESTRICTED) || has(DECRYPT) {
        Err(PublicAreaRefusal::Use)
    } else {
        Ok(())
    }
}

// Numbers of algorithms (`TPM_ALG_ID`) and of the curve (`TPM_ECC_CURVE`).
const ECC: u16 = 0x0023;
const SHA256: u16 = 0x000b;
const NULL: u16 = 0x0010;
const ECDSA: u16 = 0x0018;
const P256: u16 = 0x0003;

// `TPMA_OBJECT`.
const FIXED_TPM: u32 = 1 << 1;
const ST_CLEAR: u32 = 1 << 2;
const FIXED_PARENT: u32 = 1 << 4;
const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const ADMIN_WITH_POLICY: u32 = 1 << 7;
const NO_DA: u32 = 1 << 10;
const ENCRYPTED_DUPLICATION: u32 = 1 << 11;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;
const X509_SIGN: u32 = 1 << 19;
/// All that there are.
const ATTRIBUTES: u32 = FIXED_TPM
    | ST_CLEAR
    | FIXED_PARENT
    | SENSITIVE_DATA_ORIGIN
    | USER_WITH_AUTH
    | ADMIN_WITH_POLICY
    | NO_DA
    | ENCRYPTED_DUPLICATION
    | RESTRICTED
    | DECRYPT
    | SIGN
    | X509_SIGN;

/// What stands before the coordinates in a `SubjectPublicKeyInfo` of P-256: RFC 5480.
pub(super) const SPKI_OF_P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
