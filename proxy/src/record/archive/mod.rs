//! The folder of the record, held by one process: what earlier processes left is repaired, and their chains go on.

mod lock;
mod tail;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lock::Lock;
use tail::Tail;

use super::chain::Head;
use super::heads::Heads;
use super::line::{Follows, Repaired};
use super::name::SegmentName;
use super::sync::Syncs;
use super::writer::{ChainWriter, Finished};
use crate::clock::Clock;
use crate::config::Audit;

/// The folder of the record. No other process writes to it as long as this or one of its chains is held.
#[derive(Debug)]
pub struct Archive {
    shared: Arc<Shared>,
    /// The last segment of each chain, as earlier processes left it.
    tails: BTreeMap<Arc<str>, Tail>,
    repaired: Vec<Repaired>,
}

/// What all chains of a process share.
pub(super) struct Shared {
    pub(super) dir: PathBuf,
    pub(super) clock: Clock,
    pub(super) rotate_size: u64,
    pub(super) rotate_after: Duration,
    pub(super) syncs: Syncs,
    pub(super) heads: Heads,
    pub(super) finished: OnFinished,
    _lock: Lock,
}

/// Gets word of each finished segment, on the thread that wrote it: it must not wait.
pub type OnFinished = Box<dyn Fn(Finished) + Send + Sync>;

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Another process writes to it.
    #[error("{}: {} writes this record already; two gates cannot share one, so give this one an `[audit] dir` of its own", .dir.display(), lock::holder(*.process))]
    Held {
        /// The folder.
        dir: PathBuf,
        /// Its process id, if it told.
        process: Option<u32>,
    },
    /// The file system says no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Archive {
    /// Takes the folder (0750, made if missing) for this process, and repairs what a crash left in it: a last line without its end
    /// is cut. Whole lines stay, also wrong ones.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(settings: &Audit, clock: Clock, finished: OnFinished) -> Result<Self, ArchiveError> {
        let dir = &settings.dir;
        let failed = |source| ArchiveError::Io { path: dir.clone(), source };
        DirBuilder::new().recursive(true).mode(0o750).create(dir).map_err(failed)?;
        let lock = Lock::take(dir)?;
        let mut repaired = Vec::new();
        let mut tails = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let tail = tail::of_file(&path, &mut repaired).map_err(|source| ArchiveError::Io { path, source })?;
            let Some((chain, tail)) = tail else { continue };
            let last: &mut Tail = tails.entry(chain).or_insert_with(|| tail.clone());
            if tail.head.seq > last.head.seq {
                *last = tail;
            }
        }
        let shared = Shared {
            dir: dir.clone(),
            clock,
            rotate_size: settings.rotate_size,
            rotate_after: settings.rotate_after,
            syncs: Syncs::default(),
            heads: Heads::default(),
            finished,
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared), tails, repaired })
    }

    /// Begins all chains of this process, each where an earlier process left it. What chains that are not among them left
    /// unfinished is adopted by the first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin(&mut self, chains: &[Arc<str>]) -> Result<Vec<ChainWriter>, ArchiveError> {
        let mut own: Vec<_> = chains.iter().map(|chain| self.tails.remove(chain)).collect();
        let mut adopted = self.adopted(own.first().and_then(Option::as_ref));
        let mut writers = Vec::new();
        for (chain, tail) in chains.iter().zip(own.drain(..)) {
            let (mine, others) = std::mem::take(&mut self.repaired).into_iter().partition(|repaired| {
                let named = SegmentName::parse(&repaired.segment);
                writers.is_empty() && named.is_none_or(|name| chains.iter().all(|chain| **chain != *name.chain))
                    || named.is_some_and(|name| *name.chain == **chain)
            });
            self.repaired = others;
            let head = tail.as_ref().map_or_else(Head::default, |tail| tail.head);
            let follows = tail.as_ref().map(Tail::follows).into_iter().chain(adopted.drain(..)).collect();
            let writer = ChainWriter::begin(Arc::clone(&self.shared), Arc::clone(chain), head, follows, mine);
            writers.push(writer.map_err(|source| ArchiveError::Io { path: self.shared.dir.clone(), source })?);
        }
        Ok(writers)
    }

    /// The files that have to reach the disk.
    pub fn syncs(&self) -> Syncs {
        self.shared.syncs.clone()
    }

    /// Where all chains of this process stand.
    pub fn heads(&self) -> Heads {
        self.shared.heads.clone()
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// What other chains left unfinished at the end of the process whose `last` segment this is.
    fn adopted(&self, last: Option<&Tail>) -> Vec<Follows> {
        let process = last.map(|tail| tail.process);
        let unfinished = self.tails.values().filter(|tail| !tail.closed && process.is_none_or(|process| process == tail.process));
        unfinished.map(Tail::follows).collect()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// One chain in a folder of its own, whose clock stands at 9 ms.
#[cfg(test)]
pub(super) fn alone(dir: &Path, chain: &str) -> ChainWriter {
    alone_with(&settings(dir), chain)
}

/// As [`alone`], with these settings.
#[cfg(test)]
pub(super) fn alone_with(settings: &Audit, chain: &str) -> ChainWriter {
    let clock = Clock::manual(crate::clock::Timestamp(9));
    Archive::open(settings, clock, Box::new(|_finished| {})).unwrap().begin(&[chain.into()]).unwrap().remove(0)
}

#[cfg(test)]
pub(super) use tests::settings;

#[cfg(test)]
mod tests;
