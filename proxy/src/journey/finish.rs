//! The end of the hallway: what came of a request becomes an answer, is recorded, and goes out.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Body as _;

use super::access::Held;
use super::answer::{Answer, answer};
use super::belongings::BelongingsRefusal;
use super::body::Body;
use super::calls::Call;
use super::connection::Client;
use super::control::ControlError;
use super::device;
use super::gate::{Core, World};
use super::leftover;
use super::logout;
use super::manner::Manner;
use super::refusal::Refusal;
use super::reply;
use super::story::Story;
use super::tally::Outcome as Counted;
use super::travel::Outcome;
use crate::clock::{self, whole_seconds};
use crate::console::{
    Action, PROBLEM_JSON, ProblemDetails, ProblemStepUp, RefusalPage, Tone, content_security_policy, problem_json,
};
use crate::contain::Crowded;
use crate::forward::{Tunnel, TunnelEnd};
use crate::identify_user::UserRefusal;
use crate::identify_user::cookie::Cookie;
use crate::read::{GuardHandle, Leftover, Turn};
use crate::record::{Decision, Ending, Open};
use crate::route::RouteRefusal;
use crate::sign_in::{Needed, SignInRefusal, StepUpRefusal};

/// What the end needs beside the outcome.
pub(super) struct Finish<'a> {
    pub(super) core: &'a Rc<Core>,
    pub(super) client: &'a Rc<Client>,
    pub(super) world: &'a World,
    pub(super) manner: Manner,
    pub(super) method: Method,
    pub(super) started: tokio::time::Instant,
    pub(super) turn: Option<Turn>,
    pub(super) guard: Option<GuardHandle>,
    pub(super) call: Rc<Call>,
    /// HTTP/2: where the body went that nobody read.
    pub(super) leftover: Option<Leftover>,
}

/// Makes the answer, writes its line, counts it, and hands it to hyper.
pub(super) async fn finish(mut end: Finish<'_>, mut story: Story, outcome: Result<Outcome, Refusal>) -> Response<Body> {
    let (response, tunnel) = match outcome {
        Ok(Outcome::App(answer, app)) => {
            let sent = end.core.tallies.sent(&end.core.gate.metrics, &app);
            let tunnel = answer.tunnel;
            if let Some(held) = story.held() {
                held.is_answered(end.ends_with_trailers(&answer.response));
            }
            (answer.response.map(|body| Body::app(body, sent)), tunnel)
        }
        Ok(Outcome::Own(response)) => (response, None),
        Ok(Outcome::Challenge(reply, why)) => {
            end.call.is_refused();
            story.refused(answer(&why).reason, Decision::Deny);
            (reply::render(&reply, end.world, &story), None)
        }
        Err(refusal) => {
            end.call.is_refused();
            (end.refuse(&refusal, &mut story), None)
        }
    };
    if let Some(unread) = end.leftover.as_ref().and_then(Leftover::take)
        && let Some(place) = leftover::Place::on(&end.client.drains)
    {
        tokio::task::spawn_local(leftover::drain(unread, place));
    }
    let mut response = response;
    end.framing(&mut response);
    let length = response.body().size_hint().exact();
    let bodyless = end.method == Method::HEAD
        || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS);
    let (open, recorded) = story.answered(response.status().as_u16(), length).await;
    if let Err(error) = recorded {
        let refused = end.unrecorded(&error.into(), &story);
        end.count(&story, refused.status());
        end.call.answered();
        let bodyless = end.method == Method::HEAD;
        return refused.map(|body| body.recorded(open, bodyless).keeping(end.turn.take(), Rc::clone(&end.call)));
    }
    end.count(&story, response.status());
    end.call.answered();
    match tunnel {
        Some(tunnel) => {
            if let Some(turn) = &end.turn {
                turn.accept_tunnel();
            }
            let gauge = end.core.gate.metrics.in_flight.with_label_values(&["websocket"]);
            // Nothing but the tunnel itself is waited for from here on; it has its own bound for silence.
            end.call.waits_no_more();
            let held = story.release();
            tokio::task::spawn_local(run_tunnel(tunnel, open, gauge, Rc::clone(end.client), Rc::clone(&end.call), held));
            tracing::debug!(app = story.app_name(), "a WebSocket opened");
            response
        }
        None => {
            let turn = end.turn.take();
            let call = Rc::clone(&end.call);
            let held = story.release();
            response.map(|body| body.recorded(open, bodyless).keeping(turn, call).holding(held))
        }
    }
}

impl Finish<'_> {
    fn refuse(&self, refusal: &Refusal, story: &mut Story) -> Response<Body> {
        let answer = answer(refusal);
        if before_anybody_is_known(refusal) && story.line().device.is_none() {
            match device::look(self.core, self.client, self.world, None) {
                Ok(device) => story.device(&device),
                Err(why) => story.refused_device(&why),
            }
        }
        // Policy let it through, and then the app failed. What the gate itself refuses after that is refused.
        let went_on = story.outcome().0 == Decision::Allow && matches!(refusal, Refusal::Forward(why) if !why.is_refusal());
        let decision = if went_on { Decision::Allow } else { Decision::Deny };
        story.refused(answer.reason, decision);
        let not_ours = matches!(answer.status, StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        if answer.status.is_server_error() && !not_ours {
            tracing::warn!(request = %story.id(), reason = answer.reason, error = %refusal, "a request failed");
        } else if let Refusal::SignIn(why) = refusal {
            // Mostly the provider's settings: who mends them needs more than the page that somebody else saw.
            tracing::info!(request = %story.id(), reason = answer.reason, error = %why, "somebody could not be signed in");
        }
        let needed = match refusal {
            Refusal::StepUp(StepUpRefusal::Needed(needed)) => Some(&**needed),
            _ => None,
        };
        if (answer.status == StatusCode::FORBIDDEN || tries_doors(refusal))
            && let Some(device) = &story.line().device
        {
            self.core.gate.signals.refused(device.as_str(), story.at());
        }
        let id = story.id().to_string();
        let mut response = match refusal {
            Refusal::Logout(why) => logout::refusal(why, &answer, &id),
            _ => self.refusal_response(&answer, needed, &id),
        };
        match refusal {
            Refusal::User(why) => self.credential_headers(*why, &mut response),
            Refusal::Decide(why) => {
                if let Some(wait) = why.budget.and_then(|budget| budget.wait) {
                    retry_after(&mut response, wait);
                }
            }
            Refusal::TooOften { wait }
            | Refusal::Belongings(BelongingsRefusal::Throttled { wait })
            | Refusal::SignIn(SignInRefusal::BreakGlassThrottled { wait }) => {
                retry_after(&mut response, *wait);
            }
            Refusal::Crowded(Crowded::Address | Crowded::Device | Crowded::User) | Refusal::Control(ControlError::Device) => {
                retry_after(&mut response, CROWDED);
            }
            Refusal::Logout(why) => {
                tracing::info!(request = %id, reason = answer.reason, error = %why, "a provider's logout was refused");
                if let Some(wait) = why.retry_after() {
                    retry_after(&mut response, wait);
                }
            }
            Refusal::Posture(why) => {
                tracing::info!(request = %id, reason = answer.reason, error = %why, "a report of posture was refused");
                if let Some(wait) = why.retry_after() {
                    retry_after(&mut response, wait);
                }
                if answer.status == StatusCode::UNAUTHORIZED {
                    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(INVALID_TOKEN));
                }
            }
            Refusal::Enrol(why) => {
                if let Some(wait) = why.retry_after() {
                    retry_after(&mut response, wait);
                }
            }
            _ => {}
        }
        if answer.close {
            self.client.close_soon();
        }
        response
    }

    fn refusal_response(&self, answer: &Answer, needed: Option<&Needed>, request_id: &str) -> Response<Body> {
        let way = needed.and_then(|needed| needed.way.as_ref());
        let text = if self.manner.pages {
            let sign_in = match way {
                Some(way) => [Action::link("Sign in again", &way.location)],
                None => [Action::link("Sign in", "/.sekisho/sign-in")],
            };
            let actions: &[Action<'_>] = if answer.status == StatusCode::UNAUTHORIZED { &sign_in } else { &[] };
            let page = RefusalPage {
                host: self.client.secure.sni.as_ref().map_or("", |host| host.as_str()),
                tone: if answer.status.is_server_error() || way.is_some() { Tone::Wait } else { Tone::Stop },
                title: answer.title,
                what: &answer.detail,
                ways: &answer.ways,
                advice: &answer.advice,
                remedy: Some(answer.remedy),
                command: None,
                facts: &[],
                actions,
                status: answer.status.as_u16(),
                reason: answer.reason,
                request_id,
            };
            page.render().map(|html| (HTML, html)).map_err(|error| error.to_string())
        } else {
            let acr_values = needed.map(|needed| needed.asked.acr_values.join(" ")).unwrap_or_default();
            let step_up = needed.map(|needed| ProblemStepUp {
                max_age: needed.asked.max_age,
                acr_values: &acr_values,
                sign_in: way.map(|way| way.location.as_str()),
            });
            let problem = ProblemDetails {
                step_up,
                status: answer.status,
                detail: &answer.detail,
                reason: answer.reason,
                remedy: Some(answer.remedy),
                ways: &answer.ways,
                advice: &answer.advice,
                request_id,
            };
            problem_json(&problem).map(|json| (PROBLEM_JSON, json)).map_err(|error| error.to_string())
        };
        let (kind, text) = text.unwrap_or_else(|error| {
            tracing::error!(%error, "a refusal could not be put into words");
            ("text/plain", format!("{}\n", answer.reason))
        });
        let mut response = own_response(answer.status, kind, text);
        let headers = response.headers_mut();
        if let Some(challenge) = needed.and_then(|needed| HeaderValue::from_str(&challenge(needed)).ok()) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        for cookie in way.iter().flat_map(|way| &way.set_cookies).filter_map(|cookie| HeaderValue::from_str(cookie).ok()) {
            headers.append(SET_COOKIE, cookie);
        }
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(REQUEST_ID, id);
        }
        match answer.status {
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(http::header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }

    fn credential_headers(&self, why: UserRefusal, response: &mut Response<Body>) {
        let status = response.status();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = if why.sign_in_helps() { r#"Bearer realm="sekisho""# } else { INVALID_TOKEN };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if why.clears_cookie()
            && let Ok(clear) = HeaderValue::from_str(&Cookie::Session.clear())
        {
            headers.append(SET_COOKIE, clear);
        }
    }

    /// A gRPC answer over HTTP/2 says how it ended in its trailers.
    fn ends_with_trailers<B>(&self, response: &Response<B>) -> bool {
        let kind = response.headers().get(CONTENT_TYPE);
        self.guard.is_none() && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
    }

    /// What the connection needs beside the answer itself.
    fn framing(&self, response: &mut Response<Body>) {
        let Some(guard) = &self.guard else { return };
        // What is left of a request's body must not be read as the next request.
        let unread = !guard.body_fully_read() && response.status() != StatusCode::SWITCHING_PROTOCOLS;
        if unread || self.client.closes_soon() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn count(&self, story: &Story, status: StatusCode) {
        let (decision, reason) = story.outcome();
        let class = match status.as_u16() {
            100..=199 => "1xx",
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        };
        let outcome = Counted { decision, reason, method: method_label(&self.method), class };
        let seconds = clock::instant().saturating_duration_since(self.started).as_secs_f64();
        match &story.line().app {
            Some(app) => self.core.tallies.count(&self.core.gate.metrics, app, outcome, seconds),
            None => self.core.tallies.count(&self.core.gate.metrics, &self.core.no_app, outcome, seconds),
        }
    }

    /// The one answer that goes out before its line is written: the line is kept until it can be.
    fn unrecorded(&self, refusal: &Refusal, story: &Story) -> Response<Body> {
        let mut response = self.refusal_response(&answer(refusal), None, &story.id().to_string());
        self.framing(&mut response);
        response
    }
}

/// What a token or session lacks (RFC 9470, section 3). Nothing in it needs to be escaped: see
/// [`IdentityProvider::can_ask_for`](crate::config::IdentityProvider::can_ask_for).
fn challenge(needed: &Needed) -> String {
    let asked = &needed.asked;
    let description = match (asked.max_age, asked.acr_values.is_empty()) {
        (Some(_), true) => "a more recent sign-in is required",
        (Some(_), false) => "a more recent and stronger sign-in is required",
        (None, _) => "a stronger sign-in is required",
    };
    let mut challenge =
        format!(r#"Bearer realm="sekisho", error="insufficient_user_authentication", error_description="{description}""#);
    if let Some(seconds) = asked.max_age {
        challenge.push_str(&format!(r#", max_age="{seconds}""#));
    }
    if !asked.acr_values.is_empty() {
        challenge.push_str(&format!(r#", acr_values="{}""#, asked.acr_values.join(" ")));
    }
    challenge
}

/// An answer made here. Nothing of it may be kept, framed or guessed at.
pub(super) fn own_response(status: StatusCode, kind: &'static str, text: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::whole(text));
    *response.status_mut() = status;
    let length = response.body().size_hint().exact().unwrap_or(0);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(http::header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(http::header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if kind == HTML {
        headers.insert(http::header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(content_security_policy()));
    }
    response
}

/// Whether it is refused so early that nobody has asked whom it is from. What the connection has proved, the record tells all the same.
fn before_anybody_is_known(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Framing(_) | Refusal::Read(_) | Refusal::Route(_) | Refusal::Crowded(Crowded::All))
}

/// Beside what is forbidden: what no usual client sends, and what is for nobody here.
fn tries_doors(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Framing(_) | Refusal::Read(_) => true,
        Refusal::Route(why) => matches!(why, RouteRefusal::UnknownHost | RouteRefusal::Method),
        _ => false,
    }
}

/// A tunnel lasts longer than hyper's connection: it keeps what counts as one, so that bounds and drains see it.
async fn run_tunnel(
    tunnel: Tunnel,
    mut open: Open,
    gauge: prometheus::IntGauge,
    client: Rc<Client>,
    call: Rc<Call>,
    held: Option<Held>,
) {
    gauge.inc();
    let ended = match &held {
        Some(held) => run_held_tunnel(tunnel, &client, held).await,
        None => tunnel.run(client.draining(), |_taken| ()).await,
    };
    gauge.dec();
    drop(call);
    let cause = held.as_ref().and_then(Held::cause);
    match (ended, cause) {
        (_, Some(cause)) => open.cut(cause),
        // Either side may close a WebSocket; neither is a failure.
        (TunnelEnd::ClientLeft | TunnelEnd::AppLeft, None) => open.ends(Ending::Complete),
        (TunnelEnd::Idle | TunnelEnd::Cut | TunnelEnd::UsedUp | TunnelEnd::Draining, None) => open.ends(Ending::Cut),
    }
}

async fn run_held_tunnel(tunnel: Tunnel, client: &Client, held: &Held) -> TunnelEnd {
    held.is_tunnel();
    if held.cause().is_some() {
        client.cut();
        return TunnelEnd::Cut;
    }
    let farewell = std::cell::Cell::new(false);
    let ending = async {
        tokio::select! {
            biased;
            () = held.tunnel_ends() => TunnelEnd::Cut,
            draining = client.draining() => draining,
        }
    };
    let said = |taken| {
        farewell.set(true);
        match taken {
            true => held.is_silent(),
            false => held.break_tunnel(),
        }
    };
    let ended = tunnel.run(ending, said).await;
    if held.cause().is_some() && !farewell.get() {
        // The client's end had not opened yet.
        client.cut();
    }
    ended
}

fn retry_after(response: &mut Response<Body>, wait: Duration) {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
}

/// A closed set: whatever a client makes up is one label.
fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        _ => "other",
    }
}

/// For some of what is under way to end.
const CROWDED: Duration = Duration::from_secs(1);
/// The media type of our pages.
pub(super) const HTML: &str = "text/html; charset=utf-8";
const INVALID_TOKEN: &str = r#"Bearer realm="sekisho", error="invalid_token""#;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
