//! Programs that run beside a test: started, listened to, ended.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A running program. It is killed when this goes; what it said is shown if the test failed.
pub(crate) struct Program {
    name: String,
    child: Child,
    said: Arc<Mutex<String>>,
    spoke: watch::Receiver<usize>,
}

impl Program {
    pub(crate) fn start(name: &str, mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let said = Arc::new(Mutex::new(String::new()));
        let (speak, spoke) = watch::channel(0);
        let speak = Arc::new(speak);
        listen(child.stdout.take().unwrap(), &said, &speak);
        listen(child.stderr.take().unwrap(), &said, &speak);
        Self { name: name.to_owned(), child, said, spoke }
    }

    /// Everything that it has said so far.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it has said this.
    pub(crate) async fn says(&mut self, words: &str) {
        let heard = tokio::time::timeout(PATIENCE, async {
            while !self.said().contains(words) {
                if self.spoke.changed().await.is_err() {
                    break;
                }
            }
        });
        let in_time = heard.await.is_ok();
        assert!(in_time && self.said().contains(words), "{} did not say {words:?}", self.name);
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub(crate) async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([format!("-{signal}"), self.id().to_string()]).status().await.unwrap();
        assert!(sent.success());
    }

    /// Waits for its end; gives the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status.unwrap_or_else(|_late| panic!("{} does not end", self.name)).unwrap().code()
    }

    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}---", self.name, self.said.lock().unwrap());
        }
    }
}

/// The binary under test, built by `cargo build -p sekisho`; another one, for measurements, where `GATE_BINARY` names it.
pub(crate) fn sekisho() -> PathBuf {
    let named = std::env::var_os("GATE_BINARY").map(|path| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path));
    let binary = named.unwrap_or_else(|| target().join("debug/sekisho"));
    assert!(binary.is_file(), "{} is not there: run `cargo build -p sekisho` first, or `tests/run`", binary.display());
    binary
}

/// The same with keys in a TPM, built by `tests/run` or `tests/with-tpm`.
pub(crate) fn sekisho_with_tpm() -> PathBuf {
    let binary = target().join("debug/sekisho-with-tpm");
    assert!(binary.is_file(), "{} is not there: run `tests/with-tpm` first, or `tests/run`", binary.display());
    binary
}

/// Where `tests/install` put something.
pub(crate) fn tool(path: &str) -> PathBuf {
    let tool = target().join("test-tools").join(path);
    assert!(tool.exists(), "{} is not there: run `tests/install` first", tool.display());
    tool
}

fn target() -> PathBuf {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root.join(folder),
        None => root.join("target"),
    }
}

fn listen(from: impl AsyncRead + Unpin + Send + 'static, said: &Arc<Mutex<String>>, spoke: &Arc<watch::Sender<usize>>) {
    let (said, spoke) = (Arc::clone(said), Arc::clone(spoke));
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut all = said.lock().unwrap();
            all.push_str(&line);
            all.push('\n');
            let _nobody_waits = spoke.send(all.len());
        }
    });
}

const PATIENCE: Duration = Duration::from_secs(30);
