//! Policies that do nothing: proved to match nothing, or to change no decision.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{Effect, Policy};
use cedar_policy_symcc::solver::Solver;

use super::goal::{guard, key};
use super::slice::{Cut, Cutter, Env};
use super::solve::{Compiled, NoAnswer, Prover};
use crate::problem::Problem;
use crate::set::{App, PolicySet};

/// Policies to look at, and how far the search for them went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// A warning for each policy that does nothing.
    pub found: Vec<Problem>,
    /// How many policies were looked at.
    pub looked_at: usize,
    /// How many there are.
    pub of: usize,
}

/// Looks for policies of `set` that can be left out. Of two that say the same, the later one is named.
pub fn doubts<S: Solver>(prover: &mut Prover<S>, set: &PolicySet) -> Doubts {
    let cutter = Cutter::new(set);
    let mut order: Vec<&Cut> = cutter.policies().iter().collect();
    order.sort_by_key(|cut| std::cmp::Reverse(set.policy(cut.id()).map(|info| (info.file, info.line))));
    let mut search = Search { prover, set, cutter: &cutter, dropped: BTreeSet::new() };
    let mut doubts = Doubts { of: order.len(), ..Doubts::default() };
    for cut in order {
        match search.judge(cut) {
            Ok(None) => {}
            Ok(Some((message, help))) => {
                let place = set.about.get(cut.id()).and_then(|(_, entry)| entry.place().cloned());
                doubts.found.push(Problem::new(place, message).help(help).policy(cut.id()));
                search.dropped.insert(cut.id().to_owned());
            }
            Err(NoAnswer::Gone(_)) => break,
            // Nothing is said of what the solver cannot tell.
            Err(NoAnswer::OutOfReach(_) | NoAnswer::Undecided(_)) => {}
        }
        doubts.looked_at += 1;
    }
    doubts.found.reverse();
    doubts
}

struct Search<'a, S: Solver> {
    prover: &'a mut Prover<S>,
    set: &'a PolicySet,
    cutter: &'a Cutter,
    /// What can be left out: it says nothing for the others.
    dropped: BTreeSet<String>,
}

/// What else is looked at beside the policy itself: where it is met and none of these is, it decides.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Everything,
    Forbids,
    Nothing,
}

impl<'a, S: Solver> Search<'a, S> {
    /// What is wrong with the policy and what to do about it, if it does nothing.
    fn judge(&mut self, cut: &Cut) -> Result<Option<(String, &'static str)>, NoAnswer> {
        let places = self.places(cut);
        // Of an app that there is not, the check at load has told already.
        if places.is_empty() || self.decides(cut, &places, Beside::Everything)? {
            return Ok(None);
        }
        if !self.decides(cut, &places, Beside::Nothing)? {
            let message = "this policy can never match: proved".to_owned();
            return Ok(Some((message, "whatever the facts are, its conditions cannot all be true")));
        }
        if !cut.permits() {
            let message = "this policy changes nothing: whatever it forbids, others forbid as well".to_owned();
            return Ok(Some((message, "leave it out, or see whether it says what is meant")));
        }
        if !self.decides(cut, &places, Beside::Forbids)? {
            let message = "this policy permits nothing: whatever it permits, others forbid".to_owned();
            return Ok(Some((message, "see whether it says what is meant")));
        }
        let message = "this policy changes nothing: whatever it permits, others permit as well, or forbid".to_owned();
        Ok(Some((message, "leave it out, or see whether it says what is meant")))
    }

    /// Where it can be met, one for each that differs.
    fn places(&self, cut: &Cut) -> Vec<(&'a App, Env)> {
        let set = self.set;
        let mut known = HashSet::new();
        let apps = set.origin.catalogue.apps.iter().filter(|app| cut.scope.is_about(app));
        let all = apps.flat_map(|app| Env::of(app, set.origin.catalogue.own).map(move |env| (app, env)));
        let here = all.filter(|(_, env)| cut.scope.lets(env.action, env.who));
        here.filter(|(app, env)| known.insert(key(&self.cutter.slice(app, *env), &[], app, *env, None, self.set))).collect()
    }

    /// Whether there is a request that it is met by, and nothing that is looked at beside it.
    fn decides(&mut self, cut: &Cut, places: &[(&App, Env)], beside: Beside) -> Result<bool, NoAnswer> {
        for (app, env) in places {
            let slice = self.cutter.slice(app, *env);
            let others = slice.iter().filter(|other| match beside {
                Beside::Everything => cut.permits() || !other.permits(),
                Beside::Forbids => !other.permits(),
                Beside::Nothing => false,
            });
            let others = others.filter(|other| other.id() != cut.id() && !self.dropped.contains(other.id()));
            let mut policies: Vec<Policy> = others.filter_map(|other| with_effect(&other.policy, Effect::Forbid)).collect();
            policies.extend(with_effect(&cut.policy, Effect::Permit));
            policies.extend(guard(app, *env, policies.clone().iter(), self.set));
            let facts = &self.set.facts;
            let compiled = Compiled::new(policies.iter(), &env.request_env(&facts.names), &facts.schema, Effect::Forbid)?;
            if self.prover.permitted(&compiled)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn with_effect(policy: &Policy, effect: Effect) -> Option<Policy> {
    if policy.effect() == effect {
        return Some(policy.clone());
    }
    let mut json = policy.to_json().ok()?;
    let word = if effect == Effect::Permit { "permit" } else { "forbid" };
    *json.get_mut("effect")? = word.into();
    Policy::from_json(Some(policy.id().clone()), json).ok()
}
