//! Devices and sessions for unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::device::{Device, DeviceStatus, KeyFingerprint, KeyProtection, Owner, Platform};
use super::session::{Session, SessionId};
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
        device: device.parse().unwrap(),
        email: Some(format!("{subject}@corp.example")),
        name: None,
        groups: BTreeSet::from(["staff".to_owned()]),
        claims: BTreeMap::new(),
        authenticated_at: at,
        acr: None,
        amr: BTreeSet::new(),
        mfa: false,
        created_at: at,
        expires_at: at.plus(Duration::from_secs(12 * 3600)),
        facts_at: at,
    }
}
