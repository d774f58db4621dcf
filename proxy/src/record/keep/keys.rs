//! The key that signs, kept with the gate's state, and the public keys, kept with the record.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sekisho_certs::files::{self, FileError};
use zeroize::Zeroizing;

use crate::record::plain;
use crate::secret::Digest;

/// Signs checkpoints and summaries: Ed25519 (RFC 8032), `record-key.pem` in the state folder.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    id: String,
}

/// The public keys that belong to a record, by their ids.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(BTreeMap<String, [u8; KEY]>);

/// A key of the record cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A file cannot be read or written.
    #[error("the key of the record: {0}")]
    File(#[from] FileError),
    /// The folder of the public keys cannot be used.
    #[error("the keys of the record: {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not what we write.
    #[error("{}: not an Ed25519 private key in PKCS#8 PEM; put the right one back, or move it away and a new one is made", .0.display())]
    NotAKey(PathBuf),
    /// The file is not what we write.
    #[error("{}: not an Ed25519 public key in PEM", .0.display())]
    NotAPublicKey(PathBuf),
    /// No key could be made.
    #[error("the key of the record: none could be made: the system gave no randomness")]
    NoRandomness,
}

impl SigningKey {
    /// The key in the folder `state`, made (mode 0600) if there is none. Its public half is put into `keys` of the folder `audit`,
    /// where those of earlier keys stay.
    ///
    /// # Errors
    /// [`KeysError`]. A key that others may read is refused.
    pub fn open(state: &Path, audit: &Path) -> Result<Self, KeysError> {
        let path = state.join(FILE);
        let made = !files::exists(&path)?;
        if made {
            make(&path)?;
        }
        let key = Self::read(&path)?;
        let known = PublicKeys::read(audit).unwrap_or_else(|error| {
            tracing::warn!(%error, "earlier keys of the record cannot be read");
            PublicKeys::default()
        });
        if !known.0.contains_key(&key.id) && !known.0.is_empty() {
            let earlier: Vec<_> = known.0.keys().map(String::as_str).collect();
            tracing::warn!(
                key = key.id,
                earlier = earlier.join(" "),
                made,
                "checkpoints of the record are signed with another key from now on; if nobody changed it on purpose, find out who did"
            );
        } else if made {
            tracing::info!(key = key.id, "made a key that signs checkpoints of the record; keep its id in another place");
        }
        key.publish(audit)?;
        Ok(key)
    }

    /// Names the public key: the first 32 hex digits of the SHA-256 of its `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn sign(&self, text: &[u8]) -> [u8; SIGNATURE] {
        let mut out = [0; SIGNATURE];
        out.copy_from_slice(self.pair.sign(text).as_ref());
        out
    }

    fn read(path: &Path) -> Result<Self, KeysError> {
        let pem = files::read_private(path)?;
        let pair = PrivatePkcs8KeyDer::from_pem_slice(&pem)
            .ok()
            .and_then(|der| Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok())
            .ok_or_else(|| KeysError::NotAKey(path.to_owned()))?;
        let id = id(&spki(pair.public_key().as_ref()));
        Ok(Self { pair, id })
    }

    /// Puts the public half where readers of the record find it; what is there under its name is put right.
    fn publish(&self, audit: &Path) -> Result<(), KeysError> {
        let folder = audit.join(FOLDER);
        let path = folder.join(format!("{}.pem", self.id));
        let pem = pem("PUBLIC KEY", &spki(self.pair.public_key().as_ref()));
        if fs::read(&path).is_ok_and(|there| there == pem.as_bytes()) {
            return Ok(());
        }
        super::place::make_folder(&folder).map_err(|source| KeysError::Folder { path: folder, source })?;
        Ok(files::write_public(&path, pem.as_bytes())?)
    }
}

impl PublicKeys {
    /// The keys beside the record in the folder `audit`; none if there are none. A file that is no key is an error: whoever checks
    /// a record wants to know.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(audit: &Path) -> Result<Self, KeysError> {
        let folder = audit.join(FOLDER);
        let failed = |source| KeysError::Folder { path: folder.clone(), source };
        let mut keys = Self::default();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(keys),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            // A name with a dot before it is one that is being written.
            let ours = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| !name.starts_with('.'));
            if ours && path.extension().is_some_and(|extension| extension == "pem") {
                keys.add(&path)?;
            }
        }
        Ok(keys)
    }

    /// Takes in the public key in the PEM file at `path`, and gives its id.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn add(&mut self, path: &Path) -> Result<String, KeysError> {
        plain::open(path).map_err(|source| KeysError::Folder { path: path.to_owned(), source })?;
        let pem = files::read_public(path)?;
        let der = SubjectPublicKeyInfoDer::from_pem_slice(&pem).map_err(|_details| KeysError::NotAPublicKey(path.to_owned()))?;
        let key = der.strip_prefix(&SPKI).and_then(|key| key.try_into().ok());
        let key = key.ok_or_else(|| KeysError::NotAPublicKey(path.to_owned()))?;
        let id = id(&der);
        self.0.insert(id.clone(), key);
        Ok(id)
    }

    /// Only the key of this id.
    #[must_use]
    pub fn only(mut self, id: &str) -> Self {
        self.0.retain(|known, _| known == id);
        self
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether the key of this id signed `text`; `None` if there is no such key.
    pub(super) fn verify(&self, id: &str, text: &[u8], signature: &[u8]) -> Option<bool> {
        let key = self.0.get(id)?;
        Some(UnparsedPublicKey::new(&ED25519, key).verify(text, signature).is_ok())
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn make(path: &Path) -> Result<(), KeysError> {
    // The first version of PKCS#8: other tools cannot read the second.
    let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(|_unspecified| KeysError::NoRandomness)?;
    Ok(files::create_private(path, pem("PRIVATE KEY", document.as_ref()).as_bytes())?)
}

fn spki(key: &[u8]) -> Vec<u8> {
    [&SPKI, key].concat()
}

fn id(spki: &[u8]) -> String {
    let mut hex = Digest::of(spki).to_string();
    hex.truncate(32);
    hex
}

/// Both kinds of keys fit into one line of base64.
fn pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    Zeroizing::new(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64.as_str()))
}

/// What stands before the 32 bytes of an Ed25519 key in its `SubjectPublicKeyInfo` (RFC 8410, section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// Bytes of a public key.
const KEY: usize = 32;
/// Bytes of a signature.
pub(super) const SIGNATURE: usize = 64;
/// Of the private key, in the state folder.
const FILE: &str = "record-key.pem";
/// Of the public keys, in the folder of the record.
const FOLDER: &str = "keys";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_start_makes_a_private_key_that_later_starts_use() {
        let (state, audit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = SigningKey::open(state.path(), audit.path()).unwrap();
        let file = state.path().join(FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = SigningKey::open(state.path(), audit.path()).unwrap();
        assert_eq!(first.id(), again.id());
        let keys = PublicKeys::read(audit.path()).unwrap();
        assert_eq!(keys.ids().collect::<Vec<_>>(), [first.id()]);
        assert_eq!(keys.verify(first.id(), b"text", &again.sign(b"text")), Some(true));
        assert_eq!(keys.verify(first.id(), b"texu", &again.sign(b"text")), Some(false));
        assert_eq!(keys.verify("other", b"text", &again.sign(b"text")), None);
    }

    #[test]
    fn a_lost_key_gives_another_id_and_the_old_public_key_stays() {
        let (state, audit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = SigningKey::open(state.path(), audit.path()).unwrap();
        fs::remove_file(state.path().join(FILE)).unwrap();
        let new = SigningKey::open(state.path(), audit.path()).unwrap();
        assert_ne!(old.id(), new.id());
        let keys = PublicKeys::read(audit.path()).unwrap();
        assert_eq!(keys.ids().count(), 2);
        assert_eq!(keys.verify(old.id(), b"x", &old.sign(b"x")), Some(true));
        assert_eq!(keys.only(old.id()).verify(new.id(), b"x", &new.sign(b"x")), None);
    }

    #[test]
    fn a_key_that_others_may_read_and_a_broken_one_are_refused() {
        let (state, audit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let key = SigningKey::open(state.path(), audit.path()).unwrap();
        let file = state.path().join(FILE);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(SigningKey::open(state.path(), audit.path()), Err(KeysError::File(FileError::NotPrivate { .. }))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        assert!(matches!(SigningKey::open(state.path(), audit.path()), Err(KeysError::NotAKey(_))));
        let public = audit.path().join(format!("keys/{}.pem", key.id()));
        fs::write(&public, "nothing").unwrap();
        assert!(matches!(PublicKeys::read(audit.path()), Err(KeysError::NotAPublicKey(_))));
    }

    #[test]
    fn a_public_key_that_was_exchanged_is_put_right() {
        let (state, audit) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (key, other) = (SigningKey::open(state.path(), audit.path()).unwrap(), tempfile::tempdir().unwrap());
        let foreign = SigningKey::open(other.path(), other.path()).unwrap();
        let path = |folder: &Path, id: &str| folder.join(format!("keys/{id}.pem"));
        fs::copy(path(other.path(), foreign.id()), path(audit.path(), key.id())).unwrap();
        // By its content it is the foreign one, whatever its name says.
        assert_eq!(PublicKeys::read(audit.path()).unwrap().ids().collect::<Vec<_>>(), [foreign.id()]);
        SigningKey::open(state.path(), audit.path()).unwrap();
        assert_eq!(PublicKeys::read(audit.path()).unwrap().ids().collect::<Vec<_>>(), [key.id()]);
    }
}
