//! The drop guard that writes the `end` of every answer, whatever happened to it.

use std::rc::Rc;

use super::progress::{MUCH, Watch};
use super::recorder::Recorder;
use crate::clock::{Clock, Timestamp};
use crate::contain::Cause;
use crate::forward::Meter;
use crate::read::RequestId;

/// An answer under way. Dropping it writes its `end` line: also when the client is gone or the task was thrown away.
#[derive(Debug)]
pub struct Open {
    recorder: Recorder,
    clock: Clock,
    request: RequestId,
    since: Timestamp,
    sent: u64,
    /// Of `sent`, what the record was told.
    told: u64,
    meter: Rc<Meter>,
    watch: Option<Watch>,
    ending: Ending,
    cause: Option<Cause>,
}

/// An `end` line before it is text. The fields are those of [`End`](super::End).
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) at: Timestamp,
    pub(super) request: RequestId,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) ms: u64,
    pub(super) ending: Ending,
    pub(super) cause: Option<Cause>,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The whole body was handed on.
    Complete,
    /// The client did not take it all.
    ClientGone,
    /// The app did not deliver it all.
    AppFailed,
    /// The gate ended it.
    Cut,
}

impl Open {
    /// Begins with the request's head. `meter` counts the bytes of bodies.
    pub fn new(recorder: Recorder, clock: Clock, request: RequestId, since: Timestamp, meter: Rc<Meter>) -> Self {
        let (ending, cause) = (Ending::ClientGone, None);
        Self { recorder, clock, request, since, sent: 0, told: 0, meter, watch: None, ending, cause }
    }

    /// Keeps telling how far it has come.
    #[must_use]
    pub fn watched(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Bytes of the answer were handed on.
    pub fn sent(&mut self, bytes: u64) {
        self.sent = self.sent.saturating_add(bytes);
        if self.sent - self.told >= MUCH {
            self.told = self.sent;
            self.watch.iter().for_each(Watch::tell);
        }
    }

    /// How it ended, as known now; until told otherwise, the client is taken to have gone.
    pub fn ends(&mut self, ending: Ending) {
        self.ending = ending;
    }

    /// It was cut because access has ended; why.
    pub fn cut(&mut self, cause: Cause) {
        self.ending = Ending::Cut;
        self.cause = Some(cause);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = self.clock.now();
        self.recorder.end(&Ended {
            at: now,
            request: self.request,
            sent: self.sent.max(self.meter.down()),
            received: self.meter.up(),
            ms: u64::try_from(now.since(self.since).as_millis()).unwrap_or(u64::MAX),
            ending: self.ending,
            cause: self.cause,
        });
    }
}

impl Ending {
    /// The word for it in the record and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::AppFailed => "app_failed",
            Self::Cut => "cut",
        }
    }
}
