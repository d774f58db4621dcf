//! Who is in the group of administrators.

use super::actor::{Actor, Note, one_line};
use super::error::StoreError;
use super::feed::Subject;
use super::near::{did_you_mean, near};
use super::registrar::Registrar;
use super::rows;
use crate::clock::Timestamp;
use crate::inventory::UserId;

/// A person in the group of administrators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Who.
    pub user: UserId,
    /// The verified e-mail address, if they have signed in.
    pub email: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A person who cannot be put into the group, or taken out of it.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// Nothing to do.
    #[error("{0} is an administrator already")]
    Already(UserId),
    /// Nothing to do.
    #[error("{user} is no administrator{}", did_you_mean(near))]
    NotOne {
        /// Who was named.
        user: UserId,
        /// Administrators who could have been meant.
        near: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Puts a person into the group of administrators. What they may do then is for policies to say.
    ///
    /// # Errors
    /// [`AdministratorError::Already`].
    pub async fn add_administrator(&self, user: &UserId, by: &Actor, why: &str) -> Result<(), AdministratorError> {
        let (me, user, note) = (self.clone(), user.clone(), Note::new(by, why));
        let (by, why) = (by.to_string(), one_line(why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if rows::is_administrator(w.db(), &user).await? {
                return Err(AdministratorError::Already(user));
            }
            let at = w.now.0;
            sqlx::query("INSERT INTO administrators (provider, subject, at, \"by\", why) VALUES (?, ?, ?, ?, ?)")
                .bind(&*user.provider)
                .bind(&*user.subject)
                .bind(at)
                .bind(by)
                .bind(why)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Administrator(user), "added").await?;
            Ok(me.commit(turn).await?)
        })
        .await
    }

    /// Takes a person out of it.
    ///
    /// # Errors
    /// [`AdministratorError::NotOne`].
    pub async fn remove_administrator(&self, user: &UserId, by: &Actor, why: &str) -> Result<(), AdministratorError> {
        let (me, user, note) = (self.clone(), user.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let gone = sqlx::query("DELETE FROM administrators WHERE provider = ? AND subject = ?")
                .bind(&*user.provider)
                .bind(&*user.subject)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            if gone.rows_affected() == 0 {
                let names: Vec<String> = sqlx::query_scalar("SELECT provider || '/' || subject FROM administrators")
                    .fetch_all(w.db())
                    .await
                    .map_err(StoreError::from)?;
                let near = near(&user.to_string(), names.iter().map(String::as_str));
                return Err(AdministratorError::NotOne { user, near });
            }
            w.changed(&Subject::Administrator(user), "removed").await?;
            Ok(me.commit(turn).await?)
        })
        .await
    }

    /// Everybody in the group, by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn administrators(&self) -> Result<Vec<Administrator>, StoreError> {
        let me = self.clone();
        self.run(async move {
            let rows: Vec<(String, String, Option<String>, i64, String, String)> = sqlx::query_as(
                "SELECT a.provider, a.subject, p.email, a.at, a.\"by\", a.why FROM administrators AS a \
                 LEFT JOIN people AS p ON p.provider = a.provider AND p.subject = a.subject ORDER BY a.provider, a.subject",
            )
            .fetch_all(me.pool())
            .await?;
            let one = |(provider, subject, email, at, by, why): (String, String, Option<String>, i64, String, String)| {
                let user = UserId { provider: provider.into(), subject: subject.into() };
                Administrator { user, email, since: Timestamp(at), by, why }
            };
            Ok(rows.into_iter().map(one).collect())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::samples::user;
    use crate::store::tests::Bench;

    #[tokio::test]
    async fn the_group_is_what_was_said_and_survives_a_start() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let (ana, bob, by) = (user("ana"), user("bob"), Actor::Operator { uid: 7, name: None });
        let epoch = registrar.inventory().trust_epoch();
        registrar.add_administrator(&ana, &by, " first\n").await.unwrap();
        assert!(registrar.inventory().trust_epoch() > epoch, "who has asked before is asked about again");
        assert!(registrar.inventory().is_administrator(&ana) && !registrar.inventory().is_administrator(&bob));
        let again = registrar.add_administrator(&ana, &by, "").await.unwrap_err().to_string();
        assert_eq!(again, "corp/ana is an administrator already");
        let not = registrar.remove_administrator(&user("anna"), &by, "").await.unwrap_err().to_string();
        assert_eq!(not, "corp/anna is no administrator; did you mean `corp/ana`?");
        drop(registrar);

        let registrar = bench.open().await;
        assert!(registrar.inventory().is_administrator(&ana));
        let [one] = &registrar.administrators().await.unwrap()[..] else { panic!() };
        assert_eq!((&one.user, &*one.by, &*one.why, &one.email), (&ana, "uid:7", "first", &None));
        registrar.remove_administrator(&ana, &by, "left").await.unwrap();
        assert!(!registrar.inventory().is_administrator(&ana));
        assert_eq!(registrar.administrators().await.unwrap(), []);
    }
}
