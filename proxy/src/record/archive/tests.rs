//! What earlier processes left, and how their chains go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::clock::Timestamp;
use crate::config::{AuditSync, Keeping};
use crate::record::chain::{ChainError, Verifier, sealed};
use crate::record::writer::Rotation;

pub(in crate::record) fn settings(dir: &Path) -> Audit {
    let sync = AuditSync::Interval(Duration::from_secs(1));
    Audit {
        dir: dir.to_owned(),
        sync,
        rotate_size: 1 << 30,
        rotate_after: Duration::from_secs(3600),
        keeping: Keeping::default(),
    }
}

fn open_at(dir: &Path, at: i64) -> Archive {
    Archive::open(&settings(dir), Clock::manual(Timestamp(at)), Box::new(|_finished| {})).unwrap()
}

/// Runs a process with these cores, each of which writes `lines`.
fn run(dir: &TempDir, at: i64, cores: usize, lines: usize) {
    let chains: Vec<Arc<str>> = (0..cores).map(|core| core.to_string().into()).collect();
    let mut archive = open_at(dir.path(), at);
    for writer in &mut archive.begin(&chains).unwrap() {
        for line in 0..lines {
            writer.append(format!("{{\"line\":\"end\",\"n\":{line}}}\n").as_bytes()).unwrap();
        }
    }
}

#[test]
fn what_is_no_file_of_ours_is_said_and_neither_waited_for_nor_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 5, 1, 3);
    let refused = |name: &str| {
        let path = dir.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let error = Archive::open(&settings(dir.path()), Clock::manual(Timestamp(9)), Box::new(|_finished| {})).unwrap_err();
        assert!(matches!(&error, ArchiveError::Io { path: named, .. } if *named == path), "{error}");
        fs::remove_file(&path).unwrap();
    };
    refused("access-0000000000007-7-0.jsonl");
    refused("access-0000000000007-7-0.jsonl.summary.json");
    // Zeros without an end, as large as a disk.
    let path = dir.path().join("access-0000000000008-7-0.jsonl");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = Archive::open(&settings(dir.path()), Clock::manual(Timestamp(9)), Box::new(|_finished| {})).unwrap_err();
    assert!(error.to_string().contains("no line can be read"), "{error}");
    fs::remove_file(&path).unwrap();
    run(&dir, 9, 1, 3);
}

/// Segments of a chain in the order in which they were written, with their lines.
fn segments(dir: &TempDir, chain: &str) -> Vec<(PathBuf, Vec<String>)> {
    let mut found: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| SegmentName::parse(path.file_name().unwrap().to_str().unwrap()).is_some_and(|name| name.chain == chain))
        .map(|path| {
            let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
            (path, lines)
        })
        .collect();
    found.sort_by_key(|(_, lines)| lines.first().and_then(|line| Some(sealed(line.as_bytes())?.head.seq)));
    found
}

/// The lines of a chain over all its segments, and what is wrong with them.
fn verified(dir: &TempDir, chain: &str) -> (u64, Vec<ChainError>) {
    let mut verifier = Verifier::after(Head::default());
    let segments = segments(dir, chain);
    let wrong = segments.iter().flat_map(|(_, lines)| lines).filter_map(|line| verifier.next(line.as_bytes()).err()).collect();
    (verifier.head().seq, wrong)
}

fn first_line(dir: &TempDir, chain: &str, segment: usize) -> Value {
    serde_json::from_str(&segments(dir, chain)[segment].1[0]).unwrap()
}

/// As `kill -9` leaves the last segment of a chain: no `close`, and behind what is whole, this.
fn crash(dir: &TempDir, chain: &str, torn: &str) -> PathBuf {
    let (path, mut lines) = segments(dir, chain).pop().unwrap();
    assert!(lines.pop().unwrap().starts_with(r#"{"line":"close","#));
    lines.push(torn.to_owned());
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_chain_goes_on_over_starts() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 1, 3);
    run(&dir, 20, 1, 2);
    // The clock was set back: the order is that of the numbers.
    run(&dir, 5, 1, 1);
    assert_eq!(verified(&dir, "0"), (5 + 4 + 3, Vec::new()));
    let segments = segments(&dir, "0");
    let open = first_line(&dir, "0", 1);
    assert_eq!((&open["line"], &open["core"], &open["seq"]), (&"open".into(), &"0".into(), &6.into()));
    let last: Value = serde_json::from_str(segments[0].1.last().unwrap()).unwrap();
    assert_eq!((&last["line"], &last["lines"]), (&"close".into(), &4.into()));
    assert_eq!(open["follows"], serde_json::json!([{ "segment": name_of(&segments[0].0), "seq": 5, "chain": last["chain"] }]));
    assert_eq!(first_line(&dir, "0", 0).get("follows"), None);
    assert_eq!(open.get("repaired"), None);
}

#[test]
fn a_torn_line_is_cut_and_said() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 1, 2);
    let path = crash(&dir, "0", "{\"line\":\"acc");
    run(&dir, 20, 1, 1);
    assert_eq!(verified(&dir, "0"), (3 + 3, Vec::new()));
    assert!(fs::read_to_string(&path).unwrap().ends_with("}\n"));
    let open = first_line(&dir, "0", 1);
    assert_eq!(open["repaired"], serde_json::json!([{ "segment": name_of(&path), "bytes": 12 }]));
    assert_eq!(open["follows"][0]["seq"], 3);
}

#[test]
fn a_file_without_a_whole_line_goes_and_the_chain_goes_on_from_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 1, 2);
    // A crash between the end of one segment and the beginning of the next.
    for (name, content) in [("access-0000000000011-7-0.jsonl", ""), ("access-0000000000012-7-0.jsonl", "{\"line\":\"open")] {
        fs::write(dir.path().join(name), content).unwrap();
    }
    run(&dir, 20, 1, 1);
    assert_eq!(verified(&dir, "0"), (4 + 3, Vec::new()));
    assert_eq!(segments(&dir, "0").len(), 2);
    let mut repaired = first_line(&dir, "0", 1)["repaired"].as_array().unwrap().clone();
    repaired.sort_by_key(|repaired| repaired["bytes"].as_u64());
    assert_eq!((&repaired[0]["bytes"], &repaired[1]["bytes"]), (&0.into(), &13.into()));
}

#[test]
fn a_whole_line_that_is_wrong_stays_and_the_chain_goes_on_from_it() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 1, 3);
    let path = crash(&dir, "0", "");
    let changed = fs::read_to_string(&path).unwrap().replace("\"n\":2", "\"n\":3");
    fs::write(&path, &changed).unwrap();
    run(&dir, 20, 1, 1);
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    assert_eq!(verified(&dir, "0"), (4 + 3, vec![ChainError::Changed { seq: 4 }]));
    // What is no line at all stays too, and the chain goes on from the last that is one.
    let path = crash(&dir, "0", "garbage\n");
    run(&dir, 30, 1, 1);
    assert!(fs::read_to_string(path).unwrap().ends_with("garbage\n"));
    assert_eq!(verified(&dir, "0"), (6 + 3, vec![ChainError::Changed { seq: 4 }, ChainError::NotSealed]));
}

#[test]
fn cores_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 3, 2);
    for chain in ["0", "1", "2"] {
        crash(&dir, chain, "{\"torn");
    }
    run(&dir, 20, 1, 1);
    let open = first_line(&dir, "0", 1);
    let adopted: Vec<_> = open["follows"].as_array().unwrap().iter().map(|follows| follows["segment"].clone()).collect();
    let left = |chain| Value::from(name_of(&segments(&dir, chain)[0].0));
    assert_eq!(adopted, [left("0"), left("1"), left("2")]);
    assert_eq!(open["repaired"].as_array().unwrap().len(), 3);
    run(&dir, 30, 4, 1);
    for (chain, lines) in [("0", 3 + 3 + 3), ("1", 3 + 3), ("2", 3 + 3), ("3", 3)] {
        assert_eq!(verified(&dir, chain), (lines, Vec::new()), "{chain}");
    }
    assert_eq!(first_line(&dir, "2", 1)["follows"][0]["segment"], left("2"));
    assert_eq!(first_line(&dir, "0", 2)["follows"].as_array().unwrap().len(), 1);
}

#[test]
fn a_summary_is_enough_to_go_on_from() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, 10, 1, 1);
    let (path, lines) = segments(&dir, "0").pop().unwrap();
    let head = sealed(lines.last().unwrap().as_bytes()).unwrap().head;
    fs::remove_file(&path).unwrap();
    let summary = serde_json::json!({ "last_seq": head.seq, "last_hash": head.hash, "lines": 3 });
    fs::write(path.with_file_name(format!("{}.summary.json", name_of(&path))), summary.to_string()).unwrap();
    run(&dir, 20, 1, 1);
    let open = first_line(&dir, "0", 0);
    assert_eq!((&open["seq"], &open["follows"][0]["segment"]), (&4.into(), &name_of(&path).into()));
}

#[test]
fn two_processes_do_not_share_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = open_at(dir.path(), 10);
    let again = || Archive::open(&settings(dir.path()), Clock::system(), Box::new(|_finished| {}));
    let refused = again().unwrap_err();
    assert!(matches!(refused, ArchiveError::Held { process: Some(process), .. } if process == std::process::id()), "{refused}");
    assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
    // Whoever still writes holds it, whatever becomes of the rest.
    let writers = first.begin(&["0".into()]).unwrap();
    drop(first);
    assert!(again().is_err());
    drop(writers);
    assert!(again().is_ok());
}

struct Rotating {
    dir: TempDir,
    finished: Arc<Mutex<Vec<Finished>>>,
    archive: Archive,
    writer: ChainWriter,
}

fn rotating(rotate_size: u64) -> Rotating {
    let dir = tempfile::tempdir().unwrap();
    let finished = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&finished);
    let settings = Audit { rotate_size, ..settings(dir.path()) };
    let on_finished = Box::new(move |segment| told.lock().unwrap().push(segment));
    let mut archive = Archive::open(&settings, Clock::manual(Timestamp(9)), on_finished).unwrap();
    let writer = archive.begin(&["0".into()]).unwrap().remove(0);
    Rotating { dir, finished, archive, writer }
}

fn line(at: u32) -> Vec<u8> {
    format!("{{\"line\":\"end\",\"at\":\"2026-01-01T00:00:{at:02}.000Z\",\"request\":\"x\"}}\n").into_bytes()
}

#[test]
fn a_large_segment_is_ended_and_the_next_goes_on() {
    let Rotating { dir, finished, archive, mut writer } = rotating(600);
    let mut rotations = 0;
    for at in [30, 20, 40, 10, 50, 51, 52, 53] {
        writer.append(&line(at)).unwrap();
        if matches!(writer.rotate_if_due(), Rotation::Done) {
            rotations += 1;
        }
    }
    assert!(rotations >= 2);
    let head = archive.heads().now().remove(0);
    assert_eq!(head.segment.as_ref(), name_of(writer.path()));
    drop(writer);
    let segments = segments(&dir, "0");
    assert_eq!(segments.len(), rotations + 1);
    let (lines, wrong) = verified(&dir, "0");
    assert_eq!((head.seq, wrong), (lines - 1, Vec::new()));
    let finished = finished.lock().unwrap();
    assert_eq!(finished.len(), segments.len());
    for (told, (path, lines)) in finished.iter().zip(&segments) {
        let (first, last) = (sealed(lines[0].as_bytes()).unwrap(), sealed(lines.last().unwrap().as_bytes()).unwrap());
        assert_eq!((&told.path, told.lines, told.bytes), (path, lines.len() as u64, fs::metadata(path).unwrap().len()));
        assert_eq!((told.first_seq, told.last_seq, told.last_hash), (first.head.seq, last.head.seq, last.head.hash));
        assert!(Verifier::after(Head { seq: told.first_seq - 1, hash: told.first_previous }).next(lines[0].as_bytes()).is_ok());
    }
    // The clock that makes `open` and `close` lines stands in 1970; of the others, the latest is not the last.
    assert_eq!(
        (finished[0].first_at.as_str(), finished[0].last_at.as_str()),
        ("1970-01-01T00:00:00.009Z", "2026-01-01T00:00:40.000Z")
    );
}

#[test]
fn a_segment_that_has_nothing_does_not_get_old() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Audit { rotate_after: Duration::ZERO, ..settings(dir.path()) };
    let mut archive = Archive::open(&settings, Clock::manual(Timestamp(9)), Box::new(|_finished| {})).unwrap();
    let mut writer = archive.begin(&["0".into()]).unwrap().remove(0);
    assert!(matches!(writer.rotate_if_due(), Rotation::NotDue));
    writer.append(&line(1)).unwrap();
    assert!(matches!(writer.rotate_if_due(), Rotation::Done));
    assert!(matches!(writer.rotate_if_due(), Rotation::NotDue));
}

#[test]
fn if_the_next_segment_cannot_be_begun_the_old_one_grows_on() {
    let Rotating { dir, finished, archive, mut writer } = rotating(1);
    // All names that could be next are taken.
    let taken: Vec<_> = (9..200).map(|ms| dir.path().join(format!("access-{ms:013}-{}-0.jsonl", std::process::id()))).collect();
    let taken: Vec<_> = taken.into_iter().filter(|path| !path.exists()).collect();
    taken.iter().for_each(|path| fs::write(path, "").unwrap());
    assert!(matches!(writer.rotate_if_due(), Rotation::Failed(_)));
    writer.append(&line(1)).unwrap();
    // Not with every batch: it would fail each time.
    assert!(matches!(writer.rotate_if_due(), Rotation::NotDue));
    taken.iter().for_each(|path| fs::remove_file(path).unwrap());
    // The disk is full when the old one is to be ended: nothing is left of the attempt.
    writer.try_again_now();
    writer.refuse_writes(true);
    let before = archive.heads().now();
    assert!(matches!(writer.rotate_if_due(), Rotation::Failed(_)));
    assert_eq!(archive.heads().now(), before);
    writer.refuse_writes(false);
    assert_eq!(segments(&dir, "0").len(), 1);
    writer.append(&line(2)).unwrap();
    writer.try_again_now();
    assert!(matches!(writer.rotate_if_due(), Rotation::Done));
    drop(writer);
    assert_eq!(verified(&dir, "0"), (4 + 2, Vec::new()));
    assert_eq!(finished.lock().unwrap().len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_byte_of_a_finished_segment_can_be_changed_unseen(place: prop::sample::Index, bit in 0..8_u32, deed in 0..3) {
        let dir = tempfile::tempdir().unwrap();
        run(&dir, 10, 1, 4);
        let path = segments(&dir, "0").pop().unwrap().0;
        let mut bytes = fs::read(&path).unwrap();
        let good = |bytes: &[u8]| {
            let mut verifier = Verifier::after(Head::default());
            let Some(lines) = bytes.strip_suffix(b"\n") else { return false };
            let whole = lines.split(|byte| *byte == b'\n').all(|line| verifier.next(line).is_ok());
            whole && lines.split(|byte| *byte == b'\n').next_back().unwrap().starts_with(br#"{"line":"close","#)
        };
        prop_assert!(good(&bytes));
        let at = place.index(bytes.len());
        match deed {
            0 => bytes[at] ^= 1_u8 << bit,
            1 => drop(bytes.remove(at)),
            _ => bytes.truncate(at),
        }
        prop_assert!(!good(&bytes), "byte {at}");
    }
}
