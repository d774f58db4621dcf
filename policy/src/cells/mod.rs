//! The policies, sorted by what they can be about: for each app and action, the few whose scope can match.

use std::collections::HashMap;
use std::sync::OnceLock;

use cedar_policy::pst::{self, ActionConstraint, EntityOrSlot, EntityType, EntityUID, ResourceConstraint};
use cedar_policy::{Effect, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet};

use self::candidates::{Gate, Unsorted};
use self::rule::Rule;
use crate::action::{Action, ActionBits};
use crate::compile::{Keys, Lowerer};
use crate::names::uid;
use crate::schema::Facts;
use crate::set::{App, Catalogue};

mod candidates;
pub(crate) mod rule;

pub(crate) use self::candidates::Cell;

/// For each app and action, the policies that can match.
pub(crate) struct Cells {
    apps: HashMap<String, Row>,
    groups: Vec<Group>,
    /// In the order of their ids: where one's number is smaller, its id is.
    rules: Vec<Rule>,
    keys: Keys,
    every: PolicySet,
}

/// One app.
pub(crate) struct Row {
    name: String,
    /// The groups of policies about it.
    groups: Box<[usize]>,
    tags: Box<[String]>,
    /// The app itself and its tags, of those that conditions name.
    keys: Box<[u32]>,
    /// The same as Cedar takes it: made when Cedar is first asked.
    cedar: OnceLock<Result<CedarApp, String>>,
}

/// An app as Cedar takes it.
pub(crate) struct CedarApp {
    pub(crate) uid: EntityUid,
    /// The app in its tags, and the actions.
    pub(crate) entities: Entities,
}

/// The policies about everything, about one tag, or about one app: for each action, those that forbid and those that permit.
///
/// INVARIANT (no-forbid-lost): a policy is left out only where its scope is false, whatever the facts. A scope never fails,
/// and Cedar looks at it first, so what is left out could neither have matched nor failed.
#[derive(Default)]
pub(crate) struct Group {
    of_apps: [Cell; Action::OF_APPS],
    /// Of what the gate itself is asked for; empty where none of it is meant, as in most.
    own: Box<[Cell]>,
}

/// Why the cells could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CellsError {
    #[error("the app `{0}` is named twice")]
    Twice(String),
    #[error("the policies do not fit together: {0}")]
    Policies(Box<cedar_policy::PolicySetError>),
    #[error("a policy cannot be read again: {0}")]
    Syntax(Box<cedar_policy::pst::PstConstructionError>),
    #[error("a policy is made from a template")]
    Template,
    #[error("the apps do not fit the schema: {0}")]
    Entities(String),
}

impl Cells {
    pub(crate) fn new(policies: &[Policy], catalogue: &Catalogue, facts: &Facts) -> Result<Self, CellsError> {
        let mut sorted: Vec<&Policy> = policies.iter().collect();
        sorted.sort_unstable_by(|a, b| AsRef::<str>::as_ref(a.id()).cmp(b.id().as_ref()));
        let mut keys = Keys::default();
        let mut sorter = Sorter::default();
        let mut rules = Vec::with_capacity(sorted.len());
        for (policy, at) in sorted.into_iter().zip(0..) {
            let tree = policy.to_pst().map_err(|error| CellsError::Syntax(Box::new(error)))?;
            let pst::Policy::Static(policy_itself) = &tree else { return Err(CellsError::Template) };
            let body = policy_itself.body();
            let conditions = Lowerer::for_the_gate(&facts.posture, &mut keys).conditions(body.clauses());
            rules.push(Rule::new(policy.id().as_ref(), conditions.ok()));
            if let Some(gate) = Gate::new(&body.principal, &mut keys) {
                sorter.add(at, policy.effect(), gate, actions(&body.action), &body.resource);
            }
        }
        let (groups, about) = sorter.into_groups();
        let mut apps = HashMap::new();
        for app in &catalogue.apps {
            let row = Row::new(app, &about, &keys);
            if apps.insert(app.name.clone(), row).is_some() {
                return Err(CellsError::Twice(app.name.clone()));
            }
        }
        // One is made to see that the schema takes them; all are alike.
        if let Some(row) = apps.values().next() {
            row.cedar(facts).map_err(|error| CellsError::Entities(error.to_owned()))?;
        }
        let every = PolicySet::from_policies(policies.iter().cloned()).map_err(|error| CellsError::Policies(Box::new(error)))?;
        Ok(Self { apps, groups, rules, keys, every })
    }

    /// What there is for the app of this name.
    pub(crate) fn row(&self, app: &str) -> Option<&Row> {
        self.apps.get(app)
    }

    /// The policies about an app, for one action.
    pub(crate) fn cells<'a>(&'a self, row: &'a Row, action: Action) -> impl Iterator<Item = &'a Cell> + Clone {
        row.groups.iter().filter_map(move |&group| self.groups.get(group)?.cell(action))
    }

    pub(crate) fn rule(&self, at: u32) -> Option<&Rule> {
        self.rules.get(at as usize)
    }

    /// The one of this id.
    pub(crate) fn find(&self, id: &str) -> Option<&Rule> {
        let at = self.rules.binary_search_by(|rule| (**rule.id()).cmp(id)).ok()?;
        self.rules.get(at)
    }

    /// In the order of their ids.
    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// All of them, as Cedar has them.
    pub(crate) fn every(&self) -> &PolicySet {
        &self.every
    }

    /// One of them, as Cedar has it.
    pub(crate) fn policy(&self, at: u32) -> Option<&Policy> {
        self.every.policy(&PolicyId::new(&**self.rule(at)?.id()))
    }
}

impl Group {
    fn new(cells: [[Unsorted; 2]; Action::ALL.len()]) -> Self {
        let mut cells = cells.into_iter().map(|[forbids, permits]| Cell::new(forbids, permits));
        let of_apps = std::array::from_fn(|_| cells.next().unwrap_or_default());
        let own: Vec<Cell> = cells.collect();
        let own = if own.iter().all(Cell::is_empty) { Box::default() } else { own.into_boxed_slice() };
        Self { of_apps, own }
    }

    fn cell(&self, action: Action) -> Option<&Cell> {
        match action.index().checked_sub(Action::OF_APPS) {
            Some(at) => self.own.get(at),
            None => self.of_apps.get(action.index()),
        }
    }
}

impl Row {
    fn new(app: &App, about: &About, keys: &Keys) -> Self {
        let tagged = app.tags.iter().filter_map(|tag| about.by_tag.get(tag));
        let mut groups: Vec<usize> = about.anywhere.iter().chain(about.by_app.get(&app.name)).chain(tagged).copied().collect();
        groups.sort_unstable();
        let named = app.tags.iter().filter_map(|tag| keys.find("Tag", tag));
        Self {
            name: app.name.clone(),
            groups: groups.into(),
            tags: app.tags.iter().cloned().collect(),
            keys: keys.find("App", &app.name).into_iter().chain(named).collect(),
            cedar: OnceLock::new(),
        }
    }

    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|own| own == tag)
    }

    /// Whether it is the entity of this key, or in it.
    pub(crate) fn is_in(&self, key: u32) -> bool {
        self.keys.contains(&key)
    }

    /// The app as Cedar takes it.
    pub(crate) fn cedar(&self, facts: &Facts) -> Result<&CedarApp, &str> {
        let made = self.cedar.get_or_init(|| {
            let uid = uid(&facts.names.app, &self.name);
            let tags = self.tags.iter().map(|tag| crate::names::uid(&facts.names.tag, tag)).collect();
            let app = Entity::new_no_attrs(uid.clone(), tags);
            // With the schema, Cedar adds the actions and their groups by itself.
            let entities = Entities::from_entities([app], Some(&facts.schema)).map_err(|error| error.to_string())?;
            Ok(CedarApp { uid, entities })
        });
        made.as_ref().map_err(String::as_str)
    }
}

/// Puts policies into groups.
#[derive(Default)]
struct Sorter {
    about: About,
    groups: Vec<[[Unsorted; 2]; Action::ALL.len()]>,
}

/// Which group is about what.
#[derive(Default)]
struct About {
    anywhere: Option<usize>,
    by_app: HashMap<String, usize>,
    by_tag: HashMap<String, usize>,
}

impl Sorter {
    fn add(&mut self, policy: u32, effect: Effect, gate: Gate, actions: ActionBits, resource: &ResourceConstraint) {
        let next = self.groups.len();
        let app = |kind: &EntityType| is(kind, "App");
        let group = match resource {
            ResourceConstraint::Any => *self.about.anywhere.get_or_insert(next),
            ResourceConstraint::Is(kind) if app(kind) => *self.about.anywhere.get_or_insert(next),
            ResourceConstraint::IsIn(kind, _) if !app(kind) => return,
            ResourceConstraint::Eq(EntityOrSlot::Entity(entity))
            | ResourceConstraint::In(EntityOrSlot::Entity(entity))
            | ResourceConstraint::IsIn(_, EntityOrSlot::Entity(entity))
                if app(&entity.ty) =>
            {
                *self.about.by_app.entry(entity.eid.to_string()).or_insert(next)
            }
            ResourceConstraint::In(EntityOrSlot::Entity(entity)) | ResourceConstraint::IsIn(_, EntityOrSlot::Entity(entity))
                if is(&entity.ty, "Tag") =>
            {
                *self.about.by_tag.entry(entity.eid.to_string()).or_insert(next)
            }
            // Another type, or `== Tag::"…"`: no app is that. Templates never get here.
            ResourceConstraint::Is(_) | ResourceConstraint::Eq(_) | ResourceConstraint::In(_) | ResourceConstraint::IsIn(..) => {
                return;
            }
        };
        if group == next {
            self.groups.push(Default::default());
        }
        for action in Action::ALL.iter().filter(|action| actions & action.bit() != 0) {
            if let Some([forbids, permits]) = self.groups.get_mut(group).and_then(|cells| cells.get_mut(action.index())) {
                let cell = if effect == Effect::Forbid { forbids } else { permits };
                cell.add(policy, gate);
            }
        }
    }

    fn into_groups(self) -> (Vec<Group>, About) {
        let groups = self.groups.into_iter().map(Group::new).collect();
        (groups, self.about)
    }
}

/// The actions that a policy's scope lets through, a bit for each.
fn actions(constraint: &ActionConstraint) -> ActionBits {
    let passes = |action: Action| {
        let own = |entity: &EntityUID| is(&entity.ty, "Action") && entity.eid == action.as_str();
        match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(entity) => own(entity),
            ActionConstraint::In(entities) => {
                entities.iter().any(|entity| own(entity) || (is(&entity.ty, "Action") && action.is_in(&entity.eid)))
            }
        }
    };
    Action::ALL.iter().filter(|action| passes(**action)).fold(0, |bits, action| bits | action.bit())
}

/// Whether a type is the one of our schema with this name.
fn is(kind: &EntityType, name: &str) -> bool {
    kind.0.namespace.is_empty() && kind.0.id.as_str() == name
}
