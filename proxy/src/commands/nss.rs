//! The databases in which browsers on Linux keep keys and certificates (NSS), by NSS' own tools.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustls_pki_types::CertificateDer;
use sekisho_certs::{fingerprint, pem};
use tokio::process::Command;

use crate::enrol::client::Packed;

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
    #[error("{} has no certificate of `{name}` with its key after the import; look at it with `certutil -L -d sql:{}`", .folder.display(), .folder.display())]
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

    /// Imports key and certificate of a device, in place of those that it had before. What others signed stays, whatever it is called: its
    /// names, where they are the device's, are returned.
    ///
    /// # Errors
    /// [`NssError`].
    pub(super) async fn put(&self, packed: &Packed, pkcs12: &Path, password: &Path) -> Result<Vec<String>, NssError> {
        let Before { certificates, keys, left } = self.before(packed).await?;
        for older in &keys {
            self.certutil(&["-F", "-k", older]).await?;
        }
        // Before the import: NSS gives all certificates of one subject one name, and cannot tell them apart by it.
        for name in &certificates {
            for _certificate in 0..MOST {
                match self.certificates(name).await? {
                    Some(found) if !found.is_empty() && found.iter().all(|one| packed.is_of_the_device(one)) => {
                        self.certutil(&["-D", "-n", name]).await?;
                    }
                    _ => break,
                }
            }
        }
        self.import(pkcs12, password).await?;
        for Listed { name, .. } in self.listed().await?.into_iter().filter(|listed| listed.with_key) {
            if self.certificates(&name).await?.is_some_and(|found| found.contains(&packed.leaf)) {
                return Ok(left);
            }
        }
        Err(NssError::Missing { folder: self.folder.clone(), name: packed.device.to_string() })
    }

    async fn before(&self, packed: &Packed) -> Result<Before, NssError> {
        let present = self.keys().await?;
        let id = |certificate: &CertificateDer<'_>| fingerprint::key_identifier(certificate).ok();
        // The key that is there already is not older than itself.
        let current = id(&packed.leaf);
        let mut before = Before::default();
        for Listed { name, with_key } in self.listed().await? {
            // NSS names a certificate by its subject or by the friendly name that came with it; or otherwise, where that name was taken.
            let named = name == packed.device.as_str() || name.strip_prefix("CN=") == Some(packed.device.as_str());
            if !(with_key || named) {
                continue;
            }
            let found = self.certificates(&name).await?.unwrap_or_default();
            let (own, others): (Vec<_>, Vec<_>) = found.iter().partition(|one| packed.is_of_the_device(one));
            let older = own.iter().filter_map(|one| id(one)).filter(|id| Some(id) != current.as_ref() && present.contains(id));
            before.keys.extend(older);
            if !own.is_empty() && others.is_empty() {
                before.certificates.push(name);
            } else if named || !own.is_empty() {
                before.left.push(name);
            }
        }
        Ok(before)
    }

    /// Ids of all keys.
    async fn keys(&self) -> Result<Vec<String>, NssError> {
        let said = match self.certutil(&["-K"]).await {
            // It calls this a failure.
            Err(NssError::Failed { said, .. }) if said.contains("no keys found") => return Ok(Vec::new()),
            said => said?,
        };
        Ok(said.lines().filter_map(key).map(str::to_owned).collect())
    }

    /// Names of all certificates, each once.
    async fn listed(&self) -> Result<Vec<Listed>, NssError> {
        let said = self.certutil(&["-L"]).await?;
        let mut all: Vec<Listed> = Vec::new();
        for (name, with_key) in said.lines().filter_map(certificate) {
            match all.iter_mut().find(|listed| listed.name == name) {
                Some(listed) => listed.with_key |= with_key,
                None => all.push(Listed { name: name.to_owned(), with_key }),
            }
        }
        Ok(all)
    }

    /// The certificates of this name; `None` if they cannot be read.
    async fn certificates(&self, name: &str) -> Result<Option<Vec<CertificateDer<'static>>>, NssError> {
        if !self.listed().await?.iter().any(|listed| listed.name == name) {
            return Ok(Some(Vec::new()));
        }
        // It takes this for an address of something, and not for a name.
        if name.starts_with("pkcs11:") {
            return Ok(None);
        }
        match self.certutil(&["-L", "-n", name, "-a"]).await {
            Ok(said) => Ok(pem::certificates(said.as_bytes()).ok()),
            // Some names mean something else to it.
            Err(NssError::Failed { .. }) => Ok(None),
            Err(other) => Err(other),
        }
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

/// A name in a database.
#[derive(Debug)]
struct Listed {
    name: String,
    /// The key of a certificate that is called so is there too.
    with_key: bool,
}

/// What a database has of a device, or under its name.
#[derive(Debug, Default)]
struct Before {
    /// Names of certificates, all of which are the device's.
    certificates: Vec<String>,
    /// Ids of older keys of the device.
    keys: Vec<String>,
    /// Names that others have as well.
    left: Vec<String>,
}

/// The id in a line such as `< 0> ec       4467…f872   ana-laptop`.
fn key(line: &str) -> Option<&str> {
    let (_number, rest) = line.strip_prefix('<')?.split_once('>')?;
    let (_kind, rest) = rest.trim_start().split_once(' ')?;
    let (id, _name) = rest.trim_start().split_once(' ')?;
    Some(id)
}

/// The name in a line such as `ana-laptop      u,u,u`, and whether there is a key (`u`).
fn certificate(line: &str) -> Option<(&str, bool)> {
    // What it is trusted for.
    let (name, trust) = line.trim_end().rsplit_once(' ')?;
    let is_trust = trust.split(',').count() == 3 && trust.chars().all(|c| ",pPcCTuwg".contains(c));
    is_trust.then(|| (name.trim_end(), trust.contains('u')))
}

/// Certificates of one name that are taken out before giving up.
const MOST: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_lines() {
        assert_eq!(key("< 0> ec       446783875954b54e   ana-1"), Some("446783875954b54e"));
        assert_eq!(key("<12> rsa      00ff   (orphan)"), Some("00ff"));
        for other in ["certutil: Checking token \"NSS Certificate DB\"", "", "< 0> ec", "<"] {
            assert_eq!(key(other), None, "{other}");
        }
    }

    #[test]
    fn certificates_are_told_by_lines() {
        assert_eq!(certificate("Ana's own                    u,u,u"), Some(("Ana's own", true)));
        assert_eq!(certificate("other - gate                 ,,   "), Some(("other - gate", false)));
        assert_eq!(certificate("root                         CT,C,"), Some(("root", false)));
        for other in ["", "Certificate Nickname         Trust Attributes", "                             SSL,S/MIME,JAR/XPI"] {
            assert_eq!(certificate(other), None, "{other}");
        }
    }
}
