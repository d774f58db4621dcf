//! The way in when nobody can sign in.

use serde::{Deserialize, Serialize};

use super::device::DeviceId;
use super::session::SessionId;
use super::user::UserId;
use crate::clock::Timestamp;

/// A break-glass that is under way: somebody at the admin socket lets one device in without a provider, for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakGlass {
    /// The device that its code is for.
    pub device: DeviceId,
    /// Since when.
    pub begun_at: Timestamp,
    /// When it ends, and what was begun by it.
    pub ends_at: Timestamp,
    /// When its code was used, which it is once.
    pub used_at: Option<Timestamp>,
    /// The session that it began.
    pub session: Option<SessionId>,
    /// Who began it.
    pub by: String,
    /// Why.
    pub why: String,
}

impl UserId {
    /// Who signed in by break-glass, as policies and the record name them: no provider can be called like this.
    pub fn break_glass() -> Self {
        Self { provider: OWN.into(), subject: "break-glass".into() }
    }
}

/// The gate's own name where a provider's stands.
const OWN: &str = "sekisho";
