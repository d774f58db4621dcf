//! What is correct and hardly meant: paths that match too much or too little, and policies that others make needless.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::Effect;
use serde_json::Value;

use super::Read;
use crate::problem::{File, Problem};

/// Warns of paths matched by their beginning only, and of policies that another one covers.
pub(super) fn find(read: &[Read], sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    let parts: Vec<Option<Parts>> = read.iter().map(Parts::of).collect();
    for (policy, parts) in read.iter().zip(&parts) {
        for conjunct in parts.iter().flat_map(|parts| &parts.conjuncts) {
            paths(policy, conjunct, sources, warnings);
        }
    }
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
    fn of(read: &Read) -> Option<Self> {
        let json = read.policy.to_json().ok()?;
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

/// `context.request.path like "/admin*"` is true of `/administrator` too.
fn paths(policy: &Read, conjunct: &str, sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    if !conjunct.contains("\"like\"") {
        return;
    }
    let Ok(value) = serde_json::from_str::<Value>(conjunct) else { return };
    let mut beginnings = Vec::new();
    likes(&value, &mut beginnings);
    for beginning in beginnings {
        let spelt = format!("\"{beginning}*\"");
        let message = format!("`{spelt}` also matches paths that only begin alike, such as `{beginning}-other`");
        let help =
            format!("write `context.request.path_prefixes.contains(\"{beginning}\")` for {beginning} and what is below it");
        warnings.push(Problem::new(policy.place_of(sources, &spelt), message).policy(policy.id()).help(help));
    }
}

/// The beginnings that the path is compared with, where they end inside of a segment.
fn likes(value: &Value, found: &mut Vec<String>) {
    let path = value.pointer("/like/left/./attr").and_then(Value::as_str) == Some("path")
        && value.pointer("/like/left/./left/./attr").and_then(Value::as_str) == Some("request");
    let pattern = value.pointer("/like/pattern").and_then(Value::as_array).map(Vec::as_slice);
    if path && let Some([literals @ .., Value::String(_wildcard)]) = pattern {
        // A literal is one character; another wildcard among them makes it something else than a beginning.
        let literals: Option<String> = literals.iter().map(|part| part.get("Literal").and_then(Value::as_str)).collect();
        found.extend(literals.filter(|beginning| beginning.starts_with('/') && !beginning.ends_with('/')));
    }
    match value {
        Value::Object(entries) => entries.values().for_each(|value| likes(value, found)),
        Value::Array(items) => items.iter().for_each(|value| likes(value, found)),
        _ => {}
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
        let catalogue = Catalogue { apps: vec![App::new("wiki", ["internal"])], groups: None };
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
        let host = "@id(\"a\") permit (principal, action, resource) when { context.request.host like \"/admin*\" };";
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
            "permit (principal, action == Action::\"read\", resource) when { context.session.mfa }",
            "permit (principal, action in Action::\"use\", resource) when { context.device.managed || context.session.mfa }",
            "permit (principal, action in Action::\"use\", resource) unless { context.device.managed }",
        ] {
            assert_eq!(pair(wide, other), Vec::<String>::new(), "{other}");
        }
    }
}
