//! What the two directions of one exchange share: bytes counted, the last sign of life, the fate of the request's body.
//!
//! Thread-confined (`Rc`, `Cell`): an exchange never leaves its data core.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::error::ForwardError;
use crate::clock::{self, Clock};
use crate::config::Timeouts;
use crate::contain::{Credit, Figures, UsedUp};

/// Bytes of one exchange, counted while they pass, and paid for before. The record reads it at the end, progress lines in between.
#[derive(Default)]
pub struct Meter {
    up: Cell<u64>,
    down: Cell<u64>,
    purse: RefCell<Option<Purse>>,
}

/// What the bytes that go to the client are paid from.
struct Purse {
    credit: Credit,
    clock: Clock,
    may: Box<dyn Fn(Figures) -> bool>,
}

impl Meter {
    /// Bytes of bodies (or of a tunnel) that went to the app.
    pub fn up(&self) -> u64 {
        self.up.get()
    }

    /// Bytes of bodies (or of a tunnel) that came from the app and were handed on.
    pub fn down(&self) -> u64 {
        self.down.get()
    }

    /// As if so many bytes had gone by.
    #[cfg(test)]
    pub(crate) fn count(&self, down: u64, up: u64) {
        self.down.set(self.down.get() + down);
        self.up.set(self.up.get() + up);
    }

    /// From now on, bytes for the client are paid for with `credit`. `may` says whether more may be had, given what was had already.
    pub fn pays_with(&self, credit: Credit, clock: Clock, may: impl Fn(Figures) -> bool + 'static) {
        self.purse.replace(Some(Purse { credit, clock, may: Box::new(may) }));
    }

    /// The app's answer begins, and says how long it is, or does not.
    pub(super) fn begins(&self, declared: Option<u64>) {
        if let Some(Purse { credit, clock, .. }) = &mut *self.purse.borrow_mut() {
            credit.begins(declared, clock.now());
        }
    }

    /// To be called before bytes are handed on to the client.
    ///
    /// # Errors
    /// [`UsedUp`]: they may not be.
    pub(super) fn pay(&self, bytes: usize) -> Result<(), UsedUp> {
        let mut purse = self.purse.borrow_mut();
        let Some(Purse { credit, clock, may }) = &mut *purse else { return Ok(()) };
        credit.spend(bytes as u64, clock.now(), may)
    }

    pub(super) fn add_up(&self, bytes: usize) {
        self.up.set(self.up.get().saturating_add(bytes as u64));
    }

    pub(super) fn add_down(&self, bytes: usize) {
        self.down.set(self.down.get().saturating_add(bytes as u64));
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("up", &self.up).field("down", &self.down).finish_non_exhaustive()
    }
}

/// Where the request's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestState {
    /// Still going, or held back for the app's 100 (Continue).
    Sending,
    /// The last byte was handed to the connection then.
    Done(Instant),
    /// It broke on the client's side, or grew too large.
    Failed(ForwardError),
}

/// How fast a request's body has to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyPace {
    /// Bytes a second, on average (`limits.body_rate`); 0: any.
    pub(super) rate: u64,
    /// What the client may keep us waiting beside that (`limits.idle_timeout`).
    pub(super) grace: Duration,
    /// For all of it (`limits.body_timeout`).
    pub(super) whole: Duration,
}

impl BodyPace {
    /// For what has no body.
    pub(super) const ANY: Self = Self { rate: 0, grace: Duration::from_secs(60), whole: Duration::from_secs(86_400) };
}

/// State that the request's body, the answer's body and whoever waits for the answer share.
#[derive(Debug)]
pub(super) struct Exchange {
    meter: Rc<Meter>,
    last: Cell<Instant>,
    request: Cell<RequestState>,
    pace: BodyPace,
    began: Instant,
    /// Since when the request's body has been waiting for the client; `None`: it waits for the app.
    waits_since: Cell<Option<Instant>>,
    /// How long it has waited for the client before.
    waited: Cell<Duration>,
    answered: Cell<bool>,
    cut: Cell<bool>,
    sender: RefCell<Option<Waker>>,
}

/// Ends the request's body if it is dropped before there is an answer: the app must not get the rest of an upload that was broken off.
#[derive(Debug)]
pub(super) struct CutUnlessAnswered(pub(super) Rc<Exchange>);

impl Drop for CutUnlessAnswered {
    fn drop(&mut self) {
        if !self.0.is_answered() {
            self.0.cut();
        }
    }
}

impl Exchange {
    pub(super) fn new(meter: Rc<Meter>, pace: BodyPace) -> Rc<Self> {
        let now = clock::instant();
        Rc::new(Self {
            meter,
            last: Cell::new(now),
            request: Cell::new(RequestState::Sending),
            pace,
            began: now,
            waits_since: Cell::new(None),
            waited: Cell::new(Duration::ZERO),
            answered: Cell::new(false),
            cut: Cell::new(false),
            sender: RefCell::new(None),
        })
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Bytes moved in either direction.
    pub(super) fn touch(&self) {
        self.last.set(clock::instant());
    }

    pub(super) fn last(&self) -> Instant {
        self.last.get()
    }

    /// The request's body has nothing to send on, because nothing has come.
    pub(super) fn waits_for_client(&self) {
        if self.waits_since.get().is_none() {
            self.waits_since.set(Some(clock::instant()));
        }
    }

    /// Something has come from the client, or its end.
    pub(super) fn client_sent(&self) {
        if let Some(since) = self.waits_since.take() {
            self.waited.set(self.waited.get() + clock::instant().saturating_duration_since(since));
        }
    }

    /// The head of the answer is there: a body that is still held back is not sent any more.
    pub(super) fn answered(&self) {
        self.answered.set(true);
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.get()
    }

    /// The request is complete; the clock of `first_byte` starts.
    pub(super) fn finish_request(&self) {
        if self.request.get() == RequestState::Sending {
            self.request.set(RequestState::Done(clock::instant()));
        }
    }

    /// For a request that is sent a second time: its clock starts anew.
    pub(super) fn restart(&self) {
        self.last.set(clock::instant());
        if let RequestState::Done(_) = self.request.get() {
            self.request.set(RequestState::Done(clock::instant()));
        }
    }

    pub(super) fn fail_request(&self, why: ForwardError) {
        self.request.set(RequestState::Failed(why));
    }

    pub(super) fn request(&self) -> RequestState {
        self.request.get()
    }

    /// Ends the request's body at its next poll, which happens now.
    pub(super) fn cut(&self) {
        self.cut.set(true);
        if let Some(waker) = self.sender.borrow_mut().take() {
            waker.wake();
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Remembers who polls the request's body, for [`Exchange::cut`].
    pub(super) fn register_sender(&self, waker: &Waker) {
        let mut slot = self.sender.borrow_mut();
        match &*slot {
            Some(old) if old.will_wake(waker) => {}
            _ => *slot = Some(waker.clone()),
        }
    }

    /// Resolves when the answer is overdue: `first_byte` after the request's last byte, or `idle` without a byte while the
    /// request is still going.
    pub(super) async fn overdue(&self, timeouts: &Timeouts) -> ForwardError {
        let mut now = clock::instant();
        loop {
            let (deadline, why) = self.deadline(timeouts);
            if now >= deadline {
                return why;
            }
            // The end of the request may bring the deadline nearer, and so may a client that was quick and is slow now; so look
            // again now and then.
            let look_again = now + timeouts.first_byte.min(self.pace.grace).max(Duration::from_millis(1));
            tokio::time::sleep_until(deadline.min(look_again)).await;
            now = Instant::now();
        }
    }

    fn deadline(&self, timeouts: &Timeouts) -> (Instant, ForwardError) {
        match self.request.get() {
            RequestState::Done(at) => (at + timeouts.first_byte, ForwardError::FirstByteTimedOut),
            RequestState::Failed(why) => (self.last.get() + timeouts.idle, why),
            RequestState::Sending => match self.waits_since.get() {
                Some(since) => {
                    let stalled = (self.last.get() + timeouts.idle, ForwardError::ClientStalled);
                    let slow = (self.too_slow_at(since), ForwardError::ClientTooSlow);
                    if slow.0 < stalled.0 { slow } else { stalled }
                }
                None => (self.last.get() + timeouts.idle, ForwardError::AppStalled),
            },
        }
    }

    /// When a client that sends nothing more since then has been too slow. Time that the app took to read is not the client's.
    fn too_slow_at(&self, since: Instant) -> Instant {
        let whole = self.began + self.pace.whole;
        let Some(earned) = self.meter.up().checked_div(self.pace.rate) else { return whole };
        let patience = self.pace.grace.saturating_add(Duration::from_secs(earned)).saturating_sub(self.waited.get());
        since.checked_add(patience).map_or(whole, |late| late.min(whole))
    }
}
