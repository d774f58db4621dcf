//! Signing in and out, as one service for all hosts.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::Method;

use super::address::{Addresses, ReturnTo};
use super::form::{FormId, Forms};
use super::logout::Logouts;
use super::metrics::SignInMetrics;
use super::query;
use super::refresh::{Flights, Paces, Unsaved};
use super::refusal::SignInRefusal;
use super::shelf::Shelf;
use super::step_up::Ticket;
use super::visit::{Endpoint, Reply, Visit};
use super::wanted::{StepUpProblem, Wanted};
use crate::clock::Timestamp;
use crate::config::{Config, Host, SessionRules};
use crate::contain::Pace;
use crate::identify_device::KnownDevice;
use crate::identify_user::UserRefusal;
use crate::identify_user::cookie::{Cookie, Sent};
use crate::identify_user::keys::{Provider, Providers};
use crate::identify_user::session::{self, Judge};
use crate::inventory::{DeviceId, LiveSession, SessionId, UserId};
use crate::secret::{self, Digest, Secret};
use crate::store::Registrar;

/// Signs people in and out. Belongs to one configuration; what is under way survives a [`SignIn::reload`].
#[derive(Debug)]
pub struct SignIn {
    pub(super) config: Arc<Config>,
    pub(super) rules: SessionRules,
    pub(super) addresses: Addresses,
    pub(super) providers: Arc<Providers>,
    pub(super) registrar: Registrar,
    pub(super) metrics: SignInMetrics,
    pub(super) under_way: Arc<UnderWay>,
}

/// What is kept in memory only: who loses it signs in again.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// By the digest of `state`.
    pub(super) attempts: Shelf<Attempt>,
    /// By the digest of the code.
    pub(super) hand_overs: Shelf<HandOver>,
    /// Browsers that are sent to sign in again, by the digest of what they bring.
    pub(super) tickets: Shelf<Ticket>,
    /// What was signed in for again, and with which session: not asked for again at once.
    pub(super) tried: Shelf<()>,
    /// Forms that are to be sent again.
    pub(super) forms: Forms,
    /// Codes of break-glasses that devices have tried.
    pub(super) break_glass: Pace<DeviceId>,
    /// Logouts that providers ask for.
    pub(super) logouts: Logouts,
    /// Sessions whose providers are asked about them again.
    pub(super) flights: Arc<Flights>,
    /// How those providers answer.
    pub(super) paces: Paces,
    /// What they gave and the store has not taken yet.
    pub(super) unsaved: Unsaved,
    /// Names tickets; `None` if there was no randomness.
    pub(super) ticket_key: Option<hmac::Key>,
}

/// An attempt to sign in, while the browser is at the provider.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Digest of the attempt cookie at the sign-in host.
    pub(super) browser: Digest,
    pub(super) provider: Arc<str>,
    /// The provider answers to a callback of its own: see [`SignIn::has_own_callback`].
    pub(super) own_callback: bool,
    pub(super) nonce: Secret<String>,
    pub(super) verifier: Secret<String>,
    pub(super) way_back: WayBack,
    /// When the browser was sent there.
    pub(super) begun_at: Timestamp,
    /// What this sign-in is for, if not only for a session.
    pub(super) goal: Option<Arc<Goal>>,
}

/// What a person signs in again for.
#[derive(Debug)]
pub(super) struct Goal {
    pub(super) app: Arc<str>,
    pub(super) user: UserId,
    /// The session that was not enough.
    pub(super) session: SessionId,
    pub(super) wanted: Wanted,
    pub(super) form: Option<FormId>,
}

/// Where the person wanted to go.
#[derive(Clone, Debug)]
pub(super) struct WayBack {
    pub(super) to: ReturnTo,
    /// Digest of the attempt cookie at the app's host; without it the app's host has to give one first.
    pub(super) app_browser: Option<Digest>,
    /// A form to send again there.
    pub(super) form: Option<FormId>,
}

/// A session on its way from the sign-in host to an app's host.
#[derive(Debug)]
pub(super) struct HandOver {
    pub(super) session: SessionId,
    pub(super) to: ReturnTo,
    pub(super) app_browser: Digest,
    pub(super) form: Option<FormId>,
}

impl SignIn {
    /// For `config`, with its providers.
    pub fn new(config: Arc<Config>, providers: Arc<Providers>, registrar: Registrar, metrics: SignInMetrics) -> Self {
        let under_way = Arc::new(UnderWay::new());
        under_way.tell_of(&providers, &metrics);
        Self {
            addresses: Addresses::of(&config),
            rules: config.session_rules(),
            config,
            providers,
            registrar,
            metrics,
            under_way,
        }
    }

    /// The same for another configuration. Attempts that are under way come to their end in it, if their provider is still there.
    #[must_use]
    pub fn reload(&self, config: Arc<Config>, providers: Arc<Providers>) -> Self {
        self.under_way.tell_of(&providers, &self.metrics);
        Self {
            addresses: Addresses::of(&config),
            rules: config.session_rules(),
            config,
            providers,
            registrar: self.registrar.clone(),
            metrics: self.metrics.clone(),
            under_way: Arc::clone(&self.under_way),
        }
    }

    /// Serves one of the addresses of [`Endpoint`]. To be called on the control runtime: it talks to providers and the store.
    ///
    /// # Errors
    /// [`SignInRefusal`].
    pub async fn visit(&self, visit: Visit) -> Result<Reply, SignInRefusal> {
        let at_gate = visit.host == *self.addresses.gate();
        if !self.addresses.serves(&visit.host) {
            return Err(SignInRefusal::Malformed);
        }
        let reads = matches!(visit.method, Method::GET | Method::HEAD);
        match (visit.endpoint, at_gate) {
            (Endpoint::SignOut, _) if visit.method == Method::POST => self.sign_out(&visit).await,
            (Endpoint::SignOut, _) if reads => self.ask_to_sign_out(&visit),
            (Endpoint::SendAgain, false) if visit.method == Method::POST => self.drop_form(&visit),
            // HEAD would use up what GET is meant to use.
            _ if visit.method != Method::GET => Err(SignInRefusal::Method),
            (Endpoint::SignIn, true) => self.begin(&visit).await,
            (Endpoint::SignIn, false) => self.challenge(&visit.host, "/", visit.cookies.as_deref()),
            (Endpoint::Callback, true) => self.callback(&visit).await,
            (Endpoint::Callback, false) => self.take_over(&visit).await,
            (Endpoint::SendAgain, false) => self.show_form(&visit),
            (Endpoint::SendAgain, true) => Err(SignInRefusal::FormGone),
            (Endpoint::SignOut, _) => Err(SignInRefusal::Method),
        }
    }

    /// Sends a browser that has to sign in to the sign-in host; it comes back to `path_and_query`. Waits for nothing, so that
    /// data cores can call it.
    ///
    /// # Errors
    /// [`SignInRefusal::NoRandomness`].
    pub fn challenge(&self, host: &Host, path_and_query: &str, cookies: Option<&str>) -> Result<Reply, SignInRefusal> {
        let to = self.addresses.location(&self.addresses.on(host, path_and_query));
        let gate = self.addresses.endpoint(self.addresses.gate(), Endpoint::SignIn);
        if host == self.addresses.gate() {
            return Ok(Reply::redirect(format!("{gate}?{}", query::write([("to", to.as_str())]))));
        }
        let browser = attempt_cookie(cookies)?;
        let attempt = browser.digest.to_string();
        let parameters = query::write([("to", to.as_str()), ("attempt", attempt.as_str())]);
        Ok(Reply::redirect(format!("{gate}?{parameters}")).with_cookie(browser.set))
    }

    /// The session that the visit's cookie opens on its host.
    pub(super) fn session_of(&self, visit: &Visit, device: &KnownDevice) -> Result<Arc<LiveSession>, UserRefusal> {
        match Cookie::Session.sent_in(visit.cookies.as_deref()) {
            Sent::Token(token) => {
                let judge = Judge { rules: &self.rules, providers: &self.providers, now: visit.now };
                session::by_cookie(self.registrar.inventory(), &token, &visit.host, device, judge).map(|(live, _user)| live)
            }
            Sent::Malformed => Err(UserRefusal::MalformedCookie),
            Sent::Absent => Err(UserRefusal::NoCredential),
        }
    }

    /// A provider that people can sign in with.
    pub(super) fn provider(&self, name: &str) -> Result<&Arc<Provider>, SignInRefusal> {
        let provider = self.providers.by_name(name).filter(|provider| provider.settings.client.is_some());
        provider.ok_or(SignInRefusal::UnknownProvider)
    }

    /// `Set-Cookie` for a session of `host`, and what it opens.
    pub(super) async fn session_cookie(
        &self,
        session: &SessionId,
        expires_at: Timestamp,
        host: &Host,
        now: Timestamp,
    ) -> Result<String, SignInRefusal> {
        let token = self.registrar.issue_app_cookie(session, host).await?;
        Ok(Cookie::Session.set(token.expose(), expires_at.since(now).as_secs()))
    }
}

impl Goal {
    /// The sign-in was not what it was for.
    pub(super) fn failed(&self, problem: StepUpProblem) -> SignInRefusal {
        SignInRefusal::StepUp { problem, form: self.form.is_some() }
    }
}

impl UnderWay {
    /// Providers that have not been asked about anybody yet stand in the metrics too.
    fn tell_of(&self, providers: &Providers, metrics: &SignInMetrics) {
        for provider in providers.for_sign_in() {
            let name = &provider.settings.name;
            metrics.refresh.begins(name, !self.paces.of(name).is_lost());
        }
    }

    fn new() -> Self {
        Self {
            attempts: Shelf::new(ATTEMPT),
            hand_overs: Shelf::new(HAND_OVER),
            tickets: Shelf::new(ATTEMPT),
            tried: Shelf::new(QUIET),
            forms: Forms::new(),
            break_glass: Pace::new(CODES, CODES_WITHIN),
            logouts: Logouts::new(),
            flights: Arc::default(),
            paces: Paces::default(),
            unsaved: Unsaved::default(),
            ticket_key: hmac::Key::generate(hmac::HMAC_SHA256, &aws_lc_rs::rand::SystemRandom::new()).ok(),
        }
    }
}

/// A browser, as its attempt cookie tells it from others.
#[derive(Debug)]
pub(super) struct Browser {
    pub(super) digest: Digest,
    /// A key that only the browser has: see [`Cookie::key_in`].
    pub(super) key: Secret<[u8; 32]>,
    /// `Set-Cookie`, if it has no attempt cookie yet.
    pub(super) set: Option<String>,
}

/// The browser's attempt cookie; if it has none, one for it to keep.
pub(super) fn attempt_cookie(cookies: Option<&str>) -> Result<Browser, SignInRefusal> {
    if let Sent::Token(digest) = Cookie::Attempt.sent_in(cookies)
        && let Some(key) = Cookie::Attempt.key_in(cookies)
    {
        return Ok(Browser { digest, key, set: None });
    }
    let token = secret::token()?;
    let set = Some(Cookie::Attempt.set(&token, ATTEMPT_COOKIE_SECONDS));
    Ok(Browser { digest: Digest::of(token.as_bytes()), key: Cookie::key_of(token.as_bytes()), set })
}

/// So many codes of break-glasses a device may try …
const CODES: usize = 5;
/// … within so long. Nothing can be guessed; this keeps the record readable.
const CODES_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Time at the provider.
const ATTEMPT: Duration = Duration::from_secs(10 * 60);

/// Time for one redirect.
const HAND_OVER: Duration = Duration::from_secs(60);

/// A sign-in that did not help is not asked for again for so long: no browser goes round in circles.
const QUIET: Duration = Duration::from_secs(60);

/// The attempt cookie opens nothing; it only tells browsers apart. Longer than an attempt, so that tabs can share it.
const ATTEMPT_COOKIE_SECONDS: u64 = 24 * 3600;
