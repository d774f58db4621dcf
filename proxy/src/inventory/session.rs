//! A person's sign-in on a device.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::device::DeviceId;
use super::texts::{Claims, Texts};
use super::user::UserId;
use crate::clock::Timestamp;

/// A session's public name, for listings and the record: it opens nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub Arc<str>);

/// One sign-in at the gate, on one device. Every app host's cookie points to it. Immutable; what changes with use is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its public name.
    pub id: SessionId,
    /// Who signed in.
    pub user: UserId,
    /// It is a program, of which a token or a certificate says so: nobody signed in, and no store keeps it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub service: bool,
    /// On which device; of no use on any other.
    pub device: DeviceId,
    /// The verified e-mail address, lower-cased domain; `None` if the provider gives none or does not vouch for it.
    pub email: Option<Box<str>>,
    /// The display name.
    pub name: Option<Box<str>>,
    /// The groups that the provider named.
    pub groups: Texts,
    /// Further claims that are configured to be kept.
    pub claims: Claims,
    /// When the person last proved who they are (`auth_time`).
    pub authenticated_at: Timestamp,
    /// Authentication context class (`acr`).
    pub acr: Option<Arc<str>>,
    /// Authentication methods (`amr`, RFC 8176).
    pub amr: Texts,
    /// More than one factor was used, by `amr` or a configured `acr`.
    pub mfa: bool,
    /// When the session began.
    pub created_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}
