//! What stands behind (and beside) the gate in `sekisho quickstart` and in demonstrations: an identity provider and two small apps.
//!
//! They are examples, not products: state is in memory and ends with the process. Each is served on a listener that the caller
//! bound, until the caller's `shutdown` future is ready.
//!
//! - [`idp`]: an OpenID provider with three demo people, over TLS.
//! - [`share`]: an information-sharing app with large files.
//! - [`chat`]: an app with a WebSocket.

mod chance;
mod page;
#[cfg(test)]
mod testing;
mod web;

pub mod chat;
pub mod idp;
pub mod share;
