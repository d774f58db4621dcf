//! People.

use sqlx::{Executor, Sqlite};

use crate::inventory::UserId;
use crate::store::error::StoreError;

/// Whether that person is suspended.
pub(in crate::store) async fn suspended(db: impl Executor<'_, Database = Sqlite>, user: &UserId) -> Result<bool, StoreError> {
    let found: Option<i64> = sqlx::query_scalar("SELECT at FROM suspensions WHERE provider = ? AND subject = ?")
        .bind(&*user.provider)
        .bind(&*user.subject)
        .fetch_optional(db)
        .await?;
    Ok(found.is_some())
}
