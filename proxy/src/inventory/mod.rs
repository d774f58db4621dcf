//! Who and what the gate knows right now: devices, sessions and suspended users, in memory.
//!
//! The durable truth is in `store`; this is its live image, which every request reads without waiting. Only what follows the
//! store's change feed writes here.

mod book;
mod break_glass;
mod device;
mod facts;
mod foreign;
mod live;
mod live_device;
mod live_session;
mod metrics;
mod moved;
mod once;
mod refused_sessions;
mod resident;
#[cfg(test)]
pub(crate) mod samples;
mod session;
mod shown_certificates;
mod stopped_tokens;
#[cfg(test)]
mod tests;
mod texts;
mod user;

pub use break_glass::BreakGlass;
pub use device::{
    Device, DeviceId, DeviceStatus, FactValue, InvalidDeviceId, KeyFingerprint, KeyProtection, Owner, Platform, UnknownPlatform,
};
pub use foreign::foreign_device_id;
pub use live::{Counts, Inventory};
pub use live_device::LiveDevice;
pub use live_session::{LiveSession, SessionOver, SessionUse};
pub use metrics::InventoryMetrics;
pub use moved::Moved;
pub use refused_sessions::RefusedSessions;
pub use session::{Session, SessionId};
pub use shown_certificates::ShownCertificates;
pub use stopped_tokens::StoppedTokens;
pub use texts::{Claims, Texts};
pub use user::{ClaimValue, InvalidUserId, UserId};
