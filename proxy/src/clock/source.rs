//! Where the time comes from: the operating system, or a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::timestamp::millis;
use super::turn;

#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The system's, and when this clock was made.
    System(Instant),
    Manual(Arc<Hands>),
}

/// Of a manual clock, milliseconds.
#[derive(Debug, Default)]
pub(super) struct Hands {
    pub(super) wall: AtomicI64,
    pub(super) steady: AtomicI64,
}

/// What both clocks of a machine say at one moment, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// The time of day, which can be set.
    pub(super) wall: i64,
    /// Since this clock was made; goes on evenly, and stands still while the machine sleeps.
    pub(super) steady: i64,
}

impl Source {
    pub(super) fn wall(&self) -> i64 {
        match self {
            Self::System(_) => turn::wall(),
            Self::Manual(hands) => hands.wall.load(Ordering::Acquire),
        }
    }

    pub(super) fn read(&self) -> Reading {
        let steady = match self {
            Self::System(made) => millis(turn::instant().into_std().saturating_duration_since(*made)),
            Self::Manual(hands) => hands.steady.load(Ordering::Acquire),
        };
        Reading { wall: self.wall(), steady }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that may ask")]
pub(super) fn system_now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        Err(before) => -millis(before.duration()),
    }
}

pub(super) fn system_instant() -> Instant {
    Instant::now()
}
