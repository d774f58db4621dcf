//! Keys that were renewed, and keys that devices had.

use sqlx::SqliteConnection;

use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, KeyFingerprint};
use crate::store::error::{StoreError, bad_row};

/// The device that has this key under this authority, or had it: keys are never given again.
pub(in crate::store) async fn key_holder(
    db: &mut SqliteConnection,
    authority: &str,
    key: &KeyFingerprint,
) -> Result<Option<DeviceId>, StoreError> {
    let holder: Option<String> = sqlx::query_scalar(
        "SELECT device FROM device_keys WHERE authority = ?1 AND fingerprint = ?2 \
         UNION SELECT device FROM renewals WHERE authority = ?1 AND key = ?2",
    )
    .bind(authority)
    .bind(key.to_string())
    .fetch_optional(db)
    .await?;
    holder.map(|id| id.parse().map_err(|problem| bad_row("holder of key", &id, &problem))).transpose()
}

/// The key with which this one was renewed.
pub(in crate::store) async fn successor(
    db: &mut SqliteConnection,
    authority: &str,
    key: &KeyFingerprint,
) -> Result<Option<KeyFingerprint>, StoreError> {
    let successor: Option<String> = sqlx::query_scalar("SELECT successor FROM renewals WHERE authority = ? AND key = ?")
        .bind(authority)
        .bind(key.to_string())
        .fetch_optional(db)
        .await?;
    successor.map(|key| key.parse().map_err(|problem| bad_row("successor of key", &key, &problem))).transpose()
}

/// Whether the device had this key before, and has it no more.
pub(in crate::store) async fn is_former(
    db: &mut SqliteConnection,
    device: &Device,
    key: &KeyFingerprint,
) -> Result<bool, StoreError> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT left_at FROM renewals WHERE authority = ? AND key = ? AND device = ? AND left_at IS NOT NULL")
            .bind(&*device.authority)
            .bind(key.to_string())
            .bind(device.id.as_str())
            .fetch_optional(db)
            .await?;
    Ok(found.is_some())
}

/// Notes that `key` of the device was renewed with `successor`, and leaves then.
pub(in crate::store) async fn put_renewal(
    db: &mut SqliteConnection,
    device: &Device,
    [key, successor]: [&KeyFingerprint; 2],
    [at, leaves_at]: [Timestamp; 2],
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO renewals (authority, key, device, successor, at, leaves_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&*device.authority)
        .bind(key.to_string())
        .bind(device.id.as_str())
        .bind(successor.to_string())
        .bind(at.0)
        .bind(leaves_at.0)
        .execute(db)
        .await?;
    Ok(())
}

/// The device's keys that leave do so now.
pub(in crate::store) async fn keys_left(db: &mut SqliteConnection, device: &DeviceId, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM device_keys WHERE device = ?1 AND fingerprint IN \
         (SELECT key FROM renewals WHERE device = ?1 AND left_at IS NULL)",
    )
    .bind(device.as_str())
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE renewals SET left_at = ? WHERE device = ? AND left_at IS NULL")
        .bind(now.0)
        .bind(device.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// The first moment at which a key leaves.
pub(in crate::store) async fn next_leave(db: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = sqlx::query_scalar("SELECT min(leaves_at) FROM renewals WHERE left_at IS NULL").fetch_one(db).await?;
    Ok(next.map(Timestamp))
}

/// Devices of which a key leaves now, at most `most`.
pub(in crate::store) async fn devices_of_leaving_keys(
    db: &mut SqliteConnection,
    now: Timestamp,
    most: i64,
) -> Result<Vec<DeviceId>, StoreError> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT device FROM renewals WHERE left_at IS NULL AND leaves_at <= ? ORDER BY leaves_at LIMIT ?")
            .bind(now.0)
            .bind(most)
            .fetch_all(db)
            .await?;
    ids.iter().map(|id| id.parse().map_err(|problem| bad_row("leaving key of device", id, &problem))).collect()
}
