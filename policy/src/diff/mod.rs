//! What a change of policies means.
//!
//! Arrives: two folders' texts and the apps. Leaves: what changed in meaning, in words, and who gains or loses what, with a
//! request to show it. Refused: texts that do not load. Nothing is claimed that is not certain by structure or was not decided.

mod arrange;
mod effects;
mod form;
mod implies;
mod key;
mod meaning;
mod print;
mod questions;
mod report;
mod tests_changed;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use jiff::tz::TimeZone;
use serde::Serialize;

use self::implies::Certain;
pub(crate) use self::meaning::Meaning;
use self::questions::{Ground, Pair};
use crate::action::Action;
use crate::problem::Problem;
use crate::query::Query;
use crate::set::{App, Catalogue, PolicySet, Source};
use crate::testing::Tester;

/// The texts of one folder of policies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// `*.cedar`.
    pub policies: &'a [Source],
    /// `*.cedarschema`.
    pub additions: &'a [Source],
    /// `tests/*.toml`: only what came, went or changed is told; nothing here runs them.
    pub tests: &'a [Source],
}

/// What changed in meaning. Formatting, comments, order and equivalent ways to write a condition are not in it.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// What the whole change can do, as far as its structure makes that certain.
    pub direction: Direction,
    /// The policies that are different, by id.
    pub policies: Vec<PolicyChange>,
    /// What is different about the facts that policies can ask for, a line each.
    pub facts: Vec<String>,
    /// What is different about the tests, a line each.
    pub tests: Vec<String>,
    /// How many questions both sets were asked; none where structure alone is certain of "no difference".
    pub questions: usize,
    /// What was denied and is allowed now.
    pub gains: Vec<Effect>,
    /// What was allowed and is denied now.
    pub losses: Vec<Effect>,
}

/// What a change can do to the answers that requests get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// No request gets another answer: certain.
    Same,
    /// No request is denied that was allowed: certain. Some may be allowed that were denied.
    OnlyWidens,
    /// No request is allowed that was denied: certain. Some may be denied that were allowed.
    OnlyNarrows,
    /// Neither is certain.
    Open,
}

/// One policy that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyChange {
    /// Its id; of a renamed one, the new id.
    pub id: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// Its id before, where that was another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
    /// What the change of this policy alone can do.
    pub direction: Direction,
    /// In words, a line each.
    pub words: Vec<String>,
}

/// What happened to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It means something else.
    Changed,
    /// It has another id and the same meaning.
    Renamed,
    /// Its annotations are different, its meaning is not.
    Annotated,
}

/// Who gains, or loses, what: requests that differ in nothing that matters, and one of them.
#[derive(Clone, Debug, Serialize)]
pub struct Effect {
    /// Who, in words.
    pub who: String,
    /// Which app.
    pub app: String,
    /// Doing what.
    pub action: Action,
    /// How many of the questions showed it.
    pub questions: usize,
    /// The policies that decided before.
    pub before: Vec<String>,
    /// The policies that decide now.
    pub now: Vec<String>,
    /// A request that gets the other answer.
    pub example: Query,
    /// The same as a policy test, which expects what the new set answers.
    pub case: String,
}

/// A side that cannot be compared, because it does not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policies do not load")]
pub struct NotComparable {
    /// What is wrong with the old set.
    pub old: Vec<Problem>,
    /// What is wrong with the new set.
    pub new: Vec<Problem>,
}

impl Diff {
    /// Compares. Without a catalogue the apps are those that the policies name, and one for each tag.
    ///
    /// # Errors
    /// [`NotComparable`] with every mistake of both sides.
    pub fn between(old: Texts<'_>, new: Texts<'_>, catalogue: Option<&Catalogue>) -> Result<Self, Box<NotComparable>> {
        let nobody = Catalogue::default();
        let known = catalogue.unwrap_or(&nobody);
        let (mut before, mut after) = load(old, new, known)?;
        let named = match catalogue {
            Some(catalogue) => catalogue.clone(),
            None => {
                let named = named_apps([&before, &after]);
                (before, after) = load(old, new, &named)?;
                named
            }
        };
        let sides = Sides { before: &before, after: &after, apps: &named.apps, all_apps: catalogue.is_some() };
        let mut diff = sides.compare().map_err(|problem| {
            let new = vec![Problem::new(None, format!("a policy cannot be taken apart: {problem}"))];
            Box::new(NotComparable { old: Vec::new(), new })
        })?;
        diff.tests = tests_changed::between(old.tests, new.tests);
        Ok(diff)
    }

    /// Whether any request gets, or may get, another answer.
    pub fn changes_meaning(&self) -> bool {
        self.direction != Direction::Same
    }

    /// Whether any request is allowed, or may be, that was denied. "May be" ends where neither structure nor any question shows it.
    pub fn widens(&self) -> bool {
        match self.direction {
            Direction::Same | Direction::OnlyNarrows => false,
            Direction::OnlyWidens => true,
            Direction::Open => !self.gains.is_empty() || self.policies.iter().any(PolicyChange::may_widen),
        }
    }

    /// Whether any request is denied, or may be, that was allowed.
    pub fn narrows(&self) -> bool {
        match self.direction {
            Direction::Same | Direction::OnlyWidens => false,
            Direction::OnlyNarrows => true,
            Direction::Open => !self.losses.is_empty() || self.policies.iter().any(PolicyChange::may_narrow),
        }
    }
}

impl PolicyChange {
    fn may_widen(&self) -> bool {
        matches!(self.direction, Direction::OnlyWidens | Direction::Open)
    }

    fn may_narrow(&self) -> bool {
        matches!(self.direction, Direction::OnlyNarrows | Direction::Open)
    }
}

impl Direction {
    fn of(may_widen: bool, may_narrow: bool) -> Self {
        match (may_widen, may_narrow) {
            (false, false) => Self::Same,
            (true, false) => Self::OnlyWidens,
            (false, true) => Self::OnlyNarrows,
            (true, true) => Self::Open,
        }
    }
}

/// Both sets, loaded for the same apps.
struct Sides<'a> {
    before: &'a PolicySet,
    after: &'a PolicySet,
    apps: &'a [App],
    /// There are no apps but these.
    all_apps: bool,
}

impl Sides<'_> {
    fn compare(&self) -> Result<Diff, String> {
        let (old, new) = (meanings(self.before)?, meanings(self.after)?);
        let certain = Certain::new(self.all_apps.then_some(self.apps));
        let (facts, unsettled) = self.facts();
        // Facts of another type can turn the meaning of what stayed as it is written.
        let stays = |policy: &Meaning, other: &BTreeMap<&str, &Meaning>| {
            !unsettled && other.get(policy.id.as_str()).is_some_and(|other| policy.means_what(other))
        };
        let (by_old, by_new) = (by_id(&old), by_id(&new));
        let gone: Vec<&Meaning> = old.iter().filter(|policy| !stays(policy, &by_new)).collect();
        let came: Vec<&Meaning> = new.iter().filter(|policy| !stays(policy, &by_old)).collect();
        let direction = direction(&certain, &old, &new, &gone, &came);
        let direction = if unsettled { Direction::Open } else { direction };
        let (policies, pairs) = changes(&certain, &old, &by_new, &gone, &came);
        let mut diff =
            Diff { direction, policies, facts, tests: Vec::new(), questions: 0, gains: Vec::new(), losses: Vec::new() };
        if direction != Direction::Same {
            let posture = &self.after.facts.posture;
            let ground = Ground { apps: self.apps, posture, all: new.iter().chain(&old).collect() };
            let asked = questions::about(&pairs, &ground, QUESTIONS);
            diff.questions = asked.len();
            let catalogue = Catalogue { apps: self.apps.to_vec(), groups: None, ..Catalogue::default() };
            let tester = Tester { set: self.after, catalogue: &catalogue, zone: &TimeZone::UTC };
            (diff.gains, diff.losses) = effects::of(self.before, &tester, &asked);
        }
        Ok(diff)
    }

    /// What is different about the declared facts; and whether one is there in both, but not the same.
    fn facts(&self) -> (Vec<String>, bool) {
        let (old, new) = (&self.before.facts.posture, &self.after.facts.posture);
        let mut lines = Vec::new();
        let mut unsettled = false;
        for fact in new {
            match old.iter().find(|known| known.name == fact.name) {
                None => lines.push(format!("`context.device.posture.{}` is new", fact.name)),
                Some(known) if known != fact => {
                    unsettled = true;
                    lines.push(format!("`context.device.posture.{}` is of another kind now", fact.name));
                }
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|fact| !new.iter().any(|known| known.name == fact.name));
        lines.extend(gone.map(|fact| format!("`context.device.posture.{}` is gone", fact.name)));
        (lines, unsettled)
    }
}

fn load(old: Texts<'_>, new: Texts<'_>, catalogue: &Catalogue) -> Result<(PolicySet, PolicySet), Box<NotComparable>> {
    let set = |texts: Texts<'_>| PolicySet::load(texts.policies, texts.additions, catalogue).map(|loaded| loaded.set);
    match (set(old), set(new)) {
        (Ok(old), Ok(new)) => Ok((old, new)),
        (old, new) => Err(Box::new(NotComparable { old: old.err().unwrap_or_default(), new: new.err().unwrap_or_default() })),
    }
}

/// The apps that policies name, and for each tag an app that has it.
fn named_apps(sets: [&PolicySet; 2]) -> Catalogue {
    let mut apps: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for set in sets {
        for entity in policies(set).flat_map(|policy| policy.entity_literals()) {
            let id = entity.id().unescaped();
            match entity.type_name().to_string().as_str() {
                "App" => drop(apps.entry(id.to_owned()).or_default()),
                "Tag" => drop(apps.entry(format!("any-app-with-tag-{id}")).or_default().insert(id.to_owned())),
                _ => {}
            }
        }
    }
    apps.entry("any-other-app".to_owned()).or_default();
    Catalogue { apps: apps.into_iter().map(|(name, tags)| App { name, tags }).collect(), groups: None, ..Catalogue::default() }
}

fn policies(set: &PolicySet) -> impl Iterator<Item = &cedar_policy::Policy> {
    set.policy_ids().into_iter().filter_map(|id| set.about.get(&id).map(|(_, entry)| &entry.policy))
}

fn meanings(set: &PolicySet) -> Result<Vec<Meaning>, String> {
    policies(set).map(Meaning::of).collect()
}

fn by_id(policies: &[Meaning]) -> BTreeMap<&str, &Meaning> {
    policies.iter().map(|policy| (policy.id.as_str(), policy)).collect()
}

/// What everything together can do. What a policy lost another may have taken over.
fn direction(certain: &Certain<'_>, old: &[Meaning], new: &[Meaning], gone: &[&Meaning], came: &[&Meaning]) -> Direction {
    let lost: Vec<&Meaning> = gone.iter().copied().filter(|policy| !new.iter().any(|other| policy.means_what(other))).collect();
    let won: Vec<&Meaning> = came.iter().copied().filter(|policy| !old.iter().any(|other| policy.means_what(other))).collect();
    if lost.iter().chain(&won).any(|policy| policy.may_fail) {
        return Direction::Open;
    }
    let taken_over = |policy: &Meaning| certain.covered(policy, new);
    let known_before = |policy: &Meaning| certain.covered(policy, old);
    let may_widen = won.iter().any(|policy| policy.permits && !known_before(policy))
        || lost.iter().any(|policy| !policy.permits && !taken_over(policy));
    let may_narrow = lost.iter().any(|policy| policy.permits && !taken_over(policy))
        || won.iter().any(|policy| !policy.permits && !known_before(policy));
    Direction::of(may_widen, may_narrow)
}

/// Policy by policy: those that stayed under another id are renamed, the others changed, came or went.
fn changes<'a>(
    certain: &Certain<'_>,
    old: &'a [Meaning],
    by_new: &BTreeMap<&str, &'a Meaning>,
    gone: &[&'a Meaning],
    came: &[&'a Meaning],
) -> (Vec<PolicyChange>, Vec<Pair<'a>>) {
    let mut changes = Vec::new();
    let mut pairs = Vec::new();
    let mut came: Vec<&Meaning> = came.to_vec();
    for policy in old {
        let Some(now) = by_new.get(policy.id.as_str()).copied() else { continue };
        let was_changed = gone.iter().any(|one| one.id == policy.id);
        let mut words = if was_changed { words::changes(policy, now, certain) } else { Vec::new() };
        words.extend(words::notes(&policy.notes, &now.notes));
        if was_changed {
            pairs.push(Pair { old: Some(policy), new: Some(now) });
            came.retain(|one| one.id != policy.id);
        }
        let (kind, direction) = match was_changed {
            true => (ChangeKind::Changed, one_direction(certain, Some(policy), Some(now))),
            false => (ChangeKind::Annotated, Direction::Same),
        };
        if was_changed || !words.is_empty() {
            changes.push(PolicyChange { id: policy.id.clone(), kind, was: None, direction, words });
        }
    }
    for policy in gone.iter().filter(|policy| !by_new.contains_key(policy.id.as_str())) {
        if let Some(at) = came.iter().position(|now| policy.means_what(now)) {
            let now = came.remove(at);
            let words = words::notes(&policy.notes, &now.notes);
            let (id, was) = (now.id.clone(), Some(policy.id.clone()));
            changes.push(PolicyChange { id, kind: ChangeKind::Renamed, was, direction: Direction::Same, words });
            continue;
        }
        let direction = one_direction(certain, Some(policy), None);
        let words = vec![words::described(policy)];
        changes.push(PolicyChange { id: policy.id.clone(), kind: ChangeKind::Removed, was: None, direction, words });
        pairs.push(Pair { old: Some(policy), new: None });
    }
    for policy in came {
        let direction = one_direction(certain, None, Some(policy));
        let words = vec![words::described(policy)];
        changes.push(PolicyChange { id: policy.id.clone(), kind: ChangeKind::Added, was: None, direction, words });
        pairs.push(Pair { old: None, new: Some(policy) });
    }
    changes.sort_by(|a, b| a.id.cmp(&b.id));
    (changes, pairs)
}

/// What one policy's change alone can do.
fn one_direction(certain: &Certain<'_>, old: Option<&Meaning>, new: Option<&Meaning>) -> Direction {
    let side = |policy: Option<&Meaning>| policy.into_iter().cloned().collect::<Vec<_>>();
    let (olds, news) = (side(old), side(new));
    direction(certain, &olds, &news, &olds.iter().collect::<Vec<_>>(), &news.iter().collect::<Vec<_>>())
}

/// Most questions that both sets are asked.
const QUESTIONS: usize = 6000;
