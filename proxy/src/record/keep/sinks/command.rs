//! A program of the operator's that takes a checkpoint on its standard input.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Child;

use super::{SinkError, TIMEOUT};
use crate::config;

/// Runs a program once for each checkpoint, without a shell in between: the line on its standard input, 0 means taken.
#[derive(Debug)]
pub(in crate::record::keep) struct Command {
    program: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
}

/// The program's process group: it goes with all that it started, whatever becomes of us.
struct Group(Option<Pid>);

impl Command {
    pub(in crate::record::keep) fn new(program: PathBuf, arguments: Vec<String>) -> Self {
        Self { program, arguments, timeout: TIMEOUT }
    }

    pub(super) async fn send(&self, line: &str) -> Result<(), SinkError> {
        // Nothing of our environment that it does not need: there may be secrets in it.
        let kept = config::environment().into_iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept));
        let child = tokio::process::Command::new(&self.program)
            .args(&self.arguments)
            .env_clear()
            .envs(kept)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| SinkError::NotStarted { program: self.program.clone(), source })?;
        let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        match tokio::time::timeout(self.timeout, talk(child, format!("{line}\n"))).await {
            Err(_elapsed) => Err(SinkError::TimedOut { to: self.program.display().to_string(), after: self.timeout }),
            Ok(Err(source)) => Err(SinkError::NotStarted { program: self.program.clone(), source }),
            Ok(Ok((status, _))) if status.success() => Ok(()),
            Ok(Ok((status, said))) => Err(SinkError::Failed { program: self.program.clone(), status, said }),
        }
    }

    #[cfg(test)]
    pub(in crate::record::keep) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // There is none any more if all went well.
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Gives it the text, and waits until it ends.
async fn talk(mut child: Child, text: String) -> std::io::Result<(ExitStatus, String)> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // One that does not want to read it may still say that it took it.
            let _unread = stdin.write_all(text.as_bytes()).await;
        }
    };
    let listen = async {
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            // What comes after that is not read: a program that goes on talking gets a broken pipe.
            let _broken = stderr.take(MAX_COMPLAINT).read_to_end(&mut said).await;
        }
        let said = String::from_utf8_lossy(&said).trim().replace(char::is_control, " ");
        if said.is_empty() { said } else { format!(": {said}") }
    };
    let ((), said, status) = tokio::join!(write, listen, child.wait());
    Ok((status?, said))
}

/// What a program needs to find its libraries and its own settings.
const KEPT: [&str; 5] = ["PATH", "LD_LIBRARY_PATH", "LANG", "HOME", "TZ"];
/// So much of what it says on standard error is kept.
const MAX_COMPLAINT: u64 = 512;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sh(script: String) -> Command {
        Command::new("/bin/sh".into(), vec!["-c".into(), script])
    }

    #[tokio::test]
    async fn the_line_is_on_its_standard_input_and_zero_means_taken() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("taken");
        let command = sh(format!("cat >> {}", file.display()));
        for n in 0..2 {
            command.send(&format!("{{\"checkpoint\":{n}}}")).await.unwrap();
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"checkpoint\":0}\n{\"checkpoint\":1}\n");
        // One that does not read it.
        sh("exit 0".into()).send(&"x".repeat(1 << 20)).await.unwrap();
    }

    #[tokio::test]
    async fn what_it_says_on_failing_is_told_in_one_short_line() {
        let failed =
            sh("cat > /dev/null; echo no room >&2; yes | head -c 100000 >&2; exit 3".into()).send("x").await.unwrap_err();
        let words = failed.to_string();
        assert!(words.contains("exit status: 3") && words.contains("no room") && words.len() < 700, "{words}");
        assert!(!words.contains('\n'));
        let missing = Command::new("/nowhere/at/all".into(), Vec::new()).send("x").await.unwrap_err();
        assert!(matches!(missing, SinkError::NotStarted { .. }));
    }

    #[tokio::test]
    async fn one_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let command = sh(script).with_timeout(Duration::from_millis(500));
        assert!(matches!(command.send("x").await, Err(SinkError::TimedOut { .. })));
        let pid = Pid::from_raw(fs::read_to_string(&file).unwrap().trim().parse().unwrap()).unwrap();
        // Whoever adopts it may take a moment to notice that it is dead.
        let gone = async {
            let dead = || {
                let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
                stat.map_or(true, |stat| stat.contains(") Z"))
            };
            while !dead() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), gone).await.unwrap();
    }

    #[tokio::test]
    async fn it_does_not_get_our_environment() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        sh(format!("env > {}", file.display())).send("x").await.unwrap();
        let env = fs::read_to_string(&file).unwrap();
        assert!(env.contains("PATH=") && !env.contains("CARGO_MANIFEST_DIR"), "{env}");
    }
}
