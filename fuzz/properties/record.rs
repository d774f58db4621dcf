//! The record, read by whoever copied it or was given it: nothing that was changed passes for what was written.

use std::path::Path;

use sekisho::record::EventLine;
use sekisho::record::keep::{Checkpoint, PublicKeys, Summary, verify_checkpoint, verify_summary};
use sekisho::record::read::{AccessLine, FactsLine, Filter, RecordFolder, SegmentFile, SegmentReader, Span, Step};
use sekisho::record::verify::{Trust, verify};
use sekisho::record::{ChainHash, Head, Verifier, check_line, sealed};

/// A line that fits is exactly the line that is written there, and no other does.
pub(crate) fn line(bytes: &[u8]) {
    if let Some(taken) = sealed(bytes) {
        // Sealed by us behind a line of our choice, it fits there, and with one bit changed it does not.
        let mut head = Head { seq: taken.head.seq.saturating_sub(1), hash: ChainHash([9; 32]) };
        let before = head;
        let mut again = Vec::new();
        head.seal(&[taken.content, b"}"].concat(), &mut again);
        let mut again = again.strip_suffix(b"\n").expect("one line").to_vec();
        if taken.head.seq > 0 {
            assert_eq!(check_line(before.hash, &again), Ok(head));
            assert_eq!(Verifier::after(before).next(&again), Ok(head));
            assert_eq!(sealed(&again).map(|taken| taken.content), Some(taken.content));
        }
        let place = bytes.len() / 2;
        if let Some(byte) = again.get_mut(place) {
            *byte ^= 1;
            assert!(check_line(before.hash, &again).is_err());
        }
        if let Some(facts) = FactsLine::parse(bytes) {
            assert_eq!(facts.hash, sekisho::secret::Digest::of(facts.json.as_bytes()).to_string());
        }
    }
    if let Ok(access) = AccessLine::parse(bytes) {
        let _told = (access.question().is_ok(), access.facts().is_ok());
    }
    let _either = serde_json::from_slice::<EventLine>(bytes).is_ok();
}

/// A file of the record, plain or compressed: it is read to its end, and if it verifies, no byte of it can be changed.
pub(crate) fn segment(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let compressed = bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
    let name = if compressed { "access-0000000000001-7-0.jsonl.zst" } else { "access-0000000000001-7-0.jsonl" };
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    walk(&path, bytes.len(), compressed);
    let record = RecordFolder::open(folder.path());
    if let Ok(record) = &record {
        let mut requests = record.requests(Filter::default(), Span::new(None, None)).expect("it is there");
        while requests.next_entry().expect("it can be read").is_some() {}
    }
    if compressed || !is_whole(folder.path()) || bytes.is_empty() {
        return;
    }
    // What a crash cut off is not vouched for; of the rest, each byte is.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    for place in [0, end / 3, end / 2, end.saturating_sub(1)] {
        let mut changed = bytes.to_vec();
        let Some(byte) = changed.get_mut(place).filter(|_| end > 0) else { continue };
        *byte ^= 4;
        std::fs::write(&path, changed).unwrap();
        assert!(!is_whole(folder.path()), "a changed byte at {place} was not noticed");
    }
}

fn walk(path: &Path, bytes: usize, compressed: bool) {
    assert!(SegmentFile::at(path.to_owned()).is_some());
    let Ok(mut reader) = SegmentReader::open(path) else { return };
    let mut lines = 0;
    while let Step::Line | Step::TooLong = reader.step().expect("a file that is there") {
        lines += 1;
        assert!(!reader.line().contains(&b'\n'));
        assert_eq!(reader.number(), lines);
        assert!(compressed || usize::try_from(reader.offset()).unwrap() < bytes);
    }
}

fn is_whole(folder: &Path) -> bool {
    verify(folder, &Trust::default()).is_ok_and(|found| found.faults.is_empty() && found.lines > 0)
}

/// What nobody whom we know has signed is no checkpoint, and a record with it beside is not one without faults.
pub(crate) fn checkpoint(bytes: &[u8]) {
    for line in bytes.split(|byte| *byte == b'\n') {
        assert!(verify_checkpoint(line, &PublicKeys::default()).is_err());
        if let Ok(checkpoint) = Checkpoint::read(line) {
            let written = serde_json::to_vec(&checkpoint).expect("what was read can be written");
            assert_eq!(Checkpoint::read(&written).as_ref(), Ok(&checkpoint));
            let _told = checkpoint.time();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("checkpoints.jsonl"), bytes).unwrap();
    if let Ok(found) = verify(folder.path(), &Trust::default()) {
        assert!(!found.faults.is_empty(), "unsigned, and believed");
    }
}

/// The same of a summary.
pub(crate) fn summary(bytes: &[u8]) {
    assert!(verify_summary(bytes, &PublicKeys::default()).is_err());
    let Ok(summary) = Summary::read(bytes) else { return };
    let written = serde_json::to_vec(&summary).expect("what was read can be written");
    assert_eq!(Summary::read(&written).as_ref(), Ok(&summary));
    let _told = summary.span();
}
