//! A counterexample without what does not matter: each fact becomes that of a good day where the engine's answer stays as it is.

use jiff::tz::TimeZone;

use super::model::SOME_NOON;
use crate::facts::{DeviceFacts, Identity, Principal, SessionFacts};
use crate::query::Query;
use crate::request::Moment;
use crate::schema::PostureFact;
use crate::testing::usual;

/// The plainest request that is still `wrong`, where `query` is.
pub(super) fn shrink(query: Query, posture: &[PostureFact], wrong: &mut dyn FnMut(&Query) -> bool) -> Query {
    let mut best = query;
    let mut attempt = |best: &mut Query, change: &dyn Fn(&mut Query)| {
        let mut plainer = best.clone();
        change(&mut plainer);
        if plainer != *best && wrong(&plainer) {
            *best = plainer;
        }
    };
    attempt(&mut best, &rename);
    attempt(&mut best, &move_to_noon);
    // Like its neighbours in time: an age is a time before now.
    if let Some(usual) = usual(posture, &TimeZone::UTC, &best) {
        for change in CHANGES {
            attempt(&mut best, &|query| change(query, &usual));
        }
        let facts = usual.who.map(|who| who.device.posture).unwrap_or_default();
        for name in names(&best, |identity| identity.device.posture.keys().cloned().collect()) {
            attempt(&mut best, &|query| {
                let Some(who) = identity(query) else { return };
                match facts.get(&name) {
                    Some(value) => drop(who.device.posture.insert(name.clone(), value.clone())),
                    None => drop(who.device.posture.remove(&name)),
                }
            });
        }
    }
    for name in names(&best, |identity| groups(identity).to_vec()) {
        attempt(&mut best, &|query| {
            if let Some(Principal::User(user)) = identity(query).map(|who| &mut who.principal) {
                user.groups.remove(&name);
            }
        });
    }
    for name in names(&best, |identity| claims(identity).keys().cloned().collect()) {
        attempt(&mut best, &|query| {
            match identity(query).map(|who| &mut who.principal) {
                Some(Principal::User(user)) => drop(user.claims.remove(&name)),
                Some(Principal::Service(service)) => drop(service.claims.remove(&name)),
                None => {}
            };
        });
    }
    let of_a_good_day = usual(posture, &TimeZone::UTC, &best).and_then(|usual| usual.who).map(|who| who.session.amr);
    let plain = |identity: &Identity| of_a_good_day.as_ref() == Some(&identity.session.amr);
    for name in names(&best, |identity| if plain(identity) { Vec::new() } else { identity.session.amr.iter().cloned().collect() })
    {
        attempt(&mut best, &|query| {
            if let Some(who) = identity(query) {
                who.session.amr.remove(&name);
            }
        });
    }
    best
}

/// One step towards the usual, which is the second.
type Change = fn(&mut Query, &Query);

/// Whole parts first, then what is in them.
const CHANGES: &[Change] = &[
    |query, usual| query.request = crate::query::AskedFor { at: query.request.at, ..usual.request.clone() },
    |query, usual| query.request.at = usual.request.at,
    |query, usual| query.request.at.local_ms = usual.request.at.local_ms,
    |query, usual| query.request.at.weekday = usual.request.at.weekday,
    |query, usual| query.request.host.clone_from(&usual.request.host),
    |query, usual| query.request.path.clone_from(&usual.request.path),
    |query, usual| query.request.method.clone_from(&usual.request.method),
    |query, usual| query.request.source_ip = usual.request.source_ip,
    |query, usual| query.request.usage = usual.request.usage,
    |query, _| query.request.usage.requests_1m = 0,
    |query, _| query.request.usage.bytes_1h = 0,
    |query, _| query.request.usage.bytes_1d = 0,
    |query, usual| device(query, usual, |device, usual| *device = usual.clone()),
    |query, usual| device(query, usual, |device, usual| device.owner.clone_from(&usual.owner)),
    |query, usual| device(query, usual, |device, usual| device.id.clone_from(&usual.id)),
    |query, usual| device(query, usual, |device, usual| device.authority.clone_from(&usual.authority)),
    |query, usual| device(query, usual, |device, usual| device.platform.clone_from(&usual.platform)),
    |query, usual| device(query, usual, |device, usual| device.managed = usual.managed),
    |query, usual| device(query, usual, |device, usual| device.shared = usual.shared),
    |query, usual| device(query, usual, |device, usual| device.key_protection.clone_from(&usual.key_protection)),
    |query, usual| device(query, usual, |device, usual| device.posture.clone_from(&usual.posture)),
    |query, usual| device(query, usual, |device, usual| device.posture_at_ms = usual.posture_at_ms),
    |query, usual| device(query, usual, |device, usual| device.enrolled_at_ms = usual.enrolled_at_ms),
    |query, usual| session(query, usual, |session, usual| *session = usual.clone()),
    |query, usual| session(query, usual, |session, usual| session.authenticated_at_ms = usual.authenticated_at_ms),
    |query, usual| session(query, usual, |session, usual| session.mfa = usual.mfa),
    |query, usual| session(query, usual, |session, usual| session.acr.clone_from(&usual.acr)),
    |query, usual| session(query, usual, |session, usual| session.amr.clone_from(&usual.amr)),
    |query, usual| session(query, usual, |session, usual| session.provider.clone_from(&usual.provider)),
    |query, usual| session(query, usual, |session, usual| session.binding.clone_from(&usual.binding)),
    |query, _| match identity(query).map(|who| &mut who.principal) {
        Some(Principal::User(user)) => user.email = None,
        Some(Principal::Service(service)) => service.name = None,
        None => {}
    },
    |query, _| {
        if let Some(Principal::User(user)) = identity(query).map(|who| &mut who.principal) {
            user.name = None;
        }
    },
];

fn identity(query: &mut Query) -> Option<&mut Identity> {
    query.who.as_mut()
}

fn names(query: &Query, of: impl Fn(&Identity) -> Vec<String>) -> Vec<String> {
    query.who.as_ref().map(of).unwrap_or_default()
}

fn groups(identity: &Identity) -> Vec<String> {
    match &identity.principal {
        Principal::User(user) => user.groups.iter().cloned().collect(),
        Principal::Service(_) => Vec::new(),
    }
}

fn claims(identity: &Identity) -> &std::collections::BTreeMap<String, std::collections::BTreeSet<String>> {
    match &identity.principal {
        Principal::User(user) => &user.claims,
        Principal::Service(service) => &service.claims,
    }
}

fn id(principal: &Principal) -> &String {
    match principal {
        Principal::User(user) => &user.id,
        Principal::Service(service) => &service.id,
    }
}

fn device(query: &mut Query, usual: &Query, change: fn(&mut DeviceFacts, &DeviceFacts)) {
    if let (Some(who), Some(usual)) = (query.who.as_mut(), &usual.who) {
        change(&mut who.device, &usual.device);
    }
}

fn session(query: &mut Query, usual: &Query, change: fn(&mut SessionFacts, &SessionFacts)) {
    if let (Some(who), Some(usual)) = (query.who.as_mut(), &usual.who) {
        change(&mut who.session, &usual.session);
    }
}

/// Another time, with the same ages.
fn move_to_noon(query: &mut Query) {
    let by = SOME_NOON.saturating_sub(query.request.at.unix_ms);
    query.request.at = Moment { unix_ms: SOME_NOON, ..query.request.at };
    if let Some(who) = identity(query) {
        let moved = |at: &mut Option<i64>| *at = at.map(|at| at.saturating_add(by));
        moved(&mut who.device.posture_at_ms);
        moved(&mut who.session.authenticated_at_ms);
    }
}

/// Names that look like names.
fn rename(query: &mut Query) {
    let Some(who) = identity(query) else { return };
    let new = match &who.principal {
        Principal::User(_) => "corp/someone",
        Principal::Service(_) => "corp/some-program",
    };
    let own = who.device.owner.as_ref() == Some(id(&who.principal));
    who.device.owner = match &who.device.owner {
        None => None,
        Some(_) if own => Some(new.to_owned()),
        Some(_) => Some("corp/someone-else".to_owned()),
    };
    match &mut who.principal {
        Principal::User(user) => user.id = new.to_owned(),
        Principal::Service(service) => service.id = new.to_owned(),
    }
}
