//! Times as people write them.

use std::fmt;

use clap::Args;
use jiff::civil;
use jiff::tz::TimeZone;

use super::error::CommandError;
use crate::clock::Timestamp;
use crate::config::parse_duration;
use crate::record::read::Span;

/// From when to when.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct WhenArgs {
    /// Only since then: how long ago (`2h`, `7d`), `today`, `yesterday`, `2026-11-20`, `14:30` (the last time it was), `2026-11-20
    /// 14:30`, or RFC 3339. A day is its beginning
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only before then, written as for --since
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
}

/// It is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no time: write how long ago, such as 30m, 2h or 7d; a day, such as today, yesterday or 2026-11-20; a time, such as 14:30 or \"yesterday 14:30\"; or 2026-11-20T14:30:00Z"
)]
pub(super) struct NoTime(String);

impl WhenArgs {
    /// The range, by the calendar of `zone`.
    ///
    /// # Errors
    /// What is no time, and a range without any.
    pub(super) fn span(&self, now: Timestamp, zone: &TimeZone) -> Result<Span, CommandError> {
        let moment = |text: &Option<String>| text.as_deref().map(|text| moment(text, now, zone)).transpose();
        let (since, until) =
            (moment(&self.since).map_err(CommandError::usage)?, moment(&self.until).map_err(CommandError::usage)?);
        if let (Some(from), Some(to)) = (since, until)
            && from >= to
        {
            return Err(CommandError::usage(format!("there is no time between --since {from} and --until {to}")));
        }
        Ok(Span::new(since, until))
    }
}

/// The moment that `text` means.
///
/// # Errors
/// [`NoTime`], with examples.
pub(super) fn moment(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, NoTime> {
    let no_time = || NoTime(text.to_owned());
    let text = text.trim();
    if text == "now" {
        return Ok(now);
    }
    if let Ok(ago) = parse_duration(text.strip_suffix("ago").map_or(text, str::trim_end)) {
        return Ok(Timestamp(now.minus(ago).0.max(0)));
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(time.as_millisecond()));
    }
    let today = jiff::Timestamp::from_millisecond(now.0).map_err(|_no_year| no_time())?.to_zoned(zone.clone()).date();
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let at = |day: civil::Date, time: civil::Time| {
        let zoned = day.to_datetime(time).to_zoned(zone.clone()).ok()?;
        Some(Timestamp(zoned.timestamp().as_millisecond()))
    };
    if let Some(time) = clock(text) {
        // The last time that it was: 23:00 is yesterday's in the morning.
        return [Some(today), today.yesterday().ok()]
            .into_iter()
            .flatten()
            .find_map(|day| at(day, time).filter(|moment| *moment <= now))
            .ok_or_else(no_time);
    }
    let day = match day {
        "today" => Some(today),
        "yesterday" => today.yesterday().ok(),
        day => date(day),
    };
    let time = if text.len() == text.split([' ', 'T']).next().map_or(0, str::len) {
        Some(civil::Time::midnight())
    } else {
        clock(time.trim_start())
    };
    day.zip(time).and_then(|(day, time)| at(day, time)).ok_or_else(no_time)
}

/// `14:30`, `14:30:15`.
fn clock(text: &str) -> Option<civil::Time> {
    let parts: Vec<i8> = text.split(':').map(two_digits).collect::<Option<_>>()?;
    match *parts.as_slice() {
        [hour, minute] => civil::Time::new(hour, minute, 0, 0).ok(),
        [hour, minute, second] => civil::Time::new(hour, minute, second, 0).ok(),
        _ => None,
    }
}

fn two_digits(text: &str) -> Option<i8> {
    (text.len() <= 2 && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// `2026-11-20`.
fn date(text: &str) -> Option<civil::Date> {
    let formed = text.len() == 10
        && text.bytes().zip(b"dddd-dd-dd").all(|(letter, form)| match form {
            b'd' => letter.is_ascii_digit(),
            mark => letter == *mark,
        });
    formed.then(|| text.parse().ok())?
}

/// A time of the record for people: in their zone, to the millisecond.
pub(super) fn local(at: &str, zone: &TimeZone) -> String {
    match at.parse::<jiff::Timestamp>() {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        Err(_foreign) => at.to_owned(),
    }
}

/// A range for people.
pub(super) struct Told<'a>(pub(super) &'a Span);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0.since(), self.0.until()) {
            (None, None) => f.write_str("in the whole record"),
            (Some(since), None) => write!(f, "since {since}"),
            (None, Some(until)) => write!(f, "before {until}"),
            (Some(since), Some(until)) => write!(f, "from {since} to {until}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::datetime;
    use proptest::prelude::*;

    use super::*;

    fn berlin() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    /// 2026-11-20 09:00 there.
    fn now() -> Timestamp {
        Timestamp(datetime(2026, 11, 20, 9, 0, 0, 0).to_zoned(berlin()).unwrap().timestamp().as_millisecond())
    }

    fn told(text: &str) -> Option<String> {
        moment(text, now(), &berlin()).ok().map(|at| at.to_string().replace(":00.000Z", ""))
    }

    #[test]
    fn people_write_times_in_many_ways() {
        for (text, expected) in [
            ("now", "2026-11-20T08:00"),
            ("2h", "2026-11-20T06:00"),
            ("30m ago", "2026-11-20T07:30"),
            ("7d", "2026-11-13T08:00"),
            ("today", "2026-11-19T23:00"),
            ("yesterday", "2026-11-18T23:00"),
            ("2026-07-01", "2026-06-30T22:00"),
            ("08:30", "2026-11-20T07:30"),
            ("23:15", "2026-11-19T22:15"),
            ("9:00:00", "2026-11-20T08:00"),
            ("yesterday 14:30", "2026-11-19T13:30"),
            ("today 14:30", "2026-11-20T13:30"),
            ("2026-07-01 14:30", "2026-07-01T12:30"),
            ("2026-07-01T14:30", "2026-07-01T12:30"),
            ("2026-07-01T14:30:00Z", "2026-07-01T14:30"),
            ("2026-07-01T14:30:00+09:00", "2026-07-01T05:30"),
        ] {
            assert_eq!(told(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_examples() {
        for text in [
            "",
            " ",
            "soon",
            "7",
            "-2h",
            "2 weeks",
            "2026",
            "2026-13-01",
            "2026-02-30",
            "26-11-20",
            "25:00",
            "14:60",
            "14",
            "tomorrow",
            "yesterday ",
            "today T",
            "2026-11-20 ",
            "2026-11-20T",
            "14:30 yesterday",
            "1:2:3:4",
            "２h",
            "+2026-11-20",
            "ago",
        ] {
            let error = moment(text, now(), &berlin());
            // A space at the end is nobody's mistake.
            if matches!(text, "yesterday " | "2026-11-20 ") {
                assert!(error.is_ok(), "{text:?}");
                continue;
            }
            let words = error.unwrap_err().to_string();
            assert!(words.starts_with(&format!("`{text}` is no time: ")) && words.contains("yesterday"), "{words}");
        }
    }

    #[test]
    fn a_range_without_time_is_refused() {
        let when = |since: &str, until: &str| WhenArgs { since: Some(since.into()), until: Some(until.into()) };
        assert!(when("yesterday", "today").span(now(), &berlin()).is_ok());
        assert!(
            matches!(when("today", "yesterday").span(now(), &berlin()), Err(CommandError::Usage(words)) if words.contains("no time between"))
        );
        assert!(matches!(when("1h", "1h").span(now(), &berlin()), Err(CommandError::Usage(_))));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}", now: i64) {
            drop(moment(&text, Timestamp(now), &berlin()));
        }

        #[test]
        fn odd_times_do_not_make_it_panic(text in "[0-9]{1,19}(ms|s|m|h|d)|[0-9]{1,5}-[0-9]{2}-[0-9]{2}([ T][0-9:]{0,9})?|(today|yesterday) [0-9:]{0,8}") {
            drop(moment(&text, now(), &berlin()));
        }

        #[test]
        fn a_moment_comes_back_as_it_was_written(ms in 0_i64..4_102_444_800_000) {
            let at = Timestamp(ms);
            prop_assert_eq!(moment(&at.to_string(), now(), &berlin()), Ok(at));
            // Without an offset, to the second, where the hour is not one that comes twice.
            let zone = TimeZone::UTC;
            let whole = Timestamp::from_secs(at.as_secs());
            let text = local(&whole.to_string(), &zone);
            let (text, _) = text.split_once('.').unwrap();
            prop_assert_eq!(moment(text, now(), &zone), Ok(whole));
        }

        #[test]
        fn so_long_ago_is_before_now(amount in 0_u64..1_000_000, unit in prop::sample::select(vec!["ms", "s", "m", "h"])) {
            let at = moment(&format!("{amount}{unit}"), now(), &berlin()).unwrap();
            let factor = match unit { "ms" => 1, "s" => 1000, "m" => 60_000, _ => 3_600_000 };
            prop_assert_eq!(at.0, (now().0 - i64::try_from(amount * factor).unwrap()).max(0));
        }

        #[test]
        fn a_time_of_day_is_the_last_one(hour in 0_i8..24, minute in 0_i8..60) {
            let at = moment(&format!("{hour:02}:{minute:02}"), now(), &berlin()).unwrap();
            prop_assert!(at <= now() && now().0 - at.0 < 25 * 3_600_000);
        }
    }
}
