//! What everybody has had lately: requests over a minute, bytes of response bodies over an hour and a day, per person, device and app.
//!
//! Arrives: requests and bytes, before they are handed on. Leaves: figures that policies see, and credit for streams. Refused:
//! nothing here; whoever has the figures decides. If the client goes away, the credit that is left is given back.
//!
//! The figures are never too low. They are too high by what happened in the hundredth of a window before it began, and by at most
//! 1 MiB for every stream under way.

mod account;
mod credit;
mod ledger;
mod metrics;
mod pace;
mod rebuild;
mod snapshot;
mod streams;
#[cfg(test)]
mod tests;
mod window;

pub use account::{Figures, Hold, Holder};
pub use credit::{Credit, StreamId, UsedUp};
pub use ledger::{Usage, Used, Whose};
pub use metrics::UsageMetrics;
pub use rebuild::Rebuild;
pub use snapshot::{Heads, Restored, SnapshotError};
