//! One reading of the system's clocks for each turn of a task.
//!
//! A request asks for the time some thirty times, and each reading costs as much as a lookup in a table. All that a task does
//! between two waits happens at one moment: so whoever polls it declares a [`turn`], and the clocks are read once in it. The time of
//! day, which is told in milliseconds, is not read again before one has passed.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use super::source::system_now;

/// Whether there is a turn, and what was read in it.
#[derive(Clone, Copy, Debug, Default)]
enum Turn {
    #[default]
    None,
    Begun,
    Read(Instant, i64),
}

thread_local! {
    static TURN: Cell<Turn> = const { Cell::new(Turn::None) };
    /// When the time of day was read for a turn the last time, and what it was.
    static LAST: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

/// Ends the turn, also if the task panics: time must not stand still for whoever comes after it.
struct Ends;

impl Drop for Ends {
    fn drop(&mut self) {
        TURN.set(Turn::default());
    }
}

/// Runs `poll`, during which time stands still. A turn within a turn is part of it.
pub fn turn<R>(poll: impl FnOnce() -> R) -> R {
    if !matches!(TURN.get(), Turn::None) {
        return poll();
    }
    TURN.set(Turn::Begun);
    let _ends = Ends;
    poll()
}

/// The steady clock, as of this turn if there is one.
pub fn instant() -> Instant {
    read().map_or_else(Instant::now, |(steady, _)| steady)
}

/// The system's time of day, as of this turn if there is one: milliseconds since 1970.
pub(super) fn wall() -> i64 {
    read().map_or_else(system_now, |(_, wall)| wall)
}

/// Both clocks, if there is a turn. They are read within a millisecond: what lies between two readings looks as if the time of day had
/// jumped.
fn read() -> Option<(Instant, i64)> {
    match TURN.get() {
        Turn::None => None,
        Turn::Read(steady, wall) => Some((steady, wall)),
        Turn::Begun => {
            let steady = Instant::now();
            let recent = LAST.get().filter(|(read, _)| steady.saturating_duration_since(*read) < MILLISECOND);
            let wall = recent.map_or_else(system_now, |(_, wall)| wall);
            if recent.is_none() {
                LAST.set(Some((steady, wall)));
            }
            TURN.set(Turn::Read(steady, wall));
            Some((steady, wall))
        }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn until_it_moves(from: Instant) {
        while Instant::now() == from {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn time_stands_still_in_a_turn_and_only_there() {
        let before = instant();
        until_it_moves(before);
        assert_ne!(instant(), before);
        turn(|| {
            let first = instant();
            let day = wall();
            until_it_moves(first);
            assert_eq!(instant(), first);
            assert_eq!(turn(instant), first, "a turn within it is part of it");
            assert_eq!(instant(), first);
            assert_eq!(wall(), day);
        });
        let after = instant();
        until_it_moves(after);
        assert_ne!(instant(), after);
    }

    #[test]
    fn the_time_of_day_goes_on_from_turn_to_turn() {
        let began = turn(wall);
        let until = Instant::now() + Duration::from_secs(5);
        while turn(wall) == began {
            assert!(Instant::now() < until, "it stands still");
        }
        let late = system_now() - turn(wall);
        assert!((0..1_000).contains(&late), "{late} ms behind");
    }

    #[test]
    fn a_turn_that_panics_ends_too() {
        let seen = Cell::new(None);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            turn(|| {
                seen.set(Some(instant()));
                std::panic::resume_unwind(Box::new("the task"));
            });
        }));
        assert!(panicked.is_err());
        let stale = seen.get().unwrap();
        until_it_moves(stale);
        assert_ne!(instant(), stale);
    }
}
