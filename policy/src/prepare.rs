//! What is known of who asks, made ready once for many questions.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::cedar_facts::CedarFacts;
use crate::compile::{Entity, Keys};
use crate::facts::{DeviceFacts, FactValue, Identity, Principal};
use crate::schema::{FactKind, Facts, PostureFact};

/// Facts about a principal, their device and session, ready for questions to the [`PolicySet`](crate::PolicySet) that made it.
///
/// It holds times, not ages, so it stays right while nothing but the clock changes.
pub struct Prepared {
    generation: Generation,
    identity: Option<Identity>,
    /// What is known of each declared posture fact, in the order of the declarations.
    posture: Box<[Option<FactValue>]>,
    keys: KeySet,
    /// The same as Cedar takes it: made when Cedar is first asked, which is seldom.
    cedar: OnceLock<Result<CedarFacts, PrepareError>>,
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

/// The entities that somebody is or is in, of those that policies name: their numbers, and one bit for each.
#[derive(Debug)]
pub(crate) struct KeySet {
    sorted: Box<[u32]>,
    bits: Box<[u64]>,
}

impl Generation {
    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Prepared {
    pub(crate) fn new(generation: Generation, facts: &Facts, keys: &Keys, identity: &Identity) -> Result<Self, PrepareError> {
        let uid = uid(Some(identity));
        if uid.id.is_empty() {
            return Err(PrepareError::NoId);
        }
        let groups = match &identity.principal {
            Principal::User(user) => Some(&user.groups),
            Principal::Service(_) => None,
        };
        let groups = groups.into_iter().flatten().filter_map(|group| keys.find("Group", group));
        Ok(Self {
            generation,
            posture: facts.posture.iter().map(|fact| posture_value(fact, &identity.device)).collect(),
            keys: KeySet::new(keys.find(uid.kind, uid.id).into_iter().chain(groups).collect(), keys.len()),
            identity: Some(identity.clone()),
            cedar: OnceLock::new(),
        })
    }

    pub(crate) fn anonymous(generation: Generation, keys: &Keys) -> Self {
        let uid = uid(None);
        Self {
            generation,
            identity: None,
            posture: Box::default(),
            keys: KeySet::new(keys.find(uid.kind, uid.id).into_iter().collect(), keys.len()),
            cedar: OnceLock::new(),
        }
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }

    /// Who it is; `None` is anybody.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    pub(crate) fn uid(&self) -> Entity<'_> {
        uid(self.identity.as_ref())
    }

    pub(crate) fn keys(&self) -> &KeySet {
        &self.keys
    }

    pub(crate) fn posture(&self) -> &[Option<FactValue>] {
        &self.posture
    }

    /// The facts as Cedar takes them.
    pub(crate) fn cedar(&self, schema: &Facts) -> Result<&CedarFacts, PrepareError> {
        let made = self.cedar.get_or_init(|| CedarFacts::new(self.identity.as_ref(), schema));
        made.as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for Prepared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entity { kind, id } = self.uid();
        f.debug_struct("Prepared")
            .field("generation", &self.generation)
            .field("principal", &format_args!("{kind}::{id:?}"))
            .finish_non_exhaustive()
    }
}

impl KeySet {
    fn new(mut keys: Vec<u32>, of: usize) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let mut bits = vec![0_u64; of.div_ceil(64)];
        for &key in &keys {
            if let Some(word) = bits.get_mut(key as usize / 64) {
                *word |= 1 << (key % 64);
            }
        }
        Self { sorted: keys.into(), bits: bits.into() }
    }

    pub(crate) fn contains(&self, key: u32) -> bool {
        self.bits.get(key as usize / 64).is_some_and(|word| word >> (key % 64) & 1 == 1)
    }

    pub(crate) fn sorted(&self) -> &[u32] {
        &self.sorted
    }
}

/// What a device says of a declared fact. Another type than the declared one is not a fact: it counts as unknown.
pub(crate) fn posture_value(fact: &PostureFact, device: &DeviceFacts) -> Option<FactValue> {
    match (fact.kind, device.posture.get(&fact.name)) {
        (FactKind::Flag, Some(value @ FactValue::Flag(_)))
        | (FactKind::Number, Some(value @ FactValue::Number(_)))
        | (FactKind::Text, Some(value @ FactValue::Text(_))) => Some(value.clone()),
        (FactKind::Flag, _) if fact.required => Some(FactValue::Flag(false)),
        _ => None,
    }
}

fn uid(identity: Option<&Identity>) -> Entity<'_> {
    match identity.map(|identity| &identity.principal) {
        Some(Principal::User(user)) => Entity { kind: "User", id: &user.id },
        Some(Principal::Service(service)) => Entity { kind: "Service", id: &service.id },
        None => Entity { kind: "Anonymous", id: "anyone" },
    }
}
