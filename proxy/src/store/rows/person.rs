//! People.

use sqlx::{Executor, Sqlite};

use crate::inventory::UserId;
use crate::store::error::StoreError;

/// Whether that person is in the group of administrators.
pub(in crate::store) async fn is_administrator(
    db: impl Executor<'_, Database = Sqlite>,
    user: &UserId,
) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT at FROM administrators WHERE provider = ? AND subject = ?")
        .bind(&*user.provider)
        .bind(&*user.subject)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}

/// Whether that person is suspended.
pub(in crate::store) async fn suspended(db: impl Executor<'_, Database = Sqlite>, user: &UserId) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT at FROM suspensions WHERE provider = ? AND subject = ?")
        .bind(&*user.provider)
        .bind(&*user.subject)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}

/// Whether anybody who signed in with that address is suspended.
pub(in crate::store) async fn suspended_by_address(
    db: impl Executor<'_, Database = Sqlite>,
    address: &str,
) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT at FROM suspensions JOIN people USING (provider, subject) WHERE email = ? COLLATE NOCASE LIMIT 1",
    )
    .bind(address)
    .fetch_optional(db)
    .await?;
    Ok(found.is_some())
}
