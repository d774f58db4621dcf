//! The files of one chain, one after another: each must go on from the last line of the one before.

use super::checkpoints::Seen;
use super::fault::{Fault, Wrong};
use super::segment::Segment;
use crate::record::chain::Head;
use crate::record::keep::Summary;

/// A part of a chain.
#[derive(Debug)]
pub(super) enum Part {
    /// A file, with its summary if it was finished and has one.
    File(Box<Segment>, Option<Box<Summary>>),
    /// The summary of a file that is not there, with the file's name.
    Summary(String, Box<Summary>),
}

/// What was found of a chain.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Number of the first line that is still there; of a chain all of whose files were deleted, the number after the last.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) faults: Vec<Fault>,
    pub(super) notes: Vec<String>,
}

/// Walks along the chain.
pub(super) fn walk(chain: &str, mut parts: Vec<Part>, checkpoints: &Seen) -> Walked {
    parts.sort_by(|one, other| (one.before().seq, one.name()).cmp(&(other.before().seq, other.name())));
    let mut walked = Walked::default();
    let mut end = Head::default();
    let mut name_before = String::new();
    let count = parts.len();
    for (index, part) in parts.into_iter().enumerate() {
        if let Part::File(segment, None) = &part
            && segment.lines == 0
        {
            walked.file(segment, None, index + 1 == count);
            continue;
        }
        let name = part.name().to_owned();
        let before = part.before();
        let wrong = connects(end, &name_before, before).or_else(|| part.renamed(&name_before));
        if let Some(wrong) = wrong.filter(|_| !part.is_unsure()) {
            walked.faults.push(Fault::of_line(&name, part.is_file().then_some(1), chain, before.seq.saturating_add(1), wrong));
        }
        match &part {
            Part::File(segment, summary) => {
                if walked.first == 0 {
                    walked.first = segment.first();
                }
                walked.file(segment, summary.as_deref(), index + 1 == count);
            }
            Part::Summary(name, summary) => walked.stub(name, summary, checkpoints),
        }
        end = part.last();
        name_before = name;
        walked.last = walked.last.max(end.seq);
    }
    if walked.first == 0 {
        walked.first = walked.last.saturating_add(1);
    }
    walked
}

/// Whether what begins after `before` goes on from `end`.
fn connects(end: Head, after: &str, before: Head) -> Option<Wrong> {
    if before == end {
        return None;
    }
    Some(match before.seq.cmp(&end.seq) {
        std::cmp::Ordering::Greater => {
            let ends = if after.is_empty() { "no file is".to_owned() } else { format!("{after} is the last") };
            Wrong::LinesMissing { from: end.seq.saturating_add(1), to: before.seq, after: ends }
        }
        std::cmp::Ordering::Equal => Wrong::NotNext { seq: end.seq, after: after.to_owned() },
        std::cmp::Ordering::Less => Wrong::Twice { first: before.seq.saturating_add(1), after: after.to_owned(), last: end.seq },
    })
}

impl Walked {
    fn file(&mut self, segment: &Segment, summary: Option<&Summary>, last: bool) {
        self.faults.extend(segment.faults.iter().cloned());
        let (name, chain) = (&segment.name, &segment.chain);
        if segment.torn {
            if last && summary.is_none() {
                self.notes.push(format!(
                    "{name}: behind its last line is one without an end: it is being written, or a crash cut it off; the next start repairs it"
                ));
            } else {
                let place = Some(segment.lines.saturating_add(1));
                self.faults.push(Fault::of_line(name, place, chain, segment.last.seq.saturating_add(1), Wrong::Torn));
            }
        }
        if segment.lines == 0 {
            self.notes.push(format!("{name}: it is empty: a crash came before its first line, or somebody emptied it"));
        }
        let Some(summary) = summary else { return };
        let ends = segment.last.seq;
        let wrong = if ends < summary.last_seq {
            Wrong::Shortened { found: ends, written: summary.last_seq }
        } else if segment.last != (Head { seq: summary.last_seq, hash: summary.last_hash }) {
            Wrong::NotAsSummed("its last line")
        } else if segment.before != (Head { seq: summary.first_seq.saturating_sub(1), hash: summary.first_previous }) {
            Wrong::NotAsSummed("the line that it goes on from")
        } else if segment
            .span
            .is_some_and(|(first, last)| first != *summary.first_at.as_bytes() || last != *summary.last_at.as_bytes())
        {
            // Who asks for a time does not look into files that say that they have nothing of it.
            Wrong::NotAsSummed("from when to when its lines are")
        } else if segment.lines != summary.lines || segment.bytes != summary.bytes {
            Wrong::NotAsSummed("how long it is")
        } else {
            return;
        };
        self.faults.push(Fault::of_line(name, Some(segment.lines), chain, ends.saturating_add(1), wrong));
    }

    fn stub(&mut self, name: &str, summary: &Summary, checkpoints: &Seen) {
        let chain = &summary.chain;
        if summary.deleted_at.is_none() {
            self.faults.push(Fault::of_line(name, None, chain, summary.first_seq, Wrong::Gone));
        }
        for anchor in checkpoints.anchors.get(name).into_iter().flatten() {
            let said = || anchor.said.clone();
            if anchor.head.seq > summary.last_seq {
                let wrong = Wrong::NotReached { found: summary.last_seq, said: said(), seen: anchor.head.seq };
                self.faults.push(anchor.fault(name, wrong));
            } else if anchor.head.seq == summary.last_seq && anchor.head.hash != summary.last_hash {
                self.faults.push(anchor.fault(name, Wrong::Rewritten { seq: anchor.head.seq, said: said() }));
            }
        }
    }
}

impl Part {
    fn name(&self) -> &str {
        match self {
            Self::File(segment, _) => &segment.name,
            Self::Summary(name, _) => name,
        }
    }

    fn is_file(&self) -> bool {
        matches!(self, Self::File(..))
    }

    /// The file before it has another name than it says: files of another time are not looked into.
    fn renamed(&self, before: &str) -> Option<Wrong> {
        let Self::File(segment, _) = self else { return None };
        let said = segment.after.as_ref().filter(|said| *said != before)?;
        Some(Wrong::Renamed { said: said.clone(), is: before.to_owned() })
    }

    /// What is wrong with where it goes on from was told.
    fn is_unsure(&self) -> bool {
        matches!(self, Self::File(segment, _) if segment.unsure)
    }

    fn before(&self) -> Head {
        match self {
            Self::File(segment, _) => segment.before,
            Self::Summary(_, summary) => Head { seq: summary.first_seq.saturating_sub(1), hash: summary.first_previous },
        }
    }

    fn last(&self) -> Head {
        match self {
            Self::File(segment, _) => segment.last,
            Self::Summary(_, summary) => Head { seq: summary.last_seq, hash: summary.last_hash },
        }
    }
}
