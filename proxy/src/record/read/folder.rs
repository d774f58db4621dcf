//! The folder of the record, with all its files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::lines::Lines;
use super::segment::SegmentReader;
use crate::clock::Timestamp;
use crate::record::name::SegmentName;
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
        Some(Self { started, process, chain, path })
    }

    /// Its name, as other lines name it: without what says that it is compressed.
    pub fn name(&self) -> &str {
        let name = self.path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.strip_suffix(COMPRESSED).unwrap_or(name)
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
