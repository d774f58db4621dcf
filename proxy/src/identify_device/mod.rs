//! Arrives: what a connection proved. Leaves: a [`KnownDevice`]. Refused: no certificate, one that is not trusted now, a device
//! that is not in use. Judged on every request; what is costly is remembered with the connection, never longer than it holds.
//! Nothing here waits, so nothing is left if the client goes away.

mod identifier;
mod known;
mod memory;
mod refusal;
mod renewal;
mod service;
#[cfg(test)]
mod tests;

pub use identifier::{Authority, Identifier};
pub use known::{CertificateSays, KnownDevice, Renewable};
pub use memory::Memory;
pub use refusal::DeviceRefusal;
pub use service::CertifiedService;
