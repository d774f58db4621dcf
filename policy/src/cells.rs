//! The policies, sorted by what they can be about: for each app and action, the few whose scope can match.

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{ActionConstraint, Entities, Entity, EntityUid, Policy, PolicySet, ResourceConstraint};

use crate::names::{Names, uid};
use crate::request::Action;
use crate::schema::Facts;
use crate::set::{App, Catalogue};

/// For each app and action, the policies that can match.
pub(crate) struct Cells {
    apps: HashMap<String, usize>,
    rows: Vec<Row>,
    every: PolicySet,
}

/// One app's cells.
pub(crate) struct Row {
    uid: EntityUid,
    /// The app in its tags, and the actions.
    entities: Entities,
    read: Arc<PolicySet>,
    write: Arc<PolicySet>,
    connect: Arc<PolicySet>,
    public: Arc<PolicySet>,
}

/// Why the cells could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CellsError {
    #[error("the app `{0}` is named twice")]
    Twice(String),
    #[error("the policies do not fit together: {0}")]
    Policies(Box<cedar_policy::PolicySetError>),
    #[error("the apps do not fit the schema: {0}")]
    Entities(Box<cedar_policy::entities_errors::EntitiesError>),
}

impl From<cedar_policy::PolicySetError> for CellsError {
    fn from(error: cedar_policy::PolicySetError) -> Self {
        Self::Policies(Box::new(error))
    }
}

impl From<cedar_policy::entities_errors::EntitiesError> for CellsError {
    fn from(error: cedar_policy::entities_errors::EntitiesError) -> Self {
        Self::Entities(Box::new(error))
    }
}

impl Cells {
    pub(crate) fn new(policies: &[Policy], catalogue: &Catalogue, facts: &Facts) -> Result<Self, CellsError> {
        let index = Index::new(policies, &facts.names);
        let mut shared = HashMap::new();
        let mut apps = HashMap::new();
        let mut rows = Vec::with_capacity(catalogue.apps.len());
        for app in &catalogue.apps {
            if apps.insert(app.name.clone(), rows.len()).is_some() {
                return Err(CellsError::Twice(app.name.clone()));
            }
            let about = index.about(app);
            let mut cell = |action| {
                let chosen: Vec<usize> = about.iter().copied().filter(|&at| index.applies(at, action)).collect();
                cell(&mut shared, policies, chosen)
            };
            let row = Row {
                read: cell(Action::Read)?,
                write: cell(Action::Write)?,
                connect: cell(Action::Connect)?,
                public: cell(Action::Public)?,
                entities: entities(app, facts)?,
                uid: uid(&facts.names.app, &app.name),
            };
            rows.push(row);
        }
        Ok(Self { apps, rows, every: PolicySet::from_policies(policies.iter().cloned())? })
    }

    /// What there is for the app of this name.
    pub(crate) fn row(&self, app: &str) -> Option<&Row> {
        self.apps.get(app).and_then(|&at| self.rows.get(at))
    }

    /// All of them.
    pub(crate) fn every(&self) -> &PolicySet {
        &self.every
    }
}

impl Row {
    pub(crate) fn uid(&self) -> &EntityUid {
        &self.uid
    }

    pub(crate) fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The policies whose scope can match.
    pub(crate) fn candidates(&self, action: Action) -> &PolicySet {
        match action {
            Action::Read => &self.read,
            Action::Write => &self.write,
            Action::Connect => &self.connect,
            Action::Public => &self.public,
        }
    }
}

/// The policies by what stands in their scope for the resource.
///
/// INVARIANT (no-forbid-lost): a policy is left out only where its scope is false, whatever the facts. A scope never fails,
/// and Cedar looks at it first, so what is left out could neither have matched nor failed.
struct Index {
    anywhere: Vec<usize>,
    by_app: HashMap<String, Vec<usize>>,
    by_tag: HashMap<String, Vec<usize>>,
    actions: Vec<ActionGate>,
}

/// The actions that a policy's scope lets through.
#[derive(Clone, Copy)]
struct ActionGate {
    read: bool,
    write: bool,
    connect: bool,
    public: bool,
}

impl Index {
    fn new(policies: &[Policy], names: &Names) -> Self {
        let mut index = Self { anywhere: Vec::new(), by_app: HashMap::new(), by_tag: HashMap::new(), actions: Vec::new() };
        for (at, policy) in policies.iter().enumerate() {
            index.actions.push(ActionGate::new(&policy.action_constraint(), names));
            match policy.resource_constraint() {
                ResourceConstraint::Any => index.anywhere.push(at),
                ResourceConstraint::Is(kind) if kind == names.app => index.anywhere.push(at),
                ResourceConstraint::IsIn(kind, _) if kind != names.app => {}
                ResourceConstraint::Eq(entity) | ResourceConstraint::In(entity) | ResourceConstraint::IsIn(_, entity)
                    if *entity.type_name() == names.app =>
                {
                    index.by_app.entry(entity.id().unescaped().to_owned()).or_default().push(at);
                }
                ResourceConstraint::In(entity) | ResourceConstraint::IsIn(_, entity) if *entity.type_name() == names.tag => {
                    index.by_tag.entry(entity.id().unescaped().to_owned()).or_default().push(at);
                }
                // Another type, or `== Tag::"…"`: no app is that.
                ResourceConstraint::Is(_)
                | ResourceConstraint::Eq(_)
                | ResourceConstraint::In(_)
                | ResourceConstraint::IsIn(..) => {}
            }
        }
        index
    }

    /// The policies whose scope lets the app through, in the order of the files.
    fn about(&self, app: &App) -> Vec<usize> {
        let tagged = app.tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten();
        let named = self.by_app.get(&app.name).into_iter().flatten();
        let mut found: Vec<usize> = self.anywhere.iter().chain(named).chain(tagged).copied().collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn applies(&self, at: usize, action: Action) -> bool {
        self.actions.get(at).is_none_or(|gate| match action {
            Action::Read => gate.read,
            Action::Write => gate.write,
            Action::Connect => gate.connect,
            Action::Public => gate.public,
        })
    }
}

impl ActionGate {
    fn new(constraint: &ActionConstraint, names: &Names) -> Self {
        let passes = |action: Action| {
            let own = names.action(action);
            match constraint {
                ActionConstraint::Any => true,
                ActionConstraint::Eq(entity) => entity == own,
                ActionConstraint::In(entities) => {
                    entities.iter().any(|entity| entity == own || (action.is_use() && *entity == names.any_use))
                }
            }
        };
        Self {
            read: passes(Action::Read),
            write: passes(Action::Write),
            connect: passes(Action::Connect),
            public: passes(Action::Public),
        }
    }
}

/// The policy set of `chosen`; cells of the same policies share one.
fn cell(
    shared: &mut HashMap<Vec<usize>, Arc<PolicySet>>,
    policies: &[Policy],
    chosen: Vec<usize>,
) -> Result<Arc<PolicySet>, CellsError> {
    if let Some(set) = shared.get(&chosen) {
        return Ok(Arc::clone(set));
    }
    let set = Arc::new(PolicySet::from_policies(chosen.iter().filter_map(|&at| policies.get(at)).cloned())?);
    shared.insert(chosen, Arc::clone(&set));
    Ok(set)
}

fn entities(app: &App, facts: &Facts) -> Result<Entities, CellsError> {
    let tags = app.tags.iter().map(|tag| uid(&facts.names.tag, tag)).collect();
    let app = Entity::new_no_attrs(uid(&facts.names.app, &app.name), tags);
    // With the schema, Cedar adds the actions and their groups by itself.
    Ok(Entities::from_entities([app], Some(&facts.schema))?)
}
