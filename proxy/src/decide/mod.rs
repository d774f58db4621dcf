//! Arrives: a routed request, the device and the user. Leaves: [`Allowed`], which owns the request and which only this room
//! can make. Refused: whatever policy does not permit, and whatever it cannot decide.

mod allowed;

pub use allowed::{Allowed, Permit};
