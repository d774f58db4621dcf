//! What is correct and hardly meant: permits that ask little, paths that match too much or too little, conditions that contradict
//! each other, and policies that others make needless.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::Effect;
use serde_json::Value;

use super::breadth::Asks;
use super::{Read, breadth, never, paths};
use crate::problem::{File, Problem};

/// Warns of all of them.
pub(super) fn find(read: &[Read], sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    let (mut parts, mut asks) = (Vec::new(), Vec::new());
    for policy in read {
        let json = policy.policy.to_json().ok();
        if let Some(json) = &json {
            paths::find(policy, json, sources, warnings);
            never::find(policy, json, sources, warnings);
        }
        asks.push(json.as_ref().map(Asks::of));
        parts.push(json.as_ref().and_then(|json| Parts::of(policy, json)));
    }
    breadth::find(read, &asks, sources, warnings);
    covered(read, &parts, sources, warnings);
}

/// Effect, scope and first condition.
type Key<'a> = (bool, [&'a str; 3], Option<&'a str>);

/// A policy taken apart.
struct Parts {
    permits: bool,
    /// Principal, action and resource of the scope.
    scope: [String; 3],
    /// What all has to be true, in Cedar's JSON form.
    conjuncts: BTreeSet<String>,
}

impl Parts {
    fn of(read: &Read, json: &Value) -> Option<Self> {
        let scope = ["principal", "action", "resource"].map(|name| json.get(name).map(Value::to_string).unwrap_or_default());
        let mut conjuncts = BTreeSet::new();
        for condition in json.get("conditions").and_then(Value::as_array).into_iter().flatten() {
            let body = condition.get("body")?;
            match condition.get("kind").and_then(Value::as_str)? {
                "when" => split(body, &mut conjuncts),
                _ => {
                    conjuncts.insert(condition.to_string());
                }
            }
        }
        Some(Self { permits: read.policy.effect() == Effect::Permit, scope, conjuncts })
    }
}

/// `a && b && c` as three.
fn split(body: &Value, conjuncts: &mut BTreeSet<String>) {
    match (body.pointer("/&&/left"), body.pointer("/&&/right")) {
        (Some(left), Some(right)) => {
            split(left, conjuncts);
            split(right, conjuncts);
        }
        _ => {
            conjuncts.insert(body.to_string());
        }
    }
}

/// Warns of a policy where another of the same effect has an equal or wider scope and some of its conditions: whenever the one
/// is met, so is the other.
fn covered(read: &[Read], parts: &[Option<Parts>], sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    // By effect, scope and the first of the conditions, so that few are compared with few.
    let mut known: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    for (at, parts) in parts.iter().enumerate() {
        let Some(parts) = parts else { continue };
        let scope = parts.scope.each_ref().map(String::as_str);
        known.entry((parts.permits, scope, parts.conjuncts.first().map(String::as_str))).or_default().push(at);
    }
    for (at, (policy, own)) in read.iter().zip(parts).enumerate() {
        let Some(own) = own else { continue };
        let firsts = std::iter::once(None).chain(own.conjuncts.iter().map(|conjunct| Some(conjunct.as_str())));
        let wider: Vec<[&str; 3]> = wider(&own.scope);
        let candidates = firsts.flat_map(|first| wider.iter().map(move |scope| (own.permits, *scope, first)));
        let covers = |other: &usize| {
            let Some(Some(parts)) = parts.get(*other) else { return false };
            let same = parts.scope == own.scope && parts.conjuncts == own.conjuncts;
            // Of two that say the same, the later one is told.
            *other != at && (!same || *other < at) && parts.conjuncts.is_subset(&own.conjuncts)
        };
        let by = candidates
            .filter_map(|key| known.get(&key))
            .flat_map(|list| list.iter().take(MOST_COMPARED))
            .find(|other| covers(other));
        let Some(by) = by.and_then(|by| read.get(*by)) else { continue };
        let verb = if own.permits { "permits" } else { "forbids" };
        let message = format!("whatever this {verb}, `{}` {verb} as well", by.id());
        let problem = Problem::new(policy.place(sources), message).policy(policy.id());
        warnings.push(problem.help("take one of them out, or look whether a condition is missing"));
    }
}

/// The scopes that are this one or wider.
fn wider(scope: &[String; 3]) -> Vec<[&str; 3]> {
    let mut found = Vec::new();
    for open in 0_u8..8 {
        let part = |at: usize| match scope.get(at) {
            Some(own) if open & (1 << at) == 0 => own.as_str(),
            _ => ANY,
        };
        let whole = [part(0), part(1), part(2)];
        if !found.contains(&whole) {
            found.push(whole);
        }
    }
    found
}

/// A scope that is open, in Cedar's JSON form.
const ANY: &str = r#"{"op":"All"}"#;
/// Of many policies that begin alike, so many are compared.
const MOST_COMPARED: usize = 64;

#[cfg(test)]
mod tests {
    use crate::set::{App, Catalogue, PolicySet, Source};

    fn warned(text: &str) -> Vec<String> {
        let catalogue = Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None, ..Catalogue::default() };
        let loaded = PolicySet::load(&[Source::new("a.cedar", text)], &[], &catalogue).unwrap();
        loaded.warnings.into_iter().map(|warning| warning.message).collect()
    }

    #[test]
    fn a_path_that_only_begins_alike_is_warned_of() {
        let policy = |pattern: &str| {
            format!(
                "@id(\"a\") permit (principal, action in Action::\"use\", resource) when {{ context.device.managed && context.request.path like \"{pattern}\" }};"
            )
        };
        let told = "`\"/admin*\"` also matches paths that only begin alike, such as `/admin-other`";
        assert_eq!(warned(&policy("/admin*")), [told]);
        for fine in ["/admin/*", "/admin", "/*", "*.pdf", "/a*/b"] {
            assert_eq!(warned(&policy(fine)), Vec::<String>::new(), "{fine}");
        }
        let host = "@id(\"a\") forbid (principal, action, resource) when { context.request.host like \"/admin*\" };";
        assert_eq!(warned(host), Vec::<String>::new());
    }

    #[test]
    fn a_policy_that_another_covers_is_warned_of_and_no_other() {
        let pair = |first: &str, second: &str| warned(&format!("@id(\"a\") {first};\n@id(\"b\") {second};"));
        let wide = "permit (principal, action in Action::\"use\", resource) when { context.device.managed }";
        let told = ["whatever this permits, `a` permits as well"];
        for narrow in [
            wide,
            "permit (principal, action in Action::\"use\", resource == App::\"wiki\") when { context.session.mfa && context.device.managed }",
            "permit (principal is User, action in Action::\"use\", resource) when { context.device.managed } unless { context.device.shared }",
        ] {
            assert_eq!(pair(wide, narrow), told, "{narrow}");
        }
        for other in [
            "forbid (principal, action in Action::\"use\", resource) when { context.device.managed }",
            "permit (principal, action == Action::\"read\", resource) when { context.session.mfa && context.device.shared }",
            "permit (principal, action in Action::\"use\", resource) when { context.device.managed || context.session.mfa }",
            "permit (principal, action in Action::\"use\", resource) unless { context.device.managed }",
        ] {
            assert_eq!(pair(wide, other), Vec::<String>::new(), "{other}");
        }
    }
}
