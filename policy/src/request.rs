//! What is asked for, and when: what changes from request to request.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::action::Action;

/// What a request asks for, borrowed from the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestFacts<'a> {
    /// The app's name, as in the [`Catalogue`](crate::Catalogue).
    pub app: &'a str,
    /// What would be done to it.
    pub action: Action,
    /// The host, lower case, without port.
    pub host: &'a str,
    /// The path in canonical form, beginning with `/`, without the query. `path_prefixes` is made from it.
    pub path: &'a str,
    /// The method, upper case.
    pub method: &'a str,
    /// Where the connection came from. An IPv4 address that is mapped into IPv6 counts as the IPv4 address.
    pub source_ip: IpAddr,
    /// What this principal had from this app on this device lately.
    pub usage: Usage,
    /// The time of the decision.
    pub at: Moment,
}

/// What a principal had from an app on a device lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Requests in the last minute.
    pub requests_1m: u64,
    /// Bytes of response bodies in the last hour.
    pub bytes_1h: u64,
    /// Bytes of response bodies in the last day.
    pub bytes_1d: u64,
}

/// A point in time, with what the configured zone makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Milliseconds since the Unix epoch, UTC.
    pub unix_ms: i64,
    /// Milliseconds since midnight in the configured zone.
    pub local_ms: u32,
    /// The day in the configured zone.
    pub weekday: Weekday,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl<'a> RequestFacts<'a> {
    /// A GET of `/` from nowhere at the Unix epoch, to be filled in.
    pub fn new(app: &'a str, action: Action) -> Self {
        Self {
            app,
            action,
            host: "",
            path: "/",
            method: "GET",
            source_ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            usage: Usage::default(),
            at: Moment::utc(0),
        }
    }
}

impl Moment {
    /// A moment where the configured zone is UTC.
    pub fn utc(unix_ms: i64) -> Self {
        let days = unix_ms.div_euclid(DAY_MS);
        let weekday = match (days + 3).rem_euclid(7) {
            0 => Weekday::Monday,
            1 => Weekday::Tuesday,
            2 => Weekday::Wednesday,
            3 => Weekday::Thursday,
            4 => Weekday::Friday,
            5 => Weekday::Saturday,
            _ => Weekday::Sunday,
        };
        Self { unix_ms, local_ms: u32::try_from(unix_ms.rem_euclid(DAY_MS)).unwrap_or(0), weekday }
    }

    /// A moment as `zone` sees it. A time that the calendar does not have is seen as UTC would, as is an unknown zone's.
    pub fn in_zone(unix_ms: i64, zone: &jiff::tz::TimeZone) -> Self {
        let Ok(instant) = jiff::Timestamp::from_millisecond(unix_ms) else { return Self::utc(unix_ms) };
        // As if the clock on the wall stood in Greenwich.
        let offset_ms = i64::from(zone.to_offset(instant).seconds()) * 1000;
        Self { unix_ms, ..Self::utc(unix_ms.saturating_add(offset_ms)) }
    }
}

impl Weekday {
    /// The word for it in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monday => "monday",
            Self::Tuesday => "tuesday",
            Self::Wednesday => "wednesday",
            Self::Thursday => "thursday",
            Self::Friday => "friday",
            Self::Saturday => "saturday",
            Self::Sunday => "sunday",
        }
    }
}

const DAY_MS: i64 = 86_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_has_its_own_day_and_hour() {
        let tokyo = jiff::tz::TimeZone::fixed(jiff::tz::offset(9));
        // 2026-09-21T20:00:00Z is five o'clock of Tuesday there.
        let there = Moment::in_zone(1_790_020_800_000, &tokyo);
        assert_eq!((there.unix_ms, there.local_ms, there.weekday), (1_790_020_800_000, 5 * 3_600_000, Weekday::Tuesday));
    }

    #[test]
    fn utc_moments_know_their_day_and_hour() {
        assert_eq!(Moment::utc(0), Moment { unix_ms: 0, local_ms: 0, weekday: Weekday::Thursday });
        let before = Moment::utc(-1);
        assert_eq!((before.local_ms, before.weekday), (86_399_999, Weekday::Wednesday));
        // 2026-09-21T14:13:20.123Z
        let later = Moment::utc(1_790_000_000_123);
        assert_eq!((later.local_ms, later.weekday), (((14 * 60 + 13) * 60 + 20) * 1000 + 123, Weekday::Monday));
    }
}
