//! Arrives: what happened to a request. Leaves: lines in the record, on the disk's way before the first byte of an answer, with all
//! that it takes to make the decision again.
//! Refused: any answer whose line cannot be written. If the client goes away, the drop guard still writes the `end`.

mod event;
mod guard;
mod journal;
mod line;
mod metrics;
mod moment;
pub mod read;
mod recorder;
mod segment;
mod sets;

pub use event::{Event, EventKind};
pub use guard::{Ending, Open};
pub use journal::{Journal, Noted};
pub use line::{Access, CandidateSaid, Decision, End, Gap, RecordedWay, Start};
pub use metrics::RecordMetrics;
pub use recorder::{RecordError, Recorder};
pub use segment::{Segment, SyncSchedule};
pub use sets::{SetError, SetShelf};
