//! The record, kept: signed, packed, bounded, and vouched for elsewhere.
//!
//! Arrives: where the chains stand, and segments that are finished. Leaves: checkpoints (all heads signed together) on the disk and
//! at the sinks, a signed summary for each finished segment, the segment packed, and in the end only its summary.
//! Refused: to sign what does not fit together; it is left as it is, counted and named in the log. Nobody waits for any of this:
//! a sink that is down is caught up later, and access goes on meanwhile.

mod checkpoint;
mod housekeeper;
mod journal;
mod keeper;
mod keys;
mod metrics;
mod pace;
mod pack;
mod place;
mod retention;
mod scan;
mod signed;
mod signer;
mod sinks;
mod summary;
mod tending;
#[cfg(test)]
mod tests;

pub use checkpoint::{Checkpoint, CheckpointError, verify_checkpoint};
pub use journal::Checkpoints;
pub use keeper::{FinishedWords, KeepError, Keeper};
pub use keys::{KeysError, PublicKeys, SigningKey};
pub use metrics::{KeepMetrics, SegmentState, SentOutcome};
pub use pack::{Frame, frames};
pub use signed::SignatureError;
pub use sinks::{SinkError, SinkKind};
pub use summary::{Because, Summary, SummaryError, verify_summary};
