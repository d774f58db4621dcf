//! A device's key, wherever it is: in a file, or in the TPM of the device, with a file that only that TPM can use.

#[cfg_attr(not(feature = "tpm"), path = "no_tpm.rs")]
mod tpm;

use std::fmt;
use std::sync::Arc;

use clap::ValueEnum;
use rustls::sign::SigningKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use sekisho_certs::key::{DeviceKey, DeviceKeyError};
use sekisho_certs::{fingerprint, pem};
use zeroize::Zeroizing;

use self::tpm::TpmKey;
use crate::enrol::wire::{TpmAnswer, TpmChallenge, TpmEvidence};

/// A key that signs.
#[derive(Debug)]
pub enum Key {
    /// In a file. Who copies it has the key.
    File(DeviceKey),
    /// In the TPM of this device.
    Tpm(TpmKey),
}

/// Where a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyKind {
    /// In a file
    File,
    /// In the TPM of this device
    Tpm,
}

/// Where a key is to be, and how its TPM is reached.
#[derive(Clone, Debug, Default)]
pub struct KeyPlace {
    /// `None`: where the one before is; a first one in a file.
    pub kind: Option<KeyKind>,
    /// The TPM, as the TPM2 tools name it; `None`: the system's.
    pub tcti: Option<String>,
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// One in a file.
    #[error(transparent)]
    File(#[from] DeviceKeyError),
    /// One in a TPM; its words.
    #[error("{0}")]
    Tpm(String),
    /// One in a TPM, and nothing here talks to one.
    #[error(
        "this `sekisho` cannot use keys in a TPM: build one that can, with `cargo build --release -p sekisho --features tpm` (it needs \
         libtss2-dev)"
    )]
    NotBuiltIn,
    /// The crypto library refused.
    #[error("the device key cannot sign: {0}")]
    Unusable(String),
    /// The gate asks for what a key in a file does not have, or in a way that cannot be read.
    #[error("the gate's challenge makes no sense")]
    Challenge,
}

impl Key {
    /// Makes a key, and the text of the file that it is kept in.
    pub(super) fn make(place: &KeyPlace) -> Result<(Self, Zeroizing<String>), KeyError> {
        match place.kind {
            None | Some(KeyKind::File) => {
                let key = DeviceKey::generate()?;
                let text = key.key_pem();
                Ok((Self::File(key), text))
            }
            Some(KeyKind::Tpm) => {
                let (key, text) = TpmKey::make(place.tcti.as_deref())?;
                Ok((Self::Tpm(key), text))
            }
        }
    }

    /// Reads the text of a key's file. `tcti`: its TPM, if it is in one; `None`: the system's.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(text: &str, tcti: Option<&str>) -> Result<Self, KeyError> {
        match KeyKind::of(text) {
            KeyKind::File => Ok(Self::File(DeviceKey::from_pem(text)?)),
            KeyKind::Tpm => Ok(Self::Tpm(TpmKey::load(text, tcti)?)),
        }
    }

    /// Where it is.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::File(_) => KeyKind::File,
            Self::Tpm(_) => KeyKind::Tpm,
        }
    }

    /// SHA-256 of the public key (DER `SubjectPublicKeyInfo`).
    pub fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::File(key) => key.fingerprint(),
            Self::Tpm(key) => fingerprint::spki(key.spki()),
        }
    }

    /// A certificate signing request, PEM.
    pub(super) fn csr_pem(&self, common_name: &str) -> Result<String, KeyError> {
        match self {
            Self::File(key) => Ok(key.csr_pem(common_name)?),
            Self::Tpm(key) => Ok(pem::encode_request(&key.request(common_name)?)),
        }
    }

    /// The private key in PKCS#8, for browsers; `None` for one that nobody gets.
    pub(super) fn pkcs8(&self) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::File(key) => Some(key.key_der()),
            Self::Tpm(_) => None,
        }
    }

    /// For handshakes.
    ///
    /// # Errors
    /// [`KeyError::Unusable`].
    pub fn signing(&self) -> Result<Arc<dyn SigningKey>, KeyError> {
        match self {
            Self::File(key) => {
                let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.key_der().to_vec()));
                let refused = |error: rustls::Error| KeyError::Unusable(error.to_string());
                rustls::crypto::aws_lc_rs::sign::any_supported_type(&der).map_err(refused)
            }
            Self::Tpm(key) => Ok(key.signing()),
        }
    }

    /// What the gate has to see if the key is in a TPM.
    pub(super) fn evidence(&self) -> Result<Option<TpmEvidence>, KeyError> {
        match self {
            Self::File(_) => Ok(None),
            Self::Tpm(key) => key.evidence().map(Some),
        }
    }

    /// The answer to the gate's challenge.
    pub(super) fn answer(&self, challenge: &TpmChallenge) -> Result<TpmAnswer, KeyError> {
        match self {
            Self::File(_) => Err(KeyError::Challenge),
            Self::Tpm(key) => key.answer(challenge),
        }
    }
}

impl KeyKind {
    /// Of a key's file.
    pub fn of(text: &str) -> Self {
        if text.contains("-----BEGIN TSS2 PRIVATE KEY-----") { Self::Tpm } else { Self::File }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "in a file",
            Self::Tpm => "in a TPM",
        })
    }
}
