//! The end of a segment that another process wrote.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::record::chain::{ChainHash, Head, Verifier, sealed};
use crate::record::line::{Follows, Repaired};
use crate::record::name::SegmentName;
use crate::record::plain;

/// Where a segment of an earlier process ends.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub(super) segment: String,
    pub(super) process: u64,
    /// As its last readable line says.
    pub(super) head: Head,
    /// Its last line is a `close`.
    pub(super) closed: bool,
}

impl Tail {
    pub(super) fn follows(&self) -> Follows {
        Follows { segment: self.segment.clone(), seq: self.head.seq, chain: self.head.hash }
    }
}

/// What a finished segment's summary says of its end. It stays when the segment is compressed or deleted.
#[derive(Deserialize)]
struct Summary {
    last_seq: u64,
    last_hash: ChainHash,
}

/// The chain and the end of the segment that is at `path`, or that this is the summary of; `None` if there is none.
pub(super) fn of_file(path: &Path, repaired: &mut Vec<Repaired>) -> io::Result<Option<(Arc<str>, Tail)>> {
    let Some(file) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    if let Some(name) = SegmentName::parse(file) {
        return Ok(examine(path, &name, repaired)?.map(|tail| (name.chain.into(), tail)));
    }
    let Some(segment) = file.strip_suffix(".summary.json") else { return Ok(None) };
    let Some(name) = SegmentName::parse(segment) else { return Ok(None) };
    match serde_json::from_slice(&plain::read(path)?) {
        Ok(Summary { last_seq, last_hash }) => {
            let head = Head { seq: last_seq, hash: last_hash };
            Ok(Some((name.chain.into(), Tail { segment: segment.to_owned(), process: name.process, head, closed: true })))
        }
        Err(error) => {
            tracing::error!(%error, path = %path.display(), "the summary of a finished part of the record cannot be read");
            Ok(None)
        }
    }
}

/// Looks at the end of a segment, and cuts a last line that has no end. Nothing whole is ever cut: a line that is wrong is
/// evidence, said loudly here and found by whoever verifies the record. `None`: there is no line that a chain could go on from.
fn examine(path: &Path, name: &SegmentName<'_>, repaired: &mut Vec<Repaired>) -> io::Result<Option<Tail>> {
    let length = plain::open(path)?.metadata()?.len();
    let segment = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let end = read_end(path, length)?;
    if end.torn > 0 || length == 0 {
        cut(path, length - end.torn)?;
        tracing::warn!(path = %path.display(), bytes = end.torn, "a crash left a line without its end in the record; it is cut");
        repaired.push(Repaired { segment: segment.clone(), bytes: end.torn });
    }
    let lines = || end.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let Some(last) = lines().rev().find_map(|line| Some(sealed(line)?.head)) else {
        if length > end.torn {
            tracing::error!(path = %path.display(), "no line of this file of the record can be read; verify the record");
        }
        return Ok(None);
    };
    let closed = lines().next_back().is_some_and(|line| line.starts_with(br#"{"line":"close","#) && sealed(line).is_some());
    if !closed {
        warn_of_wrong_lines(path, lines());
    }
    Ok(Some(Tail { segment, process: name.process, head: last, closed }))
}

/// The end of a file, from the beginning of a line.
struct End {
    /// Whole lines.
    lines: Vec<u8>,
    /// Bytes behind the last newline.
    torn: u64,
}

/// Reads as much of the end as it takes to have a whole line that can be read; all of it, if there is none.
fn read_end(path: &Path, length: u64) -> io::Result<End> {
    let file = plain::open(path)?;
    let mut size = FIRST_READ.min(length);
    loop {
        let mut text = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut text, length - size)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let torn = (text.len() - whole) as u64;
        text.truncate(whole);
        if size < length {
            // What stands before the first newline began earlier.
            let first = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |first| first + 1);
            text.drain(..first);
        }
        let found = text.split(|byte| *byte == b'\n').any(|line| sealed(line).is_some());
        if found || size == length {
            return Ok(End { lines: text, torn });
        }
        if size >= MOST_READ {
            let words = "no line can be read for a long way back from its end; move it aside, and verify the record";
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        size = size.saturating_mul(8).min(length);
    }
}

/// A file without any whole line goes altogether: nothing follows it.
fn cut(path: &Path, length: u64) -> io::Result<()> {
    if length == 0 {
        return fs::remove_file(path);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(length)?;
    file.sync_all()
}

fn warn_of_wrong_lines<'a>(path: &Path, mut lines: impl Iterator<Item = &'a [u8]>) {
    let Some(first) = lines.next() else { return };
    let mut verifier = Verifier::after(sealed(first).map(|line| line.head).unwrap_or_default());
    for line in lines {
        if let Err(error) = verifier.next(line) {
            tracing::error!(
                path = %path.display(), %error,
                "the end of the record was changed after it was written; it stays as it is, and the chain goes on from it: verify the record"
            );
        }
    }
}

/// Enough for some hundred lines.
const FIRST_READ: u64 = 256 * 1024;
/// No crash leaves so much behind the last line.
const MOST_READ: u64 = 128 * 1024 * 1024;
