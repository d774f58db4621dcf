//! A request's body: as the client sends it, or already here.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// What a client sends after the head.
#[derive(Debug)]
pub enum Content {
    /// It comes as it is asked for.
    Streaming(Stream),
    /// It is here: the gate had to look at it, or kept it for the client.
    Whole(Option<Bytes>),
}

/// A body that comes as it is asked for.
#[derive(Debug)]
pub struct Stream {
    body: Option<Incoming>,
    leftover: Option<Leftover>,
}

/// Where a body goes that nobody reads to its end: dropping it would reset its stream of HTTP/2 while the client still sends, and there
/// are clients that then throw the answer away.
#[derive(Clone, Debug, Default)]
pub struct Leftover(Rc<RefCell<Option<Incoming>>>);

impl Leftover {
    /// What was left over so far.
    pub fn take(&self) -> Option<Incoming> {
        self.0.take()
    }
}

impl Stream {
    /// What is not read of `body` goes to `leftover`.
    pub(super) fn new(body: Incoming, leftover: Option<Leftover>) -> Self {
        Self { body: Some(body), leftover }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let (Some(leftover), Some(body)) = (&self.leftover, self.body.take())
            && !body.is_end_stream()
        {
            leftover.0.replace(Some(body));
        }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::new, Body::size_hint)
    }
}

impl From<Incoming> for Content {
    fn from(body: Incoming) -> Self {
        Self::Streaming(Stream::new(body, None))
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut *self {
            Self::Streaming(body) => Pin::new(body).poll_frame(cx),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Streaming(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Streaming(body) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
        }
    }
}
