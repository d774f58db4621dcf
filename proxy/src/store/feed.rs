//! The change feed: a gap-free sequence that says what changed, when, by whom and why.
//!
//! A change names a row; whoever follows reads the row as it is now. So applying a change twice, or late, does no harm.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::actor::Note;
use super::error::{StoreError, bad_row};
use super::given_up::Sealed;
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, SessionId, UserId};
use crate::secret::Digest;

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Device(DeviceId),
    Session(SessionId),
    Cookie(Digest),
    Suspension(UserId),
    Administrator(UserId),
    BreakGlass(DeviceId),
    Invitation(String),
}

/// One entry of the feed.
#[derive(Clone, Debug, PartialEq, Eq, FromRow, Serialize, Deserialize)]
pub struct Change {
    /// Its place in the sequence.
    pub seq: i64,
    /// Kind of thing that changed: `device`, `session`, `cookie`, `suspension`, `administrator`, `break_glass`, `invitation`.
    pub kind: String,
    /// Which one.
    pub id: String,
    /// What happened to it, in the past tense.
    pub what: String,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Who asked for it.
    pub by: String,
    /// The reason that they gave; may be empty.
    pub why: String,
}

/// A change that has come into effect, with whom it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// What the feed says of it.
    pub change: Change,
    /// The device that changed, or that the session is or was on.
    pub device: Option<DeviceId>,
    /// The person whose session or suspension it is.
    pub user: Option<UserId>,
    /// The session.
    pub session: Option<SessionId>,
}

/// A transaction in which every changed row is noted.
pub(super) struct Writing {
    tx: Transaction<'static, Sqlite>,
    note: Note,
    pub(super) now: Timestamp,
    /// What was kept with sessions that end in this transaction.
    pub(super) given_up: Vec<Sealed>,
    /// Devices whose posture was gathered again in this transaction, and is as it was.
    pub(super) gathered: Vec<(DeviceId, Option<Timestamp>)>,
    /// Sessions that end in it, and whose tokens are left alone.
    pub(super) replaced: Vec<SessionId>,
}

impl Writing {
    /// Takes the write lock at once, so that what is read in here stays true until [`Writing::commit`].
    pub(super) async fn begin(pool: &SqlitePool, note: Note, now: Timestamp) -> Result<Self, StoreError> {
        let tx = pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Self { tx, note, now, given_up: Vec::new(), gathered: Vec::new(), replaced: Vec::new() })
    }

    /// From now on the changes are noted as done by somebody else, for another reason.
    pub(super) fn note(&mut self, note: Note) {
        self.note = note;
    }

    /// To read and write rows with.
    pub(super) fn db(&mut self) -> &mut SqliteConnection {
        &mut self.tx
    }

    /// Says that the row of `subject` was changed in this transaction.
    pub(super) async fn changed(&mut self, subject: &Subject, what: &'static str) -> Result<(), StoreError> {
        let seq: i64 = sqlx::query_scalar("UPDATE feed SET last = last + 1 RETURNING last").fetch_one(&mut *self.tx).await?;
        sqlx::query("INSERT INTO changes (seq, kind, id, what, at, \"by\", why) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(seq)
            .bind(subject.kind())
            .bind(subject.id())
            .bind(what)
            .bind(self.now.0)
            .bind(&self.note.by)
            .bind(&self.note.why)
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Makes all of it durable.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }
}

impl Subject {
    pub(super) fn read(change: &Change) -> Result<Self, StoreError> {
        let wrong = |problem: &dyn fmt::Display| bad_row("change", &change.seq.to_string(), problem);
        Ok(match change.kind.as_str() {
            "device" => Self::Device(change.id.parse().map_err(|problem| wrong(&problem))?),
            "session" => Self::Session(SessionId(change.id.as_str().into())),
            "cookie" => Self::Cookie(change.id.parse().map_err(|problem| wrong(&problem))?),
            "suspension" => Self::Suspension(change.id.parse().map_err(|problem| wrong(&problem))?),
            "administrator" => Self::Administrator(change.id.parse().map_err(|problem| wrong(&problem))?),
            "break_glass" => Self::BreakGlass(change.id.parse().map_err(|problem| wrong(&problem))?),
            "invitation" => Self::Invitation(change.id.clone()),
            _ => return Err(wrong(&"unknown kind")),
        })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            Self::Session(_) => "session",
            Self::Cookie(_) => "cookie",
            Self::Suspension(_) => "suspension",
            Self::Administrator(_) => "administrator",
            Self::BreakGlass(_) => "break_glass",
            Self::Invitation(_) => "invitation",
        }
    }

    pub(super) fn id(&self) -> String {
        match self {
            Self::Device(id) | Self::BreakGlass(id) => id.to_string(),
            Self::Session(id) => id.to_string(),
            Self::Cookie(token) => token.to_string(),
            Self::Suspension(user) | Self::Administrator(user) => user.to_string(),
            Self::Invitation(id) => id.clone(),
        }
    }
}

/// At most [`BATCH`] changes after `seq`, in order.
pub(super) async fn after(pool: &SqlitePool, seq: i64) -> Result<Vec<Change>, StoreError> {
    Ok(sqlx::query_as("SELECT seq, kind, id, what, at, \"by\", why FROM changes WHERE seq > ? ORDER BY seq LIMIT ?")
        .bind(seq)
        .bind(BATCH)
        .fetch_all(pool)
        .await?)
}

/// The newest changes of one thing, newest first.
pub(super) async fn history(pool: &SqlitePool, kind: &str, id: &str, limit: u32) -> Result<Vec<Change>, StoreError> {
    Ok(sqlx::query_as(
        "SELECT seq, kind, id, what, at, \"by\", why FROM changes WHERE kind = ? AND id = ? ORDER BY seq DESC LIMIT ?",
    )
    .bind(kind)
    .bind(id)
    .bind(limit)
    .fetch_all(pool)
    .await?)
}

/// Forgets the oldest changes. Whoever follows from before them sees the gap and loads everything again.
pub(super) async fn trim(db: &mut SqliteConnection, before: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM changes WHERE seq < (SELECT COALESCE(MIN(seq), (SELECT last FROM feed)) FROM changes WHERE at >= ?)",
    )
    .bind(before.0)
    .execute(db)
    .await?;
    Ok(())
}

const BATCH: i64 = 512;
