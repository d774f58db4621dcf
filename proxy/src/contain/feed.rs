//! From what moved in the inventory to the lever that says so.

use std::time::Instant;

use super::cause::Cause;
use super::change::Change;
use super::levers::Levers;
use super::mark::Mark;
use crate::inventory::{DeviceStatus, Moved};

impl Levers {
    /// Tells every core that a fact of the inventory moved. `since` is when whoever moved it began to.
    pub fn moved(&self, moved: &Moved, since: Instant) {
        let (change, cause) = match moved {
            Moved::Device { id, status } => {
                let cause = match status {
                    Some(DeviceStatus::Quarantined) => Cause::DeviceQuarantined,
                    Some(DeviceStatus::Retired) | None => Cause::DeviceRetired,
                    Some(DeviceStatus::Pending | DeviceStatus::Active) => Cause::DeviceChanged,
                };
                (Change::Device(Mark::of(id.as_str())), cause)
            }
            Moved::Session { id, over } => {
                (Change::Session(Mark::of(&id.0)), if *over { Cause::SessionEnded } else { Cause::SessionChanged })
            }
            Moved::User { id, .. } => (Change::User(Mark::of_two(&id.provider, &id.subject)), Cause::UserSuspended),
        };
        self.pull(change, cause, since);
    }
}
