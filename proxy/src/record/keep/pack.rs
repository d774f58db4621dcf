//! Packing a finished file: `NAME.jsonl` becomes `NAME.jsonl.zst`.
//!
//! The packed file is in the seekable format of zstd: independent frames of some 8 MiB of whole lines each, and a table of them at the
//! end, in a frame that other readers skip. `zstd -d` reads it; [`frames`] lets several threads read it at once.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};

use super::pace::{PIECE, give_way};
use super::place;
use crate::record::plain;
use crate::secret::Digest;

/// A part of a packed file that can be read by itself: whole lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Where it begins in the packed file.
    pub at: u64,
    /// Bytes that it takes there.
    pub packed: u64,
    /// Bytes that it has.
    pub bytes: u64,
}

/// Where a crash can come in between; tests stop there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    HalfWritten,
    Written,
    Named,
}

/// Packs the file at `path`, whose content has the hash `sha256`, and takes the original away once the packed one is on the disk and
/// gives the same content. Gives the packed file's size.
///
/// The last room on a disk is for lines: without enough for a packed file of the same size nothing is begun, and what failed half-way
/// leaves nothing behind.
pub(super) fn pack(path: &Path, sha256: Digest) -> io::Result<u64> {
    let system = rustix::fs::statvfs(path.parent().unwrap_or(Path::new("/")))?;
    if system.f_bavail.saturating_mul(system.f_frsize) < plain::open(path)?.metadata()?.len() {
        return Err(io::ErrorKind::StorageFull.into());
    }
    let outcome = pack_until(path, sha256, |_point| Ok(()));
    if outcome.is_err() {
        place::remove(&place::beside(&packed(path))?)?;
    }
    outcome
}

/// Ends what a crash left: if the packed file has this content, the original goes; else the packed one does.
pub(super) fn mend(path: &Path, sha256: Digest) -> io::Result<bool> {
    let packed = packed(path);
    if !packed.try_exists()? {
        return Ok(false);
    }
    let whole = content_hash(plain::open(&packed)?, true).is_ok_and(|hash| hash == sha256);
    place::remove(if whole { path } else { &packed })?;
    place::sync_folder(path)?;
    Ok(whole)
}

/// The name of the packed file.
pub(super) fn packed(path: &Path) -> PathBuf {
    path.with_extension("jsonl.zst")
}

/// SHA-256 of what a file has in it.
pub(super) fn content_hash(file: File, packed: bool) -> io::Result<Digest> {
    let mut reader: Box<dyn io::Read> = if packed { Box::new(zstd::stream::read::Decoder::new(file)?) } else { Box::new(file) };
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = reader.read(&mut buffer)?;
        let Some(part @ [_, ..]) = buffer.get(..read) else { break };
        context.update(part);
        give_way();
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    Ok(Digest(hash))
}

/// The frames of a packed file, in their order; `None` if it has no table of them.
///
/// # Errors
/// What the file system says.
pub fn frames(file: &mut File) -> io::Result<Option<Vec<Frame>>> {
    let length = file.seek(SeekFrom::End(0))?;
    let Some(footer_at) = length.checked_sub(FOOTER) else { return Ok(None) };
    let mut footer = [0; FOOTER as usize];
    file.seek(SeekFrom::Start(footer_at))?;
    file.read_exact(&mut footer)?;
    let [c0, c1, c2, c3, 0, m0, m1, m2, m3] = footer else { return Ok(None) };
    let count = u64::from(u32::from_le_bytes([c0, c1, c2, c3]));
    if u32::from_le_bytes([m0, m1, m2, m3]) != SEEKABLE {
        return Ok(None);
    }
    let Some(table_at) = footer_at.checked_sub(count * ENTRY) else { return Ok(None) };
    file.seek(SeekFrom::Start(table_at))?;
    let mut table = BufReader::new(file.take(count * ENTRY));
    let mut frames = Vec::new();
    let mut at = 0;
    for _ in 0..count {
        let mut entry = [[0; 4]; 2];
        entry.iter_mut().try_for_each(|part| table.read_exact(part))?;
        let [packed, bytes] = entry.map(|part| u64::from(u32::from_le_bytes(part)));
        frames.push(Frame { at, packed, bytes });
        at += packed;
    }
    // The table's own head stands between the frames and the table.
    Ok((at + SKIPPABLE_HEAD == table_at).then_some(frames))
}

fn pack_until(path: &Path, sha256: Digest, mut at: impl FnMut(Point) -> io::Result<()>) -> io::Result<u64> {
    let target = packed(path);
    let beside = place::beside(&target)?;
    let size = write(path, &beside, &mut at)?;
    if content_hash(File::open(&beside)?, true)? != sha256 {
        place::remove(&beside)?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what was packed has another content than it should"));
    }
    at(Point::Written)?;
    place::put(&beside, &target)?;
    at(Point::Named)?;
    place::remove(path)?;
    place::sync_folder(path)?;
    Ok(size)
}

fn write(path: &Path, beside: &Path, at: &mut impl FnMut(Point) -> io::Result<()>) -> io::Result<u64> {
    let mut lines = BufReader::with_capacity(256 << 10, File::open(path)?);
    let mut out = BufWriter::with_capacity(256 << 10, place::create(beside)?);
    let mut table = Vec::new();
    let mut block = Vec::new();
    let mut size = 0;
    while fill(&mut lines, &mut block)? {
        let frame = frame(&block)?;
        out.write_all(&frame)?;
        table.extend(in_four(frame.len())?);
        table.extend(in_four(block.len())?);
        size += frame.len() as u64;
        at(Point::HalfWritten)?;
    }
    let end = table_frame(&table)?;
    out.write_all(&end)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(size + end.len() as u64)
}

/// Whole lines, until there are enough; whether there were any.
fn fill(lines: &mut impl io::BufRead, block: &mut Vec<u8>) -> io::Result<bool> {
    block.clear();
    while block.len() < FRAME {
        if lines.by_ref().take(PIECE as u64).read_to_end(block)? == 0 {
            break;
        }
        give_way();
    }
    if block.last().is_some_and(|last| *last != b'\n') {
        lines.read_until(b'\n', block)?;
    }
    Ok(!block.is_empty())
}

/// `block`, packed.
fn frame(block: &[u8]) -> io::Result<Vec<u8>> {
    let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
    packer.include_checksum(true)?;
    packer.set_pledged_src_size(Some(block.len() as u64))?;
    for piece in block.chunks(PIECE) {
        packer.write_all(piece)?;
        give_way();
    }
    packer.finish()
}

/// The table of frames, in a frame that is skipped by those who do not know it.
fn table_frame(table: &[u8]) -> io::Result<Vec<u8>> {
    let mut frame = SKIPPABLE.to_le_bytes().to_vec();
    frame.extend(in_four(table.len() + FOOTER as usize)?);
    frame.extend(table);
    frame.extend(in_four(table.len() / ENTRY as usize)?);
    // No checksums in the table: each frame has its own.
    frame.push(0);
    frame.extend(SEEKABLE.to_le_bytes());
    Ok(frame)
}

fn in_four(number: usize) -> io::Result<[u8; 4]> {
    u32::try_from(number).map(u32::to_le_bytes).map_err(|_large| io::ErrorKind::FileTooLarge.into())
}

/// Bytes of lines in a frame, about.
const FRAME: usize = 8 << 20;
/// The level that zstd itself takes when nothing is said.
const LEVEL: i32 = 3;
/// Bytes of a frame's place in the table.
const ENTRY: u64 = 8;
/// Bytes behind the table: how many frames, flags, and the mark.
const FOOTER: u64 = 9;
const SEEKABLE: u32 = 0x8F92_EAB1;
/// A frame that readers skip (RFC 8878, section 3.1.2), and the bytes of its head.
const SKIPPABLE: u32 = 0x184D_2A5E;
const SKIPPABLE_HEAD: u64 = 8;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample(dir: &Path, lines: usize) -> (PathBuf, Vec<u8>, Digest) {
        let content: Vec<u8> =
            (0..lines).flat_map(|n| format!("{{\"n\":{n},\"x\":\"{}\"}}\n", n * 7919 % 1000).into_bytes()).collect();
        let path = dir.join("access-1-2-0.jsonl");
        fs::write(&path, &content).unwrap();
        let hash = Digest::of(&content);
        (path, content, hash)
    }

    fn unpacked(path: &Path) -> Vec<u8> {
        zstd::decode_all(File::open(path).unwrap()).unwrap()
    }

    #[test]
    fn what_is_packed_comes_back_whole_and_in_parts_of_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let (path, content, hash) = sample(dir.path(), 800_000);
        assert!(content.len() > 2 * FRAME);
        let size = pack(&path, hash).unwrap();
        let target = packed(&path);
        assert!(!path.exists());
        assert_eq!(fs::metadata(&target).unwrap().len(), size);
        assert_eq!(unpacked(&target), content);
        let frames = frames(&mut File::open(&target).unwrap()).unwrap().unwrap();
        assert!(frames.len() > 2);
        let file = fs::read(&target).unwrap();
        let mut whole = Vec::new();
        for frame in frames {
            let part = zstd::decode_all(&file[frame.at as usize..(frame.at + frame.packed) as usize]).unwrap();
            assert_eq!((part.len() as u64, part.last()), (frame.bytes, Some(&b'\n')));
            whole.extend(part);
        }
        assert_eq!(whole, content);
    }

    #[test]
    fn an_empty_file_and_one_without_a_table() {
        let dir = tempfile::tempdir().unwrap();
        let (path, content, hash) = sample(dir.path(), 0);
        pack(&path, hash).unwrap();
        assert_eq!(unpacked(&packed(&path)), content);
        assert_eq!(frames(&mut File::open(packed(&path)).unwrap()).unwrap(), Some(Vec::new()));
        let other = dir.path().join("other.zst");
        fs::write(&other, zstd::encode_all(&b"hello\n"[..], 1).unwrap()).unwrap();
        assert_eq!(frames(&mut File::open(&other).unwrap()).unwrap(), None);
        fs::write(&other, b"").unwrap();
        assert_eq!(frames(&mut File::open(&other).unwrap()).unwrap(), None);
    }

    #[test]
    fn a_crash_at_any_point_loses_nothing_and_the_next_start_mends_it() {
        for crash in [Point::HalfWritten, Point::Written, Point::Named] {
            let dir = tempfile::tempdir().unwrap();
            let (path, content, hash) = sample(dir.path(), 1000);
            let stopped =
                pack_until(&path, hash, |point| if point == crash { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) });
            assert!(stopped.is_err());
            assert_eq!(fs::read(&path).unwrap(), content, "{crash:?}: the original is there");
            assert_eq!(packed(&path).exists(), crash == Point::Named);
            if !mend(&path, hash).unwrap() {
                pack(&path, hash).unwrap();
            }
            assert_eq!(unpacked(&packed(&path)), content);
            let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["access-1-2-0.jsonl.zst"], "{crash:?}");
        }
    }

    #[test]
    fn what_cannot_be_packed_takes_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let (path, content, hash) = sample(dir.path(), 1000);
        // What stands in the way of the packed file's name.
        fs::create_dir_all(packed(&path).join("x")).unwrap();
        assert!(pack(&path, hash).is_err());
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "the file, and what stands in the way");
        // A file that is larger than all room that there is.
        let large = dir.path().join("access-1-2-1.jsonl");
        File::create(&large).unwrap().set_len(1 << 43).unwrap();
        assert_eq!(pack(&large, hash).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_packed_file_that_is_not_whole_goes_and_the_original_stays() {
        let dir = tempfile::tempdir().unwrap();
        let (path, content, hash) = sample(dir.path(), 1000);
        let whole = zstd::encode_all(&content[..], 1).unwrap();
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(packed(&path), &whole[..end]).unwrap();
            assert!(!mend(&path, hash).unwrap());
            assert!(path.exists() && !packed(&path).exists());
        }
        // A file that changed meanwhile is not packed as what it was.
        assert!(pack(&path, Digest::of(b"other")).is_err());
        assert!(path.exists() && !packed(&path).exists());
    }
}
