//! Invitations: a one-time code that lets one device in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::{FromRow, SqliteConnection};

use super::actor::{Actor, Note};
use super::attestations::attested;
use super::code::{InviteCode, symbol};
use super::devices::{DeviceError, put_new};
use super::error::{StoreError, bad_row};
use super::feed::{Subject, Writing};
use super::registrar::Registrar;
use super::rows;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, DeviceStatus, KeyFingerprint, KeyProtection, LiveDevice, Owner, Platform, UserId};
use crate::secret::{self, NoRandomness};

/// What an administrator invites.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// The built-in authority that will sign its certificate.
    pub authority: Arc<str>,
    /// Whose device it will be.
    pub owner: Option<Owner>,
    /// Used by several people.
    pub shared: bool,
    /// Administered by the company.
    pub managed: bool,
    /// Its id; `None`: made from the owner's name.
    pub device: Option<DeviceId>,
}

/// An invitation that can be redeemed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Its public name, for listings.
    pub id: String,
    /// What is invited.
    pub invite: Invite,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A new invitation with its code, which exists nowhere else.
#[derive(Debug)]
pub struct IssuedInvitation {
    /// The invitation.
    pub invitation: Invitation,
    /// The code.
    pub code: InviteCode,
}

/// What a device says of itself when it redeems a code.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// The id to enter it under; see [`Registrar::name_for`].
    pub id: DeviceId,
    /// Its key.
    pub key: KeyFingerprint,
    /// What it runs, on its own word.
    pub platform: Platform,
    /// The endorsement key of the TPM that its key was proved to be in. What was not proved is [`KeyProtection::Software`].
    pub tpm: Option<KeyFingerprint>,
    /// [`DeviceStatus::Pending`], or [`DeviceStatus::Active`] where the code is enough.
    pub status: DeviceStatus,
}

/// A code that cannot be given out or redeemed. To the outside, unknown, used and expired must look the same.
#[derive(Debug, thiserror::Error)]
pub enum InvitationError {
    /// Nobody gave out this code.
    #[error("no such enrolment code")]
    Unknown,
    /// It let a device in before.
    #[error("the enrolment code was used already, for device `{device}`")]
    Used {
        /// The device that it let in.
        device: DeviceId,
    },
    /// It is too late.
    #[error("the enrolment code expired at {at}")]
    Expired {
        /// When it did.
        at: Timestamp,
    },
    /// A code must live for some time, and not for ever.
    #[error("an enrolment code may live for 1 minute to 30 days")]
    Lifetime,
    /// The device cannot be entered.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// No randomness for a code.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(FromRow)]
struct InvitationRow {
    id: String,
    details: String,
    expires_at: i64,
    device: Option<String>,
    withdrawn_at: Option<i64>,
    made_on: Option<String>,
}

impl Registrar {
    /// Makes a one-time code for one device. Only its hash is stored.
    ///
    /// # Errors
    /// [`InvitationError::Lifetime`]; [`DeviceError::IdTaken`] if the id that it names is taken.
    pub async fn invite(
        &self,
        invite: Invite,
        lifetime: Duration,
        by: &Actor,
        why: &str,
    ) -> Result<IssuedInvitation, InvitationError> {
        if !(SHORTEST..=LONGEST).contains(&lifetime) {
            return Err(InvitationError::Lifetime);
        }
        let (me, note) = (self.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            if let Some(wanted) = &invite.device
                && let Some(known) = rows::device(w.db(), wanted.as_str()).await?
            {
                return Err(DeviceError::IdTaken { id: known.id, status: known.status }.into());
            }
            let issued = open_invitation(w, invite, lifetime, None).await?;
            me.commit(turn).await?;
            Ok(issued)
        })
        .await
    }

    /// Looks at the invitation of a code without using it up.
    ///
    /// # Errors
    /// [`InvitationError::Unknown`], [`InvitationError::Used`], [`InvitationError::Expired`].
    pub async fn invitation(&self, code: &InviteCode) -> Result<Invitation, InvitationError> {
        let (me, code) = (self.clone(), code.clone());
        self.run(async move {
            let now = me.inner.clock.now();
            let mut db = me.pool().acquire().await.map_err(StoreError::from)?;
            redeemable(&mut db, &code, now).await
        })
        .await
    }

    /// Uses a code up and enters its device, both or neither. Of two that come at once, one wins.
    ///
    /// # Errors
    /// As [`Registrar::invitation`]; [`DeviceError::IdTaken`] and [`DeviceError::KeyTaken`], which leave the code as it was.
    pub async fn enrol(&self, code: &InviteCode, enrolment: Enrolment, why: &str) -> Result<Arc<LiveDevice>, InvitationError> {
        let (me, code) = (self.clone(), code.clone());
        let (actor, why) = (Actor::Device(enrolment.id.clone()), why.to_owned());
        self.run(async move {
            let mut turn = me.begin(Note::new(&actor, &why)).await?;
            let w = &mut turn.writing;
            let now = w.now;
            let invitation = redeemable(w.db(), &code, now).await?;
            let (key, tpm) = (enrolment.key, enrolment.tpm);
            let device = enrolment.into_device(invitation.invite, now);
            put_new(w, &device).await?;
            if let Some(endorsement) = tpm {
                let words = attested(w, &device, &key, &endorsement).await?;
                w.note(Note::new(&actor, &format!("{why}; {words}")));
            }
            w.changed(&Subject::Device(device.id.clone()), "enrolled").await?;
            sqlx::query("UPDATE invitations SET used_at = ?, device = ? WHERE id = ? AND used_at IS NULL")
                .bind(now.0)
                .bind(device.id.as_str())
                .bind(&invitation.id)
                .execute(w.db())
                .await
                .map_err(StoreError::from)?;
            w.changed(&Subject::Invitation(invitation.id), "used").await?;
            me.commit(turn).await?;
            Ok(me.live_device(&device.id)?)
        })
        .await
    }

    /// The id that an invitation asks for; if it asks for none, a free one made from the owner's name, such as `ana-7k2q`.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn name_for(&self, invite: &Invite) -> Result<DeviceId, NoRandomness> {
        if let Some(id) = &invite.device {
            return Ok(id.clone());
        }
        let owner = match &invite.owner {
            Some(Owner::Email(email)) => email.split('@').next().unwrap_or_default(),
            _ => "device",
        };
        let plain: String = owner
            .chars()
            .map(|c| c.to_ascii_lowercase())
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            .skip_while(|c| !c.is_ascii_alphanumeric())
            .take(40)
            .collect();
        let stem = if plain.is_empty() { "device" } else { &plain };
        loop {
            // Letters, digits and hyphens only, and at most 40 + 1 + 8 of them.
            let Ok(id) = format!("{stem}-{}", few_symbols()?).parse::<DeviceId>() else { continue };
            if self.inventory().device(&id).is_none() {
                return Ok(id);
            }
        }
    }
}

impl Enrolment {
    fn into_device(self, invite: Invite, now: Timestamp) -> Device {
        Device {
            id: self.id,
            authority: invite.authority,
            status: self.status,
            owner: invite.owner,
            shared: invite.shared,
            managed: invite.managed,
            platform: self.platform,
            key_protection: self.tpm.map_or(KeyProtection::Software, |_tpm| KeyProtection::Tpm),
            keys: vec![self.key],
            enrolled_at: now,
            posture: BTreeMap::new(),
            posture_at: None,
        }
    }
}

/// Writes a new invitation, in this transaction. `made_by`: who made it for themselves, and on which device.
pub(super) async fn open_invitation(
    w: &mut Writing,
    invite: Invite,
    lifetime: Duration,
    made_by: Option<(&UserId, &DeviceId)>,
) -> Result<IssuedInvitation, InvitationError> {
    let code = InviteCode::generate()?;
    let id = format!("inv-{}", few_symbols()?);
    let (made_at, expires_at) = (w.now, w.now.plus(lifetime));
    let details = serde_json::to_string(&invite).map_err(|problem| StoreError::Failed(problem.to_string()))?;
    sqlx::query(
        "INSERT INTO invitations (id, code, details, made_at, expires_at, owner_provider, owner_subject, made_on) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(code.digest().to_string())
    .bind(details)
    .bind(made_at.0)
    .bind(expires_at.0)
    .bind(made_by.map(|(user, _)| &*user.provider))
    .bind(made_by.map(|(user, _)| &*user.subject))
    .bind(made_by.map(|(_, device)| device.as_str()))
    .execute(w.db())
    .await
    .map_err(StoreError::from)?;
    w.changed(&Subject::Invitation(id.clone()), "made").await?;
    Ok(IssuedInvitation { invitation: Invitation { id, invite, expires_at }, code })
}

async fn redeemable(db: &mut SqliteConnection, code: &InviteCode, now: Timestamp) -> Result<Invitation, InvitationError> {
    let row: Option<InvitationRow> =
        sqlx::query_as("SELECT id, details, expires_at, device, withdrawn_at, made_on FROM invitations WHERE code = ?")
            .bind(code.digest().to_string())
            .fetch_optional(&mut *db)
            .await
            .map_err(StoreError::from)?;
    let row = row.filter(|row| row.withdrawn_at.is_none()).ok_or(InvitationError::Unknown)?;
    if let Some(device) = row.device {
        let device = device.parse().map_err(|problem| bad_row("invitation", &row.id, &problem))?;
        return Err(InvitationError::Used { device });
    }
    let expires_at = Timestamp(row.expires_at);
    if now >= expires_at {
        return Err(InvitationError::Expired { at: expires_at });
    }
    let invite: Invite = serde_json::from_str(&row.details).map_err(|problem| bad_row("invitation", &row.id, &problem))?;
    let suspended = match &invite.owner {
        Some(Owner::User(user)) => rows::suspended(&mut *db, user).await?,
        Some(Owner::Email(address)) => rows::suspended_by_address(&mut *db, address).await?,
        None => false,
    };
    // What was invited on a device that is isolated now may be another one of whoever has that.
    let stopped = match &row.made_on {
        Some(device) => rows::device(db, device).await?.is_none_or(|device| device.status != DeviceStatus::Active),
        None => false,
    };
    if suspended || stopped {
        return Err(InvitationError::Unknown);
    }
    Ok(Invitation { id: row.id, invite, expires_at })
}

/// Eight symbols of lower-case base32: 40 bits, enough that names do not meet.
fn few_symbols() -> Result<String, NoRandomness> {
    Ok(secret::bytes::<8>()?.iter().map(|byte| symbol(*byte).to_ascii_lowercase()).collect())
}

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
