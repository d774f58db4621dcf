//! Invitations that are open: a list for operators, and an end to one of them. And who a person is, as far as the gate knows.

use super::actor::{Actor, Note};
use super::error::{StoreError, bad_row};
use super::feed::Subject;
use super::invitations::Invitation;
use super::near::{did_you_mean, near};
use super::registrar::Registrar;
use crate::clock::Timestamp;
use crate::inventory::UserId;

/// An invitation that can be redeemed, for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// Who made it for themselves; `None`: an administrator made it.
    pub made_by: Option<UserId>,
    /// When.
    pub made_at: Timestamp,
}

/// What is known of somebody who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPerson {
    /// The verified address of the last sign-in.
    pub email: Option<String>,
    /// The display name of the last sign-in.
    pub name: Option<String>,
    /// When that was.
    pub last_sign_in: Timestamp,
}

/// An invitation that cannot be withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum NotOpen {
    /// It was used, withdrawn, has expired, or never was.
    #[error("no invitation `{id}` is open{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        id: String,
        /// Open ones that could have been meant.
        near: Vec<String>,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type OpenRow = (String, String, i64, i64, Option<String>, Option<String>);

impl Registrar {
    /// Every invitation that is open, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn open_invitations(&self) -> Result<Vec<OpenInvitation>, StoreError> {
        let me = self.clone();
        self.run(async move {
            let now = me.inner.clock.now();
            let rows: Vec<OpenRow> = sqlx::query_as(
                "SELECT id, details, made_at, expires_at, owner_provider, owner_subject FROM invitations \
                 WHERE used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ? ORDER BY made_at, id",
            )
            .bind(now.0)
            .fetch_all(me.pool())
            .await?;
            rows.into_iter().map(open).collect()
        })
        .await
    }

    /// Takes an open invitation back, whoever made it: its code opens nothing any more.
    ///
    /// # Errors
    /// [`NotOpen::Unknown`].
    pub async fn close_invitation(&self, id: &str, by: &Actor, why: &str) -> Result<(), NotOpen> {
        let (me, id, note) = (self.clone(), id.to_owned(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            let closed = sqlx::query(
                "UPDATE invitations SET withdrawn_at = ? WHERE id = ? AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ?",
            )
            .bind(now.0)
            .bind(&id)
            .bind(now.0)
            .execute(w.db())
            .await
            .map_err(StoreError::from)?;
            if closed.rows_affected() == 0 {
                drop(turn);
                let open = me.open_invitations().await?;
                let near = near(&id, open.iter().map(|open| open.invitation.id.as_str()));
                return Err(NotOpen::Unknown { id, near });
            }
            w.changed(&Subject::Invitation(id), "withdrawn").await?;
            Ok(me.commit(turn).await?)
        })
        .await
    }

    /// What is known of a person; `None` if they have never signed in.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn person(&self, user: &UserId) -> Result<Option<KnownPerson>, StoreError> {
        let (me, user) = (self.clone(), user.clone());
        self.run(async move {
            let found: Option<(Option<String>, Option<String>, i64)> =
                sqlx::query_as("SELECT email, name, last_sign_in FROM people WHERE provider = ? AND subject = ?")
                    .bind(&*user.provider)
                    .bind(&*user.subject)
                    .fetch_optional(me.pool())
                    .await?;
            Ok(found.map(|(email, name, at)| KnownPerson { email, name, last_sign_in: Timestamp(at) }))
        })
        .await
    }
}

fn open((id, details, made_at, expires_at, provider, subject): OpenRow) -> Result<OpenInvitation, StoreError> {
    let invite = serde_json::from_str(&details).map_err(|problem| bad_row("invitation", &id, &problem))?;
    let made_by = provider.zip(subject).map(|(provider, subject)| UserId { provider: provider.into(), subject: subject.into() });
    let invitation = Invitation { id, invite, expires_at: Timestamp(expires_at) };
    Ok(OpenInvitation { invitation, made_by, made_at: Timestamp(made_at) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::inventory::Owner;
    use crate::inventory::samples::user;
    use crate::store::tests::{ADMIN, Bench};
    use crate::store::{InvitationError, Invite};

    #[tokio::test]
    async fn what_is_open_is_listed_and_can_be_taken_back_once() {
        let bench = Bench::new();
        let registrar = bench.open().await;
        let invite = |name: &str| Invite {
            authority: "house".into(),
            owner: Some(Owner::User(user(name))),
            shared: false,
            managed: false,
            device: None,
        };
        let first = registrar.invite(invite("ana"), Duration::from_secs(3600), &ADMIN, "").await.unwrap();
        let second = registrar.invite(invite("bob"), Duration::from_secs(60), &ADMIN, "").await.unwrap();
        let ids =
            async || registrar.open_invitations().await.unwrap().into_iter().map(|open| open.invitation.id).collect::<Vec<_>>();
        let mut both = vec![first.invitation.id.clone(), second.invitation.id.clone()];
        both.sort();
        let mut listed = ids().await;
        listed.sort();
        assert_eq!(listed, both);

        registrar.close_invitation(&first.invitation.id, &ADMIN, "lost letter").await.unwrap();
        assert!(matches!(registrar.invitation(&first.code).await, Err(InvitationError::Unknown)));
        registrar.invitation(&second.code).await.expect("nobody took that back");
        let twice = registrar.close_invitation(&first.invitation.id, &ADMIN, "").await.unwrap_err();
        assert!(matches!(twice, NotOpen::Unknown { .. }), "{twice}");
        assert_eq!(ids().await, [second.invitation.id.as_str()]);
        bench.clock().advance(Duration::from_secs(61));
        assert_eq!(ids().await, Vec::<String>::new());
        assert!(registrar.close_invitation(&second.invitation.id, &ADMIN, "").await.is_err(), "it is over");
    }
}
