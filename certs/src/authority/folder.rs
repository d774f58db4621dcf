//! The authority's folder: `authority.pem` and `authority.key`.

use std::path::Path;

use rustls_pki_types::UnixTime;

use super::create::CreateError;
use super::{Authority, LoadError};
use crate::files::{self, FileError};

/// The authority's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files do not work together.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A new authority could not be made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The certificate is there without its key. A new key would turn every enrolled device away, so none is made.
    #[error("{cert} is there, but {key} is not: put the key back from a backup, or move the certificate away to begin anew", cert = CERTIFICATE, key = KEY)]
    KeyMissing,
}

impl Authority {
    /// Opens the authority in `dir`, or makes one there on first start: the folder 0700, the key 0600. Safe against a crash at any
    /// point: what was written first (the key) is taken up again.
    ///
    /// `trust_domain` counts only for a new authority.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn open_or_create(dir: &Path, trust_domain: &str, now: UnixTime) -> Result<Self, FolderError> {
        files::private_dir(dir)?;
        let (cert_path, key_path) = (dir.join(CERTIFICATE), dir.join(KEY));
        match (files::exists(&cert_path)?, files::exists(&key_path)?) {
            (true, true) => {}
            (true, false) => return Err(FolderError::KeyMissing),
            (false, true) => {
                let key_pem = files::read_private_text(&key_path)?;
                files::write_public(&cert_path, Self::certificate_for(&key_pem, trust_domain, now)?.as_bytes())?;
            }
            (false, false) => {
                let created = Self::create(trust_domain, now)?;
                files::create_private(&key_path, created.key_pem.as_bytes())?;
                files::write_public(&cert_path, created.cert_pem.as_bytes())?;
            }
        }
        let cert_pem = files::read_public(&cert_path)?;
        let key_pem = files::read_private_text(&key_path)?;
        Ok(Self::load(&String::from_utf8_lossy(&cert_pem), &key_pem)?)
    }
}

/// File name of the certificate.
pub const CERTIFICATE: &str = "authority.pem";
/// File name of the key.
pub const KEY: &str = "authority.key";
