//! Arrives: a request's cookie or bearer token, and the device. Leaves: a [`KnownUser`], a person or a service. Refused: no credential, one that is
//! not valid now, one that belongs to another device. Nothing here waits, except a token signed with a key that is not known
//! yet: for the next attempt to fetch it. If the client goes away, that wait is given up.

mod again;
mod bearer;
pub mod claims;
pub mod cookie;
#[doc(hidden)]
pub mod fuzzing;
mod identifier;
pub(crate) mod json;
pub mod jws;
pub mod keys;
mod known;
mod refusal;
mod service;
pub mod session;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

pub use again::Again;
pub use bearer::StolenToken;
pub use identifier::{Ask, Identifier, Shown};
pub use json::{Members, NotAnObject, object};
pub use known::{Binding, KnownUser};
pub use refusal::UserRefusal;
