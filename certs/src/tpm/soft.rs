//! What a TPM does with its endorsement key, done by software: for tests that have no TPM. Tests of other crates include this file, too,
//! so it uses nothing of ours.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::cipher::{AES_128, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac};
use rcgen::{
    CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SubjectPublicKeyInfo, date_time_ymd,
};
use rustls_pki_types::CertificateDer;

/// An endorsement key on P-256.
pub(crate) struct SoftTpm(PrivateKey);

impl SoftTpm {
    pub(crate) fn new() -> Self {
        Self(PrivateKey::generate(&ECDH_P256).unwrap())
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.0.compute_public_key().unwrap().as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// What its maker says of it.
    pub(crate) fn certificate(&self, maker: &Issuer<'_, KeyPair>) -> CertificateDer<'static> {
        let spki = SubjectPublicKeyInfo::from_der(&self.spki()).unwrap();
        endorsement_params().signed_by(&spki, maker).unwrap().der().clone()
    }

    /// What `TPM2_ActivateCredential` does for the key with this public area.
    pub(crate) fn activate(&self, public_area: &[u8], blob: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
        let (x, y) = (secret.get(2..34)?, secret.get(36..68)?);
        let mine = self.0.compute_public_key().unwrap();
        let their_point = [&[4], x, y].concat();
        let seed = agree(&self.0, UnparsedPublicKey::new(&ECDH_P256, their_point), (), |shared| {
            let input = [&[0, 0, 0, 1], shared, b"IDENTITY\0", x, &mine.as_ref()[1..33]].concat();
            Ok(digest::digest(&digest::SHA256, &input).as_ref().to_vec())
        });
        open(&seed.ok()?, public_area, blob)
    }
}

/// Opens what is locked with `seed` for the key with this public area.
pub(crate) fn open(seed: &[u8], public_area: &[u8], blob: &[u8]) -> Option<Vec<u8>> {
    let name = [&[0, 0x0b], digest::digest(&digest::SHA256, public_area).as_ref()].concat();
    let derived = |label: &[u8], context: &[u8], bits: u32| {
        let input = [&[0, 0, 0, 1], label, context, &bits.to_be_bytes()].concat();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seed), &input).as_ref().to_vec()
    };
    let (check, identity) = (blob.get(2..34)?, blob.get(34..)?);
    let key = hmac::Key::new(hmac::HMAC_SHA256, &derived(b"INTEGRITY\0", &[], 256));
    hmac::verify(&key, &[identity, &name].concat(), check).ok()?;
    let key = UnboundCipherKey::new(&AES_128, &derived(b"STORAGE\0", &name, 128)[..16]).unwrap();
    let mut identity = identity.to_vec();
    let start = DecryptionContext::Iv128(FixedLength::from([0; 16]));
    let opened = DecryptingKey::cfb128(key).unwrap().decrypt(&mut identity, start).unwrap();
    Some(opened.get(2..)?.to_vec())
}

/// The form of an endorsement certificate.
pub(crate) fn endorsement_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    (params.not_before, params.not_after) = (date_time_ymd(2026, 1, 1), date_time_ymd(2040, 1, 1));
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::KeyAgreement];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    params
}

/// The public area of a signing key on P-256 that was made in a TPM and stays there.
pub(crate) fn public_area(spki: &[u8]) -> Vec<u8> {
    let point = &spki[spki.len() - 64..];
    let head = [0, 0x23, 0, 0x0b, 0, 4, 0, 0x72, 0, 0, 0, 0x10, 0, 0x10, 0, 3, 0, 0x10];
    [head.as_slice(), &[0, 32], &point[..32], &[0, 32], &point[32..]].concat()
}
