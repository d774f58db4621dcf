//! Spans of time and points in time as people write them.

use jiff::civil;
use jiff::tz::TimeZone;

/// `5m`, `1h30m`, `-20s`, `250ms`, in milliseconds.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut total: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(end)?;
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        total = number.parse::<i64>().ok()?.checked_mul(*ms)?.checked_add(total)?;
        rest = after;
    }
    Some(sign * total)
}

/// The shortest way to write it.
pub(crate) fn text(ms: i64) -> String {
    let mut rest = ms.unsigned_abs();
    let mut text = if ms < 0 { "-".to_owned() } else { String::new() };
    for (name, unit) in UNITS {
        let unit = unit.unsigned_abs();
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if ms == 0 { "0s".to_owned() } else { text }
}

/// A point in time: with an offset or `Z` that very point, without one what the clock in `zone` shows, and a time alone on `day`.
/// In milliseconds since the Unix epoch.
pub(crate) fn moment(text: &str, zone: &TimeZone, day: civil::Date) -> Option<i64> {
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Some(instant.as_millisecond());
    }
    let local = match text.parse::<civil::Time>() {
        Ok(time) if text.contains(':') && !text.contains('-') => day.to_datetime(time),
        _ => text.parse::<civil::DateTime>().ok()?,
    };
    Some(zone.to_zoned(local).ok()?.timestamp().as_millisecond())
}

const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_they_are_written() {
        for (written, ms) in
            [("5m", 300_000), ("1h30m", 5_400_000), ("-20s", -20_000), ("250ms", 250), ("0s", 0), ("2d", 172_800_000)]
        {
            assert_eq!(parse(written), Some(ms), "{written}");
            assert_eq!(text(ms), written);
        }
        for wrong in ["", "-", "5", "m", "5 m", "5x", "1.5h", "99999999999999999999s", "9999999999999999d", "5m3"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        for ms in [1, 999, 1_001, 61_001, i64::MAX, i64::MIN + 1] {
            assert_eq!(parse(&text(ms)), Some(ms));
        }
    }

    #[test]
    fn moments_stand_in_the_zone_unless_they_say_otherwise() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let day = civil::date(2026, 7, 1);
        let nine = 1_782_889_200_000;
        for written in ["2026-07-01T09:00:00", "2026-07-01 09:00", "2026-07-01T07:00:00Z", "09:00", "09:00:00"] {
            assert_eq!(moment(written, &zone, day), Some(nine), "{written}");
        }
        assert_eq!(moment("2026-07-01", &zone, day), Some(nine - 9 * 3_600_000));
        for wrong in ["", "soon", "25:00", "2026-13-01T00:00:00", "9"] {
            assert_eq!(moment(wrong, &zone, day), None, "{wrong}");
        }
    }
}
