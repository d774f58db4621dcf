//! Writes lines in batches: every request of a core that is ready in the same turn shares one `write(2)`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::draft::Draft;
use super::facts::Facts;
use super::guard::Ended;
use super::line::{Gap, Line, Progress, Start};
use super::metrics::RecordMetrics;
use super::progress::{Streams, Watch};
use super::sync::Synced;
use super::writer::{ChainWriter, Rotation};
use crate::clock::Clock;
use crate::decide::Snapshots;
use crate::forward::Meter;
use crate::read::RequestId;

/// A core's way into the record. Thread-confined; clones share it.
#[derive(Clone)]
pub struct Recorder(Rc<Desk>);

/// A line could not be written. The request that it is about is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The file system refused, for example because it is full.
    #[error("the record cannot be written")]
    Unwritable,
    /// A line could not be formatted.
    #[error("the line cannot be formatted")]
    Unformattable,
}

struct Desk {
    state: RefCell<State>,
    streams: RefCell<Streams>,
    /// Wakes the writer task.
    work: Notify,
    clock: Clock,
    metrics: RecordMetrics,
    always_sync: bool,
}

struct State {
    writer: ChainWriter,
    facts: Facts,
    /// Lines that somebody waits for.
    awaited: Vec<u8>,
    awaited_lines: u64,
    /// Lines that nobody waits for (`end`); kept while the record cannot be written, up to a bound.
    trailing: Vec<u8>,
    trailing_lines: u64,
    /// `access` lines that found no room in `trailing` since the record could last be written; `None` while it can.
    lost: Option<u64>,
    /// The batch that is being gathered.
    batch: Rc<Batch>,
}

/// Lines that are written together. Each who waits holds it, so that no later batch can answer for an earlier one.
#[derive(Default)]
struct Batch {
    outcome: Cell<Option<Result<(), RecordError>>>,
    done: Notify,
}

impl Recorder {
    /// Takes the chain over and starts the writer task. Must be called on the core's `LocalSet`.
    pub fn start(writer: ChainWriter, always_sync: bool, clock: Clock, metrics: RecordMetrics) -> Self {
        let recorder = Self(Rc::new(Desk {
            state: RefCell::new(State {
                writer,
                facts: Facts::new(),
                awaited: Vec::with_capacity(16 * 1024),
                awaited_lines: 0,
                trailing: Vec::new(),
                trailing_lines: 0,
                lost: None,
                batch: Rc::default(),
            }),
            streams: RefCell::default(),
            work: Notify::new(),
            clock,
            metrics,
            always_sync,
        }));
        tokio::task::spawn_local(write_batches(Rc::downgrade(&recorder.0)));
        tokio::task::spawn_local(tick(Rc::downgrade(&recorder.0)));
        recorder
    }

    /// Writes the line and the facts that it names, and returns when `write(2)` has returned for them.
    ///
    /// # Errors
    /// [`RecordError`]; the caller refuses the request, and hands its line in [`late`](Self::late).
    pub async fn access(&self, draft: &Draft) -> Result<(), RecordError> {
        if !self.keep(draft.facts()) {
            return Err(RecordError::Unwritable);
        }
        self.write(&Line::Draft(draft)).await
    }

    /// As [`access`](Self::access), for what is about to go to an app.
    ///
    /// # Errors
    /// [`RecordError`]; the caller refuses the request.
    pub async fn start_line(&self, line: &Start) -> Result<(), RecordError> {
        self.write(&Line::Start(line)).await
    }

    /// Hands an `end` line in without waiting. While the record cannot be written it is kept, up to a bound.
    pub(super) fn end(&self, ended: &Ended) {
        if !self.hand_in(&Line::Ended(ended)) {
            self.0.metrics.failures.inc();
        }
    }

    /// Hands in the `access` line of a request that was refused because it could not be written, or whose client went away
    /// before it was answered. It is kept like an `end`.
    pub fn late(&self, draft: &Draft) {
        let kept = self.keep(draft.facts()) && self.hand_in(&Line::Draft(draft));
        if !kept {
            self.0.metrics.failures.inc();
            if let Some(lost) = &mut self.0.state.borrow_mut().lost {
                *lost += 1;
            }
        }
    }

    /// From now on, until the [`Watch`] is dropped, the record is told how far this request has come, if that takes long.
    pub fn watch(&self, request: RequestId, meter: Rc<Meter>) -> Watch {
        Watch::new(self.clone(), self.0.streams.borrow_mut().add(request, meter))
    }

    pub(super) fn unwatch(&self, place: usize) {
        self.0.streams.borrow_mut().remove(place);
    }

    /// Hands in how far one has come, if there is something to tell.
    pub(super) fn progress_of(&self, place: usize) {
        let told = self.0.is_writable().then(|| self.0.streams.borrow_mut().one(place, self.0.clock.now()));
        if let Some(line) = told.flatten() {
            self.tell(&line);
        }
    }

    /// Whether the facts are in the segment, or will be before any line that is handed in from now on.
    fn keep(&self, facts: Option<&Arc<Snapshots>>) -> bool {
        facts.is_none_or(|facts| self.0.state.borrow_mut().facts.keep(facts, &self.0.clock, TRAILING_BOUND))
    }

    fn tell(&self, progress: &Progress) {
        if !self.hand_in(&Line::Progress(progress)) {
            self.0.metrics.failures.inc();
        }
    }

    /// Whether there is room for it.
    fn hand_in(&self, line: &Line<'_>) -> bool {
        let mut state = self.0.state.borrow_mut();
        let before = state.trailing.len();
        if before > TRAILING_BOUND || line.write_to(&mut state.trailing).is_err() {
            state.trailing.truncate(before);
            return false;
        }
        state.trailing_lines += 1;
        self.0.work.notify_one();
        true
    }

    /// Writes what is still waiting; for the end of a core.
    pub async fn finish(&self) {
        self.0.write_batch().await;
    }

    async fn write(&self, line: &Line<'_>) -> Result<(), RecordError> {
        let batch = {
            let mut state = self.0.state.borrow_mut();
            let before = state.awaited.len();
            if line.write_to(&mut state.awaited).is_err() {
                state.awaited.truncate(before);
                return Err(RecordError::Unformattable);
            }
            state.awaited_lines += 1;
            Rc::clone(&state.batch)
        };
        self.0.work.notify_one();
        loop {
            // Made before looking, so that a wake-up in between is not lost.
            let done = batch.done.notified();
            if let Some(outcome) = batch.outcome.get() {
                return outcome;
            }
            done.await;
        }
    }
}

/// A batch that was appended or not, and the file if it has to be forced to the disk.
type Appended = (Rc<Batch>, Result<(), RecordError>, Option<Arc<Synced>>);

impl Desk {
    fn is_writable(&self) -> bool {
        self.state.borrow().lost.is_none()
    }

    async fn write_batch(&self) {
        let Some((batch, mut outcome, file)) = self.append() else { return };
        if let Some(file) = file {
            let synced = tokio::task::spawn_blocking(move || file.file.sync_data()).await;
            if !matches!(synced, Ok(Ok(()))) {
                self.metrics.failures.inc();
                outcome = Err(RecordError::Unwritable);
            }
        }
        batch.outcome.set(Some(outcome));
        batch.done.notify_waiters();
    }

    /// Appends what was gathered, and opens the next batch. Gives the file if it has to be forced to the disk.
    fn append(&self) -> Option<Appended> {
        let mut state = self.state.borrow_mut();
        let State { writer, facts, awaited, awaited_lines, trailing, trailing_lines, lost, batch } = &mut *state;
        let gap = lost.map(|lost| Gap { at: self.clock.now().to_string(), lost });
        let lines = facts.lines + *awaited_lines + *trailing_lines + u64::from(gap.is_some());
        if lines == 0 {
            return None;
        }
        // Facts, then `end` lines, which are about earlier requests. Both stay if the write fails; awaited lines go: who waits
        // refuses the request, and hands its `access` line in again with that as its outcome.
        let (first, ends) = (facts.text.len(), trailing.len());
        let all = &mut facts.text;
        all.append(trailing);
        let whole = gap.is_none_or(|gap| Line::Gap(&gap).write_to(all).is_ok());
        all.extend_from_slice(awaited);
        let result = if whole { writer.append(all) } else { Err(io::ErrorKind::InvalidData.into()) };
        match &result {
            Ok(bytes) => {
                self.metrics.lines.inc_by(lines);
                self.metrics.bytes.inc_by(*bytes);
                #[expect(clippy::cast_precision_loss, reason = "a batch has fewer than 2^52 lines")]
                self.metrics.batch.observe(lines as f64);
                self.metrics.writable.set(1);
                facts.are_written();
                *trailing_lines = 0;
                if lost.take().is_some() {
                    tracing::warn!(path = %writer.path().display(), "the record can be written again");
                }
            }
            Err(error) => {
                self.metrics.failures.inc();
                self.metrics.writable.set(0);
                if lost.is_none() {
                    tracing::error!(%error, path = %writer.path().display(), "the record cannot be written; access is refused until it can");
                }
                *lost = Some(lost.unwrap_or(0));
                all.truncate(first + ends);
                trailing.extend(all.drain(first..));
            }
        }
        awaited.clear();
        *awaited_lines = 0;
        let file = (self.always_sync && result.is_ok()).then(|| writer.synced());
        let written = std::mem::take(batch);
        if result.is_ok() {
            state.rotate_if_due();
        }
        Some((written, result.map(|_bytes| ()).map_err(|_logged| RecordError::Unwritable), file))
    }
}

impl State {
    /// INVARIANT (facts-first): no line may wait that names facts which only the old segment has.
    fn rotate_if_due(&mut self) {
        if self.awaited_lines + self.trailing_lines + self.facts.lines > 0 {
            return;
        }
        match self.writer.rotate_if_due() {
            Rotation::NotDue => {}
            Rotation::Done => self.facts = Facts::new(),
            Rotation::Failed(error) => {
                let path = self.writer.path().display();
                tracing::error!(%error, %path, "the next file of the record cannot be begun; this one grows on");
            }
        }
    }
}

impl Drop for Desk {
    /// What was cut off when its core ended has handed in its last lines by now.
    fn drop(&mut self) {
        // Dropped after this, the chain is ended, and forced to the disk.
        let _nobody_waits = self.append();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// While the record cannot be written, it is tried this often.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// How often the age of a segment is looked at, and how far streams have come.
const TICK: Duration = Duration::from_secs(1);
/// Bytes of lines that are kept while the record cannot be written.
const TRAILING_BOUND: usize = 4 * 1024 * 1024;

async fn write_batches(desk: Weak<Desk>) {
    loop {
        let Some(strong) = desk.upgrade() else { return };
        if strong.state.borrow().lost.is_some() {
            // Tried again even if nobody asks: readiness, and with it all requests, may depend on it.
            let _either = tokio::time::timeout(TRY_AGAIN, strong.work.notified()).await;
        } else {
            strong.work.notified().await;
        }
        // Whoever is ready in this turn of the runtime joins the batch.
        tokio::task::yield_now().await;
        strong.write_batch().await;
    }
}

/// A segment that nothing is written to gets old all the same, and long streams tell how far they have come.
async fn tick(desk: Weak<Desk>) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(desk) = desk.upgrade() else { return };
        // While the record cannot be written, neither is of use.
        if !desk.is_writable() {
            continue;
        }
        desk.state.borrow_mut().rotate_if_due();
        let told = desk.streams.borrow_mut().tick(desk.clock.now());
        let recorder = Recorder(desk);
        told.iter().for_each(|line| recorder.tell(line));
    }
}

#[cfg(test)]
mod tests;
