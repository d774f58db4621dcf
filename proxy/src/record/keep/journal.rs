//! `checkpoints.jsonl`: every checkpoint that was made, each tied to the one before.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::checkpoint::Checkpoint;
use super::place;
use crate::record::chain::ChainHash;
use crate::record::plain;

/// Appends checkpoints. Lines are appended whole or not at all.
#[derive(Debug)]
pub(super) struct Journal {
    audit: PathBuf,
    file: File,
    length: u64,
    /// Part of a line may stand behind `length`.
    torn: bool,
    last: u64,
    hash: ChainHash,
    rotate_at: u64,
}

/// All checkpoints of a folder, in their order: those of earlier files, which may be packed, then those of the current one.
#[derive(Debug)]
pub struct Checkpoints {
    files: std::vec::IntoIter<PathBuf>,
    reading: Option<(PathBuf, Source)>,
    line: Vec<u8>,
}

/// Reads lines, packed or not.
struct Source(Box<dyn BufRead + Send>);

impl Journal {
    /// Opens the file in the folder `audit`, or makes it. What a crash left behind its last whole checkpoint is cut off.
    pub(super) fn open(audit: &Path) -> io::Result<Self> {
        place::make_folder(audit)?;
        let path = audit.join(CURRENT);
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o640).open(&path)?;
        let (mut length, mut last) = (0, None);
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        let mut at = 0;
        while let read @ 1.. = next_line(&mut reader, &mut line)? {
            at += read as u64;
            if let Some(number) = line.strip_suffix(b"\n").and_then(|line| Some((Checkpoint::read(line).ok()?, line))) {
                length = at;
                last = Some((number.0.checkpoint, Checkpoint::hash(number.1)));
            }
        }
        if length < at {
            tracing::warn!(path = %path.display(), bytes = at - length, "cut off what is no whole checkpoint");
            file.set_len(length)?;
            file.sync_all()?;
        }
        place::sync_folder(&path)?;
        let (last, hash) = match last {
            Some(known) => known,
            None => newest_of_earlier(audit)?.unwrap_or_default(),
        };
        Ok(Self { audit: audit.to_owned(), file, length, torn: false, last, hash, rotate_at: ROTATE_AT })
    }

    /// Number and `previous` of the next checkpoint.
    pub(super) fn next(&self) -> (u64, ChainHash) {
        (self.last + 1, self.hash)
    }

    /// Appends a checkpoint, given without its end; forced to the disk when this returns. Gives whether another file was begun.
    pub(super) fn append(&mut self, line: &str) -> io::Result<bool> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let rotates = self.length >= self.rotate_at;
        if rotates {
            self.rotate()?;
        }
        // With its end, in one write.
        let whole = format!("{line}\n");
        if let Err(error) = self.file.write_all(whole.as_bytes()).and_then(|()| self.file.sync_data()) {
            self.torn = true;
            return Err(error);
        }
        self.length += whole.len() as u64;
        self.last += 1;
        self.hash = Checkpoint::hash(line.as_bytes());
        Ok(rotates)
    }

    /// Moves what there is aside, as `checkpoints-<number of its last>.jsonl`.
    fn rotate(&mut self) -> io::Result<()> {
        let current = self.audit.join(CURRENT);
        match place::put(&current, &self.audit.join(format!("{EARLIER}{:010}{PLAIN}", self.last))) {
            // An earlier attempt came as far as that, on a full disk.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            moved => moved?,
        }
        self.file = OpenOptions::new().append(true).create_new(true).mode(0o640).open(&current)?;
        self.length = 0;
        place::sync_folder(&current)
    }

    #[cfg(test)]
    pub(super) fn rotate_at(&mut self, bytes: u64) {
        self.rotate_at = bytes;
    }
}

impl Checkpoints {
    /// Those in the folder `audit`; none if there are none.
    ///
    /// # Errors
    /// What the file system says.
    pub fn open(audit: &Path) -> io::Result<Self> {
        Self::after(audit, 0)
    }

    /// Leaves out files whose last checkpoint is `number` or an earlier one.
    ///
    /// # Errors
    /// What the file system says.
    pub fn after(audit: &Path, number: u64) -> io::Result<Self> {
        let mut files: Vec<_> = earlier(audit)?.into_iter().filter(|(last, _)| *last > number).map(|(_, path)| path).collect();
        files.push(audit.join(CURRENT));
        Ok(Self { files: files.into_iter(), reading: None, line: Vec::new() })
    }

    /// The next line, without its end; what is behind the last whole line is not given out.
    ///
    /// # Errors
    /// What the file system says, with the file.
    pub fn next_line(&mut self) -> Result<Option<&[u8]>, (PathBuf, io::Error)> {
        loop {
            let Some((path, source)) = &mut self.reading else {
                let Some(path) = self.files.next() else { return Ok(None) };
                match Source::open(&path) {
                    Ok(source) => self.reading = Some((path, source)),
                    // A packed one takes the place of its original while we read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err((path, error)),
                }
                continue;
            };
            match next_line(&mut source.0, &mut self.line) {
                Ok(1..) if self.line.last() == Some(&b'\n') => {
                    self.line.pop();
                    return Ok(Some(&self.line));
                }
                Ok(_) => self.reading = None,
                Err(error) => return Err((path.clone(), error)),
            }
        }
    }

    /// The file that the last line stands in.
    pub fn file(&self) -> Option<&Path> {
        self.reading.as_ref().map(|(path, _)| path.as_path())
    }
}

impl Source {
    fn open(path: &Path) -> io::Result<Self> {
        let packed = path.with_extension("jsonl.zst");
        match plain::open(path) {
            Ok(file) if path.extension().is_some_and(|extension| extension == "zst") => Self::packed(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound && packed != path => Self::packed(plain::open(&packed)?),
            Ok(file) => Ok(Self(Box::new(BufReader::new(file)))),
            Err(error) => Err(error),
        }
    }

    fn packed(file: File) -> io::Result<Self> {
        Ok(Self(Box::new(BufReader::new(zstd::stream::read::Decoder::new(file)?))))
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

/// Files of earlier checkpoints, with the number of their last one, in their order; a packed one only where its original is gone.
pub(super) fn earlier(audit: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = std::collections::BTreeMap::new();
    let entries = match std::fs::read_dir(audit) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let Some(rest) = path.file_name().and_then(|name| name.to_str()?.strip_prefix(EARLIER)) else { continue };
        let plain = rest.strip_suffix(PLAIN);
        let Some(last) = plain.or_else(|| rest.strip_suffix(PACKED)).and_then(|number| number.parse::<u64>().ok()) else {
            continue;
        };
        if plain.is_some() {
            files.insert(last, path);
        } else {
            files.entry(last).or_insert(path);
        }
    }
    Ok(files.into_iter().collect())
}

/// The last checkpoint of the newest file but the current one.
fn newest_of_earlier(audit: &Path) -> io::Result<Option<(u64, ChainHash)>> {
    let Some((_, path)) = earlier(audit)?.pop() else { return Ok(None) };
    let mut checkpoints = Checkpoints { files: vec![path].into_iter(), reading: None, line: Vec::new() };
    let mut last = None;
    while let Some(line) = checkpoints.next_line().map_err(|(_path, error)| error)? {
        if let Ok(checkpoint) = Checkpoint::read(line) {
            last = Some((checkpoint.checkpoint, Checkpoint::hash(line)));
        }
    }
    Ok(last)
}

/// The next line with its end, of bounded length; how many bytes were read.
fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<usize> {
    line.clear();
    reader.take(MAX_LINE).read_until(b'\n', line)
}

/// The file that is written to.
pub(super) const CURRENT: &str = "checkpoints.jsonl";
/// How the names of earlier ones begin and end.
const EARLIER: &str = "checkpoints-";
const PLAIN: &str = ".jsonl";
const PACKED: &str = ".jsonl.zst";
/// Bytes after which another file is begun.
const ROTATE_AT: u64 = 16 << 20;
/// A hundred bytes for each chain, and the names of some deleted segments.
const MAX_LINE: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::keep::checkpoint::verify_checkpoint;
    use crate::record::keep::keys::{PublicKeys, SigningKey};

    fn add(journal: &mut Journal, key: &SigningKey) {
        let (checkpoint, previous) = journal.next();
        let (at, key_id) = (crate::clock::Timestamp(7).to_string(), key.id().to_owned());
        let checkpoint = Checkpoint { checkpoint, at, key: key_id, heads: Vec::new(), deleted: Vec::new(), previous };
        journal.append(&checkpoint.sign(key).unwrap()).unwrap();
    }

    /// The numbers of all checkpoints, after checking that each follows the one before.
    fn numbers(audit: &Path) -> Vec<u64> {
        let keys = PublicKeys::read(audit).unwrap();
        let mut checkpoints = Checkpoints::open(audit).unwrap();
        let (mut numbers, mut previous) = (Vec::new(), ChainHash::default());
        while let Some(line) = checkpoints.next_line().unwrap() {
            let checkpoint = verify_checkpoint(line, &keys).unwrap();
            assert_eq!(checkpoint.previous, previous);
            previous = Checkpoint::hash(line);
            numbers.push(checkpoint.checkpoint);
        }
        numbers
    }

    #[test]
    fn checkpoints_follow_each_other_over_starts_and_files() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        for _start in 0..3 {
            let mut journal = Journal::open(dir.path()).unwrap();
            journal.rotate_at(600);
            (0..3).for_each(|_| add(&mut journal, &key));
        }
        assert_eq!(numbers(dir.path()), (1..=9).collect::<Vec<_>>());
        let files = earlier(dir.path()).unwrap();
        assert!(files.len() >= 2, "{files:?}");
        // Packed ones are read alike, also while the original is still there.
        let (last, first) = &files[0];
        let packed = first.with_extension("jsonl.zst");
        fs::write(&packed, zstd::encode_all(&*fs::read(first).unwrap(), 1).unwrap()).unwrap();
        assert_eq!(numbers(dir.path()).len(), 9);
        fs::remove_file(first).unwrap();
        assert_eq!(numbers(dir.path()).len(), 9);
        let mut rest = Checkpoints::after(dir.path(), *last).unwrap();
        assert_eq!(Checkpoint::read(rest.next_line().unwrap().unwrap()).unwrap().checkpoint, last + 1);
    }

    #[test]
    fn a_start_goes_on_after_a_file_that_was_moved_aside() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        (0..2).for_each(|_| add(&mut journal, &key));
        // As a crash between the two steps leaves it.
        journal.rotate().unwrap();
        add(&mut Journal::open(dir.path()).unwrap(), &key);
        assert_eq!(numbers(dir.path()), [1, 2, 3]);
    }

    #[test]
    fn a_move_that_a_full_disk_stopped_half_way_is_ended_by_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let mut journal = Journal::open(dir.path()).unwrap();
        (0..2).for_each(|_| add(&mut journal, &key));
        journal.rotate_at(1);
        fs::rename(dir.path().join(CURRENT), dir.path().join(format!("{EARLIER}{:010}{PLAIN}", 2))).unwrap();
        (0..2).for_each(|_| add(&mut journal, &key));
        assert_eq!(numbers(dir.path()), [1, 2, 3, 4]);
    }

    #[test]
    fn a_torn_tail_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let key = SigningKey::open(dir.path(), dir.path()).unwrap();
        let path = dir.path().join(CURRENT);
        let mut journal = Journal::open(dir.path()).unwrap();
        (0..2).for_each(|_| add(&mut journal, &key));
        let whole = fs::read(&path).unwrap();
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for end in first..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            add(&mut Journal::open(dir.path()).unwrap(), &key);
            assert_eq!(numbers(dir.path()), [1, 2]);
        }
        // What power loss can leave: room that was never written to.
        fs::write(&path, [&whole[..], &[0; 50], b"\n"].concat()).unwrap();
        add(&mut Journal::open(dir.path()).unwrap(), &key);
        assert_eq!(numbers(dir.path()), [1, 2, 3]);
    }
}
