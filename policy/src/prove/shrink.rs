//! A counterexample without what does not matter: each fact becomes the usual one where the engine's answer stays as it is.

use crate::facts::{DeviceFacts, Identity, Principal, SessionFacts};
use crate::query::Query;
use crate::request::{Moment, Usage};

use super::model::{SOME_NOON, usual_method};

/// The plainest request that is still `wrong`, where `query` is.
pub(super) fn shrink(query: Query, wrong: &mut dyn FnMut(&Query) -> bool) -> Query {
    let mut best = query;
    let mut attempt = |best: &mut Query, change: &dyn Fn(&mut Query)| {
        let mut plainer = best.clone();
        change(&mut plainer);
        if plainer != *best && wrong(&plainer) {
            *best = plainer;
        }
    };
    for change in CHANGES {
        attempt(&mut best, change);
    }
    for name in names(&best, |identity| identity.device.posture.keys().cloned().collect()) {
        attempt(&mut best, &|query| drop(identity(query).map(|who| who.device.posture.remove(&name))));
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
    for name in names(&best, |identity| identity.session.amr.iter().cloned().collect()) {
        attempt(&mut best, &|query| {
            if let Some(who) = identity(query) {
                who.session.amr.remove(&name);
            }
        });
    }
    best
}

/// One step towards the usual.
type Change = &'static dyn Fn(&mut Query);

/// Whole parts first, then what is in them.
const CHANGES: &[Change] = &[
    &|query| change_device(query, |device, usual| *device = usual),
    &|query| change_session(query, |session, usual| *session = usual),
    &|query| query.request.usage = Usage::default(),
    &move_to_noon,
    &|query| query.request.at = Moment { unix_ms: query.request.at.unix_ms, ..Moment::utc(query.request.at.unix_ms) },
    &|query| query.request.host = String::new(),
    &|query| query.request.path = "/".to_owned(),
    &|query| query.request.method = usual_method(query.request.action).to_owned(),
    &|query| query.request.source_ip = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
    &rename,
    &|query| change_device(query, |device, usual| device.owner = usual.owner),
    &|query| {
        let id = identity(query).map(|who| id(&who.principal).clone());
        change_device(query, |device, _| device.owner = id.clone());
    },
    &|query| change_device(query, |device, usual| device.id = usual.id),
    &|query| change_device(query, |device, usual| device.authority = usual.authority),
    &|query| change_device(query, |device, usual| device.platform = usual.platform),
    &|query| change_device(query, |device, usual| device.managed = usual.managed),
    &|query| change_device(query, |device, usual| device.shared = usual.shared),
    &|query| change_device(query, |device, usual| device.key_protection = usual.key_protection),
    &|query| change_device(query, |device, usual| device.posture = usual.posture),
    &|query| change_device(query, |device, usual| device.posture_at_ms = usual.posture_at_ms),
    &|query| change_device(query, |device, usual| device.enrolled_at_ms = usual.enrolled_at_ms),
    &|query| change_session(query, |session, usual| session.authenticated_at_ms = usual.authenticated_at_ms),
    &|query| change_session(query, |session, usual| session.mfa = usual.mfa),
    &|query| change_session(query, |session, usual| session.acr = usual.acr),
    &|query| change_session(query, |session, usual| session.provider = usual.provider),
    &|query| change_session(query, |session, usual| session.binding = usual.binding),
    &|query| match identity(query).map(|who| &mut who.principal) {
        Some(Principal::User(user)) => user.email = None,
        Some(Principal::Service(service)) => service.name = None,
        None => {}
    },
    &|query| {
        if let Some(Principal::User(user)) = identity(query).map(|who| &mut who.principal) {
            user.name = None;
        }
    },
    &|query| query.request.usage.requests_1m = 0,
    &|query| query.request.usage.bytes_1h = 0,
    &|query| query.request.usage.bytes_1d = 0,
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

fn change_device(query: &mut Query, change: impl Fn(&mut DeviceFacts, DeviceFacts)) {
    if let Some(who) = identity(query) {
        change(&mut who.device, DeviceFacts::default());
    }
}

fn change_session(query: &mut Query, change: impl Fn(&mut SessionFacts, SessionFacts)) {
    if let Some(who) = identity(query) {
        change(&mut who.session, SessionFacts::default());
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
        Principal::User(_) => "corp/somebody",
        Principal::Service(_) => "corp/some-program",
    };
    let own = who.device.owner.as_ref() == Some(id(&who.principal));
    who.device.owner = match &who.device.owner {
        None => None,
        Some(_) if own => Some(new.to_owned()),
        Some(_) => Some("corp/somebody-else".to_owned()),
    };
    match &mut who.principal {
        Principal::User(user) => user.id = new.to_owned(),
        Principal::Service(service) => service.id = new.to_owned(),
    }
}
