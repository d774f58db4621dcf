//! Whether one condition holds wherever another does, as far as their structure makes that certain.

use std::cell::Cell;
use std::net::IpAddr;

use super::form::{Comparison, Form};
use super::key::{duration_ms, first_of, range};
use super::meaning::{Actions, Meaning, of_app};
use crate::action::Action;
use crate::set::App;

/// What is certain. "Not certain" is never wrong.
pub(super) struct Certain<'a> {
    /// The apps, if these are all that there are.
    apps: Option<&'a [App]>,
    /// Steps left: conditions within conditions can be many.
    steps: Cell<u32>,
}

impl<'a> Certain<'a> {
    pub(super) fn new(apps: Option<&'a [App]>) -> Self {
        Self { apps, steps: Cell::new(0) }
    }

    /// Whether whatever meets `policy` meets one of `others` that has the same effect.
    pub(super) fn covered(&self, policy: &Meaning, others: &[Meaning]) -> bool {
        let condition = policy.condition();
        let others: Vec<(Actions, Form)> = others
            .iter()
            .filter(|other| other.permits == policy.permits && !other.may_fail)
            .map(|other| (other.actions, other.condition()))
            .collect();
        policy.actions.list().into_iter().all(|action| self.covered_for(action, &condition, &others, SPLITS))
    }

    /// Whether `weaker` holds wherever `stronger` does. Both are keys that cannot fail.
    pub(super) fn implies(&self, stronger: &Form, weaker: &Form) -> bool {
        self.steps.set(STEPS);
        self.follows(stronger, weaker)
    }

    fn covered_for(&self, action: Action, condition: &Form, others: &[(Actions, Form)], splits: u32) -> bool {
        if others.iter().any(|(actions, other)| actions.has(action) && self.implies(condition, other)) {
            return true;
        }
        // Perhaps one policy became several: each alternative may be covered by another.
        let parts = condition.clone().conjuncts();
        let several = parts.iter().position(|part| matches!(part, Form::Any(_)));
        let (Some(at), Some(rest)) = (several, splits.checked_sub(1)) else { return false };
        let alternatives = parts.get(at).map(Form::alternatives).unwrap_or_default();
        alternatives.iter().all(|alternative| {
            let one = parts.iter().enumerate().map(|(own, part)| if own == at { alternative } else { part });
            self.covered_for(action, &Form::all(one.cloned().collect()).key(), others, rest)
        })
    }

    fn follows(&self, a: &Form, b: &Form) -> bool {
        let Some(steps) = self.steps.get().checked_sub(1) else { return false };
        self.steps.set(steps);
        if a == b || *b == Form::Bool(true) || *a == Form::Bool(false) {
            return true;
        }
        if let Some(told) = self.of_apps(a, b) {
            return told;
        }
        match (a, b) {
            (_, Form::All(parts)) => parts.iter().all(|part| self.follows(a, part)),
            (Form::Any(parts), _) => parts.iter().all(|part| self.follows(part, b)),
            (Form::All(parts), Form::Any(others)) => {
                parts.iter().any(|part| self.follows(part, b)) || others.iter().any(|other| self.follows(a, other))
            }
            (Form::All(parts), _) => parts.iter().any(|part| self.follows(part, b)),
            (_, Form::Any(others)) => others.iter().any(|other| self.follows(a, other)),
            (Form::Not(a), Form::Not(b)) => self.follows(b, a),
            _ => leaf_follows(a, b),
        }
    }

    /// Of conditions on the app alone, where all apps are known.
    fn of_apps(&self, a: &Form, b: &Form) -> Option<bool> {
        let apps = self.apps.filter(|apps| !apps.is_empty())?;
        apps.iter().map(|app| Some(!of_app(a, app)? || of_app(b, app)?)).try_fold(true, |all, told| Some(all & told?))
    }
}

fn leaf_follows(a: &Form, b: &Form) -> bool {
    match (a, b) {
        (Form::Compare(op, left, right), Form::Compare(other_op, other_left, other_right)) if left == other_left => {
            compared((*op, right), (*other_op, other_right))
        }
        (Form::Compare(Comparison::Eq, left, right), Form::Like(of, pattern)) if left == of => {
            matches!(&**right, Form::Text(text) if is_like(text, pattern))
        }
        (Form::Like(of, pattern), Form::Like(other, wider)) if of == other => begins_like(pattern, wider),
        (Form::Compare(Comparison::Eq, left, right), Form::Is(of, kind)) if left == of => {
            matches!(&**right, Form::Entity(own, _) if own == kind)
        }
        // People alone are in groups.
        (Form::In(of, parent), Form::Is(other, kind)) if of == other => {
            kind == "User" && matches!(&**parent, Form::Entity(parent, _) if parent == "Group")
        }
        (Form::Is(of, kind), Form::Not(not)) => matches!(&**not, Form::Is(other, wrong) if other == of && wrong != kind),
        (Form::Call("isInRange", a), Form::Call("isInRange", b)) => in_range(a, b).unwrap_or(false),
        (Form::Call("contains", a), Form::Call("contains", b)) => below(a, b).unwrap_or(false),
        _ => false,
    }
}

/// Whether the second comparison holds wherever the first does, of the same left side.
fn compared(a: (Comparison, &Form), b: (Comparison, &Form)) -> bool {
    if let (Some(first), Some(second)) = (number(a.1), number(b.1))
        && std::mem::discriminant(a.1) == std::mem::discriminant(b.1)
    {
        let Some((low, high)) = interval(a.0, first) else { return false };
        return match interval(b.0, second) {
            Some((lowest, highest)) => lowest <= low && high <= highest,
            // `!=`
            None => second < low || high < second,
        };
    }
    // Two different texts, or entities, are not equal.
    let told_apart = matches!((a.1, b.1), (Form::Text(_), Form::Text(_)) | (Form::Entity(..), Form::Entity(..)));
    a.0 == Comparison::Eq && b.0 == Comparison::NotEq && told_apart && a.1 != b.1
}

fn number(form: &Form) -> Option<i128> {
    match form {
        Form::Long(number) => Some(i128::from(*number)),
        Form::Call("duration", of) => duration_ms(of).map(i128::from),
        _ => None,
    }
}

/// The numbers for which it holds, both ends included; `None` for `!=`.
fn interval(op: Comparison, number: i128) -> Option<(i128, i128)> {
    match op {
        Comparison::Eq => Some((number, number)),
        Comparison::NotEq => None,
        Comparison::Less => Some((i128::MIN, number - 1)),
        Comparison::LessEq => Some((i128::MIN, number)),
        Comparison::Greater => Some((number + 1, i128::MAX)),
        Comparison::GreaterEq => Some((number, i128::MAX)),
    }
}

/// Whether `text` matches; a wildcard is any number of any characters.
fn is_like(text: &str, pattern: &[Option<char>]) -> bool {
    let text: Vec<char> = text.chars().collect();
    // Which ends of the pattern so far the text so far reaches.
    let mut reached: Vec<bool> = pattern.iter().map(|_| false).collect();
    reached.insert(0, true);
    for (at, element) in pattern.iter().enumerate() {
        if reached.get(at) == Some(&true)
            && element.is_none()
            && let Some(next) = reached.get_mut(at + 1)
        {
            *next = true;
        }
    }
    for c in text {
        let mut next: Vec<bool> = reached.iter().map(|_| false).collect();
        for (at, element) in pattern.iter().enumerate() {
            let here = reached.get(at) == Some(&true);
            let stay = element.is_none() && (reached.get(at + 1) == Some(&true) || next.get(at) == Some(&true));
            if (here && element.is_none_or(|own| own == c) || stay)
                && let Some(slot) = next.get_mut(at + 1)
            {
                *slot = true;
            }
        }
        reached = next;
    }
    reached.last() == Some(&true)
}

/// Whether `wider` is a beginning and a wildcard, and `pattern` begins with that.
fn begins_like(pattern: &[Option<char>], wider: &[Option<char>]) -> bool {
    match wider.split_last() {
        Some((None, beginning)) => beginning.iter().all(Option::is_some) && pattern.starts_with(beginning),
        _ => false,
    }
}

fn in_range(a: &[Form], b: &[Form]) -> Option<bool> {
    let ([of, Form::Call("ip", a)], [other, Form::Call("ip", b)]) = (a, b) else { return None };
    let ((address, bits), (network, wide)) = (range(a)?, range(b)?);
    let same_kind = matches!((address, network), (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)));
    Some(of == other && same_kind && wide <= bits && first_of(address, wide) == network)
}

/// `path_prefixes.contains("/a/b")` and `path_prefixes.contains("/a")`.
fn below(a: &[Form], b: &[Form]) -> Option<bool> {
    let ([of, Form::Text(deep)], [other, Form::Text(above)]) = (a, b) else { return None };
    let prefixes = matches!(of, Form::Get(_, name) if name == "path_prefixes");
    let rest = if above == "/" { Some("/") } else { deep.strip_prefix(above.as_str()) };
    Some(prefixes && of == other && rest.is_some_and(|rest| rest.starts_with('/')))
}

/// How many conditions with alternatives are taken apart.
const SPLITS: u32 = 3;
/// Most comparisons for one question.
const STEPS: u32 = 20_000;
