//! The entity types and actions of the schema, looked up once.

use std::collections::HashMap;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::request::Action;

/// The entity types and actions of the schema that ships.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) user: EntityTypeName,
    pub(crate) service: EntityTypeName,
    pub(crate) anonymous: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) app: EntityTypeName,
    pub(crate) tag: EntityTypeName,
    read: EntityUid,
    write: EntityUid,
    connect: EntityUid,
    public: EntityUid,
    /// The group of all actions but `public`.
    pub(crate) any_use: EntityUid,
}

impl Names {
    /// `Err` names what the schema lacks.
    pub(crate) fn find(schema: &Schema) -> Result<Self, String> {
        let types: HashMap<String, EntityTypeName> = schema.entity_types().map(|name| (name.to_string(), name.clone())).collect();
        let actions: HashMap<String, EntityUid> =
            schema.actions().map(|action| (action.id().unescaped().to_owned(), action.clone())).collect();
        let kind = |name: &str| types.get(name).cloned().ok_or_else(|| name.to_owned());
        let action = |name: &str| actions.get(name).cloned().ok_or_else(|| name.to_owned());
        Ok(Self {
            user: kind("User")?,
            service: kind("Service")?,
            anonymous: kind("Anonymous")?,
            group: kind("Group")?,
            app: kind("App")?,
            tag: kind("Tag")?,
            read: action(Action::Read.as_str())?,
            write: action(Action::Write.as_str())?,
            connect: action(Action::Connect.as_str())?,
            public: action(Action::Public.as_str())?,
            any_use: action("use")?,
        })
    }

    pub(crate) fn action(&self, action: Action) -> &EntityUid {
        match action {
            Action::Read => &self.read,
            Action::Write => &self.write,
            Action::Connect => &self.connect,
            Action::Public => &self.public,
        }
    }
}

/// `kind::"id"`.
pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
