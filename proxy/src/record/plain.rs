//! Opens files of the record's folder, and nothing else that somebody put there under their names.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a file to read it. A pipe would be waited for until somebody writes to it, and a device may never end: neither is opened.
///
/// # Errors
/// What the file system says; [`io::ErrorKind::InvalidInput`] for what is no plain file.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no plain file, and has the name of one of the record"));
    }
    Ok(file)
}

/// Reads a small file, such as a summary or a policy set.
///
/// # Errors
/// As [`open`]; [`io::ErrorKind::FileTooLarge`] for what is far larger than any of ours.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(MOST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MOST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(content)
}

/// Summaries have half a kilobyte, large policy sets some megabytes.
const MOST: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_hang_or_never_end_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        rustix::fs::mknodat(rustix::fs::CWD, path("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("zero")).unwrap();
        File::create(path("large")).unwrap().set_len(MOST + 1).unwrap();
        std::fs::write(path("plain"), "text").unwrap();
        assert_eq!(read(&path("plain")).unwrap(), b"text");
        let kind = |name: &str| read(&path(name)).unwrap_err().kind();
        assert_eq!(
            ["pipe", "zero", "large"].map(kind),
            [io::ErrorKind::InvalidInput, io::ErrorKind::InvalidInput, io::ErrorKind::FileTooLarge]
        );
        assert_eq!(read(dir.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
