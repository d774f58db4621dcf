//! Why a decision came out as it did, and what would have to be otherwise.
//!
//! Arrives: a question. Leaves: the policies that decided, what another sign-in would do, the nearest ways to yes.
//! Refused: nothing; what cannot be explained within bounds says so. All of it was decided on the very set, never guessed.

mod about;
mod looks;
mod step_up;
mod work;

pub use about::PolicyInfo;
pub use step_up::StepUp;

pub(crate) use about::About;

#[cfg(test)]
mod tests;
