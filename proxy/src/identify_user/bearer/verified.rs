//! A bearer token whose signature and claims were found good, and what has to be asked again each time it is shown.

use std::sync::Arc;

use serde_json::Value;

use super::super::claims::{self, Person, Validity};
use super::super::json::Members;
use super::super::jws::{Jws, JwsProblem};
use super::super::keys::{Provider, Providers};
use super::super::known::{Binding, KnownUser};
use super::super::refusal::UserRefusal;
use super::super::service;
use crate::clock::Timestamp;
use crate::identify_device::KnownDevice;
use crate::inventory::{DeviceId, Inventory, Session, SessionId, UserId};
use crate::secret::{self, Digest};

/// A token that another device showed than the one that it is bound to. It is valid but for that.
#[derive(Clone, Debug)]
pub struct StolenToken {
    /// Its hash.
    pub digest: Digest,
    /// What it states, in the form of a session. Its device is the one that showed it.
    pub session: Arc<Session>,
    /// The device that it belongs to, if that showed its certificate lately.
    pub from: Option<DeviceId>,
}

/// A token that was verified once. What can change between two requests is not part of that verdict: [`Verified::check`].
#[derive(Debug)]
pub(super) struct Verified {
    provider: Arc<Provider>,
    /// Of the key set that verified it.
    generation: u64,
    validity: Validity,
    digest: Digest,
    /// `x5t#S256` that it is bound to.
    certificate: Option<String>,
    session: Arc<Session>,
    /// Of the person.
    facts: Digest,
}

impl Verified {
    /// Verifies `token`, whose digest is `digest`, as shown by `device`.
    pub(super) fn new(
        token: &Jws<'_>,
        digest: &Digest,
        provider: &Arc<Provider>,
        device: &KnownDevice,
        now: Timestamp,
    ) -> Result<Self, UserRefusal> {
        let keys = provider.ring.keys(now)?;
        token.verify(&keys.set)?;
        let payload = &token.payload;
        if payload.contains_key("events") {
            return Err(UserRefusal::TokenKind);
        }
        let audience = claims::audience(payload)?;
        if provider.audience().is_none_or(|ours| !audience.contains(&ours)) {
            return Err(UserRefusal::Audience);
        }
        let validity = Validity::of(payload)?;
        validity.check(now)?;
        validity.check_length(provider.settings.max_token_lifetime, now)?;
        let certificate = confirmation(payload)?;
        let person = match service::client(payload, &provider.settings)? {
            Some(client) => Person::service(client, payload, &provider.settings),
            None => Person::read(payload, None, &provider.settings, now)?,
        };
        // Without the token's own name and times: a decision rests on the person alone, and is made ready once for all their tokens.
        let facts = person.digest(&provider.settings.name).unwrap_or(*digest);
        let session = Arc::new(session(person, provider, device, validity, digest, now));
        Ok(Self {
            provider: Arc::clone(provider),
            generation: keys.generation,
            validity,
            digest: *digest,
            certificate,
            session,
            facts,
        })
    }

    /// Whether this verdict can be given again: same provider with the same settings, same keys, same device.
    pub(super) fn holds(&self, providers: &Providers, device: &KnownDevice, now: Timestamp) -> bool {
        let same_keys = self.provider.ring.keys(now).is_ok_and(|keys| keys.generation == self.generation);
        same_keys && self.session.device == device.device.id && providers.contains(&self.provider)
    }

    /// What is asked each time: the time, the binding, the person's standing.
    pub(super) fn check(&self, inventory: &Inventory, device: &KnownDevice, now: Timestamp) -> Result<KnownUser, UserRefusal> {
        let binding = match &self.certificate {
            None => Binding::None,
            Some(bound) if secret::same(bound.as_bytes(), device.certificate.to_base64url().as_bytes()) => Binding::Certificate,
            Some(bound) => return Err(self.bound_elsewhere(bound, inventory, device)),
        };
        if inventory.stopped_tokens().has(&self.digest) {
            return Err(UserRefusal::TokenStopped);
        }
        self.validity.check(now)?;
        if inventory.is_suspended(&self.session.user) {
            return Err(UserRefusal::Suspended);
        }
        Ok(KnownUser {
            session: Arc::clone(&self.session),
            binding,
            facts: self.facts,
            facts_until: Timestamp(i64::MAX),
            due: false,
            by_certificate: false,
        })
    }
}

impl Verified {
    /// A device that has a new certificate may still have a token for the one before: of no use, but no theft.
    fn bound_elsewhere(&self, bound: &str, inventory: &Inventory, device: &KnownDevice) -> UserRefusal {
        let owner = Digest::from_base64url(bound).and_then(|bound| inventory.shown_certificates().device(&bound));
        if owner.is_some_and(|owner| owner == device.device.id) {
            UserRefusal::OtherCertificate
        } else {
            UserRefusal::OtherDevice
        }
    }

    /// What there is to know of it once it turned out to be stolen.
    pub(super) fn stolen(&self, inventory: &Inventory) -> StolenToken {
        let bound = self.certificate.as_deref().and_then(Digest::from_base64url);
        StolenToken {
            digest: self.digest,
            session: Arc::clone(&self.session),
            from: bound.and_then(|bound| inventory.shown_certificates().device(&bound)),
        }
    }
}

/// What kind of token may be a bearer token: an access token (RFC 9068), or one that does not say.
pub(super) fn check_kind(token: &Jws<'_>) -> Result<(), UserRefusal> {
    match token.header.kind.as_deref() {
        None | Some("jwt" | "at+jwt") => Ok(()),
        Some(_) => Err(UserRefusal::TokenKind),
    }
}

/// The provider that the token says it is of. Not believed before the signature is verified with that provider's keys.
pub(super) fn provider<'a>(token: &Jws<'_>, providers: &'a Providers) -> Result<&'a Arc<Provider>, UserRefusal> {
    let issuer = token.payload.get("iss").and_then(Value::as_str).ok_or(UserRefusal::Issuer)?;
    providers.by_issuer(issuer).ok_or(UserRefusal::Issuer)
}

/// `cnf` (RFC 7800): `x5t#S256` alone (RFC 8705), or nothing. A binding that we do not check would be no binding.
fn confirmation(payload: &Members) -> Result<Option<String>, UserRefusal> {
    let Some(confirmation) = payload.get("cnf") else { return Ok(None) };
    let Value::Object(members) = confirmation else { return Err(UserRefusal::Confirmation) };
    match (members.get("x5t#S256"), members.len()) {
        (Some(Value::String(thumbprint)), 1) => Ok(Some(thumbprint.clone())),
        _ => Err(UserRefusal::Confirmation),
    }
}

/// The token's facts in the form of a session.
fn session(
    person: Person,
    provider: &Provider,
    device: &KnownDevice,
    validity: Validity,
    digest: &Digest,
    now: Timestamp,
) -> Session {
    let issued_at = validity.issued_at.unwrap_or(now);
    Session {
        id: SessionId(format!("token-{}", digest.short()).into()),
        user: UserId { provider: Arc::clone(&provider.settings.name), subject: person.subject.into() },
        service: person.service,
        device: device.device.id.clone(),
        email: person.email.map(Into::into),
        name: person.name.map(Into::into),
        groups: person.groups.into_iter().collect(),
        claims: person.claims.into_iter().collect(),
        authenticated_at: person.authenticated_at,
        acr: person.acr.map(Into::into),
        amr: person.amr.into_iter().collect(),
        mfa: person.mfa,
        created_at: issued_at,
        expires_at: validity.expires_at,
    }
}

/// Newer keys may cure it.
pub(super) fn wants_newer_keys(refusal: UserRefusal) -> bool {
    matches!(refusal, UserRefusal::Token(JwsProblem::UnknownKey) | UserRefusal::NoKeys(_))
}
