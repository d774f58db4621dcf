//! A denial that a fresher or stronger sign-in would turn into a permit: browsers are sent to sign in again, programs are told
//! what is missing (RFC 9470).

use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT, REFERER};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::gate::{Core, World};
use super::manner::Manner;
use super::own::{self, SMALL_BODY_TIME};
use super::refusal::Refusal;
use super::story::Story;
use super::travel::{Outcome, target};
use crate::clock::Timestamp;
use crate::decide::{Denied, Who};
use crate::forward::ForwardError;
use crate::identify_device::KnownDevice;
use crate::identify_user::{Binding, KnownUser};
use crate::read::{Content, Kind};
use crate::route::Routed;
use crate::secret::Secret;
use crate::sign_in::{
    Asked, FormFate, FormId, Holder, MAX_FORM, Needed, NewForm, Reply, Sending, StepUp, StepUpOutcome, StepUpRefusal, Wanted,
};

/// What becomes of a request that policy denied. `resent`: it was a kept form, which is kept still.
pub(super) async fn instead(
    core: &Core,
    world: &World,
    denied: Denied,
    manner: Manner,
    resent: Option<FormId>,
    story: &mut Story,
) -> Result<Outcome, Refusal> {
    let Denied { refusal, request: routed, who } = denied;
    let Who::Known { device, user, .. } = who else { return Err(refusal.into()) };
    let now = core.gate.clock.now();
    let wanted = refusal.remedies.as_ref().and_then(|remedies| remedies.step_up.clone());
    let Some(wanted) = wanted else { return Err(refusal.into()) };
    let (sign_in, app, session) = (&world.sign_in, routed.app.clone(), &*user.session);
    let asked = asked(world, &app.name, &user, &device, &wanted, now, story)?;
    let needed = |way, form| Refusal::from(StepUpRefusal::Needed(Box::new(Needed { asked, mfa: wanted.mfa, way, form })));
    let there = target(&routed);
    let host = routed.request.host.clone();
    let cookies = own::cookies(&routed.request.headers);
    let page = sign_in.page_on(&host, own::text(&routed.request.headers, &REFERER));
    let (sending, fate) = sending(world, routed, &there, manner, resent).await;
    let outcome = match fate {
        FormFate::None if manner.pages => StepUpOutcome::Asked,
        FormFate::None => StepUpOutcome::Challenged,
        FormFate::Kept => StepUpOutcome::FormKept,
        FormFate::TooLarge | FormFate::OtherSite | FormFate::Unfit => StepUpOutcome::FormNotKept,
    };
    sign_in.count_step_up(&app.name, outcome);
    let back_to = if manner.navigates || fate == FormFate::Kept { &there } else { &page };
    let way = sign_in.step_up(StepUp {
        wanted: &wanted,
        session,
        device: &device.device.id,
        app: &app.name,
        host: &host,
        back_to,
        cookies: cookies.as_deref(),
        form: sending,
        now,
    })?;
    if manner.navigates {
        let reply = Reply::to_sign_in(&way);
        return Ok(Outcome::Challenge(reply, needed(Some(way), fate)));
    }
    Err(needed(Some(way), fate))
}

/// What another sign-in has to bring for a denial to become a permit, if it can be asked for: told in the record, and counted where it is
/// the end of the matter.
///
/// # Errors
/// [`StepUpRefusal::CannotAsk`], [`StepUpRefusal::NotAgain`]; [`StepUpRefusal::Needed`] for a token, whose holder finds the way.
pub(super) fn asked(
    world: &World,
    app: &str,
    user: &KnownUser,
    device: &KnownDevice,
    wanted: &Wanted,
    now: Timestamp,
    story: &mut Story,
) -> Result<Asked, Refusal> {
    let (sign_in, session) = (&world.sign_in, &*user.session);
    let Some(asked) = sign_in.asked(&session.user.provider, wanted) else {
        sign_in.count_step_up(app, StepUpOutcome::CannotAsk);
        return Err(StepUpRefusal::CannotAsk.into());
    };
    story.step_up(&asked);
    if user.binding != Binding::Session {
        sign_in.count_step_up(app, StepUpOutcome::Challenged);
        let needed = Needed { asked, mfa: wanted.mfa, way: None, form: FormFate::None };
        return Err(StepUpRefusal::Needed(Box::new(needed)).into());
    }
    if sign_in.tried_lately(session, &device.device.id, wanted, now) {
        sign_in.count_step_up(app, StepUpOutcome::NotAgain);
        return Err(StepUpRefusal::NotAgain.into());
    }
    Ok(asked)
}

/// If the request is the click that sends a kept form, puts that form in its place; gives its name.
pub(super) async fn resent(
    world: &World,
    routed: &mut Routed,
    device: &KnownDevice,
    user: &KnownUser,
    core: &Core,
) -> Result<Option<FormId>, Refusal> {
    let request = &routed.request;
    let clicked = request.method == Method::POST
        && request.kind == Kind::Plain
        && request.length == Some(FormId::BODY_LENGTH)
        && own::text(&request.headers, &CONTENT_TYPE) == Some(URLENCODED)
        && !request.headers.contains_key(EXPECT)
        && user.binding == Binding::Session;
    if !clicked {
        return Ok(None);
    }
    let body = std::mem::replace(&mut routed.request.body, Content::Whole(None));
    let body = match tokio::time::timeout(SMALL_BODY_TIME, body.collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) | Err(_) => return Err(ForwardError::ClientStalled.into()),
    };
    let Some(id) = FormId::from_body(&body) else {
        // A form of the app that is as long by chance.
        routed.request.body = body.into();
        return Ok(None);
    };
    let request = &mut routed.request;
    if !world.sign_in.is_own_page(&request.host, own::came_from(&request.headers)) {
        return Err(crate::sign_in::SignInRefusal::CrossSite.into());
    }
    let there = target(routed);
    let request = &mut routed.request;
    let cookies = own::cookies(&request.headers);
    let holder = Holder {
        session: &user.session,
        device: &device.device.id,
        host: &request.host,
        cookies: cookies.as_deref(),
        now: core.gate.clock.now(),
    };
    let form = world.sign_in.form_to_send(&id, &there, holder)?;
    let Ok(content_type) = http::HeaderValue::from_str(&form.content_type) else {
        return Err(crate::sign_in::SignInRefusal::FormGone.into());
    };
    request.headers.insert(CONTENT_TYPE, content_type);
    request.length = Some(form.length());
    request.body = form.into_body().into();
    Ok(Some(id))
}

/// What the browser was sending, if it can be kept; and what becomes of it.
async fn sending(world: &World, routed: Routed, there: &str, manner: Manner, resent: Option<FormId>) -> (Sending, FormFate) {
    if let Some(id) = resent {
        return (Sending::Kept(id), FormFate::Kept);
    }
    let request = &routed.request;
    if !manner.pages || matches!(request.method, Method::GET | Method::HEAD) {
        return (Sending::Nothing, FormFate::None);
    }
    if !world.sign_in.is_own_page(&request.host, own::came_from(&request.headers)) {
        return (Sending::Nothing, FormFate::OtherSite);
    }
    let content_type = own::text(&request.headers, &CONTENT_TYPE).filter(|kind| is_form(kind)).map(str::to_owned);
    let plain = !request.headers.contains_key(CONTENT_ENCODING) && !request.headers.contains_key(EXPECT);
    let fit = request.method == Method::POST && plain && world.sign_in.can_return_to(&request.host, there);
    let Some(content_type) = content_type.filter(|_| fit) else { return (Sending::Nothing, FormFate::Unfit) };
    match whole(routed).await {
        Ok(body) => (Sending::Form(NewForm { content_type, body: Secret::new(body.to_vec()) }), FormFate::Kept),
        Err(fate) => (Sending::Nothing, fate),
    }
}

async fn whole(routed: Routed) -> Result<Bytes, FormFate> {
    if routed.request.length.is_some_and(|length| length > MAX_FORM as u64) {
        return Err(FormFate::TooLarge);
    }
    let body = Limited::new(routed.request.body, MAX_FORM).collect();
    match tokio::time::timeout(SMALL_BODY_TIME, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(FormFate::TooLarge),
        Ok(Err(_)) | Err(_) => Err(FormFate::Unfit),
    }
}

/// What a form of HTML can be sent as, but for plain text.
fn is_form(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let known = [URLENCODED, "multipart/form-data"].iter().any(|known| kind.eq_ignore_ascii_case(known));
    known && content_type.len() <= 256
}

const URLENCODED: &str = "application/x-www-form-urlencoded";
