//! A question as a case: what is not as in a case that says nothing.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;

use super::Tester;
use super::draft::{Draft, WhoDraft};
use super::{facts, span};
use crate::facts::{DeviceFacts, FactValue, Principal, SessionFacts};
use crate::query::{AskedFor, Query};
use crate::request::Moment;
use crate::schema::{FactKind, PostureFact};
use crate::verdict::{Decision, Verdict};

/// A table's lines: `key = value`.
#[derive(Default)]
struct Lines(String);

impl Lines {
    fn raw(&mut self, key: &str, value: &str) {
        self.0.push_str(&format!("{key} = {value}\n"));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.raw(key, &quoted(value));
    }

    /// The line, if the value is another than usual.
    fn unusual<T: PartialEq>(&mut self, key: &str, value: &T, usual: &T, show: impl FnOnce(&T) -> String) {
        if value != usual {
            self.raw(key, &show(value));
        }
    }
}

pub(super) fn case(tester: &Tester<'_>, name: &str, query: &Query, verdict: &Verdict) -> String {
    let mut lines = Lines("[[case]]\n".to_owned());
    lines.text("name", name);
    let usual = usual(&tester.set.facts.posture, tester.zone, query);
    if let (Some(identity), Some(usual)) = (&query.who, usual.as_ref().and_then(|usual| usual.who.as_ref())) {
        principal(&mut lines, &identity.principal);
        device(&mut lines, &identity.device, &usual.device, query.request.at.unix_ms, &tester.set.facts.posture);
        session(&mut lines, &identity.session, &usual.session, query.request.at.unix_ms);
    }
    request(&mut lines, &query.request, usual.map(|usual| usual.request).as_ref(), tester);
    lines.text("expect", verdict.decision.as_str());
    if let Decision::Deny(reason) = verdict.decision {
        lines.text("reason", reason.as_str());
    }
    if !verdict.policies.is_empty() {
        lines.raw("policies", &texts(verdict.policies.iter().map(|id| &**id)));
    }
    lines.0
}

/// The question of a case that says who, what and when, and nothing else.
pub(crate) fn usual(posture: &[PostureFact], zone: &TimeZone, query: &Query) -> Option<Query> {
    let mut draft = Draft::default();
    draft.request.app = Some(query.request.app.clone());
    draft.request.action = Some(query.request.action);
    draft.request.now = Some(query.request.at.unix_ms);
    draft.who = match query.who.as_ref().map(|identity| &identity.principal) {
        Some(Principal::User(user)) => WhoDraft { id: Some(user.id.clone()), ..WhoDraft::default() },
        Some(Principal::Service(service)) => {
            WhoDraft { id: Some(service.id.clone()), program: Some(true), ..WhoDraft::default() }
        }
        None => WhoDraft::default(),
    };
    facts::query(draft, posture, zone)
}

fn principal(lines: &mut Lines, principal: &Principal) {
    let mut optional = |key: &str, value: &Option<String>| {
        if let Some(value) = value {
            lines.text(key, value);
        }
    };
    let (key, id, claims) = match principal {
        Principal::User(user) => {
            optional("user.email", &user.email);
            optional("user.name", &user.name);
            if !user.groups.is_empty() {
                lines.raw("user.groups", &set(&user.groups));
            }
            ("user", &user.id, &user.claims)
        }
        Principal::Service(service) => {
            optional("service.name", &service.name);
            ("service", &service.id, &service.claims)
        }
    };
    lines.text(&format!("{key}.id"), id);
    for (name, values) in claims {
        lines.raw(&format!("{key}.claims.{}", bare(name)), &set(values));
    }
}

fn device(lines: &mut Lines, facts: &DeviceFacts, usual: &DeviceFacts, now: i64, declared: &[PostureFact]) {
    let DeviceFacts {
        id,
        owner,
        authority,
        platform,
        managed,
        shared,
        key_protection,
        posture: _,
        posture_at_ms,
        enrolled_at_ms,
    } = facts;
    lines.unusual("device.id", id, &usual.id, |id| quoted(id));
    lines.unusual("device.owner", owner, &usual.owner, |owner| quoted(owner.as_deref().unwrap_or_default()));
    lines.unusual("device.authority", authority, &usual.authority, |text| quoted(text));
    lines.unusual("device.platform", platform, &usual.platform, |text| quoted(text));
    lines.unusual("device.managed", managed, &usual.managed, ToString::to_string);
    lines.unusual("device.shared", shared, &usual.shared, ToString::to_string);
    lines.unusual("device.key_protection", key_protection, &usual.key_protection, |text| quoted(text));
    posture(lines, facts, usual, declared);
    lines.unusual("device.posture_age", posture_at_ms, &usual.posture_at_ms, |at| age(*at, now));
    lines.unusual("device.enrolled_at", enrolled_at_ms, &usual.enrolled_at_ms, |at| instant(*at));
}

/// Only what the schema declares, as the question to the policies has it: a flag that is not there is false.
fn posture(lines: &mut Lines, device: &DeviceFacts, usual: &DeviceFacts, declared: &[PostureFact]) {
    for fact in declared {
        let value = match (fact.kind, device.posture.get(&fact.name)) {
            (FactKind::Flag, Some(value @ FactValue::Flag(_)))
            | (FactKind::Number, Some(value @ FactValue::Number(_)))
            | (FactKind::Text, Some(value @ FactValue::Text(_))) => value,
            (FactKind::Flag, _) if fact.required => &FactValue::Flag(false),
            _ => continue,
        };
        if usual.posture.get(&fact.name) != Some(value) {
            let value = match value {
                FactValue::Flag(flag) => flag.to_string(),
                FactValue::Number(number) => number.to_string(),
                FactValue::Text(text) => quoted(text),
            };
            lines.raw(&format!("device.posture.{}", bare(&fact.name)), &value);
        }
    }
}

fn session(lines: &mut Lines, session: &SessionFacts, usual: &SessionFacts, now: i64) {
    let SessionFacts { authenticated_at_ms, mfa, acr, amr, provider, binding } = session;
    lines.unusual("session.auth_age", authenticated_at_ms, &usual.authenticated_at_ms, |at| age(*at, now));
    lines.unusual("session.mfa", mfa, &usual.mfa, ToString::to_string);
    lines.unusual("session.acr", acr, &usual.acr, |acr| quoted(acr.as_deref().unwrap_or_default()));
    lines.unusual("session.amr", amr, &usual.amr, set);
    lines.unusual("session.provider", provider, &usual.provider, |text| quoted(text));
    lines.unusual("session.binding", binding, &usual.binding, |text| quoted(text));
}

fn request(lines: &mut Lines, request: &AskedFor, usual: Option<&AskedFor>, tester: &Tester<'_>) {
    lines.text("app", &request.app);
    let Some(usual) = usual else { return };
    let AskedFor { app: _, action, host, path, method, source_ip, usage, at } = request;
    if *action != crate::Action::Read || !["GET", "HEAD", "OPTIONS"].contains(&method.as_str()) {
        lines.text("action", action.as_str());
    }
    lines.unusual("host", host, &usual.host, |text| quoted(text));
    lines.unusual("path", path, &usual.path, |text| quoted(text));
    lines.unusual("method", method, &usual.method, |text| quoted(text));
    lines.unusual("source_ip", source_ip, &usual.source_ip, |ip| quoted(&ip.to_string()));
    lines.unusual("usage.requests_1m", &usage.requests_1m, &usual.usage.requests_1m, ToString::to_string);
    lines.unusual("usage.bytes_1h", &usage.bytes_1h, &usual.usage.bytes_1h, ToString::to_string);
    lines.unusual("usage.bytes_1d", &usage.bytes_1d, &usual.usage.bytes_1d, ToString::to_string);
    lines.unusual("now", &at.unix_ms, &facts::default_now(tester.zone), |at| instant(*at));
    let seen = Moment::in_zone(at.unix_ms, tester.zone);
    lines.unusual("local_time", &at.local_ms, &seen.local_ms, |ms| quoted(&span::text(i64::from(*ms))));
    lines.unusual("weekday", &at.weekday, &seen.weekday, |day| quoted(day.as_str()));
}

fn age(at: Option<i64>, now: i64) -> String {
    match at.and_then(|at| now.checked_sub(at)) {
        Some(ms) => quoted(&span::text(ms)),
        None => quoted("unknown"),
    }
}

fn instant(unix_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(unix_ms) {
        Ok(instant) => quoted(&instant.to_string()),
        // Cut to what the calendar has, as the question to the policies is.
        Err(_) if unix_ms < 0 => quoted(&jiff::Timestamp::MIN.to_string()),
        Err(_) => quoted(&jiff::Timestamp::MAX.to_string()),
    }
}

fn set(values: &BTreeSet<String>) -> String {
    texts(values.iter().map(String::as_str))
}

fn texts<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.map(quoted).collect();
    format!("[{}]", values.join(", "))
}

/// A basic string of TOML, in one line: it serves as a key too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A key, in quotes where it needs them.
fn bare(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { name.to_owned() } else { quoted(name) }
}
