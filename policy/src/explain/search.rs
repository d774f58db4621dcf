//! The search for the nearest ways to yes.
//!
//! What the text of a policy suggests is tried condition by condition, which is cheap; what then seems to do is decided on the
//! whole set, and so is each part of it. Only what is permitted, and of which no part is, is a way.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::about::Entry;
use super::candidates;
use super::change::{By, Change, Counter, Edit};
use super::explanation::{Effort, Lifted, Nearly, Way};
use super::looks::Looks;
use super::widest::widest;
use super::work::{Candidate, Question, Work};
use crate::query::Query;
use crate::question::age_s;
use crate::verdict::{Decision, DenyReason, Verdict};

/// One denied question, and everything about it that has been tried.
pub(super) struct Search<'a> {
    work: Work<'a>,
    query: Query,
    effort: Effort,
    /// Every change that was thought of; sets of them are named by their numbers here, sorted.
    pool: Vec<Change>,
    questions: HashMap<Vec<usize>, Option<Rc<Question>>>,
    verdicts: HashMap<Vec<usize>, Option<Rc<Verdict>>>,
    ways: Vec<Way>,
}

/// Makes a number another.
type Numbered = fn(i64) -> Edit;

/// Most facts that one way may change.
const MOST_CHANGES: usize = 6;

/// Most sets of changes to look at for one permit.
const MOST_SETS: usize = 48;

/// Most changes of one condition that are tried two by two.
const MOST_IN_PAIRS: usize = 12;

/// Most forbids and failing policies to get out of the way of, one after the other.
const MOST_DETOURS: usize = 3;

/// Most changes to try against one forbid.
const MOST_LIFTS: usize = 4;

impl<'a> Search<'a> {
    pub(super) fn new(work: Work<'a>, query: Query, effort: Effort) -> Self {
        Self { work, query, effort, pool: Vec::new(), questions: HashMap::new(), verdicts: HashMap::new(), ways: Vec::new() }
    }

    /// Whether it ended early, and how many questions were decided.
    pub(super) fn spent(&self) -> (bool, usize) {
        (self.work.cut_short, self.work.evaluations)
    }

    /// What lifts each of the forbids.
    pub(super) fn lifts(&mut self, forbids: &[String]) -> Vec<Lifted> {
        let mut lifts = Vec::new();
        for (id, entry) in self.candidates() {
            if !forbids.iter().any(|forbid| **forbid == **id) {
                continue;
            }
            let still_met = |verdict: &Verdict| verdict.policies.iter().any(|policy| policy == id) || !verdict.errors.is_empty();
            let mut lifted_by = Vec::new();
            for change in self.against(entry, &[]) {
                if self.verdict(&[change]).is_some_and(|verdict| !still_met(&verdict)) {
                    let seen = self.described(&[change], |verdict| !still_met(verdict));
                    lifted_by.extend(seen);
                }
            }
            lifts.push(Lifted { policy: id.to_string(), lifted_by });
        }
        lifts
    }

    /// The permits, those with the fewest unmet conditions first.
    pub(super) fn permits(&mut self) -> Vec<Nearly> {
        let mut found = Vec::new();
        for (id, entry) in self.candidates() {
            if !entry.permits() {
                continue;
            }
            let Some(met) = self.met(entry, &[]) else { break };
            let unmet =
                entry.parts().conditions().iter().zip(met).filter(|(_, met)| !met).map(|(condition, _)| condition.text.clone());
            found.push(Nearly { policy: id.to_string(), unmet: unmet.collect() });
        }
        found.sort_by_key(|nearly| nearly.unmet.len());
        self.work.cut_short |= found.len() > self.effort.permits;
        found.truncate(self.effort.permits);
        found
    }

    /// The nearest ways to yes through these permits.
    pub(super) fn ways(&mut self, permits: &[Nearly]) -> Vec<Way> {
        for nearly in permits {
            let Some((_, entry)) = self.work.set.about.get(&nearly.policy) else { continue };
            for set in self.satisfying(entry) {
                self.settle(&set, 0);
            }
        }
        let facts = |way: &Way| way.changes.iter().map(|change| change.fact.clone()).collect::<Vec<_>>();
        let mut ways = std::mem::take(&mut self.ways);
        ways.sort_by_cached_key(|way| (way.by, way.changes.len(), facts(way)));
        self.work.cut_short |= ways.len() > self.effort.ways;
        ways.truncate(self.effort.ways);
        ways
    }

    fn candidates(&self) -> Vec<Candidate<'a>> {
        self.work.candidates().to_vec()
    }

    /// Sets of changes that meet every condition of a permit.
    fn satisfying(&mut self, entry: &Entry) -> Vec<Vec<usize>> {
        let looks = entry.parts().looks();
        let options = self.options(&looks, entry);
        let mut found = Vec::new();
        let mut visited = 0;
        self.satisfy(entry, &options, Vec::new(), &mut found, &mut visited);
        found
    }

    /// Goes on from `set`: takes the first condition that is not met, and each option that meets it.
    fn satisfy(
        &mut self,
        entry: &Entry,
        options: &[(Vec<usize>, Vec<bool>)],
        set: Vec<usize>,
        found: &mut Vec<Vec<usize>>,
        visited: &mut usize,
    ) {
        *visited += 1;
        if *visited > MOST_SETS {
            self.work.cut_short = true;
            return;
        }
        let Some(met) = self.met(entry, &set) else { return };
        let Some(first) = met.iter().position(|met| !met) else {
            if !found.contains(&set) {
                found.push(set);
            }
            return;
        };
        for (option, meets) in options {
            if meets.get(first) == Some(&true)
                && let Some(wider) = self.join(&set, option)
                && wider.len() > set.len()
            {
                self.satisfy(entry, options, wider, found, visited);
            }
        }
    }

    /// The changes that meet a condition of `entry` which is not met, each with the conditions that are met then: those first that
    /// undo least and are nearest to the person. A condition that no single change meets may be met by two.
    fn options(&mut self, looks: &Looks, entry: &Entry) -> Vec<(Vec<usize>, Vec<bool>)> {
        let Some(now) = self.met(entry, &[]) else { return Vec::new() };
        let mut options = Vec::new();
        for change in self.worth_trying(looks) {
            let Some(met) = self.met(entry, &[change]) else { break };
            if met.iter().zip(&now).any(|(then, now)| *then && !now) {
                options.push((vec![change], met));
            }
        }
        for (number, condition) in entry.parts().conditions().iter().enumerate() {
            let is_met = |met: &[bool]| met.get(number) == Some(&true);
            if is_met(&now) || options.iter().any(|(_, met)| is_met(met)) {
                continue;
            }
            let single = self.worth_trying(&condition.looks);
            for (at, one) in single.iter().enumerate().take(MOST_IN_PAIRS) {
                for other in single.iter().skip(at + 1).take(MOST_IN_PAIRS) {
                    let Some(pair) = self.join(&[*one], &[*other]) else { continue };
                    let Some(met) = self.met(entry, &pair) else { break };
                    if is_met(&met) {
                        options.push((pair, met));
                    }
                }
            }
        }
        let undone = |met: &[bool]| met.iter().zip(&now).filter(|(then, now)| **now && !**then).count();
        options.sort_by_key(|(option, met)| (undone(met), option.len(), self.by(option)));
        options
    }

    /// Decides `set`, and gets it out of the way of the forbids that it meets and of the policies that fail.
    fn settle(&mut self, set: &[usize], detours: usize) {
        let Some(verdict) = self.verdict(set) else { return };
        let failed = verdict.errors.first().and_then(|error| error.policy.as_ref());
        let obstacle = match verdict.decision {
            Decision::Allow => return self.take(set),
            Decision::Deny(DenyReason::NoPermit) => return,
            Decision::Deny(DenyReason::Forbidden) => verdict.policies.first(),
            Decision::Deny(DenyReason::EvaluationFailed) => failed,
        };
        let Some((_, entry)) = obstacle.and_then(|id| self.work.set.about.get(id)) else { return };
        if detours == MOST_DETOURS {
            return;
        }
        let around = if failed.is_some() { self.worth_trying(&entry.parts().looks()) } else { self.against(entry, set) };
        for change in around {
            if let Some(wider) = self.join(set, &[change])
                && wider.len() > set.len()
            {
                self.settle(&wider, detours + 1);
            }
        }
    }

    /// Changes that, beside `set`, leave a condition of a forbid unmet.
    fn against(&mut self, forbid: &Entry, set: &[usize]) -> Vec<usize> {
        let mut found = Vec::new();
        for change in self.worth_trying(&forbid.parts().looks()) {
            let Some(wider) = self.join(set, &[change]) else { continue };
            let Some(met) = self.met(forbid, &wider) else { break };
            if wider.len() > set.len() && met.contains(&false) {
                found.push(change);
            }
        }
        found.sort_by_key(|&change| self.by(&[change]));
        found.dedup_by_key(|&mut change| self.pool.get(change).map(|change| change.fact.clone()));
        self.work.cut_short |= found.len() > MOST_LIFTS;
        found.truncate(MOST_LIFTS);
        found
    }

    /// Makes a way of a set that is permitted: of its smallest part that is, in fact.
    fn take(&mut self, set: &[usize]) {
        let Some(least) = self.least(set) else { return };
        let facts = |changes: &[Change]| changes.iter().map(|change| change.fact.clone()).collect::<BTreeSet<_>>();
        let changes = self.described(&least, Verdict::is_allowed);
        if self.ways.iter().any(|way| facts(&way.changes) == facts(&changes)) {
            return;
        }
        let Some(verdict) = self.verdict(&least) else { return };
        let mut lifts = BTreeSet::new();
        for part in 0..least.len() {
            // What one change less runs into.
            let without: Vec<usize> = least.iter().enumerate().filter(|(at, _)| *at != part).map(|(_, &one)| one).collect();
            if let Some(verdict) = self.verdict(&without) {
                lifts.extend(verdict.policies.iter().map(ToString::to_string));
            }
        }
        self.ways.push(Way {
            by: changes.iter().map(|change| change.by).max().unwrap_or(By::Administrator),
            policies: verdict.policies.iter().map(ToString::to_string).collect(),
            lifts: lifts.into_iter().collect(),
            changes,
        });
    }

    /// The smallest part of `set` that is permitted; `None` if not every part could be decided.
    fn least(&mut self, set: &[usize]) -> Option<Vec<usize>> {
        if set.len() > MOST_CHANGES {
            return None;
        }
        let mut parts: Vec<Vec<usize>> = (1..(1_usize << set.len()))
            .map(|chosen| set.iter().enumerate().filter(|(at, _)| chosen >> at & 1 == 1).map(|(_, &one)| one).collect())
            .collect();
        parts.sort_by_key(Vec::len);
        for part in parts {
            if self.verdict(&part)?.is_allowed() {
                return Some(part);
            }
        }
        None
    }

    /// The changes of `set`, with numbers as great as `good` lets them be.
    fn described(&mut self, set: &[usize], good: impl Fn(&Verdict) -> bool) -> Vec<Change> {
        let mut changes: Vec<Change> = set.iter().filter_map(|&one| self.pool.get(one).cloned()).collect();
        for at in 0..changes.len() {
            let Some(mut change) = changes.get(at).cloned() else { continue };
            let Some((present, make)) = self.number(&change.edit) else { continue };
            let looks = self.work.looks();
            let mut trial = changes.clone();
            let found = widest(looks.numbers(&change.fact), present, |number| {
                trial.get_mut(at)?.edit = make(number);
                let query = self.query.changed(&trial);
                Some(good(&self.work.decide(&query)?))
            });
            if let Some(Some(most)) = found {
                change.edit = make(most);
                change.to = format!("at most {most}");
            }
            change.from = present.to_string();
            if let Some(place) = changes.get_mut(at) {
                *place = change;
            }
        }
        changes
    }

    /// What a number is, and how to make it another.
    fn number(&self, edit: &Edit) -> Option<(i64, Numbered)> {
        let now_ms = self.query.request.at.unix_ms;
        let identity = self.query.who.as_ref();
        let used = |counter: Counter| i64::try_from(counter.of(self.query.request.usage)).unwrap_or(i64::MAX);
        match edit {
            Edit::SignedIn(_) => Some((age_s(identity?.session.authenticated_at_ms, now_ms), Edit::SignedIn)),
            Edit::PostureAge(_) => Some((age_s(identity?.device.posture_at_ms, now_ms), Edit::PostureAge)),
            Edit::Usage(Counter::Requests1m, _) => Some((used(Counter::Requests1m), |n| Edit::used(Counter::Requests1m, n))),
            Edit::Usage(Counter::Bytes1h, _) => Some((used(Counter::Bytes1h), |n| Edit::used(Counter::Bytes1h, n))),
            Edit::Usage(Counter::Bytes1d, _) => Some((used(Counter::Bytes1d), |n| Edit::used(Counter::Bytes1d, n))),
            _ => None,
        }
    }

    /// The changes that a policy's looks suggest, by their numbers.
    fn worth_trying(&mut self, looks: &Looks) -> Vec<usize> {
        let changes = candidates::of(looks, &self.query, &self.work.set.facts.posture);
        changes.into_iter().map(|change| self.number_of(change)).collect()
    }

    fn number_of(&mut self, change: Change) -> usize {
        match self.pool.iter().position(|known| known.edit == change.edit) {
            Some(at) => at,
            None => {
                self.pool.push(change);
                self.pool.len() - 1
            }
        }
    }

    /// Both sets; `None` if they change a fact in two ways, or too much.
    fn join(&self, one: &[usize], other: &[usize]) -> Option<Vec<usize>> {
        let all: BTreeSet<usize> = one.iter().chain(other).copied().collect();
        let facts: BTreeSet<&str> = all.iter().filter_map(|&at| self.pool.get(at)).map(|change| change.fact.as_str()).collect();
        (facts.len() == all.len() && all.len() <= MOST_CHANGES).then(|| all.into_iter().collect())
    }

    fn by(&self, set: &[usize]) -> Option<By> {
        set.iter().filter_map(|&at| self.pool.get(at)).map(|change| change.by).max()
    }

    /// Which conditions of a policy are met with these changes; `None` when the work is used up.
    fn met(&mut self, entry: &Entry, set: &[usize]) -> Option<Vec<bool>> {
        if !self.work.spend(entry.parts().conditions().len()) {
            return None;
        }
        let question = match self.questions.get(set) {
            Some(known) => known.clone(),
            None => {
                let query = self.changed(set);
                let question = self.work.question(&query).map(Rc::new);
                self.questions.insert(set.to_vec(), question.clone());
                question
            }
        };
        Some(entry.parts().met(&*question?))
    }

    /// The verdict of the whole set with these changes; `None` when the work is used up.
    fn verdict(&mut self, set: &[usize]) -> Option<Rc<Verdict>> {
        if let Some(known) = self.verdicts.get(set) {
            return known.clone();
        }
        let query = self.changed(set);
        let verdict = self.work.decide(&query).map(Rc::new);
        self.verdicts.insert(set.to_vec(), verdict.clone());
        verdict
    }

    fn changed(&self, set: &[usize]) -> Query {
        let changes: Vec<Change> = set.iter().filter_map(|&one| self.pool.get(one).cloned()).collect();
        self.query.changed(&changes)
    }
}
