//! How a report was made, so that whoever reads it can make it again.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::figures::When;
use crate::record::read::Tally;

/// How it was made.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Made {
    /// When.
    pub(super) at: When,
    /// By which version of Sekisho.
    pub(super) version: &'static str,
    /// The command, as it was typed.
    pub(super) command: String,
    /// The folder of the record.
    pub(super) folder: String,
    /// The name of the zone in which times are shown, and in which hours begin.
    pub(super) time_zone: String,
    #[serde(skip)]
    pub(super) zone: TimeZone,
    pub(super) read: Read,
    pub(super) verification: Verification,
    /// Bytes that the gate may still have held of an answer that was broken off: counted as handed on, and not received.
    pub(super) on_its_way: u64,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Read {
    /// Files that were looked into.
    pub(super) files: u64,
    /// Files that were not, as nothing in them is of the time that is asked about.
    pub(super) skipped: u64,
    /// Lines.
    pub(super) lines: u64,
    /// Bytes of lines.
    pub(super) bytes: u64,
    /// What is no line of the record, or makes no sense.
    pub(super) unreadable: u64,
    /// Files whose last line has no end.
    pub(super) torn: u64,
    /// Compressed files that are damaged: what follows the damage was not read.
    pub(super) damaged: u64,
    /// Files that were deleted while they were to be read.
    pub(super) gone: u64,
    /// Files that were deleted and had lines of the time that is asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) deleted: Option<Deleted>,
}

/// Files that are no more, as retention deletes them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Deleted {
    pub(super) files: u64,
    /// The times of their first and last lines.
    pub(super) from: String,
    pub(super) to: String,
}

/// Whether the record is as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "words", rename_all = "snake_case")]
pub(super) enum Verification {
    /// It is, as far as these words say.
    Verified(String),
    /// It is not.
    Failed(String),
    /// Nobody looked.
    NotDone(String),
}

impl Verification {
    /// In words.
    pub(super) fn words(&self) -> &str {
        let (Self::Verified(words) | Self::Failed(words) | Self::NotDone(words)) = self;
        words
    }
}

impl Read {
    /// Of what a reader counted, and lines that made no sense.
    pub(super) fn of(tally: Tally, senseless: u64) -> Self {
        let Tally { files, skipped, gone, lines, bytes, foreign, torn, damaged } = tally;
        Self { files, skipped, lines, bytes, unreadable: foreign + senseless, torn, damaged, gone, deleted: None }
    }

    /// What of the record could not be read, in words.
    pub(super) fn troubles(&self) -> Vec<String> {
        let troubles = [
            (
                self.unreadable,
                "line is no line of the record, or was changed",
                "lines are no lines of the record, or were changed",
            ),
            (self.torn, "file ends in the middle of a line", "files end in the middle of a line"),
            (self.damaged, "compressed file is damaged", "compressed files are damaged"),
            (self.gone, "file was deleted while it was to be read", "files were deleted while they were to be read"),
        ];
        let told = troubles.into_iter().filter(|(count, _, _)| *count > 0);
        let mut words: Vec<String> = told.map(|(count, one, many)| super::words::count(count, one, many)).collect();
        if let Some(Deleted { files, from, to }) = &self.deleted {
            let files = super::words::count(*files, "file of this time was deleted", "files of this time were deleted");
            words.push(format!("{files}, and what was in them from {from} to {to} is not told here"));
        }
        words
    }
}
