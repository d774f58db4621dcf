//! The control runtime's own part of the record: events, each with a `write(2)` of its own.
//!
//! An event tells what has happened already, so it never stands in the way: while the record cannot be written, events are kept, up
//! to a bound, and written when it can be again.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::event::Event;
use super::line::{Gap, Line};
use super::metrics::RecordMetrics;
use super::writer::{ChainWriter, Rotation};
use crate::clock::Clock;

/// The way of events into the record. Cheap to clone; all clones write to one chain.
///
/// To be used from the control runtime, never from a data core: noting an event waits for the file system.
#[derive(Clone)]
pub struct Journal(Arc<Desk>);

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted {
    /// It is in the record.
    Written,
    /// It will be as soon as the record can be written.
    Waits,
    /// Too many wait already: only that it was lost will be in the record.
    Lost,
}

struct Desk {
    state: Mutex<State>,
    clock: Clock,
    metrics: RecordMetrics,
    always_sync: bool,
}

struct State {
    /// `None` once the chain was ended.
    writer: Option<ChainWriter>,
    /// Lines that could not be written yet.
    waiting: Vec<u8>,
    waiting_lines: u64,
    /// Events for which there was no room in `waiting`.
    lost: u64,
}

impl Journal {
    /// Takes the chain over. With `always_sync`, each event is forced to the disk.
    pub fn new(writer: ChainWriter, always_sync: bool, clock: Clock, metrics: RecordMetrics) -> Self {
        let state = Mutex::new(State { writer: Some(writer), waiting: Vec::new(), waiting_lines: 0, lost: 0 });
        Self(Arc::new(Desk { state, clock, metrics, always_sync }))
    }

    /// Writes an event, after those that wait.
    pub fn note(&self, event: &Event) -> Noted {
        let mut state = self.state();
        let before = state.waiting.len();
        let room = before <= MOST_WAITING && state.writer.is_some();
        if !room || Line::Event(event).write_to(&mut state.waiting).is_err() {
            state.waiting.truncate(before);
            state.lost += 1;
            self.0.metrics.events_waiting.set(state.unwritten());
            tracing::error!(event = event.event.as_str(), "an event was lost: the record cannot be written");
            return Noted::Lost;
        }
        state.waiting_lines += 1;
        if self.write(&mut state) { Noted::Written } else { Noted::Waits }
    }

    /// Whether everything that was noted is in the record.
    pub fn is_complete(&self) -> bool {
        self.state().unwritten() == 0
    }

    /// Ends the chain for this process, after a last attempt to write what waits. What is noted later is lost.
    pub fn finish(&self) {
        self.try_again();
        // Dropped, it ends its file in good order.
        drop(self.state().writer.take());
    }

    /// Tries again what could not be written, and goes on in a new file when the one in use gets old, until it is dropped or
    /// aborted.
    pub async fn tend(self) {
        loop {
            tokio::time::sleep(TRY_AGAIN).await;
            self.try_again();
        }
    }

    fn try_again(&self) {
        let mut state = self.state();
        if state.unwritten() == 0 {
            state.rotate_if_due();
        } else if self.write(&mut state) {
            tracing::warn!("events can be recorded again");
        }
    }

    /// Whether all that waited is in the file now.
    fn write(&self, state: &mut State) -> bool {
        let Desk { clock, metrics, always_sync, .. } = &*self.0;
        let before = state.waiting.len();
        if state.lost > 0 {
            let gap = Gap { at: clock.now().to_string(), lost: state.lost };
            if Line::Gap(&gap).write_to(&mut state.waiting).is_err() {
                state.waiting.truncate(before);
            }
        }
        let Some(writer) = &mut state.writer else { return false };
        let written = writer.append(&state.waiting);
        match &written {
            Ok(bytes) => {
                metrics.lines.inc_by(state.waiting_lines + u64::from(state.lost > 0));
                metrics.bytes.inc_by(*bytes);
                state.waiting.clear();
                (state.waiting_lines, state.lost) = (0, 0);
                if *always_sync && let Err(error) = writer.synced().file.sync_data() {
                    metrics.failures.inc();
                    tracing::error!(%error, "an event is in the record, and cannot be forced to the disk");
                }
                state.rotate_if_due();
            }
            Err(error) => {
                metrics.failures.inc();
                state.waiting.truncate(before);
                let path = writer.path().display();
                tracing::error!(%error, %path, "events cannot be recorded yet");
            }
        }
        metrics.events_waiting.set(state.unwritten());
        written.is_ok()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rotate_if_due(&mut self) {
        let Some(writer) = &mut self.writer else { return };
        if let Rotation::Failed(error) = writer.rotate_if_due() {
            let path = writer.path().display();
            tracing::error!(%error, %path, "the next file of the record cannot be begun; this one grows on");
        }
    }

    fn unwritten(&self) -> i64 {
        i64::try_from(self.waiting_lines + self.lost).unwrap_or(i64::MAX)
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").finish_non_exhaustive()
    }
}

/// While events wait, writing them is tried this often.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// Bytes of events that are kept while the record cannot be written.
const MOST_WAITING: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use prometheus::Registry;

    use super::super::archive::alone;
    use super::super::event::EventKind;
    use super::*;
    use crate::clock::Timestamp;

    impl Journal {
        fn refuse_writes(&self, refuse: bool) {
            self.state().writer.as_mut().unwrap().refuse_writes(refuse);
        }
    }

    struct House {
        _dir: tempfile::TempDir,
        path: PathBuf,
        journal: Journal,
        metrics: RecordMetrics,
    }

    fn house() -> House {
        let dir = tempfile::tempdir().unwrap();
        let segment = alone(dir.path(), "control");
        let path = segment.path().to_owned();
        let metrics = RecordMetrics::register(&Registry::new()).unwrap();
        let journal = Journal::new(segment, false, Clock::manual(Timestamp(9)), metrics.clone());
        House { _dir: dir, path, journal, metrics }
    }

    fn event(device: &str) -> Event {
        Event { device: Some(device.into()), ..Event::of(EventKind::DeviceQuarantined, Timestamp(9)) }
    }

    fn lines(house: &House) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&house.path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.filter(|line| line["line"] == "event" || line["line"] == "gap").collect()
    }

    #[test]
    fn an_event_is_in_the_file_when_the_call_returns() {
        let house = house();
        assert_eq!(house.journal.note(&event("lap-1")), Noted::Written);
        let lines = lines(&house);
        assert_eq!((&lines[0]["event"], &lines[0]["device"]), (&"device_quarantined".into(), &"lap-1".into()));
        assert!(house.journal.is_complete());
    }

    #[test]
    fn what_cannot_be_written_is_kept_in_order() {
        let house = house();
        house.journal.refuse_writes(true);
        assert_eq!(house.journal.note(&event("lap-1")), Noted::Waits);
        assert_eq!(house.journal.note(&event("lap-2")), Noted::Waits);
        assert!(!house.journal.is_complete());
        assert_eq!(house.metrics.events_waiting.get(), 2);
        house.journal.try_again();
        assert_eq!(lines(&house).len(), 0, "it still cannot be written");
        house.journal.refuse_writes(false);
        house.journal.try_again();
        assert_eq!(house.journal.note(&event("lap-3")), Noted::Written);
        let devices: Vec<_> = lines(&house).iter().map(|line| line["device"].clone()).collect();
        assert_eq!(devices, ["lap-1", "lap-2", "lap-3"]);
        assert_eq!(house.metrics.events_waiting.get(), 0);
    }

    #[test]
    fn the_chain_ends_in_good_order_and_takes_nothing_more() {
        let house = house();
        assert_eq!(house.journal.note(&event("lap-1")), Noted::Written);
        house.journal.clone().finish();
        assert_eq!(house.journal.note(&event("lap-2")), Noted::Lost);
        let text = std::fs::read_to_string(&house.path).unwrap();
        assert!(text.lines().last().unwrap().starts_with(r#"{"line":"close""#), "{text}");
    }

    #[test]
    fn what_there_is_no_room_for_leaves_a_gap() {
        let house = house();
        house.journal.refuse_writes(true);
        let long = event(&"x".repeat(64 * 1024));
        let kept = (0..100).filter(|_| house.journal.note(&long) == Noted::Waits).count();
        assert!((16..20).contains(&kept), "{kept}");
        house.journal.refuse_writes(false);
        house.journal.try_again();
        let lines = lines(&house);
        assert_eq!(lines.len(), kept + 1);
        assert_eq!(lines[kept]["lost"], 100 - kept);
        assert!(house.journal.is_complete());
    }
}
