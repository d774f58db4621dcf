//! Programs of the measurement: each on its processor, ended with us.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A running program.
pub(crate) struct Program {
    pub(crate) name: String,
    child: Child,
    said: PathBuf,
}

impl Program {
    /// Starts it on one processor. What it says goes into `NAME.log` in the folder.
    pub(crate) fn start(name: &str, processor: usize, folder: &Path, command: &[&str]) -> Self {
        let said = folder.join(format!("{name}.log"));
        let log = File::create(&said).unwrap();
        let child = pinned(processor, command).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.to_owned(), child, said }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it said last.
    pub(crate) fn last_words(&self) -> String {
        let said = std::fs::read(&self.said).unwrap_or_default();
        String::from_utf8_lossy(&said[said.len().saturating_sub(2000)..]).into_owned()
    }

    /// Waits until somebody listens there.
    pub(crate) fn listens(&mut self, at: SocketAddr) {
        self.until("listen", || TcpStream::connect(at).is_ok());
    }

    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let since = Instant::now();
        while !holds() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.name, self.last_words());
            assert!(since.elapsed() < PATIENCE, "{} does not {what}\n{}", self.name, self.last_words());
            super::program::pause();
        }
    }

    /// Asks it to end, as an operator does, and waits.
    pub(crate) fn end(mut self) -> ExitStatus {
        let _gone = kill_process(Pid::from_child(&self.child), Signal::TERM);
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "{} does not end\n{}", self.name, self.last_words());
            pause();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// `command` on one processor. `taskset` becomes the program itself, so that it is our child.
pub(crate) fn pinned(processor: usize, command: &[&str]) -> Command {
    let mut pinned = Command::new("taskset");
    pinned.arg("-c").arg(processor.to_string()).args(command);
    pinned
}

/// Between two looks at something that no event tells of.
#[expect(clippy::disallowed_methods, reason = "other people's programs are waited for by looking again")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

const PATIENCE: Duration = Duration::from_secs(120);
