//! A device as the inventory knows it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::user::UserId;
use crate::clock::Timestamp;
use crate::secret::Digest;

/// SHA-256 of a public key's DER `SubjectPublicKeyInfo`: which key, whatever certificate carries it.
pub type KeyFingerprint = Digest;

/// A device's name in the inventory: 1 to 64 characters of `a-z 0-9 . _ -`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(Arc<str>);

/// The text cannot name a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a device id is 1 to 64 characters of a-z, 0-9, `.`, `_` and `-`, and begins with a letter or digit")]
pub struct InvalidDeviceId;

/// The text names no platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a platform is one of linux, macos, windows, android, ios and unknown")]
pub struct UnknownPlatform;

/// Everything that is known of a device. Immutable: a change makes a new one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub id: DeviceId,
    /// `name` of the `[[device_authority]]` that vouches for it.
    pub authority: Arc<str>,
    /// Whether it may be used now.
    pub status: DeviceStatus,
    /// Whose it is; `None` for a device that belongs to nobody in particular.
    pub owner: Option<Owner>,
    /// Used by several people.
    pub shared: bool,
    /// Administered by the company.
    pub managed: bool,
    /// What it runs, as far as known.
    pub platform: Platform,
    /// Where its private key is.
    pub key_protection: KeyProtection,
    /// The keys that prove to be this device, newest first. Empty: any certificate of its authority that names it.
    pub keys: Vec<KeyFingerprint>,
    /// When it was entered.
    pub enrolled_at: Timestamp,
    /// Facts about its health, phrased so that true is good.
    pub posture: BTreeMap<String, FactValue>,
    /// When those facts were gathered; `None` if never.
    pub posture_at: Option<Timestamp>,
}

/// Whether a device may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceStatus {
    /// Enrolled, and waiting for an administrator to confirm its key.
    Pending,
    /// In use.
    Active,
    /// Isolated until released.
    Quarantined,
    /// Gone for good. Its id is never given again.
    Retired,
}

/// Whose device it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// This person.
    User(UserId),
    /// Whoever first signs in on it with this verified e-mail address; from then on that person.
    Email(String),
}

impl Owner {
    /// Whether it is this person. One that is known by address only is whoever their provider vouches for with that very address.
    pub fn is(&self, user: &UserId, email: Option<&str>) -> bool {
        match self {
            Self::User(owner) => owner == user,
            Self::Email(address) => email.is_some_and(|email| email.eq_ignore_ascii_case(address)),
        }
    }
}

/// What a device runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Platform {
    Linux,
    Macos,
    Windows,
    Android,
    Ios,
    #[default]
    Unknown,
}

/// Where a device's private key is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyProtection {
    /// In a file; who copies the file has the key.
    #[default]
    Software,
    /// In the operating system's key store, not exportable.
    Os,
    /// In a TPM, proved at enrolment.
    Tpm,
}

/// A posture fact.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the names say it")]
pub enum FactValue {
    Flag(bool),
    Number(i64),
    Text(String),
}

impl DeviceId {
    /// The text of it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of a name that was one before.
    pub(super) fn known(text: &str) -> Self {
        Self(text.into())
    }

    /// A name that is nothing but a digest: 64 hex digits are a device id.
    pub(super) fn of_digest(digest: Digest) -> Self {
        Self(digest.to_string().into())
    }
}

impl FromStr for DeviceId {
    type Err = InvalidDeviceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        match text.as_bytes() {
            [first, rest @ ..]
                if plain(*first) && rest.len() < 64 && rest.iter().all(|&byte| plain(byte) || b"._-".contains(&byte)) =>
            {
                Ok(Self(text.into()))
            }
            _ => Err(InvalidDeviceId),
        }
    }
}

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|platform| platform.as_str() == text).ok_or(UnknownPlatform)
    }
}

impl Platform {
    /// Every platform.
    pub const ALL: [Self; 6] = [Self::Linux, Self::Macos, Self::Windows, Self::Android, Self::Ios, Self::Unknown];
}

impl TryFrom<String> for DeviceId {
    type Error = InvalidDeviceId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0.as_ref().to_owned()
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceId({})", self.0)
    }
}

macro_rules! words {
    ($($kind:ident { $($variant:ident => $word:literal),+ $(,)? })+) => {$(
        impl $kind {
            /// The word for it in policies, the record, metrics and listings.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}

words! {
    DeviceStatus { Pending => "pending", Active => "active", Quarantined => "quarantined", Retired => "retired" }
    Platform { Linux => "linux", Macos => "macos", Windows => "windows", Android => "android", Ios => "ios", Unknown => "unknown" }
    KeyProtection { Software => "software", Os => "os", Tpm => "tpm" }
}
