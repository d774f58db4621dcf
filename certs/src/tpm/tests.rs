//! Against what tpm2-tools made of keys in a TPM (`testdata/tpm`), and against everything that is almost right.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, PublicKeyData, SubjectPublicKeyInfo};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::soft::{SoftTpm, endorsement_params, open, public_area};
use super::*;
use crate::fingerprint;
use crate::trust::CertificateRefusal;
use crate::trust::tests::pki::{Ca, DAY, NOW, at, ca_params, date};

macro_rules! sample {
    ($name:literal) => {
        include_bytes!(concat!("../../testdata/tpm/", $name))
    };
}

/// A `TPM2B_PUBLIC` as tpm2-tools write it, without its length.
fn area(file: &[u8]) -> Vec<u8> {
    file[2..].to_vec()
}

fn refusal(octets: &[u8]) -> PublicAreaRefusal {
    PublicArea::read(octets).unwrap_err()
}

/// A good one with the attributes changed.
fn with_attributes(change: impl FnOnce(u32) -> u32) -> Vec<u8> {
    let mut octets = area(sample!("key.pub"));
    let attributes = u32::from_be_bytes(octets[4..8].try_into().unwrap());
    octets[4..8].copy_from_slice(&change(attributes).to_be_bytes());
    octets
}

#[test]
fn a_public_area_gives_the_name_and_the_key_that_the_tpm_gives() {
    for (public, name, spki) in [
        (sample!("key.pub").as_slice(), sample!("key.name"), sample!("key.spki")),
        (sample!("key2.pub").as_slice(), sample!("key2.name"), sample!("key2.spki")),
    ] {
        let read = PublicArea::read(&area(public)).unwrap();
        assert_eq!(read.name().as_ref(), name);
        assert_eq!(read.fingerprint(), &fingerprint::spki(spki));
    }
}

#[test]
fn keys_of_other_kinds_are_refused_by_name() {
    for kind in [sample!("rsa.pub").as_slice(), sample!("p384.pub")] {
        assert_eq!(refusal(&area(kind)), PublicAreaRefusal::Kind);
    }
    assert_eq!(refusal(&area(sample!("exportable.pub"))), PublicAreaRefusal::Movable);
    assert_eq!(refusal(&area(sample!("decrypt.pub"))), PublicAreaRefusal::Use);
    assert_eq!(refusal(&area(sample!("signdecrypt.pub"))), PublicAreaRefusal::Use);
}

#[test]
fn each_attribute_counts() {
    assert!(PublicArea::read(&with_attributes(|all| all)).is_ok());
    for (bit, refused) in [
        (1, PublicAreaRefusal::Movable),
        (4, PublicAreaRefusal::Movable),
        (5, PublicAreaRefusal::Imported),
        (18, PublicAreaRefusal::Use),
    ] {
        assert_eq!(refusal(&with_attributes(|all| all & !(1 << bit))), refused, "without bit {bit}");
    }
    for (bit, refused) in [
        (16, PublicAreaRefusal::Use),
        (17, PublicAreaRefusal::Use),
        (0, PublicAreaRefusal::Malformed),
        (31, PublicAreaRefusal::Malformed),
    ] {
        assert_eq!(refusal(&with_attributes(|all| all | 1 << bit)), refused, "with bit {bit}");
    }
}

#[test]
fn nothing_may_be_missing_and_nothing_may_follow() {
    for whole in [area(sample!("key.pub")), area(sample!("key2.pub"))] {
        for end in 0..whole.len() {
            assert_eq!(refusal(&whole[..end]), PublicAreaRefusal::Malformed, "{end}");
        }
        assert_eq!(refusal(&[whole.as_slice(), &[0]].concat()), PublicAreaRefusal::Malformed);
    }
}

#[test]
fn other_digests_schemes_and_curves_are_of_another_kind() {
    let (plain, ecdsa) = (area(sample!("key.pub")), area(sample!("key2.pub")));
    // nameAlg SHA-1, symmetric AES, scheme ECDAA, curve P-384, a derivation; hash of the scheme SHA-1.
    for (octets, at, value) in
        [(&plain, 3, 0x04), (&plain, 11, 0x06), (&ecdsa, 13, 0x1a), (&plain, 15, 4), (&plain, 17, 0x20), (&ecdsa, 15, 4)]
    {
        let mut other = octets.clone();
        other[at] = value;
        assert_eq!(refusal(&other), PublicAreaRefusal::Kind, "{at}");
    }
}

#[test]
fn a_coordinate_without_its_zeros_is_the_same_key() {
    let spki = [public_area::SPKI_OF_P256.as_slice(), &[0], &[7; 31], &[9; 32]].concat();
    let whole = public_area(&spki);
    let short = [&whole[..18], &[0, 31], &[7; 31], &[0, 32], &[9; 32]].concat();
    let read = PublicArea::read(&short).unwrap();
    assert_eq!(read.fingerprint(), &fingerprint::spki(&spki));
    assert_ne!(read.name(), PublicArea::read(&whole).unwrap().name(), "the name is of the octets");
}

proptest! {
    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let _any = PublicArea::read(&octets);
    }

    /// One bit makes another key, another name, or none.
    #[test]
    fn a_changed_bit_is_noticed(at in 0_usize..86, bit in 0_u8..8) {
        let whole = area(sample!("key.pub"));
        let mut other = whole.clone();
        other[at] ^= 1 << bit;
        if let Ok(read) = PublicArea::read(&other) {
            let before = PublicArea::read(&whole).unwrap();
            prop_assert_ne!(read.name(), before.name());
        }
    }
}

fn rsa_key() -> OaepPrivateDecryptingKey {
    let der = PrivatePkcs8KeyDer::from_pem_slice(sample!("ek-rsa.pem")).unwrap();
    OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(der.secret_pkcs8_der()).unwrap()).unwrap()
}

fn opened_with_rsa(blob: &[u8], secret: &[u8], public_area: &[u8]) -> Option<Vec<u8>> {
    let key = rsa_key();
    let mut seed = vec![0; key.min_output_size()];
    let seed = key.decrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut seed, Some(b"IDENTITY\0")).ok()?;
    open(seed, public_area, blob)
}

/// What tpm2-tools wrote: a header, then both parts, each with its length.
fn credential(file: &[u8]) -> (&[u8], &[u8]) {
    let mut reader = reader::Reader::new(&file[8..]);
    let parts = (reader.sized().unwrap(), reader.sized().unwrap());
    assert!(reader.is_at_end());
    parts
}

#[test]
fn what_tpm2_tools_lock_up_opens_here() {
    let (blob, secret) = credential(sample!("credential-rsa.bin"));
    let opened = opened_with_rsa(blob, secret, &area(sample!("key.pub"))).unwrap();
    assert_eq!(opened, b"0123456789abcdef0123456789abcdef");
    assert_eq!(opened_with_rsa(blob, secret, &area(sample!("key2.pub"))), None, "it is for one key");
}

/// The same seed and secret give the same octets: our half is the tools' half.
#[test]
fn our_wrapping_is_that_of_tpm2_tools() {
    let name = *PublicArea::read(&area(sample!("key.pub"))).unwrap().name();
    let (blob, secret) = credential(sample!("credential-rsa.bin"));
    let mut seed = vec![0; rsa_key().min_output_size()];
    let seed = rsa_key().decrypt(&OAEP_SHA256_MGF1SHA256, secret, &mut seed, Some(b"IDENTITY\0")).unwrap().to_vec();
    let ours = credential::wrap(&seed.try_into().unwrap(), &name, b"0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!(ours, blob);

    let (blob, secret) = credential(sample!("credential-ecc.bin"));
    let key = PrivatePkcs8KeyDer::from_pem_slice(sample!("ek-ecc.pem")).unwrap();
    let key = PrivateKey::from_private_key_der(&ECDH_P256, key.secret_pkcs8_der()).unwrap();
    let mine = key.compute_public_key().unwrap();
    let (x, y) = (&secret[2..34], &secret[36..68]);
    let seed = agree(&key, UnparsedPublicKey::new(&ECDH_P256, [&[4], x, y].concat()), (), |shared| {
        Ok(credential::derive_from_point(shared, credential::IDENTITY, x, &mine.as_ref()[1..33]))
    });
    let ours = credential::wrap(&seed.unwrap(), &name, b"0123456789abcdef0123456789abcdef").unwrap();
    assert_eq!(ours, blob);
}

fn maker() -> Ca {
    Ca::root("TPM maker")
}

fn trust(ca: &Ca) -> EndorsementTrust {
    EndorsementTrust::new(std::slice::from_ref(&ca.der)).unwrap()
}

fn rsa_spki() -> SubjectPublicKeyInfo {
    let der = PrivatePkcs8KeyDer::from_pem_slice(sample!("ek-rsa.pem")).unwrap();
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_RSA_SHA256).unwrap();
    SubjectPublicKeyInfo::from_der(&key.subject_public_key_info()).unwrap()
}

#[test]
fn a_challenge_opens_in_its_tpm_for_its_key_alone() {
    let (ca, tpm) = (maker(), SoftTpm::new());
    let endorsement = trust(&ca).verify(&tpm.certificate(&ca.issuer), &[], at(NOW)).unwrap();
    assert_eq!(endorsement.fingerprint(), &fingerprint::spki(&tpm.spki()));
    let mine = area(sample!("key.pub"));
    let name = *PublicArea::read(&mine).unwrap().name();
    let Challenge { blob, secret } = Challenge::new(&endorsement, &name, &[5; 32]).unwrap();
    assert_eq!(tpm.activate(&mine, &blob, &secret), Some(vec![5; 32]));
    assert_eq!(tpm.activate(&area(sample!("key2.pub")), &blob, &secret), None, "another key");
    assert_eq!(SoftTpm::new().activate(&mine, &blob, &secret), None, "another TPM");
}

#[test]
fn a_challenge_for_rsa_opens() {
    let ca = maker();
    let certificate = ca.sign_key(&endorsement_params(), &rsa_spki());
    let endorsement = trust(&ca).verify(&certificate, &[], at(NOW)).unwrap();
    assert_eq!(endorsement.fingerprint(), &fingerprint::public_key(&certificate).unwrap());
    let mine = area(sample!("key2.pub"));
    let name = *PublicArea::read(&mine).unwrap().name();
    let Challenge { blob, secret } = Challenge::new(&endorsement, &name, &[6; 32]).unwrap();
    assert_eq!(opened_with_rsa(&blob, &secret, &mine), Some(vec![6; 32]));
}

fn verified(trust: &EndorsementTrust, params: &CertificateParams, ca: &Ca) -> Result<Endorsement, EndorsementRefusal> {
    trust.verify(&ca.sign_key(params, &SubjectPublicKeyInfo::from_der(&SoftTpm::new().spki()).unwrap()), &[], at(NOW))
}

fn params(change: impl FnOnce(&mut CertificateParams)) -> CertificateParams {
    let mut params = endorsement_params();
    change(&mut params);
    params
}

#[test]
fn a_certificate_says_that_it_is_for_an_endorsement_key() {
    let ca = maker();
    let trust = trust(&ca);
    assert!(verified(&trust, &endorsement_params(), &ca).is_ok());
    let nothing = params(|params| params.extended_key_usages.clear());
    assert_eq!(verified(&trust, &nothing, &ca), Err(EndorsementRefusal::Purpose));
    let platform = params(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 2])]);
    assert!(verified(&trust, &platform, &ca).is_err());
    let any = params(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any]);
    assert!(verified(&trust, &any, &ca).is_err());
    let authority = params(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    assert!(verified(&trust, &authority, &ca).is_err());
}

#[test]
fn dates_count_and_those_of_the_makers_too() {
    let ca = maker();
    let ended = params(|params| params.not_after = date(NOW - 1));
    let untrusted = |refusal| Err(EndorsementRefusal::Untrusted(refusal));
    assert_eq!(verified(&trust(&ca), &ended, &ca), untrusted(CertificateRefusal::Expired { not_after: at(NOW - 1) }));
    let mut old = ca_params("TPM maker");
    old.not_after = date(NOW - DAY / 2);
    let old = Ca::root_with(old);
    assert_eq!(verified(&trust(&old), &endorsement_params(), &old), untrusted(CertificateRefusal::AuthorityNotValid));
}

#[test]
fn only_listed_makers_count() {
    let (ca, other) = (maker(), maker());
    let below = ca.below(ca_params("TPM maker's plant"));
    let tpm = SoftTpm::new();
    let (direct, deep) = (tpm.certificate(&ca.issuer), tpm.certificate(&below.issuer));
    let judge =
        |trust: &EndorsementTrust, leaf: &CertificateDer<'_>, above: &[CertificateDer<'_>]| trust.verify(leaf, above, at(NOW));
    assert!(judge(&trust(&ca), &direct, &[]).is_ok());
    assert!(judge(&trust(&other), &direct, std::slice::from_ref(&ca.der)).is_err(), "a chain brings no root");
    assert!(judge(&trust(&ca), &deep, &[]).is_err(), "what is between is missing");
    assert!(judge(&trust(&ca), &deep, std::slice::from_ref(&below.der)).is_ok());
    assert!(judge(&trust(&below), &deep, &[]).is_ok(), "what is listed is trusted by itself");
    assert!(judge(&trust(&below), &direct, &[]).is_err(), "and not what is above it");
    let many = vec![below.der.clone(); 7];
    assert_eq!(judge(&trust(&ca), &deep, &many), Err(EndorsementRefusal::TooMany));
    assert!(EndorsementTrust::new(&[]).is_err());
    assert!(EndorsementTrust::new(&[direct]).is_err(), "no authority");
}

#[test]
fn endorsement_keys_of_other_kinds_are_refused_by_name() {
    let ca = maker();
    let p384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let certificate = ca.sign_key(&endorsement_params(), &p384);
    assert_eq!(trust(&ca).verify(&certificate, &[], at(NOW)), Err(EndorsementRefusal::Kind));
}
