//! HTTP/2 connections of one upstream on one core: few, each shared by many exchanges.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::connect::{Route, connect};
use super::error::ForwardError;
use super::request_body::RequestBody;
use crate::clock;

/// The connections. A new one is made when all are full; one that is closing (GOAWAY) takes no new exchange and finishes the old.
#[derive(Debug, Default)]
pub(super) struct Multiplex {
    open: RefCell<Vec<Shared>>,
    /// One attempt to connect at a time: the others wait for its result.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Shared {
    sender: SendRequest<RequestBody>,
    /// Streams of ours on it. Its `Rc` count is one more than the tickets out.
    users: Rc<()>,
    /// What the app allows now (SETTINGS_MAX_CONCURRENT_STREAMS, RFC 9113, section 6.5.2).
    room: Rc<Cell<usize>>,
    last_used: Cell<Instant>,
    task: AbortHandle,
}

/// The right to one stream; holds its place until dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) place: Place,
}

/// A stream's place on its connection.
#[derive(Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "it is counted, not read")] Rc<()>);

/// Runs hyper's futures on this core.
#[derive(Clone, Copy, Debug)]
struct Local;

impl<F: Future + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

impl Multiplex {
    /// A stream on an open connection, if there is room.
    pub(super) fn take(&self) -> Option<Ticket> {
        let mut open = self.open.borrow_mut();
        open.retain(|shared| !shared.sender.is_closed());
        let full = open.len() >= MOST_CONNECTIONS;
        let least = open.iter().min_by_key(|shared| Rc::strong_count(&shared.users))?;
        // When no further connection may be made, hyper lets the exchange wait for its turn.
        (full || least.has_room()).then(|| least.ticket())
    }

    /// A stream, on a new connection if need be. True if it is new.
    ///
    /// # Errors
    /// As [`connect`], and [`ForwardError::ProtocolRefused`].
    pub(super) async fn take_or_connect(&self, route: &Route, deadline: Instant) -> Result<(Ticket, bool), ForwardError> {
        if let Some(ticket) = self.take() {
            return Ok((ticket, false));
        }
        let _turn =
            tokio::time::timeout_at(deadline, self.connecting.lock()).await.map_err(|_elapsed| ForwardError::ConnectTimedOut)?;
        if let Some(ticket) = self.take() {
            return Ok((ticket, false));
        }
        let shared =
            tokio::time::timeout_at(deadline, open(route, deadline)).await.unwrap_or(Err(ForwardError::ConnectTimedOut))?;
        let ticket = shared.ticket();
        self.open.borrow_mut().push(shared);
        Ok((ticket, true))
    }

    /// Drops connections that are closed or were not used for a while.
    pub(super) fn sweep(&self) {
        self.open.borrow_mut().retain(|shared| {
            let unused = Rc::strong_count(&shared.users) == 1 && shared.last_used.get().elapsed() > KEEP_IDLE;
            if unused {
                shared.task.abort();
            }
            !unused && !shared.sender.is_closed()
        });
    }
}

impl Shared {
    fn has_room(&self) -> bool {
        Rc::strong_count(&self.users) <= self.room.get()
    }

    fn ticket(&self) -> Ticket {
        self.last_used.set(clock::instant());
        Ticket { sender: self.sender.clone(), place: Place(Rc::clone(&self.users)) }
    }
}

async fn open(route: &Route, deadline: Instant) -> Result<Shared, ForwardError> {
    let io = connect(route, deadline).await?;
    if route.tls.is_some() && !io.agreed_on_h2() {
        return Err(ForwardError::ProtocolRefused);
    }
    let mut builder = http2::Builder::new(Local);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PONG)
        .max_header_list_size(HEADERS)
        .max_concurrent_reset_streams(64);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.map_err(|problem| {
        tracing::warn!(%problem, "no HTTP/2 connection to an upstream");
        ForwardError::ProtocolRefused
    })?;
    let room = Rc::new(Cell::new(connection.current_max_send_streams().max(1)));
    let seen = Rc::clone(&room);
    let task = tokio::task::spawn_local(async move {
        let mut connection = pin!(connection);
        poll_fn(|cx| {
            let done = connection.as_mut().poll(cx);
            if done.is_pending() {
                seen.set(connection.current_max_send_streams().max(1));
            }
            match done {
                Poll::Ready(Err(problem)) => {
                    tracing::debug!(%problem, "an HTTP/2 connection to an upstream ended");
                    Poll::Ready(())
                }
                Poll::Ready(Ok(())) => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
    });
    let last_used = Cell::new(clock::instant());
    Ok(Shared { sender, users: Rc::new(()), room, last_used, task: task.abort_handle() })
}

/// Connections per upstream and core. Beyond them exchanges wait for their turn on one of these.
const MOST_CONNECTIONS: usize = 4;
/// An unused connection is closed after this.
const KEEP_IDLE: Duration = Duration::from_secs(90);
/// A connection with streams is asked for a sign of life this often.
const PING: Duration = Duration::from_secs(20);
/// How long the sign may take.
const PONG: Duration = Duration::from_secs(10);
/// Bytes of an answer's head.
const HEADERS: u32 = 64 * 1024;
