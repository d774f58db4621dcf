//! Waiting: the times ahead at which a policy could see things otherwise.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::change::{By, Change, Edit};
use super::looks::{Beside, Looks};
use crate::query::Query;
use crate::request::{Moment, Weekday};

/// The times ahead that policies can tell from now and from each other, the soonest first; `None` if none looks at the time.
///
/// Within the next week for times of day and days; at any distance for dates. The configured zone's offset is taken to stay as
/// it is, which over a change to or from summer time is an hour wrong.
pub(super) fn worth_trying(looks: &Looks, query: &Query) -> Option<Vec<Change>> {
    let named = Named::new(looks, query)?;
    let now = query.request.at;
    let mut ahead: Vec<Moment> = named.days(now).chain(named.dates(now)).collect();
    ahead.sort_by_key(|moment| moment.unix_ms);
    let mut seen = vec![named.seen_at(now)];
    let mut changes = Vec::new();
    for moment in ahead {
        let signature = named.seen_at(moment);
        if seen.contains(&signature) {
            continue;
        }
        seen.push(signature);
        changes.push(Change {
            fact: "context.now".to_owned(),
            from: shown(now),
            to: shown(moment),
            by: By::Time,
            edit: Edit::At(moment),
        });
        if changes.len() == MOST {
            break;
        }
    }
    Some(changes)
}

/// What policies say of the time.
struct Named {
    /// Milliseconds since midnight.
    times_of_day: BTreeSet<i64>,
    days: BTreeSet<String>,
    /// Milliseconds since the Unix epoch.
    dates: BTreeSet<i64>,
}

impl Named {
    fn new(looks: &Looks, query: &Query) -> Option<Self> {
        let of = |fact: &str| looks.get(fact).into_iter().flatten();
        if !["context.now", "context.local_time", "context.weekday"].iter().any(|fact| looks.get(fact).is_some()) {
            return None;
        }
        let durations = |fact| {
            of(fact).filter_map(|beside| match beside {
                Beside::Duration(ms) => Some(*ms),
                _ => None,
            })
        };
        let texts = of("context.weekday").filter_map(|beside| match beside {
            Beside::Text(text) => Some(text.clone()),
            _ => None,
        });
        let dates = of("context.now").filter_map(|beside| match beside {
            Beside::Time(at_ms) => Some(*at_ms),
            _ => None,
        });
        // How long ago the device was entered is a date, too.
        let enrolled = query.who.as_ref().map_or(0, |identity| identity.device.enrolled_at_ms);
        let since = looks.get("context.device.enrolled_at").map(|_| durations("context.now"));
        let since = since.into_iter().flatten().filter_map(|ms| enrolled.checked_add(ms));
        Some(Self {
            times_of_day: durations("context.local_time").chain([0]).collect(),
            days: texts.collect(),
            dates: dates.chain(since).collect(),
        })
    }

    /// For the next week, each named time of day and the moment after it; of other days also the present time of day.
    fn days(&self, now: Moment) -> impl Iterator<Item = Moment> {
        let local = i64::from(now.local_ms);
        let times = self.times_of_day.iter().flat_map(|&ms| [ms, ms.saturating_add(1)]).chain([local]);
        let of_day: Vec<i64> = times.filter(|ms| (0..DAY_MS).contains(ms)).collect();
        (0..=7).flat_map(move |day| {
            let of_day = of_day.clone();
            of_day.into_iter().map(move |ms| day * DAY_MS + ms - local).filter(|&wait| wait > 0).map(move |wait| after(now, wait))
        })
    }

    fn dates(&self, now: Moment) -> impl Iterator<Item = Moment> {
        let dates = self.dates.iter().flat_map(|&at| [at, at.saturating_add(1)]);
        dates.filter_map(move |at| at.checked_sub(now.unix_ms).filter(|&wait| wait > 0)).map(move |wait| after(now, wait))
    }

    /// All that policies can see of it, unless they calculate.
    fn seen_at(&self, moment: Moment) -> (Vec<Ordering>, Option<&'static str>, Vec<Ordering>) {
        let day = moment.weekday.as_str();
        let local = i64::from(moment.local_ms);
        (
            self.times_of_day.iter().map(|ms| local.cmp(ms)).collect(),
            self.days.contains(day).then_some(day),
            self.dates.iter().map(|at| moment.unix_ms.cmp(at)).collect(),
        )
    }
}

fn after(now: Moment, wait_ms: i64) -> Moment {
    let local = i64::from(now.local_ms).saturating_add(wait_ms);
    let weekday = (0..local.div_euclid(DAY_MS).rem_euclid(7)).fold(now.weekday, |day, _| next(day));
    Moment {
        unix_ms: now.unix_ms.saturating_add(wait_ms),
        local_ms: u32::try_from(local.rem_euclid(DAY_MS)).unwrap_or_default(),
        weekday,
    }
}

fn next(day: Weekday) -> Weekday {
    match day {
        Weekday::Monday => Weekday::Tuesday,
        Weekday::Tuesday => Weekday::Wednesday,
        Weekday::Wednesday => Weekday::Thursday,
        Weekday::Thursday => Weekday::Friday,
        Weekday::Friday => Weekday::Saturday,
        Weekday::Saturday => Weekday::Sunday,
        Weekday::Sunday => Weekday::Monday,
    }
}

/// `monday 14:13 (2026-09-21T14:13:20Z)`: as the configured zone has it, and the time in UTC.
fn shown(moment: Moment) -> String {
    let minutes = moment.local_ms / 60_000;
    format!("{} {:02}:{:02} ({})", moment.weekday.as_str(), minutes / 60, minutes % 60, utc(moment.unix_ms))
}

/// RFC 3339, in UTC.
pub(super) fn utc(unix_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(unix_ms).map_or_else(|_| format!("{unix_ms} ms"), |time| time.to_string())
}

/// Most times to try.
const MOST: usize = 32;

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other() {
        // A Monday, 14:13:20.
        let now = Moment::utc(1_790_000_000_000);
        for wait in [1, DAY_MS, 3 * DAY_MS + 40_000_000, 6 * DAY_MS, 7 * DAY_MS] {
            assert_eq!(after(now, wait), Moment::utc(now.unix_ms + wait));
        }
        assert_eq!(shown(now), "monday 14:13 (2026-09-21T14:13:20Z)");
    }
}
