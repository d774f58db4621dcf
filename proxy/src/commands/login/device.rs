//! The device that somebody signs in on, by its folder.

use std::path::Path;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sekisho_certs::{files, fingerprint, pem};

use super::error::LoginError;
use crate::enrol::client::{CERTIFICATE, CHAIN, DeviceFolder, GateAddress, KEY, Key, KeyKind, KnownGate, Shown};
use crate::secret::Digest;

/// What is shown on connections to the gate and to its provider.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) shown: Shown,
    /// SHA-256 of the certificate: what a token for it is bound to (`x5t#S256`).
    pub(super) thumbprint: Digest,
}

impl Device {
    /// Reads key and certificate. A certificate of another authority does as well, if it lies there under the same names.
    ///
    /// # Errors
    /// [`LoginError::NoDevice`], [`LoginError::Device`], [`LoginError::File`].
    pub(super) fn read(folder: &Path) -> Result<Self, LoginError> {
        // A renewal exchanges both by one link: whoever follows it first has both from one pair.
        let pair = folder.join("pairs").join("current");
        let folder = if files::exists(&pair)? { pair.canonicalize().unwrap_or(pair) } else { folder.to_owned() };
        let (certificate, key, above) = (folder.join(CERTIFICATE), folder.join(KEY), folder.join(CHAIN));
        if !files::exists(&certificate)? || !files::exists(&key)? {
            return Err(LoginError::NoDevice(folder));
        }
        let unreadable = |path: &Path, problem| LoginError::Device { path: path.to_owned(), problem };
        let read = |path: &Path| -> Result<Vec<CertificateDer<'static>>, LoginError> {
            pem::certificates(&files::read_public(path)?).map_err(|_details| unreadable(path, "it has no certificate"))
        };
        let mut chain = read(&certificate)?;
        if files::exists(&above)? {
            chain.extend(read(&above)?);
        }
        let leaf = chain.first().ok_or_else(|| unreadable(&certificate, "it has no certificate"))?;
        let thumbprint = Digest(fingerprint::certificate(leaf));
        let text = files::read_private_text(&key)?;
        let key = match KeyKind::of(&text) {
            KeyKind::Tpm => Key::read(&text, None).and_then(|key| key.signing()).map_err(|_details| unreadable(&key, NO_TPM))?,
            KeyKind::File => {
                let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok();
                let signs = der.and_then(|der| rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).ok());
                signs.ok_or_else(|| unreadable(&key, "it has no private key"))?
            }
        };
        Ok(Self { shown: Shown { chain, key }, thumbprint })
    }
}

/// The gate that `folder` belongs to, or the one that was named.
///
/// # Errors
/// [`LoginError::NoGate`], [`LoginError::Folder`].
pub(super) fn gate(
    folder: &Path,
    named: Option<&GateAddress>,
    roots: Option<Vec<CertificateDer<'static>>>,
) -> Result<KnownGate, LoginError> {
    let known = match (KnownGate::read(&DeviceFolder::at(folder.to_owned())), named) {
        (Ok(known), _) => known,
        // What cannot be read does not matter to who names it.
        (Err(_), Some(_)) => None,
        (Err(error), None) => return Err(error.into()),
    };
    let (before, pin, kept) = known.map_or((None, None, None), |known| (Some(known.address), known.pin, known.roots));
    let address = named.cloned().or(before).ok_or_else(|| LoginError::NoGate(folder.to_owned()))?;
    Ok(KnownGate { address, pin, roots: roots.or(kept) })
}

const NO_TPM: &str = "its key is in a TPM, and cannot be used: this takes the TPM of the system, and a `sekisho` that was built with `--features tpm`";
