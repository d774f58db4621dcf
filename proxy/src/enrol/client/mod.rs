//! The device's half: pin the gate, make a key, ask for a certificate, keep it; later, ask for another in its place.
//!
//! Nothing is sent before the gate has proved the key that the code pins. The private key never leaves the device.

mod address;
mod answer;
#[cfg(test)]
mod crash;
mod error;
mod exchange;
mod folder;
mod key;
mod known_gate;
mod look;
mod packed;
mod pairs;
mod renew;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use rustls_pki_types::CertificateDer;
use sekisho_certs::fingerprint;

pub use address::{GateAddress, InvalidGateAddress};
pub use answer::Certificate;
pub use error::ClientError;
pub use exchange::Shown;
pub use folder::{CERTIFICATE, CHAIN, DeviceFolder, FolderError, KEY, PASSWORD, PKCS12};
pub use key::{Key, KeyError, KeyKind, KeyPlace};
pub use known_gate::KnownGate;
pub use look::look;
pub use packed::{Packed, forget_packed, has_packed, packed};
pub use renew::{Kept, RenewError, Renewal, Renewed, renew};

use super::wire::{EnrolRequest, TpmChallenge};
use crate::clock::Clock;
use crate::secret::Digest;
use crate::store::InviteCode;

/// How the device knows the gate.
#[derive(Clone, Debug)]
pub enum GateTrust {
    /// By this key, which the code pins.
    Pin(Digest),
    /// By these roots, as any https client would; the pin is not looked at. For a gate that changed its key after the invitation.
    Roots(Vec<CertificateDer<'static>>),
    /// By the system's roots.
    System,
}

/// What to ask for.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Whom.
    pub gate: &'a GateAddress,
    /// With what.
    pub code: &'a InviteCode,
    /// How the gate is known.
    pub trust: &'a GateTrust,
    /// The device's key.
    pub key: &'a Key,
    /// What its person calls it.
    pub name: Option<String>,
}

/// Asks the gate for a certificate, and checks that what comes is one for this key.
///
/// # Errors
/// [`ClientError`], in words for the person at the device.
pub async fn enrol(ask: Ask<'_>, clock: &Clock) -> Result<Certificate, ClientError> {
    let request = EnrolRequest {
        code: Some(ask.code.expose().expose().clone()),
        csr: ask.key.csr_pem(ask.name.as_deref().unwrap_or("device"))?,
        name: ask.name,
        platform: std::env::consts::OS.to_owned(),
        tpm: ask.key.evidence()?,
    };
    let body = converse(ask.key, request, async |request| {
        let exchange = exchange::post(ask.gate, ask.trust, None, request, clock);
        match tokio::time::timeout(DEADLINE, exchange).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(ClientError::TimedOut { seconds: DEADLINE.as_secs() }),
        }
    });
    answer::read(&body.await?, ask.key, clock)
}

/// Sends a request; and once more, with the answer, if the gate wants to see that the key is in a TPM.
async fn converse<E: From<ClientError>>(
    key: &Key,
    mut request: EnrolRequest,
    post: impl AsyncFn(&EnrolRequest) -> Result<Bytes, E>,
) -> Result<Bytes, E> {
    let body = post(&request).await?;
    let Ok(challenge) = serde_json::from_slice::<TpmChallenge>(&body) else { return Ok(body) };
    let answer = key.answer(&challenge).map_err(ClientError::from)?;
    if let Some(evidence) = &mut request.tpm {
        evidence.answer = Some(answer);
    }
    post(&request).await
}

/// A fingerprint as people compare it.
pub fn fingerprint_of(key: &Key) -> String {
    fingerprint::for_people(&key.fingerprint())
}

/// For everything from the name look-up to the last byte.
const DEADLINE: Duration = Duration::from_secs(30);
