//! Key and certificate of a device's folder, packed for a browser.

use std::fs;
use std::io;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use sekisho_certs::files::{self, FileError};
use sekisho_certs::pkcs12;
use zeroize::Zeroizing;

use super::folder::{DeviceFolder, FolderError, KEY, PASSWORD, PKCS12};
use super::key::KeyKind;
use super::pairs::Pairs;
use super::renew::{Current, RenewError, device_of};
use crate::inventory::DeviceId;
use crate::secret::{self, Secret};

/// What a browser imports.
#[derive(Debug)]
pub struct Packed {
    /// The device that it is of, which is its friendly name too.
    pub device: DeviceId,
    /// PKCS#12.
    pub pkcs12: Zeroizing<Vec<u8>>,
    /// Its password, which was made for it.
    pub password: Secret<String>,
    /// The device's certificate in it.
    pub leaf: CertificateDer<'static>,
    authority: CertificateDer<'static>,
}

impl Packed {
    /// Whether a certificate was made for this device too, by the same authority. Names say nothing about it: whoever enters a device
    /// chooses its name, and other certificates may have the same.
    pub fn is_of_the_device(&self, certificate: &CertificateDer<'_>) -> bool {
        device_of(certificate, &self.authority).as_ref() == Some(&self.device)
    }
}

/// Packs the pair that counts in the device's folder at `path`. Nothing in the folder is changed.
///
/// # Errors
/// [`RenewError::Folder`] if there is no device in it, [`RenewError::Unusable`] if what is there does not fit together.
pub fn packed(path: &Path) -> Result<Packed, RenewError> {
    let folder = Pairs::open(path)?.current();
    let text = files::read_private_text(&folder.file(KEY)).map_err(FolderError::from)?;
    let unusable = |problem| RenewError::Unusable { folder: path.display().to_string(), problem };
    if KeyKind::of(&text) == KeyKind::Tpm {
        return Err(unusable(IN_TPM));
    }
    let Current { kept, key, leaf, authority } = Current::read(&folder, None)?;
    let pkcs8 = key.pkcs8().ok_or_else(|| unusable(IN_TPM))?;
    let password = Secret::new(secret::token().map_err(FolderError::from)?);
    let name = kept.device.as_str();
    let chain = [leaf, authority];
    let pkcs12 = pkcs12::encode(name, &pkcs8, &chain, password.expose()).map_err(FolderError::from)?;
    let [leaf, authority] = chain;
    Ok(Packed { device: kept.device, pkcs12, password, leaf, authority })
}

/// Whether files for browsers are in the device's folder: somebody may still need them.
///
/// # Errors
/// [`FolderError`].
pub fn has_packed(path: &Path) -> Result<bool, FolderError> {
    Ok(files::exists(&DeviceFolder::at(path.to_owned()).file(PKCS12))?)
}

/// Deletes the files for browsers from the device's folder, once nobody needs them.
///
/// # Errors
/// [`FolderError`].
pub fn forget_packed(path: &Path) -> Result<(), FolderError> {
    let pairs = Pairs::open(path)?;
    // Once it was renewed, the folder has links to them.
    for folder in [DeviceFolder::at(path.to_owned()), pairs.current()] {
        for name in [PKCS12, PASSWORD] {
            let file = folder.file(name);
            match fs::remove_file(&file) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(FileError::Io { path: file, source }.into());
                }
                _ => {}
            }
        }
    }
    Ok(())
}

const IN_TPM: &str =
    "the key of this device is in its TPM, and browsers cannot be given it; with --key file, a device has one that they can use";
