//! The entity types and actions of the schema, looked up once.

use std::collections::HashMap;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema};

use crate::action::{Action, USE};

/// The entity types and actions of the schema that ships.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) user: EntityTypeName,
    pub(crate) service: EntityTypeName,
    pub(crate) anonymous: EntityTypeName,
    pub(crate) group: EntityTypeName,
    pub(crate) app: EntityTypeName,
    pub(crate) tag: EntityTypeName,
    /// In the order of [`Action::ALL`].
    actions: Box<[EntityUid]>,
    /// The group of all uses of an app.
    pub(crate) any_use: EntityUid,
}

impl Names {
    /// `Err` names what the schema lacks.
    pub(crate) fn find(schema: &Schema) -> Result<Self, String> {
        let types: HashMap<String, EntityTypeName> = schema.entity_types().map(|name| (name.to_string(), name.clone())).collect();
        let declared: HashMap<String, EntityUid> =
            schema.actions().map(|action| (action.id().unescaped().to_owned(), action.clone())).collect();
        let kind = |name: &str| types.get(name).cloned().ok_or_else(|| name.to_owned());
        let action = |name: &str| declared.get(name).cloned().ok_or_else(|| name.to_owned());
        let actions = Action::ALL.iter().map(|known| action(known.as_str())).collect::<Result<_, _>>()?;
        Ok(Self {
            user: kind("User")?,
            service: kind("Service")?,
            anonymous: kind("Anonymous")?,
            group: kind("Group")?,
            app: kind("App")?,
            tag: kind("Tag")?,
            actions,
            any_use: action(USE)?,
        })
    }

    pub(crate) fn action(&self, action: Action) -> &EntityUid {
        // There is one for each. If there were not, the group: nothing can be asked for by it.
        self.actions.get(action.index()).unwrap_or(&self.any_use)
    }
}

/// `kind::"id"`.
pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
