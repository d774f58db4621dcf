//! Requests with everything that the record says of them: their lines put together.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use serde::Deserialize;

use super::filter::{Filter, Sieve};
use super::folder::{ReadError, RecordFolder, SegmentFile};
use super::head::{LineKind, request};
use super::late::{Ending, Late};
use super::lines::{Lines, RawLine, Sift, Tally};
use super::span::Span;
use crate::record::event::EventLine;
use crate::record::line::{Access, End, Gap, Progress, Start};

/// The requests and events that fit a [`Filter`] within a [`Span`], in the order of the record; see [`Lines`].
///
/// A request waits for its `end`, and those behind it wait with it, so that the order stays. When too many wait, the ends of
/// streams that last are read ahead, once: memory is bounded, however long the record is.
#[derive(Debug)]
pub struct Requests {
    lines: Lines,
    files: Vec<SegmentFile>,
    joining: Joining,
    /// So many wait before ends are read ahead.
    most: usize,
    late: Option<Late>,
    over: bool,
}

/// Something that the record tells.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A request.
    Request(Box<Request>),
    /// Something that is no request.
    Event(Box<EventLine>, Place),
    /// The record could not be written for a while. Told whatever the filter is: something that it would fit may be lost.
    Gap(Gap, Place),
}

/// A request, with all its lines.
#[derive(Clone, Debug)]
pub struct Request {
    /// What was decided and answered. Absent: it was begun, and a crash came before the answer.
    pub access: Option<Access>,
    /// What was written before it went to the app; absent of what changes nothing there.
    pub start: Option<Start>,
    /// How it ended; absent if that is not in the record.
    pub end: Option<End>,
    /// How far it had come when that was last written.
    pub progress: Option<Progress>,
    /// The process that served it may still be doing so.
    pub may_run: bool,
    /// Where its first line stands.
    pub place: Place,
}

/// Where a line stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub segment: Arc<SegmentFile>,
    /// Which line of it, counted from 1.
    pub number: u64,
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// This many.
    Exactly(u64),
    /// How many is not known; not fewer than this.
    AtLeast(u64),
}

#[derive(Debug)]
struct Joining {
    filter: Filter,
    sieve: Sieve,
    span: Span,
    /// In the order in which they are to be told.
    queue: VecDeque<Slot>,
    /// How many left the queue: the number of its first.
    told: u64,
    /// Requests without an end, by their ids: their numbers.
    open: HashMap<Box<[u8]>, u64>,
    /// Of each chain the process that wrote it last, and whether it finished its file.
    writers: HashMap<Box<str>, (u64, bool)>,
    unreadable: u64,
}

#[derive(Debug)]
enum Slot {
    Dropped,
    Waiting(Box<Request>),
    Ready(Entry),
}

impl RecordFolder {
    /// The requests and events that fit `filter` and are of the time `span`: of requests, when their heads had been read.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn requests(&self, filter: Filter, span: Span) -> Result<Requests, ReadError> {
        let joining = Joining {
            sieve: Sieve::of(&filter),
            filter,
            span,
            queue: VecDeque::new(),
            told: 0,
            open: HashMap::new(),
            writers: HashMap::new(),
            unreadable: 0,
        };
        Ok(Requests {
            lines: self.lines()?,
            files: self.segments().to_vec(),
            joining,
            most: MOST_WAITING,
            late: None,
            over: false,
        })
    }
}

impl Requests {
    /// The next one; `None` after the last.
    ///
    /// # Errors
    /// [`ReadError`], when a file cannot be read.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            if let Some(entry) = self.joining.ready() {
                return Ok(Some(entry));
            }
            if self.over {
                return Ok(None);
            }
            if self.joining.queue.len() > self.most && self.settle_first()? {
                continue;
            }
            match self.lines.next_of(&mut self.joining)? {
                Some(line) => self.joining.take(&line),
                None => {
                    self.over = true;
                    self.joining.finish();
                }
            }
        }
    }

    /// Says how the first that waits ends, if that is far ahead; whether it was.
    fn settle_first(&mut self) -> Result<bool, ReadError> {
        let late = match &mut self.late {
            Some(late) => late,
            None => self.late.insert(Late::read(&self.files, &self.joining.filter, self.joining.span)?),
        };
        Ok(self.joining.settle_first(late))
    }

    /// What was read so far.
    pub fn tally(&self) -> Tally {
        self.lines.tally()
    }

    /// Lines so far that begin as ours do and make no sense.
    pub fn unreadable(&self) -> u64 {
        self.joining.unreadable
    }
}

impl Sift for Joining {
    fn file(&mut self, file: &SegmentFile) -> bool {
        let wanted = file.may_have(&self.span) || self.waiting().any(|request| request.place.is_of(file));
        if !wanted {
            // Its first line will not be seen; that another process went on is known all the same.
            self.opened(file);
        }
        wanted
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        let open = || request(line.text).is_some_and(|id| self.open.contains_key(id));
        match line.kind {
            LineKind::Access => (self.span.has(line.at) && self.sieve.passes(line.text)) || (!self.open.is_empty() && open()),
            LineKind::Start => self.span.has(line.at) && self.sieve.passes_early(line.text),
            LineKind::End | LineKind::Progress => !self.open.is_empty() && open(),
            LineKind::Event => self.filter.is_for_events() && self.span.has(line.at) && self.sieve.passes_early(line.text),
            LineKind::Gap => self.span.has(line.at),
            LineKind::Open | LineKind::Close => true,
            LineKind::Facts => false,
        }
    }
}

impl Joining {
    fn take(&mut self, line: &RawLine<'_>) {
        let place = || Place { segment: Arc::clone(line.segment), number: line.number };
        let understood = match line.kind {
            LineKind::Access => parsed(line).map(|access| self.access(access, place())),
            LineKind::Start => parsed(line).map(|start| self.start(start, place())),
            LineKind::End => parsed(line).map(|end| self.end(end)),
            LineKind::Progress => parsed(line).map(|progress| self.progress(progress)),
            LineKind::Event => parsed(line).map(|event: EventLine| {
                if self.filter.fits_event(&event) {
                    self.queue.push_back(Slot::Ready(Entry::Event(Box::new(event), place())));
                }
            }),
            LineKind::Gap => parsed(line).map(|gap| self.queue.push_back(Slot::Ready(Entry::Gap(gap, place())))),
            LineKind::Open => {
                self.opened(line.segment);
                Some(())
            }
            LineKind::Close => {
                self.writers.insert(line.segment.chain.clone(), (line.segment.process, true));
                Some(())
            }
            LineKind::Facts => Some(()),
        };
        self.unreadable += u64::from(understood.is_none());
    }

    fn start(&mut self, start: Start, place: Place) {
        if self.filter.fits_start(&start) {
            self.begin(start.request.clone(), Request::new(None, Some(start), place));
        }
    }

    fn access(&mut self, access: Access, place: Place) {
        let fits = self.span.has(&access.at) && self.filter.fits(&access);
        let id = access.request.as_bytes();
        match self.open.get(id).copied().and_then(|number| self.slot(number)) {
            Some(slot @ Slot::Waiting(_)) if !fits => {
                *slot = Slot::Dropped;
                self.open.remove(id);
            }
            Some(Slot::Waiting(request)) if request.access.is_none() => request.access = Some(access),
            _ if fits => self.begin(access.request.clone(), Request::new(Some(access), None, place)),
            _ => {}
        }
    }

    fn begin(&mut self, id: String, request: Request) {
        self.open.insert(id.into_bytes().into(), self.told + self.queue.len() as u64);
        self.queue.push_back(Slot::Waiting(Box::new(request)));
    }

    fn progress(&mut self, progress: Progress) {
        let number = self.open.get(progress.request.as_bytes()).copied();
        if let Some(Slot::Waiting(request)) = number.and_then(|number| self.slot(number)) {
            request.progress = Some(progress);
        }
    }

    fn end(&mut self, end: End) {
        let Some(number) = self.open.remove(end.request.as_bytes()) else { return };
        let answered = self.filter.fits_unanswered();
        if let Some(slot @ Slot::Waiting(_)) = self.slot(number)
            && let Slot::Waiting(mut request) = std::mem::replace(slot, Slot::Dropped)
            && (request.access.is_some() || answered)
        {
            request.end = Some(end);
            *slot = Slot::Ready(Entry::Request(request));
        }
    }

    /// A chain goes on in another file. What another process left open has no end.
    fn opened(&mut self, segment: &SegmentFile) {
        self.writers.insert(segment.chain.clone(), (segment.process, false));
        self.close_waiting(|place| place.segment.chain == segment.chain && place.segment.process != segment.process);
    }

    /// Nothing more is coming.
    fn finish(&mut self) {
        self.close_waiting(|_all| true);
    }

    fn close_waiting(&mut self, which: impl Fn(&Place) -> bool) {
        let unanswered = self.filter.fits_unanswered();
        for slot in &mut self.queue {
            let Slot::Waiting(request) = slot else { continue };
            if !which(&request.place) {
                continue;
            }
            self.open.remove(request.id().as_bytes());
            let Slot::Waiting(mut request) = std::mem::replace(slot, Slot::Dropped) else { continue };
            if request.access.is_none() && !unanswered {
                continue;
            }
            let Place { segment, .. } = &request.place;
            request.may_run = self.writers.get(&segment.chain) == Some(&(segment.process, false));
            *slot = Slot::Ready(Entry::Request(request));
        }
    }

    /// The first that waits, if its end is far ahead or nowhere.
    fn settle_first(&mut self, late: &mut Late) -> bool {
        let Some(Slot::Waiting(request)) = self.queue.front_mut() else { return false };
        // Of what was begun, the answer is still to come.
        if request.access.is_none() {
            return false;
        }
        let Some(Ending { end, progress }) = late.take(request.id()) else { return false };
        self.open.remove(request.id().as_bytes());
        let Place { segment, .. } = &request.place;
        request.may_run = end.is_none() && late.writers.get(&segment.chain) == Some(&(segment.process, false));
        (request.end, request.progress) = (end, progress);
        if let Some(Slot::Waiting(request)) = self.queue.pop_front() {
            self.queue.push_front(Slot::Ready(Entry::Request(request)));
        }
        true
    }

    fn slot(&mut self, number: u64) -> Option<&mut Slot> {
        self.queue.get_mut(usize::try_from(number.checked_sub(self.told)?).ok()?)
    }

    fn waiting(&self) -> impl Iterator<Item = &Request> {
        self.queue.iter().filter_map(|slot| match slot {
            Slot::Waiting(request) => Some(&**request),
            Slot::Dropped | Slot::Ready(_) => None,
        })
    }

    fn ready(&mut self) -> Option<Entry> {
        loop {
            match self.queue.front()? {
                Slot::Waiting(_) => return None,
                Slot::Dropped | Slot::Ready(_) => {}
            }
            self.told += 1;
            if let Some(Slot::Ready(entry)) = self.queue.pop_front() {
                return Some(entry);
            }
        }
    }
}

impl Request {
    pub(super) fn new(access: Option<Access>, start: Option<Start>, place: Place) -> Self {
        Self { access, start, end: None, progress: None, may_run: false, place }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        let started = || self.start.as_ref().map_or("", |start| &start.request);
        self.access.as_ref().map_or_else(started, |access| &access.request)
    }

    /// When its head had been read; of one that was never answered, when it went to the app.
    pub fn at(&self) -> &str {
        let started = || self.start.as_ref().map_or("", |start| &start.at);
        self.access.as_ref().map_or_else(started, |access| &access.at)
    }

    /// Bytes of the answer's body that went to the client.
    pub fn sent(&self) -> Bytes {
        self.bytes(|end| end.sent, |progress| progress.sent)
    }

    /// Bytes of the request's body that went to the app.
    pub fn received(&self) -> Bytes {
        self.bytes(|end| end.received, |progress| progress.received)
    }

    /// How it ended: the word of its `end` line; else `open` if it may still be going on, else `unknown`.
    pub fn ending(&self) -> &str {
        match &self.end {
            Some(end) => &end.ending,
            None if self.may_run => "open",
            None => "unknown",
        }
    }

    /// Why it was cut, if access had ended.
    pub fn cause(&self) -> Option<&str> {
        self.end.as_ref().and_then(|end| end.cause.as_deref())
    }

    fn bytes(&self, of_end: fn(&End) -> u64, of_progress: fn(&Progress) -> u64) -> Bytes {
        match &self.end {
            Some(end) => Bytes::Exactly(of_end(end)),
            None => Bytes::AtLeast(self.progress.as_ref().map_or(0, of_progress)),
        }
    }
}

impl Place {
    fn is_of(&self, file: &SegmentFile) -> bool {
        self.segment.chain == file.chain && self.segment.process == file.process
    }
}

fn parsed<'a, T: Deserialize<'a>>(line: &RawLine<'a>) -> Option<T> {
    serde_json::from_slice(line.text).ok()
}

/// Requests that are held while the first of them is under way: some hundred MiB at most.
const MOST_WAITING: usize = 100_000;

#[cfg(test)]
mod tests;
