//! Arrives: what a connection proved. Leaves: a [`KnownDevice`]. Refused: no certificate, one that is not trusted now, a device
//! that is not in use. Judged on every request, remembered by fingerprint and trust epoch. Nothing here waits.

mod known;

pub use known::KnownDevice;
