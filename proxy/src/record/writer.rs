//! One chain under way: it seals lines, appends them to its segment, and goes on to the next segment when that is large or old.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr_iter;
use serde::{Deserialize, Serialize};

use super::archive::Shared;
use super::chain::{ChainHash, Head, ROOM};
use super::heads::Place;
use super::line::{Close, Follows, Line, Open, Repaired};
use super::read::head::{At, head};
use super::segment::Segment;
use super::sync::Synced;
use crate::clock::Timestamp;

/// The writing end of one chain. Whoever has it is the only one who writes to the chain.
#[derive(Debug)]
pub struct ChainWriter {
    shared: Arc<Shared>,
    chain: Arc<str>,
    segment: Segment,
    /// Of the last line that is written.
    head: Head,
    place: Arc<Place>,
    told: Told,
    opened: Instant,
    /// Not before then is the next segment tried again.
    next_try: Option<Instant>,
    /// Lines as they will stand in the file, behind [`ROOM`] bytes that are not written.
    sealed: Vec<u8>,
}

/// What a segment has, so far.
#[derive(Clone, Copy, Debug)]
struct Told {
    first_seq: u64,
    first_previous: ChainHash,
    /// The earliest and the latest time that any of its lines tells.
    span: Option<(At, At)>,
    lines: u64,
}

/// A segment that nothing is written to any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// Name of its chain.
    pub chain: Arc<str>,
    /// Where it is.
    #[serde(skip)]
    pub path: PathBuf,
    /// The earliest time that any of its lines tells, RFC 3339.
    pub first_at: String,
    /// The latest.
    pub last_at: String,
    /// Number of its first line.
    pub first_seq: u64,
    /// Number of its last line.
    pub last_seq: u64,
    /// Hash of the line before its first; zeros if that is the first of its chain.
    pub first_previous: ChainHash,
    /// Hash of its last line.
    pub last_hash: ChainHash,
    /// How many lines it has.
    pub lines: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// Whether the chain goes on in another segment.
#[derive(Debug)]
pub enum Rotation {
    /// It was not time.
    NotDue,
    /// It does: facts have to be written anew.
    Done,
    /// It should, and could not. It goes on where it was, and this is tried again later.
    Failed(io::Error),
}

impl ChainWriter {
    /// Makes the first segment of this process and writes its `open` line.
    ///
    /// # Errors
    /// What the file system says.
    pub(super) fn begin(
        shared: Arc<Shared>,
        chain: Arc<str>,
        head: Head,
        follows: Vec<Follows>,
        repaired: Vec<Repaired>,
    ) -> io::Result<Self> {
        let now = shared.clock.now();
        let segment = Segment::create(&shared.dir, now, &chain, &shared.syncs)?;
        let place = shared.heads.add(Arc::clone(&chain), Arc::clone(segment.name()), head);
        let sealed = vec![0; ROOM];
        let (told, opened) = (Told::after(head), Instant::now());
        let mut writer = Self { shared, chain, segment, head, place, told, opened, next_try: None, sealed };
        let open = writer.open_line(now, follows, repaired)?;
        writer.append(&open)?;
        Ok(writer)
    }

    /// Where its segment is.
    pub fn path(&self) -> &std::path::Path {
        self.segment.path()
    }

    /// Seals whole lines, each with its newline, and appends them; returns when `write(2)` has returned for all of them, with the
    /// number of bytes. What fails does not count: the next lines take its place in the chain.
    ///
    /// # Errors
    /// What the file system says.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<u64> {
        let bytes = self.append_unseen(lines)?;
        self.place.moved(self.head);
        Ok(bytes)
    }

    /// As [`append`](Self::append), but nobody is told yet where the chain stands: what may still be taken back must not be signed.
    fn append_unseen(&mut self, lines: &[u8]) -> io::Result<u64> {
        let (mut head, mut told) = (self.head, self.told);
        seal_all(lines, &mut head, &mut told, &mut self.sealed);
        let written = self.sealed.get(ROOM..).unwrap_or_default();
        self.segment.append(written)?;
        (self.head, self.told) = (head, told);
        Ok(written.len() as u64)
    }

    /// Goes on in a new segment if this one is large or old enough. To be called when nothing waits that rests on what stands in
    /// this one.
    pub fn rotate_if_due(&mut self) -> Rotation {
        let large = self.segment.length() >= self.shared.rotate_size;
        // A segment with nothing but its `open` line may stay.
        let old = self.told.lines > 1 && self.opened.elapsed() >= self.shared.rotate_after;
        if !(large || old) || self.next_try.is_some_and(|then| Instant::now() < then) {
            return Rotation::NotDue;
        }
        match self.rotate() {
            Ok(()) => Rotation::Done,
            Err(error) => {
                self.next_try = Instant::now().checked_add(TRY_AGAIN);
                Rotation::Failed(error)
            }
        }
    }

    /// A handle with which to force its segment to the disk from elsewhere.
    pub(super) fn synced(&self) -> Arc<Synced> {
        self.segment.synced()
    }

    fn finish(&mut self) -> io::Result<()> {
        let close = self.close_line(self.shared.clock.now())?;
        self.append(&close)?;
        self.synced().file.sync_data()?;
        self.tell_finished();
        Ok(())
    }

    /// All or nothing: the old segment is closed only if the new one is begun.
    fn rotate(&mut self) -> io::Result<()> {
        let now = self.shared.clock.now();
        let mut next = Segment::create(&self.shared.dir, now, &self.chain, &self.shared.syncs)?;
        let (length, head, told) = (self.segment.length(), self.head, self.told);
        if let Err(error) = self.close_and_open(&mut next, now) {
            self.segment.cut_to(length);
            (self.head, self.told) = (head, told);
            if let Err(error) = std::fs::remove_file(next.path()) {
                tracing::warn!(%error, path = %next.path().display(), "an empty file of the record stays behind");
            }
            return Err(error);
        }
        Ok(())
    }

    fn close_and_open(&mut self, next: &mut Segment, now: Timestamp) -> io::Result<()> {
        let close = self.close_line(now)?;
        self.append_unseen(&close)?;
        let follows = Follows { segment: self.segment.name().as_ref().to_owned(), seq: self.head.seq, chain: self.head.hash };
        let open = self.open_line(now, vec![follows], Vec::new())?;
        let (mut head, mut told) = (self.head, Told::after(self.head));
        seal_all(&open, &mut head, &mut told, &mut self.sealed);
        next.append(self.sealed.get(ROOM..).unwrap_or_default())?;
        self.tell_finished();
        std::mem::swap(&mut self.segment, next);
        (self.head, self.told, self.opened, self.next_try) = (head, told, Instant::now(), None);
        self.place.rotated(self.segment.name(), head);
        Ok(())
    }

    fn open_line(&self, now: Timestamp, follows: Vec<Follows>, repaired: Vec<Repaired>) -> io::Result<Vec<u8>> {
        let open = Open {
            at: now.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            process: std::process::id(),
            core: self.chain.as_ref().to_owned(),
            follows,
            repaired,
        };
        let mut line = Vec::new();
        Line::Open(&open).write_to(&mut line)?;
        Ok(line)
    }

    fn close_line(&self, now: Timestamp) -> io::Result<Vec<u8>> {
        let close = Close { at: now.to_string(), lines: self.told.lines, bytes: self.segment.length() };
        let mut line = Vec::new();
        Line::Close(&close).write_to(&mut line)?;
        Ok(line)
    }

    /// Says that the segment is finished, as it stands.
    fn tell_finished(&self) {
        let Told { first_seq, first_previous, span, lines } = self.told;
        let (first, last) = span.unwrap_or_default();
        let text = |at: &At| String::from_utf8_lossy(at).into_owned();
        (self.shared.finished)(Finished {
            chain: Arc::clone(&self.chain),
            path: self.segment.path().to_owned(),
            first_at: text(&first),
            last_at: text(&last),
            first_seq,
            last_seq: self.head.seq,
            first_previous,
            last_hash: self.head.hash,
            lines,
            bytes: self.segment.length(),
        });
    }

    /// Forgets when the next segment could not be begun.
    #[cfg(test)]
    pub(super) fn try_again_now(&mut self) {
        self.next_try = None;
    }

    /// Writes fail from now on, as on a full disk; or do not any more.
    #[cfg(test)]
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        self.segment.refuse_writes(refuse);
    }
}

impl Drop for ChainWriter {
    /// Ends the chain for this process with a `close` line. Without it the segment is as after a crash; no line is lost.
    fn drop(&mut self) {
        if let Err(error) = self.finish() {
            tracing::error!(%error, path = %self.segment.path().display(), "a file of the record cannot be ended in order");
        }
    }
}

impl Told {
    fn after(head: Head) -> Self {
        Self { first_seq: head.seq.saturating_add(1), first_previous: head.hash, span: None, lines: 0 }
    }

    fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        if let Some((_, at)) = head(line) {
            self.span = Some(self.span.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        }
    }
}

/// Makes `sealed` the lines as they will stand in the file, behind [`ROOM`] bytes.
fn seal_all(lines: &[u8], head: &mut Head, told: &mut Told, sealed: &mut Vec<u8>) {
    sealed.truncate(ROOM);
    let mut start = 0;
    for end in memchr_iter(b'\n', lines) {
        if let Some(line) = lines.get(start..end) {
            told.line(line);
            head.seal(line, sealed);
        }
        start = end + 1;
    }
}

/// After a segment could not be begun, the old one is used for so long before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(10);
