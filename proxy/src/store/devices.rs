//! A device's way through the inventory: entered, approved, isolated, released, retired.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::actor::{Actor, Note};
use super::error::StoreError;
use super::feed::{Subject, Writing};
use super::near::{did_you_mean, near};
use super::registrar::Registrar;
use super::rows;
use super::sessions;
use crate::inventory::{Device, DeviceId, DeviceStatus, KeyFingerprint, KeyProtection, LiveDevice, Owner, Platform};

/// A device of a foreign authority, to be entered.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Device`")]
pub struct NewDevice {
    pub id: DeviceId,
    pub authority: Arc<str>,
    pub owner: Option<Owner>,
    pub shared: bool,
    pub managed: bool,
    pub platform: Platform,
    /// Empty: any certificate of its authority that names it.
    pub keys: Vec<KeyFingerprint>,
}

/// A change of a device that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device.
    #[error("no device is called `{id}`{}", did_you_mean(near))]
    Unknown {
        /// What was asked for.
        id: String,
        /// Ids that could have been meant.
        near: Vec<String>,
    },
    /// Ids are never given twice.
    #[error("there is a device called `{id}` already ({status}); ids are never given twice")]
    IdTaken {
        /// The id.
        id: DeviceId,
        /// The status of the device that has it.
        status: DeviceStatus,
    },
    /// One key is one device.
    #[error("that key belongs to device `{holder}` already; a new device needs a new key")]
    KeyTaken {
        /// The device that has it.
        holder: DeviceId,
    },
    /// The status does not allow it.
    #[error("device `{id}` is {status}: {hint}")]
    WrongStatus {
        /// The device.
        id: DeviceId,
        /// Its status.
        status: DeviceStatus,
        /// What would make sense instead.
        hint: &'static str,
    },
    /// The fingerprint to confirm is not the device's.
    #[error(
        "that is not the fingerprint of a key of device `{id}`: compare it with what the device shows; if it differs there, retire this one"
    )]
    WrongKey {
        /// The device.
        id: DeviceId,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registrar {
    /// Enters a device of a foreign authority, in use at once.
    ///
    /// # Errors
    /// [`DeviceError::IdTaken`], [`DeviceError::KeyTaken`].
    pub async fn add_device(&self, new: NewDevice, by: &Actor, why: &str) -> Result<Arc<LiveDevice>, DeviceError> {
        let (me, note) = (self.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let id = new.id.clone();
            let device = new.into_device(&turn.writing);
            enter(&mut turn.writing, &device, "added").await?;
            me.commit(turn).await?;
            me.live_device(&id)
        })
        .await
    }

    /// Enters a device of an authority whose devices are all let in, unless it is there already: whatever its status, the one
    /// that is there counts.
    ///
    /// # Errors
    /// [`DeviceError::IdTaken`] if a device of *another* authority has the id.
    pub async fn admit_at_first_sight(
        &self,
        authority: &Arc<str>,
        id: &DeviceId,
        platform: Platform,
    ) -> Result<Arc<LiveDevice>, DeviceError> {
        let (me, authority, id) = (self.clone(), Arc::clone(authority), id.clone());
        let note = Note::new(&Actor::System("identify_device"), "first seen; its authority admits any");
        self.run(async move {
            let mut turn = me.begin(note).await?;
            if let Some(known) = rows::device(turn.writing.db(), id.as_str()).await? {
                if known.authority != authority {
                    return Err(DeviceError::IdTaken { id, status: known.status });
                }
                drop(turn);
                return me.live_device(&id);
            }
            let new =
                NewDevice { id: id.clone(), authority, owner: None, shared: false, managed: false, platform, keys: Vec::new() };
            let device = new.into_device(&turn.writing);
            enter(&mut turn.writing, &device, "admitted").await?;
            me.commit(turn).await?;
            me.live_device(&id)
        })
        .await
    }

    /// Lets a pending device in. The administrator names the fingerprint that the device shows, so that a key which somebody
    /// else enrolled with an intercepted code is not let in by mistake.
    ///
    /// # Errors
    /// [`DeviceError::WrongKey`], [`DeviceError::WrongStatus`], [`DeviceError::Unknown`].
    pub async fn approve_device(
        &self,
        id: &DeviceId,
        key: KeyFingerprint,
        by: &Actor,
        why: &str,
    ) -> Result<Arc<LiveDevice>, DeviceError> {
        self.transition(id, by, why, Step { what: "approved", to: DeviceStatus::Active, key: Some(key), allowed: may_approve })
            .await
    }

    /// Isolates a device. Its sessions stay, and are of no use until it is released.
    ///
    /// # Errors
    /// [`DeviceError::WrongStatus`], [`DeviceError::Unknown`].
    pub async fn quarantine_device(&self, id: &DeviceId, by: &Actor, why: &str) -> Result<Arc<LiveDevice>, DeviceError> {
        let step = Step { what: "quarantined", to: DeviceStatus::Quarantined, key: None, allowed: may_quarantine };
        self.transition(id, by, why, step).await
    }

    /// Takes a quarantine back.
    ///
    /// # Errors
    /// [`DeviceError::WrongStatus`], [`DeviceError::Unknown`].
    pub async fn release_device(&self, id: &DeviceId, by: &Actor, why: &str) -> Result<Arc<LiveDevice>, DeviceError> {
        self.transition(id, by, why, Step { what: "released", to: DeviceStatus::Active, key: None, allowed: may_release }).await
    }

    /// Takes a device out for good, and ends its sessions. Its id and keys are never given again.
    ///
    /// # Errors
    /// [`DeviceError::WrongStatus`], [`DeviceError::Unknown`].
    pub async fn retire_device(&self, id: &DeviceId, by: &Actor, why: &str) -> Result<Arc<LiveDevice>, DeviceError> {
        self.transition(id, by, why, Step { what: "retired", to: DeviceStatus::Retired, key: None, allowed: may_retire }).await
    }

    async fn transition(&self, id: &DeviceId, by: &Actor, why: &str, step: Step) -> Result<Arc<LiveDevice>, DeviceError> {
        let (me, id, note) = (self.clone(), id.clone(), Note::new(by, why));
        self.run(async move {
            let mut turn = me.begin(note).await?;
            let w = &mut turn.writing;
            let Some(mut device) = rows::device(w.db(), id.as_str()).await? else { return Err(me.unknown_device(id.as_str())) };
            if let Some(hint) = (step.allowed)(device.status) {
                return Err(DeviceError::WrongStatus { id, status: device.status, hint });
            }
            if step.key.is_some_and(|key| !device.keys.contains(&key)) {
                return Err(DeviceError::WrongKey { id });
            }
            device.status = step.to;
            rows::put_device(w.db(), &device).await?;
            w.changed(&Subject::Device(id.clone()), step.what).await?;
            if step.to == DeviceStatus::Retired {
                sessions::end_those_on(w, &id).await?;
            }
            me.commit(turn).await?;
            me.live_device(&id)
        })
        .await
    }

    /// The error for an id that nobody has, with ids that could have been meant.
    pub fn unknown_device(&self, id: &str) -> DeviceError {
        DeviceError::Unknown { id: id.to_owned(), near: self.inventory().device_names(|known| near(id, known)) }
    }

    pub(super) fn live_device(&self, id: &DeviceId) -> Result<Arc<LiveDevice>, DeviceError> {
        self.inventory().device(id).ok_or_else(|| self.unknown_device(id.as_str()))
    }
}

impl NewDevice {
    fn into_device(self, w: &Writing) -> Device {
        Device {
            id: self.id,
            authority: self.authority,
            status: DeviceStatus::Active,
            owner: self.owner,
            shared: self.shared,
            managed: self.managed,
            platform: self.platform,
            key_protection: KeyProtection::Software,
            keys: self.keys,
            enrolled_at: w.now,
            posture: BTreeMap::new(),
            posture_at: None,
        }
    }
}

/// A change of status; `allowed` gives the reason why not.
struct Step {
    what: &'static str,
    to: DeviceStatus,
    key: Option<KeyFingerprint>,
    allowed: fn(DeviceStatus) -> Option<&'static str>,
}

fn may_approve(status: DeviceStatus) -> Option<&'static str> {
    match status {
        DeviceStatus::Pending => None,
        DeviceStatus::Active => Some("it is in use already"),
        DeviceStatus::Quarantined => Some("it was approved before; `release` it"),
        DeviceStatus::Retired => Some(RETIRED),
    }
}

fn may_quarantine(status: DeviceStatus) -> Option<&'static str> {
    match status {
        DeviceStatus::Active => None,
        // Releasing would let it in without an approval.
        DeviceStatus::Pending => Some("it cannot be used yet; `retire` it if it must never be"),
        DeviceStatus::Quarantined => Some("it is isolated already"),
        DeviceStatus::Retired => Some(RETIRED),
    }
}

fn may_release(status: DeviceStatus) -> Option<&'static str> {
    match status {
        DeviceStatus::Quarantined => None,
        DeviceStatus::Pending => Some("it waits for approval; `approve` it with the fingerprint of its key"),
        DeviceStatus::Active => Some("it is in use already"),
        DeviceStatus::Retired => Some(RETIRED),
    }
}

fn may_retire(status: DeviceStatus) -> Option<&'static str> {
    (status == DeviceStatus::Retired).then_some("there is nothing left to do")
}

/// Enters a device whose id and keys are new.
async fn enter(w: &mut Writing, device: &Device, what: &'static str) -> Result<(), DeviceError> {
    put_new(w, device).await?;
    Ok(w.changed(&Subject::Device(device.id.clone()), what).await?)
}

/// Writes a device whose id and keys are new. That it was changed is for the caller to say.
pub(super) async fn put_new(w: &mut Writing, device: &Device) -> Result<(), DeviceError> {
    if let Some(known) = rows::device(w.db(), device.id.as_str()).await? {
        return Err(DeviceError::IdTaken { id: known.id, status: known.status });
    }
    for key in &device.keys {
        if let Some(holder) = rows::key_holder(w.db(), &device.authority, key).await? {
            return Err(DeviceError::KeyTaken { holder });
        }
    }
    Ok(rows::put_device(w.db(), device).await?)
}

const RETIRED: &str = "that is for good; enrol it again under a new id";
