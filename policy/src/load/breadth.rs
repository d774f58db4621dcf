//! Permits that ask little: of nobody, or nothing of the device.

use std::collections::HashSet;

use serde_json::Value;

use super::Read;
use super::check::NEVER;
use crate::action::{Action, BREAK_GLASS};
use crate::problem::{File, Problem};

/// What a policy asks, as far as it can be seen from its form.
pub(super) struct Asks {
    permits: bool,
    /// About somebody who is known, not about public paths alone.
    known: bool,
    /// Principal, action and resource of the scope, in Cedar's JSON form.
    scope: [Value; 3],
    /// A condition reads `context.device`.
    device: bool,
    /// All that has to be true is about the device.
    device_alone: bool,
    /// A condition reads the principal, the resource or the request.
    narrow: bool,
}

impl Asks {
    /// Of a policy in Cedar's JSON form.
    pub(super) fn of(json: &Value) -> Self {
        let scope = ["principal", "action", "resource"].map(|name| json.get(name).cloned().unwrap_or_default());
        let bodies: Vec<&Value> =
            json.get("conditions").and_then(Value::as_array).into_iter().flatten().filter_map(|one| one.get("body")).collect();
        let reads = |what: fn(&Value) -> bool| bodies.iter().any(|body| anywhere(body, what));
        let [principal, action, _resource] = &scope;
        let public = actions(action).is_some_and(|mut actions| actions.all(|action| action == "public"));
        let anonymous = kind(principal) == Some("Anonymous") || reads(asks_for_nobody);
        Self {
            permits: json.get("effect").and_then(Value::as_str) == Some("permit"),
            known: !public && !anonymous,
            device: reads(is_device),
            device_alone: !bodies.is_empty() && bodies.iter().all(|body| all(body, &|part| anywhere(part, is_device))),
            narrow: reads(is_narrow),
            scope,
        }
    }

    /// Whether this is a `forbid` that stands before all that `other` permits, and asks of the device.
    fn guards(&self, other: &Self) -> bool {
        let covers = |at: usize| match (self.scope.get(at), other.scope.get(at)) {
            (Some(own), Some(others)) => is_open(own) || own == others || (at == 1 && is_any_use(own) && !names_own(others)),
            _ => false,
        };
        !self.permits && self.device_alone && (0..3).all(covers)
    }
}

/// Warns of each permit that asks nothing of anybody, or nothing of the device where no `forbid` does so before it.
pub(super) fn find(read: &[Read], asks: &[Option<Asks>], sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    let never: HashSet<String> =
        warnings.iter().filter(|known| known.message.starts_with(NEVER)).filter_map(|known| known.policy.clone()).collect();
    let guards: Vec<&Asks> = asks.iter().flatten().filter(|asks| !asks.permits && asks.device_alone).collect();
    for (policy, asks) in read.iter().zip(asks) {
        let Some(asks) = asks.as_ref().filter(|asks| asks.permits && asks.known && !asks.device) else { continue };
        let [principal, action, resource] = &asks.scope;
        if never.contains(policy.id()) || is_break_glass(principal) {
            continue;
        }
        let guarded = guards.iter().any(|guard| guard.guards(asks));
        let programs = kind(principal) == Some("Service");
        let everybody = principal.get("in").is_none() && matches!(op(principal), Some("All" | "is"));
        let (message, help) = if everybody && matches!(op(resource), Some("All" | "is")) && !asks.narrow {
            let who = match kind(principal) {
                Some("User") => "everybody who can sign in",
                Some(_) => "every program with a token",
                None => "everybody who can sign in, and every program with a token,",
            };
            let may = match actions(action).map(Iterator::collect::<Vec<_>>).as_deref() {
                Some([one]) if names_own(action) => format!("ask the gate to `{one}`"),
                Some([one]) if one != "use" => format!("{one} every app"),
                _ => "use every app".to_owned(),
            };
            let device = if guarded { "" } else { ", from any enrolled device" };
            let help = if programs {
                "say which program and what: `principal == Service::\"…\"`, `resource in Tag::\"…\"`, and ask something of the device, such as `context.device.managed`"
            } else {
                "say who and what: `principal in Group::\"…\"`, `resource in Tag::\"…\"`, and ask something of the device, such as `context.device.owner == principal`"
            };
            (format!("{who} may {may}{device}"), help)
        } else if !guarded {
            let help = if programs {
                "say which: `context.device.id == \"…\"`, or at least `context.device.managed`"
            } else {
                "say `context.device.owner == principal` for people's own, or `context.device.managed` for the company's"
            };
            ("nothing is asked of the device: any enrolled one will do, whosever it is".to_owned(), help)
        } else {
            continue;
        };
        warnings.push(Problem::new(policy.place(sources), message).policy(policy.id()).help(help));
    }
}

/// Whoever comes by break-glass is on the device that was named for it.
fn is_break_glass(principal: &Value) -> bool {
    let id = principal.get("entity").and_then(|entity| entity.get("id")).and_then(Value::as_str);
    op(principal) == Some("==") && kind(principal) == Some("User") && id == Some(BREAK_GLASS)
}

fn op(part: &Value) -> Option<&str> {
    part.get("op").and_then(Value::as_str)
}

fn is_open(part: &Value) -> bool {
    op(part) == Some("All")
}

/// The entity type that a part of the scope is bound to, if it says one by itself; groups are of people.
fn kind(part: &Value) -> Option<&str> {
    let equal = || part.pointer("/entity/type").filter(|_| op(part) == Some("==")).and_then(Value::as_str);
    part.get("entity_type").and_then(Value::as_str).or_else(equal)
}

/// The actions that the scope names; `None`: any.
fn actions(part: &Value) -> Option<impl Iterator<Item = String>> {
    let list = part.get("entities").and_then(Value::as_array).cloned();
    let list = list.or_else(|| part.get("entity").map(|one| vec![one.clone()]))?;
    Some(list.into_iter().filter_map(|one| one.get("id").and_then(Value::as_str).map(str::to_owned)))
}

fn is_any_use(action: &Value) -> bool {
    op(action) == Some("in") && actions(action).is_some_and(|mut actions| actions.any(|action| action == "use"))
}

/// Whether it names an action that is asked of the gate itself, which no use is.
fn names_own(action: &Value) -> bool {
    let own = |name: String| Action::named_or_in(&name).into_iter().any(Action::is_own);
    actions(action).is_some_and(|mut actions| actions.any(own))
}

/// Whether every part of `a && b && c` is such.
fn all(body: &Value, such: &dyn Fn(&Value) -> bool) -> bool {
    match (body.pointer("/&&/left"), body.pointer("/&&/right")) {
        (Some(left), Some(right)) => all(left, such) && all(right, such),
        _ => such(body),
    }
}

fn anywhere(value: &Value, such: fn(&Value) -> bool) -> bool {
    such(value)
        || match value {
            Value::Object(entries) => entries.values().any(|value| anywhere(value, such)),
            Value::Array(items) => items.iter().any(|value| anywhere(value, such)),
            _ => false,
        }
}

fn reads(value: &Value, part: &str) -> bool {
    value.pointer("/./attr").and_then(Value::as_str) == Some(part)
        && value.pointer("/./left/Var").and_then(Value::as_str) == Some("context")
}

fn is_device(value: &Value) -> bool {
    reads(value, "device")
}

fn is_narrow(value: &Value) -> bool {
    matches!(value.get("Var").and_then(Value::as_str), Some("principal" | "resource")) || reads(value, "request")
}

/// `principal is Anonymous`
fn asks_for_nobody(value: &Value) -> bool {
    value.pointer("/is/entity_type").and_then(Value::as_str) == Some("Anonymous")
}
