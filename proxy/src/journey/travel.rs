//! The hallway: the one place that knows the order of the rooms.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::ORIGIN;
use http::{Method, Request, Response};
use hyper::body::{Body as _, Incoming};

use super::access::{Access, Held};
use super::body::Body;
use super::calls::Call;
use super::candidate;
use super::connection::Client;
use super::device;
use super::finish::{self, Finish};
use super::freshness;
use super::gate::{Core, World};
use super::manner::Manner;
use super::own;
use super::preflight;
use super::refusal::Refusal;
use super::step_up;
use super::story::Story;
use super::theft;
use crate::clock;
use crate::contain::{Cause, Crowded, StreamId, Whose};
use crate::decide::{Allowed, Permit, Who};
use crate::forward;
use crate::identify_device::KnownDevice;
use crate::identify_user::{Ask, KnownUser};
use crate::read::{GuardHandle, Head, Kind, Leftover, ReadRefusal, Reader, RequestId, Turn};
use crate::route::{RouteOutcome, RouteRefusal, Routed};
use crate::sign_in::Reply;

/// What the connection knows of a request beside what hyper read.
#[derive(Debug)]
pub(super) struct Hop {
    /// HTTP/1: what the framing guard said of it, and the guard.
    http1: Option<(Option<Turn>, GuardHandle)>,
}

/// What came of a request.
pub(super) enum Outcome {
    /// The app answered.
    App(Box<forward::Answer>, Arc<str>),
    /// The gate itself answered.
    Own(Response<Body>),
    /// A person has to sign in first.
    Challenge(Reply, Refusal),
}

impl Hop {
    /// An HTTP/1 request; `turn` is the guard's word for it.
    pub(super) fn http1(turn: Option<Turn>, guard: GuardHandle) -> Self {
        Self { http1: Some((turn, guard)) }
    }

    /// An HTTP/2 request.
    pub(super) fn http2() -> Self {
        Self { http1: None }
    }
}

/// Takes a request through all rooms, and its answer to the record. Never fails: whatever goes wrong is an answer too.
pub(super) async fn travel(
    core: &Rc<Core>,
    client: &Rc<Client>,
    hop: Hop,
    call: Rc<Call>,
    request: Request<Incoming>,
) -> Response<Body> {
    let started = clock::instant();
    let manner = Manner::of(request.method(), request.headers());
    let method = request.method().clone();
    let version = request.version();
    let (turn, guard) = hop.http1.map_or((None, None), |(turn, guard)| (turn, Some(guard)));
    let leftover = (guard.is_none() && !request.body().is_end_stream()).then(Leftover::default);
    let world = core.gate.world.load_full();
    // Without randomness the request has no name, and is refused below.
    let random = core.ids.next();
    let now = core.gate.clock.now();
    let id = random.unwrap_or(RequestId([0; 16]));
    let mut story = Story::begin(core.recorder.clone(), core.gate.clock.clone(), id, now, &client.secure, version);
    let outcome = {
        let passage = pin!(async {
            random.map_err(|_none| Refusal::NoRandomness)?;
            let guarded = guard.is_some();
            pass(core, client, &call, &world, turn.as_ref(), guarded, manner, request, leftover.clone(), &mut story).await
        });
        AssertUnwindSafe(passage).catch_unwind().await.unwrap_or_else(|_panic| {
            core.gate.metrics.panics.inc();
            Err(Refusal::Panicked)
        })
    };
    finish::finish(Finish { core, client, world: &world, manner, method, started, turn, guard, call, leftover }, story, outcome)
        .await
}

#[expect(clippy::too_many_arguments, reason = "the hallway hands each room what it needs; a bundle would only rename the list")]
async fn pass(
    core: &Rc<Core>,
    client: &Rc<Client>,
    call: &Rc<Call>,
    world: &World,
    turn: Option<&Turn>,
    guarded: bool,
    manner: Manner,
    request: Request<Incoming>,
    leftover: Option<Leftover>,
    story: &mut Story,
) -> Result<Outcome, Refusal> {
    // read
    let facts = match turn.map(Turn::head) {
        Some(Head::Refused(refusal, seen)) => {
            story.unread(seen.clone());
            return Err((*refusal).into());
        }
        Some(Head::Accepted(facts)) => Some(facts),
        None if guarded => return Err(ReadRefusal::Unguarded.into()),
        None => None,
    };
    let clean = Reader::new(&world.config).clean(request, facts, story.id(), story.at(), leftover, &client.last_host);
    let clean = clean.map_err(|unread| {
        story.unread(unread.seen);
        unread.why
    })?;
    story.read(&clean);
    call.enter(&core.gate.crowd)?;

    // route
    let mut routed = match world.router.route(clean, &client.secure) {
        Ok(RouteOutcome::App(routed)) => routed,
        Ok(RouteOutcome::Own(own)) => {
            // Boxed, as everything here that is rare and large: a request takes as much room as the largest way it may go.
            return Box::pin(own::handle(core, client, call, world, own, story)).await;
        }
        Err(unrouted) => {
            if let Some(app) = &unrouted.app {
                story.app(app);
            }
            return Err(unrouted.refusal.into());
        }
    };
    story.app(&routed.app);
    if let Some(outcome) = preflight::at_the_gate(&routed, story) {
        return outcome;
    }
    let decider = world.decider.as_ref().ok_or(Refusal::NoPolicies)?;

    // identify_device, identify_user
    let epoch = core.gate.inventory.trust_epoch();
    let mut resent = None;
    let who = if routed.public || routed.is_forwarded_preflight() {
        // Nobody's sign-in or certificate counts here, so nothing that could have expired.
        check_page(world, &routed, false, story)?;
        from_anybody(client, call)?;
        Who::Anyone
    } else {
        let _sure_of_the_time = core.gate.clock.look()?;
        let device = identify_device(core, client, world, &routed, story).await?;
        call.count(|place| place.is_on(&device.device.id))?;
        match identify_user(core, client, world, &routed, &device, story).await {
            Ok(user) => {
                call.count(|place| place.is_of(&user.session.user))?;
                // A bearer token is not sent by browsers of themselves: whoever shows it means it.
                check_page(world, &routed, user.is_ambient(), story)?;
                resent = step_up::resent(world, &mut routed, &device, &user, core).await?;
                let now = core.gate.clock.now();
                let whose = Whose { user: &user.session.user, device: &device.device.id, app: &routed.app.name };
                let usage = core.gate.usage.hold(whose, now);
                if let Some(rate) = routed.app.rate_limit {
                    usage.take_turn(rate, now).map_err(|wait| too_often(core, wait))?;
                }
                Who::Known { device, user, usage }
            }
            Err(Refusal::User(why))
                if why.sign_in_helps() && manner.navigates && world.providers.for_sign_in().next().is_some() =>
            {
                let target = target(&routed);
                let cookies = own::cookies(&routed.request.headers);
                return match world.sign_in.challenge(&routed.request.host, &target, cookies.as_deref()) {
                    Ok(reply) => Ok(Outcome::Challenge(reply.forgetting(why.clears_cookie()), why.into())),
                    Err(refusal) => Err(refusal.into()),
                };
            }
            Err(refusal) => return Err(refusal),
        }
    };

    // decide
    let now = core.gate.clock.now();
    let allowed = match decider.ask(routed, who, &client.secure, &core.prepared, now) {
        Ok(allowed) => {
            story.holds(Access::begin(core, client, call, world, &allowed));
            allowed
        }
        Err(mut denied) => {
            denied.refusal.remedies = decider.remedies(&denied, &client.secure, &core.explained, now);
            story.denied(&denied.refusal);
            let asked = (&denied.request, candidate::known(&denied.who));
            let usage = denied.refusal.basis.as_ref().map(|basis| basis.usage).unwrap_or_default();
            candidate::ask(core, client, world, asked, (usage, Some(denied.refusal.reason)), now, story);
            return Box::pin(step_up::instead(core, world, *denied, manner, resent, story)).await;
        }
    };
    if let (Some(form), Permit { user: Some(user), device: Some(device), .. }) = (resent, allowed.permit()) {
        world.sign_in.use_form(&form, &user.session, &device.device.id, &allowed.request().app.name, now)?;
    }
    story.permitted(allowed.permit());
    let Permit { user, device, basis, .. } = allowed.permit();
    let (asked, usage) = (device.as_ref().zip(user.as_ref()), basis.as_ref().map(|basis| basis.usage).unwrap_or_default());
    candidate::ask(core, client, world, (allowed.request(), asked), (usage, None), now, story);

    // Facts may have moved since they were read, and their levers found nothing here yet.
    let moved = core.gate.inventory.trust_epoch() != epoch || core.gate.world.load().generation != world.generation;
    if moved && story.held().is_some_and(|held| held.ask_again(Cause::Unsure).is_err()) {
        // It was cut, and is dropped.
        std::future::pending::<()>().await;
    }

    // forward
    forward(core, client, world, allowed, story).await
}

/// Whoever is not known is counted by the address.
pub(super) fn from_anybody(client: &Client, call: &Call) -> Result<(), Crowded> {
    call.count(|place| place.is_from(client.secure.client.ip()))
}

fn check_page(world: &World, routed: &Routed, by_cookie: bool, story: &mut Story) -> Result<(), RouteRefusal> {
    let checked = world.router.check_page(routed, by_cookie);
    checked.inspect_err(|_foreign| story.foreign_page(routed.request.headers.get(ORIGIN)))
}

fn too_often(core: &Core, wait: Duration) -> Refusal {
    core.gate.crowd.metrics().shed("rate");
    Refusal::TooOften { wait }
}

async fn identify_device(
    core: &Core,
    client: &Client,
    world: &World,
    routed: &Routed,
    story: &mut Story,
) -> Result<KnownDevice, Refusal> {
    let taken = routed.app.device_authorities.as_ref();
    let found = device::identify(core, client, world, taken).await;
    let device = found.inspect_err(|refusal| story.refused_device(refusal))?;
    story.device(&device);
    core.gate.signals.active(&client.sighted, &client.secure, &device, story.at());
    Ok(device)
}

async fn identify_user(
    core: &Core,
    client: &Client,
    world: &World,
    routed: &Routed,
    device: &KnownDevice,
    story: &mut Story,
) -> Result<KnownUser, Refusal> {
    let ask = Ask {
        providers: &world.providers,
        rules: &world.rules,
        host: &routed.request.host,
        headers: &routed.request.headers,
        device,
        now: core.gate.clock.now(),
    };
    let mut user = core.users.identify(ask).await;
    if freshness::is_due(&user) {
        user = Box::pin(freshness::confirmed(core, world, ask)).await;
    }
    let user = user.inspect_err(|why| theft::notice(core, client, device, &routed.request.headers, *why, story))?;
    story.user(&user);
    Ok(user)
}

async fn forward(core: &Core, client: &Client, world: &World, allowed: Allowed, story: &mut Story) -> Result<Outcome, Refusal> {
    let request = &allowed.request().request;
    let app = Arc::clone(&allowed.request().app.name);
    let safe = matches!(request.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe || request.length != Some(0) || request.kind == Kind::WebSocket {
        story.before_app().await?;
    }
    if let Some(usage) = &allowed.permit().usage {
        let of = StreamId { request: story.id().0, tunnel: request.kind == Kind::WebSocket };
        // Each time that credit is taken, the decision is made again with the new figures; if it is no, the access is cut then.
        let access = story.held().map(Held::access);
        let may = move |_figures| access.as_ref().is_none_or(|access| access.ask_or_cut(Cause::Usage).is_ok());
        story.meter().pays_with(core.gate.usage.credit(usage.clone(), of), core.gate.clock.clone(), may);
    }
    let forwarder = core.forwarder(world);
    let answer = forwarder.send(allowed, &client.secure, story.meter()).await?;
    Ok(Outcome::App(Box::new(answer), app))
}

/// Where a person wanted to go.
pub(super) fn target(routed: &Routed) -> String {
    match &routed.request.query {
        Some(query) => format!("{}?{query}", routed.request.path),
        None => routed.request.path.to_string(),
    }
}
