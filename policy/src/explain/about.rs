//! What each policy is, and what it looks at: kept beside the set for whoever asks why.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::{Effect, Policy};

use super::parts::Parts;
use crate::problem::Place;
use crate::set::PolicySet;

/// A policy of a set, to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyInfo<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whether it permits or forbids.
    pub permits: bool,
    /// The file it stands in, and the line, counted from 1.
    pub file: &'a str,
    /// See [`PolicyInfo::file`].
    pub line: usize,
    /// As it is written, annotations included.
    pub text: &'a str,
    /// What its author lets people read whom it refuses: `@advice("…")`.
    pub advice: Option<&'a str>,
    /// Whether its author lets those people know all the facts that it asks for: `@show("public")`.
    pub shown: bool,
}

/// All policies of a set.
pub(crate) struct About {
    policies: HashMap<Arc<str>, Entry>,
}

/// One policy.
pub(crate) struct Entry {
    pub(crate) policy: Policy,
    place: Option<Place>,
    text: Box<str>,
    /// Worked out when somebody asks first: most policies never refuse anybody.
    parts: OnceLock<Parts>,
}

impl About {
    pub(crate) fn new(policies: impl Iterator<Item = (Arc<str>, Policy, Option<Place>, Box<str>)>) -> Self {
        let entry = |(id, policy, place, text)| (id, Entry { policy, place, text, parts: OnceLock::new() });
        Self { policies: policies.map(entry).collect() }
    }

    pub(crate) fn get(&self, id: &str) -> Option<(&Arc<str>, &Entry)> {
        self.policies.get_key_value(id)
    }
}

impl Entry {
    pub(crate) fn parts(&self) -> &Parts {
        self.parts.get_or_init(|| Parts::of(&self.policy))
    }

    /// Where it stands.
    #[cfg(feature = "prove")]
    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(crate) fn permits(&self) -> bool {
        self.policy.effect() == Effect::Permit
    }
}

impl PolicySet {
    /// A policy of the set, by its id.
    pub fn policy(&self, id: &str) -> Option<PolicyInfo<'_>> {
        let (id, entry) = self.about.get(id)?;
        let annotation = |name: &str| entry.policy.annotation(name);
        Some(PolicyInfo {
            id,
            permits: entry.permits(),
            file: entry.place.as_ref().map_or("", |place| &place.file),
            line: entry.place.as_ref().map_or(0, |place| place.line),
            text: &entry.text,
            advice: annotation("advice").filter(|advice| !advice.is_empty()),
            shown: annotation("show") == Some("public"),
        })
    }
}
