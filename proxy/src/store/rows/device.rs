//! Devices and their keys.

use std::fmt;

use serde::Deserialize;
use sqlx::SqliteConnection;

use super::text::{Names, Text, one, read, some, word};
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceStatus, KeyProtection, Owner, UserId};
use crate::store::error::{StoreError, bad_row};

/// A row of `devices`, with its keys.
#[derive(Deserialize)]
pub(in crate::store) struct DeviceRow<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    authority: Text<'a>,
    status: Text<'a>,
    owner_provider: Option<Text<'a>>,
    owner_subject: Option<Text<'a>>,
    owner_email: Option<Text<'a>>,
    shared: i64,
    managed: i64,
    platform: Text<'a>,
    key_protection: Text<'a>,
    enrolled_at: i64,
    posture: Text<'a>,
    posture_at: Option<i64>,
    /// The newest first, with spaces between them.
    keys: Option<Text<'a>>,
}

impl DeviceRow<'_> {
    pub(in crate::store) fn read(self, names: &mut Names) -> Result<Device, StoreError> {
        let wrong = |problem: &dyn fmt::Display| bad_row("device", &self.id, problem);
        let owner = match (self.owner_provider, self.owner_subject, self.owner_email) {
            (Some(provider), Some(subject), None) => {
                Some(Owner::User(UserId { provider: names.share(&provider), subject: (*subject).into() }))
            }
            (None, None, Some(email)) => Some(Owner::Email(email.0.into_owned())),
            (None, None, None) => None,
            _ => return Err(wrong(&"it has two owners")),
        };
        let keys = self.keys.as_deref().unwrap_or_default().split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>();
        Ok(Device {
            id: self.id.parse().map_err(|_| wrong(&"its id is not one"))?,
            status: word(&STATUSES, &self.status, DeviceStatus::as_str).ok_or_else(|| wrong(&"unknown status"))?,
            platform: self.platform.parse().ok().ok_or_else(|| wrong(&"unknown platform"))?,
            key_protection: word(&PROTECTIONS, &self.key_protection, KeyProtection::as_str)
                .ok_or_else(|| wrong(&"unknown key protection"))?,
            posture: serde_json::from_str(&self.posture).map_err(|_| wrong(&"its posture is not JSON"))?,
            authority: names.share(&self.authority),
            owner,
            shared: self.shared != 0,
            managed: self.managed != 0,
            keys: keys.map_err(|problem| bad_row("keys of device", &self.id, &problem))?,
            enrolled_at: Timestamp(self.enrolled_at),
            posture_at: self.posture_at.map(Timestamp),
        })
    }
}

/// The device of that name, with its keys, newest first.
pub(in crate::store) async fn device(db: &mut SqliteConnection, id: &str) -> Result<Option<Device>, StoreError> {
    let row: Option<String> = sqlx::query_scalar(DEVICE).bind(id).fetch_optional(db).await?;
    row.map(|row| read::<DeviceRow<'_>>(&row)?.read(&mut Names::default())).transpose()
}

/// Writes a device that is new, or over the one that was there. Keys are only added: [`keys_left`](super::keys_left) takes
/// them away.
pub(in crate::store) async fn put_device(db: &mut SqliteConnection, device: &Device) -> Result<(), StoreError> {
    let (provider, subject, email) = match &device.owner {
        Some(Owner::User(user)) => (Some(&*user.provider), Some(&*user.subject), None),
        Some(Owner::Email(email)) => (None, None, Some(email.as_str())),
        None => (None, None, None),
    };
    let posture = serde_json::to_string(&device.posture).map_err(|problem| StoreError::Failed(problem.to_string()))?;
    sqlx::query(
        "INSERT INTO devices (id, authority, status, owner_provider, owner_subject, owner_email, shared, managed, platform, \
         key_protection, enrolled_at, posture, posture_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET status = excluded.status, owner_provider = excluded.owner_provider, \
         owner_subject = excluded.owner_subject, owner_email = excluded.owner_email, shared = excluded.shared, \
         managed = excluded.managed, platform = excluded.platform, key_protection = excluded.key_protection, \
         posture = excluded.posture, posture_at = excluded.posture_at",
    )
    .bind(device.id.as_str())
    .bind(&*device.authority)
    .bind(device.status.as_str())
    .bind(provider)
    .bind(subject)
    .bind(email)
    .bind(device.shared)
    .bind(device.managed)
    .bind(device.platform.as_str())
    .bind(device.key_protection.as_str())
    .bind(device.enrolled_at.0)
    .bind(posture)
    .bind(device.posture_at.map(|at| at.0))
    .execute(&mut *db)
    .await?;
    let count = i64::try_from(device.keys.len()).unwrap_or(i64::MAX);
    for (rank, key) in (0..count).rev().zip(&device.keys) {
        sqlx::query(
            "INSERT INTO device_keys (authority, fingerprint, device, rank) VALUES (?, ?, ?, ?) \
             ON CONFLICT (authority, fingerprint) DO UPDATE SET rank = excluded.rank WHERE device = excluded.device",
        )
        .bind(&*device.authority)
        .bind(key.to_string())
        .bind(device.id.as_str())
        .bind(rank)
        .execute(&mut *db)
        .await?;
    }
    Ok(())
}

const STATUSES: [DeviceStatus; 4] =
    [DeviceStatus::Pending, DeviceStatus::Active, DeviceStatus::Quarantined, DeviceStatus::Retired];
const PROTECTIONS: [KeyProtection; 3] = [KeyProtection::Software, KeyProtection::Os, KeyProtection::Tpm];

/// What [`DeviceRow`] reads.
macro_rules! device {
    () => {
        "id, authority, status, owner_provider, owner_subject, owner_email, shared, managed, platform, key_protection, \
         enrolled_at, posture, posture_at, \
         (SELECT group_concat(fingerprint, ' ' ORDER BY rank DESC) FROM device_keys WHERE device = id)"
    };
}

const DEVICE: &str = one!(device, "devices", "id");

/// All devices, for [`pieces::each`](crate::store::pieces::each).
pub(in crate::store) const DEVICES: &str = some!(device, "devices");
