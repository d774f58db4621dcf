//! The step itself.

use std::sync::Arc;

use http::HeaderMap;

use super::bearer::{Authorization, Bearer, StolenToken};
use super::cookie::{Cookie, Sent};
use super::keys::Providers;
use super::known::{Binding, KnownUser};
use super::refusal::UserRefusal;
use super::session::{self, Judge};
use crate::clock::Timestamp;
use crate::config::{Host, SessionRules};
use crate::identify_device::KnownDevice;
use crate::inventory::{Inventory, LiveSession, Session};

/// Finds out who asks. One per data core.
#[derive(Debug)]
pub struct Identifier {
    pub(super) inventory: Arc<Inventory>,
    pub(super) bearer: Bearer,
}

/// What is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Providers of the configuration in force.
    pub providers: &'a Providers,
    /// How long sessions hold, by the configuration in force.
    pub rules: &'a SessionRules,
    /// The host of the request.
    pub host: &'a Host,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The device that proved itself on the connection.
    pub device: &'a KnownDevice,
    /// When the request came.
    pub now: Timestamp,
}

/// A credential that was refused though it is genuine: another known device showed it than its own, or its person is suspended.
#[derive(Clone, Debug)]
pub enum Shown {
    /// A session, by its cookie.
    Session(Arc<LiveSession>),
    /// A bearer token that is bound to a certificate.
    Token(StolenToken),
}

impl Shown {
    /// The session, or what a token says in its place.
    pub fn session(&self) -> &Session {
        match self {
            Self::Session(live) => &live.session,
            Self::Token(token) => &token.session,
        }
    }
}

impl Identifier {
    /// Of one data core.
    pub fn new(inventory: Arc<Inventory>) -> Self {
        Self { inventory, bearer: Bearer::new() }
    }

    /// What was shown, after [`UserRefusal::OtherDevice`] or [`UserRefusal::Suspended`] was the answer to a request with these
    /// headers. Only what is genuine is: a guess is not.
    pub fn shown(&self, headers: &HeaderMap) -> Option<Shown> {
        match Cookie::Session.sent(headers) {
            Sent::Token(token) => self.inventory.session_by_token(&token).map(|(live, _host)| Shown::Session(live)),
            Sent::Malformed => None,
            Sent::Absent => match Authorization::of(headers) {
                Authorization::Bearer(presented) => self.bearer.stolen(presented, &self.inventory).map(Shown::Token),
                Authorization::Malformed | Authorization::NotOurs => None,
            },
        }
    }

    /// Who asks. Our cookie names the user wherever there is one, whatever it is worth: `Authorization` is then the app's
    /// business. Without it, a bearer token does; and without that, the device's own certificate, if it is a service's.
    ///
    /// # Errors
    /// [`UserRefusal`].
    pub async fn identify(&self, ask: Ask<'_>) -> Result<KnownUser, UserRefusal> {
        match Cookie::Session.sent(ask.headers) {
            Sent::Token(token) => {
                let judge = Judge { rules: ask.rules, providers: ask.providers, now: ask.now };
                session::by_cookie(&self.inventory, &token, ask.host, ask.device, judge).map(|(_live, user)| user)
            }
            Sent::Malformed => Err(UserRefusal::MalformedCookie),
            Sent::Absent => match Authorization::of(ask.headers) {
                Authorization::Bearer(presented) => {
                    self.bearer.identify(presented, ask.providers, &self.inventory, ask.device, ask.now).await
                }
                Authorization::Malformed => Err(UserRefusal::MalformedAuthorization),
                Authorization::NotOurs => self.by_certificate(ask.device),
            },
        }
    }

    /// The service that the device's certificate names, where nothing else names anybody.
    pub(super) fn by_certificate(&self, device: &KnownDevice) -> Result<KnownUser, UserRefusal> {
        let service = device.service.as_ref().ok_or(UserRefusal::NoCredential)?;
        if self.inventory.is_suspended(&service.session.user) {
            return Err(UserRefusal::Suspended);
        }
        Ok(KnownUser {
            session: Arc::clone(&service.session),
            binding: Binding::Certificate,
            facts: service.facts,
            facts_until: Timestamp(i64::MAX),
            due: false,
            by_certificate: true,
        })
    }
}
