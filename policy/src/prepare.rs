//! What is known of who asks, made ready once for many questions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use cedar_policy::{Entities, Entity, EntityTypeName, EntityUid, RestrictedExpression as Value};

use crate::facts::{DeviceFacts, FactValue, Identity, Principal, SessionFacts};
use crate::names::{Names, uid};
use crate::question::datetime;
use crate::schema::{FactKind, Facts, PostureFact};

/// Facts about a principal, their device and session, ready for questions to the [`PolicySet`](crate::PolicySet) that made it.
///
/// It holds times, not ages, so it stays right while nothing but the clock changes.
pub struct Prepared {
    generation: Generation,
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

/// The facts cannot stand for anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// `User::""` is the owner of what is nobody's.
    #[error("the principal has an empty id")]
    NoId,
    /// Cedar did not take a value.
    #[error("a fact cannot be expressed: {0}")]
    Inexpressible(String),
}

/// Which set something was made for: no two sets of a process have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

impl Generation {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Prepared {
    pub(crate) fn new(generation: Generation, facts: &Facts, identity: &Identity) -> Result<Self, PrepareError> {
        let known = KnownParts {
            device: device(&identity.device, facts)?,
            posture_at_ms: identity.device.posture_at_ms,
            session: session(&identity.session),
            authenticated_at_ms: identity.session.authenticated_at_ms,
        };
        let principal = principal(&identity.principal, &facts.names)?;
        // Checked here, once: questions then add it to their entities without looking again.
        Entities::from_entities([principal.clone()], Some(&facts.schema)).map_err(inexpressible)?;
        Ok(Self { generation, principal, known: Some(known) })
    }

    pub(crate) fn anonymous(generation: Generation, facts: &Facts) -> Self {
        Self { generation, principal: Entity::with_uid(uid(&facts.names.anonymous, "anyone")), known: None }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let principal = self.principal.uid().to_string();
        f.debug_struct("Prepared").field("generation", &self.generation).field("principal", &principal).finish_non_exhaustive()
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
    let posture = declared.filter_map(|fact| Some((fact.name.clone(), posture_value(fact, facts)?)));
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

/// What a device says of a declared fact. Another type than the declared one is not a fact: it counts as unknown.
fn posture_value(fact: &PostureFact, device: &DeviceFacts) -> Option<Value> {
    match (fact.kind, device.posture.get(&fact.name)) {
        (FactKind::Flag, Some(FactValue::Flag(flag))) => Some(Value::new_bool(*flag)),
        (FactKind::Number, Some(FactValue::Number(number))) => Some(Value::new_long(*number)),
        (FactKind::Text, Some(FactValue::Text(value))) => Some(text(value)),
        (FactKind::Flag, _) if fact.required => Some(Value::new_bool(false)),
        _ => None,
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
