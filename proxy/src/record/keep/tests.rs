//! The keeper at work on a record that is being written.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::Registry;

use super::checkpoint::{Checkpoint, verify_checkpoint};
use super::keys::PublicKeys;
use super::summary::{Because, Summary, verify_summary};
use super::{Checkpoints, FinishedWords, KeepMetrics, Keeper};
use crate::clock::{Clock, Timestamp};
use crate::config::{Audit, AuditSync, CheckpointCommand, Keeping, SyslogAddress};
use crate::record::chain::ChainHash;
use crate::record::{Archive, ChainWriter, Rotation};

/// A record that is written and kept, as in a gate.
struct House {
    dir: tempfile::TempDir,
    keeping: Keeping,
    rotate_size: u64,
}

/// One run of it.
struct Run {
    writers: Vec<ChainWriter>,
    keeper: Keeper,
    registry: Registry,
}

impl House {
    fn new(keeping: Keeping) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), keeping, rotate_size: 4096 }
    }

    fn audit(&self) -> PathBuf {
        self.dir.path().join("audit")
    }

    fn start(&self, chains: &[&str]) -> Run {
        let state = self.dir.path().join("state");
        fs::create_dir_all(&state).unwrap();
        let audit = Audit {
            dir: self.audit(),
            sync: AuditSync::Always,
            rotate_size: self.rotate_size,
            rotate_after: Duration::from_secs(3600),
            keeping: self.keeping.clone(),
        };
        let (finished, words) = FinishedWords::new();
        let clock = Clock::system();
        let mut archive = Archive::open(&audit, clock.clone(), finished).unwrap();
        let names: Vec<Arc<str>> = chains.iter().map(|name| (*name).into()).collect();
        let writers = archive.begin(&names).unwrap();
        let registry = Registry::new();
        let metrics = KeepMetrics::register(&registry).unwrap();
        let keeper = Keeper::start(&audit, &state, archive.heads(), words, clock, metrics).unwrap();
        Run { writers, keeper, registry }
    }

    fn checkpoints(&self) -> Vec<Checkpoint> {
        let keys = PublicKeys::read(&self.audit()).unwrap();
        let mut reader = Checkpoints::open(&self.audit()).unwrap();
        let (mut all, mut previous) = (Vec::new(), ChainHash::default());
        while let Some(line) = reader.next_line().unwrap() {
            let checkpoint = verify_checkpoint(line, &keys).unwrap();
            assert_eq!((checkpoint.previous, checkpoint.checkpoint), (previous, all.len() as u64 + 1));
            previous = Checkpoint::hash(line);
            all.push(checkpoint);
        }
        all
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(self.audit()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("access-"));
        names.sort();
        names
    }

    fn summaries(&self) -> Vec<Summary> {
        let keys = PublicKeys::read(&self.audit()).unwrap();
        let files = self.names().into_iter().filter(|name| Summary::segment_of(name).is_some());
        let mut all: Vec<_> =
            files.map(|name| verify_summary(&fs::read(self.audit().join(name)).unwrap(), &keys).unwrap()).collect();
        all.sort_by_key(|summary| (summary.chain.clone(), summary.first_seq));
        all
    }
}

impl Run {
    /// Writes lines until the chain goes on in another segment.
    fn fill(&mut self, index: usize) {
        let writer = &mut self.writers[index];
        loop {
            let at = Clock::system().now();
            let line = format!("{{\"line\":\"end\",\"at\":\"{at}\",\"request\":\"{}\"}}\n", "r".repeat(100));
            writer.append(line.as_bytes()).unwrap();
            match writer.rotate_if_due() {
                Rotation::NotDue => {}
                Rotation::Done => return,
                Rotation::Failed(error) => panic!("{error}"),
            }
        }
    }

    async fn stop(self) {
        drop(self.writers);
        self.keeper.stop().await;
    }

    fn metric(&self, line: &str) -> Option<String> {
        let text = prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        text.lines().find_map(|known| known.strip_prefix(line)).map(|value| value.trim().to_owned())
    }
}

/// Waits until it is so.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.unwrap_or_else(|_elapsed| panic!("{what}"));
}

fn quick() -> Keeping {
    Keeping { checkpoint_every: Duration::from_millis(100), ..Keeping::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gate_begins_with_is_signed_before_anybody_can_ask() {
    let house = House::new(Keeping::default());
    let run = house.start(&["0", "control"]);
    assert_eq!(house.checkpoints().iter().map(|checkpoint| checkpoint.heads.len()).collect::<Vec<_>>(), [2]);
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_is_signed_and_nothing_new_is_not_signed_again() {
    let house = House::new(quick());
    let mut run = house.start(&["0", "control"]);
    run.fill(0);
    let head = |house: &House| house.checkpoints().last().map_or(0, |last| last.heads.iter().map(|head| head.seq).sum::<u64>());
    until("a checkpoint of all that was written", || head(&house) > 20).await;
    let written = head(&house);
    let count = house.checkpoints().len();
    // Nothing happens: what comes next is made at the end, of the lines that end the files.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(house.checkpoints().len(), count);
    assert_eq!(run.metric("sekisho_record_checkpoints_total"), Some(count.to_string()));
    run.stop().await;
    let last = house.checkpoints().pop().unwrap();
    assert_eq!(last.heads.iter().map(|head| head.seq).sum::<u64>(), written + 2);
    // It says what stands at the end of the files.
    for head in &last.heads {
        let summary = house.summaries().into_iter().find(|summary| summary.summary == *head.segment).unwrap();
        assert_eq!((summary.last_seq, summary.last_hash, summary.closed), (head.seq, head.head, true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finished_segments_are_summed_up_and_packed_over_starts() {
    let house = House::new(quick());
    for _start in 0..2 {
        let mut run = house.start(&["0", "1"]);
        for _ in 0..3 {
            run.fill(0);
        }
        run.fill(1);
        let packed = || house.names().iter().filter(|name| name.ends_with(".zst")).count();
        let before = packed();
        until("packed segments", || packed() >= before.max(4)).await;
        run.stop().await;
    }
    let run = house.start(&["0", "1"]);
    let plain = || house.names().iter().filter(|name| name.ends_with(".jsonl")).count();
    until("all but the open ones are packed", || plain() == 2).await;
    let summaries = house.summaries();
    assert_eq!(summaries.len(), 12, "{:?}", house.names());
    // Each goes on where the one before it ended, and has what it says.
    for chain in ["0", "1"] {
        let (mut seq, mut hash) = (0, ChainHash::default());
        for summary in summaries.iter().filter(|summary| summary.chain == chain) {
            assert_eq!((summary.first_seq, summary.first_previous), (seq + 1, hash));
            (seq, hash) = (summary.last_seq, summary.last_hash);
            let packed = house.audit().join(format!("{}.zst", summary.summary));
            let content = zstd::decode_all(fs::File::open(packed).unwrap()).unwrap();
            assert_eq!(crate::secret::Digest::of(&content).to_string(), summary.sha256);
            assert_eq!(content.len() as u64, summary.bytes);
        }
    }
    until("the metrics say so", || run.metric("sekisho_record_segments{state=\"packed\"}") == Some("12".into())).await;
    assert_eq!(run.metric("sekisho_record_segments{state=\"open\"}"), Some("2".into()));
    assert!(run.metric("sekisho_record_free_bytes").unwrap().parse::<u64>().unwrap() > 0);
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_goes_and_leaves_its_signed_reason() {
    let house = House::new(Keeping { compress: false, keep_size: Some(3 * 4096), ..quick() });
    let mut run = house.start(&["0"]);
    for _ in 0..6 {
        run.fill(0);
    }
    // Six are finished, of a little more than 4096 bytes each; beside the open one there is room for two at most.
    let deleted = || house.summaries().into_iter().filter(|summary| summary.deleted_at.is_some()).collect::<Vec<_>>();
    let is_gone = |summary: &Summary| !house.audit().join(&summary.summary).exists();
    until("segments are deleted", || deleted().len() >= 4 && deleted().iter().all(is_gone)).await;
    let gone = deleted();
    assert!(gone.iter().all(|summary| summary.deleted_because == Some(Because::Size)));
    assert_eq!(gone.iter().map(|summary| summary.first_seq).min(), Some(1), "the oldest go first");
    let kept: u64 = house
        .names()
        .iter()
        .filter(|name| name.ends_with(".jsonl"))
        .map(|name| fs::metadata(house.audit().join(name)).unwrap().len())
        .sum();
    assert!((1..=3 * 4096).contains(&kept), "{kept}");
    // Checkpoints say it too, so that it is known elsewhere.
    let said = || house.checkpoints().into_iter().flat_map(|checkpoint| checkpoint.deleted).collect::<Vec<_>>();
    until("checkpoints name them", || said().len() >= gone.len()).await;
    assert!(gone.iter().all(|summary| said().contains(&summary.summary)));
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_goes_also_of_a_chain_that_is_no_more() {
    let house = House::new(quick());
    let mut run = house.start(&["0", "1"]);
    run.fill(0);
    run.stop().await;
    let house = House { keeping: Keeping { keep_for: Some(Duration::from_millis(1)), ..quick() }, ..house };
    let run = house.start(&["0"]);
    until("the old is gone", || house.summaries().iter().all(|summary| summary.deleted_because == Some(Because::Age))).await;
    until("only the open one is there", || house.names().iter().filter(|name| Summary::segment_of(name).is_none()).count() == 1)
        .await;
    run.stop().await;
    // The chains go on after what is left of them.
    let run = house.start(&["0", "1"]);
    assert_eq!(run.writers.len(), 2);
    run.stop().await;
    let first = house.summaries().into_iter().find(|summary| summary.chain == "1" && summary.deleted_at.is_none()).unwrap();
    assert!(first.first_seq > 1, "{first:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_is_neither_signed_nor_packed_nor_deleted() {
    let house = House::new(Keeping { compress: false, ..quick() });
    let mut run = house.start(&["0"]);
    (0..2).for_each(|_| run.fill(0));
    run.stop().await;
    let names: Vec<_> = house.names().into_iter().filter(|name| name.ends_with(".jsonl")).collect();
    let audit = house.audit();
    let path = |index: usize| audit.join(&names[index]);
    let change = |path: &Path| fs::write(path, fs::read_to_string(path).unwrap().replacen("rrrr", "rrrs", 1)).unwrap();
    // One whose summary is signed already, and one that the gate was not asked about yet.
    change(&path(0));
    change(&path(1));
    fs::remove_file(house.audit().join(Summary::file_name(&names[1]))).unwrap();
    let house = House { keeping: Keeping { keep_for: Some(Duration::from_millis(1)), ..quick() }, ..house };
    let run = house.start(&["0"]);
    until("both are noticed", || run.metric("sekisho_record_segments{state=\"damaged\"}") == Some("2".into())).await;
    until("the third goes", || !path(2).exists() && !super::pack::packed(&path(2)).exists()).await;
    assert!(path(0).exists() && path(1).exists());
    run.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_decision_to_delete_and_the_deed_is_mended() {
    let house = House::new(Keeping { compress: false, keep_for: Some(Duration::from_millis(1)), ..quick() });
    let mut run = house.start(&["0"]);
    run.fill(0);
    let gone = || house.summaries().into_iter().find(|summary| summary.deleted_at.is_some());
    until("it is deleted", || gone().is_some_and(|summary| !house.audit().join(&summary.summary).exists())).await;
    run.stop().await;
    let path = house.audit().join(gone().unwrap().summary);
    fs::write(&path, "anything").unwrap();
    let house = House { keeping: quick(), ..house };
    let run = house.start(&["0"]);
    until("it is gone again", || !path.exists()).await;
    run.stop().await;
}

/// Numbers of the checkpoints in a file of lines.
fn numbers(text: &str) -> Vec<u64> {
    text.lines().map(|line| Checkpoint::read(line.as_bytes()).unwrap().checkpoint).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_was_down_is_caught_up_over_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (door, taken) = (dir.path().join("door"), dir.path().join("taken"));
    let script = format!("test -e {} && cat >> {}", door.display(), taken.display());
    let command = CheckpointCommand { program: "/bin/sh".into(), arguments: vec!["-c".into(), script] };
    let house = House::new(Keeping { command: Some(command), ..quick() });
    let mut run = house.start(&["0"]);
    run.fill(0);
    until("a failure", || run.metric("sekisho_record_checkpoint_sent_total{outcome=\"failed\",sink=\"command\"}").is_some())
        .await;
    until("it waits", || {
        run.metric("sekisho_record_checkpoints_waiting{sink=\"command\"}").is_some_and(|waiting| waiting != "0")
    })
    .await;
    run.stop().await;
    assert!(!taken.exists());
    fs::write(&door, "").unwrap();
    let mut run = house.start(&["0"]);
    run.fill(0);
    run.stop().await;
    let all: Vec<u64> = (1..=house.checkpoints().len() as u64).collect();
    assert_eq!(numbers(&fs::read_to_string(&taken).unwrap()), all, "each once, in order");
    // Not again after another start, and the record that is begun anew from its beginning.
    house.start(&["0"]).stop().await;
    let twice = numbers(&fs::read_to_string(&taken).unwrap());
    assert_eq!(twice, (1..=house.checkpoints().len() as u64).collect::<Vec<_>>());
    fs::remove_dir_all(house.audit()).unwrap();
    fs::remove_file(&taken).unwrap();
    house.start(&["0"]).stop().await;
    assert_eq!(numbers(&fs::read_to_string(&taken).unwrap()).first(), Some(&1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_syslog_server_and_an_address_get_what_is_on_the_disk() {
    let server = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let syslog = SyslogAddress::Udp("127.0.0.1".into(), server.local_addr().unwrap().port());
    let posted: Arc<Mutex<Vec<String>>> = Arc::default();
    let received = Arc::clone(&posted);
    let base = crate::outbound::testing::serve(move |request| {
        assert_eq!(request.headers()[http::header::CONTENT_TYPE], "application/json");
        let mut received = received.lock().unwrap();
        received.push(String::from_utf8(request.body().to_vec()).unwrap());
        // The first is refused, and comes again.
        let status = if received.len() == 1 { 503 } else { 204 };
        http::Response::builder().status(status).body(String::new()).unwrap()
    })
    .await;
    let url = Some(format!("{base}/checkpoints?from=a").parse().unwrap());
    let house = House::new(Keeping { syslog: Some(syslog), url, ..quick() });
    let mut run = house.start(&["0"]);
    run.fill(0);
    until("the address takes what it refused", || {
        run.metric("sekisho_record_checkpoint_sent_total{outcome=\"delivered\",sink=\"url\"}").is_some()
    })
    .await;
    run.stop().await;
    let all = house.checkpoints().len();
    let posted = posted.lock().unwrap().clone();
    assert_eq!(posted[0], posted[1]);
    assert_eq!(numbers(&posted[1..].join("\n")), (1..=all as u64).collect::<Vec<_>>());
    let keys = PublicKeys::read(&house.audit()).unwrap();
    let mut buffer = vec![0; 64 << 10];
    for number in 1..=all as u64 {
        let read = server.recv(&mut buffer).await.unwrap();
        let message = std::str::from_utf8(&buffer[..read]).unwrap();
        let line = message.split_once(" checkpoint - ").unwrap().1;
        assert_eq!(verify_checkpoint(line.as_bytes(), &keys).unwrap().checkpoint, number);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_key_changes_the_id_and_the_chain_of_checkpoints_goes_on() {
    let house = House::new(quick());
    house.start(&["0"]).stop().await;
    fs::remove_file(house.dir.path().join("state/record-key.pem")).unwrap();
    house.start(&["0"]).stop().await;
    let keys: std::collections::BTreeSet<_> = house.checkpoints().into_iter().map(|checkpoint| checkpoint.key).collect();
    assert_eq!(keys.len(), 2);
    assert!(house.checkpoints().iter().all(|checkpoint| checkpoint.at <= Timestamp(i64::MAX / 10_000).to_string()));
}
