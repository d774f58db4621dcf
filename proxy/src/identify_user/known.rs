//! Who is known: a person, or a service.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::inventory::Session;
use crate::secret::Digest;

/// A person with a valid session or token on this device; or a service, by its token or by the device's certificate.
#[derive(Clone, Debug)]
pub struct KnownUser {
    /// The session; for a bearer token, the facts that the token states in the same form.
    pub session: Arc<Session>,
    /// What ties the credential to the device.
    pub binding: Binding,
    /// Content hash of the facts that decisions rest on. Of a session: all of it. Of a bearer token: those about the person, so that
    /// another token that says the same of them has the same.
    pub facts: Digest,
    /// From then on they serve no more, unless they are confirmed before. Of a bearer token: never, as it ends by itself.
    pub facts_until: Timestamp,
    /// It is time to have the session's facts confirmed.
    pub due: bool,
    /// Nothing was shown but the device's certificate, which names a service.
    pub by_certificate: bool,
}

impl KnownUser {
    /// What names them is sent by browsers of themselves, whichever page makes them ask.
    pub fn is_ambient(&self) -> bool {
        self.binding == Binding::Session || self.by_certificate
    }
}

/// What ties a credential to the device (`context.session.binding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binding {
    /// A session of ours, made on this device.
    Session,
    /// A token bound to the certificate of this connection (RFC 8705), or that certificate itself.
    Certificate,
    /// A token that anybody could show who has it.
    None,
}

impl Binding {
    /// The word for it in policies and the record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Certificate => "certificate",
            Self::None => "none",
        }
    }
}
