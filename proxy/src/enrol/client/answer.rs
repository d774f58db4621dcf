//! What the gate answered: checked before it is kept, since the next thing that happens with it is a browser.

use rustls_pki_types::{CertificateDer, UnixTime};
use sekisho_certs::trust::{DeviceTrust, IdSource};
use sekisho_certs::{fingerprint, pem};

use super::error::ClientError;
use super::key::{Key, KeyKind};
use crate::clock::{Clock, Timestamp};
use crate::enrol::wire::Enrolled;

/// A certificate for this device's key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What the gate said of it.
    pub enrolled: Enrolled,
    /// The device's certificate, then its authority's.
    pub chain: Vec<CertificateDer<'static>>,
}

/// Reads an answer: the chain must hold, be for this key, and name the device that the gate names.
pub(super) fn read(body: &[u8], key: &Key, clock: &Clock) -> Result<Certificate, ClientError> {
    let enrolled: Enrolled =
        serde_json::from_slice(body).map_err(|_details| ClientError::Answer("it is not the expected JSON"))?;
    let chain = pem::certificates(enrolled.certificate_chain.as_bytes())
        .map_err(|_details| ClientError::Answer("its certificate cannot be read"))?;
    let (Some(leaf), Some(authority)) = (chain.first(), chain.last()) else {
        return Err(ClientError::Answer("it has no certificate"));
    };
    if fingerprint::public_key(leaf).ok() != Some(key.fingerprint()) {
        return Err(ClientError::Answer("its certificate is for another key"));
    }
    if key.kind() == KeyKind::Tpm && !enrolled.key_in_tpm {
        return Err(ClientError::Answer("it does not say that the key was proved to be in the TPM"));
    }
    // As of its own beginning: a device's clock may be wrong, and that is no reason to throw a good certificate away.
    let now = UnixTime::since_unix_epoch(clock.now().since(Timestamp(0)));
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.as_secs().min(enrolled.not_after)));
    let trust = DeviceTrust::new("gate", std::slice::from_ref(authority), &[], IdSource::SubjectCn)
        .map_err(|_details| ClientError::Answer("its authority's certificate is none"))?;
    match trust.verify(std::slice::from_ref(leaf), at) {
        Ok(device) if device.id == enrolled.device.as_str() => Ok(Certificate { enrolled, chain }),
        Ok(_other) => Err(ClientError::Answer("its certificate names another device")),
        Err(sekisho_certs::trust::CertificateRefusal::NotYetValid { .. }) => {
            Err(ClientError::Answer("its certificate begins in the future: is the clock of this device right?"))
        }
        Err(_refusal) => Err(ClientError::Answer("its certificate is not signed by its authority")),
    }
}
