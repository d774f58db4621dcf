//! One file of the record, line by line.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::Path;

/// Reads a file of the record. Never holds more than a buffer and one line.
#[derive(Debug)]
pub(super) struct SegmentReader {
    file: BufReader<File>,
    line: Vec<u8>,
    number: u64,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A whole line: [`SegmentReader::line`].
    Line,
    /// A line that is longer than any of ours; it was skipped.
    TooLong,
    /// A line without its end: it is being written, or a crash cut it off. Nothing follows.
    Torn,
    /// Nothing.
    End,
}

impl SegmentReader {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = BufReader::with_capacity(BUFFER, File::open(path)?);
        Ok(Self { file, line: Vec::new(), number: 0 })
    }

    /// Goes to the next line.
    pub(super) fn step(&mut self) -> io::Result<Step> {
        self.line.clear();
        let read = self.file.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(Step::End);
        }
        self.number += 1;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Step::Line);
        }
        if (read as u64) < MAX_LINE {
            return Ok(Step::Torn);
        }
        self.skip_line()
    }

    /// The line, without its end.
    pub(super) fn line(&self) -> &[u8] {
        &self.line
    }

    /// Which line of the file it is, counted from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn skip_line(&mut self) -> io::Result<Step> {
        self.line.clear();
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(Step::Torn);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |end| end + 1);
            self.file.consume(used);
            if end.is_some() {
                return Ok(Step::TooLong);
            }
        }
    }
}

const BUFFER: usize = 256 * 1024;
/// The longest line that is read, in bytes. Ours are some hundred; facts with many groups and claims some ten thousand.
const MAX_LINE: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(content: &[u8]) -> Vec<Step> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, content).unwrap();
        let mut reader = SegmentReader::open(&path).unwrap();
        let mut steps = Vec::new();
        loop {
            steps.push(reader.step().unwrap());
            if matches!(steps.last(), Some(Step::End)) {
                return steps;
            }
        }
    }

    #[test]
    fn lines_are_whole_or_torn_or_too_long() {
        assert_eq!(steps(b""), [Step::End]);
        assert_eq!(steps(b"a\n\nb"), [Step::Line, Step::Line, Step::Torn, Step::End]);
        let long = vec![b'x'; MAX_LINE as usize + 10];
        assert_eq!(steps(&[&long[..], b"\na\n"].concat()), [Step::TooLong, Step::Line, Step::End]);
        assert_eq!(steps(&long), [Step::Torn, Step::End]);
    }
}
