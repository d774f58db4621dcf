//! The body of an answer, on its way to the client, with the guard that writes its `end` line.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http_body::{Body as _, Frame, SizeHint};
use prometheus::IntCounter;

use super::calls::Call;
use crate::forward::{AppBody, BodyError};
use crate::read::Turn;
use crate::record::{Ending, Open};

/// What hyper sends to the client.
#[derive(Debug)]
pub(super) struct Body {
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
}

#[derive(Debug)]
enum Content {
    /// Made here.
    Whole(Option<Bytes>),
    /// From the app, as it comes.
    App(Box<AppBody>),
}

impl Body {
    /// A body made here.
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let owed = Some(bytes.len() as u64);
        Self {
            content: Content::Whole(Some(bytes).filter(|bytes| !bytes.is_empty())),
            open: None,
            owed,
            sent: None,
            turn: None,
            call: None,
        }
    }

    /// A body from an app; its bytes are counted.
    pub(super) fn app(body: AppBody, sent: IntCounter) -> Self {
        let owed = body.size_hint().exact();
        Self { content: Content::App(Box::new(body)), open: None, owed, sent: Some(sent), turn: None, call: None }
    }

    /// Ties the `end` line to this body. With `bodyless` (an answer to HEAD, or a status that has no body) it is complete at once.
    #[must_use]
    pub(super) fn recorded(mut self, mut open: Open, bodyless: bool) -> Self {
        if bodyless || self.owed == Some(0) {
            open.ends(Ending::Complete);
        }
        self.open = Some(open);
        self
    }

    /// Keeps turn and call until the body is done.
    #[must_use]
    pub(super) fn keeping(mut self, turn: Option<Turn>, call: Rc<Call>) -> Self {
        self.turn = turn;
        self.call = Some(call);
        self
    }

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
            }
        }
    }

    fn ends(&mut self, ending: Ending) {
        if let Some(open) = &mut self.open {
            open.ends(ending);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        // Asked means that there is room: what was handed on before is on its way.
        if let Some(call) = &self.call {
            call.waits_no_more();
        }
        let frame = match &mut self.content {
            Content::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Content::App(body) => ready!(Pin::new(body.as_mut()).poll_frame(cx)),
        };
        if let (Some(_), Some(call)) = (&frame, &self.call) {
            call.waits();
        }
        match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    let bytes = data.remaining() as u64;
                    self.note(bytes);
                }
            }
            Some(Err(BodyError::UsedUp)) => self.ends(Ending::Cut),
            Some(Err(BodyError::AppBroke | BodyError::AppStalled)) => self.ends(Ending::AppFailed),
            None => self.ends(Ending::Complete),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(bytes) => bytes.is_none(),
            Content::App(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Content::App(body) => body.size_hint(),
        }
    }
}
