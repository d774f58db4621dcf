//! One attempt to have an exchange with one upstream.

use std::error::Error as _;
use std::rc::Rc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;

use super::connect::connect;
use super::error::ForwardError;
use super::exchange::{Exchange, RequestState};
use super::lease::{Lease, Load, Own};
use super::local::LocalEndpoint;
use super::request_body::RequestBody;
use super::shared::Target;
use crate::clock;

/// The message to an app.
pub(super) type Message = Request<RequestBody>;

/// An attempt that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ForwardError,
    pub(super) sent: Sent,
}

/// How much of the message went out.
#[derive(Debug)]
pub(super) enum Sent {
    /// Nothing: it may be sent elsewhere, whatever it is.
    Nothing(Box<Message>),
    /// Some or all of it: the app may have acted on it.
    Perhaps,
    /// Some or all of it, and the time for an answer is over too.
    InVain,
}

/// Sends `message` over HTTP/1.1 and waits for the head of the answer. With `fresh`, on a new connection: where one idle connection
/// turned out to be dead, its neighbours may be too.
pub(super) async fn http1(
    target: &Target,
    local: &LocalEndpoint,
    message: Message,
    exchange: &Rc<Exchange>,
    load: Load,
    fresh: bool,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let idle = if fresh { None } else { local.pool.take() };
    let mut lease = match idle {
        Some((sender, task)) => {
            target.metrics.reused.inc();
            Lease::own(Own { sender, task, pool: Rc::clone(&local.pool), keep: KEEP_IDLE }, load)
        }
        None => match Box::pin(open_http1(target, local)).await {
            Ok(own) => Lease::own(own, load),
            Err(error) => return Err(Failure { error, sent: Sent::Nothing(Box::new(message)) }),
        },
    };
    let Some(sender) = lease.sender() else {
        return Err(Failure { error: ForwardError::AppReset, sent: Sent::Nothing(Box::new(message)) });
    };
    exchange.restart();
    let sending = sender.try_send_request(message);
    tokio::select! {
        biased;
        answer = sending => match answer {
            Ok(response) => Ok((response, lease)),
            Err(problem) => Err(failure(problem, exchange)),
        },
        error = exchange.overdue(&target.app.timeouts) => Err(Failure { error, sent: Sent::InVain }),
    }
}

/// The same over HTTP/2.
pub(super) async fn http2(
    target: &Target,
    local: &LocalEndpoint,
    message: Message,
    exchange: &Rc<Exchange>,
    load: Load,
) -> Result<(Response<Incoming>, Lease), Failure> {
    let began = clock::instant();
    let deadline = began + target.app.timeouts.connect;
    let mut ticket = match local.multiplex.take_or_connect(&local.endpoint.usual, deadline).await {
        Ok((ticket, false)) => {
            target.metrics.reused.inc();
            ticket
        }
        Ok((ticket, true)) => {
            target.metrics.fresh.inc();
            target.metrics.connect_seconds.observe(began.elapsed().as_secs_f64());
            ticket
        }
        Err(error) => return Err(Failure { error, sent: Sent::Nothing(Box::new(message)) }),
    };
    exchange.restart();
    let sending = ticket.sender.try_send_request(message);
    tokio::select! {
        biased;
        answer = sending => match answer {
            Ok(response) => Ok((response, Lease::shared(ticket.place, load))),
            Err(problem) => Err(failure(problem, exchange)),
        },
        error = exchange.overdue(&target.app.timeouts) => {
            exchange.cut();
            Err(Failure { error, sent: Sent::InVain })
        }
    }
}

async fn open_http1(target: &Target, local: &LocalEndpoint) -> Result<Own, ForwardError> {
    let began = clock::instant();
    let io = connect(&local.endpoint.usual, began + target.app.timeouts.connect).await?;
    target.metrics.fresh.inc();
    target.metrics.connect_seconds.observe(began.elapsed().as_secs_f64());
    let (sender, connection) = http1_builder().handshake(TokioIo::new(io)).await.map_err(|_closed| ForwardError::AppReset)?;
    let task = tokio::task::spawn_local(async move {
        if let Err(problem) = connection.await {
            tracing::debug!(%problem, "a connection to an upstream ended");
        }
    });
    Ok(Own { sender, task: task.abort_handle(), pool: Rc::clone(&local.pool), keep: KEEP_IDLE })
}

/// Strict parsing, as hyper does it by default; bounded buffers.
pub(super) fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(PIECE);
    builder
}

/// What went wrong, and whether the app can have seen the message.
pub(super) fn failure(mut problem: TrySendError<Message>, exchange: &Exchange) -> Failure {
    if let RequestState::Failed(error) = exchange.request() {
        return Failure { error, sent: Sent::InVain };
    }
    if let Some(message) = problem.take_message() {
        return Failure { error: ForwardError::AppReset, sent: Sent::Nothing(Box::new(message)) };
    }
    let problem = problem.into_error();
    let garbage = problem.is_parse() || problem.is_parse_too_large() || problem.is_parse_status();
    let cause = problem.source().map(ToString::to_string).unwrap_or_default();
    tracing::debug!(%problem, cause, "an upstream did not answer");
    if garbage {
        return Failure { error: ForwardError::AppAnsweredGarbage, sent: Sent::InVain };
    }
    if problem.is_user() {
        return Failure { error: ForwardError::Unexpressible, sent: Sent::InVain };
    }
    Failure { error: ForwardError::AppReset, sent: Sent::Perhaps }
}

/// Idle connections are dropped after this, or a second before the app does where it says when.
const KEEP_IDLE: Duration = Duration::from_secs(60);
/// Bytes that hyper may hold of one message in one direction: the most that is read from an app at once. Each reading costs some
/// microseconds beside its bytes, on both sides; beyond this, more does not make a download cheaper.
pub const PIECE: usize = 256 * 1024;
