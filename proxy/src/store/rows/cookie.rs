//! Cookies.

use std::fmt;

use serde::Deserialize;
use sqlx::{Executor, Sqlite};

use super::text::{Text, one, read, some};
use crate::config::Host;
use crate::inventory::SessionId;
use crate::secret::Digest;
use crate::store::error::{StoreError, bad_row};

/// A row of `cookies`.
#[derive(Deserialize)]
pub(in crate::store) struct CookieRow<'a> {
    #[serde(borrow)]
    token: Text<'a>,
    session: Text<'a>,
    host: Text<'a>,
}

/// A cookie, read.
pub(in crate::store) struct Cookie {
    pub(in crate::store) token: Digest,
    pub(in crate::store) session: SessionId,
    pub(in crate::store) host: Host,
}

impl CookieRow<'_> {
    pub(in crate::store) fn read(self) -> Result<Cookie, StoreError> {
        let wrong = |problem: &dyn fmt::Display| bad_row("cookie of session", &self.session, problem);
        Ok(Cookie {
            token: self.token.parse().map_err(|problem| wrong(&problem))?,
            host: self.host.parse().map_err(|problem| wrong(&problem))?,
            session: SessionId((*self.session).into()),
        })
    }
}

/// The cookie with that hash.
pub(in crate::store) async fn cookie(
    db: impl Executor<'_, Database = Sqlite>,
    token: &str,
) -> Result<Option<Cookie>, StoreError> {
    let row: Option<String> = sqlx::query_scalar(COOKIE).bind(token).fetch_optional(db).await?;
    row.map(|row| read::<CookieRow<'_>>(&row)?.read()).transpose()
}

/// What [`CookieRow`] reads.
macro_rules! cookie {
    () => {
        "token, session, host"
    };
}

const COOKIE: &str = one!(cookie, "cookies", "token");

/// All cookies, for [`pieces::each`](crate::store::pieces::each).
pub(in crate::store) const COOKIES: &str = some!(cookie, "cookies");
