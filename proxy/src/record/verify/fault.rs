//! Where a record is not as it was written.

use serde::{Serialize, Serializer};

use crate::record::chain::ChainError;

/// A place in a record, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, by its name in the folder.
    pub file: String,
    /// Which line of it, counted from 1; absent if it is about the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
    /// The line's number in the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// What is wrong, in a word.
    #[serde(rename = "wrong", serialize_with = "word")]
    pub what: Wrong,
    /// The same in a sentence.
    pub words: String,
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the words say what each is")]
pub enum Wrong {
    #[error("{0}")]
    Line(ChainError),
    #[error("line {found} of the chain stands where line {expected} belongs, which comes later: lines were put in another order")]
    Reordered { expected: u64, found: u64 },
    #[error("the line is longer than any that Sekisho writes")]
    TooLong,
    #[error("its first line does not say where it goes on from, as the first line of each file does")]
    NoOpening,
    #[error(
        "the file is named as one of chain {named} by process {process}, and its first line says that it is of chain {says} by process {by}: it was brought here from elsewhere"
    )]
    Foreign { named: String, process: u64, says: String, by: u64 },
    #[error("its last line has no end, and the chain goes on elsewhere: the end of the file was changed")]
    Torn,
    #[error("the compressed file is damaged: from about here on it cannot be unpacked. It was changed, or its end is missing")]
    Damaged,
    #[error(
        "it goes on after line {to} of its chain, but lines {from} to {to} are missing: {after} before it, and no summary tells of a file that was deleted"
    )]
    LinesMissing { from: u64, to: u64, after: String },
    #[error(
        "it goes on from line {seq} of its chain, and {after} ends with another line {seq}: one of the two is not of this record"
    )]
    NotNext { seq: u64, after: String },
    #[error(
        "it begins with line {first} of its chain, and {after} has the lines up to {last} already: one of the two is not of this record"
    )]
    Twice { first: u64, after: String, last: u64 },
    #[error("it goes on from {said}, and the file before it is named {is}: that one was given another name")]
    Renamed { said: String, is: String },
    #[error("it ends with line {found} of its chain, and its signed summary has lines up to {written}: its end was cut off")]
    Shortened { found: u64, written: u64 },
    #[error("it is not what its signed summary says: {0} differs")]
    NotAsSummed(&'static str),
    #[error("the file is missing: its summary does not say that it was deleted")]
    Gone,
    #[error("it is the summary of {of}")]
    OfAnother { of: String },
    #[error("{0}")]
    Unsigned(String),
    #[error("the record ends at line {found} of this chain, but {said} saw line {seen}: its end was cut off")]
    NotReached { found: u64, said: String, seen: u64 },
    #[error("line {seq} is not the one that {said} saw: it, or what stands before it, was written anew")]
    Rewritten { seq: u64, said: String },
    #[error("{said} saw lines of this file, and it is missing")]
    FileMissing { said: String },
    #[error("{0}")]
    Checkpoint(String),
    #[error("the line is none that Sekisho writes: the compressed file is damaged, or was changed")]
    Garbled,
    #[error("the policy set is missing, and {by} names it: it was taken away, or this is not a copy of the whole folder")]
    SetMissing { by: String },
    #[error("the policy set was changed after it was kept: its content has another hash than its name")]
    SetChanged,
}

impl Fault {
    /// About a whole file.
    pub(super) fn of_file(file: &str, what: Wrong) -> Self {
        Self { file: file.to_owned(), line: None, chain: None, seq: None, words: what.to_string(), what }
    }

    /// In a chain.
    pub(super) fn of_line(file: &str, line: Option<u64>, chain: &str, seq: u64, what: Wrong) -> Self {
        Self { line, chain: Some(chain.to_owned()), seq: Some(seq), ..Self::of_file(file, what) }
    }
}

impl Wrong {
    /// So many of the signed things `what` name a key that is not known.
    pub(super) fn strange_key(what: &str, count: u64, key: &str) -> Self {
        let name = if count == 1 { format!("a {what} names") } else { format!("{count} {what}s name") };
        Self::Unsigned(format!("{name} the key {key}, which is not among those that are believed"))
    }

    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reordered { .. } => "reordered",
            Self::Line(ChainError::OutOfOrder { expected, found }) if found < expected => "reordered",
            Self::Line(ChainError::OutOfOrder { .. })
            | Self::LinesMissing { .. }
            | Self::Gone
            | Self::FileMissing { .. }
            | Self::SetMissing { .. } => "missing",
            Self::Line(ChainError::Changed { .. } | ChainError::NotSealed | ChainError::NoHash)
            | Self::TooLong
            | Self::Damaged
            | Self::Garbled
            | Self::NotAsSummed(_)
            | Self::SetChanged => "changed",
            Self::NoOpening
            | Self::Foreign { .. }
            | Self::NotNext { .. }
            | Self::Renamed { .. }
            | Self::Twice { .. }
            | Self::OfAnother { .. } => "foreign",
            Self::Torn | Self::Shortened { .. } | Self::NotReached { .. } => "truncated",
            Self::Unsigned(_) => "signature",
            Self::Rewritten { .. } => "rewritten",
            Self::Checkpoint(_) => "checkpoint",
        }
    }
}

fn word<S: Serializer>(wrong: &Wrong, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(wrong.as_str())
}
