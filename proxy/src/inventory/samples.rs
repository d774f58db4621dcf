//! Devices and sessions for tests.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::device::{Device, DeviceStatus, FactValue, KeyFingerprint, KeyProtection, Owner, Platform};
use super::session::{Session, SessionId};
use super::texts::{Claims, Texts};
use super::user::UserId;
use crate::clock::Timestamp;
use crate::secret::Digest;

pub(crate) fn user(subject: &str) -> UserId {
    UserId { provider: "corp".into(), subject: subject.into() }
}

pub(crate) fn key(name: &str) -> KeyFingerprint {
    Digest::of(name.as_bytes())
}

pub(crate) fn device(id: &str, status: DeviceStatus) -> Device {
    Device {
        id: id.parse().unwrap(),
        authority: "house".into(),
        status,
        owner: Some(Owner::User(user("ana"))),
        shared: false,
        managed: true,
        platform: Platform::Linux,
        key_protection: KeyProtection::Software,
        keys: vec![key(id)],
        enrolled_at: Timestamp(1_000),
        posture: BTreeMap::new(),
        posture_at: None,
    }
}

/// A session of 12 h that begins at `at`.
pub(crate) fn session(id: &str, subject: &str, device: &str, at: Timestamp) -> Session {
    Session {
        id: SessionId(id.into()),
        user: user(subject),
        service: false,
        device: device.parse().unwrap(),
        email: Some(format!("{subject}@corp.example").into()),
        name: None,
        groups: ["staff"].into_iter().collect(),
        claims: Claims::default(),
        authenticated_at: at,
        acr: None,
        amr: Texts::default(),
        mfa: false,
        created_at: at,
        expires_at: at.plus(Duration::from_secs(12 * 3600)),
    }
}

fn owner() -> impl Strategy<Value = Option<Owner>> {
    prop_oneof![
        Just(None),
        any::<(String, String)>()
            .prop_map(|(provider, subject)| { Some(Owner::User(UserId { provider: provider.into(), subject: subject.into() })) }),
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

/// Any device that there can be.
pub(crate) fn any_device() -> impl Strategy<Value = Device> {
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
