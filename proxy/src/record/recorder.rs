//! Writes lines in batches: every request of a core that is ready in the same turn shares one `write(2)`.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::sync::Notify;
use tokio::time::MissedTickBehavior;

use super::draft::Draft;
use super::guard::Ended;
use super::line::{Gap, Line, Progress, Start, write_facts};
use super::metrics::RecordMetrics;
use super::progress::{Streams, Watch};
use super::sync::Synced;
use super::writer::{ChainWriter, Rotation};
use crate::clock::Clock;
use crate::decide::{Snapshot, Snapshots};
use crate::forward::Meter;
use crate::read::RequestId;
use crate::secret::Digest;

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

/// Facts that lines of this segment name by their hash.
///
/// INVARIANT (facts-first): no line that names facts is in a segment before the `facts` line that has them. So they are written at
/// the head of a batch, and stay there until that batch is written.
struct Facts {
    /// `facts` lines that are not in the segment yet.
    text: Vec<u8>,
    lines: u64,
    /// The hashes in `text`.
    waiting: Vec<Digest>,
    /// Hashes of what is in the segment. One that fell out of it is written again, which does no harm.
    written: Cache<Digest, ()>,
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
    fn keep(&self, facts: Option<&Snapshots>) -> bool {
        let Some(Snapshots { device, session }) = facts else { return true };
        let mut state = self.0.state.borrow_mut();
        let facts = &mut state.facts;
        facts.keep("device", device, &self.0.clock) && facts.keep("session", session, &self.0.clock)
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

impl Facts {
    fn new() -> Self {
        Self { text: Vec::new(), lines: 0, waiting: Vec::new(), written: Cache::new(REMEMBERED) }
    }

    /// Whether they are in the segment, or wait to be.
    fn keep(&mut self, kind: &str, snapshot: &Snapshot, clock: &Clock) -> bool {
        if self.written.get(&snapshot.hash).is_some() || self.waiting.contains(&snapshot.hash) {
            return true;
        }
        if self.text.len() > TRAILING_BOUND {
            return false;
        }
        write_facts(&clock.now().to_string(), kind, snapshot, &mut self.text);
        self.lines += 1;
        self.waiting.push(snapshot.hash);
        true
    }

    fn are_written(&mut self) {
        self.text.clear();
        self.lines = 0;
        for hash in self.waiting.drain(..) {
            self.written.insert(hash, ());
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
/// Hashes of facts that a core knows to be in its segment: about 1 MiB.
const REMEMBERED: usize = 16 * 1024;

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
mod tests {
    use prometheus::Registry;
    use sekisho_policy::{DeviceFacts, Identity, Principal, SessionFacts, UserFacts};
    use tokio::task::LocalSet;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config::Audit;
    use crate::decide::Basis;
    use crate::record::archive::{alone, alone_with, settings};
    use crate::record::progress::MUCH;
    use crate::record::{Ending, Open};

    /// An id that is this name.
    fn id(name: &str) -> RequestId {
        let mut id = [0; 16];
        id[..name.len()].copy_from_slice(name.as_bytes());
        RequestId(id)
    }

    fn end(request: &str) -> Ended {
        let (at, request) = (Timestamp(9), id(request));
        Ended { at, request, sent: 0, received: 0, ms: 0, ending: Ending::Complete, cause: None }
    }

    fn access(request: &str, facts: &Arc<Snapshots>) -> Draft {
        let at = sekisho_policy::Moment::utc(9);
        let usage = sekisho_policy::Usage::default();
        let action = sekisho_policy::Action::Read;
        let basis = Basis { policy_set: "".into(), action, usage, at, facts: Some(Arc::clone(facts)) };
        let client = std::net::SocketAddr::from(([10, 0, 0, 1], 1));
        Draft { basis: Some(basis), ..Draft::new(Timestamp(9), id(request), client, 1, http::Version::HTTP_11) }
    }

    fn on_a_core<F: Future>(story: impl FnOnce(Recorder, RecordMetrics, std::path::PathBuf) -> F) {
        let dir = tempfile::tempdir().unwrap();
        on_a_core_with(alone(dir.path(), "0"), story);
    }

    fn on_a_core_with<F: Future>(segment: ChainWriter, story: impl FnOnce(Recorder, RecordMetrics, std::path::PathBuf) -> F) {
        let path = segment.path().to_owned();
        let metrics = RecordMetrics::register(&Registry::new()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(LocalSet::new().run_until(async {
            let recorder = Recorder::start(segment, false, Clock::manual(Timestamp(9)), metrics.clone());
            tokio::time::timeout(Duration::from_secs(20), story(recorder, metrics, path)).await.unwrap();
        }));
    }

    #[test]
    fn a_line_is_in_the_file_when_the_call_returns() {
        on_a_core(|recorder, _metrics, path| async move {
            recorder.write(&Line::Ended(&end("r1"))).await.unwrap();
            assert!(std::fs::read_to_string(path).unwrap().contains(&id("r1").to_string()));
        });
    }

    #[test]
    fn what_is_handed_in_last_is_written_all_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let segment = alone(dir.path(), "0");
        let path = segment.path().to_owned();
        let metrics = RecordMetrics::register(&Registry::new()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let set = LocalSet::new();
        runtime.block_on(set.run_until(async {
            let recorder = Recorder::start(segment, false, Clock::manual(Timestamp(9)), metrics);
            // As a connection that is cut when its core ends: its `end` comes from a drop.
            let answer = scopeguard(recorder.clone(), |recorder| recorder.end(&end("cut")));
            tokio::task::spawn_local(async move {
                let _answer = answer;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            recorder.finish().await;
        }));
        drop(set);
        assert!(std::fs::read_to_string(path).unwrap().contains(&id("cut").to_string()));
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_unasked() {
        on_a_core(|recorder, metrics, path| async move {
            recorder.0.state.borrow_mut().writer.refuse_writes(true);
            assert_eq!(recorder.write(&Line::Ended(&end("r1"))).await, Err(RecordError::Unwritable));
            recorder.end(&end("refused"));
            while metrics.failures.get() < 2 {
                tokio::task::yield_now().await;
            }
            assert_eq!(metrics.writable.get(), 0);
            recorder.0.state.borrow_mut().writer.refuse_writes(false);
            while metrics.writable.get() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains(&id("refused").to_string()) && !text.contains(&id("r1").to_string()), "{text}");
            assert!(text.contains(r#"{"line":"gap","at":"1970-01-01T00:00:00.009Z","lost":0,"seq":"#), "{text}");
        });
    }

    #[test]
    fn only_what_found_no_room_is_called_lost() {
        on_a_core(|recorder, metrics, path| async move {
            let ana = facts_of("corp/ana");
            recorder.0.state.borrow_mut().writer.refuse_writes(true);
            // Its line is handed in again by who refuses it, and so it is not lost.
            assert_eq!(recorder.access(&access("late", &ana)).await, Err(RecordError::Unwritable));
            recorder.late(&access("late", &ana));
            while recorder.0.state.borrow().trailing.len() <= TRAILING_BOUND {
                recorder.end(&end("filler"));
            }
            recorder.late(&access("lost", &ana));
            recorder.0.state.borrow_mut().writer.refuse_writes(false);
            while metrics.writable.get() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains(&id("late").to_string()) && !text.contains(&id("lost").to_string()));
            assert!(text.contains(r#","lost":1,"seq":"#), "{}", text.lines().last().unwrap());
        });
    }

    fn facts_of(user: &str) -> Arc<Snapshots> {
        let principal = Principal::User(UserFacts { id: user.into(), ..UserFacts::default() });
        Snapshots::of(&Identity { principal, device: DeviceFacts::default(), session: SessionFacts::default() }).unwrap().into()
    }

    /// What each line names: its kind, then its request or its hash's beginning.
    fn told(path: &std::path::Path) -> Vec<(String, String)> {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let word = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let name = |line: &serde_json::Value| {
            let hex = word(&line["request"]);
            let name = hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap());
            String::from_utf8(name.take_while(|byte| *byte > 0).collect()).unwrap()
        };
        lines.map(|line| (word(&line["line"]), if line["line"] == "facts" { word(&line["hash"]) } else { name(&line) })).collect()
    }

    #[test]
    fn facts_are_written_once_and_before_what_names_them() {
        on_a_core(|recorder, _metrics, path| async move {
            let (ana, bob) = (facts_of("corp/ana"), facts_of("corp/bob"));
            recorder.end(&end("r0"));
            recorder.access(&access("r1", &ana)).await.unwrap();
            recorder.access(&access("r2", &ana)).await.unwrap();
            recorder.late(&access("r3", &bob));
            recorder.access(&access("r4", &bob)).await.unwrap();
            let lines = told(&path);
            let at = |what: &str| lines.iter().position(|(_, name)| name == what).unwrap();
            assert_eq!(lines.iter().filter(|(kind, _)| kind == "facts").count(), 3, "bob has the same device as ana: {lines:?}");
            assert!(at(&ana.device.hex) < at("r1") && at(&ana.session.hex) < at("r1") && at(&bob.session.hex) < at("r3"));
        });
    }

    #[test]
    fn facts_that_could_not_be_written_are_written_when_they_can() {
        on_a_core(|recorder, metrics, path| async move {
            let ana = facts_of("corp/ana");
            recorder.0.state.borrow_mut().writer.refuse_writes(true);
            assert_eq!(recorder.access(&access("r1", &ana)).await, Err(RecordError::Unwritable));
            recorder.late(&access("r1", &ana));
            recorder.0.state.borrow_mut().writer.refuse_writes(false);
            while metrics.writable.get() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            recorder.access(&access("r2", &ana)).await.unwrap();
            let kinds: Vec<_> = told(&path).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(kinds, ["open", "facts", "facts", "access", "gap", "access"]);
        });
    }

    #[test]
    fn facts_are_written_anew_in_each_segment() {
        let dir = tempfile::tempdir().unwrap();
        let settings = Audit { rotate_size: 2_000, ..settings(dir.path()) };
        on_a_core_with(alone_with(&settings, "0"), |recorder, _metrics, _path| async move {
            let ana = facts_of("corp/ana");
            for n in 0..12 {
                recorder.access(&access(&format!("r{n}"), &ana)).await.unwrap();
            }
        });
        let mut segments: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
        assert!(segments.len() > 2);
        let mut requests = 0;
        for segment in segments {
            let kinds: Vec<_> = told(&segment).into_iter().map(|(kind, _)| kind).collect();
            let count = |what: &str| kinds.iter().filter(|kind| *kind == what).count();
            assert_eq!((kinds[0].as_str(), kinds.last().unwrap().as_str()), ("open", "close"));
            assert_eq!(count("facts"), if count("access") > 0 { 2 } else { 0 }, "{kinds:?}");
            requests += count("access");
        }
        assert_eq!(requests, 12);
    }

    #[test]
    fn much_that_went_by_is_told_at_once_and_the_rest_with_time() {
        on_a_core(|recorder, metrics, path| async move {
            let meter = Rc::new(Meter::default());
            let id = RequestId([7; 16]);
            let watch = recorder.watch(id, Rc::clone(&meter));
            let mut open = Open::new(recorder.clone(), Clock::manual(Timestamp(9)), id, Timestamp(9), Rc::clone(&meter));
            open = open.watched(Some(watch));
            for _chunk in 0..3 {
                meter.count(MUCH / 2, 0);
                open.sent(MUCH / 2);
            }
            recorder.finish().await;
            drop(open);
            recorder.finish().await;
            let kinds: Vec<_> = told(&path).into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(kinds, ["open", "progress", "end"]);
            // While it cannot be written, none is kept.
            recorder.0.state.borrow_mut().writer.refuse_writes(true);
            let watch = recorder.watch(id, Rc::clone(&meter));
            assert!(recorder.write(&Line::Ended(&end("r1"))).await.is_err());
            watch.tell();
            assert_eq!(recorder.0.state.borrow().trailing_lines, 0);
            recorder.0.state.borrow_mut().writer.refuse_writes(false);
            while metrics.writable.get() == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            watch.tell();
            assert_eq!(recorder.0.state.borrow().trailing_lines, 1);
        });
    }

    struct Guard<T, F: FnMut(&mut T)>(T, F);

    impl<T, F: FnMut(&mut T)> Drop for Guard<T, F> {
        fn drop(&mut self) {
            (self.1)(&mut self.0);
        }
    }

    fn scopeguard<T, F: FnMut(&mut T)>(value: T, last: F) -> Guard<T, F> {
        Guard(value, last)
    }

    #[test]
    fn requests_of_one_turn_share_a_write() {
        on_a_core(|recorder, metrics, path| async move {
            let lines: Vec<_> = (0..10)
                .map(|n| {
                    let recorder = recorder.clone();
                    tokio::task::spawn_local(async move { recorder.write(&Line::Ended(&end(&format!("r{n}")))).await })
                })
                .collect();
            for line in lines {
                line.await.unwrap().unwrap();
            }
            assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 11);
            assert!(metrics.batch.get_sample_count() < 10, "each line had a write of its own");
        });
    }
}
