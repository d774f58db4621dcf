//! Arrives: what happened to a request. Leaves: lines in the record, on the disk's way before the first byte of an answer, with all
//! that it takes to make the decision again.
//! Refused: any answer whose line cannot be written. If the client goes away, the drop guard still writes the `end`.

mod archive;
mod chain;
mod draft;
mod event;
mod facts;
mod guard;
mod heads;
mod journal;
mod json;
pub mod keep;
mod line;
mod metrics;
mod moment;
mod name;
mod plain;
mod progress;
pub mod read;
mod recorder;
mod segment;
mod sets;
mod sync;
pub mod verify;
mod writer;

pub use archive::{Archive, ArchiveError, OnFinished};
pub use chain::{ChainError, ChainHash, Head, Sealed, Verifier, check_line, sealed};
pub use draft::{Draft, Stolen};
pub use event::{Event, EventKind, EventLine};
pub use guard::{Ending, Open};
pub use heads::{ChainHead, Heads};
pub use journal::{Journal, Noted};
pub use line::{
    Access, CandidateSaid, Close, Decision, End, Follows, Gap, Open as OpenLine, Progress, RecordedWay, Repaired, Start,
};
pub use metrics::RecordMetrics;
pub use name::SegmentName;
pub use progress::Watch;
pub use recorder::{RecordError, Recorder};
pub use sets::{SetError, SetShelf};
pub use sync::{SyncSchedule, Syncs};
pub use writer::{ChainWriter, Finished, Rotation};
