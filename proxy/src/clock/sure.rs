//! Whether the time of day can be believed.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use super::source::Reading;
use super::timestamp::Timestamp;

/// The time of day has jumped: what rests on it is refused until it can be believed again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the clock has jumped, and what time it is cannot be told")]
pub struct ClockUnsure;

/// What was believed last. Read by every core; written rarely: a flag when the time jumps, the latest time some hundred times a
/// second.
#[derive(Debug)]
pub(super) struct Sure {
    sure: AtomicBool,
    /// How far the time of day is ahead of the steady clock, when it was last believed.
    ahead: AtomicI64,
    /// The latest time that was believed. Nothing that was over by then ever counts again.
    latest: AtomicI64,
}

impl Sure {
    /// What is said first is believed: there is nothing to hold against it.
    pub(super) fn of(first: Reading) -> Self {
        let (ahead, latest) = (AtomicI64::new(first.ahead()), AtomicI64::new(first.wall));
        Self { sure: AtomicBool::new(true), ahead, latest }
    }

    pub(super) fn is_sure(&self) -> bool {
        self.sure.load(Ordering::Acquire)
    }

    /// A time of day that is believed, but never goes back.
    pub(super) fn at(&self, wall: i64) -> Timestamp {
        Timestamp(wall.max(self.latest.load(Ordering::Relaxed)))
    }

    /// Whether there is no reason to suspect `wall`: so soon after the latest time, the steady clock need not be asked.
    pub(super) fn is_near(&self, wall: i64) -> bool {
        wall.abs_diff(self.latest.load(Ordering::Relaxed)) <= JUMP_MS.unsigned_abs()
    }

    /// What time it should be, by the steady clock.
    pub(super) fn estimate(&self, reading: Reading) -> Timestamp {
        self.at(reading.steady.saturating_add(self.ahead.load(Ordering::Acquire)))
    }

    pub(super) fn look(&self, reading: Reading) -> Result<Timestamp, ClockUnsure> {
        if !self.is_sure() {
            return Err(ClockUnsure);
        }
        if self.jumped_by(reading).abs() > JUMP_MS {
            self.sure.store(false, Ordering::Release);
            return Err(ClockUnsure);
        }
        if reading.wall > self.latest.load(Ordering::Relaxed) + STEP_MS {
            self.latest.fetch_max(reading.wall, Ordering::Relaxed);
        }
        Ok(self.at(reading.wall))
    }

    /// How far the time of day is from where it should be.
    pub(super) fn jumped_by(&self, reading: Reading) -> i64 {
        reading.ahead().saturating_sub(self.ahead.load(Ordering::Acquire))
    }

    /// Small corrections are followed, so that they do not add up to a jump.
    pub(super) fn follow(&self, reading: Reading) {
        self.ahead.store(reading.ahead(), Ordering::Release);
    }

    /// The time of day is believed again. What was estimated meanwhile is not taken back.
    pub(super) fn believe(&self, reading: Reading) {
        self.latest.fetch_max(self.estimate(reading).0, Ordering::AcqRel);
        self.follow(reading);
        self.sure.store(true, Ordering::Release);
    }
}

impl Reading {
    pub(super) fn ahead(self) -> i64 {
        self.wall.saturating_sub(self.steady)
    }
}

/// A time of day that moves by more than this against the steady clock, between two looks, has jumped.
const JUMP_MS: i64 = 5_000;
/// The latest time is written down when it has moved by this, so that the cores do not fight over it.
const STEP_MS: i64 = 10;
