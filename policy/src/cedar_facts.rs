//! What is known of who asks, as Cedar takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cedar_policy::{Entities, Entity, EntityTypeName, EntityUid, RestrictedExpression as Value};

use crate::facts::{DeviceFacts, FactValue, Identity, Principal, SessionFacts};
use crate::names::{Names, uid};
use crate::prepare::{PrepareError, posture_value};
use crate::question::datetime;
use crate::schema::Facts;

/// The principal, and the parts of the context that only a known one has.
pub(crate) struct CedarFacts {
    pub(crate) principal: Entity,
    pub(crate) known: Option<KnownParts>,
}

/// The parts of the context that only a known principal has, without the ages.
pub(crate) struct KnownParts {
    pub(crate) device: Vec<(String, Value)>,
    pub(crate) posture_at_ms: Option<i64>,
    pub(crate) session: Vec<(String, Value)>,
    pub(crate) authenticated_at_ms: Option<i64>,
}

impl CedarFacts {
    /// Of somebody, or of anybody.
    pub(crate) fn new(identity: Option<&Identity>, facts: &Facts) -> Result<Self, PrepareError> {
        let Some(identity) = identity else {
            return Ok(Self { principal: Entity::with_uid(uid(&facts.names.anonymous, "anyone")), known: None });
        };
        let known = KnownParts {
            device: device(&identity.device, facts)?,
            posture_at_ms: identity.device.posture_at_ms,
            session: session(&identity.session),
            authenticated_at_ms: identity.session.authenticated_at_ms,
        };
        let principal = principal(&identity.principal, &facts.names)?;
        // Checked here, once: questions then add it to their entities without looking again.
        Entities::from_entities([principal.clone()], Some(&facts.schema)).map_err(inexpressible)?;
        Ok(Self { principal, known: Some(known) })
    }
}

fn principal(principal: &Principal, names: &Names) -> Result<Entity, PrepareError> {
    match principal {
        Principal::User(user) => {
            let attributes = [("email", &user.email), ("name", &user.name)];
            let groups = user.groups.iter().map(|group| uid(&names.group, group)).collect();
            entity(&names.user, &user.id, &attributes, groups, &user.claims)
        }
        Principal::Service(service) => {
            entity(&names.service, &service.id, &[("name", &service.name)], Vec::new(), &service.claims)
        }
    }
}

fn entity(
    kind: &EntityTypeName,
    id: &str,
    attributes: &[(&str, &Option<String>)],
    parents: Vec<EntityUid>,
    claims: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Entity, PrepareError> {
    if id.is_empty() {
        return Err(PrepareError::NoId);
    }
    let attributes =
        attributes.iter().filter_map(|(name, value)| Some(((*name).to_owned(), Value::new_string((*value).clone()?))));
    let tags = claims.iter().map(|(name, values)| (name.clone(), texts(values)));
    Entity::new_with_tags(uid(kind, id), attributes, parents, tags).map_err(inexpressible)
}

fn device(facts: &DeviceFacts, schema: &Facts) -> Result<Vec<(String, Value)>, PrepareError> {
    let owner = facts.owner.as_deref().unwrap_or_default();
    let declared = schema.posture.iter();
    let posture = declared.filter_map(|fact| Some((fact.name.clone(), expressed(posture_value(fact, facts)?))));
    Ok(vec![
        ("id".to_owned(), text(&facts.id)),
        ("owner".to_owned(), Value::new_entity_uid(uid(&schema.names.user, owner))),
        ("authority".to_owned(), text(&facts.authority)),
        ("platform".to_owned(), text(&facts.platform)),
        ("managed".to_owned(), Value::new_bool(facts.managed)),
        ("shared".to_owned(), Value::new_bool(facts.shared)),
        ("key_protection".to_owned(), text(&facts.key_protection)),
        ("enrolled_at".to_owned(), datetime(facts.enrolled_at_ms)),
        ("posture".to_owned(), Value::new_record(posture).map_err(inexpressible)?),
    ])
}

fn expressed(value: FactValue) -> Value {
    match value {
        FactValue::Flag(flag) => Value::new_bool(flag),
        FactValue::Number(number) => Value::new_long(number),
        FactValue::Text(value) => Value::new_string(value),
    }
}

fn session(facts: &SessionFacts) -> Vec<(String, Value)> {
    vec![
        ("mfa".to_owned(), Value::new_bool(facts.mfa)),
        ("acr".to_owned(), text(facts.acr.as_deref().unwrap_or_default())),
        ("amr".to_owned(), texts(&facts.amr)),
        ("provider".to_owned(), text(&facts.provider)),
        ("binding".to_owned(), text(&facts.binding)),
    ]
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn texts(values: &BTreeSet<String>) -> Value {
    Value::new_set(values.iter().map(|value| text(value)))
}

fn inexpressible(error: impl fmt::Display) -> PrepareError {
    PrepareError::Inexpressible(error.to_string())
}
