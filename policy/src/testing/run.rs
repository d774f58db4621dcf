//! Cases put to the policies, and what came of it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::prepare::PrepareError;
use crate::problem::Problem;
use crate::set::PolicySet;
use crate::verdict::{Decision, DenyReason, Verdict};

use super::suite::Case;

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
        Problem::new(Some(self.case.place.clone()), format!("the test `{}` fails: {}", self.case.name, told.join("; ")))
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
    let outcomes: Vec<Outcome> = cases.into_iter().map(|case| one(set, case)).collect();
    let verdicts = outcomes.iter().filter_map(|outcome| outcome.verdict.as_ref().ok());
    // The permits of what is let through, the forbids of what is refused.
    let decided: BTreeSet<&Arc<str>> = verdicts.flat_map(|verdict| verdict.policies.iter()).collect();
    let ids = set.policy_ids();
    let untouched = ids.iter().filter(|id| !decided.contains(id));
    let untouched = untouched.map(|id| Untouched { policy: Arc::clone(id), permits: set.permits(id) }).collect();
    Report { untouched, policies: ids.len(), outcomes }
}

fn one(set: &PolicySet, case: Case) -> Outcome {
    let verdict = set.decide_query(&case.query);
    let differences = match &verdict {
        Ok(verdict) => differences(&case, verdict),
        Err(error) => vec![Difference { of: "expect", expected: word(case.expected.allow), got: error.to_string() }],
    };
    Outcome { case, verdict, differences }
}

fn differences(case: &Case, verdict: &Verdict) -> Vec<Difference> {
    let expected = &case.expected;
    let mut found = Vec::new();
    if expected.allow != verdict.is_allowed() {
        found.push(Difference { of: "expect", expected: word(expected.allow), got: decided(verdict) });
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
    found
}

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
