//! What a change of the live state means for accesses under way.

use super::device::{DeviceId, DeviceStatus};
use super::session::SessionId;
use super::user::UserId;

/// A fact that decisions may rest on was changed or taken away. What is new is not one: nothing rests on it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moved {
    /// A device's facts changed.
    Device {
        /// Which one.
        id: DeviceId,
        /// What it is now; `None`: it is no longer in the inventory.
        status: Option<DeviceStatus>,
    },
    /// A session's facts changed.
    Session {
        /// Which one.
        id: SessionId,
        /// It has ended.
        over: bool,
    },
    /// A person's access was taken away or given back.
    User {
        /// Whose.
        id: UserId,
        /// It was taken away.
        suspended: bool,
    },
}
