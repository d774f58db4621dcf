//! The policies of a cell, sorted by whom their scope lets through: a question looks at those for anybody, and then only at
//! those that name something that the principal is or is in.

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

/// The policies of one group for one action, in one piece: those that forbid, then those that permit; of each, first those
/// for all of some types, then those with a key, sorted by it.
#[derive(Default)]
pub(crate) struct Cell {
    entries: Box<[Entry]>,
    /// Where the forbids with a key begin, the permits, and the permits with a key.
    keyed_forbids: u32,
    permits: u32,
    keyed_permits: u32,
}

/// A policy by its number, and whom it lets through: the bits of types, or a key.
#[derive(Clone, Copy)]
struct Entry {
    gate: u32,
    policy: u32,
}

/// Policies and their gates as they come.
#[derive(Default)]
pub(crate) struct Unsorted {
    open: Vec<Entry>,
    keyed: Vec<Entry>,
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

impl Cell {
    pub(crate) fn new(forbids: Unsorted, permits: Unsorted) -> Self {
        let end = |entries: &[Entry]| u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let mut entries = forbids.open;
        let keyed_forbids = end(&entries);
        entries.extend(sorted(forbids.keyed));
        let begin = end(&entries);
        entries.extend(permits.open);
        let keyed_permits = end(&entries);
        entries.extend(sorted(permits.keyed));
        Self { entries: entries.into(), keyed_forbids, permits: begin, keyed_permits }
    }

    /// The forbids whose scope lets `prepared` through, each once.
    pub(crate) fn forbids<'a>(&'a self, prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
        let keyed = self.part(self.keyed_forbids, self.permits);
        open_to(self.part(0, self.keyed_forbids), prepared).chain(naming(keyed, prepared))
    }

    /// The permits whose scope lets `prepared` through, each once.
    pub(crate) fn permits<'a>(&'a self, prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
        let keyed = self.part(self.keyed_permits, u32::MAX);
        open_to(self.part(self.permits, self.keyed_permits), prepared).chain(naming(keyed, prepared))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, whomever they let through.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> + '_ {
        self.entries.iter().map(|entry| entry.policy)
    }

    fn part(&self, start: u32, end: u32) -> &[Entry] {
        let end = self.entries.len().min(end as usize);
        self.entries.get(start as usize..end).unwrap_or_default()
    }
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by_key(|entry| entry.gate);
    entries
}

/// The policies for all of the principal's type.
fn open_to<'a>(entries: &'a [Entry], prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
    let kind = u32::from(bit_of(prepared.uid()));
    entries.iter().filter(move |entry| entry.gate & kind != 0).map(|entry| entry.policy)
}

/// The policies that name something that the principal is or is in.
fn naming<'a>(entries: &'a [Entry], prepared: &'a Prepared) -> impl Iterator<Item = u32> + 'a {
    let own = prepared.keys();
    // Few keys here: look whether each is one of theirs. Many: look for each of theirs.
    let few = entries.len() <= SCAN.saturating_mul(own.sorted().len());
    let (here, theirs): (&[Entry], &[u32]) = if few { (entries, &[]) } else { (&[], own.sorted()) };
    let scanned = here.iter().filter(|entry| own.contains(entry.gate));
    let searched = theirs.iter().flat_map(|&key| {
        let (_, from) = entries.split_at(entries.partition_point(|entry| entry.gate < key));
        from.iter().take_while(move |entry| entry.gate == key)
    });
    scanned.chain(searched).map(|entry| entry.policy)
}

impl Unsorted {
    pub(crate) fn add(&mut self, policy: u32, gate: Gate) {
        match gate {
            Gate::Types(kinds) => self.open.push(Entry { gate: kinds.into(), policy }),
            Gate::Key(gate) => self.keyed.push(Entry { gate, policy }),
        }
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
