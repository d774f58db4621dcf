//! `callback`: at the sign-in host the provider's answer, at an app's host the hand-over code.

use std::sync::Arc;

use super::id_token::{self, Expected};
use super::kept::Kept;
use super::mend;
use super::metrics::Outcome;
use super::provider::{Conversation, Exchanged, metadata};
use super::query::{self, Query};
use super::refusal::{IdTokenProblem, SignInRefusal};
use super::service::{Attempt, SignIn};
use super::shelf::NotTaken;
use super::visit::{Endpoint, Reply, Visit};
use super::wanted::StepUpProblem;
use crate::clock::Timestamp;
use crate::config::IdentityProvider;
use crate::identify_device::KnownDevice;
use crate::identify_user::Members;
use crate::identify_user::claims::{self, Person};
use crate::identify_user::cookie::{Cookie, Sent};
use crate::identify_user::keys::{Metadata, Provider};
use crate::inventory::{LiveSession, Session, SessionId, UserId};
use crate::secret::{self, Digest, NoRandomness};
use crate::store::{Actor, FromProvider};

impl SignIn {
    /// The provider's answer.
    pub(super) async fn callback(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        let device = visit.device.as_ref().ok_or(SignInRefusal::NoDevice)?;
        let query = Query::parse(visit.query.as_deref())?;
        let state = query.get("state").ok_or(SignInRefusal::Malformed)?;
        let attempt = self.take_attempt(state, visit, device)?;
        let provider = self.provider(&attempt.provider)?;
        let finished = match is_addressed_to(&attempt, visit) {
            true => self.finish(&query, &attempt, provider, device, visit.now).await,
            false => Err(SignInRefusal::OtherIssuer),
        };
        self.metrics.ended(&attempt.provider, Outcome::of(&finished), visit.now);
        let mut way_back = attempt.way_back;
        way_back.form = attempt.goal.and_then(|goal| {
            let session = finished.as_ref().map(|live| &*live.session);
            self.stepped_up(&goal, &device.device.id, session, visit.now)
        });
        if let Err(why) = &finished {
            mend::tell(&attempt.provider, why);
        }
        let live = finished?;
        self.end_session_before(visit, device, &live.session.id).await;
        let session = &live.session;
        let cookie = self.session_cookie(&session.id, session.expires_at, &visit.host, visit.now).await?;
        Ok(self.lead_back(&session.id, device, way_back, visit.now)?.with_cookie([cookie]))
    }

    /// A hand-over code, in the browser and on the device that it was made for.
    pub(super) async fn take_over(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        let device = visit.device.as_ref().ok_or(SignInRefusal::NoDevice)?;
        let query = Query::parse(visit.query.as_deref())?;
        let code = Digest::of(query.get("code").ok_or(SignInRefusal::Malformed)?.as_bytes());
        let Sent::Token(browser) = Cookie::Attempt.sent_in(visit.cookies.as_deref()) else {
            return Err(SignInRefusal::HandOver);
        };
        let hand_over = self
            .under_way
            .hand_overs
            .take(&code, &device.device.id, visit.now, |made| {
                made.to.host == visit.host && secret::same(made.app_browser.as_ref(), browser.as_ref())
            })
            .map_err(|_absent_or_not_theirs| SignInRefusal::HandOver)?;
        let live = self.registrar.inventory().session(&hand_over.session).ok_or(SignInRefusal::HandOver)?;
        live.usable(visit.now, self.config.sign_in.idle_timeout).map_err(|_over| SignInRefusal::HandOver)?;
        let session = &live.session;
        self.end_session_before(visit, device, &session.id).await;
        let cookie = self.session_cookie(&session.id, session.expires_at, &visit.host, visit.now).await?;
        let location = match &hand_over.form {
            None => self.addresses.location(&hand_over.to),
            Some(form) => {
                let page = self.addresses.endpoint(&visit.host, Endpoint::SendAgain);
                format!("{page}?{}", query::write([("form", form.as_str())]))
            }
        };
        Ok(Reply::redirect(location).with_cookie([cookie]))
    }

    fn take_attempt(&self, state: &str, visit: &Visit, device: &KnownDevice) -> Result<Attempt, SignInRefusal> {
        let browser = match Cookie::Attempt.sent_in(visit.cookies.as_deref()) {
            Sent::Token(browser) => Some(browser),
            Sent::Malformed | Sent::Absent => None,
        };
        let state = Digest::of(state.as_bytes());
        let taken = self.under_way.attempts.take(&state, &device.device.id, visit.now, |attempt| {
            browser.is_some_and(|browser| secret::same(attempt.browser.as_ref(), browser.as_ref()))
        });
        taken.map_err(|not| match not {
            NotTaken::Absent => SignInRefusal::UnknownAttempt,
            NotTaken::NotTheirs => SignInRefusal::OtherBrowser,
        })
    }

    /// From the provider's answer to a session.
    async fn finish(
        &self,
        query: &Query,
        attempt: &Attempt,
        provider: &Arc<Provider>,
        device: &KnownDevice,
        now: Timestamp,
    ) -> Result<Arc<LiveSession>, SignInRefusal> {
        let metadata = metadata(provider).await?;
        check_issuer(query, provider, &metadata)?;
        if let Some(error) = query.get("error") {
            tracing::info!(provider = %attempt.provider, ?error, "the provider answered with an error");
            return Err(match (error, &attempt.goal) {
                ("access_denied", _) => SignInRefusal::Declined,
                // OpenID Connect Core Unmet Authentication Requirements 1.0.
                ("unmet_authentication_requirements", Some(goal)) => goal.failed(StepUpProblem::Unmet),
                _ => SignInRefusal::ProviderError,
            });
        }
        let code = query.get("code").filter(|code| !code.is_empty()).ok_or(SignInRefusal::Malformed)?;
        let redirect = self.redirect_uri(&attempt.provider, attempt.own_callback);
        let conversation = Conversation::with(provider, &metadata, &redirect)?;
        let exchanged = conversation.exchange(code, &attempt.verifier).await?;
        let (person, sid) = who(&conversation, &exchanged, provider, attempt, code, now).await?;
        if let Some(goal) = &attempt.goal {
            goal.wanted.met_by(&person, now).map_err(|problem| goal.failed(problem))?;
        }
        let session = self.new_session(person, provider, device, now)?;
        let refresh_token = exchanged.refresh_token.as_ref().map(|token| token.expose().clone());
        let refreshable = refresh_token.is_some();
        let kept = Kept { id_token: exchanged.id_token.expose().clone(), refresh_token }.to_bytes();
        let provided = FromProvider { kept, refreshable, sid, asked_at: Some(attempt.begun_at) };
        Ok(self.registrar.start_session(session, provided, "signed in").await?)
    }

    fn new_session(
        &self,
        person: Person,
        provider: &Provider,
        device: &KnownDevice,
        now: Timestamp,
    ) -> Result<Session, SignInRefusal> {
        Ok(Session {
            id: Self::new_session_id()?,
            user: UserId { provider: Arc::clone(&provider.settings.name), subject: person.subject.into() },
            service: false,
            device: device.device.id.clone(),
            email: person.email.map(Into::into),
            name: person.name.map(Into::into),
            groups: person.groups.into_iter().collect(),
            claims: person.claims.into_iter().collect(),
            authenticated_at: person.authenticated_at,
            acr: person.acr.map(Into::into),
            amr: person.amr.into_iter().collect(),
            mfa: person.mfa,
            created_at: now,
            expires_at: now.plus(self.config.sign_in.session_lifetime),
        })
    }

    /// A name for a session that begins.
    pub(super) fn new_session_id() -> Result<SessionId, NoRandomness> {
        let id: String = secret::bytes::<12>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(SessionId(format!("s-{id}").into()))
    }

    /// A browser that signs in anew gives up the session that it had; nothing of it stays open. That it cannot be ended is no
    /// reason to refuse: its cookie is replaced, and its time runs out.
    pub(super) async fn end_session_before(&self, visit: &Visit, device: &KnownDevice, new: &SessionId) {
        let Sent::Token(token) = Cookie::Session.sent_in(visit.cookies.as_deref()) else { return };
        let Some((old, _)) = self.registrar.inventory().session_by_token(&token) else { return };
        if old.session.device != device.device.id || old.session.id == *new {
            return;
        }
        let by = Actor::Person(old.session.user.clone());
        if let Err(error) = self.registrar.replace_session(&old.session.id, &by, "signed in anew").await {
            tracing::warn!(%error, "the session before could not be ended");
        }
    }
}

/// Whether the answer came to the address that the provider of the attempt was given, and not to that of another.
fn is_addressed_to(attempt: &Attempt, visit: &Visit) -> bool {
    visit.callback_of.as_deref() == attempt.own_callback.then_some(&*attempt.provider)
}

/// RFC 9207: an answer is only taken from the provider that was asked.
fn check_issuer(query: &Query, provider: &Provider, metadata: &Metadata) -> Result<(), SignInRefusal> {
    match query.get("iss") {
        Some(issuer) if issuer == provider.settings.issuer => Ok(()),
        None if !metadata.issuer_on_callback => Ok(()),
        _ => Err(SignInRefusal::OtherIssuer),
    }
}

/// Who signed in, by the ID token and, for what it lacks, by userinfo; and what the provider calls the sign-in.
async fn who(
    conversation: &Conversation<'_>,
    exchanged: &Exchanged,
    provider: &Provider,
    attempt: &Attempt,
    code: &str,
    now: Timestamp,
) -> Result<(Person, Option<String>), SignInRefusal> {
    let settings = &provider.settings;
    let expected = Expected {
        client_id: settings.client.as_ref().map(|client| client.id.as_str()).ok_or(SignInRefusal::UnknownProvider)?,
        nonce: attempt.nonce.expose(),
        code,
        access_token: exchanged.access_token.expose(),
        now,
    };
    let claims = id_token::verify(exchanged.id_token.expose(), provider, expected).await?;
    let userinfo = if conversation.has_userinfo() && lacks(&claims, settings) {
        let userinfo = conversation.userinfo(&exchanged.access_token).await?;
        if userinfo.get("sub") != claims.get("sub") {
            return Err(IdTokenProblem::OtherSubject.into());
        }
        Some(userinfo)
    } else {
        None
    };
    let sid = claims::session_id(&claims)?.map(str::to_owned);
    Ok((Person::read(&claims, userinfo.as_ref(), settings, now)?, sid))
}

/// Whether the ID token leaves something open that userinfo may say.
pub(super) fn lacks(claims: &Members, settings: &IdentityProvider) -> bool {
    let groups = settings.groups_claim.as_ref().is_some_and(|claim| !claims::speaks_of_groups(claims, claim));
    let further = settings.claims.iter().map(String::as_str).chain(["email", "email_verified", "name"]);
    groups || further.into_iter().any(|claim| !claims.contains_key(claim))
}
