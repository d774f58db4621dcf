//! The body of an answer, on its way to the client, with the guard that writes its `end` line.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body as _, Frame, SizeHint};
use prometheus::IntCounter;

use super::access::Held;
use super::calls::Call;
use crate::forward::{AppBody, BodyError};
use crate::read::Turn;
use crate::record::{Ending, Open};

/// What hyper sends to the client. It is handed from room to room by value, so what it holds stays in one place.
#[derive(Debug)]
pub(super) struct Body(Box<Sending>);

/// What a body holds.
#[derive(Debug)]
struct Sending {
    content: Content,
    /// Dropped with the body: then the `end` line is written.
    open: Option<Open>,
    /// Bytes that the answer's head declared and that are still to come.
    owed: Option<u64>,
    sent: Option<IntCounter>,
    /// The request's turn on its connection lasts until its answer is out.
    turn: Option<Turn>,
    /// Lasts as long; it learns whether the client takes its answer.
    call: Option<Rc<Call>>,
    /// The access that this is the answer of. Once it is cut, nothing more is handed on.
    held: Option<Held>,
    /// HTTP/2: what came from the app in one piece and is handed on in several.
    rest: Bytes,
    /// All of it was handed on.
    whole: bool,
}

#[derive(Debug)]
enum Content {
    /// Made here.
    Whole(Option<Bytes>),
    /// From the app, as it comes.
    App(AppBody),
}

impl Body {
    /// A body made here.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let owed = Some(bytes.len() as u64);
        Self::of(Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())), owed, None)
    }

    /// A body from an app; its bytes are counted.
    pub(super) fn app(body: AppBody, sent: IntCounter) -> Self {
        let owed = body.size_hint().exact();
        Self::of(Content::App(body), owed, Some(sent))
    }

    fn of(content: Content, owed: Option<u64>, sent: Option<IntCounter>) -> Self {
        Self(Box::new(Sending {
            content,
            open: None,
            owed,
            sent,
            turn: None,
            call: None,
            held: None,
            rest: Bytes::new(),
            whole: false,
        }))
    }

    /// Ties the `end` line to this body. With `bodyless` (an answer to HEAD, or a status that has no body) it is complete at once.
    #[must_use]
    pub(super) fn recorded(mut self, mut open: Open, bodyless: bool) -> Self {
        if bodyless || self.0.owed == Some(0) {
            open.ends(Ending::Complete);
            self.0.whole = true;
        }
        self.0.open = Some(open);
        self
    }

    /// Keeps the access that this is the answer of.
    #[must_use]
    pub(super) fn holding(mut self, held: Option<Held>) -> Self {
        self.0.held = held;
        self
    }

    /// Keeps turn and call until the body is done.
    #[must_use]
    pub(super) fn keeping(mut self, turn: Option<Turn>, call: Rc<Call>) -> Self {
        self.0.turn = turn;
        self.0.call = Some(call);
        self
    }
}

impl Sending {
    fn note(&mut self, bytes: u64) {
        if let Some(sent) = &self.sent {
            sent.inc_by(bytes);
        }
        if let Some(owed) = &mut self.owed {
            *owed = owed.saturating_sub(bytes);
        }
        let whole = self.owed == Some(0);
        if let Some(open) = &mut self.open {
            open.sent(bytes);
            if whole {
                // hyper asks no further once the declared length is there.
                open.ends(Ending::Complete);
                self.whole = true;
            }
        }
    }

    fn ends(&mut self, ending: Ending) {
        self.whole = ending == Ending::Complete;
        if let Some(open) = &mut self.open {
            open.ends(ending);
        }
    }

    /// The access was cut: what hyper gets instead of more.
    fn broken(&mut self, held: &Held) -> Result<Frame<Bytes>, BodyError> {
        let last_word = held.ends_with_trailers() && matches!(self.content, Content::App(_));
        // The exchange with the app ends here.
        self.content = Content::Whole(None);
        self.rest = Bytes::new();
        if last_word { Ok(Frame::trailers(permission_denied())) } else { Err(BodyError::Cut) }
    }

    /// The next piece, as it came from the app. HTTP/2 gets it in small ones: what hyper hands to a stream whose window is nearly
    /// closed waits there, and could go out after hyper has done with the stream.
    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(piece(&mut self.rest)))));
        }
        let frame = match &mut self.content {
            Content::Whole(bytes) => return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::App(body) => ready!(Pin::new(body).poll_frame(cx)),
        };
        let in_pieces = self.held.as_ref().is_some_and(Held::is_stream);
        Poll::Ready(match frame {
            Some(Ok(frame)) if in_pieces && frame.data_ref().is_some_and(|data| data.len() > 1) => {
                frame.into_data().ok().map(|data| {
                    self.rest = data;
                    Ok(Frame::data(piece(&mut self.rest)))
                })
            }
            other => other,
        })
    }
}

/// What a gRPC client is told: `PERMISSION_DENIED`.
fn permission_denied() -> HeaderMap {
    HeaderMap::from_iter([
        (HeaderName::from_static("grpc-status"), HeaderValue::from_static("7")),
        (HeaderName::from_static("grpc-message"), HeaderValue::from_static("access has ended")),
    ])
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self.0;
        // Asked means that there is room: what was handed on before is on its way.
        if let Some(call) = &this.call {
            call.waits_no_more();
        }
        let is_cut = |body: &Sending| body.held.as_ref().is_some_and(|held| held.cause().is_some());
        let mut frame = if is_cut(this) { None } else { ready!(this.poll_content(cx)) };
        // It may have been cut just now, by its own usage.
        if is_cut(this)
            && let Some(held) = this.held.take()
        {
            frame = Some(this.broken(&held));
            this.held = Some(held);
        }
        if let (Some(_), Some(call)) = (&frame, &this.call) {
            call.waits();
        }
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    this.note(bytes);
                }
            }
            Some(Err(BodyError::UsedUp | BodyError::Cut)) => this.ends(Ending::Cut),
            Some(Err(BodyError::AppBroke | BodyError::AppStalled)) => this.ends(Ending::AppFailed),
            None => this.ends(Ending::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        if !self.0.rest.is_empty() {
            return false;
        }
        match &self.0.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::App(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::App(body) => body.size_hint(),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        match held.cause() {
            Some(cause) => {
                if let Some(open) = &mut self.open {
                    open.cut(cause);
                }
            }
            None if self.whole => held.linger(),
            None => {}
        }
    }
}

/// The next of what HTTP/2 is given at once. The last byte goes by itself.
///
/// hyper queues a piece as soon as the client's window is open for one byte of it, and has done with the stream once the last is
/// queued. So the last must be one byte: then the window was open for all before it, and nothing waits for the client to open it
/// after the access has ended, when nobody could cut it any more.
fn piece(rest: &mut Bytes) -> Bytes {
    rest.split_to(rest.len().saturating_sub(1).clamp(1, PIECE).min(rest.len()))
}

/// What HTTP/2 is given at once: a frame's worth.
const PIECE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_byte_goes_by_itself_and_nothing_is_lost() {
        for length in [0, 1, 2, 3, PIECE, PIECE + 1, PIECE + 2, 3 * PIECE + 7] {
            let all = Bytes::from((0..length).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<_>>());
            let (mut rest, mut pieces) = (all.clone(), Vec::new());
            while !rest.is_empty() {
                pieces.push(piece(&mut rest));
            }
            assert_eq!(pieces.concat(), all);
            assert!(pieces.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
            assert_eq!(pieces.last().map(Bytes::len), (length > 0).then_some(1), "{length}");
        }
    }
}
