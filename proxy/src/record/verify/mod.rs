//! Whether the record is as it was written.
//!
//! Arrives: the folder of a record, public keys, checkpoints that were kept elsewhere. Leaves: what was found to fit together, and
//! every place where it does not, the first of each chain. Refused: nothing; what cannot be read is an error. Nothing is changed.
//!
//! Lines are checked against the ones before them, files against the ones that they go on from, finished files against their signed
//! summaries, which also stand for files that were deleted, and all of it against signed checkpoints.

mod chains;
mod checkpoints;
mod fault;
mod segment;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use self::chains::Part;
use self::checkpoints::{Anchor, Seen as CheckpointsSeen};
pub use self::fault::{Fault, Wrong};
use self::segment::{Segment, examine};
use super::chain::Head;
use super::keep::{PublicKeys, Summary, verify_summary};
use super::line::Follows;
use super::plain;
use super::read::{ReadError, SegmentFile};
use crate::secret::Digest;

/// What a record is checked with.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Public keys that were kept elsewhere. Without any, those in the folder are believed.
    pub keys: Vec<PathBuf>,
    /// A file with checkpoints that were kept elsewhere, one on each line.
    pub against: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Where the record is not as it was written: the first place in each chain, and in what else there is. Empty: all is well.
    pub faults: Vec<Fault>,
    /// What else should be known.
    pub notes: Vec<String>,
    /// Of each chain, from which line to which.
    pub chains: Vec<ChainSeen>,
    /// Files that were read.
    pub segments: u64,
    /// Files that were deleted in order, and whose summaries stand for them.
    pub deleted: u64,
    /// Lines of the files that were read.
    pub lines: u64,
    /// Their bytes, uncompressed.
    pub bytes: u64,
    /// The earliest time in a line, RFC 3339.
    pub first_at: Option<String>,
    /// The latest.
    pub last_at: Option<String>,
    /// Checkpoints in the folder.
    pub checkpoints: u64,
    /// When the last of them was made.
    pub last_checkpoint_at: Option<String>,
    /// Lines that no checkpoint vouches for yet.
    pub after_checkpoint: u64,
    /// Checkpoints kept elsewhere that were compared.
    pub against: u64,
    /// Ids of the keys that were believed.
    pub keys: Vec<String>,
    /// Whether these were kept elsewhere.
    pub own_keys: bool,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChainSeen {
    /// Its name.
    pub chain: String,
    /// Number of the first line that is still there.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
}

/// A record cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Something cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A key cannot be used.
    #[error(transparent)]
    Keys(#[from] super::keep::KeysError),
    /// The file with checkpoints that were kept elsewhere has none.
    #[error("{}: there is no checkpoint in it; it is a line that begins with {{\"checkpoint\":", .0.display())]
    NoCheckpoint(PathBuf),
}

/// All files of a folder.
#[derive(Debug, Default)]
struct Listed {
    segments: BTreeMap<String, SegmentFile>,
    summaries: BTreeMap<String, Summary>,
    faults: Vec<Fault>,
    /// Of keys that are not known: how many summaries name them.
    strangers: BTreeMap<String, u64>,
}

/// Checks the record in the folder `dir`.
///
/// # Errors
/// [`VerifyError`], if that cannot be done. What is wrong with the record is no error, but among the faults.
pub fn verify(dir: &Path, trust: &Trust) -> Result<Verified, VerifyError> {
    let mut keys = PublicKeys::read(dir)?;
    if !trust.keys.is_empty() {
        keys = PublicKeys::default();
        for path in &trust.keys {
            keys.add(path)?;
        }
    }
    // Checkpoints first: a gate that runs goes on writing, and what they saw is there by then.
    let checkpoints = CheckpointsSeen::read(dir, &keys, trust.against.as_deref())?;
    let listed = Listed::read(dir, &keys)?;
    if listed.segments.is_empty() && listed.summaries.is_empty() && checkpoints.count == 0 {
        return Err(ReadError::NoRecord(dir.to_owned()).into());
    }
    let examined = examine_all(&listed, &checkpoints)?;
    let mut found = Verified {
        keys: keys.ids().map(str::to_owned).collect(),
        own_keys: !trust.keys.is_empty(),
        checkpoints: checkpoints.count,
        last_checkpoint_at: checkpoints.last_at.clone(),
        against: checkpoints.against,
        ..Verified::default()
    };
    // A key is laid down before the first line is signed with it.
    let signed = keys.ids().next().is_some() || !listed.summaries.is_empty();
    found.faults.extend(checkpoints.missing(signed, listed.has_deleted()));
    found.faults.extend(listed.faults);
    found.faults.extend(checkpoints.faults.iter().cloned());
    let named = sets_named(&examined);
    found.take(&checkpoints, examined, listed.summaries);
    found.faults.extend(wrong_sets(dir, named)?);
    found.faults = first_of_each(found.faults);
    Ok(found)
}

impl Verified {
    fn take(&mut self, checkpoints: &CheckpointsSeen, examined: Vec<Segment>, mut summaries: BTreeMap<String, Summary>) {
        let lasts: BTreeMap<String, Head> = examined.iter().map(|segment| (segment.name.clone(), segment.last)).collect();
        let adopted: Vec<(String, Follows)> = examined
            .iter()
            .flat_map(|segment| segment.adopted.iter().map(|follows| (segment.name.clone(), follows.clone())))
            .collect();
        let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for segment in examined {
            self.segments += 1;
            self.lines += segment.lines;
            self.bytes += segment.bytes;
            if let Some((first, last)) = &segment.span {
                self.reaches(str::from_utf8(first).unwrap_or_default(), str::from_utf8(last).unwrap_or_default());
            }
            let summary = summaries.remove(&segment.name);
            parts.entry(segment.chain.clone()).or_default().push(Part::File(Box::new(segment), summary.map(Box::new)));
        }
        let stubs: BTreeSet<String> = summaries.keys().cloned().collect();
        for (name, summary) in summaries {
            self.deleted += u64::from(summary.deleted_at.is_some());
            parts.entry(summary.chain.clone()).or_default().push(Part::Summary(name, Box::new(summary)));
        }
        for (chain, parts) in parts {
            let walked = chains::walk(&chain, parts, checkpoints);
            let vouched = checkpoints.heads.get(&chain).map_or(0, |head| *head);
            self.after_checkpoint += walked.last.saturating_sub(vouched.max(walked.first.saturating_sub(1)));
            self.chains.push(ChainSeen { chain, first: walked.first, last: walked.last });
            self.faults.extend(walked.faults);
            self.notes.extend(walked.notes);
        }
        let is_there = |segment: &str| lasts.contains_key(segment) || stubs.contains(segment);
        for (segment, anchors) in &checkpoints.anchors {
            if let Some(anchor) = anchors.first().filter(|_| !is_there(segment)) {
                self.faults.push(anchor.fault(segment, Wrong::FileMissing { said: anchor.said.clone() }));
            }
        }
        for (by, Follows { segment, seq, chain }) in adopted {
            let said = format!("the first line of {by}");
            let of = SegmentFile::at(segment.clone().into()).map_or_else(String::new, |file| file.chain.to_string());
            let wrong = match lasts.get(&segment) {
                None if stubs.contains(&segment) => continue,
                None => Wrong::FileMissing { said },
                Some(last) if last.seq < seq => Wrong::NotReached { found: last.seq, said, seen: seq },
                Some(last) if last.seq == seq && last.hash != chain => Wrong::Rewritten { seq, said },
                Some(_) => continue,
            };
            self.faults.push(Fault::of_line(&segment, None, &of, seq, wrong));
        }
    }

    fn reaches(&mut self, first: &str, last: &str) {
        if self.first_at.as_deref().is_none_or(|known| first < known) {
            self.first_at = Some(first.to_owned());
        }
        if self.last_at.as_deref().is_none_or(|known| last > known) {
            self.last_at = Some(last.to_owned());
        }
    }
}

impl Listed {
    fn read(dir: &Path, keys: &PublicKeys) -> Result<Self, ReadError> {
        let failed = |source| ReadError::Io { path: dir.to_owned(), source };
        let mut listed = Self::default();
        for entry in fs::read_dir(dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(segment) = Summary::segment_of(name) {
                let segment = segment.to_owned();
                listed.summary(&path, segment, keys)?;
            } else if let Some(file) = SegmentFile::at(path) {
                // While one is being compressed it is there twice; the plain one is whole.
                let known = listed.segments.entry(file.name().to_owned()).or_insert_with(|| file.clone());
                if known.is_compressed() {
                    *known = file;
                }
            }
        }
        let strangers = std::mem::take(&mut listed.strangers);
        let each = strangers.into_iter().map(|(key, count)| Fault::of_file(SUMMARIES, Wrong::strange_key("file", count, &key)));
        listed.faults.extend(each);
        Ok(listed)
    }

    /// Whether parts of the record were deleted in order.
    fn has_deleted(&self) -> bool {
        self.summaries.values().any(|summary| summary.deleted_at.is_some())
    }

    fn summary(&mut self, path: &Path, segment: String, keys: &PublicKeys) -> Result<(), ReadError> {
        let text = match plain::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(ReadError::Io { path: path.to_owned(), source }),
        };
        let wrong = match verify_summary(&text, keys) {
            Ok(summary) if summary.summary == segment => {
                self.summaries.insert(segment, summary);
                return Ok(());
            }
            Ok(summary) => Wrong::OfAnother { of: summary.summary },
            Err(error) => {
                if let Some(key) = error.unknown_key() {
                    *self.strangers.entry(key.to_owned()).or_default() += 1;
                    return Ok(());
                }
                Wrong::Unsigned(error.to_string())
            }
        };
        self.faults.push(Fault::of_file(&Summary::file_name(&segment), wrong));
        Ok(())
    }
}

/// Reads all files, on all cores.
fn examine_all(listed: &Listed, checkpoints: &CheckpointsSeen) -> Result<Vec<Segment>, ReadError> {
    let files: Vec<&SegmentFile> = listed.segments.values().collect();
    let (next, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let anchors: &[Anchor] = checkpoints.anchors.get(file.name()).map_or(&[], Vec::as_slice);
            let examined = examine(file, anchors);
            if let Ok(mut seen) = seen.lock() {
                seen.push(examined);
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    std::thread::scope(|scope| {
        for _ in 1..workers {
            scope.spawn(work);
        }
        work();
    });
    let seen = seen.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    seen.into_iter().filter_map(Result::transpose).collect()
}

/// Policy sets that lines name, with the first such line.
fn sets_named(examined: &[Segment]) -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    let mut files: Vec<&Segment> = examined.iter().collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    for file in files {
        for (set, line) in &file.sets {
            named.entry(set.clone()).or_insert_with(|| format!("{}:{line}", file.name));
        }
    }
    named
}

/// Policy sets beside the record whose content has another hash than their name says, and those that lines name and that are not there.
fn wrong_sets(dir: &Path, mut named: BTreeMap<String, String>) -> Result<Vec<Fault>, ReadError> {
    let sets = dir.join("sets");
    let failed = |source| ReadError::Io { path: sets.clone(), source };
    let entries = match fs::read_dir(&sets) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        entries => Some(entries.map_err(failed)?),
    };
    let mut faults = Vec::new();
    for entry in entries.into_iter().flatten() {
        let path = entry.map_err(failed)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let Some(said) = name.strip_suffix(".txt").and_then(|hash| hash.parse::<Digest>().ok()) else { continue };
        let text = plain::read(&path).map_err(|source| ReadError::Io { path: path.clone(), source })?;
        named.remove(&said.to_string());
        if Digest::of(&text) != said {
            faults.push(Fault::of_file(&format!("sets/{name}"), Wrong::SetChanged));
        }
    }
    let missing = named.into_iter().map(|(set, by)| Fault::of_file(&format!("sets/{set}.txt"), Wrong::SetMissing { by }));
    faults.extend(missing);
    faults.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(faults)
}

/// What stands for all of them.
const SUMMARIES: &str = "*.summary.json";

/// Of each chain the first: what follows a place that is wrong is often wrong because of it.
fn first_of_each(mut faults: Vec<Fault>) -> Vec<Fault> {
    faults.sort_by_key(|fault| (fault.chain.is_none(), fault.chain.clone(), fault.seq.unwrap_or(0)));
    faults.dedup_by(|later, first| later.chain.is_some() && later.chain == first.chain);
    faults
}
