//! The solver's process: text in, text out, within a time.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::config;

/// A running solver. It ends when this is dropped.
pub(super) struct Process {
    child: Child,
    /// To the thread that writes: a solver that does not read must not keep us.
    questions: Sender<String>,
    /// Its lines, from the thread that reads. The channel is bounded, and so is what a solver that never stops can fill.
    lines: Receiver<String>,
    /// The end of what it said on its standard error.
    complaint: Arc<Mutex<String>>,
}

/// What the process did instead of answering.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProcessFault {
    /// It was not started.
    #[error("the solver {path} does not start: {error}")]
    NotStarted { path: String, error: std::io::Error },
    /// It ended.
    #[error("the solver ended without an answer{0}")]
    Died(String),
    /// It took too long.
    #[error("the solver did not answer within {0:?}")]
    Silent(Duration),
    /// Nobody can use so long an answer.
    #[error("the solver's answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

impl Process {
    /// Starts the solver at `path`, which gives each question up after `each`.
    pub(super) fn start(path: &Path, each: Duration) -> Result<Self, ProcessFault> {
        let not_started = |error| ProcessFault::NotStarted { path: path.display().to_string(), error };
        // No shell in between, and nothing of our environment that it does not need: there may be secrets in it.
        let kept = config::environment().into_iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept));
        let mut child = Command::new(path)
            // Some versions take no pattern with a star on both sides without the last.
            .args(["--lang", "smt", "--strings-exp"])
            // By question: `--tlimit` counts the whole life of the process.
            .arg(format!("--tlimit-per={}", each.as_millis()))
            .env_clear()
            .envs(kept)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(not_started)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(not_started(std::io::Error::other("it has no pipes")));
        };
        let (questions, waiting) = channel();
        let (told, lines) = sync_channel(64);
        let complaint = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&complaint);
        std::thread::spawn(move || write(stdin, &waiting));
        std::thread::spawn(move || read(stdout, &told));
        std::thread::spawn(move || drain(stderr, &heard));
        Ok(Self { child, questions, lines, complaint })
    }

    /// Sends text, and waits for nothing.
    pub(super) fn send(&self, text: String) -> Result<(), ProcessFault> {
        self.questions.send(text).map_err(|_| self.died())
    }

    /// The next line, without its end, before `deadline`.
    pub(super) fn line(&self, deadline: Instant, patience: Duration) -> Result<String, ProcessFault> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) if line.len() >= MAX_ANSWER => Err(ProcessFault::TooLong),
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(ProcessFault::Silent(patience)),
            Err(RecvTimeoutError::Disconnected) => Err(self.died()),
        }
    }

    /// A parenthesised answer whose first line is `first`, up to the line `)`.
    pub(super) fn block(&self, first: &str, deadline: Instant, patience: Duration) -> Result<String, ProcessFault> {
        let mut text = format!("{first}\n");
        loop {
            let line = self.line(deadline, patience)?;
            text.push_str(&line);
            text.push('\n');
            if line == ")" {
                return Ok(text);
            }
            if text.len() > MAX_ANSWER {
                return Err(ProcessFault::TooLong);
            }
        }
    }

    fn died(&self) -> ProcessFault {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let words = complaint.trim();
        ProcessFault::Died(if words.is_empty() { String::new() } else { format!(": {words}") })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself. `wait` returns at once after a kill that nobody can refuse.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(mut stdin: ChildStdin, waiting: &Receiver<String>) {
    for text in waiting {
        if stdin.write_all(text.as_bytes()).and_then(|()| stdin.flush()).is_err() {
            return;
        }
    }
}

fn read(stdout: impl Read, told: &SyncSender<String>) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_ANSWER as u64).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        if told.send(line).is_err() {
            return;
        }
    }
}

/// Keeps the first part of what it says, and takes the rest off its hands.
fn drain(mut stderr: impl Read, heard: &Mutex<String>) {
    let mut buffer = [0; 512];
    while let Ok(count @ 1..) = stderr.read(&mut buffer) {
        let mut complaint = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if complaint.len() < MAX_COMPLAINT {
            complaint.push_str(&String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()));
        }
    }
}

/// Largest answer, in bytes: models of the largest questions have some hundred thousand.
const MAX_ANSWER: usize = 16 << 20;

/// So much of what it says on standard error is kept, about.
const MAX_COMPLAINT: usize = 512;

/// What a program needs to find its libraries.
const KEPT: [&str; 4] = ["PATH", "LD_LIBRARY_PATH", "LANG", "HOME"];
