//! A request's body on its way to the app: bounded, counted, without trailers.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::content::Content;
use super::guard::FramingRefusal;

/// Bytes of a body that have passed so far. Stays readable when the body itself has been given away.
#[derive(Clone, Debug, Default)]
pub struct BodyMeter(Arc<AtomicU64>);

/// A request's body with a bound. Trailers are dropped: they could speak for headers that were judged (RFC 9110 section 6.5.1).
#[derive(Debug)]
pub struct RequestBody<B = Content> {
    inner: B,
    left: u64,
    meter: BodyMeter,
    over: bool,
}

/// The declared length is above the bound: 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's body is too large")]
pub struct TooLarge;

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E = hyper::Error> {
    /// It grew above the bound: 413, if the answer has not begun.
    #[error("the request's body is too large")]
    TooLarge,
    /// The client went away, reset the stream, or broke the framing.
    #[error("the client did not finish the request's body")]
    Client(#[source] E),
}

impl BodyMeter {
    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    /// Lets at most `max` bytes of `inner` through.
    ///
    /// # Errors
    /// [`TooLarge`] if more are declared.
    pub fn new(inner: B, max: u64) -> Result<Self, TooLarge> {
        if inner.size_hint().lower() > max {
            return Err(TooLarge);
        }
        Ok(Self { inner, left: max, meter: BodyMeter::default(), over: false })
    }

    /// Counts what passes.
    pub fn meter(&self) -> BodyMeter {
        self.meter.clone()
    }
}

impl<E: std::error::Error + 'static> BodyError<E> {
    /// The framing that was broken, if that is why.
    pub fn framing(&self) -> Option<FramingRefusal> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = match self {
            Self::TooLarge => None,
            Self::Client(source) => Some(source),
        };
        while let Some(error) = cause {
            let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            if let Some(refusal) = inner.and_then(|inner| inner.downcast_ref::<FramingRefusal>()) {
                return Some(*refusal);
            }
            cause = error.source();
        }
        None
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = BodyError<B::Error>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        while !this.over {
            let frame = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => {
                    this.over = true;
                    return Poll::Ready(Some(Err(BodyError::Client(error))));
                }
                None => break,
            };
            // Trailers may be followed by nothing; asking again finds the end.
            let Ok(data) = frame.into_data() else { continue };
            let len = data.len() as u64;
            let Some(left) = this.left.checked_sub(len) else {
                this.over = true;
                return Poll::Ready(Some(Err(BodyError::TooLarge)));
            };
            this.left = left;
            this.meter.0.fetch_add(len, Ordering::Relaxed);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        this.over = true;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    type Frames = Vec<Result<Frame<Bytes>, std::io::Error>>;

    fn body(frames: Frames, max: u64) -> RequestBody<impl Body<Data = Bytes, Error = std::io::Error> + Unpin> {
        RequestBody::new(StreamBody::new(futures_util::stream::iter(frames)), max).unwrap()
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, std::io::Error> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn data_passes_and_trailers_do_not() {
        let mut trailers = HeaderMap::new();
        trailers.insert("authorization", http::HeaderValue::from_static("EVIL"));
        let body = body(vec![data("he"), data("llo"), Ok(Frame::trailers(trailers))], 5);
        let meter = body.meter();
        let collected = body.collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "hello");
        assert_eq!(meter.bytes(), 5);
    }

    #[tokio::test]
    async fn a_body_that_grows_too_large_ends() {
        let mut body = body(vec![data("he"), data("llo"), data("!")], 4);
        let meter = body.meter();
        assert!(body.frame().await.unwrap().is_ok());
        assert!(matches!(body.frame().await, Some(Err(BodyError::TooLarge))));
        assert!(body.frame().await.is_none(), "nothing follows");
        assert_eq!(meter.bytes(), 2);
    }

    #[test]
    fn a_body_that_is_declared_too_large_does_not_begin() {
        let full = || http_body_util::Full::new(Bytes::from_static(b"hello"));
        assert_eq!(RequestBody::new(full(), 4).err(), Some(TooLarge));
        assert!(RequestBody::new(full(), 5).is_ok());
    }

    #[tokio::test]
    async fn broken_framing_says_what_broke() {
        let error = std::io::Error::new(std::io::ErrorKind::InvalidData, FramingRefusal::ChunkEnd);
        let mut body = body(vec![Err(error)], 5);
        let Some(Err(error)) = body.frame().await else { panic!("it breaks") };
        assert_eq!(error.framing(), Some(FramingRefusal::ChunkEnd));
        assert!(body.frame().await.is_none());
    }
}
