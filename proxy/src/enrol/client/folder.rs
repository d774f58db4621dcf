//! Where a device keeps its key and certificate.

use std::path::{Path, PathBuf};

use sekisho_certs::files::{self, FileError};
use sekisho_certs::{pem, pkcs12};

use super::answer::Certificate;
use super::key::{Key, KeyError, KeyKind, KeyPlace};
use crate::secret::{self, NoRandomness, Secret};

/// A folder, 0700, with one device's key and certificate.
#[derive(Clone, Debug)]
pub struct DeviceFolder {
    path: PathBuf,
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// There is a device in it.
    #[error("{} has a device's certificate already; choose another folder with --out, or move this one away", .0.display())]
    Enrolled(PathBuf),
    /// There is none.
    #[error("{} has no device's certificate; enrol first, or name the folder with --out", .0.display())]
    NotEnrolled(PathBuf),
    /// Somebody else is at work in it.
    #[error("{} is being renewed by another `sekisho enroll --renew` right now", .0.display())]
    Busy(PathBuf),
    /// It is not as we left it.
    #[error("{path} cannot be renewed: {problem}", path = .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The key in it, or a new one, cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is a key of an attempt that broke off, and it is not where the next one is to be.
    #[error("{path} is from an attempt that broke off, and {kind}: go on with it, without --key, or delete it first", path = .path.display())]
    OtherPlace {
        /// The key's file.
        path: PathBuf,
        /// Where the key is.
        kind: KeyKind,
    },
    /// The file for browsers cannot be made.
    #[error(transparent)]
    Pkcs12(#[from] pkcs12::Pkcs12Error),
    /// No randomness for a password.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl DeviceFolder {
    /// Opens a folder for a device that is about to enrol, and makes it if need be.
    ///
    /// # Errors
    /// [`FolderError::Enrolled`] if there is a certificate in it; [`FolderError::File`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        files::private_dir(path)?;
        let folder = Self { path: path.to_owned() };
        if files::exists(&folder.file(CERTIFICATE))? || files::exists(&folder.file(PAIRS))? {
            Err(FolderError::Enrolled(folder.path))
        } else {
            Ok(folder)
        }
    }

    /// A folder as it is.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// One of its files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The key: a new one, kept before anything is sent, or that of an attempt which broke off, so that the gate knows it again.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn key(&self, place: &KeyPlace) -> Result<Key, FolderError> {
        let path = self.file(KEY);
        if files::exists(&path)? {
            let key = Key::read(&files::read_private_text(&path)?, place.tcti.as_deref())?;
            return match place.kind {
                Some(wanted) if wanted != key.kind() => Err(FolderError::OtherPlace { path, kind: key.kind() }),
                _ => Ok(key),
            };
        }
        let (key, text) = Key::make(place)?;
        #[cfg(test)]
        super::crash::here()?;
        files::create_private(&path, text.as_bytes())?;
        Ok(key)
    }

    /// Keeps a certificate: PEM for programs, PKCS#12 for browsers under a random password that is written beside it. The
    /// certificate comes last: while it is not there, the attempt can be repeated. A key in a TPM is in no PKCS#12.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn keep(&self, key: &Key, certificate: &Certificate) -> Result<(), FolderError> {
        if let Some(pkcs8) = key.pkcs8() {
            let password = Secret::new(secret::token()?);
            let name = certificate.enrolled.device.as_str();
            let packed = pkcs12::encode(name, &pkcs8, &certificate.chain, password.expose())?;
            #[cfg(test)]
            super::crash::here()?;
            files::write_private(&self.file(PKCS12), &packed)?;
            #[cfg(test)]
            super::crash::here()?;
            files::write_private(&self.file(PASSWORD), format!("{}\n", password.expose()).as_bytes())?;
        }
        let (leaf, above) = certificate.chain.split_first().map_or((None, [].as_slice()), |(leaf, above)| (Some(leaf), above));
        #[cfg(test)]
        super::crash::here()?;
        files::write_public(&self.file(CHAIN), above.iter().map(pem::encode).collect::<String>().as_bytes())?;
        #[cfg(test)]
        super::crash::here()?;
        files::write_private(&self.file(CERTIFICATE), leaf.map(pem::encode).unwrap_or_default().as_bytes())?;
        Ok(())
    }
}

/// Name of the folder that renewed keys and certificates are in.
pub(super) const PAIRS: &str = "pairs";
/// What belongs together.
pub(super) const FILES: [&str; 5] = [KEY, CERTIFICATE, CHAIN, PKCS12, PASSWORD];
/// File name of the private key, 0600: PKCS#8 PEM, or one that only the TPM of the device can use (`TSS2 PRIVATE KEY`).
pub const KEY: &str = "device.key";
/// File name of the device's certificate, PEM, 0600.
pub const CERTIFICATE: &str = "device.pem";
/// File name of the authority's certificate, PEM.
pub const CHAIN: &str = "authority.pem";
/// File name of key and certificate for browsers, 0600.
pub const PKCS12: &str = "device.p12";
/// File name of its password, 0600.
pub const PASSWORD: &str = "device.p12.password";
