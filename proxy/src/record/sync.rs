//! Forces files of the record to the disk, apart from those who write them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The files of the record that are being written, or were and are not on the disk yet. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Syncs(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    files: Vec<Arc<Synced>>,
    /// A folder with a new file: its entry has to reach the disk too.
    folder: Option<PathBuf>,
}

/// A file, and whether something was written to it since it was last forced to the disk.
#[derive(Debug)]
pub(super) struct Synced {
    pub(super) file: File,
    dirty: AtomicBool,
}

/// Forces what was written to the disk at an interval, from a thread of its own. Stops when dropped.
#[derive(Debug)]
pub struct SyncSchedule {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Syncs {
    /// From now on, `file` in `folder` is forced to the disk too.
    pub(super) fn add(&self, file: File, folder: &Path) -> Arc<Synced> {
        let synced = Arc::new(Synced { file, dirty: AtomicBool::new(false) });
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.files.push(Arc::clone(&synced));
        waiting.folder = Some(folder.to_owned());
        synced
    }

    /// Forces everything to the disk that was written since the last time.
    fn sync(&self) {
        // Never held while the disk works: who makes a new segment would wait.
        let (files, folder) = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Whose writer is gone and has nothing left is done with.
            waiting.files.retain(|file| Arc::strong_count(file) > 1 || file.dirty.load(Ordering::Acquire));
            (waiting.files.clone(), waiting.folder.take())
        };
        for file in files {
            if let Err(error) = file.sync() {
                tracing::error!(%error, "cannot force the record to the disk");
            }
        }
        if let Some(folder) = folder
            && let Err(error) = File::open(&folder).and_then(|file| file.sync_all())
        {
            tracing::error!(%error, "cannot force the folder of the record to the disk");
            self.0.lock().unwrap_or_else(PoisonError::into_inner).folder.get_or_insert(folder);
        }
    }
}

impl Synced {
    /// Something was written.
    pub(super) fn written(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Forces it to the disk, if anything was written since.
    pub(super) fn sync(&self) -> io::Result<()> {
        if !self.dirty.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.file.sync_data().inspect_err(|_told| self.written())
    }
}

impl SyncSchedule {
    /// Forces `files` to the disk every `interval`, if anything was written since.
    ///
    /// # Errors
    /// If no thread can be made.
    pub fn start(files: Syncs, interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("record-sync".into()).spawn(move || {
            loop {
                let waited = stopped.recv_timeout(interval);
                files.sync();
                if !matches!(waited, Err(RecvTimeoutError::Timeout)) {
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
    use super::*;

    #[test]
    fn a_file_is_kept_until_it_is_on_the_disk_and_its_writer_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let syncs = Syncs::default();
        let file = syncs.add(File::create(dir.path().join("a")).unwrap(), dir.path());
        let held = || syncs.0.lock().unwrap().files.len();
        syncs.sync();
        assert_eq!(held(), 1);
        file.written();
        drop(file);
        syncs.sync();
        assert_eq!(held(), 1);
        syncs.sync();
        assert_eq!(held(), 0);
    }

    #[test]
    fn a_schedule_ends_when_dropped_and_syncs_once_more() {
        let dir = tempfile::tempdir().unwrap();
        let syncs = Syncs::default();
        let file = syncs.add(File::create(dir.path().join("a")).unwrap(), dir.path());
        file.written();
        drop(SyncSchedule::start(syncs, Duration::from_secs(3600)).unwrap());
        assert!(!file.dirty.load(Ordering::Acquire));
    }
}
