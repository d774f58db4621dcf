//! Secrets, digests and randomness, each in one form.
//!
//! What is secret prints as `[redacted]` and is wiped when dropped; what is compared with something secret is compared in constant time.

mod digest;
mod random;
mod redacted;
mod seal;

pub use digest::{Digest, ParseDigestError, hex_digits};
pub use random::{NoRandomness, bytes, token};
pub use redacted::{Secret, same};
pub use seal::{CannotOpen, CannotSeal, KeyFileError, Sealer};
