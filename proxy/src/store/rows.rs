//! Rows as types, and types as rows.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::{Executor, FromRow, Sqlite, SqliteConnection};

use super::error::{StoreError, bad_row};
use crate::clock::Timestamp;
use crate::config::Host;
use crate::inventory::{
    Device, DeviceId, DeviceStatus, KeyFingerprint, KeyProtection, Owner, Platform, Session, SessionId, UserId,
};
use crate::secret::Digest;

/// A row of `devices`; its keys come apart from it.
#[derive(FromRow)]
pub(super) struct DeviceRow {
    pub(super) id: String,
    authority: String,
    status: String,
    owner_provider: Option<String>,
    owner_subject: Option<String>,
    owner_email: Option<String>,
    shared: bool,
    managed: bool,
    platform: String,
    key_protection: String,
    enrolled_at: i64,
    posture: String,
    posture_at: Option<i64>,
}

/// A row of `sessions`.
#[derive(FromRow)]
pub(super) struct SessionRow {
    id: String,
    last_used: i64,
    facts: String,
}

/// A row of `cookies`.
#[derive(FromRow)]
pub(super) struct CookieRow {
    token: String,
    session: String,
    host: String,
}

/// A cookie, read.
pub(super) struct Cookie {
    pub(super) token: Digest,
    pub(super) session: SessionId,
    pub(super) host: Host,
}

/// Authorities are few and devices many: they share the text of the name.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn share(&mut self, name: String) -> Arc<str> {
        match self.0.get(&name) {
            Some(known) => Arc::clone(known),
            None => {
                let shared: Arc<str> = name.as_str().into();
                self.0.insert(name, Arc::clone(&shared));
                shared
            }
        }
    }
}

impl DeviceRow {
    pub(super) fn read(self, keys: Vec<KeyFingerprint>, names: &mut Names) -> Result<Device, StoreError> {
        let wrong = |problem: &str| bad_row("device", &self.id, &problem);
        let owner = match (self.owner_provider, self.owner_subject, self.owner_email) {
            (Some(provider), Some(subject), None) => {
                Some(Owner::User(UserId { provider: provider.into(), subject: subject.into() }))
            }
            (None, None, Some(email)) => Some(Owner::Email(email)),
            (None, None, None) => None,
            _ => return Err(wrong("it has two owners")),
        };
        Ok(Device {
            id: self.id.parse().map_err(|_| wrong("its id is not one"))?,
            status: word(&STATUSES, &self.status, DeviceStatus::as_str).ok_or_else(|| wrong("unknown status"))?,
            platform: word(&PLATFORMS, &self.platform, Platform::as_str).ok_or_else(|| wrong("unknown platform"))?,
            key_protection: word(&PROTECTIONS, &self.key_protection, KeyProtection::as_str)
                .ok_or_else(|| wrong("unknown key protection"))?,
            posture: serde_json::from_str(&self.posture).map_err(|_| wrong("its posture is not JSON"))?,
            authority: names.share(self.authority),
            owner,
            shared: self.shared,
            managed: self.managed,
            keys,
            enrolled_at: Timestamp(self.enrolled_at),
            posture_at: self.posture_at.map(Timestamp),
        })
    }
}

impl SessionRow {
    pub(super) fn read(self) -> Result<(Session, Timestamp), StoreError> {
        let session = serde_json::from_str(&self.facts).map_err(|problem| bad_row("session", &self.id, &problem))?;
        Ok((session, Timestamp(self.last_used)))
    }
}

impl CookieRow {
    pub(super) fn read(self) -> Result<Cookie, StoreError> {
        let wrong = |problem: &dyn std::fmt::Display| bad_row("cookie of session", &self.session, problem);
        Ok(Cookie {
            token: self.token.parse().map_err(|problem| wrong(&problem))?,
            host: self.host.parse().map_err(|problem| wrong(&problem))?,
            session: SessionId(self.session.as_str().into()),
        })
    }
}

/// The device of that name, with its keys, newest first.
pub(super) async fn device(db: &mut SqliteConnection, id: &str) -> Result<Option<Device>, StoreError> {
    let Some(row) =
        sqlx::query_as::<_, DeviceRow>("SELECT * FROM devices WHERE id = ?").bind(id).fetch_optional(&mut *db).await?
    else {
        return Ok(None);
    };
    let keys: Vec<String> = sqlx::query_scalar("SELECT fingerprint FROM device_keys WHERE device = ? ORDER BY rank DESC")
        .bind(id)
        .fetch_all(db)
        .await?;
    let keys = keys
        .iter()
        .map(|key| key.parse())
        .collect::<Result<_, _>>()
        .map_err(|problem| bad_row("keys of device", id, &problem))?;
    row.read(keys, &mut Names::default()).map(Some)
}

/// Writes a device that is new, or over the one that was there. Keys are only ever added.
pub(super) async fn put_device(db: &mut SqliteConnection, device: &Device) -> Result<(), StoreError> {
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

/// The device that has this key under this authority.
pub(super) async fn key_holder(
    db: &mut SqliteConnection,
    authority: &str,
    key: &KeyFingerprint,
) -> Result<Option<DeviceId>, StoreError> {
    let holder: Option<String> = sqlx::query_scalar("SELECT device FROM device_keys WHERE authority = ? AND fingerprint = ?")
        .bind(authority)
        .bind(key.to_string())
        .fetch_optional(db)
        .await?;
    holder.map(|id| id.parse().map_err(|problem| bad_row("holder of key", &id, &problem))).transpose()
}

/// The session of that name.
pub(super) async fn session(
    db: impl Executor<'_, Database = Sqlite>,
    id: &str,
) -> Result<Option<(Session, Timestamp)>, StoreError> {
    let row =
        sqlx::query_as::<_, SessionRow>("SELECT id, last_used, facts FROM sessions WHERE id = ?").bind(id).fetch_optional(db);
    row.await?.map(SessionRow::read).transpose()
}

/// The cookie with that hash.
pub(super) async fn cookie(db: impl Executor<'_, Database = Sqlite>, token: &str) -> Result<Option<Cookie>, StoreError> {
    let row =
        sqlx::query_as::<_, CookieRow>("SELECT token, session, host FROM cookies WHERE token = ?").bind(token).fetch_optional(db);
    row.await?.map(CookieRow::read).transpose()
}

/// Whether that person is suspended.
pub(super) async fn suspended(db: impl Executor<'_, Database = Sqlite>, user: &UserId) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT at FROM suspensions WHERE provider = ? AND subject = ?")
        .bind(&*user.provider)
        .bind(&*user.subject)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}

fn word<T: Copy>(all: &[T], text: &str, as_str: fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|&one| as_str(one) == text)
}

const STATUSES: [DeviceStatus; 4] =
    [DeviceStatus::Pending, DeviceStatus::Active, DeviceStatus::Quarantined, DeviceStatus::Retired];
const PLATFORMS: [Platform; 6] =
    [Platform::Linux, Platform::Macos, Platform::Windows, Platform::Android, Platform::Ios, Platform::Unknown];
const PROTECTIONS: [KeyProtection; 3] = [KeyProtection::Software, KeyProtection::Os, KeyProtection::Tpm];
