//! The app's answer on its way to the client: streamed, counted, bounded in silence, never short without an error.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::exchange::{Exchange, RequestState};
use super::lease::Lease;
use crate::clock;

/// The body of an app's answer. Nothing is buffered here: the app is read as fast as the client takes it.
///
/// Dropping it before its end cuts the exchange: the connection to the app is closed (HTTP/1.1) or the stream reset (HTTP/2).
#[must_use]
pub struct AppBody {
    inner: Option<Incoming>,
    exchange: Rc<Exchange>,
    lease: Option<Lease>,
    idle: Duration,
    silence: Option<Silence>,
}

/// Why an answer broke after its head was passed on. The client sees a broken message, never a short one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The app closed before the end, or its framing is wrong.
    #[error("the app's answer ended early or is malformed")]
    AppBroke,
    /// What the client has had of the app is as much as it may have.
    #[error("the budget is used up")]
    UsedUp,
    /// What had been allowed is not any more.
    #[error("access has ended")]
    Cut,
    /// No byte moved in either direction for `timeouts.idle`.
    #[error("the app fell silent in the middle of its answer")]
    AppStalled,
}

/// Runs while the app is waited for.
struct Silence {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl AppBody {
    pub(super) fn new(inner: Incoming, exchange: Rc<Exchange>, lease: Lease, idle: Duration) -> Self {
        exchange.touch();
        exchange.meter().begins(inner.size_hint().exact());
        let mut body = Self { inner: Some(inner), exchange, lease: Some(lease), idle, silence: None };
        body.finish_if_done();
        body
    }

    /// An answer without a body, such as a 101.
    pub(super) fn empty(exchange: Rc<Exchange>) -> Self {
        Self { inner: None, exchange, lease: None, idle: Duration::ZERO, silence: None }
    }

    fn finish_if_done(&mut self) {
        if self.inner.as_ref().is_some_and(Body::is_end_stream) {
            self.finish();
        }
    }

    /// The answer is complete: the connection may serve the next exchange, if the request is complete too.
    fn finish(&mut self) {
        self.inner = None;
        self.silence = None;
        let Some(lease) = self.lease.take() else { return };
        if let RequestState::Done(_) = self.exchange.request() {
            lease.give_back();
        } else {
            // The app answered before it had the whole request. What is left of it must not become the next one.
            self.exchange.cut();
            lease.abort();
        }
    }

    fn fail(&mut self, why: BodyError) -> BodyError {
        self.inner = None;
        self.silence = None;
        self.exchange.cut();
        if let Some(lease) = self.lease.take() {
            lease.abort();
        }
        why
    }

    /// Nothing to read now: how long has that been so?
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (idle, last) = (self.idle, self.exchange.last());
        let silence = self.silence.get_or_insert_with(|| {
            let since = clock::instant();
            Silence { since, timer: Box::pin(tokio::time::sleep_until(since + idle)) }
        });
        loop {
            if silence.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Upload bytes count as signs of life too; time that the client took to read does not count as silence.
            let deadline = silence.since.max(last) + idle;
            if clock::instant() >= deadline {
                return Poll::Ready(());
            }
            silence.timer.as_mut().reset(deadline);
        }
    }
}

impl Body for AppBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(cx) {
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(chunk) = frame.data_ref() {
                    if this.exchange.meter().pay(chunk.len()).is_err() {
                        return Poll::Ready(Some(Err(this.fail(BodyError::UsedUp))));
                    }
                    this.exchange.meter().add_down(chunk.len());
                }
                this.exchange.touch();
                if let Some(silence) = &mut this.silence {
                    silence.since = this.exchange.last();
                }
                this.finish_if_done();
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_broken))) => Poll::Ready(Some(Err(this.fail(BodyError::AppBroke)))),
            Poll::Pending => match this.poll_silence(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(this.fail(BodyError::AppStalled)))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for AppBody {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.exchange.cut();
            lease.abort();
        }
    }
}

impl fmt::Debug for AppBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppBody").field("ended", &self.inner.is_none()).finish_non_exhaustive()
    }
}
