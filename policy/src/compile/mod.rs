//! Conditions in a form of our own, decided in nanoseconds; Cedar stays the judge of what they mean.
//!
//! Arrives: a policy's conditions as Cedar's public syntax tree. Leaves: nodes over typed facts, with every constant folded.
//! Refused: what is not known here for certain; Cedar then decides it.
//!
//! Nothing is decided by guess. A node that fails (a number overflows, a fact is not there) says only that it failed: Cedar
//! is then asked the same question, and its answer and its words hold. A property test compares the two over generated
//! policy sets and questions, and over Cedar's own published cases.

mod eval;
mod fact;
mod literal;
mod lower;
mod node;
mod pattern;
mod value;
mod world;

#[cfg(test)]
#[path = "../../tests/published/mod.rs"]
mod published;

pub(crate) use eval::truth;
pub(crate) use fact::{Fact, Part, Step};
pub(crate) use lower::{Keys, Lowerer};
pub(crate) use node::Node;
pub(crate) use value::{Entity, Ip, Record, Set, Value};
pub(crate) use world::{Variable, World};

/// A node could not be evaluated. Why is for Cedar to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;
