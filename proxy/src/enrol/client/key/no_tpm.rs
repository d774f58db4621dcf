//! In a build without the feature `tpm`, there are no keys in a TPM.

use std::sync::Arc;

use rustls::sign::SigningKey;
use zeroize::Zeroizing;

use super::KeyError;
use crate::enrol::wire::{TpmAnswer, TpmChallenge, TpmEvidence};

/// None.
#[derive(Debug)]
pub enum TpmKey {}

impl TpmKey {
    pub(super) fn make(_tcti: Option<&str>) -> Result<(Self, Zeroizing<String>), KeyError> {
        Err(KeyError::NotBuiltIn)
    }

    pub(super) fn load(_text: &str, _tcti: Option<&str>) -> Result<Self, KeyError> {
        Err(KeyError::NotBuiltIn)
    }

    pub(super) fn spki(&self) -> &[u8] {
        match *self {}
    }

    pub(super) fn request(&self, _common_name: &str) -> Result<Vec<u8>, KeyError> {
        match *self {}
    }

    pub(super) fn signing(&self) -> Arc<dyn SigningKey> {
        match *self {}
    }

    pub(super) fn evidence(&self) -> Result<TpmEvidence, KeyError> {
        match *self {}
    }

    pub(super) fn answer(&self, _challenge: &TpmChallenge) -> Result<TpmAnswer, KeyError> {
        match *self {}
    }
}
