//! From tables to drafts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use toml::de::{DeTable, DeValue};

use super::draft::{Age, Base, DeviceDraft, Draft, RequestDraft, SessionDraft, WhoDraft};
use super::reader::{Key, Reader, Value};
use super::span;
use crate::action::Action;
use crate::facts::FactValue;
use crate::near::did_you_mean;
use crate::schema::{FactKind, PostureFact};

/// Who and what a file gives names to.
#[derive(Debug, Default)]
pub(super) struct Fixtures {
    users: BTreeMap<String, WhoDraft>,
    services: BTreeMap<String, WhoDraft>,
    devices: BTreeMap<String, DeviceDraft>,
}

/// What facts are read by.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) fixtures: &'a Fixtures,
    pub(super) posture: &'a [PostureFact],
    pub(super) apps: &'a BTreeSet<&'a str>,
    pub(super) zone: &'a TimeZone,
}

impl Fixtures {
    /// `[users.…]`, `[services.…]` and `[devices.…]`, in this order: devices have owners.
    pub(super) fn read(root: &DeTable<'_>, posture: &[PostureFact], zone: &TimeZone, reader: &mut Reader<'_>) -> Self {
        let mut found = Self::default();
        for (section, program) in [("users", false), ("services", true)] {
            let mut people = BTreeMap::new();
            for (key, table) in entries(root, section, reader) {
                let name = key.get_ref().to_string();
                let mut draft = who(table, program, &BTreeMap::new(), reader);
                draft.id.get_or_insert_with(|| format!("{PROVIDER}/{name}"));
                draft.whole = Some(true);
                people.insert(name, draft);
            }
            *(if program { &mut found.services } else { &mut found.users }) = people;
        }
        let apps = BTreeSet::new();
        for (key, table) in entries(root, "devices", reader) {
            let name = key.get_ref().to_string();
            if base(&name).is_some() {
                reader.wrong(&key.span(), format!("`{name}` is a device that every file has; choose another name"));
            }
            let mut draft = device(table, &Terms { fixtures: &found, posture, apps: &apps, zone }, reader);
            draft.id.get_or_insert_with(|| name.clone());
            draft.whole = Some(true);
            found.devices.insert(name, draft);
        }
        found
    }

    /// The id of the person that is meant: the name of a fixture, or an id.
    fn user_id(&self, name: &str) -> Option<String> {
        let known = self.users.get(name).and_then(|user| user.id.clone());
        known.or_else(|| name.contains('/').then(|| name.to_owned()))
    }
}

/// The tables in a section of fixtures.
fn entries<'v, 'i>(root: &'v DeTable<'i>, section: &str, reader: &mut Reader<'_>) -> Vec<(&'v Key<'i>, &'v Value<'i>)> {
    let Some(value) = root.get(section) else { return Vec::new() };
    reader.table(value, &format!("`{section}`")).into_iter().flatten().collect()
}

/// One fact of a case or of `[defaults]`. Says whether there is such a fact.
pub(super) fn fact(draft: &mut Draft, name: &str, value: &Value<'_>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> bool {
    match name {
        "user" => draft.who = who(value, false, &terms.fixtures.users, reader),
        "service" => draft.who = who(value, true, &terms.fixtures.services, reader),
        "device" => draft.device = device(value, terms, reader),
        "session" => draft.session = session(value, reader),
        "usage" => usage(&mut draft.request, value, reader),
        _ => return request(&mut draft.request, name, value, terms, reader),
    }
    true
}

fn request(draft: &mut RequestDraft, name: &str, value: &Value<'_>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> bool {
    match name {
        "app" => draft.app = app(value, terms, reader),
        "action" => draft.action = action(value, reader),
        "host" => draft.host = reader.text(value),
        "path" => draft.path = path(value, reader),
        "method" => draft.method = reader.text(value).map(|method| method.to_ascii_uppercase()),
        "source_ip" => draft.source_ip = parsed(value, "an IP address", |text| text.parse().ok(), reader),
        "now" => draft.now = moment(value, terms.zone, reader),
        "local_time" => {
            let of_day = |text: &str| span::parse(text).and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms < DAY_MS);
            draft.local_ms = parsed(value, "the time since midnight, such as \"9h30m\"", of_day, reader);
        }
        "weekday" => draft.weekday = word(value, WEEKDAYS, reader),
        _ => return false,
    }
    true
}

fn who(value: &Value<'_>, program: bool, known: &BTreeMap<String, WhoDraft>, reader: &mut Reader<'_>) -> WhoDraft {
    let what = if program { "a service" } else { "a user" };
    if let DeValue::String(name) = value.get_ref() {
        return named(name, &value.span(), program, known, reader);
    }
    let mut draft = WhoDraft { program: Some(program), ..WhoDraft::default() };
    let mut like = WhoDraft::default();
    let keys: &[&str] = if program { SERVICE } else { USER };
    for (key, value) in reader.table(value, what).into_iter().flatten() {
        match key.get_ref().as_ref() {
            written if !keys.contains(&written) => reader.unknown(key, what, keys),
            "like" => {
                if let Some(name) = reader.text(value) {
                    like = named(&name, &value.span(), program, known, reader);
                }
            }
            "id" => {
                draft.id = parsed(value, "an id, `provider/subject`", |text| (!text.is_empty()).then(|| text.to_owned()), reader)
            }
            "email" => draft.email = reader.text(value),
            "name" => draft.name = reader.text(value),
            "groups" => draft.groups = reader.texts(value),
            "claims" => draft.claims = Some(claims(value, reader)),
            _ => {}
        }
    }
    draft.over(like)
}

fn named(name: &str, at: &Range<usize>, program: bool, known: &BTreeMap<String, WhoDraft>, reader: &mut Reader<'_>) -> WhoDraft {
    let stranger = WhoDraft { program: Some(program), whole: Some(true), ..WhoDraft::default() };
    match known.get(name) {
        Some(found) => found.clone(),
        None if name.contains('/') => WhoDraft { id: Some(name.to_owned()), ..stranger },
        None => {
            let section = if program { "services" } else { "users" };
            let help = did_you_mean(name, known.keys().map(String::as_str))
                .unwrap_or_else(|| format!("write `[{section}.{name}]` in this file, or an id, `provider/subject`"));
            reader.wrong_but(at, format!("this file has no {} `{name}`", section.trim_end_matches('s')), Some(help));
            stranger
        }
    }
}

fn claims(value: &Value<'_>, reader: &mut Reader<'_>) -> BTreeMap<String, BTreeSet<String>> {
    let entries = reader.table(value, "claims").into_iter().flatten();
    let mut claims = BTreeMap::new();
    for (key, value) in entries {
        let values = match value.get_ref() {
            DeValue::String(text) => Some([text.to_string()].into()),
            _ => reader.texts(value),
        };
        claims.extend(values.map(|values| (key.get_ref().to_string(), values)));
    }
    claims
}

fn device(value: &Value<'_>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> DeviceDraft {
    if let DeValue::String(name) = value.get_ref() {
        return device_named(name, &value.span(), terms, reader);
    }
    let mut draft = DeviceDraft::default();
    let mut like = DeviceDraft::default();
    for (key, value) in reader.table(value, "a device").into_iter().flatten() {
        match key.get_ref().as_ref() {
            "like" => {
                if let Some(name) = reader.text(value) {
                    like = device_named(&name, &value.span(), terms, reader);
                }
            }
            "id" => draft.id = reader.text(value),
            "owner" => draft.owner = owner(value, terms.fixtures, reader),
            "authority" => draft.authority = reader.text(value),
            "platform" => draft.platform = usually(value, PLATFORMS, reader),
            "managed" => draft.managed = reader.flag(value),
            "shared" => draft.shared = reader.flag(value),
            "key_protection" => draft.key_protection = usually(value, PROTECTIONS, reader),
            "posture" => draft.posture = Some(posture(value, terms.posture, reader)),
            "posture_age" => draft.posture_age = age(value, reader),
            "enrolled_at" => draft.enrolled_at = moment(value, terms.zone, reader),
            _ => reader.unknown(key, "a device", DEVICE),
        }
    }
    draft.over(like)
}

fn device_named(name: &str, at: &Range<usize>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> DeviceDraft {
    if let Some(base) = base(name) {
        return DeviceDraft { whole: Some(true), base: Some(base), ..DeviceDraft::default() };
    }
    let known = &terms.fixtures.devices;
    known.get(name).cloned().unwrap_or_else(|| {
        let names = known.keys().map(String::as_str).chain(["healthy", "unknown"]);
        let help = did_you_mean(name, names).unwrap_or_else(|| format!("write `[devices.{name}]` in this file"));
        reader.wrong_but(at, format!("this file has no device `{name}`"), Some(help));
        DeviceDraft::default()
    })
}

/// A device that every file has.
fn base(name: &str) -> Option<Base> {
    match name {
        "healthy" => Some(Base::Healthy),
        "unknown" => Some(Base::Unknown),
        _ => None,
    }
}

fn owner(value: &Value<'_>, fixtures: &Fixtures, reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.text(value)?;
    if name.is_empty() {
        return Some(name);
    }
    let id = fixtures.user_id(&name);
    if id.is_none() {
        let help = did_you_mean(&name, fixtures.users.keys().map(String::as_str));
        let help =
            help.unwrap_or_else(|| "an owner is a user of this file, an id (`provider/subject`), or \"\" for nobody".to_owned());
        reader.wrong_but(&value.span(), format!("this file has no user `{name}`"), Some(help));
    }
    id
}

fn posture(value: &Value<'_>, known: &[PostureFact], reader: &mut Reader<'_>) -> BTreeMap<String, FactValue> {
    let mut posture = BTreeMap::new();
    let names: Vec<&str> = known.iter().map(|fact| fact.name.as_str()).collect();
    for (key, value) in reader.table(value, "posture").into_iter().flatten() {
        let Some(fact) = known.iter().find(|fact| fact.name == *key.get_ref()) else {
            reader.unknown(key, "posture", &names);
            continue;
        };
        let value = match fact.kind {
            FactKind::Flag => reader.flag(value).map(FactValue::Flag),
            FactKind::Number => reader.number(value).map(FactValue::Number),
            FactKind::Text => reader.text(value).map(FactValue::Text),
        };
        posture.extend(value.map(|value| (fact.name.clone(), value)));
    }
    posture
}

fn session(value: &Value<'_>, reader: &mut Reader<'_>) -> SessionDraft {
    let mut draft = SessionDraft::default();
    for (key, value) in reader.table(value, "a session").into_iter().flatten() {
        match key.get_ref().as_ref() {
            "auth_age" => draft.auth_age = age(value, reader),
            "mfa" => draft.mfa = reader.flag(value),
            "acr" => draft.acr = reader.text(value),
            "amr" => draft.amr = reader.texts(value),
            "provider" => draft.provider = reader.text(value),
            "binding" => draft.binding = usually(value, BINDINGS, reader),
            _ => reader.unknown(key, "a session", SESSION),
        }
    }
    draft
}

fn usage(draft: &mut RequestDraft, value: &Value<'_>, reader: &mut Reader<'_>) {
    for (key, value) in reader.table(value, "usage").into_iter().flatten() {
        match key.get_ref().as_ref() {
            "requests_1m" => draft.requests_1m = reader.count(value),
            "bytes_1h" => draft.bytes_1h = reader.count(value),
            "bytes_1d" => draft.bytes_1d = reader.count(value),
            _ => reader.unknown(key, "usage", USAGE),
        }
    }
}

fn app(value: &Value<'_>, terms: &Terms<'_>, reader: &mut Reader<'_>) -> Option<String> {
    let name = reader.text(value)?;
    if !terms.apps.contains(name.as_str()) {
        let help = did_you_mean(&name, terms.apps.iter().copied());
        reader.wrong_but(&value.span(), format!("there is no app `{name}`"), help);
    }
    Some(name)
}

fn path(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<String> {
    parsed(
        value,
        "a path, beginning with `/` and without a query",
        |text| (text.starts_with('/') && !text.contains(['?', '#'])).then(|| text.to_owned()),
        reader,
    )
}

fn age(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Age> {
    let read = |text: &str| if text == "unknown" { Some(Age::Unknown) } else { span::parse(text).map(Age::Ms) };
    parsed(value, "how long ago it was, such as \"5m\" or \"1h30m\", or \"unknown\"", read, reader)
}

/// A span of time, in milliseconds.
pub(super) fn duration(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<i64> {
    parsed(value, "a span of time, such as \"15m\"", span::parse, reader)
}

fn moment(value: &Value<'_>, zone: &TimeZone, reader: &mut Reader<'_>) -> Option<i64> {
    let day = super::facts::DEFAULT_DAY;
    let help = "a time, such as \"2026-07-01T09:00:00\" (in the configured zone) or \"2026-07-01T07:00:00Z\"";
    if let DeValue::Datetime(written) = value.get_ref() {
        let found = span::moment(&written.to_string(), zone, day);
        if found.is_none() {
            reader.wrong(&value.span(), format!("this is not {help}"));
        }
        return found;
    }
    parsed(value, help, |text| span::moment(text, zone, day), reader)
}

/// A text that `read` understands; `what` says what it should be.
fn parsed<T>(value: &Value<'_>, what: &str, read: impl Fn(&str) -> Option<T>, reader: &mut Reader<'_>) -> Option<T> {
    let text = reader.text(value)?;
    let found = read(&text);
    if found.is_none() {
        reader.wrong(&value.span(), format!("`{text}` is not {what}"));
    }
    found
}

/// One of a few words, or one that cannot be meant for any of them: who tests what becomes of strange facts may write some.
fn usually(value: &Value<'_>, words: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(value)?;
    let meant = did_you_mean(&text, words.iter().copied()).filter(|_| !words.contains(&text.as_str()));
    if meant.is_some() {
        reader.wrong_but(&value.span(), format!("`{text}` is not known here"), meant);
        return None;
    }
    Some(text)
}

/// One of a few words.
fn one_of(value: &Value<'_>, words: &[&str], reader: &mut Reader<'_>) -> Option<String> {
    let text = reader.text(value)?;
    if words.contains(&text.as_str()) {
        return Some(text);
    }
    let help = did_you_mean(&text, words.iter().copied()).unwrap_or_else(|| format!("write one of {}", words.join(", ")));
    reader.wrong_but(&value.span(), format!("`{text}` is not known here"), Some(help));
    None
}

/// One of a few words that stand for something.
fn action(value: &Value<'_>, reader: &mut Reader<'_>) -> Option<Action> {
    one_of(value, &Action::ALL.map(Action::as_str), reader).and_then(|name| Action::named(&name))
}

fn word<T: for<'de> Deserialize<'de>>(value: &Value<'_>, words: &[&str], reader: &mut Reader<'_>) -> Option<T> {
    let text = one_of(value, words, reader)?;
    T::deserialize(StrDeserializer::<Error>::new(&text)).ok()
}

/// The provider of people who are made up for tests.
pub(super) const PROVIDER: &str = "test";

/// The facts of a case and of `[defaults]`.
pub(super) const FACTS: &[&str] = &[
    "user",
    "service",
    "device",
    "session",
    "app",
    "action",
    "host",
    "path",
    "method",
    "source_ip",
    "usage",
    "now",
    "local_time",
    "weekday",
];
const USER: &[&str] = &["like", "id", "email", "name", "groups", "claims"];
const SERVICE: &[&str] = &["like", "id", "name", "claims"];
const DEVICE: &[&str] = &[
    "like",
    "id",
    "owner",
    "authority",
    "platform",
    "managed",
    "shared",
    "key_protection",
    "posture",
    "posture_age",
    "enrolled_at",
];
const SESSION: &[&str] = &["auth_age", "mfa", "acr", "amr", "provider", "binding"];
const USAGE: &[&str] = &["requests_1m", "bytes_1h", "bytes_1d"];
const WEEKDAYS: &[&str] = &["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const PLATFORMS: &[&str] = &["linux", "macos", "windows", "android", "ios", "unknown"];
const PROTECTIONS: &[&str] = &["software", "os", "tpm"];
const BINDINGS: &[&str] = &["session", "certificate", "none"];
const DAY_MS: u32 = 86_400_000;
