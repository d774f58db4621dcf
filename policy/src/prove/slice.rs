//! A policy set cut into pieces that are proved one by one: an app, an action and a kind of principal each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use cedar_policy::{Effect, EntityUid, Policy, RequestEnv};

use super::scope::{Resource, Scope};
use crate::action::{Action, OwnActions};
use crate::names::Names;
use crate::set::{App, PolicySet};

/// What kind of principal asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    User,
    Service,
    Anyone,
}

/// An action with a kind of principal that can ask for it: what Cedar calls a request environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Env {
    pub(super) action: Action,
    pub(super) who: Who,
}

/// The policies of a set, ready to be cut.
pub(super) struct Cutter {
    policies: Vec<Cut>,
    anywhere: Vec<usize>,
    by_app: HashMap<String, Vec<usize>>,
    by_tag: HashMap<String, Vec<usize>>,
}

/// A policy with what is read off it once.
pub(super) struct Cut {
    pub(super) policy: Policy,
    pub(super) scope: Scope,
    /// Its text without annotations: two policies with the same are the same.
    pub(super) text: String,
    /// Apps and tags that it names anywhere.
    pub(super) resources: Vec<EntityUid>,
}

impl Who {
    /// Those that can ask for `action`.
    fn of(action: Action) -> &'static [Self] {
        if action == Action::Public { &[Self::Anyone] } else { &[Self::User, Self::Service] }
    }
}

impl Env {
    /// Those in which `app` can be asked for something, where `own` is asked of the gate itself.
    pub(super) fn of(app: &App, own: OwnActions) -> impl Iterator<Item = Self> {
        let all = Action::ALL.into_iter().flat_map(|action| Who::of(action).iter().map(move |&who| Self { action, who }));
        all.filter(move |env| env.action.is_asked_of(&app.name) && own.has(env.action))
    }

    pub(super) fn request_env(self, names: &Names) -> RequestEnv {
        let principal = match self.who {
            Who::User => &names.user,
            Who::Service => &names.service,
            Who::Anyone => &names.anonymous,
        };
        RequestEnv::new(principal.clone(), names.action(self.action).clone(), names.app.clone())
    }
}

impl Cutter {
    pub(super) fn new(set: &PolicySet) -> Self {
        let names = &set.facts.names;
        let ids = set.policy_ids();
        let every: Vec<Policy> = ids.iter().filter_map(|id| set.about.get(id)).map(|(_, entry)| entry.policy.clone()).collect();
        let mut cutter = Self {
            policies: Vec::with_capacity(every.len()),
            anywhere: Vec::new(),
            by_app: HashMap::new(),
            by_tag: HashMap::new(),
        };
        for (at, policy) in every.into_iter().enumerate() {
            let scope = Scope::of(&policy, names);
            match scope.resource() {
                Resource::Any => cutter.anywhere.push(at),
                Resource::App(name) => cutter.by_app.entry(name.clone()).or_default().push(at),
                Resource::Tag(tag) => cutter.by_tag.entry(tag.clone()).or_default().push(at),
                Resource::Nothing => {}
            }
            let mut resources = policy.entity_literals();
            resources.retain(|entity| *entity.type_name() == names.app || *entity.type_name() == names.tag);
            cutter.policies.push(Cut { text: meaning(&policy), scope, resources, policy });
        }
        cutter
    }

    pub(super) fn policies(&self) -> &[Cut] {
        &self.policies
    }

    /// The policies whose scope lets such a request through, by their number, in order.
    pub(super) fn candidates(&self, app: &App, env: Env) -> Vec<usize> {
        let tagged = app.tags.iter().filter_map(|tag| self.by_tag.get(tag)).flatten();
        let named = self.by_app.get(&app.name).into_iter().flatten();
        let mut found: Vec<usize> = self.anywhere.iter().chain(named).chain(tagged).copied().collect();
        found.retain(|&at| self.policies.get(at).is_some_and(|cut| cut.scope.lets(env.action, env.who)));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The same, themselves.
    pub(super) fn slice(&self, app: &App, env: Env) -> Vec<&Cut> {
        self.candidates(app, env).into_iter().filter_map(|at| self.policies.get(at)).collect()
    }
}

impl Cut {
    pub(super) fn permits(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }

    pub(super) fn id(&self) -> &str {
        self.policy.id().as_ref()
    }
}

/// What is true of `app` among the apps and tags that are spoken of: for the solver, an app is nothing but this.
pub(super) fn truths<'b>(app: &App, spoken: impl Iterator<Item = &'b EntityUid>, names: &Names) -> BTreeMap<String, bool> {
    let distinct: BTreeSet<&EntityUid> = spoken.collect();
    let truth = |entity: &EntityUid| {
        let id = entity.id().unescaped();
        if *entity.type_name() == names.app {
            (format!("resource == {entity}"), id == app.name)
        } else {
            (format!("resource in {entity}"), app.tags.contains(id))
        }
    };
    distinct.into_iter().map(truth).collect()
}

/// A policy without its id and annotations, as text.
pub(super) fn meaning(policy: &Policy) -> String {
    match policy.to_json() {
        Ok(mut json) => {
            if let Some(object) = json.as_object_mut() {
                object.remove("annotations");
            }
            json.to_string()
        }
        // Then it is like no other.
        Err(_) => format!("{} {policy}", policy.id()),
    }
}
