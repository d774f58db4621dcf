//! A device as it is kept for as long as the gate runs: there may be a million, of which most never come.
//!
//! What requests need, [`LiveDevice`], is made when somebody looks the device up, and kept for as long as somebody has it.

use std::collections::BTreeMap;
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
    /// The person's subject or address; [`Common::owned`] says which.
    owner: Option<Box<str>>,
    keys: Box<[KeyFingerprint]>,
    enrolled_at: Timestamp,
    posture_at: Option<Timestamp>,
    /// What was made of it, while somebody has that. Never waited for.
    live: Mutex<Weak<LiveDevice>>,
}

/// What is the same for many devices.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Common {
    authority: Arc<str>,
    status: DeviceStatus,
    owned: Owned,
    shared: bool,
    managed: bool,
    platform: Platform,
    key_protection: KeyProtection,
    posture: BTreeMap<String, FactValue>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Owned {
    ByNobody,
    ByUserOf(Arc<str>),
    ByAddress,
}

impl Resident {
    pub(super) fn new(device: Device, commons: &mut Once<Arc<Common>>) -> Self {
        let (owned, owner) = match device.owner {
            None => (Owned::ByNobody, None),
            Some(Owner::User(user)) => (Owned::ByUserOf(user.provider), Some((&*user.subject).into())),
            Some(Owner::Email(address)) => (Owned::ByAddress, Some(address.into())),
        };
        let common = Common {
            authority: device.authority,
            status: device.status,
            owned,
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
            posture_at: device.posture_at,
            live: Mutex::default(),
        }
    }

    pub(super) fn status(&self) -> DeviceStatus {
        self.common.status
    }

    /// The device that this is under the name `id`.
    pub(super) fn device(&self, id: &str) -> Device {
        let common = &*self.common;
        let owner = self.owner.as_deref().and_then(|owner| match &common.owned {
            Owned::ByUserOf(provider) => {
                Some(Owner::User(UserId { provider: Arc::clone(provider), subject: owner.into() }))
            }
            Owned::ByAddress => Some(Owner::Email(owner.to_owned())),
            Owned::ByNobody => None,
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
            posture_at: self.posture_at,
        }
    }

    /// The same, to be shared by all who have it at a time.
    pub(super) fn live(&self, id: &str) -> Arc<LiveDevice> {
        let make = || Arc::new(LiveDevice::new(self.device(id)));
        // Who looks at the same moment as another makes one of their own: it is equal.
        let Ok(mut live) = self.live.try_lock() else { return make() };
        live.upgrade().unwrap_or_else(|| {
            let made = make();
            *live = Arc::downgrade(&made);
            made
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::samples;
    use crate::secret::Digest;

    fn owner() -> impl Strategy<Value = Option<Owner>> {
        prop_oneof![
            Just(None),
            any::<(String, String)>().prop_map(|(provider, subject)| {
                Some(Owner::User(UserId { provider: provider.into(), subject: subject.into() }))
            }),
            any::<String>().prop_map(|address| Some(Owner::Email(address))),
        ]
    }

    fn fact() -> impl Strategy<Value = FactValue> {
        prop_oneof![
            any::<bool>().prop_map(FactValue::Flag),
            any::<i64>().prop_map(FactValue::Number),
            any::<String>().prop_map(FactValue::Text),
        ]
    }

    fn device() -> impl Strategy<Value = Device> {
        use {DeviceStatus as S, KeyProtection as K, Platform as P};
        let words = (
            prop::sample::select(vec![S::Pending, S::Active, S::Quarantined, S::Retired]),
            prop::sample::select(vec![P::Linux, P::Macos, P::Windows, P::Android, P::Ios, P::Unknown]),
            prop::sample::select(vec![K::Software, K::Os, K::Tpm]),
            "[a-z]{1,8}",
        );
        let rest = (
            prop::collection::vec(any::<[u8; 32]>().prop_map(Digest), 0..3),
            any::<(bool, bool, i64, Option<i64>)>(),
            prop::collection::btree_map(any::<String>(), fact(), 0..3),
        );
        ("[a-z0-9][a-z0-9._-]{0,63}", owner(), words, rest).prop_map(|(id, owner, words, (keys, plain, posture))| Device {
            id: id.parse().unwrap(),
            authority: words.3.into(),
            status: words.0,
            owner,
            shared: plain.0,
            managed: plain.1,
            platform: words.1,
            key_protection: words.2,
            keys,
            enrolled_at: Timestamp(plain.2),
            posture,
            posture_at: plain.3.map(Timestamp),
        })
    }

    proptest! {
        #[test]
        fn nothing_of_a_device_is_lost(devices in prop::collection::vec(device(), 1..8)) {
            let mut commons = Once::default();
            for device in devices {
                let resident = Resident::new(device.clone(), &mut commons);
                prop_assert_eq!(resident.status(), device.status);
                prop_assert_eq!(&resident.device(device.id.as_str()), &device);
                prop_assert_eq!(&*resident.live(device.id.as_str()).device, &device);
            }
        }
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
    fn a_million_are_kept_in_little_room() {
        // With its name beside it, which the map has: 96 bytes, and what the texts and keys take.
        assert_eq!(size_of::<(Box<str>, Resident)>(), 96);
        let mut commons = Once::default();
        let [a, b] = ["lap-1", "lap-2"].map(|id| Resident::new(samples::device(id, DeviceStatus::Active), &mut commons));
        assert!(Arc::ptr_eq(&a.common, &b.common));
    }
}
