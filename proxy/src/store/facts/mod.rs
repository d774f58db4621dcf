//! Arrives: what somebody says of devices, and when it was like that. Leaves: it is kept under their name, and what all of it comes to
//! stands in the device. Refused: devices that are not there or retired, names that are another device's.
//! If the caller goes away, what was begun is finished all the same.
//!
//! That something is as it was is usage and no change (see [`upkeep`](super::upkeep)): it is written down, and has no place in the
//! change feed.

mod expiry;
mod fact;
mod merge;
mod report;
mod setting;
mod source;
#[cfg(test)]
mod tests;

pub use fact::{DeviceAlias, DeviceFact};
pub use merge::{MANAGED, PLATFORM};
pub use report::{FactReport, Reported};
pub use setting::{DeviceSetting, SettingError};
pub use source::FactSource;
