//! `sign-out`: on any host, and then everywhere.

use std::sync::Arc;

use http::{StatusCode, Uri};
use url::Url;

use super::kept::Kept;
use super::refusal::SignInRefusal;
use super::service::SignIn;
use super::step_up::CameFrom;
use super::visit::{Endpoint, PageKind, Reply, Visit};
use crate::identify_user::UserRefusal;
use crate::identify_user::cookie::{Cookie, Sent};
use crate::identify_user::jws::Jws;
use crate::inventory::{LiveSession, SessionId};
use crate::secret::{self, Secret};
use crate::store::{Actor, SessionError, SessionsOf};

impl SignIn {
    /// A page with a button: a link alone, which any site can make a browser follow, signs nobody out.
    pub(super) fn ask_to_sign_out(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        let live = self.leaving(visit)?;
        Ok(live.map_or_else(|| signed_out(visit), |_live| Reply::page(PageKind::ConfirmSignOut)))
    }

    /// Ends the sign-in with every host's cookie, here and at the provider.
    pub(super) async fn sign_out(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        if !self.is_own_page(&visit.host, CameFrom { origin: visit.origin.as_deref(), fetch_site: visit.fetch_site.as_deref() }) {
            return Err(SignInRefusal::CrossSite);
        }
        let Some(live) = self.leaving(visit)? else { return Ok(signed_out(visit)) };
        // Without the device it may be anybody who has the cookie: the session ends, which is what should become of a stolen one, but
        // they learn nothing of its person, and it is not the person who is said to have done it.
        let (by, why, id_token) = match &visit.device {
            Some(_) => (Actor::Person(live.session.user.clone()), "signed out", self.id_token_of(&live.session.id).await),
            None => (Actor::System("sign_out"), "signed out with its cookie, without its device", None),
        };
        match self.registrar.end_sessions(&SessionsOf::One(live.session.id.clone()), &by, why).await {
            // Somebody was faster: it has ended all the same.
            Ok(_) | Err(SessionError::Unknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        // Who may be anybody hears nothing about the person.
        let whom = visit.device.as_ref().map(|_known| &*live);
        let Some(location) = self.provider_sign_out(&live, id_token.as_ref().map(|token| token.expose().as_str()), whom) else {
            return Ok(signed_out(visit));
        };
        let clear = Cookie::Session.clear();
        Ok(Reply { status: StatusCode::SEE_OTHER, ..Reply::redirect(location) }.with_cookie([clear]))
    }

    /// The session to end, if there is one. It can be ended without a device as well: whose certificate ran out must be able to leave.
    /// Another device is theft here as everywhere.
    fn leaving(&self, visit: &Visit) -> Result<Option<Arc<LiveSession>>, SignInRefusal> {
        let Some(device) = &visit.device else {
            let Sent::Token(token) = Cookie::Session.sent_in(visit.cookies.as_deref()) else { return Ok(None) };
            let found = self.registrar.inventory().session_by_token(&token);
            return Ok(found.filter(|(_, host)| *host == visit.host).map(|(live, _)| live));
        };
        match self.session_of(visit, device) {
            Ok(live) => Ok(Some(live)),
            Err(refusal @ UserRefusal::OtherDevice) => Err(SignInRefusal::Session(refusal)),
            Err(_over) => Ok(None),
        }
    }

    async fn id_token_of(&self, session: &SessionId) -> Option<Secret<String>> {
        let kept = self.registrar.kept_with(session).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the provider's tokens cannot be read; the provider may ask whom to sign out");
            None
        })?;
        Kept::from_bytes(&kept).map(|mut kept| Secret::new(std::mem::take(&mut kept.id_token)))
    }

    /// Where the browser is sent so that the provider forgets it too (OpenID Connect RP-Initiated Logout 1.0).
    fn provider_sign_out(&self, live: &LiveSession, id_token: Option<&str>, whom: Option<&LiveSession>) -> Option<String> {
        let provider = self.providers.by_name(&live.session.user.provider)?;
        let client = provider.settings.client.as_ref()?;
        let endpoint = provider.ring.metadata()?.end_session_endpoint.as_ref().map(Uri::to_string)?;
        let mut url = Url::parse(&endpoint).ok()?;
        let back = self.addresses.endpoint(self.addresses.gate(), Endpoint::SignOut);
        url.query_pairs_mut().append_pair("client_id", &client.id).append_pair("post_logout_redirect_uri", &back);
        if let Some(id_token) = id_token.filter(|token| token.len() <= MAX_HINT) {
            url.query_pairs_mut().append_pair("id_token_hint", id_token);
        }
        if let Some(hint) = whom.and_then(|live| logout_hint(live, id_token)) {
            url.query_pairs_mut().append_pair("logout_hint", &hint);
        }
        // Some providers lead back only with one. Nothing rests on it: the page there says the same to everybody.
        if let Ok(state) = secret::token() {
            url.query_pairs_mut().append_pair("state", &state);
        }
        Some(url.into())
    }
}

/// Whom to sign out, for a provider that would ask: the name that it gave for this in the ID token, or else the address.
fn logout_hint(live: &LiveSession, id_token: Option<&str>) -> Option<String> {
    let token = id_token.and_then(|token| Jws::parse(token).ok());
    let given = token.as_ref().and_then(|token| token.payload.get("login_hint")?.as_str());
    given.or(live.session.email.as_deref()).map(str::to_owned)
}

fn signed_out(visit: &Visit) -> Reply {
    let sent = !matches!(Cookie::Session.sent_in(visit.cookies.as_deref()), Sent::Absent);
    Reply::page(PageKind::SignedOut).with_cookie(sent.then(|| Cookie::Session.clear()))
}

/// A longer one would not fit into the address that common servers accept.
const MAX_HINT: usize = 4096;
