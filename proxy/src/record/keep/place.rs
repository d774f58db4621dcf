//! How files of the record come to be: never seen half-written, and there after a crash once they were there.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// A folder of the record (0750), made if missing.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(path)
}

/// Writes a small file of the record (0640), whole or not at all, forced to the disk. What has its name is replaced.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path)?;
    let mut file = create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    put(&beside, path)
}

/// A new file of the record to write to; what a crash left under its name goes.
pub(super) fn create(path: &Path) -> io::Result<File> {
    remove(path)?;
    OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)
}

/// Gives a finished file its name.
pub(super) fn put(beside: &Path, path: &Path) -> io::Result<()> {
    fs::rename(beside, path)?;
    sync_folder(path)
}

/// Takes a file away; one that is not there is no error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Forces what happened to names in the folder of `path` to the disk.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Where a file is written before it gets its name: `.NAME.new`, which nobody reads.
pub(super) fn beside(path: &Path) -> io::Result<std::path::PathBuf> {
    let name = path.file_name().and_then(|name| name.to_str()).ok_or(io::ErrorKind::InvalidFilename)?;
    Ok(path.with_file_name(format!(".{name}.new")))
}
