//! A claim, slice by slice.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Effect, Policy, PolicyId, PrincipalConstraint};
use cedar_policy_symcc::Env as Found;
use cedar_policy_symcc::solver::Solver;
use serde_json::{Value, json};

use super::assume;
use super::claim::{Claim, Condition, Proof};
use super::model;
use super::outcome::{Counterexample, Outcome, Proved};
use super::shrink::shrink;
use super::slice::{Cut, Cutter, Env, meaning, truths};
use super::solve::{Compiled, NoAnswer, Prover};
use crate::action::Action;
use crate::query::Query;
use crate::set::{App, PolicySet, Source};

/// Whether `proof` holds of `set`. `old` is the set to compare with, where the claim compares: it has to be loaded for the same
/// apps with the same additions to the schema.
///
/// Cedar leaves a policy out that fails while it is evaluated; here that refuses. So `set` permits at most what Cedar permits by
/// it, and a proof about Cedar holds here. For `old` it is the other way round: each of its policies that can fail, and is not
/// in `set` as well, is proved never to fail; else nothing is said to be proved.
pub fn prove<S: Solver>(prover: &mut Prover<S>, set: &PolicySet, proof: &Proof, old: Option<&PolicySet>) -> Outcome {
    let asked = prover.asked;
    let mut work = Work::default();
    match (&proof.claim, old) {
        // Nothing is as easily proved as what is about nothing.
        _ if combinations(set, proof).next().is_none() => {
            work.not("there is no app that this is about; apps are named in the configuration, or with --app".to_owned());
        }
        (Claim::Never(condition), _) => never(prover, set, proof, condition, &mut work),
        (Claim::NoMoreThan(_), Some(old))
            if set.facts.posture == old.facts.posture && set.origin.catalogue == old.origin.catalogue =>
        {
            no_more(prover, set, old, proof, &mut work);
        }
        (Claim::NoMoreThan(_), Some(_)) => work.not("the two sets are for different apps or have different facts".to_owned()),
        (Claim::NoMoreThan(dir), None) => work.not(format!("the policies in {dir} were not read")),
    }
    work.outcome(prover.asked - asked)
}

/// Whether two sets decide the same: each permits no more than the other. The first outcome is of what `new` permits beyond
/// `old`, the second the other way round.
pub fn equivalent<S: Solver>(prover: &mut Prover<S>, new: &PolicySet, old: &PolicySet) -> (Outcome, Outcome) {
    let no_more = Proof::no_more_than("the other set", &[]);
    (prove(prover, new, &no_more, Some(old)), prove(prover, old, &no_more, Some(new)))
}

/// What has come of a claim so far.
#[derive(Default)]
struct Work {
    refuted: Option<Counterexample>,
    reasons: BTreeMap<String, usize>,
    unconfirmed: Option<Query>,
    slices: usize,
    left_out: BTreeSet<String>,
    /// The answer to a question is the same for every app that it is true of the same things for.
    held: HashMap<Key, bool>,
    stop: bool,
}

/// What a question is made of: the policies, what is true of the app, and who asks; and the action, where a policy asks for it.
pub(super) type Key = (Vec<String>, Vec<String>, BTreeMap<String, bool>, Env);

impl Work {
    fn not(&mut self, reason: String) {
        *self.reasons.entry(reason).or_default() += 1;
    }

    fn fail(&mut self, app: &App, env: Env, why: &NoAnswer) {
        self.stop |= matches!(why, NoAnswer::Gone(_));
        // The first app stands for the others: a reason is told once, with how often it was met.
        let told = format!("{why}");
        if !self.reasons.contains_key(&told) && self.reasons.len() < MOST_REASONS {
            self.reasons.insert(format!("`{}` of `{}`: {why}", env.action, app.name), 1);
        } else {
            *self.reasons.entry("further ones of the same kind".to_owned()).or_default() += 1;
        }
    }

    fn outcome(self, asked: usize) -> Outcome {
        let proved = match self.refuted {
            Some(found) => Proved::Refuted(Box::new(found)),
            None if self.reasons.is_empty() => Proved::Holds,
            None => Proved::Not {
                reasons: self
                    .reasons
                    .into_iter()
                    .map(|(reason, times)| if times > 1 { format!("{reason} ({times} times)") } else { reason })
                    .collect(),
                unconfirmed: self.unconfirmed.map(Box::new),
            },
        };
        Outcome { proved, slices: self.slices, asked, left_out: self.left_out }
    }

    fn done(&self) -> bool {
        self.stop || self.refuted.is_some()
    }

    /// Takes the solver's examples to the engine. Whether one is wrong there too.
    fn replay(&mut self, examples: Vec<Query>, set: &PolicySet, old: Option<&PolicySet>, wrong: &mut dyn FnMut(&Query) -> bool) {
        let Some(query) = examples.iter().find(|query| wrong(query)).cloned() else {
            let reason =
                "NOT CONFIRMED: the solver names a request that the engine decides otherwise; nothing is proved or refuted by it";
            self.not(reason.to_owned());
            self.unconfirmed = self.unconfirmed.take().or_else(|| examples.into_iter().next());
            return;
        };
        let query = shrink(query, &set.facts.posture, wrong);
        let permitted_by = set.decide_query(&query).map(|verdict| verdict.policies).unwrap_or_default();
        let old = old.and_then(|old| old.decide_query(&query).ok());
        self.refuted = Some(Counterexample { query, permitted_by, old });
    }
}

fn never<S: Solver>(prover: &mut Prover<S>, set: &PolicySet, proof: &Proof, condition: &Condition, work: &mut Work) {
    let cutter = Cutter::new(set);
    let facts = &set.facts;
    // Met where the condition is fulfilled: the engine's own word on whether an example is one.
    let source = Source::new("condition", condition.policy.to_string());
    let fulfilled = match PolicySet::load(&[source], &set.origin.additions, &set.origin.catalogue) {
        Ok(loaded) => loaded.set,
        Err(problems) => return problems.iter().for_each(|problem| work.not(problem.to_string())),
    };
    for (app, env) in combinations(set, proof) {
        if work.done() {
            return;
        }
        work.slices += 1;
        let slice = cutter.slice(app, env);
        if !slice.iter().any(|cut| cut.permits()) {
            continue;
        }
        let spoken = || slice.iter().map(|cut| &cut.policy).chain([&condition.policy]);
        let key = key(&slice, &[], app, env, Some(&condition.policy), set);
        if work.held.contains_key(&key) {
            continue;
        }
        let Some(guard) = guard(app, env, spoken(), set) else { return work.not("an assumption cannot be written".to_owned()) };
        let policies = slice.iter().map(|cut| &cut.policy).chain([&guard, &condition.otherwise]);
        let found = Compiled::new(policies, &env.request_env(&facts.names), &facts.schema, Effect::Forbid).and_then(|compiled| {
            // Without its condition a claim would be another one; what is left out may be a guard only.
            if compiled.left_out.iter().any(|id| is_ours(id)) {
                return Err(NoAnswer::OutOfReach("the condition uses something that the solver cannot reason about".to_owned()));
            }
            work.left_out.extend(compiled.left_out.iter().cloned());
            prover.permitted(&compiled)
        });
        match found {
            Ok(None) => drop(work.held.insert(key, true)),
            Err(why) => work.fail(app, env, &why),
            Ok(Some(found)) => {
                let mut wrong = |query: &Query| {
                    let permits = |set: &PolicySet| set.decide_query(query).is_ok_and(|verdict| verdict.is_allowed());
                    permits(set) && permits(&fulfilled)
                };
                work.replay(examples(&found, env, app, set), set, None, &mut wrong);
            }
        }
    }
}

fn no_more<S: Solver>(prover: &mut Prover<S>, set: &PolicySet, old: &PolicySet, proof: &Proof, work: &mut Work) {
    let (new_cutter, old_cutter) = (Cutter::new(set), Cutter::new(old));
    let facts = &set.facts;
    for (app, env) in combinations(set, proof) {
        if work.done() {
            return;
        }
        work.slices += 1;
        let (new, before) = (new_cutter.slice(app, env), old_cutter.slice(app, env));
        if !new.iter().any(|cut| cut.permits()) || same(&new, &before) {
            continue;
        }
        let key = key(&new, &before, app, env, None, set);
        if work.held.contains_key(&key) {
            continue;
        }
        let policies = || new.iter().chain(&before).map(|cut| &cut.policy);
        let Some(guard) = guard(app, env, policies(), set) else { return work.not("an assumption cannot be written".to_owned()) };
        let request_env = env.request_env(&facts.names);
        let mut wrong = |query: &Query| {
            let permits = |set: &PolicySet| set.decide_query(query).is_ok_and(|verdict| verdict.is_allowed());
            permits(set) && !permits(old)
        };
        let found = Compiled::new(new.iter().map(|cut| &cut.policy).chain([&guard]), &request_env, &facts.schema, Effect::Forbid)
            .and_then(|new| {
                let before = Compiled::new(before.iter().map(|cut| &cut.policy), &request_env, &facts.schema, Effect::Permit)?;
                work.left_out.extend(new.left_out.iter().chain(&before.left_out).cloned());
                prover.permitted_only_by(&new, &before)
            });
        match found {
            Ok(None) => {}
            Err(why) => {
                work.fail(app, env, &why);
                continue;
            }
            Ok(Some(found)) => {
                work.replay(examples(&found, env, app, set), set, Some(old), &mut wrong);
                continue;
            }
        }
        if old_never_fails(prover, (&new, &before), app, env, set, old, work, &mut wrong) {
            work.held.insert(key, true);
        }
    }
}

/// Whether no policy of the old set, but for those that the new one has too, fails where the new set permits: where it fails,
/// the old set refuses.
#[expect(clippy::too_many_arguments, reason = "one step of `no_more`, apart for its length")]
fn old_never_fails<S: Solver>(
    prover: &mut Prover<S>,
    (new, before): (&[&Cut], &[&Cut]),
    app: &App,
    env: Env,
    set: &PolicySet,
    old: &PolicySet,
    work: &mut Work,
    wrong: &mut dyn FnMut(&Query) -> bool,
) -> bool {
    let kept: BTreeSet<&str> = new.iter().map(|cut| cut.text.as_str()).collect();
    let facts = &set.facts;
    for cut in before.iter().filter(|cut| can_fail(&cut.text) && !kept.contains(cut.text.as_str())) {
        let Some(unless_it_fails) = forbid_unless_it_fails(&cut.policy) else {
            work.not(format!(
                "the old policy `{}` can fail, which refuses; whether the new set permits that is not known",
                cut.id()
            ));
            return false;
        };
        let policies = || new.iter().map(|cut| &cut.policy).chain(&unless_it_fails);
        let guard = guard(app, env, policies().chain([&cut.policy]), set);
        let compiled = Compiled::new(policies().chain(&guard), &env.request_env(&facts.names), &facts.schema, Effect::Forbid);
        match compiled.and_then(|compiled| prover.permitted(&compiled)) {
            Ok(None) => {}
            Err(why) => {
                work.fail(app, env, &why);
                return false;
            }
            Ok(Some(found)) => {
                work.replay(examples(&found, env, app, set), set, Some(old), wrong);
                return false;
            }
        }
    }
    true
}

/// Forbids everything but what makes `policy` fail. Cedar leaves a policy out that fails: so one that is met wherever its
/// condition has a value at all, whatever it is, forbids all the rest.
fn forbid_unless_it_fails(policy: &Policy) -> Option<Vec<Policy>> {
    let mut json = policy.to_json().ok()?;
    let one = |clause: &Value| match clause.get("kind")?.as_str()? {
        "unless" => Some(json!({ "!": { "arg": clause.get("body")? } })),
        _ => clause.get("body").cloned(),
    };
    let conditions: Option<Vec<Value>> = json.get("conditions")?.as_array()?.iter().map(one).collect();
    let whole = conditions?.into_iter().reduce(|left, right| json!({ "&&": { "left": left, "right": right } }))?;
    let has_a_value = json!({ "kind": "when", "body": { "==": { "left": whole, "right": whole } } });
    *json.get_mut("conditions")? = Value::Array(vec![has_a_value]);
    *json.get_mut("effect")? = "forbid".into();
    let mut all = vec![Policy::from_json(Some(PolicyId::new(format!("{OURS}its condition"))), json).ok()?];
    let principal = match policy.principal_constraint() {
        PrincipalConstraint::Any => return Some(all),
        PrincipalConstraint::Eq(one) => format!("principal == {one}"),
        PrincipalConstraint::In(of) => format!("principal in {of}"),
        PrincipalConstraint::Is(kind) => format!("principal is {kind}"),
        PrincipalConstraint::IsIn(kind, of) => format!("principal is {kind} in {of}"),
    };
    all.push(forbid_unless(&principal, "its principal")?);
    Some(all)
}

/// Whether a policy that was checked strictly can still fail: numbers, times and spans that overflow. `text` is its JSON form.
pub(super) fn can_fail(text: &str) -> bool {
    ["\"+\":", "\"-\":", "\"*\":", "\"neg\":", "\"offset\":", "\"durationSince\":", "\"toDate\":"]
        .iter()
        .any(|operator| text.contains(operator))
}

fn same(new: &[&Cut], old: &[&Cut]) -> bool {
    fn texts<'a>(cuts: &[&'a Cut]) -> BTreeSet<&'a str> {
        cuts.iter().map(|cut| cut.text.as_str()).collect()
    }
    texts(new) == texts(old)
}

pub(super) fn key(new: &[&Cut], old: &[&Cut], app: &App, env: Env, further: Option<&Policy>, set: &PolicySet) -> Key {
    let ids = |cuts: &[&Cut]| cuts.iter().map(|cut| cut.id().to_owned()).collect();
    // However it is named: as an attribute, in a longer `has`, or as the key of a record that is compared as a whole.
    let asks = |text: &str| text.contains("\"Var\":\"action\"") || text.contains("\"method\"");
    let action_matters = new.iter().chain(old).any(|cut| asks(&cut.text)) || further.is_some_and(|policy| asks(&meaning(policy)));
    // All three uses are one to policies that do not ask which it is: their scopes let the same policies through.
    let env = if env.action.is_use() && !action_matters { Env { action: Action::Read, ..env } } else { env };
    let further = further.map(Policy::entity_literals).unwrap_or_default();
    let names = &set.facts.names;
    let about = |entity: &&cedar_policy::EntityUid| *entity.type_name() == names.app || *entity.type_name() == names.tag;
    let spoken = new.iter().chain(old).flat_map(|cut| &cut.resources).chain(further.iter().filter(about));
    (ids(new), ids(old), truths(app, spoken, names), env)
}

/// A forbid for what cannot be: requests that no gate asks about, and other apps.
pub(super) fn guard<'a>(app: &App, env: Env, policies: impl Iterator<Item = &'a Policy>, set: &PolicySet) -> Option<Policy> {
    let policies: Vec<&Policy> = policies.collect();
    let names = &set.facts.names;
    let literals: Vec<_> = policies.iter().flat_map(|policy| policy.entity_literals()).collect();
    let spoken = literals.iter().filter(|entity| *entity.type_name() == names.app || *entity.type_name() == names.tag);
    let mut all = assume::conditions(env, policies.iter().copied());
    all.extend(truths(app, spoken, names).into_iter().map(|(what, is)| if is { what } else { format!("!({what})") }));
    forbid_unless(&all.iter().map(|one| format!("({one})")).collect::<Vec<_>>().join(" && "), "assumptions")
}

/// `forbid (principal, action, resource) unless { condition };`
pub(super) fn forbid_unless(condition: &str, id: &str) -> Option<Policy> {
    let text = format!("forbid (principal, action, resource) unless {{ {condition}\n}};");
    Policy::parse(Some(PolicyId::new(format!("{OURS}{id}"))), text).ok()
}

fn is_ours(id: &str) -> bool {
    id.starts_with(OURS)
}

pub(super) fn examples(found: &Found, env: Env, app: &App, set: &PolicySet) -> Vec<Query> {
    model::queries(found, env, &app.name, &set.facts.names)
}

/// The apps and environments that a proof is about.
fn combinations<'a>(set: &'a PolicySet, proof: &'a Proof) -> impl Iterator<Item = (&'a App, Env)> {
    let catalogue = &set.origin.catalogue;
    let about = catalogue.apps.iter().filter(|app| proof.is_about(app));
    about.flat_map(move |app| {
        Env::of(app, catalogue.own).filter(|env| proof.actions.contains(&env.action)).map(move |env| (app, env))
    })
}

/// Ids of what is added for the solver. White space cannot be in a policy's own id.
const OURS: &str = "added for the solver: ";

/// So many reasons are told; the others are counted.
const MOST_REASONS: usize = 5;
