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
