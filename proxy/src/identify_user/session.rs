//! A session by its cookie, and whether what stands in it may still be believed. The same check on app hosts and at the sign-in host.

use std::sync::Arc;
use std::time::Duration;

use super::keys::{Provider, Providers};
use super::known::{Binding, KnownUser};
use super::refusal::UserRefusal;
use crate::clock::Timestamp;
use crate::config::{Host, SessionRules};
use crate::identify_device::KnownDevice;
use crate::inventory::{Inventory, LiveSession};
use crate::secret::Digest;

/// What sessions are judged by.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// How long they hold, by the configuration in force.
    pub rules: &'a SessionRules,
    /// Its providers.
    pub providers: &'a Providers,
    /// When it is asked.
    pub now: Timestamp,
}

impl<'a> Judge<'a> {
    /// The person of `live`, if the session has not ended and what stands in it is young enough.
    ///
    /// # Errors
    /// [`UserRefusal::SessionOver`], [`UserRefusal::FactsStale`], [`UserRefusal::FactsExpired`].
    pub fn of(self, live: &LiveSession) -> Result<KnownUser, UserRefusal> {
        live.usable(self.now, self.rules.idle_timeout)?;
        let confirmed_at = live.confirmed_at();
        let age = self.now.since(confirmed_at);
        let due = if age < self.rules.fresh_for { false } else { self.look_closer(live, age)? };
        Ok(KnownUser {
            session: Arc::clone(&live.session),
            binding: Binding::Session,
            facts: live.facts,
            facts_until: confirmed_at.plus(self.rules.max_fact_age),
            due,
            by_certificate: false,
        })
    }

    /// Facts that are not fresh for everybody: whether they are due for their own provider.
    #[cold]
    fn look_closer(self, live: &LiveSession, age: Duration) -> Result<bool, UserRefusal> {
        let provider = self.provider_of(live);
        if age >= self.rules.max_fact_age {
            return Err(if provider.is_some() { UserRefusal::FactsStale } else { UserRefusal::FactsExpired });
        }
        Ok(provider.is_some_and(|provider| age >= provider.settings.refresh && live.may_be_asked_about(self.now)))
    }

    /// Whom to ask about the session again: nobody without a refresh token, and nobody who is not in the configuration any more.
    pub fn provider_of(self, live: &LiveSession) -> Option<&'a Arc<Provider>> {
        let provider = self.providers.by_name(&live.session.user.provider)?;
        (live.refreshable() && provider.settings.client.is_some()).then_some(provider)
    }
}

/// The live session that the cookie with digest `token` opens on `host`, shown by `device`, and its person.
///
/// The device comes before the session's end: a copied cookie is theft even when it is too old to be of use.
///
/// # Errors
/// [`UserRefusal`].
pub fn by_cookie(
    inventory: &Inventory,
    token: &Digest,
    host: &Host,
    device: &KnownDevice,
    judge: Judge<'_>,
) -> Result<(Arc<LiveSession>, KnownUser), UserRefusal> {
    let Some((live, given_to)) = inventory.session_by_token(token) else {
        let refused = inventory.refused_sessions().has(token);
        return Err(if refused { UserRefusal::FactsRefused } else { UserRefusal::UnknownSession });
    };
    if live.session.device != device.device.id {
        return Err(UserRefusal::OtherDevice);
    }
    if given_to != *host {
        return Err(UserRefusal::OtherHost);
    }
    let user = judge.of(&live)?;
    if inventory.is_suspended(&live.session.user) {
        return Err(UserRefusal::Suspended);
    }
    live.touch(judge.now);
    Ok((live, user))
}
