//! Keys that were proved to be in a TPM.

use sqlx::{FromRow, SqliteConnection};

use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, KeyFingerprint};
use crate::store::error::{StoreError, bad_row};

/// A row of `attestations`.
#[derive(FromRow)]
pub(in crate::store) struct AttestationRow {
    pub(in crate::store) key: String,
    pub(in crate::store) endorsement: String,
    pub(in crate::store) at: i64,
}

/// Notes that the key was proved to be in the TPM with this endorsement key.
pub(in crate::store) async fn put_attestation(
    db: &mut SqliteConnection,
    device: &Device,
    key: &KeyFingerprint,
    endorsement: &KeyFingerprint,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO attestations (authority, key, device, endorsement, at) VALUES (?, ?, ?, ?, ?)")
        .bind(&*device.authority)
        .bind(key.to_string())
        .bind(device.id.as_str())
        .bind(endorsement.to_string())
        .bind(at.0)
        .execute(db)
        .await?;
    Ok(())
}

/// What was proved of the keys that the device has now.
pub(in crate::store) async fn attestations(
    db: &mut SqliteConnection,
    device: &DeviceId,
) -> Result<Vec<AttestationRow>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT key, endorsement, at FROM attestations AS a WHERE device = ?1 AND EXISTS \
         (SELECT 1 FROM device_keys AS k WHERE k.device = ?1 AND k.authority = a.authority AND k.fingerprint = a.key) \
         ORDER BY at DESC, key",
    )
    .bind(device.as_str())
    .fetch_all(db)
    .await?)
}

/// Other devices that are not retired and had a key in this TPM.
pub(in crate::store) async fn others_in_tpm(
    db: &mut SqliteConnection,
    endorsement: &KeyFingerprint,
    device: &DeviceId,
) -> Result<Vec<DeviceId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT a.device FROM attestations AS a JOIN devices AS d ON d.id = a.device \
         WHERE a.endorsement = ? AND a.device <> ? AND d.status <> 'retired' ORDER BY a.device LIMIT 16",
    )
    .bind(endorsement.to_string())
    .bind(device.as_str())
    .fetch_all(db)
    .await?;
    ids.iter().map(|id| id.parse().map_err(|problem| bad_row("attestation of device", id, &problem))).collect()
}

/// Of the keys that a device has, the weakest one says where its key is: in a TPM if each of them was proved to be in one.
pub(in crate::store) async fn settle_protection(db: &mut SqliteConnection, device: &DeviceId) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE devices SET key_protection = CASE WHEN EXISTS (SELECT 1 FROM device_keys WHERE device = ?1) AND NOT EXISTS \
         (SELECT 1 FROM device_keys AS k WHERE k.device = ?1 AND NOT EXISTS \
         (SELECT 1 FROM attestations AS a WHERE a.authority = k.authority AND a.key = k.fingerprint)) \
         THEN 'tpm' ELSE 'software' END WHERE id = ?1",
    )
    .bind(device.as_str())
    .execute(db)
    .await?;
    Ok(())
}
