//! Whole tables, read in pieces. A thousand rows come as one text: a row that comes by itself costs many times what reading it does.

use futures_util::future::join;
use sqlx::SqliteConnection;

use super::error::StoreError;

/// Gives all rows to `take`, as texts that [`rows::read`](super::rows::read) reads. `sql` is one of [`rows`](super::rows). To be
/// called within a transaction, so that no row comes or goes between two pieces.
pub(super) async fn each(
    db: &mut SqliteConnection,
    sql: &'static str,
    mut take: impl FnMut(&str) -> Result<(), StoreError> + Send,
) -> Result<(), StoreError> {
    let mut piece = after(db, sql, i64::MIN).await?;
    while let Some((last, rows)) = piece {
        // The database has a thread of its own: it finds the next piece while this one is taken in.
        let (next, taken) = join(after(db, sql, last), async { take(&rows) }).await;
        taken?;
        piece = next?;
    }
    Ok(())
}

/// The rows after the one with that number, and the number of the last of them; `None` if there are no more.
async fn after(db: &mut SqliteConnection, sql: &'static str, number: i64) -> Result<Option<(i64, String)>, StoreError> {
    let (last, rows): (Option<i64>, String) = sqlx::query_as(sql).bind(number).bind(ROWS).fetch_one(db).await?;
    Ok(last.map(|last| (last, rows)))
}

/// Of one piece. More make it no faster.
const ROWS: i64 = 1024;
