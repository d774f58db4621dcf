//! Moments.

use std::cell::Cell;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Whole seconds since the epoch, rounded down.
    pub fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From whole seconds since the epoch; saturates.
    pub fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// This time plus `by`; saturates.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(millis(by)))
    }

    /// This time less `by`; saturates.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis(by)))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// For libraries that want the standard type.
    pub fn to_system_time(self) -> SystemTime {
        match u64::try_from(self.0) {
            Ok(after) => UNIX_EPOCH + Duration::from_millis(after),
            Err(_) => UNIX_EPOCH,
        }
    }
}

impl Timestamp {
    /// RFC 3339 in UTC with milliseconds, from 1970 to 9999; `None` for other times.
    pub fn rfc3339(self) -> Option<[u8; 24]> {
        // Most lines of the record are of the same minute as the line before them.
        let (minute, in_minute) = (self.0.div_euclid(60_000), self.0.rem_euclid(60_000));
        let (known, mut text) = LAST_MINUTE.get();
        if known != minute {
            text = Self(self.0.checked_sub(in_minute)?).written()?;
            LAST_MINUTE.set((minute, text));
        }
        let in_minute = u32::try_from(in_minute).ok()?;
        let digit = |unit: u32| b'0' + u8::try_from(in_minute / unit % 10).unwrap_or(0);
        *text.last_chunk_mut::<7>()? = [digit(10_000), digit(1_000), b'.', digit(100), digit(10), digit(1), b'Z'];
        Some(text)
    }

    fn written(self) -> Option<[u8; 24]> {
        let ms = u64::try_from(self.0).ok().filter(|ms| *ms < YEAR_10000)?;
        let (days, in_day) = (ms / DAY_MS, ms % DAY_MS);
        // Years that begin in March, in eras of 400, so that the leap day is the last of its year.
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, in_day / 3_600_000),
            (14, 2, in_day / 60_000 % 60),
            (17, 2, in_day / 1_000 % 60),
            (20, 3, in_day % 1_000),
        ];
        for (at, digits, mut number) in parts {
            for place in text.get_mut(at..at + digits)?.iter_mut().rev() {
                *place = b'0' + u8::try_from(number % 10).ok()?;
                number /= 10;
            }
        }
        Some(text)
    }
}

thread_local! {
    /// The minute that was written last, counted from the epoch, and how. There is no such minute at first.
    static LAST_MINUTE: Cell<(i64, [u8; 24])> = const { Cell::new((i64::MIN, [0; 24])) };
}

const DAY_MS: u64 = 86_400_000;
/// 10000-01-01T00:00:00Z.
const YEAR_10000: u64 = 253_402_300_800_000;

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every line of the record has some.
        if let Some(text) = self.rfc3339() {
            return f.write_str(str::from_utf8(&text).map_err(|_ascii| fmt::Error)?);
        }
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

pub(super) fn millis(by: Duration) -> i64 {
    i64::try_from(by.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_print_as_rfc_3339() {
        assert_eq!(Timestamp(1_790_000_000_123).to_string(), "2026-09-21T14:13:20.123Z");
    }

    #[test]
    fn ages_never_go_below_zero() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
    }

    proptest::proptest! {
        #[test]
        fn times_are_written_as_jiff_writes_them(ms in 0..253_402_200_000_000_i64) {
            let text = Timestamp(ms).rfc3339().unwrap();
            let jiff = format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap());
            proptest::prop_assert_eq!(str::from_utf8(&text).unwrap(), jiff);
        }
    }

    #[test]
    fn times_before_1970_and_after_9999_are_written_too() {
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(253_402_300_799_999).rfc3339().as_ref(), Some(b"9999-12-31T23:59:59.999Z"));
        assert!(Timestamp(253_402_300_800_000).rfc3339().is_none());
    }
}
