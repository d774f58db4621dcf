//! A range of time.

use super::head::At;
use crate::clock::Timestamp;

/// From when to when; the end is not in it. Without one, without bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    since: Option<At>,
    until: Option<At>,
}

impl Span {
    /// From `since` up to, but not including, `until`.
    pub fn new(since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        Self { since: since.map(written), until: until.map(written) }
    }

    /// Whether the time of a line, as it is written there, is in it.
    pub fn has(&self, at: &str) -> bool {
        self.since().is_none_or(|since| at >= since) && self.until().is_none_or(|until| at < until)
    }

    /// Where it begins, as lines write times.
    pub fn since(&self) -> Option<&str> {
        self.since.as_ref().and_then(|at| str::from_utf8(at).ok())
    }

    /// Where it ends, as lines write times.
    pub fn until(&self) -> Option<&str> {
        self.until.as_ref().and_then(|at| str::from_utf8(at).ok())
    }

    /// Whether no time in it is later than `at`.
    pub(super) fn is_before(&self, at: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= written(at))
    }
}

/// As lines write it. What no year of four digits can say is the nearest that it can.
fn written(at: Timestamp) -> At {
    let at = Timestamp(at.0.clamp(0, LAST_MS));
    at.to_string().as_bytes().first_chunk().copied().unwrap_or([b'0'; 24])
}

/// The last that can be written; a day before the end of the year 9999.
const LAST_MS: i64 = 253_402_207_200_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_beginning_is_in_it_and_its_end_is_not() {
        let span = Span::new(Some(Timestamp(1000)), Some(Timestamp(2000)));
        let has = |ms| span.has(&Timestamp(ms).to_string());
        assert_eq!([999, 1000, 1999, 2000].map(has), [false, true, true, false]);
        assert!(Span::default().has("1970-01-01T00:00:00.000Z"));
        assert_eq!([1999, 2000].map(|ms| span.is_before(Timestamp(ms))), [false, true]);
        assert!(!Span::new(Some(Timestamp(i64::MAX)), None).has(&Timestamp(0).to_string()));
        assert!(Span::new(Some(Timestamp(-5)), Some(Timestamp(i64::MAX))).has("9999-12-30T00:00:00.000Z"));
    }
}
