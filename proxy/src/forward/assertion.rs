//! `Sekisho-Assertion`: a short-lived JWT (RFC 7519, ES256) that tells an app who is asking, so that it need not trust the network.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::HeaderValue;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use sekisho_certs::files::{self, FileError};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::inventory::{DeviceId, Session, Texts};
use crate::secret::{self, Digest};

/// The keys of the folder `assertion-keys` in the state folder. The last by name signs; all are published, so that what an old
/// one signed can still be verified. To rotate: put a new `NNNN.pem` (P-256, PKCS#8) there and restart; take an old one
/// away once its last assertion is over (5 minutes).
#[derive(Debug)]
pub struct AssertionKeys {
    signer: EcdsaKeyPair,
    /// `{"alg":"ES256","kid":…,"typ":"JWT"}.` in base64url, the same for every assertion.
    header: String,
    jwks: String,
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum AssertionKeysError {
    /// The folder cannot be read.
    #[error("assertion keys: {}: {problem}", path.display())]
    Folder {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        problem: std::io::Error,
    },
    /// A key file cannot be used or written.
    #[error("assertion keys: {0}")]
    File(#[from] FileError),
    /// The file is not a P-256 key in PKCS#8 PEM.
    #[error("assertion keys: {}: not a P-256 private key in PKCS#8 PEM", .0.display())]
    NotAKey(PathBuf),
    /// No key could be made.
    #[error("assertion keys: no key could be made: the system gave no randomness")]
    NoRandomness,
}

/// Who signs.
#[derive(Debug)]
pub(super) struct Issuer {
    pub(super) name: String,
    pub(super) keys: Arc<AssertionKeys>,
}

/// The claims; `iss`, `aud`, `sub`, `iat`, `exp` and `jti` as in RFC 7519, section 4.1.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    /// The app's name.
    aud: &'a str,
    /// `provider/subject`: subjects alone are unique only within one provider.
    sub: String,
    /// `service`; nothing of a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    groups: &'a Texts,
    /// The device's id.
    device: &'a str,
    /// The session's public name.
    sid: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
}

impl AssertionKeys {
    /// Opens the folder, or makes it with a first key.
    ///
    /// # Errors
    /// [`AssertionKeysError`], with the file's name.
    pub fn open(state: &Path) -> Result<Self, AssertionKeysError> {
        let folder = state.join("assertion-keys");
        files::private_dir(&folder)?;
        let mut keys = key_files(&folder).map_err(|problem| AssertionKeysError::Folder { path: folder.clone(), problem })?;
        if keys.is_empty() {
            let first = folder.join("0001.pem");
            make_key(&first)?;
            keys.push(first);
        }
        let mut public = Vec::with_capacity(keys.len());
        let mut last = None;
        for file in keys {
            let pair = read_key(&file)?;
            public.push(Jwk::of(&pair));
            last = Some((pair, file));
        }
        let Some((signer, file)) = last else { return Err(AssertionKeysError::NoRandomness) };
        let kid = Jwk::of(&signer).kid;
        let unwritable = |_json| AssertionKeysError::NotAKey(file.clone());
        let header = serde_json::to_vec(&serde_json::json!({"alg": "ES256", "kid": kid, "typ": "JWT"})).map_err(unwritable)?;
        let jwks = serde_json::to_string(&serde_json::json!({ "keys": public })).map_err(unwritable)?;
        Ok(Self { signer, header: URL_SAFE_NO_PAD.encode(header), jwks })
    }

    /// The public keys as a JWK Set (RFC 7517).
    pub fn jwks_json(&self) -> &str {
        &self.jwks
    }

    /// Signs claims. `None` if they cannot be written or the provider fails; nothing is sent then.
    fn sign(&self, claims: &Claims<'_>) -> Option<HeaderValue> {
        let mut token = self.header.clone();
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(serde_json::to_vec(claims).ok()?, &mut token);
        let signature = self.signer.sign(&SystemRandom::new(), token.as_bytes()).ok()?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut token);
        HeaderValue::try_from(token).ok()
    }
}

impl Issuer {
    /// Signs an assertion about `session` on `device` for `app`, valid from `now` for [`LIFETIME`]. `None` if the provider
    /// fails; nothing is sent then.
    pub(super) fn sign(&self, session: &Session, device: &DeviceId, app: &str, now: Timestamp) -> Option<HeaderValue> {
        let claims = Claims {
            iss: &self.name,
            aud: app,
            sub: session.user.to_string(),
            kind: session.service.then_some("service"),
            email: session.email.as_deref(),
            groups: &session.groups,
            device: device.as_str(),
            sid: &session.id.0,
            iat: now.as_secs(),
            exp: now.plus(LIFETIME).as_secs(),
            jti: URL_SAFE_NO_PAD.encode(secret::bytes::<16>().ok()?),
        };
        self.keys.sign(&claims)
    }
}

/// A public key (RFC 7517, RFC 7518 section 6.2); `kid` is its thumbprint (RFC 7638).
#[derive(Debug, Serialize)]
struct Jwk {
    kty: &'static str,
    crv: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: &'static str,
    kid: String,
    x: String,
    y: String,
}

impl Jwk {
    fn of(pair: &EcdsaKeyPair) -> Self {
        // An uncompressed point: 0x04, then 32 bytes each.
        let point = pair.public_key().as_ref();
        let coordinate = |range| URL_SAFE_NO_PAD.encode(point.get(range).unwrap_or_default());
        let (x, y) = (coordinate(1..33), coordinate(33..65));
        let thumbprint = Digest::of(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
        Self { kty: "EC", crv: "P-256", usage: "sig", alg: "ES256", kid: thumbprint.to_base64url(), x, y }
    }
}

fn key_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "pem") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn make_key(file: &Path) -> Result<(), AssertionKeysError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
        .map_err(|_unspecified| AssertionKeysError::NoRandomness)?;
    let base64 = Zeroizing::new(STANDARD.encode(document.as_ref()));
    let mut pem = Zeroizing::new(String::with_capacity(base64.len() + 80));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (position, letter) in base64.chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(files::create_private(file, pem.as_bytes())?)
}

fn read_key(file: &Path) -> Result<EcdsaKeyPair, AssertionKeysError> {
    PrivatePkcs8KeyDer::from_pem_slice(&files::read_private(file)?)
        .ok()
        .and_then(|der| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der()).ok())
        .ok_or_else(|| AssertionKeysError::NotAKey(file.to_owned()))
}

/// How long an assertion is valid.
pub(super) const LIFETIME: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn kids(keys: &AssertionKeys) -> Vec<String> {
        let set: serde_json::Value = serde_json::from_str(keys.jwks_json()).unwrap();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_first_start_makes_a_private_key_that_later_starts_use() {
        let state = tempfile::tempdir().unwrap();
        let first = AssertionKeys::open(state.path()).unwrap();
        let file = state.path().join("assertion-keys/0001.pem");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = AssertionKeys::open(state.path()).unwrap();
        assert_eq!(first.jwks_json(), again.jwks_json());
        assert!(!first.jwks_json().contains("\"d\""), "only public parts are published");
    }

    #[test]
    fn a_newer_key_signs_and_the_old_one_stays_published() {
        let state = tempfile::tempdir().unwrap();
        let old = kids(&AssertionKeys::open(state.path()).unwrap());
        make_key(&state.path().join("assertion-keys/0002.pem")).unwrap();
        let keys = AssertionKeys::open(state.path()).unwrap();
        let now = kids(&keys);
        assert_eq!((now.len(), &now[0]), (2, &old[0]));
        let header: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&keys.header).unwrap()).unwrap();
        assert_eq!(header["kid"], now[1].as_str());
    }

    #[test]
    fn a_key_that_others_may_read_and_a_broken_one_stop_the_start() {
        let state = tempfile::tempdir().unwrap();
        AssertionKeys::open(state.path()).unwrap();
        let file = state.path().join("assertion-keys/0001.pem");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(AssertionKeys::open(state.path()), Err(AssertionKeysError::File(FileError::NotPrivate { .. }))));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.get(..text.len() / 2).unwrap()).unwrap();
        assert!(matches!(AssertionKeys::open(state.path()), Err(AssertionKeysError::NotAKey(_))));
    }
}
