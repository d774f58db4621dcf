//! The requests that a connection is busy with: whether there are any, whether a client still takes what it asked for, and
//! whether it breaks off more than an honest one would.
//!
//! hyper does not poll the body of an answer whose reader stands still, and its HTTP/2 server never closes an idle connection.
//! So the connection's own task looks at its calls now and then; requests only leave notes, which wake nobody.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::clock;
use crate::contain::{Crowd, Crowded, InFlight, Place};

/// The calls of one connection.
#[derive(Debug)]
pub(super) struct Calls {
    open: RefCell<Vec<Rc<Note>>>,
    idle_since: Cell<Instant>,
    /// How long the first call may be waited for, until it has come.
    first: Cell<Option<Duration>>,
    /// The HTTP/2 stream whose future is being polled.
    polled: RefCell<Option<Rc<Stream>>>,
    broken_off: Cell<u32>,
    broken_off_since: Cell<Instant>,
    enough: Notify,
}

/// One call. Lasts until the last byte of its answer was handed on, or its tunnel has ended.
#[derive(Debug)]
pub(super) struct Call {
    calls: Rc<Calls>,
    note: Rc<Note>,
    answered: Cell<bool>,
    in_flight: RefCell<Option<InFlight>>,
}

/// What a call tells its connection.
#[derive(Debug, Default)]
struct Note {
    /// Since when the client has not asked for more of its answer.
    waits_since: Cell<Option<Instant>>,
    stream: RefCell<Option<Rc<Stream>>>,
    /// Its lease, once it was allowed.
    lease: Cell<Option<Place>>,
    refused: Cell<bool>,
}

/// An HTTP/2 stream's future, from outside.
#[derive(Debug, Default)]
pub(super) struct Stream {
    cut: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

/// What is wrong with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nothing was asked for a while.
    Idle,
    /// HTTP/1: the client does not take its answer.
    Stalled,
    /// HTTP/2: the client asks and takes back, again and again (CVE-2023-44487).
    BreaksOff,
}

impl Trouble {
    /// The word for it in metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::BreaksOff => "breaks_off",
        }
    }
}

impl Calls {
    pub(super) fn new() -> Rc<Self> {
        let now = clock::instant();
        Rc::new(Self {
            open: RefCell::default(),
            idle_since: Cell::new(now),
            first: Cell::new(None),
            polled: RefCell::default(),
            broken_off: Cell::new(0),
            broken_off_since: Cell::new(now),
            enough: Notify::new(),
        })
    }

    /// The first request has to come within `limit`: who shakes hands and then says nothing is not waited for as long as somebody
    /// between two requests.
    pub(super) fn expect_first_within(&self, limit: Duration) {
        self.first.set(Some(limit));
    }

    /// A request has come.
    pub(super) fn begin(self: &Rc<Self>) -> Call {
        self.first.set(None);
        let note = Rc::<Note>::default();
        self.open.borrow_mut().push(Rc::clone(&note));
        Call { calls: Rc::clone(self), note, answered: Cell::new(false), in_flight: RefCell::default() }
    }

    /// Waits until something is wrong: nothing was asked for `idle` (`None`: somebody else looks after that), or the client took nothing of its answer for `stall`. A
    /// stalled HTTP/2 stream is reset, and the others go on.
    pub(super) async fn trouble(&self, idle: Option<Duration>, stall: Duration) -> Trouble {
        let began = Instant::now();
        loop {
            let look_again = match self.look(Instant::now(), began, idle, stall) {
                Ok(look_again) => look_again,
                Err(trouble) => return trouble,
            };
            tokio::select! {
                () = tokio::time::sleep_until(look_again) => {}
                () = self.enough.notified() => return Trouble::BreaksOff,
            }
        }
    }

    /// What is wrong at `now`, or when to look again. Nobody is called idle before `began` + `idle`.
    fn look(&self, now: Instant, began: Instant, idle: Option<Duration>, stall: Duration) -> Result<Instant, Trouble> {
        if let Some(idle) = idle
            && self.open.borrow().is_empty()
        {
            let idle = self.first.get().map_or(idle, |first| first.min(idle));
            let end = self.idle_since.get().max(began) + idle;
            return if now >= end { Err(Trouble::Idle) } else { Ok(end) };
        }
        if self.cut_stalled(now, stall) {
            return Err(Trouble::Stalled);
        }
        Ok(now + (stall / LOOKS).max(SHORTEST_LOOK))
    }

    /// Whether a call is stalled that only the end of its connection can end.
    fn cut_stalled(&self, now: Instant, stall: Duration) -> bool {
        // Cutting wakes tasks and runs nothing, so the list does not change meanwhile.
        let open = self.open.borrow();
        let stalled = open.iter().filter(|note| note.waits_since.get().is_some_and(|since| now >= since + stall));
        let mut without_stream = false;
        for note in stalled {
            match &*note.stream.borrow() {
                Some(stream) => stream.cut(),
                None => without_stream = true,
            }
        }
        without_stream
    }

    /// Cuts every stream of HTTP/2 that answers a call.
    pub(super) fn cut_streams(&self) {
        for note in self.open.borrow().iter() {
            if let Some(stream) = &*note.stream.borrow() {
                stream.cut();
            }
        }
    }

    /// The leases of the calls that were allowed and are not over.
    pub(super) fn leases(&self) -> Vec<Place> {
        self.open.borrow().iter().filter_map(|note| note.lease.get()).collect()
    }

    /// Runs the future of an HTTP/2 stream, until it ends or is cut. What is begun by a stream is part of it: the writing half of a
    /// tunnel is cut with the stream that it came of.
    pub(super) fn run_stream(self: Rc<Self>, future: impl Future) -> impl Future<Output = ()> {
        let stream = self.polled.borrow().clone().unwrap_or_default();
        self.run(stream, future)
    }

    async fn run(self: Rc<Self>, stream: Rc<Stream>, future: impl Future) {
        let mut future = std::pin::pin!(future);
        std::future::poll_fn(|cx| self.poll_stream(&stream, future.as_mut(), cx)).await;
    }

    fn poll_stream<F: Future>(&self, stream: &Rc<Stream>, future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<()> {
        if stream.cut.get() {
            return Poll::Ready(());
        }
        self.polled.replace(Some(Rc::clone(stream)));
        let polled = clock::turn(|| future.poll(cx));
        self.polled.replace(None);
        if polled.is_pending() {
            let mut waker = stream.waker.borrow_mut();
            match &mut *waker {
                Some(kept) => kept.clone_from(cx.waker()),
                None => *waker = Some(cx.waker().clone()),
            }
        }
        polled.map(|_ended| ())
    }

    fn end(&self, note: &Rc<Note>, answered: bool) {
        let now = clock::instant();
        let mut open = self.open.borrow_mut();
        if let Some(place) = open.iter().position(|known| Rc::ptr_eq(known, note)) {
            open.swap_remove(place);
        }
        if open.is_empty() {
            self.idle_since.set(now);
        }
        if !answered {
            self.count_broken_off(now);
        }
    }

    fn count_broken_off(&self, now: Instant) {
        if now >= self.broken_off_since.get() + BROKEN_OFF_WINDOW {
            self.broken_off_since.set(now);
            self.broken_off.set(0);
        }
        self.broken_off.set(self.broken_off.get().saturating_add(1));
        if self.broken_off.get() > MOST_BROKEN_OFF {
            self.enough.notify_one();
        }
    }
}

impl Call {
    /// To be called first thing in the future that answers: over HTTP/2 this ties the call to its stream.
    pub(super) fn started(&self) {
        self.note.stream.replace(self.calls.polled.borrow().clone());
    }

    /// It was allowed, and stands at that place among the leases of its core.
    pub(super) fn is_leased(&self, place: Place) {
        self.note.lease.set(Some(place));
    }

    /// It is counted among all requests that are under way, until it ends.
    ///
    /// # Errors
    /// [`Crowded`] if there are too many.
    pub(super) fn enter(&self, crowd: &Arc<Crowd>) -> Result<(), Crowded> {
        self.in_flight.replace(Some(crowd.enter()?));
        Ok(())
    }

    /// Counts it as somebody's; nothing before [`Call::enter`].
    ///
    /// # Errors
    /// [`Crowded`] if these have too many.
    pub(super) fn count(&self, somebody: impl FnOnce(&InFlight) -> Result<(), Crowded>) -> Result<(), Crowded> {
        self.in_flight.borrow().as_ref().map_or(Ok(()), somebody)
    }

    /// It is refused: from now on it takes nobody's place, whether its client reads the answer or not. Of streams with refusals that
    /// a client does not take, a connection keeps a few.
    pub(super) fn is_refused(&self) {
        self.in_flight.take();
        self.note.refused.set(true);
        let kept = self.calls.open.borrow().iter().filter(|note| note.refused.get()).count();
        if kept > MOST_REFUSED {
            self.cut_stream();
        }
    }

    /// There is an answer for the client to take.
    pub(super) fn answered(&self) {
        self.answered.set(true);
        self.waits();
    }

    /// The client has something to take, and has not asked for more.
    pub(super) fn waits(&self) {
        self.note.waits_since.set(Some(clock::instant()));
    }

    /// The client has taken all that there was, or there is nothing to take.
    pub(super) fn waits_no_more(&self) {
        self.note.waits_since.set(None);
    }

    /// There is something that the client has not asked for, or the answer has not begun.
    pub(super) fn is_waiting(&self) -> bool {
        !self.answered.get() || self.note.waits_since.get().is_some()
    }

    /// Whether a stream of HTTP/2 answers it.
    pub(super) fn is_stream(&self) -> bool {
        self.note.stream.borrow().is_some()
    }

    /// Cuts its stream: what waits in it is thrown away, and the client hears `CANCEL`.
    pub(super) fn cut_stream(&self) {
        if let Some(stream) = &*self.note.stream.borrow() {
            stream.cut();
        }
    }

    /// Has its stream look whether there is something to say.
    pub(super) fn poll_again(&self) {
        if let Some(stream) = &*self.note.stream.borrow() {
            stream.wake();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.calls.end(&self.note, self.answered.get());
    }
}

impl Stream {
    fn cut(&self) {
        self.cut.set(true);
        self.wake();
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// How often within `stall` the answers are looked at: they stall for at most a quarter longer.
const LOOKS: u32 = 4;
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
/// Requests that one connection may take back unanswered within [`BROKEN_OFF_WINDOW`]. A map that is scrolled fast takes back some
/// dozens.
const MOST_BROKEN_OFF: u32 = 200;
/// Refusals that one connection may leave untaken. A page whose pieces are all refused has some dozens, and takes them.
const MOST_REFUSED: usize = 48;
const BROKEN_OFF_WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(60);
    const STALL: Duration = Duration::from_secs(20);

    /// What is wrong after that time.
    fn trouble_after(calls: &Calls, later: Duration) -> Option<Trouble> {
        let began = calls.idle_since.get();
        calls.look(Instant::now() + later, began, Some(IDLE), STALL).err()
    }

    #[tokio::test]
    async fn a_connection_is_idle_when_nothing_is_open() {
        let calls = Calls::new();
        assert_eq!(trouble_after(&calls, IDLE / 2), None);
        assert_eq!(trouble_after(&calls, IDLE), Some(Trouble::Idle));
        let call = calls.begin();
        assert_eq!(trouble_after(&calls, IDLE * 3), None, "a request is open");
        drop(call);
        assert!(calls.look(Instant::now() + IDLE * 3, Instant::now(), None, STALL).is_ok());
        assert_eq!(trouble_after(&calls, IDLE / 2), None);
        assert_eq!(trouble_after(&calls, IDLE), Some(Trouble::Idle));
        assert_eq!(calls.trouble(Some(Duration::ZERO), STALL).await, Trouble::Idle);
    }

    #[tokio::test]
    async fn the_first_request_is_not_waited_for_as_long_as_the_next() {
        let calls = Calls::new();
        calls.expect_first_within(IDLE / 6);
        assert_eq!(trouble_after(&calls, IDLE / 12), None);
        assert_eq!(trouble_after(&calls, IDLE / 6), Some(Trouble::Idle));
        drop(calls.begin());
        assert_eq!(trouble_after(&calls, IDLE / 6), None);
        calls.expect_first_within(IDLE * 2);
        assert_eq!(trouble_after(&calls, IDLE), Some(Trouble::Idle), "never longer than an idle one");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_takes_is_a_stall() {
        let calls = Calls::new();
        let call = calls.begin();
        assert_eq!(trouble_after(&calls, STALL * 3), None, "there is no answer yet");
        call.answered();
        assert_eq!(trouble_after(&calls, STALL / 2), None);
        assert_eq!(trouble_after(&calls, STALL), Some(Trouble::Stalled));
        call.waits_no_more();
        assert_eq!(trouble_after(&calls, STALL * 3), None, "it is the app that is waited for");
    }

    #[tokio::test]
    async fn a_stalled_stream_is_cut_alone() {
        let calls = Calls::new();
        let held = Rc::new(());
        let stream = |answered: bool| {
            let (calls, held) = (Rc::clone(&calls), Rc::clone(&held));
            Box::pin(Rc::clone(&calls).run_stream(async move {
                let call = calls.begin();
                call.started();
                if answered {
                    call.answered();
                }
                std::future::pending::<()>().await;
                drop((call, held));
            }))
        };
        let (mut stalled, mut waiting) = (stream(true), stream(false));
        assert!(futures_util::poll!(&mut stalled).is_pending());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        assert_eq!(trouble_after(&calls, STALL), None, "the connection goes on");
        assert!(futures_util::poll!(&mut stalled).is_ready());
        assert!(futures_util::poll!(&mut waiting).is_pending());
        drop(stalled);
        assert_eq!(Rc::strong_count(&held), 2, "what the stream held is let go");
    }

    #[tokio::test]
    async fn taking_back_again_and_again_is_noticed_and_now_and_then_is_not() {
        let calls = Calls::new();
        let enough = || futures_util::FutureExt::now_or_never(calls.trouble(Some(IDLE), STALL));
        let later = calls.idle_since.get() + BROKEN_OFF_WINDOW * 2;
        for _ in 0..MOST_BROKEN_OFF {
            drop(calls.begin());
        }
        calls.count_broken_off(later);
        for _ in 0..MOST_BROKEN_OFF * 2 {
            calls.begin().answered();
        }
        assert_eq!(enough(), None, "the window has moved on, and what was answered does not count");
        for _ in 0..MOST_BROKEN_OFF {
            calls.count_broken_off(later);
        }
        assert_eq!(enough(), Some(Trouble::BreaksOff));
    }
}
