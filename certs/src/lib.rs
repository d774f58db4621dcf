//! Sekisho's device authority, device certificates and their verification; server certificates and key files.
//!
//! Nothing here speaks HTTP, reads the clock or knows what a policy is: bytes, names and the time come in as arguments,
//! digests leave as plain `[u8; 32]`. Whatever weakens a check of TLS stands in [`danger`], and only there.

pub mod authority;
pub mod danger;
pub mod dates;
pub mod files;
pub mod fingerprint;
pub mod key;
pub mod local_root;
pub mod pem;
pub mod pkcs12;
pub mod server;
pub mod tpm;
pub mod trust;

mod entropy;
mod strength;
mod x509;
