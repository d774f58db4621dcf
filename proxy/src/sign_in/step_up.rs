//! Signing in again because a decision needs it: fresher, or stronger (RFC 9470).

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::address::ReturnTo;
use super::form::{Field, FormId, NewForm, OpenForm, Whose};
use super::metrics::StepUpOutcome;
use super::provider::Demand;
use super::query::{self, Query};
use super::refusal::SignInRefusal;
use super::service::{Goal, SignIn, WayBack, attempt_cookie};
use super::visit::{Endpoint, PageKind, Reply, Visit};
use super::wanted::{Asked, Wanted, max_age_to_ask};
use crate::clock::Timestamp;
use crate::config::Host;
use crate::identify_device::KnownDevice;
use crate::identify_user::cookie::Cookie;
use crate::inventory::{DeviceId, Session};
use crate::secret::{Digest, NoRandomness};

/// A browser that has to sign in again, and why.
#[derive(Debug)]
pub struct StepUp<'a> {
    /// What its session lacks.
    pub wanted: &'a Wanted,
    /// The session.
    pub session: &'a Session,
    /// The device, of which the session is.
    pub device: &'a DeviceId,
    /// The app that it was at.
    pub app: &'a Arc<str>,
    /// The app's host.
    pub host: &'a Host,
    /// Where it comes back to, on that host.
    pub back_to: &'a str,
    /// Its cookies on that host.
    pub cookies: Option<&'a str>,
    /// What it was sending.
    pub form: Sending,
    /// When.
    pub now: Timestamp,
}

/// What a browser was sending when it had to sign in again.
#[derive(Debug)]
pub enum Sending {
    /// Nothing, or nothing that is kept.
    Nothing,
    /// A form, to keep, that goes to [`StepUp::back_to`].
    Form(NewForm),
    /// A form that is kept already.
    Kept(FormId),
}

/// Who brings the name of a kept form.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// Their session.
    pub session: &'a Session,
    /// Their device.
    pub device: &'a DeviceId,
    /// The host.
    pub host: &'a Host,
    /// Their cookies on that host.
    pub cookies: Option<&'a str>,
    /// When.
    pub now: Timestamp,
}

/// Where to sign in again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The address to open. Absolute.
    pub location: String,
    /// Values of `Set-Cookie`.
    pub set_cookies: Vec<String>,
}

/// Why a request is not let through that a fresher or stronger sign-in would let through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StepUpRefusal {
    /// That sign-in is asked for.
    #[error("a fresher or stronger sign-in is needed")]
    Needed(Box<Needed>),
    /// It was asked for a moment ago, and did not help.
    #[error("signing in again did not help a moment ago")]
    NotAgain,
    /// There are no words to ask the provider with.
    #[error("a second factor is needed, and the gate is not told how to ask the identity provider for one")]
    CannotAsk,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    /// What a sign-in has to bring.
    pub asked: Asked,
    /// More than one factor is wanted.
    pub mfa: bool,
    /// Where to sign in again; `None` for whoever shows tokens.
    pub way: Option<Way>,
    /// What became of what was being sent.
    pub form: FormFate,
}

/// What became of a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormFate {
    /// There was none.
    None,
    /// It is kept, and will be sent when its sender says so.
    Kept,
    /// It is larger than what is kept.
    TooLarge,
    /// Not a page of the app itself sent it.
    OtherSite,
    /// It cannot be kept: its kind, its address, or it did not arrive whole.
    Unfit,
}

/// What the request to one of our addresses, or a form, says about the page that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct CameFrom<'a> {
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
}

/// A browser on its way to the sign-in host, by the token that it brings there.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    goal: Arc<Goal>,
    to: ReturnTo,
    app_browser: Digest,
}

impl SignIn {
    /// What to ask the provider named `provider` for; `None` if there are no words for it.
    pub fn asked(&self, provider: &str, wanted: &Wanted) -> Option<Asked> {
        wanted.ask(&self.providers.by_name(provider)?.settings)
    }

    /// Whether signing in again for the same was tried with this session a moment ago.
    pub fn tried_lately(&self, session: &Session, device: &DeviceId, wanted: &Wanted, now: Timestamp) -> bool {
        self.under_way.tried.peek(&tried(&session.id.0, wanted), device, now, |()| Some(())).is_ok()
    }

    /// Counts how asking for a sign-in went.
    pub fn count_step_up(&self, app: &str, outcome: StepUpOutcome) {
        self.metrics.step_up(app, outcome);
    }

    /// Whether a page of `host` itself sent it: browsers say so in one of two ways.
    pub fn is_own_page(&self, host: &Host, from: CameFrom<'_>) -> bool {
        let own_origin = from.origin.map(|origin| origin == self.addresses.origin(host));
        let own_site = from.fetch_site.map(|site| site == "same-origin");
        matches!((own_origin, own_site), (Some(true), None | Some(true)) | (None, Some(true)))
    }

    /// The path and query of `referer`, if it is an address of `host`; else the front page.
    pub fn page_on(&self, host: &Host, referer: Option<&str>) -> String {
        let page = referer.map(|referer| self.addresses.parse(Some(referer))).filter(|page| page.host == *host);
        page.map_or_else(|| "/".to_owned(), |page| page.path_and_query().to_owned())
    }

    /// Whether a form that goes to `path_and_query` can be sent there again.
    pub fn can_return_to(&self, host: &Host, path_and_query: &str) -> bool {
        self.addresses.on(host, path_and_query).path_and_query() == path_and_query
    }

    /// The way to a fresher or stronger sign-in and back, with what was being sent. Waits for nothing, so that data cores can call it.
    ///
    /// # Errors
    /// [`SignInRefusal::NoRandomness`].
    pub fn step_up(&self, ask: StepUp<'_>) -> Result<Way, SignInRefusal> {
        let browser = attempt_cookie(ask.cookies)?;
        let to = self.addresses.on(ask.host, ask.back_to);
        let user = &ask.session.user;
        let form = match ask.form {
            Sending::Nothing => None,
            Sending::Kept(id) => Some(id),
            Sending::Form(form) => {
                let whose = Whose { device: ask.device, user, host: ask.host, key: &browser.key };
                Some(self.under_way.forms.keep(&form, &to, whose, ask.now)?)
            }
        };
        let goal = Goal {
            app: Arc::clone(ask.app),
            user: user.clone(),
            session: ask.session.id.clone(),
            wanted: ask.wanted.clone(),
            form,
        };
        let token = self.ticket_name(&goal, &to, &browser.digest)?;
        let ticket = Ticket { goal: Arc::new(goal), to, app_browser: browser.digest };
        self.under_way.tickets.put(Digest::of(token.as_bytes()), ask.device, ticket, ask.now);
        let gate = self.addresses.endpoint(self.addresses.gate(), Endpoint::SignIn);
        let location = format!("{gate}?{}", query::write([("step_up", token.as_str())]));
        Ok(Way { location, set_cookies: browser.set.into_iter().collect() })
    }

    /// The same for the same, so that a page that asks again and again fills no shelf.
    fn ticket_name(&self, goal: &Goal, to: &ReturnTo, browser: &Digest) -> Result<String, SignInRefusal> {
        let key = self.under_way.ticket_key.as_ref().ok_or(NoRandomness)?;
        let form = goal.form.as_ref().map_or("", FormId::as_str);
        let wanted = format!("{:?} {}", goal.wanted.max_age, goal.wanted.kinds());
        let back = to.path_and_query();
        let text = format!("{}\n{}\n{back}\n{browser}\n{form}\n{wanted}", goal.session.0, to.host);
        Ok(URL_SAFE_NO_PAD.encode(hmac::sign(key, text.as_bytes())))
    }

    /// `sign-in` with a ticket: off to the provider that vouched for the session.
    pub(super) async fn begin_step_up(&self, token: &str, visit: &Visit, device: &KnownDevice) -> Result<Reply, SignInRefusal> {
        let name = Digest::of(token.as_bytes());
        // It stays: whoever goes back a page in the browser may come again.
        let ticket = self.under_way.tickets.peek(&name, &device.device.id, visit.now, |ticket| Some(ticket.clone()));
        let Ticket { goal, to, app_browser } = ticket.map_err(|_absent_or_not_theirs| SignInRefusal::UnknownAttempt)?;
        let way_back = WayBack { to, app_browser: Some(app_browser), form: goal.form.clone() };
        let provider = self.provider(&goal.user.provider)?;
        let asked = goal.wanted.ask(&provider.settings).ok_or(SignInRefusal::UnknownAttempt)?;
        let demand = Demand { max_age: asked.max_age.map(max_age_to_ask), acr_values: asked.acr_values };
        self.start(provider, way_back, &demand, Some(goal), visit, device).await
    }

    /// An attempt to step up has come back from the provider. `signed_in` is whose session has begun, or why none has; gives
    /// back the form that may go on with the browser.
    pub(super) fn stepped_up(
        &self,
        goal: &Goal,
        device: &DeviceId,
        signed_in: Result<&Session, &SignInRefusal>,
        now: Timestamp,
    ) -> Option<FormId> {
        let outcome = match signed_in {
            Ok(session) => {
                self.under_way.tried.put(tried(&session.id.0, &goal.wanted), device, (), now);
                if session.user == goal.user { StepUpOutcome::Succeeded } else { StepUpOutcome::OtherUser }
            }
            Err(SignInRefusal::StepUp { .. }) => {
                self.under_way.tried.put(tried(&goal.session.0, &goal.wanted), device, (), now);
                StepUpOutcome::Failed
            }
            Err(_other) => StepUpOutcome::Abandoned,
        };
        self.metrics.step_up(&goal.app, outcome);
        let form = goal.form.clone()?;
        match outcome {
            StepUpOutcome::Succeeded => return Some(form),
            // Who begins anew comes with the same form.
            StepUpOutcome::Abandoned => {}
            _ => {
                self.under_way.forms.remove(&form, device, &goal.user, now);
            }
        }
        None
    }

    /// `send-again`: shows what is kept and where it will go, or lets it go.
    pub(super) fn show_form(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        let device = visit.device.as_ref().ok_or(SignInRefusal::NoDevice)?;
        let live = self.session_of(visit, device).map_err(SignInRefusal::Session)?;
        let query = Query::parse(visit.query.as_deref())?;
        let id = FormId(query.get("form").ok_or(SignInRefusal::Malformed)?.to_owned());
        let holder = Holder {
            session: &live.session,
            device: &device.device.id,
            host: &visit.host,
            cookies: visit.cookies.as_deref(),
            now: visit.now,
        };
        let open = self.open_form(&id, holder)?;
        let path = open.target.split('?').next().unwrap_or_default().to_owned();
        let (bytes, fields): (_, Vec<Field>) = (open.length(), open.fields());
        Ok(Reply::page(PageKind::SendAgain { host: visit.host.clone(), path, target: open.target, bytes, fields, form: id }))
    }

    /// `send-again` by POST: the form is not wanted any more.
    pub(super) fn drop_form(&self, visit: &Visit) -> Result<Reply, SignInRefusal> {
        if !self.is_own_page(&visit.host, CameFrom { origin: visit.origin.as_deref(), fetch_site: visit.fetch_site.as_deref() }) {
            return Err(SignInRefusal::CrossSite);
        }
        let device = visit.device.as_ref().ok_or(SignInRefusal::NoDevice)?;
        let live = self.session_of(visit, device).map_err(SignInRefusal::Session)?;
        let id = FormId::from_body(&visit.body).ok_or(SignInRefusal::Malformed)?;
        if !self.under_way.forms.remove(&id, &device.device.id, &live.session.user, visit.now) {
            return Err(SignInRefusal::FormGone);
        }
        let front = self.addresses.location(&self.addresses.on(&visit.host, "/"));
        Ok(Reply { status: http::StatusCode::SEE_OTHER, ..Reply::redirect(front) })
    }

    /// The kept form, opened for whoever it is kept for.
    fn open_form(&self, id: &FormId, holder: Holder<'_>) -> Result<OpenForm, SignInRefusal> {
        let Holder { session, device, host, cookies, now } = holder;
        let key = Cookie::Attempt.key_in(cookies).ok_or(SignInRefusal::FormGone)?;
        self.under_way.forms.open(id, Whose { device, user: &session.user, host, key: &key }, now)
    }

    /// The kept form, to send it to the very address that it was sent to before. It stays, until [`SignIn::use_form`].
    ///
    /// # Errors
    /// [`SignInRefusal::FormGone`].
    pub fn form_to_send(&self, id: &FormId, path_and_query: &str, holder: Holder<'_>) -> Result<OpenForm, SignInRefusal> {
        let open = self.open_form(id, holder)?;
        if open.target == path_and_query { Ok(open) } else { Err(SignInRefusal::FormGone) }
    }

    /// The form is about to be sent: it is let go first, so that it is sent once.
    ///
    /// # Errors
    /// [`SignInRefusal::FormGone`] if it was already.
    pub fn use_form(
        &self,
        id: &FormId,
        session: &Session,
        device: &DeviceId,
        app: &str,
        now: Timestamp,
    ) -> Result<(), SignInRefusal> {
        if !self.under_way.forms.remove(id, device, &session.user, now) {
            return Err(SignInRefusal::FormGone);
        }
        self.metrics.step_up(app, StepUpOutcome::FormSent);
        Ok(())
    }
}

/// Names a sign-in for `wanted` with a session.
fn tried(session: &str, wanted: &Wanted) -> Digest {
    Digest::of(format!("{session}\n{}", wanted.kinds()).as_bytes())
}
