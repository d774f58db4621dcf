//! Arrives: bytes of a [`SecureConnection`](crate::tls::SecureConnection). Leaves: a [`Clean`] request with exactly one reading.
//! Refused: whatever is malformed, ambiguous or too large. If the client goes away, the body ends with an error.
//!
//! HTTP/1.1 goes through the [`guard`] before hyper reads it; what hyper read, of either version, is cleaned by [`Reader`].

pub mod guard;

mod authority;
mod body;
mod clean;
mod content;
mod frames;
mod glimpse;
mod hygiene;
mod reader;
mod refusal;
mod reserved;
mod target;
mod websocket;

pub use crate::config::{PathRefusal, canonical_path};
pub use authority::LastHost;
pub use body::{BodyError, BodyMeter, RequestBody, TooLarge};
pub use clean::{Clean, Kind, RequestId, RequestIds};
pub use content::{Content, Leftover};
pub use frames::{Noise, Quietly};
pub use glimpse::Glimpse;
pub use guard::{FramingRefusal, GuardHandle, GuardedIo, Head, HeadFacts, Turn};
pub use reader::{Reader, Unread};
pub use refusal::ReadRefusal;
