//! A key that is loaded in a TPM, for whoever wants a signature: requests for certificates, and TLS.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest;
use rcgen::{CertificateParams, DistinguishedName, DnType, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use tss_esapi::constants::tss::{TPM2_RH_NULL, TPM2_ST_HASHCHECK};
use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{Digest, HashScheme, HashcheckTicket, Public, Signature, SignatureScheme as TpmScheme};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

use crate::der::{SEQUENCE, number, write};
use crate::{Tpm, TpmError, with_password};

/// A key on P-256 in a TPM. Clones are the same key.
#[derive(Clone)]
pub struct TpmKey(Arc<Loaded>);

struct Loaded {
    tpm: Arc<Tpm>,
    handle: KeyHandle,
    spki: Vec<u8>,
    public: Vec<u8>,
}

impl TpmKey {
    pub(crate) fn new(tpm: Arc<Tpm>, handle: KeyHandle, spki: Vec<u8>, public: Vec<u8>) -> Self {
        Self(Arc::new(Loaded { tpm, handle, spki, public }))
    }

    /// The TPM that it is in.
    pub fn tpm(&self) -> &Arc<Tpm> {
        &self.0.tpm
    }

    /// The public key, DER `SubjectPublicKeyInfo`.
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// What the TPM says of the key: `TPMT_PUBLIC`.
    pub fn public_area(&self) -> &[u8] {
        &self.0.public
    }

    pub(crate) fn handle(&self) -> KeyHandle {
        self.0.handle
    }

    /// A certificate signing request (PKCS#10, DER).
    ///
    /// # Errors
    /// [`TpmError::Refused`].
    pub fn request(&self, common_name: &str) -> Result<Vec<u8>, TpmError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        // What it fails at is the signature.
        let refused = |error: rcgen::Error| TpmError::Refused { doing: "sign the request", cause: error.to_string() };
        Ok(params.serialize_request(self).map_err(refused)?.der().to_vec())
    }

    /// ECDSA with SHA-256, DER.
    ///
    /// # Errors
    /// [`TpmError::Refused`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, TpmError> {
        let hash = digest::digest(&digest::SHA256, message);
        let signature = self.0.tpm.with("sign", |context| {
            let hash = Digest::try_from(hash.as_ref().to_vec())?;
            let scheme = TpmScheme::EcDsa { hash_scheme: HashScheme::new(HashingAlgorithm::Sha256) };
            // Only keys that are restricted have to know who made the digest.
            let nobody = TPMT_TK_HASHCHECK { tag: TPM2_ST_HASHCHECK, hierarchy: TPM2_RH_NULL, digest: Default::default() };
            let nobody = HashcheckTicket::try_from(nobody)?;
            with_password(context, |context| context.sign(self.0.handle, hash, scheme, nobody))
        })?;
        match signature {
            Signature::EcDsa(signature) => {
                let [r, s] = [signature.signature_r(), signature.signature_s()].map(|part| number(part.value()));
                Ok(write(SEQUENCE, &[r, s].concat()))
            }
            _ => Err(TpmError::Refused { doing: "sign", cause: "it made a signature of another kind".to_owned() }),
        }
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        // TPMs have room for three keys or so. If this fails, the end of the connection does it.
        let _gone_anyway = self.tpm.context().flush_context(self.handle.into());
    }
}

impl fmt::Debug for TpmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TpmKey")
    }
}

impl PublicKeyData for TpmKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.spki.get(SPKI_OF_P256.len() - 1..).unwrap_or_default()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for TpmKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Self::sign(self, message).map_err(|_details| rcgen::Error::RemoteKeyError)
    }
}

impl SigningKey for TpmKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SCHEME).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(self.spki()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for TpmKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Self::sign(self, message).map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        SCHEME
    }
}

/// The public key of a public area on P-256.
pub(crate) fn spki(public: &Public) -> Option<Vec<u8>> {
    let Public::Ecc { unique, .. } = public else { return None };
    let mut spki = SPKI_OF_P256.to_vec();
    for coordinate in [unique.x().value(), unique.y().value()] {
        // Old TPMs leave zeros in front away.
        spki.extend(vec![0; 32_usize.checked_sub(coordinate.len())?]);
        spki.extend(coordinate);
    }
    Some(spki)
}

const SCHEME: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// What stands before the coordinates in a `SubjectPublicKeyInfo` of P-256 (RFC 5480); the last octet belongs to the point.
const SPKI_OF_P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
