//! Why a decision came out as it did, and what would have to be otherwise.
//!
//! Arrives: a question. Leaves: the policies that decided, what another sign-in would do, the nearest ways to yes.
//! Refused: nothing; what cannot be explained within bounds says so. All of it was decided on the very set, never guessed.

mod about;
mod candidates;
mod change;
mod explanation;
mod looks;
mod moments;
mod parts;
mod search;
mod step_up;
mod widest;
mod work;

pub use about::PolicyInfo;
pub use change::{By, Change};
pub use explanation::{Effort, Explanation, Lifted, Nearly, Way};
pub use step_up::StepUp;

pub(crate) use about::About;

#[cfg(test)]
mod tests;
