//! The folder of policies, read whole: all of its texts, or none.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use sekisho_policy::{MAX_FILE_BYTES, Source};

use crate::config::Policies;
use crate::secret::Digest;

/// The texts of a policy folder.
#[derive(Clone, Debug, Default)]
pub struct PolicyTexts {
    /// `*.cedar`, by name.
    pub policies: Vec<Source>,
    /// `*.cedarschema`: additions to the shipped schema, by name.
    pub additions: Vec<Source>,
    /// `tests/*.toml`: what is expected of the policies, by name. No decision rests on them.
    pub tests: Vec<Source>,
    /// `prove/*.toml`: what is claimed of the policies, by name. No decision rests on them.
    pub proofs: Vec<Source>,
}

/// The folder cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The file system says no.
    #[error("{path}: {source}")]
    Unreadable {
        /// What could not be read.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any policy file should be.
    #[error("{path}: larger than {MAX_FILE_BYTES} bytes; split it")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something else goes by the name of a file. To open a pipe waits for whoever writes to it, and a device has no end.
    #[error("{path}: not a file; take it out of the folder, or give it another name")]
    NotAFile {
        /// What it is that.
        path: PathBuf,
    },
    /// A file changed while the folder was read.
    #[error("{dir}: changed while it was read; copy the new policies beside it and swap the folder as a whole")]
    Changing {
        /// The folder.
        dir: PathBuf,
    },
}

impl PolicyTexts {
    /// The texts of what the configuration names.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn of(policies: &Policies) -> Result<Self, FolderError> {
        match policies {
            Policies::Folder(dir) => Self::read(dir),
            Policies::Text { name, text } => Ok(Self { policies: vec![Source::new(name, text)], ..Self::default() }),
        }
    }

    /// Reads the folder twice over: a copy in progress differs between the two and is not taken.
    ///
    /// # Errors
    /// [`FolderError`].
    pub fn read(dir: &Path) -> Result<Self, FolderError> {
        // A symlink that is swapped in between must not mix two folders.
        let real = dir.canonicalize().map_err(|source| FolderError::Unreadable { path: dir.to_owned(), source })?;
        let first = Self::read_once(&real)?;
        if Self::read_once(&real)?.hash() != first.hash() {
            return Err(FolderError::Changing { dir: dir.to_owned() });
        }
        Ok(first)
    }

    /// Content hash of all names and texts: the same only for the same folder.
    pub fn hash(&self) -> Digest {
        let mut all = Vec::new();
        let kinds = [("policy", &self.policies), ("schema", &self.additions), ("test", &self.tests), ("proof", &self.proofs)];
        for (kind, sources) in kinds {
            for source in sources {
                // Lengths first, so that no text can pass for the beginning of the next.
                all.extend_from_slice(format!("{kind} {} {}\n", source.name.len(), source.text.len()).as_bytes());
                all.extend_from_slice(source.name.as_bytes());
                all.extend_from_slice(source.text.as_bytes());
            }
        }
        Digest::of(&all)
    }

    fn read_once(dir: &Path) -> Result<Self, FolderError> {
        let mut texts = Self::default();
        for path in listed(dir)? {
            let kind = match path.extension().and_then(|extension| extension.to_str()) {
                Some("cedar") => &mut texts.policies,
                Some("cedarschema") => &mut texts.additions,
                _ => continue,
            };
            kind.push(read_file(&path, "")?);
        }
        texts.tests = read_beside(dir, "tests/")?;
        texts.proofs = read_beside(dir, "prove/")?;
        Ok(texts)
    }
}

/// The `*.toml` of a folder in the folder, if it is there. They go by the name of that folder, too.
fn read_beside(dir: &Path, folder: &str) -> Result<Vec<Source>, FolderError> {
    let inside = dir.join(folder);
    if !inside.is_dir() {
        return Ok(Vec::new());
    }
    let files = listed(&inside)?.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.map(|path| read_file(&path, folder)).collect()
}

/// What is in a folder, by name.
fn listed(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).map_err(unreadable(dir))? {
        paths.push(entry.map_err(unreadable(dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_file(path: &Path, prefix: &str) -> Result<Source, FolderError> {
    if !fs::metadata(path).map_err(unreadable(path))?.is_file() {
        return Err(FolderError::NotAFile { path: path.to_owned() });
    }
    let mut bytes = Vec::new();
    // What the file system says of a length need not be so: files of the kernel have none, and others grow.
    let most = MAX_FILE_BYTES as u64 + 1;
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(unreadable(path))?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(FolderError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|error| unreadable(path)(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Source { name: format!("{prefix}{name}"), text })
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.to_owned();
    move |source| FolderError::Unreadable { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_taken_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["tests", "prove", "notes"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        for (name, text) in [
            ("b.cedar", "2"),
            ("a.cedar", "1"),
            ("x.cedarschema", "3"),
            ("notes.txt", "4"),
            ("c.cedar~", "5"),
            ("d.toml", "6"),
            ("tests/b.toml", "7"),
            ("tests/a.toml", "8"),
            ("tests/a.cedar", "9"),
            ("prove/a.toml", "10"),
            ("notes/a.toml", "11"),
        ] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        let texts = PolicyTexts::read(dir.path()).unwrap();
        let all = texts.policies.iter().chain(&texts.additions).chain(&texts.tests).chain(&texts.proofs);
        let names: Vec<_> = all.map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["a.cedar", "b.cedar", "x.cedarschema", "tests/a.toml", "tests/b.toml", "prove/a.toml"]);
    }

    #[test]
    fn the_hash_tells_what_stands_where() {
        let text = |name: &str, text: &str| vec![Source { name: name.into(), text: text.into() }];
        let whole = PolicyTexts::default();
        let all = [
            PolicyTexts { policies: text("a", "bc"), ..whole.clone() },
            PolicyTexts { policies: text("ab", "c"), ..whole.clone() },
            PolicyTexts { additions: text("a", "bc"), ..whole.clone() },
            PolicyTexts { tests: text("a", "bc"), ..whole.clone() },
            PolicyTexts { proofs: text("a", "bc"), ..whole },
        ];
        let hashes: std::collections::HashSet<_> = all.iter().map(PolicyTexts::hash).collect();
        assert_eq!(hashes.len(), all.len());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error_and_not_an_empty_set() {
        assert!(matches!(PolicyTexts::read(Path::new("/nonexistent/policies")), Err(FolderError::Unreadable { .. })));
    }

    #[test]
    fn a_file_without_end_is_refused_with_its_name_and_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("tests")).unwrap();
        for name in ["a.cedar", "tests/a.toml"] {
            let file = fs::File::create(dir.path().join(name)).unwrap();
            file.set_len(MAX_FILE_BYTES as u64 + 1).unwrap();
            let error = PolicyTexts::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("larger than 4194304 bytes"), "{error}");
            file.set_len(0).unwrap();
        }
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        use std::os::unix::fs::symlink;
        for (name, target) in [("a.cedar", "/dev/zero"), ("tests/a.toml", "/dev/zero"), ("prove/a.toml", "/dev/tty")] {
            let dir = tempfile::tempdir().unwrap();
            for folder in ["tests", "prove"] {
                fs::create_dir(dir.path().join(folder)).unwrap();
            }
            symlink(target, dir.path().join(name)).unwrap();
            let error = PolicyTexts::read(dir.path()).unwrap_err();
            assert!(matches!(error, FolderError::NotAFile { .. }), "{error}");
        }
        // Nobody will ever write to it.
        let dir = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo").arg(dir.path().join("a.cedar")).status().unwrap();
        assert!(made.success());
        assert!(matches!(PolicyTexts::read(dir.path()), Err(FolderError::NotAFile { .. })));
        // A folder is not one either, and what is linked to is.
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("elsewhere"), "text").unwrap();
        symlink(dir.path().join("elsewhere"), dir.path().join("a.cedar")).unwrap();
        assert_eq!(PolicyTexts::read(dir.path()).unwrap().policies[0].text, "text");
        fs::create_dir(dir.path().join("b.cedar")).unwrap();
        assert!(matches!(PolicyTexts::read(dir.path()), Err(FolderError::NotAFile { .. })));
    }
}
