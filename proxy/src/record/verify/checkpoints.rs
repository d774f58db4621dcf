//! The checkpoints of a record, and those that were kept elsewhere: which line each of them saw.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use memchr::memmem;

use super::VerifyError;
use super::fault::{Fault, Wrong};
use crate::record::chain::{ChainHash, Head};
use crate::record::keep::{Checkpoint, Checkpoints, PublicKeys, verify_checkpoint};
use crate::record::read::ReadError;

/// What was found of checkpoints.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Those in the folder.
    pub(super) count: u64,
    /// Number of the first of them.
    first: Option<u64>,
    /// When the last of them was made.
    pub(super) last_at: Option<String>,
    /// Those that were kept elsewhere.
    pub(super) against: u64,
    /// By the name of the segment, in the order of lines: what must be there.
    pub(super) anchors: HashMap<String, Vec<Anchor>>,
    /// Of each chain the highest line that was seen.
    pub(super) heads: BTreeMap<String, u64>,
    pub(super) faults: Vec<Fault>,
    /// How many in a file name a key that is not known.
    strangers: BTreeMap<(String, String), u64>,
}

/// A line that somebody saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) head: Head,
    pub(super) chain: String,
    /// Who, in words.
    pub(super) said: String,
}

impl Seen {
    /// Those in the folder `dir`, then those in the file `against`.
    pub(super) fn read(dir: &Path, keys: &PublicKeys, against: Option<&Path>) -> Result<Self, VerifyError> {
        let mut seen = Self::default();
        let kept = match against {
            Some(path) => elsewhere(path)?,
            None => Vec::new(),
        };
        let failed = |path: &Path, source| ReadError::Io { path: path.to_owned(), source };
        let mut lines = Checkpoints::open(dir).map_err(|source| failed(dir, source))?;
        let mut before: Option<(u64, ChainHash)> = None;
        // The line here of each number that was kept elsewhere.
        let mut here: HashMap<u64, Vec<u8>> = HashMap::new();
        let mut file = String::new();
        while let Some(line) = lines.next_line().map_err(|(path, source)| failed(&path, source))? {
            let hash = Checkpoint::hash(line);
            let checkpoint = verify_checkpoint(line, keys);
            seen.count += 1;
            if let Ok(checkpoint) = &checkpoint
                && kept.iter().any(|(number, _)| *number == checkpoint.checkpoint)
            {
                here.insert(checkpoint.checkpoint, line.to_vec());
            }
            if let Some(path) = lines.file().and_then(|path| path.file_name()).and_then(|name| name.to_str()) {
                path.clone_into(&mut file);
            }
            match checkpoint {
                Ok(checkpoint) => {
                    seen.first.get_or_insert(checkpoint.checkpoint);
                    seen.follows(&checkpoint, before, &file);
                    before = Some((checkpoint.checkpoint, hash));
                    seen.last_at = Some(checkpoint.at.clone());
                    let said = format!("checkpoint {}", checkpoint.checkpoint);
                    seen.take(checkpoint, &said);
                }
                Err(error) => {
                    match error.unknown_key() {
                        Some(key) => seen.unbelieved(&file, key),
                        None => seen.faults.push(Fault::of_file(&file, Wrong::Checkpoint(error.to_string()))),
                    }
                    before = None;
                }
            }
        }
        let last = before.map(|(number, _)| number);
        for (number, line) in kept {
            seen.compare(&line, here.get(&number).map(Vec::as_slice), last, keys);
        }
        let strangers = std::mem::take(&mut seen.strangers);
        seen.faults.extend(
            strangers
                .into_iter()
                .map(|((file, key), count)| Fault::of_file(&file, Wrong::strange_key("checkpoint", count, &key))),
        );
        for anchors in seen.anchors.values_mut() {
            anchors.sort_by_key(|anchor| anchor.head.seq);
        }
        Ok(seen)
    }

    fn unbelieved(&mut self, file: &str, key: &str) {
        *self.strangers.entry((file.to_owned(), key.to_owned())).or_default() += 1;
    }

    /// What is wrong with how many there are: a gate signs from its first second on, and what it signed goes only with the oldest
    /// parts of the record. `signed`: something is known to be signed; `deleted`: parts of the record were deleted in order.
    pub(super) fn missing(&self, signed: bool, deleted: bool) -> Option<Fault> {
        let words = match self.first {
            None if self.count == 0 && self.against == 0 && signed => {
                "there is no checkpoint, and whoever wrote this record signed: all of them were taken away, or the record was written anew"
                    .to_owned()
            }
            // Whoever can take the checkpoints away can take the keys away, too.
            None if self.count == 0 && self.against == 0 => {
                "there is neither a checkpoint nor a key, and a gate signs from its first second on: nobody vouches for these lines. They were taken away, or this is not a copy of the whole folder"
                    .to_owned()
            }
            Some(first @ 2..) if !deleted => {
                format!("it begins with checkpoint {first}, and no part of the record was deleted: those before were taken away")
            }
            Some(_) | None => return None,
        };
        Some(Fault::of_file("checkpoints.jsonl", Wrong::Checkpoint(words)))
    }

    /// Whether it is the next after `before`. The first may be any: older files of checkpoints may be gone.
    fn follows(&mut self, checkpoint: &Checkpoint, before: Option<(u64, ChainHash)>, file: &str) {
        let Some((number, hash)) = before else { return };
        let this = checkpoint.checkpoint;
        let words = if this != number + 1 {
            format!("checkpoint {this} stands after checkpoint {number}: some are missing, or stand in another order")
        } else if checkpoint.previous != hash {
            format!("checkpoint {this} was made after another checkpoint {number} than the one that stands here")
        } else {
            return;
        };
        self.faults.push(Fault::of_file(file, Wrong::Checkpoint(words)));
    }

    /// One that was kept elsewhere.
    fn compare(&mut self, line: &[u8], here: Option<&[u8]>, last: Option<u64>, keys: &PublicKeys) {
        self.against += 1;
        let wrong = |words: String| Fault::of_file("checkpoints.jsonl", Wrong::Checkpoint(words));
        let checkpoint = match verify_checkpoint(line, keys) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                self.faults.push(wrong(format!("of those that were kept elsewhere: {error}")));
                return;
            }
        };
        let number = checkpoint.checkpoint;
        match here {
            Some(here) if here != line => {
                self.faults.push(wrong(format!(
                    "checkpoint {number} is not the one that was kept elsewhere: the record was written anew"
                )));
            }
            None if last.is_none_or(|last| last < number) => {
                let ends = last.map_or_else(|| "there is none".to_owned(), |last| format!("the last is {last}"));
                self.faults.push(wrong(format!("checkpoint {number}, which was kept elsewhere, is not here; {ends}")));
            }
            _ => {}
        }
        let said = format!("checkpoint {number}, kept elsewhere,");
        self.take(checkpoint, &said);
    }

    fn take(&mut self, checkpoint: Checkpoint, said: &str) {
        for head in checkpoint.heads {
            if head.seq == 0 {
                continue;
            }
            let highest = self.heads.entry(head.chain.to_string()).or_default();
            *highest = (*highest).max(head.seq);
            let anchors = self.anchors.entry(head.segment.to_string()).or_default();
            let seen = Head { seq: head.seq, hash: head.head };
            // A chain that stands still is seen again and again.
            if anchors.last().is_none_or(|last| last.head != seen) {
                anchors.push(Anchor { head: seen, chain: head.chain.to_string(), said: said.to_owned() });
            }
        }
    }
}

impl Anchor {
    pub(super) fn fault(&self, segment: &str, wrong: Wrong) -> Fault {
        Fault::of_line(segment, None, &self.chain, self.head.seq, wrong)
    }
}

/// The checkpoints in a file that was kept elsewhere; what a log puts before or behind them is left out.
fn elsewhere(path: &Path) -> Result<Vec<(u64, Vec<u8>)>, VerifyError> {
    let text = fs::read(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let mut kept = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(line) = memmem::find(line, CHECKPOINT).and_then(|from| line.get(from..)) else { continue };
        let line = line.get(..line.iter().rposition(|byte| *byte == b'}').map_or(0, |end| end + 1)).unwrap_or_default();
        // One that was changed is told later, by its signature; its number is all that is needed here.
        let digits = line.get(CHECKPOINT.len()..).unwrap_or_default();
        let digits = digits.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
        let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        kept.push((number, line.to_vec()));
    }
    if kept.is_empty() {
        return Err(VerifyError::NoCheckpoint(path.to_owned()));
    }
    Ok(kept)
}

const CHECKPOINT: &[u8] = br#"{"checkpoint":"#;
