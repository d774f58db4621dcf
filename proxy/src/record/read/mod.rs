//! The record, read again: of a gate that runs, or of a copied folder.
//!
//! Arrives: the folder. Leaves: its lines in the order in which they were written, decisions as they were asked for, one request by
//! its id. Refused: what is no line of ours is skipped and counted, never guessed at. Nobody waits: whoever stops, stops.

mod access;
mod begun;
mod facts;
mod filter;
mod find;
mod folder;
mod follow;
pub(super) mod head;
mod late;
mod lines;
mod requests;
mod segment;
mod span;

pub use access::{AccessLine, Text, UnfitLine};
pub use facts::{FactsKind, FactsLine, identity, person};
pub use filter::{Filter, StatusWanted};
pub use find::{FindError, Found, find};
pub use folder::{ReadError, RecordFolder, SegmentFile};
pub use follow::Follow;
pub use head::LineKind;
pub use lines::{Everything, Lines, RawLine, Sift, Tally};
pub use requests::{Bytes, Entry, Place, Request, Requests};
pub use segment::{SegmentReader, Step};
pub use span::Span;
