//! One file of the record, line by line: plain, or compressed (`.zst`).

use std::fmt;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use memchr::memchr;

use crate::record::plain;

/// Reads a file of the record in large blocks. Never holds more than a block and one line.
pub struct SegmentReader {
    source: Box<dyn Read + Send>,
    compressed: bool,
    block: Vec<u8>,
    /// What of `block` is filled.
    filled: usize,
    /// The line, in `block`.
    line: (usize, usize),
    /// Where the next line begins, in `block`.
    next: usize,
    /// No line ends before this place in `block`.
    looked: usize,
    /// The rest of a line that is too long is being skipped.
    skipping: bool,
    number: u64,
    /// Bytes of the file before `next`.
    before: u64,
    /// Where the line begins in the file.
    offset: u64,
}

/// What came next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole line: [`SegmentReader::line`].
    Line,
    /// A line that is longer than any of ours; it was skipped.
    TooLong,
    /// A line without its end: it is being written, or a crash cut it off. Nothing follows, unless the file grows.
    Torn,
    /// What follows cannot be decompressed: the file is damaged, or its end is missing.
    Damaged,
    /// Nothing, unless the file grows.
    End,
}

impl SegmentReader {
    /// Opens it. What it is, its name tells.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = plain::open(path)?;
        let compressed = path.extension().is_some_and(|extension| extension == "zst");
        let source: Box<dyn Read + Send> = if compressed {
            Box::new(zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(COMPRESSED, file))?)
        } else {
            Box::new(file)
        };
        Ok(Self {
            source,
            compressed,
            block: vec![0; FIRST_BLOCK],
            filled: 0,
            line: (0, 0),
            next: 0,
            looked: 0,
            skipping: false,
            number: 0,
            before: 0,
            offset: 0,
        })
    }

    /// Opens a file that is still written to, behind what is in it already. Its lines are counted from there.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open_at_end(path: &Path) -> io::Result<Self> {
        let mut file = plain::open(path)?;
        let end = file.seek(SeekFrom::End(0))?;
        let mut last = [b'\n'];
        if end > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        // The rest of a line whose beginning was not seen is not one.
        let mut reader = Self::open(path)?;
        (reader.source, reader.before, reader.skipping) = (Box::new(file), end, last != *b"\n");
        Ok(reader)
    }

    /// Goes to the next line. After [`Step::Torn`] and [`Step::End`] it may be asked again: the file may have grown.
    ///
    /// # Errors
    /// What the file system says.
    pub fn step(&mut self) -> io::Result<Step> {
        loop {
            let ahead = self.block.get(self.looked..self.filled).unwrap_or_default();
            if let Some(length) = memchr(b'\n', ahead) {
                let end = self.looked + length;
                self.line = (self.next, end);
                self.offset = self.before;
                self.before += (end + 1 - self.next) as u64;
                self.next = end + 1;
                self.looked = self.next;
                self.number += 1;
                return Ok(if std::mem::take(&mut self.skipping) { Step::TooLong } else { Step::Line });
            }
            self.looked = self.filled;
            if self.filled - self.next >= MAX_LINE {
                self.skipping = true;
                self.before += (self.filled - self.next) as u64;
                self.next = self.filled;
            }
            match self.fill() {
                Ok(0) if self.next == self.filled && !self.skipping => return Ok(Step::End),
                Ok(0) => return Ok(Step::Torn),
                Ok(_more) => {}
                Err(error) if self.compressed && error.raw_os_error().is_none() => return Ok(Step::Damaged),
                Err(error) => return Err(error),
            }
        }
    }

    /// The line, without its end.
    pub fn line(&self) -> &[u8] {
        self.block.get(self.line.0..self.line.1).unwrap_or_default()
    }

    /// Which line of the file it is, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Where it begins: uncompressed bytes before it in the file.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Uncompressed bytes of the lines that were read, their ends included.
    pub fn read(&self) -> u64 {
        self.before
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.next > 0 {
            self.block.copy_within(self.next..self.filled, 0);
            self.filled -= self.next;
            self.looked -= self.next;
            self.next = 0;
            self.line = (0, 0);
        }
        if self.filled == self.block.len() || (self.number > 0 && self.block.len() < BLOCK) {
            // Small at first: of many files only the first line is looked at.
            let larger = BLOCK.max(self.block.len() * 2);
            self.block.resize(larger, 0);
        }
        loop {
            match self.source.read(self.block.get_mut(self.filled..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(read) => {
                    self.filled += read;
                    return Ok(read);
                }
            }
        }
    }
}

impl fmt::Debug for SegmentReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegmentReader").field("number", &self.number).field("offset", &self.offset).finish_non_exhaustive()
    }
}

const FIRST_BLOCK: usize = 16 * 1024;
const BLOCK: usize = 512 * 1024;
const COMPRESSED: usize = 128 * 1024;
/// The longest line that is read, in bytes. Ours are some hundred; facts with many groups and claims some ten thousand.
const MAX_LINE: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn steps(content: &[u8], name: &str) -> (Vec<Step>, Vec<Vec<u8>>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut reader = SegmentReader::open(&path).unwrap();
        let (mut steps, mut lines) = (Vec::new(), Vec::new());
        loop {
            let step = reader.step().unwrap();
            steps.push(step);
            match step {
                Step::Line => lines.push(reader.line().to_vec()),
                Step::TooLong => {}
                Step::Torn | Step::Damaged | Step::End => return (steps, lines),
            }
        }
    }

    #[test]
    fn lines_are_whole_or_torn_or_too_long() {
        assert_eq!(steps(b"", "x").0, [Step::End]);
        assert_eq!(steps(b"a\n\nb", "x").0, [Step::Line, Step::Line, Step::Torn]);
        let long = vec![b'x'; MAX_LINE + 10];
        assert_eq!(steps(&[&long[..], b"\na\n"].concat(), "x").0, [Step::TooLong, Step::Line, Step::End]);
        assert_eq!(steps(&long, "x").0, [Step::Torn]);
    }

    #[test]
    fn a_file_that_grows_is_read_on_where_its_line_was_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut reader = SegmentReader::open(&path).unwrap();
        assert_eq!(
            [reader.step().unwrap(), reader.step().unwrap(), reader.step().unwrap()],
            [Step::Line, Step::Torn, Step::Torn]
        );
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"o\nthree\n").unwrap();
        assert_eq!(reader.step().unwrap(), Step::Line);
        assert_eq!((reader.line(), reader.number(), reader.offset()), (&b"two"[..], 2, 4));
        assert_eq!((reader.step().unwrap(), reader.step().unwrap()), (Step::Line, Step::End));
        assert_eq!(reader.line(), b"");
    }

    #[test]
    fn a_file_can_be_read_from_its_end_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let append = |text: &str| {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        for (before, after, expected) in [
            ("", "one\n", vec![Step::Line]),
            ("a\n", "one\n", vec![Step::Line]),
            ("a\nb", "c\none\n", vec![Step::TooLong, Step::Line]),
        ] {
            drop(std::fs::remove_file(&path));
            append(before);
            let mut reader = SegmentReader::open_at_end(&path).unwrap();
            assert!(matches!(reader.step().unwrap(), Step::End | Step::Torn));
            append(after);
            assert_eq!(expected.iter().map(|_| reader.step().unwrap()).collect::<Vec<_>>(), expected);
            assert_eq!(reader.line(), b"one");
        }
    }

    #[test]
    fn a_compressed_file_that_was_cut_or_changed_is_told() {
        let text: Vec<u8> = (0..20_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let whole = zstd::encode_all(&text[..], 3).unwrap();
        let (all, lines) = steps(&whole, "x.zst");
        assert_eq!((lines.len(), all.last()), (20_000, Some(&Step::End)));
        assert_eq!(steps(&whole[..whole.len() / 2], "x.zst").0.last(), Some(&Step::Damaged));
        assert_eq!(steps(b"no zstd", "x.zst").0, [Step::Damaged]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn lines_are_those_of_the_file(parts in prop::collection::vec((0_usize..3, 0_usize..40_000), 0..30), compressed: bool) {
            let text: Vec<u8> =
                parts.iter().flat_map(|(kind, length)| [vec![b'x'; if *kind == 0 { *length } else { length % 90 }], vec![b'\n']].concat()).collect();
            let content = if compressed { zstd::encode_all(&text[..], 1).unwrap() } else { text.clone() };
            let (_, lines) = steps(&content, if compressed { "x.zst" } else { "x" });
            let expected: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').map(|line| &line[..line.len() - 1]).collect();
            prop_assert_eq!(lines, expected);
        }
    }
}
