//! All lines of a folder as one stream.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;

use memchr::memmem;

use super::folder::{ReadError, SegmentFile};
use super::head::{At, LineKind, head, request};
use super::segment::{SegmentReader, Step};

/// The lines of a record: within a chain in the order of the chain, whatever the clock did; between chains by time. An `access`
/// line stands where its answer began, which may be later than its own `at`.
///
/// One file of each chain is open at a time, so that a folder of years needs no more files at once than the gate had cores.
#[derive(Debug)]
pub struct Lines {
    chains: Vec<Reading>,
    /// Those with something left, the earliest first.
    next: BinaryHeap<Reverse<(At, usize)>>,
    /// Whose line was given out last; it is not in `next`.
    current: Option<usize>,
    opened: bool,
    tally: Tally,
}

/// What is wanted of a record. What is not wanted costs little.
pub trait Sift {
    /// Whether the lines of this file are to be looked at. Asked in the order of the chain, when all before it were.
    fn file(&mut self, file: &SegmentFile) -> bool;

    /// Whether a line is to be given out. Asked in the order of the chain, when all before it were given out.
    fn line(&mut self, line: &RawLine<'_>) -> bool;
}

/// All of it.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

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
    pub segment: &'a Arc<SegmentFile>,
    /// Which line of the file it is, counted from 1.
    pub number: u64,
}

/// What was read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files that were looked into.
    pub files: u64,
    /// Files that were not, as nothing in them is of the time that is asked about.
    pub skipped: u64,
    /// Files that were deleted while they were wanted.
    pub gone: u64,
    /// Lines of ours.
    pub lines: u64,
    /// Bytes of the lines, uncompressed.
    pub bytes: u64,
    /// What is no line of ours, or is longer than any.
    pub foreign: u64,
    /// Files whose last line has no end: it is being written, or a crash cut it off.
    pub torn: u64,
    /// Compressed files that are damaged: what follows the damage was not read.
    pub damaged: u64,
}

/// A chain that is being read.
#[derive(Debug)]
struct Reading {
    /// In the order of the chain, the next last.
    files: Vec<SegmentFile>,
    /// The file that is read.
    file: Option<Arc<SegmentFile>>,
    reader: Option<SegmentReader>,
    kind: LineKind,
    /// Of the line that is next.
    at: At,
    /// The latest time in the chain so far: its lines stand in the order of this.
    latest: At,
}

impl Lines {
    pub(super) fn of(files: &[SegmentFile]) -> Result<Self, ReadError> {
        let chains = chains(files)?.into_iter().map(Reading::new).collect();
        Ok(Self { chains, next: BinaryHeap::new(), current: None, opened: false, tally: Tally::default() })
    }

    /// The next line; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<RawLine<'_>>, ReadError> {
        self.next_of(&mut Everything)
    }

    /// The next line that is wanted; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn next_of(&mut self, sift: &mut impl Sift) -> Result<Option<RawLine<'_>>, ReadError> {
        if !std::mem::replace(&mut self.opened, true) {
            for index in 0..self.chains.len() {
                self.advance(index, sift)?;
            }
        }
        if let Some(current) = self.current.take() {
            self.advance(current, sift)?;
        }
        let Some(Reverse((_, index))) = self.next.pop() else { return Ok(None) };
        self.current = Some(index);
        Ok(self.chains.get(index).and_then(Reading::line))
    }

    /// What was read so far.
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// Goes to the chain's next line that is wanted, if there is one.
    fn advance(&mut self, index: usize, sift: &mut impl Sift) -> Result<(), ReadError> {
        let Some(chain) = self.chains.get_mut(index) else { return Ok(()) };
        while chain.reader.is_some() || chain.open_next(sift, &mut self.tally)? {
            if chain.step(sift, &mut self.tally)? {
                self.next.push(Reverse((chain.latest, index)));
                return Ok(());
            }
        }
        Ok(())
    }
}

impl<'a> RawLine<'a> {
    /// The id of the request that it is about, looked at without reading the rest.
    pub fn request(&self) -> Option<&'a [u8]> {
        request(self.text)
    }
}

impl Sift for Everything {
    fn file(&mut self, _file: &SegmentFile) -> bool {
        true
    }

    fn line(&mut self, _line: &RawLine<'_>) -> bool {
        true
    }
}

impl Reading {
    fn new(mut files: Vec<SegmentFile>) -> Self {
        files.reverse();
        Self { files, file: None, reader: None, kind: LineKind::Gap, at: At::default(), latest: At::default() }
    }

    fn line(&self) -> Option<RawLine<'_>> {
        let (reader, segment) = (self.reader.as_ref()?, self.file.as_ref()?);
        let at = str::from_utf8(&self.at).unwrap_or_default();
        Some(RawLine { kind: self.kind, at, text: reader.line(), segment, number: reader.number() })
    }

    /// Opens the chain's next file that is wanted; whether there was one.
    fn open_next(&mut self, sift: &mut impl Sift, tally: &mut Tally) -> Result<bool, ReadError> {
        while let Some(file) = self.files.pop() {
            if !sift.file(&file) {
                tally.skipped += 1;
                continue;
            }
            self.reader = file.open()?;
            if self.reader.is_some() {
                tally.files += 1;
                self.file = Some(Arc::new(file));
                return Ok(true);
            }
            tally.gone += 1;
        }
        Ok(false)
    }

    /// Goes to the file's next line that is wanted; whether there is one.
    fn step(&mut self, sift: &mut impl Sift, tally: &mut Tally) -> Result<bool, ReadError> {
        let (Some(reader), Some(file)) = (&mut self.reader, &self.file) else { return Ok(false) };
        loop {
            match reader.step().map_err(|source| file.failed(source))? {
                Step::Line => {
                    let text = reader.line();
                    tally.bytes += text.len() as u64 + 1;
                    let Some((kind, at)) = head(text) else {
                        tally.foreign += 1;
                        continue;
                    };
                    tally.lines += 1;
                    self.latest = self.latest.max(at);
                    let time = str::from_utf8(&at).unwrap_or_default();
                    if sift.line(&RawLine { kind, at: time, text, segment: file, number: reader.number() }) {
                        (self.kind, self.at) = (kind, at);
                        return Ok(true);
                    }
                }
                Step::TooLong => tally.foreign += 1,
                step @ (Step::Torn | Step::Damaged | Step::End) => {
                    tally.torn += u64::from(step == Step::Torn);
                    tally.damaged += u64::from(step == Step::Damaged);
                    self.reader = None;
                    return Ok(false);
                }
            }
        }
    }
}

/// The files of each chain in its order. It is told by the numbers of their first lines: names tell the time, and clocks jump.
fn chains(files: &[SegmentFile]) -> Result<Vec<Vec<SegmentFile>>, ReadError> {
    let mut chains: BTreeMap<&str, Vec<(u64, SegmentFile)>> = BTreeMap::new();
    let mut alone = Vec::new();
    for file in files {
        match first_number(file)? {
            Some(number) => chains.entry(&file.chain).or_default().push((number, file.clone())),
            // Nothing in it, or nothing of ours at its beginning: it belongs nowhere.
            None => alone.push(vec![file.clone()]),
        }
    }
    let in_order = chains.into_values().map(|mut chain| {
        chain.sort();
        chain.into_iter().map(|(_, file)| file).collect()
    });
    Ok(in_order.chain(alone).collect())
}

/// The number in the chain of a file's first line.
fn first_number(file: &SegmentFile) -> Result<Option<u64>, ReadError> {
    if let Some(number) = file.first_number() {
        return Ok(Some(number));
    }
    let Some(mut reader) = file.open()? else { return Ok(None) };
    match reader.step().map_err(|source| file.failed(source))? {
        Step::Line => Ok(number(reader.line())),
        Step::TooLong | Step::Torn | Step::Damaged | Step::End => Ok(None),
    }
}

/// The `seq` of a line; it stands near its end.
pub(super) fn number(line: &[u8]) -> Option<u64> {
    let digits = line.get(memmem::rfind(line, SEQ)? + SEQ.len()..)?;
    let digits = digits.get(..memchr::memchr(b',', digits)?)?;
    str::from_utf8(digits).ok()?.parse().ok()
}

const SEQ: &[u8] = br#","seq":"#;

#[cfg(test)]
mod tests {
    use super::super::folder::RecordFolder;
    use super::*;

    fn line(kind: &str, second: u32, request: &str, seq: u64) -> String {
        format!(
            "{{\"line\":\"{kind}\",\"at\":\"2026-01-01T00:00:{second:02}.000Z\",\"request\":\"{request}\",\"seq\":{seq},\"chain\":\"x\"}}\n"
        )
    }

    fn told(files: &[(&str, String)]) -> (Vec<String>, Tally) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let packed = name.ends_with(".zst").then(|| zstd::encode_all(content.as_bytes(), 1).unwrap());
            std::fs::write(dir.path().join(name), packed.as_deref().unwrap_or(content.as_bytes())).unwrap();
        }
        let mut lines = RecordFolder::open(dir.path()).unwrap().lines().unwrap();
        let mut told = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let value: serde_json::Value = serde_json::from_slice(line.text).unwrap();
            told.push(value["request"].as_str().unwrap().to_owned());
        }
        (told, lines.tally())
    }

    #[test]
    fn chains_are_one_stream_in_order_of_time() {
        let early = [line("access", 1, "a", 1), line("access", 5, "c", 2), line("end", 3, "d", 3), line("end", 20, "f", 4)];
        let core = [line("access", 2, "b", 1), line("end", 6, "e", 2), line("end", 40, "i", 3)];
        let later = [line("access", 31, "g", 5), line("access", 32, "h", 6)];
        let (told, tally) = told(&[
            ("access-1767225600000-1-0.jsonl.zst", early.concat()),
            ("access-1767225600000-1-1.jsonl", core.concat()),
            ("access-1767225630000-2-0.jsonl", later.concat()),
        ]);
        assert_eq!(told, ["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
        assert_eq!((tally.lines, tally.files, tally.foreign, tally.torn), (9, 3, 0, 0));
    }

    #[test]
    fn a_clock_that_steps_back_changes_no_order_in_a_chain() {
        let (told, _) = told(&[
            ("access-1767225640000-1-0.jsonl", [line("access", 40, "a", 1), line("access", 41, "b", 2)].concat()),
            ("access-1767225620000-1-0.jsonl", [line("access", 20, "c", 3), line("access", 42, "d", 4)].concat()),
            ("access-1767225610000-2-0.jsonl", [line("access", 10, "e", 5)].concat()),
        ]);
        assert_eq!(told, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn what_is_no_line_of_ours_is_skipped_and_counted() {
        let content = [
            "\u{0}\u{1}garbage\n",
            &line("access", 1, "a", 1),
            "{}\n",
            "[[[[\n",
            "\n",
            &line("end", 2, "b", 2),
            "{\"line\":\"ac",
        ];
        let (told, tally) = told(&[("access-0000000000001-1-0.jsonl", content.concat())]);
        assert_eq!(told, ["a", "b"]);
        assert_eq!((tally.lines, tally.foreign, tally.torn), (2, 4, 1));
    }
}
