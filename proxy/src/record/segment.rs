//! A file of the record, appended to by one chain of one process.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::sync::{Synced, Syncs};
use crate::clock::Timestamp;

/// A file that only one chain of one process writes to. Lines are appended whole or not at all.
#[derive(Debug)]
pub(super) struct Segment {
    synced: Arc<Synced>,
    path: PathBuf,
    name: Arc<str>,
    length: u64,
    /// Something that does not count may stand behind `length`.
    torn: bool,
}

impl Segment {
    /// Makes a new segment in `dir` (0750, made if missing). Its name tells start, process and chain; the file is 0640.
    ///
    /// # Errors
    /// Whatever the file system says. A name that is taken is never an overwrite: the start in the name is then later.
    pub(super) fn create(dir: &Path, started: Timestamp, chain: &str, syncs: &Syncs) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
        for later in 0..NAMES {
            let name = format!("access-{:013}-{}-{chain}.jsonl", started.0.saturating_add(later), std::process::id());
            let path = dir.join(&name);
            match OpenOptions::new().append(true).create_new(true).mode(0o640).open(&path) {
                Ok(file) => return Ok(Self { synced: syncs.add(file, dir), path, name: name.into(), length: 0, torn: false }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name.
    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Bytes in it.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends `lines`, and returns when `write(2)` has returned for all of them.
    ///
    /// # Errors
    /// What the file system says. The file is then cut back to the last whole batch, so that no torn line stays.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.mend()?;
        if let Err(error) = (&self.synced.file).write_all(lines) {
            self.torn = true;
            // Tried at once, so that readers see whole lines; if it fails, the next attempt begins with it.
            let _tried_again = self.mend();
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.synced.written();
        Ok(())
    }

    /// Takes back what was appended since it had `length` bytes.
    pub(super) fn cut_to(&mut self, length: u64) {
        self.length = length;
        self.torn = true;
        // As above.
        let _tried_again = self.mend();
    }

    /// Appending goes to the end of the file, so what is torn must go first.
    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.synced.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }

    /// A handle with which to force the file to the disk from elsewhere.
    pub(super) fn synced(&self) -> Arc<Synced> {
        Arc::clone(&self.synced)
    }

    /// Writes to it fail from now on, as on a full disk; or do not any more.
    #[cfg(test)]
    pub(super) fn refuse_writes(&mut self, refuse: bool) {
        let options = |read: bool| OpenOptions::new().read(read).append(!read).open(&self.path);
        if let Ok(file) = options(refuse) {
            self.synced = Syncs::default().add(file, Path::new("/"));
        }
    }
}

/// Names that are tried. Two starts in one millisecond differ in the process, so only rotation at great speed needs another.
const NAMES: i64 = 100;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn segment(dir: &Path) -> Segment {
        Segment::create(dir, Timestamp(7), "0", &Syncs::default()).unwrap()
    }

    #[test]
    fn lines_are_appended_and_the_file_is_not_for_everyone() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = segment(&dir.path().join("audit"));
        segment.append(b"one\n").unwrap();
        segment.append(b"two\n").unwrap();
        assert_eq!(std::fs::read(segment.path()).unwrap(), b"one\ntwo\n");
        assert_eq!(std::fs::metadata(segment.path()).unwrap().permissions().mode() & 0o777, 0o640);
        segment.cut_to(4);
        segment.append(b"three\n").unwrap();
        assert_eq!(std::fs::read(segment.path()).unwrap(), b"one\nthree\n");
        assert_eq!(segment.length(), 10);
    }

    #[test]
    fn what_is_torn_goes_before_the_next_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut segment = segment(dir.path());
        segment.append(b"one\n").unwrap();
        // Half of a line got through, and the file could not be cut back.
        (&segment.synced.file).write_all(b"tw").unwrap();
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
        let (mut first, second) = (segment(dir.path()), segment(dir.path()));
        first.append(b"one\n").unwrap();
        assert_ne!(first.path(), second.path());
        assert_eq!(std::fs::read(first.path()).unwrap(), b"one\n");
        assert_eq!(std::fs::read(second.path()).unwrap(), b"");
    }
}
