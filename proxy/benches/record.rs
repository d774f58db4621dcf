//! What the record costs: processor time of the whole process for each request, and lines a second on one core.
//!
//! `cargo bench -p sekisho --bench record`
#![expect(clippy::expect_used, reason = "a benchmark that cannot run says why and ends")]

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Version};
use prometheus::Registry;
use rustix::time::{ClockId, clock_gettime};
use sekisho::clock::Clock;
use sekisho::config::{Audit, AuditSync, Host, Keeping};
use sekisho::decide::{Basis, Snapshots};
use sekisho::forward::Meter;
use sekisho::inventory::{DeviceId, SessionId, UserId};
use sekisho::read::RequestId;
use sekisho::record::{Archive, Decision, Draft, Ending, Open, RecordMetrics, Recorder};
use sekisho::secret::Digest;
use sekisho_policy::{Action, DeviceFacts, Identity, Moment, Principal, SessionFacts, Usage, UserFacts};
use tokio::task::LocalSet;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is the same for all requests of a connection.
struct Known {
    client: SocketAddr,
    certificate: Digest,
    device: DeviceId,
    user: UserId,
    session: SessionId,
    app: Arc<str>,
    host: Host,
    policies: Arc<[Arc<str>]>,
    basis: Basis,
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let sync = AuditSync::Interval(Duration::from_secs(1));
    let settings = Audit {
        dir: dir.path().to_owned(),
        sync,
        rotate_size: 256 << 20,
        rotate_after: Duration::from_secs(3600),
        keeping: Keeping::default(),
    };
    let mut archive = Archive::open(&settings, Clock::system(), Box::new(|_finished| {})).expect("a record");
    let writer = archive.begin(&["0".into()]).expect("a chain").remove(0);
    let metrics = RecordMetrics::register(&Registry::new()).expect("metrics");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().event_interval(61).build().expect("a runtime");
    runtime.block_on(LocalSet::new().run_until(async {
        let recorder = Recorder::start(writer, false, Clock::system(), metrics.clone());
        let known = Rc::new(known());
        requests(&recorder, &known, 20_000).await;
        for _round in 0..5 {
            let (before, lines, bytes, began) = (processor_time(), metrics.lines.get(), metrics.bytes.get(), Instant::now());
            requests(&recorder, &known, REQUESTS).await;
            let (used, took) = (processor_time() - before, began.elapsed());
            let (lines, bytes) = (metrics.lines.get() - lines, metrics.bytes.get() - bytes);
            println!(
                "{:.2} us of CPU per request; {} lines in {took:.2?}: {:.0} lines/s of CPU, {:.0} MB/s; {} bytes per request",
                used.as_secs_f64() * 1e6 / f64::from(REQUESTS),
                lines,
                f64::from(u32::try_from(lines).unwrap_or(u32::MAX)) / used.as_secs_f64(),
                f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX)) / 1024.0 / used.as_secs_f64(),
                bytes / u64::from(REQUESTS),
            );
        }
    }));
}

/// So many requests, 32 at once.
async fn requests(recorder: &Recorder, known: &Rc<Known>, count: u32) {
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let (recorder, known) = (recorder.clone(), Rc::clone(known));
            tokio::task::spawn_local(async move {
                for n in 0..count / AT_ONCE {
                    request(&recorder, &known, task * count + n).await;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

/// As the hallway does it: the line is put together, written, and the end follows.
async fn request(recorder: &Recorder, known: &Known, n: u32) {
    let clock = Clock::system();
    let now = clock.now();
    let id = RequestId((u128::from(n) << 64 | 0x1234_5678_9abc_def0).to_be_bytes());
    let meter = Rc::<Meter>::default();
    let watch = recorder.watch(id, Rc::clone(&meter));
    let mut line = Draft::new(now, id, known.client, 7, Version::HTTP_11);
    line.certificate = Some(known.certificate);
    line.asked = Some((Method::GET, known.host.clone(), "/projects/atlas/files/2026-03-overview".into()));
    line.app = Some(Arc::clone(&known.app));
    line.device = Some(known.device.clone());
    line.user = Some(known.user.clone());
    line.session = Some(known.session.clone());
    line.binding = Some("session");
    line.decision = Decision::Allow;
    line.reason = "permitted";
    line.policies = Arc::clone(&known.policies);
    line.basis = Some(known.basis.clone());
    line.status = 200;
    line.length = Some(1024);
    recorder.access(&line).await.expect("the record can be written");
    let mut open = Open::new(recorder.clone(), clock, id, now, meter).watched(Some(watch));
    open.sent(1024);
    open.ends(Ending::Complete);
}

fn known() -> Known {
    let user = UserFacts { id: "corp/248289761001".into(), groups: ["staff".into()].into(), ..UserFacts::default() };
    let facts = Snapshots::of(&Identity {
        principal: Principal::User(user),
        device: DeviceFacts { id: "ana-7k2q".into(), managed: true, ..DeviceFacts::default() },
        session: SessionFacts { mfa: true, ..SessionFacts::default() },
    });
    let basis = Basis {
        policy_set: Arc::from("5c1b3f7e9d2a4c6088a1f3e5d7c9b0a2e4f6081a3c5e7092b4d6f8a0c2e4f618"),
        action: Action::Read,
        usage: Usage { requests_1m: 12, bytes_1h: 3_456_789, bytes_1d: 45_678_901 },
        at: Moment::utc(1_790_000_000_123),
        facts: facts.ok().map(Arc::new),
    };
    Known {
        client: SocketAddr::from(([10, 1, 2, 3], 51_234)),
        certificate: Digest::of(b"a certificate"),
        device: "ana-7k2q".parse().expect("a device"),
        user: "corp/248289761001".parse().expect("a person"),
        session: SessionId("s-4f2k9x7q".into()),
        app: "wiki".into(),
        host: "wiki.corp.example".parse().expect("a host"),
        policies: ["staff-on-own-laptops".into()].into(),
        basis,
    }
}

/// Of all threads.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

const AT_ONCE: u32 = 32;
const REQUESTS: u32 = 320_000;
