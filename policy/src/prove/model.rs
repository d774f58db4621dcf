//! From the solver's example to a question that the engine can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cedar_policy::{Entities, EntityUid, EvalResult, Expression, Record, Request, eval_expression};
use cedar_policy_symcc::Env as Found;

use super::slice::{Env, Who};
use crate::facts::{DeviceFacts, FactValue, Identity, Principal, ServiceFacts, SessionFacts, UserFacts};
use crate::names::Names;
use crate::query::{AskedFor, Query};
use crate::question::UNKNOWN_AGE_S;
use crate::request::{Moment, Usage, Weekday};

/// The request that the solver found, about `app`. Several, where an address range stands for an address: the first and the last
/// of it. Empty if it is not one that can be asked.
pub(super) fn queries(found: &Found, env: Env, app: &str, names: &Names) -> Vec<Query> {
    let Some(reader) = Reader::new(found) else { return Vec::new() };
    let Some(at) = reader.moment() else { return Vec::new() };
    let who = match env.who {
        Who::Anyone => None,
        Who::User | Who::Service => match reader.identity(env.who, at.unix_ms, names) {
            Some(identity) => Some(identity),
            None => return Vec::new(),
        },
    };
    let request = reader.record("request");
    let query = |source_ip| Query {
        who: who.clone(),
        request: AskedFor {
            app: app.to_owned(),
            action: env.action,
            host: text(request, "host"),
            path: text(request, "path"),
            method: text(request, "method"),
            source_ip,
            usage: reader.usage(),
            at,
        },
    };
    addresses(request).into_iter().map(query).collect()
}

/// A moment to speak of where no policy asks for the time: a Wednesday at ten, as in policy tests.
pub(super) const SOME_NOON: i64 = 1_782_900_000_000;

struct Reader<'a> {
    request: &'a Request,
    entities: &'a Entities,
    parts: BTreeMap<&'static str, Record>,
}

impl<'a> Reader<'a> {
    fn new(found: &'a Found) -> Option<Self> {
        let context = found.request.context()?;
        let mut parts = BTreeMap::new();
        for part in ["device", "session", "request", "usage"] {
            if let Some(EvalResult::Record(record)) = context.get(part) {
                parts.insert(part, record);
            }
        }
        Some(Self { request: &found.request, entities: &found.entities, parts })
    }

    fn record(&self, part: &str) -> Option<&Record> {
        self.parts.get(part)
    }

    /// A number that Cedar makes of the example.
    fn number(&self, expression: &str) -> Option<i64> {
        let expression: Expression = expression.parse().ok()?;
        match eval_expression(self.request, self.entities, &expression).ok()? {
            EvalResult::Long(number) => Some(number),
            _ => None,
        }
    }

    fn moment(&self) -> Option<Moment> {
        let unix_ms = self.number("context.now.durationSince(datetime(\"1970-01-01\")).toMilliseconds()").unwrap_or(SOME_NOON);
        let local_ms = self.number("context.local_time.toMilliseconds()")?.clamp(0, 86_399_999);
        let EvalResult::String(word) = self.request.context()?.get("weekday")? else { return None };
        let weekday = WEEKDAYS.into_iter().find(|day| day.as_str() == word).unwrap_or(Weekday::Monday);
        Some(Moment { unix_ms, local_ms: u32::try_from(local_ms).ok()?, weekday })
    }

    fn usage(&self) -> Usage {
        let usage = self.record("usage");
        let count = |name| u64::try_from(long(usage, name)).unwrap_or(0);
        Usage { requests_1m: count("requests_1m"), bytes_1h: count("bytes_1h"), bytes_1d: count("bytes_1d") }
    }

    fn identity(&self, who: Who, now_ms: i64, names: &Names) -> Option<Identity> {
        let principal = self.request.principal()?;
        let id = principal.id().unescaped().to_owned();
        let (email, name, claims) =
            (self.attribute(principal, "email"), self.attribute(principal, "name"), self.claims(principal));
        let principal = match who {
            Who::User => {
                let ancestors = self.entities.ancestors(principal).into_iter().flatten();
                let groups = ancestors.filter(|of| *of.type_name() == names.group).map(|of| of.id().unescaped().to_owned());
                Principal::User(UserFacts { id, email, name, groups: groups.collect(), claims })
            }
            Who::Service | Who::Anyone => Principal::Service(ServiceFacts { id, name, claims }),
        };
        let since = |age_s: i64| {
            let ms = age_s.clamp(0, UNKNOWN_AGE_S).checked_mul(1000)?;
            (age_s < UNKNOWN_AGE_S).then(|| now_ms.checked_sub(ms)).flatten()
        };
        Some(Identity { principal, device: self.device(&since), session: self.session(&since) })
    }

    fn attribute(&self, entity: &EntityUid, name: &str) -> Option<String> {
        match self.entities.get(entity)?.attr(name)?.ok()? {
            EvalResult::String(text) => Some(text),
            _ => None,
        }
    }

    fn claims(&self, entity: &EntityUid) -> BTreeMap<String, BTreeSet<String>> {
        let tags = self.entities.get(entity).into_iter().flat_map(|entity| entity.tags());
        tags.filter_map(|(name, value)| match value.ok()? {
            EvalResult::Set(values) => Some((name.to_owned(), strings(&values))),
            _ => None,
        })
        .collect()
    }

    fn device(&self, since: &impl Fn(i64) -> Option<i64>) -> DeviceFacts {
        let device = self.record("device");
        let owner = match device.and_then(|device| device.get("owner")) {
            Some(EvalResult::EntityUid(owner)) => owner.id().unescaped().to_owned(),
            _ => String::new(),
        };
        let posture = match device.and_then(|device| device.get("posture")) {
            Some(EvalResult::Record(posture)) => {
                posture.iter().filter_map(|(name, value)| Some((name.clone(), fact(value)?))).collect()
            }
            _ => BTreeMap::new(),
        };
        DeviceFacts {
            id: text(device, "id"),
            owner: Some(owner).filter(|owner| !owner.is_empty()),
            authority: text(device, "authority"),
            platform: text(device, "platform"),
            managed: flag(device, "managed"),
            shared: flag(device, "shared"),
            key_protection: text(device, "key_protection"),
            posture,
            posture_at_ms: since(long(device, "posture_age_s")),
            enrolled_at_ms: self
                .number("context.device.enrolled_at.durationSince(datetime(\"1970-01-01\")).toMilliseconds()")
                .unwrap_or(0),
        }
    }

    fn session(&self, since: &impl Fn(i64) -> Option<i64>) -> SessionFacts {
        let session = self.record("session");
        let amr = match session.and_then(|session| session.get("amr")) {
            Some(EvalResult::Set(values)) => strings(values),
            _ => BTreeSet::new(),
        };
        SessionFacts {
            authenticated_at_ms: since(long(session, "auth_age_s")),
            mfa: flag(session, "mfa"),
            acr: Some(text(session, "acr")).filter(|acr| !acr.is_empty()),
            amr,
            provider: text(session, "provider"),
            binding: text(session, "binding"),
        }
    }
}

/// What `source_ip` may be: of a range, its ends. The gate asks about single addresses only; the solver knows ranges as well.
fn addresses(request: Option<&Record>) -> Vec<IpAddr> {
    let Some(EvalResult::ExtensionValue(written)) = request.and_then(|request| request.get("source_ip")) else {
        return Vec::new();
    };
    let Some(range) = written.split('"').nth(1) else { return Vec::new() };
    let (address, bits) = range.split_once('/').map_or((range, None), |(address, bits)| (address, bits.parse::<u32>().ok()));
    match address.parse() {
        Ok(IpAddr::V4(first)) => {
            let host = u32::MAX.checked_shr(bits.unwrap_or(32)).unwrap_or(0);
            let first = u32::from(first) & !host;
            [first, first | host].map(|address| IpAddr::V4(address.into())).to_vec()
        }
        Ok(IpAddr::V6(first)) => {
            let host = u128::MAX.checked_shr(bits.unwrap_or(128)).unwrap_or(0);
            let first = u128::from(first) & !host;
            [first, first | host].map(|address| IpAddr::V6(address.into())).to_vec()
        }
        Err(_) => Vec::new(),
    }
}

fn text(record: Option<&Record>, name: &str) -> String {
    match record.and_then(|record| record.get(name)) {
        Some(EvalResult::String(text)) => text.clone(),
        _ => String::new(),
    }
}

fn flag(record: Option<&Record>, name: &str) -> bool {
    matches!(record.and_then(|record| record.get(name)), Some(EvalResult::Bool(true)))
}

fn long(record: Option<&Record>, name: &str) -> i64 {
    match record.and_then(|record| record.get(name)) {
        Some(EvalResult::Long(number)) => *number,
        _ => 0,
    }
}

fn fact(value: &EvalResult) -> Option<FactValue> {
    match value {
        EvalResult::Bool(flag) => Some(FactValue::Flag(*flag)),
        EvalResult::Long(number) => Some(FactValue::Number(*number)),
        EvalResult::String(text) => Some(FactValue::Text(text.clone())),
        _ => None,
    }
}

fn strings(values: &cedar_policy::Set) -> BTreeSet<String> {
    let text = |value: &EvalResult| match value {
        EvalResult::String(text) => Some(text.clone()),
        _ => None,
    };
    values.iter().filter_map(text).collect()
}

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];
