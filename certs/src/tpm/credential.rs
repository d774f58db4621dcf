//! A secret for one key in one TPM: what `TPM2_MakeCredential` makes, and `TPM2_ActivateCredential` opens (TPM 2.0 Library, Part 1, 24).
//!
//! The TPM opens it only with its endorsement key, and only if a key of the given name is loaded in it, private half and all.

use aws_lc_rs::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

use super::endorsement::{Endorsement, EndorsementKey};
use super::public_area::Name;
use super::reader::sized;

/// A secret, locked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The locked secret with a check value: the contents of a `TPM2B_ID_OBJECT`.
    pub blob: Vec<u8>,
    /// What locks it, for the endorsement key alone: the contents of a `TPM2B_ENCRYPTED_SECRET`.
    pub secret: Vec<u8>,
}

/// The crypto library refused: the endorsement key is none, or there is no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no secret can be locked with this endorsement key")]
pub struct CredentialError;

impl From<Unspecified> for CredentialError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl Challenge {
    /// Locks `secret` up for the TPM with this endorsement key, as long as the key called `name` is loaded in it.
    ///
    /// # Errors
    /// [`CredentialError`].
    pub fn new(endorsement: &Endorsement, name: &Name, secret: &[u8; 32]) -> Result<Self, CredentialError> {
        let (seed, locked) = match endorsement.key() {
            EndorsementKey::Rsa { spki } => seed_for_rsa(spki)?,
            EndorsementKey::P256 { point } => seed_for_p256(point)?,
        };
        let blob = wrap(&seed, name, secret)?;
        Ok(Self { blob, secret: locked })
    }
}

/// A random seed and its encryption.
fn seed_for_rsa(spki: &[u8]) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>), CredentialError> {
    let mut seed = Zeroizing::new([0; 32]);
    rand::fill(&mut *seed)?;
    let key = PublicEncryptingKey::from_der(spki).map_err(|_rejected| CredentialError)?;
    let key = OaepPublicEncryptingKey::new(key)?;
    let mut out = vec![0; key.ciphertext_size()];
    let label = with_zero(IDENTITY);
    let locked = key.encrypt(&OAEP_SHA256_MGF1SHA256, &*seed, &mut out, Some(&label))?.to_vec();
    Ok((seed, locked))
}

/// The seed that a new key and the endorsement key agree on, and the new key's public half.
fn seed_for_p256(theirs: &[u8; 65]) -> Result<(Zeroizing<[u8; 32]>, Vec<u8>), CredentialError> {
    let mine = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let public = mine.compute_public_key()?;
    let (my_x, my_y) = coordinates(public.as_ref()).ok_or(CredentialError)?;
    let (their_x, _) = coordinates(theirs).ok_or(CredentialError)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, theirs);
    let seed = agree_ephemeral(mine, peer, CredentialError, |shared| Ok(derive_from_point(shared, IDENTITY, my_x, their_x)))?;
    let locked = [sized(my_x), sized(my_y)].into_iter().collect::<Option<Vec<_>>>().ok_or(CredentialError)?.concat();
    Ok((seed, locked))
}

/// Encrypts the secret and adds the check value that binds it to `name` (Part 1, 24.4 and 24.5).
pub(super) fn wrap(seed: &[u8; 32], name: &Name, secret: &[u8; 32]) -> Result<Vec<u8>, CredentialError> {
    let key = derive(seed, "STORAGE", name.as_ref(), 128);
    let key = UnboundCipherKey::new(&AES_128, key.get(..16).ok_or(CredentialError)?)?;
    let mut identity = sized(secret).ok_or(CredentialError)?;
    // The key is for this secret alone, so it needs no starting value of its own.
    let start = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    let _start = EncryptingKey::cfb128(key)?.less_safe_encrypt(&mut identity, start)?;
    let check = hmac::Key::new(hmac::HMAC_SHA256, &*derive(seed, "INTEGRITY", &[], 256));
    let check = hmac::sign(&check, &[&identity, name.as_ref()].concat());
    Ok([sized(check.as_ref()).ok_or(CredentialError)?, identity].concat())
}

/// `KDFa` (Part 1, 11.4.10.2), for at most 256 bits: one round.
pub(super) fn derive(seed: &[u8; 32], label: &str, context: &[u8], bits: u32) -> Zeroizing<[u8; 32]> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, seed);
    let round = hmac::sign(&key, &[&1_u32.to_be_bytes(), &*with_zero(label), context, &bits.to_be_bytes()].concat());
    octets(round.as_ref())
}

/// `KDFe` (Part 1, 11.4.10.3) for 256 bits: one round.
pub(super) fn derive_from_point(shared_x: &[u8], label: &str, mine: &[u8], theirs: &[u8]) -> Zeroizing<[u8; 32]> {
    let input = Zeroizing::new([&1_u32.to_be_bytes(), shared_x, &*with_zero(label), mine, theirs].concat());
    octets(digest::digest(&SHA256, &input).as_ref())
}

fn octets(digest: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(digest);
    out
}

/// The TPM's labels end with a zero octet, which counts.
fn with_zero(label: &str) -> Vec<u8> {
    [label.as_bytes(), &[0]].concat()
}

/// The coordinates of an uncompressed point.
pub(super) fn coordinates(point: &[u8]) -> Option<(&[u8], &[u8])> {
    match point.split_first()? {
        (4, coordinates) if coordinates.len() == 64 => coordinates.split_at_checked(32),
        _ => None,
    }
}

/// What the seed is for.
pub(super) const IDENTITY: &str = "IDENTITY";
