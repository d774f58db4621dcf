//! What there is to say about one decision.

use serde::Serialize;

use super::change::{By, Change};
use super::search::Search;
use super::step_up::{StepUp, step_up};
use super::work::Work;
use crate::prepare::PrepareError;
use crate::query::Query;
use crate::set::PolicySet;
use crate::verdict::Decision;

/// Why a question was decided as it was, and the nearest ways to yes.
///
/// Every way was decided: it permits, and no part of it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// `allow` or `deny`.
    pub decision: &'static str,
    /// Why not: `no_permit`, `forbidden` or `evaluation_failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Ids of the policies that decided: the permits of what is allowed, the forbids of what is forbidden.
    pub policies: Vec<String>,
    /// What could not be evaluated.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// What would lift each forbid that was met.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forbids: Vec<Lifted>,
    /// The permits for this app and action, those first that have the fewest conditions left.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permits: Vec<Nearly>,
    /// The nearest ways to yes, the one first that is in the hands of the person.
    pub ways: Vec<Way>,
    /// Another sign-in is all that is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_up: Option<StepUp>,
    /// There was more to try than the effort allowed: there may be further ways.
    pub cut_short: bool,
    /// How many questions were decided to find this.
    pub evaluations: usize,
}

/// A forbid that was met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lifted {
    /// Its id.
    pub policy: String,
    /// Changes each of which alone lifts it, whether or not the request is permitted then. Empty if nothing that can change
    /// does.
    pub lifted_by: Vec<Change>,
}

/// A permit that could have permitted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nearly {
    /// Its id.
    pub policy: String,
    /// Its conditions that were not met, as Cedar writes them.
    pub unmet: Vec<String>,
}

/// Facts that would have to change, all of them, and then the request is permitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Way {
    /// Who can go it: of those who have to change something, the one that is furthest from the person.
    pub by: By,
    /// Ids of the policies that would permit it.
    pub policies: Vec<String>,
    /// Ids of the forbids that it gets out of the way of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lifts: Vec<String>,
    /// What would have to change.
    pub changes: Vec<Change>,
}

/// How much may be spent on finding ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Policies evaluated, about a microsecond each; putting a question costs as much as a hundred of them.
    pub work: usize,
    /// Permits to look for ways in, the nearest first.
    pub permits: usize,
    /// Ways to find.
    pub ways: usize,
}

impl Effort {
    /// For a request that is refused while its sender waits: a few milliseconds.
    pub const BRIEF: Self = Self { work: 10_000, permits: 6, ways: 5 };

    /// For a person who asks for it: some seconds for the largest sets.
    pub const THOROUGH: Self = Self { work: 4_000_000, permits: 200, ways: 50 };
}

impl PolicySet {
    /// Explains one decision: what decided it and, for a denial, which facts would have to change.
    ///
    /// Where a policy failed there is no way but to mend it: no facts are tried then.
    ///
    /// # Errors
    /// When the facts cannot stand for anybody.
    pub fn explain(&self, query: &Query, effort: Effort) -> Result<Explanation, PrepareError> {
        let verdict = self.decide_query(query)?;
        let mut explanation = Explanation {
            decision: verdict.decision.as_str(),
            reason: match verdict.decision {
                Decision::Allow => None,
                Decision::Deny(reason) => Some(reason.as_str()),
            },
            policies: verdict.policies.iter().map(ToString::to_string).collect(),
            errors: verdict.errors.iter().map(ToString::to_string).collect(),
            forbids: Vec::new(),
            permits: Vec::new(),
            ways: Vec::new(),
            step_up: None,
            cut_short: false,
            evaluations: 1,
        };
        if verdict.is_allowed() || !verdict.errors.is_empty() {
            return Ok(explanation);
        }
        let mut work = Work::new(self, query.who.as_ref(), &query.request.facts(), effort.work);
        if let Some(identity) = &query.who {
            explanation.step_up = step_up(&mut work, identity);
        }
        let mut search = Search::new(work, query.clone(), effort);
        explanation.forbids = search.lifts(&explanation.policies);
        explanation.permits = search.permits();
        explanation.ways = search.ways(&explanation.permits);
        (explanation.cut_short, explanation.evaluations) = search.spent();
        explanation.evaluations += 1;
        Ok(explanation)
    }
}

impl Way {
    /// One line: `context.session.mfa: false -> true; principal in Group::"hr": false -> true`.
    pub fn in_short(&self) -> String {
        self.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}
