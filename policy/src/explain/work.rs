//! Deciding what would be if, within bounds.

use std::sync::Arc;

use cedar_policy::{Entities, Request};

use super::about::Entry;
use super::looks::Looks;
use crate::facts::{Identity, Principal};
use crate::query::{AskedFor, Query};
use crate::request::RequestFacts;
use crate::set::PolicySet;
use crate::verdict::Verdict;

/// One request, to be decided again and again with other facts, until the work is used up.
///
/// Work is counted in policies evaluated, about a microsecond each; putting a question costs as much as [`QUESTION`] of them, and
/// more for who is in many groups.
pub(super) struct Work<'a> {
    pub(super) set: &'a PolicySet,
    asked: AskedFor,
    /// The policies whose scope lets app and action through, sorted by id.
    candidates: Vec<Candidate<'a>>,
    /// What it costs to put a question.
    question: usize,
    left: usize,
    pub(super) evaluations: usize,
    pub(super) cut_short: bool,
}

/// A policy that can be about the request.
pub(super) type Candidate<'a> = (&'a Arc<str>, &'a Entry);

/// A question as Cedar takes it.
pub(crate) struct Question {
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// What it costs to put one question of somebody in no group.
const QUESTION: usize = 100;

/// So many groups and values of claims cost as much as a policy: each question has its own copy of them.
const FACTS: usize = 4;

impl<'a> Work<'a> {
    pub(super) fn new(set: &'a PolicySet, who: Option<&Identity>, facts: &RequestFacts<'_>, most: usize) -> Self {
        let mut candidates: Vec<Candidate<'a>> =
            set.candidate_ids(facts.app, facts.action).filter_map(|id| set.about.get(id)).collect();
        candidates.sort_by_key(|(id, _)| *id);
        let question = QUESTION + who.map_or(0, size) / FACTS;
        Self { set, asked: facts.into(), candidates, question, left: most, evaluations: 0, cut_short: false }
    }

    /// The policies that can be about the request, sorted by id.
    pub(super) fn candidates(&self) -> &[Candidate<'a>] {
        &self.candidates
    }

    /// What any of them looks at. Empty if there are so many that no evaluation could follow.
    pub(super) fn looks(&mut self) -> Looks {
        let mut looks = Looks::default();
        if self.spend(self.candidates.len()) {
            self.candidates.iter().for_each(|(_, entry)| looks.extend(&entry.parts().looks()));
        }
        looks
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.asked.at.unix_ms
    }

    /// The verdict on this request by `identity`; `None` when the work is used up, or the facts stand for nobody.
    pub(super) fn decide_as(&mut self, identity: &Identity) -> Option<Verdict> {
        if !self.spend(self.question + self.candidates.len()) {
            return None;
        }
        self.evaluations += 1;
        let prepared = self.set.prepare(identity).ok()?;
        Some(self.set.decide(&prepared, &self.asked.facts()))
    }

    /// The verdict on another question about the same app and action.
    pub(super) fn decide(&mut self, query: &Query) -> Option<Verdict> {
        if !self.spend(self.question + self.candidates.len()) {
            return None;
        }
        self.evaluations += 1;
        self.set.decide_query(query).ok()
    }

    /// Another question about the same app and action, to be put to single conditions.
    pub(super) fn question(&mut self, query: &Query) -> Option<Question> {
        if !self.spend(self.question) {
            return None;
        }
        let facts = query.request.facts();
        let row = self.set.cells.row(facts.app)?;
        let owned;
        let prepared = match &query.who {
            None => self.set.anonymous(),
            Some(identity) => {
                owned = self.set.prepare(identity).ok()?;
                &owned
            }
        };
        let (request, entities) = self.set.question(prepared, &facts, row).ok()?;
        Some(Question { request, entities })
    }

    /// Whether there is so much work left; it is used up then.
    pub(super) fn spend(&mut self, cost: usize) -> bool {
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => {
                self.cut_short = true;
                false
            }
        }
    }
}

/// Groups and values of claims.
fn size(who: &Identity) -> usize {
    let (groups, claims) = match &who.principal {
        Principal::User(user) => (user.groups.len(), &user.claims),
        Principal::Service(service) => (0, &service.claims),
    };
    groups + claims.values().map(|values| values.len()).sum::<usize>()
}
