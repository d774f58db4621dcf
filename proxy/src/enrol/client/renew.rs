//! A new key and certificate in place of the current ones, which prove who asks.
//!
//! The new key is on the disk before the gate hears of it, and is used again after whatever goes wrong, until it has its certificate:
//! the gate isolates a device that asks with two new keys, since only a copy would. At every moment the folder has a pair that works.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rustls_pki_types::{CertificateDer, UnixTime};
use sekisho_certs::trust::{DeviceTrust, IdSource};
use sekisho_certs::{dates, files, fingerprint, pem};

use super::answer::{self, Certificate};
use super::error::ClientError;
use super::exchange::{self, Shown};
use super::folder::{CERTIFICATE, CHAIN, DeviceFolder, FolderError, KEY};
use super::key::{Key, KeyError, KeyKind, KeyPlace};
use super::known_gate::KnownGate;
use super::pairs::Pairs;
use super::{DEADLINE, GateAddress, GateTrust, converse};
use crate::clock::{Clock, Timestamp};
use crate::enrol::wire::EnrolRequest;
use crate::inventory::{DeviceId, DeviceStatus};

/// What to renew, and how.
#[derive(Debug)]
pub struct Renewal<'a> {
    /// The device's folder.
    pub folder: &'a Path,
    /// Where the gate is; `None`: as it was written down when the device enrolled.
    pub gate: Option<GateAddress>,
    /// The roots that it is known by; `None`: those from before; without any, its pinned key or the system's roots.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// Where the new key is to be; without a word, where the current one is.
    pub place: KeyPlace,
    /// Even if there is time.
    pub force: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// There is time.
    NotDue(Kept),
    /// There is a new certificate.
    Done(Kept),
}

/// A certificate in a device's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Whose it is.
    pub device: DeviceId,
    /// Its last second.
    pub not_after: Timestamp,
    /// From then on it is renewed: when a third of its life is left.
    pub due_at: Timestamp,
    /// The fingerprint of its key, as administrators see it.
    pub key_fingerprint: String,
    /// Where its key is.
    pub key_kind: KeyKind,
}

/// The certificate was not renewed. What is in the folder is as good as before.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What is in it cannot be read.
    #[error("{folder}: {problem}")]
    Unusable {
        /// The folder.
        folder: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nobody has written down which gate it was.
    #[error("nothing in {0} says which gate the device belongs to; name it with --gate")]
    NoGate(String),
    /// The server is not known. Nothing was sent.
    #[error(
        "the server at {0} has neither the key that the gate had before, nor a certificate of an authority that this system trusts. \
         Nothing was sent to it. If the gate changed its key, name the root of its certificate with --ca"
    )]
    NotTheGate(GateAddress),
    /// The connection broke.
    #[error("the connection to {gate} broke: {cause}. Run the same command again; it goes on with the same new key")]
    Broken {
        /// Whom.
        gate: GateAddress,
        /// What happened.
        cause: String,
    },
    /// The new certificate is not one for this device.
    #[error("the gate's answer cannot be used: {0}")]
    Answer(&'static str),
    /// The gate cannot be asked, or said no.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The pair that counts.
pub(super) struct Current {
    pub(super) kept: Kept,
    pub(super) key: Key,
    pub(super) leaf: CertificateDer<'static>,
    pub(super) authority: CertificateDer<'static>,
}

/// Renews the certificate in a device's folder if a third of its life or less is left. With the new certificate in place, the old
/// one is good for a while longer.
///
/// # Errors
/// [`RenewError`].
pub async fn renew(renewal: Renewal<'_>, clock: &Clock) -> Result<Renewed, RenewError> {
    let mut pairs = Pairs::open(renewal.folder)?;
    let tcti = renewal.place.tcti.as_deref();
    if pairs.whole_next()?.is_some() {
        pairs.exchange()?;
        return Ok(Renewed::Done(Current::read(&pairs.current(), tcti)?.kept));
    }
    let current = Current::read(&pairs.current(), tcti)?;
    if !renewal.force && clock.now() < current.kept.due_at {
        return Ok(Renewed::NotDue(current.kept));
    }
    let gate = gate(&renewal)?;
    let next = pairs.next()?;
    let place = KeyPlace { kind: renewal.place.kind.or(Some(current.key.kind())), tcti: renewal.place.tcti.clone() };
    let key = next.key(&place)?;
    let certificate = ask(&gate, &current, &key, clock).await?;
    #[cfg(test)]
    super::crash::here()?;
    next.keep(&key, &certificate)?;
    pairs.exchange()?;
    if renewal.gate.is_some() || renewal.roots.is_some() {
        gate.keep(&DeviceFolder::at(renewal.folder.to_owned()))?;
    }
    // What was just kept; a TPM has room for few keys at a time.
    drop((key, current));
    Ok(Renewed::Done(Current::read(&pairs.current(), tcti)?.kept))
}

fn gate(renewal: &Renewal<'_>) -> Result<KnownGate, RenewError> {
    let folder = DeviceFolder::at(renewal.folder.to_owned());
    // What cannot be read does not matter to who names it anew.
    let known = match (KnownGate::read(&folder), &renewal.gate) {
        (Ok(known), _) => known,
        (Err(_), Some(_)) => None,
        (Err(error), None) => return Err(error.into()),
    };
    let (before, pin, roots) = known.map_or((None, None, None), |known| (Some(known.address), known.pin, known.roots));
    let address = renewal.gate.clone().or(before).ok_or_else(|| RenewError::NoGate(renewal.folder.display().to_string()))?;
    Ok(KnownGate { address, pin, roots: renewal.roots.clone().or(roots) })
}

/// Asks with both keys, and checks what comes.
async fn ask(gate: &KnownGate, current: &Current, key: &Key, clock: &Clock) -> Result<Certificate, RenewError> {
    let request = EnrolRequest {
        code: None,
        csr: key.csr_pem(current.kept.device.as_str()).map_err(FolderError::from)?,
        name: None,
        platform: std::env::consts::OS.to_owned(),
        tpm: key.evidence().map_err(FolderError::from)?,
    };
    let body = converse(key, request, async |request| {
        let broken = |cause: String| RenewError::Broken { gate: gate.address.clone(), cause };
        let exchange = tokio::time::timeout(DEADLINE, post(gate, &gate.ways(), current, request, clock)).await;
        exchange.unwrap_or_else(|_elapsed| Err(broken(format!("no answer within {} s", DEADLINE.as_secs()))))
    });
    let certificate = answer::read(&body.await?, key, clock).map_err(|error| match error {
        ClientError::Answer(problem) => RenewError::Answer(problem),
        other => RenewError::Client(other),
    })?;
    if certificate.enrolled.device != current.kept.device {
        return Err(RenewError::Answer("its certificate names another device"));
    }
    let authority = certificate.chain.last().map(fingerprint::public_key);
    if authority != Some(fingerprint::public_key(&current.authority)) {
        return Err(RenewError::Answer("its certificate is of another authority than before; enrol the device again"));
    }
    if certificate.enrolled.status != DeviceStatus::Active {
        return Err(RenewError::Answer("the device is not in use"));
    }
    Ok(certificate)
}

/// The answer to the first way in which the gate is known. To learn that it is not known in one way, nothing is sent.
async fn post(
    gate: &KnownGate,
    ways: &[GateTrust],
    current: &Current,
    request: &EnrolRequest,
    clock: &Clock,
) -> Result<Bytes, RenewError> {
    for way in ways {
        let shown = current.shown().map_err(FolderError::from)?;
        match exchange::post(&gate.address, way, Some(shown), request, clock).await {
            Ok(body) => return Ok(body),
            Err(ClientError::NotTheGate { .. }) => {}
            Err(ClientError::Broken { cause }) => return Err(RenewError::Broken { gate: gate.address.clone(), cause }),
            Err(error) => return Err(RenewError::Client(error)),
        }
    }
    Err(RenewError::NotTheGate(gate.address.clone()))
}

impl Current {
    pub(super) fn read(folder: &DeviceFolder, tcti: Option<&str>) -> Result<Self, RenewError> {
        let unusable = |problem| RenewError::Unusable { folder: folder.path().display().to_string(), problem };
        let certificate = |name: &str| -> Result<_, RenewError> {
            let text = files::read_public(&folder.file(name)).map_err(FolderError::from)?;
            let first = pem::certificates(&text).ok().and_then(|all| all.into_iter().next());
            first.ok_or_else(|| unusable("device.pem or authority.pem has no certificate"))
        };
        let (leaf, authority) = (certificate(CERTIFICATE)?, certificate(CHAIN)?);
        let text = files::read_private_text(&folder.file(KEY)).map_err(FolderError::from)?;
        let key = Key::read(&text, tcti).map_err(FolderError::from)?;
        if fingerprint::public_key(&leaf).ok() != Some(key.fingerprint()) {
            return Err(unusable("device.key and device.pem do not belong together"));
        }
        let [not_before, not_after] = dates::of(&leaf).map_err(|_details| unusable("device.pem has no certificate"))?;
        let device = device_of(&leaf, &authority);
        let device = device.ok_or_else(|| unusable("device.pem is no certificate of the authority in authority.pem"))?;
        let key_fingerprint = fingerprint::for_people(&key.fingerprint());
        let third = not_after.as_secs().saturating_sub(not_before.as_secs()) / 3;
        let due_at = at(UnixTime::since_unix_epoch(Duration::from_secs(not_after.as_secs().saturating_sub(third))));
        let kept = Kept { device, not_after: at(not_after), due_at, key_fingerprint, key_kind: key.kind() };
        Ok(Self { kept, key, leaf, authority })
    }

    fn shown(&self) -> Result<Shown, KeyError> {
        Ok(Shown { chain: vec![self.leaf.clone(), self.authority.clone()], key: self.key.signing()? })
    }
}

/// The device that a certificate of this authority is for; `None` if the authority did not sign it, or it is for none. As of the certificate's
/// end: whether it has ended is for the gate to say.
pub(super) fn device_of(leaf: &CertificateDer<'_>, authority: &CertificateDer<'_>) -> Option<DeviceId> {
    let [_, not_after] = dates::of(leaf).ok()?;
    let trust = DeviceTrust::new("gate", std::slice::from_ref(authority), &[], IdSource::SubjectCn).ok()?;
    let device = trust.verify_for_renewal(std::slice::from_ref(leaf), not_after, Duration::ZERO).ok()?;
    device.id.parse().ok()
}

fn at(time: UnixTime) -> Timestamp {
    Timestamp::from_secs(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
