//! What an app is told about the user, made once per user, device and app, and kept per core.

use std::cell::RefCell;
use std::sync::Arc;

use http::HeaderValue;
use quick_cache::unsync::Cache;

use super::assertion::{Issuer, LIFETIME};
use super::error::ForwardError;
use super::identity::Identity;
use crate::clock::{Clock, Timestamp};
use crate::config::App;
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::inventory::{DeviceId, SessionId};
use crate::secret::Digest;

/// The header values that tell an app who is asking.
#[derive(Clone, Debug)]
pub(super) struct Passport {
    pub(super) user: HeaderValue,
    pub(super) email: Option<HeaderValue>,
    pub(super) groups: Option<HeaderValue>,
    /// `None` if the app does not want it.
    pub(super) assertion: Option<HeaderValue>,
    at: Timestamp,
}

/// Passports that were issued on this core.
#[derive(Debug)]
pub(super) struct Passports(RefCell<Cache<Key, Passport>>);

/// All that a passport depends on: when a fact changes, so does `facts`, and a new one is issued.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    session: SessionId,
    facts: Digest,
    device: DeviceId,
    app: Arc<str>,
    assertion: bool,
}

impl Passports {
    pub(super) fn new() -> Self {
        Self(RefCell::new(Cache::new(KEPT)))
    }

    /// The passport of `user` on `device` for `app`: issued now, or at most half of an assertion's life ago.
    ///
    /// # Errors
    /// [`ForwardError::IdentityUnfit`], [`ForwardError::CannotSign`].
    pub(super) fn issue(
        &self,
        issuer: &Issuer,
        clock: &Clock,
        user: &KnownUser,
        device: Option<&KnownDevice>,
        app: &App,
    ) -> Result<Passport, ForwardError> {
        let session = &*user.session;
        let device = device.map_or(&session.device, |known| &known.device.id);
        let key = Key {
            session: session.id.clone(),
            facts: user.facts,
            device: device.clone(),
            app: Arc::clone(&app.name),
            assertion: app.assertion,
        };
        let now = clock.now();
        if let Some(known) = self.0.borrow().get(&key)
            // A clock that was set back must not make it live longer.
            && now >= known.at
            && now.since(known.at) < LIFETIME / 2
        {
            return Ok(known.clone());
        }
        let identity = Identity::of(session)?;
        let assertion = match app.assertion {
            true => Some(issuer.sign(session, device, &app.name, now).ok_or(ForwardError::CannotSign)?),
            false => None,
        };
        let passport = Passport { user: identity.user, email: identity.email, groups: identity.groups, assertion, at: now };
        self.0.borrow_mut().insert(key, passport.clone());
        Ok(passport)
    }
}

/// Passports kept per core; some 1.5 KB each.
const KEPT: usize = 4096;
