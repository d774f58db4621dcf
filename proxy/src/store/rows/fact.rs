//! What is said of devices, and what they are called.

use sqlx::{FromRow, SqliteConnection};

use crate::clock::Timestamp;
use crate::inventory::DeviceId;
use crate::store::error::{StoreError, bad_row};
use crate::store::facts::{DeviceAlias, DeviceFact};

#[derive(FromRow)]
struct FactRow {
    name: String,
    source: String,
    value: String,
    at: i64,
    ends_at: Option<i64>,
    ended: bool,
}

/// Everything that is said of that device, by name and source.
pub(in crate::store) async fn facts_of(db: &mut SqliteConnection, device: &DeviceId) -> Result<Vec<DeviceFact>, StoreError> {
    let rows: Vec<FactRow> =
        sqlx::query_as("SELECT name, source, value, at, ends_at, ended FROM device_facts WHERE device = ? ORDER BY name, source")
            .bind(device.as_str())
            .fetch_all(db)
            .await?;
    let read = |row: FactRow| {
        let value = serde_json::from_str(&row.value).map_err(|problem| bad_row("facts of device", device.as_str(), &problem))?;
        let FactRow { name, source, at, ends_at, ended, .. } = row;
        Ok(DeviceFact { name, source, value, at: Timestamp(at), ends_at: ends_at.map(Timestamp), ended })
    };
    rows.into_iter().map(read).collect()
}

/// Writes one that is new, or over what the same source said before.
pub(in crate::store) async fn put_fact(
    db: &mut SqliteConnection,
    device: &DeviceId,
    fact: &DeviceFact,
) -> Result<(), StoreError> {
    let value = serde_json::to_string(&fact.value).map_err(|problem| StoreError::Failed(problem.to_string()))?;
    sqlx::query(
        "INSERT INTO device_facts (device, name, source, value, at, ends_at, ended) VALUES (?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (device, name, source) DO UPDATE SET value = excluded.value, at = excluded.at, \
         ends_at = excluded.ends_at, ended = excluded.ended",
    )
    .bind(device.as_str())
    .bind(&fact.name)
    .bind(&fact.source)
    .bind(value)
    .bind(fact.at.0)
    .bind(fact.ends_at.map(|at| at.0))
    .bind(fact.ended)
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what a source said.
pub(in crate::store) async fn drop_fact(
    db: &mut SqliteConnection,
    device: &DeviceId,
    name: &str,
    source: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM device_facts WHERE device = ? AND name = ? AND source = ?")
        .bind(device.as_str())
        .bind(name)
        .bind(source)
        .execute(db)
        .await?;
    Ok(())
}

/// The posture of a device was gathered again, and is as it was.
pub(in crate::store) async fn put_posture_at(
    db: &mut SqliteConnection,
    device: &DeviceId,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE devices SET posture_at = ? WHERE id = ?")
        .bind(at.map(|at| at.0))
        .bind(device.as_str())
        .execute(db)
        .await?;
    Ok(())
}

/// Devices of which something ends now, at most `most`.
pub(in crate::store) async fn devices_of_ending_facts(
    db: &mut SqliteConnection,
    now: Timestamp,
    most: i64,
) -> Result<Vec<DeviceId>, StoreError> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT device FROM (SELECT device FROM device_facts WHERE ended = 0 AND ends_at IS NOT NULL AND ends_at <= ? \
         ORDER BY ends_at LIMIT ?)",
    )
    .bind(now.0)
    .bind(most)
    .fetch_all(db)
    .await?;
    ids.iter().map(|id| id.parse().map_err(|problem| bad_row("ending fact of device", id, &problem))).collect()
}

/// What is said of the device and ends now does not count any more. Which that is, as `name (source)`.
pub(in crate::store) async fn end_facts(
    db: &mut SqliteConnection,
    device: &DeviceId,
    now: Timestamp,
) -> Result<Vec<(String, String)>, StoreError> {
    Ok(sqlx::query_as(
        "UPDATE device_facts SET ended = 1 WHERE device = ? AND ended = 0 AND ends_at IS NOT NULL AND ends_at <= ? \
         RETURNING name, source",
    )
    .bind(device.as_str())
    .bind(now.0)
    .fetch_all(db)
    .await?)
}

/// The first moment at which something ends.
pub(in crate::store) async fn next_end(db: &mut SqliteConnection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> =
        sqlx::query_scalar("SELECT min(ends_at) FROM device_facts WHERE ended = 0 AND ends_at IS NOT NULL").fetch_one(db).await?;
    Ok(next.map(Timestamp))
}

/// What sources call that device.
pub(in crate::store) async fn aliases_of(db: &mut SqliteConnection, device: &DeviceId) -> Result<Vec<DeviceAlias>, StoreError> {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT source, alias FROM device_aliases WHERE device = ? ORDER BY source, alias")
            .bind(device.as_str())
            .fetch_all(db)
            .await?;
    Ok(rows.into_iter().map(|(source, alias)| DeviceAlias { source, alias }).collect())
}

/// The device that a source calls so.
pub(in crate::store) async fn called(db: &mut SqliteConnection, alias: &DeviceAlias) -> Result<Option<DeviceId>, StoreError> {
    let id: Option<String> = sqlx::query_scalar("SELECT device FROM device_aliases WHERE source = ? AND alias = ?")
        .bind(&alias.source)
        .bind(&alias.alias)
        .fetch_optional(db)
        .await?;
    id.map(|id| id.parse().map_err(|problem| bad_row("alias of device", &id, &problem))).transpose()
}

/// From now on the source calls that device so, and no other.
pub(in crate::store) async fn put_alias(
    db: &mut SqliteConnection,
    device: &DeviceId,
    alias: &DeviceAlias,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_aliases (source, alias, device) VALUES (?, ?, ?) \
         ON CONFLICT (source, alias) DO UPDATE SET device = excluded.device",
    )
    .bind(&alias.source)
    .bind(&alias.alias)
    .bind(device.as_str())
    .execute(db)
    .await?;
    Ok(())
}

/// The source does not call any device so.
pub(in crate::store) async fn drop_alias(db: &mut SqliteConnection, alias: &DeviceAlias) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM device_aliases WHERE source = ? AND alias = ?")
        .bind(&alias.source)
        .bind(&alias.alias)
        .execute(db)
        .await?;
    Ok(())
}
