use std::fs;
use std::path::Path;

use super::*;
use crate::clock::Timestamp;
use crate::record::chain::{ChainHash, Head, sealed};
use crate::record::heads::ChainHead;
use crate::record::keep::{Because, Checkpoint, SigningKey};
use crate::record::line::Open as OpenLine;

/// A record that was written in order: two chains, three files of the first, a checkpoint after each file.
struct Record {
    dir: tempfile::TempDir,
    key: SigningKey,
    checkpoints: Vec<String>,
    files: Vec<String>,
}

/// A chain that is being written.
#[derive(Clone)]
struct Hand {
    chain: &'static str,
    head: Head,
    last: Option<String>,
    /// What its `access` lines have besides.
    more: String,
}

impl Hand {
    fn new(chain: &'static str) -> Self {
        Self { chain, head: Head::default(), last: None, more: String::new() }
    }

    /// Writes a file of `lines` lines between its first and its last.
    fn file(&mut self, dir: &Path, started: i64, lines: usize) -> String {
        let name = format!("access-{started:013}-7-{}.jsonl", self.chain);
        let follows = self.last.as_ref().map_or_else(String::new, |last| {
            format!(r#","follows":[{{"segment":"{last}","seq":{},"chain":"{}"}}]"#, self.head.seq, self.head.hash)
        });
        let at = Timestamp(started);
        let mut all =
            vec![format!(r#"{{"line":"open","at":"{at}","version":"1","process":7,"core":"{}"{follows}}}"#, self.chain)];
        let line = |n| format!(r#"{{"line":"access","at":"{at}","request":"{started}-{n}","path":"/{n}"{}}}"#, self.more);
        all.extend((0..lines).map(line));
        all.push(format!(r#"{{"line":"close","at":"{at}","lines":{lines},"bytes":1}}"#));
        let mut out = Vec::new();
        all.iter().for_each(|line| self.head.seal(line.as_bytes(), &mut out));
        fs::write(dir.join(&name), out).unwrap();
        self.last = Some(name.clone());
        name
    }

    fn seen(&self) -> ChainHead {
        let segment = self.last.clone().unwrap();
        ChainHead { chain: self.chain.into(), segment: segment.into(), seq: self.head.seq, head: self.head.hash }
    }
}

impl Record {
    fn written() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let mut record = Self { dir, key, checkpoints: Vec::new(), files: Vec::new() };
        let (mut zero, mut control) = (Hand::new("0"), Hand::new("control"));
        let mut written = vec![control.file(record.dir.path(), 500, 3)];
        for started in [1000, 2000, 3000] {
            written.push(zero.file(record.dir.path(), started, 5));
            record.checkpoint(vec![control.seen(), zero.seen()]);
        }
        record.files = written;
        record.save();
        record
    }

    fn checkpoint(&mut self, heads: Vec<ChainHead>) {
        let previous = self.checkpoints.last().map_or_else(ChainHash::default, |line| Checkpoint::hash(line.as_bytes()));
        let checkpoint = Checkpoint {
            checkpoint: self.checkpoints.len() as u64 + 1,
            at: Timestamp(9000).to_string(),
            key: self.key.id().to_owned(),
            heads,
            deleted: Vec::new(),
            previous,
        };
        self.checkpoints.push(checkpoint.sign(&self.key).unwrap());
    }

    fn save(&self) {
        let text: String = self.checkpoints.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.dir.path().join("checkpoints.jsonl"), text).unwrap();
    }

    /// The file of chain 0 with this number, from 1; 0 is that of the events.
    fn path(&self, file: usize) -> PathBuf {
        self.dir.path().join(&self.files[file])
    }

    fn lines(&self, file: usize) -> Vec<String> {
        fs::read_to_string(self.path(file)).unwrap().lines().map(str::to_owned).collect()
    }

    fn put(&self, file: usize, lines: &[String]) {
        fs::write(self.path(file), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    }

    /// Lays down the signed summary of a file; as of one that was deleted.
    fn summary(&self, file: usize, deleted: bool) {
        let lines = self.lines(file);
        let head = |line: &String| sealed(line.as_bytes()).unwrap().head;
        let open: OpenLine = serde_json::from_str(&lines[0]).unwrap();
        let before = open.follows.first().map_or_else(Head::default, |f| Head { seq: f.seq, hash: f.chain });
        let (first, last) = (head(&lines[0]), head(lines.last().unwrap()));
        let summary = Summary {
            summary: self.files[file].clone(),
            chain: open.core,
            first_at: open.at.clone(),
            last_at: open.at,
            first_seq: first.seq,
            last_seq: last.seq,
            first_previous: before.hash,
            last_hash: last.hash,
            lines: lines.len() as u64,
            bytes: fs::metadata(self.path(file)).unwrap().len(),
            closed: true,
            sha256: String::new(),
            deleted_at: deleted.then(|| Timestamp(9500).to_string()),
            deleted_because: deleted.then_some(Because::Age),
            key: self.key.id().to_owned(),
        };
        let path = self.dir.path().join(Summary::file_name(&self.files[file]));
        fs::write(path, summary.sign(&self.key).unwrap()).unwrap();
    }

    fn verify(&self) -> Verified {
        verify(self.dir.path(), &Trust::default()).unwrap()
    }

    /// The first fault: file, line, number in the chain, and what is wrong.
    fn fault(&self) -> (String, Option<u64>, Option<u64>, &'static str) {
        let found = self.verify();
        let fault = found.faults.first().expect("something is wrong").clone();
        (fault.file, fault.line, fault.seq, fault.what.as_str())
    }
}

#[test]
fn what_was_written_in_order_is_right() {
    let record = Record::written();
    let found = record.verify();
    assert_eq!(found.faults, []);
    assert_eq!((found.segments, found.lines, found.checkpoints, found.after_checkpoint), (4, 26, 3, 0));
    assert_eq!(found.chains[0], ChainSeen { chain: "0".into(), first: 1, last: 21 });
    assert_eq!((found.first_at.unwrap(), found.last_at.unwrap()), (Timestamp(500).to_string(), Timestamp(3000).to_string()));
    // Compressed and summed up, it is as right.
    record.summary(1, false);
    let packed = zstd::encode_all(&*fs::read(record.path(1)).unwrap(), 3).unwrap();
    fs::write(record.path(1).with_extension("jsonl.zst"), packed).unwrap();
    fs::remove_file(record.path(1)).unwrap();
    assert_eq!(record.verify().faults, []);
}

#[test]
fn a_line_that_was_changed_is_named() {
    let record = Record::written();
    let path = record.path(2);
    let whole = fs::read(&path).unwrap();
    for (byte, of) in whole.iter().enumerate().filter(|(_, byte)| **byte != b'\n').step_by(7) {
        let mut changed = whole.clone();
        changed[byte] = of ^ 1;
        fs::write(&path, &changed).unwrap();
        let line = whole[..byte].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let found = record.fault();
        assert_eq!((&found.0, found.1), (&record.files[2], Some(line)), "byte {byte}: {found:?}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(record.verify().faults, []);
}

#[test]
fn a_changed_line_whose_hashes_were_made_anew_is_found_by_the_checkpoint() {
    let record = Record::written();
    // Whoever has the host, but not the checkpoints that left it, writes the last file anew.
    let mut hand = Hand::new("0");
    hand.head = sealed(record.lines(2).last().unwrap().as_bytes()).unwrap().head;
    hand.last = Some(record.files[2].clone());
    hand.file(record.dir.path(), 3000, 5);
    assert_eq!(record.verify().faults, [], "the same lines give the same hashes");
    let mut lines = record.lines(3);
    lines[2] = lines[2].replace("\"/1\"", "\"/x\"");
    let mut head = sealed(record.lines(2).last().unwrap().as_bytes()).unwrap().head;
    let mut anew = Vec::new();
    for line in &lines {
        let content = sealed(line.as_bytes()).unwrap().content;
        head.seal(&[content, b"}"].concat(), &mut anew);
    }
    fs::write(record.path(3), anew).unwrap();
    assert_eq!(record.fault(), (record.files[3].clone(), Some(7), Some(21), "rewritten"));
}

#[test]
fn lines_that_were_moved_dropped_or_cut_off_are_named() {
    let record = Record::written();
    let lines = record.lines(2);
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut changed = lines.clone();
        change(&mut changed);
        record.put(2, &changed);
        let found = record.fault();
        record.put(2, &lines);
        found
    };
    let at = |file: usize, line, seq, what| (record.files[file].clone(), Some(line), Some(seq), what);
    assert_eq!(with(&|lines| lines.swap(2, 4)), at(2, 3, 12, "reordered"));
    assert_eq!(with(&|lines| drop(lines.remove(3))), at(2, 4, 12, "missing"));
    assert_eq!(with(&|lines| lines.insert(3, lines[2].clone())), at(2, 4, 10, "reordered"));
    assert_eq!(with(&|lines| lines.insert(3, "{}".into())), at(2, 4, 11, "changed"));
    // The end is cut off: what follows goes on from a line that is not there, and the checkpoint saw it.
    assert_eq!(with(&|lines| lines.truncate(4)), (record.files[2].clone(), None, Some(14), "truncated"));
    record.summary(2, false);
    assert_eq!(with(&|lines| lines.truncate(4)), at(2, 4, 12, "truncated"));
    assert_eq!(record.verify().faults, []);
    // Half a line at the very end is what a crash leaves; in the middle of a chain it is not.
    let torn = |file: usize| {
        let text = fs::read(record.path(file)).unwrap();
        fs::write(record.path(file), [&text[..], b"{\"line\":\"acc"].concat()).unwrap();
        let found = record.verify();
        fs::write(record.path(file), text).unwrap();
        found
    };
    assert_eq!(torn(2).faults[0].what.as_str(), "truncated");
    let found = torn(3);
    assert_eq!((found.faults.len(), found.notes.len()), (0, 1), "{found:?}");
}

#[test]
fn the_end_of_the_record_is_vouched_for_by_checkpoints() {
    let record = Record::written();
    record.put(3, &record.lines(3)[..3]);
    let found = record.verify();
    assert_eq!(
        found.faults[0].words,
        "the record ends at line 17 of this chain, but checkpoint 3 saw line 21: its end was cut off"
    );
    fs::remove_file(record.path(3)).unwrap();
    assert_eq!(record.fault(), (record.files[3].clone(), None, Some(21), "missing"));
    // Without the checkpoint too, nobody here can know; who kept one elsewhere does.
    let kept = record.dir.path().join("kept");
    fs::write(&kept, format!("Nov 22 gate audit: {}\r\n", record.checkpoints[2])).unwrap();
    fs::write(record.dir.path().join("checkpoints.jsonl"), record.checkpoints[..2].join("\n") + "\n").unwrap();
    assert_eq!(record.verify().faults, []);
    let against = Trust { against: Some(kept), ..Trust::default() };
    let found = verify(record.dir.path(), &against).unwrap();
    let words: Vec<_> = found.faults.iter().map(|fault| fault.words.as_str()).collect();
    assert_eq!(
        words,
        [
            "checkpoint 3, kept elsewhere, saw lines of this file, and it is missing",
            "checkpoint 3, which was kept elsewhere, is not here; the last is 2",
        ]
    );
    // The twin: a record that is whole agrees with what was kept.
    let whole = Record::written();
    let kept = whole.dir.path().join("kept");
    fs::write(&kept, whole.checkpoints.join("\n")).unwrap();
    let found = verify(whole.dir.path(), &Trust { against: Some(kept), ..Trust::default() }).unwrap();
    assert_eq!((found.faults.len(), found.against), (0, 3));
}

#[test]
fn files_that_are_missing_or_foreign_are_named() {
    let record = Record::written();
    let text = fs::read(record.path(2)).unwrap();
    fs::remove_file(record.path(2)).unwrap();
    // The checkpoint saw its last line, which comes before the line that goes on from it.
    assert_eq!(record.fault(), (record.files[2].clone(), None, Some(14), "missing"));
    // Deleted in order, its summary stands for it; one that says nothing of that does not.
    fs::write(record.path(2), &text).unwrap();
    record.summary(2, true);
    fs::remove_file(record.path(2)).unwrap();
    let found = record.verify();
    assert_eq!((found.faults.len(), found.deleted), (0, 1), "{:?}", found.faults);
    fs::write(record.path(2), &text).unwrap();
    record.summary(2, false);
    fs::remove_file(record.path(2)).unwrap();
    assert_eq!(record.fault().3, "missing");
    fs::write(record.path(2), &text).unwrap();
    // A file of another gate, with a name that fits.
    let other = Record::written();
    let mut hand = Hand::new("0");
    hand.file(other.dir.path(), 4000, 9);
    let foreign = other.dir.path().join(hand.last.unwrap());
    let brought = record.dir.path().join("access-0000000004000-7-0.jsonl");
    fs::copy(&foreign, &brought).unwrap();
    assert_eq!(record.fault().3, "foreign");
    fs::remove_file(&brought).unwrap();
    fs::copy(&foreign, record.dir.path().join("access-0000000004000-7-1.jsonl")).unwrap();
    let found = record.fault();
    assert_eq!((found.0.as_str(), found.1, found.3), ("access-0000000004000-7-1.jsonl", Some(1), "foreign"));
}

#[test]
fn what_others_signed_is_not_believed() {
    let record = Record::written();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = SigningKey::open(elsewhere.path(), elsewhere.path()).unwrap();
    let pem = |dir: &Path, key: &SigningKey| dir.join("keys").join(format!("{}.pem", key.id()));
    let trust = |key: PathBuf| Trust { keys: vec![key], ..Trust::default() };
    assert_eq!(verify(record.dir.path(), &trust(pem(record.dir.path(), &record.key))).unwrap().faults, []);
    let found = verify(record.dir.path(), &trust(pem(elsewhere.path(), &other))).unwrap();
    // One place, however many there are.
    assert_eq!((found.faults.len(), found.faults[0].what.as_str()), (1, "signature"));
    assert_eq!(
        found.faults[0].words,
        format!("3 checkpoints name the key {}, which is not among those that are believed", record.key.id())
    );
    // A checkpoint that was changed, taken out, or moved.
    for change in [0, 1, 2] {
        let mut lines = record.checkpoints.clone();
        match change {
            0 => lines[1] = lines[1].replace("\"seq\":14", "\"seq\":13"),
            1 => drop(lines.remove(1)),
            _ => lines.swap(0, 1),
        }
        fs::write(record.dir.path().join("checkpoints.jsonl"), lines.join("\n") + "\n").unwrap();
        let found = record.verify();
        assert!(found.faults.iter().any(|fault| fault.what.as_str() == "checkpoint"), "{change}");
    }
    record.save();
    record.summary(1, false);
    let path = record.dir.path().join(Summary::file_name(&record.files[1]));
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"lines\":7", "\"lines\":6")).unwrap();
    assert_eq!(record.fault().3, "signature");
    fs::rename(&path, record.dir.path().join(Summary::file_name(&record.files[2]))).unwrap();
    fs::write(record.dir.path().join(Summary::file_name(&record.files[2])), text).unwrap();
    assert_eq!(record.fault().3, "foreign");
}

#[test]
fn policy_sets_are_what_their_names_say() {
    let record = Record::written();
    fs::create_dir(record.dir.path().join("sets")).unwrap();
    let name = format!("sets/{}.txt", Digest::of(b"permit"));
    fs::write(record.dir.path().join(&name), "permit").unwrap();
    assert_eq!(record.verify().faults, []);
    fs::write(record.dir.path().join(&name), "Permit").unwrap();
    assert_eq!(record.fault(), (name, None, None, "changed"));
}

#[test]
fn a_policy_set_that_lines_name_must_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let key = SigningKey::open(dir.path(), dir.path()).unwrap();
    let (set, tried) = (Digest::of(b"permit"), Digest::of(b"forbid"));
    let mut hand = Hand::new("0");
    hand.more = format!(
        r#","path":"/\"policy_set\":\"{}","policy_set":"{set}","candidate":{{"policy_set":"{tried}"}}"#,
        Digest::of(b"path")
    );
    let name = hand.file(dir.path(), 1000, 2);
    let mut record = Record { dir, key, checkpoints: Vec::new(), files: vec![name.clone()] };
    record.checkpoint(vec![hand.seen()]);
    record.save();
    let missing = |record: &Record| record.verify().faults.into_iter().map(|fault| (fault.file, fault.words)).collect::<Vec<_>>();
    let found = missing(&record);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|(_, words)| words.contains(&format!("is missing, and {name}:2 names it"))), "{found:?}");
    fs::create_dir(record.dir.path().join("sets")).unwrap();
    fs::write(record.dir.path().join(format!("sets/{set}.txt")), "permit").unwrap();
    assert_eq!(missing(&record)[0].0, format!("sets/{tried}.txt"));
    fs::write(record.dir.path().join(format!("sets/{tried}.txt")), "forbid").unwrap();
    assert_eq!(missing(&record), []);
}

#[test]
fn a_record_without_the_checkpoints_that_it_must_have_is_not_right() {
    let record = Record::written();
    let kept = |lines: &[String]| {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(record.dir.path().join("checkpoints.jsonl"), text).unwrap();
    };
    // Its beginning goes only with the oldest parts of the record.
    kept(&record.checkpoints[1..]);
    let found = record.verify();
    assert_eq!((found.faults.len(), found.faults[0].what.as_str()), (1, "checkpoint"));
    record.summary(1, true);
    let (first, text) = (record.path(1), fs::read(record.path(1)).unwrap());
    fs::remove_file(&first).unwrap();
    assert_eq!(record.verify().faults, []);
    // Whoever wrote the record anew from its first line has no key for checkpoints, and leaves them out.
    fs::write(&first, text).unwrap();
    fs::remove_file(record.dir.path().join(Summary::file_name(&record.files[1]))).unwrap();
    fs::remove_file(record.dir.path().join("checkpoints.jsonl")).unwrap();
    let key = record.dir.path().join("keys").join(format!("{}.pem", record.key.id()));
    let found = verify(record.dir.path(), &Trust { keys: vec![key], ..Trust::default() }).unwrap();
    assert_eq!((found.faults.len(), found.faults[0].what.as_str()), (1, "checkpoint"));
    record.summary(1, false);
    assert_eq!(record.fault().3, "checkpoint", "a summary is signed, too");
    // Before any file was finished, the key in the folder tells that somebody signed; without it, nobody vouches for anything.
    fs::remove_file(record.dir.path().join(Summary::file_name(&record.files[1]))).unwrap();
    assert_eq!(record.fault().3, "checkpoint", "a key is laid down by whoever signs");
    fs::remove_dir_all(record.dir.path().join("keys")).unwrap();
    let found = record.verify();
    assert!(found.faults[0].words.contains("nobody vouches for these lines"), "{:?}", found.faults);
}

#[test]
fn a_compressed_file_that_is_damaged_is_told_as_that() {
    let record = Record::written();
    let mut packer = zstd::Encoder::new(Vec::new(), 3).unwrap();
    // As the gate writes them.
    packer.include_checksum(true).unwrap();
    std::io::Write::write_all(&mut packer, &fs::read(record.path(2)).unwrap()).unwrap();
    let packed = packer.finish().unwrap();
    fs::remove_file(record.path(2)).unwrap();
    let path = record.path(2).with_extension("jsonl.zst");
    for at in (10..packed.len()).step_by(11) {
        let mut changed = packed.clone();
        changed[at] ^= 4;
        fs::write(&path, changed).unwrap();
        let words = record.verify().faults.remove(0).words;
        assert!(words.starts_with("the compressed file is damaged"), "byte {at}: {words}");
    }
    fs::write(&path, packed).unwrap();
    assert_eq!(record.verify().faults, []);
}

#[test]
fn what_would_keep_a_file_from_being_asked_is_named() {
    let record = Record::written();
    record.save();
    // No checkpoint has seen it under its name.
    let text: String = record.checkpoints[1..].iter().map(|line| format!("{line}\n")).collect();
    fs::write(record.dir.path().join("checkpoints.jsonl"), text.replace(&record.files[1], "x")).unwrap();
    fs::rename(record.path(1), record.dir.path().join("access-9999999999999-7-0.jsonl")).unwrap();
    let found = record.verify();
    assert!(found.faults.iter().any(|fault| fault.words.contains("another name")), "{:?}", found.faults);
    fs::rename(record.dir.path().join("access-9999999999999-7-0.jsonl"), record.path(1)).unwrap();
    record.save();
    // Signed, and not what stands in the file.
    record.summary(2, false);
    let path = record.dir.path().join(Summary::file_name(&record.files[2]));
    let said = Summary::read(fs::read(&path).unwrap().trim_ascii_end()).unwrap();
    let lie = Summary { last_at: Timestamp(1).to_string(), ..said };
    fs::write(&path, lie.sign(&record.key).unwrap()).unwrap();
    assert_eq!(record.fault().3, "changed");
    fs::remove_file(&path).unwrap();
    // Nobody writes to it, so reading it would never end.
    let pipe = record.dir.path().join("access-0000000004000-7-0.jsonl");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(verify(record.dir.path(), &Trust::default()), Err(VerifyError::Read(_))));
}
