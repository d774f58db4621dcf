//! Sessions.

use serde::Deserialize;
use sqlx::{Executor, Sqlite};

use super::text::{Text, one, read, some};
use crate::clock::Timestamp;
use crate::inventory::{Session, SessionUse};
use crate::store::error::{StoreError, bad_row};

/// A row of `sessions`.
#[derive(Deserialize)]
pub(in crate::store) struct SessionRow<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    last_used: i64,
    confirmed_at: Option<i64>,
    refreshable: i64,
    facts: Text<'a>,
}

impl SessionRow<'_> {
    pub(in crate::store) fn read(self) -> Result<(Session, SessionUse), StoreError> {
        let session: Session = serde_json::from_str(&self.facts).map_err(|problem| bad_row("session", &self.id, &problem))?;
        let used = SessionUse {
            last_used: Timestamp(self.last_used),
            confirmed_at: self.confirmed_at.map_or(session.created_at, Timestamp),
            refreshable: self.refreshable != 0,
        };
        Ok((session, used))
    }
}

/// The session of that name.
pub(in crate::store) async fn session(
    db: impl Executor<'_, Database = Sqlite>,
    id: &str,
) -> Result<Option<(Session, SessionUse)>, StoreError> {
    let row: Option<String> = sqlx::query_scalar(SESSION).bind(id).fetch_optional(db).await?;
    row.map(|row| read::<SessionRow<'_>>(&row)?.read()).transpose()
}

/// What [`SessionRow`] reads.
macro_rules! session {
    () => {
        "id, last_used, confirmed_at, refreshable, facts"
    };
}

const SESSION: &str = one!(session, "sessions", "id");

/// All sessions, for [`pieces::each`](crate::store::pieces::each).
pub(in crate::store) const SESSIONS: &str = some!(session, "sessions");
