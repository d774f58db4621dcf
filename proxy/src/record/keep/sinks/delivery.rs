//! Hands checkpoints to one sink, in their order, and remembers how far it got.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Sink, SinkError, SinkKind};
use crate::clock::Timestamp;
use crate::record::chain::ChainHash;
use crate::record::keep::checkpoint::Checkpoint;
use crate::record::keep::journal::Checkpoints;
use crate::record::keep::metrics::{KeepMetrics, SentOutcome};
use crate::record::keep::place;

/// The checkpoint that was made last.
#[derive(Clone, Debug, Default)]
pub(in crate::record::keep) struct Made {
    /// Its number; 0 if there is none.
    pub(in crate::record::keep) number: u64,
    /// Its line; empty if it was made by an earlier process.
    pub(in crate::record::keep) line: Arc<str>,
}

/// One sink, and how far it is.
#[derive(Debug)]
pub(in crate::record::keep) struct Delivery {
    sink: Sink,
    audit: PathBuf,
    /// Where it is written down how far it is.
    note: PathBuf,
    taken: Taken,
    /// The number of that, for others.
    number: Arc<AtomicU64>,
    metrics: KeepMetrics,
    failing: bool,
}

/// The last checkpoint that a sink took. The hash tells a record that was begun anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    checkpoint: u64,
    hash: ChainHash,
}

/// A line that a sink did not take yet.
struct Next {
    line: Arc<str>,
    taken: Taken,
    at: Timestamp,
}

impl Delivery {
    /// Goes on where an earlier process was, as a file in the folder `state` says; at the oldest checkpoint, if none does.
    pub(in crate::record::keep) fn new(sink: Sink, audit: &Path, state: &Path, metrics: KeepMetrics) -> Self {
        let note = state.join(format!("checkpoints-{}.json", sink.kind().as_str()));
        let taken = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Taken>(&text).ok());
        let taken = taken.filter(|taken| is_there(audit, taken)).unwrap_or_default();
        let number = Arc::new(AtomicU64::new(taken.checkpoint));
        Self { sink, audit: audit.to_owned(), note, taken, number, metrics, failing: false }
    }

    /// The number of the last checkpoint that the sink took.
    pub(in crate::record::keep) fn taken(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.number)
    }

    /// Delivers until the other end of `made` is gone and there is nothing left, or the sink fails then.
    pub(in crate::record::keep) async fn run(mut self, mut made: watch::Receiver<Made>) {
        let mut wait = FIRST_WAIT;
        loop {
            let latest = made.borrow_and_update().clone();
            self.metrics.waiting(self.kind(), latest.number.saturating_sub(self.taken.checkpoint));
            if self.taken.checkpoint >= latest.number {
                if made.changed().await.is_err() {
                    return;
                }
                continue;
            }
            match self.catch_up(&latest).await {
                Ok(()) => wait = FIRST_WAIT,
                Err(()) => {
                    // Woken early only to end.
                    let ended = async { while made.changed().await.is_ok() {} };
                    if tokio::time::timeout(wait, ended).await.is_ok() {
                        return;
                    }
                    wait = (wait * 2).min(LAST_WAIT);
                }
            }
        }
    }

    fn kind(&self) -> SinkKind {
        self.sink.kind()
    }

    /// Hands over some of what waits.
    async fn catch_up(&mut self, latest: &Made) -> Result<(), ()> {
        for next in self.waiting(latest).await? {
            let outcome = self.sink.send(&next.line, next.at).await;
            self.note(&next, outcome)?;
        }
        Ok(())
    }

    /// What waits: the one that was just made, or some from the files.
    async fn waiting(&mut self, latest: &Made) -> Result<Vec<Next>, ()> {
        if latest.number == self.taken.checkpoint + 1 && !latest.line.is_empty() {
            return Ok(next(&latest.line).into_iter().collect());
        }
        let (audit, after) = (self.audit.clone(), self.taken.checkpoint);
        let read = tokio::task::spawn_blocking(move || some_after(&audit, after)).await;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(some) if !some.is_empty() => Ok(some),
            Ok(_none) => {
                tracing::error!(sink = self.kind().as_str(), after, "checkpoints are missing on the disk");
                Err(())
            }
            Err(error) => {
                tracing::error!(%error, "checkpoints cannot be read");
                Err(())
            }
        }
    }

    fn note(&mut self, next: &Next, outcome: Result<(), SinkError>) -> Result<(), ()> {
        let sink = self.kind();
        match outcome {
            Ok(()) => {
                self.taken = next.taken;
                self.number.store(next.taken.checkpoint, Ordering::Release);
                self.metrics.sent(sink, SentOutcome::Delivered);
                self.metrics.delivered(sink, next.at);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(sink = sink.as_str(), checkpoint = next.taken.checkpoint, "checkpoints are delivered again");
                }
                if let Err(error) = write_note(&self.note, &self.taken) {
                    // They are only sent again after a restart.
                    tracing::warn!(%error, path = %self.note.display(), "cannot write down which checkpoints were delivered");
                }
                Ok(())
            }
            Err(error) => {
                self.metrics.sent(sink, SentOutcome::Failed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(%error, sink = sink.as_str(), checkpoint = next.taken.checkpoint, "checkpoints are not delivered; they wait");
                }
                Err(())
            }
        }
    }
}

/// Whether the checkpoint may stand in this record as it was taken. Of one that is older than all that are left, nobody knows.
fn is_there(audit: &Path, taken: &Taken) -> bool {
    let first = some_after(audit, taken.checkpoint.saturating_sub(1)).map(|some| some.into_iter().next());
    match first {
        Ok(Some(first)) => first.taken == *taken || first.taken.checkpoint > taken.checkpoint,
        // The record was begun anew, with fewer.
        Ok(None) => false,
        Err(_unreadable) => true,
    }
}

/// Not forced to the disk: what is forgotten is only sent again.
fn write_note(path: &Path, taken: &Taken) -> io::Result<()> {
    let beside = place::beside(path)?;
    std::fs::write(&beside, serde_json::to_vec(taken)?)?;
    std::fs::rename(&beside, path)
}

/// Some checkpoints after the one with this number, in their order.
fn some_after(audit: &Path, number: u64) -> io::Result<Vec<Next>> {
    let mut checkpoints = Checkpoints::after(audit, number)?;
    let mut some = Vec::new();
    while some.len() < AT_ONCE {
        let Some(line) = checkpoints.next_line().map_err(|(_path, error)| error)? else { break };
        some.extend(str::from_utf8(line).ok().and_then(next).filter(|next| next.taken.checkpoint > number));
    }
    Ok(some)
}

fn next(line: &str) -> Option<Next> {
    let checkpoint = Checkpoint::read(line.as_bytes()).ok()?;
    let taken = Taken { checkpoint: checkpoint.checkpoint, hash: Checkpoint::hash(line.as_bytes()) };
    Some(Next { line: line.into(), taken, at: checkpoint.time()? })
}

/// After a failure, the first and the longest wait.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_secs(60);
/// Checkpoints that are read from the files at once.
const AT_ONCE: usize = 256;
