//! A file of the record, appended to by one data core.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// A file that only one core of one process writes to. Lines are appended whole or not at all.
#[derive(Debug)]
pub struct Segment {
    file: Arc<File>,
    path: PathBuf,
    length: u64,
    /// Part of a batch may stand behind `length`.
    torn: bool,
    dirty: Arc<AtomicBool>,
}

/// Forces segments to the disk at an interval, from a thread of its own. Stops when dropped.
#[derive(Debug)]
pub struct SyncSchedule {
    stop: Option<std::sync::mpsc::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Segment {
    /// Makes a new segment in `dir` (0750, made if missing). Its name tells start, process and core; the file is 0640.
    ///
    /// # Errors
    /// Whatever the file system says; a name that is taken is an error, never an overwrite.
    pub fn create(dir: &Path, started: Timestamp, core: usize) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
        let name = format!("access-{:013}-{}-{core}.jsonl", started.0, std::process::id());
        let path = dir.join(name);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path)?;
        Ok(Self { file: Arc::new(file), path, length: 0, torn: false, dirty: Arc::default() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `lines`, and returns when `write(2)` has returned for all of them.
    ///
    /// # Errors
    /// What the file system says. The file is then cut back to the last whole batch, so that no torn line stays.
    pub fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        if let Err(error) = (&*self.file).write_all(lines) {
            self.torn = true;
            // Tried at once, so that readers see whole lines; if it fails, the next attempt begins with it.
            let _tried_again = self.mend();
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Appending goes to the end of the file, so what is torn must go first.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// A handle with which to force the file to the disk from elsewhere.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Writes to it fail from now on, as on a full disk; or do not any more.
    #[cfg(test)]
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        let options = |read: bool| OpenOptions::new().read(read).append(!read).open(&self.path);
        if let Ok(file) = options(refuse) {
            self.file = Arc::new(file);
        }
    }

    fn sync_handle(&self) -> (Arc<File>, Arc<AtomicBool>) {
        (Arc::clone(&self.file), Arc::clone(&self.dirty))
    }
}

impl SyncSchedule {
    /// Forces each of `segments` to the disk every `interval`, if anything was written since.
    ///
    /// # Errors
    /// If no thread can be made.
    pub fn start(segments: &[Segment], interval: Duration) -> io::Result<Self> {
        let files: Vec<_> = segments.iter().map(Segment::sync_handle).collect();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("record-sync".into()).spawn(move || {
            loop {
                let waited = stopped.recv_timeout(interval);
                for (file, dirty) in &files {
                    if dirty.swap(false, Ordering::AcqRel)
                        && let Err(error) = file.sync_data()
                    {
                        dirty.store(true, Ordering::Release);
                        tracing::error!(%error, "cannot force the record to the disk");
                    }
                }
                if !matches!(waited, Err(std::sync::mpsc::RecvTimeoutError::Timeout)) {
                    return;
                }
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for SyncSchedule {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that forces the record to the disk ended badly");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn lines_are_appended_and_the_file_is_not_for_everyone() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(&dir.path().join("audit"), Timestamp(7), 0).unwrap();
        segment.append(b"one\n").unwrap();
        segment.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(segment.path()).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(segment.path()).unwrap().permissions().mode() & 0o777, 0o640);
    }

    #[test]
    fn what_is_torn_goes_before_the_next_line() {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let mut segment = Segment::create(dir.path(), Timestamp(7), 0).unwrap();
        segment.append(b"one\n").unwrap();
        // Half of a line got through, and the file could not be cut back.
        (&*segment.file).write_all(b"tw").unwrap();
        segment.torn = true;
        segment.refuse_writes(true);
        assert!(segment.append(b"two\n").is_err());
        segment.refuse_writes(false);
        segment.append(b"three\n").unwrap();
        assert_eq!(std::fs::read(segment.path()).unwrap(), b"one\nthree\n");
    }

    #[test]
    fn a_name_that_is_taken_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Segment::create(dir.path(), Timestamp(7), 0).unwrap();
        assert_eq!(Segment::create(dir.path(), Timestamp(7), 0).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_schedule_ends_when_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let segment = Segment::create(dir.path(), Timestamp(7), 0).unwrap();
        drop(SyncSchedule::start(std::slice::from_ref(&segment), Duration::from_secs(3600)).unwrap());
    }
}
