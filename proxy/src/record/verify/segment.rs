//! One file: whether each of its lines is the one that was written after the line before it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::{memchr, memmem};

use super::checkpoints::Anchor;
use super::fault::{Fault, Wrong};
use crate::record::chain::{ChainError, Head, Verifier, sealed};
use crate::record::line::{Follows, Open};
use crate::record::read::head::{At, head};
use crate::record::read::{LineKind, ReadError, SegmentFile, SegmentReader, Step};
use crate::secret::Digest;

/// What is in a file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) chain: String,
    /// The line that it goes on from, as it says.
    pub(super) before: Head,
    /// The name of the file that has this line, as it says.
    pub(super) after: Option<String>,
    /// Its last line.
    pub(super) last: Head,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// Its last line is a `close`.
    pub(super) closed: bool,
    /// Behind its last line is one without an end.
    pub(super) torn: bool,
    /// The earliest and the latest time in it.
    pub(super) span: Option<(At, At)>,
    /// Its first line is wrong, so that where it goes on from is not known.
    pub(super) unsure: bool,
    /// Lines of other chains that its first line names.
    pub(super) adopted: Vec<Follows>,
    /// Policy sets that its lines name, each with the first of these lines.
    pub(super) sets: BTreeMap<String, u64>,
    /// The line that should stand where its first fault is.
    awaited: Option<u64>,
    /// The first line that is wrong, and the first that is not as others saw it.
    pub(super) faults: Vec<Fault>,
}

impl Segment {
    /// Number of its first line.
    pub(super) fn first(&self) -> u64 {
        self.before.seq.saturating_add(1)
    }

    fn of(file: &SegmentFile) -> Self {
        Self {
            name: file.name().to_owned(),
            chain: file.chain.to_string(),
            before: Head::default(),
            after: None,
            last: Head::default(),
            lines: 0,
            bytes: 0,
            closed: false,
            torn: false,
            span: None,
            unsure: false,
            adopted: Vec::new(),
            sets: BTreeMap::new(),
            awaited: None,
            faults: Vec::new(),
        }
    }

    fn wrong(&mut self, line: u64, seq: u64, wrong: Wrong) {
        if self.faults.is_empty() {
            self.faults.push(Fault::of_line(&self.name, Some(line), &self.chain, seq, wrong));
        }
    }

    /// What decided, and what was tried beside it. In a text of somebody else, quotes are not these.
    fn names_sets(&mut self, text: &[u8], line: u64) {
        for found in SET.find_iter(text) {
            let hash = text.get(found + SET.needle().len()..).and_then(|rest| rest.get(..memchr(b'"', rest)?));
            let Some(hash) = hash.and_then(|hash| str::from_utf8(hash).ok()) else { continue };
            if !self.sets.contains_key(hash) && hash.parse::<Digest>().is_ok() {
                self.sets.insert(hash.to_owned(), line);
            }
        }
    }

    /// The file's first line: where the chain stood before it.
    fn open(&mut self, file: &SegmentFile, text: &[u8]) -> Verifier {
        let written = sealed(text).map(|sealed| sealed.head).unwrap_or_default();
        let open = text.starts_with(OPEN).then(|| serde_json::from_slice::<Open>(text).ok()).flatten();
        let Some(open) = open else {
            self.wrong(1, written.seq, Wrong::NoOpening);
            // What follows the line can still be checked; the line itself cannot.
            self.before = Head { seq: written.seq.saturating_sub(1), ..Head::default() };
            return Verifier::after(self.before);
        };
        if open.core != self.chain || u64::from(open.process) != file.process {
            let (says, by) = (open.core.clone(), u64::from(open.process));
            self.wrong(1, written.seq, Wrong::Foreign { named: self.chain.clone(), process: file.process, says, by });
        }
        let mut own = None;
        for follows in open.follows {
            let chain = follows.segment.rsplit_once('-').map_or("", |(_, rest)| rest.trim_end_matches(".jsonl"));
            if own.is_none() && chain == self.chain {
                own = Some(Head { seq: follows.seq, hash: follows.chain });
                self.after = Some(follows.segment);
            } else {
                self.adopted.push(follows);
            }
        }
        self.before = own.unwrap_or_default();
        Verifier::after(self.before)
    }
}

/// Reads a file. `None`: it was deleted meanwhile.
pub(super) fn examine(file: &SegmentFile, anchors: &[Anchor]) -> Result<Option<Segment>, ReadError> {
    let Some(mut reader) = file.open()? else { return Ok(None) };
    let mut segment = Segment::of(file);
    let mut verifier: Option<Verifier> = None;
    let mut anchors = anchors.iter().peekable();
    let mut unseen = None;
    loop {
        match reader.step().map_err(|source| file.failed(source))? {
            Step::Line => {}
            Step::TooLong => {
                segment.wrong(reader.number(), segment.last.seq + 1, Wrong::TooLong);
                continue;
            }
            Step::Torn => {
                segment.torn = true;
                break;
            }
            Step::Damaged => {
                // What was unpacked before is known to be wrong only now: no line that does not fit was changed by itself.
                if let Some(fault) = segment.faults.first_mut() {
                    (fault.words, fault.what) = (Wrong::Damaged.to_string(), Wrong::Damaged);
                }
                segment.wrong(reader.number() + 1, segment.last.seq + 1, Wrong::Damaged);
                break;
            }
            Step::End => break,
        }
        line(file, &reader, &mut segment, &mut verifier);
        let last = segment.last;
        while let Some(anchor) = anchors.next_if(|anchor| anchor.head.seq <= last.seq) {
            if anchor.head != last && unseen.is_none() {
                let wrong = Wrong::Rewritten { seq: anchor.head.seq, said: anchor.said.clone() };
                unseen = Some(Fault::of_line(&segment.name, Some(reader.number()), &segment.chain, anchor.head.seq, wrong));
            }
        }
    }
    if let Some(anchor) = anchors.next() {
        let wrong = Wrong::NotReached { found: segment.last.seq, said: anchor.said.clone(), seen: anchor.head.seq };
        unseen = unseen.or_else(|| Some(anchor.fault(&segment.name, wrong)));
    }
    segment.faults.extend(unseen);
    Ok(Some(segment))
}

fn line(file: &SegmentFile, reader: &SegmentReader, segment: &mut Segment, verifier: &mut Option<Verifier>) {
    let text = reader.line();
    segment.lines += 1;
    segment.bytes += text.len() as u64 + 1;
    let opened = segment.faults.len();
    let chain = verifier.get_or_insert_with(|| segment.open(file, text));
    let outcome = chain.next(text);
    // A first line that does not say where it goes on from cannot be checked, and that was told.
    if let Err(error) = outcome
        && segment.faults.len() == opened
    {
        let seq = match error {
            ChainError::OutOfOrder { found, .. } => found,
            ChainError::Changed { seq } => seq,
            ChainError::NotSealed | ChainError::NoHash => segment.last.seq.max(segment.before.seq).saturating_add(1),
        };
        if let (ChainError::OutOfOrder { expected, found }, true) = (error, segment.faults.is_empty()) {
            segment.awaited = (found > expected).then_some(expected);
        }
        let wrong = match error {
            ChainError::NotSealed | ChainError::NoHash if file.is_compressed() => Wrong::Garbled,
            error => Wrong::Line(error),
        };
        segment.wrong(reader.number(), seq, wrong);
    }
    segment.last = chain.head();
    if segment.lines == 1 && (outcome.is_err() || segment.faults.len() > opened) {
        segment.unsure = true;
        segment.adopted.clear();
        segment.before = Head { seq: segment.last.seq.saturating_sub(1), ..Head::default() };
    }
    // What is missing at one place may stand at a later one.
    if segment.awaited.is_some_and(|awaited| awaited == segment.last.seq)
        && let Some(Fault { line, seq: Some(found), .. }) = segment.faults.first().cloned()
    {
        let wrong = Wrong::Reordered { expected: segment.last.seq, found };
        segment.faults = vec![Fault::of_line(&segment.name, line, &segment.chain, found, wrong)];
        segment.awaited = None;
    }
    segment.closed = false;
    if let Some((kind, at)) = head(text) {
        segment.closed = kind == LineKind::Close;
        if kind == LineKind::Access {
            segment.names_sets(text, reader.number());
        }
        segment.span = Some(segment.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
    }
}

static SET: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(br#""policy_set":""#));
const OPEN: &[u8] = br#"{"line":"open","#;
