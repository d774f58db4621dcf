//! What the guard and the service tell each other.
//!
//! Both run in the same task, so the lock is never contended; it is there because hyper wants a connection that upgrades to be
//! `Send`.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;

use super::super::glimpse::Glimpse;
use super::head::{BodyFraming, HeadFacts};
use super::refusal::FramingRefusal;
use crate::clock;

/// What stands behind a call of the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// A request of the client's.
    Accepted(HeadFacts),
    /// The client's request was refused; hyper shows the service a harmless one in its place. Answer with this reason; the
    /// connection closes after the answer. What it seems to ask for is for the record only.
    Refused(FramingRefusal, Glimpse),
}

/// The service's side of a guarded connection. Cheap to clone.
#[derive(Clone, Debug)]
pub struct GuardHandle {
    shared: Arc<Shared>,
}

/// One request's turn on a connection. Keep it until the response's last byte has been handed to hyper: the idle deadline runs
/// from when the last turn is dropped.
#[derive(Debug)]
pub struct Turn {
    shared: Arc<Shared>,
    number: u64,
    head: Head,
}

/// Decided once for each head that asks for a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tunnel {
    Accepted,
    Declined,
}

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    listens: AtomicBool,
    flushed: AtomicBool,
}

#[derive(Debug)]
struct State {
    heads: VecDeque<(u64, Head)>,
    /// Numbers heads, so that a turn decides only for its own.
    numbered: u64,
    open_turns: usize,
    idle_since: Instant,
    /// The head that asked for a tunnel, and what was decided.
    tunnel: Option<(u64, Option<Tunnel>)>,
    body_pending: bool,
    broken: Option<FramingRefusal>,
    reader: Option<Waker>,
}

impl GuardHandle {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// What stands behind this call of the service: to be asked exactly once, first thing, in each call. `None` would mean that
    /// hyper read a request that the guard never judged: refuse it.
    pub fn next_turn(&self) -> Option<Turn> {
        let (number, head) = self.shared.lock().heads.pop_front()?;
        Some(Turn { shared: Arc::clone(&self.shared), number, head })
    }

    /// Whether the body of the latest request has been read to its end. If not, the connection cannot serve another request.
    pub fn body_fully_read(&self) -> bool {
        let state = self.shared.lock();
        !state.body_pending && state.broken.is_none()
    }

    /// Whether nothing is under way: every request that was handed on is over, its answer has left, and no byte of another has come.
    /// hyper has nothing to remember then.
    pub fn is_at_rest(&self) -> bool {
        let state = self.shared.lock();
        let nothing_open = state.open_turns == 0 && state.heads.is_empty();
        let sound = !state.body_pending && state.broken.is_none();
        nothing_open && sound && self.shared.listens.load(Ordering::Relaxed) && self.shared.flushed.load(Ordering::Relaxed)
    }

    /// Why the body of the latest request broke, if it did. The connection closes after the answer.
    pub fn body_refusal(&self) -> Option<FramingRefusal> {
        self.shared.lock().broken
    }
}

impl Turn {
    /// What the client's head said, or why it was refused.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The facts, if the head was accepted.
    pub fn facts(&self) -> Option<&HeadFacts> {
        match &self.head {
            Head::Accepted(facts) => Some(facts),
            Head::Refused(..) => None,
        }
    }

    /// Just before the service returns `101`: what the client sends from now on belongs to the tunnel.
    pub fn accept_tunnel(&self) {
        self.decide(Tunnel::Accepted);
    }

    /// Once it is clear that there will be no `101`: what the client sends from now on is requests. Dropping the turn does the same.
    pub fn decline_tunnel(&self) {
        self.decide(Tunnel::Declined);
    }

    fn decide(&self, tunnel: Tunnel) {
        if self.facts().is_some_and(|facts| facts.asks_tunnel) {
            let mut state = self.shared.lock();
            if state.tunnel == Some((self.number, None)) {
                state.tunnel = Some((self.number, Some(tunnel)));
                wake(state);
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.decline_tunnel();
        let mut state = self.shared.lock();
        state.open_turns = state.open_turns.saturating_sub(1);
        if state.open_turns == 0 {
            state.idle_since = clock::instant();
            wake(state);
        }
    }
}

impl Shared {
    pub(super) fn new() -> Self {
        let state = State {
            heads: VecDeque::new(),
            numbered: 0,
            open_turns: 0,
            idle_since: clock::instant(),
            tunnel: None,
            body_pending: false,
            broken: None,
            reader: None,
        };
        Self { state: Mutex::new(state), listens: AtomicBool::new(false), flushed: AtomicBool::new(true) }
    }

    pub(super) fn accepted(&self, facts: HeadFacts) {
        let mut state = self.lock();
        state.body_pending = facts.body != BodyFraming::None;
        let asks_tunnel = facts.asks_tunnel;
        let number = state.push(Head::Accepted(facts));
        state.tunnel = asks_tunnel.then_some((number, None));
    }

    pub(super) fn refused(&self, refusal: FramingRefusal, seen: Glimpse) {
        self.lock().push(Head::Refused(refusal, seen));
    }

    pub(super) fn body_over(&self) {
        self.lock().body_pending = false;
    }

    pub(super) fn body_broken(&self, refusal: FramingRefusal) {
        self.lock().broken = Some(refusal);
    }

    /// What was decided about the tunnel; if nothing yet, `waker` is woken when it is.
    pub(super) fn tunnel(&self, waker: &Waker) -> Option<Tunnel> {
        let mut state = self.lock();
        let decided = state.tunnel.and_then(|(_number, decided)| decided);
        if decided.is_some() {
            state.tunnel = None;
        } else {
            keep(&mut state.reader, waker);
        }
        decided
    }

    /// Since when no request has been open; if one is, `waker` is woken when there is none any more.
    pub(super) fn idle_since(&self, waker: &Waker) -> Option<Instant> {
        let mut state = self.lock();
        if state.open_turns > 0 {
            keep(&mut state.reader, waker);
            return None;
        }
        Some(state.idle_since)
    }

    /// Whether the last read found nothing, and nothing is kept of what others found.
    pub(super) fn listens(&self, listens: bool) {
        self.listens.store(listens, Ordering::Relaxed);
    }

    /// Whether all that hyper wrote has been flushed.
    pub(super) fn flushed(&self, flushed: bool) {
        self.flushed.store(flushed, Ordering::Relaxed);
    }

    /// The idle deadline runs anew.
    pub(super) fn still_active(&self, now: Instant) {
        self.lock().idle_since = now;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if one did, the state would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, head: Head) -> u64 {
        self.numbered += 1;
        self.open_turns += 1;
        self.heads.push_back((self.numbered, head));
        self.numbered
    }
}

fn keep(slot: &mut Option<Waker>, waker: &Waker) {
    match slot {
        Some(kept) => kept.clone_from(waker),
        None => *slot = Some(waker.clone()),
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}
