//! Arrives: a request's cookie or bearer token, and the device. Leaves: a [`KnownUser`]. Refused: no credential, one that is
//! not valid now, one that belongs to another device.

mod known;

pub use known::{Binding, KnownUser};
