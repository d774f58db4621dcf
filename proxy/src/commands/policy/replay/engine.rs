//! Decides recorded requests again, under other policies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use quick_cache::unsync::Cache;
use sekisho_policy::{Catalogue, PolicySet, Prepared, Problem};

use super::changes::{Change, Changes};
use crate::decide::PolicyTexts;
use crate::record::Decision;
use crate::record::read::{AccessLine, FactsLine, LineKind, RawLine, ReadError, RecordFolder, Span, Tally, identity};
use crate::secret::Digest;

/// The new policies, and what was found of them so far.
pub(super) struct Replay<'a> {
    folder: &'a RecordFolder,
    texts: &'a PolicyTexts,
    span: Span,
    /// The new policies for a catalogue each: the given one, or those of the recorded sets.
    worlds: Vec<World>,
    /// Which world a recorded set belongs to; `None` if its catalogue cannot be had.
    of_set: HashMap<Box<str>, Option<usize>>,
    fixed: bool,
    facts: HashMap<Box<str>, Facts>,
    /// What came of it.
    pub(super) outcome: Outcome,
}

/// What came of a replay.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Decided again.
    pub(super) decided: u64,
    /// With the same answer, by the same policies.
    pub(super) same: u64,
    /// With the same answer, by others.
    pub(super) same_by_others: u64,
    pub(super) losses: u64,
    pub(super) gains: u64,
    pub(super) changes: Changes,
    /// Answered before policy was asked, by reason.
    pub(super) before_policy: BTreeMap<String, u64>,
    /// For the gate's own addresses.
    pub(super) own: u64,
    /// What cannot be decided again, by what is missing.
    pub(super) undecided: BTreeMap<String, u64>,
    /// `access` lines that cannot be read.
    pub(super) unreadable: u64,
    /// `facts` lines that are not what they were.
    pub(super) damaged_facts: u64,
    pub(super) tally: Tally,
    /// When the first and the last of the requests were made.
    pub(super) first: Option<String>,
    pub(super) last: Option<String>,
}

struct World {
    catalogue: Catalogue,
    apps: HashSet<String>,
    set: PolicySet,
    /// By the numbers of the facts. `None`: they cannot stand for anybody.
    prepared: Cache<(u32, u32), Option<Rc<Prepared>>>,
}

/// Facts about a device or a person, as recorded.
struct Facts {
    number: u32,
    json: Box<str>,
}

/// Why a request cannot be decided again.
enum Undecided {
    Because(&'static str),
    Told(String),
}

impl<'a> Replay<'a> {
    /// Of the new policies `texts` for the apps of `catalogue`; without it, for the apps that the recorded sets were for.
    ///
    /// # Errors
    /// Every problem of the policies.
    pub(super) fn new(
        folder: &'a RecordFolder,
        texts: &'a PolicyTexts,
        catalogue: Option<Catalogue>,
        span: Span,
    ) -> Result<Self, Vec<Problem>> {
        let fixed = catalogue.is_some();
        // Loaded once in any case, so that bad policies are told even if the record is empty.
        let world = World::new(texts, catalogue.unwrap_or_default())?;
        Ok(Self {
            folder,
            texts,
            span,
            worlds: vec![world],
            of_set: HashMap::new(),
            fixed,
            facts: HashMap::new(),
            outcome: Outcome::default(),
        })
    }

    /// How many policies the new set has.
    pub(super) fn policies(&self) -> usize {
        self.worlds.first().map_or(0, |world| world.set.len())
    }

    /// Reads the whole record.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub(super) fn run(&mut self) -> Result<(), ReadError> {
        let mut lines = self.folder.lines()?;
        while let Some(line) = lines.next_line()? {
            match line.kind {
                LineKind::Facts => self.remember(&line),
                LineKind::Access if self.span.has(line.at) => self.access(&line),
                LineKind::Access
                | LineKind::Start
                | LineKind::End
                | LineKind::Gap
                | LineKind::Progress
                | LineKind::Event
                | LineKind::Open
                | LineKind::Close => {}
            }
        }
        self.outcome.tally = lines.tally();
        Ok(())
    }

    fn remember(&mut self, line: &RawLine<'_>) {
        let Some(facts) = FactsLine::parse(line.text) else {
            // Whoever names them will be counted as what cannot be decided again.
            self.outcome.damaged_facts += 1;
            return;
        };
        if !self.facts.contains_key(facts.hash) {
            let number = u32::try_from(self.facts.len()).unwrap_or(u32::MAX);
            self.facts.insert(facts.hash.into(), Facts { number, json: facts.json.into() });
        }
    }

    fn access(&mut self, line: &RawLine<'_>) {
        let Ok(access) = AccessLine::parse(line.text) else {
            self.outcome.unreadable += 1;
            return;
        };
        self.outcome.saw(line.at);
        if access.decision == Decision::Own {
            self.outcome.own += 1;
            return;
        }
        if access.policy_set.is_none() {
            count(&mut self.outcome.before_policy, &access.reason);
            return;
        }
        if let Err(why) = self.decide(&access) {
            match why {
                Undecided::Because(why) => count(&mut self.outcome.undecided, why),
                Undecided::Told(why) => count(&mut self.outcome.undecided, &why),
            }
        }
    }

    fn decide(&mut self, access: &AccessLine<'_>) -> Result<(), Undecided> {
        let question = access.question().map_err(|unfit| Undecided::Told(unfit.to_string()))?;
        let question = question.ok_or(Undecided::Because("policy was not asked"))?;
        let index = self.world_of(access.policy_set.as_deref().unwrap_or_default())?;
        let facts = match access.facts().map_err(|unfit| Undecided::Told(unfit.to_string()))? {
            None => None,
            Some((device, session)) => {
                let find = |hash| self.facts.get(hash).ok_or(Undecided::Because("the facts of its moment are not in the record"));
                Some((find(device)?, find(session)?))
            }
        };
        let world = self.worlds.get_mut(index).ok_or(Undecided::Because("the apps of its moment are not known"))?;
        if !world.apps.contains(question.app) {
            return Err(Undecided::Told(format!("there is no app `{}` any more", question.app)));
        }
        let verdict = match facts {
            None => world.set.decide(world.set.anonymous(), &question),
            Some((device, session)) => {
                let prepared = world.prepare(device, session)?;
                world.set.decide(&prepared, &question)
            }
        };
        self.outcome.compare(access, &verdict);
        Ok(())
    }

    /// The new policies for the apps that there were under the recorded set of this hash.
    fn world_of(&mut self, set: &str) -> Result<usize, Undecided> {
        if self.fixed {
            return Ok(0);
        }
        if !self.of_set.contains_key(set) {
            let world = self.make_world(set);
            self.of_set.insert(set.into(), world);
        }
        let known = self.of_set.get(set).copied().flatten();
        known.ok_or(Undecided::Because("the policy set of its moment, with the apps that there were, is missing or was changed"))
    }

    fn make_world(&mut self, set: &str) -> Option<usize> {
        let hash: Digest = set.parse().ok()?;
        let catalogue = self.folder.sets().fetch(&hash).ok()?.catalogue;
        if let Some(known) = self.worlds.iter().position(|world| world.catalogue == catalogue) {
            return Some(known);
        }
        let world = World::new(self.texts, catalogue).ok()?;
        self.worlds.push(world);
        Some(self.worlds.len() - 1)
    }
}

impl World {
    fn new(texts: &PolicyTexts, catalogue: Catalogue) -> Result<Self, Vec<Problem>> {
        let set = PolicySet::load(&texts.policies, &texts.additions, &catalogue)?.set;
        let apps = catalogue.apps.iter().map(|app| app.name.clone()).collect();
        Ok(Self { catalogue, apps, set, prepared: Cache::new(PREPARED) })
    }

    fn prepare(&mut self, device: &Facts, session: &Facts) -> Result<Rc<Prepared>, Undecided> {
        let key = (device.number, session.number);
        if let Some(known) = self.prepared.get(&key) {
            return known.clone().ok_or(UNUSABLE);
        }
        let identity = identity(&device.json, &session.json);
        let prepared = identity.and_then(|identity| self.set.prepare(&identity).ok()).map(Rc::new);
        self.prepared.insert(key, prepared.clone());
        prepared.ok_or(UNUSABLE)
    }
}

impl Outcome {
    fn saw(&mut self, at: &str) {
        if self.first.as_deref().is_none_or(|first| at < first) {
            self.first = Some(at.to_owned());
        }
        if self.last.as_deref().is_none_or(|last| at > last) {
            self.last = Some(at.to_owned());
        }
    }

    fn compare(&mut self, access: &AccessLine<'_>, verdict: &sekisho_policy::Verdict) {
        self.decided += 1;
        // Where nothing says what policy decided then, it is no news.
        let before = access.decision.of_policy(&access.reason).unwrap_or(verdict.is_allowed());
        match (before, verdict.is_allowed()) {
            (true, false) => {
                self.losses += 1;
                self.changes.add(Change::Loss, access, verdict);
            }
            (false, true) => {
                self.gains += 1;
                self.changes.add(Change::Gain, access, verdict);
            }
            _ if access.policies.iter().map(|policy| &**policy).eq(verdict.policies.iter().map(|policy| &**policy)) => {
                self.same += 1
            }
            _ => self.same_by_others += 1,
        }
    }

    /// How many cannot be decided again.
    pub(super) fn undecided(&self) -> u64 {
        self.undecided.values().sum::<u64>() + self.unreadable
    }
}

/// Reasons come from a closed list; one that a hostile line made up does not make the table grow without bound.
fn count(table: &mut BTreeMap<String, u64>, what: &str) {
    if let Some(number) = table.get_mut(what) {
        *number += 1;
    } else {
        let what = if table.len() < MOST_REASONS { what } else { "others" };
        *table.entry(what.to_owned()).or_default() += 1;
    }
}

const UNUSABLE: Undecided = Undecided::Because("the facts of its moment cannot be used");
/// Pairs of person and device for which the question is kept ready: some hundred MiB at most.
const PREPARED: usize = 16 * 1024;
const MOST_REASONS: usize = 200;
