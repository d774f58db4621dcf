//! Which files and lines of a folder are read, and how often.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use memchr::memmem::Finder;

use super::Gatherer;
use crate::commands::audit::report::figures::When;
use crate::commands::audit::report::findings::Standing;
use crate::record::read::{LineKind, RawLine, ReadError, RecordFolder, SegmentFile, Sift, Tally};

/// Reads what is of the time that is asked about, and of earlier times only what was still under way.
struct Window<'a> {
    gatherer: &'a mut Gatherer,
    /// Files that were finished before.
    early: &'a HashSet<String>,
    subject: Finder<'static>,
    since: String,
    until: String,
}

/// Reads the files that the window left aside, for the beginnings of what ended in it.
struct Before<'a> {
    gatherer: &'a Gatherer,
    early: &'a HashSet<String>,
}

impl Gatherer {
    /// Reads a record: all of it that matters.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub(in crate::commands::audit::report) fn read(&mut self, folder: &RecordFolder) -> Result<Tally, ReadError> {
        self.record_begins = folder.segments().first().map(|first| When(first.started));
        self.standing = Standing::read(folder, &self.subject)?;
        let early = early(folder.segments(), self.span.since.0.0);
        self.strangers_matter = !early.is_empty();
        let mut lines = folder.lines()?;
        let subject = serde_json::to_string(self.subject.id()).unwrap_or_default();
        let (since, until) = (self.span.since.0.to_string(), self.span.until.0.to_string());
        let subject = Finder::new(subject.as_bytes()).into_owned();
        let mut window = Window { gatherer: self, early: &early, subject, since, until };
        while let Some(line) = lines.next_of(&mut window)? {
            window.gatherer.line(&line);
        }
        let mut tally = lines.tally();
        if !self.strangers.is_empty() {
            let mut lines = folder.lines()?;
            while let Some(line) = lines.next_of(&mut Before { gatherer: self, early: &early })? {
                self.line_before(&line);
            }
            let more = lines.tally();
            tally.skipped = tally.skipped.saturating_sub(more.files);
            tally.files += more.files;
            tally.lines += more.lines;
            tally.bytes += more.bytes;
            tally.foreign += more.foreign;
            tally.torn += more.torn;
            tally.damaged += more.damaged;
        }
        Ok(tally)
    }

    /// A line of before, of a request that was still under way.
    fn line_before(&mut self, line: &RawLine<'_>) {
        let Some(id) = line.request().and_then(|id| str::from_utf8(id).ok()).map(Box::<str>::from) else { return };
        let known = self.under_way.contains_key(&id);
        self.line(line);
        let Some(request) = self.under_way.get_mut(&id) else { return };
        // Its `access` may come after its `start`, so it is settled when all was read.
        if !known && let Some(stranger) = self.strangers.get_mut(&id) {
            request.so_far = std::mem::take(&mut stranger.so_far);
        }
    }

    /// Requests that began before what was read at first, and ended in it.
    pub(super) fn settle_strangers(&mut self) {
        for (id, stranger) in std::mem::take(&mut self.strangers) {
            if let Some(ended) = stranger.ended
                && let Some(request) = self.under_way.remove(&id)
            {
                self.sums.settle(self.span, &self.names, &id, request, Some(ended));
            }
        }
    }
}

impl Sift for Window<'_> {
    fn file(&mut self, file: &SegmentFile) -> bool {
        if self.early.contains(file.name()) {
            return false;
        }
        // A line is written when its answer begins; its own time is when its request began, which cannot be longer ago than this.
        let late = file.started.minus(LONGEST_WAIT) >= self.gatherer.span.until.0;
        let goes_on = |request: &super::UnderWay| request.segment.chain == file.chain && request.segment.process == file.process;
        !late || self.gatherer.under_way.values().any(goes_on)
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        let in_time = self.since.as_str() <= line.at && line.at < self.until.as_str();
        match line.kind {
            // All of them in that time, as others may be of the same people.
            LineKind::Access if in_time => true,
            LineKind::Access | LineKind::Start => line.at < self.until.as_str() && self.subject.find(line.text).is_some(),
            LineKind::End | LineKind::Progress => self.gatherer.strangers_matter || self.gatherer.is_under_way(line),
            LineKind::Event | LineKind::Gap => in_time,
            LineKind::Facts | LineKind::Open | LineKind::Close => true,
        }
    }
}

impl Gatherer {
    fn is_under_way(&self, line: &RawLine<'_>) -> bool {
        let id = line.request().and_then(|id| str::from_utf8(id).ok());
        !self.under_way.is_empty() && id.is_some_and(|id| self.under_way.contains_key(id))
    }
}

impl Sift for Before<'_> {
    fn file(&mut self, file: &SegmentFile) -> bool {
        self.early.contains(file.name())
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        let wanted = || line.request().and_then(|id| str::from_utf8(id).ok());
        matches!(line.kind, LineKind::Access | LineKind::Start)
            && wanted().is_some_and(|id| self.gatherer.strangers.contains_key(id))
    }
}

/// Files that were finished before `since`: another of their chain was begun by then.
fn early(files: &[SegmentFile], since: i64) -> HashSet<String> {
    let mut by_chain: HashMap<&str, Vec<&SegmentFile>> = HashMap::new();
    for file in files {
        by_chain.entry(&file.chain).or_default().push(file);
    }
    let mut early = HashSet::new();
    for mut chain in by_chain.into_values() {
        chain.sort();
        for (file, next) in chain.iter().zip(chain.iter().skip(1)) {
            // While one process takes over from another, both write.
            if next.started.0 <= since && file.process == next.process {
                early.insert(file.name().to_owned());
            }
        }
    }
    early
}

/// No request waits longer for its answer than a day.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
