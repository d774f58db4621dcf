//! Every policy set that ever decided, beside the record: `sets/<hash>.txt`, whose SHA-256 is its name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sekisho_policy::{KeptSet, KeptSetError, PolicySet};

use super::plain;
use crate::secret::Digest;

/// The folder of the kept sets. Nothing is ever changed in it, so a copy of the record's folder is whole.
#[derive(Clone, Debug)]
pub struct SetShelf {
    dir: PathBuf,
}

/// A policy set cannot be kept, or is not as it was.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// It is not there.
    #[error("{}: the policy set is missing; copy the folder `sets` together with the record", .0.display())]
    Missing(PathBuf),
    /// The file system says no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its content has another hash than its name says.
    #[error("{}: the policy set was changed after it was kept: its content has another hash than its name", .0.display())]
    Changed(PathBuf),
    /// Its content makes no sense.
    #[error("{}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where.
        source: KeptSetError,
    },
}

impl SetShelf {
    /// Of the record in `audit`.
    pub fn of(audit: &Path) -> Self {
        Self { dir: audit.join("sets") }
    }

    /// Keeps a set (mode 0640, the folder 0750, as the record), forced to the disk before this returns. What is there already is
    /// looked at: a set that was tampered with is put right.
    ///
    /// # Errors
    /// [`SetError`]; the set must not go live then.
    pub fn keep(&self, set: &PolicySet) -> Result<(), SetError> {
        let text = set.canonical_text();
        let hash = Digest::of(text.as_bytes());
        let path = self.path(&hash);
        if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
            return Ok(());
        }
        self.write(&path, text).map_err(|source| SetError::Io { path, source })
    }

    /// The set of this hash, as it was.
    ///
    /// # Errors
    /// [`SetError`].
    pub fn fetch(&self, hash: &Digest) -> Result<KeptSet, SetError> {
        let path = self.path(hash);
        let text = match plain::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(SetError::Missing(path)),
            Err(source) => return Err(SetError::Io { path, source }),
        };
        if Digest::of(&text) != *hash {
            return Err(SetError::Changed(path));
        }
        let text = String::from_utf8(text).map_err(|_never_ours| SetError::Changed(path.clone()))?;
        KeptSet::parse(&text).map_err(|source| SetError::Unreadable { path, source })
    }

    fn path(&self, hash: &Digest) -> PathBuf {
        self.dir.join(format!("{hash}.txt"))
    }

    /// Beside its place first: nobody ever sees half of it, and a crash leaves none.
    fn write(&self, path: &Path, text: &str) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o750).create(&self.dir)?;
        let beside = self.dir.join(format!(".new-{}", std::process::id()));
        if let Err(error) = fs::remove_file(&beside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(&self.dir)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use sekisho_policy::{App, Catalogue, Source};

    use super::*;

    fn set() -> PolicySet {
        let policies = [Source::new("a.cedar", "@id(\"a\") permit (principal, action, resource == App::\"wiki\");")];
        PolicySet::load(&policies, &[], &Catalogue { apps: vec![App::new("wiki", ["x"])], groups: None, ..Catalogue::default() })
            .unwrap()
            .set
    }

    #[test]
    fn a_set_comes_back_as_it_was_and_is_not_for_everyone() {
        let dir = tempfile::tempdir().unwrap();
        let (shelf, set) = (SetShelf::of(dir.path()), set());
        shelf.keep(&set).unwrap();
        shelf.keep(&set).unwrap();
        let hash = Digest::of(set.canonical_text().as_bytes());
        assert_eq!(shelf.fetch(&hash).unwrap().load().unwrap().set.canonical_text(), set.canonical_text());
        let path = shelf.path(&hash);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(dir.path().join("sets")).unwrap().count(), 1);
    }

    #[test]
    fn a_set_that_was_changed_or_taken_away_is_named_and_put_right() {
        let dir = tempfile::tempdir().unwrap();
        let (shelf, set) = (SetShelf::of(dir.path()), set());
        let hash = Digest::of(set.canonical_text().as_bytes());
        assert!(matches!(shelf.fetch(&hash), Err(SetError::Missing(_))));
        shelf.keep(&set).unwrap();
        let path = shelf.path(&hash);
        fs::write(&path, set.canonical_text().replace("wiki", "wika")).unwrap();
        assert!(matches!(shelf.fetch(&hash), Err(SetError::Changed(_))));
        shelf.keep(&set).unwrap();
        assert!(shelf.fetch(&hash).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("sets"), "a file").unwrap();
        assert!(matches!(SetShelf::of(dir.path()).keep(&set()), Err(SetError::Io { .. })));
    }
}
