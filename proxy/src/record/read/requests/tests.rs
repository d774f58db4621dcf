use std::path::Path;

use super::*;
use crate::clock::Timestamp;
use crate::record::chain::Head;
use crate::record::line::{Decision, Line};

/// Writes chains as cores do.
#[derive(Default)]
struct Hand {
    head: Head,
    text: Vec<u8>,
}

impl Hand {
    fn put(&mut self, line: &str) -> &mut Self {
        self.head.seal(line.as_bytes(), &mut self.text);
        self
    }

    fn open(&mut self, ms: i64) -> &mut Self {
        self.put(&format!(r#"{{"line":"open","at":"{}","version":"1","process":1,"core":"0"}}"#, Timestamp(ms)))
    }

    fn access(&mut self, ms: i64, request: &str, device: &str) -> &mut Self {
        let access = Access {
            at: Timestamp(ms).to_string(),
            request: request.into(),
            device: Some(device.into()),
            decision: Decision::Allow,
            status: 200,
            ..Access::default()
        };
        let mut out = Vec::new();
        Line::Access(&access).write_to(&mut out).unwrap();
        self.put(str::from_utf8(&out).unwrap().trim_end())
    }

    fn started(&mut self, ms: i64, request: &str) -> &mut Self {
        self.put(&format!(
            r#"{{"line":"start","at":"{}","request":"{request}","device":"lap-7","user":null,"session":null,"app":"wiki","method":"POST","host":"h","path":"/","policies":[]}}"#,
            Timestamp(ms)
        ))
    }

    fn progress(&mut self, ms: i64, request: &str, sent: u64) -> &mut Self {
        self.put(&format!(r#"{{"line":"progress","at":"{}","request":"{request}","sent":{sent},"received":1}}"#, Timestamp(ms)))
    }

    fn end(&mut self, ms: i64, request: &str, sent: u64) -> &mut Self {
        self.put(&format!(
            r#"{{"line":"end","at":"{}","request":"{request}","sent":{sent},"received":0,"ms":5,"ending":"complete"}}"#,
            Timestamp(ms)
        ))
    }

    fn close(&mut self, ms: i64) -> &mut Self {
        self.put(&format!(r#"{{"line":"close","at":"{}","lines":1,"bytes":1}}"#, Timestamp(ms)))
    }

    fn save(&mut self, dir: &Path, name: &str) {
        std::fs::write(dir.join(name), std::mem::take(&mut self.text)).unwrap();
    }
}

fn of(device: &str) -> Filter {
    Filter { devices: vec![device.into()], ..Filter::default() }
}

/// Ids, endings and bytes, and how many files were read.
fn told(dir: &Path, filter: Filter, span: Span, most: usize) -> (Vec<(String, String, Bytes)>, u64) {
    let mut requests = RecordFolder::open(dir).unwrap().requests(filter, span).unwrap();
    requests.most = most;
    let mut told = Vec::new();
    while let Some(entry) = requests.next_entry().unwrap() {
        if let Entry::Request(request) = entry {
            told.push((request.id().to_owned(), request.ending().to_owned(), request.sent()));
        }
    }
    assert_eq!(requests.unreadable(), 0);
    (told, requests.tally().files)
}

fn said(id: &str, ending: &str, sent: Bytes) -> (String, String, Bytes) {
    (id.to_owned(), ending.to_owned(), sent)
}

#[test]
fn lines_of_a_request_are_put_together_over_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut hand = Hand::default();
    hand.open(0).access(1, "a", "lap-7").access(2, "b", "lap-8").started(3, "c").access(4, "d", "lap-7").progress(5, "d", 70);
    hand.close(6).save(dir.path(), "access-0000000000000-1-0.jsonl");
    hand.open(7).end(8, "a", 10).end(9, "b", 20).access(3, "c", "lap-7").progress(10, "d", 90).access(11, "e", "lap-7");
    hand.save(dir.path(), "access-0000000000007-1-0.jsonl");
    // Another process goes on: what the first had under way has no end. What it began itself may yet.
    let all = [
        said("a", "complete", Bytes::Exactly(10)),
        said("c", "open", Bytes::AtLeast(0)),
        said("d", "open", Bytes::AtLeast(90)),
        said("e", "open", Bytes::AtLeast(0)),
    ];
    assert_eq!(told(dir.path(), of("lap-7"), Span::default(), 100).0, all);
    hand.open(20).access(21, "f", "lap-7").started(22, "g").save(dir.path(), "access-0000000000020-2-0.jsonl");
    let (mut found, _) = told(dir.path(), of("lap-7"), Span::default(), 100);
    assert_eq!(found.split_off(4), [said("f", "open", Bytes::AtLeast(0)), said("g", "open", Bytes::AtLeast(0))]);
    assert_eq!(
        found.iter().map(|(_, ending, _)| ending.as_str()).collect::<Vec<_>>(),
        ["complete", "unknown", "unknown", "unknown"]
    );
    assert_eq!(found[2], said("d", "unknown", Bytes::AtLeast(90)));
    // A clean end of the process leaves nothing open.
    hand.close(30).save(dir.path(), "access-0000000000029-2-0.jsonl");
    assert_eq!(told(dir.path(), of("lap-7"), Span::default(), 100).0.last().unwrap().1, "unknown");
}

#[test]
fn why_it_was_cut_is_told_where_access_had_ended() {
    let dir = tempfile::tempdir().unwrap();
    let mut hand = Hand::default();
    hand.open(0).access(1, "a", "lap-7").access(1, "b", "lap-7").end(2, "b", 3);
    hand.put(r#"{"line":"end","at":"1970-01-01T00:00:00.003Z","request":"a","sent":9,"received":0,"ms":2,"ending":"cut","cause":"device_quarantined"}"#);
    hand.save(dir.path(), "access-0000000000000-1-0.jsonl");
    let mut requests = RecordFolder::open(dir.path()).unwrap().requests(of("lap-7"), Span::default()).unwrap();
    let mut told = Vec::new();
    while let Some(Entry::Request(request)) = requests.next_entry().unwrap() {
        told.push((request.ending().to_owned(), request.cause().map(str::to_owned)));
    }
    assert_eq!(told, [("cut".to_owned(), Some("device_quarantined".to_owned())), ("complete".to_owned(), None)]);
}

#[test]
fn what_was_begun_and_not_answered_fits_what_is_known_of_it() {
    let dir = tempfile::tempdir().unwrap();
    Hand::default().open(0).started(1, "a").save(dir.path(), "access-0000000000000-1-0.jsonl");
    let found = |filter| told(dir.path(), filter, Span::default(), 100).0.len();
    assert_eq!(found(Filter::default()), 1);
    assert_eq!(found(Filter { decisions: vec![Decision::Allow], ..of("lap-7") }), 1);
    assert_eq!(found(Filter { decisions: vec![Decision::Deny], ..of("lap-7") }), 0);
    assert_eq!(found(Filter { statuses: vec![super::super::StatusWanted::Exactly(200)], ..of("lap-7") }), 0);
    assert_eq!(found(of("lap-8")), 0);
}

#[test]
fn files_of_another_time_are_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let day = 24 * 3600 * 1000;
    let mut hand = Hand::default();
    for n in 0..6 {
        let ms = n * day;
        hand.open(ms).access(ms + 1, &format!("r{n}"), "lap-7");
        // The end of each stands in the next file.
        if n > 0 {
            hand.end(ms + 2, &format!("r{}", n - 1), 7);
        }
        hand.save(dir.path(), &format!("access-{ms:013}-1-0.jsonl"));
        if n < 5 {
            let summary = format!(
                r#"{{"first_at":"{}","last_at":"{}","first_seq":{}}}"#,
                Timestamp(ms),
                Timestamp(ms + 2),
                1 + n * 3 - i64::from(n > 0)
            );
            std::fs::write(dir.path().join(format!("access-{ms:013}-1-0.jsonl.summary.json")), summary).unwrap();
        }
    }
    let span = Span::new(Some(Timestamp(2 * day)), Some(Timestamp(3 * day)));
    let (found, files) = told(dir.path(), of("lap-7"), span, 100);
    assert_eq!(found, [said("r2", "complete", Bytes::Exactly(7))]);
    assert_eq!(files, 2, "the day itself, and the file with the end");
    let (found, files) = told(dir.path(), of("lap-7"), Span::new(Some(Timestamp(4 * day)), None), 100);
    assert_eq!((found.len(), files), (2, 2));
    // Those that were deleted are told, where they matter.
    for n in 0..2 {
        std::fs::remove_file(dir.path().join(format!("access-{:013}-1-0.jsonl", n * day))).unwrap();
    }
    let folder = RecordFolder::open(dir.path()).unwrap();
    assert_eq!(folder.deleted(&span).unwrap(), None);
    let gone = Some((2, Timestamp(0).to_string(), Timestamp(day + 2).to_string()));
    assert_eq!(folder.deleted(&Span::default()).unwrap(), gone);
}

#[test]
fn a_stream_that_lasts_holds_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut hand = Hand::default();
    hand.open(0).access(1, "long", "lap-7").access(1, "never", "lap-7").progress(2, "never", 5);
    for n in 0..2 * super::super::late::NEAR {
        let id = format!("r{n}");
        hand.access(3, &id, "lap-7").end(4, &id, n);
    }
    hand.end(5, "long", 99).save(dir.path(), "access-0000000000000-1-0.jsonl");
    let held = told(dir.path(), of("lap-7"), Span::default(), usize::MAX).0;
    let streamed = told(dir.path(), of("lap-7"), Span::default(), 100).0;
    assert_eq!(held.len() as u64, 2 * super::super::late::NEAR + 2);
    assert_eq!(held, streamed);
    assert_eq!(held[..2], [said("long", "complete", Bytes::Exactly(99)), said("never", "open", Bytes::AtLeast(5))]);
    // It is indeed not held: the first comes long before the whole record was read.
    let mut requests = RecordFolder::open(dir.path()).unwrap().requests(of("lap-7"), Span::default()).unwrap();
    requests.most = 100;
    assert!(requests.next_entry().unwrap().is_some());
    assert!(requests.tally().lines < 1000, "{:?}", requests.tally());
}
