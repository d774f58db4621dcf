//! What a policy's scope lets through, read off once.
//!
//! INVARIANT (no-policy-lost): a policy is left out of a slice only where its scope is false whatever the facts, so that leaving
//! it out changes no decision.

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

use super::slice::Who;
use crate::action::Action;
use crate::names::Names;
use crate::set::App;

/// The scope of one policy.
pub(super) struct Scope {
    actions: Vec<Action>,
    users: bool,
    services: bool,
    anyone: bool,
    resource: Resource,
}

/// What stands in the scope for the resource.
pub(super) enum Resource {
    Any,
    App(String),
    Tag(String),
    Nothing,
}

impl Scope {
    pub(super) fn of(policy: &Policy, names: &Names) -> Self {
        let actions = Action::ALL.into_iter().filter(|action| passes(&policy.action_constraint(), *action, names)).collect();
        let principal = policy.principal_constraint();
        let may_be = |kind: &cedar_policy::EntityTypeName| match &principal {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Is(is) => is == kind,
            PrincipalConstraint::IsIn(is, of) => is == kind && reaches(kind, of, names),
            PrincipalConstraint::Eq(is) => is.type_name() == kind,
            PrincipalConstraint::In(of) => reaches(kind, of, names),
        };
        Self {
            actions,
            users: may_be(&names.user),
            services: may_be(&names.service),
            anyone: may_be(&names.anonymous),
            resource: Resource::of(&policy.resource_constraint(), names),
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// Whether it lets `app` through.
    pub(super) fn is_about(&self, app: &App) -> bool {
        match &self.resource {
            Resource::Any => true,
            Resource::App(name) => *name == app.name,
            Resource::Tag(tag) => app.tags.contains(tag),
            Resource::Nothing => false,
        }
    }

    /// Whether it lets such a principal through, for such an action.
    pub(super) fn lets(&self, action: Action, who: Who) -> bool {
        let principal = match who {
            Who::User => self.users,
            Who::Service => self.services,
            Who::Anyone => self.anyone,
        };
        principal && self.actions.contains(&action)
    }
}

impl Resource {
    fn of(constraint: &ResourceConstraint, names: &Names) -> Self {
        let entity = |entity: &EntityUid, eq: bool| {
            let id = entity.id().unescaped().to_owned();
            if *entity.type_name() == names.app {
                Self::App(id)
            } else if *entity.type_name() == names.tag && !eq {
                Self::Tag(id)
            } else {
                Self::Nothing
            }
        };
        match constraint {
            ResourceConstraint::Any => Self::Any,
            ResourceConstraint::Is(kind) if *kind == names.app => Self::Any,
            ResourceConstraint::IsIn(kind, of) if *kind == names.app => entity(of, false),
            ResourceConstraint::In(of) => entity(of, false),
            ResourceConstraint::Eq(of) => entity(of, true),
            ResourceConstraint::Is(_) | ResourceConstraint::IsIn(..) => Self::Nothing,
        }
    }
}

fn passes(constraint: &ActionConstraint, action: Action, names: &Names) -> bool {
    let own = names.action(action);
    match constraint {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(entity) => entity == own,
        ActionConstraint::In(entities) => entities.iter().any(|entity| entity == own || action.is_in(group(entity, names))),
    }
}

/// The name of a group of actions; of anything else, none.
fn group<'a>(entity: &'a EntityUid, names: &Names) -> &'a str {
    if entity.type_name() == names.any_use.type_name() { entity.id().unescaped() } else { "" }
}

/// Whether a principal of `kind` can be `of` or in it: only users are in groups.
fn reaches(kind: &cedar_policy::EntityTypeName, of: &EntityUid, names: &Names) -> bool {
    of.type_name() == kind || (*of.type_name() == names.group && *kind == names.user)
}
