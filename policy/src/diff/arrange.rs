//! Makes the facts of a question meet a condition, or miss it by as little as there is.

use super::form::{Comparison, Form};
use super::key::{duration_ms, range};
use crate::facts::{FactValue, Identity, Principal, ServiceFacts, UserFacts};
use crate::query::Query;
use crate::request::Weekday;

/// Changes `query` so that `form` holds (`yes`) or does not, as well as that can be done. Of alternatives, `turn` chooses.
pub(super) fn arrange(query: &mut Query, form: &Form, yes: bool, turn: usize) {
    match (form, yes) {
        (Form::All(parts), true) | (Form::Any(parts), false) => parts.iter().for_each(|part| arrange(query, part, yes, turn)),
        (Form::All(parts), false) | (Form::Any(parts), true) => {
            if let Some(part) = parts.get(turn % parts.len().max(1)) {
                arrange(query, part, yes, turn / parts.len().max(1));
            }
        }
        (Form::If(asked, then, otherwise), _) => {
            let holds = turn.is_multiple_of(2);
            arrange(query, asked, holds, turn / 2);
            arrange(query, if holds { then } else { otherwise }, yes, turn / 2);
        }
        (Form::Not(of), _) => arrange(query, of, !yes, turn),
        (Form::Compare(op, left, right), _) => {
            let op = if yes { *op } else { op.negated() };
            if left.is_literal() { compare(query, op.turned(), right, left, turn) } else { compare(query, op, left, right, turn) }
        }
        (Form::In(of, parent), _) if **of == Form::Var("principal") => {
            if let Form::Entity(_, id) = &**parent {
                in_group(query, id, yes);
            }
        }
        (Form::Is(of, kind), _) if **of == Form::Var("principal") => {
            become_a(query, if (kind == "Service") == yes { "Service" } else { "User" }, None);
        }
        (Form::Get(..), _) => flag(query, &path(form), yes),
        (Form::Has(of, name), _) => has(query, of, name, yes),
        (Form::Like(of, pattern), _) => {
            let filling = if turn.is_multiple_of(2) { "x" } else { "" };
            let text: String = pattern.iter().map(|element| element.map_or(filling.to_owned(), String::from)).collect();
            set_text(query, of, if yes { &text } else { ELSE });
        }
        (Form::Call(name, arguments), _) => call(query, name, arguments, yes),
        _ => {}
    }
}

fn compare(query: &mut Query, op: Comparison, left: &Form, right: &Form, turn: usize) {
    let step = if turn.is_multiple_of(2) { 0 } else { 1 };
    // As near to the bound as can be, or a little further away.
    let near = |bound: i64| match op {
        Comparison::Eq | Comparison::LessEq | Comparison::GreaterEq => bound,
        Comparison::Less => bound.saturating_sub(1 + step),
        Comparison::Greater | Comparison::NotEq => bound.saturating_add(1 + step),
    };
    match right {
        Form::Long(bound) => number(query, left, near(*bound)),
        Form::Call("duration", of) => {
            if let (Some(ms), ["local_time"]) = (duration_ms(of), path(left).as_slice()) {
                query.request.at.local_ms = u32::try_from(near(ms).clamp(0, 86_399_999)).unwrap_or(0);
            }
        }
        Form::Call("datetime", of) => {
            if let ([Form::Text(text)], ["now"]) = (of.as_slice(), path(left).as_slice())
                && let Some(ms) = datetime_ms(text)
            {
                query.request.at.unix_ms = near(ms);
            }
        }
        Form::Text(text) => {
            let text = if op == Comparison::NotEq { ELSE } else { text };
            set_text(query, left, text);
        }
        Form::Entity(kind, id) if *left == Form::Var("principal") => {
            let id = (op != Comparison::NotEq).then_some(id.as_str());
            if kind != "Anonymous" {
                become_a(query, kind, id);
            }
        }
        Form::Entity(_, id) if path(left) == ["device", "owner"] => {
            let owner = (op != Comparison::NotEq && !id.is_empty()).then(|| id.clone());
            with(query, |who| who.device.owner = owner);
        }
        _ => owner(query, op, left, right),
    }
}

/// `context.device.owner == principal`, either way round.
fn owner(query: &mut Query, op: Comparison, left: &Form, right: &Form) {
    let about = |a: &Form, b: &Form| *a == Form::Var("principal") && path(b) == ["device", "owner"];
    if about(left, right) || about(right, left) {
        with(query, |who| {
            who.device.owner = match &who.principal {
                Principal::User(user) if op == Comparison::Eq => Some(user.id.clone()),
                _ => None,
            };
        });
    }
}

fn call(query: &mut Query, name: &str, arguments: &[Form], yes: bool) {
    match (name, arguments) {
        ("contains", [of, Form::Text(text)]) => match (path(of).as_slice(), of) {
            (["session", "amr"], _) => with(query, |who| put(&mut who.session.amr, text, yes)),
            (["request", "path_prefixes"], _) => (if yes { text.as_str() } else { "/" }).clone_into(&mut query.request.path),
            (_, Form::Call("getTag", tag)) => {
                if let [_, Form::Text(claim)] = tag.as_slice() {
                    claims(query, |claims| put(claims.entry(claim.clone()).or_default(), text, yes));
                }
            }
            _ => {}
        },
        ("hasTag", [_, Form::Text(claim)]) => claims(query, |claims| {
            if yes {
                claims.entry(claim.clone()).or_default();
            } else {
                claims.remove(claim);
            }
        }),
        ("isInRange", [_, Form::Call("ip", of)]) => {
            if let Some((address, _)) = range(of) {
                let elsewhere = if address.is_ipv4() { [203, 0, 113, 77] } else { [198, 51, 100, 77] };
                query.request.source_ip = if yes { address } else { std::net::IpAddr::from(elsewhere) };
            }
        }
        ("isLoopback", _) => {
            query.request.source_ip = std::net::IpAddr::from(if yes { [127, 0, 0, 1] } else { [203, 0, 113, 77] })
        }
        ("isIpv6", _) | ("isIpv4", _) => {
            query.request.source_ip = if (name == "isIpv6") == yes {
                std::net::IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
            } else {
                std::net::IpAddr::from([203, 0, 113, 77])
            };
        }
        _ => {}
    }
}

fn has(query: &mut Query, of: &Form, name: &str, yes: bool) {
    if path(of) == ["device", "posture"] {
        with(query, |who| {
            if yes {
                who.device.posture.entry(name.to_owned()).or_insert(FactValue::Number(0));
            } else {
                who.device.posture.remove(name);
            }
        });
    } else if *of == Form::Var("principal") {
        person(query, |user| match name {
            "email" => user.email = yes.then(|| "person@example.com".to_owned()),
            "name" => user.name = yes.then(|| "Example".to_owned()),
            _ => {}
        });
    }
}

fn flag(query: &mut Query, path: &[&str], yes: bool) {
    with(query, |who| match path {
        ["device", "managed"] => who.device.managed = yes,
        ["device", "shared"] => who.device.shared = yes,
        ["session", "mfa"] => who.session.mfa = yes,
        ["device", "posture", name] => {
            who.device.posture.insert((*name).to_owned(), FactValue::Flag(yes));
        }
        _ => {}
    });
}

fn number(query: &mut Query, of: &Form, value: i64) {
    if let Form::Call("+" | "-", parts) = of
        && let Some(first) = parts.first()
    {
        return number(query, first, value);
    }
    let count = u64::try_from(value).unwrap_or(0);
    let since = query.request.at.unix_ms.saturating_sub(value.max(0).saturating_mul(1000));
    match path(of).as_slice() {
        ["session", "auth_age_s"] => with(query, |who| who.session.authenticated_at_ms = Some(since)),
        ["device", "posture_age_s"] => with(query, |who| who.device.posture_at_ms = Some(since)),
        ["device", "posture", name] => with(query, |who| {
            who.device.posture.insert((*name).to_owned(), FactValue::Number(value));
        }),
        ["usage", "requests_1m"] => query.request.usage.requests_1m = count,
        ["usage", "bytes_1h"] => query.request.usage.bytes_1h = count,
        ["usage", "bytes_1d"] => query.request.usage.bytes_1d = count,
        _ => {}
    }
}

fn set_text(query: &mut Query, of: &Form, text: &str) {
    let text = text.to_owned();
    if let Form::Get(owner, name) = of
        && **owner == Form::Var("principal")
    {
        person(query, |user| match name.as_str() {
            "email" => user.email = Some(text),
            "name" => user.name = Some(text),
            _ => {}
        });
        return;
    }
    match path(of).as_slice() {
        ["request", "host"] => query.request.host = text,
        ["request", "path"] => query.request.path = if text.starts_with('/') { text } else { format!("/{text}") },
        ["request", "method"] => query.request.method = text,
        ["weekday"] => {
            const DAYS: [Weekday; 7] = [
                Weekday::Monday,
                Weekday::Tuesday,
                Weekday::Wednesday,
                Weekday::Thursday,
                Weekday::Friday,
                Weekday::Saturday,
                Weekday::Sunday,
            ];
            let other = DAYS.into_iter().find(|day| *day != query.request.at.weekday);
            query.request.at.weekday =
                DAYS.into_iter().find(|day| day.as_str() == text).or(other).unwrap_or(query.request.at.weekday);
        }
        &["device", "posture", name] => with(query, |who| {
            who.device.posture.insert(name.to_owned(), FactValue::Text(text));
        }),
        &["device", name] => with(query, |who| match name {
            "id" => who.device.id = text,
            "authority" => who.device.authority = text,
            "platform" => who.device.platform = text,
            "key_protection" => who.device.key_protection = text,
            _ => {}
        }),
        &["session", name] => with(query, |who| match name {
            "acr" => who.session.acr = Some(text),
            "provider" => who.session.provider = text,
            "binding" => who.session.binding = text,
            _ => {}
        }),
        _ => {}
    }
}

fn in_group(query: &mut Query, group: &str, yes: bool) {
    if yes {
        become_a(query, "User", None);
    }
    person(query, |user| put(&mut user.groups, group, yes));
}

/// Makes who asks a person or a program, with this id if one is given.
fn become_a(query: &mut Query, kind: &str, id: Option<&str>) {
    with(query, |who| {
        let owned = matches!(&who.principal, Principal::User(user) if Some(&user.id) == who.device.owner.as_ref());
        match (&mut who.principal, kind) {
            (Principal::User(user), "User") => {
                id.unwrap_or(super::questions::PERSON).clone_into(&mut user.id);
                if owned {
                    who.device.owner = Some(user.id.clone());
                }
            }
            (Principal::Service(service), "Service") => {
                if let Some(id) = id {
                    id.clone_into(&mut service.id);
                }
            }
            (principal, "User") => {
                let id = id.unwrap_or(super::questions::PERSON).to_owned();
                *principal = Principal::User(UserFacts { id, ..UserFacts::default() });
            }
            (principal, "Service") => {
                let id = id.unwrap_or(super::questions::SERVICE).to_owned();
                *principal = Principal::Service(ServiceFacts { id, ..ServiceFacts::default() });
                who.device.owner = None;
            }
            _ => {}
        }
    });
}

fn with(query: &mut Query, change: impl FnOnce(&mut Identity)) {
    if let Some(who) = &mut query.who {
        change(who);
    }
}

fn person(query: &mut Query, change: impl FnOnce(&mut UserFacts)) {
    with(query, |who| {
        if let Principal::User(user) = &mut who.principal {
            change(user);
        }
    });
}

type Claims = std::collections::BTreeMap<String, std::collections::BTreeSet<String>>;

fn claims(query: &mut Query, change: impl FnOnce(&mut Claims)) {
    with(query, |who| match &mut who.principal {
        Principal::User(user) => change(&mut user.claims),
        Principal::Service(service) => change(&mut service.claims),
    });
}

fn put(set: &mut std::collections::BTreeSet<String>, text: &str, yes: bool) {
    if yes {
        set.insert(text.to_owned());
    } else {
        set.remove(text);
    }
}

/// `context.a.b` as `["a", "b"]`; empty for anything else.
fn path(form: &Form) -> Vec<&str> {
    match form {
        Form::Get(of, name) if **of == Form::Var("context") => vec![name],
        Form::Get(of, name) => {
            let mut path = path(of);
            if !path.is_empty() {
                path.push(name);
            }
            path
        }
        _ => Vec::new(),
    }
}

fn datetime_ms(text: &str) -> Option<i64> {
    let whole = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    whole.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

/// A text that no policy names, one hopes.
const ELSE: &str = "something-else";
