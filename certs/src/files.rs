//! Key files and certificates on disk: private ones are readable by their owner only, and no file is ever seen half-written.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::entropy::{NoEntropy, hex};

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there.
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    /// It is there already, and is not to be replaced.
    #[error("{} exists already", .0.display())]
    Exists(PathBuf),
    /// It is a folder, a device, a pipe or a socket.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Somebody else than root and the gate's own user can change it.
    #[error("{path} holds a secret, and belongs to another user ({owner}), who can change it; give it to root or to the user that reads it", path = .path.display())]
    ForeignOwner {
        /// The file.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// Others than its owner can read or change a private file.
    #[error("{path} holds a secret, but has mode {mode:04o}, so that others can use it; run: chmod {advice} {path}", path = .path.display())]
    NotPrivate {
        /// The file or folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// The mode to set.
        advice: &'static str,
    },
    /// It is larger than any file of its kind.
    #[error("{} is larger than {MAX_BYTES} bytes", .0.display())]
    TooLarge(PathBuf),
    /// It is not UTF-8.
    #[error("{} is not a text file", .0.display())]
    NotText(PathBuf),
    /// The path has no file name.
    #[error("{} does not name a file", .0.display())]
    NoName(PathBuf),
    /// No randomness for a temporary name.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// The system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Who may read a private file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Its owner; of a file of root, its group too.
    #[default]
    Owner,
    /// Others too: somebody has said so, of a mount whose modes cannot be changed. To change it is for the owner alone all the same.
    Others,
}

impl FileError {
    fn of_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), Self> {
        let owner = metadata.uid();
        // The process's own entry belongs to whom it runs as.
        let ours = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == owner);
        if owner == 0 || ours { Ok(()) } else { Err(Self::ForeignOwner { path: path.to_owned(), owner }) }
    }

    /// Whether a private file is refused only since others can read it: nobody else can change it.
    pub fn is_only_about_reading(&self) -> bool {
        matches!(self, Self::NotPrivate { mode, .. } if mode & OTHERS_CHANGE == 0)
    }
}

/// Reads a private file, as [`read_private`], unless others may read it.
///
/// # Errors
/// [`FileError`].
pub fn read_secret(path: &Path, readers: Readers) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read_unless(path, |metadata| match readers {
        Readers::Others => OTHERS_CHANGE,
        Readers::Owner if metadata.uid() == 0 => 0o037,
        Readers::Owner => 0o077,
    })
}

/// Reads a private file. Refused unless it is a regular file that nobody but its owner can use: mode 0600 or less; a file of root
/// may also be readable by its group (0640), as packages of other servers leave them.
///
/// # Errors
/// [`FileError`].
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read_secret(path, Readers::Owner)
}

fn read_unless(path: &Path, forbidden: impl FnOnce(&fs::Metadata) -> u32) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (mut file, metadata) = open(path)?;
    let mode = metadata.mode() & 0o7777;
    let forbidden = forbidden(&metadata);
    if mode & forbidden != 0 {
        return Err(FileError::NotPrivate { path: path.to_owned(), mode, advice: "600" });
    }
    // Where nobody else can read it, a file that we can read is our own or root's.
    if forbidden == OTHERS_CHANGE {
        FileError::of_owner(path, &metadata)?;
    }
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(MAX_BYTES)));
    read_to_end(&mut file, path, &mut content)?;
    Ok(content)
}

/// As [`read_private`], for text.
///
/// # Errors
/// [`FileError`].
pub fn read_private_text(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let content = read_private(path)?;
    match std::str::from_utf8(&content) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_not_utf8) => Err(FileError::NotText(path.to_owned())),
    }
}

/// Reads a file that anybody may know, such as a certificate.
///
/// # Errors
/// [`FileError`].
pub fn read_public(path: &Path) -> Result<Vec<u8>, FileError> {
    let (mut file, _metadata) = open(path)?;
    let mut content = Vec::new();
    read_to_end(&mut file, path, &mut content)?;
    Ok(content)
}

/// Writes a private file, mode 0600; replaces an old one in one step.
///
/// # Errors
/// [`FileError`].
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = Temporary::write(path, content, 0o600)?;
    fs::rename(&temporary.path, path).map_err(io_at(path))?;
    sync_parent(path)
}

/// Writes a private file, mode 0600, that must not be there yet.
///
/// # Errors
/// [`FileError::Exists`] if it is; [`FileError`].
pub fn create_private(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = Temporary::write(path, content, 0o600)?;
    // A link fails if the name is taken, where a rename would replace; the temporary name goes away with its guard.
    match fs::hard_link(&temporary.path, path) {
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => return Err(FileError::Exists(path.to_owned())),
        other => other.map_err(io_at(path))?,
    }
    sync_parent(path)
}

/// Writes a file that anybody may read, mode 0644; replaces an old one in one step.
///
/// # Errors
/// [`FileError`].
pub fn write_public(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let temporary = Temporary::write(path, content, 0o644)?;
    fs::rename(&temporary.path, path).map_err(io_at(path))?;
    sync_parent(path)
}

/// Makes a folder that only its owner may enter (0700), or checks that an existing one lets nobody else change it.
///
/// # Errors
/// [`FileError`].
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    match fs::metadata(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_at(path))
        }
        Err(err) => Err(io_at(path)(err)),
        Ok(metadata) if !metadata.is_dir() => Err(io_at(path)(io::ErrorKind::NotADirectory.into())),
        Ok(metadata) if metadata.mode() & 0o022 != 0 => {
            Err(FileError::NotPrivate { path: path.to_owned(), mode: metadata.mode() & 0o7777, advice: "700" })
        }
        Ok(_) => Ok(()),
    }
}

/// Whether something has this name.
///
/// # Errors
/// [`FileError`] if that cannot be told.
pub fn exists(path: &Path) -> Result<bool, FileError> {
    path.try_exists().map_err(io_at(path))
}

fn open(path: &Path) -> Result<(File, fs::Metadata), FileError> {
    // Asked before opening, since opening a pipe waits; and again on what was opened, since names can be exchanged.
    if !fs::metadata(path).map_err(io_at(path))?.is_file() {
        return Err(FileError::NotAFile(path.to_owned()));
    }
    let file = File::open(path).map_err(io_at(path))?;
    let metadata = file.metadata().map_err(io_at(path))?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(FileError::NotAFile(path.to_owned())) }
}

fn read_to_end(file: &mut File, path: &Path, content: &mut Vec<u8>) -> Result<(), FileError> {
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    file.take(limit + 1).read_to_end(content).map_err(io_at(path))?;
    if content.len() > MAX_BYTES { Err(FileError::TooLarge(path.to_owned())) } else { Ok(()) }
}

fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = parent(path);
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(io_at(parent))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn io_at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::NotFound => FileError::Missing(path.clone()),
        _ => FileError::Io { path: path.clone(), source },
    }
}

/// A complete file under a name of its own, removed when dropped (after a rename there is nothing left to remove).
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    fn write(target: &Path, content: &[u8], mode: u32) -> Result<Self, FileError> {
        let name = target.file_name().ok_or_else(|| FileError::NoName(target.to_owned()))?;
        let mut random = [0; 8];
        aws_lc_rs::rand::fill(&mut random).map_err(|_unspecified| NoEntropy)?;
        let path = parent(target).join(format!(".{}.{}", name.to_string_lossy(), hex(&random)));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(io_at(target))?;
        let temporary = Self { path };
        // The umask may have taken bits away, never added any; the mode is to be exactly this.
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(io_at(target))?;
        file.write_all(content).map_err(io_at(target))?;
        file.sync_all().map_err(io_at(target))?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Nothing to do if it fails: the file is private, and the next start does not look at it.
        let _removed = fs::remove_file(&self.path);
    }
}

/// Bits of a mode that let others than the owner change a file.
const OTHERS_CHANGE: u32 = 0o022;

/// Keys and certificates are a few kilobytes; revocation lists of large authorities some megabytes.
const MAX_BYTES: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_private_file_is_written_for_its_owner_only_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read_private(&path).unwrap().as_slice(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn what_is_there_is_not_replaced_by_create() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        create_private(&path, b"one").unwrap();
        assert!(matches!(create_private(&path, b"two"), Err(FileError::Exists(_))));
        assert_eq!(read_private(&path).unwrap().as_slice(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file stays");
    }

    #[test]
    fn a_secret_that_others_can_use_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"x").unwrap();
        for mode in [0o400, 0o600] {
            set_mode(&path, mode);
            assert!(read_private(&path).is_ok(), "{mode:o}");
        }
        for mode in [0o604, 0o644, 0o660, 0o602, 0o620, 0o610, 0o777] {
            set_mode(&path, mode);
            let err = read_private(&path).unwrap_err();
            let words = err.to_string();
            assert!(words.contains(&format!("mode 0{mode:o}")) && words.contains("chmod 600 "), "{words}");
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_still_the_owners_to_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"x").unwrap();
        for mode in [0o400, 0o444, 0o640, 0o644, 0o755] {
            set_mode(&path, mode);
            assert_eq!(read_secret(&path, Readers::Others).unwrap().as_slice(), b"x", "{mode:o}");
        }
        for mode in [0o604, 0o644] {
            set_mode(&path, mode);
            assert!(read_secret(&path, Readers::Owner).unwrap_err().is_only_about_reading(), "{mode:o}");
        }
        for mode in [0o664, 0o620, 0o602, 0o666, 0o777] {
            set_mode(&path, mode);
            for readers in [Readers::Owner, Readers::Others] {
                let error = read_secret(&path, readers).unwrap_err();
                assert!(matches!(error, FileError::NotPrivate { .. }) && !error.is_only_about_reading(), "{mode:o}: {error}");
            }
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_roots_or_our_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"x").unwrap();
        set_mode(&path, 0o644);
        assert!(read_secret(&path, Readers::Others).is_ok());
        // Only root can give a file away.
        if std::os::unix::fs::chown(&path, Some(54_321), None).is_ok() {
            let error = read_secret(&path, Readers::Others).unwrap_err();
            assert!(matches!(error, FileError::ForeignOwner { owner: 54_321, .. }), "{error}");
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read_private(dir.path()), Err(FileError::NotAFile(_))));
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(matches!(read_private(&dir.path().join("s")), Err(FileError::NotAFile(_))));
        assert!(matches!(read_private(&dir.path().join("none")), Err(FileError::Missing(_))));
    }

    #[test]
    fn a_folder_that_others_can_change_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        private_dir(&path).unwrap();
        set_mode(&path, 0o770);
        assert!(matches!(private_dir(&path), Err(FileError::NotPrivate { mode: 0o770, .. })));
    }
}
