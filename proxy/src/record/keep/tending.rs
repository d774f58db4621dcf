//! One finished segment: its summary is signed, it is packed, and in the end deleted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use super::journal::CURRENT;
use super::keys::{PublicKeys, SigningKey};
use super::metrics::{KeepMetrics, SegmentState};
use super::pack;
use super::place;
use super::retention::Retention;
use super::scan::{ScanError, scan};
use super::signer::Deleted;
use super::summary::{Because, Summary, verify_summary};
use crate::clock::{Clock, Timestamp};
use crate::record::chain::Head;
use crate::record::heads::Heads;
use crate::record::name::SegmentName;
use crate::record::plain;

/// What the housekeeper needs.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) audit: PathBuf,
    pub(super) key: Arc<SigningKey>,
    pub(super) keys: PublicKeys,
    pub(super) compress: bool,
    pub(super) retention: Retention,
    pub(super) heads: Heads,
    pub(super) deleted: Deleted,
    /// How far each sink is.
    pub(super) taken: Vec<Arc<AtomicU64>>,
    pub(super) clock: Clock,
    pub(super) metrics: KeepMetrics,
    pub(super) stop: Arc<AtomicBool>,
}

/// What became of a segment.
pub(super) enum Fate {
    Kept { state: SegmentState, last_at: Timestamp },
    Gone,
}

/// A segment could not be tended.
#[derive(Debug, thiserror::Error)]
pub(super) enum TendError {
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("its content is not what its signed summary says")]
    NotAsSigned,
}

impl Parts {
    /// `None`: there is no such segment, or there is nothing in it.
    pub(super) fn tend(&self, name: &str, written: Option<Head>, compress: bool) -> Result<Option<Fate>, TendError> {
        let path = self.audit.join(name);
        let packed = pack::packed(&path);
        let (plain, is_packed) = (path.try_exists()?, packed.try_exists()?);
        if !plain && !is_packed {
            return Ok(None);
        }
        let summary = match self.summary(name)? {
            Some(summary) => summary,
            None => match self.sign(name, if plain { &path } else { &packed }, written)? {
                Some(summary) => summary,
                None => return Ok(None),
            },
        };
        if summary.deleted_at.is_some() {
            // A crash came between the two.
            self.remove(&path)?;
            return Ok(Some(Fate::Gone));
        }
        let (Ok(sha256), Some((_, last_at))) = (summary.sha256.parse(), summary.span()) else {
            return Err(TendError::NotAsSigned);
        };
        let mut state = if plain { SegmentState::Finished } else { SegmentState::Packed };
        if plain && compress {
            if !pack::mend(&path, sha256)? {
                pack::pack(&path, sha256).map_err(|error| match error.kind() {
                    io::ErrorKind::InvalidData => TendError::NotAsSigned,
                    _ => TendError::Io(error),
                })?;
            }
            state = SegmentState::Packed;
        }
        Ok(Some(Fate::Kept { state, last_at }))
    }

    /// The segment's summary, if it is there and somebody whom we know signed it.
    fn summary(&self, name: &str) -> io::Result<Option<Summary>> {
        let path = self.audit.join(Summary::file_name(name));
        let text = match plain::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        match verify_summary(&text, &self.keys) {
            Ok(summary) if summary.summary == name => Ok(Some(summary)),
            Ok(summary) => {
                tracing::error!(path = %path.display(), of = summary.summary, "this is the summary of another segment; it is made anew");
                Ok(None)
            }
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the summary of a segment was changed; it is made anew");
                Ok(None)
            }
        }
    }

    fn sign(&self, name: &str, path: &Path, written: Option<Head>) -> Result<Option<Summary>, TendError> {
        let chain = SegmentName::parse(name).map(|name| name.chain).unwrap_or_default();
        let is_packed = path.extension().is_some_and(|extension| extension == "zst");
        let Some(scanned) = scan(path, chain, is_packed)? else { return Ok(None) };
        written.map_or(Ok(()), |written| scanned.ends_at(written))?;
        let summary = scanned.summary(name, chain, &self.key);
        self.write(&summary)?;
        Ok(Some(summary))
    }

    fn write(&self, summary: &Summary) -> io::Result<()> {
        let text = summary.sign(&self.key).ok_or(io::ErrorKind::InvalidData)?;
        place::write(&self.audit.join(Summary::file_name(&summary.summary)), text.as_bytes())
    }

    /// First it is said, signed, then it is done: whoever finds the hole finds why.
    pub(super) fn delete(&self, name: &str, because: Because, now: Timestamp) -> io::Result<()> {
        let Some(summary) = self.summary(name)? else { return Err(io::Error::other("its summary is gone or was changed")) };
        let (deleted_at, key) = (Some(now.to_string()), self.key.id().to_owned());
        self.write(&Summary { deleted_at, deleted_because: Some(because), key, ..summary })?;
        self.remove(&self.audit.join(name))?;
        self.deleted.add(name.to_owned());
        self.metrics.deleted(because);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        place::remove(path)?;
        place::remove(&pack::packed(path))?;
        place::sync_folder(path)
    }

    /// Names what was deleted so late that a crash may have kept it out of the last checkpoint. Some may be named twice.
    pub(super) fn say_again(&self, stubs: &[String]) {
        let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let last = changed(&self.audit.join(CURRENT)).and_then(|last| last.checked_sub(LATE));
        for name in stubs.iter().filter(|name| changed(&self.audit.join(Summary::file_name(name))) >= last) {
            if let Ok(Some(Summary { deleted_at: Some(_), .. })) = self.summary(name) {
                self.deleted.add(name.clone());
            }
        }
    }

    /// What the segment takes on the disk.
    pub(super) fn bytes(&self, name: &str) -> u64 {
        let path = self.audit.join(name);
        let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
        size(&path) + size(&pack::packed(&path))
    }
}

/// So much before the last checkpoint, a deletion may not be in it.
const LATE: Duration = Duration::from_secs(2);
