//! Reads a finished segment once from its beginning to its end, and says what is in it, if it all fits together.

use std::io::{self, BufRead as _, BufReader, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use serde::Deserialize;

use super::keys::SigningKey;
use super::pace::{PIECE, give_way};
use super::summary::Summary;
use crate::record::chain::{ChainError, ChainHash, Head, Verifier};
use crate::record::name::SegmentName;
use crate::record::plain;
use crate::secret::Digest;

/// A segment is not what was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("its first line is not the beginning of a segment")]
    NoOpening,
    #[error("line {number}: {error}")]
    Line { number: u64, error: ChainError },
    #[error("line {0} does not begin with its kind and time")]
    NoTime(u64),
    #[error("its last line has no end")]
    Torn,
    #[error("it ends with line {found} of the chain, and line {written} was written last")]
    OtherEnd { found: u64, written: u64 },
}

/// What is in a segment whose lines fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) before: Head,
    pub(super) last: Head,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    pub(super) closed: bool,
    pub(super) sha256: Digest,
    first_at: String,
    last_at: String,
}

/// The first line of a segment, as far as it matters here.
#[derive(Deserialize)]
struct Opening {
    #[serde(default)]
    follows: Vec<Before>,
}

#[derive(Deserialize)]
struct Before {
    segment: String,
    seq: u64,
    chain: ChainHash,
}

/// Reads the lines of a segment of `chain`, packed or not. `None` if there are none: a crash came right after it was made.
pub(super) fn scan(path: &Path, chain: &str, packed: bool) -> Result<Option<Scanned>, ScanError> {
    let file = plain::open(path)?;
    if packed { read(zstd::stream::read::Decoder::new(file)?, chain) } else { read(file, chain) }
}

fn read(content: impl Read, chain: &str) -> Result<Option<Scanned>, ScanError> {
    let mut reader = BufReader::with_capacity(256 << 10, content);
    let mut context = Context::new(&SHA256);
    let mut line = Vec::new();
    let (mut lines, mut bytes, mut closed, mut pieces) = (0, 0, false, 0);
    let mut following: Option<(Head, Verifier)> = None;
    let mut span: Option<(At, At)> = None;
    loop {
        line.clear();
        if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        context.update(&line);
        (lines, bytes) = (lines + 1, bytes + line.len() as u64);
        if bytes / PIECE as u64 != pieces {
            pieces = bytes / PIECE as u64;
            give_way();
        }
        let text = line.strip_suffix(b"\n").ok_or(ScanError::Torn)?;
        let (before, verifier) = match following.take() {
            Some(following) => following,
            None => opened(text, chain).map(|before| (before, Verifier::after(before)))?,
        };
        let (_, verifier) = following.insert((before, verifier));
        verifier.next(text).map_err(|error| ScanError::Line { number: lines, error })?;
        let (kind, at) = start(text).ok_or(ScanError::NoTime(lines))?;
        closed = kind == b"close";
        span = Some(span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
    let (Some((before, verifier)), Some((first_at, last_at))) = (following, span) else { return Ok(None) };
    let mut sha256 = Digest([0; 32]);
    sha256.0.copy_from_slice(context.finish().as_ref());
    let text = |at: At| String::from_utf8_lossy(&at).into_owned();
    let (first_at, last_at) = (text(first_at), text(last_at));
    Ok(Some(Scanned { before, last: verifier.head(), lines, bytes, closed, sha256, first_at, last_at }))
}

impl Scanned {
    /// The summary to sign.
    pub(super) fn summary(&self, segment: &str, chain: &str, key: &SigningKey) -> Summary {
        Summary {
            summary: segment.to_owned(),
            chain: chain.to_owned(),
            first_at: self.first_at.clone(),
            last_at: self.last_at.clone(),
            first_seq: self.before.seq.saturating_add(1),
            last_seq: self.last.seq,
            first_previous: self.before.hash,
            last_hash: self.last.hash,
            lines: self.lines,
            bytes: self.bytes,
            closed: self.closed,
            sha256: self.sha256.to_string(),
            deleted_at: None,
            deleted_because: None,
            key: key.id().to_owned(),
        }
    }

    /// Whether it ends where its writer says that it ended.
    pub(super) fn ends_at(&self, written: Head) -> Result<(), ScanError> {
        if self.last == written {
            return Ok(());
        }
        Err(ScanError::OtherEnd { found: self.last.seq, written: written.seq })
    }
}

/// Where the chain stood before this segment, as its first line says.
fn opened(line: &[u8], chain: &str) -> Result<Head, ScanError> {
    let opening = line.starts_with(OPENING).then(|| serde_json::from_slice::<Opening>(line).ok()).flatten();
    let follows = opening.ok_or(ScanError::NoOpening)?.follows;
    let own = follows.into_iter().find(|before| SegmentName::parse(&before.segment).is_some_and(|name| name.chain == chain));
    Ok(own.map_or_else(Head::default, |before| Head { seq: before.seq, hash: before.chain }))
}

/// Kind and time, with which each line begins.
fn start(line: &[u8]) -> Option<(&[u8], At)> {
    let rest = line.strip_prefix(br#"{"line":""#)?;
    let (kind, rest) = rest.split_at_checked(rest.iter().position(|byte| *byte == b'"')?)?;
    let at = rest.strip_prefix(br#"","at":""#)?.first_chunk::<24>()?;
    at.ends_with(b"Z").then_some((kind, *at))
}

/// A time as lines have it: RFC 3339 in UTC with milliseconds, so that later is greater.
type At = [u8; 24];
const OPENING: &[u8] = br#"{"line":"open","#;
/// Longer than any line of ours.
const MAX_LINE: u64 = 16 << 20;

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::record::chain::ROOM;

    /// Writes a segment as the gate does, with `lines` lines between its first and its last, and gives its path and end.
    pub(in crate::record::keep) fn segment(
        dir: &Path,
        chain: &str,
        started: i64,
        lines: usize,
        before: Option<(&str, Head)>,
    ) -> (String, Head) {
        let name = format!("access-{started:013}-7-{chain}.jsonl");
        let at = |n: i64| Timestamp(started + n).to_string();
        let follows = match before {
            Some((segment, head)) => {
                format!(r#","follows":[{{"segment":"{segment}","seq":{},"chain":"{}"}}]"#, head.seq, head.hash)
            }
            None => String::new(),
        };
        let mut all = vec![format!(r#"{{"line":"open","at":"{}","core":"{chain}"{follows}}}"#, at(0))];
        all.extend((0..lines).map(|n| format!(r#"{{"line":"end","at":"{}","request":"r{n}"}}"#, at(1 + n as i64 % 50))));
        all.push(format!(r#"{{"line":"close","at":"{}"}}"#, at(60)));
        let mut head = before.map(|(_, head)| head).unwrap_or_default();
        let mut out = vec![0; ROOM];
        all.iter().for_each(|line| head.seal(line.as_bytes(), &mut out));
        std::fs::write(dir.join(&name), &out[ROOM..]).unwrap();
        (name, head)
    }

    #[test]
    fn what_fits_together_is_summed_up() {
        let dir = tempfile::tempdir().unwrap();
        let (first, end) = segment(dir.path(), "0", 1_000, 5, None);
        let (second, last) = segment(dir.path(), "0", 2_000, 100, Some((&first, end)));
        let path = dir.path().join(&second);
        let scanned = scan(&path, "0", false).unwrap().unwrap();
        assert_eq!((scanned.before, scanned.last), (end, last));
        assert_eq!((scanned.lines, scanned.closed), (102, true));
        let content = std::fs::read(&path).unwrap();
        assert_eq!((scanned.bytes, scanned.sha256), (content.len() as u64, Digest::of(&content)));
        assert_eq!(
            (scanned.first_at.clone(), scanned.last_at.clone()),
            (Timestamp(2_000).to_string(), Timestamp(2_060).to_string())
        );
        assert!(scanned.ends_at(last).is_ok() && scanned.ends_at(end).is_err());
        std::fs::write(dir.path().join("packed"), zstd::encode_all(&content[..], 1).unwrap()).unwrap();
        assert_eq!(scan(&dir.path().join("packed"), "0", true).unwrap(), Some(scanned));
        // A crash leaves none of these.
        std::fs::write(&path, b"").unwrap();
        assert!(scan(&path, "0", false).unwrap().is_none());
    }

    #[test]
    fn every_changed_byte_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let (name, _) = segment(dir.path(), "0", 1_000, 3, None);
        let path = dir.path().join(name);
        let content = std::fs::read(&path).unwrap();
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1;
            assert!(read(&*changed, "0").is_err(), "byte {at}");
            let whole_lines = at > 0 && content[at - 1] == b'\n';
            assert_eq!(read(&content[..at], "0").is_ok(), at == 0 || whole_lines, "cut to {at}");
        }
    }
}
