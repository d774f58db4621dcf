//! PKCS#12 files (RFC 7292): the form in which browsers and operating systems import a key with its certificate.

use p12_keystore::{Certificate, EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKey, PrivateKeyChain};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::fingerprint;

/// The file could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs12Error {
    /// Without a password the key would lie open.
    #[error("a password is needed")]
    NoPassword,
    /// There is no certificate to put in.
    #[error("a certificate is needed")]
    NoCertificate,
    /// Certificate or key cannot be read, or cannot be written in this form.
    #[error("the PKCS#12 file could not be made: {0}")]
    Unusable(String),
}

/// Packs a key (PKCS#8 DER) with its chain, leaf first, under a friendly name. Encrypted with AES-256 (PBES2, PBKDF2 with
/// HMAC-SHA-256), authenticated with HMAC-SHA-256: what OpenSSL 3, NSS (Firefox, Chromium on Linux), macOS from 12 and Windows
/// from 10 import. The older 3DES/RC2 form is not offered.
///
/// # Errors
/// [`Pkcs12Error`].
pub fn encode(
    friendly_name: &str,
    key_der: &[u8],
    chain: &[CertificateDer<'_>],
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, Pkcs12Error> {
    if password.is_empty() {
        return Err(Pkcs12Error::NoPassword);
    }
    let leaf = chain.first().ok_or(Pkcs12Error::NoCertificate)?;
    let unusable = |err: p12_keystore::error::Error| Pkcs12Error::Unusable(err.to_string());
    let certificates = chain.iter().map(|der| Certificate::from_der(der)).collect::<Result<Vec<_>, _>>().map_err(unusable)?;
    let key = PrivateKey::from_der(key_der).map_err(unusable)?;
    // The id that ties key and certificate together; NSS uses SHA-1, any unique value does.
    let local_key_id = fingerprint::certificate(leaf);
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new(local_key_id.as_slice(), key, certificates);
    store.add_entry(friendly_name, KeyStoreEntry::PrivateKeyChain(entry));
    let file = store
        .writer(password)
        .encryption_algorithm(EncryptionAlgorithm::PbeWithHmacSha256AndAes256)
        .encryption_iterations(ITERATIONS)
        .mac_algorithm(MacAlgorithm::HmacSha256)
        .mac_iterations(ITERATIONS)
        .write()
        .map_err(unusable)?;
    Ok(Zeroizing::new(file))
}

/// A generated password has 128 random bits and needs no stretching; this is for those that people choose.
const ITERATIONS: u32 = 100_000;
