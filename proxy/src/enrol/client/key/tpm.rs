//! Keys in the TPM of this device.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::sign::SigningKey;
use sekisho_tpm::{KeyFile, Tpm, TpmError};
use zeroize::Zeroizing;

use super::KeyError;
use crate::enrol::wire::{TpmAnswer, TpmChallenge, TpmEvidence};

/// One of them.
#[derive(Debug)]
pub struct TpmKey(sekisho_tpm::TpmKey);

impl From<TpmError> for KeyError {
    fn from(error: TpmError) -> Self {
        Self::Tpm(error.to_string())
    }
}

impl TpmKey {
    /// Makes a key, and the text of its file. What the TPM cannot prove later is found now.
    pub(super) fn make(tcti: Option<&str>) -> Result<(Self, Zeroizing<String>), KeyError> {
        let tpm = connected(tcti)?;
        tpm.endorsement()?;
        let file = tpm.make_key()?;
        Ok((Self(tpm.load(&file)?), Zeroizing::new(file.to_pem())))
    }

    pub(super) fn load(text: &str, tcti: Option<&str>) -> Result<Self, KeyError> {
        let file = KeyFile::from_pem(text).map_err(TpmError::from)?;
        Ok(Self(connected(tcti)?.load(&file)?))
    }

    pub(super) fn spki(&self) -> &[u8] {
        self.0.spki()
    }

    pub(super) fn request(&self, common_name: &str) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.request(common_name)?)
    }

    pub(super) fn signing(&self) -> Arc<dyn SigningKey> {
        Arc::new(self.0.clone())
    }

    pub(super) fn evidence(&self) -> Result<TpmEvidence, KeyError> {
        Ok(TpmEvidence {
            ek_certificate: STANDARD.encode(self.0.tpm().endorsement()?.certificate()),
            ek_chain: Vec::new(),
            public: STANDARD.encode(self.0.public_area()),
            answer: None,
        })
    }

    pub(super) fn answer(&self, challenge: &TpmChallenge) -> Result<TpmAnswer, KeyError> {
        let octets = |text: &str| STANDARD.decode(text).map_err(|_details| KeyError::Challenge);
        let tpm = self.0.tpm();
        let opened = tpm.activate(&tpm.endorsement()?, &self.0, &octets(&challenge.blob)?, &octets(&challenge.secret)?)?;
        let opened = Zeroizing::new(opened);
        Ok(TpmAnswer { ticket: challenge.ticket.clone(), proof: STANDARD.encode(&*opened) })
    }
}

/// One connection for all keys of a process, which never has two TPMs: without a resource manager, a TPM takes no second one.
fn connected(tcti: Option<&str>) -> Result<Arc<Tpm>, TpmError> {
    static OPEN: Mutex<Weak<Tpm>> = Mutex::new(Weak::new());
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(tpm) = open.upgrade() {
        return Ok(tpm);
    }
    let tpm = Tpm::open(tcti)?;
    *open = Arc::downgrade(&tpm);
    Ok(tpm)
}
