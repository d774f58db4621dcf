//! How what was found is written.

use std::io::{self, BufWriter, StdoutLock, Write as _};

use clap::{Args, ValueEnum};
use jiff::tz::TimeZone;
use serde::Serialize;

use super::ocsf::Ocsf;
use super::rows::Rows;
use crate::commands::error::CommandError;
use crate::record::EventLine;
use crate::record::read::{Bytes, Entry, Place, Request};
use crate::record::{Access, Gap, Start};

/// The options that say how.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct FormatArgs {
    /// How it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// One JSON object per line; the same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// A way of writing entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Text,
    /// One JSON object per line
    Json,
    /// One event of the Open Cybersecurity Schema Framework 1.6.0 per line, as JSON
    Ocsf,
}

/// Writes entries, one after another.
pub(super) trait Writer {
    /// Appends the text of an entry to `out`. It may wait for more before it does.
    ///
    /// # Errors
    /// If it cannot be written in this format.
    fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), CommandError>;

    /// Appends what was waiting.
    fn finish(&mut self, out: &mut Vec<u8>);
}

/// Standard output. Somebody who reads no further (`| head`) is no error.
pub(super) struct Out(BufWriter<StdoutLock<'static>>);

/// An entry as JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "line", rename_all = "lowercase")]
pub(super) enum Told<'a> {
    Request {
        #[serde(flatten)]
        access: Option<&'a Access>,
        #[serde(flatten)]
        start: Option<&'a Start>,
        /// Whether an answer is in the record.
        answered: bool,
        sent: u64,
        received: u64,
        /// Whether `sent` and `received` are all of it; else it was not less.
        exact: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        ms: Option<u64>,
        ending: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cause: Option<&'a str>,
        segment: &'a str,
        number: u64,
    },
    Event {
        #[serde(flatten)]
        event: &'a EventLine,
        segment: &'a str,
        number: u64,
    },
    Gap {
        #[serde(flatten)]
        gap: &'a Gap,
        segment: &'a str,
        number: u64,
    },
}

struct JsonLines;

impl FormatArgs {
    /// The format.
    pub(super) fn format(self) -> Format {
        if self.json { Format::Json } else { self.format }
    }
}

impl Format {
    /// A writer; times for people are in `zone`.
    pub(super) fn writer(self, zone: &TimeZone) -> Box<dyn Writer> {
        match self {
            Self::Text => Box::new(Rows::new(zone.clone())),
            Self::Json => Box::new(JsonLines),
            Self::Ocsf => Box::new(Ocsf),
        }
    }

    /// A writer for entries that come one by one.
    pub(super) fn follower(self, zone: &TimeZone) -> Box<dyn Writer> {
        match self {
            Self::Text => Box::new(Rows::one_by_one(zone.clone())),
            Self::Json | Self::Ocsf => self.writer(zone),
        }
    }
}

impl Writer for JsonLines {
    fn entry(&mut self, entry: &Entry, out: &mut Vec<u8>) -> Result<(), CommandError> {
        serde_json::to_writer(&mut *out, &Told::of(entry)).map_err(CommandError::failed)?;
        out.push(b'\n');
        Ok(())
    }

    fn finish(&mut self, _out: &mut Vec<u8>) {}
}

impl<'a> Told<'a> {
    /// Of this entry.
    pub(super) fn of(entry: &'a Entry) -> Self {
        match entry {
            Entry::Request(request) => Self::request(request),
            Entry::Event(event, Place { segment, number }) => Self::Event { event, segment: segment.name(), number: *number },
            Entry::Gap(gap, Place { segment, number }) => Self::Gap { gap, segment: segment.name(), number: *number },
        }
    }

    fn request(request: &'a Request) -> Self {
        let (Bytes::Exactly(sent) | Bytes::AtLeast(sent)) = request.sent();
        let (Bytes::Exactly(received) | Bytes::AtLeast(received)) = request.received();
        let access = request.access.as_ref();
        Self::Request {
            access,
            start: request.start.as_ref().filter(|_| access.is_none()),
            answered: access.is_some(),
            sent,
            received,
            exact: request.end.is_some(),
            ms: request.end.as_ref().map(|end| end.ms),
            ending: request.ending(),
            cause: request.cause(),
            segment: request.place.segment.name(),
            number: request.place.number,
        }
    }
}

impl Out {
    /// Of this process.
    pub(super) fn new() -> Self {
        Self(BufWriter::with_capacity(64 * 1024, io::stdout().lock()))
    }

    /// Writes; whether anybody still reads.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<bool, CommandError> {
        outcome(self.0.write_all(bytes))
    }

    /// Hands on what was written; whether anybody still reads.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn flush(&mut self) -> Result<bool, CommandError> {
        outcome(self.0.flush())
    }
}

fn outcome(written: io::Result<()>) -> Result<bool, CommandError> {
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandError::failed(format!("cannot write: {error}"))),
    }
}
