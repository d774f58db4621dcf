//! How much is asked of a provider at a time, and for how long one that does not answer is left alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// The pace of each provider, by its name.
#[derive(Debug, Default)]
pub(in crate::sign_in) struct Paces(Mutex<HashMap<Arc<str>, Arc<Pace>>>);

/// The pace of one.
#[derive(Debug)]
pub(in crate::sign_in) struct Pace {
    /// Requests at a time.
    pub(super) room: Semaphore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// One after the other, without an answer between.
    failures: u32,
    /// It does not answer, and is not asked before.
    quiet_until: Option<Instant>,
    /// After that, one is asked whether it answers again.
    probing: bool,
    /// Somebody waited in vain: nobody else does before.
    hurried_until: Option<Instant>,
}

/// A request to the provider that is on its way. What is dropped without a word says nothing about the provider.
#[derive(Debug)]
pub(super) struct Attempt {
    pace: Arc<Pace>,
    /// It finds out whether one that was left alone answers again.
    probes: bool,
}

impl Paces {
    /// That of a provider.
    pub(in crate::sign_in) fn of(&self, provider: &Arc<str>) -> Arc<Pace> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = || Arc::new(Pace { room: Semaphore::new(AT_ONCE), state: Mutex::default() });
        Arc::clone(all.entry(Arc::clone(provider)).or_insert_with(pace))
    }
}

impl Pace {
    /// Whether it may be asked now; if so, it has to be, or the attempt dropped.
    pub(super) fn attempt(self: &Arc<Self>, now: Instant) -> Option<Attempt> {
        let mut state = self.state();
        let probes = match state.quiet_until {
            Some(until) if now < until || state.probing => return None,
            Some(_) => true,
            None => false,
        };
        state.probing |= probes;
        Some(Attempt { pace: Arc::clone(self), probes })
    }

    /// It does not answer, as far as is known.
    pub(in crate::sign_in) fn is_lost(&self) -> bool {
        self.state().quiet_until.is_some()
    }

    /// Whether waiting for an answer is worth it: nobody waited in vain lately.
    pub(super) fn is_worth_waiting(&self, now: Instant) -> bool {
        self.state().hurried_until.is_none_or(|until| now >= until)
    }

    /// Somebody waited in vain.
    pub(super) fn in_vain(&self, now: Instant) {
        self.state().hurried_until = Some(now + HURRY);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// While this one waited for its turn, others found that there is no answer.
    pub(super) fn is_in_vain(&self) -> bool {
        !self.probes && self.pace.is_lost()
    }

    /// It answered.
    pub(super) fn answered(self) {
        *self.pace.state() = State::default();
    }

    /// It did not, or not as one that is well.
    pub(super) fn failed(self, now: Instant) {
        let mut state = self.pace.state();
        state.failures = state.failures.saturating_add(1);
        if let Some(more) = state.failures.checked_sub(FAILURES) {
            let pause = SHORTEST.saturating_mul(2_u32.saturating_pow(more.min(8))).min(LONGEST);
            state.quiet_until = Some(now + pause);
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.probes {
            self.pace.state().probing = false;
        }
    }
}

/// Requests to one provider at a time: of 20 ms each, 800 a second.
const AT_ONCE: usize = 16;

/// After so many failures it is left alone for a while.
const FAILURES: u32 = 3;

/// That while: doubled with each further failure.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// About as long as a request to a provider that is silent takes.
const HURRY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_left_alone_for_longer_and_longer_and_then_asked_by_one() {
        let pace = Paces::default().of(&"corp".into());
        let mut now = Instant::now();
        for _ in 0..FAILURES {
            assert!(!pace.is_lost());
            pace.attempt(now).unwrap().failed(now);
        }
        for pause in [SHORTEST, 2 * SHORTEST, 4 * SHORTEST] {
            assert!(pace.is_lost() && pace.attempt(now + pause - Duration::from_millis(1)).is_none());
            now += pause;
            let probe = pace.attempt(now).unwrap();
            assert!(pace.attempt(now).is_none(), "one at a time");
            probe.failed(now);
        }
        for _ in 0..10 {
            now += LONGEST;
            pace.attempt(now).expect("never longer").failed(now);
        }
        now += LONGEST;
        drop(pace.attempt(now).unwrap());
        pace.attempt(now).expect("the last one came to nothing").answered();
        assert!(!pace.is_lost() && pace.attempt(now).is_some());
    }

    #[test]
    fn an_answer_between_failures_counts() {
        let pace = Paces::default().of(&"corp".into());
        let now = Instant::now();
        for _ in 0..4 {
            for _ in 1..FAILURES {
                pace.attempt(now).unwrap().failed(now);
            }
            pace.attempt(now).unwrap().answered();
        }
        assert!(!pace.is_lost());
    }

    #[test]
    fn nobody_waits_where_somebody_waited_in_vain_until_it_answers() {
        let pace = Paces::default().of(&"corp".into());
        let now = Instant::now();
        pace.in_vain(now);
        assert!(!pace.is_worth_waiting(now) && pace.is_worth_waiting(now + HURRY));
        pace.attempt(now).unwrap().answered();
        assert!(pace.is_worth_waiting(now));
    }
}
