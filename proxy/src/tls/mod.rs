//! Arrives: a socket. Leaves: a [`SecureConnection`], whose client has *proved* the key of the certificate that it showed, if any.
//! Refused: a handshake that is wrong or too slow. If the client goes away, nothing is left.
//!
//! Trust in the certificate is not judged here but on every request, in `identify_device`.

mod connection;
mod handshake;
mod resumption;
mod settings;

pub use connection::{Alpn, Notes, ProvenLeaf, SecureConnection};
pub use handshake::HandshakeError;
pub use resumption::{RESUMABLE, Resumable, Resumption};
pub use settings::{TlsSettings, TlsSettingsError};
