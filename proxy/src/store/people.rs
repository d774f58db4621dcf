//! People: who has signed in, and whose access was taken away.

use super::actor::{Actor, Note};
use super::belongings;
use super::error::StoreError;
use super::feed::{Subject, Writing};
use super::near::{did_you_mean, near};
use super::registrar::Registrar;
use super::rows;
use super::sessions::{self, SessionsOf};
use crate::inventory::{Session, SessionId, UserId};

/// A person who cannot be found, suspended or resumed.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// Nobody of that address has signed in.
    #[error("nobody with the address `{email}` has signed in here; write `provider/subject`{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        email: String,
        /// Addresses that could have been meant.
        near: Vec<String>,
    },
    /// Several have it.
    #[error("several people have the address `{email}`; write one of `{}`", list(users))]
    Ambiguous {
        /// What was asked for.
        email: String,
        /// Who has it.
        users: Vec<UserId>,
    },
    /// Nothing to do.
    #[error("{0} is suspended already")]
    AlreadySuspended(UserId),
    /// Nothing to do.
    #[error("{user} is not suspended{}", did_you_mean(near))]
    NotSuspended {
        /// Who was named.
        user: UserId,
        /// Suspended people who could have been meant.
        near: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Takes a person's access away, on every device, and ends their sessions; returns which.
    ///
    /// # Errors
    /// [`PersonError::AlreadySuspended`].
    pub async fn suspend_user(&self, user: &UserId, by: &Actor, why: &str) -> Result<Vec<SessionId>, PersonError> {
        let (me, user, note) = (self.clone(), user.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::suspended(w.db(), &user).await? {
                return Err(PersonError::AlreadySuspended(user));
            }
            let at = w.now.0;
            sqlx::query("INSERT INTO suspensions (provider, subject, at) VALUES (?, ?, ?)")
                .bind(&*user.provider)
                .bind(&*user.subject)
                .bind(at)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Suspension(user.clone()), "suspended").await?;
            belongings::withdraw_all(w, &user).await?;
            let ended = sessions::end_those_of(w, &user).await?;
            turn.ended.remember(&SessionsOf::User(user), turn.writing.now);
            me.commit(turn).await?;
            Ok(ended)
        })
        .await
    }

    /// Gives access back. The person signs in again.
    ///
    /// # Errors
    /// [`PersonError::NotSuspended`].
    pub async fn resume_user(&self, user: &UserId, by: &Actor, why: &str) -> Result<(), PersonError> {
        let (me, user, note) = (self.clone(), user.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if !rows::suspended(w.db(), &user).await? {
                let suspended: Vec<String> = me.inventory().suspended_users().iter().map(ToString::to_string).collect();
                let near = near(&user.to_string(), suspended.iter().map(String::as_str));
                return Err(PersonError::NotSuspended { user, near });
            }
            sqlx::query("DELETE FROM suspensions WHERE provider = ? AND subject = ?")
                .bind(&*user.provider)
                .bind(&*user.subject)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Suspension(user.clone()), "resumed").await?;
            Ok(me.commit(turn).await?)
        })
        .await
    }

    /// Whom an operator means: `provider/subject`, or the e-mail address of somebody who has signed in.
    ///
    /// # Errors
    /// [`PersonError::Unknown`], [`PersonError::Ambiguous`].
    pub async fn find_user(&self, text: &str) -> Result<UserId, PersonError> {
        if let Ok(user) = text.parse() {
            return Ok(user);
        }
        let (me, email) = (self.clone(), canonical_email(text).unwrap_or_else(|| text.to_owned()));
        self.run(async move {
            let found: Vec<(String, String)> =
                sqlx::query_as("SELECT provider, subject FROM people WHERE email = ? ORDER BY provider, subject")
                    .bind(&email)
                    .fetch_all(me.pool())
                    .await
                    .map_err(StoreError::from)?;
            let mut users: Vec<UserId> = found
                .into_iter()
                .map(|(provider, subject)| UserId { provider: provider.into(), subject: subject.into() })
                .collect();
            match users.pop() {
                Some(only) if users.is_empty() => Ok(only),
                Some(last) => {
                    users.push(last);
                    Err(PersonError::Ambiguous { email, users })
                }
                None => {
                    let known: Vec<String> = sqlx::query_scalar("SELECT DISTINCT email FROM people WHERE email IS NOT NULL")
                        .fetch_all(me.pool())
                        .await
                        .map_err(StoreError::from)?;
                    let near = near(&email, known.iter().map(String::as_str));
                    Err(PersonError::Unknown { email, near })
                }
            }
        })
        .await
    }

    /// Everybody who has signed in here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn people(&self) -> Result<Vec<UserId>, StoreError> {
        let me = self.clone();
        self.run(async move {
            let found: Vec<(String, String)> =
                sqlx::query_as("SELECT provider, subject FROM people").fetch_all(me.pool()).await?;
            let user = |(provider, subject): (String, String)| UserId { provider: provider.into(), subject: subject.into() };
            Ok(found.into_iter().map(user).collect())
        })
        .await
    }

    /// Whether somebody of that name has signed in here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn has_signed_in(&self, user: &UserId) -> Result<bool, StoreError> {
        let (me, user) = (self.clone(), user.clone());
        self.run(async move {
            let found: Option<i64> = sqlx::query_scalar("SELECT last_sign_in FROM people WHERE provider = ? AND subject = ?")
                .bind(&*user.provider)
                .bind(&*user.subject)
                .fetch_optional(me.pool())
                .await?;
            Ok(found.is_some())
        })
        .await
    }
}

/// An e-mail address in the form in which addresses are compared: one `@`, the domain in lower case. The part before it is left as
/// it is, since only the domain's mail system knows whether case counts there.
pub fn canonical_email(text: &str) -> Option<String> {
    let (local, domain) = text.trim().split_once('@')?;
    let plain = |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control() || c == '@');
    (plain(local) && plain(domain)).then(|| format!("{local}@{}", domain.to_ascii_lowercase()))
}

/// Notes who signed in, so that operators can name them by e-mail address later.
pub(super) async fn remember(w: &mut Writing, session: &Session) -> Result<(), StoreError> {
    let now = w.now.0;
    sqlx::query(
        "INSERT INTO people (provider, subject, email, name, last_sign_in) VALUES (?, ?, ?, ?, ?) \
         ON CONFLICT (provider, subject) DO UPDATE SET email = excluded.email, name = excluded.name, last_sign_in = excluded.last_sign_in",
    )
    .bind(&*session.user.provider)
    .bind(&*session.user.subject)
    .bind(session.email.as_deref())
    .bind(session.name.as_deref())
    .bind(now)
    .execute(w.db())
    .await?;
    Ok(())
}

fn list(users: &[UserId]) -> String {
    users.iter().map(ToString::to_string).collect::<Vec<_>>().join("`, `")
}
