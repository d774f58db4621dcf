//! The time of a decision, with what the configured zone made of it, in one field: `2026-07-01T00:30:00.123+02:00`.

use jiff::tz::Offset;
use sekisho_policy::{Moment, Weekday};

use crate::clock::Timestamp;

/// The time of day and the weekday in the zone can both be read off it again.
pub(super) fn write(at: Moment) -> String {
    if let Some(text) = text(at).and_then(|text| String::from_utf8(text.to_vec()).ok()) {
        return text;
    }
    let offset = offset_ms(at).and_then(|ms| Offset::from_seconds(i32::try_from(ms / 1000).ok()?).ok());
    match jiff::Timestamp::from_millisecond(at.unix_ms) {
        Ok(time) => format!("{:.3}", time.display_with_offset(offset.unwrap_or(Offset::UTC))),
        Err(_) => String::new(),
    }
}

/// The same, where the zone is whole minutes away from UTC, as zones are nowadays, and the year has four digits.
pub(super) fn text(at: Moment) -> Option<[u8; 29]> {
    let offset_ms = offset_ms(at)?;
    let minutes = offset_ms.unsigned_abs() / 60_000;
    if offset_ms % 60_000 != 0 || minutes >= 24 * 60 {
        return None;
    }
    let mut text = [0; 29];
    text.first_chunk_mut::<24>()?.copy_from_slice(&Timestamp(at.unix_ms.checked_add(offset_ms)?).rfc3339()?);
    let digits = [minutes / 600, minutes / 60 % 10, minutes % 60 / 10, minutes % 10];
    let [h1, h2, m1, m2] = digits.map(|digit| b'0' + u8::try_from(digit).unwrap_or(0));
    let sign = if offset_ms < 0 { b'-' } else { b'+' };
    text.last_chunk_mut::<6>()?.copy_from_slice(&[sign, h1, h2, b':', m1, m2]);
    Some(text)
}

/// What [`write`] wrote; `None` if it did not write this.
pub(super) fn read(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    let (local, offset) = bytes.split_at_checked(23)?;
    let number = |from: usize, to: usize| digits(local.get(from..to)?);
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if marks.iter().any(|&(at, mark)| local.get(at) != Some(&mark)) {
        return None;
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let (month, day) = (number(5, 7)?, number(8, 10)?);
    if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let local_ms = ((hour * 60 + minute) * 60 + second) * 1000 + number(20, 23)?;
    let days = days_since_1970(number(0, 4)?, month, day);
    let unix_ms = days * DAY_MS + local_ms - read_offset(offset)? * 1000;
    Some(Moment { unix_ms, local_ms: u32::try_from(local_ms).ok()?, weekday: weekday(days) })
}

/// How far the zone is ahead of UTC; `None` if the parts do not fit together.
fn offset_ms(at: Moment) -> Option<i64> {
    let (days, utc_ms) = (at.unix_ms.div_euclid(DAY_MS), at.unix_ms.rem_euclid(DAY_MS));
    let shift = (-1..=1).find(|shift| weekday(days + shift) == at.weekday)?;
    Some(i64::from(at.local_ms) - utc_ms + shift * DAY_MS)
}

fn weekday(days: i64) -> Weekday {
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};
    let week = [Thursday, Friday, Saturday, Sunday, Monday, Tuesday, Wednesday];
    usize::try_from(days.rem_euclid(7)).ok().and_then(|day| week.get(day).copied()).unwrap_or(Thursday)
}

/// `+02:00`, `-03:30`, `Z`, and with seconds, which zones had before 1972; in seconds.
fn read_offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text.split_first()? {
        (b'Z', []) => return Some(0),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    match *rest {
        [h1, h2, b':', m1, m2] => Some(sign * (digits(&[h1, h2])? * 3600 + digits(&[m1, m2])? * 60)),
        [h1, h2, b':', m1, m2, b':', s1, s2] => {
            Some(sign * (digits(&[h1, h2])? * 3600 + digits(&[m1, m2])? * 60 + digits(&[s1, s2])?))
        }
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

/// Of the Gregorian calendar, by counting the days of years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let month = (month + 9) % 12;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + day - 1 - 719_468
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_written_as_people_write_it() {
        let berlin = Moment { unix_ms: 1_782_945_000_123, local_ms: 30 * 60 * 1000 + 123, weekday: Weekday::Thursday };
        assert_eq!(write(berlin), "2026-07-02T00:30:00.123+02:00");
        assert_eq!(write(Moment::utc(0)), "1970-01-01T00:00:00.000+00:00");
    }

    #[test]
    fn what_is_no_time_is_not_read() {
        let good = "2026-07-02T00:30:00.123+02:00";
        assert!(read(good).is_some());
        for bad in ["", "2026-07-02", "2026-13-02T00:30:00.123Z", "2026-07-02T24:30:00.123Z", "2026-07-02T00:30:00.123", "é"] {
            assert_eq!(read(bad), None, "{bad}");
        }
        for at in 0..good.len() {
            let mut bytes = good.as_bytes().to_vec();
            bytes[at] = b'x';
            assert_eq!(read(&String::from_utf8(bytes).unwrap()), None);
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way(unix_ms in 0..253_402_000_000_000_i64, zone in -95_i64..=95) {
            // Zones are whole quarters of an hour.
            let local = unix_ms + zone * 15 * 60_000;
            let local_ms = u32::try_from(local.rem_euclid(DAY_MS)).unwrap();
            let at = Moment { unix_ms, local_ms, weekday: Moment::utc(local).weekday };
            prop_assert_eq!(read(&write(at)), Some(at));
            let offset = Offset::from_seconds(i32::try_from(zone * 15 * 60).unwrap()).unwrap();
            let jiff = jiff::Timestamp::from_millisecond(unix_ms).unwrap().display_with_offset(offset);
            prop_assert_eq!(write(at), format!("{jiff:.3}"));
        }
    }
}
