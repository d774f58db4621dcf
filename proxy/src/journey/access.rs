//! An access under way: what it takes to ask about it again, and to cut it.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use sekisho_policy::DenyReason;
use tokio::sync::Notify;

use super::calls::Call;
use super::connection::Client;
use super::gate::{Core, World};
use crate::clock::Timestamp;
use crate::config::CorsPreflight;
use crate::contain::{Cause, Hold, Kind, Lease, Mark, Place, Terms};
use crate::decide::Allowed;
use crate::identify_device::{DeviceRefusal, KnownDevice};
use crate::identify_user::{Again, Binding, KnownUser, UserRefusal};
use crate::inventory::SessionOver;
use crate::read;
use crate::route::Standing;

/// An access that was allowed and is not over.
pub(super) struct Access {
    core: Rc<Core>,
    client: Rc<Client>,
    call: Rc<Call>,
    place: Place,
    standing: Standing,
    app: Arc<str>,
    /// Who it was when it was allowed; `None` for anybody.
    user: Option<KnownUser>,
    /// What they have had, and how many requests of the last minute that were when it was allowed.
    usage: Option<(Hold, u64)>,
    /// What named them, where that was a bearer token.
    authorization: Option<HeaderValue>,
    form: Cell<Form>,
    /// Wakes the tunnel that is to end.
    tunnel: Notify,
}

/// An access with its lease; to be held until the last byte was handed on.
#[must_use]
#[derive(Debug)]
pub(super) struct Held(Lease<Rc<Access>>);

/// What an access looks like to its client, which decides how it hears of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// It waits for an answer, or gets one.
    Exchange,
    /// A gRPC answer, whose end is said in trailers.
    Grpc,
    /// A WebSocket.
    Tunnel,
}

/// An access that is not allowed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoMore {
    pub(super) cause: Cause,
    /// It is the device that may do nothing any more: its connection goes with all that is on it.
    whole_connection: bool,
}

impl Access {
    /// Enters what was just allowed. To be called in the same breath.
    pub(super) fn begin(core: &Rc<Core>, client: &Rc<Client>, call: &Rc<Call>, world: &World, allowed: &Allowed) -> Held {
        let (routed, permit) = (allowed.request(), allowed.permit());
        let user = permit.user.clone();
        let bearer = user.as_ref().is_some_and(|user| user.binding != Binding::Session && !user.by_certificate);
        let authorization = if bearer { routed.request.headers.get(AUTHORIZATION).cloned() } else { None };
        let terms = Terms {
            device: permit.device.as_ref().map_or(Mark::NOBODY, |device| Mark::of(device.device.id.as_str())),
            session: user.as_ref().map_or(Mark::NOBODY, |user| Mark::of(&user.session.id.0)),
            user: user.as_ref().map_or(Mark::NOBODY, |user| {
                let id = &user.session.user;
                Mark::of_two(&id.provider, &id.subject)
            }),
            app: Mark::of(&routed.app.name),
            generation: world.generation,
            valid_until: valid_until(permit.device.as_ref(), user.as_ref()),
        };
        let kind = if routed.request.length == Some(0) { Kind::Request } else { Kind::Upload };
        Held(core.leases.register(terms, kind, |place| {
            call.is_leased(place);
            Rc::new(Self {
                core: Rc::clone(core),
                client: Rc::clone(client),
                call: Rc::clone(call),
                place,
                standing: Standing::of(routed),
                app: Arc::clone(&routed.app.name),
                user,
                usage: permit.usage.clone().zip(permit.basis.as_ref().map(|basis| basis.usage.requests_1m)),
                authorization,
                form: Cell::new(Form::Exchange),
                tunnel: Notify::new(),
            })
        }))
    }

    /// Asks again, the whole way, with everything as it is at `now`. What is still allowed holds on by the policies and configuration
    /// that are in force now. What cannot be asked is not allowed.
    ///
    /// # Errors
    /// [`NoMore`]; `denied` is what it is called when policy says no.
    pub(super) fn ask_again(&self, denied: Cause, now: Timestamp) -> Result<(), NoMore> {
        let asked = catch_unwind(AssertUnwindSafe(|| self.still(denied, now)));
        asked.unwrap_or_else(|_panic| {
            self.core.gate.metrics.panics.inc();
            Err(NoMore::of(Cause::Unsure))
        })
    }

    fn still(&self, denied: Cause, now: Timestamp) -> Result<(), NoMore> {
        let core = &*self.core;
        let world = core.gate.world.load();
        // A reload whose lever has not come by yet: it is not time or usage that denies then.
        let reloaded = core.leases.generation(self.place).is_some_and(|generation| generation != world.generation);
        let denied = if reloaded && matches!(denied, Cause::Time | Cause::Usage) { Cause::Policies } else { denied };
        let secure = &self.client.secure;
        let placed = world.router.again(&self.standing, secure).map_err(|_nobody| NoMore::of(Cause::Configuration))?;
        if placed.app.name != self.app {
            return Err(NoMore::of(Cause::Configuration));
        }
        let decider = world.decider.as_ref().ok_or(NoMore::of(Cause::Unsure))?;
        let preflight = self.standing.kind == read::Kind::Preflight && placed.app.cors_preflight == CorsPreflight::Forward;
        let known = if placed.public || preflight {
            None
        } else {
            let _sure_of_the_time = core.gate.clock.look().map_err(|_unsure| NoMore::of(Cause::Unsure))?;
            // It was public, and is not any more.
            let user = self.user.as_ref().ok_or(NoMore::of(Cause::Configuration))?;
            let taken = placed.app.device_authorities.as_ref();
            let (leaf, inventory) = (secure.leaf.as_ref(), &core.gate.inventory);
            let found = self.client.memory.identify(leaf, &world.devices, world.generation, taken, inventory, now);
            let device = found.map_err(|why| no_device(&why))?;
            let ask = Again {
                providers: &world.providers,
                rules: &world.rules,
                user,
                authorization: self.authorization.as_ref(),
                device: &device,
                now,
            };
            let over = user.session.expires_at <= now;
            let user = core.users.again(ask).map_err(|why| match no_user(why) {
                // Its time is over, also if whoever sweeps up was quicker to end it.
                Cause::SessionEnded if over => NoMore::of(Cause::SessionExpired),
                cause => NoMore::of(cause),
            })?;
            Some((device, user))
        };
        let (device, user) = known.as_ref().map(|(device, user)| (device, user)).unzip();
        let again_as =
            |user, usage| decider.again((&self.standing, &placed), device.zip(user), usage, secure, &core.prepared, now);
        let again = |usage| again_as(user, usage);
        let usage = self.usage.as_ref().map(|(usage, requests)| (usage, *requests));
        again(usage).map_err(|why| match (why, denied) {
            (DenyReason::EvaluationFailed, _) => NoMore::of(Cause::Unsure),
            // Other facts whose lever has not come by yet: it is they that deny if who it was at first may go on.
            (_, Cause::Time | Cause::Usage) if again_as(self.user.as_ref(), usage).is_ok() => NoMore::of(Cause::SessionChanged),
            // Time passes and usage grows at once: it is usage if somebody who has had nothing may go on.
            (_, Cause::Time | Cause::Usage) if again(None).is_ok() => NoMore::of(Cause::Usage),
            (_, Cause::Usage) => NoMore::of(Cause::Time),
            (DenyReason::NoPermit | DenyReason::Forbidden, denied) => NoMore::of(denied),
        })?;
        core.leases.renew(self.place, world.generation, valid_until(device, user));
        Ok(())
    }

    /// Asks again, with everything as it is now, and cuts if the answer is no. For whoever knows that a fact has changed: a stream
    /// that takes credit of its usage. `denied` is what it is called when policy says no.
    ///
    /// # Errors
    /// Why it is cut. Nothing may be handed on then.
    pub(super) fn ask_or_cut(&self, denied: Cause) -> Result<(), Cause> {
        if let Some(cause) = self.core.leases.cause(self.place) {
            return Err(cause);
        }
        self.ask_again(denied, self.core.gate.clock.now()).map_err(|why| {
            self.cut(why, None);
            why.cause
        })
    }

    /// Ends it. The client sees that it broke, never a short answer; the app that it was broken off, never a whole upload.
    pub(super) fn cut(&self, why: NoMore, since: Option<Instant>) {
        if !self.core.leases.cut(self.place, why.cause, since) {
            return;
        }
        tracing::debug!(app = %self.app, cause = why.cause.as_str(), "an access is cut");
        if why.whole_connection {
            // Whatever else is on it goes for the same reason, though nobody has asked about it yet.
            for neighbour in self.client.leases() {
                self.core.leases.cut(neighbour, why.cause, since);
            }
        }
        let over_http2 = self.call.is_stream();
        match self.form.get() {
            Form::Tunnel if !(over_http2 && why.whole_connection) => self.tunnel.notify_one(),
            _ if why.whole_connection || !over_http2 => self.client.cut(),
            Form::Grpc if !self.call.is_waiting() => {
                self.call.poll_again();
                tokio::task::spawn_local(self.end_of_farewell());
            }
            Form::Exchange | Form::Grpc | Form::Tunnel => self.cut_stream(),
        }
    }

    /// Ends a stream of HTTP/2, and its connection if the client takes nothing: what it was sent would wait there, and the end with it.
    fn cut_stream(&self) {
        self.call.cut_stream();
        self.client.look_at_socket();
    }

    /// For a last word that hyper did not come for in time.
    fn end_of_farewell(&self) -> impl Future<Output = ()> + 'static {
        let (core, place) = (Rc::clone(&self.core), self.place);
        async move {
            tokio::time::sleep(FAREWELL).await;
            if let Some(access) = core.leases.handle(place) {
                access.cut_stream();
            }
        }
    }
}

impl Held {
    /// As [`Access::ask_or_cut`].
    ///
    /// # Errors
    /// Why it was cut.
    pub(super) fn ask_again(&self, denied: Cause) -> Result<(), Cause> {
        self.0.handle().ask_or_cut(denied)
    }

    /// The access, for whoever asks again.
    pub(super) fn access(&self) -> Rc<Access> {
        Rc::clone(self.0.handle())
    }

    /// Why it was cut, if it was.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.0.cause()
    }

    /// The app answers; `grpc`: in a way that ends with trailers.
    pub(super) fn is_answered(&self, grpc: bool) {
        self.0.becomes(Kind::Download);
        if grpc {
            self.0.handle().form.set(Form::Grpc);
        }
    }

    /// A WebSocket stands.
    pub(super) fn is_tunnel(&self) {
        self.0.becomes(Kind::WebSocket);
        self.0.handle().form.set(Form::Tunnel);
    }

    /// The answer is told by trailers, which have a word for its end.
    pub(super) fn ends_with_trailers(&self) -> bool {
        self.0.handle().form.get() == Form::Grpc
    }

    /// Whether the client came by HTTP/2.
    pub(super) fn is_stream(&self) -> bool {
        self.0.handle().call.is_stream()
    }

    /// Resolves when a tunnel has to end.
    pub(super) async fn tunnel_ends(&self) {
        self.0.handle().tunnel.notified().await;
    }

    /// The tunnel's client takes nothing, not even a farewell.
    pub(super) fn break_tunnel(&self) {
        let access = self.0.handle();
        if access.call.is_stream() {
            access.cut_stream();
        } else {
            access.client.break_when_closed();
        }
    }

    /// The last byte is out, before the lease ends.
    pub(super) fn is_silent(&self) {
        self.0.is_silent();
    }

    /// The answer is complete as far as hyper asks; what of it has not reached the kernel can still be cut.
    pub(super) fn linger(self) {
        if self.cause().is_none() {
            let client = Rc::clone(&self.0.handle().client);
            client.keep_until_flushed(self);
        }
    }
}

impl NoMore {
    pub(super) fn of(cause: Cause) -> Self {
        Self { cause, whole_connection: false }
    }
}

/// The last moment for which dates allow it.
fn valid_until(device: Option<&KnownDevice>, user: Option<&KnownUser>) -> Timestamp {
    let certificate = device.map_or(Timestamp(i64::MAX), |device| device.not_after);
    certificate.min(user.map_or(Timestamp(i64::MAX), |user| user.session.expires_at.min(user.facts_until)))
}

fn no_device(why: &DeviceRefusal) -> NoMore {
    let whole = |cause| NoMore { cause, whole_connection: true };
    match why {
        DeviceRefusal::Quarantined(_) => whole(Cause::DeviceQuarantined),
        DeviceRefusal::Retired(_) | DeviceRefusal::Unlisted(_) | DeviceRefusal::FirstSight { .. } => whole(Cause::DeviceRetired),
        DeviceRefusal::NoCertificate
        | DeviceRefusal::Certificate(_)
        | DeviceRefusal::OtherKey(_)
        | DeviceRefusal::FormerKey(_) => whole(Cause::Certificate),
        DeviceRefusal::Pending(_) => whole(Cause::DeviceChanged),
        DeviceRefusal::AuthorityNotTaken(_) => NoMore::of(Cause::Configuration),
        DeviceRefusal::InventoryBehind => NoMore::of(Cause::Unsure),
    }
}

fn no_user(why: UserRefusal) -> Cause {
    match why {
        UserRefusal::SessionOver(SessionOver::Ended) | UserRefusal::UnknownSession | UserRefusal::FactsRefused => {
            Cause::SessionEnded
        }
        UserRefusal::SessionOver(SessionOver::Expired) => Cause::SessionExpired,
        UserRefusal::SessionOver(SessionOver::Idle) => Cause::SessionIdle,
        UserRefusal::FactsStale | UserRefusal::FactsExpired => Cause::FactsStale,
        UserRefusal::Suspended => Cause::UserSuspended,
        UserRefusal::OtherDevice | UserRefusal::OtherHost => Cause::SessionChanged,
        UserRefusal::NoKeys(_) => Cause::Unsure,
        UserRefusal::NoCredential
        | UserRefusal::MalformedCookie
        | UserRefusal::MalformedAuthorization
        | UserRefusal::Token(_)
        | UserRefusal::TokenKind
        | UserRefusal::TokenStopped
        | UserRefusal::OtherCertificate
        | UserRefusal::Issuer
        | UserRefusal::Audience
        | UserRefusal::Claims(_)
        | UserRefusal::Groups(_)
        | UserRefusal::Confirmation => Cause::Token,
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("app", &self.app).finish_non_exhaustive()
    }
}

/// For gRPC's last word.
const FAREWELL: Duration = Duration::from_millis(50);
