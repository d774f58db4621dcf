//! Opening the embedded database of a state folder.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};

use super::error::StoreError;
use crate::secret::Sealer;

/// The database, and the lock that keeps a second process away from it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) pool: SqlitePool,
    /// Held by the kernel until this process ends, however it ends.
    _lock: File,
}

/// Opens `<state>/sekisho.db`, which is made if it is not there, and brings its tables up to date.
pub(super) async fn open(state: &Path, sealer: &Sealer) -> Result<Database, StoreError> {
    let lock = take_folder(state)?;
    let path = state.join(FILE_NAME);
    private_file(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(false)
        .foreign_keys(true)
        // What a large listing sorts is not written to folders that are not ours, and that may be out of reach.
        .pragma("temp_store", "MEMORY")
        .journal_mode(SqliteJournalMode::Wal)
        // A change that was reported as done survives a power cut.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    // One connection writes at a time; the others read the change feed and listings meanwhile.
    let pool = SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(2 * BUSY_TIMEOUT)
        .after_release(|connection, _| Box::pin(out_of_transaction(connection)))
        .connect_with(options)
        .await?;
    MIGRATIONS.run(&pool).await?;
    check_key(&pool, sealer).await?;
    Ok(Database { pool, _lock: lock })
}

/// Whether a connection may serve again.
///
/// A full disk makes SQLite roll the transaction back by itself (<https://www.sqlite.org/lang_transaction.html>, section 3);
/// sqlx's own rollback then fails, and the connection would count as being in a transaction for ever.
async fn out_of_transaction(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback may be waiting in the queue of the connection's thread: this goes behind it.
        connection.ping().await?;
    }
    Ok(!connection.is_in_transaction())
}

/// Makes the folder if need be, and sees to it that nobody else can change what is in it or serves from it.
fn take_folder(state: &Path) -> Result<File, StoreError> {
    let unusable = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::Unusable { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(state).map_err(unusable(state))?;
    let mode = fs::metadata(state).map_err(unusable(state))?.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(StoreError::Exposed { path: state.to_owned(), mode, remedy: "go-w" });
    }
    let path = state.join("lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(unusable(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: state.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::Unusable { path, source }),
    }
}

/// SQLite gives its journal files the mode of the database, so that is made first.
fn private_file(path: &Path) -> Result<(), StoreError> {
    let unusable = |source| StoreError::Unusable { path: path.to_owned(), source };
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_made) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(unusable(error)),
    }
    let mode = fs::metadata(path).map_err(unusable)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StoreError::Exposed { path: PathBuf::from(path), mode, remedy: "600" });
    }
    Ok(())
}

/// Without this, a lost `secret.key` would be made anew in silence, and what was sealed would be found broken much later.
async fn check_key(pool: &SqlitePool, sealer: &Sealer) -> Result<(), StoreError> {
    let known: Option<Vec<u8>> = sqlx::query_scalar("SELECT key_check FROM feed").fetch_one(pool).await?;
    if let Some(sealed) = known {
        return sealer.open(KEY_CHECK, &sealed).map(|_| ()).map_err(|_| StoreError::WrongKey);
    }
    let sealed = sealer.seal(KEY_CHECK, b"").map_err(|_| StoreError::Sealing("sealing failed"))?;
    sqlx::query("UPDATE feed SET key_check = ?").bind(sealed).execute(pool).await?;
    Ok(())
}

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

const FILE_NAME: &str = "sekisho.db";
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
const KEY_CHECK: &str = "key-check";
