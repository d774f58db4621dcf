//! Proofs: the policies' author claims what can never happen, and a solver looks for a request that does it.
//!
//! Arrives: a checked policy set, and what is claimed of it. Leaves: for each claim, that it holds, a request for which it does
//! not, or why nobody knows. Refused: an answer that the deciding engine does not confirm. The solver is a child process that
//! ends when whoever asked goes away.

mod process;
mod program;
mod relay;
mod report;
mod run;
#[cfg(test)]
mod tests;

pub use self::program::{Limits, Program, SolverMissing};
pub use self::report::{faults, json, lines};
pub use self::run::{Claims, Finding, Run, claims, look, run, with_old};
