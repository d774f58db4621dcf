//! What is deleted, and why: decided without touching anything.

use std::time::{Duration, Instant};

use super::summary::Because;
use crate::clock::Timestamp;

/// A segment that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) segment: String,
    /// Whether it is written to.
    pub(super) open: bool,
    /// The latest time in it, if it is finished and its summary is signed. Nothing else is ever deleted.
    pub(super) last_at: Option<Timestamp>,
    /// What it takes on the disk.
    pub(super) bytes: u64,
}

/// How long, and how much, is kept. `None` is for ever, and without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Retention {
    /// A segment whose last line is older goes.
    pub(super) keep_for: Option<Duration>,
    /// While all segments together are larger, the oldest goes.
    pub(super) keep_size: Option<u64>,
}

/// Whether the clock goes as time goes. After a jump nothing is deleted for its age for a while, so that a clock that was set wrong
/// does not take the whole record with it before somebody sets it right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    wall: Timestamp,
    since: Instant,
    jumped: Option<Instant>,
}

/// What goes, the oldest first.
///
/// INVARIANT (newest-stays): what is open, the newest segment, and what has no signed summary that would stay in its place, is never
/// in it.
pub(super) fn plan(held: &[Held], now: Timestamp, retention: Retention) -> Vec<(String, Because)> {
    let by_time = |one: &&Held| (one.last_at, one.segment.clone());
    let newest = if held.iter().any(|one| one.open) { None } else { held.iter().max_by_key(by_time) };
    let finished = held.iter().filter(|one| !one.open && newest != Some(*one));
    let mut may_go: Vec<_> = finished.filter_map(|one| Some((one.last_at?, one))).collect();
    may_go.sort_by(|(at, one), (other_at, other)| (at, &one.segment).cmp(&(other_at, &other.segment)));
    let mut total = held.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
    let mut goes = Vec::new();
    for (last_at, one) in may_go {
        let because = if retention.keep_for.is_some_and(|keep_for| now.since(last_at) > keep_for) {
            Because::Age
        } else if retention.keep_size.is_some_and(|keep_size| total > keep_size) {
            Because::Size
        } else {
            // All that follow are younger.
            break;
        };
        total = total.saturating_sub(one.bytes);
        goes.push((one.segment.clone(), because));
    }
    goes
}

impl Steady {
    pub(super) fn begin(now: Timestamp, instant: Instant) -> Self {
        Self { wall: now, since: instant, jumped: None }
    }

    /// Looks at the clock; whether it has gone steadily for long enough.
    pub(super) fn look(&mut self, now: Timestamp, instant: Instant) -> bool {
        let expected = self.wall.plus(instant.saturating_duration_since(self.since));
        let off = now.since(expected).max(expected.since(now));
        if off > JUMP {
            tracing::warn!(
                seconds = off.as_secs(),
                "the clock has jumped; nothing of the record is deleted for its age in the next hour"
            );
            self.jumped = Some(instant);
        }
        // From here on, so that a clock that runs a little fast never counts as one that jumped.
        (self.wall, self.since) = (now, instant);
        self.jumped.is_none_or(|jumped| instant.saturating_duration_since(jumped) >= HOLD)
    }
}

/// So much between two looks is no slewing.
const JUMP: Duration = Duration::from_secs(60);
/// How long nothing is deleted for its age after a jump.
const HOLD: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(segment: &str, last_at: Option<i64>, bytes: u64) -> Held {
        Held { segment: segment.into(), open: last_at.is_none(), last_at: last_at.map(Timestamp), bytes }
    }

    fn names(plan: &[(String, Because)]) -> Vec<(&str, Because)> {
        plan.iter().map(|(name, because)| (name.as_str(), *because)).collect()
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_old_goes_and_then_what_is_too_much() {
        let all = [held("a", Some(10), 100), held("b", Some(20), 100), held("c", Some(30), 100), held("d", None, 100)];
        let now = Timestamp(100);
        assert_eq!(plan(&all, now, Retention::default()), []);
        let by_age = Retention { keep_for: Some(85 * MS), keep_size: None };
        assert_eq!(names(&plan(&all, now, by_age)), [("a", Because::Age)]);
        let by_size = Retention { keep_for: None, keep_size: Some(200) };
        assert_eq!(names(&plan(&all, now, by_size)), [("a", Because::Size), ("b", Because::Size)]);
        let both = Retention { keep_for: Some(85 * MS), keep_size: Some(200) };
        assert_eq!(names(&plan(&all, now, both)), [("a", Because::Age), ("b", Because::Size)]);
    }

    #[test]
    fn the_newest_and_what_is_not_signed_stay_however_old_and_large_they_are() {
        let harsh = Retention { keep_for: Some(MS), keep_size: Some(1) };
        let all = [held("a", Some(10), 100), held("b", Some(20), 100)];
        assert_eq!(names(&plan(&all, Timestamp(1_000), harsh)), [("a", Because::Age)]);
        let damaged = Held { open: false, ..held("x", None, 100) };
        let all = [damaged, held("a", Some(10), 100), held("b", None, 100)];
        assert_eq!(names(&plan(&all, Timestamp(1_000), harsh)), [("a", Because::Age)]);
    }

    #[test]
    fn a_clock_that_jumped_is_not_believed_for_an_hour() {
        let start = Instant::now();
        let mut steady = Steady::begin(Timestamp(0), start);
        let second = |n: u64| start + Duration::from_secs(n);
        assert!(steady.look(Timestamp(15_000), second(15)));
        // Slewed.
        assert!(steady.look(Timestamp(33_000), second(30)));
        let years = 400 * 86_400_000;
        assert!(!steady.look(Timestamp(years), second(45)));
        assert!(!steady.look(Timestamp(years + 15_000), second(60)));
        // Set right again: a jump too.
        assert!(!steady.look(Timestamp(75_000), second(75)));
        for n in (90..3670).step_by(15) {
            assert!(!steady.look(Timestamp(n * 1000), second(n.try_into().unwrap())), "{n}");
        }
        assert!(steady.look(Timestamp(3_675_000), second(3675)));
    }

    fn some_held() -> impl Strategy<Value = Vec<Held>> {
        let one = (0..4_u8, 0..1000_i64, 0..10_000_u64);
        prop::collection::vec(one, 0..30).prop_map(|all| {
            let numbered = all.into_iter().enumerate().map(|(index, (kind, at, bytes))| Held {
                segment: format!("s{index}"),
                open: kind == 0,
                last_at: (kind > 1).then_some(Timestamp(at)),
                bytes,
            });
            numbered.collect()
        })
    }

    proptest! {
        #[test]
        fn no_plan_takes_what_is_open_or_the_newest_and_the_sizes_add_up(
            all in some_held(), now in 0..2000_i64, keep_for in prop::option::of(1..2000_u64), keep_size in prop::option::of(0..100_000_u64),
        ) {
            let retention = Retention { keep_for: keep_for.map(Duration::from_millis), keep_size };
            let goes = plan(&all, Timestamp(now), retention);
            let find = |name: &str| all.iter().find(|one| one.segment == name).unwrap();
            let mut left: u64 = all.iter().map(|one| one.bytes).sum();
            let mut before = None;
            for (index, (name, because)) in goes.iter().enumerate() {
                let one = find(name);
                let at = one.last_at.expect("only what is finished and signed goes");
                prop_assert!(!one.open && !goes[..index].iter().any(|(other, _)| other == name));
                prop_assert!(all.iter().any(|other| other.open || other.last_at > Some(at) || (other.last_at == Some(at) && other.segment > one.segment)));
                match because {
                    Because::Age => prop_assert!(Timestamp(now).since(at) > retention.keep_for.unwrap()),
                    Because::Size => prop_assert!(left > keep_size.unwrap()),
                }
                prop_assert!(before.is_none_or(|before| before <= at), "the oldest goes first");
                before = Some(at);
                left -= one.bytes;
            }
            // Nothing stays that had to go.
            let newest = all.iter().max_by_key(|one| (one.last_at, one.segment.clone()));
            let kept = all.iter().filter(|one| !one.open && !goes.iter().any(|(name, _)| *name == one.segment));
            for one in kept {
                let Some(at) = one.last_at else { continue };
                let spared = newest == Some(one) && !all.iter().any(|one| one.open);
                let young = retention.keep_for.is_none_or(|keep_for| Timestamp(now).since(at) <= keep_for);
                let small = keep_size.is_none_or(|keep_size| left <= keep_size);
                prop_assert!(spared || (young && small));
            }
        }
    }
}
