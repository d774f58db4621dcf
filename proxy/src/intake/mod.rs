//! Arrives: what a posture source pushes of many devices, with its token. Leaves: it is kept and in effect, and an answer that says of
//! each device what became of it. Refused: whoever has no token, and what is not a report at all; of each device, what is not known,
//! not what its fact is, not the source's to say, or of another time.
//! If the client goes away, what was read whole is taken all the same.

mod answer;
mod certificate;
#[doc(hidden)]
pub mod fuzzing;
mod judge;
mod metrics;
mod osquery;
mod refusal;
mod report;
#[cfg(test)]
mod tests;
mod token;
mod wire;

pub use metrics::IntakeMetrics;
pub use refusal::IntakeRefusal;
pub use report::Intake;
pub use wire::MAX_BODY_BYTES;
