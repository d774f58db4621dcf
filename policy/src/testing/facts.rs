//! From a draft to a question: what nobody wrote is a good day. A healthy, managed device of one's own, a fresh sign-in with
//! more than one factor, a GET of `/` on a Wednesday morning. So each test of a refusal takes one fact away.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use jiff::civil;
use jiff::tz::TimeZone;

use super::draft::{Age, Base, DeviceDraft, Draft, RequestDraft, SessionDraft, WhoDraft};
use super::read::PROVIDER;
use crate::action::Action;
use crate::facts::{DeviceFacts, FactValue, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
use crate::query::{AskedFor, Query};
use crate::request::{Moment, Usage};
use crate::schema::{FactKind, PostureFact};

/// The question that `draft` stands for; `None` if it names no app.
pub(super) fn query(draft: Draft, posture: &[PostureFact], zone: &TimeZone) -> Option<Query> {
    let request = request(draft.request, zone)?;
    if request.action == Action::Public {
        return Some(Query { who: None, request });
    }
    let now = request.at.unix_ms;
    let principal = principal(draft.who);
    let device = device(draft.device, &principal, posture, now);
    let session = session(draft.session, &principal, now);
    Some(Query { who: Some(Identity { principal, device, session }), request })
}

fn request(draft: RequestDraft, zone: &TimeZone) -> Option<AskedFor> {
    let app = draft.app?;
    let method = draft.method.unwrap_or_else(|| match draft.action {
        Some(action) if action == Action::Write || action.is_own() => "POST".to_owned(),
        _ => "GET".to_owned(),
    });
    let action = draft.action.unwrap_or(match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => Action::Read,
        _ => Action::Write,
    });
    let mut at = Moment::in_zone(draft.now.unwrap_or_else(|| default_now(zone)), zone);
    at.local_ms = draft.local_ms.unwrap_or(at.local_ms);
    at.weekday = draft.weekday.unwrap_or(at.weekday);
    Some(AskedFor {
        host: draft.host.unwrap_or_else(|| format!("{app}.example")),
        path: draft.path.unwrap_or_else(|| "/".to_owned()),
        source_ip: draft.source_ip.unwrap_or(SOMEWHERE),
        usage: Usage {
            requests_1m: draft.requests_1m.unwrap_or_default(),
            bytes_1h: draft.bytes_1h.unwrap_or_default(),
            bytes_1d: draft.bytes_1d.unwrap_or_default(),
        },
        app,
        action,
        method,
        at,
    })
}

fn principal(draft: WhoDraft) -> Principal {
    let WhoDraft { program, id, email, name, groups, claims, whole: _ } = draft;
    let id = id.unwrap_or_else(|| format!("{PROVIDER}/someone"));
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (name, claims) = (filled(name), claims.unwrap_or_default());
    if program == Some(true) {
        return Principal::Service(ServiceFacts { id, name, claims });
    }
    Principal::User(UserFacts { id, email: filled(email), name, groups: groups.unwrap_or_default(), claims })
}

fn device(draft: DeviceDraft, principal: &Principal, posture: &[PostureFact], now: i64) -> DeviceFacts {
    let below = match draft.base.unwrap_or(Base::Healthy) {
        Base::Healthy => healthy(principal, posture, now),
        Base::Unknown => DeviceFacts { posture: flags(posture, false), ..DeviceFacts::default() },
    };
    let mut facts = below.posture;
    facts.extend(draft.posture.unwrap_or_default());
    DeviceFacts {
        id: draft.id.unwrap_or(below.id),
        owner: draft.owner.map_or(below.owner, |owner| Some(owner).filter(|owner| !owner.is_empty())),
        authority: draft.authority.unwrap_or(below.authority),
        platform: draft.platform.unwrap_or(below.platform),
        managed: draft.managed.unwrap_or(below.managed),
        shared: draft.shared.unwrap_or(below.shared),
        key_protection: draft.key_protection.unwrap_or(below.key_protection),
        posture: facts,
        posture_at_ms: since(draft.posture_age, now, below.posture_at_ms),
        enrolled_at_ms: draft.enrolled_at.unwrap_or(below.enrolled_at_ms),
    }
}

fn healthy(principal: &Principal, posture: &[PostureFact], now: i64) -> DeviceFacts {
    let owner = match principal {
        Principal::User(user) => Some(user.id.clone()),
        Principal::Service(_) => None,
    };
    DeviceFacts {
        id: "device".to_owned(),
        owner,
        authority: "house".to_owned(),
        platform: "linux".to_owned(),
        managed: true,
        shared: false,
        key_protection: "tpm".to_owned(),
        posture: flags(posture, true),
        posture_at_ms: Some(now.saturating_sub(MINUTE_MS)),
        enrolled_at_ms: now.saturating_sub(MONTH_MS),
    }
}

/// Every flag of the posture that is always there.
fn flags(posture: &[PostureFact], value: bool) -> BTreeMap<String, FactValue> {
    let flags = posture.iter().filter(|fact| fact.kind == FactKind::Flag && fact.required);
    flags.map(|fact| (fact.name.clone(), FactValue::Flag(value))).collect()
}

fn session(draft: SessionDraft, principal: &Principal, now: i64) -> SessionFacts {
    let (id, binding) = match principal {
        Principal::User(user) => (&user.id, "session"),
        Principal::Service(service) => (&service.id, "certificate"),
    };
    let provider = || id.split_once('/').map_or(id.as_str(), |(provider, _)| provider).to_owned();
    SessionFacts {
        authenticated_at_ms: since(draft.auth_age, now, Some(now.saturating_sub(MINUTE_MS))),
        mfa: draft.mfa.unwrap_or(true),
        acr: draft.acr.filter(|acr| !acr.is_empty()),
        amr: draft.amr.unwrap_or_else(|| ["mfa", "otp", "pwd"].map(str::to_owned).into()),
        provider: draft.provider.unwrap_or_else(provider),
        binding: draft.binding.unwrap_or_else(|| binding.to_owned()),
    }
}

fn since(age: Option<Age>, now: i64, below: Option<i64>) -> Option<i64> {
    match age {
        Some(Age::Ms(ms)) => now.checked_sub(ms),
        Some(Age::Unknown) => None,
        None => below,
    }
}

/// When cases happen that do not say when.
pub(super) fn default_now(zone: &TimeZone) -> i64 {
    zone.to_zoned(DEFAULT_DAY.at(10, 0, 0, 0)).map_or(0, |zoned| zoned.timestamp().as_millisecond())
}

/// The day of cases that do not say when: a Wednesday.
pub(super) const DEFAULT_DAY: civil::Date = civil::date(2026, 7, 1);
/// Where cases come from that do not say where (RFC 5737).
const SOMEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10));
const MINUTE_MS: i64 = 60_000;
const MONTH_MS: i64 = 30 * 86_400_000;
