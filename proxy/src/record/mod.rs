//! Arrives: what happened to a request. Leaves: lines in the record, on the disk's way before the first byte of an answer.
//! Refused: any answer whose line cannot be written. If the client goes away, the drop guard still writes the `end`.

mod guard;
mod line;
mod metrics;
mod recorder;
mod segment;

pub use guard::{Ending, Open};
pub use line::{Access, Decision, End, Gap, Start};
pub use metrics::RecordMetrics;
pub use recorder::{RecordError, Recorder};
pub use segment::{Segment, SyncSchedule};
