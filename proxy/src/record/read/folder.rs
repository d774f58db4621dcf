//! The folder of the record, with all its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lines::Lines;
use crate::clock::Timestamp;
use crate::record::sets::SetShelf;

/// A folder with a record in it, of a running gate or a copy.
#[derive(Clone, Debug)]
pub struct RecordFolder {
    dir: PathBuf,
    segments: Vec<SegmentFile>,
}

/// A file of the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SegmentFile {
    /// When it was begun, as its name says.
    pub(super) started: Timestamp,
    pub(super) path: PathBuf,
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
    #[error("{}: there is no record here; it is in files named `access-….jsonl`", .0.display())]
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
            let path = entry.map_err(failed)?.path();
            if let Some(started) = path.file_name().and_then(|name| started(name.to_str()?)) {
                segments.push(SegmentFile { started, path });
            }
        }
        if segments.is_empty() {
            return Err(ReadError::NoRecord(dir.to_owned()));
        }
        segments.sort();
        Ok(Self { dir: dir.to_owned(), segments })
    }

    /// All lines, in the order in which they were written.
    pub fn lines(&self) -> Lines {
        Lines::of(&self.segments)
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

/// `access-<start in ms>-<process>-<core>.jsonl`.
fn started(name: &str) -> Option<Timestamp> {
    let mut parts = name.strip_prefix("access-")?.strip_suffix(".jsonl")?.split('-');
    let started = parts.next()?.parse().ok()?;
    let rest: Vec<u64> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
    (rest.len() == 2).then_some(Timestamp(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_the_record_are_taken_and_none_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(RecordFolder::open(dir.path()), Err(ReadError::NoRecord(_))));
        assert!(matches!(RecordFolder::open(&dir.path().join("nowhere")), Err(ReadError::Io { .. })));
        for name in
            ["access-0000000000002-7-0.jsonl", "access-0000000000001-7-1.jsonl", "access-x-7-1.jsonl", "notes.jsonl", "sets"]
        {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let folder = RecordFolder::open(dir.path()).unwrap();
        assert_eq!(folder.segments.iter().map(|segment| segment.started.0).collect::<Vec<_>>(), [1, 2]);
    }
}
