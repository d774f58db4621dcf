//! Who is behind a request that is under way, as of now.

use http::HeaderValue;

use super::bearer::Authorization;
use super::identifier::Identifier;
use super::keys::Providers;
use super::known::{Binding, KnownUser};
use super::refusal::UserRefusal;
use super::session::Judge;
use crate::clock::Timestamp;
use crate::config::SessionRules;
use crate::identify_device::KnownDevice;
use crate::inventory::SessionOver;

/// What is asked about again.
#[derive(Clone, Copy, Debug)]
pub struct Again<'a> {
    /// Providers of the configuration in force.
    pub providers: &'a Providers,
    /// How long sessions hold, by the configuration in force.
    pub rules: &'a SessionRules,
    /// Who it was when the request was allowed.
    pub user: &'a KnownUser,
    /// The header that named them, where it was a bearer token.
    pub authorization: Option<&'a HeaderValue>,
    /// The device behind the connection, as it is known now.
    pub device: &'a KnownDevice,
    /// When it is asked.
    pub now: Timestamp,
}

impl Identifier {
    /// The same person, as they are known now. Waits for nothing: keys that would have to be fetched are not there.
    ///
    /// The session may have got other cookies meanwhile: what counts is that it goes on, on this device. An access under way is use
    /// of its session.
    ///
    /// # Errors
    /// [`UserRefusal`].
    pub fn again(&self, ask: Again<'_>) -> Result<KnownUser, UserRefusal> {
        if ask.user.by_certificate {
            let same = |user: &KnownUser| user.session.user == ask.user.session.user;
            return self
                .by_certificate(ask.device)
                .and_then(|user| if same(&user) { Ok(user) } else { Err(UserRefusal::NoCredential) });
        }
        if ask.user.binding != Binding::Session {
            let Some(Authorization::Bearer(presented)) = ask.authorization.map(Authorization::of_value) else {
                return Err(UserRefusal::MalformedAuthorization);
            };
            return self.bearer.again(presented, ask.providers, &self.inventory, ask.device, ask.now);
        }
        let session = &ask.user.session;
        // First: who is suspended has no sessions either, and should hear the reason.
        if self.inventory.is_suspended(&session.user) {
            return Err(UserRefusal::Suspended);
        }
        let live = self.inventory.session(&session.id).ok_or(SessionOver::Ended)?;
        if live.session.device != ask.device.device.id {
            return Err(UserRefusal::OtherDevice);
        }
        if live.session.user != session.user {
            return Err(UserRefusal::UnknownSession);
        }
        let user = Judge { rules: ask.rules, providers: ask.providers, now: ask.now }.of(&live)?;
        live.touch(ask.now);
        Ok(user)
    }
}
