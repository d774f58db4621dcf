//! What can go wrong with the store.

use std::io;
use std::path::PathBuf;

use sqlx::migrate::MigrateError;

use crate::secret::KeyFileError;

/// The store cannot do what was asked. Nothing was changed, unless it is [`StoreError::Behind`].
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The state folder or a file in it cannot be made or opened.
    #[error("cannot use {path}: {source}")]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others could change or read what decides about access.
    #[error("{path} has mode {mode:04o}: others may use it; `chmod {remedy}` it")]
    Exposed {
        /// The folder or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What they should be.
        remedy: &'static str,
    },
    /// Another process serves from the same state folder.
    #[error("{path} is in use by another sekisho: two may not share one state folder")]
    InUse {
        /// The state folder.
        path: PathBuf,
    },
    /// Somebody else holds the database's lock for too long.
    #[error("the database is locked by another program; close it (a backup or an open sqlite3 shell?)")]
    Locked,
    /// No space.
    #[error("the disk with the database is full")]
    Full,
    /// It may not be written.
    #[error("the database is read-only: check the file system and the owner of the state folder")]
    ReadOnly,
    /// It is damaged.
    #[error("the database is damaged ({0}): stop the gate and put back a backup of the state folder")]
    Corrupt(String),
    /// It was last used by a newer version of this program.
    #[error("the database was made by a newer version of sekisho (state version {0}): use that version")]
    Newer(i64),
    /// `secret.key` is not usable.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// `secret.key` is not the one that the database was used with.
    #[error("secret.key is not the one that this database was used with: put the right one back")]
    WrongKey,
    /// Something could not be sealed or opened.
    #[error("{0}")]
    Sealing(&'static str),
    /// The change is durable, but this process could not read it back; it refuses decisions until it has.
    #[error("the change was stored, but is not in effect yet: {0}")]
    Behind(Box<Self>),
    /// The process is shutting down.
    #[error("the gate is shutting down")]
    Stopping,
    /// Anything else that SQLite or the system says.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(told) => {
                let code = told.code().and_then(|code| code.parse::<i32>().ok()).unwrap_or_default();
                // The low byte is the primary result code: https://www.sqlite.org/rescode.html
                match code & 0xff {
                    5 | 6 => Self::Locked,
                    8 => Self::ReadOnly,
                    11 | 26 => Self::Corrupt(told.message().to_owned()),
                    13 => Self::Full,
                    _ => Self::Failed(error.to_string()),
                }
            }
            sqlx::Error::PoolTimedOut => Self::Locked,
            sqlx::Error::PoolClosed => Self::Stopping,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(inner) | MigrateError::ExecuteMigration(inner, _) => inner.into(),
            MigrateError::VersionMissing(version) => Self::Newer(version),
            other => Self::Corrupt(other.to_string()),
        }
    }
}

/// A row that this program cannot have written.
pub(super) fn bad_row(table: &str, id: &str, problem: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{table} {id}: {problem}"))
}
