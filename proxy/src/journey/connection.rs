//! One client connection, from its handshake to its end.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::access::Held;
use super::body::Body;
use super::calls::{Call, Calls};
use super::gate::{Core, World};
use super::http1;
use super::http2;
use super::signals::Sighted;
use super::socket::{Fate, Socket};
use super::stream::Stream;
use super::travel::{Hop, travel};
use crate::accept::{Said, Shed, Slot, read_proxy_protocol};
use crate::clock;
use crate::config::Config;
use crate::contain::Place;
use crate::forward::TunnelEnd;
use crate::identify_device::Memory;
use crate::read::LastHost;
use crate::tls::{Alpn, SecureConnection};

/// What all requests of a connection share.
#[derive(Debug)]
pub(super) struct Client {
    /// What its handshake proved.
    pub(super) secure: SecureConnection,
    /// What it asked for last.
    pub(super) last_host: LastHost,
    /// What was found out about its certificate.
    pub(super) memory: Memory,
    /// Whether its key, which is not its device's, was so before. Asked once.
    pub(super) former_key: Cell<Option<bool>>,
    /// What its certificate says of the device was heard.
    pub(super) heard: Cell<bool>,
    /// Its requests.
    pub(super) calls: Rc<Calls>,
    /// Bodies of refused requests that are still heard.
    pub(super) drains: Rc<Cell<usize>>,
    /// What it told of itself.
    pub(super) sighted: Sighted,
    pub(super) close: CloseSoon,
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

/// Set when the connection shall end after the answers under way.
#[derive(Debug, Default)]
pub(super) struct CloseSoon {
    asked: Cell<bool>,
    pub(super) wake: Notify,
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

    /// Whether there are such accesses.
    pub(super) fn lingers(&self) -> bool {
        !self.cut.lingering.borrow().is_empty()
    }

    /// Serves, does what is due at the end of each turn, and lets go of accesses whose answers are in the kernel.
    pub(super) async fn serving<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        turn_ends: impl Fn(&mut Context<'_>),
    ) -> C::Output {
        std::future::poll_fn(|cx| {
            let polled: Poll<C::Output> = clock::turn(|| connection.as_mut().poll(cx));
            turn_ends(cx);
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
    pub(super) async fn is_cut(&self) {
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
pub(super) async fn serve(core: Rc<Core>, socket: TcpStream, peer: Peer, seat: Seat, drain: watch::Receiver<bool>) {
    // Boxed: it takes much more to begin than to go on.
    let Some((stream, client, config)) = Box::pin(begin(&core, socket, peer, seat, drain)).await else { return };
    match client.secure.alpn {
        Alpn::Http1 => http1::serve(&core, &config.limits, stream, &client).await,
        Alpn::Http2 => Box::pin(http2::serve(&core, &config.limits, stream, &client)).await,
    }
    client.is_over();
}

/// Shakes hands. `None`: that did not come about.
async fn begin(
    core: &Core,
    mut socket: TcpStream,
    peer: Peer,
    mut seat: Seat,
    drain: watch::Receiver<bool>,
) -> Option<(Box<Stream>, Rc<Client>, Arc<Config>)> {
    let world = core.gate.world.load_full();
    let deadline = tokio::time::Instant::now() + world.config.limits.handshake_timeout;
    let client = match client_address(&mut socket, peer, deadline, &mut seat.slot).await {
        Ok(client) => client,
        Err(why) => {
            core.gate.metrics.accepted.with_label_values(&[why]).inc();
            return None;
        }
    };
    core.gate.metrics.accepted.with_label_values(&["served"]).inc();
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    let cut = Cut::default();
    let socket = Socket::new(socket, Arc::clone(&cut.fate));
    let (stream, secure) = match world.tls.handshake(socket, client, left).await {
        // Boxed: much of it, in the hands of one after the other.
        Ok((stream, secure)) => (Box::new(Stream::new(stream)), secure),
        Err(error) => {
            core.gate.metrics.handshakes.with_label_values(&[error.as_str()]).inc();
            tracing::debug!(%client, %error, "no TLS connection");
            return None;
        }
    };
    core.gate.metrics.handshakes.with_label_values(&["done"]).inc();
    seat.slot.has_shaken_hands();
    let client = Rc::new(Client {
        secure,
        last_host: LastHost::default(),
        memory: Memory::default(),
        former_key: Cell::new(None),
        heard: Cell::new(false),
        calls: Calls::new(),
        drains: Rc::default(),
        sighted: Sighted::default(),
        close: CloseSoon::default(),
        drain,
        cut,
        _seat: seat,
    });
    Some((stream, client, Arc::clone(&world.config)))
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

/// Answers a request of the connection.
pub(super) async fn answer(
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

/// For a client to take something of what it was sent, after a stream was cut.
const PATIENCE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn room<A, B, C, D, E, F>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_connection_takes_little_room_and_a_request_not_much() {
        assert!(room(serve) <= 2 * 1024, "{}", room(serve));
        assert!(room(answer) <= 10 * 1024, "{}", room(answer));
    }
}
