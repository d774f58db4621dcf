//! Paths that match too much or too little.

use serde_json::Value;

use super::Read;
use crate::problem::{File, Problem};

/// Warns of paths that are compared with a beginning inside of a segment, and of a `forbid` of one path and nothing below it.
pub(super) fn find(policy: &Read, json: &Value, sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    let forbids = json.get("effect").and_then(Value::as_str) == Some("forbid");
    for condition in json.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let (Some(kind), Some(body)) = (condition.get("kind").and_then(Value::as_str), condition.get("body")) else { continue };
        let mut beginnings = Vec::new();
        likes(body, &mut beginnings);
        beginnings.iter().for_each(|beginning| warnings.push(too_much(policy, beginning, sources)));
        if forbids && kind == "when" {
            let mut exact = Vec::new();
            equal(body, &mut exact);
            // Whoever speaks of what is below has thought of it.
            exact.retain(|path| path.len() > 1 && !policy.text(sources).contains(&format!("\"{path}/")));
            exact.iter().for_each(|path| warnings.push(too_little(policy, path, sources)));
        }
    }
}

/// `context.request.path like "/admin*"` is true of `/administrator` too.
fn too_much(policy: &Read, beginning: &str, sources: &[File<'_>]) -> Problem {
    let spelt = format!("\"{beginning}*\"");
    let message = format!("`{spelt}` also matches paths that only begin alike, such as `{beginning}-other`");
    let help = format!("write `context.request.path_prefixes.contains(\"{beginning}\")` for {beginning} and what is below it");
    Problem::new(policy.place_of(sources, &spelt), message).policy(policy.id()).help(help)
}

/// `context.request.path == "/admin"` is not true of `/admin/users`.
fn too_little(policy: &Read, path: &str, sources: &[File<'_>]) -> Problem {
    let place = policy.place_of(sources, &format!("\"{path}\""));
    let above = path.trim_end_matches('/');
    let message = format!("this forbids `{path}` and nothing below it, such as `{above}/other`");
    let help = format!("write `context.request.path_prefixes.contains(\"{above}\")` for {above} and what is below it");
    Problem::new(place, message).policy(policy.id()).help(help)
}

/// The beginnings that the path is compared with, where they end inside of a segment.
fn likes(value: &Value, found: &mut Vec<String>) {
    let pattern = value.pointer("/like/pattern").and_then(Value::as_array).map(Vec::as_slice);
    if value.pointer("/like/left").is_some_and(is_path)
        && let Some([literals @ .., Value::String(_wildcard)]) = pattern
    {
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

/// The paths that the condition asks for exactly, alone or as one of several.
fn equal(value: &Value, found: &mut Vec<String>) {
    for operator in ["&&", "||"] {
        if let Some(sides) = value.get(operator) {
            [sides.get("left"), sides.get("right")].into_iter().flatten().for_each(|side| equal(side, found));
        }
    }
    let side = |name: &str| value.get("==").and_then(|sides| sides.get(name));
    if let (Some(left), Some(right)) = (side("left"), side("right")) {
        for (one, other) in [(left, right), (right, left)] {
            found.extend(text(other).filter(|_| is_path(one)));
        }
    }
    if value.pointer("/contains/right").is_some_and(is_path) {
        let list = value.pointer("/contains/left/Set").and_then(Value::as_array);
        found.extend(list.into_iter().flatten().filter_map(text));
    }
}

/// `context.request.path`
fn is_path(value: &Value) -> bool {
    value.pointer("/./attr").and_then(Value::as_str) == Some("path")
        && value.pointer("/./left/./attr").and_then(Value::as_str) == Some("request")
}

fn text(value: &Value) -> Option<String> {
    value.get("Value").and_then(Value::as_str).map(str::to_owned)
}
