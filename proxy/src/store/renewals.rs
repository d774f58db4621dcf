//! A device's new key in place of its old one; and what becomes of the old one.
//!
//! INVARIANT (one-successor): a key is renewed with one other key, ever. Who asks for a second one has a copy, or something was
//! copied from them: there is no telling which, so the device is isolated.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::actor::{Actor, Note};
use super::attestations::attested;
use super::devices::DeviceError;
use super::error::StoreError;
use super::feed::Subject;
use super::registrar::{Registrar, Turn};
use super::rows;
use super::upkeep::upkeep;
use crate::clock::Timestamp;
use crate::inventory::{Device, DeviceId, DeviceStatus, KeyFingerprint, LiveDevice, Owner};

/// What a device that proved one key asks for.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The device.
    pub device: DeviceId,
    /// Its authority.
    pub authority: Arc<str>,
    /// The key that it proved, with a certificate that can be renewed.
    pub key: KeyFingerprint,
    /// The key that comes after it.
    pub successor: KeyFingerprint,
    /// The endorsement key of the TPM that the new key was proved to be in.
    pub tpm: Option<KeyFingerprint>,
    /// For how long the old key is good beside the new one.
    pub overlap: Duration,
    /// From where it asks.
    pub from: IpAddr,
}

/// What became of a renewal.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// The new key is the device's.
    First(Arc<LiveDevice>),
    /// It was so before, and the device has not used it yet: it did not get the answer.
    Again(Arc<LiveDevice>),
    /// The old key was renewed with another one before. The device is isolated.
    Copied,
}

/// A device whose key cannot be renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewalError {
    /// It may not be used now.
    #[error("the device is {0}")]
    NotInUse(DeviceStatus),
    /// It is one person's, and their access was taken away.
    #[error("access of its owner is suspended")]
    OwnerSuspended,
    /// The key is not the device's.
    #[error("the key is not one of the device's")]
    OtherKey,
    /// The new key is one that a device has, or had.
    #[error("the new key was enrolled before")]
    KeyTaken,
    /// No such device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Makes `renewal.successor` the device's newest key. The one that it proved stays for the overlap; one that was renewed before
    /// leaves at once, so that no device has more than two.
    ///
    /// Who asks again with the same two keys gets the same answer for as long as the new one was not renewed itself, even if the old
    /// one has left: both keys are proved. Who asks with another new key has the device isolated.
    ///
    /// # Errors
    /// [`RenewalError`]; nothing has changed then.
    pub async fn renew_key(&self, renewal: Renewal) -> Result<Renewed, RenewalError> {
        let me = self.clone();
        let note = Note::new(&Actor::Device(renewal.device.clone()), &format!("from {}", renewal.from));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let db = turn.writing.db();
            let id = renewal.device.as_str();
            let Some(device) = rows::device(db, id).await? else { return Err(me.unknown_device(id).into()) };
            if device.status != DeviceStatus::Active {
                return Err(RenewalError::NotInUse(device.status));
            }
            if device.authority != renewal.authority {
                return Err(RenewalError::OtherKey);
            }
            let suspended = match &device.owner {
                _ if device.shared => false,
                Some(Owner::User(user)) => rows::suspended(&mut *db, user).await?,
                Some(Owner::Email(address)) => rows::suspended_by_address(&mut *db, address).await?,
                None => false,
            };
            let successor = rows::successor(db, &device.authority, &renewal.key).await?;
            // A copy is one, whoever's it is.
            if suspended && successor.is_none_or(|known| known == renewal.successor) {
                return Err(RenewalError::OwnerSuspended);
            }
            match successor {
                Some(known) if known == renewal.successor && device.keys.first() == Some(&known) => {
                    drop(turn);
                    Ok(Renewed::Again(me.live_device(&renewal.device)?))
                }
                Some(_another) => me.isolate_copied(turn, device, &renewal).await,
                None => me.put_successor(turn, device, renewal).await,
            }
        })
        .await
    }

    /// Isolates the device if the key that it proved was renewed before with another one than this; returns whether it was. Nothing is
    /// renewed.
    ///
    /// # Errors
    /// [`RenewalError`].
    pub async fn isolate_if_copied(&self, renewal: Renewal) -> Result<bool, RenewalError> {
        let me = self.clone();
        let note = Note::new(&Actor::Device(renewal.device.clone()), &format!("from {}", renewal.from));
        self.run(async move {
            // Asked without a turn first: this is for those who ask too often.
            let mut db = me.pool().acquire().await.map_err(StoreError::from)?;
            if rows::successor(&mut db, &renewal.authority, &renewal.key).await?.is_none_or(|known| known == renewal.successor) {
                return Ok(false);
            }
            drop(db);
            let mut turn = me.begin(note).await?;
            let id = renewal.device.as_str();
            let Some(device) = rows::device(turn.writing.db(), id).await? else { return Err(me.unknown_device(id).into()) };
            if device.status != DeviceStatus::Active {
                return Err(RenewalError::NotInUse(device.status));
            }
            if device.authority != renewal.authority {
                return Err(RenewalError::OtherKey);
            }
            me.isolate_copied(turn, device, &renewal).await?;
            Ok(true)
        })
        .await
    }

    async fn put_successor(&self, mut turn: Turn, mut device: Device, renewal: Renewal) -> Result<Renewed, RenewalError> {
        let w = &mut turn.writing;
        if !device.keys.contains(&renewal.key) {
            return Err(RenewalError::OtherKey);
        }
        if rows::key_holder(w.db(), &device.authority, &renewal.successor).await?.is_some() {
            return Err(RenewalError::KeyTaken);
        }
        let now = w.now;
        rows::keys_left(w.db(), &device.id, now).await?;
        let leaves_at = now.plus(renewal.overlap);
        rows::put_renewal(w.db(), &device, [&renewal.key, &renewal.successor], [now, leaves_at]).await?;
        device.keys = vec![renewal.successor, renewal.key];
        rows::put_device(w.db(), &device).await?;
        if let Some(endorsement) = &renewal.tpm {
            let words = attested(w, &device, &renewal.successor, endorsement).await?;
            w.note(Note::new(&Actor::Device(device.id.clone()), &format!("from {}; {words}", renewal.from)));
        }
        if leaves_at <= now {
            rows::keys_left(w.db(), &device.id, now).await?;
        }
        rows::settle_protection(w.db(), &device.id).await?;
        w.changed(&Subject::Device(device.id.clone()), "renewed").await?;
        self.commit(turn).await?;
        self.inner.next_leave.fetch_min(leaves_at.0, Ordering::AcqRel);
        Ok(Renewed::First(self.live_device(&device.id)?))
    }

    async fn isolate_copied(&self, mut turn: Turn, mut device: Device, renewal: &Renewal) -> Result<Renewed, RenewalError> {
        let w = &mut turn.writing;
        let why = format!(
            "its key {} was renewed with a second new key, from {}: there is a copy of key and certificate",
            renewal.key, renewal.from
        );
        w.note(Note::new(&Actor::System("renewal"), &why));
        device.status = DeviceStatus::Quarantined;
        rows::put_device(w.db(), &device).await?;
        let subject = Subject::Device(device.id);
        w.changed(&subject, "copied").await?;
        w.changed(&subject, "quarantined").await?;
        self.commit(turn).await?;
        Ok(Renewed::Copied)
    }

    /// Whether the device had this key before, and has it no more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_former_key(&self, device: &DeviceId, key: KeyFingerprint) -> Result<bool, StoreError> {
        let Some(live) = self.inventory().device(device) else { return Ok(false) };
        let me = self.clone();
        self.run(async move {
            let mut db = me.pool().acquire().await?;
            rows::is_former(&mut db, &live.device, &key).await
        })
        .await
    }

    /// Lets old keys leave in time, until it is dropped or aborted.
    pub async fn tend_keys(self) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            if let Err(error) = self.let_keys_leave().await {
                tracing::warn!(%error, "old keys of devices could not be taken out; tried again soon");
            }
        }
    }

    /// Takes out the old keys whose overlap is over.
    ///
    /// # Errors
    /// [`StoreError`]; what was not taken out is taken out next time.
    pub async fn let_keys_leave(&self) -> Result<(), StoreError> {
        // What has ended by a clock that cannot be believed may not have ended.
        let Ok(now) = self.inner.clock.look() else { return Ok(()) };
        if now.0 < self.inner.next_leave.load(Ordering::Acquire) {
            return Ok(());
        }
        let me = self.clone();
        self.run(async move {
            loop {
                let mut turn = me.begin(upkeep()).await?;
                let devices = rows::devices_of_leaving_keys(turn.writing.db(), now, BATCH).await?;
                if devices.is_empty() {
                    let next = rows::next_leave(turn.writing.db()).await?;
                    // While the turn is ours, nobody else puts it earlier.
                    me.inner.next_leave.store(next.map_or(i64::MAX, |Timestamp(next)| next), Ordering::Release);
                    return Ok(());
                }
                for id in devices {
                    rows::keys_left(turn.writing.db(), &id, now).await?;
                    // What was the weaker one may be gone.
                    rows::settle_protection(turn.writing.db(), &id).await?;
                    turn.writing.changed(&Subject::Device(id), "old key left").await?;
                }
                me.commit(turn).await?;
            }
        })
        .await
    }
}

/// A key leaves at most this much later than it should.
const BEAT: Duration = Duration::from_secs(1);
/// Devices in one transaction.
const BATCH: i64 = 256;
