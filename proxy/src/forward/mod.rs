//! Arrives: an [`Allowed`](crate::decide::Allowed) request. Leaves: the app's [`Answer`], streamed, or a WebSocket's [`Tunnel`].
//! Refused: with a [`ForwardError`], whatever an app does not answer properly and in time. What goes to an app is written here from
//! what was decided. If the client goes away, the exchange is dropped, and with it the connection to the app that it was using.
//!
//! # What an app gets
//!
//! - `Host` and `X-Forwarded-Host`: the host (and port, unless 443) that the browser shows; `X-Forwarded-Proto: https`;
//!   `X-Forwarded-For`: the client's address, nothing else.
//! - `X-Forwarded-User`, `-Email`, `-Groups`: see `identity.rs` for their exact form. Absent for requests without a user.
//! - `Sekisho-Assertion`: the same, signed; verify it with the keys at `/.sekisho/jwks.json`.
//! - `X-Request-Id`, `traceparent`.
//! - `Authorization` only with `pass_authorization`; never our cookies.

mod answer;
mod assertion;
mod attempt;
mod balance;
mod body;
mod caching;
mod connect;
mod connection_bound;
mod cookies;
mod error;
mod exchange;
mod forwarder;
mod frames;
#[doc(hidden)]
pub mod fuzzing;
mod header_names;
mod health;
mod identity;
mod io;
mod lease;
mod local;
mod metrics;
mod multiplex;
mod passport;
mod pool;
mod request_body;
mod request_head;
mod response_head;
mod shared;
mod standing;
#[cfg(test)]
mod tests;
mod trace_context;
mod trust;
mod tunnel;
mod websocket;

pub use answer::Answer;
pub use assertion::{AssertionKeys, AssertionKeysError};
pub use attempt::PIECE;
pub use body::{AppBody, BodyError};
pub use error::ForwardError;
pub use exchange::Meter;
pub use forwarder::Forwarder;
pub use health::watch_health;
pub use metrics::ForwardMetrics;
pub use shared::ForwardShared;
pub use tunnel::{Tunnel, TunnelEnd};
