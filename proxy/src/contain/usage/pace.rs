//! A bucket of turns that fills up steadily: how a rate is held.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Rate;

/// How much of a bucket is used up, as one number: when, in microseconds, it will be full again. (The generic cell rate algorithm, ITU-T
/// I.371: a token bucket that nobody has to fill.)
#[derive(Debug, Default)]
pub(super) struct Pace {
    full_at: AtomicI64,
}

impl Pace {
    /// Takes a turn out of a bucket that has room for `rate.count` turns, and gets one more each `rate.per / rate.count`.
    ///
    /// # Errors
    /// How long until there is one.
    pub(super) fn take(&self, rate: Rate, now: Timestamp) -> Result<(), Duration> {
        let now = now.0.saturating_mul(1_000);
        let whole = i64::try_from(rate.per.as_micros()).unwrap_or(i64::MAX);
        let turn = (whole / i64::from(rate.count).max(1)).max(1);
        let mut full_at = self.full_at.load(Ordering::Acquire);
        loop {
            // Of a clock that was set back, and of a rate that was lower before, no more is held against anybody than an empty bucket.
            let from = full_at.clamp(now, now.saturating_add(whole));
            let then = from.saturating_add(turn);
            let missing = then.saturating_sub(now).saturating_sub(whole);
            if missing > 0 {
                return Err(Duration::from_micros(missing.unsigned_abs()));
            }
            match self.full_at.compare_exchange_weak(full_at, then, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(moved) => full_at = moved,
            }
        }
    }

    /// Nothing is missing in the bucket.
    pub(super) fn is_full(&self, now: Timestamp) -> bool {
        self.full_at.load(Ordering::Acquire) <= now.0.saturating_mul(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_225_600_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp(START + ms)
    }

    fn rate(count: u32, seconds: u64) -> Rate {
        Rate { count, per: Duration::from_secs(seconds) }
    }

    #[test]
    fn a_full_bucket_then_one_by_one() {
        let (pace, rate) = (Pace::default(), rate(10, 1));
        for _ in 0..10 {
            pace.take(rate, at(0)).unwrap();
        }
        assert_eq!(pace.take(rate, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(pace.take(rate, at(40)), Err(Duration::from_millis(60)), "asking in vain costs nothing");
        pace.take(rate, at(100)).unwrap();
        assert!(pace.take(rate, at(100)).is_err());
        for _ in 0..5 {
            pace.take(rate, at(600)).unwrap();
        }
        assert!(pace.take(rate, at(600)).is_err());
        assert!(!pace.is_full(at(1_599)));
        assert!(pace.is_full(at(1_600)));
        for _ in 0..10 {
            pace.take(rate, at(60_000)).unwrap();
        }
        assert!(pace.take(rate, at(60_000)).is_err(), "a bucket does not overflow");
    }

    #[test]
    fn a_clock_that_goes_back_costs_one_bucket_at_most() {
        let (pace, rate) = (Pace::default(), rate(2, 60));
        pace.take(rate, at(86_400_000)).unwrap();
        assert_eq!(pace.take(rate, at(0)), Err(Duration::from_secs(30)));
        pace.take(rate, at(86_400_000)).unwrap();
    }

    #[test]
    fn a_rate_that_is_lowered_holds_at_once() {
        let pace = Pace::default();
        (0..100).for_each(|_| pace.take(rate(100, 60), at(0)).unwrap());
        assert!(pace.take(rate(1, 1), at(0)).is_err());
        pace.take(rate(1, 1), at(60_000)).unwrap();
        assert_eq!(pace.take(rate(1, 1), at(60_000)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn two_at_once_do_not_get_the_same_turn() {
        let (pace, rate) = (Pace::default(), rate(1_000, 3_600));
        let got: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..1_000).filter(|_| pace.take(rate, at(0)).is_ok()).count())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(got, 1_000);
    }
}
