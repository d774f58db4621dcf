//! The folder of the record, with all its files.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

use super::lines::Lines;
use super::segment::SegmentReader;
use super::span::Span;
use crate::clock::Timestamp;
use crate::record::name::SegmentName;
use crate::record::plain;
use crate::record::sets::SetShelf;

/// A folder with a record in it, of a running gate or a copy.
#[derive(Clone, Debug)]
pub struct RecordFolder {
    dir: PathBuf,
    segments: Vec<SegmentFile>,
}

/// A file of the record, as its name tells: `access-{start, ms}-{process}-{chain}.jsonl`, and `.zst` behind it when compressed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentFile {
    /// When it was begun.
    pub started: Timestamp,
    /// The id of the process that wrote it.
    pub process: u64,
    /// Whose lines they are: a core's number, or `control`.
    pub chain: Box<str>,
    /// Where it is.
    pub path: PathBuf,
    times: Known,
}

/// What the summary of a finished file says, read when it is needed.
#[derive(Clone, Debug, Default)]
struct Known(OnceLock<Option<Times>>);

#[derive(Clone, Debug, Deserialize)]
struct Times {
    first_at: String,
    last_at: String,
    first_seq: u64,
}

/// The record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system says no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no record in the folder.
    #[error("{}: there is no record here; it is in files named `access-….jsonl` or `access-….jsonl.zst`", .0.display())]
    NoRecord(PathBuf),
}

impl RecordFolder {
    /// Lists the files of the record in `dir`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(dir: &Path) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io { path: dir.to_owned(), source };
        let mut segments = Vec::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            segments.extend(SegmentFile::at(entry.map_err(failed)?.path()));
        }
        if segments.is_empty() {
            return Err(ReadError::NoRecord(dir.to_owned()));
        }
        segments.sort();
        // While one is being compressed it is there twice; the plain one is whole, and sorts first.
        segments.dedup_by(|zipped, plain| zipped.name() == plain.name());
        Ok(Self { dir: dir.to_owned(), segments })
    }

    /// All lines: within a chain in its order, between chains by time.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn lines(&self) -> Result<Lines, ReadError> {
        Lines::of(&self.segments)
    }

    /// Its files, by when they were begun.
    pub fn segments(&self) -> &[SegmentFile] {
        &self.segments
    }

    /// From when to when its lines are, all of them read. `None` if it has none.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn extent(&self) -> Result<Option<(String, String)>, ReadError> {
        let mut lines = self.lines()?;
        let mut last: Option<String> = None;
        let mut first: Option<String> = None;
        while let Some(line) = lines.next_line()? {
            if first.as_deref().is_none_or(|first| line.at < first) {
                first = Some(line.at.to_owned());
            }
            if last.as_deref().is_none_or(|last| line.at > last) {
                last = Some(line.at.to_owned());
            }
        }
        Ok(first.zip(last))
    }

    /// Files that were deleted and had lines of that time: how many, and from when to when. Their summaries say so.
    ///
    /// # Errors
    /// [`ReadError`], when the folder cannot be read.
    pub fn deleted(&self, span: &Span) -> Result<Option<(u64, String, String)>, ReadError> {
        let failed = |source| ReadError::Io { path: self.dir.clone(), source };
        let mut deleted: Option<(u64, String, String)> = None;
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            let Some(name) = name.strip_suffix(SUMMARY) else { continue };
            let Some(file) = SegmentFile::at(path.with_file_name(name)) else { continue };
            if self.segments.iter().any(|segment| segment.name() == name) || !file.may_have(span) {
                continue;
            }
            let Some(Times { first_at, last_at, .. }) = file.summary() else { continue };
            let (count, first, last) = deleted.get_or_insert_with(|| (0, first_at.clone(), last_at.clone()));
            *count += 1;
            *first = first_at.min(first).clone();
            *last = last_at.max(last).clone();
        }
        Ok(deleted)
    }

    /// The policy sets that lines name.
    pub fn sets(&self) -> SetShelf {
        SetShelf::of(&self.dir)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl SegmentFile {
    /// The file at `path`, if it has the name of one.
    pub fn at(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let SegmentName { started, process, chain } = SegmentName::parse(name.strip_suffix(COMPRESSED).unwrap_or(name))?;
        let chain = chain.into();
        Some(Self { started, process, chain, path, times: Known::default() })
    }

    /// Its name, as other lines name it: without what says that it is compressed.
    pub fn name(&self) -> &str {
        let name = self.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.strip_suffix(COMPRESSED).unwrap_or(name)
    }

    /// Whether lines of that time may be in it. What a finished file's summary says is believed; `verify` checks it. Of another file
    /// nothing is known but when it was begun: a line is written when its answer begins, and its own time is when its request began.
    pub fn may_have(&self, span: &Span) -> bool {
        match self.summary() {
            Some(Times { first_at, last_at, .. }) => {
                span.until().is_none_or(|until| first_at.as_str() < until)
                    && span.since().is_none_or(|since| last_at.as_str() >= since)
            }
            None => !span.is_before(self.started.minus(LONGEST_WAIT)),
        }
    }

    /// Number of its first line in its chain, if its summary says so.
    pub(super) fn first_number(&self) -> Option<u64> {
        self.summary().map(|summary| summary.first_seq)
    }

    fn summary(&self) -> Option<&Times> {
        let read =
            || serde_json::from_slice(&plain::read(&self.path.with_file_name(format!("{}{SUMMARY}", self.name()))).ok()?).ok();
        self.times.0.get_or_init(read).as_ref()
    }

    /// Whether it is compressed: then it was finished.
    pub fn is_compressed(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "zst")
    }

    /// Opens it; if it was compressed meanwhile, what came of it. `None`: it was deleted meanwhile.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(in crate::record) fn open(&self) -> Result<Option<SegmentReader>, ReadError> {
        let zipped = self.path.with_file_name(format!("{}{COMPRESSED}", self.name()));
        for path in [&self.path, &zipped] {
            match SegmentReader::open(path) {
                Ok(reader) => return Ok(Some(reader)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(self.failed(source)),
            }
        }
        Ok(None)
    }

    pub(in crate::record) fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), source }
    }
}

/// Files are compared by what their names say.
impl PartialEq for Known {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Known {}

impl PartialOrd for Known {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Known {
    fn cmp(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}

/// What the name of a finished file's summary ends with.
const SUMMARY: &str = ".summary.json";
/// No request waits longer for its answer than a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// What the name of a compressed file ends with.
const COMPRESSED: &str = ".zst";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_record_are_taken_and_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(RecordFolder::open(dir.path()), Err(ReadError::NoRecord(_))));
        assert!(matches!(RecordFolder::open(&dir.path().join("nowhere")), Err(ReadError::Io { .. })));
        for name in [
            "access-0000000000002-7-0.jsonl",
            "access-0000000000002-7-0.jsonl.zst",
            "access-0000000000001-7-control.jsonl.zst",
            "access-0000000000001-7-control.jsonl.summary.json",
            "access-x-7-1.jsonl",
            "access-0000000000001-7-.jsonl",
            "access-0000000000001-7-a.jsonl",
            "notes.jsonl",
            "sets",
        ] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let folder = RecordFolder::open(dir.path()).unwrap();
        let told =
            |segment: &SegmentFile| (segment.started.0, segment.process, segment.chain.to_string(), segment.name().to_owned());
        assert_eq!(
            folder.segments.iter().map(told).collect::<Vec<_>>(),
            [
                (1, 7, "control".to_owned(), "access-0000000000001-7-control.jsonl".to_owned()),
                (2, 7, "0".to_owned(), "access-0000000000002-7-0.jsonl".to_owned()),
            ]
        );
        assert_eq!(folder.segments[1].path.extension().unwrap(), "jsonl");
    }
}
