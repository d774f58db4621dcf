//! The break-glass that is under way.

use sqlx::{Executor, FromRow, Sqlite};

use crate::clock::Timestamp;
use crate::inventory::{BreakGlass, SessionId};
use crate::secret::Digest;
use crate::store::error::{StoreError, bad_row};

#[derive(FromRow)]
struct Row {
    code: String,
    device: String,
    begun_at: i64,
    ends_at: i64,
    used_at: Option<i64>,
    session: Option<String>,
    by: String,
    why: String,
}

/// It, with the digest of its code; `None` if none is.
pub(in crate::store) async fn break_glass(
    db: impl Executor<'_, Database = Sqlite>,
) -> Result<Option<(BreakGlass, Digest)>, StoreError> {
    let row: Option<Row> =
        sqlx::query_as("SELECT code, device, begun_at, ends_at, used_at, session, \"by\", why FROM break_glass")
            .fetch_optional(db)
            .await?;
    let Some(row) = row else { return Ok(None) };
    let wrong = |problem: &dyn std::fmt::Display| bad_row("break_glass", &row.device, problem);
    let code = row.code.parse().map_err(|problem| wrong(&problem))?;
    let under_way = BreakGlass {
        device: row.device.parse().map_err(|problem| wrong(&problem))?,
        begun_at: Timestamp(row.begun_at),
        ends_at: Timestamp(row.ends_at),
        used_at: row.used_at.map(Timestamp),
        session: row.session.map(|id| SessionId(id.into())),
        by: row.by,
        why: row.why,
    };
    Ok(Some((under_way, code)))
}
