//! Strict validation, in words that help.

use std::collections::{BTreeSet, HashMap, HashSet};

use cedar_policy::{ActionConstraint, PolicySet, ValidationMode, ValidationWarning, Validator};
use miette::Diagnostic;

use super::{Read, from_diagnostic};
use crate::action::{ADMINISTER, Action};
use crate::problem::{File, Problem};
use crate::schema::Facts;

/// Checks every policy against the schema.
pub(super) fn against_schema(
    read: &[Read],
    sources: &[File<'_>],
    facts: &Facts,
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    // Of policies with the same id the first is looked at; the others are refused anyway.
    let mut by_id: HashMap<&str, &Read> = HashMap::new();
    let mut set = PolicySet::new();
    for policy in read {
        if !by_id.contains_key(policy.id()) && set.add(policy.policy.clone()).is_ok() {
            by_id.insert(policy.id(), policy);
        }
    }
    let result = Validator::new(facts.schema.clone()).validate(&set, ValidationMode::Strict);
    let said = |id: &cedar_policy::PolicyId, diagnostic: &dyn Diagnostic| {
        let policy = by_id.get::<str>(id.as_ref())?;
        let problem = from_diagnostic(sources.get(policy.file)?, diagnostic);
        Some((*policy, Problem { place: problem.place.or_else(|| policy.place(sources)), ..problem }))
    };
    let mut mistakes = Mistakes::default();
    for error in result.validation_errors() {
        match said(error.policy_id(), error) {
            Some((policy, problem)) => mistakes.add(policy, problem),
            None => problems.push(Problem::new(None, error.to_string())),
        }
    }
    let wrong: HashSet<String> = mistakes.policies();
    problems.extend(mistakes.into_problems());
    warnings.extend(unlikely(result.validation_warnings(), &wrong, facts, said));
}

/// Mistakes, each told once, although Cedar finds it once for each action.
#[derive(Default)]
struct Mistakes {
    found: Vec<(Problem, BTreeSet<String>)>,
    known: HashMap<Told, usize>,
}

/// What makes two mistakes the same: policy, line and column, message.
type Told = (String, Option<(usize, usize)>, String);

impl Mistakes {
    fn add(&mut self, policy: &Read, problem: Problem) {
        let (message, action) = without_action(without_policy(&problem.message, policy.id()));
        let at = problem.place.as_ref().map(|place| (place.line, place.column));
        let number = *self.known.entry((policy.id().to_owned(), at, message.clone())).or_insert(self.found.len());
        if let Some((_, actions)) = self.found.get_mut(number) {
            actions.extend(action);
            return;
        }
        let help = problem.help.as_deref().map(|help| without_policy(help, policy.id()).to_owned());
        let problem = Problem { message, help, ..problem }.policy(policy.id());
        self.found.push((problem, action.into_iter().collect()));
    }

    fn policies(&self) -> HashSet<String> {
        self.known.keys().map(|(policy, ..)| policy.clone()).collect()
    }

    fn into_problems(self) -> impl Iterator<Item = Problem> {
        self.found.into_iter().map(|(problem, actions)| {
            if actions.len() == 1 && actions.contains(Action::Public.as_str()) {
                let message = format!("{}, for `Action::\"public\"`", problem.message);
                return Problem { message, ..problem }.help(
                    "nobody is known on public paths: no device, no session. Write `action in Action::\"use\"` in the scope to leave them out",
                );
            }
            problem
        })
    }
}

/// Takes "for policy `id`, " from the front: the problem names the policy already.
fn without_policy<'a>(text: &'a str, id: &str) -> &'a str {
    text.strip_prefix(&format!("for policy `{id}`, ")).unwrap_or(text)
}

/// Takes ` for Action::"read"` out of a message.
fn without_action(message: &str) -> (String, Option<String>) {
    let Some((before, rest)) = message.split_once(" for Action::\"") else { return (message.to_owned(), None) };
    let Some((action, after)) = rest.split_once('"') else { return (message.to_owned(), None) };
    (format!("{before}{after}"), Some(action.to_owned()))
}

fn unlikely<'a>(
    found: impl Iterator<Item = &'a ValidationWarning>,
    wrong: &HashSet<String>,
    facts: &Facts,
    said: impl Fn(&cedar_policy::PolicyId, &dyn Diagnostic) -> Option<(&'a Read, Problem)>,
) -> Vec<Problem> {
    let mut warnings: Vec<Problem> = Vec::new();
    for warning in found {
        let id: &str = warning.policy_id().as_ref();
        let Some((policy, problem)) = said(warning.policy_id(), warning).filter(|_| !wrong.contains(id)) else { continue };
        let (message, help) = match warning {
            ValidationWarning::ImpossiblePolicy(_) => {
                (NEVER.to_owned(), Some("whatever the facts are, its conditions cannot all be true".to_owned()))
            }
            ValidationWarning::InvalidActionApplication(_) => {
                (format!("{NEVER}: no action is about such a principal and resource"), Some(scope_help(policy, facts)))
            }
            _ => (without_policy(&problem.message, id).to_owned(), problem.help),
        };
        let warning = Problem { message, help, policy: Some(id.to_owned()), place: problem.place };
        // What no action is about is impossible as well; once is enough, and the first says more.
        let told = warnings.iter().any(|known| known.policy == warning.policy && known.message.starts_with(NEVER));
        if !(told && warning.message.starts_with(NEVER)) {
            warnings.push(warning);
        }
    }
    warnings
}

fn scope_help(policy: &Read, facts: &Facts) -> String {
    match policy.policy.action_constraint() {
        ActionConstraint::Eq(action) if action == facts.names.any_use => {
            "`Action::\"use\"` is a group of actions: write `action in Action::\"use\"`".to_owned()
        }
        ActionConstraint::Eq(action) if action.id().unescaped() == ADMINISTER => {
            "`Action::\"administer\"` is a group of actions: write `action in Action::\"administer\"`".to_owned()
        }
        _ => "`Action::\"public\"` is asked for by `Anonymous`, every other action by a `User` or a `Service`; the resource is an `App`".to_owned(),
    }
}

/// How warnings of what can never match begin.
pub(super) const NEVER: &str = "this policy can never match";
