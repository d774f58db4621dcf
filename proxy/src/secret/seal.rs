//! Sealing what has to rest on the disk: AES-256-GCM under a key that lies beside the database.
//!
//! The purpose is authenticated with the text, so that what was sealed for one use cannot be moved to another.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::random;
use super::redacted::Secret;

/// Seals and opens with the key of one state folder.
pub struct Sealer {
    key: RandomizedNonceKey,
}

/// The key is not usable.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It is there, but cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else may read it.
    #[error("{path} has mode {mode:04o}: others may read it; if nobody has, `chmod 600` it")]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what this program wrote.
    #[error("{path} is not a regular file of {KEY_LEN} bytes: put the right one back from a backup")]
    NotAKey {
        /// The key file.
        path: PathBuf,
    },
    /// It is not there and cannot be made.
    #[error("cannot make {path}: {source}")]
    CannotMake {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be made without randomness.
    #[error(transparent)]
    NoRandomness(#[from] random::NoRandomness),
}

/// The text cannot be sealed: the provider failed. Nothing may be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("sealing failed")]
pub struct CannotSeal;

/// The sealed text was changed, was sealed for another purpose, or with another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what was sealed does not open: it was changed, is for another purpose, or was sealed with another secret.key")]
pub struct CannotOpen;

impl Sealer {
    /// The key in `<state>/secret.key`, made with mode 0600 if it is not there.
    ///
    /// # Errors
    /// [`KeyFileError`]; a key that others may read is refused.
    pub fn open_or_create(state: &Path) -> Result<Self, KeyFileError> {
        let path = state.join(FILE_NAME);
        let key = match read_key(&path) {
            Err(KeyFileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                make_key(&path)?;
                read_key(&path)?
            }
            other => other?,
        };
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| KeyFileError::NotAKey { path })?;
        Ok(Self { key })
    }

    /// With a key that somebody else keeps.
    ///
    /// # Errors
    /// [`CannotSeal`] if the provider fails.
    pub fn with_key(key: &Secret<[u8; 32]>) -> Result<Self, CannotSeal> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map_err(|_unspecified| CannotSeal)?;
        Ok(Self { key })
    }

    /// Seals `plaintext` for `purpose` under a new random 96-bit nonce.
    ///
    /// The form is: one byte of version, 12 of nonce, the ciphertext, 16 of tag.
    ///
    /// # Errors
    /// [`CannotSeal`] if the provider fails.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, CannotSeal> {
        let mut text = Zeroizing::new(Vec::with_capacity(plaintext.len() + MAX_TAG_LEN));
        text.extend_from_slice(plaintext);
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut *text).map_err(|_unspecified| CannotSeal)?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + text.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(nonce.as_ref());
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made for the same purpose.
    ///
    /// # Errors
    /// [`CannotOpen`] for anything else.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, CannotOpen> {
        let Some((&VERSION, rest)) = sealed.split_first() else { return Err(CannotOpen) };
        let Some((nonce, text)) = rest.split_at_checked(NONCE_LEN) else { return Err(CannotOpen) };
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_unspecified| CannotOpen)?;
        let mut text = Zeroizing::new(text.to_vec());
        let plain = self.key.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut text).map_err(|_unspecified| CannotOpen)?;
        Ok(Secret::new(plain.to_vec()))
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}

fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let unreadable = |source| KeyFileError::Unreadable { path: path.to_owned(), source };
    let not_a_key = || KeyFileError::NotAKey { path: path.to_owned() };
    let mut file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    if !facts.is_file() || facts.len() != KEY_LEN {
        return Err(not_a_key());
    }
    let mode = facts.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
    }
    let mut key = Zeroizing::new(vec![0; 32]);
    file.read_exact(&mut key).map_err(unreadable)?;
    Ok(key)
}

/// Writes the key whole or not at all: a crash in the middle leaves no short key, and an existing one is never overwritten.
fn make_key(path: &Path) -> Result<(), KeyFileError> {
    let key = Zeroizing::new(random::bytes::<32>()?);
    let draft = path.with_extension(format!("new.{}", std::process::id()));
    let made = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(key.as_slice())?;
        file.sync_all()?;
        match fs::hard_link(&draft, path) {
            // Another start was faster: its key counts.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    })();
    let removed = fs::remove_file(&draft);
    let synced = path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all());
    made.and(removed).and(synced).map_err(|source| KeyFileError::CannotMake { path: path.to_owned(), source })
}

const FILE_NAME: &str = "secret.key";
const KEY_LEN: u64 = 32;
const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_after_a_restart() {
        let state = tempfile::tempdir().unwrap();
        let sealed = Sealer::open_or_create(state.path()).unwrap().seal("refresh-token", b"1//abc").unwrap();
        let again = Sealer::open_or_create(state.path()).unwrap();
        assert_eq!(again.open("refresh-token", &sealed).unwrap().expose(), b"1//abc");
        let mode = fs::metadata(state.path().join("secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn another_purpose_another_key_or_a_changed_byte_does_not_open() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sealer = Sealer::open_or_create(here.path()).unwrap();
        let other = Sealer::open_or_create(elsewhere.path()).unwrap();
        let sealed = sealer.seal("refresh-token", b"1//abc").unwrap();
        assert_eq!(sealer.open("id-token", &sealed).unwrap_err(), CannotOpen);
        assert_eq!(other.open("refresh-token", &sealed).unwrap_err(), CannotOpen);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.open("refresh-token", &changed).unwrap_err(), CannotOpen, "byte {at}");
            assert_eq!(sealer.open("refresh-token", &sealed[..at]).unwrap_err(), CannotOpen, "cut at {at}");
        }
    }

    #[test]
    fn sealing_twice_never_looks_the_same() {
        let state = tempfile::tempdir().unwrap();
        let sealer = Sealer::open_or_create(state.path()).unwrap();
        assert_ne!(sealer.seal("p", b"x").unwrap(), sealer.seal("p", b"x").unwrap());
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let state = tempfile::tempdir().unwrap();
        Sealer::open_or_create(state.path()).unwrap();
        let path = state.path().join("secret.key");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Sealer::open_or_create(state.path()), Err(KeyFileError::Exposed { mode: 0o640, .. })));
    }

    #[test]
    fn a_short_key_is_refused_and_kept() {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("secret.key");
        fs::write(&path, b"short").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Sealer::open_or_create(state.path()), Err(KeyFileError::NotAKey { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
