//! Rows as types, and types as rows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::Deserialize;
use sqlx::{Executor, Sqlite, SqliteConnection};

use super::error::{StoreError, bad_row};
use crate::clock::Timestamp;
use crate::config::Host;
use crate::inventory::{
    Device, DeviceId, DeviceStatus, KeyFingerprint, KeyProtection, Owner, Platform, Session, SessionId, UserId,
};
use crate::secret::Digest;

/// A row of `devices`, with its keys.
#[derive(Deserialize)]
pub(super) struct DeviceRow<'a> {
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

/// A row of `sessions`.
#[derive(Deserialize)]
pub(super) struct SessionRow<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    last_used: i64,
    facts: Text<'a>,
}

/// A row of `cookies`.
#[derive(Deserialize)]
pub(super) struct CookieRow<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    session: Text<'a>,
    host: Text<'a>,
}

/// A column. Most have nothing that JSON escapes, and are read where they stand.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A cookie, read.
pub(super) struct Cookie {
    pub(super) token: Digest,
    pub(super) session: SessionId,
    pub(super) host: Host,
}

/// Authorities and providers are few and devices many: they share the text of the name.
#[derive(Default)]
pub(super) struct Names(HashMap<String, Arc<str>>);

impl Names {
    fn share(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = name.into();
        self.0.insert(name.to_owned(), Arc::clone(&shared));
        shared
    }
}

impl DeviceRow<'_> {
    pub(super) fn read(self, names: &mut Names) -> Result<Device, StoreError> {
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
            platform: word(&PLATFORMS, &self.platform, Platform::as_str).ok_or_else(|| wrong(&"unknown platform"))?,
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

impl SessionRow<'_> {
    pub(super) fn read(self) -> Result<(Session, Timestamp), StoreError> {
        let session = serde_json::from_str(&self.facts).map_err(|problem| bad_row("session", &self.id, &problem))?;
        Ok((session, Timestamp(self.last_used)))
    }
}

impl CookieRow<'_> {
    pub(super) fn read(self) -> Result<Cookie, StoreError> {
        let wrong = |problem: &dyn fmt::Display| bad_row("cookie of session", &self.session, problem);
        Ok(Cookie {
            token: self.token.parse().map_err(|problem| wrong(&problem))?,
            host: self.host.parse().map_err(|problem| wrong(&problem))?,
            session: SessionId((*self.session).into()),
        })
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Rows out of the text that a statement of these gives: one, or a list of them.
pub(super) fn read<'a, R: Deserialize<'a>>(text: &'a str) -> Result<R, StoreError> {
    serde_json::from_str(text).map_err(|problem| StoreError::Corrupt(format!("rows are not as they were asked for: {problem}")))
}

/// The device of that name, with its keys, newest first.
pub(super) async fn device(db: &mut SqliteConnection, id: &str) -> Result<Option<Device>, StoreError> {
    let row: Option<String> = sqlx::query_scalar(DEVICE).bind(id).fetch_optional(db).await?;
    row.map(|row| read::<DeviceRow<'_>>(&row)?.read(&mut Names::default())).transpose()
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
    let row: Option<String> = sqlx::query_scalar(SESSION).bind(id).fetch_optional(db).await?;
    row.map(|row| read::<SessionRow<'_>>(&row)?.read()).transpose()
}

/// The cookie with that hash.
pub(super) async fn cookie(db: impl Executor<'_, Database = Sqlite>, token: &str) -> Result<Option<Cookie>, StoreError> {
    let row: Option<String> = sqlx::query_scalar(COOKIE).bind(token).fetch_optional(db).await?;
    row.map(|row| read::<CookieRow<'_>>(&row)?.read()).transpose()
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

/// What [`DeviceRow`] reads.
macro_rules! device {
    () => {
        "id, authority, status, owner_provider, owner_subject, owner_email, shared, managed, platform, key_protection, \
         enrolled_at, posture, posture_at, \
         (SELECT group_concat(fingerprint, ' ' ORDER BY rank DESC) FROM device_keys WHERE device = id)"
    };
}

/// What [`SessionRow`] reads.
macro_rules! session {
    () => {
        "id, last_used, facts"
    };
}

/// What [`CookieRow`] reads.
macro_rules! cookie {
    () => {
        "token, session, host"
    };
}

macro_rules! one {
    ($columns:ident, $table:literal, $key:literal) => {
        concat!("SELECT json_array(", $columns!(), ") FROM ", $table, " WHERE ", $key, " = ?")
    };
}

/// With the number of the last of them.
macro_rules! some {
    ($columns:ident, $table:literal) => {
        concat!(
            "SELECT max(number), json_group_array(json_array(",
            $columns!(),
            ")) FROM (SELECT rowid AS number, * FROM ",
            $table,
            " WHERE rowid > ? ORDER BY rowid LIMIT ?)"
        )
    };
}

const DEVICE: &str = one!(device, "devices", "id");
const SESSION: &str = one!(session, "sessions", "id");
const COOKIE: &str = one!(cookie, "cookies", "token");

/// All devices, for [`pieces::each`](super::pieces::each).
pub(super) const DEVICES: &str = some!(device, "devices");
/// All sessions.
pub(super) const SESSIONS: &str = some!(session, "sessions");
/// All cookies.
pub(super) const COOKIES: &str = some!(cookie, "cookies");
