//! Tends finished segments: signs their summaries, packs them, and deletes what is too old or too much. A thread of its own, with low
//! priority.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use super::journal::{Checkpoints, earlier};
use super::metrics::{Room, SegmentState};
use super::pack;
use super::place;
use super::retention::{Held, Retention, Steady, plan};
use super::scan::ScanError;
use super::summary::Summary;
use super::tending::{Fate, Parts, TendError};
use crate::clock::Timestamp;
use crate::record::chain::Head;
use crate::record::name::SegmentName;
use crate::record::plain;
use crate::record::writer::Finished;

/// What the housekeeper is told.
#[derive(Debug)]
pub(super) enum Word {
    /// Nothing is written to this segment any more.
    Finished(Finished),
    /// Another file of checkpoints was begun.
    CheckpointsMoved,
    /// Tend what is left, and end.
    Stop,
}

#[derive(Debug)]
pub(super) struct Housekeeper {
    parts: Parts,
    /// All segments that are finished and not deleted.
    segments: BTreeMap<String, Entry>,
    /// Segments of which only the summary is there.
    stubs: u64,
    steady: Steady,
    /// Files of earlier checkpoints have to be looked at.
    checkpoints: bool,
    failing: bool,
}

/// A finished segment.
#[derive(Clone, Debug)]
struct Entry {
    state: SegmentState,
    /// Nothing is left to do but to delete it one day.
    tended: bool,
    bytes: u64,
    last_at: Option<Timestamp>,
    /// Where its writer says that it ends; not known of segments of earlier processes.
    written: Option<Head>,
}

impl Housekeeper {
    /// Lists the folder. To be called before anything can be finished: what is there and not written to now, is finished.
    pub(super) fn new(parts: Parts) -> io::Result<Self> {
        let mut names = BTreeMap::new();
        let mut summaries = Vec::new();
        for entry in fs::read_dir(&parts.audit)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let segment = name.strip_suffix(".zst").unwrap_or(name);
            if SegmentName::parse(segment).is_some() {
                names.insert(segment.to_owned(), Entry::new(None));
            } else if let Some(segment) = Summary::segment_of(name) {
                summaries.push(segment.to_owned());
            }
        }
        summaries.retain(|segment| !names.contains_key(segment));
        parts.say_again(&summaries);
        let stubs = summaries.len() as u64;
        for head in parts.heads.now() {
            names.remove(&*head.segment);
        }
        let steady = Steady::begin(parts.clock.now(), Instant::now());
        Ok(Self { parts, segments: names, stubs, steady, checkpoints: true, failing: false })
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self, words: &Receiver<Word>) {
        // Some service managers do not allow it; then it shares the processors with everybody else.
        let _as_before = rustix::process::setpriority_process(None, NICENESS);
        let tick = self.parts.retention.keep_for.map_or(TICK, |keep_for| (keep_for / 10).clamp(SHORT_TICK, TICK));
        loop {
            self.round();
            match words.recv_timeout(tick) {
                Ok(word) => {
                    let more = std::iter::from_fn(|| words.try_recv().ok());
                    // Nothing comes after the last word.
                    if std::iter::once(word).chain(more).any(|word| self.hear(word)) {
                        return self.sign_the_last();
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Whether it was the last word.
    fn hear(&mut self, word: Word) -> bool {
        match word {
            Word::Finished(finished) => {
                if let Some(name) = finished.path.file_name().and_then(|name| name.to_str()) {
                    let written = Head { seq: finished.last_seq, hash: finished.last_hash };
                    self.segments.insert(name.to_owned(), Entry::new(Some(written)));
                }
                false
            }
            Word::CheckpointsMoved => {
                self.checkpoints = true;
                false
            }
            Word::Stop => true,
        }
    }

    /// Everything that is due.
    fn round(&mut self) {
        let tended = self.tend_segments();
        let deleted = self.delete();
        let checkpoints = self.tend_checkpoints();
        match tended.and(deleted).and(checkpoints) {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!("finished files of the record are tended again");
                }
            }
            Err((path, error)) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, path = %path.display(), "a finished file of the record cannot be tended; it is tried again");
                }
            }
        }
        self.measure();
    }

    fn tend_segments(&mut self) -> Result<(), (PathBuf, io::Error)> {
        let due: Vec<_> = self.segments.iter().filter(|(_, entry)| !entry.tended).map(|(name, _)| name.clone()).collect();
        let mut outcome = Ok(());
        for name in due {
            if self.parts.stop.load(Ordering::Acquire) {
                break;
            }
            let compress = self.parts.compress;
            if let Err(error) = self.tend(&name, compress) {
                outcome = Err((self.parts.audit.join(&name), error));
            }
        }
        outcome
    }

    /// Signs the segment's summary, and packs it.
    fn tend(&mut self, name: &str, compress: bool) -> io::Result<()> {
        let Some(entry) = self.segments.get(name).cloned() else { return Ok(()) };
        let fate = self.parts.tend(name, entry.written, compress);
        let bytes = self.parts.bytes(name);
        match fate {
            Ok(Some(Fate::Kept { state, last_at })) => {
                let tended = state == SegmentState::Packed || !self.parts.compress;
                let entry = Entry { state, tended, bytes, last_at: Some(last_at), ..entry };
                self.segments.insert(name.to_owned(), entry);
            }
            Ok(Some(Fate::Gone)) => {
                self.stubs += 1;
                self.segments.remove(name);
            }
            Ok(None) => {
                self.segments.remove(name);
            }
            Err(TendError::Io(error) | TendError::Scan(ScanError::Io(error))) => {
                self.segments.insert(name.to_owned(), Entry { bytes, ..entry });
                return Err(error);
            }
            Err(error) => {
                tracing::error!(
                    %error, segment = name,
                    "a finished file of the record does not fit together; it is not signed, packed or deleted: verify the record"
                );
                let entry = Entry { state: SegmentState::Damaged, tended: true, bytes, last_at: None, ..entry };
                self.segments.insert(name.to_owned(), entry);
            }
        }
        Ok(())
    }

    /// Deletes what is too old or too much, some at a time.
    fn delete(&mut self) -> Result<(), (PathBuf, io::Error)> {
        let now = self.parts.clock.now();
        let steady = self.steady.look(now, Instant::now());
        let mut retention = self.parts.retention;
        retention.keep_for = retention.keep_for.filter(|_| steady);
        if retention == Retention::default() {
            return Ok(());
        }
        for (name, because) in plan(&self.held(), now, retention).into_iter().take(AT_ONCE) {
            if self.parts.stop.load(Ordering::Acquire) {
                break;
            }
            self.parts.delete(&name, because, now).map_err(|error| (self.parts.audit.join(&name), error))?;
            tracing::info!(segment = name, because = because.as_str(), "deleted a part of the record; its signed summary stays");
            self.segments.remove(&name);
            self.stubs += 1;
            self.checkpoints = true;
        }
        Ok(())
    }

    fn held(&self) -> Vec<Held> {
        let finished = self.segments.iter().map(|(name, entry)| Held {
            segment: name.clone(),
            open: false,
            last_at: entry.last_at,
            bytes: entry.bytes,
        });
        let open = self.parts.heads.now().into_iter().map(|head| {
            let segment = head.segment.as_ref().to_owned();
            Held { bytes: self.parts.bytes(&segment), segment, open: true, last_at: None }
        });
        finished.chain(open).collect()
    }

    /// Packs files of earlier checkpoints, and deletes those that are older than all that is left of the record, once every sink has
    /// them.
    fn tend_checkpoints(&mut self) -> Result<(), (PathBuf, io::Error)> {
        if !self.checkpoints {
            return Ok(());
        }
        let audit = &self.parts.audit;
        let all = earlier(audit).map_err(|error| (audit.clone(), error))?;
        let taken = self.parts.taken.iter().map(|taken| taken.load(Ordering::Acquire)).min().unwrap_or(u64::MAX);
        let oldest = self.segments.keys().filter_map(|name| SegmentName::parse(name)).map(|name| name.started).min();
        let may_delete = self.parts.retention != Retention::default();
        for (last, path) in all {
            let tend = || {
                if may_delete
                    && last <= taken
                    && last_time(audit, last)?.is_some_and(|at| oldest.is_some_and(|oldest| at < oldest))
                {
                    place::remove(&path)?;
                    return place::sync_folder(&path);
                }
                if self.parts.compress && path.extension().is_some_and(|extension| extension == "jsonl") {
                    let hash = pack::content_hash(plain::open(&path)?, false)?;
                    if !pack::mend(&path, hash)? {
                        pack::pack(&path, hash)?;
                    }
                }
                Ok(())
            };
            tend().map_err(|error| (path.clone(), error))?;
        }
        self.checkpoints = false;
        Ok(())
    }

    fn measure(&self) {
        let held = self.held();
        let states =
            [SegmentState::Open, SegmentState::Finished, SegmentState::Packed, SegmentState::Deleted, SegmentState::Damaged];
        for state in states {
            let finished = self.segments.values().filter(|entry| entry.state == state).count() as u64;
            let count = match state {
                SegmentState::Open => held.iter().filter(|one| one.open).count() as u64,
                SegmentState::Deleted => self.stubs,
                _ => finished,
            };
            self.parts.metrics.segments(state, count);
        }
        let bytes = held.iter().fold(0_u64, |sum, one| sum.saturating_add(one.bytes));
        let room = rustix::fs::statvfs(&self.parts.audit).ok().map(|system| Room {
            free: system.f_bavail.saturating_mul(system.f_frsize),
            capacity: system.f_blocks.saturating_mul(system.f_frsize),
        });
        self.parts.metrics.size(bytes, room);
    }

    /// Segments that were finished at the very end have their summaries too; packing them is left to the next start.
    fn sign_the_last(mut self) {
        let until = Instant::now() + PATIENCE;
        let due: Vec<_> = self.segments.iter().filter(|(_, entry)| !entry.tended).map(|(name, _)| name.clone()).collect();
        for name in due {
            if Instant::now() > until {
                return;
            }
            if let Err(error) = self.tend(&name, false) {
                tracing::warn!(%error, segment = name, "a finished file of the record is not signed yet; the next start does it");
            }
        }
    }
}

impl Entry {
    fn new(written: Option<Head>) -> Self {
        Self { state: SegmentState::Finished, tended: false, bytes: 0, last_at: None, written }
    }
}

/// When the checkpoint with this number was made.
fn last_time(audit: &Path, number: u64) -> io::Result<Option<Timestamp>> {
    let mut checkpoints = Checkpoints::after(audit, number.saturating_sub(1))?;
    while let Some(line) = checkpoints.next_line().map_err(|(_path, error)| error)? {
        if let Ok(checkpoint) = Checkpoint::read(line)
            && checkpoint.checkpoint >= number
        {
            return Ok(checkpoint.time());
        }
    }
    Ok(None)
}

/// How nice the thread is to others: half of what is possible.
const NICENESS: i32 = 10;
/// How often room is measured and what is old is looked for.
const TICK: Duration = Duration::from_secs(15);
/// The same, where segments are kept for a very short time.
const SHORT_TICK: Duration = Duration::from_millis(200);
/// Segments that are deleted before the next checkpoint names them.
const AT_ONCE: usize = 64;
/// How long the end of the gate waits for summaries.
const PATIENCE: Duration = Duration::from_secs(2);
