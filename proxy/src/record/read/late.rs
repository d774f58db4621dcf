//! Ends that stand far behind what they end: of streams that last. Read ahead once, so that all that began meanwhile need not be
//! held until then.

use std::collections::HashMap;

use super::filter::{Filter, Sieve};
use super::folder::{ReadError, SegmentFile};
use super::head::{LineKind, request};
use super::lines::{Lines, RawLine, Sift};
use super::span::Span;
use crate::record::line::{End, Progress};

/// Of requests whose `end` is further behind them than [`NEAR`]: how they end.
#[derive(Debug, Default)]
pub(super) struct Late {
    ends: HashMap<Box<[u8]>, Ending>,
    /// Of each chain the process that wrote it last, and whether it finished its file.
    pub(super) writers: HashMap<Box<str>, (u64, bool)>,
}

/// How a request ends, as far as the record says.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) end: Option<End>,
    pub(super) progress: Option<Progress>,
}

/// Those that are under way, while reading ahead.
#[derive(Debug)]
struct Ahead<'a> {
    sieve: &'a Sieve,
    span: Span,
    /// By id: the line of the chain that they begin with.
    open: HashMap<Box<[u8]>, (u64, Ending)>,
    /// How many lines of each chain were seen.
    lines: HashMap<Box<str>, u64>,
    late: Late,
}

impl Late {
    /// Reads ahead in all of the record.
    pub(super) fn read(files: &[SegmentFile], filter: &Filter, span: Span) -> Result<Self, ReadError> {
        let sieve = Sieve::of(filter);
        let mut ahead = Ahead { sieve: &sieve, span, open: HashMap::new(), lines: HashMap::new(), late: Self::default() };
        let mut lines = Lines::of(files)?;
        while lines.next_of(&mut ahead)?.is_some() {}
        let Ahead { open, mut late, .. } = ahead;
        late.ends.extend(open.into_iter().map(|(id, (_, ending))| (id, ending)));
        Ok(late)
    }

    /// How this one ends; `None` if its end is near.
    pub(super) fn take(&mut self, id: &str) -> Option<Ending> {
        self.ends.remove(id.as_bytes())
    }
}

impl Sift for Ahead<'_> {
    fn file(&mut self, _file: &SegmentFile) -> bool {
        true
    }

    /// Everything is done here: no line has to be given out.
    fn line(&mut self, line: &RawLine<'_>) -> bool {
        let chain = &line.segment.chain;
        let seen = if let Some(seen) = self.lines.get_mut(chain) { seen } else { self.lines.entry(chain.clone()).or_default() };
        *seen += 1;
        let here = *seen;
        let id = || request(line.text);
        match line.kind {
            LineKind::Access | LineKind::Start => {
                let passes = if line.kind == LineKind::Access { Sieve::passes } else { Sieve::passes_early };
                if self.span.has(line.at)
                    && passes(self.sieve, line.text)
                    && let Some(id) = id()
                    && !self.open.contains_key(id)
                {
                    self.open.insert(id.into(), (here, Ending::default()));
                }
            }
            LineKind::Progress => {
                if let Some((_, ending)) = id().and_then(|id| self.open.get_mut(id)) {
                    ending.progress = serde_json::from_slice(line.text).ok();
                }
            }
            LineKind::End => {
                if let Some((id, (began, mut ending))) = id().and_then(|id| self.open.remove_entry(id))
                    && here - began > NEAR
                {
                    ending.end = serde_json::from_slice(line.text).ok();
                    self.late.ends.insert(id, ending);
                }
            }
            LineKind::Open | LineKind::Close => {
                self.late.writers.insert(chain.clone(), (line.segment.process, line.kind == LineKind::Close));
            }
            LineKind::Event | LineKind::Gap | LineKind::Facts => {}
        }
        false
    }
}

/// Lines of a chain: an end within so many is waited for.
pub(super) const NEAR: u64 = 10_000;
