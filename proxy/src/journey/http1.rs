//! A connection of HTTP/1.1, from its handshake to its end.
//!
//! While nothing is asked for on it for a moment, it rests: hyper, whose buffers are most of what an idle connection takes, is put away,
//! and made anew when the client sends something. hyper remembers nothing from one request to the next.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::IntGauge;

use super::bell::WhenWoken;
use super::body::Body;
use super::calls::Trouble;
use super::connection::{Client, answer};
use super::gate::Core;
use super::stream::Stream;
use super::travel::Hop;
use crate::config::Limits;
use crate::read::{GuardHandle, GuardedIo};

/// What the connection's task is told beside the requests.
enum Event {
    /// It ends here and now.
    Cut,
    /// It ends after the answers under way.
    Ends,
    /// Nothing was asked for, for a moment.
    Quiet,
    /// Something is wrong with it.
    Trouble(Trouble),
}

/// Counts a connection while it rests.
struct Rests<'a>(&'a IntGauge);

impl<'a> Rests<'a> {
    fn counted(resting: &'a IntGauge) -> Self {
        resting.inc();
        Self(resting)
    }
}

impl Drop for Rests<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Serves the connection until it ends.
pub(super) async fn serve(core: &Rc<Core>, limits: &Limits, stream: Box<Stream>, client: &Rc<Client>) {
    let (mut io, guard) = GuardedIo::new(stream, limits);
    let mut hyper = http1::Builder::new();
    hyper
        .timer(TokioTimer::new())
        // The guard has the deadlines, so that they end with our own answer.
        .header_read_timeout(None::<Duration>)
        .half_close(false)
        .max_buf_size(limits.head_bytes.max(MIN_BUFFER));
    let service = service_fn(|request: Request<Incoming>| {
        let hop = Hop::http1(GuardHandle::next_turn(&guard), guard.clone());
        // Boxed: room for a request is taken while there is one, and the next one on this core has the same.
        Box::pin(answer(Rc::clone(core), Rc::clone(client), hop, client.calls.begin(), request))
    });
    let stall = limits.idle_timeout;
    let mut cut = pin!(client.is_cut());
    loop {
        // Boxed: while the connection rests there is none.
        let connection = Box::new(hyper.serve_connection(TokioIo::new(io), &service).with_upgrades());
        let Some(at_rest) = awake(core, client, &guard, connection, cut.as_mut(), stall).await else { return };
        io = at_rest;
        let _rests = Rests::counted(&core.gate.metrics.resting);
        tokio::select! {
            biased;
            () = cut.as_mut() => return,
            _closing = client.draining() => {}
            () = rest(&mut io) => {}
        }
    }
}

/// Serves with `connection` until it is over (`None`), or rests.
async fn awake<S>(
    core: &Core,
    client: &Client,
    guard: &GuardHandle,
    mut connection: Box<http1::UpgradeableConnection<TokioIo<GuardedIo<Box<Stream>>>, S>>,
    mut cut: Pin<&mut impl Future<Output = ()>>,
    stall: Duration,
) -> Option<GuardedIo<Box<Stream>>>
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible> + Unpin,
{
    let mut ending = false;
    loop {
        let goes_on = !ending;
        let event = async {
            tokio::select! {
                biased;
                () = cut.as_mut() => Event::Cut,
                _closing = client.draining(), if goes_on => Event::Ends,
                // The guard sees to connections that are idle for too long.
                trouble = client.calls.trouble(Some(A_MOMENT), stall) => match trouble {
                    Trouble::Idle => Event::Quiet,
                    Trouble::Stalled | Trouble::BreaksOff => Event::Trouble(trouble),
                },
            }
        };
        let event = pin!(event);
        let event = tokio::select! {
            biased;
            event = WhenWoken::new(event) => event,
            ended = client.serving(Pin::new(&mut *connection), |_| ()) => {
                if let Err(error) = ended {
                    tracing::debug!(client = %client.secure.client, %error, "a connection ended badly");
                }
                return None;
            }
        };
        match event {
            Event::Cut => return None,
            Event::Ends => {
                ending = true;
                Pin::new(&mut *connection).graceful_shutdown();
            }
            Event::Quiet if !ending && guard.is_at_rest() && !client.lingers() => {
                let parts = connection.into_parts()?;
                let mut io = parts.io.into_inner();
                io.unread(parts.read_buf);
                return Some(io);
            }
            Event::Quiet => {}
            Event::Trouble(trouble) => {
                core.gate.metrics.cut.with_label_values(&[trouble.as_str()]).inc();
                return None;
            }
        }
    }
}

/// Resolves when the client sends something, or leaves, or is late.
async fn rest(io: &mut GuardedIo<Box<Stream>>) {
    poll_fn(|cx| match io.inner().poll_read_ready(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => io.poll_idle(cx),
    })
    .await;
}

/// hyper's smallest read buffer.
const MIN_BUFFER: usize = 8 * 1024;
/// Without a request for so long, a connection rests. A page and its pieces are asked for in less.
const A_MOMENT: Duration = Duration::from_secs(1);
