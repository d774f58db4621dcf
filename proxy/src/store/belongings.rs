//! What belongs to a person, and what they do with it themselves: names for devices, and invitations for further ones.

use std::sync::Arc;
use std::time::Duration;

use sqlx::SqliteConnection;

use super::actor::{Actor, Note, one_line};
use super::error::{StoreError, bad_row};
use super::feed::{Subject, Writing};
use super::invitations::{InvitationError, Invite, IssuedInvitation, open_invitation};
use super::registrar::Registrar;
use super::sessions::of_user;
use crate::clock::Timestamp;
use crate::inventory::{DeviceId, Owner, SessionId, UserId};

/// A person, by what devices may know them by.
#[derive(Clone, Debug)]
pub struct Oneself {
    /// The person.
    pub user: UserId,
    /// The address that their provider vouches for.
    pub email: Option<String>,
}

/// What belongs to a person. Retired devices, and invitations that open nothing any more, are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Belongings {
    /// Their devices, by id.
    pub devices: Vec<OwnDevice>,
    /// The invitations that they made for themselves, the oldest first.
    pub invitations: Vec<OwnInvitation>,
    /// Their sessions.
    pub sessions: Vec<SessionId>,
}

/// A device of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnDevice {
    /// Its id.
    pub id: DeviceId,
    /// What they call it.
    pub label: Option<String>,
}

/// An invitation that a person made for themselves, and that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnInvitation {
    /// Its public name.
    pub id: String,
    /// Since when.
    pub made_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// How much a person may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLimits {
    /// Devices and open invitations.
    pub devices: usize,
    /// Open invitations.
    pub invitations: usize,
}

/// What a person cannot do with what is theirs, or is not.
#[derive(Debug, thiserror::Error)]
pub enum BelongingError {
    /// It is somebody else's, or nobody's, or not there: the same to whoever asks.
    #[error("nothing of yours has this name")]
    NotYours,
    /// They have as many open invitations as they may.
    #[error("you have {most} open invitations already")]
    InvitationLimit {
        /// So many.
        most: usize,
    },
    /// They have as many devices as they may.
    #[error("you have {most} devices and open invitations already")]
    DeviceLimit {
        /// So many.
        most: usize,
    },
    /// The invitation could not be made.
    #[error(transparent)]
    Invitation(#[from] InvitationError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// What belongs to a person.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn belongings(&self, whose: &Oneself) -> Result<Belongings, StoreError> {
        let (me, whose) = (self.clone(), whose.clone());
        self.run(async move {
            let now = me.inner.clock.now();
            let mut db = me.pool().acquire().await?;
            let devices = devices(&mut db, &whose).await?;
            let invitations = invitations(&mut db, &whose.user, now).await?;
            Ok(Belongings { devices, invitations, sessions: of_user(&mut db, &whose.user).await? })
        })
        .await
    }

    /// Makes a one-time code for a device of the person's own, if they have not as much as they may: judged in the same moment as the
    /// code is stored. It opens nothing while the device that it was asked for on is not in use.
    ///
    /// # Errors
    /// [`BelongingError::InvitationLimit`], [`BelongingError::DeviceLimit`], [`BelongingError::Invitation`].
    pub async fn invite_for_oneself(
        &self,
        whose: &Oneself,
        on: &DeviceId,
        authority: Arc<str>,
        limits: OwnLimits,
        lifetime: Duration,
        why: &str,
    ) -> Result<IssuedInvitation, BelongingError> {
        let (me, whose, on) = (self.clone(), whose.clone(), on.clone());
        let note = Note::new(&Actor::Person(whose.user.clone()), why);
        let owner = Some(Owner::User(whose.user.clone()));
        let invite = Invite { authority, owner, shared: false, managed: false, device: None };
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            let open = invitations(w.db(), &whose.user, now).await?.len();
            if open >= limits.invitations {
                return Err(BelongingError::InvitationLimit { most: limits.invitations });
            }
            if devices(w.db(), &whose).await?.len().saturating_add(open) >= limits.devices {
                return Err(BelongingError::DeviceLimit { most: limits.devices });
            }
            let issued = open_invitation(w, invite, lifetime, Some((&whose.user, &on))).await?;
            me.commit(turn).await?;
            Ok(issued)
        })
        .await
    }

    /// Takes an invitation back that the person made: its code opens nothing any more.
    ///
    /// # Errors
    /// [`BelongingError::NotYours`] also if it was used, or has expired.
    pub async fn withdraw_invitation(&self, user: &UserId, id: &str, why: &str) -> Result<(), BelongingError> {
        let (me, user, id) = (self.clone(), user.clone(), id.to_owned());
        let note = Note::new(&Actor::Person(user.clone()), why);
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let now = w.now;
            if !invitations(w.db(), &user, now).await?.iter().any(|open| open.id == id) {
                return Err(BelongingError::NotYours);
            }
            sqlx::query("UPDATE invitations SET withdrawn_at = ? WHERE id = ?")
                .bind(now.0)
                .bind(&id)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Invitation(id), "withdrawn").await?;
            Ok(me.commit(turn).await?)
        })
        .await
    }

    /// Gives a device of the person's own another name; an empty one takes it away. Returns whether anything is different.
    ///
    /// # Errors
    /// [`BelongingError::NotYours`].
    pub async fn name_device(&self, whose: &Oneself, id: &DeviceId, label: &str, why: &str) -> Result<bool, BelongingError> {
        let (me, whose, id, label) = (self.clone(), whose.clone(), id.clone(), label_of(label));
        let note = Note::new(&Actor::Person(whose.user.clone()), why);
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let own = devices(w.db(), &whose).await?;
            let known = own.into_iter().find(|own| own.id == id).ok_or(BelongingError::NotYours)?;
            if known.label.as_deref().unwrap_or_default() == label {
                return Ok(false);
            }
            let now = w.now;
            let query = if label.is_empty() {
                sqlx::query("DELETE FROM device_labels WHERE device = ?").bind(id.as_str())
            } else {
                sqlx::query(
                    "INSERT INTO device_labels (device, label, at) VALUES (?, ?, ?) \
                     ON CONFLICT (device) DO UPDATE SET label = excluded.label, at = excluded.at",
                )
                .bind(id.as_str())
                .bind(&label)
                .bind(now.0)
            };
            query.execute(w.db()).await.map_err(StoreError::from)?;
            w.changed(&Subject::Device(id), "named").await?;
            me.commit(turn).await?;
            Ok(true)
        })
        .await
    }
}

/// Withdraws every open invitation that a person made for themselves, in this transaction.
pub(super) async fn withdraw_all(w: &mut Writing, user: &UserId) -> Result<(), StoreError> {
    let now = w.now;
    for OwnInvitation { id, .. } in invitations(w.db(), user, now).await? {
        sqlx::query("UPDATE invitations SET withdrawn_at = ? WHERE id = ?").bind(now.0).bind(&id).execute(w.db()).await?;
        w.changed(&Subject::Invitation(id), "withdrawn").await?;
    }
    Ok(())
}

/// A name is shown in a line: no control characters, and not many.
fn label_of(text: &str) -> String {
    one_line(text).chars().take(LONGEST_LABEL).collect::<String>().trim().to_owned()
}

async fn devices(db: &mut SqliteConnection, whose: &Oneself) -> Result<Vec<OwnDevice>, StoreError> {
    let rows: Vec<(String, Option<String>)> = sqlx::query_as(
        "SELECT id, label FROM devices LEFT JOIN device_labels ON device = id \
         WHERE owner_provider = ? AND owner_subject = ? AND status <> 'retired' \
         UNION ALL \
         SELECT id, label FROM devices LEFT JOIN device_labels ON device = id \
         WHERE owner_email = ? COLLATE NOCASE AND owner_email IS NOT NULL AND status <> 'retired' ORDER BY 1",
    )
    .bind(&*whose.user.provider)
    .bind(&*whose.user.subject)
    .bind(whose.email.as_deref())
    .fetch_all(db)
    .await?;
    let device =
        |(id, label): (String, _)| Ok(OwnDevice { id: id.parse().map_err(|problem| bad_row("device", &id, &problem))?, label });
    rows.into_iter().map(device).collect()
}

async fn invitations(db: &mut SqliteConnection, user: &UserId, now: Timestamp) -> Result<Vec<OwnInvitation>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT id, made_at, expires_at FROM invitations \
         WHERE owner_provider = ? AND owner_subject = ? AND used_at IS NULL AND withdrawn_at IS NULL AND expires_at > ? \
         ORDER BY made_at, id",
    )
    .bind(&*user.provider)
    .bind(&*user.subject)
    .bind(now.0)
    .fetch_all(db)
    .await?;
    let open = |(id, made_at, expires_at)| OwnInvitation { id, made_at: Timestamp(made_at), expires_at: Timestamp(expires_at) };
    Ok(rows.into_iter().map(open).collect())
}

/// Characters of a device's name that are kept.
const LONGEST_LABEL: usize = 60;

#[cfg(test)]
mod tests;
