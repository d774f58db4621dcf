//! What weakens a check of TLS, in one place, so that a search for this word finds every such use.
//!
//! - [`ProvesPossession`]: the gate's side. A client certificate is *not* verified in the handshake, only the key behind it.
//!   Whoever uses it must judge the certificate before trusting any word of it ([`crate::trust`]).
//! - [`PinnedServer`]: the device's side, once, at enrolment. The gate's certificate is not checked against public authorities
//!   but against a key that the administrator handed over with the invitation.

mod pinned_server;
mod proves_possession;
#[cfg(test)]
mod tests;

pub use pinned_server::PinnedServer;
pub use proves_possession::ProvesPossession;
