//! Policies that are tried on live traffic: checked like the live ones, and whatever is wrong with them is told and harms nothing.

use super::policies;
use crate::config::{Config, Policies};
use crate::console::admin::wire::CandidateView;
use crate::journey::{Candidate, Gate, JourneyMetrics};

/// The candidate policies of `config`; `None` if it names none.
pub(super) fn load(config: &Config) -> Option<Candidate> {
    let dir = config.candidate_dir.clone()?;
    let loaded = policies::load_from(config, &Policies::Folder(dir.clone())).and_then(|loaded| {
        // The record names it by its hash: whoever asks later finds it.
        policies::keep_for_the_record(config, &loaded).map_err(|problem| vec![problem])?;
        Ok(loaded)
    });
    Some(Candidate { dir, set: loaded.map(|loaded| loaded.decider) })
}

/// What is wrong with the candidate policies of `config`, of which nothing is kept.
pub(super) fn problems_in(config: &Config) -> Vec<String> {
    let judged = config.candidate_dir.clone().map(|dir| policies::load_from(config, &Policies::Folder(dir)));
    judged.and_then(Result::err).into_iter().flatten().map(|problem| named(&problem)).collect()
}

/// What operators see of the candidate policies; `None` if there are none.
pub(super) fn view(gate: &Gate) -> Option<CandidateView> {
    let world = gate.world.load();
    let candidate = world.candidate.as_ref()?;
    let policy_set = candidate.set.as_ref().ok().map(|set| set.hash().to_string());
    let mut differences = gate.shadow.differences();
    if policy_set.as_ref() != Some(&differences.policy_set) {
        // Of a candidate that is not tried any more.
        differences.kinds.clear();
    }
    Some(CandidateView {
        dir: candidate.dir.display().to_string(),
        policies: candidate.set.as_ref().map_or(0, |set| set.set().len()),
        policy_set,
        problems: problems(Some(candidate)),
        differences: differences.kinds,
    })
}

/// What is wrong with the candidate policies, a line each that says so.
pub(super) fn problems(candidate: Option<&Candidate>) -> Vec<String> {
    let problems = candidate.and_then(|candidate| candidate.set.as_ref().err()).into_iter().flatten();
    problems.map(|problem| named(problem)).collect()
}

fn named(problem: &str) -> String {
    format!("policies.candidate: {}", problem.strip_prefix("policies: ").unwrap_or(problem))
}

/// Shows whether they are tried, and logs why not.
pub(super) fn tell(candidate: Option<&Candidate>, metrics: &JourneyMetrics) {
    metrics.candidate_loaded.set(i64::from(candidate.is_some_and(|candidate| candidate.set.is_ok())));
    for problem in problems(candidate) {
        tracing::error!(problem, "the candidate policies are not tried; those in force are not touched");
    }
}
