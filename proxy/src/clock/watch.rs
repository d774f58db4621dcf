//! Looks at the clock again and again, and finds out when it can be believed again.

use std::time::Duration;

use super::source::Reading;
use super::teller::Clock;
use super::timestamp::millis;

/// The one who watches a [`Clock`]. To be asked every [`ClockWatch::BEAT`].
#[derive(Debug)]
pub struct ClockWatch {
    clock: Clock,
    doubt: Option<Doubt>,
}

/// Since the clock jumped.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// How far the time of day has been ahead of the steady clock lately, and since when.
    ahead: i64,
    since: i64,
}

/// What a look found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The time of day has jumped by so many milliseconds, back if negative.
    Unsure {
        /// How far.
        by_ms: i64,
    },
    /// It can be believed again.
    Sure {
        /// How far it is from where it would be without the jump, milliseconds: about zero if it has come back.
        by_ms: i64,
    },
}

impl ClockWatch {
    /// How often to look.
    pub const BEAT: Duration = Duration::from_millis(250);

    /// Of this clock and its clones.
    pub fn new(clock: Clock) -> Self {
        Self { clock, doubt: None }
    }

    /// Looks. What is new is told once.
    pub fn look(&mut self) -> Option<ClockChange> {
        let reading = self.clock.source.read();
        let sure = &self.clock.sure;
        let seen = sure.look(reading);
        let by_ms = sure.jumped_by(reading);
        match (&mut self.doubt, seen) {
            (_, Ok(_now)) => {
                sure.follow(reading);
                self.doubt = None;
                None
            }
            (None, Err(_unsure)) => {
                self.doubt = Some(Doubt { ahead: reading.ahead(), since: reading.steady });
                Some(ClockChange::Unsure { by_ms })
            }
            (Some(doubt), Err(_unsure)) => {
                if !doubt.is_over(reading, by_ms) {
                    return None;
                }
                sure.believe(reading);
                self.doubt = None;
                Some(ClockChange::Sure { by_ms })
            }
        }
    }
}

impl Doubt {
    /// Both clocks have gone on evenly for long enough.
    fn is_over(&mut self, reading: Reading, by_ms: i64) -> bool {
        if (reading.ahead() - self.ahead).abs() > EVEN_MS {
            *self = Self { ahead: reading.ahead(), since: reading.steady };
        }
        let needed = if by_ms.abs() <= EVEN_MS { CAME_BACK } else { SETTLED };
        reading.steady - self.since >= millis(needed)
    }
}

/// Two clocks that differ by no more than this between two looks go on evenly.
const EVEN_MS: i64 = 1_000;
/// For so long, if the time of day has come back to where it was.
const CAME_BACK: Duration = Duration::from_secs(2);
/// For so long, if it stays where it jumped to.
const SETTLED: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::super::sure::ClockUnsure;
    use super::super::timestamp::Timestamp;
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn house() -> (Clock, ClockWatch) {
        let clock = Clock::manual(Timestamp(10 * HOUR_MS));
        let watch = ClockWatch::new(clock.clone());
        (clock, watch)
    }

    /// Goes on for so long, looking; what was told.
    fn go_on(clock: &Clock, watch: &mut ClockWatch, secs: u64) -> Vec<ClockChange> {
        let beats = secs * 4;
        let told = (0..beats).filter_map(|_| {
            clock.advance(ClockWatch::BEAT);
            watch.look()
        });
        told.collect()
    }

    #[test]
    fn a_clock_that_is_corrected_a_little_at_a_time_is_believed() {
        let (clock, mut watch) = house();
        for _ in 0..100 {
            clock.jump(400);
            assert_eq!(go_on(&clock, &mut watch, 1), []);
        }
        for _ in 0..10 {
            clock.jump(-4_000);
            assert_eq!(go_on(&clock, &mut watch, 1), []);
            assert!(clock.look().is_ok());
        }
    }

    #[test]
    fn a_jump_is_seen_by_the_first_who_looks_and_told_once() {
        let (clock, mut watch) = house();
        for by_ms in [-HOUR_MS, HOUR_MS] {
            clock.jump(by_ms);
            let other = clock.clone();
            assert_eq!(other.look(), Err(ClockUnsure), "a core need not wait for the watch");
            assert_eq!(watch.look(), Some(ClockChange::Unsure { by_ms }));
            assert_eq!(watch.look(), None);
            clock.jump(-by_ms);
            assert_eq!(go_on(&clock, &mut watch, 1), [], "it came back, but may go again");
            assert_eq!(go_on(&clock, &mut watch, 2), [ClockChange::Sure { by_ms: 0 }]);
            assert_eq!(clock.look(), Ok(clock.now()));
        }
    }

    #[test]
    fn time_goes_on_evenly_while_the_clock_is_unsure() {
        let (clock, mut watch) = house();
        let before = clock.now();
        clock.jump(1_000 * HOUR_MS);
        assert!(watch.look().is_some());
        assert_eq!(clock.now(), before, "nothing expires by a jump that nobody believes");
        assert_eq!(go_on(&clock, &mut watch, 20), []);
        assert_eq!(clock.now(), before.plus(Duration::from_secs(20)));
    }

    #[test]
    fn a_jump_that_stays_is_believed_in_the_end() {
        let (clock, mut watch) = house();
        let before = clock.now();
        clock.jump(HOUR_MS);
        assert_eq!(go_on(&clock, &mut watch, 29), [ClockChange::Unsure { by_ms: HOUR_MS }]);
        assert_eq!(go_on(&clock, &mut watch, 3), [ClockChange::Sure { by_ms: HOUR_MS }]);
        assert_eq!(clock.now(), before.plus(Duration::from_secs(3600 + 32)));
        assert_eq!(go_on(&clock, &mut watch, 60), []);
    }

    #[test]
    fn a_clock_that_does_not_stand_still_is_never_believed() {
        let (clock, mut watch) = house();
        clock.jump(HOUR_MS);
        assert_eq!(go_on(&clock, &mut watch, 1).len(), 1);
        for _ in 0..20 {
            clock.jump(2_000);
            assert_eq!(go_on(&clock, &mut watch, 10), []);
        }
        assert_eq!(clock.look(), Err(ClockUnsure));
    }

    #[test]
    fn time_never_goes_back() {
        let (clock, mut watch) = house();
        let before = clock.now();
        clock.jump(-HOUR_MS);
        assert_eq!(go_on(&clock, &mut watch, 40).len(), 2, "unsure, then sure again");
        let now = clock.look().unwrap();
        assert!(now >= before, "what was over by then stays over");
        assert!(clock.behind() >= Duration::from_secs(3500));
        assert_eq!(go_on(&clock, &mut watch, 3600), []);
        assert!(clock.now() > now, "it goes on when the time of day has come so far");
        assert_eq!(clock.behind(), Duration::ZERO);
    }
}
