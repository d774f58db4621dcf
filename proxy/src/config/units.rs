//! Durations and sizes as people write them: a whole number and its unit, never one without.

use std::time::Duration;

/// The text is not a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No unit, or an unknown one, for a duration.
    #[error("not a duration: write a whole number and ms, s, m, h or d, such as \"15m\"")]
    Duration,
    /// No unit, or an unknown one, for a size.
    #[error("not a size: write a whole number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as \"64KiB\"")]
    Size,
    /// No unit of time, or a number that is out of bounds, for a rate.
    #[error("not a rate: write a number from 1 to 1000000, a slash, and s, m, h or d, such as \"600/m\"")]
    Rate,
    /// More than can be counted.
    #[error("too large to count")]
    TooLarge,
}

/// So many within such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many; at least one.
    pub count: u32,
    /// Within what; at least a second.
    pub per: Duration,
}

/// Reads a duration such as `500ms`, `1s`, `15m`, `12h` or `90d`.
///
/// # Errors
/// [`UnitError`] says how to write one.
pub fn duration(text: &str) -> Result<Duration, UnitError> {
    let (number, unit) = split(text).ok_or(UnitError::Duration)?;
    let (_, millis) = DURATIONS.iter().find(|(name, _)| *name == unit).ok_or(UnitError::Duration)?;
    let number = number.ok_or(UnitError::TooLarge)?;
    number.checked_mul(*millis).map(Duration::from_millis).ok_or(UnitError::TooLarge)
}

/// Reads a size such as `512B`, `64KiB`, `10MB` or `1GiB`, in bytes.
pub(in crate::config) fn size(text: &str) -> Result<u64, UnitError> {
    let (number, unit) = split(text).ok_or(UnitError::Size)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit).ok_or(UnitError::Size)?;
    number.ok_or(UnitError::TooLarge)?.checked_mul(*bytes).ok_or(UnitError::TooLarge)
}

/// Reads a rate such as `10/s`, `600/m` or `5000/h`.
pub(in crate::config) fn rate(text: &str) -> Result<Rate, UnitError> {
    let (count, unit) = text.split_once('/').ok_or(UnitError::Rate)?;
    let (count, unit) = (count.strip_suffix(' ').unwrap_or(count), unit.strip_prefix(' ').unwrap_or(unit));
    let per = DURATIONS.iter().find(|(name, millis)| *name == unit && *millis >= 1_000).ok_or(UnitError::Rate)?.1;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|count| digits && (1..=1_000_000).contains(count)).ok_or(UnitError::Rate)?;
    Ok(Rate { count, per: Duration::from_millis(per) })
}

/// The shortest way to write this duration, to the millisecond.
pub(in crate::config) fn show_duration(duration: Duration) -> String {
    show(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX), DURATIONS)
}

/// The shortest way to write this size.
pub(in crate::config) fn show_size(bytes: u64) -> String {
    show(bytes, SIZES)
}

/// The number, `None` if it is too large, and the unit. At most one space may stand between.
fn split(text: &str) -> Option<(Option<u64>, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    if number.is_empty() {
        return None;
    }
    Some((number.parse().ok(), unit.strip_prefix(' ').unwrap_or(unit)))
}

fn show(number: u64, units: &[(&str, u64)]) -> String {
    let fits = units.iter().filter(|(_, factor)| number >= *factor && number.is_multiple_of(*factor));
    match fits.max_by_key(|(_, factor)| *factor).or(units.first()) {
        Some((unit, factor)) => format!("{}{unit}", number / factor),
        None => number.to_string(),
    }
}

/// In milliseconds, smallest first.
const DURATIONS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// In bytes, smallest first.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_and_meant() {
        for (text, millis) in [("500ms", 500), ("1s", 1_000), ("15m", 900_000), ("12 h", 43_200_000), ("90d", 7_776_000_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for (text, bytes) in [("0B", 0), ("64KiB", 65_536), ("10MB", 10_000_000), ("1GiB", 1 << 30), ("1 kB", 1_000)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn rates_are_a_number_and_a_time() {
        for (text, count, seconds) in
            [("10/s", 10, 1), ("600/m", 600, 60), ("5000 / h", 5_000, 3_600), ("1000000/d", 1_000_000, 86_400)]
        {
            assert_eq!(rate(text), Ok(Rate { count, per: Duration::from_secs(seconds) }), "{text}");
        }
        for text in
            ["", "600", "600/", "/m", "0/m", "1000001/s", "10/ms", "10/10s", "1.5/s", "-1/s", "+1/s", "10/s/s", "10/S", "١/s"]
        {
            assert_eq!(rate(text), Err(UnitError::Rate), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_or_an_unclear_one_is_refused() {
        for text in ["", "5", "s", "1.5h", "-1s", "+1s", "1S", "1M", "1  s", " 1s", "1s ", "1h30m", "1 ", "١s"] {
            assert_eq!(duration(text), Err(UnitError::Duration), "{text}");
        }
        for text in ["", "5", "B", "1k", "1K", "1mb", "1kb", "1.5GiB", "1  B", "1B "] {
            assert_eq!(size(text), Err(UnitError::Size), "{text}");
        }
        assert_eq!(duration("99999999999999999999s"), Err(UnitError::TooLarge));
        assert_eq!(size("99999999999TiB"), Err(UnitError::TooLarge));
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(millis in any::<u64>(), bytes in any::<u64>()) {
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(millis))), Ok(Duration::from_millis(millis)));
            prop_assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }

        #[test]
        fn number_times_unit(number in 0_u64..1_000_000, unit in 0..DURATIONS.len()) {
            let (name, millis) = DURATIONS[unit];
            prop_assert_eq!(duration(&format!("{number}{name}")), Ok(Duration::from_millis(number * millis)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            // What is accepted begins with a digit and ends with a letter: a unit was named.
            for accepted in [duration(&text).is_ok(), size(&text).is_ok()] {
                prop_assert!(!accepted || text.ends_with(|last: char| last.is_ascii_alphabetic()));
            }
        }
    }
}
