//! A device's own key, made on the device and never sent anywhere.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use zeroize::Zeroizing;

use crate::fingerprint;

/// An ECDSA P-256 key pair.
pub struct DeviceKey(KeyPair);

/// The crypto library refused.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the device key: {0}")]
pub struct DeviceKeyError(String);

impl DeviceKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`DeviceKeyError`] if the system has no randomness.
    pub fn generate() -> Result<Self, DeviceKeyError> {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map(Self).map_err(|err| DeviceKeyError(err.to_string()))
    }

    /// Reads a key in PKCS#8 PEM, of any kind that can sign requests.
    ///
    /// # Errors
    /// [`DeviceKeyError`], without any part of the key in it.
    pub fn from_pem(pem: &str) -> Result<Self, DeviceKeyError> {
        KeyPair::from_pem(pem).map(Self).map_err(|_details| DeviceKeyError("not a private key in PKCS#8 PEM".to_owned()))
    }

    /// A certificate signing request (PKCS#10 PEM), signed with the key: the proof that whoever sends it has it.
    ///
    /// # Errors
    /// [`DeviceKeyError`] if the crypto library refuses.
    pub fn csr_pem(&self, common_name: &str) -> Result<String, DeviceKeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params
            .serialize_request(&self.0)
            .map(|csr| crate::pem::encode_request(csr.der()))
            .map_err(|err| DeviceKeyError(err.to_string()))
    }

    /// The private key in PKCS#8 PEM. Write it with [`crate::files::create_private`].
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The private key in PKCS#8 DER.
    pub fn key_der(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize_der())
    }

    /// The public key (DER `SubjectPublicKeyInfo`).
    pub fn spki(&self) -> Vec<u8> {
        self.0.subject_public_key_info()
    }

    /// SHA-256 of the public key (DER `SubjectPublicKeyInfo`): the same that the gate computes from the certificate.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint::spki(&self.spki())
    }
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DeviceKey([redacted])")
    }
}
