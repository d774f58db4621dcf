//! A device's key in its TPM: made there, and never anywhere else.
//!
//! The key is a file all the same ([`KeyFile`]): its private half in it can be read by the TPM that made it and by nobody else. The form is
//! that of OpenSSL's TPM providers, `TSS2 PRIVATE KEY`, so that other programs can use the key, too. A [`Tpm`] loads it, and a
//! [`TpmKey`] signs: requests for certificates, and handshakes of rustls. [`Tpm::endorsement`] and [`Tpm::activate`] are the device's half
//! of the proof that the key is in the TPM; the gate's half is in `sekisho-certs`.
//!
//! Everything here waits for the TPM, some of it for seconds.

mod der;
mod endorsement;
mod error;
mod file;
mod key;
mod templates;

use std::path::Path;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tss_esapi::handles::KeyHandle;
use tss_esapi::interface_types::resource_handles::Hierarchy;
use tss_esapi::interface_types::session_handles::AuthSession;
use tss_esapi::structures::{Private, Public};
use tss_esapi::traits::{Marshall as _, UnMarshall as _};
use tss_esapi::{Context, TctiNameConf};

pub use endorsement::Endorsement;
pub use error::TpmError;
pub use file::{InvalidKeyFile, KeyFile};
pub use key::TpmKey;

/// A TPM that answers. One process uses it at a time, unless a resource manager stands between.
pub struct Tpm {
    context: Mutex<Context>,
}

impl Tpm {
    /// Connects to the TPM that `tcti` names, in the words of the TPM2 tools (`device:/dev/tpmrm0`, `swtpm:host=…,port=…`,
    /// `tabrmd:…`); without one, to the system's.
    ///
    /// # Errors
    /// [`TpmError::None`] if there is none, [`TpmError::Address`], [`TpmError::Refused`].
    pub fn open(tcti: Option<&str>) -> Result<Arc<Self>, TpmError> {
        if tcti.is_none() && !Path::new(DEVICE).exists() {
            return Err(TpmError::None);
        }
        let address = tcti.map_or_else(|| format!("device:{DEVICE}"), str::to_owned);
        let parsed = TctiNameConf::from_str(&address).map_err(|_details| TpmError::Address(address.clone()))?;
        let context = Context::new(parsed).map_err(|error| TpmError::Unreachable { address, cause: error.to_string() })?;
        Ok(Arc::new(Self { context: Mutex::new(context) }))
    }

    /// Makes a key.
    ///
    /// # Errors
    /// [`TpmError::Refused`].
    pub fn make_key(&self) -> Result<KeyFile, TpmError> {
        let (public, private) = self.with("make a key", |context| {
            let parent = storage_root(context)?;
            let template = templates::signing_key()?;
            let made = with_password(context, |context| context.create(parent, template, None, None, None, None));
            context.flush_context(parent.into())?;
            let made = made?;
            Ok((made.out_public.marshall()?, made.out_private.value().to_vec()))
        })?;
        Ok(KeyFile::new(public, private))
    }

    /// Loads a key that this TPM made.
    ///
    /// # Errors
    /// [`TpmError::Refused`], also if another TPM made it; [`TpmError::File`] if it is not one of ours.
    pub fn load(self: &Arc<Self>, file: &KeyFile) -> Result<TpmKey, TpmError> {
        let not_ours = |_details| TpmError::File(InvalidKeyFile::Contents);
        let public = Public::unmarshall(file.public()).map_err(not_ours)?;
        let private = Private::try_from(file.private().to_vec()).map_err(not_ours)?;
        let spki = key::spki(&public).ok_or(TpmError::File(InvalidKeyFile::Contents))?;
        let handle: KeyHandle = self.with("load the key: did another TPM make it, or was this one cleared?", |context| {
            let parent = storage_root(context)?;
            let loaded = with_password(context, |context| context.load(parent, private, public));
            context.flush_context(parent.into())?;
            loaded
        })?;
        Ok(TpmKey::new(Arc::clone(self), handle, spki, file.public().to_vec()))
    }

    fn with<T>(&self, doing: &'static str, work: impl FnOnce(&mut Context) -> tss_esapi::Result<T>) -> Result<T, TpmError> {
        work(&mut self.context()).map_err(|error| TpmError::Refused { doing, cause: error.to_string() })
    }

    fn context(&self) -> MutexGuard<'_, Context> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Tpm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tpm")
    }
}

/// The key that all keys of the owner are below. It is made anew each time, and is the same each time.
fn storage_root(context: &mut Context) -> tss_esapi::Result<KeyHandle> {
    let template = templates::storage_root()?;
    let made = with_password(context, |context| context.create_primary(Hierarchy::Owner, template, None, None, None, None));
    Ok(made?.key_handle)
}

/// With the empty password that our keys have, and that the owner has where nobody took ownership.
fn with_password<T>(context: &mut Context, work: impl FnOnce(&mut Context) -> T) -> T {
    context.execute_with_session(Some(AuthSession::Password), work)
}

/// The kernel's TPM, behind its resource manager.
const DEVICE: &str = "/dev/tpmrm0";
