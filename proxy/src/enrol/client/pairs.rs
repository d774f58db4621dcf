//! A key and its certificate are two files, and have to change together: a program that gets one of the old pair and one of the new
//! gets nowhere. So pairs lie in folders of their own, `pairs/0`, `pairs/1` …; `pairs/current` is a link to the one that counts, and
//! `device.key` and the others are links through it. One rename exchanges them all.
//!
//! INVARIANT (next-number): the pair after the current one is made in the folder with the next number, and nothing else has that
//! number. So it is clear after a crash which key was on its way; another one would have the gate isolate the device.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use sekisho_certs::files::{self, FileError};

use super::folder::{CERTIFICATE, CHAIN, DeviceFolder, FILES, FolderError, PAIRS, PASSWORD, PKCS12};

/// The pairs of a device's folder. Nobody else changes them meanwhile.
#[derive(Debug)]
pub(super) struct Pairs {
    folder: DeviceFolder,
    /// `None`: it was never renewed, and its files are files.
    number: Option<u64>,
    /// Held by the kernel until this process ends, however it ends.
    _lock: File,
}

impl Pairs {
    /// Takes a folder, and mends what a crash may have left.
    pub(super) fn open(path: &Path) -> Result<Self, FolderError> {
        let folder = DeviceFolder::at(path.to_owned());
        if !files::exists(&folder.file(CERTIFICATE))? {
            return Err(FolderError::NotEnrolled(path.to_owned()));
        }
        files::private_dir(path)?;
        let lock = lock(&folder)?;
        let number = number(&folder.file(PAIRS).join(CURRENT))?;
        let pairs = Self { folder, number, _lock: lock };
        if let Some(number) = number {
            pairs.link(number)?;
            pairs.tidy(number)?;
        }
        Ok(pairs)
    }

    /// Where the pair is that counts.
    pub(super) fn current(&self) -> DeviceFolder {
        self.number.map_or_else(|| self.folder.clone(), |number| self.pair(number))
    }

    /// Where the next one is, if it was kept whole and only the exchange is missing.
    pub(super) fn whole_next(&self) -> Result<Option<DeviceFolder>, FolderError> {
        let Some(number) = self.number else { return Ok(None) };
        let next = self.pair(number + 1);
        Ok(files::exists(&next.file(CERTIFICATE))?.then_some(next))
    }

    /// Where the next one is made.
    pub(super) fn next(&mut self) -> Result<DeviceFolder, FolderError> {
        let number = match self.number {
            Some(number) => number,
            None => self.adopt()?,
        };
        let next = self.pair(number + 1);
        #[cfg(test)]
        super::crash::here()?;
        files::private_dir(next.path())?;
        // The key in it must not be lost once it was sent, nor the folder around it.
        sync(&self.folder.file(PAIRS))?;
        Ok(next)
    }

    /// Puts the next one in place of the current one, which is deleted: nobody should need it, and it is a key.
    pub(super) fn exchange(&mut self) -> Result<(), FolderError> {
        let Some(number) = self.number else { return Ok(()) };
        let next = number + 1;
        for name in FILES {
            let link = self.folder.file(name);
            let (kept, missing) = (files::exists(&self.pair(next).file(name))?, missing(&link)?);
            if kept && missing {
                point(&link, &through(name))?;
            } else if !kept && !missing {
                // A key in a TPM is in no PKCS#12, and the older one is of no use any more.
                fs::remove_file(&link).map_err(at(&link))?;
            }
        }
        point(&self.folder.file(PAIRS).join(CURRENT), Path::new(&next.to_string()))?;
        self.number = Some(next);
        self.tidy(next)
    }

    /// The files as they were when the device enrolled become the first pair. They can be read all the while.
    fn adopt(&mut self) -> Result<u64, FolderError> {
        let (pairs, first) = (self.folder.file(PAIRS), self.pair(FIRST));
        files::private_dir(&pairs)?;
        files::private_dir(first.path())?;
        for name in FILES {
            #[cfg(test)]
            super::crash::here()?;
            let file = self.folder.file(name);
            match name {
                _ if missing(&file)? => {}
                CHAIN => files::write_public(&first.file(name), &files::read_public(&file)?)?,
                _ => files::write_private(&first.file(name), &files::read_private(&file)?)?,
            }
        }
        sync(self.folder.path())?;
        point(&pairs.join(CURRENT), Path::new(&FIRST.to_string()))?;
        self.number = Some(FIRST);
        self.link(FIRST)?;
        Ok(FIRST)
    }

    /// Makes files that are in the pair already links to there.
    fn link(&self, number: u64) -> Result<(), FolderError> {
        let pair = self.pair(number);
        for name in FILES {
            let (file, kept) = (self.folder.file(name), pair.file(name));
            if missing(&file)? {
                // Whoever imports them deletes these two; and means them, and not links to them.
                if matches!(name, PKCS12 | PASSWORD) && files::exists(&kept)? {
                    fs::remove_file(&kept).map_err(at(&kept))?;
                }
                continue;
            }
            if fs::symlink_metadata(&file).map_err(at(&file))?.is_symlink() {
                continue;
            }
            if files::read_public(&file)? != files::read_public(&kept)? {
                let problem = "somebody wrote it anew since it was renewed; enrol into another folder with --out";
                return Err(FolderError::Changed { path: file, problem });
            }
            point(&file, &through(name))?;
        }
        Ok(())
    }

    /// Deletes pairs that were replaced.
    fn tidy(&self, current: u64) -> Result<(), FolderError> {
        let pairs = self.folder.file(PAIRS);
        for entry in fs::read_dir(&pairs).map_err(at(&pairs))? {
            let entry = entry.map_err(at(&pairs))?;
            let number = entry.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number.is_some_and(|number| number < current) {
                #[cfg(test)]
                super::crash::here()?;
                fs::remove_dir_all(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        Ok(())
    }

    fn pair(&self, number: u64) -> DeviceFolder {
        DeviceFolder::at(self.folder.file(PAIRS).join(number.to_string()))
    }
}

fn lock(folder: &DeviceFolder) -> Result<File, FolderError> {
    let path = folder.file(LOCK);
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(at(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(FolderError::Busy(folder.path().to_owned())),
        Err(TryLockError::Error(source)) => Err(at(&path)(source).into()),
    }
}

/// The number of the current pair.
fn number(link: &Path) -> Result<Option<u64>, FolderError> {
    let target = match fs::read_link(link) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let problem = "it has to be a link; was the folder copied without its links?";
            return Err(FolderError::Changed { path: link.to_owned(), problem });
        }
        Err(error) => return Err(at(link)(error).into()),
    };
    let number = target.to_str().and_then(|name| name.parse().ok());
    let problem = "it links to nothing that was put there by a renewal";
    number.map(Some).ok_or_else(|| FolderError::Changed { path: link.to_owned(), problem })
}

/// Nothing has this name, not even a link that leads nowhere.
fn missing(path: &Path) -> Result<bool, FolderError> {
    match fs::symlink_metadata(path) {
        Ok(_there) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(at(path)(error).into()),
    }
}

/// Makes `link` lead there, in one step, whatever it was before.
fn point(link: &Path, target: &Path) -> Result<(), FolderError> {
    let name = link.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = link.parent().unwrap_or(Path::new("."));
    let new = folder.join(format!(".{name}.new"));
    if !missing(&new)? {
        fs::remove_file(&new).map_err(at(&new))?;
    }
    symlink(target, &new).map_err(at(&new))?;
    #[cfg(test)]
    super::crash::here()?;
    fs::rename(&new, link).map_err(at(link))?;
    sync(folder)
}

fn through(name: &str) -> PathBuf {
    Path::new(PAIRS).join(CURRENT).join(name)
}

fn sync(folder: &Path) -> Result<(), FolderError> {
    Ok(File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))?)
}

fn at(path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { path: path.clone(), source }
}

/// Name of the link to the pair that counts.
const CURRENT: &str = "current";
/// Name of the file that is locked while the folder is renewed.
const LOCK: &str = ".lock";
/// The pair that the device enrolled with.
const FIRST: u64 = 0;
