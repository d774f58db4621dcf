//! The record, read again: of a gate that runs, or of a copied folder.
//!
//! Arrives: the folder. Leaves: its lines in the order in which they were written, decisions as they were asked for, one request by
//! its id. Refused: what is no line of ours is skipped and counted, never guessed at. Nobody waits: whoever stops, stops.

mod access;
mod facts;
mod find;
mod folder;
mod head;
mod lines;
mod segment;

pub use access::{AccessLine, Text, UnfitLine};
pub use facts::{FactsKind, FactsLine, identity};
pub use find::{FindError, Found, find};
pub use folder::{ReadError, RecordFolder};
pub use head::LineKind;
pub use lines::{Lines, RawLine, Tally};
