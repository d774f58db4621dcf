//! What cores notice that is worth a second look: stolen credentials, one device in two networks, a device that is refused again and
//! again. They hand it over and go on; a desk on the control runtime puts it together, records it and acts on it.

mod bursts;
mod desk;
mod former_keys;
mod metrics;
mod networks;
mod report;

pub use desk::Desk;
pub use metrics::SignalMetrics;
pub use report::Signals;
pub(super) use report::{Sighted, Theft, Whose};
