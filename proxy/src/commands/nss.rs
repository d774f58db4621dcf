//! The databases in which browsers on Linux keep keys and certificates (NSS), by NSS' own tools.

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// A folder with a database.
#[derive(Clone, Debug)]
pub(super) struct Database {
    folder: PathBuf,
    /// A file with its primary password, if it has one.
    password: Option<PathBuf>,
}

/// A database does not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum NssError {
    /// NSS' tools are missing.
    #[error(
        "`{0}` is not installed (Debian and Ubuntu: apt install libnss3-tools; Fedora: dnf install nss-tools; Arch: pacman -S nss)"
    )]
    NoTool(&'static str),
    /// It is protected by a password that is not known, or another.
    #[error("{} is protected by a primary password: put it into a file that only you can read, and name that with --nss-password-file", .0.display())]
    Locked(PathBuf),
    /// A tool failed.
    #[error("{tool}, in {}: {said}", folder.display())]
    Failed {
        /// Which one.
        tool: &'static str,
        /// Where.
        folder: PathBuf,
        /// What it said.
        said: String,
    },
    /// It was imported, but is not there.
    #[error("{} has no key for `{name}` after the import; look at it with `certutil -K -d sql:{}`", .folder.display(), .folder.display())]
    Missing {
        /// Where.
        folder: PathBuf,
        /// Under which name.
        name: String,
    },
    /// A folder or a program cannot be used.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Database {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder, password: None }
    }

    /// The same, opened with the password in this file.
    #[must_use]
    pub(super) fn with_password(self, file: PathBuf) -> Self {
        Self { password: Some(file), ..self }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is one.
    pub(super) fn exists(&self) -> bool {
        self.folder.join("cert9.db").is_file()
    }

    /// Makes an empty one, without a password, as browsers do.
    ///
    /// # Errors
    /// [`NssError`].
    pub(super) async fn create(&self) -> Result<(), NssError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|source| NssError::Io { path: self.folder.clone(), source })?;
        self.certutil(&["-N", "--empty-password"]).await.map(drop)
    }

    /// Trusts a root certificate (PEM file) for servers.
    ///
    /// # Errors
    /// [`NssError`].
    pub(super) async fn trust(&self, name: &str, root: &Path) -> Result<(), NssError> {
        let root = root.display().to_string();
        self.certutil(&["-A", "-n", name, "-t", "C,,", "-i", &root]).await.map(drop)
    }

    /// Imports key and certificate (PKCS#12, with its password in a file).
    ///
    /// # Errors
    /// [`NssError`].
    pub(super) async fn import(&self, pkcs12: &Path, password: &Path) -> Result<(), NssError> {
        let (pkcs12, password) = (pkcs12.display().to_string(), password.display().to_string());
        self.run("pk12util", "-k", &["-i", &pkcs12, "-w", &password]).await.map(drop)
    }

    /// Imports them for the subject `name`, in place of what that had before.
    ///
    /// # Errors
    /// [`NssError`].
    pub(super) async fn put(&self, name: &str, pkcs12: &Path, password: &Path) -> Result<(), NssError> {
        // NSS names a certificate by its subject or by the friendly name that came with it.
        let names = [name.to_owned(), format!("CN={name}")];
        let before = self.keys(&names).await?;
        // Certificates first: NSS gives all certificates of one subject one name, and cannot tell them apart by it.
        for _certificate in 0..MOST {
            let Some(known) = self.certificate(&names).await? else { break };
            self.certutil(&["-D", "-n", known]).await?;
        }
        self.import(pkcs12, password).await?;
        let now = self.keys(&names).await?;
        if now.is_empty() {
            return Err(NssError::Missing { folder: self.folder.clone(), name: name.to_owned() });
        }
        // The key that was there already is not older than itself.
        if !now.is_subset(&before) {
            for older in &before {
                self.certutil(&["-F", "-k", older]).await?;
            }
        }
        Ok(())
    }

    /// Ids of the keys whose certificate has one of these names.
    async fn keys(&self, names: &[String]) -> Result<BTreeSet<String>, NssError> {
        let said = match self.certutil(&["-K"]).await {
            // It calls this a failure.
            Err(NssError::Failed { said, .. }) if said.contains("no keys found") => return Ok(BTreeSet::new()),
            said => said?,
        };
        Ok(said
            .lines()
            .filter_map(key)
            .filter(|(_, of)| names.iter().any(|name| name == of))
            .map(|(id, _)| id.to_owned())
            .collect())
    }

    /// The name of these that there is a certificate of.
    async fn certificate<'n>(&self, names: &'n [String]) -> Result<Option<&'n str>, NssError> {
        let said = self.certutil(&["-L"]).await?;
        // A name, spaces, and what it is trusted for.
        let known: Vec<&str> =
            said.lines().filter_map(|line| line.trim_end().rsplit_once(' ')).map(|(of, _trust)| of.trim_end()).collect();
        Ok(names.iter().map(String::as_str).find(|name| known.contains(name)))
    }

    async fn certutil(&self, arguments: &[&str]) -> Result<String, NssError> {
        self.run("certutil", "-f", arguments).await
    }

    async fn run(&self, tool: &'static str, password: &str, arguments: &[&str]) -> Result<String, NssError> {
        let mut command = Command::new(tool);
        command.args(arguments).arg("-d").arg(format!("sql:{}", self.folder.display())).stdin(Stdio::null());
        if let Some(file) = &self.password {
            command.arg(password).arg(file);
        }
        let said = match command.output().await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(NssError::NoTool(tool)),
            said => said.map_err(|source| NssError::Io { path: tool.into(), source })?,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let (out, err) = (text(&said.stdout), text(&said.stderr));
        if said.status.success() {
            return Ok(out);
        }
        if err.contains("SEC_ERROR_BAD_PASSWORD") {
            return Err(NssError::Locked(self.folder.clone()));
        }
        // Some of it says what is wrong here, some there.
        let said = [err, out].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        Err(NssError::Failed { tool, folder: self.folder.clone(), said: said.replace('\n', " ") })
    }
}

/// Id and name of a line such as `< 0> ec       4467…f872   ana-laptop`.
fn key(line: &str) -> Option<(&str, &str)> {
    let (_number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let (_kind, rest) = rest.trim_start().split_once(' ')?;
    let (id, name) = rest.trim_start().split_once(' ')?;
    Some((id, name.trim()))
}

/// Certificates of one name that are taken out before giving up.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_lines() {
        assert_eq!(key("< 0> ec       446783875954b54e   ana-1"), Some(("446783875954b54e", "ana-1")));
        assert_eq!(key("<12> rsa      00ff   (orphan)"), Some(("00ff", "(orphan)")));
        for other in ["certutil: Checking token \"NSS Certificate DB\"", "", "< 0> ec", "<"] {
            assert_eq!(key(other), None, "{other}");
        }
    }
}
