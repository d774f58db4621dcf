//! The gate under measurement: started, asked whether it refuses what it must, and its record looked through at the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::options::Build;
use super::program::Program;
use super::setup::{Site, Size};
use super::{fill, place, process, setup};

/// A gate that runs.
pub(crate) struct Gate {
    pub(crate) build: Build,
    folder: TempDir,
    program: Program,
    pub(crate) https: SocketAddr,
    /// Header lines with cookies.
    pub(crate) cookies: PathBuf,
    /// From its start until it was ready.
    pub(crate) start: Duration,
    /// Its memory then, in bytes.
    pub(crate) memory: u64,
    /// Answers that it has given, as clients have counted them.
    pub(crate) answers: u64,
}

impl Gate {
    pub(crate) fn start(build: &Build, processor: usize, keys: &Path, upstream: SocketAddr, size: Size) -> Self {
        let folder = tempfile::Builder::new().prefix("compare-gate-").tempdir().unwrap();
        let (https, metrics, cookies) = (place::free_address(), place::free_address(), folder.path().join("cookies"));
        setup::write(&Site { folder: folder.path(), keys, https, metrics, upstream }, size);
        fill::fill(&folder.path().join("state"), size, &cookies);
        let config = folder.path().join("sekisho.toml");
        // It may write there.
        let profile = format!("LLVM_PROFILE_FILE={}", folder.path().join("state").join(PROFILE).display());
        let mut command = vec![build.binary.to_str().unwrap(), "serve", "--config", config.to_str().unwrap()];
        if build.profiles.is_some() {
            command.splice(0..0, ["env", &profile]);
        }
        let begin = Instant::now();
        let mut program = Program::start("sekisho", processor, folder.path(), &command);
        program.until("get ready", || is_ready(metrics));
        let (start, memory) = (begin.elapsed(), process::memory(program.id()));
        Self { build: build.clone(), folder, https, cookies, start, memory, answers: 0, program }
    }

    pub(crate) fn id(&self) -> u32 {
        self.program.id()
    }

    /// What its record says of the newest requests, for whoever asks why.
    pub(crate) fn newest_lines(&self) -> String {
        let files = place::files(&self.folder.path().join("audit"));
        let texts = files.into_iter().filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
        let lines = texts.map(|path| std::fs::read_to_string(path).unwrap_or_default());
        lines.filter_map(|text| text.lines().rfind(|line| line.starts_with(ACCESS)).map(str::to_owned)).collect()
    }

    /// Ends it. Its record must verify, and have a line for each answer.
    pub(crate) fn end(self) -> String {
        let Self { folder, program, build: Build { binary, profiles, .. }, answers, .. } = self;
        let status = program.end();
        assert!(status.success(), "the gate ended with {status}");
        if let Some(profiles) = profiles {
            let name = folder.path().file_name().unwrap().to_string_lossy();
            let made = std::fs::copy(folder.path().join("state").join(PROFILE), profiles.join(format!("{name}.profraw")));
            made.expect("a gate that makes a profile");
        }
        let audit = folder.path().join("audit");
        let verified = Command::new(&binary).args(["audit", "verify", "--dir"]).arg(&audit).output().unwrap();
        let said = String::from_utf8_lossy(&verified.stdout);
        assert!(verified.status.success(), "the record does not verify: {said}{}", String::from_utf8_lossy(&verified.stderr));
        let lines = access_lines(&audit);
        if lines != answers {
            panic!(
                "{lines} access lines in the record, but clients had {answers} answers; it is kept in {}",
                folder.keep().display()
            );
        }
        format!("{answers} answers, {lines} access lines in the record, which verifies")
    }
}

fn is_ready(metrics: SocketAddr) -> bool {
    let Ok(mut socket) = TcpStream::connect(metrics) else { return false };
    let _late = socket.set_read_timeout(Some(Duration::from_secs(5)));
    let mut answer = [0; 12];
    socket.write_all(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").is_ok()
        && socket.read_exact(&mut answer).is_ok()
        && answer.ends_with(b" 200")
}

fn access_lines(audit: &Path) -> u64 {
    let count = |path: PathBuf| {
        let file = std::fs::File::open(&path).unwrap();
        let text: Box<dyn std::io::Read> = match path.to_string_lossy().as_ref() {
            name if name.ends_with(".jsonl.zst") => Box::new(zstd::Decoder::new(file).unwrap()),
            name if name.ends_with(".jsonl") => Box::new(file),
            _ => return 0,
        };
        let lines = BufReader::with_capacity(1 << 20, text).split(b'\n').map(Result::unwrap);
        lines.filter(|line| line.starts_with(ACCESS.as_bytes())).count() as u64
    };
    place::files(audit).into_iter().map(count).sum()
}

const PROFILE: &str = "gate.profraw";
/// Its kind is a line's first word.
const ACCESS: &str = r#"{"line":"access""#;
