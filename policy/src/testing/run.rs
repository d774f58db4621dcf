//! Cases put to the policies, and what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::explain::{Effort, Way};
use crate::prepare::PrepareError;
use crate::problem::Problem;
use crate::set::PolicySet;
use crate::verdict::{Decision, DenyReason, Verdict};

use super::span;
use super::suite::{Case, ExpectedStepUp};

/// What came of every case.
#[must_use]
#[derive(Clone, Debug)]
pub struct Report {
    /// In the order of the files.
    pub outcomes: Vec<Outcome>,
    /// The policies that decided none of the cases, by id.
    pub untouched: Vec<Untouched>,
    /// How many policies there are.
    pub policies: usize,
}

/// What came of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// The answer.
    pub verdict: Result<Verdict, PrepareError>,
    /// What is not as expected; empty if it passed.
    pub differences: Vec<Difference>,
    /// Of a denial that was not expected: the nearest ways to yes, in a line each.
    pub ways: Vec<String>,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which key of the case.
    pub of: &'static str,
    /// What it says there.
    pub expected: String,
    /// What came.
    pub got: String,
}

/// A policy that decided none of the cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untouched {
    /// Its id.
    pub policy: Arc<str>,
    /// Whether it permits: then no case is let through by it. If not, none is refused by it.
    pub permits: bool,
}

impl Report {
    /// Whether every case came out as expected.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The cases that did not.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| !outcome.passed())
    }
}

impl Outcome {
    /// Whether it came out as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }

    /// What is not as expected, with its place.
    pub(super) fn problem(&self) -> Problem {
        let told: Vec<String> = self.differences.iter().map(ToString::to_string).collect();
        let message = format!("the test `{}` fails: {}", self.case.name, told.join("; "));
        let problem = Problem::new(Some(self.case.place.clone()), message);
        match self.ways.first() {
            Some(way) => problem.help(format!("it would be allowed with {way}")),
            None => problem,
        }
    }
}

impl fmt::Display for Difference {
    /// `expected allow, got deny: nothing permits it`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.of == "expect" { String::new() } else { format!("{} ", self.of) };
        write!(f, "expected {of}{}, got {}", self.expected, self.got)
    }
}

pub(super) fn run(set: &PolicySet, cases: Vec<Case>) -> Report {
    // Ways are found by deciding, many times over: the first few failures are enough to begin with.
    let mut to_explain = MOST_EXPLAINED;
    let outcomes: Vec<Outcome> = cases.into_iter().map(|case| one(set, case, &mut to_explain)).collect();
    let verdicts = outcomes.iter().filter_map(|outcome| outcome.verdict.as_ref().ok());
    // The permits of what is let through, the forbids of what is refused.
    let decided: BTreeSet<&Arc<str>> = verdicts.flat_map(|verdict| verdict.policies.iter()).collect();
    let ids = set.policy_ids();
    let untouched = ids.iter().filter(|id| !decided.contains(id));
    let untouched = untouched.map(|id| Untouched { policy: Arc::clone(id), permits: set.permits(id) }).collect();
    Report { untouched, policies: ids.len(), outcomes }
}

fn one(set: &PolicySet, case: Case, to_explain: &mut usize) -> Outcome {
    let verdict = set.decide_query(&case.query);
    let differences = match &verdict {
        Ok(verdict) => differences(set, &case, verdict),
        Err(error) => vec![Difference { of: "expect", expected: word(case.expected.allow), got: error.to_string() }],
    };
    let denied = verdict.as_ref().is_ok_and(|verdict| !verdict.is_allowed());
    let explain = case.expected.allow && denied && *to_explain > 0;
    let ways = if explain { ways(set, &case).iter().map(Way::in_short).collect() } else { Vec::new() };
    *to_explain -= usize::from(explain);
    Outcome { case, verdict, differences, ways }
}

fn differences(set: &PolicySet, case: &Case, verdict: &Verdict) -> Vec<Difference> {
    let expected = &case.expected;
    let mut found = Vec::new();
    if expected.allow != verdict.is_allowed() {
        found.push(Difference { of: "expect", expected: word(expected.allow), got: decided(verdict) });
        return found;
    }
    if let (Some(reason), Decision::Deny(got)) = (expected.reason, verdict.decision)
        && got != reason
    {
        found.push(Difference { of: "reason", expected: reason.as_str().to_owned(), got: got.as_str().to_owned() });
    }
    if let Some(policies) = &expected.policies
        && !policies.iter().map(String::as_str).eq(verdict.policies.iter().map(|id| &**id))
    {
        found.push(Difference {
            of: "policies",
            expected: list(policies.iter().map(String::as_str)),
            got: list(verdict.policies.iter().map(|id| &**id)),
        });
    }
    if let Some(wanted) = &expected.step_up {
        found.extend(step_up(set, case, wanted));
    }
    if let Some(wanted) = &expected.remedy {
        found.extend(remedy(set, case, wanted));
    }
    found
}

fn step_up(set: &PolicySet, case: &Case, wanted: &ExpectedStepUp) -> Option<Difference> {
    let who = case.query.who.as_ref();
    let got = who.and_then(|identity| set.step_up(identity, &case.query.request.facts()));
    let as_wanted = match (wanted, &got) {
        (ExpectedStepUp::No, None) => true,
        (ExpectedStepUp::Yes { max_age_ms, mfa, acr }, Some(got)) => {
            let age = got.max_age_s.and_then(|secs| i64::try_from(secs).ok()).and_then(|secs| secs.checked_mul(1000));
            max_age_ms.is_none_or(|wanted| age == Some(wanted))
                && mfa.is_none_or(|wanted| got.mfa == wanted)
                && acr.as_ref().is_none_or(|wanted| got.acr.as_ref() == Some(wanted))
        }
        _ => false,
    };
    let wanted = match wanted {
        ExpectedStepUp::No => "none".to_owned(),
        ExpectedStepUp::Yes { max_age_ms, mfa, acr } => sign_in(*max_age_ms, *mfa, acr.as_deref()),
    };
    let got = got.map_or("none".to_owned(), |got| {
        let age = got.max_age_s.and_then(|secs| i64::try_from(secs).ok()).map(|secs| secs.saturating_mul(1000));
        sign_in(age, Some(got.mfa), got.acr.as_deref())
    });
    (!as_wanted).then_some(Difference { of: "step_up", expected: wanted, got })
}

/// `a sign-in of at most 15m with mfa`.
fn sign_in(max_age_ms: Option<i64>, mfa: Option<bool>, acr: Option<&str>) -> String {
    let age = max_age_ms.map(|ms| format!(" of at most {}", span::text(ms)));
    let mfa = mfa.filter(|mfa| *mfa).map(|_| " with more than one factor".to_owned());
    let acr = acr.map(|acr| format!(" with acr `{acr}`"));
    ["a sign-in".to_owned()].into_iter().chain(age).chain(mfa).chain(acr).collect()
}

fn remedy(set: &PolicySet, case: &Case, wanted: &BTreeSet<String>) -> Option<Difference> {
    let ways = ways(set, case);
    let is_wanted = |way: &Way| way.changes.iter().map(|change| &change.fact).collect::<BTreeSet<_>>() == wanted.iter().collect();
    if ways.iter().any(is_wanted) || (ways.is_empty() && wanted.is_empty()) {
        return None;
    }
    let got: Vec<String> = ways.iter().map(|way| list(way.changes.iter().map(|change| change.fact.as_str()))).collect();
    let got = if got.is_empty() { "no way to yes".to_owned() } else { got.join(", or ") };
    Some(Difference { of: "remedy", expected: list(wanted.iter().map(String::as_str)), got })
}

fn ways(set: &PolicySet, case: &Case) -> Vec<Way> {
    set.explain(&case.query, EFFORT).map(|explanation| explanation.ways).unwrap_or_default()
}

/// For one case of many: enough for every way in a set of some hundreds.
const EFFORT: Effort = Effort { work: 100_000, permits: 50, ways: 5 };
/// Failures that get ways to yes.
const MOST_EXPLAINED: usize = 20;

/// The verdict in a line: `deny (forbidden) by a, b`.
fn decided(verdict: &Verdict) -> String {
    let ids = || list(verdict.policies.iter().map(|id| &**id));
    match verdict.decision {
        Decision::Allow => format!("allow, by {}", ids()),
        Decision::Deny(DenyReason::NoPermit) => "deny: nothing permits it".to_owned(),
        Decision::Deny(DenyReason::Forbidden) => format!("deny, forbidden by {}", ids()),
        Decision::Deny(DenyReason::EvaluationFailed) => {
            let errors: Vec<String> = verdict.errors.iter().map(ToString::to_string).collect();
            format!("deny, as it could not be decided: {}", errors.join("; "))
        }
    }
}

fn word(allow: bool) -> String {
    if allow { "allow" } else { "deny" }.to_owned()
}

fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let ids: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}
