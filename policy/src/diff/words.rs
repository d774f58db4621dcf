//! What is different about one policy, in words.

use std::collections::BTreeMap;

use super::form::Form;
use super::implies::Certain;
use super::meaning::{Conjunct, Meaning};
use crate::action::{ADMINISTER, Action};

/// What a policy says, in one line: for one that is new or gone.
pub(super) fn described(policy: &Meaning) -> String {
    let verb = if policy.permits { "permits" } else { "forbids" };
    let mut who = Vec::new();
    let mut what = Vec::new();
    let mut when = Vec::new();
    for conjunct in &policy.conjuncts {
        match conjunct.shown.variables().as_slice() {
            ["principal"] => who.push(whom(&conjunct.shown)),
            ["resource"] => what.push(app(&conjunct.shown)),
            _ => when.push(format!("`{}`", conjunct.shown)),
        }
    }
    let who = if who.is_empty() { everybody(policy).to_owned() } else { who.join(" and ") };
    let what = if what.is_empty() { "every app".to_owned() } else { what.join(" and ") };
    let when = if when.is_empty() { String::new() } else { format!(", when {}", when.join(" and ")) };
    format!("{verb} {who} to {} {what}{when}", listed(&policy.actions.list()))
}

/// What `new` says that `old` did not, and the other way round, a line each.
pub(super) fn changes(old: &Meaning, new: &Meaning, certain: &Certain<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if old.permits != new.permits {
        lines.push(if new.permits { "was a forbid, is a permit now" } else { "was a permit, is a forbid now" }.to_owned());
    }
    let (more, fewer) = (new.actions.without(old.actions), old.actions.without(new.actions));
    if !more.is_empty() {
        lines.push(format!("now also for {}", listed(&more)));
    }
    if !fewer.is_empty() {
        lines.push(format!("no longer for {}", listed(&fewer)));
    }
    let mut gone: Vec<&Conjunct> = missing(&old.conjuncts, &new.conjuncts);
    let mut came: Vec<&Conjunct> = missing(&new.conjuncts, &old.conjuncts);
    let fails = old.may_fail || new.may_fail;
    for (before, after) in pairs(&mut gone, &mut came, certain, fails) {
        lines.push(became(before, after, new, certain, fails));
    }
    lines.extend(gone.into_iter().map(|conjunct| dropped(conjunct, new)));
    lines.extend(came.into_iter().map(|conjunct| added(conjunct, new)));
    if lines.is_empty() && !old.means_what(new) {
        lines.push("its conditions are looked at in another order, and they can fail: what fails first decides".to_owned());
    }
    lines
}

/// What is different about annotations.
pub(super) fn notes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, text) in new {
        match old.get(name) {
            None => lines.push(format!("`@{name}` is new: {text:?}")),
            Some(before) if before != text => lines.push(format!("`@{name}` became {text:?}, was {before:?}")),
            Some(_) => {}
        }
    }
    lines.extend(old.keys().filter(|name| !new.contains_key(*name)).map(|name| format!("`@{name}` is gone")));
    lines
}

/// `read`, `write` and `connect` are every use; what administrators do is one word.
pub(super) fn listed(actions: &[Action]) -> String {
    let administrative = actions.iter().filter(|action| action.is_administrative()).count();
    if administrative == Action::named_or_in(ADMINISTER).len() {
        let others: Vec<Action> = actions.iter().copied().filter(|action| !action.is_administrative()).collect();
        let others = Some(others).filter(|others| !others.is_empty()).map(|others| format!("{}, ", listed(&others)));
        return format!("{}`{ADMINISTER}`", others.unwrap_or_default());
    }
    match actions {
        [Action::Read, Action::Write, Action::Connect] => "use (`read`, `write`, `connect`)".to_owned(),
        [] => "do nothing with".to_owned(),
        several => several.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", "),
    }
}

/// Those of `of` that `other` has not.
fn missing<'a>(of: &'a [Conjunct], other: &[Conjunct]) -> Vec<&'a Conjunct> {
    of.iter().filter(|conjunct| !other.iter().any(|known| known.key == conjunct.key)).collect()
}

/// Takes those out that speak about the same: one became the other.
fn pairs<'a>(
    gone: &mut Vec<&'a Conjunct>,
    came: &mut Vec<&'a Conjunct>,
    certain: &Certain<'_>,
    fails: bool,
) -> Vec<(&'a Conjunct, &'a Conjunct)> {
    let mut found = Vec::new();
    let related = |a: &Conjunct, b: &Conjunct| !fails && (certain.implies(&a.key, &b.key) || certain.implies(&b.key, &a.key));
    for close in [true, false] {
        gone.retain(|before| {
            let at = came.iter().position(|after| {
                let same = subject(&before.shown).is_some_and(|subject| Some(subject) == self::subject(&after.shown));
                same && (!close || related(before, after))
            });
            match at {
                Some(at) => {
                    found.push((*before, came.remove(at)));
                    false
                }
                None => true,
            }
        });
    }
    found
}

/// What a condition is about.
fn subject(form: &Form) -> Option<String> {
    match form.variables().as_slice() {
        ["principal"] => return Some("principal".to_owned()),
        ["resource"] => return Some("resource".to_owned()),
        _ => {}
    }
    match form {
        Form::Not(of) => subject(of),
        Form::Compare(_, left, right) if right.is_literal() => Some(left.to_string()),
        Form::Compare(_, left, right) if left.is_literal() => Some(right.to_string()),
        Form::In(of, _) | Form::Like(of, _) => Some(of.to_string()),
        Form::Get(..) => Some(form.to_string()),
        Form::Call(_, arguments) => arguments.first().map(ToString::to_string),
        Form::Any(parts) | Form::All(parts) => {
            let first = parts.first().and_then(subject)?;
            // Of alternatives it is enough that the first is about the same.
            matches!(form, Form::Any(_)).then_some(first)
        }
        _ => None,
    }
}

fn became(before: &Conjunct, after: &Conjunct, policy: &Meaning, certain: &Certain<'_>, fails: bool) -> String {
    let (old, new) = (before.shown.alternatives(), after.shown.alternatives());
    let only = |of: &'_ [Form], other: &[Form]| -> Vec<Form> {
        of.iter().filter(|one| !other.iter().any(|known| known.key() == one.key())).cloned().collect()
    };
    let (lost, won) = (only(old, new), only(new, old));
    if !fails && lost.is_empty() && !won.is_empty() {
        return alternatives(&won, policy, true);
    }
    if !fails && won.is_empty() && !lost.is_empty() {
        return alternatives(&lost, policy, false);
    }
    let principal = before.shown.variables() == ["principal"];
    if principal || before.shown.variables() == ["resource"] {
        let say = |form: &Form| if principal { whom(form) } else { app(form) };
        let verb = match (principal, policy.permits) {
            (true, true) => "lets",
            (true, false) => "stops",
            (false, true) => "opens",
            (false, false) => "closes",
        };
        return format!("now {verb} {} instead of {}", say(&after.shown), say(&before.shown));
    }
    let how = match (fails, certain.implies(&before.key, &after.key), certain.implies(&after.key, &before.key)) {
        (false, true, false) => ": looser",
        (false, false, true) => ": stricter",
        _ => "",
    };
    let which = if policy.permits { "" } else { "forbids when " };
    // What is forbidden in more cases is stricter for whoever asks.
    let how = match (policy.permits, how) {
        (false, ": looser") => ": forbids more",
        (false, ": stricter") => ": forbids less",
        (_, how) => how,
    };
    format!("{which}`{}` became `{}`{how}", before.shown, after.shown)
}

/// Some alternatives came, or went.
fn alternatives(which: &[Form], policy: &Meaning, came: bool) -> String {
    let alone = |variable: &str| which.iter().all(|form| form.variables() == [variable]);
    let verb = if policy.permits { "lets" } else { "stops" };
    let several = |say: fn(&Form) -> String, and: &str| which.iter().map(say).collect::<Vec<_>>().join(and);
    match (alone("principal"), alone("resource"), came) {
        (true, _, true) => format!("now {verb} {} too", several(whom, " and ")),
        (true, _, false) => format!("no longer {verb} {}", several(whom, " or ")),
        (_, true, true) => format!("now also for {}", several(app, " and ")),
        (_, true, false) => format!("no longer for {}", several(app, " or ")),
        (.., true) => format!("{} now also enough: {}", is_or_are(which), several(code, " or ")),
        (.., false) => format!("{} no longer enough: {}", is_or_are(which), several(code, " or ")),
    }
}

fn is_or_are(which: &[Form]) -> &'static str {
    if which.len() == 1 { "is" } else { "are" }
}

fn dropped(conjunct: &Conjunct, policy: &Meaning) -> String {
    let verb = if policy.permits { "lets" } else { "stops" };
    match conjunct.shown.variables().as_slice() {
        ["principal"] => format!("now {verb} {}, no longer only {}", everybody(policy), whom(&conjunct.shown)),
        ["resource"] => format!("now for every app, no longer only {}", app(&conjunct.shown)),
        _ if policy.permits => format!("no longer asks {}", code(&conjunct.shown)),
        _ => format!("now forbids also where this does not hold: {}", code(&conjunct.shown)),
    }
}

fn added(conjunct: &Conjunct, policy: &Meaning) -> String {
    let verb = if policy.permits { "lets" } else { "stops" };
    match conjunct.shown.variables().as_slice() {
        ["principal"] => format!("now {verb} only {}", whom(&conjunct.shown)),
        ["resource"] => format!("now only for {}", app(&conjunct.shown)),
        _ if policy.permits => format!("now also asks {}", code(&conjunct.shown)),
        _ => format!("now forbids only where {}", code(&conjunct.shown)),
    }
}

fn everybody(policy: &Meaning) -> &'static str {
    let public = policy.actions.has(Action::Public);
    match (public, policy.actions.list().len() > 1) {
        (true, false) => "anybody",
        _ => "everybody",
    }
}

/// The people that a condition on the principal lets through.
fn whom(form: &Form) -> String {
    match form {
        Form::In(_, parent) => match &**parent {
            Form::Entity(kind, id) if kind == "Group" => format!("group `{id}`"),
            _ => code(form),
        },
        Form::Is(_, kind) => match kind.as_str() {
            "User" => "people".to_owned(),
            "Service" => "services".to_owned(),
            "Anonymous" => "anybody".to_owned(),
            _ => code(form),
        },
        Form::Compare(super::form::Comparison::Eq, _, entity) => match &**entity {
            Form::Entity(kind, id) if kind == "User" => format!("`{id}`"),
            Form::Entity(kind, id) if kind == "Service" => format!("the service `{id}`"),
            _ => code(form),
        },
        Form::Any(parts) => parts.iter().map(whom).collect::<Vec<_>>().join(" or "),
        _ => code(form),
    }
}

/// The apps that a condition on the resource lets through.
fn app(form: &Form) -> String {
    match form {
        Form::In(_, parent) => match &**parent {
            Form::Entity(kind, id) if kind == "Tag" => format!("apps with the tag `{id}`"),
            _ => code(form),
        },
        Form::Compare(super::form::Comparison::Eq, _, entity) => match &**entity {
            Form::Entity(_, id) => format!("app `{id}`"),
            _ => code(form),
        },
        Form::Any(parts) => parts.iter().map(app).collect::<Vec<_>>().join(" or "),
        _ => code(form),
    }
}

fn code(form: &Form) -> String {
    format!("`{form}`")
}
