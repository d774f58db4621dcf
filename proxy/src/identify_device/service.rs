//! A program that its certificate alone names.

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::inventory::{Claims, DeviceId, Session, SessionId, Texts, UserId};
use crate::secret::Digest;

/// A service as its authority names it. It is a device too, by which it is listed, isolated and retired.
#[derive(Debug)]
pub struct CertifiedService {
    /// What is known of it, in the form of a session: it lasts as long as the certificate.
    pub session: Arc<Session>,
    /// Content hash of the name alone: certificates come and go, and nothing that a decision rests on changes with them.
    pub facts: Digest,
}

impl CertifiedService {
    /// The service `name` of `authority`, by the certificate with this digest, which was looked at `now` and ends at `not_after`.
    pub(super) fn new(
        authority: &Arc<str>,
        name: &str,
        device: &DeviceId,
        certificate: &Digest,
        now: Timestamp,
        not_after: Timestamp,
    ) -> Self {
        let session = Session {
            id: SessionId(format!("certificate-{}", certificate.short()).into()),
            user: UserId { provider: Arc::clone(authority), subject: name.into() },
            service: true,
            device: device.clone(),
            email: None,
            name: None,
            groups: Texts::default(),
            claims: Claims::default(),
            // Nobody signed in, so the age of that is huge.
            authenticated_at: Timestamp::default(),
            acr: None,
            amr: Texts::default(),
            mfa: false,
            created_at: now,
            expires_at: not_after,
        };
        Self { session: Arc::new(session), facts: Digest::of(format!("service by certificate\n{authority}\n{name}").as_bytes()) }
    }
}
