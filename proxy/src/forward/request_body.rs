//! The request's body on its way to the app: counted, held back until the app asks for it.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use super::error::ForwardError;
use super::exchange::Exchange;
use crate::read::{BodyError, Content, RequestBody as ClientBody};

/// The body of a request to an app. [`ClientBody`] bounds it and drops trailers.
#[derive(Debug)]
pub(super) struct RequestBody {
    inner: Option<ClientBody>,
    /// What `Content-Length` declared.
    declared: Option<u64>,
    passed: u64,
    exchange: Rc<Exchange>,
    hold: Option<Hold>,
}

/// The body is not sent (and the client not told to send it) before the app's 100 (Continue), or a short time has passed.
#[derive(Debug)]
struct Hold {
    go_ahead: Arc<GoAhead>,
    patience: Pin<Box<Sleep>>,
}

/// Set when the app's 100 (Continue) arrives. Hyper wants it `Send`.
#[derive(Debug, Default)]
pub(super) struct GoAhead {
    given: AtomicBool,
    waker: AtomicWaker,
}

impl GoAhead {
    pub(super) fn give(&self) {
        self.given.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The connection to the app is to end here; the reason is in the exchange.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the request's body ended early: {0}")]
pub(super) struct RequestBodyError(ForwardError);

impl RequestBody {
    /// `declared` is the request's `Content-Length`; no more than `max` bytes pass.
    ///
    /// # Errors
    /// [`ForwardError::BodyTooLarge`] if more are declared.
    pub(super) fn new(inner: Content, declared: Option<u64>, max: u64, exchange: Rc<Exchange>) -> Result<Self, ForwardError> {
        if declared == Some(0) || inner.is_end_stream() {
            return Ok(Self::empty(exchange));
        }
        if declared.is_some_and(|length| length > max) {
            return Err(ForwardError::BodyTooLarge);
        }
        let inner = ClientBody::new(inner, max).map_err(|_too_large| ForwardError::BodyTooLarge)?;
        Ok(Self { inner: Some(inner), declared, passed: 0, exchange, hold: None })
    }

    /// No body at all: the request is complete with its head.
    pub(super) fn empty(exchange: Rc<Exchange>) -> Self {
        exchange.finish_request();
        Self { inner: None, declared: Some(0), passed: 0, exchange, hold: None }
    }

    /// Whether there is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.inner.is_none() && self.passed == 0
    }

    /// Holds the body back until the go-ahead is given or `patience` is over (RFC 9110, section 10.1.1: not for ever).
    pub(super) fn hold(&mut self, go_ahead: Arc<GoAhead>, patience: Duration) {
        self.hold = Some(Hold { go_ahead, patience: Box::pin(tokio::time::sleep(patience)) });
    }

    fn fail(&mut self, why: ForwardError) -> RequestBodyError {
        self.inner = None;
        self.exchange.fail_request(why);
        RequestBodyError(why)
    }

    /// Counts a chunk.
    fn pass(&mut self, chunk: &Bytes) {
        self.passed = self.passed.saturating_add(chunk.len() as u64);
        self.exchange.meter().add_up(chunk.len());
        self.exchange.touch();
        let all_there = self.declared == Some(self.passed) || self.inner.as_ref().is_none_or(Body::is_end_stream);
        if all_there {
            self.inner = None;
            self.exchange.finish_request();
        }
    }
}

/// What broke on the client's side.
fn reason(problem: &BodyError) -> ForwardError {
    match problem {
        BodyError::TooLarge => ForwardError::BodyTooLarge,
        BodyError::Client(_) if problem.framing().is_some() => ForwardError::BodyMalformed,
        BodyError::Client(_) => ForwardError::ClientWentAway,
    }
}

impl Hold {
    /// Once `answered`, never: the app has said all it wants to say without the body. (An error instead would end the connection,
    /// and the answer with it.)
    fn poll(&mut self, cx: &mut Context<'_>, answered: bool) -> Poll<()> {
        if answered {
            return Poll::Pending;
        }
        self.go_ahead.waker.register(cx.waker());
        if self.go_ahead.given.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        self.patience.as_mut().poll(cx)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        let this = &mut *self;
        this.exchange.register_sender(cx.waker());
        if this.exchange.is_cut() {
            return Poll::Ready(Some(Err(this.fail(ForwardError::ClientWentAway))));
        }
        if let Some(hold) = &mut this.hold {
            ready!(hold.poll(cx, this.exchange.is_answered()));
            this.hold = None;
        }
        let Some(inner) = &mut this.inner else {
            this.exchange.finish_request();
            return Poll::Ready(None);
        };
        let Poll::Ready(polled) = Pin::new(inner).poll_frame(cx) else {
            this.exchange.waits_for_client();
            return Poll::Pending;
        };
        this.exchange.client_sent();
        match polled {
            None => {
                this.inner = None;
                this.exchange.finish_request();
                Poll::Ready(None)
            }
            Some(Err(problem)) => Poll::Ready(Some(Err(this.fail(reason(&problem))))),
            Some(Ok(frame)) => {
                if let Some(chunk) = frame.data_ref() {
                    this.pass(chunk);
                }
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (self.declared, &self.inner) {
            (_, None) => SizeHint::with_exact(0),
            (Some(declared), Some(_)) => SizeHint::with_exact(declared.saturating_sub(self.passed)),
            (None, Some(_)) => SizeHint::default(),
        }
    }
}
