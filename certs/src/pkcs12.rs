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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use rustls_pki_types::UnixTime;

    use super::*;
    use crate::authority::Authority;
    use crate::key::DeviceKey;

    fn device() -> (DeviceKey, Vec<CertificateDer<'static>>) {
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));
        let created = Authority::create("gate.example", now).unwrap();
        let authority = Authority::load(&created.cert_pem, &created.key_pem).unwrap();
        let key = DeviceKey::generate().unwrap();
        let csr = key.csr_pem("x").unwrap();
        let issued = authority.issue(csr.as_bytes(), "lap-7", Duration::from_secs(86_400), now).unwrap();
        (key, vec![issued.certificate_der, authority.certificate().clone()])
    }

    /// `None` if the program is not installed here.
    fn run(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
        let output = Command::new(program).args(arguments).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }

    fn written(dir: &Path, password: &str) -> String {
        let (key, chain) = device();
        let path = dir.join("device.p12");
        std::fs::write(&path, &*encode("lap-7", &key.key_der(), &chain, password).unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_was_packed_can_be_unpacked_with_the_password() {
        let (key, chain) = device();
        let file = encode("lap-7", &key.key_der(), &chain, "secret words").unwrap();
        let policy = p12_keystore::Pkcs12ImportPolicy::Strict;
        let store = KeyStore::from_pkcs12(&file, "secret words", policy).unwrap();
        let (name, entry) = store.private_key_chain().unwrap();
        assert_eq!((name, entry.key().as_der()), ("lap-7", key.key_der().as_slice()));
        assert_eq!(entry.certs().len(), 2);
        assert!(KeyStore::from_pkcs12(&file, "other words", policy).is_err());
    }

    #[test]
    fn nothing_is_packed_without_a_password_or_a_certificate() {
        let (key, chain) = device();
        assert_eq!(encode("x", &key.key_der(), &chain, ""), Err(Pkcs12Error::NoPassword));
        assert_eq!(encode("x", &key.key_der(), &[], "p"), Err(Pkcs12Error::NoCertificate));
        assert!(matches!(encode("x", b"no key", &chain, "p"), Err(Pkcs12Error::Unusable(_))));
    }

    #[test]
    fn openssl_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), "pässword 1");
        let Some((done, text)) = run("openssl", &["pkcs12", "-info", "-in", &path, "-passin", "pass:pässword 1", "-nodes"])
        else {
            return;
        };
        assert!(done, "{text}");
        assert!(text.contains("PRIVATE KEY") && text.matches("BEGIN CERTIFICATE").count() == 2, "{text}");
        let (done, _) = run("openssl", &["pkcs12", "-in", &path, "-passin", "pass:wrong", "-nodes"]).unwrap();
        assert!(!done);
    }

    #[test]
    fn the_key_store_of_browsers_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), "pass");
        let store = format!("sql:{}", dir.path().to_str().unwrap());
        let Some((done, text)) = run("certutil", &["-N", "--empty-password", "-d", &store]) else { return };
        assert!(done, "{text}");
        let (done, text) = run("pk12util", &["-i", &path, "-d", &store, "-W", "pass"]).unwrap();
        assert!(done, "{text}");
        let (_, text) = run("certutil", &["-L", "-d", &store]).unwrap();
        assert!(text.contains("u,u,u"), "a certificate with its key: {text}");
    }
}
