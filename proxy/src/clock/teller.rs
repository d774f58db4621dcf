//! The clock itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::source::{Hands, Source, system_instant};
use super::sure::{ClockUnsure, Sure};
use super::timestamp::{Timestamp, millis};

/// Tells the time: the system's, or a test's. Cheap to clone.
///
/// It never goes back, and it is suspicious: see [`Clock::look`]. While the system's time cannot be believed it goes on from the last
/// time that could.
#[derive(Clone, Debug)]
pub struct Clock {
    pub(super) source: Source,
    pub(super) sure: Arc<Sure>,
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Self {
        Self::of(Source::System(system_instant()))
    }

    /// A clock that stands still until [`Clock::advance`] moves it. Clones share the hand.
    pub fn manual(start: Timestamp) -> Self {
        let hands = Hands { wall: AtomicI64::new(start.0), steady: AtomicI64::new(0) };
        Self::of(Source::Manual(Arc::new(hands)))
    }

    fn of(source: Source) -> Self {
        let sure = Arc::new(Sure::of(source.read()));
        Self { source, sure }
    }

    /// The current time. A jump that nobody has looked at yet is not told either: it would be in the record, and in what is kept.
    pub fn now(&self) -> Timestamp {
        if self.sure.is_sure() {
            let wall = self.source.wall();
            if self.sure.is_near(wall) {
                return self.sure.at(wall);
            }
        }
        let reading = self.source.read();
        self.sure.look(reading).unwrap_or_else(|_unsure| self.sure.estimate(reading))
    }

    /// The current time, if it can be believed: the time of day has not jumped against the clock that nobody can set. Costs two
    /// readings of the system's clocks.
    ///
    /// # Errors
    /// [`ClockUnsure`], until a [`ClockWatch`] finds that it can be believed again.
    pub fn look(&self) -> Result<Timestamp, ClockUnsure> {
        self.sure.look(self.source.read())
    }

    /// How far the system's time of day is behind the latest time that was told: zero, unless it was set back.
    pub fn behind(&self) -> Duration {
        self.now().since(Timestamp(self.source.wall()))
    }

    /// Moves a manual clock forward; a system clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(hands) = &self.source {
            hands.wall.fetch_add(millis(by), Ordering::AcqRel);
            hands.steady.fetch_add(millis(by), Ordering::AcqRel);
        }
    }

    /// Sets a manual clock's time of day forward or back, as an administrator or a time server does, or as if the machine had
    /// slept; a system clock is left alone.
    pub fn jump(&self, by_ms: i64) {
        if let Source::Manual(hands) = &self.source {
            hands.wall.fetch_add(by_ms, Ordering::AcqRel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_is_not_told_though_nobody_has_looked() {
        for by_ms in [3_600_000, -3_600_000] {
            let clock = Clock::manual(Timestamp(10_000_000));
            clock.advance(Duration::from_secs(60));
            clock.jump(by_ms);
            assert_eq!(clock.now(), Timestamp(10_060_000));
            assert_eq!(clock.look(), Err(ClockUnsure));
            clock.jump(-by_ms);
            clock.advance(Duration::from_secs(60));
            assert_eq!(clock.now(), Timestamp(10_120_000));
        }
    }

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp(1_000));
        let other = clock.clone();
        assert_eq!(clock.now(), Timestamp(1_000));
        clock.advance(Duration::from_secs(2));
        assert_eq!(other.now(), Timestamp(3_000));
    }
}
