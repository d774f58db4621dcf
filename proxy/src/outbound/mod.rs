//! Requests that the gate itself makes, to identity providers: https to hosts that the configuration leads to, with a bound on
//! everything, and never a redirect.

mod client;
mod resolve;
#[cfg(test)]
pub(crate) mod testing;

pub use client::{MAX_RESPONSE_BYTES, Outbound, OutboundError, TIMEOUT, may_call};
pub use resolve::Resolver;
