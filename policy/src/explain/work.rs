//! Deciding what would be if, within bounds.

use crate::facts::Identity;
use crate::query::{AskedFor, Query};
use crate::request::RequestFacts;
use crate::set::PolicySet;
use crate::verdict::Verdict;

use super::about::Entry;
use super::looks::Looks;

/// One request, to be decided again and again with other facts, until the work is used up. An evaluation costs as much as
/// there are policies that can be about the request.
pub(super) struct Work<'a> {
    set: &'a PolicySet,
    asked: AskedFor,
    /// The policies whose scope lets app and action through, by id.
    candidates: Vec<(&'a std::sync::Arc<str>, &'a Entry)>,
    left: usize,
    pub(super) evaluations: usize,
    pub(super) cut_short: bool,
}

impl<'a> Work<'a> {
    pub(super) fn new(set: &'a PolicySet, facts: &RequestFacts<'_>, most: usize) -> Self {
        let mut candidates: Vec<_> = set.candidate_ids(facts.app, facts.action).filter_map(|id| set.about.get(id)).collect();
        candidates.sort_by_key(|(id, _)| *id);
        Self { set, asked: facts.into(), candidates, left: most, evaluations: 0, cut_short: false }
    }

    /// The policies that can be about the request, sorted by id.
    pub(super) fn candidates(&self) -> &[(&'a std::sync::Arc<str>, &'a Entry)] {
        &self.candidates
    }

    /// What any of them looks at. Empty if there are so many that no evaluation could follow.
    pub(super) fn looks(&mut self) -> Looks {
        let mut looks = Looks::default();
        if self.spend() {
            self.candidates.iter().for_each(|(_, entry)| looks.extend(entry.looks()));
        }
        looks
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.asked.at.unix_ms
    }

    pub(super) fn asked(&self) -> &AskedFor {
        &self.asked
    }

    /// The verdict on this request by `identity`; `None` when the work is used up, or the facts stand for nobody.
    pub(super) fn decide_now(&mut self, identity: &Identity) -> Option<Verdict> {
        if !self.spend() {
            return None;
        }
        let prepared = self.set.prepare(identity).ok()?;
        Some(self.set.decide(&prepared, &self.asked.facts()))
    }

    /// The verdict on another question about the same app and action.
    pub(super) fn decide(&mut self, query: &Query) -> Option<Verdict> {
        if !self.spend() {
            return None;
        }
        self.set.decide_query(query).ok()
    }

    /// Whether this request by `identity` is permitted.
    pub(super) fn allows(&mut self, identity: &Identity) -> Option<bool> {
        self.decide_now(identity).map(|verdict| verdict.is_allowed())
    }

    fn spend(&mut self) -> bool {
        let cost = self.candidates.len().max(1);
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                self.evaluations += 1;
                true
            }
            None => {
                self.cut_short = true;
                false
            }
        }
    }
}
