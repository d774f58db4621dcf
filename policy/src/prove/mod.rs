//! What can never happen, proved.
//!
//! Arrives: claims about a policy set, and a solver. Leaves: that each holds for every request that there can be, or a request
//! for which it does not, asked of the deciding engine itself before anybody is told. Refused: nothing; what is out of reach is
//! "not proved", never "proved". Nobody waits for it on the way of a request.
//!
//! The solver is somebody else's process. This crate only makes the question and reads the answer: whoever calls hands in
//! something that takes text and gives text back ([`Solver`]), without waiting in between.

mod assume;
mod claim;
mod doubt;
mod file;
mod goal;
mod model;
mod outcome;
mod scope;
mod shrink;
mod slice;
mod solve;

pub use cedar_policy_symcc::solver::{Decision as Satisfiable, DecisionWithModel, Solver, SolverError};

pub use claim::{Claim, Proof};
pub use doubt::{Doubts, doubts};
pub use file::read_proofs;
pub use goal::{equivalent, prove};
pub use outcome::{Counterexample, Outcome, Proved};
pub use solve::Prover;
