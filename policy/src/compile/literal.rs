//! The texts of `ip("…")`, `decimal("…")`, `datetime("…")` and `duration("…")`, read when policies are loaded.
//!
//! `None` leaves the text to Cedar, whose evaluation of it then fails or not.

use std::net::IpAddr;
use std::str::FromStr as _;

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Expression, Request};

use super::value::Ip;

/// Longest text of an address range: eight groups of four digits, and `/128`.
const MAX_IP: usize = 43;

/// An address, or a range of them.
pub(crate) fn ip(text: &str) -> Option<Ip> {
    let twice = |c: char| text.matches(c).count() >= 2;
    // IPv4 in IPv6 with dots: Cedar takes none.
    if text.len() > MAX_IP || (twice(':') && twice('.')) {
        return None;
    }
    let Some((addr, prefix)) = text.split_once('/') else {
        return text.parse().ok().map(Ip::single);
    };
    let addr: IpAddr = addr.parse().ok()?;
    let plain = prefix.bytes().all(|byte| byte.is_ascii_digit()) && (prefix == "0" || !prefix.starts_with('0'));
    let prefix = prefix.parse().ok().filter(|_| plain)?;
    (prefix <= Ip::single(addr).prefix).then_some(Ip { addr, prefix })
}

/// A decimal, in ten-thousandths.
pub(crate) fn decimal(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole.strip_prefix('-').unwrap_or(whole)) || !digits(fraction) || fraction.len() > 4 {
        return None;
    }
    let scaled = whole.parse::<i64>().ok()?.checked_mul(10_000)?;
    let part: i64 = format!("{fraction:0<4}").parse().ok()?;
    if whole.starts_with('-') { scaled.checked_sub(part) } else { scaled.checked_add(part) }
}

/// A datetime, in milliseconds since the Unix epoch.
pub(crate) fn datetime(text: &str) -> Option<i64> {
    milliseconds(text, |text| format!(r#"datetime("{text}").durationSince(datetime("1970-01-01")).toMilliseconds()"#))
}

/// A duration, in milliseconds.
pub(crate) fn duration(text: &str) -> Option<i64> {
    milliseconds(text, |text| format!(r#"duration("{text}").toMilliseconds()"#))
}

/// Asks Cedar, so that there is one reading of dates.
fn milliseconds(text: &str, expression: impl FnOnce(&str) -> String) -> Option<i64> {
    if text.len() > 64 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":.+-".contains(&byte)) {
        return None;
    }
    let expression = Expression::from_str(&expression(text)).ok()?;
    let nobody = EntityUid::from_str(r#"Nobody::"""#).ok()?;
    let request = Request::new(nobody.clone(), nobody.clone(), nobody, Context::empty(), None).ok()?;
    match cedar_policy::eval_expression(&request, &Entities::empty(), &expression) {
        Ok(EvalResult::Long(number)) => Some(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_cedar_reads_them() {
        assert_eq!(decimal("12.34"), Some(123_400));
        assert_eq!(decimal("-0.5"), Some(-5_000));
        assert_eq!(decimal("922337203685477.5807"), Some(i64::MAX));
        assert_eq!(decimal("-922337203685477.5808"), Some(i64::MIN));
        for wrong in ["1", "1.", ".1", "1.23456", "+1.0", "922337203685477.5808", "1.-2", "--1.0", "1.2.3"] {
            assert_eq!(decimal(wrong), None, "{wrong}");
        }
        assert_eq!(duration("1d2h3m4s5ms"), Some(93_784_005));
        assert_eq!(duration("-1s"), Some(-1_000));
        assert_eq!(duration("1s1h"), None);
        assert_eq!(datetime("2026-09-21T14:13:20Z"), Some(1_790_000_000_000));
        assert_eq!(datetime("1970-01-02"), Some(86_400_000));
        assert_eq!(datetime("2026-02-30"), None);
        assert_eq!(ip("10.0.0.0/8").map(|ip| ip.prefix), Some(8));
        assert_eq!(ip("::1").map(|ip| ip.prefix), Some(128));
        for wrong in ["10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/", "::ffff:10.1.2.3", "10.0.0", "::/129", "10.0.0.1/+8", ""] {
            assert_eq!(ip(wrong), None, "{wrong}");
        }
    }
}
