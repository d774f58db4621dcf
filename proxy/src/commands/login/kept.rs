//! The file with the tokens: for its owner alone, exchanged in one step, and renewed by one process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sekisho_certs::files::{self, FileError};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::LoginError;
use super::offer::Offered;
use crate::clock::Timestamp;
use crate::enrol::client::GateAddress;
use crate::secret::{Digest, Secret};

/// Somebody signed in.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// By which provider, and as which of its clients.
    pub(super) offered: Offered,
    /// As the gate names them.
    pub(super) user: String,
    /// The certificate that the tokens are bound to.
    pub(super) certificate: Digest,
    pub(super) access_token: Secret<String>,
    pub(super) expires_at: Timestamp,
    pub(super) refresh_token: Option<Secret<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    offered: Offered,
    user: String,
    certificate: String,
    access_token: String,
    expires_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

/// Where the tokens for one gate are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: String,
    gate: String,
}

/// Nobody else changes the file meanwhile. Held by the kernel until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Locked {
    _file: File,
}

impl Place {
    /// For `gate`, below the state folder of the person: `$XDG_STATE_HOME`, or `~/.local/state`.
    pub(super) fn of(gate: &GateAddress, state: Option<&Path>, home: Option<&Path>) -> Result<Self, LoginError> {
        // What is not absolute is to be ignored (XDG Base Directory Specification).
        let state = state.filter(|path| path.is_absolute()).map(Path::to_owned);
        let state = state.or_else(|| Some(home.filter(|path| path.is_absolute())?.join(".local/state")));
        let name = match gate.port() {
            443 => gate.host().to_string(),
            port => format!("{}_{port}", gate.host()),
        };
        Ok(Self { folder: state.ok_or(LoginError::NoHome)?.join("sekisho"), name, gate: gate.to_string() })
    }

    /// The file.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`LoginError::NotSignedIn`]; [`LoginError::File`] if others could read it; [`LoginError::Changed`].
    pub(super) fn read(&self) -> Result<Kept, LoginError> {
        let path = self.file();
        let text = match files::read_private_text(&path) {
            Err(FileError::Missing(_)) => return Err(LoginError::NotSignedIn { gate: self.gate.clone() }),
            text => text?,
        };
        // Of root's files, others' groups are left to read some; nobody needs to read this one.
        let mode = std::fs::metadata(&path).map_err(|source| FileError::Io { path: path.clone(), source })?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(FileError::NotPrivate { path, mode, advice: "600" }.into());
        }
        let changed = || LoginError::Changed(self.file());
        let written: Written = serde_json::from_str(&text).map_err(|_details| changed())?;
        Ok(Kept {
            offered: written.offered,
            user: written.user,
            certificate: written.certificate.parse().map_err(|_details| changed())?,
            access_token: Secret::new(written.access_token),
            expires_at: Timestamp::from_secs(written.expires_at),
            refresh_token: written.refresh_token.map(Secret::new),
        })
    }

    /// Puts `kept` in its place. `_locked`: whoever writes has read before, and nobody came between.
    pub(super) fn write(&self, kept: &Kept, _locked: &Locked) -> Result<(), LoginError> {
        let written = Written {
            offered: kept.offered.clone(),
            user: kept.user.clone(),
            certificate: kept.certificate.to_string(),
            access_token: kept.access_token.expose().clone(),
            expires_at: kept.expires_at.as_secs(),
            refresh_token: kept.refresh_token.as_ref().map(|token| token.expose().clone()),
        };
        let text =
            serde_json::to_vec_pretty(&written).map(Zeroizing::new).map_err(|_details| LoginError::Changed(self.file()))?;
        Ok(files::write_private(&self.file(), &text)?)
    }

    /// Deletes it.
    pub(super) fn delete(&self, _locked: &Locked) -> Result<(), LoginError> {
        let file = self.file();
        std::fs::remove_file(&file).map_err(|source| LoginError::File(FileError::Io { path: file, source }))
    }

    /// Waits until nobody else changes it.
    ///
    /// # Errors
    /// [`LoginError::Busy`], [`LoginError::File`].
    pub(super) async fn lock(&self) -> Result<Locked, LoginError> {
        files::private_dir(&self.folder)?;
        let path = self.folder.join(format!("{}.lock", self.name));
        let at = |source| LoginError::File(FileError::Io { path: path.clone(), source });
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(at)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) => return Ok(Locked { _file: file }),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
                Err(TryLockError::Error(source)) => return Err(at(source)),
            }
        }
        Err(LoginError::Busy(path))
    }
}

/// Together longer than whoever has it may take to ask the provider.
const LOCK_TRIES: u32 = 1200;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn place(folder: &Path, gate: &str) -> Place {
        Place::of(&gate.parse().unwrap(), Some(folder), None).unwrap()
    }

    fn kept() -> Kept {
        let offered = r#"{"name":"corp","issuer":"https://login.example","client_id":"cli","scopes":["openid"]}"#;
        Kept {
            offered: serde_json::from_str(offered).unwrap(),
            user: "corp/ana".to_owned(),
            certificate: Digest::of(b"certificate"),
            access_token: Secret::new("a.b.c".to_owned()),
            expires_at: Timestamp::from_secs(1_790_000_000),
            refresh_token: None,
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "https://gate.example:8443");
        assert!(matches!(place.read(), Err(LoginError::NotSignedIn { .. })));
        let lock = place.lock().await.unwrap();
        place.write(&kept(), &lock).unwrap();
        let file = dir.path().join("sekisho/gate.example_8443.json");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
        assert_eq!(place.read().unwrap().access_token, kept().access_token);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(place.read(), Err(LoginError::File(FileError::NotPrivate { .. }))));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(place.read(), Err(LoginError::File(FileError::NotPrivate { .. }))));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&file, "{}").unwrap();
        assert!(matches!(place.read(), Err(LoginError::Changed(_))));
        place.delete(&lock).unwrap();
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn one_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path(), "https://gate.example");
        let held = place.lock().await.unwrap();
        let second = place.clone();
        let waiting = tokio::spawn(async move { second.lock().await.map(drop) });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        waiting.await.unwrap().unwrap();
    }

    #[test]
    fn it_lies_where_programs_keep_their_state() {
        let gate = "https://gate.example".parse().unwrap();
        let at = |state: Option<&str>, home: Option<&str>| {
            Place::of(&gate, state.map(Path::new), home.map(Path::new)).map(|place| place.file().display().to_string()).ok()
        };
        assert_eq!(at(Some("/s"), Some("/h")).as_deref(), Some("/s/sekisho/gate.example.json"));
        assert_eq!(at(None, Some("/h")).as_deref(), Some("/h/.local/state/sekisho/gate.example.json"));
        assert_eq!(at(Some("relative"), Some("/h")).as_deref(), Some("/h/.local/state/sekisho/gate.example.json"));
        assert_eq!(at(None, None), None);
    }
}
