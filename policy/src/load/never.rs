//! Conditions that contradict each other, whatever the facts are. Only what is certain is told: where the solver is, it finds more.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::Read;
use super::check::NEVER;
use crate::problem::{File, Problem};

/// Warns of a policy whose conditions cannot all be true, unless that was told already.
pub(super) fn find(policy: &Read, json: &Value, sources: &[File<'_>], warnings: &mut Vec<Problem>) {
    let mut wanted = Wanted::default();
    for part in ["principal", "resource"] {
        if let Some(entity) =
            json.get(part).filter(|part| part.get("op") == Some(&json!("=="))).and_then(|part| part.get("entity"))
        {
            wanted.take(&json!({"==": {"left": {"Var": part}, "right": {"Value": {"__entity": entity}}}}), true);
        }
    }
    for condition in json.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        if let Some(body) = condition.get("body") {
            wanted.take(body, condition.get("kind").and_then(Value::as_str) == Some("when"));
        }
    }
    let told = |known: &Problem| known.policy.as_deref() == Some(policy.id()) && known.message.starts_with(NEVER);
    if let Some(help) = wanted.contradiction.filter(|_| !warnings.iter().any(told)) {
        let problem = Problem::new(policy.place(sources), format!("{NEVER}: its conditions contradict each other"));
        warnings.push(problem.policy(policy.id()).help(help));
    }
}

/// What has to be so for the policy to match.
#[derive(Default)]
struct Wanted {
    /// Conditions in Cedar's JSON form, and whether they have to be true or false.
    conditions: HashMap<String, bool>,
    /// What facts have to equal.
    equal: HashMap<String, Value>,
    /// The least and the greatest that a number may be.
    bounds: HashMap<String, (i64, i64)>,
    contradiction: Option<String>,
}

impl Wanted {
    /// Takes apart what has to be `truth`.
    fn take(&mut self, body: &Value, truth: bool) {
        let sides = |operator: &str| {
            let sides = body.get(operator)?;
            Some((sides.get("left")?, sides.get("right")?))
        };
        if let Some((left, right)) = sides(if truth { "&&" } else { "||" }) {
            self.take(left, truth);
            self.take(right, truth);
        } else if let Some(inner) = body.pointer("/!/arg") {
            self.take(inner, !truth);
        } else if let Some((left, right)) = sides("!=") {
            self.take(&json!({"==": {"left": left, "right": right}}), !truth);
        } else {
            if *self.conditions.entry(body.to_string()).or_insert(truth) != truth {
                self.contradict(|| "one condition is asked for and ruled out at once".to_owned());
            }
            if let Some((left, right)) = sides("==").filter(|_| truth) {
                self.equals(left, right);
                self.equals(right, left);
            }
            for (operator, flipped) in [("<", ">"), ("<=", ">="), (">", "<"), (">=", "<=")] {
                let Some((left, right)) = sides(operator) else { continue };
                let turned = |operator| if truth { operator } else { negated(operator) };
                self.bound(left, turned(operator), right);
                self.bound(right, turned(flipped), left);
            }
        }
    }

    fn equals(&mut self, fact: &Value, value: &Value) {
        let (Some(name), Some(value)) = (named(fact), value.get("Value")) else { return };
        if let Some(number) = value.as_i64() {
            self.within(&name, number, number);
        } else if self.equal.entry(name.clone()).or_insert_with(|| value.clone()) != value {
            self.contradict(|| format!("`{name}` cannot equal two values at once"));
        }
    }

    fn bound(&mut self, fact: &Value, operator: &str, limit: &Value) {
        let (Some(name), Some(limit)) = (named(fact), limit.get("Value").and_then(Value::as_i64)) else { return };
        match operator {
            "<" => self.within(&name, i64::MIN, limit.saturating_sub(1)),
            "<=" => self.within(&name, i64::MIN, limit),
            ">" => self.within(&name, limit.saturating_add(1), i64::MAX),
            _ => self.within(&name, limit, i64::MAX),
        }
    }

    fn within(&mut self, name: &str, least: i64, greatest: i64) {
        let bounds = self.bounds.entry(name.to_owned()).or_insert((i64::MIN, i64::MAX));
        *bounds = (bounds.0.max(least), bounds.1.min(greatest));
        if bounds.0 > bounds.1 {
            self.contradict(|| format!("no number is all that is asked of `{name}`"));
        }
    }

    /// The first one is told.
    fn contradict(&mut self, words: impl FnOnce() -> String) {
        self.contradiction.get_or_insert_with(words);
    }
}

fn negated(operator: &str) -> &'static str {
    match operator {
        "<" => ">=",
        "<=" => ">",
        ">" => "<=",
        _ => "<",
    }
}

/// `context.request.path` as it is written; `None` for what is not a fact.
fn named(value: &Value) -> Option<String> {
    if let Some(variable) = value.get("Var").and_then(Value::as_str) {
        return Some(variable.to_owned());
    }
    let attribute = value.pointer("/./attr").and_then(Value::as_str)?;
    Some(format!("{}.{attribute}", named(value.pointer("/./left")?)?))
}
