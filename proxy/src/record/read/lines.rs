//! All lines of a folder as one stream.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::{Path, PathBuf};

use super::folder::{ReadError, SegmentFile};
use super::head::{At, LineKind, head};
use super::segment::{SegmentReader, Step};

/// The lines of all files of a record, in the order in which they were written: within a file as they stand there, between files
/// by time. An `access` line stands where its answer began, which may be later than its own `at`.
///
/// A file is opened when its time has come, so that a folder of years needs no more files at once than the gate had cores.
#[derive(Debug)]
pub struct Lines {
    segments: Vec<Reading>,
    /// Those with something left, the earliest first.
    next: BinaryHeap<Reverse<(At, usize)>>,
    /// Whose line was given out last; it is not in `next`.
    current: Option<usize>,
    tally: Tally,
}

/// A line as it stands in its file.
#[derive(Clone, Copy, Debug)]
pub struct RawLine<'a> {
    /// What it tells.
    pub kind: LineKind,
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: &'a str,
    /// All of it, without its end.
    pub text: &'a [u8],
    /// The file it stands in.
    pub file: &'a Path,
    /// Which line of the file it is, counted from 1.
    pub number: u64,
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lines of ours.
    pub lines: u64,
    /// What is no line of ours, or is longer than any.
    pub foreign: u64,
    /// Files whose last line has no end: it is being written, or a crash cut it off.
    pub torn: u64,
}

#[derive(Debug)]
struct Reading {
    path: PathBuf,
    reader: Option<SegmentReader>,
    kind: LineKind,
    /// Of the line that is next.
    at: At,
    /// The latest time in the file so far: lines are written in the order of this.
    latest: At,
}

impl Lines {
    pub(super) fn of(files: &[SegmentFile]) -> Self {
        let mut next = BinaryHeap::new();
        let segments: Vec<_> = files.iter().map(|file| Reading::new(file.path.clone())).collect();
        for (index, file) in files.iter().enumerate() {
            let started = file.started.to_string();
            next.push(Reverse((started.as_bytes().first_chunk().copied().unwrap_or_default(), index)));
        }
        Self { segments, next, current: None, tally: Tally::default() }
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<RawLine<'_>>, ReadError> {
        if let Some(current) = self.current.take() {
            self.advance(current)?;
        }
        let index = loop {
            let Some(Reverse((_, index))) = self.next.pop() else { return Ok(None) };
            // Its time has come: opened, it may turn out to begin later.
            if self.segments.get(index).is_some_and(|segment| segment.reader.is_some()) {
                break index;
            }
            self.open(index)?;
        };
        self.current = Some(index);
        let Some(segment) = self.segments.get(index) else { return Ok(None) };
        let Some(reader) = &segment.reader else { return Ok(None) };
        self.tally.lines += 1;
        Ok(Some(RawLine {
            kind: segment.kind,
            at: str::from_utf8(&segment.at).unwrap_or_default(),
            text: reader.line(),
            file: &segment.path,
            number: reader.number(),
        }))
    }

    /// What was read so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    fn open(&mut self, index: usize) -> Result<(), ReadError> {
        let Some(segment) = self.segments.get_mut(index) else { return Ok(()) };
        let reader = SegmentReader::open(&segment.path).map_err(|source| segment.failed(source))?;
        segment.reader = Some(reader);
        self.advance(index)
    }

    /// Goes to the next line of ours in that file, if there is one.
    fn advance(&mut self, index: usize) -> Result<(), ReadError> {
        let Some(segment) = self.segments.get_mut(index) else { return Ok(()) };
        loop {
            let Some(reader) = &mut segment.reader else { return Ok(()) };
            match reader.step() {
                Ok(Step::Line) => match head(reader.line()) {
                    Some((kind, at)) => {
                        segment.latest = segment.latest.max(at);
                        (segment.kind, segment.at) = (kind, at);
                        self.next.push(Reverse((segment.latest, index)));
                        return Ok(());
                    }
                    None => self.tally.foreign += 1,
                },
                Ok(Step::TooLong) => self.tally.foreign += 1,
                Ok(step @ (Step::Torn | Step::End)) => {
                    self.tally.torn += u64::from(step == Step::Torn);
                    segment.reader = None;
                    return Ok(());
                }
                Err(source) => return Err(segment.failed(source)),
            }
        }
    }
}

impl Reading {
    fn new(path: PathBuf) -> Self {
        Self { path, reader: None, kind: LineKind::Gap, at: At::default(), latest: At::default() }
    }

    fn failed(&self, source: std::io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::RecordFolder;
    use super::*;

    fn line(kind: &str, second: u32, request: &str) -> String {
        format!("{{\"line\":\"{kind}\",\"at\":\"2026-01-01T00:00:{second:02}.000Z\",\"request\":\"{request}\"}}\n")
    }

    fn told(files: &[(&str, String)]) -> (Vec<String>, Tally) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut lines = RecordFolder::open(dir.path()).unwrap().lines();
        let mut told = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let value: serde_json::Value = serde_json::from_slice(line.text).unwrap();
            told.push(value["request"].as_str().unwrap().to_owned());
        }
        (told, lines.tally())
    }

    #[test]
    fn files_are_one_stream_in_order_of_time() {
        // 2026-01-01T00:00:00Z and 30 s later.
        let early = [line("access", 1, "a"), line("access", 5, "c"), line("end", 3, "d"), line("end", 40, "h")].concat();
        let core = [line("access", 2, "b"), line("end", 6, "e")].concat();
        let later = [line("access", 31, "f"), line("access", 32, "g")].concat();
        let (told, tally) = told(&[
            ("access-1767225600000-1-0.jsonl", early),
            ("access-1767225600000-1-1.jsonl", core),
            ("access-1767225630000-2-0.jsonl", later),
        ]);
        assert_eq!(told, ["a", "b", "c", "d", "e", "f", "g", "h"]);
        assert_eq!(tally, Tally { lines: 8, foreign: 0, torn: 0 });
    }

    #[test]
    fn what_is_no_line_of_ours_is_skipped_and_counted() {
        let content =
            ["\u{0}\u{1}garbage\n", &line("access", 1, "a"), "{}\n", "[[[[\n", "\n", &line("end", 2, "b"), "{\"line\":\"ac"];
        let (told, tally) = told(&[("access-0000000000001-1-0.jsonl", content.concat())]);
        assert_eq!(told, ["a", "b"]);
        assert_eq!(tally, Tally { lines: 2, foreign: 4, torn: 1 });
    }
}
