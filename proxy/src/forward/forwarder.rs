//! The forwarding of one core.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use http::header::EXPECT;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::answer::Answer;
use super::attempt::{self, Failure, Message, Sent};
use super::balance;
use super::body::AppBody;
use super::error::ForwardError;
use super::exchange::{CutUnlessAnswered, Exchange, Meter};
use super::lease::Lease;
use super::local::LocalTarget;
use super::passport::Passports;
use super::request_body::{GoAhead, RequestBody};
use super::request_head::{self, Facts};
use super::response_head;
use super::shared::{ForwardShared, Target};
use super::websocket;
use crate::clock;
use crate::config::{UpstreamProtocol, UpstreamScheme};
use crate::decide::{Allowed, Permit};
use crate::read::{Clean, Kind};
use crate::tls::SecureConnection;

/// Forwards on one core. Not `Send`; [`Forwarder::new`] and all exchanges belong into one `LocalSet`.
#[derive(Debug)]
pub struct Forwarder {
    shared: Arc<ForwardShared>,
    targets: Rc<HashMap<Arc<str>, Rc<LocalTarget>>>,
    passports: Rc<Passports>,
}

impl Forwarder {
    /// The forwarding of a core. To be called inside its `LocalSet`.
    pub fn new(shared: Arc<ForwardShared>) -> Self {
        Self::build(shared, None)
    }

    /// The same core after a reload. Idle connections to upstreams that stay are kept; exchanges under way go on as they began.
    #[must_use]
    pub fn reloaded(&self, shared: Arc<ForwardShared>) -> Self {
        Self::build(shared, Some(self))
    }

    fn build(shared: Arc<ForwardShared>, previous: Option<&Self>) -> Self {
        let local = |target: &Arc<_>, name: &Arc<str>| {
            LocalTarget::new(target, previous.and_then(|old| old.targets.get(name)).map(|old| &**old))
        };
        let targets: HashMap<_, _> =
            shared.targets().map(|target| (Arc::clone(&target.app.name), local(target, &target.app.name))).collect();
        let targets = Rc::new(targets);
        tokio::task::spawn_local(sweep(Rc::downgrade(&targets)));
        let passports = match previous {
            Some(old) if old.shared.issuer() == shared.issuer() => Rc::clone(&old.passports),
            Some(_) | None => Rc::new(Passports::new()),
        };
        Self { shared, targets, passports }
    }

    /// Sends an allowed request to its app, and waits for the head of the answer.
    ///
    /// Dropping the future cuts the exchange. `meter` counts the bytes of bodies, those of failed exchanges too.
    ///
    /// # Errors
    /// [`ForwardError`]; nothing of an answer was handed on then.
    pub async fn send(&self, allowed: Allowed, client: &SecureConnection, meter: &Rc<Meter>) -> Result<Answer, ForwardError> {
        let (routed, permit) = allowed.into_parts();
        let local = Rc::clone(self.targets.get(&routed.app.name).ok_or(ForwardError::UnknownApp)?);
        let outcome = self.answer(&local, routed.request, &permit, client, meter).await;
        local.target.metrics.count(&outcome);
        outcome
    }

    async fn answer(
        &self,
        local: &LocalTarget,
        mut request: Box<Clean>,
        permit: &Permit,
        client: &SecureConnection,
        meter: &Rc<Meter>,
    ) -> Result<Answer, ForwardError> {
        let target = &*local.target;
        let facts = Facts { shared: &self.shared, target, permit, client, passports: &self.passports };
        let headers = request_head::headers(&mut request, &facts)?;
        if request.kind == Kind::WebSocket {
            return Box::pin(websocket::open(local, request, headers, permit.user.is_some(), meter)).await;
        }
        let max = target.app.max_body.unwrap_or(self.shared.default_max_body);
        let exchange = Exchange::new(Rc::clone(meter), self.shared.body_pace);
        let _cut = CutUnlessAnswered(Rc::clone(&exchange));
        let message = message(request, headers, target, max, &exchange)?;
        let (response, mut lease) = deliver(local, message, &exchange).await?;
        let (mut parts, incoming) = response.into_parts();
        if let Some(seconds) = response_head::keep_alive_seconds(&parts.headers) {
            lease.app_keeps_it(Duration::from_secs(seconds));
        }
        if !response_head::clean(&mut parts, permit.user.is_some())? {
            lease.never_reuse();
        }
        exchange.answered();
        let mut response = Response::new(AppBody::new(incoming, exchange, lease, target.app.timeouts.idle));
        *response.status_mut() = parts.status;
        *response.headers_mut() = parts.headers;
        Ok(Answer { response, tunnel: None })
    }
}

/// The message to the app.
fn message(
    request: Box<Clean>,
    mut headers: HeaderMap,
    target: &Target,
    max: u64,
    exchange: &Rc<Exchange>,
) -> Result<Message, ForwardError> {
    let protocol = target.app.protocol;
    let scheme = target.app.upstreams.first().map_or(UpstreamScheme::Http, |upstream| upstream.scheme);
    let uri = request_head::uri(&request, target, scheme, protocol)?;
    let body = RequestBody::new(request.body, request.length, max, Rc::clone(exchange))?;
    request_head::set_framing(&mut headers, &request.method, request.length, body.is_empty(), protocol);
    match protocol {
        UpstreamProtocol::Http1 => request_head::for_http1(&mut headers),
        UpstreamProtocol::Http2 => request_head::for_http2(&mut headers),
    }
    let mut message = Request::new(body);
    *message.method_mut() = request.method;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    *message.version_mut() = match protocol {
        UpstreamProtocol::Http1 => Version::HTTP_11,
        UpstreamProtocol::Http2 => Version::HTTP_2,
    };
    wait_for_go_ahead(&mut message, protocol);
    Ok(message)
}

/// A message without a body, for a second attempt. Nearly none has one, so this is a list and no table.
struct Again {
    method: Method,
    uri: Uri,
    headers: Vec<(HeaderName, HeaderValue)>,
    version: Version,
}

impl Again {
    fn of(message: &Message) -> Self {
        Self {
            method: message.method().clone(),
            uri: message.uri().clone(),
            headers: message.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            version: message.version(),
        }
    }

    fn message(&self, exchange: &Rc<Exchange>) -> Message {
        let mut message = Request::new(RequestBody::empty(Rc::clone(exchange)));
        *message.method_mut() = self.method.clone();
        *message.uri_mut() = self.uri.clone();
        *message.version_mut() = self.version;
        for (name, value) in &self.headers {
            message.headers_mut().append(name, value.clone());
        }
        message
    }
}

/// `Expect: 100-continue`: the body waits for the app's 100 (Continue), and with it the client, who gets its own 100 when the body is
/// first asked for.
fn wait_for_go_ahead(message: &mut Message, protocol: UpstreamProtocol) {
    if !message.headers().contains_key(EXPECT) {
        return;
    }
    let waits =
        request_head::expects_continue(message.headers()) && protocol == UpstreamProtocol::Http1 && !message.body().is_empty();
    if !waits {
        message.headers_mut().remove(EXPECT);
        return;
    }
    let go_ahead = Arc::new(GoAhead::default());
    message.body_mut().hold(Arc::clone(&go_ahead), CONTINUE_PATIENCE);
    hyper::ext::on_informational(message, move |informational| {
        if informational.status() == http::StatusCode::CONTINUE {
            go_ahead.give();
        }
    });
}

/// Sends the message, again if that is safe, until the head of an answer is there.
async fn deliver(
    local: &LocalTarget,
    mut message: Message,
    exchange: &Rc<Exchange>,
) -> Result<(Response<Incoming>, Lease), ForwardError> {
    let target = &*local.target;
    let protocol = target.app.protocol;
    // Only what has no body and may be done twice is worth a copy: everything else can be sent again only if it comes back.
    let again = (message.body().is_empty() && message.method().is_idempotent()).then(|| Again::of(&message));
    let mut tried = Vec::new();
    loop {
        let (endpoint, load) = balance::choose(&local.endpoints, &local.turn, &tried)?;
        let began = clock::instant();
        let outcome = match protocol {
            UpstreamProtocol::Http1 => attempt::http1(target, endpoint, message, exchange, load, !tried.is_empty()).await,
            UpstreamProtocol::Http2 => Box::pin(attempt::http2(target, endpoint, message, exchange, load)).await,
        };
        let Failure { error, sent } = match outcome {
            Ok(answer) => {
                endpoint.endpoint.standing.succeeded();
                target.metrics.first_byte_seconds.observe(clock::instant().saturating_duration_since(began).as_secs_f64());
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        target.blame(&endpoint.endpoint, error);
        if tried.len() >= MOST_RETRIES {
            return Err(error);
        }
        tried.push(Rc::as_ptr(endpoint));
        message = match (sent, &again) {
            (Sent::Nothing(message), _) => *message,
            (Sent::Perhaps, Some(again)) => again.message(exchange),
            (Sent::Perhaps, None) | (Sent::InVain, _) => return Err(error),
        };
        target.metrics.retries.inc();
    }
}

/// Drops what idles too long, as long as the core uses these targets.
async fn sweep(targets: Weak<HashMap<Arc<str>, Rc<LocalTarget>>>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let Some(targets) = targets.upgrade() else { return };
        targets.values().for_each(|target| target.sweep());
    }
}

/// Attempts after the first.
const MOST_RETRIES: usize = 2;
/// How long the body waits for an app that does not answer `Expect: 100-continue`.
const CONTINUE_PATIENCE: Duration = Duration::from_secs(1);
/// How often idle connections are looked over.
const SWEEP: Duration = Duration::from_secs(5);
