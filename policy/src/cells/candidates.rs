//! The policies of a cell, sorted by whom their scope lets through: a question looks at those for anybody, and then only at
//! those that name something that the principal is or is in.

use std::collections::BTreeMap;

use cedar_policy::pst::{EntityOrSlot, EntityType, PrincipalConstraint};

use crate::compile::{Entity, Keys};
use crate::prepare::Prepared;

/// Whom a policy's scope lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Those of some types, a bit for each.
    Types(u8),
    /// Those that are the entity of this key, or in it.
    Key(u32),
}

/// Policies by their gates, with numbers for names.
#[derive(Default)]
pub(crate) struct Candidates {
    /// Policies for all of some types.
    open: Box<[(u32, u8)]>,
    /// The keys of all others, sorted.
    keys: Box<[u32]>,
    /// Where each key's policies end in `keyed`.
    ends: Box<[u32]>,
    keyed: Box<[u32]>,
}

/// Policies and their gates as they come.
#[derive(Default)]
pub(crate) struct Unsorted {
    open: Vec<(u32, u8)>,
    keyed: BTreeMap<u32, Vec<u32>>,
}

impl Gate {
    /// `None` where no principal can pass.
    pub(crate) fn new(constraint: &PrincipalConstraint, keys: &mut Keys) -> Option<Self> {
        match constraint {
            PrincipalConstraint::Any => Some(Self::Types(ANYBODY)),
            PrincipalConstraint::Is(kind) => Some(Self::Types(type_bit(kind))).filter(|gate| *gate != Self::Types(0)),
            PrincipalConstraint::Eq(EntityOrSlot::Entity(entity)) if type_bit(&entity.ty) == 0 => None,
            PrincipalConstraint::Eq(EntityOrSlot::Entity(entity)) | PrincipalConstraint::In(EntityOrSlot::Entity(entity)) => {
                Some(Self::Key(keys.of(&entity.ty.to_string(), &entity.eid)))
            }
            // Only a user is in a group; nobody else is in anything but themselves.
            PrincipalConstraint::IsIn(kind, EntityOrSlot::Entity(entity)) => {
                let below = if entity.ty.to_string() == "Group" { 1 } else { type_bit(&entity.ty) };
                (below != 0 && below == type_bit(kind)).then(|| Self::Key(keys.of(&entity.ty.to_string(), &entity.eid)))
            }
            // Templates never get here.
            PrincipalConstraint::Eq(EntityOrSlot::Slot(_))
            | PrincipalConstraint::In(EntityOrSlot::Slot(_))
            | PrincipalConstraint::IsIn(_, EntityOrSlot::Slot(_)) => None,
        }
    }
}

impl Candidates {
    /// Those whose scope lets `prepared` through, each once.
    pub(crate) fn of<'a>(&'a self, prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
        let kind = bit_of(prepared.uid());
        let open = self.open.iter().filter(move |(_, kinds)| kinds & kind != 0).map(|(policy, _)| *policy);
        open.chain(self.named(prepared))
    }

    /// All of them, whomever they let through.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.open.iter().map(|(policy, _)| *policy).chain(self.keyed.iter().copied())
    }

    /// Those that name something that `prepared` is or is in.
    fn named<'a>(&'a self, prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
        let own = prepared.keys();
        // Few keys here: look whether each is one of theirs. Many: look for each of theirs.
        let few = self.keys.len() <= SCAN.saturating_mul(own.sorted().len());
        let (here, theirs): (&[u32], &[u32]) = if few { (&self.keys, &[]) } else { (&[], own.sorted()) };
        let scanned = here.iter().enumerate().filter(|(_, key)| own.contains(**key)).map(|(at, _)| at);
        let searched = theirs.iter().filter_map(|key| self.keys.binary_search(key).ok());
        scanned.chain(searched).flat_map(|at| self.policies(at)).copied()
    }

    /// The policies of the key at this place.
    fn policies(&self, at: usize) -> &[u32] {
        let end = |at: usize| self.ends.get(at).map_or(0, |&end| end as usize);
        let start = at.checked_sub(1).map_or(0, end);
        self.keyed.get(start..end(at)).unwrap_or_default()
    }
}

impl Unsorted {
    pub(crate) fn add(&mut self, policy: u32, gate: Gate) {
        match gate {
            Gate::Types(kinds) => self.open.push((policy, kinds)),
            Gate::Key(key) => self.keyed.entry(key).or_default().push(policy),
        }
    }

    pub(crate) fn sort(self) -> Candidates {
        let mut keyed = Vec::new();
        let mut ends = Vec::new();
        let keys = self.keyed.keys().copied().collect();
        for policies in self.keyed.into_values() {
            keyed.extend(policies);
            ends.push(u32::try_from(keyed.len()).unwrap_or(u32::MAX));
        }
        Candidates { open: self.open.into(), keys, ends: ends.into(), keyed: keyed.into() }
    }
}

/// A bit for each type of principal; none for others.
fn type_bit(kind: &EntityType) -> u8 {
    if kind.0.namespace.is_empty() { bit_of(Entity { kind: kind.0.id.as_str(), id: "" }) } else { 0 }
}

fn bit_of(entity: Entity<'_>) -> u8 {
    match entity.kind {
        "User" => 1,
        "Service" => 2,
        "Anonymous" => 4,
        _ => 0,
    }
}

/// The bits of all types.
const ANYBODY: u8 = 7;

/// So many keys are looked at in the time that one is searched for.
const SCAN: usize = 16;
