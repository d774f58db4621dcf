//! One client connection, from its handshake to its end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_rustls::server::TlsStream;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::access::Held;
use super::bell::WhenWoken;
use super::body::Body;
use super::calls::{Call, Calls, Trouble};
use super::gate::{Core, World};
use super::signals::Sighted;
use super::socket::{Fate, Socket};
use super::travel::{Hop, travel};
use crate::accept::{Said, Shed, Slot, read_proxy_protocol};
use crate::clock;
use crate::contain::Place;
use crate::forward::TunnelEnd;
use crate::identify_device::Memory;
use crate::read::{GuardHandle, GuardedIo, Quietly};
use crate::tls::{Alpn, SecureConnection};

/// What all requests of a connection share.
#[derive(Debug)]
pub(super) struct Client {
    /// What its handshake proved.
    pub(super) secure: SecureConnection,
    /// What was found out about its certificate.
    pub(super) memory: Memory,
    calls: Rc<Calls>,
    /// Bodies of refused requests that are still heard.
    pub(super) drains: Rc<Cell<usize>>,
    /// What it told of itself.
    pub(super) sighted: Sighted,
    close: CloseSoon,
    drain: watch::Receiver<bool>,
    cut: Cut,
    _seat: Seat,
}

/// How a connection is cut, and whether it has to be.
#[derive(Debug, Default)]
struct Cut {
    fate: Arc<Fate>,
    now: Notify,
    look: Notify,
    /// Accesses whose answers are complete, and not all in the kernel yet.
    lingering: RefCell<Vec<Held>>,
    over: Cell<bool>,
}

/// What a connection takes up, given back when nothing of it is left: a tunnel outlives what hyper calls a connection.
#[derive(Debug)]
pub(super) struct Seat {
    open: prometheus::IntGauge,
    slot: Slot,
    _tracked: TaskTrackerToken,
}

/// The other end of a connection. Found out once, when it comes in: a reload in between could take it for a balancer that is counted
/// by what it says, or for a client that is not counted at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    /// In canonical form.
    pub(super) address: SocketAddr,
    /// It speaks for others.
    pub(super) is_balancer: bool,
}

/// What a connection's task is told beside the requests.
enum Event {
    /// It ends here and now.
    Cut,
    /// It ends after the answers under way.
    Ends,
    /// Something is wrong with it.
    Trouble(Trouble),
    /// HTTP/2: the client sends much that says nothing.
    Noise,
}

/// Set when the connection shall end after the answers under way.
#[derive(Debug, Default)]
struct CloseSoon {
    asked: Cell<bool>,
    wake: Notify,
}

impl Client {
    /// Ends the connection after the answers under way, so that the browser can choose another certificate.
    pub(super) fn close_soon(&self) {
        self.secure.resumable.forget();
        self.close.asked.set(true);
        self.close.wake.notify_one();
    }

    /// Whether it ends after the answers under way.
    pub(super) fn closes_soon(&self) -> bool {
        self.close.asked.get()
    }

    /// Cuts the connection with all that is on it: the client sees that it broke.
    pub(super) fn cut(&self) {
        self.break_when_closed();
        self.calls.cut_streams();
        self.cut.now.notify_one();
    }

    /// The leases of everything that is under way on it.
    pub(super) fn leases(&self) -> Vec<Place> {
        self.calls.leases()
    }

    /// From now on, closing the socket throws away what the client has not got yet.
    pub(super) fn break_when_closed(&self) {
        self.cut.fate.reset_when_closed();
    }

    /// A stream was cut: soon looks whether the client takes anything, and cuts the connection if not.
    pub(super) fn look_at_socket(&self) {
        self.cut.look.notify_one();
    }

    /// Keeps an access whose answer is complete, until all of it has reached the kernel.
    pub(super) fn keep_until_flushed(&self, held: Held) {
        if !self.cut.over.get() {
            self.cut.fate.expect_flush();
            self.cut.lingering.borrow_mut().push(held);
        }
    }

    /// What a connection's task has polled may have flushed what accesses waited for.
    fn let_go_if_flushed(&self) {
        if self.cut.fate.is_flushed() && !self.cut.lingering.borrow().is_empty() {
            self.cut.lingering.take();
        }
    }

    /// Serves, and lets go of accesses whose answers are in the kernel.
    async fn serving<C: Future>(&self, mut connection: Pin<&mut C>) -> C::Output {
        std::future::poll_fn(|cx| {
            let polled: Poll<C::Output> = clock::turn(|| connection.as_mut().poll(cx));
            self.let_go_if_flushed();
            polled
        })
        .await
    }

    /// hyper has done with the connection.
    fn is_over(&self) {
        self.cut.over.set(true);
        self.cut.lingering.take();
    }

    /// Resolves when the connection is to be cut: on command, or because a stream was cut and the client takes nothing, so that what
    /// the stream was sent would wait in TLS and the kernel until it does.
    async fn is_cut(&self) {
        let stuck = async {
            loop {
                self.cut.look.notified().await;
                let written = self.cut.fate.written();
                tokio::time::sleep(PATIENCE).await;
                if self.cut.fate.is_stuck_at(written) {
                    self.cut();
                    return;
                }
            }
        };
        tokio::select! {
            () = self.cut.now.notified() => {}
            () = stuck => {}
        }
    }

    /// Resolves when the gate is about to end.
    pub(super) async fn draining(&self) -> TunnelEnd {
        drained(&mut self.drain.clone()).await;
        TunnelEnd::Draining
    }
}

impl Seat {
    /// For a connection that was let in.
    pub(super) fn new(core: &Core, slot: Slot, tracked: TaskTrackerToken) -> Self {
        let open = core.gate.metrics.connections.clone();
        open.inc();
        Self { open, slot, _tracked: tracked }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Serves a socket that was let in, until it ends or, once `drain` says so, its requests are done.
pub(super) async fn serve(core: Rc<Core>, mut socket: TcpStream, peer: Peer, mut seat: Seat, drain: watch::Receiver<bool>) {
    let world = core.gate.world.load_full();
    let deadline = tokio::time::Instant::now() + world.config.limits.handshake_timeout;
    let client = match client_address(&mut socket, peer, deadline, &mut seat.slot).await {
        Ok(client) => client,
        Err(why) => {
            core.gate.metrics.accepted.with_label_values(&[why]).inc();
            return;
        }
    };
    core.gate.metrics.accepted.with_label_values(&["served"]).inc();
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    let cut = Cut::default();
    let socket = Socket::new(socket, Arc::clone(&cut.fate));
    let (stream, secure) = match world.tls.handshake(socket, client, left).await {
        Ok(done) => done,
        Err(error) => {
            core.gate.metrics.handshakes.with_label_values(&[error.as_str()]).inc();
            tracing::debug!(%client, %error, "no TLS connection");
            return;
        }
    };
    core.gate.metrics.handshakes.with_label_values(&["done"]).inc();
    seat.slot.has_shaken_hands();
    let alpn = secure.alpn;
    let client = Rc::new(Client {
        secure,
        memory: Memory::default(),
        calls: Calls::new(),
        drains: Rc::default(),
        sighted: Sighted::default(),
        close: CloseSoon::default(),
        drain,
        cut,
        _seat: seat,
    });
    match alpn {
        Alpn::Http1 => serve_http1(&core, &world, stream, Rc::clone(&client)).await,
        Alpn::Http2 => serve_http2(&core, &world, stream, Rc::clone(&client)).await,
    }
    client.is_over();
}

impl Peer {
    /// The other end of a connection that comes in under `world`.
    pub(super) fn of(world: &World, address: SocketAddr) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let is_balancer = world.config.listen.proxy_protocol_from.iter().any(|balancers| balancers.contains(&address.ip()));
        Self { address, is_balancer }
    }
}

async fn client_address(
    socket: &mut TcpStream,
    peer: Peer,
    deadline: tokio::time::Instant,
    slot: &mut Slot,
) -> Result<SocketAddr, &'static str> {
    let Peer { address: peer, is_balancer } = peer;
    if !is_balancer {
        return Ok(peer);
    }
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    match read_proxy_protocol(socket, left).await {
        // Its clients share nothing but the balancer: each is counted by itself.
        Ok(Said::Client(client)) => slot.is_of(client.ip()).map(|()| client).map_err(Shed::as_str),
        Ok(Said::Nothing) => Ok(peer),
        Err(error) => {
            tracing::warn!(%peer, %error, "a balancer sent no usable PROXY header");
            Err(error.as_str())
        }
    }
}

async fn serve_http1(core: &Rc<Core>, world: &World, stream: TlsStream<Socket>, client: Rc<Client>) {
    let (io, guard) = GuardedIo::new(stream, &world.config.limits);
    let service = {
        let core = Rc::clone(core);
        let client = Rc::clone(&client);
        service_fn(move |request: Request<Incoming>| {
            let hop = Hop::http1(GuardHandle::next_turn(&guard), guard.clone());
            answer(Rc::clone(&core), Rc::clone(&client), hop, client.calls.begin(), request)
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The guard has the deadlines, so that they end with our own answer.
        .header_read_timeout(None::<Duration>)
        .half_close(false)
        .max_buf_size(world.config.limits.head_bytes.max(MIN_BUFFER))
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    tokio::pin!(connection);
    let cut = client.is_cut();
    tokio::pin!(cut);
    let stall = world.config.limits.idle_timeout;
    let mut ending = false;
    let ended = loop {
        let goes_on = !ending;
        let event = async {
            tokio::select! {
                biased;
                () = cut.as_mut() => Event::Cut,
                _closing = client.draining(), if goes_on => Event::Ends,
                // The guard sees to idle connections.
                trouble = client.calls.trouble(None, stall) => Event::Trouble(trouble),
            }
        };
        tokio::pin!(event);
        let event = tokio::select! {
            biased;
            event = WhenWoken::new(event) => event,
            ended = client.serving(connection.as_mut()) => break ended,
        };
        match event {
            Event::Cut | Event::Noise => return,
            Event::Ends => {
                ending = true;
                connection.as_mut().graceful_shutdown();
            }
            Event::Trouble(trouble) => {
                core.gate.metrics.cut.with_label_values(&[trouble.as_str()]).inc();
                return;
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %client.secure.client, %error, "a connection ended badly");
    }
}

async fn serve_http2(core: &Rc<Core>, world: &World, stream: TlsStream<Socket>, client: Rc<Client>) {
    let limits = &world.config.limits;
    let (stream, noise) = Quietly::new(stream);
    let service = {
        let core = Rc::clone(core);
        let client = Rc::clone(&client);
        service_fn(move |request: Request<Incoming>| {
            answer(Rc::clone(&core), Rc::clone(&client), Hop::http2(), client.calls.begin(), request)
        })
    };
    let connection = http2::Builder::new(OnThisCore(Rc::clone(&client.calls)))
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(limits.h2_streams)
        // h2 refuses what is larger without our page and our record. So it takes more, and `read` has the say.
        .max_header_list_size(u32::try_from(limits.head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.header_timeout)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let cut = client.is_cut();
    tokio::pin!(cut);
    let idle = limits.idle_timeout;
    client.calls.expect_first_within(limits.header_timeout);
    let mut ending = false;
    let ended = loop {
        let goes_on = !ending;
        let event = async {
            tokio::select! {
                biased;
                () = cut.as_mut() => Event::Cut,
                _closing = client.draining(), if goes_on => Event::Ends,
                () = client.close.wake.notified(), if goes_on => Event::Ends,
                trouble = client.calls.trouble(Some(idle), idle) => Event::Trouble(trouble),
                () = noise.heard() => Event::Noise,
            }
        };
        tokio::pin!(event);
        let event = tokio::select! {
            biased;
            event = WhenWoken::new(event) => event,
            ended = client.serving(connection.as_mut()) => break ended,
        };
        let farewell = match event {
            Event::Cut => return,
            Event::Ends => false,
            Event::Trouble(trouble) => {
                core.gate.metrics.cut.with_label_values(&[trouble.as_str()]).inc();
                // The client had its time. Dropping resets what is still open.
                ending || trouble != Trouble::Idle
            }
            Event::Noise => {
                core.gate.metrics.cut.with_label_values(&["noise"]).inc();
                true
            }
        };
        ending = true;
        connection.as_mut().graceful_shutdown();
        if farewell {
            break tokio::time::timeout(FAREWELL, connection.as_mut()).await.unwrap_or(Ok(()));
        }
    };
    if let Err(error) = ended {
        if let Some(reason) = why_cut(&error) {
            core.gate.metrics.cut.with_label_values(&[reason]).inc();
        }
        tracing::debug!(client = %client.secure.client, %error, "a connection ended badly");
    }
}

/// The word in metrics for a connection of HTTP/2 that was ended for what the client sent; `None` if the client ended it.
fn why_cut(error: &hyper::Error) -> Option<&'static str> {
    let error = std::error::Error::source(error)?.downcast_ref::<h2::Error>()?;
    let ours = error.is_go_away() && error.is_library();
    match error.reason().filter(|_| ours)? {
        h2::Reason::NO_ERROR => None,
        h2::Reason::ENHANCE_YOUR_CALM => Some("h2_flood"),
        _ => Some("h2_malformed"),
    }
}

async fn answer(
    core: Rc<Core>,
    client: Rc<Client>,
    hop: Hop,
    call: Call,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    call.started();
    Ok(travel(&core, &client, hop, Rc::new(call), request).await)
}

async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the gate is gone, which is as good as draining.
    let _gone = drain.wait_for(|draining| *draining).await;
}

/// Runs what hyper spawns on the thread that serves the connection: the streams of HTTP/2.
#[derive(Clone, Debug)]
struct OnThisCore(Rc<Calls>);

impl<F> hyper::rt::Executor<F> for OnThisCore
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(Rc::clone(&self.0).run_stream(future));
    }
}

/// hyper's smallest read buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// Bytes of an HTTP/2 answer that may wait for a slow client, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// For a client to take something of what it was sent, after a stream was cut.
const PATIENCE: Duration = Duration::from_millis(50);
/// For the last word (GOAWAY) to reach a client that is cut off.
const FAREWELL: Duration = Duration::from_millis(100);
