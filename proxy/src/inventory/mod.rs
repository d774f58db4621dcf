//! Who and what the gate knows right now: devices, sessions and suspended users, in memory.
//!
//! The durable truth is in `store`; this is its live image, which every request reads without waiting.

mod device;
mod session;
mod user;

pub use device::{Device, DeviceId, DeviceStatus, FactValue, InvalidDeviceId, KeyFingerprint, KeyProtection, Owner, Platform};
pub use session::{Session, SessionId};
pub use user::{ClaimValue, UserId};
