//! What came of a proof.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::query::Query;
use crate::verdict::Verdict;

/// What came of one claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it holds.
    pub proved: Proved,
    /// How many combinations of app, action and kind of principal it was proved for, or tried for.
    pub slices: usize,
    /// How many questions that took: the same question is put once.
    pub asked: usize,
    /// Policies that are out of the solver's reach; what is proved is proved whatever they say.
    pub left_out: BTreeSet<String>,
}

/// Whether a claim holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proved {
    /// For every request that there can be.
    Holds,
    /// Not for this one: the deciding engine itself answers so.
    Refuted(Box<Counterexample>),
    /// Nobody knows.
    Not {
        /// Why, in words.
        reasons: Vec<String>,
        /// A request that the solver named and that the deciding engine decides otherwise: no counterexample.
        unconfirmed: Option<Box<Query>>,
    },
}

/// A request for which a claim does not hold, with the verdicts of the deciding engine on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The request.
    pub query: Query,
    /// The policies that permit it.
    pub permitted_by: Arc<[Arc<str>]>,
    /// What the old set decides, where two are compared.
    pub old: Option<Verdict>,
}

impl Outcome {
    /// Whether the claim holds.
    pub fn holds(&self) -> bool {
        self.proved == Proved::Holds
    }
}
