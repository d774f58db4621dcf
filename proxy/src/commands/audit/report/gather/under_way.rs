//! Requests whose end has not been read yet.

use std::sync::Arc;

use crate::commands::audit::report::figures::When;
use crate::record::Decision;
use crate::record::read::SegmentFile;

/// A request of the subject, from its first line to its last.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    /// When its head had been read.
    pub(super) at: When,
    pub(super) who: Who,
    pub(super) what: What,
    /// What it was answered; `None` while only its `start` has been read.
    pub(super) answer: Option<Answer>,
    pub(super) so_far: SoFar,
    /// The file that its first line stands in.
    pub(super) segment: Arc<SegmentFile>,
    /// When the gate was found to have died without writing its end.
    pub(super) lost: Option<When>,
}

/// Numbers of names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) device: Option<u32>,
    pub(super) user: Option<u32>,
    pub(super) session: Option<u32>,
    pub(super) address: Option<u32>,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(super) struct What {
    /// The app's number; that of the empty name if there is none.
    pub(super) app: u32,
    pub(super) method: u32,
    pub(super) host: u32,
    pub(super) path: Box<str>,
}

/// What its `access` line says.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) decision: Decision,
    pub(super) reason: Box<str>,
    pub(super) policies: Vec<Box<str>>,
    pub(super) status: u16,
    pub(super) length: Option<u64>,
    pub(super) origin: Option<Box<str>>,
}

/// What `progress` lines tell.
#[derive(Clone, Debug, Default)]
pub(super) struct SoFar {
    /// Bytes, as the last of them says.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// Bytes by the minute of the line that told of them.
    pub(super) moved: Vec<(When, u64, u64)>,
}

/// The end of a request whose beginning lies before what was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Stranger {
    pub(super) so_far: SoFar,
    pub(super) ended: Option<Ended>,
}

/// How it ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) at: When,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) ending: Box<str>,
    pub(super) cause: Option<Box<str>>,
}

impl SoFar {
    /// Notes what a `progress` says; its figures only grow.
    pub(super) fn moves(&mut self, at: When, sent: u64, received: u64) {
        let (more_sent, more_received) = (sent.saturating_sub(self.sent), received.saturating_sub(self.received));
        (self.sent, self.received) = (self.sent.max(sent), self.received.max(received));
        match self.moved.last_mut() {
            Some((minute, sent, received)) if same_minute(*minute, at) => {
                *sent += more_sent;
                *received += more_received;
            }
            _ => self.moved.push((at, more_sent, more_received)),
        }
    }
}

fn same_minute(one: When, other: When) -> bool {
    one.0.as_secs().div_euclid(60) == other.0.as_secs().div_euclid(60)
}
