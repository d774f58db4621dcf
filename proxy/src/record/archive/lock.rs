//! One process writes one record.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::ArchiveError;

/// Held as long as this process writes to the folder; the kernel gives it back however the process ends.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used: closing it gives the lock back")] File);

impl Lock {
    /// Takes it, and leaves this process's id for who wants to know.
    pub(super) fn take(dir: &Path) -> Result<Self, ArchiveError> {
        let path = dir.join("lock");
        let failed = |source| ArchiveError::Io { path: path.clone(), source };
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o640).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let process = (&file).take(32).read_to_string(&mut text).ok().and_then(|_read| text.trim().parse().ok());
                return Err(ArchiveError::Held { dir: dir.to_owned(), process });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // A full disk is no reason not to hold the lock: the id is only told to people.
        let told = file.set_len(0).and_then(|()| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        if let Err(error) = told {
            tracing::warn!(%error, path = %path.display(), "cannot leave the process id in the lock file");
        }
        Ok(Self(file))
    }
}

/// Who has it, in words.
pub(super) fn holder(process: Option<u32>) -> String {
    process.map_or_else(|| "another process".to_owned(), |process| format!("process {process}"))
}
