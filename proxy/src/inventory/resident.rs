//! A device as it is kept for as long as the gate runs: there may be a million, of which most never come.
//!
//! What requests need, [`LiveDevice`], is made when somebody looks the device up, and kept for as long as somebody has it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::device::{Device, DeviceId, DeviceStatus, FactValue, KeyFingerprint, KeyProtection, Owner, Platform};
use super::live_device::LiveDevice;
use super::once::Once;
use super::user::UserId;
use crate::clock::Timestamp;

/// Everything that is known of a device, but its name. A change makes a new one.
#[derive(Debug)]
pub(super) struct Resident {
    common: Arc<Common>,
    /// The person's subject or address; [`Common::whose`] says which.
    owner: Option<Box<str>>,
    keys: Box<[KeyFingerprint]>,
    enrolled_at: Timestamp,
    /// [`NEVER`] if there is no posture. Moves while the rest stays: what is only confirmed is no change.
    posture_at: AtomicI64,
    /// What was made of it, while somebody has that. Never waited for.
    live: Mutex<Weak<LiveDevice>>,
}

/// What is the same for many devices.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Common {
    authority: Arc<str>,
    status: DeviceStatus,
    whose: Whose,
    shared: bool,
    managed: bool,
    platform: Platform,
    key_protection: KeyProtection,
    posture: BTreeMap<String, FactValue>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Whose {
    Nobody,
    UserOf(Arc<str>),
    Address,
}

impl Resident {
    pub(super) fn new(device: Device, commons: &mut Once<Arc<Common>>) -> Self {
        let (whose, owner) = match device.owner {
            None => (Whose::Nobody, None),
            Some(Owner::User(user)) => (Whose::UserOf(user.provider), Some((&*user.subject).into())),
            Some(Owner::Email(address)) => (Whose::Address, Some(address.into())),
        };
        let common = Common {
            authority: device.authority,
            status: device.status,
            whose,
            shared: device.shared,
            managed: device.managed,
            platform: device.platform,
            key_protection: device.key_protection,
            posture: device.posture,
        };
        Self {
            common: commons.of(Arc::new(common)),
            owner,
            keys: device.keys.into(),
            enrolled_at: device.enrolled_at,
            posture_at: AtomicI64::new(device.posture_at.map_or(NEVER, |Timestamp(at)| at)),
            live: Mutex::default(),
        }
    }

    pub(super) fn status(&self) -> DeviceStatus {
        self.common.status
    }

    fn posture_at(&self) -> Option<Timestamp> {
        let at = self.posture_at.load(Ordering::Acquire);
        (at != NEVER).then_some(Timestamp(at))
    }

    /// The same facts were gathered again, then.
    pub(super) fn freshen(&self, posture_at: Option<Timestamp>) {
        self.posture_at.store(posture_at.map_or(NEVER, |Timestamp(at)| at), Ordering::Release);
    }

    /// Whether this is all that is known of `device`, but its name.
    pub(super) fn is(&self, device: &Device) -> bool {
        let Device { id: _, authority, status, owner, shared, managed, platform, key_protection, .. } = device;
        let Device { keys, enrolled_at, posture, posture_at, .. } = device;
        let common = &*self.common;
        let same_owner = match (&common.whose, self.owner.as_deref(), owner) {
            (Whose::Nobody, None, None) => true,
            (Whose::UserOf(provider), Some(subject), Some(Owner::User(user))) => {
                *subject == *user.subject && *provider == user.provider
            }
            (Whose::Address, Some(ours), Some(Owner::Email(address))) => ours == address,
            _ => false,
        };
        same_owner
            && *self.keys == **keys
            && (self.enrolled_at, self.posture_at()) == (*enrolled_at, *posture_at)
            && (common.status, common.shared, common.managed) == (*status, *shared, *managed)
            && (common.platform, common.key_protection) == (*platform, *key_protection)
            && common.authority == *authority
            && common.posture == *posture
    }

    /// The device that this is under the name `id`.
    pub(super) fn device(&self, id: &str) -> Device {
        let common = &*self.common;
        let owner = self.owner.as_deref().and_then(|owner| match &common.whose {
            Whose::UserOf(provider) => Some(Owner::User(UserId { provider: Arc::clone(provider), subject: owner.into() })),
            Whose::Address => Some(Owner::Email(owner.to_owned())),
            Whose::Nobody => None,
        });
        Device {
            id: DeviceId::known(id),
            authority: Arc::clone(&common.authority),
            status: common.status,
            owner,
            shared: common.shared,
            managed: common.managed,
            platform: common.platform,
            key_protection: common.key_protection,
            keys: self.keys.to_vec(),
            enrolled_at: self.enrolled_at,
            posture: common.posture.clone(),
            posture_at: self.posture_at(),
        }
    }

    /// The same, to be shared by all who have it at a time.
    pub(super) fn live(&self, id: &str) -> Arc<LiveDevice> {
        let make = || Arc::new(LiveDevice::new(self.device(id)));
        // Who looks at the same moment as another makes one of their own: it is equal.
        let Ok(mut live) = self.live.try_lock() else { return make() };
        // What was made before its posture was gathered again says another time.
        live.upgrade().filter(|made| made.device.posture_at == self.posture_at()).unwrap_or_else(|| {
            let made = make();
            *live = Arc::downgrade(&made);
            made
        })
    }
}

/// Stands for no time.
const NEVER: i64 = i64::MIN;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::samples;

    proptest! {
        #[test]
        fn nothing_of_a_device_is_lost(devices in prop::collection::vec(samples::any_device(), 1..8)) {
            let mut commons = Once::default();
            for device in devices {
                let resident = Resident::new(device.clone(), &mut commons);
                prop_assert_eq!(resident.status(), device.status);
                prop_assert!(resident.is(&device));
                prop_assert_eq!(&resident.device(device.id.as_str()), &device);
                prop_assert_eq!(&*resident.live(device.id.as_str()).device, &device);
            }
        }
    }

    #[test]
    fn each_fact_tells_two_devices_apart() {
        let device = || samples::device("lap-1", DeviceStatus::Active);
        let resident = Resident::new(device(), &mut Once::default());
        let changes: [fn(&mut Device); 13] = [
            |device| device.authority = "mdm".into(),
            |device| device.status = DeviceStatus::Quarantined,
            |device| device.owner = None,
            |device| device.owner = Some(Owner::User(samples::user("bob"))),
            |device| device.owner = Some(Owner::User(UserId { provider: "other".into(), subject: "ana".into() })),
            |device| device.owner = Some(Owner::Email("ana".to_owned())),
            |device| device.shared = true,
            |device| device.managed = false,
            |device| device.platform = Platform::Macos,
            |device| device.key_protection = KeyProtection::Tpm,
            |device| device.keys.clear(),
            |device| device.enrolled_at = Timestamp(1),
            |device| device.posture_at = Some(Timestamp(1)),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut changed = device();
            change(&mut changed);
            assert!(!resident.is(&changed), "{number}");
        }
        let mut healthy = device();
        healthy.posture.insert("disk_encrypted".to_owned(), FactValue::Flag(true));
        assert!(resident.is(&device()) && !resident.is(&healthy));
    }

    #[test]
    fn all_who_have_it_share_it_and_it_goes_with_the_last() {
        let resident = Resident::new(samples::device("lap-1", DeviceStatus::Active), &mut Once::default());
        let (first, second) = (resident.live("lap-1"), resident.live("lap-1"));
        assert!(Arc::ptr_eq(&first, &second));
        let weak = Arc::downgrade(&first);
        drop((first, second));
        assert!(weak.upgrade().is_none());
        let held = resident.live.lock().unwrap();
        assert_eq!(resident.live("lap-1").device.id.as_str(), "lap-1", "nobody waits");
        drop(held);
    }

    #[test]
    fn who_has_it_is_not_told_an_older_posture_than_there_is() {
        let mut device = samples::device("lap-1", DeviceStatus::Active);
        device.posture_at = Some(Timestamp(5));
        let resident = Resident::new(device.clone(), &mut Once::default());
        let held = resident.live("lap-1");
        resident.freshen(Some(Timestamp(9)));
        assert!(!resident.is(&held.device), "who holds it looks again");
        let again = resident.live("lap-1");
        assert_eq!(again.device.posture_at, Some(Timestamp(9)));
        assert!(Arc::ptr_eq(&again, &resident.live("lap-1")));
        assert_ne!(again.facts(), held.facts());
        resident.freshen(None);
        assert_eq!(resident.device("lap-1"), Device { posture_at: None, ..device });
    }

    #[test]
    fn a_million_are_kept_in_little_room() {
        // With its name beside it, which the map has: 88 bytes, and what the texts and keys take.
        assert_eq!(size_of::<(Box<str>, Resident)>(), 88);
        let mut commons = Once::default();
        let [a, b] = ["lap-1", "lap-2"].map(|id| Resident::new(samples::device(id, DeviceStatus::Active), &mut commons));
        assert!(Arc::ptr_eq(&a.common, &b.common));
    }
}
