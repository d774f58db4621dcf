//! The record as it grows, over all its files and those that are yet to come.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;

use super::begun::{Begun, Ended};
use super::filter::{Filter, Sieve};
use super::folder::{ReadError, RecordFolder, SegmentFile};
use super::head::{LineKind, head, request};
use super::requests::{Entry, Place, Request};
use super::segment::{SegmentReader, Step};
use crate::clock::Timestamp;
use crate::record::event::EventLine;
use crate::record::line::{Access, End, Gap, Progress, Start};

/// Follows a record from now on. A request is told when it is answered and again when it ends, or once if both are there; one that
/// began earlier is told when it ends.
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
    begun: Begun,
    /// Ends of this turn whose requests began earlier.
    older: Vec<Ended>,
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
    /// Begins behind what is in `folder` now. `now` is no later than this.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn begin(folder: &RecordFolder, filter: Filter, now: Timestamp) -> Result<Self, ReadError> {
        let mut follow = Self {
            dir: folder.dir().to_owned(),
            sieve: Sieve::of(&filter),
            filter,
            reading: Vec::new(),
            known: HashSet::new(),
            open: HashMap::new(),
            begun: Begun::before(now),
            older: Vec::new(),
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
        self.look_back()?;
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

    /// Tells the ends of requests that began earlier.
    fn look_back(&mut self) -> Result<(), ReadError> {
        if self.older.is_empty() {
            return Ok(());
        }
        let older = std::mem::take(&mut self.older);
        let open = self.begun.look(&RecordFolder::open(&self.dir)?, &older, &self.filter, &self.sieve)?;
        for (id, request) in open {
            // What was answered since is known better.
            self.open.entry(id).or_insert(Waiting { request, told: true });
        }
        for Ended { end, .. } in older {
            if let Some(Waiting { request, .. }) = self.open.remove(end.request.as_bytes()) {
                self.ended(request, end);
            }
        }
        Ok(())
    }

    fn ended(&mut self, mut request: Request, end: End) {
        let at = end.at.clone();
        request.end = Some(end);
        request.may_run = false;
        if request.access.is_some() || self.filter.fits_unanswered() {
            self.news.push(News { at, entry: Ok(Entry::Request(Box::new(request))) });
        }
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
                let waiting = request(text).and_then(|id| self.open.remove(id));
                let end: End = read(text)?;
                match waiting {
                    Some(Waiting { request, .. }) => self.ended(request, end),
                    None => self.older.extend(self.begun.is_older(end, segment)),
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

    fn of_lap_7() -> Filter {
        Filter { devices: vec!["lap-7".into()], ..Filter::default() }
    }

    #[test]
    fn the_end_of_what_began_earlier_is_told_with_who_and_what() {
        let dir = tempfile::tempdir().unwrap();
        // 2025-12-31T23:00:00Z, the hour after it, and a minute after that.
        let (first, second, now) = (1_767_222_000_000_i64, 1_767_225_600_000_i64, 1_767_225_660_000_i64);
        let name = |started: i64| format!("access-{started:013}-7-0.jsonl");
        append(dir.path(), &name(first), &[access("long", "lap-7"), access("other", "lap-8"), access("over", "lap-7")].concat());
        append(dir.path(), &name(second), &access("short", "lap-7"));
        let end = |request: &str, at: i64, ms: i64| {
            let at = Timestamp(at);
            format!("{{\"line\":\"end\",\"at\":\"{at}\",\"request\":\"{request}\",\"sent\":7,\"received\":0,\"ms\":{ms},\"ending\":\"cut\",\"cause\":\"device_quarantined\"}}\n").into_bytes()
        };
        append(dir.path(), &name(first), &end("over", second - 60_000, 1));
        // The first file is finished: it was compressed.
        let plain = std::fs::read(dir.path().join(name(first))).unwrap();
        std::fs::write(dir.path().join(name(first) + ".zst"), zstd::encode_all(&plain[..], 1).unwrap()).unwrap();
        std::fs::remove_file(dir.path().join(name(first))).unwrap();
        let folder = RecordFolder::open(dir.path()).unwrap();
        let mut follow = Follow::begin(&folder, of_lap_7(), Timestamp(now)).unwrap();
        assert_eq!(told(&mut follow), []);
        let later = now + 5000;
        let ends =
            [end("other", later, later - second + 1000), end("long", later, later - second + 1000), end("short", later, 6000)];
        append(dir.path(), &name(second), &ends.concat());
        let entries = follow.news().unwrap();
        let told: Vec<_> = entries
            .iter()
            .map(|entry| match entry {
                Entry::Request(request) => {
                    let device = request.access.as_ref().unwrap().device.clone().unwrap();
                    (request.id(), device, request.ending(), request.cause())
                }
                Entry::Event(..) | Entry::Gap(..) => unreachable!(),
            })
            .collect();
        let cut = |id| (id, "lap-7".to_owned(), "cut", Some("device_quarantined"));
        assert_eq!(told, [cut("long"), cut("short")]);
        // Told once, and no end is taken for that of another.
        append(dir.path(), &name(second), &[end("over", later, later - second + 1000), end("nobody", later, 9000)].concat());
        assert_eq!(follow.news().unwrap().len(), 0);
    }

    #[test]
    fn what_comes_is_told_over_all_files() {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = ("access-0000000000001-7-0.jsonl", "access-0000000000002-7-0.jsonl");
        append(dir.path(), one, &access("old", "lap-7"));
        let folder = RecordFolder::open(dir.path()).unwrap();
        let mut follow = Follow::begin(&folder, of_lap_7(), Timestamp(0)).unwrap();
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
