//! What moved when, by app.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::commands::audit::report::figures::When;

/// Requests and bytes by time and app: as fine as a minute while that takes little room.
#[derive(Clone, Debug)]
pub(in crate::commands::audit::report) struct Grid {
    step_ms: i64,
    cells: HashMap<(i64, u32), Cell>,
}

/// What happened in a step of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(in crate::commands::audit::report) struct Cell {
    /// Requests that were let through.
    pub(in crate::commands::audit::report) allowed: u64,
    /// Requests that were refused.
    pub(in crate::commands::audit::report) denied: u64,
    /// Bytes that apps' answers were handed on.
    pub(in crate::commands::audit::report) sent: u64,
    /// Bytes that were handed on to apps.
    pub(in crate::commands::audit::report) received: u64,
}

/// Steps of time between two bars of a chart, in milliseconds.
const STEPS: [i64; 12] =
    [MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 7 * DAY];

impl Default for Grid {
    fn default() -> Self {
        Self { step_ms: MINUTE, cells: HashMap::new() }
    }
}

impl Grid {
    /// Adds what happened at `at` with the app of that number.
    pub(super) fn add(&mut self, at: When, app: u32, what: Cell) {
        let slot = self.slot(at.0.0);
        *self.cells.entry((slot, app)).or_default() += what;
        if self.cells.len() > MOST_CELLS {
            self.coarsen();
        }
    }

    /// What happened, by the hour of the zone and app, in order.
    pub(in crate::commands::audit::report) fn hours(&self, zone: &TimeZone) -> Vec<(When, u32, Cell)> {
        self.by(|ms| {
            let offset = offset_ms(zone, ms);
            (ms + offset).div_euclid(HOUR) * HOUR - offset
        })
    }

    /// What happened, by steps of time that are as long as it takes to need no more than `most` of them, in order; `edges` are to
    /// be among the steps, too.
    pub(in crate::commands::audit::report) fn steps(
        &self,
        zone: &TimeZone,
        most: usize,
        edges: Option<(When, When)>,
    ) -> (i64, Vec<(When, u32, Cell)>) {
        let edges = edges.map(|(first, last)| [first.0.0, last.0.0]);
        let times = || self.cells.keys().map(|(slot, _)| *slot).chain(edges.into_iter().flatten());
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let most = i64::try_from(most).unwrap_or(i64::MAX).max(1);
        let fits = |step: &&i64| **step >= self.step_ms && (last - first) / **step < most - 1;
        let step = STEPS.iter().find(fits).copied().unwrap_or_else(|| ((last - first) / most / DAY + 1) * DAY);
        // All bars begin at whole steps of one offset: a day on which the clock changes would make them uneven otherwise.
        let offset = offset_ms(zone, first);
        (step, self.by(|ms| (ms + offset).div_euclid(step) * step - offset))
    }

    fn by(&self, slot: impl Fn(i64) -> i64) -> Vec<(When, u32, Cell)> {
        let mut sums = HashMap::<(i64, u32), Cell>::new();
        for (&(at, app), cell) in &self.cells {
            *sums.entry((slot(at), app)).or_default() += *cell;
        }
        let mut rows: Vec<_> = sums.into_iter().map(|((at, app), cell)| (When(Timestamp(at)), app, cell)).collect();
        rows.sort_unstable_by_key(|(at, app, _)| (*at, *app));
        rows
    }

    fn slot(&self, ms: i64) -> i64 {
        ms.div_euclid(self.step_ms) * self.step_ms
    }

    fn coarsen(&mut self) {
        self.step_ms = STEPS.iter().copied().find(|step| *step > self.step_ms).unwrap_or(self.step_ms * 2);
        for ((at, app), cell) in std::mem::take(&mut self.cells) {
            let slot = self.slot(at);
            *self.cells.entry((slot, app)).or_default() += cell;
        }
    }
}

impl std::ops::AddAssign for Cell {
    fn add_assign(&mut self, other: Self) {
        self.allowed += other.allowed;
        self.denied += other.denied;
        self.sent = self.sent.saturating_add(other.sent);
        self.received = self.received.saturating_add(other.received);
    }
}

/// How far the zone is ahead of UTC at that time.
pub(in crate::commands::audit::report) fn offset_ms(zone: &TimeZone, ms: i64) -> i64 {
    let at = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
    i64::from(zone.to_offset(at).seconds()) * 1000
}

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// About 10 MB.
const MOST_CELLS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(sent: u64) -> Cell {
        Cell { allowed: 1, sent, ..Cell::default() }
    }

    #[test]
    fn hours_are_those_of_the_zone() {
        let mut grid = Grid::default();
        // 2026-01-01T00:10Z is 05:40 in Kolkata, where an hour begins at half past.
        let at = |minute: i64| When(Timestamp(1_767_225_600_000 + minute * MINUTE));
        for minute in [10, 29, 30] {
            grid.add(at(minute), 0, cell(1));
        }
        let kolkata = TimeZone::get("Asia/Kolkata").unwrap();
        let hours: Vec<_> = grid.hours(&kolkata).into_iter().map(|(at, _, cell)| (at.0.to_string(), cell.sent)).collect();
        assert_eq!(hours, [("2025-12-31T23:30:00.000Z".into(), 2), ("2026-01-01T00:30:00.000Z".into(), 1)]);
        assert_eq!(grid.hours(&TimeZone::UTC).len(), 1);
    }

    #[test]
    fn steps_are_as_fine_as_there_is_room_for() {
        let mut grid = Grid::default();
        for hour in 0..48 {
            grid.add(When(Timestamp(hour * HOUR)), 0, cell(1));
        }
        let (step, rows) = grid.steps(&TimeZone::UTC, 60, None);
        assert_eq!((step, rows.len()), (HOUR, 48));
        let (step, rows) = grid.steps(&TimeZone::UTC, 10, None);
        assert_eq!((step, rows.len()), (6 * HOUR, 8));
        assert_eq!(Grid::default().steps(&TimeZone::UTC, 10, None).1, []);
    }

    #[test]
    fn a_long_time_takes_no_more_room_and_loses_nothing() {
        let mut grid = Grid::default();
        let many = 3 * MOST_CELLS as i64;
        for minute in 0..many {
            grid.add(When(Timestamp(minute * MINUTE)), 0, cell(1));
        }
        assert!(grid.cells.len() <= MOST_CELLS);
        assert_eq!(grid.hours(&TimeZone::UTC).iter().map(|(_, _, cell)| cell.sent).sum::<u64>(), many.unsigned_abs());
    }
}
