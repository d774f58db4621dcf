//! `sign-in` at the sign-in host: on at once for whoever is signed in there, else off to a provider.

use std::sync::Arc;

use super::provider::{AttemptSecrets, Conversation, Demand, metadata};
use super::query::{self, Query};
use super::refusal::SignInRefusal;
use super::service::{Attempt, Goal, HandOver, SignIn, WayBack, attempt_cookie};
use super::visit::{Choice, Endpoint, PageKind, Reply, Visit};
use crate::clock::Timestamp;
use crate::identify_device::KnownDevice;
use crate::identify_user::UserRefusal;
use crate::identify_user::keys::{Metadata, Provider};
use crate::inventory::SessionId;
use crate::secret::{self, Digest, Secret};

impl SignIn {
    pub(super) async fn begin(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        let device = visit.device.as_ref().ok_or(SignInRefusal::NoDevice)?;
        let query = Query::parse(visit.query.as_deref())?;
        if let Some(ticket) = query.get("step_up") {
            return self.begin_step_up(ticket, visit, device).await;
        }
        if let Some(code) = query.get("break_glass") {
            return self.break_glass(code, &query, visit, device).await;
        }
        let way_back = self.way_back(&query);
        match self.session_of(visit, device) {
            Ok(live) => return self.lead_back(&live.session.id, device, way_back, visit.now),
            Err(refusal @ (UserRefusal::OtherDevice | UserRefusal::Suspended)) => return Err(SignInRefusal::Session(refusal)),
            Err(_over) => {}
        }
        let mut able = self.providers.for_sign_in();
        match (query.get("provider"), able.next(), able.next()) {
            (_, None, _) => Err(SignInRefusal::NoProvider),
            (Some(name), ..) => self.start(self.provider(name)?, way_back, &Demand::default(), None, visit, device).await,
            (None, Some(only), None) => self.start(only, way_back, &Demand::default(), None, visit, device).await,
            (None, ..) => Ok(Reply::page(self.chooser(&query))),
        }
    }

    /// Sends the browser to `provider`, which is asked for `demand`.
    ///
    /// # Errors
    /// [`SignInRefusal::ProviderDown`], [`SignInRefusal::ProviderUnfit`].
    pub(super) async fn start(
        &self,
        provider: &Arc<Provider>,
        way_back: WayBack,
        demand: &Demand,
        goal: Option<Arc<Goal>>,
        visit: &Visit,
        device: &KnownDevice,
    ) -> Result<Reply, SignInRefusal> {
        let metadata = metadata(provider).await?;
        let own_callback = self.has_own_callback(&metadata);
        let redirect = self.redirect_uri(&provider.settings.name, own_callback);
        let conversation = Conversation::with(provider, &metadata, &redirect)?;
        let secrets = AttemptSecrets {
            state: Secret::new(secret::token()?),
            nonce: Secret::new(secret::token()?),
            verifier: Secret::new(secret::token()?),
        };
        let location = conversation.authorization(&secrets, demand);
        let browser = attempt_cookie(visit.cookies.as_deref())?;
        let state = Digest::of(secrets.state.expose().as_bytes());
        let attempt = Attempt {
            browser: browser.digest,
            provider: Arc::clone(&provider.settings.name),
            own_callback,
            nonce: secrets.nonce,
            verifier: secrets.verifier,
            way_back,
            begun_at: visit.now,
            goal,
        };
        self.under_way.attempts.put(state, &device.device.id, attempt, visit.now);
        Ok(Reply::redirect(location).with_cookie(browser.set))
    }

    /// On to where the person wanted to go, with a hand-over code if that is an app's host.
    pub(super) fn lead_back(
        &self,
        session: &SessionId,
        device: &KnownDevice,
        way_back: WayBack,
        now: Timestamp,
    ) -> Result<Reply, SignInRefusal> {
        let app = way_back.to.host.clone();
        let app_browser = match way_back.app_browser {
            Some(browser) if app != *self.addresses.gate() => browser,
            // At the sign-in host the cookie is there already; an app's host that gave no attempt cookie yet will do so.
            _ => return Ok(Reply::redirect(self.addresses.location(&way_back.to))),
        };
        let code = Secret::new(secret::token()?);
        let hand_over = HandOver { session: session.clone(), to: way_back.to, app_browser, form: way_back.form };
        self.under_way.hand_overs.put(Digest::of(code.expose().as_bytes()), &device.device.id, hand_over, now);
        let callback = self.addresses.endpoint(&app, Endpoint::Callback);
        Ok(Reply::redirect(format!("{callback}?{}", query::write([("code", code.expose().as_str())]))))
    }

    /// Whether a provider answers to an address of its own. Where there are several, each answer has to say whose it is, so that
    /// the code of one is never shown to another: by `iss` (RFC 9207), and where a provider does not promise that, by the address
    /// (RFC 9700, section 4.4.2.2).
    fn has_own_callback(&self, metadata: &Metadata) -> bool {
        !metadata.issuer_on_callback && self.providers.for_sign_in().nth(1).is_some()
    }

    /// The address that the provider has to know.
    pub(super) fn redirect_uri(&self, provider: &str, own_callback: bool) -> String {
        let shared = self.addresses.endpoint(self.addresses.gate(), Endpoint::Callback);
        if own_callback { format!("{shared}/{provider}") } else { shared }
    }

    pub(super) fn way_back(&self, query: &Query) -> WayBack {
        let app_browser = query.get("attempt").and_then(|digest| digest.parse().ok());
        WayBack { to: self.addresses.parse(query.get("to")), app_browser, form: None }
    }

    fn chooser(&self, query: &Query) -> PageKind {
        let kept = ["to", "attempt"].into_iter().filter_map(|name| Some((name, query.get(name)?)));
        let kept: Vec<_> = kept.collect();
        let choice = |provider: &Arc<Provider>| {
            let name: &str = &provider.settings.name;
            let parameters = query::write(kept.iter().copied().chain([("provider", name)]));
            Choice { name: name.to_owned(), location: format!("{}?{parameters}", Endpoint::SignIn.path()) }
        };
        PageKind::Chooser { providers: self.providers.for_sign_in().map(choice).collect() }
    }
}
