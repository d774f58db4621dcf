//! Makes checkpoints: a thread of its own, so that neither a data core nor a request waits for it.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::checkpoint::Checkpoint;
use super::housekeeper::Word;
use super::journal::Journal;
use super::keys::SigningKey;
use super::metrics::KeepMetrics;
use super::sinks::Made;
use crate::clock::Clock;
use crate::record::heads::{ChainHead, Heads};

/// Segments that were deleted, and stand in no checkpoint yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Deleted(Arc<Mutex<Vec<String>>>);

/// Signs the heads of all chains together.
#[derive(Debug)]
pub(super) struct Signer {
    pub(super) audit: PathBuf,
    pub(super) journal: Journal,
    pub(super) key: Arc<SigningKey>,
    pub(super) heads: Heads,
    pub(super) clock: Clock,
    pub(super) lines: u64,
    pub(super) every: Duration,
    pub(super) deleted: Deleted,
    pub(super) made: watch::Sender<Made>,
    pub(super) words: Sender<Word>,
    pub(super) metrics: KeepMetrics,
}

/// What the last checkpoint says, and how the next goes.
pub(super) struct Signed {
    heads: Vec<ChainHead>,
    at: Instant,
    /// The last attempt failed then.
    failed: Option<Instant>,
}

impl Signer {
    /// Signs whenever it is due, beginning with what [`begin`](Self::begin) signed, and what is left when the other end of `stop` is gone.
    pub(super) fn run(mut self, mut signed: Signed, stop: &Receiver<()>) {
        let look = LOOK.min(self.every / 2);
        loop {
            let now = self.heads.now();
            let last_look = !matches!(stop.recv_timeout(look), Err(RecvTimeoutError::Timeout));
            // What was written while we waited belongs to the last checkpoint.
            let now = if last_look { self.heads.now() } else { now };
            if self.is_due(&now, &signed, last_look) {
                self.sign(now, &mut signed);
            }
            if last_look {
                return;
            }
        }
    }

    /// Signs what there is when the gate starts: there is no time in which its record has a key and no checkpoint, which would look as
    /// if they had been taken away. What cannot be signed now is tried again later.
    pub(super) fn begin(&mut self) -> Signed {
        let mut signed = Signed { heads: Vec::new(), at: Instant::now(), failed: None };
        let now = self.heads.now();
        if !now.is_empty() {
            self.sign(now, &mut signed);
        }
        signed
    }

    fn is_due(&self, now: &[ChainHead], signed: &Signed, last_look: bool) -> bool {
        if *now == signed.heads && self.deleted.is_empty() {
            return false;
        }
        if signed.failed.is_some_and(|failed| !last_look && failed.elapsed() < TRY_AGAIN) {
            return false;
        }
        let lines = count(now).saturating_sub(count(&signed.heads));
        let segments = |heads: &[ChainHead]| heads.iter().map(|head| Arc::clone(&head.segment)).collect::<Vec<_>>();
        last_look || lines >= self.lines || signed.at.elapsed() >= self.every || segments(now) != segments(&signed.heads)
    }

    fn sign(&mut self, heads: Vec<ChainHead>, signed: &mut Signed) {
        let deleted = self.deleted.take();
        match self.write(&heads, &deleted, signed) {
            Ok(made) => {
                if signed.failed.take().is_some() {
                    tracing::info!(checkpoint = made.number, "checkpoints can be written again");
                }
                (signed.heads, signed.at) = (heads, Instant::now());
                // Sinks that are gone need nothing.
                let _nobody = self.made.send(made);
            }
            Err(error) => {
                self.deleted.put_back(deleted);
                self.metrics.not_signed();
                if signed.failed.replace(Instant::now()).is_none() {
                    tracing::error!(%error, "a checkpoint of the record cannot be written; it is tried again");
                }
            }
        }
    }

    fn write(&mut self, heads: &[ChainHead], deleted: &[String], signed: &Signed) -> io::Result<Made> {
        // What a checkpoint elsewhere says has to be there after a power failure too.
        for head in heads.iter().filter(|head| !signed.heads.contains(head)) {
            match File::open(self.audit.join(&*head.segment)) {
                Ok(file) => file.sync_data()?,
                // It was finished, and packed, since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let (number, previous) = self.journal.next();
        let now = self.clock.now();
        let (key, at) = (self.key.id().to_owned(), now.to_string());
        let checkpoint = Checkpoint { checkpoint: number, at, key, heads: heads.to_vec(), deleted: deleted.to_vec(), previous };
        let line = checkpoint.sign(&self.key).ok_or(io::ErrorKind::InvalidData)?;
        if self.journal.append(&line)? {
            // Gone only when the gate ends.
            let _nobody = self.words.send(Word::CheckpointsMoved);
        }
        self.metrics.signed(now);
        Ok(Made { number, line: line.into() })
    }
}

impl Deleted {
    pub(super) fn add(&self, segment: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(segment);
    }

    fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn put_back(&self, mut segments: Vec<String>) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        segments.append(&mut waiting);
        *waiting = segments;
    }
}

fn count(heads: &[ChainHead]) -> u64 {
    heads.iter().fold(0, |sum, head| sum.saturating_add(head.seq))
}

/// How often it is looked whether a checkpoint is due.
const LOOK: Duration = Duration::from_millis(200);
/// After a failure, how long until the next attempt.
const TRY_AGAIN: Duration = Duration::from_secs(1);
