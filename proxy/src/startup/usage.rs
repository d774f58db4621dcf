//! Usage outlives the process: a snapshot in the state folder, and what the record tells since it was taken.
//!
//! After a clean stop the snapshot has everything. After a crash it is some seconds old, and the record has the rest. If it is
//! missing or damaged, the record of the last day has everything.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::config::Config;
use crate::contain::{Heads, Holder, Rebuild, Restored, Usage};
use crate::inventory::UserId;
use crate::journey::Gate;
use crate::record;
use crate::record::read::{LineKind, RawLine, ReadError, RecordFolder, SegmentFile, Sift, Text};

/// What is wanted of the record: lines that are written after the snapshot was taken.
struct Since<'a> {
    heads: &'a Heads,
    /// The files that can have some, by name.
    files: Vec<String>,
}

/// What a line says that matters here.
#[derive(Deserialize)]
struct Told<'a> {
    #[serde(borrow)]
    request: Text<'a>,
    #[serde(borrow, default)]
    user: Option<Text<'a>>,
    #[serde(borrow, default)]
    device: Option<Text<'a>>,
    #[serde(borrow, default)]
    app: Option<Text<'a>>,
    #[serde(borrow, default)]
    decision: Option<Text<'a>>,
    #[serde(borrow, default)]
    asked_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    action: Option<Text<'a>>,
    #[serde(default)]
    length: Option<u64>,
    #[serde(default)]
    sent: u64,
}

/// Makes `usage` know what it knew when the last process ended. To be called when the record was taken and repaired, and before the
/// first request.
///
/// # Errors
/// In words: neither the snapshot nor the record can be read. Budgets that were used up would be open again, so the gate does not
/// start.
pub(super) fn restore(usage: &Usage, config: &Config, now: Timestamp) -> Result<(), String> {
    let began = Instant::now();
    let path = config.state.join(FILE);
    let restored = match fs::read(&path) {
        Ok(text) => usage.restore(&text, now).map_err(|error| error.to_string()),
        // The first start, or the first with this.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Restored::nothing(now.minus(DAY))),
        Err(error) => Err(error.to_string()),
    };
    let restored = restored.unwrap_or_else(|error| {
        tracing::error!(path = %path.display(), %error, "usage cannot be taken from its snapshot; it is counted anew from the record of the last day");
        Restored::nothing(now.minus(DAY))
    });
    let told = tell(usage, restored, &config.audit.dir, now).map_err(|error| {
        format!(
            "usage: the record cannot be read, so it is not known who has used a budget up: {error}; mend that, then start again"
        )
    })?;
    let seconds = began.elapsed().as_secs_f64();
    usage.metrics().restore_seconds.set(seconds);
    if told.lines > 0 {
        tracing::info!(lines = told.lines, cut = told.cut, seconds, "usage is known again, from the record too");
    }
    Ok(())
}

/// Writes it down every few seconds, as long as something happens. Never ends.
pub(super) async fn keep(gate: Arc<Gate>, heads: record::Heads) {
    let mut last = Heads::new();
    let mut pause = PAUSE;
    let mut tidied = Instant::now();
    loop {
        tokio::time::sleep(pause).await;
        let began = Instant::now();
        if tidied.elapsed() >= TIDY {
            gate.usage.tidy(gate.clock.now());
            tidied = began;
        }
        let now = written(&heads);
        // Whatever is counted is recorded.
        if now == last {
            continue;
        }
        let (at, here) = (gate.clock.now(), Arc::clone(&gate));
        let state = gate.world.load().config.state.clone();
        let saved = tokio::task::spawn_blocking(move || save(&here.usage, &state, &now, at).map(|()| now)).await;
        if let Ok(Ok(now)) = saved {
            last = now;
        }
        // Where there is very much to write, it is written less often.
        pause = PAUSE.max(began.elapsed() * 20);
    }
}

/// Writes it down a last time, when every core has ended.
pub(super) fn keep_at_the_end(gate: &Gate, heads: &record::Heads) {
    let _logged = save(&gate.usage, &gate.world.load().config.state, &written(heads), gate.clock.now());
}

/// How far the record is written. Events of the control runtime are nobody's usage.
fn written(heads: &record::Heads) -> Heads {
    let chains = heads.now().into_iter().filter(|head| head.chain.bytes().all(|byte| byte.is_ascii_digit()));
    chains.map(|head| (head.chain.to_string(), head.seq)).collect()
}

/// Beside its place first, so that there is never half of one. The record has what is lost with it if the power fails.
fn save(usage: &Usage, state: &Path, heads: &Heads, now: Timestamp) -> io::Result<()> {
    let metrics = usage.metrics();
    let saved = usage.snapshot(now, heads).map_err(io::Error::from).and_then(|text| write(state, &text));
    match &saved {
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
        Ok(()) => metrics.saved.set(now.as_secs() as f64),
        Err(error) => {
            metrics.save_failures.inc();
            tracing::warn!(%error, state = %state.display(), "usage cannot be written down; a restart has to count it from the record");
        }
    }
    saved
}

fn write(state: &Path, text: &[u8]) -> io::Result<()> {
    let beside = state.join(format!("{FILE}.new"));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text)?;
    file.sync_data()?;
    fs::rename(&beside, state.join(FILE))?;
    File::open(state)?.sync_all()
}

/// What reading the record came to.
struct Read {
    lines: u64,
    cut: usize,
}

/// Tells `usage` what the record has beyond `restored`.
fn tell(usage: &Usage, restored: Restored, audit: &Path, now: Timestamp) -> Result<Read, ReadError> {
    let folder = match RecordFolder::open(audit) {
        Ok(folder) => folder,
        Err(ReadError::NoRecord(_)) => return Ok(Read { lines: 0, cut: 0 }),
        Err(error) => return Err(error),
    };
    let heads = restored.heads.clone();
    let mut wanted = Since { heads: &heads, files: since(folder.segments(), restored.at.minus(MARGIN)) };
    let mut rebuild = Rebuild::new(usage, restored, now);
    let mut lines = folder.lines()?;
    let mut read = 0;
    while let Some(line) = lines.next_of(&mut wanted)? {
        read += 1;
        take(&mut rebuild, &line);
    }
    Ok(Read { lines: read, cut: rebuild.finish() })
}

/// The files that can have lines of that time or later: of each chain those that were begun since, and the one before.
fn since(files: &[SegmentFile], at: Timestamp) -> Vec<String> {
    let mut before: BTreeMap<&str, &SegmentFile> = BTreeMap::new();
    let mut wanted = Vec::new();
    for file in files {
        if file.started >= at {
            wanted.push(file.name().to_owned());
        } else if before.get(&*file.chain).is_none_or(|other| other.started <= file.started) {
            before.insert(&file.chain, file);
        }
    }
    wanted.extend(before.values().map(|file| file.name().to_owned()));
    wanted
}

fn take(rebuild: &mut Rebuild<'_>, line: &RawLine<'_>) {
    let Ok(told) = serde_json::from_slice::<Told<'_>>(line.text) else { return };
    let Some(at) = time(line.at) else { return };
    match line.kind {
        LineKind::Progress => rebuild.moved(&told.request, at, told.sent),
        LineKind::End => rebuild.ends(&told.request, at, told.sent),
        LineKind::Start => {
            if let Some(holder) = told.holder() {
                rebuild.begins(&told.request, &holder, at);
            }
        }
        LineKind::Access if told.decision.as_deref() == Some("allow") => {
            if let Some(holder) = told.holder() {
                let at = told.asked_at.as_deref().and_then(time).unwrap_or(at);
                let tunnel = told.action.as_deref() == Some("connect");
                rebuild.answers(&told.request, &holder, at, told.length, tunnel);
            }
        }
        _ => {}
    }
}

impl Told<'_> {
    /// Whose request it is; `None` on public paths.
    fn holder(&self) -> Option<Holder> {
        let user: UserId = self.user.as_deref()?.parse().ok()?;
        Some(Holder { user, device: self.device.as_deref()?.parse().ok()?, app: self.app.as_deref()?.into() })
    }
}

impl Sift for Since<'_> {
    fn file(&mut self, file: &SegmentFile) -> bool {
        self.files.iter().any(|name| name == file.name())
    }

    fn line(&mut self, line: &RawLine<'_>) -> bool {
        let kind = matches!(line.kind, LineKind::Access | LineKind::Start | LineKind::Progress | LineKind::End);
        let written = self.heads.get(&*line.segment.chain).copied().unwrap_or(0);
        kind && record::sealed(line.text).is_none_or(|sealed| sealed.head.seq > written)
    }
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

/// In the state folder, mode 0600.
const FILE: &str = "usage";
/// A crash costs reading this much of the record, or a little more.
const PAUSE: Duration = Duration::from_secs(5);
const TIDY: Duration = Duration::from_secs(60);
/// The longest window, and the hundredth before it.
const DAY: Duration = Duration::from_secs(25 * 3600);
/// Lines may tell a time that is a little before that at which they were written.
const MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::contain::{Figures, UsageMetrics};

    /// 2026-01-01T00:00:00Z.
    const START: i64 = 1_767_225_600_000;

    /// Lines as a chain has them, numbered from `first`.
    fn write_segment(dir: &Path, started: i64, chain: &str, first: u64, lines: &[String]) -> PathBuf {
        let path = dir.join(format!("access-{started:013}-7-{chain}.jsonl"));
        let sealed = |(number, line): (u64, &String)| {
            let open = line.strip_suffix('}').unwrap();
            format!("{open},\"seq\":{number},\"chain\":\"{}\"}}\n", "A".repeat(43))
        };
        let text: String = (first..).zip(lines).map(sealed).collect();
        fs::write(&path, text).unwrap();
        path
    }

    fn access(second: u32, number: u64, more: &str) -> String {
        let at = format!("2026-01-01T00:00:{second:02}.000Z");
        format!(
            r#"{{"line":"access","at":"{at}","request":"{number:032x}","client":"10.0.0.1:1","device":"lap-1","user":"corp/ana","app":"wiki","method":"GET","path":"/x","decision":"allow","asked_at":"{at}","action":"read"{more},"status":200}}"#
        )
    }

    fn end(second: u32, number: u64, sent: u64) -> String {
        format!(
            r#"{{"line":"end","at":"2026-01-01T00:00:{second:02}.500Z","request":"{number:032x}","sent":{sent},"received":0,"ms":1,"ending":"complete"}}"#
        )
    }

    fn empty() -> Usage {
        Usage::new(10, UsageMetrics::register(&prometheus::Registry::new()).unwrap())
    }

    fn figures(usage: &Usage, now: Timestamp) -> Option<Figures> {
        usage.all(now).first().map(|used| used.figures)
    }

    #[test]
    fn lines_after_the_snapshot_count_and_those_before_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let lines = [access(1, 1, ""), end(1, 1, 1_000), access(2, 2, ""), end(3, 2, 20)];
        write_segment(dir.path(), START, "0", 1, &lines);
        // Another core, of which the snapshot knew nothing; what was denied, and what anybody may have.
        let denied = access(4, 4, "").replace("\"allow\"", "\"deny\"");
        let public = access(4, 5, "").replace("\"user\":\"corp/ana\",", "");
        write_segment(
            dir.path(),
            START,
            "1",
            1,
            &[access(3, 3, ""), end(4, 3, 3), denied, end(4, 4, 7_000), public, end(4, 5, 9_000)],
        );
        let now = Timestamp(START + 5_000);
        let told = |heads: Heads| {
            let (usage, mut restored) = (empty(), Restored::nothing(Timestamp(START)));
            restored.heads = heads;
            let read = tell(&usage, restored, dir.path(), now).unwrap();
            (figures(&usage, now).unwrap(), read.lines, read.cut)
        };
        let all = Figures { requests_1m: 3, bytes_1h: 1_023, bytes_1d: 1_023 };
        assert_eq!(told(Heads::new()), (all, 10, 0));
        let later = Figures { requests_1m: 2, bytes_1h: 23, bytes_1d: 23 };
        assert_eq!(told(Heads::from([("0".to_owned(), 2)])), (later, 8, 0));
        // The `access` line was counted, and its `end` is of a stream that the snapshot would have had.
        let last = Figures { requests_1m: 1, bytes_1h: 3, bytes_1d: 3 };
        assert_eq!(told(Heads::from([("0".to_owned(), 3)])), (last, 7, 0));
    }

    #[test]
    fn files_of_long_ago_are_not_looked_into() {
        let names = |at: i64| {
            let files: Vec<SegmentFile> = [(1, "0"), (2, "0"), (5, "0"), (3, "1")]
                .into_iter()
                .map(|(started, chain)| SegmentFile::at(format!("access-{started:013}-7-{chain}.jsonl").into()).unwrap())
                .collect();
            let mut names = since(&files, Timestamp(at));
            names.sort();
            names.into_iter().map(|name| (name.as_bytes()[19] - b'0', name.as_bytes()[23])).collect::<Vec<_>>()
        };
        assert_eq!(names(4), [(2, b'0'), (3, b'1'), (5, b'0')], "the file before may have lines of that time");
        assert_eq!(names(0).len(), 4);
        assert_eq!(names(9), [(3, b'1'), (5, b'0')]);
    }

    #[test]
    fn a_gate_that_never_ran_knows_nothing_and_a_record_that_cannot_be_read_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let read = tell(&empty(), Restored::nothing(Timestamp(START)), dir.path(), Timestamp(START)).unwrap();
        assert_eq!((read.lines, read.cut), (0, 0));
        let gone = dir.path().join("gone");
        assert!(tell(&empty(), Restored::nothing(Timestamp(START)), &gone, Timestamp(START)).is_err());
    }

    #[test]
    fn what_is_written_down_is_whole_and_for_us_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let (usage, now) = (empty(), Timestamp(START));
        for _twice in 0..2 {
            save(&usage, dir.path(), &Heads::new(), now).unwrap();
        }
        let path = dir.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(empty().restore(&fs::read(&path).unwrap(), now).is_ok());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(save(&usage, &dir.path().join("gone"), &Heads::new(), now).is_err());
        assert_eq!(usage.metrics().save_failures.get(), 1);
    }
}
