//! Arrives: bytes of a [`SecureConnection`](crate::tls::SecureConnection). Leaves: a [`Clean`] request with exactly one reading.
//! Refused: whatever is malformed, ambiguous or too large. If the client goes away, the body ends with an error.

mod clean;

pub use clean::{Clean, Kind, RequestId};
