//! Our own addresses, `/.sekisho/…` on every host and everything at the sign-in host.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::json;

use super::administering;
use super::answer::answer;
use super::belongings;
use super::body::Body;
use super::calls::Call;
use super::connection::Client;
use super::device;
use super::enrolling;
use super::finish::{HTML, own_response};
use super::freshness;
use super::gate::{Core, World};
use super::landing;
use super::logout;
use super::posture;
use super::refusal::Refusal;
use super::reply;
use super::story::Story;
use super::terminal;
use super::theft;
use super::travel::{Outcome, from_anybody};
use crate::identify_device::{DeviceRefusal, KnownDevice};
use crate::identify_user::{Ask, KnownUser, UserRefusal};
use crate::read::{Clean, Content};
use crate::record::{Event, EventKind};
use crate::route::{OwnPath, OwnRequest};
use crate::sign_in::{CameFrom, Endpoint, SignInRefusal, Visit};

/// Who is asking one of our addresses, as far as known. Most of them answer strangers too.
pub(super) struct Visitor {
    pub(super) device: Result<KnownDevice, DeviceRefusal>,
    pub(super) user: Result<KnownUser, UserRefusal>,
}

/// Answers a request for one of our addresses.
pub(super) async fn handle(
    core: &Core,
    client: &Client,
    call: &Call,
    world: &World,
    own: OwnRequest,
    story: &mut Story,
) -> Result<Outcome, Refusal> {
    if let Some(app) = &own.app {
        story.app(app);
    }
    if own.path.rests_on_time() {
        let _sure_of_the_time = core.gate.clock.look()?;
    }
    let visitor = recognise(core, client, world, &own, story).await;
    // A stranger in the same network does not keep known devices from signing in.
    match &visitor.device {
        Ok(known) => call.count(|place| place.is_on(&known.device.id))?,
        Err(_unknown) => from_anybody(client, call)?,
    }
    story.own(own.path.as_str());
    let response = match own.path {
        OwnPath::SignIn => visit(core, world, own, Endpoint::SignIn, visitor, story).await?,
        OwnPath::Callback => visit(core, world, own, Endpoint::Callback, visitor, story).await?,
        OwnPath::SignOut => visit(core, world, own, Endpoint::SignOut, visitor, story).await?,
        OwnPath::SendAgain => visit(core, world, own, Endpoint::SendAgain, visitor, story).await?,
        OwnPath::Whoami => reads(&own.request).map(|()| whoami(&visitor))?,
        OwnPath::Jwks => reads(&own.request).map(|()| jwks(world))?,
        OwnPath::Home => reads(&own.request).map(|()| landing::page_for(world, &visitor))?,
        OwnPath::Enroll => enrolling::answer(core, client, world, own.request, &visitor, story).await?,
        OwnPath::Devices => return belongings::answer(core, client, world, own.request, visitor, story).await,
        OwnPath::Admin => administering::answer(core, client, world, own.request, visitor, story).await?,
        OwnPath::Login => reads(&own.request).and_then(|()| terminal::offer(world, &visitor))?,
        OwnPath::Posture => posture::answer(core, client, world, own.request).await?,
        OwnPath::BackchannelLogout => logout::answer(core, client, world, own.request).await?,
        OwnPath::Unknown => return Err(Refusal::NothingHere),
    };
    Ok(Outcome::Own(response))
}

/// The `Cookie` headers as one (RFC 9113, section 8.2.3).
pub(super) fn cookies(headers: &HeaderMap) -> Option<String> {
    let all: Vec<_> = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Where the browser says that a request comes from.
pub(super) fn came_from(headers: &HeaderMap) -> CameFrom<'_> {
    CameFrom { origin: text(headers, &ORIGIN), fetch_site: text(headers, &FETCH_SITE) }
}

/// A header that stands there once.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// The body of a request to ourselves: small, and soon.
pub(super) async fn small_body(request: Box<Clean>) -> Result<Bytes, Refusal> {
    small_content(request.body).await
}

/// The same, where the rest of the request is needed still.
pub(super) async fn small_content(body: Content) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, SMALL_BODY).collect();
    match tokio::time::timeout(SMALL_BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::BodyTooLarge),
        Ok(Err(_)) | Err(_) => Err(crate::forward::ForwardError::ClientStalled.into()),
    }
}

/// Only GET and HEAD.
pub(super) fn reads(request: &Clean) -> Result<(), Refusal> {
    if matches!(request.method, Method::GET | Method::HEAD) { Ok(()) } else { Err(Refusal::WrongMethod) }
}

async fn recognise(core: &Core, client: &Client, world: &World, own: &OwnRequest, story: &mut Story) -> Visitor {
    let request = &*own.request;
    let device = device::identify(core, client, world, None).await;
    let now = core.gate.clock.now();
    let user = match &device {
        Err(refusal) => {
            story.refused_device(refusal);
            Err(UserRefusal::NoCredential)
        }
        // The token of a source is nobody's: it must not be taken for a person's that is wrong.
        Ok(device) if own.path == OwnPath::Posture => {
            story.device(device);
            Err(UserRefusal::NoCredential)
        }
        Ok(device) => {
            story.device(device);
            let (providers, rules) = (&*world.providers, &world.rules);
            let ask = Ask { providers, rules, host: &request.host, headers: &request.headers, device, now };
            let user = core.users.identify(ask).await;
            if freshness::is_due(&user) { Box::pin(freshness::confirmed(core, world, ask)).await } else { user }
        }
    };
    match (&user, &device) {
        (Ok(user), _) => story.user(user),
        (Err(why), Ok(device)) => theft::notice(core, client, device, &request.headers, *why, story),
        (Err(_), Err(_)) => {}
    }
    Visitor { device, user }
}

async fn visit(
    core: &Core,
    world: &World,
    own: OwnRequest,
    endpoint: Endpoint,
    visitor: Visitor,
    story: &mut Story,
) -> Result<Response<Body>, Refusal> {
    let device = match visitor.device {
        Ok(device) => Some(device),
        // A session without a device cannot be: say what is wrong with the device. Signing out is always possible.
        Err(refusal) if endpoint != Endpoint::SignOut => return Err(refusal.into()),
        Err(_) => None,
    };
    let is_service =
        visitor.user.is_ok_and(|user| user.session.service) || device.as_ref().is_some_and(|it| it.service.is_some());
    if is_service && endpoint != Endpoint::SignOut {
        return Err(SignInRefusal::Service.into());
    }
    let request = own.request;
    if device.is_none()
        && let Some(shown) = core.users.shown(&request.headers)
    {
        story.refused_user(shown.session());
    }
    let text = |name: HeaderName| request.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut visit = Visit {
        endpoint,
        callback_of: Endpoint::callback_of(&request.path),
        method: request.method.clone(),
        host: request.host.clone(),
        query: request.query.as_deref().map(str::to_owned),
        cookies: cookies(&request.headers),
        origin: text(ORIGIN),
        fetch_site: text(FETCH_SITE),
        body: Bytes::new(),
        device,
        now: core.gate.clock.now(),
    };
    let origin = request.headers.get(ORIGIN).cloned();
    visit.body = small_body(request).await?;
    let sign_in = Arc::clone(&world.sign_in);
    let device = visit.device.as_ref().map(|known| known.device.id.to_string());
    let known = visit.device.as_ref().map(|known| known.device.id.clone());
    let visited = async move { sign_in.visit(visit).await };
    let reply = match &known {
        Some(device) => core.gate.control.call_for(device, visited).await?,
        None => core.gate.control.call(visited).await?,
    };
    if let Err(why) = &reply
        && (endpoint == Endpoint::Callback || matches!(why, SignInRefusal::BreakGlass))
    {
        let (request, detail) = (Some(story.id().to_string()), Some(format!("{}: {why}", why.as_str())));
        let user = why.person().map(ToString::to_string);
        if let Some(person) = why.person() {
            story.person(person);
        }
        core.gate.signals.event(Event { device, user, request, detail, ..Event::of(EventKind::SignInFailed, story.at()) });
    }
    if matches!(reply, Err(SignInRefusal::CrossSite)) {
        story.foreign_page(origin.as_ref());
    }
    let reply = reply?;
    Ok(reply::render(&reply, world, story))
}

/// `/.sekisho/whoami`: who the gate takes the caller for, and what is missing.
fn whoami(visitor: &Visitor) -> Response<Body> {
    let mut missing = Vec::new();
    let device = match &visitor.device {
        Ok(known) => json!({
            "id": known.device.id.as_str(),
            "authority": &*known.device.authority,
            "status": known.device.status.as_str(),
            "managed": known.device.managed,
            "shared": known.device.shared,
            "key_protection": known.device.key_protection.as_str(),
            "certificate_expires_at": known.not_after.to_string(),
        }),
        Err(refusal) => {
            missing.push(lack("device", &answer(&Refusal::Device(refusal.clone()))));
            serde_json::Value::Null
        }
    };
    let (user, session) = match &visitor.user {
        Ok(known) => {
            let session = &known.session;
            let user = json!({
                "id": session.user.to_string(),
                "kind": if session.service { "service" } else { "person" },
                "email": session.email,
                "name": session.name,
                "groups": session.groups,
            });
            let facts = json!({
                "id": session.id.to_string(),
                "binding": known.binding.as_str(),
                // A token that does not say when is as old as can be for policies; people would wonder about 1970.
                "authenticated_at": (session.authenticated_at.0 > 0).then(|| session.authenticated_at.to_string()),
                "mfa": session.mfa,
                "acr": session.acr,
                "amr": session.amr,
                "expires_at": session.expires_at.to_string(),
            });
            (user, facts)
        }
        Err(refusal) => {
            missing.push(lack("session", &answer(&Refusal::User(*refusal))));
            (serde_json::Value::Null, serde_json::Value::Null)
        }
    };
    let whole = json!({ "device": device, "user": user, "session": session, "missing": missing });
    own_response(StatusCode::OK, "application/json", format!("{whole:#}\n"))
}

fn lack(what: &str, answer: &super::answer::Answer) -> serde_json::Value {
    json!({ "what": what, "reason": answer.reason, "detail": answer.detail, "remedy": answer.remedy })
}

/// `/.sekisho/jwks.json`: the keys that verify `Sekisho-Assertion`. Apps may keep it for a while.
fn jwks(world: &World) -> Response<Body> {
    let mut response = own_response(StatusCode::OK, "application/jwk-set+json", world.targets.jwks_json().to_owned());
    let keep = http::HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(http::header::CACHE_CONTROL, keep);
    response
}

/// A page of ours.
pub(super) fn page(html: Result<String, askama::Error>) -> Response<Body> {
    match html {
        Ok(html) => own_response(StatusCode::OK, HTML, html),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            own_response(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "the page could not be made\n")
        }
    }
}

const SMALL_BODY: usize = 64 * 1024;
pub(super) const SMALL_BODY_TIME: Duration = Duration::from_secs(15);
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
