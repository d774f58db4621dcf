//! Where values come from: a request to the gate; in tests, any of Cedar's worlds.

use super::fact::{Fact, Part};
use super::value::{Entity, Record, Value};
use crate::action::ActionBits;

/// What a question stands on.
pub(crate) trait World<'a> {
    /// A variable that names an entity.
    fn variable(&self, variable: Variable) -> Entity<'a>;

    /// The whole context.
    fn context(&self) -> Record<'a>;

    /// A fact of the context; `None` where it is not there.
    fn fact(&self, fact: Fact) -> Option<Value<'a>>;

    /// Whether a part of the context is there.
    fn has(&self, part: Part) -> bool;

    /// A part of the context as a record.
    fn part(&self, part: Part) -> Option<Record<'a>>;

    /// An attribute of an entity; `None` where there is no such attribute or no such entity.
    fn attribute(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>>;

    /// A tag of an entity; `None` where there is no such tag or no such entity.
    fn tag(&self, entity: Entity<'_>, name: &str) -> Option<Value<'a>>;

    /// Whether `child` is `parent` or below it.
    fn is_in(&self, child: Entity<'_>, parent: Entity<'_>) -> bool;

    /// Whether the principal is the entity of this key or below it.
    fn is_member(&self, key: u32) -> bool;

    /// Whether the resource is the entity of this key or below it.
    fn is_resource_in(&self, key: u32) -> bool;

    /// Whether the action is one of `actions`: bits in the order of [`Action::ALL`](crate::Action::ALL).
    fn is_action_of(&self, actions: ActionBits) -> bool;
}

/// A variable that names an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    Principal,
    Action,
    Resource,
}

/// No world: what evaluates in it is constant.
pub(crate) struct Nowhere;

impl<'a> World<'a> for Nowhere {
    fn variable(&self, _: Variable) -> Entity<'a> {
        Entity { kind: "", id: "" }
    }

    fn context(&self) -> Record<'a> {
        Record::Made([].into())
    }

    fn fact(&self, _: Fact) -> Option<Value<'a>> {
        None
    }

    fn has(&self, _: Part) -> bool {
        false
    }

    fn part(&self, _: Part) -> Option<Record<'a>> {
        None
    }

    fn attribute(&self, _: Entity<'_>, _: &str) -> Option<Value<'a>> {
        None
    }

    fn tag(&self, _: Entity<'_>, _: &str) -> Option<Value<'a>> {
        None
    }

    fn is_in(&self, child: Entity<'_>, parent: Entity<'_>) -> bool {
        child == parent
    }

    fn is_member(&self, _: u32) -> bool {
        false
    }

    fn is_resource_in(&self, _: u32) -> bool {
        false
    }

    fn is_action_of(&self, _: ActionBits) -> bool {
        false
    }
}
