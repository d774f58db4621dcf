//! From what the gate knows to what policies ask about. The one place that translates.

use std::collections::BTreeMap;

use http::Method;
use jiff::tz::TimeZone;
use sekisho_policy as policy;

use crate::clock::Timestamp;
use crate::config::{App, Host};
use crate::contain::Figures;
use crate::identify_device::KnownDevice;
use crate::identify_user::KnownUser;
use crate::inventory::{ClaimValue, Device, FactValue, Owner, Session};
use crate::read::{Clean, Kind};
use crate::route::{Placed, Routed, Standing};
use crate::sign_in::Wanted;
use crate::tls::SecureConnection;

/// The part of the question that stays the same while session and device do. `administrator`: they are in the group of administrators,
/// and are asked about the gate itself. Whoever else says that somebody is in it, it is not so.
pub(super) fn identity(device: &KnownDevice, user: &KnownUser, administrator: bool) -> policy::Identity {
    let session = &*user.session;
    policy::Identity {
        principal: principal(session, administrator),
        device: device_facts(&device.device, session),
        session: policy::SessionFacts {
            authenticated_at_ms: Some(session.authenticated_at.0),
            mfa: session.mfa,
            acr: session.acr.as_deref().map(str::to_owned),
            amr: session.amr.iter().map(str::to_owned).collect(),
            provider: session.user.provider.to_string(),
            binding: user.binding.as_str().to_owned(),
        },
    }
}

fn principal(session: &Session, administrator: bool) -> policy::Principal {
    let id = session.user.to_string();
    let name = session.name.as_deref().map(str::to_owned);
    let claims = session.claims.iter().map(|(name, value)| (name.to_owned(), texts(value))).collect();
    if session.service {
        return policy::Principal::Service(policy::ServiceFacts { id, name, claims });
    }
    let groups = session.groups.iter().filter(|group| *group != policy::ADMINISTRATORS).map(str::to_owned);
    let own = administrator.then(|| policy::ADMINISTRATORS.to_owned());
    policy::Principal::User(policy::UserFacts {
        id,
        email: session.email.as_deref().map(str::to_owned),
        name,
        groups: groups.chain(own).collect(),
        claims,
    })
}

/// What another sign-in has to bring.
pub(super) fn wanted(needed: policy::StepUp) -> Wanted {
    Wanted { max_age: needed.max_age_s, mfa: needed.mfa, acr: needed.acr, amr: needed.amr }
}

/// What is asked for: by a request that has just come, or by one that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) app: &'a App,
    pub(super) public: bool,
    pub(super) host: &'a Host,
    pub(super) path: &'a str,
    pub(super) method: &'a Method,
    pub(super) kind: Kind,
}

impl<'a> From<&'a Routed> for About<'a> {
    fn from(routed: &'a Routed) -> Self {
        let Clean { host, path, method, kind, .. } = &*routed.request;
        Self { app: &routed.app, public: routed.public, host, path, method, kind: *kind }
    }
}

impl<'a> About<'a> {
    pub(super) fn again(standing: &'a Standing, placed: &'a Placed) -> Self {
        let Standing { host, path, method, kind, .. } = standing;
        Self { app: &placed.app, public: placed.public, host, path, method, kind: *kind }
    }
}

/// The part that changes from request to request.
pub(super) fn request<'a>(
    about: About<'a>,
    connection: &SecureConnection,
    usage: policy::Usage,
    now: Timestamp,
    zone: &TimeZone,
) -> policy::RequestFacts<'a> {
    policy::RequestFacts {
        app: &about.app.name,
        action: action(&about),
        host: about.host.as_str(),
        path: about.path,
        method: about.method.as_str(),
        source_ip: connection.client.ip().to_canonical(),
        usage,
        at: moment(now, zone),
    }
}

/// What they have had of the app.
pub(super) fn usage(figures: Figures) -> policy::Usage {
    let Figures { requests_1m, bytes_1h, bytes_1d } = figures;
    policy::Usage { requests_1m, bytes_1h, bytes_1d }
}

fn action(about: &About<'_>) -> policy::Action {
    if about.public {
        return policy::Action::Public;
    }
    match (about.kind, about.method.as_str()) {
        (Kind::WebSocket, _) => policy::Action::Connect,
        (_, "GET" | "HEAD" | "OPTIONS") => policy::Action::Read,
        _ => policy::Action::Write,
    }
}

fn device_facts(device: &Device, session: &Session) -> policy::DeviceFacts {
    policy::DeviceFacts {
        id: device.id.to_string(),
        owner: device.owner.as_ref().and_then(|owner| owner_id(owner, session)),
        authority: device.authority.to_string(),
        platform: device.platform.as_str().to_owned(),
        managed: device.managed,
        shared: device.shared,
        key_protection: device.key_protection.as_str().to_owned(),
        posture: device.posture.iter().map(|(name, value)| (name.clone(), fact(value))).collect::<BTreeMap<_, _>>(),
        posture_at_ms: device.posture_at.map(|at| at.0),
        enrolled_at_ms: device.enrolled_at.0,
    }
}

fn owner_id(owner: &Owner, session: &Session) -> Option<String> {
    match owner {
        // A person of the same name as a service: policies compare kinds too.
        Owner::User(user) => Some(user.to_string()),
        Owner::Email(_) => owner.is(&session.user, session.email.as_deref()).then(|| session.user.to_string()),
    }
}

fn texts(value: &ClaimValue) -> std::collections::BTreeSet<String> {
    match value {
        ClaimValue::Text(text) => [text.clone()].into(),
        ClaimValue::Texts(texts) => texts.clone(),
    }
}

fn fact(value: &FactValue) -> policy::FactValue {
    match value {
        FactValue::Flag(flag) => policy::FactValue::Flag(*flag),
        FactValue::Number(number) => policy::FactValue::Number(*number),
        FactValue::Text(text) => policy::FactValue::Text(text.clone()),
    }
}

/// The time of a decision, as the configured zone sees it.
pub(super) fn moment(now: Timestamp, zone: &TimeZone) -> policy::Moment {
    policy::Moment::in_zone(now.0, zone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identify_user::{Binding, testing};
    use crate::inventory::samples;

    #[test]
    fn administrators_are_whom_the_gate_says_and_only_where_it_is_asked_for() {
        let session = Session {
            groups: ["staff", policy::ADMINISTRATORS].into_iter().collect(),
            ..samples::session("s-1", "ana", "lap-1", Timestamp(0))
        };
        let facts = crate::secret::Digest::of(b"x");
        let user = KnownUser {
            session: session.into(),
            binding: Binding::Session,
            facts,
            facts_until: Timestamp(1),
            due: false,
            by_certificate: false,
        };
        let groups = |administrator| match identity(&testing::device("lap-1"), &user, administrator).principal {
            policy::Principal::User(user) => user.groups.into_iter().collect::<Vec<_>>(),
            policy::Principal::Service(_) => panic!("not a person"),
        };
        // However it got into the session: from before the gate knew better, perhaps.
        assert_eq!(groups(false), ["staff"]);
        assert_eq!(groups(true), [policy::ADMINISTRATORS, "staff"]);
    }

    #[test]
    fn local_time_is_the_zones_own() {
        // 2026-07-01T22:30:00Z is half past midnight of Thursday in Berlin (summer time).
        let now = Timestamp::from_secs(1_782_945_000);
        assert_eq!(now.to_string(), "2026-06-30T22:30:00.000Z".replace("06-30", "07-01"));
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let there = moment(now, &berlin);
        assert_eq!((there.local_ms, there.weekday), (30 * 60 * 1000, policy::Weekday::Thursday));
        let here = moment(now, &TimeZone::UTC);
        assert_eq!((here.local_ms, here.weekday), ((22 * 60 + 30) * 60 * 1000, policy::Weekday::Wednesday));
    }
}
