//! Which keys were proved to be in a TPM, and in which one.

use serde::{Deserialize, Serialize};

use super::error::{StoreError, bad_row};
use super::feed::Writing;
use super::registrar::Registrar;
use super::rows;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, KeyFingerprint};

/// A key of a device that was proved to be in a TPM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// The key.
    pub key: KeyFingerprint,
    /// The TPM's endorsement key: which TPM it is.
    pub endorsement: KeyFingerprint,
    /// When it was proved.
    pub at: Timestamp,
    /// Other devices that are not retired and have, or had, a key in the same TPM: two names for one machine, or a TPM that is none.
    pub also: Vec<DeviceId>,
}

impl Registrar {
    /// What was proved of the keys that a device has, the newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn attestations(&self, id: &DeviceId) -> Result<Vec<Attestation>, StoreError> {
        let (me, id) = (self.clone(), id.clone());
        self.run(async move {
            let mut db = me.pool().acquire().await?;
            let mut all = Vec::new();
            for row in rows::attestations(&mut db, &id).await? {
                let wrong = |problem| bad_row("attestation of device", id.as_str(), &problem);
                let key = row.key.parse().map_err(wrong)?;
                let endorsement = row.endorsement.parse().map_err(wrong)?;
                let also = rows::others_in_tpm(&mut db, &endorsement, &id).await?;
                all.push(Attestation { key, endorsement, at: Timestamp(row.at), also });
            }
            Ok(all)
        })
        .await
    }
}

/// Notes that `key` of the device, which is written already, was proved to be in the TPM with this endorsement key. Gives the words for
/// the device's history.
pub(super) async fn attested(
    w: &mut Writing,
    device: &Device,
    key: &KeyFingerprint,
    endorsement: &KeyFingerprint,
) -> Result<String, StoreError> {
    let now = w.now;
    rows::put_attestation(w.db(), device, key, endorsement, now).await?;
    let words = format!("its key is in the TPM {}", endorsement.short());
    let also = rows::others_in_tpm(w.db(), endorsement, &device.id).await?;
    if also.is_empty() {
        return Ok(words);
    }
    let names: Vec<String> = also.iter().map(|id| format!("`{id}`")).collect();
    let others = names.join(", ");
    tracing::warn!(device = device.id.as_str(), tpm = %endorsement, others, "one TPM is several devices");
    Ok(format!("{words}, which is that of {others} too"))
}
