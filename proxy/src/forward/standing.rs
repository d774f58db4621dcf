//! How an upstream has been doing, seen from all cores.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The standing of one upstream of one app. Shared by all cores and the health checks; kept over a reload.
#[derive(Debug)]
pub(super) struct Standing {
    origin: Instant,
    /// Failures in a row.
    failures: AtomicU32,
    /// Times in a row that it was set aside.
    ejections: AtomicU32,
    /// Milliseconds after `origin`; zero: not set aside.
    aside_until: AtomicU64,
    /// The last health checks failed.
    down: AtomicBool,
}

/// What an upstream is good for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fitness {
    /// Nothing speaks against it.
    Good,
    /// It failed lately: only if there is nothing better.
    Aside,
    /// It fails its health checks: never.
    Down,
}

impl Standing {
    pub(super) fn new() -> Self {
        Self {
            origin: Instant::now(),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            aside_until: AtomicU64::new(0),
            down: AtomicBool::new(false),
        }
    }

    pub(super) fn fitness(&self, now: Instant) -> Fitness {
        if self.down.load(Ordering::Relaxed) {
            return Fitness::Down;
        }
        match self.aside_until.load(Ordering::Relaxed) {
            0 => Fitness::Good,
            until if until > self.at(now) => Fitness::Aside,
            _ => Fitness::Good,
        }
    }

    /// An exchange went well.
    pub(super) fn succeeded(&self) {
        // Read first: on the usual path nothing is written, so cores do not fight over the cache line.
        if self.failures.load(Ordering::Relaxed) != 0 || self.aside_until.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.ejections.store(0, Ordering::Relaxed);
            self.aside_until.store(0, Ordering::Relaxed);
        }
    }

    /// An exchange failed by the upstream's fault. True if it is set aside because of it.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < FAILURES_IN_A_ROW || self.fitness(now) != Fitness::Good {
            return false;
        }
        let before = self.ejections.fetch_add(1, Ordering::Relaxed);
        let pause = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(before.min(16)).unwrap_or(u32::MAX)).min(LONGEST_PAUSE);
        self.aside_until.store(self.at(now).saturating_add(millis(pause)).max(1), Ordering::Relaxed);
        true
    }

    /// What a health check found. True if that is news.
    pub(super) fn set_down(&self, down: bool) -> bool {
        self.down.swap(down, Ordering::Relaxed) != down
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    fn at(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.origin))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Failures in a row after which an upstream is set aside.
const FAILURES_IN_A_ROW: u32 = 3;
/// How long it is set aside the first time; doubled each time, as long as it does not recover.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn after(standing: &Standing, millis: u64) -> Instant {
        standing.origin + Duration::from_millis(millis)
    }

    #[test]
    fn three_failures_in_a_row_set_it_aside_for_a_while() {
        let standing = Standing::new();
        let now = after(&standing, 0);
        assert!(!standing.failed(now));
        assert!(!standing.failed(now));
        assert_eq!(standing.fitness(now), Fitness::Good);
        assert!(standing.failed(now));
        assert_eq!(standing.fitness(now), Fitness::Aside);
        assert_eq!(standing.fitness(after(&standing, 1_100)), Fitness::Good);
    }

    #[test]
    fn each_time_is_twice_as_long_until_it_recovers() {
        let standing = Standing::new();
        for _ in 0..3 {
            standing.failed(after(&standing, 0));
        }
        assert!(standing.failed(after(&standing, 1_100)));
        assert_eq!(standing.fitness(after(&standing, 2_200)), Fitness::Aside);
        standing.succeeded();
        assert_eq!(standing.fitness(after(&standing, 2_200)), Fitness::Good);
    }

    #[test]
    fn a_success_in_between_clears_the_count() {
        let standing = Standing::new();
        let now = after(&standing, 0);
        standing.failed(now);
        standing.failed(now);
        standing.succeeded();
        assert!(!standing.failed(now));
    }

    #[test]
    fn health_checks_overrule() {
        let standing = Standing::new();
        assert!(standing.set_down(true));
        assert!(!standing.set_down(true));
        standing.succeeded();
        assert_eq!(standing.fitness(after(&standing, 0)), Fitness::Down);
    }
}
