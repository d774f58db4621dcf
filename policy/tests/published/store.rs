//! The world of one published case.

use std::collections::{BTreeMap, HashMap};

use cedar_policy::{Context, Entities, EntityUid, EvalResult, Policy};

use super::super::fact::{Fact, Part};
use super::super::lower::Lowerer;
use super::super::node::Node;
use super::super::value::{Entity, Record, Stored, StoredSet, Value};
use super::super::world::{Variable, World};

/// Every entity of a case.
pub(super) struct Store {
    kept: HashMap<(String, String), Kept>,
}

#[derive(Default)]
struct Kept {
    attributes: BTreeMap<String, Stored>,
    tags: BTreeMap<String, Stored>,
    ancestors: Vec<(String, String)>,
}

/// One request of a case.
pub(super) struct Asked<'a> {
    pub(super) store: &'a Store,
    pub(super) variables: [(String, String); 3],
    pub(super) context: BTreeMap<String, Stored>,
}

pub(super) fn pair(uid: &EntityUid) -> (String, String) {
    (uid.type_name().to_string(), uid.id().unescaped().to_owned())
}

impl Store {
    pub(super) fn new(entities: &Entities) -> Self {
        let kept = entities.iter().map(|entity| {
            let uid = entity.uid();
            let attributes = entity.attrs().map(|(name, value)| (name.to_owned(), stored(&value.unwrap()))).collect();
            let tags = entity.tags().map(|(name, value)| (name.to_owned(), stored(&value.unwrap()))).collect();
            let ancestors = entities.ancestors(&uid).into_iter().flatten().map(pair).collect();
            (pair(&uid), Kept { attributes, tags, ancestors })
        });
        Self { kept: kept.collect() }
    }

    fn get(&self, entity: Entity<'_>) -> Option<&Kept> {
        self.kept.get(&(entity.kind.to_owned(), entity.id.to_owned()))
    }
}

pub(super) fn fields(context: &Context, names: impl Iterator<Item = String>) -> BTreeMap<String, Stored> {
    names.filter_map(|name| Some((name.clone(), stored(&context.get(&name)?)))).collect()
}

fn stored(value: &EvalResult) -> Stored {
    match value {
        EvalResult::Bool(value) => Stored::Bool(*value),
        EvalResult::Long(value) => Stored::Long(*value),
        EvalResult::String(value) => Stored::Text(value.as_str().into()),
        EvalResult::EntityUid(uid) => {
            let (kind, id) = pair(uid);
            Stored::Entity { kind: kind.into(), id: id.into() }
        }
        EvalResult::Set(set) => Stored::Set(StoredSet::new(set.iter().map(stored).collect())),
        EvalResult::Record(record) => Stored::Record(record.iter().map(|(name, value)| (name.clone(), stored(value))).collect()),
        // It comes as the expression that makes it.
        EvalResult::ExtensionValue(text) => {
            let policy: Policy = format!("permit (principal, action, resource) when {{ {text} }};").parse().unwrap();
            let tree = policy.to_pst().unwrap();
            match Lowerer::for_anything().conditions(tree.body().clauses()).unwrap() {
                Node::And(nodes) => match &*nodes {
                    [Node::Constant(constant)] => constant.clone(),
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            }
        }
    }
}

impl<'a> World<'a> for &'a Asked<'a> {
    fn variable(&self, variable: Variable) -> Entity<'a> {
        let [principal, action, resource] = &self.variables;
        let (kind, id) = match variable {
            Variable::Principal => principal,
            Variable::Action => action,
            Variable::Resource => resource,
        };
        Entity { kind, id }
    }

    fn context(&self) -> Record<'a> {
        Record::Stored(&self.context)
    }

    fn attribute(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>> {
        self.store.get(entity)?.attributes.get(name).map(Stored::value)
    }

    fn tag(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>> {
        self.store.get(entity)?.tags.get(name).map(Stored::value)
    }

    fn is_in(&self, child: Entity<'_>, parent: Entity<'_>) -> bool {
        let above = |kept: &Kept| kept.ancestors.iter().any(|(kind, id)| kind == parent.kind && id == parent.id);
        child == parent || self.store.get(child).is_some_and(above)
    }

    // Nothing is known beforehand, so these are never asked.
    fn fact(&self, fact: Fact) -> Option<Value<'a>> {
        panic!("{fact:?}")
    }

    fn has(&self, part: Part) -> bool {
        panic!("{part:?}")
    }

    fn part(&self, part: Part) -> Option<Record<'a>> {
        panic!("{part:?}")
    }

    fn is_member(&self, key: u32) -> bool {
        panic!("{key}")
    }

    fn is_resource_in(&self, key: u32) -> bool {
        panic!("{key}")
    }

    fn is_action_of(&self, actions: u32) -> bool {
        panic!("{actions}")
    }
}
