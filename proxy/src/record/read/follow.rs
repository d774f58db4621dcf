//! The record as it grows, over all its files and those that are yet to come.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::filter::{Filter, Sieve};
use super::folder::{ReadError, RecordFolder, SegmentFile};
use super::head::{LineKind, head, request};
use super::requests::{Entry, Place, Request};
use super::segment::{SegmentReader, Step};
use crate::record::event::EventLine;
use crate::record::line::{Access, End, Gap, Progress, Start};

/// Follows a record from now on. A request is told when it is answered and again when it ends, or once if both are there.
#[derive(Debug)]
pub struct Follow {
    dir: PathBuf,
    filter: Filter,
    sieve: Sieve,
    /// Files whose end was not seen yet.
    reading: Vec<Reading>,
    /// Names of files that are read or need not be.
    known: HashSet<String>,
    /// Requests that fit and have not ended.
    open: HashMap<Box<[u8]>, Waiting>,
    /// What came up in this turn.
    news: Vec<News>,
}

#[derive(Debug)]
struct Reading {
    segment: Arc<SegmentFile>,
    reader: SegmentReader,
    /// Its last line was seen.
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    request: Request,
    /// It was told that it was answered.
    told: bool,
}

/// What came up, in the order of its time.
#[derive(Debug)]
struct News {
    at: String,
    entry: Result<Entry, Box<[u8]>>,
}

impl Follow {
    /// Begins behind what is in `folder` now.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn begin(folder: &RecordFolder, filter: Filter) -> Result<Self, ReadError> {
        let mut follow = Self {
            dir: folder.dir().to_owned(),
            sieve: Sieve::of(&filter),
            filter,
            reading: Vec::new(),
            known: HashSet::new(),
            open: HashMap::new(),
            news: Vec::new(),
        };
        // The last of each chain may still grow; of the others, nothing is to come.
        let mut last: HashMap<&str, &SegmentFile> = HashMap::new();
        for segment in folder.segments() {
            last.insert(&segment.chain, segment);
            follow.known.insert(segment.name().to_owned());
        }
        for segment in last.into_values().filter(|segment| !segment.is_compressed()) {
            let reader = SegmentReader::open_at_end(&segment.path).map_err(|source| segment.failed(source))?;
            follow.reading.push(Reading { segment: Arc::new(segment.clone()), reader, closed: false });
        }
        Ok(follow)
    }

    /// What came up since the last call, in the order of time.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn news(&mut self) -> Result<Vec<Entry>, ReadError> {
        // First what is new: its files are listed before the older ones are read to their ends, so that no line is told too early.
        let fresh = self.fresh()?;
        self.read_on()?;
        let followed: HashSet<Box<str>> = fresh.iter().map(|reading| reading.segment.chain.clone()).collect();
        self.reading.retain(|reading| !reading.closed && !followed.contains(&reading.segment.chain));
        self.reading.extend(fresh);
        self.read_on()?;
        self.news.sort_by(|one, other| one.at.cmp(&other.at));
        let mut entries = Vec::new();
        for News { entry, .. } in std::mem::take(&mut self.news) {
            match entry {
                Ok(entry) => entries.push(entry),
                // Answered, and not ended in this turn.
                Err(id) => entries.extend(self.open.get_mut(&id).filter(|waiting| !waiting.told).map(|waiting| {
                    waiting.told = true;
                    Entry::Request(Box::new(waiting.request.clone()))
                })),
            }
        }
        Ok(entries)
    }

    /// Files that were begun since.
    fn fresh(&mut self) -> Result<Vec<Reading>, ReadError> {
        let mut fresh = Vec::new();
        for segment in RecordFolder::open(&self.dir)?.segments() {
            if !self.known.insert(segment.name().to_owned()) {
                continue;
            }
            if let Some(reader) = segment.open()? {
                fresh.push(Reading { segment: Arc::new(segment.clone()), reader, closed: false });
            }
        }
        Ok(fresh)
    }

    fn read_on(&mut self) -> Result<(), ReadError> {
        let mut reading = std::mem::take(&mut self.reading);
        for Reading { segment, reader, closed } in &mut reading {
            loop {
                match reader.step().map_err(|source| segment.failed(source))? {
                    Step::Line => *closed |= self.take(segment, reader) == Some(LineKind::Close),
                    Step::TooLong => {}
                    Step::Torn | Step::Damaged | Step::End => break,
                }
            }
        }
        self.reading = reading;
        Ok(())
    }

    /// Looks at a line; what it is.
    fn take(&mut self, segment: &Arc<SegmentFile>, reader: &SegmentReader) -> Option<LineKind> {
        let text = reader.line();
        let (kind, at) = head(text)?;
        let at = || str::from_utf8(&at).unwrap_or_default().to_owned();
        let place = || Place { segment: Arc::clone(segment), number: reader.number() };
        match kind {
            LineKind::Start if self.sieve.passes_early(text) => {
                let start: Start = read(text)?;
                if self.filter.fits_start(&start) {
                    let request = Request::new(None, Some(start), place());
                    self.open.insert(request.id().as_bytes().into(), Waiting { request, told: false });
                }
            }
            LineKind::Access => self.access(text, at, place),
            LineKind::Progress => {
                if let Some(waiting) = request(text).and_then(|id| self.open.get_mut(id)) {
                    waiting.request.progress = read::<Progress>(text);
                }
            }
            LineKind::End => {
                let Waiting { mut request, .. } = self.open.remove(request(text)?)?;
                request.end = read::<End>(text);
                request.may_run = false;
                if request.access.is_some() || self.filter.fits_unanswered() {
                    self.news.push(News { at: at(), entry: Ok(Entry::Request(Box::new(request))) });
                }
            }
            LineKind::Event if self.filter.is_for_events() && self.sieve.passes_early(text) => {
                let event: EventLine = read(text)?;
                if self.filter.fits_event(&event) {
                    self.news.push(News { at: at(), entry: Ok(Entry::Event(Box::new(event), place())) });
                }
            }
            LineKind::Gap => self.news.push(News { at: at(), entry: Ok(Entry::Gap(read::<Gap>(text)?, place())) }),
            LineKind::Open => {
                // What another process left open has no end.
                self.open.retain(|_, Waiting { request: Request { place: Place { segment: other, .. }, .. }, .. }| {
                    other.chain != segment.chain || other.process == segment.process
                });
            }
            LineKind::Start | LineKind::Event | LineKind::Close | LineKind::Facts => {}
        }
        Some(kind)
    }

    fn access(&mut self, text: &[u8], at: impl Fn() -> String, place: impl Fn() -> Place) {
        let started = request(text).is_some_and(|id| self.open.contains_key(id));
        if !started && !self.sieve.passes(text) {
            return;
        }
        let Some(access) = read::<Access>(text) else { return };
        let id: Box<[u8]> = access.request.as_bytes().into();
        let begun = self.open.remove(&id);
        if !self.filter.fits(&access) {
            return;
        }
        let mut request = begun.map_or_else(|| Request::new(None, None, place()), |waiting| waiting.request);
        request.access = Some(access);
        request.may_run = true;
        self.open.insert(id.clone(), Waiting { request, told: false });
        self.news.push(News { at: at(), entry: Err(id) });
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    serde_json::from_slice(text).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write as _;
    use std::path::Path;

    use super::*;
    use crate::record::line::{Decision, Line};

    fn append(dir: &Path, segment: &str, text: &[u8]) {
        OpenOptions::new().create(true).append(true).open(dir.join(segment)).unwrap().write_all(text).unwrap();
    }

    fn access(request: &str, device: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let line = Access {
            at: "2026-01-01T00:00:00.000Z".into(),
            request: request.into(),
            device: Some(device.into()),
            decision: Decision::Allow,
            ..Access::default()
        };
        Line::Access(&line).write_to(&mut out).unwrap();
        out
    }

    fn end(request: &str) -> Vec<u8> {
        format!("{{\"line\":\"end\",\"at\":\"2026-01-01T00:00:01.000Z\",\"request\":\"{request}\",\"sent\":7,\"received\":0,\"ms\":1,\"ending\":\"complete\"}}\n").into_bytes()
    }

    fn told(follow: &mut Follow) -> Vec<(String, String)> {
        let entries = follow.news().unwrap();
        let request = |entry: &Entry| match entry {
            Entry::Request(request) => (request.id().to_owned(), request.ending().to_owned()),
            Entry::Event(event, _) => (event.event.clone(), String::new()),
            Entry::Gap(gap, _) => (gap.lost.to_string(), String::new()),
        };
        entries.iter().map(request).collect()
    }

    #[test]
    fn what_comes_is_told_over_all_files() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = ("access-0000000000001-7-0.jsonl", "access-0000000000002-7-0.jsonl");
        append(dir.path(), one, &access("old", "lap-7"));
        let folder = RecordFolder::open(dir.path()).unwrap();
        let mut follow = Follow::begin(&folder, Filter { devices: vec!["lap-7".into()], ..Filter::default() }).unwrap();
        assert_eq!(told(&mut follow), []);
        append(dir.path(), one, &[access("a", "lap-7"), access("b", "lap-8"), end("a"), access("c", "lap-7")].concat());
        let said = |request: &str, ending: &str| (request.to_owned(), ending.to_owned());
        assert_eq!(told(&mut follow), [said("c", "open"), said("a", "complete")]);
        // The end of it is in the next file, in two halves; a chain that nobody knew comes up.
        let end = end("c");
        append(dir.path(), one, b"{\"line\":\"close\",\"at\":\"2026-01-01T00:00:01.000Z\"}\n");
        append(dir.path(), two, &end[..30]);
        append(
            dir.path(),
            "access-0000000000003-7-control.jsonl",
            b"{\"line\":\"event\",\"at\":\"2026-01-01T00:00:01.000Z\",\"event\":\"device_quarantined\",\"device\":\"lap-7\"}\n",
        );
        assert_eq!(told(&mut follow), [said("device_quarantined", "")]);
        append(dir.path(), two, &end[30..]);
        assert_eq!(told(&mut follow), [said("c", "complete")]);
        append(dir.path(), two, &access("d", "lap-8"));
        assert_eq!(told(&mut follow), []);
    }
}
