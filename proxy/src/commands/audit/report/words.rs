//! Numbers, times and names as people read them.

use jiff::tz::TimeZone;

use super::figures::{Left, When};

/// `1,234,567`.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 request`, `1,234 requests`.
pub(super) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// Three digits and a unit, of powers of ten: `512 bytes`, `1.24 GB`.
pub(super) fn short(bytes: u64) -> String {
    let units =
        [(1_000_000_000_000_000, "PB"), (1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| bytes >= *unit) else {
        return if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") };
    };
    let (whole, rest) = (bytes / unit, bytes % unit);
    match whole {
        0..=9 => format!("{whole}.{:02} {name}", rest / (unit / 100)),
        10..=99 => format!("{whole}.{} {name}", rest / (unit / 10)),
        _ => format!("{whole} {name}"),
    }
}

/// Short, and to the byte: `1.24 GB (1,240,331,221 bytes)`.
pub(super) fn both(bytes: u64) -> String {
    if bytes < 1000 { short(bytes) } else { format!("{} ({} bytes)", short(bytes), number(bytes)) }
}

/// Figures of answers to the byte, with `at least` where that is all that is known.
pub(super) fn at_least(left: &Left) -> &'static str {
    if left.unknown.answers > 0 { "at least " } else { "" }
}

/// What is known of the answers: `3 whole, 1 cut`.
pub(super) fn known(left: &Left) -> String {
    let parts = [(left.whole.answers, "whole"), (left.cut.answers, "cut"), (left.unknown.answers, "unknown")];
    let told: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{} {word}", number(*count))).collect();
    if told.is_empty() { "no answer".to_owned() } else { told.join(", ") }
}

/// `2026-11-22 14:03:09`, in the zone.
pub(super) fn time(at: When, zone: &TimeZone) -> String {
    formatted(at, zone, "%Y-%m-%d %H:%M:%S")
}

/// `2026-11-22 14:03:09.120`, in the zone.
pub(super) fn time_ms(at: When, zone: &TimeZone) -> String {
    formatted(at, zone, "%Y-%m-%d %H:%M:%S%.3f")
}

/// `2026-11-22 14:00`, in the zone.
pub(super) fn minute(at: When, zone: &TimeZone) -> String {
    formatted(at, zone, "%Y-%m-%d %H:%M")
}

/// As `format` says (of `strftime`), in the zone.
pub(super) fn formatted(at: When, zone: &TimeZone, format: &str) -> String {
    let zoned = jiff::Timestamp::from_millisecond(at.0.0).unwrap_or_default().to_zoned(zone.clone());
    zoned.strftime(format).to_string()
}

/// From the first to the last: one time if they are the same second, and the day once if it is the same.
pub(super) fn from_to(first: Option<When>, last: Option<When>, zone: &TimeZone) -> String {
    let (Some(first), Some(last)) = (first, last) else { return String::new() };
    let (from, to) = (time(first, zone), time(last, zone));
    if from == to {
        return from;
    }
    match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, clock))) if day == same => format!("{from} – {clock}"),
        _ => format!("{from} – {to}"),
    }
}

/// Names in a sentence: `a`, `a and b`, `a, b and 3 more`.
pub(super) fn list(names: &[String], most: usize) -> String {
    let (shown, more) = (names.iter().take(most), names.len().saturating_sub(most));
    let mut shown: Vec<String> = shown.cloned().collect();
    if more > 0 {
        shown.push(format!("{} more", number(more as u64)));
    }
    match shown.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    }
}

/// A path as people know it: `%E9%A1%A7` becomes 顧, if all of it can be read so. `None` if it is the same, or cannot.
pub(super) fn readable(path: &str) -> Option<String> {
    if !path.contains('%') {
        return None;
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    // What would play with the page, or look like another path, stays as it is.
    let honest = crate::commands::output::plain(&text) == text
        && !text.contains('%')
        && text.matches('/').count() == path.matches('/').count();
    honest.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn numbers_are_grouped_and_short_ones_never_round_up() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
        let told = [0, 1, 999, 1_000, 9_999, 12_345, 123_456, 999_999, 1_240_331_221, u64::MAX].map(short);
        let expected =
            ["0 bytes", "1 byte", "999 bytes", "1.00 kB", "9.99 kB", "12.3 kB", "123 kB", "999 kB", "1.24 GB", "18446 PB"];
        assert_eq!(told, expected);
        assert_eq!(both(1_240_331_221), "1.24 GB (1,240,331,221 bytes)");
    }

    #[test]
    fn times_are_those_of_the_zone() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |ms| When(Timestamp(ms));
        assert_eq!(time_ms(at(1_790_000_000_123), &zone), "2026-09-21 16:13:20.123");
        let span = |ms: i64| from_to(Some(at(1_790_000_000_000)), Some(at(1_790_000_000_000 + ms)), &zone);
        assert_eq!(span(999), "2026-09-21 16:13:20");
        assert_eq!(span(60_000), "2026-09-21 16:13:20 – 16:14:20");
        assert_eq!(span(86_400_000), "2026-09-21 16:13:20 – 2026-09-22 16:13:20");
    }

    #[test]
    fn lists_are_sentences() {
        let names: Vec<String> = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        assert_eq!([1, 2, 3].map(|most| list(&names, most)), ["a and 3 more", "a, b and 2 more", "a, b, c and 1 more"]);
        assert_eq!((list(&names, 4), list(&names[..1], 3)), ("a, b, c and d".into(), "a".into()));
    }

    #[test]
    fn only_honest_paths_are_made_readable() {
        assert_eq!(readable("/kunden/%E9%A1%A7%E5%AE%A2.pdf").as_deref(), Some("/kunden/顧客.pdf"));
        assert_eq!(readable("/a%20b").as_deref(), Some("/a b"));
        for same in ["/plain", "/a%2Fb", "/a%25b", "/%FF", "/%0a", "/%E2%80%AEfdp.exe", "/%4", "/%zz"] {
            assert_eq!(readable(same), None, "{same}");
        }
    }
}
